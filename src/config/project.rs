//! The project's configuration: `omnibuild.toml` over `[tool.omnibuild]` over `[project]`.
//!
//! Raw tables are private; what leaves here has been checked. Reads those two files and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, Channel, PlatformId};
use crate::wheel;
use crate::{audit, lint, standalone};

use super::build::{BuildConfig, RawBuild};
use super::cache::{RawCache, RemoteConfig};
use super::engines::Engines;
use super::images::{ImageConfig, RawImage};
use super::index::{IndexConfig, RawIndex};
use super::license::check_license;
use super::overrides::Overrides;
use super::package::daemon::Relations;
use super::package::{PackageConfig, PerFamily, RawPackage};
use super::places::Places;
use super::platform_override::{PlatformOverride, RawPlatformOverride, check_architectures};
use super::project_file::read;
use super::pyproject::{BuildSystem, ProjectTable};
use super::pythons::PythonChoice;
use super::rules::{RawLicenses, RawVulnerabilities, Rules};
use super::signing::{RawSigning, SigningConfig};
use super::texts::{check_address, check_maintainer, check_name, check_prefix};
use super::verify::{RawVerify, VerifyConfig};
use super::{ca_bundle, toml_error};

/// The file that wins over pyproject.toml.
pub const OWN_FILE: &str = "omnibuild.toml";
/// The file with `[project]` (PEP 621) and `[tool.omnibuild]`.
pub const PYPROJECT: &str = "pyproject.toml";

/// Every key that a configuration may have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawConfig {
    name: Option<String>,
    version: Option<String>,
    vendor: Option<String>,
    prefix: Option<String>,
    summary: Option<String>,
    description: Option<String>,
    maintainer: Option<String>,
    license: Option<String>,
    url: Option<String>,
    requirements: Option<Vec<String>>,
    constraints: Option<Vec<String>>,
    extras: Option<Vec<String>>,
    python: Option<String>,
    python_without: Option<BTreeSet<standalone::Part>>,
    python_mirror: Option<String>,
    made_on: Option<String>,
    pub(super) platforms: Option<Vec<String>>,
    architectures: Option<Vec<Arch>>,
    build_depends: Option<PerFamily>,
    depends: Option<PerFamily>,
    relations: Option<Relations>,
    packages: Option<BTreeMap<String, RawPackage>>,
    platform: Option<BTreeMap<PlatformId, RawPlatformOverride>>,
    pub(super) wheel_dir: Option<PathBuf>,
    channel: Option<Channel>,
    index_url: Option<String>,
    extra_index_urls: Option<Vec<String>>,
    index: Option<RawIndex>,
    pub(super) ca_bundle: Option<PathBuf>,
    pub(super) mirror: Option<String>,
    pub(super) network: Option<String>,
    pub(super) engines: Option<Engines>,
    build: Option<RawBuild>,
    wheels: Option<wheel::Policy>,
    audit: Option<audit::Policy>,
    pub(super) lint: Option<lint::Policy>,
    pub(super) cache: Option<RawCache>,
    pub(super) signing: Option<RawSigning>,
    licenses: Option<RawLicenses>,
    vulnerabilities: Option<RawVulnerabilities>,
    verify: Option<RawVerify>,
    official: Option<PlatformId>,
    images: Option<BTreeMap<String, RawImage>>,
}

/// The part of pyproject.toml that packaging tools share.
#[derive(Debug, Default, Deserialize)]
pub struct PyProject {
    /// `[project]`, PEP 621.
    pub project: Option<ProjectTable>,
    /// `[build-system]`, PEP 518.
    #[serde(rename = "build-system")]
    pub build_system: Option<BuildSystem>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Debug, Default, Deserialize)]
struct Tool {
    omnibuild: Option<RawConfig>,
}

