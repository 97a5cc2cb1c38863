//! What a package holds beside the bundle and links, as it was decided: entries, relations, scripts.
//!
//! Types only. Their debug text is a part of the packages' key, so content stands in it by digest.

use std::collections::BTreeMap;

use crate::tree::{Owner, Role};

use super::project_files::ProjectFile;

/// One file, folder or link of a package.
#[derive(Debug, Clone)]
pub struct PlannedEntry {
    /// Where it is installed: absolute.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
    /// What it is to the package manager.
    pub role: Role,
    /// What is in it.
    pub content: PlannedContent,
    /// What brought it, for messages: a key of the configuration or a file of the project.
    pub origin: String,
}

/// What is in an entry.
#[derive(Debug, Clone)]
pub enum PlannedContent {
    /// A folder.
    Directory,
    /// A symbolic link and what it says.
    Link(String),
    /// A file of the project, as it is.
    File(ProjectFile),
    /// A file of the project, compressed with gzip.
    Compressed(ProjectFile),
    /// Text that was decided.
    Text(String),
    /// Text that was decided, compressed with gzip.
    CompressedText(String),
}

impl PlannedEntry {
    /// The absolute path that a link says; `None` for all else. Folders that are links themselves are
    /// taken for folders.
    pub fn leads_to(&self) -> Option<String> {
        let PlannedContent::Link(target) = &self.content else {
            return None;
        };
        let mut names: Vec<&str> = Vec::new();
        if !target.starts_with('/') {
            let (folder, _) = self.path.rsplit_once('/')?;
            names.extend(folder.split('/').filter(|name| !name.is_empty()));
        }
        for name in target.split('/') {
            match name {
                "" | "." => {}
                // Above `/` is `/`.
                ".." => drop(names.pop()),
                _ => names.push(name),
            }
        }
        Some(format!("/{}", names.join("/")))
    }
}

/// A folder whose content is state of the package's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    /// Where it is: absolute.
    pub path: String,
    /// Whether it stays even when a deb package is purged.
    pub kept: bool,
}

/// How a package stands to others, each in the words of its format (Debian policy 7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// What must be there before its first script runs: `Pre-Depends`, `Requires(pre)`.
    pub pre_depends: Vec<String>,
    /// `Provides`.
    pub provides: Vec<String>,
    /// `Conflicts`.
    pub conflicts: Vec<String>,
    /// `Breaks`, deb only.
    pub breaks: Vec<String>,
    /// `Replaces`, deb only.
    pub replaces: Vec<String>,
    /// `Obsoletes`, rpm only.
    pub obsoletes: Vec<String>,
    /// `Recommends`; an rpm older than 4.12 does not look at it.
    pub recommends: Vec<String>,
    /// `Suggests`; an rpm older than 4.12 does not look at it.
    pub suggests: Vec<String>,
}

/// Maintainer scripts: the whole text of each, run by `/bin/sh`.
pub type Scripts = BTreeMap<Moment, String>;

/// When a maintainer script runs. The arguments it gets are its format's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// `preinst`, `%pre`.
    BeforeInstall,
    /// `postinst`, `%post`.
    AfterInstall,
    /// `prerm`, `%preun`.
    BeforeRemove,
    /// `postrm`, `%postun`.
    AfterRemove,
    /// `%posttrans`; dpkg has no such moment.
    AfterTransaction,
}
