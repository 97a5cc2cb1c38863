//! Where packages are verified: the platform's base image with what they need from the
//! distribution, kept under a key of its content.
//!
//! Fetching package lists and installing Python takes longer than all checks together. Nothing of
//! ours is ever in such an image, and the distribution's own package manager made it.

use std::collections::BTreeMap;

use crate::archive::ArchiveWriter;
use crate::base::BaseImage;
use crate::context::Context;
use crate::digest::KeyBuilder;
use crate::engine::{BuildSpec, Network};
use crate::error::Result;
use crate::plan::PlatformPlan;
use crate::platform::Archive;
use crate::steps::step_script;

const KEY_LABEL: &str = "org.omnibuild.verify-key";
const SCRIPT: &str = "install_needs.sh";
const USE_ARCHIVE: &str = "use-archive";
const DOCKERFILE: &str = "verify.Dockerfile";

/// The image to verify in; the base itself when the needs can't be installed, so that the check
/// which finds that says so.
pub(super) async fn ensure(
    context: &Context<'_>,
    plan: &PlatformPlan,
    base: &BaseImage,
    needs: &str,
) -> Result<String> {
    if needs.is_empty() {
        return Ok(base.reference.clone());
    }
    let (script, dockerfile) = (step_script(SCRIPT), step_script(DOCKERFILE));
    let common = |name: &str| {
        let file = plan.image.context.get(&format!("common/{name}"));
        file.cloned().unwrap_or_default()
    };
    // Empty where the distribution is still on its mirrors.
    let moved = plan.image.context.get(Archive::FILE);
    let moved = moved.cloned().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let key = KeyBuilder::new("verify", 1)
        .field("base image", base.identity.as_str())
        .field("architecture", plan.arch().machine())
        .field("needs", needs)
        .field("script", text(&script))
        .field("Dockerfile", text(&dockerfile))
        .field("archive", text(&moved))
        .finish()
        .digest;
    let tag = format!("omnibuild/verify:{}", key.short());
    if let Some(image) = context.engine.image(&tag).await?
        && image.config.has_label(KEY_LABEL, key.as_str())
    {
        return Ok(tag);
    }
    let mut archive = ArchiveWriter::new(0)?;
    archive.bytes("Dockerfile", 0o644, &dockerfile)?;
    archive.bytes(SCRIPT, 0o755, &script)?;
    archive.bytes("needs", 0o644, needs.as_bytes())?;
    archive.bytes("ca-bundle.pem", 0o644, &context.ca_bundle()?)?;
    archive.bytes(USE_ARCHIVE, 0o755, &common(USE_ARCHIVE))?;
    archive.bytes(Archive::FILE, 0o644, &moved)?;
    let archive = archive.finish()?;
    let mut args = context.network.proxies.clone();
    args.insert("BASE".to_owned(), base.reference.clone());
    args.insert("FAMILY".to_owned(), plan.family.to_string());
    let spec = BuildSpec {
        context: &archive,
        args,
        labels: BTreeMap::from([(KEY_LABEL.to_owned(), key.to_string())]),
        tag: &tag,
        arch: plan.arch(),
        network: Network::Named(context.network.name.clone()),
    };
    let output = |line: &str| context.report.output_line(line);
    match context.engine.build(&spec, &output).await {
        Ok(_) => Ok(tag),
        Err(error) => {
            context.report.output_line(error.message());
            Ok(base.reference.clone())
        }
    }
}
