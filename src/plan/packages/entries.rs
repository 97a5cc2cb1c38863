//! The entries of a meta-package: where each file of the project goes, with which mode and owner.
//!
//! Pure. Every path is said once: what two keys bring is refused with both names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::package::daemon::{Contents, Directory, File, Purge};
use crate::config::package::{FileMode, InstallPath};
use crate::config::{PackageConfig, Platform};
use crate::error::{Error, Kind, Result};
use crate::plan::contents::{Moment, PlannedContent, PlannedEntry};
use crate::plan::decide::normalised_name;
use crate::plan::project_files::{OverlayEntry, ProjectFile, ProjectFiles};
use crate::platform::{Arch, Family};
use crate::tree::{Owner, Role};

use super::overlay;
use super::scripts::Work;
use super::system_folders::{is_shared_folder, is_system_folder};
use super::units::{self, Known};

/// What was made of a package's contents.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The entries, sorted by path.
    pub(super) entries: Vec<PlannedEntry>,
    /// What scripts have to do.
    pub(super) work: Work,
    /// The commands of the bundle that units run.
    pub(super) commands: Vec<String>,
}

/// Makes the entries of a package.
pub(super) struct Maker<'a> {
    /// The platform.
    pub(super) platform: &'a Platform,
    /// Its architecture.
    pub(super) arch: Arch,
    /// The package's name.
    pub(super) package: &'a str,
    /// The project's.
    pub(super) project: &'a str,
    /// What was read.
    pub(super) files: &'a ProjectFiles,
    /// What the package holds.
    pub(super) contents: &'a Contents,
    /// Whether a user or group may come from elsewhere: another package of the project, or one
    /// of the distribution that this one needs.
    pub(super) foreign_account: &'a dyn Fn(&str) -> bool,
    /// What is there so far.
    pub(super) entries: BTreeMap<String, PlannedEntry>,
    /// What scripts have to do so far.
    pub(super) work: Work,
}

