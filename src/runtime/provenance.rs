//! The statement of how a runtime image came to be: an in-toto Statement v1 with the predicate of SLSA
//! Provenance v1, which travels beside the image.
//!
//! Holds no time and no machine, as those of packages.

use serde_json::{Value, json};

use crate::base::BaseImage;
use crate::error::Result;
use crate::oci::{self, ContentDigest};
use crate::package::Artifact;
use crate::plan::{ImageLine, PlatformPlan, RuntimePlan};

use super::RuntimeImage;

/// What the statement is, in words of the registry.
pub const MEDIA_TYPE: &str = "application/vnd.in-toto+json";
/// What the fields of the predicate mean; documented in docs/images.md.
const BUILD_TYPE: &str = "urn:omnibuild:build-type:runtime-image:1";
/// Who built: omnibuild, on a machine that nobody but its owner vouches for.
const BUILDER: &str = "urn:omnibuild:builder:self-hosted";

/// The statement about an image that is made of these packages, on top of the image with the manifest `below`.
pub fn statement(
    plan: &PlatformPlan,
    base: &BaseImage,
    image: &RuntimePlan,
    made: &RuntimeImage,
    below: Option<&ContentDigest>,
    packages: &[Artifact],
) -> Result<Vec<u8>> {
    let mut materials = vec![json!({
        "name": base.reference,
        "digest": {"sha256": base.identity},
        "annotations": {"use": "base image"},
    })];
    materials.extend(below.map(|below| {
        json!({
            "name": image.from,
            "digest": {"sha256": below.digest()},
            "annotations": {"use": "image below"},
        })
    }));
    materials.extend(
        packages.iter().map(
            |package| json!({ "name": package.file_name, "digest": {"sha256": package.digest} }),
        ),
    );
    let copied = image.lines.iter().flat_map(ImageLine::files);
    materials.extend(copied.map(|file| {
        json!({
            "name": file.path,
            "digest": {"sha256": file.digest},
            "annotations": {"use": "copied"},
        })
    }));
    let lines = image.lines.iter().map(|line| &line.text);
    let layers: Vec<Value> = made
        .layers
        .iter()
        .map(|layer| json!({ "for": layer.purpose, "digest": layer.descriptor.digest }))
        .collect();
    oci::bytes(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": image.name,
            "digest": {"sha256": made.manifest.digest.digest()},
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "platform": plan.id,
                    "architecture": plan.arch().machine(),
                    "version": plan.bundle.version.to_string(),
                    "image": image.name,
                    "from": image.from,
                    "run": image.run,
                    "dockerfile": lines.collect::<Vec<_>>(),
                },
                "internalParameters": { "layers": layers, "sourceDateEpoch": image.epoch },
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {
                    "id": BUILDER,
                    "version": {"omnibuild": env!("CARGO_PKG_VERSION")},
                },
            },
        },
    }))
}
