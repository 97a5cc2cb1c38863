//! Lock files: every distribution of a closure with the files that it may be, as PEP 751 writes them.
//!
//! Reads and writes the text; chooses no file and fetches none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use pep440_rs::Version;
use pep508_rs::{MarkerTree, PackageName};
use serde::Deserialize;

use crate::config::parse_toml;
use crate::digest::{Digest, KeyBuilder};
use crate::error::{Error, Kind, Result};
use crate::platform::TargetId;

/// The lock file of all platforms that have none of their own.
pub const FILE: &str = "pylock.toml";

/// A lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pylock {
    /// Its distributions, by name.
    pub packages: Vec<LockedPackage>,
    /// The platforms it was made for; empty in a lock of another tool.
    pub platforms: Vec<TargetId>,
}

/// A distribution with the files it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: PackageName,
    /// Its version; a commit has none.
    pub version: Option<Version>,
    /// Where it is to be installed.
    pub marker: MarkerTree,
    /// Its wheels.
    pub wheels: Vec<LockedFile>,
    /// Its source distribution.
    pub sdist: Option<LockedFile>,
    /// The commit that it is built from.
    pub commit: Option<LockedCommit>,
}

/// A file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedFile {
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Its length in bytes, where the lock says it.
    pub size: Option<u64>,
    /// What it must be.
    pub digest: Digest,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On a server.
    Url(String),
    /// Below the project, with `/`.
    Project(String),
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedCommit {
    /// The repository.
    pub repository: String,
    /// The whole hash.
    pub commit: String,
    /// The folder in it that holds the project.
    pub subfolder: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawLock {
    lock_version: String,
    #[serde(default)]
    packages: Vec<RawPackage>,
    #[serde(default)]
    tool: RawTool,
}

#[derive(Default, Deserialize)]
struct RawTool {
    #[serde(default)]
    omnibuild: RawOwn,
}

#[derive(Default, Deserialize)]
struct RawOwn {
    #[serde(default)]
    platforms: Vec<TargetId>,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<RawFile>,
    sdist: Option<RawFile>,
    archive: Option<RawFile>,
    vcs: Option<RawCommit>,
    directory: Option<toml::Value>,
}

#[derive(Deserialize)]
struct RawFile {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawCommit {
    r#type: String,
    url: Option<String>,
    commit_id: String,
    subdirectory: Option<String>,
}

impl Pylock {
    /// Reads a lock. `path` is for messages.
    ///
    /// Fails with [`Kind::Config`] on what PEP 751 does not allow, and on what can't be locked: a
    /// file without a SHA-256, and a folder.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let raw: RawLock = parse_toml(Path::new(path), text)?;
        if raw.lock_version != "1.0" && !raw.lock_version.starts_with("1.") {
            return Err(Error::new(
                Kind::Config,
                format!("{path}: lock-version {} is not known", raw.lock_version),
            )
            .hint("make the lock again with `omnibuild lock`, which writes 1.0"));
        }
        let mut packages = raw
            .packages
            .into_iter()
            .map(|package| {
                let name = package.name.clone();
                package
                    .checked()
                    .map_err(|error| error.context(format!("{path}: `{name}`")))
            })
            .collect::<Result<Vec<_>>>()?;
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            packages,
            platforms: raw.tool.omnibuild.platforms,
        })
    }

    /// The text, the same for the same lock.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# Written by `omnibuild lock`; PEP 751.\nlock-version = \"1.0\"\ncreated-by = \"omnibuild\"\n",
        );
        for package in &self.packages {
            package.render(&mut text);
        }
        if !self.platforms.is_empty() {
            let names: Vec<String> = self
                .platforms
                .iter()
                .map(|id| quoted(id.as_str()))
                .collect();
            put(
                &mut text,
                format_args!("\n[tool.omnibuild]\nplatforms = [{}]\n", names.join(", ")),
            );
        }
        text
    }

    /// Whether it decides on a platform. A lock of another tool does not say, so it does on all.
    pub fn holds_for(&self, platform: &TargetId) -> bool {
        self.platforms.is_empty() || self.platforms.contains(platform)
    }

    /// What of a lock decides a set, one field a distribution.
    pub fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        self.packages.iter().fold(key, |key, package| {
            let mut facts: Vec<String> = package
                .files()
                .map(|file| file.digest.to_string())
                .chain(package.commit.iter().map(|commit| {
                    format!(
                        "{} {}",
                        commit.commit,
                        commit.subfolder.as_deref().unwrap_or_default()
                    )
                }))
                .collect();
            facts.sort_unstable();
            // Its words are normalised, and differ where it holds elsewhere.
            facts.extend(package.marker.try_to_string());
            let version = package.version.as_ref().map(ToString::to_string);
            let name = format!(
                "lock {}=={}",
                package.name,
                version.as_deref().unwrap_or("commit")
            );
            key.field(name, facts.join(" "))
        })
    }
}

