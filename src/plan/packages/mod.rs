//! The packages of a platform: names, versions, fields, relations, and what is in them.
//!
//! Pure.

mod accounts;
mod documents;
mod drop_ins;
mod entries;
mod folders;
mod links;
mod overlay;
mod scripts;
mod system_folders;
mod texts;
mod units;

use std::collections::BTreeMap;

use pep508_rs::PackageName as PythonName;

use crate::config::package::check_depends;
use crate::config::package::daemon::{self, DebianRelations, RedhatRelations};
use crate::config::{PackageConfig, Platform};
use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, Family, PackageName};
use crate::text::single_spaced;
use crate::version;

use super::contents::{PlannedContent, PlannedEntry, Relations, Scripts, StateFolder};
use super::decide::{Project, normalised_name};
use super::metadata::ProjectMetadata;
use super::{Dependency, PackageContent, PackagePlan, SetRequest};

use self::documents::documents;
use self::entries::{Maker, is_more_than_links};
use self::scripts::Work;

/// What the project's maintainer is when nothing says it.
const UNKNOWN_MAINTAINER: &str = "Unknown maintainer <unknown@localhost.invalid>";

impl Project<'_> {
    /// The packages of a platform, the omnibus first, which depends on what brings its Python and on
    /// what the configuration says.
    pub(super) fn packages(
        &self,
        platform: &Platform,
        arch: Arch,
        [of_python, depends]: [&[String]; 2],
        request: &SetRequest,
    ) -> Result<Vec<PackagePlan>> {
        let version = version::native(self.version, platform.format, &platform.suffix)?;
        texts::check_vendor(self.config.vendor.as_ref())?;
        let vendor = self
            .config
            .vendor
            .as_ref()
            .map(|vendor| format!("{}-", normalised_name(vendor)))
            .unwrap_or_default();
        if format!("{vendor}x-x").parse::<PackageName>().is_err() {
            let text = self.config.vendor.as_deref().unwrap_or_default();
            return Err(Error::new(
                Kind::Config,
                format!("vendor: `{text}` can't be the beginning of a package's name"),
            )
            .hint("write one word of letters, digits, `+`, `-` and `.`, such as `acme`"));
        }
        let omnibus_name: PackageName = format!("{vendor}python-{}", self.name)
            .parse()
            .map_err(|error: Error| error.context("name"))?;
        let from_metadata =
            |field: fn(&ProjectMetadata) -> Option<&String>| self.metadata.and_then(field).cloned();
        let summary = self
            .config
            .summary
            .clone()
            .or_else(|| from_metadata(|metadata| metadata.summary.as_ref()))
            .map_or_else(|| self.name.to_owned(), |text| single_spaced(&text));
        let description = self
            .config
            .description
            .clone()
            .map(|text| format!("{text}\n\n"))
            .unwrap_or_default();
        let mut omnibus = PackagePlan {
            name: omnibus_name.clone(),
            version,
            description: format!(
                "{description}This package holds the application and everything it needs from Python, in {}.",
                self.prefix()
            ),
            maintainer: self
                .config
                .maintainer
                .clone()
                .or_else(|| from_metadata(|metadata| metadata.maintainer.as_ref()))
                .unwrap_or_else(|| UNKNOWN_MAINTAINER.to_owned()),
            vendor: self.config.vendor.clone(),
            homepage: self
                .config
                .url
                .clone()
                .or_else(|| from_metadata(|metadata| metadata.homepage.as_ref())),
            license: self
                .config
                .license
                .clone()
                .or_else(|| from_metadata(|metadata| metadata.license.as_ref())),
            depends: of_python
                .iter()
                .chain(depends)
                .cloned()
                .map(Dependency::Native)
                .collect(),
            relations: relations(platform.family, &self.config.relations),
            scripts: Scripts::default(),
            entries: Vec::new(),
            state: Vec::new(),
            runs: Vec::new(),
            content: PackageContent::Bundle,
            compression: self.config.channel.compression(platform.codec),
            epoch: self.inputs.epoch,
            summary,
        };
        let licenses = &self.inputs.files.licenses;
        omnibus.entries = documents(platform.family, &omnibus, self.name, licenses);
        texts::check_omnibus(&omnibus)?;
        let mut packages = vec![omnibus];
        for (key, table) in &self.config.packages {
            let name: PackageName = format!("{vendor}{}-{key}", self.name).parse()?;
            if name == omnibus_name {
                return Err(Error::new(
                    Kind::Config,
                    format!("packages.{key}: the package would be named `{name}`, as the omnibus package is"),
                )
                .hint("give it another name, such as `[packages.cli]`"));
            }
            if let Some(list) = table.depends.get(&platform.family) {
                check_depends(
                    platform.family,
                    &format!("packages.{key}.depends.{}", platform.family),
                    list,
                )?;
            }
            let meta = meta_package(platform, &packages[0], name, key, table);
            texts::check_meta(key, &meta)?;
            packages.push(meta);
        }
        let keys = self.config.packages.keys();
        check_links(keys.map(String::as_str).zip(&packages[1..]))?;
        let brought: BTreeMap<String, String> = packages[1..]
            .iter()
            .flat_map(|package| links(package).map(|link| (link, package.name.to_string())))
            .collect();
        for (package, (key, table)) in packages[1..].iter_mut().zip(&self.config.packages) {
            let needs_system = !depends.is_empty();
            self.fill(platform, arch, package, table, &brought, needs_system)
                .map_err(|error| error.context(format!("packages.{key}")))?;
        }
        check_paths(&packages[1..])?;
        folders::check(&packages[1..])?;
        links::check_overlay_links(&packages[1..])?;
        if !self.has_commands(request) {
            packages.retain(|package| !package.is_of_commands());
        }
        Ok(packages)
    }

    /// Whether the project, or the distribution that the bundle is named for, may have commands.
    /// What a list of requirements or another tool's lock brings is known when it is there.
    fn has_commands(&self, request: &SetRequest) -> bool {
        if let Some(project) = self.metadata {
            return !project.commands.is_empty();
        }
        let is_own = |name: &PythonName| normalised_name(name.as_ref()) == self.name;
        let locked = request.lock.iter().flat_map(|lock| &lock.packages);
        let asked = request.roots.iter().map(|root| &root.name);
        request.foreign_lock.is_some()
            || asked.chain(locked.map(|package| &package.name)).any(is_own)
    }

    /// Gives a meta-package what its table says beyond links.
    fn fill(
        &self,
        platform: &Platform,
        arch: Arch,
        package: &mut PackagePlan,
        table: &PackageConfig,
        brought: &BTreeMap<String, String>,
        needs_system: bool,
    ) -> Result<()> {
        let name = package.name.to_string();
        // A package of the distribution may bring whom it likes; its scripts are not known here.
        let may_bring = needs_system
            || !package.relations.pre_depends.is_empty()
            || package
                .depends
                .iter()
                .any(|needed| matches!(needed, Dependency::Native(_)));
        let declared = |account: &str| {
            let tables = self.config.packages.values().map(|table| &table.contents);
            let names = tables.flat_map(|table| {
                let joined = table.users.values().flat_map(|user| &user.groups);
                table.users.keys().chain(&table.groups).chain(joined)
            });
            may_bring || names.into_iter().any(|name| name.as_str() == account)
        };
        let own: Vec<String> = links(package).collect();
        let documents = documents(
            platform.family,
            package,
            self.name,
            &self.inputs.files.licenses,
        );
        let maker = Maker {
            platform,
            arch,
            package: &name,
            project: self.name,
            files: &self.inputs.files,
            contents: &table.contents,
            foreign_account: &declared,
            entries: documents
                .into_iter()
                .map(|entry| (entry.path.clone(), entry))
                .collect(),
            work: Work::default(),
        };
        let others = |path: &str| brought.get(path).filter(|owner| **owner != name).cloned();
        let made = maker.make(&self.prefix(), &own, &others)?;
        for entry in &made.entries {
            if let Some(owner) = brought.get(&entry.path) {
                return Err(Error::new(
                    Kind::Config,
                    format!(
                        "`{}` comes from both `links` of `{owner}` and {}",
                        entry.path, entry.origin
                    ),
                )
                .hint("leave one of them out"));
            }
        }
        if made.work.sysusers.is_some() {
            match platform.family {
                Family::Debian => package
                    .depends
                    .extend(DEBIAN_ACCOUNT_TOOLS.map(|tool| Dependency::Native(tool.to_owned()))),
                Family::Redhat => package
                    .relations
                    .pre_depends
                    .extend(REDHAT_ACCOUNT_TOOLS.map(str::to_owned)),
            }
        }
        package.scripts = scripts::scripts(platform.family, &made.work)?;
        package.state = state_folders(table);
        package.entries = made.entries;
        package.runs = made.commands;
        Ok(())
    }
}