/// The checked configuration of a project.
#[derive(Debug)]
pub struct Config {
    /// The project's folder, absolute.
    pub root: PathBuf,
    /// pyproject.toml, where there is one.
    pub pyproject: PyProject,
    /// Whether there is a project to build, not only a list of requirements.
    pub has_source: bool,
    /// `name`, else the project's own, where a file says it.
    pub name: Option<String>,
    /// `--tag` or `version`.
    pub version: Option<String>,
    /// The prefix of the packages' names.
    pub vendor: Option<String>,
    /// Where the bundle goes.
    pub prefix: Option<String>,
    /// One line.
    pub summary: Option<String>,
    /// Paragraphs.
    pub description: Option<String>,
    /// `Name <address>`.
    pub maintainer: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Home page.
    pub url: Option<String>,
    /// Requirement files, relative to the root.
    pub requirements: Vec<String>,
    /// Constraint files, relative to the root.
    pub constraints: Vec<String>,
    /// Extras of the project.
    pub extras: Vec<String>,
    /// The Python of the bundles, when one is named.
    pub python: Option<PythonChoice>,
    /// The parts of a standalone Python that are left out.
    pub python_without: BTreeSet<standalone::Part>,
    /// Where archives of standalone Pythons lie, when said.
    pub python_mirror: Option<String>,
    /// The platform that makes the bundles which bring their Python, when one is named.
    pub made_on: Option<String>,
    /// Platforms to build when the command line names none.
    pub platforms: Vec<String>,
    /// The architectures of platforms that say nothing else; empty: this machine's.
    pub architectures: Vec<Arch>,
    /// System packages to compile with.
    pub build_depends: PerFamily,
    /// System packages to run with.
    pub depends: PerFamily,
    /// How the omnibus package stands to others.
    pub relations: Relations,
    /// The meta-packages.
    pub packages: BTreeMap<String, PackageConfig>,
    /// What single platforms change.
    pub platform: BTreeMap<PlatformId, PlatformOverride>,
    /// Whom the packages are for.
    pub channel: Channel,
    /// Where wheels are cached, when said.
    pub wheel_dir: Option<PathBuf>,
    /// The package index, when said.
    pub index_url: Option<String>,
    /// Further indexes.
    pub extra_index_urls: Vec<String>,
    /// Where their credentials are.
    pub index: IndexConfig,
    /// Certificates that stages with a network trust.
    pub ca_bundle: Option<PathBuf>,
    /// The mirror that base images are bootstrapped from.
    pub mirror: Option<String>,
    /// The engine's network for stages that need one.
    pub network: Option<String>,
    /// Engines by architecture.
    pub engines: Engines,
    /// What containers may take.
    pub build: BuildConfig,
    /// What to do about things in wheels that are no defects.
    pub wheels: wheel::Policy,
    /// What the audit of a bundle may find.
    pub audit: audit::Policy,
    /// What lint may find.
    pub lint: lint::Policy,
    /// Proxy variables, as they are to be set in stages with a network.
    pub proxies: BTreeMap<String, String>,
    /// The remote cache of wheels, when one is named.
    pub remote: Option<RemoteConfig>,
    /// Who signs the packages; `None`: nobody.
    pub signing: Option<SigningConfig>,
    /// What verification does beside what it always does.
    pub verify: VerifyConfig,
    /// The platform whose images have the plain tags.
    pub official: Option<PlatformId>,
    /// Runtime images.
    pub images: BTreeMap<String, ImageConfig>,
    /// What may be shipped.
    pub rules: Rules,
    /// Where the files say what they say.
    pub places: Places,
}

impl Config {
    /// Reads and checks the configuration of the project in `root`.
    pub fn load(root: &Path, overrides: Overrides) -> Result<Self> {
        let root = fs::canonicalize(root).map_err(|_no_folder| {
            let message = format!("there is no project folder `{}`", root.display());
            Error::new(Kind::Config, message).hint("name one that is there with --project")
        })?;
        if !root.is_dir() {
            let message = format!("`{}` is no folder", root.display());
            return Err(Error::new(Kind::Config, message)
                .hint("name the folder that the project's files are in with --project"));
        }
        let mut pyproject = PyProject::read(&root)?;
        let raw = RawConfig::read(&root, &mut pyproject)?;
        let has_source = pyproject.project.is_some()
            || pyproject.build_system.is_some()
            || root.join("setup.py").is_file()
            || root.join("setup.cfg").is_file();
        let mut places = Places::default();
        for (name, table) in [(OWN_FILE, &[][..]), (PYPROJECT, &["tool", "omnibuild"])] {
            if let Some((path, text)) = read(&root, name)? {
                places.add(&path, &text, table);
            }
        }
        overrides.forget_places(&mut places);
        let mut config = check(root, pyproject, has_source, raw, overrides)
            .map_err(|error| places.locate(error))?;
        config.places = places;
        Ok(config)
    }

