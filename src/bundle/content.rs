//! Layers as the content of a container, for those that run what is in them, such as a build backend.
//!
//! Knows no engine.

use tempfile::TempPath;

use super::layer::{Layer, NO_TIME};
use crate::archive::ArchiveWriter;
use crate::digest::{Digest, KeyBuilder};
use crate::error::Result;

/// The digest of what [`archive`] makes.
pub fn key(layers: &[Layer]) -> Digest {
    let layers = layers.iter().map(|layer| layer.digest().as_str());
    let key = KeyBuilder::new("content", 1).fields("layer ", layers.enumerate());
    key.finish().digest
}

/// A tar archive of all their entries. They have one time always: with the project's, each commit
/// would have a content of its own.
pub fn archive(layers: &[Layer]) -> Result<TempPath> {
    let mut archive = ArchiveWriter::new(NO_TIME)?;
    for layer in layers {
        layer.write_tar(&mut |_| true, NO_TIME, archive.builder())?;
    }
    archive.finish()
}
