//! `omnibuild push --builders`: builder images go where machines share them.
//!
//! What is not there to be pushed is made. Packages and runtime images are no matter here.

use crate::base;
use crate::cli::{BuildOptions, Common, Environment};
use crate::digest::Key;
use crate::error::{Error, Kind, Result};
use crate::image::{self, remote};
use crate::plan::{PlatformPlan, RepositoryName};
use crate::report::{Outcome, Reporter, human_size};

use super::Project;
use super::build::{Failures, run_platforms};
use super::stages::{Done, PlatformBuild};

/// What failed here is no build.
const FAILURES: Failures = Failures {
    are_remembered: false,
    hint: "push again: what is made is kept, and what the registry has is not sent again",
};

/// Pushes the builder images of the platforms that were asked for.
pub(super) async fn push(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let Some(repository) = project.config.build.builder_repository.clone() else {
        let text = "build.builder-repository: nothing says where builder images are shared";
        return Err(Error::new(Kind::Config, text).hint(
            "name a repository: `[build] builder-repository = \"registry.example/team/builders\"`",
        ));
    };
    run_platforms(
        common,
        options,
        &project,
        reporter,
        &FAILURES,
        async |build, plan| {
            if common.dry_run {
                would_push(build, plan, &repository);
                return Ok(Done::only(Outcome::Planned));
            }
            build.push_builder(plan, &repository).await
        },
    )
    .await
}

/// A platform whose bundle another one makes is built on by both.
fn builders(plan: &PlatformPlan) -> Vec<&PlatformPlan> {
    let maker = plan.bundled_by();
    let mut plans = vec![plan];
    plans.extend((maker.id != plan.id).then_some(maker));
    plans
}

fn would_push(build: &PlatformBuild<'_>, plan: &PlatformPlan, repository: &RepositoryName) {
    for plan in builders(plan) {
        let base = base::recorded(&build.project.caches.bases(), &plan.base);
        let key: Option<Key> = base.map(|base| image::key(plan, &base.identity));
        let text = match key {
            Some(key) => format!("would push {repository}:{}", remote::tag(plan, &key)),
            None => {
                format!("would look for the base image, and push the builder image to {repository}")
            }
        };
        build.report.note(&text);
    }
}

impl PlatformBuild<'_> {
    async fn push_builder(&self, plan: &PlatformPlan, repository: &RepositoryName) -> Result<Done> {
        let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
        let mut outcome = Outcome::UpToDate;
        let mut reused = Vec::new();
        for plan in builders(plan) {
            let context = self.context(plan, engine.as_ref(), session);
            let base = self.base(&context, plan, &mut reused).await?;
            let builder = self.image(&context, plan, &base, &mut reused).await?;
            let name = format!("{repository}:{}", remote::tag(plan, &builder.key));
            match remote::push(&context, plan, repository, &builder).await? {
                Some(sent) => {
                    outcome = Outcome::Pushed;
                    self.report
                        .note(&format!("pushed {name}, {}", human_size(sent)));
                }
                None => self.report.note(&format!("{name} is there already")),
            }
        }
        Ok(Done::only(outcome))
    }
}
