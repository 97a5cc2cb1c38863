//! The tables of pyproject.toml that packaging standards define.
//!
//! Data only; other tools' keys are left to them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[project]` of pyproject.toml (PEP 621); other tools' keys are left to them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProjectTable {
    /// The distribution's name.
    pub name: Option<String>,
    /// Its version, unless dynamic.
    pub version: Option<String>,
    /// One line.
    pub description: Option<String>,
    /// What it needs at run time.
    pub dependencies: Option<Vec<String>>,
    /// What its extras need.
    #[serde(default)]
    pub optional_dependencies: BTreeMap<String, Vec<String>>,
    /// Console scripts and what they call.
    pub scripts: Option<BTreeMap<String, String>>,
    /// Fields that the build backend decides.
    #[serde(default)]
    pub dynamic: Vec<String>,
    /// An SPDX expression (PEP 639) or a table with `text` or `file`.
    pub license: Option<toml::Value>,
    /// Labelled links.
    #[serde(default)]
    pub urls: BTreeMap<String, String>,
    /// Tables with `name` and `email`.
    #[serde(default)]
    pub authors: Vec<BTreeMap<String, String>>,
    /// Tables with `name` and `email`.
    #[serde(default)]
    pub maintainers: Vec<BTreeMap<String, String>>,
}

/// `[build-system]` of pyproject.toml (PEP 518, PEP 517).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildSystem {
    /// What building needs.
    pub requires: Option<Vec<String>>,
    /// The backend's object.
    pub build_backend: Option<String>,
    /// Folders of a backend inside the project.
    pub backend_path: Option<Vec<String>>,
}

impl ProjectTable {
    /// Every requirement in it: the project's and its extras'.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        let extras = self.optional_dependencies.values().flatten();
        let own = self.dependencies.iter().flatten();
        own.chain(extras).map(String::as_str)
    }
}
