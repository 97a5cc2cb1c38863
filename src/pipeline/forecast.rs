//! `omnibuild plan` and `cache why`: what would be done, and why, from the records alone.
//!
//! Reads caches and records; asks no engine, changes nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base;
use crate::cli::{BuildOptions, Common, Environment};
use crate::config::nearest;
use crate::digest::{Digest, Key};
use crate::error::Result;
use crate::image;
use crate::interpreter::Interpreter;
use crate::package::assemble;
use crate::plan::metadata::ProjectMetadata;
use crate::plan::{PackageContent, Plan, PlatformPlan, Target};
use crate::platform::{Arch, PlatformId, TargetId};
use crate::report::Reporter;
use crate::text::counted;
use crate::wheels::{WheelStore, resolve};

use super::Project;
use super::metadata::{Known, known_metadata};
use super::stages::{builder_base, up_to_date};

/// What one stage would do.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// `python`, `bundle`, `base`, `image`, `wheels`, `packages`.
    pub stage: &'static str,
    /// `reuse`, `build`, `rebuild`, ….
    pub action: &'static str,
    /// Why.
    pub why: String,
}

/// What one platform would do.
#[derive(Debug, Clone, Serialize)]
pub struct Forecast {
    /// What it is for.
    #[serde(skip)]
    pub target: TargetId,
    /// The platform.
    pub platform: PlatformId,
    /// The architecture.
    pub architecture: Arch,
    /// Whether nothing would be done.
    pub up_to_date: bool,
    /// Its stages.
    pub steps: Vec<Step>,
    /// The files it would have in the end.
    pub files: Vec<String>,
    /// Those of them that are written only if what is installed has commands.
    pub files_for_commands: Vec<String>,
}

/// Prints what a build would do.
pub fn plan(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let Some(plan) = planned(&project, "plan", common, options, reporter)? else {
        return Ok(());
    };
    if let Known::Yes(Some(metadata)) = known_metadata(&project) {
        tell_foreign_commands(&plan, &metadata, reporter);
    }
    let forecasts: Vec<Forecast> = plan
        .platforms
        .iter()
        .map(|platform| forecast(&project, platform))
        .collect();
    let text = format!(
        "{} {}\n{}",
        plan.name,
        plan.version,
        forecasts.iter().map(render).collect::<String>()
    );
    reporter.print_result("plan", text.trim_end(), &forecasts)
}

/// Says which commands of packages are not the project's own. A requirement may bring them, which is
/// known when it is there; one that is nearly the project's is more likely a slip.
fn tell_foreign_commands(plan: &Plan, metadata: &ProjectMetadata, reporter: &Reporter) {
    let packages = plan
        .platforms
        .iter()
        .flat_map(|platform| &platform.packages);
    let used: BTreeSet<(&str, &str, &str)> = packages
        .flat_map(|package| {
            let links = match &package.content {
                PackageContent::Links(folders) => Some(folders.values().flatten()),
                PackageContent::Bundle | PackageContent::ConsoleScripts => None,
            };
            let linked = links.into_iter().flatten().map(|name| ("links", name));
            let run = package.runs.iter().map(|name| ("runs", name));
            let name = package.name.as_str();
            linked
                .chain(run)
                .map(move |(verb, command)| (name, verb, command.as_str()))
        })
        .collect();
    let own = || metadata.commands.iter().map(String::as_str);
    for (package, verb, command) in used {
        if own().any(|name| name == command) || command.starts_with("python") {
            continue;
        }
        let text = format!(
            "package `{package}` {verb} `{command}`, which is none of the project's console scripts"
        );
        match nearest(command, own()) {
            Some(near) => {
                let hint = format!("did you mean `{near}`?");
                reporter.warn(None, &text, Some(&hint));
            }
            None => reporter.note(None, &format!("{text}: a requirement has to bring it")),
        }
    }
}

/// The plan of a build; `None` when only a build can tell, and that was said.
pub(super) fn planned(
    project: &Project,
    command: &str,
    common: &Common,
    options: &BuildOptions,
    reporter: &Reporter,
) -> Result<Option<Plan>> {
    let targets = project.targets(common, options.failed)?;
    let metadata = match known_metadata(project) {
        Known::Yes(metadata) => metadata,
        Known::FromWheel(_) => return not_known(command, &targets, reporter).map(|()| None),
    };
    Ok(Some(project.plan(metadata.as_ref(), targets)?))
}

