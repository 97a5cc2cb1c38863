//! Errors of TOML files: file, line, column, and the nearest known word.

use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Parses a TOML file's text.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| explain(path, text, &error))
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let place = error.span().map_or_else(String::new, |span| {
        let (line, column) = line_and_column(text, span.start);
        format!(":{line}:{column}")
    });
    let message = in_words_of_toml(error.message().trim());
    let explained = Error::of_text(
        Kind::Config,
        &format!("{}{place}: {message}", path.display()),
    );
    if !explained.hints().is_empty() {
        return explained;
    }
    if text.parse::<toml::Table>().is_err() {
        // The parser notices where it can't go on.
        return explained.hint("a quote or a bracket before this place may not be closed");
    }
    match suggestion(&message) {
        Some(word) => explained.hint(format!("did you mean `{word}`?")),
        None => match form(&message) {
            Some(form) => explained.hint(form),
            None => explained,
        },
    }
}

/// Serde speaks of maps and sequences, which in TOML are tables and lists.
fn in_words_of_toml(message: &str) -> String {
    if !message.starts_with("invalid type: ") {
        return message.to_owned();
    }
    let message = message.replace("invalid type: map", "invalid type: table");
    let message = message.replace("invalid type: sequence", "invalid type: list");
    message
        .replace("expected a map", "expected a table")
        .replace("expected a sequence", "expected a list")
}

/// How a value of the expected type is written.
fn form(message: &str) -> Option<&'static str> {
    let (_, expected) = message
        .strip_prefix("invalid type: ")?
        .rsplit_once(", expected ")?;
    match expected {
        "a string" => Some("put it between quotes: `key = \"…\"`"),
        "a list" => Some("write it between brackets: `key = [\"…\"]`"),
        "a table" => Some(
            "write it as a table, `key = { name = … }`; docs/configuration.md says what is in it",
        ),
        "a boolean" => Some("write `true` or `false`, without quotes"),
        _ => None,
    }
}

/// Line and column, both from 1, of a byte offset; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Serde says: unknown field `nmae`, expected one of `name`, `version`.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted).map(str::to_owned)
}

/// The word most like `unknown`, if one is like it at all.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(unknown, word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Table {
        name: Option<String>,
        version: Option<String>,
    }

    #[test]
    fn an_unknown_key_has_its_place_and_a_suggestion() {
        let error = parse::<Table>(
            Path::new("omnibuild.toml"),
            "name = \"x\"\nverison = \"1\"\n",
        );
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(
            error
                .message()
                .starts_with("omnibuild.toml:2:1: unknown field `verison`"),
            "{error}"
        );
        assert_eq!(error.hints(), ["did you mean `version`?"]);
    }

    #[test]
    fn a_word_that_is_none_says_what_to_write() {
        type Names = std::collections::BTreeMap<String, crate::platform::ImageRef>;
        let error = parse::<Names>(Path::new("x.toml"), "image = \"-x\"").unwrap_err();
        assert!(error.message().starts_with("x.toml:1:9: "), "{error}");
        assert!(
            error.message().ends_with("is not an image reference"),
            "{error}"
        );
        assert!(error.hints()[0].starts_with("write it as"), "{error:?}");
    }

    #[test]
    fn a_value_of_another_type_is_told_in_words_of_toml() {
        for (text, message, hint) in [
            (
                "name = 3.11",
                "floating point `3.11`, expected a string",
                "quotes",
            ),
            (
                "name = [1]",
                "invalid type: list, expected a string",
                "quotes",
            ),
            (
                "name = {}",
                "invalid type: table, expected a string",
                "quotes",
            ),
        ] {
            let error = parse::<Table>(Path::new("x.toml"), text).unwrap_err();
            assert!(error.message().contains(message), "{error}");
            assert!(error.hints()[0].contains(hint), "{:?}", error.hints());
        }
        let error =
            parse::<std::collections::BTreeMap<String, Vec<u8>>>(Path::new("x.toml"), "name = 1");
        let error = error.unwrap_err();
        assert!(error.message().ends_with("expected a list"), "{error}");
        assert!(error.hints()[0].contains("brackets"), "{:?}", error.hints());
    }

    #[test]
    fn what_is_no_toml_may_have_its_fault_before() {
        let error = parse::<Table>(Path::new("x.toml"), "name = \"x\nversion = \"1\"\n");
        let error = error.unwrap_err();
        assert!(error.message().starts_with("x.toml:1:"), "{error}");
        assert!(error.hints()[0].contains("closed"), "{:?}", error.hints());
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("é = 1\nüx", 9), (2, 2));
    }
}
