//! Known vulnerabilities of a bundle's distributions, looked up in a local database of the OSV
//! format (<https://ossf.github.io/osv-schema/>).
//!
//! Asks nobody. What a database says is not trusted: a record that is malformed is refused with its
//! place, and one about a distribution of the bundle whose versions can't be understood counts as
//! one that hits.

pub mod database;
mod range;
mod record;
mod severity;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::range::Verdict;
pub use self::record::Advisory;
use super::Distribution;

/// A vulnerability of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The distribution.
    pub distribution: String,
    /// Its version.
    pub version: String,
    /// All identifiers of the vulnerability, the database's own first.
    pub ids: Vec<String>,
    /// What it is about.
    pub summary: Option<String>,
    /// `critical`, `high`, `medium`, `low`, `none` or `unknown`.
    pub severity: String,
    /// Versions that have it no more.
    pub fixed: Vec<String>,
    /// What could not be understood; it is taken for a hit.
    pub doubt: Option<String>,
}

/// The records about some distributions, by normalised name.
#[derive(Debug, Default)]
pub struct Advisories {
    by_name: BTreeMap<String, Vec<Advisory>>,
}

impl Advisories {
    /// Reads those about these names from a database.
    pub fn read(path: &std::path::Path, names: &BTreeSet<String>) -> crate::error::Result<Self> {
        let mut by_name: BTreeMap<String, Vec<Advisory>> = BTreeMap::new();
        database::each(path, &mut |advisory| {
            for name in advisory.distributions() {
                if names.contains(&name) && !advisory.is_withdrawn() {
                    by_name.entry(name).or_default().push(advisory.clone());
                }
            }
        })?;
        Ok(Self { by_name })
    }

    /// The vulnerabilities of a distribution; records that are aliases of each other are one.
    pub fn of(&self, distribution: &Distribution) -> Vec<Finding> {
        let name = distribution.normalised_name();
        let mut findings: Vec<Finding> = Vec::new();
        for advisory in self.by_name.get(&name).into_iter().flatten() {
            let verdict = range::verdict(advisory, &name, &distribution.version);
            let doubt = match verdict {
                Verdict::NotAffected => continue,
                Verdict::Affected => None,
                Verdict::Unclear(what) => Some(what),
            };
            let found = Finding {
                distribution: distribution.name.clone(),
                version: distribution.version.clone(),
                ids: advisory.ids(),
                summary: advisory.summary.clone(),
                severity: severity::of(advisory, &name),
                fixed: range::fixed(advisory, &name, &distribution.version),
                doubt,
            };
            merge(&mut findings, found);
        }
        findings.sort_by(|one, other| one.ids.cmp(&other.ids));
        findings
    }
}

/// Adds a finding to those with which it has an identifier in common.
fn merge(findings: &mut Vec<Finding>, mut found: Finding) {
    while let Some(place) = findings
        .iter()
        .position(|other| other.ids.iter().any(|id| found.ids.contains(id)))
    {
        let other = findings.remove(place);
        found = join(other, found);
    }
    findings.push(found);
}

fn join(one: Finding, other: Finding) -> Finding {
    // Who says how bad it is tells more.
    let (mut first, second) = if one.severity == severity::UNKNOWN {
        (other, one)
    } else {
        (one, other)
    };
    for id in second.ids {
        if !first.ids.contains(&id) {
            first.ids.push(id);
        }
    }
    for version in second.fixed {
        if !first.fixed.contains(&version) {
            first.fixed.push(version);
        }
    }
    first.summary = first.summary.or(second.summary);
    // One of two records that is clear is enough.
    first.doubt = match (first.doubt, second.doubt) {
        (Some(one), Some(_)) => Some(one),
        _ => None,
    };
    first
}

#[cfg(test)]
mod tests;
