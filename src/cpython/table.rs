//! `pythons.toml`: versions of CPython and the libraries that are linked into them, as data.
//!
//! Reads nothing but the table that is compiled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

const SHIPPED: &str = include_str!("../../pythons.toml");

/// What the interpreter itself is called among its components.
const INTERPRETER: &str = "cpython";

/// The source of a component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// Its version.
    pub version: String,
    /// SPDX expression of what of it gets into the interpreter.
    pub license: String,
    /// Where its licence's text is in the source.
    pub license_file: String,
    /// The archive's name in a folder of sources.
    pub file: String,
    /// The archive's digest.
    pub sha256: Digest,
    /// Where the archive is; `{mirror}` stands for a mirror of a distribution.
    pub urls: Vec<String>,
    /// What our patch of it is for.
    pub changed: Option<String>,
    /// The day of the release; only an interpreter has one.
    released: Option<toml::value::Datetime>,
}

/// All that can be built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonTable {
    schema: u32,
    python: BTreeMap<String, Source>,
    source: BTreeMap<String, Source>,
}

/// A version of CPython and its libraries.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its minor version, such as `3.13`.
    pub minor: String,
    /// CPython.
    pub python: Source,
    /// The libraries, by name.
    pub libraries: BTreeMap<String, Source>,
    /// The day of the release, in seconds since 1970.
    pub time: u64,
}

impl PythonTable {
    /// The table that is compiled in.
    pub fn shipped() -> Result<Self> {
        Self::parse(SHIPPED)
    }

    fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(Kind::Config, format!("pythons.toml: {what}"));
        let table: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if table.schema != 1 {
            return Err(wrong(format!("schema {} is not known", table.schema)));
        }
        let all = table.python.iter().chain(&table.source);
        for (name, source) in all {
            // They become names of files here and in a container.
            let plain = |text: &str| {
                let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+/".contains(&byte);
                let parts = || text.split('/');
                !text.is_empty()
                    && text.bytes().all(good)
                    && parts().all(|part| !part.is_empty() && part != "." && part != "..")
            };
            let names = [name, &source.file];
            if !names.into_iter().all(|it| plain(it) && !it.contains('/'))
                || !plain(&source.license_file)
            {
                return Err(wrong(format!("`{name}` has a name that is none of a file")));
            }
            if source.urls.is_empty() {
                return Err(wrong(format!("`{name}` has no `urls`")));
            }
        }
        Ok(table)
    }

    /// The minor versions that can be built, the oldest first.
    pub fn versions(&self) -> Vec<&str> {
        let mut versions: Vec<&str> = self.python.keys().map(String::as_str).collect();
        versions.sort_by_key(|version| {
            let numbers = version.split('.').map(str::parse::<u32>);
            numbers.map(Result::unwrap_or_default).collect::<Vec<_>>()
        });
        versions
    }

    /// The version that somebody asks for, by its minor version or the whole one.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that is not there, with those that are.
    pub fn find(&self, version: &str) -> Result<Release> {
        let found = self
            .python
            .iter()
            .find(|(minor, source)| *minor == version || source.version == version);
        let Some((minor, python)) = found else {
            let whole = |minor: &&str| self.python[*minor].version.clone();
            let versions: Vec<String> = self.versions().iter().map(whole).collect();
            return Err(Error::new(
                Kind::Config,
                format!("Python {version} is none that can be built"),
            )
            .hint(format!(
                "one of these can: {} (or by the first two numbers)",
                versions.join(", ")
            )));
        };
        let time = python.released.and_then(seconds).ok_or_else(|| {
            let text = format!("pythons.toml: `{minor}` has no day in `released`");
            Error::new(Kind::Config, text)
        })?;
        Ok(Release {
            minor: minor.clone(),
            python: python.clone(),
            libraries: self.source.clone(),
            time,
        })
    }
}

fn seconds(time: toml::value::Datetime) -> Option<u64> {
    let date = time.date?;
    let date = jiff::civil::Date::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    );
    let midnight = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(midnight.timestamp().as_second()).ok()
}

