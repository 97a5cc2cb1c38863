//! Installs the packages in a clean container of the platform, runs what they link, removes them.
//!
//! The only way to get a [`Verified`]. Runs the platform's own package manager, on its base image.

use crate::archive::ArchiveWriter;
use crate::base::BaseImage;
use crate::context::{CA_BUNDLE_PATH, Context};
use crate::engine::{Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::package::Built;
use crate::plan::PlatformPlan;
use crate::steps::step_script;

/// Packages that were installed, run and removed, with the digests they had.
#[derive(Debug)]
pub struct Verified {
    /// The packages.
    pub packages: Vec<Built>,
    /// How many commands were run.
    pub commands: usize,
}

/// Verifies the packages of a platform; `folder` is where they are.
pub async fn verify(
    context: &Context<'_>,
    plan: &PlatformPlan,
    base: &BaseImage,
    packages: Vec<Built>,
    folder: &std::path::Path,
) -> Result<Verified> {
    let links: Vec<String> = packages
        .iter()
        .flat_map(|package| package.links.iter().cloned())
        .collect();
    let mut archive = ArchiveWriter::new(plan.packages.first().map_or(0, |package| package.epoch))?;
    archive.bytes("omnibuild/verify.sh", 0o755, &step_script("verify.sh"))?;
    archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &context.ca_bundle()?)?;
    archive.bytes("omnibuild/links", 0o644, lines(&links).as_bytes())?;
    let names: Vec<String> = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    archive.bytes("omnibuild/names", 0o644, lines(&names).as_bytes())?;
    for package in &packages {
        let name = &package.artifact.file_name;
        archive.file(
            &format!("omnibuild/packages/{name}"),
            0o644,
            &folder.join(name),
        )?;
    }
    let archive = archive.finish()?;
    let exec = Exec::new(["/bin/sh", "/omnibuild/verify.sh"])
        .arg(plan.family.to_string())
        .arg(&plan.bundle.prefix)
        .env("LC_ALL", "C.UTF-8");
    with_container(
        context.engine,
        context.report,
        &context.online(&base.reference),
        async |container| {
            container.upload("/", &archive).await?;
            container.run(&exec).await.map_err(explain)
        },
    )
    .await?;
    Ok(Verified {
        packages,
        commands: links.len(),
    })
}

fn lines(words: &[String]) -> String {
    words
        .iter()
        .fold(String::new(), |text, word| text + word + "\n")
}

/// The script's last line says which check failed.
fn explain(error: Error) -> Error {
    let Some(command) = error.failed_command() else {
        return error;
    };
    let failed = command
        .last_lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("verify: "));
    let message = format!("verification: {}", failed.unwrap_or("the script failed"));
    Error::new(Kind::Verify, message)
        .command(command.clone())
        .hint(
            "the packages are in place and not verified; the log has what the package manager said",
        )
}
