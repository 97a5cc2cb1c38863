//! What a build will do, decided before it does anything: every name, path, version and the
//! readable part of every key.
//!
//! [`plan`] is pure: no input or output, no engine, no clock. A key is completed by the stage it
//! belongs to with the digest of the stage before, so the plan holds key fields, not keys.

pub mod contents;
mod copied_files;
pub mod credentials;
mod decide;
mod image_lines;
mod images;
pub mod inputs;
pub mod metadata;
mod netrc;
mod packages;
pub mod project_files;
pub mod pylock;
mod python;
mod repository;
pub mod requirements;
mod resolver;
pub mod roots;
mod share;
pub mod source;
mod wheels;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::audit;
use crate::config::{Platform, Pythons};
use crate::digest::{Digest, Key, KeyBuilder};
use crate::platform::{
    Arch, Bootstrap, Compression, Family, Format, ImageRef, PackageName, PlatformId, TargetId,
};
use crate::signing::{KeyRules, SigningKey};
use crate::version::{NativeVersion, PythonVersion};

use self::contents::{PlannedEntry, Relations, Scripts, StateFolder};
use self::source::Source;

pub use crate::config::{ArchivePlace, HealthCheck, RepositoryName, RunConfig, StatedLicense};

pub use self::decide::{normalised_name, plan, prefix};
pub use self::image_lines::{CopyPlan, ImageLine, LineWork};
pub use self::images::RuntimePlan;
pub use self::python::{PythonPlan, StandalonePlan};
pub use self::repository::{RepositoryPlan, Signed};
pub use self::resolver::{
    ForeignLock, ForeignLockKind, Indexes, ResolverOptions, Selection, SetRequest, SshPlan,
};

/// What a whole build will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The distribution's name, normalised (PEP 503).
    pub name: String,
    /// The version in Python's words.
    pub version: PythonVersion,
    /// Time of everything in the packages.
    pub epoch: u64,
    /// One for each platform that was asked for.
    pub platforms: Vec<PlatformPlan>,
}

/// What will be done for one platform.
#[derive(Debug, Clone)]
pub struct PlatformPlan {
    /// The platform and its architecture.
    pub id: TargetId,
    /// The format of its packages.
    pub format: Format,
    /// Whose package manager it has.
    pub family: Family,
    /// The version of its C library.
    pub glibc: (u32, u32),
    /// Whether it is a release, whose C library stays the same.
    pub is_release: bool,
    /// The Python of the bundle.
    pub python: PythonPlan,
    /// The platform whose builder makes the wheels and the bundle, where it is another one.
    pub maker: Option<Arc<Self>>,
    /// The base image.
    pub base: BasePlan,
    /// The builder image.
    pub image: ImagePlan,
    /// What its stages need to reach the network.
    pub network: NetworkPlan,
    /// The closure of dependencies.
    pub wheels: WheelsPlan,
    /// The project's own wheel; `None` for a bare list of requirements.
    pub application: Option<ApplicationPlan>,
    /// The bundle.
    pub bundle: BundlePlan,
    /// What the audit of the bundle may find.
    pub audit: audit::Policy,
    /// Licences that the configuration states of distributions, by normalised name.
    pub licenses: BTreeMap<String, StatedLicense>,
    /// The length in bytes of the largest file that its package manager unpacks; `None`: any.
    pub largest_file: Option<u64>,
    /// The packages, the omnibus first.
    pub packages: Vec<PackagePlan>,
    /// The runtime images of them, each after the one below it; in no key of packages.
    pub images: Vec<RuntimePlan>,
    /// Who signs them; `None`: nobody.
    pub signing: Option<SigningPlan>,
    /// What verification does beside what it always does; in no key of what is built.
    pub verify: VerifyPlan,
}

/// The signatures of the packages.
#[derive(Debug, Clone)]
pub struct SigningPlan {
    /// The key.
    pub key: SigningKey,
    /// What the platform's package manager can check.
    pub rules: KeyRules,
    /// What the key is, for the packages' key: its name, the digest of its file, the command.
    pub identity: String,
}