/// What the archive says of a component, in `licenses/components.json`.
#[derive(Serialize)]
struct Component<'a> {
    name: &'a str,
    version: &'a str,
    license: &'a str,
    license_file: String,
    source: &'a str,
    sha256: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a str>,
}

impl Release {
    /// CPython and its libraries by name, sorted.
    pub fn components(&self) -> impl Iterator<Item = (&str, &Source)> {
        let all: BTreeMap<&str, &Source> = self
            .libraries
            .iter()
            .map(|(name, source)| (name.as_str(), source))
            .chain([(INTERPRETER, &self.python)])
            .collect();
        all.into_iter()
    }

    /// The list of components that goes into the archive, as JSON.
    pub fn components_json(&self) -> Result<Vec<u8>> {
        let component = |(name, source)| {
            let source: &Source = source;
            Component {
                name,
                version: &source.version,
                license: &source.license,
                license_file: format!("LICENSE.{name}.txt"),
                source: &source.file,
                sha256: &source.sha256,
                changed: source.changed.as_deref(),
            }
        };
        let components: Vec<Component<'_>> = self.components().map(component).collect();
        let value = serde_json::json!({ "schema": 1, "components": components });
        let mut text = serde_json::to_vec_pretty(&value).map_err(std::io::Error::from)?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_version_is_whole() {
        let table = PythonTable::shipped().unwrap();
        assert!(table.versions().contains(&"3.13"));
        for version in table.versions() {
            let release = table.find(version).unwrap();
            assert!(release.python.version.starts_with(&format!("{version}.")));
            assert_eq!(table.find(&release.python.version).unwrap().minor, version);
            let names: Vec<&str> = release.components().map(|(name, _)| name).collect();
            for name in ["cpython", "libffi", "openssl", "sqlite", "zlib"] {
                assert!(names.contains(&name), "{version}: {names:?}");
            }
            for (name, source) in release.components() {
                // So that a digest that was copied to two places is seen.
                let same = release
                    .components()
                    .filter(|(_, other)| other.sha256 == source.sha256);
                assert_eq!(same.count(), 1, "{name}");
                assert!(spdx::Expression::parse(&source.license).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn the_day_of_a_release_is_its_time() {
        let release = PythonTable::shipped().unwrap().find("3.13").unwrap();
        assert_eq!(release.time, 1_749_600_000);
    }

    #[test]
    fn a_version_that_is_not_there_is_answered_with_those_that_are() {
        let error = PythonTable::shipped().unwrap().find("2.7").unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.hints()[0].contains("3.13.5"), "{:?}", error.hints());
    }

    #[test]
    fn names_that_leave_their_folder_and_unknown_keys_are_refused() {
        let good = "schema = 1\n[source]\n[python.\"3.13\"]\nversion = \"3.13.5\"\nlicense = \"MIT\"\n\
                    license-file = \"LICENSE\"\nfile = \"a.tar\"\nurls = [\"x\"]\nsha256 = \
                    \"0000000000000000000000000000000000000000000000000000000000000000\"\n";
        PythonTable::parse(good).unwrap();
        for (old, new) in [
            ("\"a.tar\"", "\"../a.tar\""),
            ("\"LICENSE\"", "\"/etc/passwd\""),
            ("[\"x\"]", "[]"),
            ("schema = 1", "schema = 2"),
            ("license =", "licence ="),
        ] {
            let error = PythonTable::parse(&good.replace(old, new)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{new}");
        }
    }

    #[test]
    fn the_archive_says_what_it_is_made_of() {
        let release = PythonTable::shipped().unwrap().find("3.13").unwrap();
        let text = release.components_json().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let components = value["components"].as_array().unwrap();
        assert_eq!(components.len(), release.components().count());
        let openssl = components
            .iter()
            .find(|it| it["name"] == "openssl")
            .unwrap();
        assert_eq!(openssl["license"], "Apache-2.0");
        assert_eq!(openssl["license_file"], "LICENSE.openssl.txt");
        assert!(openssl["changed"].is_string());
    }
}
