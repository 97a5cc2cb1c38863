//! The static audit of what a package installs: what a distribution's people would refuse.
//!
//! Pure: it takes plain items (a path, a mode, what stands there, what the content says) and
//! answers findings, each with its path and who brought it. Whether they come from a bundle or from
//! a finished package file is the caller's matter; what is allowed nevertheless is [`Policy`]'s.

mod content;
mod facts;
mod links;
mod policy;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::elf::{ElfFile, ElfKind};

pub use self::facts::{BUILD_FOLDER, Facts};
pub use self::policy::{Allowance, Judged, Policy};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Runs as its owner or group, whoever starts it.
    Setuid,
    /// Everybody may change it.
    WorldWritable,
    /// A socket, a device, a named pipe.
    SpecialFile,
    /// A link that leads nowhere.
    DanglingLink,
    /// A link out of the bundle.
    ForeignLink,
    /// A text that names the folder that builders work in.
    BuildPath,
    /// A first line that no kernel runs, or that names a program that is not the platform's.
    Shebang,
    /// A command that is absent, empty or can't be run.
    EntryPoint,
    /// A folder for libraries (`DT_RPATH`, `DT_RUNPATH`) that anybody might make.
    LibraryPath,
    /// An ELF file that can't be read.
    DamagedElf,
    /// An ELF file for another machine.
    ForeignMachine,
    /// An ELF file that is linked with musl.
    Musl,
    /// A library that is neither in the bundle nor on the platform.
    MissingLibrary,
    /// A library of the platform that is too old.
    TooNew,
}

impl Check {
    /// Every check, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Setuid,
        Self::WorldWritable,
        Self::SpecialFile,
        Self::DanglingLink,
        Self::ForeignLink,
        Self::BuildPath,
        Self::Shebang,
        Self::EntryPoint,
        Self::LibraryPath,
        Self::DamagedElf,
        Self::ForeignMachine,
        Self::Musl,
        Self::MissingLibrary,
        Self::TooNew,
    ];

    /// Its name in a configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Setuid => "setuid",
            Self::WorldWritable => "world-writable",
            Self::SpecialFile => "special-file",
            Self::DanglingLink => "dangling-link",
            Self::ForeignLink => "foreign-link",
            Self::BuildPath => "build-path",
            Self::Shebang => "shebang",
            Self::EntryPoint => "entry-point",
            Self::LibraryPath => "library-path",
            Self::DamagedElf => "damaged-elf",
            Self::ForeignMachine => "foreign-machine",
            Self::Musl => "musl",
            Self::MissingLibrary => "missing-library",
            Self::TooNew => "too-new",
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Setuid => {
                "nothing in a bundle needs another's rights: take the bit off in the wheel"
            }
            Self::WorldWritable => "take the permission off in the wheel",
            Self::SpecialFile => {
                "leave it out; a program makes its sockets and pipes when it starts"
            }
            Self::DanglingLink => "leave the link out of the wheel, or bring what it points to",
            Self::ForeignLink => {
                "bring a copy of the file, or let the program find it when it runs"
            }
            Self::BuildPath => {
                "build the wheel so that it keeps no path of its build, or leave the file out"
            }
            Self::Shebang => "make it an entry point of the project, or begin it with `#!python`",
            Self::LibraryPath => "link without an absolute `-rpath`: use `$ORIGIN`, or auditwheel",
            Self::EntryPoint | Self::DamagedElf => "build the wheel that brings it again",
            Self::ForeignMachine => {
                "leave files for other machines out of the wheel, or use a wheel for this one"
            }
            Self::Musl => {
                "use a manylinux wheel, or build it from its source; musllinux is for Alpine"
            }
            Self::MissingLibrary => {
                "add the library's development package to `build-depends`, or use a wheel that brings the library"
            }
            Self::TooNew => {
                "it was built for a newer distribution: use an older manylinux wheel, or build it from its source here"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.key())
    }
}

/// What becomes of a finding that nobody allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// No package is made.
    Refused,
    /// It is told.
    Warning,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where, from `/` on.
    pub path: String,
    /// What was looked for.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// Who brought the file: a wheel, a configuration.
    pub origin: String,
    /// What is wrong with it, as the end of a sentence that begins with the path.
    pub what: String,
}

impl Finding {
    /// A finding that no package is made with.
    pub fn new(check: Check, path: &str, origin: &str, what: String) -> Self {
        Self {
            path: format!("/{}", path.trim_start_matches('/')),
            check,
            severity: Severity::Refused,
            origin: origin.to_owned(),
            what,
        }
    }

