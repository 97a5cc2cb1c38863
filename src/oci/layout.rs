//! Images as files: the OCI image layout (image-spec, image-layout.md) in a tar archive, and the archive
//! that `docker load` reads.
//!
//! Copies blobs; makes none but the lists in front. The same images give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use fs_err as fs;
use serde_json::json;

use crate::archive::plain_header;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

use super::{Descriptor, ImageStore, Index, Manifest, bytes};

/// The name of an image in a layout.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The same with its repository, as containerd and Docker read it.
const FULL_NAME: &str = "io.containerd.image.name";

/// An image to write.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its names, `repository:tag`.
    pub names: Vec<String>,
}

/// Writes images as an OCI image layout.
pub fn write_layout(store: &ImageStore, images: &[Named], output: &mut dyn Write) -> Result<()> {
    let mut archive = tar::Builder::new(output);
    put(
        &mut archive,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    let mut entries = Vec::new();
    for image in images {
        for name in &image.names {
            let tag = name.rsplit_once(':').map_or(name.as_str(), |(_, tag)| tag);
            let annotations = [(NAME, tag), (FULL_NAME, name.as_str())];
            let annotations = annotations.map(|(key, text)| (key.to_owned(), text.to_owned()));
            entries.push(Descriptor {
                annotations: annotations.into(),
                ..image.manifest.clone()
            });
        }
    }
    put(
        &mut archive,
        "index.json",
        &bytes(&Index::new(entries, BTreeMap::new()))?,
    )?;
    let mut seen = BTreeSet::new();
    for image in images {
        let manifest = manifest(store, &image.manifest)?;
        let blobs = manifest
            .layers
            .iter()
            .chain([&manifest.config, &image.manifest]);
        for blob in blobs {
            let digest = blob.digest.digest();
            if seen.insert(digest.clone()) {
                copy(
                    &mut archive,
                    store,
                    &format!("blobs/sha256/{digest}"),
                    digest,
                )?;
            }
        }
    }
    Ok(archive.finish()?)
}

/// Writes images as `docker save` does, for engines that read no layouts.
pub fn write_docker_archive(
    store: &ImageStore,
    images: &[Named],
    output: &mut dyn Write,
) -> Result<()> {
    let mut archive = tar::Builder::new(output);
    let mut list = Vec::new();
    let mut seen = BTreeSet::new();
    for image in images {
        let manifest = manifest(store, &image.manifest)?;
        let config = manifest.config.digest.digest();
        let config_name = format!("{config}.json");
        if seen.insert(config.clone()) {
            copy(&mut archive, store, &config_name, config)?;
        }
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let digest = layer.digest.digest();
            let name = format!("{digest}/layer.tar");
            if seen.insert(digest.clone()) {
                copy(&mut archive, store, &name, digest)?;
            }
            layers.push(name);
        }
        list.push(json!({ "Config": config_name, "RepoTags": image.names, "Layers": layers }));
    }
    put(&mut archive, "manifest.json", &bytes(&list)?)?;
    Ok(archive.finish()?)
}

/// The manifest of an image that is kept.
pub fn manifest(store: &ImageStore, descriptor: &Descriptor) -> Result<Manifest> {
    let path = store.blob(descriptor.digest.digest());
    let content = fs::read(&path)?;
    if Digest::of(&content) != *descriptor.digest.digest() {
        return Err(Error::new(
            Kind::Damaged,
            format!("`{}` is not what it was", path.display()),
        )
        .hint("remove that file, and build the image again"));
    }
    Ok(serde_json::from_slice(&content).map_err(std::io::Error::from)?)
}

fn put<W: Write>(archive: &mut tar::Builder<W>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = plain_header(content.len() as u64);
    Ok(archive.append_data(&mut header, name, content)?)
}

fn copy<W: Write>(
    archive: &mut tar::Builder<W>,
    store: &ImageStore,
    name: &str,
    digest: &Digest,
) -> Result<()> {
    let file = fs::File::open(store.blob(digest))?;
    let mut header = plain_header(file.metadata()?.len());
    Ok(archive.append_data(&mut header, name, file)?)
}
