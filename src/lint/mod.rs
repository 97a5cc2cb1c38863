//! What lintian and rpmlint say of packages, and which of it is overridden, with a reason.
//!
//! Pure: reads lines and answers findings; who runs the programs is the pipeline. The shipped overrides
//! are data (`images/lint/overrides.toml`); a project adds its own under `[lint]`.

mod overrides;
mod parse;

use serde::Serialize;

use crate::platform::Format;

pub use self::overrides::{Judged, Policy, judge};
pub use self::parse::parse;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Against policy (`E`).
    Error,
    /// Probably wrong (`W`).
    Warning,
    /// Worth to know (`I`; lintian's pedantic `P` too).
    Info,
}

impl Level {
    /// The level in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One line of lintian or rpmlint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// The folder that the package was in: its platform, mostly.
    pub folder: String,
    /// The package's format, and so the program that found it.
    pub format: Format,
    /// The package's name.
    pub package: String,
    /// What was found, in the program's word.
    pub tag: String,
    /// What else the line says.
    pub details: String,
    /// The absolute path that it is about, where it is about one.
    pub path: Option<String>,
}