    /// Every address that may hold a password.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let addresses = self.index_url.iter().chain(&self.extra_index_urls);
        addresses
            .chain(&self.mirror)
            .chain(self.proxies.values())
            .chain(self.remote.iter().map(|remote| &remote.address))
            .map(String::as_str)
    }

    /// Every value that is a secret as a whole.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.remote
            .iter()
            .flat_map(|remote| remote.access.secrets())
    }

    /// What a platform's table changes; nothing for most.
    pub fn platform_override(&self, id: &PlatformId) -> PlatformOverride {
        self.platform.get(id).cloned().unwrap_or_default()
    }
}

impl PyProject {
    /// Reads the pyproject.toml of a project; without one, everything in it is absent.
    pub fn read(root: &Path) -> Result<Self> {
        match read(root, PYPROJECT)? {
            Some((path, text)) => toml_error::parse(&path, &text),
            None => Ok(Self::default()),
        }
    }
}

impl RawConfig {
    /// What both files of a project say.
    pub(super) fn read(root: &Path, pyproject: &mut PyProject) -> Result<Self> {
        let under = pyproject.tool.omnibuild.take().unwrap_or_default();
        Ok(match read(root, OWN_FILE)? {
            Some((path, text)) => toml_error::parse::<Self>(&path, &text)?.over(under),
            None => under,
        })
    }

    /// These values, and where they are silent those of `under`.
    fn over(self, under: Self) -> Self {
        Self {
            name: self.name.or(under.name),
            version: self.version.or(under.version),
            vendor: self.vendor.or(under.vendor),
            prefix: self.prefix.or(under.prefix),
            summary: self.summary.or(under.summary),
            description: self.description.or(under.description),
            maintainer: self.maintainer.or(under.maintainer),
            license: self.license.or(under.license),
            url: self.url.or(under.url),
            requirements: self.requirements.or(under.requirements),
            constraints: self.constraints.or(under.constraints),
            extras: self.extras.or(under.extras),
            python: self.python.or(under.python),
            python_without: self.python_without.or(under.python_without),
            python_mirror: self.python_mirror.or(under.python_mirror),
            made_on: self.made_on.or(under.made_on),
            platforms: self.platforms.or(under.platforms),
            architectures: self.architectures.or(under.architectures),
            build_depends: self.build_depends.or(under.build_depends),
            depends: self.depends.or(under.depends),
            relations: self.relations.or(under.relations),
            packages: self.packages.or(under.packages),
            platform: self.platform.or(under.platform),
            wheel_dir: self.wheel_dir.or(under.wheel_dir),
            channel: self.channel.or(under.channel),
            index_url: self.index_url.or(under.index_url),
            extra_index_urls: self.extra_index_urls.or(under.extra_index_urls),
            ca_bundle: self.ca_bundle.or(under.ca_bundle),
            mirror: self.mirror.or(under.mirror),
            network: self.network.or(under.network),
            engines: merged(self.engines, under.engines, Engines::over),
            index: merged(self.index, under.index, RawIndex::over),
            build: merged(self.build, under.build, RawBuild::over),
            wheels: self.wheels.or(under.wheels),
            audit: self.audit.or(under.audit),
            lint: self.lint.or(under.lint),
            cache: merged(self.cache, under.cache, RawCache::over),
            signing: self.signing.or(under.signing),
            licenses: self.licenses.or(under.licenses),
            vulnerabilities: self.vulnerabilities.or(under.vulnerabilities),
            verify: merged(self.verify, under.verify, RawVerify::over),
            official: self.official.or(under.official),
            images: self.images.or(under.images),
        }
    }
}

/// A table of both files, key by key.
fn merged<T>(own: Option<T>, under: Option<T>, over: fn(T, T) -> T) -> Option<T> {
    match (own, under) {
        (Some(own), Some(under)) => Some(over(own, under)),
        (own, under) => own.or(under),
    }
}

