//! `[python]` of platforms.toml: archives of standalone Pythons, and the word with which a project
//! chooses a Python.
//!
//! Plain data; fetches nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::Arch;

use super::toml_error::nearest;

/// Which Python a bundle runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonChoice {
    /// The platform's own.
    System,
    /// The one of this minor version that the platform has, its own or another.
    SystemMinor(String),
    /// One that the bundle brings, of this minor version.
    Standalone(String),
}

impl FromStr for PythonChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if text == "system" {
            return Ok(Self::System);
        }
        let is_minor = |text: &str| text.split('.').count() == 2 && text.split('.').all(is_number);
        if is_minor(text) {
            return Ok(Self::Standalone(text.to_owned()));
        }
        if let Some(minor) = text.strip_prefix("system-").filter(|minor| is_minor(minor)) {
            return Ok(Self::SystemMinor(minor.to_owned()));
        }
        Err(Error::new(
            Kind::Config,
            format!("python: `{text}` is neither `system` nor a minor version"),
        )
        .hint("write `python = \"system\"` for the platform's own, `python = \"system-2.7\"` for another that it has, or a minor version such as `python = \"3.13\"` for one that the packages bring"))
    }
}

impl fmt::Display for PythonChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => formatter.write_str("system"),
            Self::SystemMinor(minor) => write!(formatter, "system-{minor}"),
            Self::Standalone(minor) => formatter.write_str(minor),
        }
    }
}

/// An archive of a standalone Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonArchive {
    /// Where it is.
    pub place: ArchivePlace,
    /// What it must be.
    pub digest: Digest,
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePlace {
    /// A file of this machine.
    File(PathBuf),
    /// To be fetched.
    Url(String),
}

/// All archives that are known.
#[derive(Debug, Clone, Default)]
pub struct Pythons {
    mirror: Option<String>,
    archives: BTreeMap<String, BTreeMap<Arch, RawArchive>>,
}

/// `[python]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPythons {
    mirror: Option<String>,
    #[serde(default)]
    archive: BTreeMap<String, BTreeMap<Arch, RawArchive>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArchive {
    /// Below the mirror.
    file: Option<String>,
    /// With a scheme.
    url: Option<String>,
    /// Relative to the project.
    path: Option<PathBuf>,
    sha256: Digest,
}

impl RawPythons {
    /// These archives, over those of `under`; relative paths are below `root`.
    pub(super) fn over(self, mut under: Pythons, root: &Path) -> Result<Pythons> {
        under.mirror = self.mirror.or(under.mirror);
        for (minor, archives) in self.archive {
            if !matches!(minor.parse(), Ok(PythonChoice::Standalone(_))) {
                return Err(Error::new(
                    Kind::Config,
                    format!("platforms.toml: python.archive.\"{minor}\" is no minor version"),
                )
                .hint("write it as `[python.archive.\"3.13\"]`"));
            }
            for (arch, mut archive) in archives {
                archive.path = archive.path.map(|path| root.join(path));
                let named = [
                    archive.file.is_some(),
                    archive.url.is_some(),
                    archive.path.is_some(),
                ];
                if named.iter().filter(|said| **said).count() != 1 {
                    return Err(Error::new(
                        Kind::Config,
                        format!(
                            "platforms.toml: python.archive.\"{minor}\".{} names {} places",
                            arch.debian(),
                            named.iter().filter(|said| **said).count()
                        ),
                    )
                    .hint(
                        "write one of `path` (in the project), `url` and `file` (below the mirror)",
                    ));
                }
                under
                    .archives
                    .entry(minor.clone())
                    .or_default()
                    .insert(arch, archive);
            }
        }
        Ok(under)
    }
}

impl Pythons {
    /// The archive of a minor version for an architecture. `mirror` takes the place of the table's.
    pub fn find(&self, minor: &str, arch: Arch, mirror: Option<&str>) -> Result<PythonArchive> {
        let Some(archives) = self.archives.get(minor) else {
            let mut known: Vec<&str> = self.archives.keys().map(String::as_str).collect();
            let number = |part: &str| part.parse::<u32>().unwrap_or(u32::MAX);
            known.sort_by_key(|minor| minor.split('.').map(number).collect::<Vec<_>>());
            let error = Error::new(
                Kind::Config,
                format!("python: no archive of a standalone Python {minor} is known"),
            );
            let error = match nearest(minor, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            };
            return Err(error
                .hint(format!("known are {}", known.join(", ")))
                .hint("name one in `[python.archive.…]` of the project's platforms.toml, with its sha256; `omnibuild python build` makes one"));
        };
        let Some(archive) = archives.get(&arch) else {
            return Err(Error::new(
                Kind::Config,
                format!("python: no archive of Python {minor} for {} is known", arch.debian()),
            )
            .hint(format!(
                "name one as `{} = {{ … }}` in `[python.archive.\"{minor}\"]` of the project's platforms.toml",
                arch.debian()
            )));
        };
        let place = match (&archive.path, &archive.url, &archive.file) {
            (Some(path), _, _) => ArchivePlace::File(path.clone()),
            (_, Some(url), _) => at(url),
            (_, _, file) => {
                let file = file.as_deref().unwrap_or_default();
                let mirror = mirror.or(self.mirror.as_deref()).unwrap_or_default();
                let mirror = mirror.trim_end_matches('/');
                // The names have their `+` as URLs want it; folders do not.
                match at(&format!("{mirror}/{file}")) {
                    ArchivePlace::File(path) => {
                        ArchivePlace::File(path.to_string_lossy().replace("%2B", "+").into())
                    }
                    url @ ArchivePlace::Url(_) => url,
                }
            }
        };
        Ok(PythonArchive {
            place,
            digest: archive.sha256.clone(),
        })
    }