/// Where the base image comes from.
#[derive(Debug, Clone)]
pub struct BasePlan {
    /// The platform it is for.
    pub platform: PlatformId,
    /// The reference to pull.
    pub image: ImageRef,
    /// How to make it when no registry answers.
    pub bootstrap: Option<Bootstrap>,
    /// A tar archive that is the base, instead of an image.
    pub rootfs: Option<PathBuf>,
    /// The mirror to make it from, for what left its mirrors its archive; `None`: the bootstrap tool's
    /// own default.
    pub mirror: Option<String>,
    /// The architecture.
    pub arch: Arch,
}

/// The builder image.
#[derive(Debug, Clone)]
pub struct ImagePlan {
    /// The files of its context, `Dockerfile` among them.
    pub context: BTreeMap<String, Vec<u8>>,
    /// System packages to compile with.
    pub build_depends: Vec<String>,
    /// Readable names it also gets: `<platform>-<tag>`, with the architecture where that is not amd64.
    pub name: String,
    /// Where machines share it. Decides nothing of it, so it is in no key.
    pub repository: Option<RepositoryName>,
}

/// How stages with a network reach it. Decides nothing that is built, so it is in no key.
#[derive(Debug, Clone, Default)]
pub struct NetworkPlan {
    /// The engine's network.
    pub name: Option<String>,
    /// Proxy variables, as they are to be set.
    pub proxies: BTreeMap<String, String>,
    /// Certificates to trust, PEM.
    pub ca_bundle: Option<PathBuf>,
}

/// The closure of dependencies, as wheels.
#[derive(Debug, Clone)]
pub struct WheelsPlan {
    /// What the set is to be.
    pub request: SetRequest,
    /// The lock file of other platforms: the project is locked, and this platform is not.
    pub locked_for_others: Option<&'static str>,
    /// What the platform's table in the project, else the project, has in it: requirement files,
    /// constraint files, extras.
    pub chosen: [Vec<String>; 3],
    /// What of the key is known before the builder is.
    pub key: KeyBuilder,
}

/// The project's own wheel.
#[derive(Debug, Clone)]
pub struct ApplicationPlan {
    /// The source.
    pub source: Source,
    /// What building it needs (PEP 518).
    pub build_requires: Vec<String>,
    /// The backend (PEP 517), `None` for the legacy one.
    pub build_backend: Option<String>,
    /// Folders of a backend in the source.
    pub backend_path: Vec<String>,
    /// The version to tell backends that ask git for it.
    pub scm_version: Option<String>,
    /// Time of the source.
    pub epoch: u64,
}

/// The bundle.
#[derive(Debug, Clone)]
pub struct BundlePlan {
    /// Its final place.
    pub prefix: String,
    /// What it is named, normalised.
    pub name: String,
    /// The distribution whose commands packages link, normalised: the project's own, which may
    /// have another name than the bundle; of a bare list of requirements the one of that name.
    pub distribution: String,
    /// The version in Python's words.
    pub version: PythonVersion,
}

/// What verification does beside what it always does.
#[derive(Debug, Clone, Default)]
pub struct VerifyPlan {
    /// Commands of the project, each with the exit status it must have.
    pub commands: Vec<(Vec<String>, i32)>,
    /// Modules that are not imported, with the reason.
    pub skip_imports: BTreeMap<String, String>,
    /// Where earlier versions are published.
    pub repository: Option<RepositoryPlan>,
}

/// A package.
#[derive(Debug, Clone)]
pub struct PackagePlan {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: NativeVersion,
    /// One line.
    pub summary: String,
    /// Paragraphs.
    pub description: String,
    /// `Name <address>`.
    pub maintainer: String,
    /// Who ships it.
    pub vendor: Option<String>,
    /// Home page.
    pub homepage: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// What it needs.
    pub depends: Vec<Dependency>,
    /// How it stands to others.
    pub relations: Relations,
    /// What runs when it comes and goes.
    pub scripts: Scripts,
    /// What it holds beside its content.
    pub entries: Vec<PlannedEntry>,
    /// Folders whose content is declared state: removing the package leaves it.
    pub state: Vec<StateFolder>,
    /// Commands of the bundle that its units run.
    pub runs: Vec<String>,
    /// What it holds.
    pub content: PackageContent,
    /// How it is compressed.
    pub compression: Compression,
    /// Time of everything in it.
    pub epoch: u64,
}

