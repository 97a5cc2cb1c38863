//! What a platform's set of wheels starts from: roots, constraints, options, locks, and its key.
//!
//! Pure, like the rest of the plan.

use crate::config::platform_override::PlatformOverride;
use crate::config::pyproject::ProjectTable;
use crate::config::{Platform, nearest};
use crate::digest::KeyBuilder;
use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, TargetId};
use crate::tree::is_plain_path;

use super::decide::{Project, normalised_name};
use super::metadata::declared_requirements;
use super::pylock::{self, LockedPackage, Place};
use super::requirements::{RequirementLine, RequirementSet, without_credentials};
use super::roots::Root;
use super::{Indexes, SetRequest, SshPlan, WheelsPlan};

impl Project<'_> {
    /// An extra that the project does not have installs nothing, without a word.
    fn check_extras(&self, platform: &Platform, extras: &[String], is_own: bool) -> Result<()> {
        let project = self.config.pyproject.project.as_ref();
        let is_static = |project: &&ProjectTable| {
            !project
                .dynamic
                .iter()
                .any(|it| it == "optional-dependencies")
        };
        let Some(project) = project.filter(is_static) else {
            return Ok(());
        };
        let known = || project.optional_dependencies.keys().map(String::as_str);
        let is_known =
            |extra: &str| known().any(|it| normalised_name(it) == normalised_name(extra));
        for (number, extra) in extras.iter().enumerate() {
            if is_known(extra) {
                continue;
            }
            let key = if is_own {
                format!("platform.{}.extras[{number}]", platform.id)
            } else {
                format!("extras[{number}]")
            };
            let error = Error::new(
                Kind::Config,
                format!("{key}: the project has no extra `{extra}`"),
            );
            let all: Vec<&str> = known().collect();
            return Err(match nearest(extra, known()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if all.is_empty() => {
                    error.hint("it has none: they stand in `[project.optional-dependencies]`")
                }
                None => error.hint(format!("it has: {}", all.join(", "))),
            });
        }
        Ok(())
    }

    /// Everything about wheels that is known before the builder is.
    pub(super) fn wheels(
        &self,
        platform: &Platform,
        arch: Arch,
        over: &PlatformOverride,
    ) -> Result<WheelsPlan> {
        let requirements = over
            .requirements
            .as_ref()
            .unwrap_or(&self.config.requirements);
        let constraints = over
            .constraints
            .as_ref()
            .unwrap_or(&self.config.constraints);
        let extras = over.extras.as_ref().unwrap_or(&self.config.extras);
        self.check_extras(platform, extras, over.extras.is_some())?;
        let declared = match self.metadata {
            Some(metadata) => declared_requirements(&metadata.requires, extras)?,
            None => Vec::new(),
        };
        let mut key = KeyBuilder::new("wheels", 2)
            .field("platform", platform.id.as_str())
            .field("architecture", arch.machine())
            .fields(
                "project requires ",
                declared.iter().map(|line| (without_credentials(line), "")),
            );
        let mut request = SetRequest {
            roots: declared
                .iter()
                .map(|line| Root::parse(line, "the project"))
                .collect::<Result<_>>()?,
            indexes: Indexes {
                index_url: self.config.index_url.clone(),
                extra_index_urls: self.config.extra_index_urls.clone(),
                credentials: self.inputs.credentials.clone(),
            },
            policy: self.config.wheels,
            ssh: self.config.build.ssh.as_ref().map(|ssh| SshPlan {
                socket: ssh.socket.clone(),
                known_hosts: ssh.known_hosts.clone(),
            }),
            ..SetRequest::default()
        };
        for (kind, names) in [("requirement", requirements), ("constraint", constraints)] {
            let sets = names
                .iter()
                .filter_map(|name| self.inputs.requirement_files.get(name));
            let mut lines: Vec<String> = sets.clone().flat_map(RequirementSet::canonical).collect();
            lines.sort();
            lines.dedup();
            key = key.fields(&format!("{kind} "), lines.iter().map(|line| (line, "")));
            for set in sets {
                self.add_set(set, kind == "requirement", &mut request)?;
            }
        }
        request.indexes.complete();
        key = request.indexes.add_to(key);
        // A warning changes no set; a refusal does.
        let denied = request.policy.denied();
        key = key.fields("denied ", denied.map(|class| (class.key(), "")));
        let target = TargetId::new(platform.id.clone(), arch);
        let found = self.inputs.lock(&target);
        request.lock = found.filter(|lock| lock.holds_for(&target)).cloned();
        for lock in requirements
            .iter()
            .filter_map(|name| self.inputs.lock_files.get(name))
        {
            key = key.field(format!("lock {}", lock.path), lock.digest.as_str());
            request.add_lock(lock, extras)?;
        }
        if self.inputs.source.is_none() && request.roots.is_empty() && !request.whole_lock {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "nothing is to be installed: `{}` says no requirement",
                    requirements.join("`, `")
                ),
            )
            .hint(format!(
                "list what the bundle is to hold, such as `{}`",
                self.name
            )));
        }
        if let Some(lock) = &request.lock {
            key = lock.add_to(key);
            let files = lock.packages.iter().flat_map(LockedPackage::files);
            for file in files {
                // What can't be a file of the project is told when it is missing.
                if let Place::Project(path) = &file.place
                    && is_plain_path(path)
                    && self.config.root.join(path).is_file()
                {
                    request
                        .files
                        .insert(path.clone(), self.config.root.join(path));
                }
            }
        }
        let locked = request.lock.is_some() || request.foreign_lock.is_some();
        Ok(WheelsPlan {
            locked_for_others: (found.is_some() && !locked).then_some(pylock::FILE),
            chosen: [requirements, constraints, extras].map(Clone::clone),
            request,
            key,
        })
    }

    /// Takes what a requirement file and those that it includes say.
    fn add_set(
        &self,
        set: &RequirementSet,
        installs: bool,
        request: &mut SetRequest,
    ) -> Result<()> {
        let of = |lines: &[RequirementLine]| {
            let roots = lines.iter().map(|line| Root::of_line(line, &set.archives));
            roots.collect::<Result<Vec<_>>>()
        };
        let said = of(&set.requirements)?;
        if installs {
            request.roots.extend(said);
        } else {
            request.constraints.extend(said);
        }
        request.constraints.extend(of(&set.constraints)?);
        for line in &set.options {
            request.options.add(line, &mut request.indexes);
        }
        request.archives.extend(set.archives.clone());
        let paths = set.archives.keys();
        request
            .files
            .extend(paths.map(|path| (path.clone(), self.config.root.join(path))));
        request.requires_hashes |= set.requires_hashes();
        Ok(())
    }
}
