//! A project's own metadata: name, version, commands, requirements.
//!
//! Comes from `[project]` where that says everything (PEP 621), else from the project's wheel. Pure.

use serde::{Deserialize, Serialize};

use crate::config::PyProject;
use crate::error::{Error, Kind, Result};
use crate::text::single_spaced;

use super::requirements;

/// What a project says of itself (PyPA core metadata).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectMetadata {
    /// `Name`.
    pub name: String,
    /// `Version`, when the project knows it.
    pub version: Option<String>,
    /// `Summary`.
    pub summary: Option<String>,
    /// `License-Expression` or `License`.
    pub license: Option<String>,
    /// `Home-page`, or the project URL that is one.
    pub homepage: Option<String>,
    /// `Name <address>` of maintainer or author.
    pub maintainer: Option<String>,
    /// `Requires-Dist`.
    pub requires: Vec<String>,
    /// Names of the console scripts.
    pub commands: Vec<String>,
}

impl ProjectMetadata {
    /// The metadata in pyproject.toml, when nothing that matters is left to the build backend.
    pub fn from_pyproject(pyproject: &PyProject) -> Option<Self> {
        let project = pyproject.project.as_ref()?;
        let matters = [
            "version",
            "dependencies",
            "optional-dependencies",
            "scripts",
        ];
        if project
            .dynamic
            .iter()
            .any(|field| matters.contains(&field.as_str()))
        {
            return None;
        }
        let mut requires = project.dependencies.clone().unwrap_or_default();
        for (extra, lines) in &project.optional_dependencies {
            requires.extend(lines.iter().map(|line| with_extra(line, extra)));
        }
        let person = project.maintainers.first().or(project.authors.first());
        Some(Self {
            name: project.name.clone()?,
            version: Some(project.version.clone()?),
            summary: project.description.clone(),
            license: project.license.as_ref().and_then(license_text),
            homepage: homepage(&project.urls),
            maintainer: person.and_then(|person| {
                Some(format!(
                    "{} <{}>",
                    person.get("name")?,
                    person.get("email")?
                ))
            }),
            requires,
            commands: project
                .scripts
                .iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
        })
    }
}

/// `x >= 1; m` of the extra `e` as core metadata writes it: `x >= 1; (m) and extra == "e"`.
fn with_extra(line: &str, extra: &str) -> String {
    match line.split_once(';') {
        Some((requirement, marker)) => {
            format!(
                "{}; ({}) and extra == \"{extra}\"",
                requirement.trim(),
                marker.trim()
            )
        }
        None => format!("{}; extra == \"{extra}\"", line.trim()),
    }
}

fn license_text(value: &toml::Value) -> Option<String> {
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Table(table) => table.get("text")?.as_str()?,
        _ => return None,
    };
    // Some put the whole licence there; a header has one line.
    (!text.contains('\n')).then(|| text.to_owned())
}

fn homepage(urls: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let named = |wanted: &str| {
        urls.iter()
            .find(|(name, _)| name.to_lowercase().replace(['-', ' '], "") == wanted)
    };
    ["homepage", "home", "source", "repository"]
        .iter()
        .find_map(|name| named(name))
        .map(|(_, url)| url.clone())
}

/// The requirements that hold for these extras, without the extra's marker being decided here: the
/// resolver is given the markers that are left.
pub(super) fn declared_requirements(requires: &[String], extras: &[String]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for line in requires {
        let line = single_spaced(line);
        let requirement = requirements::parse_requirement(&line).map_err(|error| {
            Error::new(Kind::Config, format!("the project's metadata: `{line}`: {error}"))
                .hint("write dependencies as PEP 508 says, such as `name>=1.0; python_version < \"3.11\"`")
        })?;
        let extra_names: Vec<pep508_rs::ExtraName> = extras
            .iter()
            .filter_map(|extra| extra.parse().ok())
            .collect();
        if !requirement.marker.evaluate_extras(&extra_names) {
            continue;
        }
        lines.push(without_extra_marker(&line));
    }
    lines.sort();
    lines.dedup();
    Ok(lines)
}

/// Core metadata writes `name; extra == "x"`, which a resolver without extras would skip.
fn without_extra_marker(line: &str) -> String {
    let Some((requirement, marker)) = line.split_once(';') else {
        return line.to_owned();
    };
    let kept: Vec<&str> = marker
        .split(" and ")
        .map(str::trim)
        .filter(|part| {
            !part
                .trim_matches(['(', ')'])
                .trim_start()
                .starts_with("extra ")
        })
        .collect();
    if kept.is_empty() {
        return requirement.trim().to_owned();
    }
    format!("{}; {}", requirement.trim(), kept.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Option<ProjectMetadata> {
        ProjectMetadata::from_pyproject(&toml::from_str(text).unwrap())
    }

    #[test]
    fn a_static_project_needs_no_build() {
        let text = "[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"a\"]\n\
                    [project.scripts]\nrun = \"x:y\"\n\
                    [project.optional-dependencies]\nfast = [\"b; python_version < '3'\", \"c\"]\n";
        let found = metadata(text).unwrap();
        assert_eq!(found.commands, ["run"]);
        assert_eq!(
            found.requires,
            [
                "a",
                "b; (python_version < '3') and extra == \"fast\"",
                "c; extra == \"fast\""
            ]
        );
    }

    #[test]
    fn what_the_backend_decides_is_not_guessed() {
        assert!(metadata("[project]\nname = \"x\"\ndynamic = [\"version\"]\n").is_none());
        assert!(metadata("[build-system]\nrequires = []\n").is_none());
    }

    #[test]
    fn extras_select_requirements() {
        let requires = [
            "a>=1".to_owned(),
            "b; extra == \"fast\"".to_owned(),
            "c; (python_version < '3.9') and extra == \"fast\"".to_owned(),
            "d; extra == 'slow'".to_owned(),
        ];
        assert_eq!(declared_requirements(&requires, &[]).unwrap(), ["a>=1"]);
        assert_eq!(
            declared_requirements(&requires, &["fast".to_owned()]).unwrap(),
            ["a>=1", "b", "c; (python_version < '3.9')"]
        );
    }
}
