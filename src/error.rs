//! The one error type, its kinds with their documented exit codes, and its hints.
//!
//! May not print: `main` prints. An error says what happened, where, why, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// What went wrong, as the user of the exit code sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A defect of omnibuild itself, or a failure of the operating system without a better name.
    Internal,
    /// The command line or a configuration file is wrong.
    Config,
    /// No container engine answers, or it is too old.
    Engine,
    /// A build step failed.
    Build,
    /// A package did not pass verification.
    Verify,
    /// Publishing, pushing or signing failed.
    Publish,
    /// The disk, or the memory for a step, is used up.
    Space,
    /// The platform is unknown.
    Platform,
    /// A file that a platform or a project needs is missing (Dockerfile, requirement file).
    Missing,
    /// A requirement can't be resolved.
    Resolve,
    /// A wheel can't be built from its source.
    Wheel,
    /// A version is not a PEP 440 version, or can't be expressed in the package format.
    Version,
    /// A base image can't be pulled or bootstrapped, or another network service does not answer.
    Network,
    /// Two wheels own one file, or a wheel is malformed.
    Conflict,
    /// An entry of a cache, a file to fill one from, or a package file is damaged.
    Damaged,
    /// Another run uses what has to be used alone.
    Busy,
    /// The bundle holds what may not be shipped, or needs what the platform has not.
    Audit,
    /// Packages differ in what a release may not change.
    Difference,
    /// A licence or a vulnerability is against the project's rules.
    Policy,
    /// lintian or rpmlint found something in a package.
    Lint,
    /// Stopped by the user.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 21] = [
        Self::Internal,
        Self::Config,
        Self::Engine,
        Self::Build,
        Self::Verify,
        Self::Publish,
        Self::Space,
        Self::Platform,
        Self::Missing,
        Self::Resolve,
        Self::Wheel,
        Self::Version,
        Self::Network,
        Self::Conflict,
        Self::Damaged,
        Self::Busy,
        Self::Audit,
        Self::Difference,
        Self::Policy,
        Self::Lint,
        Self::Interrupted,
    ];

    /// The exit code of the process. These numbers are an interface and never change.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Config => 2,
            Self::Engine => 3,
            Self::Build => 4,
            Self::Verify => 5,
            Self::Publish => 6,
            Self::Space => 7,
            Self::Platform => 8,
            Self::Missing => 9,
            Self::Resolve => 10,
            Self::Wheel => 11,
            Self::Version => 12,
            Self::Network => 13,
            Self::Conflict => 14,
            Self::Damaged => 15,
            Self::Busy => 16,
            Self::Audit => 17,
            Self::Difference => 18,
            Self::Policy => 19,
            Self::Lint => 20,
            Self::Interrupted => 130,
        }
    }

    /// What the code means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Internal => "a defect of omnibuild or an unexpected failure of the system",
            Self::Config => "the command line or a configuration file is wrong",
            Self::Engine => "no container engine answers, or it is too old",
            Self::Build => "a build step failed",
            Self::Verify => "a package did not pass verification",
            Self::Publish => "publishing, pushing or signing failed",
            Self::Space => "no space left on a disk",
            Self::Platform => "the platform is unknown",
            Self::Missing => "a file that is needed is missing (Dockerfile, requirement file)",
            Self::Resolve => "a requirement can't be resolved",
            Self::Wheel => "a wheel can't be built from its source",
            Self::Version => "a version is not PEP 440, or has no native equivalent",
            Self::Network => "a base image, mirror or index can't be reached",
            Self::Conflict => "two wheels own one file, or a wheel is malformed",
            Self::Damaged => "a wheel cache, a file to fill one from, or a package file is damaged",
            Self::Busy => "another run uses what has to be used alone",
            Self::Audit => {
                "the bundle holds what may not be shipped, or needs what the platform has not"
            }
            Self::Difference => "packages differ in what a release may not change",
            Self::Policy => "a licence or a known vulnerability is against the project's rules",
            Self::Lint => "lintian or rpmlint found something in a package",
            Self::Interrupted => "stopped by the user",
        }
    }
}

/// A command inside a container or on this machine that ended with a non-zero status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailed {
    /// The command, word by word.
    pub argv: Vec<String>,
    /// Its exit status.
    pub status: i64,
    /// The last lines it printed, oldest first.
    pub last_lines: Vec<String>,
    /// Where the whole output is.
    pub log: Option<PathBuf>,
}

/// An error with everything its reader needs.
#[derive(Debug)]
#[must_use = "an error that is made must be returned"]
pub struct Error {
    kind: Kind,
    message: String,
    command: Option<Box<CommandFailed>>,
    hints: Vec<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind. The message is a lower-case fragment without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            command: None,
            hints: Vec::new(),
        }
    }

    /// An input or output error at a path; a full disk becomes [`Kind::Space`].
    pub fn io(action: &str, path: &Path, error: &std::io::Error) -> Self {
        let this = Self::from_io(
            format!("can't {action} `{}`: {error}", path.display()),
            error,
        );
        if this.kind == Kind::Space {
            return this.hint(format!(
                "make room on the file system of `{}`",
                path.display()
            ));
        }
        this
    }

    fn from_io(message: String, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Space,
            std::io::ErrorKind::NotFound => Kind::Missing,
            _ => Kind::Internal,
        };
        let this = Self::new(kind, message);
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => this.hint(
                "change the owner or the mode of that path, or run the command as a user who may",
            ),
            std::io::ErrorKind::ReadOnlyFilesystem => {
                this.hint("that file system is mounted read-only: work in a folder of another one")
            }
            _ => this,
        }
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the command that failed.
    pub fn command(mut self, command: CommandFailed) -> Self {
        self.command = Some(Box::new(command));
        self
    }

    /// Says where it happened, in front of the message.
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The same error under another kind.
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What went wrong, for the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message, without hints.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The command that failed, where one did.
    pub fn failed_command(&self) -> Option<&CommandFailed> {
        self.command.as_deref()
    }

    /// The message and the hints as one text, for parsers that keep nothing else of an error;
    /// [`of_text`](Self::of_text) takes it apart.
    pub(crate) fn with_hints(&self) -> String {
        let mut text = self.message.clone();
        for hint in &self.hints {
            text.push_str(HINT);
            text.push_str(hint);
        }
        text
    }

    /// An error out of what [`with_hints`](Self::with_hints) made, or of a message alone.
    pub(crate) fn of_text(kind: Kind, text: &str) -> Self {
        let mut parts = text.split(HINT);
        let error = Self::new(kind, parts.next().unwrap_or_default());
        parts.fold(error, Self::hint)
    }

    /// What the user can do, one sentence each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What stands between a message and its hints in one text.
const HINT: &str = "\nhint: ";

/// fs-err's errors name the path and the action, so nothing needs to be added.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let this = Self::from_io(error.to_string(), &error);
        match this.kind {
            Kind::Space => this.hint("make room on that file system and run the command again"),
            _ => this,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_exit_code() {
        let mut codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(
            Error::io("write", Path::new("/x"), &full).kind(),
            Kind::Space
        );
        let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let other = Error::io("write", Path::new("/x"), &other);
        assert_eq!(other.kind(), Kind::Internal);
        assert!(other.hints()[0].contains("owner or the mode"), "{other:?}");
    }
}
