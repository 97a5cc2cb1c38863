//! The files beside a platform's packages that tell what is in them, and the record for later
//! commands.
//!
//! ```text
//! packages/<platform>/
//!     <package file>                the omnibus package
//!     <package file>.cdx.json       its bill of materials, the same file that is installed
//! ```

use std::path::Path;

use fs_err as fs;

use crate::bundle::Bundle;
use crate::bundle::store::LayerStore;
use crate::context::in_background;
use crate::digest::Digest;
use crate::error::Result;
use crate::fsutil;
use crate::image::BuilderImage;
use crate::inventory::{Inventory, collect, sbom};
use crate::package::{Artifact, Built};
use crate::plan::PlatformPlan;
use crate::state::State;

/// The ends of the names of these files.
const SUFFIXES: [&str; 1] = [sbom::SUFFIX];

/// What is to be told of a platform's packages.
pub(super) struct Documents {
    inventory: Inventory,
    sbom: Vec<u8>,
}

impl Documents {
    /// Reads what a bundle holds; answers the bundle with its bill of materials as one more layer.
    pub(super) async fn of_bundle(
        plan: &PlatformPlan,
        mut bundle: Bundle,
        builder: &BuilderImage,
        store: LayerStore,
    ) -> Result<(Self, Bundle)> {
        let (plan, interpreter) = (plan.clone(), builder.interpreter.clone());
        in_background(move || {
            let inventory = collect::collect(&plan, &bundle, &interpreter)?;
            let sbom = sbom::document(&inventory)?;
            bundle.layers.push(sbom::layer(&store, &inventory, &sbom)?);
            Ok((Self { inventory, sbom }, bundle))
        })
        .await
    }

    /// Writes the files beside these packages, and removes those of packages that are gone.
    pub(super) fn write(self, state: &State, packages: &[Built]) -> Result<Vec<Artifact>> {
        let folder = state.packages(&self.inventory.platform);
        let mut documents = Vec::new();
        let omnibus = packages
            .iter()
            .find(|package| package.name.as_str() == self.inventory.package);
        if let Some(omnibus) = omnibus {
            let name = format!("{}{}", omnibus.artifact.file_name, sbom::SUFFIX);
            documents.push(put(&folder, name, &self.sbom)?);
        }
        remove_stale(&folder)?;
        state.put_inventory(&self.inventory)?;
        Ok(documents)
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

/// Removes what tells of packages that are not there any more.
fn remove_stale(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let package = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        if package.is_some_and(|package| !folder.join(package).exists()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_a_package_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.deb", "a.deb.cdx.json", "b.deb.cdx.json", "other.json"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        remove_stale(folder.path()).unwrap();
        let left: Vec<_> = fsutil::sorted_walk(folder.path()).unwrap();
        let left: Vec<_> = left.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(left, ["a.deb", "a.deb.cdx.json", "other.json"]);
    }
}
