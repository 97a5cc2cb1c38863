//! Shapes of text that several rooms need.
//!
//! Knows nothing of what the text says, and nothing of terminals: those are the reporter's.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The words of a text with one space between them: no line ends, none at the sides.
pub fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A count with its noun, whose plural has an `s`: `1 wheel`, `2 wheels`.
pub fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// A size in bytes such as `5G`, in the units that this program prints (powers of 1000).
pub fn size(text: &str) -> Option<u64> {
    let units = [
        ("", 1),
        ("k", 1000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("t", 1_000_000_000_000),
    ];
    let text = text.to_ascii_lowercase();
    with_unit(text.strip_suffix('b').unwrap_or(&text), &units)
}

/// A whole number with one of these units, multiplied by it.
pub fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = text[digits.len()..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A pattern of paths or names, in the words of a `.gitignore`: `*` stays within a folder, `**` goes
/// through folders, and what matches a folder matches all below it.
#[derive(Debug)]
pub struct PathPattern(Gitignore);

impl PathPattern {
    /// Reads a pattern; says what is wrong with it.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.trim().is_empty() || pattern.starts_with(['!', '#']) {
            return Err("is no pattern of paths".to_owned());
        }
        let mut builder = GitignoreBuilder::new("/");
        let built = builder
            .add_line(None, pattern)
            .and_then(|builder| builder.build());
        match built {
            Ok(pattern) => Ok(Self(pattern)),
            Err(error) => Err(format!("is no pattern of paths: {error}")),
        }
    }

    /// Whether a path or a name, or a folder that it is in, has the form of the pattern.
    pub fn matches(&self, path: &str) -> bool {
        let below_root = path.trim_start_matches('/');
        let found = self.0.matched_path_or_any_parents(below_root, false);
        found.is_ignore()
    }
}

/// A text as it stands in addresses (RFC 3986).
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push('%');
                encoded.push_str(&crate::digest::hex(&[byte]).to_ascii_uppercase());
            }
            encoded
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_space_between_them() {
        assert_eq!(single_spaced(" one\r\n\ttwo  three "), "one two three");
        assert_eq!(single_spaced(" \n"), "");
    }

    #[test]
    fn patterns_are_those_of_a_gitignore() {
        for (pattern, path, expect) in [
            ("/opt/", "/opt/a/b", true),
            ("/opt/*", "/opt/a/b", true),
            ("/opt/*", "/usr/opt/a", false),
            ("/opt/*", "//opt/a", true),
            ("/opt/*.so", "/opt/a/b.so", false),
            ("/opt/**/*.so", "/opt/a/b.so", true),
            ("*.so", "/opt/a/b.so", true),
            ("*.so", "/opt/a/b.so.1", false),
            ("/opt/**/site-packages/", "/opt/a/lib/site-packages/b", true),
            ("acme-*-cli", "acme-mytool-cli", true),
            ("acme-*-cli", "acme-mytool-node", false),
        ] {
            let matches = PathPattern::parse(pattern).unwrap().matches(path);
            assert_eq!(matches, expect, "{pattern} {path}");
        }
        for pattern in ["", " ", "!a", "# a", "/opt/[z-a]"] {
            PathPattern::parse(pattern).unwrap_err();
        }
    }
}
