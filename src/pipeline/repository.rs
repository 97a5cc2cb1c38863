//! Packages of an earlier version out of the project's repository, for a verification and a
//! comparison.
//!
//! Decides nothing about versions; how they are fetched is [`crate::repository`]'s.

use std::path::{Path, PathBuf};

use crate::base::{self, BaseImage};
use crate::cli::{BuildOptions, Common, Environment};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::fsutil::sorted_walk;
use crate::package::read;
use crate::plan::PlatformPlan;
use crate::report::{Outcome, Reporter, Stage, StageHandle};
use crate::repository::{self, Wanted};
use crate::text::counted;

use super::build::{make_plan, stop_signal};
use super::platform::PlatformBuild;
use super::{Project, Run};

/// What stands in a platform's place in the log's name.
const LOG: &str = "repository";

/// Packages that a repository had.
pub(super) struct Found {
    /// The package files of one version.
    pub(super) files: Vec<PathBuf>,
    /// The repository and the version.
    pub(super) from: String,
}

/// Fetches the packages of a version; `None`: there is none below the one that was built.
pub(super) async fn look(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    base: &BaseImage,
    wanted: &Wanted,
    place: &Path,
) -> Result<Option<Found>> {
    let Some(repository) = &plan.verify.repository else {
        return Err(Error::new(
            Kind::Config,
            format!("no repository is configured for {}", plan.id),
        )
        .hint(format!(
            "name one in `[verify.repository.{}]`: see docs/configuration.md",
            plan.family
        )));
    };
    let from = repository.describe();
    stage.message(&format!("asking the repository {from}"));
    let fetched = repository::fetch(context, plan, repository, base, wanted, place).await?;
    let Some(fetched) = fetched else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for name in sorted_walk(&fetched.folder)? {
        let file = fetched.folder.join(name);
        let package = read::read(&file)?;
        let planned = plan
            .packages
            .iter()
            .any(|one| one.name.as_str() == package.name);
        if !planned || package.full_version() != fetched.version {
            return Err(Error::new(
                Kind::Damaged,
                format!(
                    "the repository {from} has {} {} in the place of version {}",
                    package.name,
                    package.full_version(),
                    fetched.version
                ),
            )
            .hint("its lists and its packages disagree: make them anew"));
        }
        files.push(file);
    }
    stage.message(&format!(
        "{} of {}",
        counted(files.len(), "package"),
        fetched.version
    ));
    Ok(Some(Found {
        files,
        from: format!("{from}, version {}", fetched.version),
    }))
}

/// The package files of versions in the repository of the platform that is asked for.
pub(super) async fn versions(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
    wanted: &[Wanted],
) -> Result<Vec<Vec<PathBuf>>> {
    let project = Project::load(common, environment, reporter)?;
    let targets = project.targets(common, false)?;
    if targets.len() != 1 {
        return Err(Error::new(
            Kind::Config,
            format!(
                "a repository is that of one platform, and {} are asked for",
                targets.len()
            ),
        )
        .hint("name the platform, such as `--sysbase debian-12`"));
    }
    let run = Run::new(common, &project, reporter)?;
    let work = async {
        let plan = make_plan(common, options, &project, &run, reporter).await?;
        let Some(plan) = plan.platforms.first() else {
            return Ok(Vec::new());
        };
        let log = project.state.log(&LOG.parse()?);
        let report = reporter.platform(&plan.id, &log)?;
        let build = PlatformBuild {
            project: &project,
            run: &run,
            options,
            report,
        };
        let result = fetch_all(&build, plan, wanted).await;
        build.report.finish(match &result {
            Ok(_) => Outcome::Checked,
            Err(error) => Outcome::of_error(error),
        });
        result
    };
    let result = tokio::select! {
        result = work => result,
        () = stop_signal() => Err(Error::new(Kind::Interrupted, "stopped")),
    };
    let swept = run.sweep().await;
    let files = result?;
    swept?;
    Ok(files)
}

async fn fetch_all(
    build: &PlatformBuild<'_>,
    plan: &PlatformPlan,
    wanted: &[Wanted],
) -> Result<Vec<Vec<PathBuf>>> {
    let (engine, session) = build.run.engine().await?;
    let context = build.context(plan, engine.as_ref(), session);
    let (base, _) = {
        let stage = build.report.stage(Stage::Base);
        let found = base::ensure(&context, &stage, &plan.base, false).await?;
        stage.reused(&found.0.describe());
        found
    };
    let stage = build.report.stage(Stage::Verify);
    let place = build.project.state.repository(&plan.id);
    let mut all = Vec::new();
    for wanted in wanted {
        let found = look(&context, &stage, plan, &base, wanted, &place).await?;
        all.push(found.map(|found| found.files).unwrap_or_default());
    }
    stage.finished("fetched from the repository");
    Ok(all)
}