/// What makes users in scripts.
const DEBIAN_ACCOUNT_TOOLS: [&str; 1] = ["passwd"];
/// The same, by path, since the packages' names differ.
const REDHAT_ACCOUNT_TOOLS: [&str; 3] =
    ["/usr/bin/getent", "/usr/sbin/groupadd", "/usr/sbin/useradd"];

/// A package of links into the bundle, without the rest of its contents.
fn meta_package(
    platform: &Platform,
    omnibus: &PackagePlan,
    name: PackageName,
    key: &str,
    table: &PackageConfig,
) -> PackagePlan {
    let depends = table
        .depends
        .get(&platform.family)
        .cloned()
        .unwrap_or_default();
    let summary = table
        .summary
        .clone()
        .unwrap_or_else(|| format!("{} ({key})", omnibus.summary));
    let content = match &table.links {
        Some(links) => PackageContent::Links(links.clone()),
        // What brings more than links says which.
        None if is_more_than_links(table) => PackageContent::Links(BTreeMap::new()),
        None => PackageContent::ConsoleScripts,
    };
    PackagePlan {
        name,
        description: table.description.clone().unwrap_or_else(|| {
            let (does, place) = if table.contents.units.is_empty() {
                ("links the commands of", "into the system's path")
            } else {
                ("runs the services of", "on this system")
            };
            format!("This package {does} {} {place}.", omnibus.name)
        }),
        summary,
        depends: std::iter::once(Dependency::Exactly(omnibus.name.clone()))
            .chain(depends.into_iter().map(Dependency::Native))
            .collect(),
        relations: relations(platform.family, &table.relations),
        content,
        entries: Vec::new(),
        ..omnibus.clone()
    }
}