    /// The minor versions that are known, for some architecture.
    pub fn minors(&self) -> impl Iterator<Item = &str> {
        self.archives.keys().map(String::as_str)
    }
}

fn at(address: &str) -> ArchivePlace {
    match address.strip_prefix("file://") {
        Some(path) => ArchivePlace::File(path.into()),
        None if address.starts_with('/') => ArchivePlace::File(address.into()),
        None => ArchivePlace::Url(address.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "cefba034445d2875408d1fd4d5700ae6731563aeb54dcb39fd8164ab5c457533";

    fn pythons(text: &str) -> Result<Pythons> {
        let raw: RawPythons = toml::from_str(&text.replace("DIGEST", DIGEST)).unwrap();
        raw.over(Pythons::default(), Path::new("/project"))
    }

    #[test]
    fn a_python_is_the_systems_or_a_minor_version() {
        assert_eq!(
            "system".parse::<PythonChoice>().unwrap(),
            PythonChoice::System
        );
        let own = PythonChoice::Standalone("3.13".to_owned());
        assert_eq!("3.13".parse::<PythonChoice>().unwrap(), own);
        let other = PythonChoice::SystemMinor("2.7".to_owned());
        assert_eq!("system-2.7".parse::<PythonChoice>().unwrap(), other);
        assert_eq!(other.to_string(), "system-2.7");
        for bad in [
            "3", "3.13.1", "three", "", "3.", ".3", "3.13t", "System", "system-2", "system-",
        ] {
            let error = bad.parse::<PythonChoice>().unwrap_err();
            assert!(error.message().contains(&format!("`{bad}`")), "{error}");
        }
    }

    #[test]
    fn an_archive_is_in_the_project_at_an_address_or_below_a_mirror() {
        let pythons = pythons(
            "mirror = 'https://host.example/releases/'\n\
             archive.'3.11'.amd64 = { path = 'a.tar.gz', sha256 = 'DIGEST' }\n\
             archive.'3.12'.amd64 = { url = 'file:///srv/b.tar.gz', sha256 = 'DIGEST' }\n\
             archive.'3.13'.amd64 = { url = 'https://other.example/c.tar.gz', sha256 = 'DIGEST' }\n\
             archive.'3.14'.amd64 = { file = '2026/d%2B1.tar.gz', sha256 = 'DIGEST' }\n",
        )
        .unwrap();
        let place = |minor: &str, mirror: Option<&str>| {
            let found = pythons.find(minor, Arch::Amd64, mirror).unwrap();
            assert_eq!(found.digest.as_str(), DIGEST);
            found.place
        };
        let file = |path: &str| ArchivePlace::File(path.into());
        let url = |url: &str| ArchivePlace::Url(url.to_owned());
        assert_eq!(place("3.11", None), file("/project/a.tar.gz"));
        assert_eq!(place("3.12", None), file("/srv/b.tar.gz"));
        assert_eq!(
            place("3.13", Some("https://m")),
            url("https://other.example/c.tar.gz")
        );
        assert_eq!(
            place("3.14", None),
            url("https://host.example/releases/2026/d%2B1.tar.gz")
        );
        assert_eq!(
            place("3.14", Some("https://m/x")),
            url("https://m/x/2026/d%2B1.tar.gz")
        );
        assert_eq!(
            place("3.14", Some("file:///m/")),
            file("/m/2026/d+1.tar.gz")
        );
        assert_eq!(place("3.14", Some("/m")), file("/m/2026/d+1.tar.gz"));
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is() {
        let archive = "amd64 = { path = 'a', sha256 = 'DIGEST' }";
        let text = format!("archive.'3.9'.{archive}\narchive.'3.13'.{archive}");
        let pythons = pythons(&text).unwrap();
        let error = pythons.find("3.12", Arch::Amd64, None).unwrap_err();
        assert!(error.message().contains("3.12"), "{error}");
        let known = "known are 3.9, 3.13".to_owned();
        assert!(error.hints().contains(&known), "{error:?}");
        let error = pythons.find("3.13", Arch::Arm64, None).unwrap_err();
        assert!(error.message().contains("arm64"), "{error}");
    }

    #[test]
    fn an_archive_has_one_place_and_a_minor_version() {
        for (text, why) in [
            (
                "archive.'3.13'.amd64 = { sha256 = 'DIGEST' }",
                "names 0 places",
            ),
            (
                "archive.'3.13'.amd64 = { path = 'a', url = 'https://b', sha256 = 'DIGEST' }",
                "names 2 places",
            ),
            (
                "archive.'3'.amd64 = { path = 'a', sha256 = 'DIGEST' }",
                "no minor version",
            ),
        ] {
            let error = pythons(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.message().contains(why), "{error}");
        }
    }
}
