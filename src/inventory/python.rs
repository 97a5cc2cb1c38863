//! The Python that a bundle brings, and the libraries that were linked into it, as parts of its
//! inventory.
//!
//! An archive of `omnibuild python build` says what it is made of in `licenses/components.json`; of
//! another one only CPython itself and the texts of licences are known. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bundle::layer::{LayerEntry, LayerEntryKind};
use crate::bundle::{Bundle, Layer};
use crate::digest::Digest;
use crate::error::Result;
use crate::interpreter::Interpreter;
use crate::plan::StandalonePlan;

use super::{Distribution, Ecosystem, InstalledFile, LONGEST_TEXT, License, LicenseSource};

/// What CPython is called where libraries are listed.
pub(super) const NAME: &str = "cpython";
/// Its licence; newer releases add `0BSD` for the documentation, which is not shipped.
const LICENSE: &str = "PSF-2.0";

/// What an archive says of itself.
#[derive(Debug, Deserialize)]
struct Components {
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
struct Component {
    name: String,
    version: String,
    license: String,
    /// Of its source.
    sha256: Digest,
}

/// CPython first, then what was linked into it; nothing for a bundle on the platform's Python.
pub(super) fn parts(
    plan: Option<&StandalonePlan>,
    bundle: &Bundle,
    interpreter: &Interpreter,
    texts: &mut BTreeMap<Digest, String>,
) -> Result<Vec<Distribution>> {
    let config = format!("{}/pyvenv.cfg", bundle.prefix.trim_matches('/'));
    let is_python = |layer: &&Layer| {
        layer
            .manifest()
            .entries
            .iter()
            .any(|entry| entry.path == config)
    };
    let (Some(plan), Some(layer)) = (plan, bundle.layers.iter().find(is_python)) else {
        return Ok(Vec::new());
    };
    let folder = format!("{}/", bundle.prefix.trim_matches('/'));
    let own_license = format!("lib/{}/LICENSE.txt", interpreter.library_folder());
    let mut components = Vec::new();
    let mut files: BTreeMap<String, InstalledFile> = BTreeMap::new();
    for entry in &layer.manifest().entries {
        let Some(inside) = entry.path.strip_prefix(&folder) else {
            continue;
        };
        if inside == "licenses/components.json" {
            let bytes = layer.read(entry, LONGEST_TEXT)?;
            // What does not follow the format says nothing.
            components = serde_json::from_slice(&bytes)
                .map_or_else(|_other| Vec::new(), |read: Components| read.components);
        } else if inside == own_license || inside.starts_with("licenses/") {
            files.extend(license_file(layer, entry, inside, texts)?);
        }
    }
    components.retain(|component| component.name != NAME);
    let mut parts: Vec<Distribution> = components
        .into_iter()
        .map(|component| {
            let name = format!("licenses/LICENSE.{}.txt", component.name);
            let license = License::expression(&component.license, LicenseSource::Expression);
            part(
                component.name,
                component.version,
                component.sha256,
                license,
                files.remove(&name),
            )
        })
        .collect();
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    let mut python = part(
        NAME.to_owned(),
        interpreter.version.clone(),
        plan.digest.clone(),
        License::expression(LICENSE, LicenseSource::File),
        None,
    );
    python.homepage = Some("https://www.python.org/".to_owned());
    python.license_files = files.into_values().collect();
    python.depends = parts.iter().map(Distribution::normalised_name).collect();
    parts.insert(0, python);
    Ok(parts)
}

/// A licence's text, by its path below the prefix.
fn license_file(
    layer: &Layer,
    entry: &LayerEntry,
    inside: &str,
    texts: &mut BTreeMap<Digest, String>,
) -> Result<Option<(String, InstalledFile)>> {
    let LayerEntryKind::File { sha256, .. } = &entry.kind else {
        return Ok(None);
    };
    let text = layer.read(entry, LONGEST_TEXT)?;
    texts.insert(sha256.clone(), String::from_utf8_lossy(&text).into_owned());
    let installed = InstalledFile {
        path: format!("/{}", entry.path),
        digest: sha256.clone(),
    };
    Ok(Some((inside.to_owned(), installed)))
}

fn part(
    name: String,
    version: String,
    digest: Digest,
    license: License,
    file: Option<InstalledFile>,
) -> Distribution {
    Distribution {
        ecosystem: Ecosystem::Generic,
        wheel: String::new(),
        summary: None,
        homepage: None,
        authors: Vec::new(),
        maintainers: Vec::new(),
        license_files: file.into_iter().collect(),
        sboms: Vec::new(),
        depends: Vec::new(),
        name,
        version,
        digest,
        license,
    }
}