    /// What to write into the configuration where it may be so, as a hint.
    pub fn how_to_allow(&self) -> String {
        format!(
            "or allow it: `[[audit.allow]]` with `path = \"{}\"`, `check = \"{}\"` and a `reason`",
            self.path, self.check
        )
    }

    /// The same, only to be told.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, what) = (self.path.escape_debug(), &self.what);
        write!(
            formatter,
            "`{path}` of `{}` {what} ({})",
            self.origin, self.check
        )
    }
}

/// What stands at one path of a package.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Where, relative to `/`.
    pub path: &'a str,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub kind: ItemKind<'a>,
    /// Who brought it: a wheel's file name, a package's.
    pub origin: &'a str,
}

/// The kinds of items.
#[derive(Debug, Clone, Copy)]
pub enum ItemKind<'a> {
    /// A folder.
    Directory,
    /// A symbolic link and what it says.
    Symlink(&'a str),
    /// A plain file.
    File {
        /// Its length in bytes.
        size: u64,
        /// What its content says.
        facts: &'a Facts,
    },
    /// Anything else, by its name: `socket`, `device`, ….
    Special(&'a str),
}

/// What the audit holds the items against.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The bundle's folder, such as `/opt/mytool`.
    pub prefix: &'a str,
    /// The platform's interpreter, which the bundle may link to; `None`: anything in a system
    /// folder for programs.
    pub interpreter: Option<&'a str>,
    /// The machine in the kernel's words: `x86_64`, `aarch64`.
    pub machine: &'a str,
    /// The names in `bin` that must be commands.
    pub commands: &'a [&'a str],
}

/// The items by their path, and what they are held against.
struct Audit<'a> {
    scope: Scope<'a>,
    items: BTreeMap<&'a str, Item<'a>>,
    findings: Vec<Finding>,
}

/// Everything that is to be said of the items, sorted by path.
pub fn audit<'a>(items: impl IntoIterator<Item = Item<'a>>, scope: Scope<'a>) -> Vec<Finding> {
    let items: BTreeMap<&str, Item<'a>> = items
        .into_iter()
        .map(|item| (item.path.trim_start_matches('/'), item))
        .collect();
    let mut audit = Audit {
        scope,
        items,
        findings: Vec::new(),
    };
    let items: Vec<Item<'a>> = audit.items.values().copied().collect();
    for item in &items {
        audit.permissions(item);
        match item.kind {
            ItemKind::Directory => {}
            ItemKind::Symlink(target) => audit.link(item, target),
            ItemKind::File { size, facts } => audit.content(item, size, facts),
            ItemKind::Special(what) => {
                audit.found(Check::SpecialFile, item, format!("is a {what}"));
            }
        }
    }
    audit.absent_commands();
    audit.findings.sort();
    audit.findings.dedup();
    audit.findings
}

impl<'a> Audit<'a> {
    fn found(&mut self, check: Check, item: &Item<'_>, what: String) -> &mut Finding {
        let at = self.findings.len();
        self.findings
            .push(Finding::new(check, item.path, item.origin, what));
        &mut self.findings[at]
    }

    /// The path of the bundle's folder as items have it.
    fn prefix(&self) -> &'a str {
        self.scope.prefix.trim_matches('/')
    }

    fn permissions(&mut self, item: &Item<'_>) {
        if matches!(item.kind, ItemKind::Symlink(_)) {
            return;
        }
        if item.mode & 0o6000 != 0 {
            self.found(
                Check::Setuid,
                item,
                format!(
                    "has the mode {:04o}: it runs as its owner or group",
                    item.mode & 0o7777
                ),
            );
        }
        if item.mode & 0o002 != 0 {
            self.found(
                Check::WorldWritable,
                item,
                format!(
                    "has the mode {:04o}: everybody may change it",
                    item.mode & 0o7777
                ),
            );
        }
    }
}

/// Whether the dynamic linker may be asked to load a file: a program or shared object that can be
/// run or is named like a library. Others (samples in test data, objects of a compiler) are data.
pub fn is_loadable(path: &str, mode: u32, file: &ElfFile) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let named = name.strip_suffix(".so").is_some() || name.contains(".so.");
    file.kind != ElfKind::Other && (mode & 0o111 != 0 || named)
}

#[cfg(test)]
mod tests;
