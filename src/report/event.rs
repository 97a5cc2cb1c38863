//! What can happen in a run, as typed events; every output renders the same ones.
//!
//! Knows no output.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Kind};

/// A stage of a platform's build, in the order of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The base image is pulled or bootstrapped.
    Base,
    /// The builder image is built.
    Image,
    /// Wheels are made.
    Wheels,
    /// The virtualenv is made from wheels.
    Bundle,
    /// Packages are written.
    Package,
    /// Packages are installed and run in clean containers.
    Verify,
    /// Runtime images are made of packages.
    Runtime,
    /// The distribution's lint programs look at packages.
    Lint,
    /// An interpreter is made from source.
    Python,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Base => "base",
            Self::Image => "image",
            Self::Wheels => "wheels",
            Self::Bundle => "bundle",
            Self::Package => "package",
            Self::Verify => "verify",
            Self::Runtime => "runtime",
            Self::Lint => "lint",
            Self::Python => "python",
        })
    }
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Wheels.
    Wheels,
    /// Files.
    Files,
    /// Bytes; shown as a size beside a count.
    Bytes,
    /// Packages.
    Packages,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Wheels => "wheels",
            Self::Files => "files",
            Self::Bytes => "bytes",
            Self::Packages => "packages",
        })
    }
}

/// How a platform ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something was made.
    Built,
    /// Nothing had to be made.
    UpToDate,
    /// It failed; the others went on.
    Failed {
        /// What went wrong, as in the exit code.
        kind: Kind,
        /// The error's message.
        message: String,
    },
    /// It was stopped, by the user or because the run ended early.
    Cancelled,
    /// Only the plan was made.
    Planned,
    /// Only its lock was made.
    Locked,
    /// Something went to a registry.
    Pushed,
    /// What was there was looked at, and nothing made.
    Checked,
}

impl Outcome {
    /// The outcome that an error leads to.
    pub fn of_error(error: &Error) -> Self {
        match error.kind() {
            Kind::Interrupted => Self::Cancelled,
            kind => Self::Failed {
                kind,
                message: error.message().to_owned(),
            },
        }
    }

    /// The outcome in one or two words: `built`, `up to date`, `failed`, `cancelled`, `planned`, `locked`,
    /// `pushed`, `checked`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::UpToDate => "up to date",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::Planned => "planned",
            Self::Locked => "locked",
            Self::Pushed => "pushed",
            Self::Checked => "checked",
        }
    }
}

/// What a kind is called in output, such as `build`.
pub(super) fn kind_word(kind: Kind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{kind:?}").to_lowercase(),
    }
}

/// Something that happened to a platform, or to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    PlatformStarted {
        log: PathBuf,
    },
    StageStarted {
        stage: Stage,
    },
    StageMessage {
        stage: Stage,
        text: String,
    },
    StageProgress {
        stage: Stage,
        done: u64,
        total: Option<u64>,
        unit: Unit,
    },
    StageReused {
        stage: Stage,
        reason: String,
        took: Duration,
    },
    StageFinished {
        stage: Stage,
        text: String,
        took: Duration,
    },
    /// It ended without a result: an error passed through it, or it was cancelled.
    StageStopped {
        stage: Stage,
        took: Duration,
    },
    PlatformFinished {
        outcome: Outcome,
        took: Duration,
    },
    Command {
        argv: Vec<String>,
    },
    Output {
        text: String,
    },
    Warning {
        text: String,
        hint: Option<String>,
    },
    Note {
        text: String,
    },
}

impl Event {
    /// The stage the event belongs to.
    pub(super) fn stage(&self) -> Option<Stage> {
        match self {
            Self::StageStarted { stage }
            | Self::StageMessage { stage, .. }
            | Self::StageProgress { stage, .. }
            | Self::StageReused { stage, .. }
            | Self::StageFinished { stage, .. }
            | Self::StageStopped { stage, .. } => Some(*stage),
            Self::PlatformStarted { .. }
            | Self::PlatformFinished { .. }
            | Self::Command { .. }
            | Self::Output { .. }
            | Self::Warning { .. }
            | Self::Note { .. } => None,
        }
    }
}
