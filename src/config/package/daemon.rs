//! The tables of a meta-package beyond links: units, accounts, files, folders, scripts.
//!
//! Data only; the words check themselves, what files say is the plan's to look at.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::relation::{DebianAlternatives, DebianProvision, DebianRelation, RpmRelation};
use super::words::{
    AccountName, CommandName, FileMode, InstallPath, RealName, SourcePath, UnitName,
};

/// What a meta-package holds beside links, `[packages.<name>]`.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// systemd units.
    pub units: BTreeMap<UnitName, Unit>,
    /// System users.
    pub users: BTreeMap<AccountName, User>,
    /// System groups that no user brings.
    pub groups: Vec<AccountName>,
    /// Files by where they are installed.
    pub files: BTreeMap<InstallPath, File>,
    /// Empty folders.
    pub directories: BTreeMap<InstallPath, Directory>,
    /// A tmpfiles.d(5) file.
    pub tmpfiles: Option<SourcePath>,
    /// A logrotate(8) file.
    pub logrotate: Option<SourcePath>,
    /// An rsyslog.conf(5) file.
    pub rsyslog: Option<SourcePath>,
    /// firewalld.service(5) files.
    pub firewalld: Vec<SourcePath>,
    /// An application profile of ufw(8).
    pub ufw: Option<SourcePath>,
    /// Manual pages, named `<page>.<section>`.
    pub man: Vec<SourcePath>,
    /// Shell completions by command.
    pub completions: BTreeMap<CommandName, Completions>,
    /// The project's own parts of maintainer scripts.
    pub scripts: Scripts,
    /// A folder of files whose most specific one is installed.
    pub overlay: Option<SourcePath>,
}

/// `units."<name>"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unit {
    /// The unit file.
    pub source: SourcePath,
    /// Whether it is enabled when it is first installed; absent: as the family does.
    pub enable: Option<bool>,
    /// Whether it is started then; absent: as the family does.
    pub start: Option<bool>,
    /// Whether an upgrade restarts it.
    #[serde(default = "yes")]
    pub restart: bool,
}

/// `users.<name>`: a system user with a group of its name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// The real name (GECOS).
    pub real_name: Option<RealName>,
    /// The home folder, which is not made.
    pub home: Option<InstallPath>,
    /// The login shell.
    pub shell: Option<InstallPath>,
    /// Further groups.
    #[serde(default)]
    pub groups: Vec<AccountName>,
}

/// `files."<path>"`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The project's file; absent: the overlay's file of this path.
    pub source: Option<SourcePath>,
    /// Whether an upgrade keeps what was changed; absent: below `/etc` yes.
    pub config: Option<bool>,
    /// Absent: 0755 when the source may be executed, else 0644.
    pub mode: Option<FileMode>,
    /// Absent: root.
    pub owner: Option<AccountName>,
    /// Absent: root.
    pub group: Option<AccountName>,
}

/// `directories."<path>"`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Absent: 0755.
    pub mode: Option<FileMode>,
    /// Absent: root.
    pub owner: Option<AccountName>,
    /// Absent: root.
    pub group: Option<AccountName>,
    /// What happens to what is in it when the package is purged.
    #[serde(default)]
    pub purge: Purge,
}

/// What purging a package does to a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purge {
    /// The folder goes with all that is in it. RPM knows no purge and leaves what is not empty.
    #[default]
    Remove,
    /// It stays as long as there is something in it.
    Keep,
}

/// `completions.<command>`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Completions {
    /// For bash.
    pub bash: Option<SourcePath>,
    /// For zsh.
    pub zsh: Option<SourcePath>,
    /// For fish.
    pub fish: Option<SourcePath>,
}

/// `scripts`: in the words of each family.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripts {
    /// Debian policy 6.
    #[serde(default)]
    pub debian: DebianScripts,
    /// RPM's scriptlets.
    #[serde(default)]
    pub redhat: RedhatScripts,
}

/// Maintainer scripts of Debian.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianScripts {
    /// Before files are unpacked.
    pub preinst: Option<SourcePath>,
    /// When the package is configured.
    pub postinst: Option<SourcePath>,
    /// Before files are removed.
    pub prerm: Option<SourcePath>,
    /// After files were removed, and on purge.
    pub postrm: Option<SourcePath>,
}

/// Scriptlets of RPM.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedhatScripts {
    /// `%pre`.
    pub pre: Option<SourcePath>,
    /// `%post`.
    pub post: Option<SourcePath>,
    /// `%preun`.
    pub preun: Option<SourcePath>,
    /// `%postun`.
    pub postun: Option<SourcePath>,
    /// `%posttrans`.
    pub posttrans: Option<SourcePath>,
}

/// `relations`: how a package stands to others, in the words of each family.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relations {
    /// Debian policy 7.
    #[serde(default)]
    pub debian: DebianRelations,
    /// RPM's tags.
    #[serde(default)]
    pub redhat: RedhatRelations,
}

/// Relations of Debian packages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DebianRelations {
    /// `Pre-Depends`.
    pub pre_depends: Vec<DebianAlternatives>,
    /// `Provides`.
    pub provides: Vec<DebianProvision>,
    /// `Conflicts`.
    pub conflicts: Vec<DebianRelation>,
    /// `Breaks`.
    pub breaks: Vec<DebianRelation>,
    /// `Replaces`.
    pub replaces: Vec<DebianRelation>,
    /// `Recommends`.
    pub recommends: Vec<DebianAlternatives>,
    /// `Suggests`.
    pub suggests: Vec<DebianAlternatives>,
}

/// Relations of RPM packages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RedhatRelations {
    /// `Provides`.
    pub provides: Vec<RpmRelation>,
    /// `Conflicts`.
    pub conflicts: Vec<RpmRelation>,
    /// `Obsoletes`.
    pub obsoletes: Vec<RpmRelation>,
    /// `Recommends`.
    pub recommends: Vec<RpmRelation>,
    /// `Suggests`.
    pub suggests: Vec<RpmRelation>,
}

impl Contents {
    /// Every file of the project that it names, but for the overlay.
    pub fn sources(&self) -> impl Iterator<Item = &SourcePath> {
        let DebianScripts {
            preinst,
            postinst,
            prerm,
            postrm,
        } = &self.scripts.debian;
        let RedhatScripts {
            pre,
            post,
            preun,
            postun,
            posttrans,
        } = &self.scripts.redhat;
        let single = [
            &self.tmpfiles,
            &self.logrotate,
            &self.rsyslog,
            &self.ufw,
            preinst,
            postinst,
            prerm,
            postrm,
            pre,
            post,
            preun,
            postun,
            posttrans,
        ];
        let completions = self.completions.values();
        single
            .into_iter()
            .flatten()
            .chain(self.units.values().map(|unit| &unit.source))
            .chain(self.files.values().filter_map(|file| file.source.as_ref()))
            .chain(&self.firewalld)
            .chain(&self.man)
            .chain(completions.flat_map(|shells| {
                [&shells.bash, &shells.zsh, &shells.fish]
                    .into_iter()
                    .flatten()
            }))
    }

    /// The parts of maintainer scripts among them.
    pub fn script_sources(&self) -> impl Iterator<Item = &SourcePath> {
        let debian = &self.scripts.debian;
        let redhat = &self.scripts.redhat;
        [
            &debian.preinst,
            &debian.postinst,
            &debian.prerm,
            &debian.postrm,
            &redhat.pre,
            &redhat.post,
            &redhat.preun,
            &redhat.postun,
            &redhat.posttrans,
        ]
        .into_iter()
        .flatten()
    }
}

fn yes() -> bool {
    true
}
