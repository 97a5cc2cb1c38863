//! The question that the builder is asked, and its answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::resolve::Outside;

/// Which packages have these libraries?
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Question {
    manager: &'static str,
    pub(super) libraries: BTreeMap<String, Asked>,
}

/// What is wanted of one library.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Asked {
    versions: BTreeSet<String>,
    symbols: BTreeSet<String>,
}

/// What the packages of the builder have.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) schema: u32,
    pub(super) libraries: BTreeMap<String, Found>,
}

/// A library that a package has.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    pub(super) package: String,
    pub(super) dependencies: Vec<Template>,
    /// The nodes that it does not have.
    pub(super) lacks: Vec<String>,
}

/// A dependency with a place for a version (deb-symbols(5)).
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    #[serde(rename = "template")]
    pub(super) text: String,
    /// What the symbols that are used ask for.
    pub(super) versions: Vec<String>,
    /// What any symbol of the library asks for: the least of them is always asked.
    pub(super) known: Vec<String>,
}

impl Question {
    pub(super) fn new(manager: &'static str, outside: &Outside, symbols: bool) -> Self {
        let asked = outside.libraries.iter().map(|(library, wanted)| {
            let asked = Asked {
                versions: wanted.versions.keys().cloned().collect(),
                symbols: if symbols {
                    wanted.symbols.clone()
                } else {
                    BTreeSet::new()
                },
            };
            (library.clone(), asked)
        });
        Self {
            manager,
            libraries: asked.collect(),
        }
    }
}
