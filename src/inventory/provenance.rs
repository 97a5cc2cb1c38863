//! The statement of how an artifact came to be: an in-toto Statement v1 with the predicate of SLSA
//! Provenance v1, as one line of JSON.
//!
//! It names by digest everything that the artifact was made from. It holds no time, no machine and
//! no number of a run, so two builds of the same thing say the same. Signing it is not its matter:
//! whoever does puts it whole into an envelope (DSSE) as its payload.

use serde_json::{Value, json};

use crate::base::{BaseImage, Origin};
use crate::digest::{Digest, Key};
use crate::error::Result;
use crate::image::BuilderImage;
use crate::plan::requirements::without_credentials;
use crate::plan::{ArchivePlace, PlatformPlan};
use crate::wheels::Wheel;

/// The end of the names of such files.
pub const SUFFIX: &str = ".intoto.jsonl";

/// What the fields of the predicate mean; documented in docs/inventory.md.
const BUILD_TYPE: &str = "urn:omnibuild:build-type:package:1";
/// Who built: omnibuild, on a machine that nobody but its owner vouches for.
const BUILDER: &str = "urn:omnibuild:builder:self-hosted";
/// Fields of the application's key that name a wheel of its build environment.
const BUILT_WITH: &str = "build with ";

/// All that a platform's artifacts were made from.
#[derive(Debug, Clone)]
pub struct Materials<'a> {
    /// What was to be built.
    pub plan: &'a PlatformPlan,
    /// The base image.
    pub base: &'a BaseImage,
    /// The builder image.
    pub builder: &'a BuilderImage,
    /// The base of the builder: the same, unless another platform made the bundle.
    pub builder_base: &'a BaseImage,
    /// The wheels of the bundle.
    pub wheels: &'a [Wheel],
    /// What decided the project's own wheel, where there is one.
    pub application: Option<&'a Key>,
    /// The files that the project is configured by, sorted by path.
    pub configuration: &'a [(String, Digest)],
    /// The commit of the source, where git knows it.
    pub commit: Option<&'a Commit>,
}

/// A commit of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its whole name.
    pub id: String,
    /// Whether the tree was as it says.
    pub is_clean: bool,
}

/// The statement about one file, with a line end.
pub fn statement(materials: &Materials<'_>, file_name: &str, digest: &Digest) -> Result<Vec<u8>> {
    let Materials {
        plan,
        base,
        builder,
        ..
    } = materials;
    let configuration: serde_json::Map<String, Value> = materials
        .configuration
        .iter()
        .map(|(path, digest)| (path.clone(), json!({"sha256": digest})))
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": file_name, "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "platform": plan.id.platform(),
                    "architecture": plan.arch().machine(),
                    "version": plan.bundle.version.to_string(),
                    "configuration": configuration,
                },
                "internalParameters": {
                    "key": plan.key(&base.identity, &materials.builder_base.identity).digest,
                    "builder": {"image": builder.tag, "key": builder.key.digest},
                    "python": builder.interpreter.version,
                    "prefix": plan.bundle.prefix,
                    "sourceDateEpoch": plan.packages.first().map(|package| package.epoch),
                },
                "resolvedDependencies": dependencies(materials),
            },
            "runDetails": {
                "builder": {
                    "id": BUILDER,
                    "version": {"omnibuild": env!("CARGO_PKG_VERSION")},
                },
            },
        },
    });
    let mut line = serde_json::to_vec(&statement).map_err(std::io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

/// Base image, source, wheels, what wheels were built from, and what the project's was built with.
fn dependencies(materials: &Materials<'_>) -> Vec<Value> {
    let mut all = vec![base_image(materials.base)];
    if materials.plan.maker.is_some() {
        all.push(base_image(materials.builder_base));
    }
    if let Some(application) = &materials.plan.application {
        all.push(json!({
            "name": "source",
            "digest": {"sha256": application.source.digest},
            "annotations": {"digestOf": "paths, modes and contents of the project's files"},
        }));
    }
    if let Some(commit) = materials.commit {
        all.push(json!({
            "name": "commit",
            "digest": {"gitCommit": commit.id},
            "annotations": {"clean": commit.is_clean},
        }));
    }
    if let Some(python) = &materials.plan.python.standalone {
        let place = match &python.place {
            ArchivePlace::Url(url) => without_credentials(url),
            // The folders of this machine are nobody's business.
            ArchivePlace::File(path) => path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        };
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        let mut resource = json!({"name": name, "digest": {"sha256": python.digest}});
        if matches!(python.place, ArchivePlace::Url(_)) {
            resource["downloadLocation"] = json!(place);
        }
        all.push(resource);
    }
    for wheel in materials.wheels {
        let mut resource = json!({
            "name": wheel.file_name,
            "digest": {"sha256": wheel.digest},
        });
        if let Some(origin) = &wheel.origin {
            let url = without_credentials(&origin.url);
            if origin.digest == wheel.digest {
                resource["downloadLocation"] = json!(url);
            } else {
                let name = url.rsplit('/').next().unwrap_or_default();
                all.push(json!({
                    "name": name,
                    "downloadLocation": url,
                    "digest": {"sha256": origin.digest},
                    "annotations": {"builtInto": wheel.file_name},
                }));
            }
        }
        all.push(resource);
    }
    let fields = materials.application.iter().flat_map(|key| &key.fields);
    all.extend(fields.filter_map(|(name, digest)| {
        let name = name.strip_prefix(BUILT_WITH)?;
        Some(json!({
            "name": name,
            "digest": {"sha256": digest},
            "annotations": {"use": "builds the project's wheel"},
        }))
    }));
    all
}

fn base_image(base: &BaseImage) -> Value {
    let (origin, mirror) = match &base.origin {
        Origin::Registry => ("registry", None),
        Origin::Engine => ("engine", None),
        Origin::Archive { .. } => ("archive", None),
        Origin::Bootstrap(mirror) => ("bootstrap", mirror.as_deref().map(without_credentials)),
    };
    let mut annotations = json!({"use": "base image", "origin": origin});
    if let Some(mirror) = mirror {
        annotations["mirror"] = json!(mirror);
    }
    json!({
        "name": base.reference,
        "digest": {"sha256": base.identity},
        "annotations": annotations,
    })
}
