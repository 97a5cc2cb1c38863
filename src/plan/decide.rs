//! The decisions: from configuration, inputs and metadata to the plan.
//!
//! Pure, like the plan itself; the only place that turns what users wrote into names and versions.

use crate::config::package::check_depends;
use crate::config::{Config, PerFamily, Platform};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::{Family, FurtherPython, TargetId};
use crate::version::{self, PythonVersion};

use super::inputs::Inputs;
use super::metadata::ProjectMetadata;
use super::repository::repository;
use crate::signing::SigningKey;

use super::{
    ApplicationPlan, BasePlan, BundlePlan, ImagePlan, NetworkPlan, Plan, PlatformPlan, SigningPlan,
    Target, VerifyPlan,
};

/// What building a project without `[build-system]` needs (PEP 517, last section).
const LEGACY_BUILD_REQUIRES: [&str; 2] = ["setuptools", "wheel"];

/// Decides what a build does. `metadata` is the project's, where it has any.
pub fn plan(
    config: &Config,
    inputs: &Inputs,
    metadata: Option<&ProjectMetadata>,
    targets: Vec<Target<'_>>,
) -> Result<Plan> {
    decide(config, inputs, metadata, targets).map_err(|error| config.places.locate(error))
}

fn decide(
    config: &Config,
    inputs: &Inputs,
    metadata: Option<&ProjectMetadata>,
    targets: Vec<Target<'_>>,
) -> Result<Plan> {
    let name = config
        .name
        .as_deref()
        .or(metadata.map(|metadata| metadata.name.as_str()))
        .ok_or_else(|| {
            Error::new(Kind::Config, "the project has no name")
                .hint("add `name = \"…\"` to omnibuild.toml")
        })?;
    let name = normalised_name(name);
    let version = decide_version(config, inputs, metadata, &name)?;
    let project = Project {
        config,
        inputs,
        metadata,
        name: &name,
        version: &version,
    };
    let platforms = targets
        .into_iter()
        .map(|target| project.platform(target))
        .collect::<Result<_>>()?;
    Ok(Plan {
        version,
        epoch: inputs.epoch,
        platforms,
        name,
    })
}

/// Where the bundle of a project with this normalised name goes.
pub fn prefix(config: &Config, name: &str) -> String {
    config
        .prefix
        .clone()
        .unwrap_or_else(|| format!("/opt/{name}"))
}

/// Lower case, with runs of `-`, `_` and `.` as one `-` (PEP 503).
pub fn normalised_name(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    for character in name.chars() {
        let character = if matches!(character, '_' | '.') {
            '-'
        } else {
            character
        };
        if character != '-' || !normalised.ends_with('-') {
            normalised.extend(character.to_lowercase());
        }
    }
    normalised
}

/// The command line's or the configuration's, else the project's, else git's, else that of the
/// pinned distribution that the bundle is named for.
fn decide_version(
    config: &Config,
    inputs: &Inputs,
    metadata: Option<&ProjectMetadata>,
    name: &str,
) -> Result<PythonVersion> {
    if let Some(text) = &config.version {
        return PythonVersion::parse(text, "--tag or `version`")
            .map_err(|error| config.places.locate_key("version", error));
    }
    if let Some(text) = metadata.and_then(|metadata| metadata.version.as_deref()) {
        return PythonVersion::parse(text, "the project's metadata");
    }
    let pinned = inputs
        .requirement_files
        .values()
        .find_map(|set| set.pinned_version(name));
    if let Some(text) = pinned {
        return PythonVersion::parse(&text, "the requirement files");
    }
    if let Some(describe) = &inputs.git_describe {
        return version::from_git_describe(describe);
    }
    Err(Error::new(
        Kind::Version,
        format!("nothing says the version of `{name}`"),
    )
    .hint("add `version = \"…\"` to omnibuild.toml, or give --tag")
    .hint(format!(
        "or tag a commit, or pin `{name}==…` in a requirement file"
    )))
}

pub(super) struct Project<'a> {
    pub(super) config: &'a Config,
    pub(super) inputs: &'a Inputs,
    pub(super) metadata: Option<&'a ProjectMetadata>,
    pub(super) name: &'a str,
    pub(super) version: &'a PythonVersion,
}

