//! The options that pip allows in requirement files.
//!
//! Knows names and shapes only; what an option does is pip's.

use crate::error::{Error, Kind, Result};

use super::PipOption;

/// Where an option may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// On a line of its own, for the whole installation.
    File,
    /// Behind a requirement.
    Requirement,
    /// `-r`, `-c`: on a line of its own, instead of which the file's lines come.
    Include,
    /// `-e`: is a requirement.
    Editable,
}

struct Known {
    long: &'static str,
    short: Option<&'static str>,
    takes_value: bool,
    scope: Scope,
}

const fn known(
    long: &'static str,
    short: Option<&'static str>,
    takes_value: bool,
    scope: Scope,
) -> Known {
    Known {
        long,
        short,
        takes_value,
        scope,
    }
}

/// pip's own list, in its order, with the two of pip 26 for choosing pre-releases.
const KNOWN: [Known; 19] = [
    known("--index-url", Some("-i"), true, Scope::File),
    known("--extra-index-url", None, true, Scope::File),
    known("--no-index", None, false, Scope::File),
    known("--constraint", Some("-c"), true, Scope::Include),
    known("--requirement", Some("-r"), true, Scope::Include),
    known("--editable", Some("-e"), true, Scope::Editable),
    known("--find-links", Some("-f"), true, Scope::File),
    known("--no-binary", None, true, Scope::File),
    known("--only-binary", None, true, Scope::File),
    known("--prefer-binary", None, false, Scope::File),
    known("--require-hashes", None, false, Scope::File),
    known("--pre", None, false, Scope::File),
    known("--all-releases", None, true, Scope::File),
    known("--only-final", None, true, Scope::File),
    known("--trusted-host", None, true, Scope::File),
    known("--use-feature", None, true, Scope::File),
    known("--global-option", None, true, Scope::Requirement),
    known("--hash", None, true, Scope::Requirement),
    known("--config-settings", Some("-C"), true, Scope::Requirement),
];

/// The options of a line with where they may stand. `text` begins with the first option.
pub(super) fn parse_options(text: &str) -> Result<Vec<(PipOption, Scope)>> {
    let mut words = split_words(text)?.into_iter();
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let (known, attached) = find(&word)?;
        let value = if known.takes_value {
            Some(attached.or_else(|| words.next()).ok_or_else(|| {
                Error::new(
                    Kind::Config,
                    format!("option `{}` has no value", known.long),
                )
                .hint(format!("write it as `{}=value`", known.long))
            })?)
        } else if attached.is_some() {
            return Err(Error::new(
                Kind::Config,
                format!("option `{}` takes no value", known.long),
            ));
        } else {
            None
        };
        options.push((
            PipOption {
                name: known.long,
                value,
            },
            known.scope,
        ));
    }
    Ok(options)
}

/// The option that a word names, and the value that is attached to it.
fn find(word: &str) -> Result<(&'static Known, Option<String>)> {
    if word.starts_with("--") {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        // pip takes both spellings.
        let name = match name {
            "--config-setting" => "--config-settings",
            "--pypi-url" => "--index-url",
            name => name,
        };
        let known = KNOWN
            .iter()
            .find(|known| known.long == name)
            .ok_or_else(|| unknown(name))?;
        return Ok((known, value));
    }
    if !word.starts_with('-') {
        return Err(Error::new(
            Kind::Config,
            format!(
                "`{}` stands behind an option",
                super::text::without_credentials(word)
            ),
        )
        .hint("put each requirement on a line of its own, in front of its options"));
    }
    let name = word.get(..2).unwrap_or(word);
    let known = KNOWN
        .iter()
        .find(|known| known.short == Some(name))
        .ok_or_else(|| unknown(name))?;
    let attached = word.get(2..).filter(|attached| !attached.is_empty());
    Ok((known, attached.map(str::to_owned)))
}

fn unknown(name: &str) -> Error {
    let error = Error::new(
        Kind::Config,
        format!("option `{name}` is not one of a requirement file"),
    );
    let nearest = KNOWN
        .iter()
        .map(|known| (strsim::jaro_winkler(known.long, name), known.long))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match nearest {
        Some((likeness, long)) if likeness > 0.85 => error.hint(format!("did you mean `{long}`?")),
        _ => error.hint(format!(
            "pip takes these: {}",
            KNOWN
                .iter()
                .map(|known| known.long)
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

/// Words as a POSIX shell splits them, which is how pip splits options.
fn split_words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (Some('"'), '\\') if matches!(characters.peek(), Some('"' | '\\')) => {
                word.get_or_insert_default().extend(characters.next());
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if let Some(open) = quote {
        return Err(Error::new(
            Kind::Config,
            format!("a quote {open} is not closed"),
        ));
    }
    words.extend(word);
    Ok(words)
}

/// The long names, for the test that each has a rule.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        parse_options(text)
            .unwrap()
            .iter()
            .map(|(option, _)| option.text())
            .collect()
    }

    #[test]
    fn every_way_to_write_an_option_is_understood() {
        for text in [
            "-r a.txt",
            "-ra.txt",
            "--requirement a.txt",
            "--requirement=a.txt",
        ] {
            assert_eq!(texts(text), ["--requirement=a.txt"]);
        }
        assert_eq!(
            texts(r#"--pre  -f "my wheels" --config-setting='a=b c' -i x\ y"#),
            [
                "--pre",
                "--find-links=my wheels",
                "--config-settings=a=b c",
                "--index-url=x y"
            ]
        );
    }

    #[test]
    fn wrong_options_come_with_what_is_right() {
        for (text, hint) in [
            ("--index-ulr=x", "`--index-url`"),
            ("--requirements a.txt", "`--requirement`"),
            ("--extra-index x", "`--extra-index-url`"),
            ("--user", "pip takes these"),
            ("-x", "pip takes these"),
            ("--hash", "--hash=value"),
            ("--pre flask", "line of its own"),
        ] {
            let error = parse_options(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(
                error.hints()[0].contains(hint),
                "{text}: {:?}",
                error.hints()
            );
        }
        assert!(parse_options("--pre=x").is_err());
        assert!(
            parse_options("-f 'x")
                .unwrap_err()
                .message()
                .contains("not closed")
        );
    }
}
