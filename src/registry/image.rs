//! An image that a registry has, as one root file system: its layers put over each other.
//!
//! Believes nothing: every byte is compared with the digest that led to it. Starts nothing, and gives
//! nothing a name.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use tempfile::TempPath;

use crate::archive;
use crate::digest::DigestWriter;
use crate::error::{Error, Kind, Result};
use crate::oci::root::Root;
use crate::oci::{ContentDigest, Descriptor, ExecutionConfig, ImageConfig, Index, Manifest, layer};
use crate::platform::Arch;

use super::{DOCKER_INDEX, INDEX, Registry};

/// No root file system is larger, in bytes: what is, was made to fill disks.
const LARGEST: u64 = 64 << 30;
/// No configuration is longer, in bytes.
const LARGEST_CONFIG: u64 = 4 << 20;

/// An image out of a registry.
#[derive(Debug)]
pub struct PulledImage {
    /// What its name stands for: the digest of its manifest, or of an index of several architectures.
    pub digest: ContentDigest,
    /// Its root file system, a tar archive.
    pub root: TempPath,
    /// How it runs.
    pub config: ExecutionConfig,
}

impl Registry {
    /// The image of an architecture under a tag or digest; `None`: there is none.
    ///
    /// # Errors
    /// [`Kind::Network`] when the registry does not give it, or gives something else; [`Kind::Damaged`] for an
    /// image that is none.
    pub async fn pull(&self, reference: &str, arch: Arch) -> Result<Option<PulledImage>> {
        let pulled = self.pull_image(reference, arch).await;
        pulled.map_err(|error| match error.kind() {
            Kind::Publish => error.of_kind(Kind::Network),
            _ => error,
        })
    }

    async fn pull_image(&self, reference: &str, arch: Arch) -> Result<Option<PulledImage>> {
        let Some(named) = self.manifest(reference).await? else {
            return Ok(None);
        };
        let digest = named.descriptor.digest.clone();
        if reference.starts_with("sha256:") && digest.to_string() != reference {
            return Err(self.not_whole(reference));
        }
        let manifest: Manifest = match named.descriptor.media_type.as_str() {
            INDEX | DOCKER_INDEX => {
                let index: Index = self.read(reference, &named.content)?;
                let of_arch = index.manifests.into_iter().find(|manifest| {
                    let platform = manifest.platform.as_ref();
                    platform.is_some_and(|it| it.os == "linux" && it.architecture == arch.debian())
                });
                let Some(of_arch) = of_arch else {
                    let text = format!(
                        "{}: `{reference}` has no image for {}",
                        self.host,
                        arch.debian()
                    );
                    return Err(Error::new(Kind::Network, text)
                        .hint("name an image that has one, or leave that architecture out"));
                };
                let name = of_arch.digest.to_string();
                let manifest = self.manifest(&name).await?;
                let manifest = manifest.filter(|found| found.descriptor.digest == of_arch.digest);
                let manifest = manifest.ok_or_else(|| self.not_whole(&name))?;
                self.read(&name, &manifest.content)?
            }
            _ => self.read(reference, &named.content)?,
        };
        let config = self.config(&manifest.config).await?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(self.no_image(reference, "it has other layers than its configuration says"));
        }
        let root = self.root(&manifest.layers, &config.rootfs.diff_ids).await?;
        Ok(Some(PulledImage {
            digest,
            root,
            config: config.config.unwrap_or_default().into(),
        }))
    }

    async fn config(&self, config: &Descriptor) -> Result<ImageConfig> {
        let name = config.digest.to_string();
        if config.size > LARGEST_CONFIG {
            return Err(self.no_image(&name, "no configuration is so long"));
        }
        let file = self.blob(config).await?;
        let file = file.ok_or_else(|| self.not_whole(&name))?;
        self.read(&name, &fs_err::read(file)?)
    }

    /// Its layers over each other. One alone is taken as it is.
    async fn root(&self, layers: &[Descriptor], diff_ids: &[ContentDigest]) -> Result<TempPath> {
        let mut root = Root::default();
        let mut left = LARGEST;
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let name = layer.digest.to_string();
            let file = self.blob(layer).await?;
            let file = file.ok_or_else(|| self.not_whole(&name))?;
            let (plain, digest) = tokio::task::block_in_place(|| unpacked(&file, &mut left))?;
            drop(file);
            if digest != *diff_id {
                return Err(self.no_image(
                    &name,
                    "unpacked it is not what the image's configuration says",
                ));
            }
            if layers.len() == 1 {
                return Ok(plain);
            }
            tokio::task::block_in_place(|| root.add_archive(plain, |_| false))?;
        }
        tokio::task::block_in_place(|| layer::archive(&root))
    }

    fn read<T: DeserializeOwned>(&self, name: &str, content: &[u8]) -> Result<T> {
        let read = serde_json::from_slice(content);
        read.map_err(|error| self.no_image(name, &error.to_string()))
    }

    fn no_image(&self, name: &str, why: &str) -> Error {
        let text = format!(
            "{}: `{name}` is no image that can be read: {why}",
            self.host
        );
        Error::new(Kind::Damaged, text)
            .hint("push it again, or name another one: it may be an artifact, or of an old format")
    }

    fn not_whole(&self, name: &str) -> Error {
        let text = format!("{}: `{name}` is not there, or is something else", self.host);
        Error::new(Kind::Network, text)
            .hint("the registry lost a part of the image: push it again, or name another one")
    }
}

/// A layer as a plain archive, and its digest.
fn unpacked(layer: &Path, left: &mut u64) -> Result<(TempPath, ContentDigest)> {
    let file = BufReader::with_capacity(1 << 18, fs_err::File::open(layer)?);
    let mut reader = archive::decoded(file)?.take(*left);
    let (file, path) = tempfile::NamedTempFile::new()?.into_parts();
    let mut writer = DigestWriter::new(BufWriter::with_capacity(1 << 18, file));
    *left -= std::io::copy(&mut reader, &mut writer)?;
    writer.flush()?;
    if *left == 0 {
        let text = format!("an image that unpacks to more than {LARGEST} bytes is none");
        return Err(Error::new(Kind::Damaged, text).hint("name another image"));
    }
    Ok((path, writer.finish().0.into()))
}