impl RawPackage {
    fn checked(self) -> Result<LockedPackage> {
        let bad = |why: String| {
            Error::new(Kind::Config, why).hint("make the lock again with the tool that wrote it")
        };
        if self.directory.is_some() {
            return Err(
                bad("a folder can't be locked: its content can change".to_owned())
                    .hint("name a file or a commit"),
            );
        }
        let version = self.version.as_deref().map(str::parse).transpose();
        let marker = self.marker.as_deref().map(str::parse).transpose();
        let commit = self.vcs.map(RawCommit::checked).transpose()?;
        let mut wheels = self
            .wheels
            .into_iter()
            .map(RawFile::checked)
            .collect::<Result<Vec<_>>>()?;
        let mut sdist = self.sdist.map(RawFile::checked).transpose()?;
        if let Some(file) = self.archive.map(RawFile::checked).transpose()? {
            if is_wheel(&file.name) {
                wheels.push(file);
            } else {
                sdist = Some(file);
            }
        }
        if wheels.is_empty() && sdist.is_none() && commit.is_none() {
            return Err(bad("it has no file".to_owned()));
        }
        wheels.sort();
        Ok(LockedPackage {
            name: self
                .name
                .parse()
                .map_err(|error: pep508_rs::InvalidNameError| bad(error.to_string()))?,
            version: version
                .map_err(|error: pep440_rs::VersionParseError| bad(error.to_string()))?,
            marker: marker
                .map_err(|error: pep508_rs::Pep508Error| bad(error.to_string()))?
                .unwrap_or(MarkerTree::TRUE),
            wheels,
            sdist,
            commit,
        })
    }
}

impl RawFile {
    fn checked(self) -> Result<LockedFile> {
        let place = match (self.url, self.path) {
            (Some(url), _) => Place::Url(url),
            (None, Some(path)) => Place::Project(path),
            (None, None) => return Err(Error::new(Kind::Config, "a file has no URL and no path")),
        };
        let name = self.name.unwrap_or_else(|| file_name(place.text()));
        let digest = self
            .hashes
            .get("sha256")
            .and_then(|text| text.to_ascii_lowercase().parse().ok())
            .ok_or_else(|| {
                Error::new(Kind::Config, format!("`{name}` has no SHA-256"))
                    .hint("make the lock again with hashes; `omnibuild lock` writes them")
            })?;
        Ok(LockedFile {
            name,
            place,
            size: self.size,
            digest,
        })
    }
}

impl RawCommit {
    fn checked(self) -> Result<LockedCommit> {
        let whole = matches!(self.commit_id.len(), 40 | 64);
        match self.url {
            Some(repository) if self.r#type == "git" && whole => Ok(LockedCommit {
                repository,
                commit: self.commit_id,
                subfolder: self.subdirectory,
            }),
            _ => Err(Error::new(
                Kind::Config,
                "only git commits with their whole hash can be built",
            )),
        }
    }
}

impl LockedPackage {
    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = &LockedFile> {
        self.wheels.iter().chain(&self.sdist)
    }

    fn render(&self, text: &mut String) {
        put(
            text,
            format_args!("\n[[packages]]\nname = {}\n", quoted(self.name.as_ref())),
        );
        if let Some(version) = &self.version {
            put(
                text,
                format_args!("version = {}\n", quoted(&version.to_string())),
            );
        }
        if let Some(marker) = self.marker.try_to_string() {
            put(text, format_args!("marker = {}\n", quoted(&marker)));
        }
        if let Some(commit) = &self.commit {
            let subfolder = commit.subfolder.as_ref();
            let subfolder = subfolder.map(|folder| format!(", subdirectory = {}", quoted(folder)));
            put(
                text,
                format_args!(
                    "vcs = {{ type = \"git\", url = {}, commit-id = {}{} }}\n",
                    quoted(&commit.repository),
                    quoted(&commit.commit),
                    subfolder.unwrap_or_default()
                ),
            );
        }
        if let Some(sdist) = &self.sdist {
            put(text, format_args!("sdist = {}\n", sdist.render()));
        }
        if !self.wheels.is_empty() {
            text.push_str("wheels = [\n");
            for wheel in &self.wheels {
                put(text, format_args!("    {},\n", wheel.render()));
            }
            text.push_str("]\n");
        }
    }
}