impl Project<'_> {
    fn platform(&self, target: Target<'_>) -> Result<PlatformPlan> {
        let Target {
            platform,
            arch,
            mut context,
            pythons,
        } = target;
        let over = self.config.platform_override(&platform.id);
        let mirror = over.mirror.clone().or_else(|| self.config.mirror.clone());
        let mirror = platform.add_archive(mirror, &mut context)?;
        let python = self.python(platform, arch, &over, pythons)?;
        if let Some(further) = &python.further {
            let text = further.file(&python.minor);
            context.insert(FurtherPython::FILE.to_owned(), text.into_bytes());
        }
        let of_family =
            |lists: &PerFamily| lists.get(&platform.family).cloned().unwrap_or_default();
        let mut build_depends = over
            .build_depends
            .clone()
            .unwrap_or_else(|| of_family(&self.config.build_depends));
        for package in &build_depends {
            check_system_package(package)?;
        }
        let wheels = self.wheels(platform, arch, &over)?;
        let request = &wheels.request;
        let client = ssh_client(platform.family);
        if (request.ssh.is_some() || request.names_ssh())
            && !build_depends.iter().any(|package| package == client)
        {
            build_depends.push(client.to_owned());
        }
        let key = if over.depends.is_some() {
            format!("platform.{}.depends", platform.id)
        } else {
            format!("depends.{}", platform.family)
        };
        let depends = over
            .depends
            .unwrap_or_else(|| of_family(&self.config.depends));
        check_depends(platform.family, &key, &depends)?;
        let packages =
            self.packages(platform, arch, [&python.depends, &depends], &wheels.request)?;
        let id = TargetId::new(platform.id.clone(), arch);
        let images = self.images(&platform.id, &packages)?;
        Ok(PlatformPlan {
            format: platform.format,
            family: platform.family,
            glibc: platform.glibc,
            is_release: platform.end_of_life.is_some(),
            python,
            maker: None,
            base: BasePlan {
                platform: platform.id.clone(),
                image: over.image.clone().unwrap_or_else(|| platform.image.clone()),
                bootstrap: platform.bootstrap.clone(),
                rootfs: platform.rootfs.clone(),
                mirror,
                arch,
            },
            image: ImagePlan {
                context,
                build_depends,
                name: format!(
                    "omnibuild/{}:{}-{}",
                    self.name,
                    id.stem(),
                    tag_text(self.version)
                ),
                repository: self.config.build.builder_repository.clone(),
            },
            network: NetworkPlan {
                name: self.config.network.clone(),
                proxies: self.config.proxies.clone(),
                ca_bundle: self.config.ca_bundle.clone(),
            },
            wheels,
            application: self.application(),
            bundle: BundlePlan {
                prefix: self.prefix(),
                name: self.name.to_owned(),
                distribution: self.metadata.map_or_else(
                    || self.name.to_owned(),
                    |metadata| normalised_name(&metadata.name),
                ),
                version: self.version.clone(),
            },
            audit: self.config.audit.clone(),
            licenses: self.config.rules.licenses.distributions.clone(),
            largest_file: platform.largest_file,
            packages,
            id,
            signing: self.signing(platform),
            images,
            verify: VerifyPlan {
                commands: self.config.verify.commands.clone(),
                skip_imports: self.config.verify.skip_imports.clone(),
                repository: repository(self.config, platform)?,
            },
        })
    }

    /// Rpm checks packages; apt checks repositories, so debs are signed only where that was said.
    fn signing(&self, platform: &Platform) -> Option<SigningPlan> {
        let config = self.config.signing.as_ref()?;
        if !platform.format.signs_packages() && !config.deb {
            return None;
        }
        let identity = match &config.key {
            SigningKey::Agent { key, .. } => format!("agent {key}"),
            SigningKey::File { .. } => match &self.inputs.signing_key {
                Some(digest) => format!("file {digest}"),
                None => "file that is missing".to_owned(),
            },
            SigningKey::Command { argv, key, .. } => {
                let key = key.as_deref().unwrap_or("any key");
                format!("command {}, {key}", Digest::of(argv.join("\0").as_bytes()))
            }
        };
        Some(SigningPlan {
            key: config.key.clone(),
            rules: platform.signing_keys,
            identity: format!("{identity}, {:?}", platform.signing_keys),
        })
    }

    pub(super) fn prefix(&self) -> String {
        prefix(self.config, self.name)
    }

    fn application(&self) -> Option<ApplicationPlan> {
        let source = self.inputs.source.clone()?;
        let build = self
            .config
            .pyproject
            .build_system
            .clone()
            .unwrap_or_default();
        let version_is_static = self
            .config
            .pyproject
            .project
            .as_ref()
            .is_some_and(|project| project.version.is_some());
        let scm_version = if version_is_static {
            None
        } else {
            let describe = self.inputs.git_describe.as_deref();
            describe
                .and_then(|describe| version::from_git_describe(describe).ok())
                .map(|v| v.to_string())
        };
        Some(ApplicationPlan {
            source,
            build_requires: build
                .requires
                .unwrap_or_else(|| LEGACY_BUILD_REQUIRES.map(str::to_owned).to_vec()),
            build_backend: build.build_backend,
            backend_path: build.backend_path.unwrap_or_default(),
            scm_version,
            epoch: self.inputs.epoch,
        })
    }
}

/// The package with ssh, which git wants for repositories that are reached by it. Builders have it only
/// where there may be such.
fn ssh_client(family: Family) -> &'static str {
    match family {
        Family::Debian => "openssh-client",
        Family::Redhat => "openssh-clients",
    }
}

/// System packages become build arguments, so they may not be anything but names.
fn check_system_package(name: &str) -> Result<()> {
    let good = !name.is_empty()
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-._:()/@=~".contains(&byte));
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("build-depends: `{name}` is not a package name"),
    )
    .hint("name one package of the distribution an entry, such as `libpq-dev`"))
}

/// A version as part of an image tag, which knows neither `+` nor `!`.
pub(super) fn tag_text(version: &PythonVersion) -> String {
    version.to_string().replace(['+', '!'], "-")
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_pep_503_says() {
        assert_eq!(normalised_name("My__Tool.Name"), "my-tool-name");
    }

    #[test]
    fn a_system_package_is_a_name() {
        assert!(check_system_package("libpq-dev").is_ok());
        for bad in ["", "--allow", "a b", "a;b", "$(x)"] {
            assert!(check_system_package(bad).is_err(), "{bad}");
        }
    }
}
