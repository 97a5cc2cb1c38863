//! Reads what a bundle holds from its layers.
//!
//! Facts come from METADATA and the files beside it as they are installed, so that they can't
//! differ from what ships; what needs what is decided by the platform's markers (PEP 508).

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, Requirement};

use crate::bundle::layer::{LayerEntry, LayerEntryKind};
use crate::bundle::{Bundle, Layer};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::interpreter::Interpreter;
use crate::plan::PlatformPlan;
use crate::plan::normalised_name;
use crate::plan::requirements::parse_requirement;
use crate::text::single_spaced;

use super::license::{self, Said};
use super::people::people;
use super::python;
use super::{Distribution, Ecosystem, InstalledFile, Inventory, LONGEST_TEXT, SCHEMA};

/// The inventory of a platform's bundle.
///
/// Fails with [`Kind::Conflict`] when a distribution's METADATA can't be read.
pub fn collect(
    plan: &PlatformPlan,
    bundle: &Bundle,
    interpreter: &Interpreter,
) -> Result<Inventory> {
    let environment = interpreter.markers()?;
    let mut found = BTreeMap::new();
    let mut texts = BTreeMap::new();
    for layer in &bundle.layers {
        if let Some(read) = Read::layer(layer, bundle, &mut texts)? {
            found.insert(normalised_name(&read.distribution.name), read);
        }
    }
    let roots = plan.wheels.request.roots.iter();
    let roots = roots.filter(|root| root.marker.evaluate(&environment, &[]));
    let mut asked: BTreeSet<(String, Option<ExtraName>)> = BTreeSet::new();
    for root in roots {
        add(&mut asked, &root.name, &root.extras);
    }
    let application = plan.application.as_ref().map(|_| &plan.bundle.distribution);
    asked.extend(application.map(|name| (name.clone(), None)));
    let mut roots = edges(&mut found, asked, &environment);
    // What the project requires is its own edge.
    if let Some(project) = application.and_then(|name| found.get(name)) {
        roots.retain(|name| !project.distribution.depends.contains(name));
    }
    let standalone = plan.python.standalone.as_ref();
    let of_python = python::parts(standalone, bundle, interpreter, &mut texts)?;
    roots.extend(of_python.first().map(Distribution::normalised_name));
    let distributions = found.into_values().map(|read| read.distribution);
    Ok(Inventory {
        schema: SCHEMA,
        name: plan.bundle.name.clone(),
        version: plan.bundle.version.to_string(),
        package: plan
            .packages
            .first()
            .map_or_else(String::new, |package| package.name.to_string()),
        platform: plan.id.platform().clone(),
        architecture: plan.arch().machine().to_owned(),
        python: interpreter.version.clone(),
        libc: interpreter.libc.clone(),
        prefix: bundle.prefix.clone(),
        epoch: plan.packages.first().map_or(0, |package| package.epoch),
        roots,
        distributions: distributions.chain(of_python).collect(),
        texts,
    })
}

/// A distribution and what its metadata requires.
struct Read {
    distribution: Distribution,
    requires: Vec<Requirement>,
}

impl Read {
    /// The distribution of a layer, where it holds one.
    fn layer(
        layer: &Layer,
        bundle: &Bundle,
        texts: &mut BTreeMap<Digest, String>,
    ) -> Result<Option<Self>> {
        let manifest = layer.manifest();
        let wheel = bundle
            .wheels
            .iter()
            .find(|wheel| wheel.file_name == manifest.origin);
        let (Some(wheel), Some(entry)) = (wheel, metadata_entry(layer, &bundle.prefix)) else {
            return Ok(None);
        };
        let refuse = |what: String| {
            Error::new(
                Kind::Conflict,
                format!("wheel `{}`: METADATA {what}", manifest.origin),
            )
            .hint("build the wheel again with a current version of its build tool")
        };
        let bytes = layer.read(entry, LONGEST_TEXT)?;
        let core = python_pkginfo::Metadata::parse(&bytes)
            .map_err(|error| refuse(format!("is malformed: {error}")))?;
        let folder = entry.path.trim_end_matches("METADATA");
        let mut license_files = Vec::new();
        let mut sboms = Vec::new();
        for file in &manifest.entries {
            let Some(inside) = file.path.strip_prefix(folder) else {
                continue;
            };
            let LayerEntryKind::File { sha256, .. } = &file.kind else {
                continue;
            };
            let installed = InstalledFile {
                path: format!("/{}", file.path),
                digest: sha256.clone(),
            };
            if is_license_file(inside, &core.license_files) {
                let text = layer.read(file, LONGEST_TEXT)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                texts.insert(sha256.clone(), text);
                license_files.push(installed);
            } else if inside.starts_with("sboms/") {
                sboms.push(installed);
            }
        }
        let files: Vec<&str> = license_files
            .iter()
            .filter_map(|file| texts.get(&file.digest))
            .map(String::as_str)
            .collect();
        let license = license::decide(Said {
            expression: core.license_expression.as_deref(),
            field: core.license.as_deref(),
            classifiers: &core.classifiers,
            texts: &files,
        });
        // What is no requirement was warned of when the set was made, and installers pass over it.
        let requires = core.requires_dist.iter();
        let requires = requires.filter_map(|line| parse_requirement(line).ok());
        Ok(Some(Self {
            requires: requires.collect(),
            distribution: Distribution {
                authors: people(core.author.as_deref(), core.author_email.as_deref()),
                maintainers: people(core.maintainer.as_deref(), core.maintainer_email.as_deref()),
                summary: core.summary.as_deref().and_then(one_line),
                homepage: homepage(&core),
                name: core.name,
                version: core.version,
                ecosystem: Ecosystem::Pypi,
                wheel: wheel.file_name.clone(),
                digest: wheel.digest.clone(),
                license,
                license_files,
                sboms,
                depends: Vec::new(),
            },
        }))
    }
}

