//! `[packages.<name>]`: what a meta-package is, and what it may be.
//!
//! Checks words; reads nothing.

pub mod daemon;
mod relation;
mod words;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::Family;

use self::daemon::{Completions, Contents, Directory, File, Relations, Scripts, Unit, User};

pub use self::relation::{
    DebianAlternatives, DebianProvision, DebianRelation, RpmRelation, check_depends,
};
pub use self::words::{
    AccountName, CommandName, FileMode, InstallPath, RealName, SourcePath, UnitName,
};

/// System packages for each family of distributions.
pub type PerFamily = BTreeMap<Family, Vec<String>>;

/// `[packages.<name>]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPackage {
    links: Option<BTreeMap<String, Vec<String>>>,
    depends: Option<PerFamily>,
    summary: Option<String>,
    description: Option<String>,
    relations: Option<Relations>,
    units: Option<BTreeMap<UnitName, Unit>>,
    users: Option<BTreeMap<AccountName, User>>,
    groups: Option<Vec<AccountName>>,
    files: Option<BTreeMap<InstallPath, File>>,
    directories: Option<BTreeMap<InstallPath, Directory>>,
    tmpfiles: Option<SourcePath>,
    logrotate: Option<SourcePath>,
    rsyslog: Option<SourcePath>,
    firewalld: Option<Vec<SourcePath>>,
    ufw: Option<SourcePath>,
    man: Option<Vec<SourcePath>>,
    completions: Option<BTreeMap<CommandName, Completions>>,
    scripts: Option<Scripts>,
    overlay: Option<SourcePath>,
}

/// A meta-package.
#[derive(Debug, Clone, Default)]
pub struct PackageConfig {
    /// Folders and the commands that are linked into them; `None`: every console script of the
    /// project into `/usr/bin`.
    pub links: Option<BTreeMap<String, Vec<String>>>,
    /// What it needs beside the omnibus package.
    pub depends: PerFamily,
    /// One line.
    pub summary: Option<String>,
    /// Paragraphs.
    pub description: Option<String>,
    /// How it stands to other packages.
    pub relations: Relations,
    /// What it holds beside links.
    pub contents: Contents,
}

impl PackageConfig {
    /// What a table says, checked.
    pub(super) fn check(name: &str, raw: RawPackage) -> Result<Self> {
        let good = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !good {
            return Err(Error::new(
                Kind::Config,
                format!("packages.{name}: not a name for a package"),
            )
            .hint("use lower-case letters, digits and `-`, such as `cli` or `node`"));
        }
        for (folder, commands) in raw.links.iter().flatten() {
            if !matches!(folder.as_str(), "/usr/bin" | "/usr/sbin") {
                return Err(Error::new(
                Kind::Config,
                format!("packages.{name}.links: `{folder}` is not a folder to link into"),
            )
            .hint("link into `/usr/bin` (for everybody) or `/usr/sbin` (for administrators and daemons)"));
            }
            let bad = |command: &&String| {
                command.is_empty() || command.contains('/') || command.contains(char::is_whitespace)
            };
            if let Some(command) = commands.iter().find(bad) {
                return Err(Error::new(
                    Kind::Config,
                    format!("packages.{name}.links: `{command}` is not the name of a command"),
                )
                .hint("name commands of the bundle's `bin` folder, without a path"));
            }
        }
        Ok(Self {
            links: raw.links,
            depends: raw.depends.unwrap_or_default(),
            summary: raw.summary,
            description: raw.description,
            relations: raw.relations.unwrap_or_default(),
            contents: Contents {
                units: raw.units.unwrap_or_default(),
                users: raw.users.unwrap_or_default(),
                groups: raw.groups.unwrap_or_default(),
                files: raw.files.unwrap_or_default(),
                directories: raw.directories.unwrap_or_default(),
                tmpfiles: raw.tmpfiles,
                logrotate: raw.logrotate,
                rsyslog: raw.rsyslog,
                firewalld: raw.firewalld.unwrap_or_default(),
                ufw: raw.ufw,
                man: raw.man.unwrap_or_default(),
                completions: raw.completions.unwrap_or_default(),
                scripts: raw.scripts.unwrap_or_default(),
                overlay: raw.overlay,
            },
        })
    }
}
