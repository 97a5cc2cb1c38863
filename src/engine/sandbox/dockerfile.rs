//! The part of the Dockerfile language that builders are written in.
//!
//! FROM, ARG, ENV, RUN, COPY, WORKDIR, USER and LABEL with what the reference of the language says of
//! them; everything else is an error that names the line. Reads text, and nothing else.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};

/// An instruction, with its line in the file, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it begins.
    pub(super) line: usize,
    /// As it stands there, on one line, for people.
    pub(super) text: String,
    /// What it says.
    pub(super) instruction: Instruction,
}

/// What an instruction says. Variables are not replaced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// The image to begin with.
    From(String),
    /// A variable of the build, with its default.
    Arg(String, Option<String>),
    /// Variables of the image.
    Env(Vec<(String, String)>),
    /// A command as words.
    Run(Vec<String>),
    /// Sources in the context, then where they go.
    Copy(Vec<String>, String),
    /// The working directory.
    Workdir(String),
    /// Who runs commands.
    User(String),
    /// Labels of the image.
    Label(Vec<(String, String)>),
}

/// Reads a Dockerfile.
pub(super) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut whole = line.trim().to_owned();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        while let Some(begun) = whole.strip_suffix('\\') {
            whole = begun.to_owned();
            match lines.next() {
                // Comments and empty lines may stand in between.
                Some((_, next)) if next.trim().is_empty() || next.trim().starts_with('#') => {
                    whole.push('\\');
                }
                Some((_, next)) => whole.push_str(next.trim_end()),
                None => break,
            }
        }
        let line = number + 1;
        let instruction = instruction(&whole).map_err(|why| refused(line, &why))?;
        steps.push(Step {
            line,
            text: whole.split_whitespace().collect::<Vec<_>>().join(" "),
            instruction,
        });
    }
    Ok(steps)
}

/// What is wrong with a line.
pub(super) fn refused(line: usize, why: &str) -> Error {
    Error::new(Kind::Config, format!("Dockerfile:{line}: {why}")).hint(
        "the sandbox engine knows FROM, ARG, ENV, RUN, COPY, WORKDIR, USER and LABEL; build with `--engine docker` where more is needed",
    )
}

fn instruction(line: &str) -> Result<Instruction, String> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(format!("`{name}` says nothing"));
    }
    if rest.starts_with("--") {
        let option = rest.split([' ', '=']).next().unwrap_or_default();
        return Err(format!("`{name} {option}` is unknown here"));
    }
    if rest.contains("<<") && !name.eq_ignore_ascii_case("LABEL") {
        return Err(format!("`{name}` with a here-document is unknown here"));
    }
    match name.to_ascii_uppercase().as_str() {
        "FROM" if rest.contains(char::is_whitespace) => {
            Err("only one stage without a name is known here".to_owned())
        }
        "FROM" => Ok(Instruction::From(rest.to_owned())),
        "ARG" => match rest.split_once('=') {
            Some((name, value)) => Ok(Instruction::Arg(name.to_owned(), Some(unquoted(value)?))),
            None => Ok(Instruction::Arg(rest.to_owned(), None)),
        },
        "ENV" => pairs(rest).map(Instruction::Env),
        "LABEL" => pairs(rest).map(Instruction::Label),
        "RUN" => match list(rest) {
            Some(words) => Ok(Instruction::Run(words)),
            None => Ok(Instruction::Run(
                ["/bin/sh", "-c", rest].map(str::to_owned).to_vec(),
            )),
        },
        "COPY" => {
            let mut words = match list(rest) {
                Some(words) => words,
                None => split(rest)?,
            };
            let target = words.pop().filter(|_| !words.is_empty());
            let target = target.ok_or("`COPY` wants sources and a target")?;
            match words.iter().find(|word| word.contains(['*', '?', '['])) {
                Some(word) => Err(format!("`COPY` of a pattern, `{word}`, is unknown here")),
                None => Ok(Instruction::Copy(words, target)),
            }
        }
        "WORKDIR" => Ok(Instruction::Workdir(unquoted(rest)?)),
        "USER" => Ok(Instruction::User(unquoted(rest)?)),
        _ => Err(format!("`{name}` is unknown here")),
    }
}

/// A list of words as JSON, the other form of a command.
fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `NAME=VALUE …`, or `NAME VALUE`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = split(text)?;
    if !words[0].contains('=') {
        let (name, value) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{text}` has no value"))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` has no value"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    words.into_iter().map(pair).collect()
}

fn unquoted(text: &str) -> Result<String, String> {
    Ok(split(text)?.join(" "))
}

