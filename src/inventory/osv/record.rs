//! A record of the OSV format, as far as it is looked at; fields that are not known are passed over,
//! since the format grows.

use serde::Deserialize;

use crate::plan::normalised_name;

/// PyPI's name in the format.
const ECOSYSTEM: &str = "PyPI";

/// A vulnerability.
#[derive(Debug, Clone, Deserialize)]
pub struct Advisory {
    /// Its identifier, such as `PYSEC-2024-1` or `GHSA-…`.
    pub id: String,
    /// What it is about.
    pub summary: Option<String>,
    pub(super) aliases: Option<Vec<String>>,
    withdrawn: Option<String>,
    pub(super) affected: Option<Vec<Affected>>,
    pub(super) severity: Option<Vec<Score>>,
    pub(super) database_specific: Option<Specific>,
}

/// A package that has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Affected {
    package: Option<Package>,
    pub(super) ranges: Option<Vec<Range>>,
    pub(super) versions: Option<Vec<String>>,
    pub(super) severity: Option<Vec<Score>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

/// Versions between events.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Range {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) events: Option<Vec<Event>>,
}

/// A version at which something changes; one of the fields is said.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    pub(super) introduced: Option<String>,
    pub(super) fixed: Option<String>,
    pub(super) last_affected: Option<String>,
    pub(super) limit: Option<String>,
}

/// How bad it is: a vector of a kind of CVSS.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Score {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) score: String,
}

/// What GitHub's database says beside the format.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Specific {
    pub(super) severity: Option<serde_json::Value>,
}

impl Advisory {
    /// The distributions of PyPI that it is about, normalised.
    pub fn distributions(&self) -> Vec<String> {
        let affected = self.affected.iter().flatten();
        let mut names: Vec<String> = affected.filter_map(Affected::distribution).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether it was taken back.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.is_some()
    }

    /// Its identifier and its aliases.
    pub(super) fn ids(&self) -> Vec<String> {
        let aliases = self.aliases.iter().flatten();
        std::iter::once(&self.id).chain(aliases).cloned().collect()
    }

    /// What it says of a distribution.
    pub(super) fn about<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Affected> {
        let affected = self.affected.iter().flatten();
        affected.filter(move |affected| affected.distribution().as_deref() == Some(name))
    }
}

impl Affected {
    fn distribution(&self) -> Option<String> {
        let package = self.package.as_ref()?;
        (package.ecosystem == ECOSYSTEM).then(|| normalised_name(&package.name))
    }
}