impl Maker<'_> {
    /// All of them.
    pub(super) fn make(
        mut self,
        prefix: &str,
        links: &[String],
        others: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Made> {
        self.files()?;
        self.drop_ins()?;
        self.manual_pages()?;
        self.completions()?;
        self.accounts()?;
        self.directories()?;
        let commands = self.units(prefix, links, others)?;
        self.scripts()?;
        self.parents()?;
        for (path, entry) in &self.entries {
            let below_bundle = path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if below_bundle {
                return Err(Error::new(
                    Kind::Config,
                    format!("{}: `{path}` is in the bundle's folder", entry.origin),
                )
                .hint(format!(
                    "install it outside of `{prefix}`, which is the omnibus package's"
                )));
            }
        }
        for entry in self.entries.values() {
            let owner = &entry.owner;
            if self.platform.family == Family::Debian && *owner != Owner::default() {
                let owner = format!("{}:{}", owner.user, owner.group);
                self.work
                    .owned
                    .push((entry.path.clone(), owner, entry.mode));
            }
        }
        Ok(Made {
            entries: self.entries.into_values().collect(),
            work: self.work,
            commands,
        })
    }

    pub(super) fn add(&mut self, entry: PlannedEntry) -> Result<()> {
        if let Some(there) = self.entries.get(&entry.path) {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "`{}` comes from both {} and {}",
                    entry.path, there.origin, entry.origin
                ),
            )
            .hint("leave one of them out"));
        }
        self.entries.insert(entry.path.clone(), entry);
        Ok(())
    }

    /// A file that a program of the distribution looks for.
    pub(super) fn plain(
        &mut self,
        path: String,
        role: Role,
        content: PlannedContent,
        origin: &str,
    ) -> Result<()> {
        self.add(PlannedEntry {
            path,
            mode: 0o644,
            owner: Owner::default(),
            role,
            content,
            origin: format!("`{origin}`"),
        })
    }

    /// `files` and the overlay.
    fn files(&mut self) -> Result<()> {
        let contents = self.contents;
        let overlaid = match &contents.overlay {
            Some(folder) => {
                let place = overlay::Place::of(self.platform, self.arch, &self.files.platforms);
                match self.files.overlays.get(folder.as_str()) {
                    Some(entries) => overlay::choose(folder.as_str(), entries, &place)?,
                    None => BTreeMap::new(),
                }
            }
            None => BTreeMap::new(),
        };
        let plain = File::default();
        for (path, entry) in &overlaid {
            match entry {
                OverlayEntry::File(file) => {
                    let said = contents.files.get(path).unwrap_or(&plain);
                    if said.source.is_some() {
                        return Err(Error::new(
                            Kind::Config,
                            format!("files.\"{path}\": comes from both `files` and the overlay"),
                        )
                        .hint("leave `source` out to say mode and owner of the overlay's file"));
                    }
                    self.file(path, said, file, "overlay")?;
                }
                OverlayEntry::Link(target) => self.link(path, target)?,
            }
        }
        for (path, said) in &contents.files {
            match &said.source {
                Some(source) => {
                    let file = self.files.get(source.as_str())?;
                    self.file(path, said, file, "files")?;
                }
                None if overlaid.contains_key(path) => {}
                // Another platform's folder has it.
                None if self.overlay_brings(path) => {}
                None => {
                    return Err(Error::new(
                        Kind::Config,
                        format!("files.\"{path}\" has no `source`, and no folder of an overlay brings it"),
                    )
                    .hint("name a file of the project as `source`, or put one below `overlay`"));
                }
            }
        }
        Ok(())
    }

    /// Whether the overlay has a file for this path on some platform.
    fn overlay_brings(&self, path: &InstallPath) -> bool {
        let folder = self.contents.overlay.as_ref();
        let entries = folder.and_then(|folder| self.files.overlays.get(folder.as_str()));
        entries.is_some_and(|entries| overlay::brings(entries, path))
    }

    fn file(
        &mut self,
        path: &InstallPath,
        said: &File,
        file: &ProjectFile,
        key: &str,
    ) -> Result<()> {
        let below_etc = path.as_str().starts_with("/etc/");
        let config = said.config.unwrap_or(below_etc);
        if config && !below_etc {
            return Err(Error::new(
                Kind::Config,
                format!("files.\"{path}\" has `config = true`, but is not below /etc"),
            )
            .hint("what administrators change belongs below /etc (Debian policy 10.7.2)"));
        }
        self.add(PlannedEntry {
            path: path.to_string(),
            mode: said.mode.map_or(file.mode(), FileMode::bits),
            owner: self
                .owner(said.owner.as_ref(), said.group.as_ref())
                .map_err(|error| error.context(format!("files.\"{path}\"")))?,
            role: if config {
                Role::Configuration
            } else {
                Role::Plain
            },
            content: PlannedContent::File(file.clone()),
            origin: format!("`{key}`, {}", file.path),
        })
    }

    fn link(&mut self, path: &InstallPath, target: &str) -> Result<()> {
        if target.is_empty() || target.contains(char::is_control) {
            return Err(Error::new(
                Kind::Config,
                format!("overlay: the link `{path}` says nothing that can be packaged"),
            )
            .hint("remove the link, or make it lead to a plain path"));
        }
        self.add(PlannedEntry {
            path: path.to_string(),
            mode: 0o777,
            owner: Owner::default(),
            role: Role::Plain,
            content: PlannedContent::Link(target.to_owned()),
            origin: "`overlay`".to_owned(),
        })
    }

    fn directories(&mut self) -> Result<()> {
        for (path, said) in &self.contents.directories {
            let Directory {
                mode,
                owner,
                group,
                purge,
            } = said;
            if is_system_folder(path.as_str()) {
                return Err(Error::new(
                    Kind::Config,
                    format!("directories.\"{path}\" is the distribution's"),
                )
                .hint(format!(
                    "name a folder of your own below it, such as \"{path}/mytool\""
                )));
            }
            let entry = PlannedEntry {
                path: path.to_string(),
                mode: mode.map_or(0o755, FileMode::bits),
                owner: self
                    .owner(owner.as_ref(), group.as_ref())
                    .map_err(|error| error.context(format!("directories.\"{path}\"")))?,
                role: Role::Plain,
                content: PlannedContent::Directory,
                origin: "`directories`".to_owned(),
            };
            self.add(entry)?;
            if *purge == Purge::Remove {
                self.work.state.push(path.to_string());
            }
        }
        Ok(())
    }

    fn units(
        &mut self,
        prefix: &str,
        links: &[String],
        others: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>> {
        let (contents, files) = (self.contents, self.files);
        let family = self.platform.family;
        let mut commands = Vec::new();
        let mut preset = String::new();
        for (name, unit) in &contents.units {
            let file = files.get(unit.source.as_str())?;
            let entries = &self.entries;
            let known = Known {
                prefix,
                own: &|path| entries.contains_key(path) || links.iter().any(|link| link == path),
                others,
                account: &|name| self.has_account(name),
            };
            let (unit_work, runs) = units::check(family, name.as_str(), unit, file, &known)?;
            commands.extend(runs);
            if let Some(enable) = unit.enable {
                let word = if enable { "enable" } else { "disable" };
                writeln!(preset, "{word} {name}").expect("a String takes everything");
            }
            self.work.units.push(unit_work);
            let path = format!("{}/{name}", self.platform.unit_folder);
            self.plain(
                path,
                Role::Plain,
                PlannedContent::File(file.clone()),
                "units",
            )?;
        }
        let with_presets = match family {
            Family::Debian => false,
            Family::Redhat => !preset.is_empty(),
        };
        if with_presets {
            let path = format!("/usr/lib/systemd/system-preset/50-{}.preset", self.package);
            self.plain(path, Role::Plain, PlannedContent::Text(preset), "units")?;
        }
        Ok(commands)
    }

    /// The project's own parts of maintainer scripts.
    fn scripts(&mut self) -> Result<()> {
        let contents = self.contents;
        let (debian, redhat) = (&contents.scripts.debian, &contents.scripts.redhat);
        let parts = match self.platform.family {
            Family::Debian => vec![
                (Moment::BeforeInstall, &debian.preinst),
                (Moment::AfterInstall, &debian.postinst),
                (Moment::BeforeRemove, &debian.prerm),
                (Moment::AfterRemove, &debian.postrm),
            ],
            Family::Redhat => vec![
                (Moment::BeforeInstall, &redhat.pre),
                (Moment::AfterInstall, &redhat.post),
                (Moment::BeforeRemove, &redhat.preun),
                (Moment::AfterRemove, &redhat.postun),
                (Moment::AfterTransaction, &redhat.posttrans),
            ],
        };
        for (when, source) in parts {
            if let Some(source) = source {
                let text = self.files.get(source.as_str())?.text()?;
                self.work
                    .own
                    .push((when, format!("{}\n", text.trim_end_matches('\n'))));
            }
        }
        Ok(())
    }

    /// The folders above files that are the package's own, so that they go with it: those below a
    /// folder that it declares or that is named after it. All others may be the distribution's, with
    /// a mode of their own; the package managers make them where they are missing.
    fn parents(&mut self) -> Result<()> {
        let paths: Vec<String> = self.entries.keys().cloned().collect();
        for path in paths {
            let mut folder = path.as_str();
            while let Some((parent, _)) = folder.rsplit_once('/') {
                let shared = is_shared_folder(self.platform.family, parent);
                if is_system_folder(parent) && !shared {
                    break;
                }
                folder = parent;
                if !self.entries.contains_key(parent) && (shared || self.is_own(parent)) {
                    self.add(PlannedEntry {
                        path: parent.to_owned(),
                        mode: 0o755,
                        owner: Owner::default(),
                        role: Role::Plain,
                        content: PlannedContent::Directory,
                        origin: format!("the folder of `{path}`"),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Whether a folder is, or lies below, one that the package declares or that has its name or the
    /// project's.
    fn is_own(&self, folder: &str) -> bool {
        let mut folder = folder;
        while !is_system_folder(folder) {
            let (parent, name) = folder.rsplit_once('/').unwrap_or_default();
            let named = [self.project, self.package].contains(&normalised_name(name).as_str());
            let mut declared = self.contents.directories.keys();
            if named || declared.any(|path| path.as_str() == folder) {
                return true;
            }
            folder = parent;
        }
        false
    }
}

/// Whether a package says anything beyond links.
pub(super) fn is_more_than_links(package: &PackageConfig) -> bool {
    let Contents {
        units,
        users,
        groups,
        files,
        directories,
        tmpfiles,
        logrotate,
        rsyslog,
        firewalld,
        ufw,
        man,
        completions,
        scripts: _,
        overlay,
    } = &package.contents;
    let single = [tmpfiles, logrotate, rsyslog, ufw, overlay];
    let empty = units.is_empty()
        && users.is_empty()
        && groups.is_empty()
        && files.is_empty()
        && directories.is_empty()
        && firewalld.is_empty()
        && man.is_empty()
        && completions.is_empty()
        && single.iter().all(|source| source.is_none());
    !empty
}
