//! What a helper process is asked, and what it answers: frames over one socket.
//!
//! Says nothing of how either side does its part. No secret is in the words of a command: all that a
//! helper has to know comes over the socket.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::limits::Restrictions;
use super::way::Way;
use crate::error::{Error, Kind, Result};

/// The word that makes this program the helper outside.
pub(super) const OUTSIDE: &str = "sandbox-helper-outside";
/// The word that makes it the helper inside.
pub(super) const INSIDE: &str = "sandbox-helper-inside";
/// The word that makes this program the helper that writes maps.
pub(super) const MAPPING: &str = "sandbox-helper-mapping";

/// Something to do in the root file system of a container or of a layer that is being made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// The store. Other paths are relative to it, which keeps the mount's options short, and without
    /// the colons and commas that a user's folder may have in its name.
    pub(super) store: PathBuf,
    /// The file that is locked while this is done: two mounts of one `upper` are undefined.
    pub(super) lock: Option<PathBuf>,
    /// How it gets its root.
    pub(super) way: Way,
    /// The trees below, the lowest first. Without any, `upper` alone is the root.
    pub(super) below: Vec<PathBuf>,
    /// The folder with `upper`, which takes the changes, `work`, which the kernel wants, and `root`,
    /// where all are mounted.
    pub(super) folder: PathBuf,
    /// Whether the machine's network is shared; otherwise there is loopback alone.
    pub(super) network: bool,
    /// What a command may take.
    pub(super) restrictions: Restrictions,
    /// What to do there.
    pub(super) action: Action,
}

/// What is done in a root file system.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Action {
    /// Nothing: it is enough that all could be mounted.
    Probe,
    /// Nothing but that `upper` is made of the topmost tree below: where each is a whole one.
    Fill,
    /// Folders of the store, by paths relative to it, removed: outside of the root, but with the rights
    /// that their owners have in the namespace.
    Remove(Vec<PathBuf>),
    /// A command.
    Run(Command),
    /// A tar archive of this machine, unpacked into a folder.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// An absolute path inside.
        folder: String,
    },
    /// The whole root, written to a tar archive of this machine.
    Export {
        /// The archive.
        archive: PathBuf,
    },
    /// A file or folder, written to a tar archive of this machine.
    Pack {
        /// An absolute path inside.
        path: String,
        /// The archive.
        archive: PathBuf,
    },
}

/// A command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Command {
    /// Its words.
    pub(super) argv: Vec<String>,
    /// Its whole environment.
    pub(super) env: Vec<(String, String)>,
    /// Its working directory; empty: `/`.
    pub(super) cwd: String,
    /// `user` or `user:group`, names or numbers; empty: root.
    pub(super) user: String,
    /// Whether standard output is a socket, and standard input is to be the same.
    pub(super) converses: bool,
}

/// What a helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It could not get to the command.
    Failed {
        /// The exit code of the error's kind.
        kind: u8,
        /// The error's message.
        message: String,
    },
    /// There is no such program, or it can't be run.
    NotStarted {
        /// What a shell would say.
        message: String,
        /// 127 or 126, as a shell has it.
        status: i64,
    },
    /// The command ended with this status; 128 and the signal's number when one ended it.
    Ended(i64),
}

impl Answer {
    /// An error, for the other side.
    pub(super) fn of_error(error: &Error) -> Self {
        Self::Failed {
            kind: error.kind().exit_code(),
            message: error.message().to_owned(),
        }
    }
}

/// The error of [`Answer::Failed`].
pub(super) fn error(kind: u8, message: String) -> Error {
    let kind = Kind::ALL
        .into_iter()
        .find(|known| known.exit_code() == kind)
        .unwrap_or(Kind::Internal);
    Error::new(kind, message)
}

/// The bytes of a value: their number, then JSON.
pub(super) fn frame(value: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    let length = u32::try_from(json.len()).map_err(std::io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &json].concat())
}

/// Writes a value.
pub(super) fn send(writer: &mut impl Write, value: &impl Serialize) -> Result<()> {
    Ok(writer.write_all(&frame(value)?)?)
}

/// Reads a value, and not a byte more; `None` at the end.
pub(super) fn receive<T: DeserializeOwned>(reader: &mut impl Read) -> Result<Option<T>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = u64::from(u32::from_be_bytes(length));
    let mut json = Vec::new();
    reader.take(length).read_to_end(&mut json)?;
    let value = serde_json::from_slice(&json).map_err(std::io::Error::from)?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other_and_end() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Answer::Ended(3)).unwrap();
        let full = Error::new(Kind::Space, "no room");
        send(&mut bytes, &Answer::of_error(&full)).unwrap();
        let mut reader = bytes.as_slice();
        let first = receive::<Answer>(&mut reader).unwrap().unwrap();
        assert!(matches!(first, Answer::Ended(3)));
        let Some(Answer::Failed { kind, message }) = receive(&mut reader).unwrap() else {
            panic!("another answer was sent");
        };
        let read = error(kind, message);
        assert_eq!((read.kind(), read.message()), (Kind::Space, "no room"));
        assert!(receive::<Answer>(&mut reader).unwrap().is_none());
    }
}