/// What a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// In the words of the package format.
    Native(String),
    /// The package of this build with this name, at exactly this build's version.
    Exactly(PackageName),
}

/// What a package holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageContent {
    /// The bundle.
    Bundle,
    /// Symbolic links to commands of the bundle: folder and names.
    Links(BTreeMap<String, Vec<String>>),
    /// Links in `/usr/bin` to every console script of the distribution the bundle is named for.
    ConsoleScripts,
}

impl PackagePlan {
    /// Whether it is links to all commands and nothing else, so that it is not written where there are
    /// none.
    pub fn is_of_commands(&self) -> bool {
        let needs_more = |needed: &Dependency| matches!(needed, Dependency::Native(_));
        self.content == PackageContent::ConsoleScripts
            && self.scripts.is_empty()
            && self.relations == Relations::default()
            && !self.depends.iter().any(needs_more)
    }
}

/// A platform to plan for.
#[derive(Debug)]
pub struct Target<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// Its architecture.
    pub arch: Arch,
    /// The files of its build context.
    pub context: BTreeMap<String, Vec<u8>>,
    /// The standalone Pythons that are known.
    pub pythons: &'a Pythons,
}

impl Target<'_> {
    /// Its name.
    pub fn id(&self) -> TargetId {
        TargetId::new(self.platform.id.clone(), self.arch)
    }
}

impl ApplicationPlan {
    /// The readable part of the application wheel's key; the builder is added by the stage.
    pub fn key(&self) -> KeyBuilder {
        let key = KeyBuilder::new("application", 1)
            .field("source", self.source.digest.as_str())
            .field("epoch", self.epoch.to_string())
            .field(
                "backend",
                self.build_backend
                    .as_deref()
                    .unwrap_or("setuptools (legacy)"),
            );
        match &self.scm_version {
            Some(version) => key.field("version from git", version),
            None => key,
        }
    }
}

impl PlatformPlan {
    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.id.arch()
    }

    /// The platform that makes its bundle: itself, for most.
    pub fn bundled_by(&self) -> &Self {
        self.maker.as_deref().unwrap_or(self)
    }

    /// All that decides the packages of this platform, given the identities of its base image and of
    /// the base that its bundle is made on, which is the same for most. Equal keys mean that nothing has
    /// to be done.
    pub fn key(&self, base: &Digest, builder_base: &Digest) -> Key {
        let context = self
            .image
            .context
            .iter()
            .map(|(name, bytes)| (name, Digest::of(bytes).to_string()));
        let mut key = self
            .wheels
            .key
            .clone()
            .field("base image", base.as_str())
            .field("prefix", &self.bundle.prefix)
            .field(
                "tool",
                concat!(
                    env!("CARGO_PKG_VERSION"),
                    ", code ",
                    env!("OMNIBUILD_PACKAGE_CODE")
                ),
            )
            .fields("image context ", context)
            .fields(
                "build-depends ",
                self.image.build_depends.iter().map(|name| (name, "")),
            )
            .fields(
                "package ",
                self.packages
                    .iter()
                    .map(|package| (&package.name, format!("{package:?}"))),
            );
        key = self.python.add_to(key);
        if let Some(maker) = &self.maker {
            let context = maker.image.context.iter();
            let context = context.map(|(name, bytes)| (name, Digest::of(bytes).to_string()));
            let build_depends = maker.image.build_depends.iter();
            key = key
                .field("maker base image", builder_base.as_str())
                .fields("maker image context ", context)
                .fields("maker build-depends ", build_depends.map(|name| (name, "")));
        }
        if let Some(signing) = &self.signing {
            key = key.field("signature", &signing.identity);
        }
        let allowances = self.audit.allow.iter();
        key = key.fields(
            "audit ",
            allowances.map(|it| (format!("{} {:?}", it.path, it.check), "")),
        );
        let licenses = self.licenses.iter();
        key = key.fields(
            "license ",
            licenses.map(|(name, it)| (name, format!("{}, {}", it.license, it.reason))),
        );
        if let Some(application) = &self.application {
            key = key
                .fields("application ", application.key().finish().fields)
                .fields(
                    "build requires ",
                    application.build_requires.iter().map(|line| (line, "")),
                );
        }
        key.finish()
    }
}
