//! The files beside a platform's packages that tell what is in them, and the record for later
//! commands.
//!
//! ```text
//! packages/<platform>/
//!     <package file>                the omnibus package
//!     <package file>.cdx.json       its bill of materials, the same file that is installed
//!     <package file>.intoto.jsonl   of each package: what it was made from, and how
//!     <package file>.arm64.intoto.jsonl
//!                                   the same of a package for every architecture, as arm64 made it
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use fs_err as fs;

use crate::base::BaseImage;
use crate::bundle::Bundle;
use crate::bundle::store::LayerStore;
use crate::config::project::{OWN_FILE, PYPROJECT};
use crate::context::in_background;
use crate::digest::{Digest, Key};
use crate::error::Result;
use crate::fsutil;
use crate::image::BuilderImage;
use crate::inventory::provenance::{Commit, Materials};
use crate::inventory::{Inventory, collect, provenance, sbom};
use crate::package::{Artifact, Built};
use crate::plan::{PackageContent, PlatformPlan};
use crate::platform::Arch;
use crate::wheels::Wheel;

use super::Project;
use super::shared::Made;

/// The project's own platforms.
const PLATFORMS: &str = "platforms.toml";

/// What is to be told of a platform's packages.
pub(super) struct Documents {
    inventory: Inventory,
    sbom: Vec<u8>,
    builder: BuilderImage,
    /// Of the builder.
    base: BaseImage,
    wheels: Vec<Wheel>,
    application: Option<Key>,
}

impl Documents {
    /// Reads what a bundle holds; answers the bundle with its bill of materials as one more layer.
    pub(super) async fn of_bundle(
        plan: &PlatformPlan,
        made: Made,
        store: LayerStore,
    ) -> Result<(Self, Bundle)> {
        let Made {
            mut bundle,
            base,
            builder,
            ..
        } = made;
        let plan = plan.clone();
        in_background(move || {
            let inventory = collect::collect(&plan, &bundle, &builder.interpreter)?;
            let sbom = sbom::document(&inventory, &plan.licenses)?;
            bundle.layers.push(sbom::layer(&store, &inventory, &sbom)?);
            let documents = Self {
                inventory,
                sbom,
                builder,
                base,
                wheels: bundle.wheels.clone(),
                application: bundle.application.clone(),
            };
            Ok((documents, bundle))
        })
        .await
    }

    /// Writes the files beside these packages, and removes those of packages that are gone.
    pub(super) fn write(
        self,
        project: &Project,
        plan: &PlatformPlan,
        base: &BaseImage,
        packages: &[Built],
    ) -> Result<Vec<Artifact>> {
        let folder = project.state.packages(&self.inventory.platform);
        let earlier = project.state.build(&plan.id);
        let configuration = configuration(project)?;
        let commit = project.inputs.commit.clone();
        let commit = commit.map(|(id, is_clean)| Commit { id, is_clean });
        let materials = Materials {
            plan,
            base,
            builder_base: &self.base,
            builder: &self.builder,
            wheels: &self.wheels,
            application: self.application.as_ref(),
            configuration: &configuration,
            commit: commit.as_ref(),
        };
        let mut documents = Vec::new();
        for package in packages {
            let Artifact {
                file_name, digest, ..
            } = &package.artifact;
            let statement = provenance::statement(&materials, file_name, digest)?;
            let own = plan.packages.iter().find(|own| own.name == package.name);
            let is_for_all = own.is_some_and(|own| own.content != PackageContent::Bundle);
            let suffix = provenance_suffix(is_for_all, plan.arch());
            documents.push(put(&folder, format!("{file_name}{suffix}"), &statement)?);
        }
        let omnibus = packages
            .iter()
            .find(|package| package.name.as_str() == self.inventory.package);
        if let Some(omnibus) = omnibus {
            let name = format!("{}{}", omnibus.artifact.file_name, sbom::SUFFIX);
            documents.push(put(&folder, name, &self.sbom)?);
        }
        if let Some(earlier) = earlier {
            remove_stale(&folder, earlier.file_names())?;
        }
        project.state.put_inventory(&self.inventory)?;
        Ok(documents)
    }
}

/// The files that a project is configured by, by path relative to it, sorted.
fn configuration(project: &Project) -> Result<Vec<(String, Digest)>> {
    let inputs = &project.inputs;
    let own = [OWN_FILE, PYPROJECT, PLATFORMS].map(str::to_owned);
    let sets = inputs.requirement_files.values();
    let included = sets.flat_map(|set| set.files.iter().map(|(path, _)| path.clone()));
    let locks = inputs.locks.keys().chain(inputs.lock_files.keys()).cloned();
    let names: BTreeSet<String> = own.into_iter().chain(included).chain(locks).collect();
    let mut files = Vec::new();
    for name in names {
        let path = project.config.root.join(&name);
        if path.is_file() {
            files.push((name, Digest::of_file(&path)?));
        }
    }
    Ok(files)
}

/// The end of the name of a package's statement. Of a package that is the same for every architecture
/// there is one for each that made it: amd64's has the plain name.
fn provenance_suffix(is_for_all: bool, arch: Arch) -> String {
    match arch {
        Arch::Arm64 if is_for_all => format!(".{}{}", arch.debian(), provenance::SUFFIX),
        Arch::Amd64 | Arch::Arm64 => provenance::SUFFIX.to_owned(),
    }
}

fn put(folder: &Path, file_name: String, bytes: &[u8]) -> Result<Artifact> {
    fsutil::commit_bytes(&folder.join(&file_name), bytes)?;
    Ok(Artifact {
        file_name,
        size: bytes.len() as u64,
        digest: Digest::of(bytes),
    })
}

/// Removes what tells of packages of earlier builds that are not there any more; other files of such
/// names are somebody else's.
fn remove_stale<'a>(folder: &Path, packages: impl Iterator<Item = &'a str>) -> Result<()> {
    for package in packages.filter(|package| !folder.join(package).exists()) {
        let suffixes = [
            sbom::SUFFIX.to_owned(),
            provenance_suffix(true, Arch::Amd64),
            provenance_suffix(true, Arch::Arm64),
        ];
        for suffix in suffixes {
            let path = folder.join(format!("{package}{suffix}"));
            if path.is_file() {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_a_package_goes_with_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a.deb",
            "a.deb.cdx.json",
            "b.deb.cdx.json",
            "b.deb.intoto.jsonl",
            "b.deb.arm64.intoto.jsonl",
            "theirs.cdx.json",
        ] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        remove_stale(folder.path(), ["a.deb", "b.deb"].into_iter()).unwrap();
        let left: Vec<_> = fsutil::sorted_walk(folder.path()).unwrap();
        let left: Vec<_> = left.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(left, ["a.deb", "a.deb.cdx.json", "theirs.cdx.json"]);
    }
}
