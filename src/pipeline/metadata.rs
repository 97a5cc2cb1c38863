//! The plan of a run, and the project's metadata that it takes.
//!
//! Decides nothing of the plan: [`crate::plan`] does.

use crate::cli::{BuildOptions, Common};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::plan::Plan;
use crate::plan::metadata::ProjectMetadata;
use crate::report::Reporter;

use super::stages::PlatformBuild;
use super::{Project, Run, host_architecture};

/// The plan; a project whose backend decides its metadata is built on the first platform (of this machine's
/// architecture, where there is one) to learn it, and what was learned is recorded.
pub(super) async fn make_plan(
    common: &Common,
    options: &BuildOptions,
    project: &Project,
    run: &Run,
    reporter: &Reporter,
) -> Result<Plan> {
    let targets = project.targets(common, options.failed)?;
    let metadata = match known_metadata(project) {
        Known::Yes(metadata) => metadata,
        Known::FromWheel(source) => {
            let mut all = project.targets(common, options.failed)?;
            // Nothing is emulated for it where one of them is of this machine's architecture.
            let own = host_architecture()?;
            all.sort_by_key(|target| target.arch != own);
            let first = all.into_iter().next();
            let first =
                first.ok_or_else(|| Error::new(Kind::Config, "no platform was asked for"))?;
            let guess = ProjectMetadata {
                name: project
                    .config
                    .name
                    .clone()
                    .unwrap_or_else(|| "project".to_owned()),
                version: Some("0".to_owned()),
                ..ProjectMetadata::default()
            };
            let plan = project.plan(Some(&guess), vec![first])?;
            // Where it is built for the bundle, too.
            let platform = plan.platforms[0].bundled_by();
            let log = project.state.log(&platform.id);
            let build = PlatformBuild::begin(project, run, options, reporter, &platform.id, &log)?;
            let metadata = build.learn_metadata(platform).await?;
            project.state.put_metadata(&source, &metadata)?;
            Some(metadata)
        }
    };
    project.plan(metadata.as_ref(), targets)
}

/// What is known of the project's metadata without building it.
pub(super) enum Known {
    /// All; `None` for a bare list of requirements.
    Yes(Option<ProjectMetadata>),
    /// Only the wheel of this source will tell.
    FromWheel(Digest),
}

pub(super) fn known_metadata(project: &Project) -> Known {
    let Some(source) = &project.inputs.source else {
        return Known::Yes(None);
    };
    if let Some(metadata) = ProjectMetadata::from_pyproject(&project.config.pyproject) {
        return Known::Yes(Some(metadata));
    }
    match project.state.metadata(&source.digest) {
        Some(metadata) => Known::Yes(Some(metadata)),
        None => Known::FromWheel(source.digest.clone()),
    }
}