/// Words, without the quotes that keep blanks in them.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), letter) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let value = |name: &str| variables.get(name).map_or("", String::as_str);
        if let Some(braced) = after.strip_prefix('{') {
            let (inner, after) = braced
                .split_once('}')
                .ok_or_else(|| format!("`{text}`: a `${{` is not closed"))?;
            if let Some((name, default)) = inner.split_once(":-") {
                let value = value(name);
                expanded.push_str(if value.is_empty() { default } else { value });
            } else if let Some((name, other)) = inner.split_once(":+") {
                expanded.push_str(if value(name).is_empty() { "" } else { other });
            } else if is_name(inner) {
                expanded.push_str(value(inner));
            } else {
                return Err(format!("`${{{inner}}}` is unknown here"));
            }
            rest = after;
        } else {
            let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = after.find(|letter| !part(letter)).unwrap_or(after.len());
            let name = &after[..end];
            if name.is_empty() {
                expanded.push('$');
            }
            expanded.push_str(value(name));
            rest = &after[end..];
        }
    }
    Ok(expanded + rest)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    fn only(text: &str) -> Instruction {
        let mut steps = parse(text).unwrap();
        assert_eq!(steps.len(), 1, "{steps:?}");
        steps.remove(0).instruction
    }

    #[test]
    fn every_instruction_that_builders_use_is_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(only("FROM ${BASE}"), Instruction::From("${BASE}".into()));
        assert_eq!(only("ARG BASE"), Instruction::Arg("BASE".into(), None));
        let empty = Instruction::Arg("MORE".into(), Some(String::new()));
        assert_eq!(only("arg MORE=\"\""), empty);
        let run = Instruction::Run(words(&["/bin/sh", "-c", "a  b && c"]));
        assert_eq!(only("RUN a  b && c"), run);
        let run = Instruction::Run(words(&["/bin/a b", "c"]));
        assert_eq!(only("RUN [\"/bin/a b\", \"c\"]"), run);
        let copy = Instruction::Copy(words(&["a", "b c"]), "/d/".into());
        assert_eq!(only("COPY a 'b c' /d/"), copy);
        let env = Instruction::Env(vec![pair("A", "1"), pair("B", "2 3")]);
        assert_eq!(only("ENV A=1 B=\"2 3\""), env);
        assert_eq!(only("ENV A 1 2"), Instruction::Env(vec![pair("A", "1 2")]));
        assert_eq!(
            only("LABEL a.b=c"),
            Instruction::Label(vec![pair("a.b", "c")])
        );
        assert_eq!(only("WORKDIR /srv"), Instruction::Workdir("/srv".into()));
        assert_eq!(only("USER a:b"), Instruction::User("a:b".into()));
    }

    #[test]
    fn lines_are_joined_and_keep_their_number() {
        let text = "# comment\nFROM a\n\nRUN one \\\n# between\n\n   two \\\n three\nRUN four\n";
        let steps = parse(text).unwrap();
        let lines: Vec<usize> = steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [2, 4, 9]);
        let Instruction::Run(argv) = &steps[1].instruction else {
            panic!("{steps:?}");
        };
        assert_eq!(
            argv[2].split_whitespace().collect::<Vec<_>>(),
            ["one", "two", "three"]
        );
        assert_eq!(steps[1].text, "RUN one two three");
    }

    #[test]
    fn what_is_not_known_names_its_line() {
        for (line, why) in [
            ("ADD a /b", "`ADD` is unknown here"),
            ("COPY --chown=a b /c", "`COPY --chown` is unknown here"),
            (
                "COPY *.py /c",
                "`COPY` of a pattern, `*.py`, is unknown here",
            ),
            ("COPY a", "`COPY` wants sources and a target"),
            ("FROM a AS b", "only one stage without a name is known here"),
            (
                "RUN --mount=type=cache,target=/x y",
                "`RUN --mount` is unknown here",
            ),
            ("RUN <<END", "`RUN` with a here-document is unknown here"),
            ("ENV A=\"b", "a quote is not closed"),
            ("RUN", "`RUN` says nothing"),
        ] {
            let error = parse(&format!("FROM x\n{line}\n")).unwrap_err();
            assert_eq!(error.message(), format!("Dockerfile:2: {why}"));
            assert_eq!(error.kind(), Kind::Config);
        }
    }

    #[test]
    fn variables_are_replaced_where_they_are_known() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("$A/${A}x$B.", "1/1x."),
            ("${A:-2}${B:-3}", "13"),
            ("${A:+4}${B:+5}", "4"),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(expand(text, &variables).unwrap(), expected, "{text}");
        }
        assert!(expand("${A", &variables).is_err());
        assert!(expand("${A#x}", &variables).is_err());
    }

    #[test]
    fn the_shipped_dockerfiles_are_read() {
        let images = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
        let values = [
            ("BASE", "base:1"),
            ("BUILD_DEPENDS", "one two"),
            ("FAMILY", "debian"),
        ];
        let variables = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = BTreeMap::from(variables);
        let mut read = 0;
        for entry in walkdir::WalkDir::new(images) {
            let path = entry.unwrap().into_path();
            if path.to_string_lossy().ends_with("Dockerfile") {
                let text = fs_err::read_to_string(&path).unwrap();
                let steps =
                    parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let said = steps.iter().map(|step| expand(&step.text, &variables));
                let said: Vec<String> = said.map(Result::unwrap).collect();
                assert!(said.contains(&"FROM base:1".to_owned()), "{said:?}");
                assert!(!said.concat().contains("${"), "{said:?}");
                read += 1;
            }
        }
        assert!(read > 18, "only {read} are found");
    }
}
