//! One platform's verification: of what was just built, or of what was built last.
//!
//! Decides what is verified and upgraded from; how is [`crate::verify`]'s.

use std::path::{Path, PathBuf};

use crate::base::{self, BaseImage};
use crate::cli::VerifyOptions;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::package::read;
use crate::plan::PlatformPlan;
use crate::platform::Arch;
use crate::report::{Outcome, Stage, StageHandle};
use crate::repository::Wanted;
use crate::state::BuildRecord;
use crate::verify::{self, Verified};

use super::Project;
use super::repository;
use super::stages::{Done, PlatformBuild, file_of, up_to_date};

/// What a record says of the packages of a build, where they passed what would be asked today. Reads all of
/// each package.
pub(super) fn verified(
    project: &Project,
    plan: &PlatformPlan,
    base: &BaseImage,
    record: &BuildRecord,
) -> Option<Verified> {
    let folder = project.state.packages(plan.id.platform());
    Verified::recall(&folder, &record.packages).filter(|verified| verified.is_current(plan, base))
}

/// What a verification would do, in words.
pub(super) fn forecast(project: &Project, plan: &PlatformPlan, asked: &VerifyOptions) -> String {
    let Some((base, record)) = up_to_date(project, plan) else {
        return "the packages are absent or out of date: they would have to be built first"
            .to_owned();
    };
    if asked.rebuild.is_some() {
        return "would build its packages again and compare them".to_owned();
    }
    if !asked.again && asked.previous.is_none() && verified(project, plan, &base, &record).is_some()
    {
        return "nothing to do: these packages passed before".to_owned();
    }
    let earlier = asked.previous.is_some() || !project.state.previous(&plan.id, &record).is_empty();
    let upgrade = match &plan.verify.repository {
        _ if earlier => ", upgrade",
        Some(_) => ", upgrade from what the repository has",
        None => "",
    };
    format!("would install, run, reinstall, remove{upgrade} and purge its packages")
}

/// Packages to upgrade from, and where they came from.
#[derive(Default)]
struct Previous {
    files: Vec<PathBuf>,
    from: Option<String>,
}

impl PlatformBuild<'_> {
    /// Verifies packages; `previous`: what was named to upgrade from.
    pub(super) async fn verify(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        base: &BaseImage,
        record: BuildRecord,
        previous: Option<&str>,
    ) -> Result<Verified> {
        let stage = self.report.stage(Stage::Verify);
        let folder = self.project.state.packages(plan.id.platform());
        let previous = self
            .previous(context, &stage, plan, base, &record, previous)
            .await?;
        let request = verify::Request {
            packages: record.packages.clone(),
            folder: &folder,
            previous: previous.files,
            previous_from: previous.from,
        };
        let verified = verify::verify(context, &stage, plan, base, request).await?;
        self.project.state.put_verified(&plan.id, record)?;
        stage.finished(&verified.describe());
        Ok(verified)
    }

    /// What was named; else the last good build; else what the repository has below this version.
    async fn previous(
        &self,
        context: &Context<'_>,
        stage: &StageHandle,
        plan: &PlatformPlan,
        base: &BaseImage,
        record: &BuildRecord,
        named: Option<&str>,
    ) -> Result<Previous> {
        let Some(own) = plan.packages.first().map(|package| package.version.full()) else {
            return Ok(Previous::default());
        };
        let below = Wanted::Below(own.clone());
        let kept = self.project.state.previous(&plan.id, record);
        let wanted = match named.map(|word| (word, Wanted::parse(word, below.clone()))) {
            Some((_, Some(wanted))) => wanted,
            Some((folder, None)) => {
                return Ok(Previous {
                    files: packages_in(Path::new(folder), plan)?,
                    from: Some("--previous".to_owned()),
                });
            }
            None if kept.is_empty() && plan.verify.repository.is_some() => below,
            None => {
                return Ok(Previous {
                    files: kept,
                    from: Some(format!("packages/{}", plan.id.platform())),
                });
            }
        };
        let place = self.project.state.repository(&plan.id);
        let found = repository::look(context, stage, plan, base, &wanted, &place)
            .await
            .map_err(|error| match named {
                Some(_) => error,
                None => error.hint(
                    "`--no-verify` builds without the check of an upgrade, and without the others",
                ),
            })?;
        if let Some(found) = found {
            return Ok(Previous {
                files: found.files,
                from: Some(found.from),
            });
        }
        let text =
            format!("the repository has no version below {own}: there is nothing to upgrade from");
        self.report.note(&text);
        Ok(Previous::default())
    }

    /// Verifies the packages that are there, unless a record says it of them.
    pub(super) async fn verify_again(
        &self,
        plan: &PlatformPlan,
        asked: &VerifyOptions,
    ) -> Result<Done> {
        let Some((base, record)) = up_to_date(self.project, plan) else {
            return Err(
                Error::new(Kind::Verify, "the packages are absent or out of date").hint(format!(
                    "build them first: `omnibuild --sysbase {}`",
                    plan.id
                )),
            );
        };
        if !asked.again
            && asked.previous.is_none()
            && verified(self.project, plan, &base, &record).is_some()
        {
            let stage = self.report.stage(Stage::Verify);
            stage.reused("these packages passed before; `omnibuild verify --again` does it again");
            return Ok(Done::up_to_date(&record));
        }
        let previous = asked.previous.as_deref();
        let (done, _) = self.verify_built(plan, record, previous).await?;
        Ok(done)
    }

    /// Verifies the packages that were built last, whatever was found of them before.
    pub(super) async fn verify_built(
        &self,
        plan: &PlatformPlan,
        record: BuildRecord,
        previous: Option<&str>,
    ) -> Result<(Done, Verified)> {
        let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
        let context = self.context(plan, engine.as_ref(), session);
        let stage = self.report.stage(Stage::Base);
        let (base, _) = base::ensure(&context, &stage, &plan.base, false).await?;
        stage.reused(&base.describe());
        let files = record.packages.iter().map(file_of).collect();
        let verified = self.verify(&context, plan, &base, record, previous).await?;
        let done = Done {
            outcome: Outcome::Checked,
            reused: vec!["packages".to_owned()],
            files,
        };
        Ok((done, verified))
    }
}

/// The packages of a platform's format in a folder.
fn packages_in(folder: &Path, plan: &PlatformPlan) -> Result<Vec<PathBuf>> {
    let ending = plan.format.to_string();
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder)
        .map_err(|error| {
            Error::from(error)
                .of_kind(Kind::Config)
                .context("--previous")
        })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == ending.as_str()))
        .collect();
    // The architectures of a platform share a folder.
    found.retain(|path| {
        let of = read::read(path).map(|package| Arch::from_any_name(&package.architecture));
        of.ok().flatten().is_none_or(|arch| arch == plan.arch())
    });
    found.sort();
    if found.is_empty() {
        return Err(Error::new(
            Kind::Config,
            format!(
                "--previous: there is no {ending} package in `{}`",
                folder.display()
            ),
        )
        .hint("name a folder with the packages of one earlier version, and nothing else"));
    }
    Ok(found)
}