impl LockedFile {
    fn render(&self) -> String {
        let (kind, place) = match &self.place {
            Place::Url(url) => ("url", url),
            Place::Project(path) => ("path", path),
        };
        let size = self.size.map(|size| format!(", size = {size}"));
        format!(
            "{{ name = {}, {kind} = {}{}, hashes = {{ sha256 = {} }} }}",
            quoted(&self.name),
            quoted(place),
            size.unwrap_or_default(),
            quoted(self.digest.as_str())
        )
    }
}

impl Place {
    /// The URL or path.
    pub fn text(&self) -> &str {
        match self {
            Self::Url(text) | Self::Project(text) => text,
        }
    }
}

/// The file name of a platform's own lock; PEP 751 allows no dots in the middle.
pub fn platform_file(target: &TargetId) -> String {
    format!("pylock.{}.toml", target.stem().replace('.', "-"))
}

/// Whether a file is a wheel, by its name.
pub fn is_wheel(file_name: &str) -> bool {
    Path::new(file_name)
        .extension()
        .is_some_and(|extension| extension == "whl")
}

/// The last part of a URL or path; of `%xx` only what file names of distributions may hold.
pub fn file_name(place: &str) -> String {
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let name = place.rsplit('/').next().unwrap_or_default();
    name.replace("%2B", "+")
        .replace("%2b", "+")
        .replace("%21", "!")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    text.write_fmt(words).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ANOTHER_TOOL: &str = r#"
lock-version = "1.0"
created-by = "another"
requires-python = ">=3.11"

[[packages]]
name = "Zope.Interface"
version = "5.0"
marker = "python_version >= '3.11'"
sdist = { url = "https://x.example/zope.interface-5.0.tar.gz", upload-time = 2022-10-02T05:04:32Z, hashes = { sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }
wheels = [{ url = "https://x.example/a%2B1/zope.interface-5.0%2Blocal-py3-none-any.whl", size = 3, hashes = { sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }]

[[packages]]
name = "b"
vcs = { type = "git", url = "https://x.example/b.git", commit-id = "0123456789abcdef0123456789abcdef01234567" }
"#;

    #[test]
    fn what_is_written_is_read_again() {
        let mut lock = Pylock::parse("pylock.toml", OF_ANOTHER_TOOL).unwrap();
        assert_eq!(lock.packages[1].name.as_ref(), "zope-interface");
        assert_eq!(
            lock.packages[1].wheels[0].name,
            "zope.interface-5.0+local-py3-none-any.whl"
        );
        lock.platforms = vec!["debian-12".parse().unwrap()];
        let text = lock.render();
        assert_eq!(Pylock::parse("pylock.toml", &text).unwrap(), lock);
        assert_eq!(Pylock::parse("pylock.toml", &text).unwrap().render(), text);
    }

    #[test]
    fn what_cannot_be_locked_is_refused_by_name() {
        let package = |line: &str| {
            format!("lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n{line}\n")
        };
        for (line, words) in [
            ("", "no file"),
            (
                "sdist = { url = \"https://x.example/a-1.tar.gz\", hashes = { md5 = \"0\" } }",
                "no SHA-256",
            ),
            ("directory = { path = \".\" }", "folder"),
            (
                "vcs = { type = \"git\", url = \"u\", commit-id = \"main\" }",
                "whole hash",
            ),
            ("sdist = { hashes = {} }", "no URL"),
        ] {
            let error = Pylock::parse("pylock.toml", &package(line)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            let text = error.to_string();
            assert!(
                text.contains("pylock.toml") && text.contains("`a`"),
                "{text}"
            );
            assert!(text.contains(words), "{text}");
        }
        assert!(Pylock::parse("pylock.toml", "lock-version = \"2.0\"").is_err());
    }

    #[test]
    fn only_what_is_installed_decides() {
        let fields = |text: &str| {
            let lock = Pylock::parse("pylock.toml", text).unwrap();
            lock.add_to(KeyBuilder::new("test", 1)).finish().fields
        };
        let before = fields(OF_ANOTHER_TOOL);
        assert_eq!(
            fields(
                &OF_ANOTHER_TOOL
                    .replace("upload-time = 2022-10-02T05:04:32Z, ", "# \n")
                    .replace("# \n", "")
            ),
            before
        );
        assert_ne!(
            fields(&OF_ANOTHER_TOOL.replace("b7852b855", "b7852b850")),
            before
        );
        assert_ne!(fields(&OF_ANOTHER_TOOL.replace("'3.11'", "'3.12'")), before);
        assert_ne!(
            fields(&OF_ANOTHER_TOOL.replace("01234567\"", "01234568\"")),
            before
        );
    }

    #[test]
    fn a_platforms_lock_has_a_name_that_pep_751_allows() {
        let ubuntu: TargetId = "ubuntu-22.04".parse().unwrap();
        assert_eq!(platform_file(&ubuntu), "pylock.ubuntu-22-04.toml");
    }
}
