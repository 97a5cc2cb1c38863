//! Lock files of other tools, recognised and digested.
//!
//! Knows their names and that they are TOML; what is in them is the resolver's. Pure.

use std::path::Path;

use crate::config::parse_toml;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Which tool's lock file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `pylock.toml`, `pylock.<name>.toml` (PEP 751).
    Pylock,
}

/// A lock file in the place of a requirement file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// Which tool's.
    pub kind: LockKind,
    /// Relative to the project's root.
    pub path: String,
    /// The digest of what it says: comments, white space and the order of keys don't matter.
    pub digest: Digest,
    /// The text.
    pub text: String,
    /// The `pyproject.toml` beside it, which its tool reads to export it; of those that need that.
    pub project: Option<Vec<u8>>,
}

impl LockKind {
    /// The kind that a file's name says; `None` for requirement files.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        match name {
            "uv.lock" => Some(Self::Uv),
            "poetry.lock" => Some(Self::Poetry),
            "pylock.toml" => Some(Self::Pylock),
            _ => {
                let middle = name.strip_prefix("pylock.")?.strip_suffix(".toml")?;
                (!middle.is_empty() && !middle.contains('.')).then_some(Self::Pylock)
            }
        }
    }
}

impl LockFile {
    /// Parses the content of a lock file; errors have its line and column.
    pub(super) fn parse(kind: LockKind, path: &str, content: Vec<u8>) -> Result<Self> {
        let text = String::from_utf8(content).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            Error::new(Kind::Config, format!("{path}: byte {place} is not UTF-8"))
                .hint("lock the project again")
        })?;
        let table: toml::Table = parse_toml(Path::new(path), &text).map_err(|error| {
            error.hint("lock the project again; merges leave lock files broken")
        })?;
        // Tables are sorted; arrays keep their order, which may mean something.
        let canonical = serde_json::to_string(&table)
            .map_err(|error| Error::new(Kind::Internal, format!("{path}: {error}")))?;
        Ok(Self {
            kind,
            path: path.to_owned(),
            digest: Digest::of(canonical),
            text,
            project: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LockFile> {
        LockFile::parse(LockKind::Uv, "sub/uv.lock", text.as_bytes().to_vec())
    }

    #[test]
    fn lock_files_are_known_by_their_names() {
        for (path, kind) in [
            ("uv.lock", Some(LockKind::Uv)),
            ("sub/poetry.lock", Some(LockKind::Poetry)),
            ("pylock.toml", Some(LockKind::Pylock)),
            ("pylock.debian-12.toml", Some(LockKind::Pylock)),
            ("pylock.a.b.toml", None),
            ("requirements.txt", None),
            ("Pipfile.lock", None),
        ] {
            assert_eq!(LockKind::of(path), kind, "{path}");
        }
    }

    #[test]
    fn comments_white_space_and_order_of_keys_make_no_other_digest() {
        let digest = |text: &str| parse(text).unwrap().digest;
        let one = digest("version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\n");
        assert_eq!(
            one,
            digest("# c\r\nversion=1\r\n\r\n[[package]]\r\nversion = '1'\r\nname  = \"a\" # d\r\n")
        );
        assert_ne!(
            one,
            digest("version = 1\n[[package]]\nname = \"a\"\nversion = \"2\"\n")
        );
        let array = |text: &str| digest(&format!("a = {text}\n"));
        assert_ne!(array("[1, 2]"), array("[2, 1]"));
        assert_ne!(array("1"), array("\"1\""));
    }

    #[test]
    fn a_broken_lock_file_is_named_with_line_and_column() {
        let error = parse("version = 1\n<<<<<<< HEAD\n").unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().starts_with("sub/uv.lock:2:"), "{error}");
        assert!(LockFile::parse(LockKind::Uv, "uv.lock", vec![0xff]).is_err());
    }
}
