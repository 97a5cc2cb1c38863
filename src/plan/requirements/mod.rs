//! Requirement files of pip, with the files they include, read into data.
//!
//! Follows pip's "Requirements File Format", but for what [`policy`] refuses. Reads files of the
//! project and nothing else, and resolves nothing. Lock files of other tools are recognised and
//! digested, not read as requirement files.

mod line;
mod lock;
mod options;
mod policy;
mod read;
mod set;
mod text;

pub use self::line::parse_requirement;
pub use self::lock::{LockFile, LockKind};
pub use self::read::{read, read_lock};
pub use self::text::{addresses, without_credentials};

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::error::Result;

use self::line::parse_line;

/// One requirement file, not followed into its includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementFile {
    /// Relative to the project's root, with `/`.
    pub path: String,
    /// What its lines say, in their order; comments and blank lines say nothing.
    pub lines: Vec<Line>,
}

/// One thing that a line says. A line with two options gives two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1; of a continued line, its first.
    pub number: usize,
    /// What it says.
    pub content: Content,
}

/// What a line of a requirement file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something to install, or to hold back in a constraint file.
    Requirement {
        /// The requirement with its white space folded; `-e` and a place for an editable one.
        text: String,
        /// Its own options, such as `--hash`.
        options: Vec<PipOption>,
    },
    /// An option for the whole installation, such as `--index-url`.
    Option(PipOption),
    /// `-r` or `-c`: another file.
    Include {
        /// As it is written, relative to this file.
        path: String,
        /// What the lines of that file mean.
        role: Role,
    },
}

/// What the lines of a file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To be installed (`-r`).
    Requirements,
    /// Only limits versions (`-c`).
    Constraints,
}

/// An option of pip under its long name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipOption {
    /// With its dashes: `--index-url`.
    pub name: &'static str,
    /// `None` for switches.
    pub value: Option<String>,
}

impl PipOption {
    /// `--name` or `--name=value`.
    pub fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// A requirement or constraint and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementLine {
    /// The requirement with its white space folded, as pip takes it; may hold credentials.
    pub text: String,
    /// Its own options, such as `--hash`.
    pub options: Vec<PipOption>,
    /// The file, relative to the project's root.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Where it comes from.
    pub place: Place,
    /// The files that it may be, by SHA-256; none when nothing says it.
    pub hashes: Vec<Digest>,
}

/// Where a requirement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An index, by its name.
    Index,
    /// A commit of a git repository.
    Git,
    /// A file behind a URL, whose digest is among the line's hashes.
    Url,
    /// A wheel or source distribution of the project; the path relative to its root.
    File(String),
}

/// An option for the whole installation and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionLine {
    /// The option; may hold credentials.
    pub option: PipOption,
    /// The file, relative to the project's root.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// A requirement file with all that it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequirementSet {
    /// Path relative to the project's root and content of each requirement file, the one that was
    /// asked for first.
    pub files: Vec<(String, Vec<u8>)>,
    /// What is to be installed.
    pub requirements: Vec<RequirementLine>,
    /// Indexes, folders of wheels, and the other options for the whole installation.
    pub options: Vec<OptionLine>,
    /// What only limits versions.
    pub constraints: Vec<RequirementLine>,
    /// Wheels and source distributions of the project with their digests, by path relative to its
    /// root: those that are required by path, and all in folders that `--find-links` names.
    pub archives: BTreeMap<String, Digest>,
}

impl RequirementFile {
    /// Parses the content of one file. `path` is for messages and for what the lines say.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self> {
        let content = text::decode(content).map_err(|error| error.context(path))?;
        let mut lines = Vec::new();
        for (number, logical) in text::logical_lines(&content) {
            let contents = parse_line(&logical)
                .map_err(|error| error.context(format_args!("{path}:{number}")))?;
            lines.extend(contents.into_iter().map(|content| Line { number, content }));
        }
        Ok(Self {
            path: path.to_owned(),
            lines,
        })
    }
}

#[cfg(test)]
mod tests;
