//! The text of a configuration file. Knows nothing of what it says.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, Kind, Result};

/// A file of the project with its path, when it is there.
pub(super) fn read(root: &Path, name: &str) -> Result<Option<(PathBuf, String)>> {
    let path = root.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let hint = match error.kind() {
                ErrorKind::InvalidData => Some("save it as UTF-8: TOML has no other encoding"),
                ErrorKind::IsADirectory => Some("it has to be a file: rename or remove the folder"),
                _ => None,
            };
            let error = Error::from(error).of_kind(Kind::Config);
            Err(hint.into_iter().fold(error, Error::hint))
        }
    }
}