fn check(
    root: PathBuf,
    pyproject: PyProject,
    has_source: bool,
    raw: RawConfig,
    overrides: Overrides,
) -> Result<Config> {
    let requirements = raw.requirements.unwrap_or_default();
    if !has_source && requirements.is_empty() {
        return Err(Error::new(
            Kind::Config,
            format!("there is nothing to package in `{}`", root.display()),
        )
        .hint("run it in a folder with a pyproject.toml, setup.py or setup.cfg")
        .hint("or list requirement files: `requirements = [\"requirements.txt\"]` and `name = …` in omnibuild.toml; `omnibuild init` writes one"));
    }
    if let Some(name) = &raw.name {
        check_name(name)?;
    }
    let project_name = pyproject
        .project
        .as_ref()
        .and_then(|project| project.name.clone());
    let name = raw.name.or(project_name);
    if !has_source && name.is_none() {
        return Err(
            Error::new(Kind::Config, "a bare list of requirements needs a `name`")
                .hint("add `name = \"…\"` to omnibuild.toml: the bundle goes to /opt/<name>"),
        );
    }
    if let Some(prefix) = &raw.prefix {
        check_prefix(prefix)?;
    }
    if let Some(maintainer) = &raw.maintainer {
        check_maintainer(maintainer)?;
    }
    if let Some(license) = &raw.license {
        check_license("license", license)?;
    }
    if raw.platforms.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::new(Kind::Config, "platforms: the list is empty")
            .hint("name platforms, or leave the key out: then every living one is built"));
    }
    check_architectures("architectures", raw.architectures.as_deref())?;
    for (key, text) in [
        ("url", &raw.url),
        ("mirror", &raw.mirror),
        ("--mirror or OMNIBUILD_MIRROR", &overrides.mirror),
    ] {
        text.as_ref()
            .map_or(Ok(()), |text| check_address(key, text))?;
    }
    let index = IndexConfig::check(
        &root,
        raw.index.unwrap_or_default(),
        overrides.index,
        [raw.index_url.as_deref(), overrides.index_url.as_deref()],
        raw.extra_index_urls.as_deref(),
    )?;
    let mut packages = BTreeMap::new();
    for (name, package) in raw.packages.unwrap_or_default() {
        packages.insert(name.clone(), PackageConfig::check(&name, package)?);
    }
    if packages.is_empty() {
        packages.insert("cli".to_owned(), PackageConfig::default());
    }
    let images = raw.images.unwrap_or_default();
    let images = ImageConfig::check_all(images, &packages.keys().collect())?;
    let wheel_dir = overrides
        .wheel_dir
        .or(raw.wheel_dir)
        .map(|folder| root.join(folder));
    let ca_bundle = overrides
        .ca_bundle
        .or(raw.ca_bundle.map(|path| root.join(path)));
    ca_bundle.as_deref().map_or(Ok(()), ca_bundle::check)?;
    let audit = raw.audit.unwrap_or_default();
    audit.check()?;
    let lint = raw.lint.unwrap_or_default();
    lint.check()?;
    let engines = raw.engines.unwrap_or_default();
    engines.check()?;
    let remote = RemoteConfig::check(&root, raw.cache.unwrap_or_default(), overrides.cache)?;
    let signing = SigningConfig::check(&root, raw.signing.unwrap_or_default(), overrides.signing)?;
    Ok(Config {
        has_source,
        name,
        version: overrides.version.or(raw.version),
        vendor: raw.vendor,
        prefix: raw
            .prefix
            .map(|prefix| prefix.trim_end_matches('/').to_owned()),
        summary: raw.summary,
        description: raw.description,
        maintainer: raw.maintainer,
        license: raw.license,
        url: raw.url,
        requirements,
        constraints: raw.constraints.unwrap_or_default(),
        extras: raw.extras.unwrap_or_default(),
        python: raw.python.map(|text| text.parse()).transpose()?,
        python_without: raw
            .python_without
            .unwrap_or_else(|| standalone::Part::USUAL.into()),
        python_mirror: overrides.python_mirror.or(raw.python_mirror),
        made_on: raw.made_on,
        platforms: raw.platforms.unwrap_or_default(),
        architectures: raw.architectures.unwrap_or_default(),
        build_depends: raw.build_depends.unwrap_or_default(),
        depends: raw.depends.unwrap_or_default(),
        relations: raw.relations.unwrap_or_default(),
        packages,
        official: raw.official,
        images,
        platform: raw
            .platform
            .unwrap_or_default()
            .into_iter()
            .map(|(id, table)| Ok((id.clone(), table.check(&id)?)))
            .collect::<Result<_>>()?,
        channel: overrides.channel.or(raw.channel).unwrap_or_default(),
        wheel_dir,
        index_url: overrides.index_url.or(raw.index_url),
        extra_index_urls: raw.extra_index_urls.unwrap_or_default(),
        index,
        ca_bundle,
        mirror: overrides.mirror.or(raw.mirror),
        network: overrides.network.or(raw.network),
        engines,
        build: raw.build.unwrap_or_default().check(&root, overrides.ssh)?,
        wheels: raw.wheels.unwrap_or_default(),
        audit,
        lint,
        proxies: overrides.proxies,
        remote,
        signing,
        rules: Rules::check(raw.licenses, raw.vulnerabilities)?,
        verify: VerifyConfig::check(&root, raw.verify.unwrap_or_default())?,
        places: Places::default(),
        pyproject,
        root,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Config::load(folder.path(), Overrides::default())
    }

    #[test]
    fn a_project_table_is_enough() {
        let config = load(&[(
            "pyproject.toml",
            "[project]\nname = \"x\"\nversion = \"1\"\n",
        )])
        .unwrap();
        assert_eq!(config.name.as_deref(), Some("x"));
        assert_eq!(config.packages.keys().collect::<Vec<_>>(), ["cli"]);
        assert!(config.has_source);
    }

    #[test]
    fn the_own_file_wins_key_by_key() {
        let config = load(&[
            (
                "pyproject.toml",
                "[project]\nname = \"x\"\n[tool.omnibuild]\nvendor = \"a\"\nurl = \"https://u.example\"\n",
            ),
            ("omnibuild.toml", "vendor = \"b\"\n"),
        ])
        .unwrap();
        assert_eq!(
            (config.vendor.as_deref(), config.url.as_deref()),
            (Some("b"), Some("https://u.example"))
        );
    }

    #[test]
    fn bad_configuration_is_refused_with_its_place() {
        let cases = [
            (
                "verison = \"1\"",
                "omnibuild.toml:2:1",
                "did you mean `version`?",
            ),
            (
                "[packages.cli]\nlink = {}",
                "omnibuild.toml:3:1",
                "did you mean `links`?",
            ),
            ("platforms = \"debian-12\"", "omnibuild.toml:2:13", ""),
            ("prefix = \"/opt\"", "2:1: prefix: `/opt`", "/opt/mytool"),
            (
                "platforms = []",
                "2:1: platforms: the list is empty",
                "living",
            ),
            (
                "index-url = \"pypi\"",
                "2:1: index-url: this is no URL",
                "https://",
            ),
            (
                "extra-index-urls = [\"https://a.example\", \"b c\"]",
                "extra-index-urls[1]: this is no URL",
                "https://",
            ),
            ("maintainer = \"Acme\"", "2:1: maintainer: `Acme`", "<"),
            (
                "license = \"Foo\"",
                "2:1: license: `Foo` is no SPDX expression",
                "SPDX list",
            ),
            ("maintainer = \"A <a b@c>\"", "2:1: maintainer:", "<"),
            ("prefix = \"/opt/../x\"", "prefix:", "/opt/mytool"),
            ("python = \"three\"", "python: `three`", "system"),
            (
                "[packages.cli]\nlinks = { \"/etc\" = [\"x\"] }",
                "`/etc`",
                "/usr/bin",
            ),
            (
                "[packages.cli]\nlinks = { \"/usr/bin\" = [\"../x\"] }",
                "`../x`",
                "bin",
            ),
            ("ca-bundle = \"none.pem\"", "ca-bundle", "PEM"),
        ];
        for (text, message, hint) in cases {
            let text = format!("name = \"x\"\n{text}\n");
            let files = [("omnibuild.toml", text.as_str()), ("setup.py", "")];
            let error = load(&files).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
            assert!(
                error.hints().join(" ").contains(hint),
                "{text}: {:?}",
                error.hints()
            );
        }
    }

    #[test]
    fn a_name_is_one_of_a_distribution() {
        for name in ["", "my tool", "größe", "-x", "a/b"] {
            let text = format!("name = \"{name}\"\n");
            let error = load(&[("omnibuild.toml", &text), ("setup.py", "")]).unwrap_err();
            let message = error.message();
            assert!(message.contains("omnibuild.toml:1:1: name: `"), "{message}");
        }
        load(&[
            ("omnibuild.toml", "name = \"My_Tool.x\"\n"),
            ("setup.py", ""),
        ])
        .unwrap();
    }

    #[test]
    fn an_empty_folder_is_told_what_to_add() {
        let error = load(&[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.hints()[1].contains("omnibuild init"));
        let error = load(&[("omnibuild.toml", "requirements = [\"r.txt\"]\n")]).unwrap_err();
        assert!(error.message().contains("needs a `name`"));
    }
}
