//! One line of a requirement file.
//!
//! Checks the form of requirements; never reads a file and never resolves.

use std::borrow::Cow;
use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl};

use crate::error::{Error, Kind, Result};

use super::options::{Scope, parse_options};
use super::text::{fold, without_credentials};
use super::{Content, PipOption, Role};

/// What pip expects of a requirement, for hints.
const FORM: &str = "a requirement is `name`, `name==1.2.3`, `name[extra]>=1,<2 ; python_version >= '3.9'`, \
                    `name @ https://…`, a URL or a path that starts with `./`";

/// The endings by which pip knows a file to install.
const ARCHIVES: [&str; 9] = [
    ".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz",
];

/// What a logical line, which is not blank and has no comment, says.
pub(super) fn parse_line(line: &str) -> Result<Vec<Content>> {
    let (requirement, options) = apart(line);
    let options = parse_options(options)?;
    if !requirement.is_empty() {
        let text = checked_requirement(requirement)?;
        return Ok(vec![Content::Requirement {
            text,
            options: own_options(options)?,
        }]);
    }
    if let Some((PipOption { value, .. }, _)) =
        options.iter().find(|(_, scope)| *scope == Scope::Editable)
    {
        let text = format!("-e {}", value.as_deref().unwrap_or_default());
        let rest: Vec<_> = options
            .iter()
            .filter(|(_, scope)| *scope != Scope::Editable)
            .cloned()
            .collect();
        if rest.len() + 1 < options.len() {
            return Err(alone("--editable"));
        }
        return Ok(vec![Content::Requirement {
            text,
            options: own_options(rest)?,
        }]);
    }
    if options.iter().any(|(_, scope)| *scope == Scope::Include) && options.len() > 1 {
        return Err(alone("--requirement` or `--constraint"));
    }
    options
        .into_iter()
        .map(|(option, scope)| content(option, scope))
        .collect()
}

/// The requirement and the options of a line: options start at the first word with a dash.
fn apart(line: &str) -> (&str, &str) {
    let start = line
        .char_indices()
        .find(|(place, character)| {
            let before = line[..*place].chars().next_back();
            *character == '-' && before.is_none_or(char::is_whitespace)
        })
        .map_or(line.len(), |(place, _)| place);
    let (requirement, options) = line.split_at(start);
    (requirement.trim(), options)
}

fn own_options(options: Vec<(PipOption, Scope)>) -> Result<Vec<PipOption>> {
    options
        .into_iter()
        .map(|(option, scope)| match scope {
            Scope::Requirement => Ok(option),
            Scope::File | Scope::Include | Scope::Editable => Err(alone(option.name)),
        })
        .collect()
}

fn alone(name: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("option `{name}` stands on a line with something else"),
    )
    .hint("pip would pass over one of them: put each on a line of its own")
}

fn content(option: PipOption, scope: Scope) -> Result<Content> {
    match scope {
        Scope::File | Scope::Editable => Ok(Content::Option(option)),
        Scope::Requirement => Err(Error::new(
            Kind::Config,
            format!("option `{}` stands behind no requirement", option.name),
        )
        .hint("end the line before it with `\\`, and nothing behind the `\\`")),
        Scope::Include => {
            let role = if option.name == "--constraint" {
                Role::Constraints
            } else {
                Role::Requirements
            };
            let path = option.value.unwrap_or_default();
            if path.contains("://") || path.starts_with("file:") {
                return Err(Error::new(
                    Kind::Config,
                    format!(
                        "`{}` is a URL: what it holds can change",
                        without_credentials(&path)
                    ),
                )
                .hint("save it below the project's folder and include that file"));
            }
            Ok(Content::Include { path, role })
        }
    }
}

/// The requirement in its normal form. URLs and paths are passed through as they are.
fn checked_requirement(text: &str) -> Result<String> {
    if is_place(text) {
        return Ok(text.to_owned());
    }
    if let Some((name, url)) = named_url(text) {
        check(name, text)?;
        if url.is_empty() {
            return Err(wrong(text, "no URL stands behind `@`"));
        }
        return Ok(format!("{} @ {url}", fold(name)));
    }
    check(text, text)?;
    Ok(fold(text))
}

/// Whether pip would take the text for a URL or a path.
pub(super) fn is_place(text: &str) -> bool {
    let place = text.split(" ;").next().unwrap_or(text).trim_end();
    let scheme = place.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_url = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    let one_word = !place.contains(char::is_whitespace);
    let archive = is_archive(place);
    is_url
        || place.starts_with(['.', '/'])
        || (one_word && !place.contains(['@', '=', '<', '>', ';']) && place.contains('/'))
        || (one_word && archive && !place.contains(['@', '=', '<', '>', ';']))
}

/// Whether a file's name is one of a wheel or source distribution.
pub(super) fn is_archive(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ARCHIVES.iter().any(|ending| lower.ends_with(ending))
}

/// `name[extras]` and URL of `name[extras] @ URL`. What stands in the URL is pip's.
pub(super) fn named_url(text: &str) -> Option<(&str, &str)> {
    let (name, url) = text.split_once('@')?;
    let no_version = !name.contains(['=', '<', '>', '~', '!', ';', '"', '\'']);
    no_version.then(|| (name.trim(), url.trim()))
}

