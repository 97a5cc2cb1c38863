//! `omnibuild` and `omnibuild verify`: every platform side by side, failures isolated.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;

use crate::cli::{BuildOptions, Common, Environment, PushOptions, VerifyOptions};
use crate::error::{Error, Kind, Result};
use crate::plan::{Plan, PlatformPlan};
use crate::platform::TargetId;
use crate::report::{Outcome, Reporter, Summary, SummaryRow};
use crate::text::counted;

use super::metadata::make_plan;
use super::run::stop_signal;
use super::stages::{Done, PlatformBuild};
use super::{Project, Run, forecast, platforms, push, verify};

/// Memory that one platform's compilers may need, in bytes.
const MEMORY_PER_PLATFORM: u64 = 1 << 30;

/// Builds every platform that was asked for.
pub async fn build(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    if options.failed && project.state.failed().is_empty() {
        reporter.note(None, "no platform failed last time; there is nothing to do");
        return Ok(());
    }
    if options.push {
        // Known in a moment, and needed after minutes.
        push::check(&project)?;
    }
    platforms::warn_of_ended(&project.targets(common, options.failed)?, reporter);
    run_platforms(
        common,
        options,
        &project,
        reporter,
        &OF_BUILDS,
        async |build, plan| build.platform(plan).await,
    )
    .await?;
    if options.push {
        let all = PushOptions::default();
        push::push(&all, common, options, environment, reporter).await?;
    }
    Ok(())
}

/// Verifies the packages that were built last.
pub async fn verify(
    common: &Common,
    options: &BuildOptions,
    asked: &VerifyOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    if common.dry_run {
        let Some(plan) = forecast::planned(&project, "verify", common, options, reporter)? else {
            return Ok(());
        };
        for platform in &plan.platforms {
            let text = verify::forecast(&project, platform, asked);
            reporter.note(Some(&platform.id), &text);
        }
        return Ok(());
    }
    run_platforms(
        common,
        options,
        &project,
        reporter,
        &OF_BUILDS,
        async |build, plan| match asked.rebuild {
            Some(what) => build.rebuild(common, environment, what, plan).await,
            None => build.verify_again(plan, asked).await,
        },
    )
    .await
}

/// What becomes of platforms that failed.
pub(super) struct Failures {
    /// Whether they are those that `--failed` builds again.
    pub(super) are_remembered: bool,
    /// What to do.
    pub(super) hint: &'static str,
}

/// Of builds and verifications.
const OF_BUILDS: Failures = Failures {
    are_remembered: true,
    hint: "`omnibuild --failed` builds only those again",
};

/// Runs `work` for each platform, at most so many at a time; prints the table; answers the first
/// failure.
pub(super) async fn run_platforms(
    common: &Common,
    options: &BuildOptions,
    project: &Project,
    reporter: &Reporter,
    failures: &Failures,
    work: impl AsyncFn(&PlatformBuild<'_>, &PlatformPlan) -> Result<Done>,
) -> Result<()> {
    let run = Run::new(common, project, reporter)?;
    let everything = async {
        let plan = make_plan(common, options, project, &run, reporter).await?;
        run_planned(options, project, &run, reporter, &plan, failures, &work).await
    };
    let hint = "run the same command again: it goes on with what is done";
    let result = run.until_stopped(Some(hint), everything).await;
    let interrupted = |error: &Error| error.kind() == Kind::Interrupted;
    if !result.as_ref().is_err_and(interrupted) {
        tokio::select! {
            () = run.finish() => {}
            () = stop_signal() => {}
        }
    }
    result
}

async fn run_planned(
    options: &BuildOptions,
    project: &Project,
    run: &Run,
    reporter: &Reporter,
    plan: &Plan,
    failures: &Failures,
    work: &impl AsyncFn(&PlatformBuild<'_>, &PlatformPlan) -> Result<Done>,
) -> Result<()> {
    let jobs = options
        .jobs
        .map_or_else(|| default_jobs(plan.platforms.len()), Into::into);
    let mut rows = vec![None; plan.platforms.len()];
    let mut errors: Vec<Option<Error>> = plan.platforms.iter().map(|_| None).collect();
    let each = |number: usize| async move {
        let platform = &plan.platforms[number];
        let started = Instant::now();
        let log = project.state.log(&platform.id);
        let result = async {
            let build = PlatformBuild::begin(project, run, options, reporter, &platform.id, &log)?;
            let result = work(&build, platform).await;
            let outcome = match &result {
                Ok(done) => done.outcome.clone(),
                Err(error) => Outcome::of_error(error),
            };
            build.report.finish(outcome);
            result
        };
        let result = result.await;
        (number, result, started.elapsed(), log)
    };
    let mut running = futures::stream::iter(0..plan.platforms.len())
        .map(each)
        .buffer_unordered(jobs);
    while let Some((number, result, took, log)) = running.next().await {
        let platform = plan.platforms[number].id.clone();
        let failed = result.is_err();
        if let Err(error) = &result {
            reporter.print_error(Some(&platform), error);
        }
        rows[number] = Some(row(platform, &result, took, &log));
        errors[number] = result.err();
        if failed && options.fail_fast {
            break;
        }
    }
    drop(running);
    let rows: Vec<SummaryRow> = plan
        .platforms
        .iter()
        .zip(rows)
        .map(|(platform, row)| {
            row.unwrap_or_else(|| cancelled(platform, &project.state.log(&platform.id)))
        })
        .collect();
    let failed: Vec<_> = rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::Failed { .. } | Outcome::Cancelled))
        .map(|row| row.platform.clone())
        .collect();
    if failures.are_remembered {
        project.state.put_failed(&failed)?;
    }
    reporter.print_summary(&Summary { rows });
    match errors.into_iter().flatten().next() {
        None => Ok(()),
        Some(first) => Err(Error::new(
            first.kind(),
            format!(
                "{} of {} failed",
                failed.len(),
                counted(plan.platforms.len(), "platform")
            ),
        )
        .hint(failures.hint)),
    }
}

fn default_jobs(platforms: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let available = fs_err::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("MemAvailable:"))?
                .to_owned();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(MEMORY_PER_PLATFORM, |kibibytes| kibibytes * 1024);
    let by_memory = usize::try_from(available / MEMORY_PER_PLATFORM).unwrap_or(usize::MAX);
    cores.min(by_memory).min(platforms).max(1)
}

fn row(target: TargetId, result: &Result<Done>, took: Duration, log: &Path) -> SummaryRow {
    let (outcome, reused, files) = match result {
        Ok(done) => (
            done.outcome.clone(),
            done.reused.clone(),
            done.files.clone(),
        ),
        Err(error) => (Outcome::of_error(error), Vec::new(), Vec::new()),
    };
    SummaryRow {
        platform: target,
        outcome,
        took,
        reused,
        files,
        log: log.to_owned(),
    }
}

fn cancelled(platform: &PlatformPlan, log: &Path) -> SummaryRow {
    SummaryRow {
        platform: platform.id.clone(),
        outcome: Outcome::Cancelled,
        took: Duration::ZERO,
        reused: Vec::new(),
        files: Vec::new(),
        log: log.to_owned(),
    }
}
