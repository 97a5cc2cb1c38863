//! Versions: PEP 440 and `git describe` to deb and rpm versions that sort the same.
//!
//! Pure; never runs git, never reads a file.

mod describe;
mod native;
#[cfg(test)]
mod order_tests;

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::platform::Format;

pub use self::describe::from_git_describe;
pub use self::native::native;

/// The form of PEP 440, for messages.
const FORM: &str = "[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]";

/// A version of a Python project by PEP 440. Compares as pip compares; shows itself normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PythonVersion(pep440_rs::Version);

impl PythonVersion {
    /// Reads a version. `source` says where the text stands, such as
    /// `pyproject.toml: project.version`.
    ///
    /// Fails with [`Kind::Version`] when the text is no PEP 440 version, and suggests one where
    /// it is clear what was meant.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let reason = match text.parse::<pep440_rs::Version>() {
            Ok(version) => return Ok(Self(version)),
            Err(reason) => reason,
        };
        let error = Error::new(
            Kind::Version,
            format!("{source}: `{text}` is not a version: {reason}; PEP 440 wants `{FORM}`"),
        );
        Err(match suggestion(text) {
            Some(version) => error.hint(format!("write it as `{version}`")),
            None => error.hint(
                "write one exact version as numbers with dots, such as `1.4.2` or `1.4.2rc1`",
            ),
        })
    }

    /// The version as the library that compares it knows it.
    pub fn as_pep440(&self) -> &pep440_rs::Version {
        &self.0
    }
}

impl From<pep440_rs::Version> for PythonVersion {
    fn from(version: pep440_rs::Version) -> Self {
        Self(version)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The longest part that is a version, and the rest as a local version: `v1.2-foo` is `1.2+foo`.
fn suggestion(text: &str) -> Option<pep440_rs::Version> {
    let text = text.get(text.find(|first: char| first.is_ascii_digit())?..)?;
    let (public, rest) = (1..=text.len()).rev().find_map(|end| {
        let public: pep440_rs::Version = text.get(..end)?.parse().ok()?;
        Some((public, text.get(end..)?))
    })?;
    let words: Vec<&str> = rest
        .split(|between: char| !between.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    // `1.x` and `1.*` are families of versions, and nobody knows which one is meant.
    if rest.contains('*') || words.iter().any(|word| word.eq_ignore_ascii_case("x")) {
        return None;
    }
    match words[..] {
        [] => Some(public),
        // Maven's word for what PEP 440 calls a development release.
        [word] if word.eq_ignore_ascii_case("snapshot") => Some(public.with_dev(Some(0))),
        _ => format!("{}+{}", public.without_local(), words.join("."))
            .parse()
            .ok(),
    }
}

/// A version and revision in the words of a package format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeVersion {
    /// PEP 440's epoch, which is Debian's and RPM's too; absent when it is 0.
    pub epoch: Option<u32>,
    /// Debian's upstream version, RPM's `Version`.
    pub upstream: String,
    /// Debian's revision, RPM's `Release`, with the distribution's suffix.
    pub revision: String,
}

impl NativeVersion {
    /// `[epoch:]upstream-revision`: the whole version of a deb (Debian policy 5.6.12) and the
    /// whole `EVR` of an rpm, which are spelled alike. This is what a dependency names.
    pub fn full(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("{epoch}:{}", self.without_epoch()),
            None => self.without_epoch(),
        }
    }

    /// `upstream-revision`: what both formats put into the name of a package file.
    pub fn without_epoch(&self) -> String {
        format!("{}-{}", self.upstream, self.revision)
    }
}

impl fmt::Display for NativeVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.full())
    }
}

/// Compares two whole versions, `[epoch:]version[-revision]`, as the package manager of a format does.
pub fn compare(format: Format, one: &str, two: &str) -> Ordering {
    match format {
        Format::Deb => {
            let parsed = |version: &str| debversion::Version::parse_lenient(version).ok();
            parsed(one).cmp(&parsed(two))
        }
        Format::Rpm => rpm_version::rpm_evr_compare(one, two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_normalised() {
        for (text, normal) in [
            ("1.4.2", "1.4.2"),
            ("v1.4.2", "1.4.2"),
            ("1.4.2-RC.1", "1.4.2rc1"),
            ("1.4-1", "1.4.post1"),
            ("2!1.0.0+Ubuntu_1", "2!1.0.0+ubuntu.1"),
        ] {
            assert_eq!(
                PythonVersion::parse(text, "here").unwrap().to_string(),
                normal
            );
        }
    }

    #[test]
    fn a_bad_version_is_named_with_its_place_and_what_was_meant() {
        for (text, meant) in [
            ("v1.2-foo", "`1.2+foo`"),
            ("release-1.2.3", "`1.2.3`"),
            ("1.2.x", "one exact version"),
            ("1.*", "one exact version"),
            ("1.4.2-SNAPSHOT", "`1.4.2.dev0`"),
            ("1.2+acme+3", "`1.2+3`"),
            ("latest", "`1.4.2`"),
            ("", "`1.4.2`"),
            ("é1.2é", "`1.2`"),
        ] {
            let error = PythonVersion::parse(text, "pyproject.toml: project.version").unwrap_err();
            assert_eq!(error.kind(), Kind::Version);
            assert!(
                error
                    .message()
                    .starts_with("pyproject.toml: project.version: "),
                "{error}"
            );
            assert!(error.message().contains(&format!("`{text}`")), "{error}");
            assert!(error.message().contains("PEP 440"), "{error}");
            assert!(
                error.hints()[0].contains(meant),
                "{text}: {:?}",
                error.hints()
            );
        }
    }

    #[test]
    fn a_version_survives_serialisation() {
        let version = PythonVersion::parse("1!2.0rc1+acme.3", "here").unwrap();
        let text = serde_json::to_string(&version).unwrap();
        assert_eq!(text, "\"1!2.0rc1+acme.3\"");
        assert_eq!(
            serde_json::from_str::<PythonVersion>(&text).unwrap(),
            version
        );
    }

    #[test]
    fn the_epoch_stands_in_the_version_and_not_in_the_file_name() {
        let mut version = NativeVersion {
            epoch: Some(2),
            upstream: "1.4.2".to_owned(),
            revision: "1+deb12".to_owned(),
        };
        assert_eq!(version.full(), "2:1.4.2-1+deb12");
        assert_eq!(version.without_epoch(), "1.4.2-1+deb12");
        version.epoch = None;
        assert_eq!(version.to_string(), "1.4.2-1+deb12");
    }
}