fn check(part: &str, whole: &str) -> Result<()> {
    match parse_requirement(&with_values(part)) {
        Ok(_) => Ok(()),
        Err(reason) => Err(wrong(whole, &reason)),
    }
}

fn wrong(text: &str, reason: &str) -> Error {
    let text = without_credentials(text);
    let error = Error::new(
        Kind::Config,
        format!("`{text}` is not a requirement: {reason}"),
    );
    if text.ends_with('\\') || text.contains("\\ ") {
        return error.hint("a `\\` continues a line only where nothing stands behind it");
    }
    if text.contains('#') {
        return error.hint("a comment starts with white space and `#`");
    }
    if let Some((name, version)) = text.split_once('=')
        && !name.ends_with(['=', '<', '>', '!', '~'])
        && !version.starts_with('=')
    {
        return error.hint(format!("write it as `{}=={}`", name.trim(), version.trim()));
    }
    error.hint(FORM)
}

/// The text with something for each `${NAME}`: pip replaces them before it looks at the line.
fn with_values(text: &str) -> Cow<'_, str> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        filled.push_str(before);
        if is_name {
            filled.push('0');
        } else {
            filled.push_str("${");
            filled.push_str(name);
            filled.push('}');
        }
        rest = behind;
    }
    if filled.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    filled.push_str(rest);
    Cow::Owned(filled)
}

/// Parses a requirement as PEP 508 defines it; the error says what is wrong with it.
pub fn parse_requirement(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    let name_end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
        .unwrap_or(text.len());
    // pep508_rs 0.9 panics on such a name when anything follows it.
    if text[..name_end].ends_with(['.', '-', '_']) {
        return Err(format!(
            "a name must end with a letter or a digit, and `{}` does not",
            &text[..name_end]
        ));
    }
    Requirement::from_str(text).map_err(|error| error.message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(line: &str) -> (String, Vec<String>) {
        match parse_line(line).unwrap().as_slice() {
            [Content::Requirement { text, options }] => {
                (text.clone(), options.iter().map(PipOption::text).collect())
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn requirements_of_every_form_are_taken() {
        for (line, text) in [
            ("Flask", "Flask"),
            ("repoze.lru==0.7", "repoze.lru==0.7"),
            ("setuptools_cython  ==  0.2.1", "setuptools_cython == 0.2.1"),
            (
                "requests [security] >= 2.8.1, == 2.8.* ; python_version < \"2.7\"",
                "requests [security] >= 2.8.1, == 2.8.* ; python_version < \"2.7\"",
            ),
            ("foo (>=1)", "foo (>=1)"),
            (
                "urllib3@https://host/a-1.zip",
                "urllib3 @ https://host/a-1.zip",
            ),
            (
                "x[a] @ git+ssh://git@host/x.git@v1#egg=x",
                "x[a] @ git+ssh://git@host/x.git@v1#egg=x",
            ),
            (
                "x @ https://${TOKEN}@host/${a b}",
                "x @ https://${TOKEN}@host/${a b}",
            ),
            ("foo==${FOO_VERSION}", "foo==${FOO_VERSION}"),
            ("${FOO}", "${FOO}"),
            ("./my folder", "./my folder"),
            (".[dev]", ".[dev]"),
            ("../x", "../x"),
            ("vendor/x", "vendor/x"),
            ("x-1.0-py3-none-any.whl", "x-1.0-py3-none-any.whl"),
            ("https://host/x.whl", "https://host/x.whl"),
            (
                "git+https://host/x.git#subdirectory=a",
                "git+https://host/x.git#subdirectory=a",
            ),
            ("-e ./x", "-e ./x"),
            (
                "--editable=git+https://host/x#egg=x",
                "-e git+https://host/x#egg=x",
            ),
        ] {
            assert_eq!(requirement(line), (text.to_owned(), vec![]), "{line}");
        }
        assert_eq!(
            requirement("a==1 ; python_version >= '3'   --hash=sha256:1 --hash sha256:2"),
            (
                "a==1 ; python_version >= '3'".to_owned(),
                vec!["--hash=sha256:1".to_owned(), "--hash=sha256:2".to_owned()]
            )
        );
    }

    #[test]
    fn wrong_lines_are_refused_with_what_is_right() {
        for (line, hint) in [
            ("foo=1.0", "`foo==1.0`"),
            ("foo = 1.0", "`foo==1.0`"),
            ("foo 1.0", "name==1.2.3"),
            ("foo==", "name==1.2.3"),
            ("foo==2004d", "name==1.2.3"),
            ("-xfoo", "pip takes these"),
            ("foo>=1 ; python_versoin > '3'", "name==1.2.3"),
            ("<<<<<<< HEAD", "name==1.2.3"),
            ("foo @", "name==1.2.3"),
            ("foo==1 \\ --hash=x", "nothing stands behind"),
            ("foo==1#why", "white space and `#`"),
            ("flask --pre", "line of its own"),
            ("-r a.txt --pre", "line of its own"),
            ("-e . -e ./x", "line of its own"),
            ("--hash=sha256:1", "end the line before"),
            ("-r https://me:secret@host/a.txt", "save it below"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(
                error.hints()[0].contains(hint),
                "{line}: {error} {:?}",
                error.hints()
            );
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