/// The METADATA that Python finds: `lib/pythonX.Y/site-packages/<name>.dist-info/METADATA`, and none
/// of those that a distribution carries deeper inside.
fn metadata_entry<'l>(layer: &'l Layer, prefix: &str) -> Option<&'l LayerEntry> {
    let prefix = format!("{}/lib/", prefix.trim_matches('/'));
    layer.manifest().entries.iter().find(|entry| {
        let inside = entry.path.strip_prefix(&prefix).unwrap_or_default();
        let parts: Vec<&str> = inside.split('/').collect();
        matches!(parts[..], [_, "site-packages", folder, "METADATA"] if folder.ends_with(".dist-info"))
    })
}

/// Whether a file of the `.dist-info` folder is a text of the licence: those that `License-File`
/// names, all in `licenses/` (PEP 639), and what build tools put there before that had a field.
fn is_license_file(inside: &str, named: &[String]) -> bool {
    let is_named = named
        .iter()
        .any(|name| inside == name || inside.strip_prefix("licenses/") == Some(name));
    let usual = [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "UNLICENSE",
    ];
    let upper = inside.to_uppercase();
    is_named
        || inside.starts_with("licenses/")
        || inside.starts_with("license_files/")
        || (!inside.contains('/') && usual.iter().any(|name| upper.starts_with(name)))
}

fn homepage(core: &python_pkginfo::Metadata) -> Option<String> {
    let labelled = |wanted: &str| {
        core.project_urls.iter().find_map(|line| {
            let (label, url) = line.split_once(',')?;
            let label = label.trim().to_lowercase().replace(['-', ' '], "");
            (label == wanted).then(|| url.trim().to_owned())
        })
    };
    let usual = ["homepage", "home", "source", "sourcecode", "repository"];
    let found = core.home_page.clone().filter(|url| is_address(url));
    found
        .or_else(|| usual.into_iter().find_map(labelled))
        .filter(|url| is_address(url))
}

/// Metadata may say anything; others read it as an address.
fn is_address(text: &str) -> bool {
    let known = text.starts_with("https://") || text.starts_with("http://");
    known
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte))
}

fn one_line(text: &str) -> Option<String> {
    let text = single_spaced(text);
    (!text.is_empty()).then_some(text)
}

fn add(
    asked: &mut BTreeSet<(String, Option<ExtraName>)>,
    name: &PackageName,
    extras: &[ExtraName],
) {
    asked.insert((name.to_string(), None));
    let extras = extras.iter().cloned();
    asked.extend(extras.map(|extra| (name.to_string(), Some(extra))));
}

/// Fills in what needs what, with the extras that are asked for; answers what nothing else needs,
/// and what was asked for first.
fn edges(
    found: &mut BTreeMap<String, Read>,
    asked: BTreeSet<(String, Option<ExtraName>)>,
    environment: &MarkerEnvironment,
) -> Vec<String> {
    let mut roots: BTreeSet<String> = asked
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| found.contains_key(name))
        .collect();
    let mut seen = asked.clone();
    let mut open: Vec<_> = asked.into_iter().collect();
    // What no root leads to is there too, such as the rest of a lock.
    open.extend(found.keys().map(|name| (name.clone(), None)));
    let mut depends: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some((name, extra)) = open.pop() {
        let Some(read) = found.get(&name) else {
            continue;
        };
        let extras: Vec<ExtraName> = extra.into_iter().collect();
        for requirement in &read.requires {
            let needed = requirement.name.to_string();
            if !requirement.marker.evaluate(environment, &extras) || !found.contains_key(&needed) {
                continue;
            }
            let mut more = BTreeSet::new();
            add(&mut more, &requirement.name, &requirement.extras);
            open.extend(more.difference(&seen).cloned());
            seen.extend(more);
            if needed != name {
                depends.entry(name.clone()).or_default().insert(needed);
            }
        }
    }
    let needed: BTreeSet<&String> = depends.values().flatten().collect();
    roots.extend(found.keys().filter(|name| !needed.contains(name)).cloned());
    for (name, depends) in depends {
        if let Some(read) = found.get_mut(&name) {
            read.distribution.depends = depends.into_iter().collect();
        }
    }
    roots.into_iter().collect()
}
