//! The words of the OCI image specification: descriptors, manifests, indexes, layers; root file systems; and
//! the folder that blobs are kept in.
//!
//! Types of our own: those of the published library keep annotations in the order of a hash table, and a
//! digest may not depend on that. Sends nothing, and asks no engine.

pub mod layer;
pub mod layout;
mod prune;
pub mod root;
mod store;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::Arch;

pub use self::prune::{ImageLimits, PrunedImages};
pub use self::store::ImageStore;

/// An image of one platform (image-spec, manifest.md).
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Images of several platforms (image-spec, image-index.md).
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The configuration of an image (image-spec, config.md).
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A compressed layer (image-spec, layer.md).
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// No configuration: `{}` (image-spec, manifest.md, guidance for artifacts).
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A digest as the specification writes it: `sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(Digest);

impl ContentDigest {
    /// The digest without its algorithm.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl From<Digest> for ContentDigest {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.0)
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let digest = text
            .strip_prefix("sha256:")
            .ok_or_else(|| Error::new(Kind::Damaged, format!("`{text}` is no SHA-256 digest")))?;
        Ok(Self(digest.parse()?))
    }
}

/// What refers to content (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: ContentDigest,
    /// Its length in bytes.
    pub size: u64,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What an image of an index runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ImagePlatform>,
    /// What else is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Of content that is here.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }

    /// Of content with this digest and length in bytes.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest.into(),
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// No configuration.
    pub fn empty() -> Self {
        Self::of(EMPTY, EMPTY_CONTENT)
    }
}

/// What [`Descriptor::empty`] refers to.
pub const EMPTY_CONTENT: &[u8] = b"{}";

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePlatform {
    /// In Go's words: `amd64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

impl ImagePlatform {
    /// Linux on machines of an architecture.
    pub fn linux(arch: Arch) -> Self {
        Self {
            architecture: arch.debian().to_owned(),
            os: "linux".to_owned(),
        }
    }
}

/// The manifest of an image or an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST`]; others leave it out.
    #[serde(default)]
    pub media_type: String,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first; of an artifact its files.
    pub layers: Vec<Descriptor>,
    /// The manifest that an artifact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// What else is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Of an image.
    pub fn image(
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations,
        }
    }

    /// Of a file that is about an image.
    pub fn artifact(
        artifact_type: &str,
        file: Descriptor,
        subject: Descriptor,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            artifact_type: Some(artifact_type.to_owned()),
            subject: Some(subject),
            ..Self::image(Descriptor::empty(), vec![file], annotations)
        }
    }
}

/// Manifests of one image for several platforms, or of what is about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`INDEX`]; others leave it out.
    #[serde(default)]
    pub media_type: String,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What else is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// Of one image for several architectures, whatever their order.
    pub fn of_architectures(
        images: impl IntoIterator<Item = (Arch, Descriptor)>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let by_arch: BTreeMap<Arch, Descriptor> = images.into_iter().collect();
        let manifests = by_arch.into_iter().map(|(arch, manifest)| Descriptor {
            platform: Some(ImagePlatform::linux(arch)),
            ..manifest
        });
        Self::new(manifests.collect(), annotations)
    }

    /// Of these manifests.
    pub fn new(manifests: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests,
            annotations,
        }
    }
}

/// Of the configuration of an image what is read of those that others made (image-spec, config.md).
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    /// How it runs.
    pub config: Option<WrittenExecution>,
    /// Its layers.
    pub rootfs: RootFileSystem,
}

/// How containers of an image run, as its configuration writes it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct WrittenExecution {
    /// Variables, `NAME=value`.
    #[serde(rename = "Env")]
    pub env: Option<Vec<String>>,
    /// Labels.
    #[serde(rename = "Labels")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// How containers of an image run (image-spec, config.md, execution parameters).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionConfig {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Variables of every command.
    pub environment: BTreeMap<String, String>,
}

impl ExecutionConfig {
    /// Whether it has this label with this value.
    pub fn has_label(&self, name: &str, value: &str) -> bool {
        self.labels.get(name).is_some_and(|said| said == value)
    }
}

impl From<WrittenExecution> for ExecutionConfig {
    fn from(written: WrittenExecution) -> Self {
        let variables = written.env.iter().flatten();
        let variables = variables.filter_map(|text| text.split_once('='));
        Self {
            labels: written.labels.unwrap_or_default(),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// Variables as configurations of images and engines write them, `NAME=value`.
pub fn variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    let each = environment.iter();
    each.map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// What an image's layers are once they are unpacked.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFileSystem {
    /// The digests of the plain archives, the lowest first.
    pub diff_ids: Vec<ContentDigest>,
}

/// The bytes of a manifest, index or configuration, the same for the same value.
pub fn bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value).map_err(std::io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_architectures_is_the_same_in_any_order() {
        let images = [
            (Arch::Arm64, Descriptor::of(MANIFEST, b"arm")),
            (Arch::Amd64, Descriptor::of(MANIFEST, b"amd")),
        ];
        let mut other = images.clone();
        other.reverse();
        let index = Index::of_architectures(images, BTreeMap::new());
        assert_eq!(index, Index::of_architectures(other, BTreeMap::new()));
        let text = String::from_utf8(bytes(&index).unwrap()).unwrap();
        let platforms = ["amd64", "arm64"]
            .map(|arch| format!("\"platform\":{{\"architecture\":\"{arch}\",\"os\":\"linux\"}}"));
        assert!(
            platforms.iter().all(|platform| text.contains(platform)),
            "{text}"
        );
        assert!(text.contains(INDEX), "{text}");
    }

    #[test]
    fn a_manifest_is_written_as_the_specification_has_it_and_read_again() {
        let file = Descriptor::of("application/x", b"content");
        let subject = Descriptor::of(MANIFEST, b"{}");
        let notes = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]);
        let manifest = Manifest::artifact("application/x", file, subject, notes);
        let written = bytes(&manifest).unwrap();
        let text = String::from_utf8(written.clone()).unwrap();
        assert!(
            text.starts_with(
                "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"artifactType\":\"application/x\",\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}"
            ),
            "{text}"
        );
        assert!(
            text.ends_with("\"annotations\":{\"a\":\"1\",\"b\":\"2\"}}"),
            "{text}"
        );
        assert_eq!(
            serde_json::from_slice::<Manifest>(&written).unwrap(),
            manifest
        );
        assert!(serde_json::from_str::<ContentDigest>("\"md5:1\"").is_err());
    }
}