/// The relations of a family.
fn relations(family: Family, said: &daemon::Relations) -> Relations {
    match family {
        Family::Debian => {
            let DebianRelations {
                pre_depends,
                provides,
                conflicts,
                breaks,
                replaces,
                recommends,
                suggests,
            } = &said.debian;
            Relations {
                pre_depends: texts(pre_depends),
                provides: texts(provides),
                conflicts: texts(conflicts),
                breaks: texts(breaks),
                replaces: texts(replaces),
                obsoletes: Vec::new(),
                recommends: texts(recommends),
                suggests: texts(suggests),
            }
        }
        Family::Redhat => {
            let RedhatRelations {
                provides,
                conflicts,
                obsoletes,
                recommends,
                suggests,
            } = &said.redhat;
            Relations {
                provides: texts(provides),
                conflicts: texts(conflicts),
                obsoletes: texts(obsoletes),
                recommends: texts(recommends),
                suggests: texts(suggests),
                ..Relations::default()
            }
        }
    }
}

fn texts<T: ToString>(relations: &[T]) -> Vec<String> {
    relations.iter().map(ToString::to_string).collect()
}

/// The folders that a table declares.
fn state_folders(table: &PackageConfig) -> Vec<StateFolder> {
    let folders = table.contents.directories.iter();
    folders
        .map(|(path, said)| StateFolder {
            path: path.to_string(),
            kept: said.purge == daemon::Purge::Keep,
        })
        .collect()
}

/// The links that are known before the bundle is.
fn links(package: &PackagePlan) -> impl Iterator<Item = String> {
    let folders = match &package.content {
        PackageContent::Links(folders) => Some(folders),
        PackageContent::Bundle | PackageContent::ConsoleScripts => None,
    };
    folders
        .into_iter()
        .flatten()
        .flat_map(|(folder, commands)| {
            commands
                .iter()
                .map(move |command| format!("{folder}/{command}"))
        })
}

/// Two packages may share a folder, if it is the same in both, and nothing else.
fn check_paths(packages: &[PackagePlan]) -> Result<()> {
    let mut owners: BTreeMap<&str, (&PackageName, &PlannedEntry)> = BTreeMap::new();
    for package in packages {
        for entry in &package.entries {
            let Some((other, there)) = owners.insert(&entry.path, (&package.name, entry)) else {
                continue;
            };
            let folders = [there, entry]
                .iter()
                .all(|entry| matches!(entry.content, PlannedContent::Directory));
            if !(folders && there.mode == entry.mode && there.owner == entry.owner) {
                return Err(Error::new(
                    Kind::Config,
                    format!(
                        "`{}` is in both `{other}` and `{}`, and differs or is no folder",
                        entry.path, package.name
                    ),
                )
                .hint("leave it in one of the packages; a folder that both have needs the same mode and owner in both"));
            }
        }
    }
    Ok(())
}

/// Two packages can't own one link.
fn check_links<'a>(packages: impl Iterator<Item = (&'a str, &'a PackagePlan)>) -> Result<()> {
    let mut owners: BTreeMap<String, &PackageName> = BTreeMap::new();
    for (key, package) in packages {
        let PackageContent::Links(links) = &package.content else {
            continue;
        };
        for (folder, commands) in links {
            for command in commands {
                let path = format!("{folder}/{command}");
                if let Some(other) = owners.insert(path.clone(), &package.name) {
                    return Err(Error::new(
                        Kind::Config,
                        format!(
                            "packages.{key}.links: `{path}` is linked by both `{other}` and `{}`",
                            package.name
                        ),
                    )
                    .hint("leave the command in one of the packages' `links`"));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
