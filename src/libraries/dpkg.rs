//! Dependencies on Debian's packages, as dpkg-shlibdeps(1) computes them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use debversion::Version;

use crate::error::{Error, Kind, Result};
use crate::text::single_spaced;

use super::Manager;
use super::answer::Found;
use super::resolve::Outside;

pub(super) struct Dpkg;

/// What stands for the least version in a template.
const PLACE: &str = "#MINVER#";

impl Manager for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn wants_symbols(&self) -> bool {
        true
    }

    fn depends(&self, _: &Outside, found: &BTreeMap<String, Found>) -> Result<Vec<String>> {
        // The greatest version of each template; a template may have several dependencies in it.
        let mut greatest: BTreeMap<&str, Option<Version>> = BTreeMap::new();
        for template in found.values().flat_map(|found| &found.dependencies) {
            let least = versions(&template.known)?.into_iter().min();
            let used = versions(&template.versions)?.into_iter().max();
            let version = used.max(least);
            for part in template.text.split(',').map(str::trim) {
                let known = greatest.entry(part).or_default();
                if version > *known {
                    known.clone_from(&version);
                }
            }
        }
        let written = greatest.into_iter().map(|(template, version)| {
            let version = version.map(|version| format!("(>= {version})"));
            let text = template.replace(PLACE, &version.unwrap_or_default());
            single_spaced(&text)
        });
        Ok(merged(&written.collect()))
    }
}

/// Parsed; a version that dpkg would not take is the builder's fault.
fn versions(texts: &[String]) -> Result<Vec<Version>> {
    let parse = |text: &String| {
        text.parse().map_err(|_error| {
            Error::new(
                Kind::Build,
                format!("`{text}` in the builder's list of symbols is no version"),
            )
        })
    };
    texts.iter().map(parse).collect()
}

/// Without those that another one implies: `a` and `a (>= 1)` beside `a (>= 2)`.
fn merged(texts: &BTreeSet<String>) -> Vec<String> {
    let at_least = |text: &str| -> Option<(String, Option<Version>)> {
        match text.split_once(" (>= ") {
            None if !text.contains([' ', '|']) => Some((text.to_owned(), None)),
            None => None,
            Some((name, version)) => {
                let version = version.strip_suffix(')')?.parse().ok()?;
                (!name.contains([' ', '|'])).then(|| (name.to_owned(), Some(version)))
            }
        }
    };
    let implied = |text: &String| {
        let Some((name, version)) = at_least(text) else {
            return false;
        };
        texts
            .iter()
            .filter_map(|other| at_least(other))
            .any(|(other, greater)| other == name && greater.cmp(&version) == Ordering::Greater)
    };
    texts
        .iter()
        .filter(|text| !implied(text))
        .cloned()
        .collect()
}