/// Says that only a build can tell.
fn not_known(command: &str, targets: &[Target<'_>], reporter: &Reporter) -> Result<()> {
    let ids: Vec<String> = targets
        .iter()
        .map(|target| target.id().to_string())
        .collect();
    let text = format!(
        "{}: the project's build backend decides its version and requirements; the first build asks it, and the plan is complete then",
        ids.join(", ")
    );
    let value = serde_json::json!({ "platforms": ids, "complete": false });
    reporter.print_result(command, &text, &value)
}

/// `omnibuild cache why`: what a build would find in the cache of wheels, whether or not it would
/// look.
pub fn why(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let Some(plan) = planned(&project, "cache-why", common, options, reporter)? else {
        return Ok(());
    };
    let mut text = String::new();
    let mut values = Vec::new();
    for platform in &plan.platforms {
        let mut steps = Vec::new();
        follow(&project, platform, &mut steps);
        for step in steps.iter().filter(|step| step.stage == "wheels") {
            text.push_str(&format!("{}: {}: {}\n", platform.id, step.action, step.why));
            values.push(serde_json::json!({
                "platform": platform.id.platform(),
                "architecture": platform.arch(),
                "hit": step.action == "reuse",
                "action": step.action,
                "why": step.why,
            }));
        }
    }
    reporter.print_result("cache-why", &text, &values)
}

fn forecast(project: &Project, plan: &PlatformPlan) -> Forecast {
    let up_to_date = up_to_date(project, plan).is_some();
    let mut steps = Vec::new();
    if !up_to_date {
        follow(project, plan, &mut steps);
    }
    let files = assemble::file_names(plan);
    let packages = plan.packages.iter().zip(&files);
    // A project says its commands; what a list of requirements brings is known when it is there.
    let for_commands =
        packages.filter(|(package, _)| plan.application.is_none() && package.is_of_commands());
    Forecast {
        target: plan.id.clone(),
        platform: plan.id.platform().clone(),
        architecture: plan.arch(),
        up_to_date,
        steps,
        files_for_commands: for_commands.map(|(_, file)| file.clone()).collect(),
        files,
    }
}

/// Follows the keys from stage to stage as far as the records reach.
fn follow(project: &Project, plan: &PlatformPlan, steps: &mut Vec<Step>) {
    let mut add = |stage, action, why: String| steps.push(Step { stage, action, why });
    if plan.python.standalone.is_some() {
        add("python", "bring", plan.python.describe());
    }
    if let Some(maker) = &plan.maker {
        add("bundle", "share", format!("it is made on {}", maker.id));
    }
    let Some(base) = base::recorded(&project.caches.bases(), &plan.base) else {
        let else_bootstrap = if plan.base.bootstrap.is_some() {
            ", else bootstrapped"
        } else {
            ""
        };
        add(
            "base",
            "get",
            format!("`{}` is pulled{else_bootstrap}", plan.base.image),
        );
        add("image", "build", "there is no base yet".to_owned());
        add("wheels", "make", "there is no builder yet".to_owned());
        add(
            "packages",
            "write",
            "this platform was not built before".to_owned(),
        );
        return;
    };
    add("base", "reuse", base.describe());
    let key = image::key(plan, &base.identity);
    let Some(interpreter) = image::recorded_interpreter(&project.caches.builders(), &key) else {
        let mut why = "no builder image was made from these files and packages".to_owned();
        if let Some(repository) = &plan.image.repository {
            why += &format!("; one that `{repository}` has is pulled");
        }
        add("image", "build", why);
        add("wheels", "make", "its builder is new".to_owned());
        add("packages", "write", "their wheels are new".to_owned());
        return;
    };
    add("image", "reuse", format!("builder {}", key.digest.short()));
    match &plan.maker {
        None => wheels(project, plan, &key, &interpreter, &mut add),
        Some(maker) => {
            let base = base::recorded(&project.caches.bases(), &maker.base);
            let key = base.map(|base| image::key(maker, &base.identity));
            let known = key.and_then(|key| {
                let interpreter = image::recorded_interpreter(&project.caches.builders(), &key);
                Some((interpreter?, key))
            });
            match known {
                Some((interpreter, key)) => wheels(project, maker, &key, &interpreter, &mut add),
                None => add("wheels", "make", format!("{} has no builder yet", maker.id)),
            }
        }
    }
    let changes = match project.state.build(&plan.id) {
        None => "this platform was not built before".to_owned(),
        Some(record) => {
            // One that nobody has found differs from what was.
            let builder_base = builder_base(project, plan).unwrap_or_else(|| Digest::of(""));
            let changes = plan
                .key(&base.identity, &builder_base)
                .changes_since(&record.key);
            if changes.is_empty() {
                "the packages are not as they were written".to_owned()
            } else {
                short(&changes)
            }
        }
    };
    add("packages", "write", changes);
}

fn wheels(
    project: &Project,
    plan: &PlatformPlan,
    builder: &Key,
    interpreter: &Interpreter,
    add: &mut impl FnMut(&'static str, &'static str, String),
) {
    let store = WheelStore::new(project.caches.wheels());
    let key = resolve::key(plan, builder, &interpreter.abi);
    match store.get(plan.id.platform(), &key.digest) {
        Ok(Some(set)) => {
            let made = super::day_and_time(set.made);
            add(
                "wheels",
                "reuse",
                format!("{}, made {made}", counted(set.wheels.len(), "wheel")),
            );
        }
        Err(damage) => add("wheels", "rebuild", damage),
        Ok(None) => match store.latest(&plan.id, &plan.bundle.name, "wheels") {
            Some(latest) => add("wheels", "rebuild", short(&key.changes_since(&latest.key))),
            None => add("wheels", "make", "none were made before".to_owned()),
        },
    }
}

/// The first few changes; the rest is counted.
fn short(changes: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = changes
        .iter()
        .take(SHOWN)
        .map(|change| change.trim())
        .collect::<Vec<_>>()
        .join(", ");
    if changes.len() > SHOWN {
        text.push_str(&format!(" and {} more", changes.len() - SHOWN));
    }
    text
}

fn render(forecast: &Forecast) -> String {
    let mut text = format!("\n{}\n", forecast.target);
    if forecast.up_to_date {
        text.push_str("  nothing to do\n");
    }
    for step in &forecast.steps {
        text.push_str(&format!(
            "  {:<9} {}: {}\n",
            step.stage, step.action, step.why
        ));
    }
    for file in &forecast.files {
        let condition = if forecast.files_for_commands.contains(file) {
            " (if there are commands)"
        } else {
            ""
        };
        text.push_str(&format!("  -> {file}{condition}\n"));
    }
    text
}
