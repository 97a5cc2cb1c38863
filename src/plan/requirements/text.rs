//! The text of a requirement file: encoding, continued lines, comments, credentials.
//!
//! Knows nothing of what a line means. Never reads a file.

use std::borrow::Cow;

use crate::error::{Error, Kind, Result};

/// The text of a file: UTF-8, or UTF-16 when a byte order mark says so.
pub(super) fn decode(content: &[u8]) -> Result<Cow<'_, str>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok()
            .filter(|_| rest.is_empty())
            .map(Cow::Owned)
            .ok_or_else(|| {
                Error::new(
                    Kind::Config,
                    "the file has a byte order mark of UTF-16, but is not UTF-16",
                )
                .hint("save it as UTF-8")
            })
    };
    match content {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => utf8(rest),
    }
}

fn utf8(content: &[u8]) -> Result<Cow<'_, str>> {
    match std::str::from_utf8(content) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let before = content.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            Err(
                Error::new(Kind::Config, format!("line {line} is not UTF-8"))
                    .hint("save it as UTF-8"),
            )
        }
    }
}

/// The lines with their numbers, as pip joins them at `\` and takes comments out; no blank ones.
pub(super) fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let text = text.replace("\r\n", "\n");
    for (place, line) in (1..).zip(text.split(['\n', '\r'])) {
        let comment = line.trim_start().starts_with('#');
        if line.ends_with('\\') && !comment {
            let (_, joined) = open.get_or_insert_with(|| (place, String::new()));
            joined.push_str(line.trim_matches('\\'));
            continue;
        }
        let (number, mut joined) = open.take().unwrap_or((place, String::new()));
        if comment {
            // A comment ends a continued line, and must not melt into its last word.
            joined.push(' ');
        }
        joined.push_str(line);
        lines.push((number, joined));
    }
    lines.extend(open);
    lines
        .into_iter()
        .map(|(number, line)| (number, without_comment(&line).trim().to_owned()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

/// A `#` starts a comment at the start of a line and after white space; in a URL it does not.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (place, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return &line[..place];
        }
        before = character;
    }
    line
}

/// White space folded to one space each, but not in quotes.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut quote = None;
    for character in text.trim().chars() {
        if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && matches!(character, '"' | '\'') {
            quote = Some(character);
        }
        if quote.is_some() || !character.is_whitespace() {
            folded.push(character);
        } else if !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded
}

/// The text with `user:password@` taken out of every URL.
pub fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("://") {
        let (before, after) = rest.split_at(place + 3);
        clean.push_str(before);
        let end = after
            .find(|next: char| "/?#\"'".contains(next) || next.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

/// The URLs in a text, each from its host's or user's name on.
pub fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("://").map(|(place, _)| {
        let rest = &text[place + 3..];
        let end = rest.find(|next: char| "\"'".contains(next) || next.is_whitespace());
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        logical_lines(text)
    }

    fn owned(lines: &[(usize, &str)]) -> Vec<(usize, String)> {
        lines
            .iter()
            .map(|(number, line)| (*number, (*line).to_owned()))
            .collect()
    }

    #[test]
    fn lines_are_joined_and_numbered_as_pip_does() {
        assert_eq!(
            lines("# top\n\na==1  # why\r\nb==2 \\\r\n  --hash=x \\\n  --hash=y\n  \nc\rd"),
            owned(&[
                (3, "a==1"),
                (4, "b==2   --hash=x   --hash=y"),
                (8, "c"),
                (9, "d")
            ])
        );
        // A comment ends a continued line, and its own backslash continues nothing.
        assert_eq!(lines("a \\\n# no \\\nb"), owned(&[(1, "a"), (3, "b")]));
        assert_eq!(lines("a \\\n"), owned(&[(1, "a")]));
        assert_eq!(lines("a#b\nc #d\n\t#e"), owned(&[(1, "a#b"), (2, "c")]));
        assert_eq!(lines("x \\"), owned(&[(1, "x")]));
    }

    #[test]
    fn byte_order_marks_are_understood() {
        assert_eq!(decode(b"\xEF\xBB\xBFa").unwrap(), "a");
        assert_eq!(decode(b"\xFF\xFEa\0\xE9\0").unwrap(), "aé");
        assert_eq!(decode(b"\xFE\xFF\0a").unwrap(), "a");
        assert!(decode(b"\xFF\xFEa").is_err());
        assert!(
            decode(b"a\nb\n\xE9")
                .unwrap_err()
                .message()
                .contains("line 3")
        );
    }

    #[test]
    fn white_space_is_folded_outside_of_quotes() {
        assert_eq!(
            fold("a \t >= 1 ; x == 'b  c'  and\ty"),
            "a >= 1 ; x == 'b  c' and y"
        );
    }

    #[test]
    fn credentials_leave_urls() {
        for (text, clean) in [
            ("https://me:pw@host/a@b", "https://host/a@b"),
            (
                "a @ git+https://token@host/x@v1 -f http://u:p@h:8/",
                "a @ git+https://host/x@v1 -f http://h:8/",
            ),
            ("https://${USER}:${PASS}@host", "https://host"),
            ("https://u:p@q@host?x=@", "https://host?x=@"),
            ("me@host", "me@host"),
        ] {
            assert_eq!(without_credentials(text), clean);
        }
    }
}
