//! The packages of versions that the project's repository has, for a comparison.
//!
//! Looks at no package: `repository` does.

use std::path::PathBuf;

use crate::base;
use crate::cli::{BuildOptions, Common, Environment};
use crate::error::{Error, Kind, Result};
use crate::plan::PlatformPlan;
use crate::report::{Outcome, Reporter, Stage};
use crate::repository::Wanted;

use super::metadata::make_plan;
use super::repository::look;
use super::stages::PlatformBuild;
use super::{Project, Run};

/// What stands in a platform's place in the log's name.
const LOG: &str = "repository";

/// The package files of versions in the repository of the platform that is asked for.
pub(super) async fn fetch(
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
        let build = PlatformBuild::begin(&project, &run, options, reporter, &plan.id, &log)?;
        let result = fetch_all(&build, plan, wanted).await;
        build.report.finish(match &result {
            Ok(_) => Outcome::Checked,
            Err(error) => Outcome::of_error(error),
        });
        result
    };
    run.until_stopped(None, work).await
}

async fn fetch_all(
    build: &PlatformBuild<'_>,
    plan: &PlatformPlan,
    wanted: &[Wanted],
) -> Result<Vec<Vec<PathBuf>>> {
    let (engine, session) = build.run.engine(plan.arch(), &build.report).await?;
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
