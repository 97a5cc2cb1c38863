//! The commands, as sequences of stages; the only room that knows the order of the stages.
//!
//! [`build`](build::build) reads like the manual. Nothing here does a stage's work.

pub mod build;
mod builders;
pub mod cache;
mod diff;
pub mod doctor;
mod documents;
pub mod forecast;
mod images;
pub mod init;
mod inspect;
mod licenses;
mod lint;
pub mod lock;
pub mod matrix;
mod metadata;
mod platform;
mod platforms;
mod push;
mod python;
mod rebuild;
mod repository;
mod run;
mod shared;
mod stages;
mod tool;
mod verify;
mod versions;
mod vulnerabilities;

use std::path::{Path, PathBuf};

use crate::cli::{Command, Common, Environment, PlatformsCommand};
use crate::config::{Config, Platform, PlatformTable, ProjectTable};
use crate::context::Caches;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::plan::inputs::Inputs;
use crate::plan::metadata::ProjectMetadata;
use crate::plan::requirements::{self, RequirementSet};
use crate::plan::{self, Plan, PlatformPlan, Target};
use crate::platform::{Arch, Family};
use crate::report::Reporter;
use crate::runtime::check_destination;
use crate::state::State;

pub use self::run::Run;

/// A project that has been read: configuration, platforms, inputs.
pub struct Project {
    /// The checked configuration.
    pub config: Config,
    /// Every platform that is known.
    pub table: PlatformTable,
    /// What was read from the project's folder.
    pub inputs: Inputs,
    /// What the folder remembers of earlier builds.
    pub state: State,
    /// Where things are kept between runs.
    pub caches: Caches,
}

impl Project {
    /// Reads the project that the command line names.
    pub fn load(common: &Common, environment: &Environment, reporter: &Reporter) -> Result<Self> {
        let config = Config::load(&common.project, common.overrides(environment))?;
        config
            .addresses()
            .filter_map(secret_of)
            .chain(config.secrets())
            .for_each(|secret| reporter.redact(secret));
        let table = PlatformTable::load(&config.root)?;
        check_overrides(&config, &table).map_err(|error| config.places.locate(error))?;
        let inputs = Inputs::read(&config, environment.source_date_epoch.as_deref())?;
        let credentials = &inputs.credentials;
        credentials
            .secrets()
            .for_each(|secret| reporter.redact(secret));
        for file in credentials.open_files() {
            let hint = "take that from them: `chmod 600`";
            reporter.warn(
                None,
                &format!("others can read the passwords in `{file}`"),
                Some(hint),
            );
        }
        let sets = inputs.requirement_files.values();
        sets.flat_map(RequirementSet::addresses)
            .filter_map(secret_of)
            .for_each(|secret| reporter.redact(secret));
        let pyproject = &config.pyproject;
        let built_with = pyproject
            .build_system
            .iter()
            .flat_map(|build| &build.requires);
        pyproject
            .project
            .iter()
            .flat_map(ProjectTable::requirements)
            .chain(built_with.flatten().map(String::as_str))
            .flat_map(requirements::addresses)
            .filter_map(secret_of)
            .for_each(|secret| reporter.redact(secret));
        let cache = cache_folder(environment)?;
        let wheels = wheel_folder(config.wheel_dir.clone(), &config.root, &cache);
        let caches = Caches::new(&cache, wheels);
        let state = State::new(&config.root);
        Ok(Self {
            config,
            table,
            inputs,
            state,
            caches,
        })
    }

    /// Where the bundle of a project with this metadata goes.
    fn prefix(&self, metadata: &ProjectMetadata) -> String {
        let name = self.config.name.as_deref().unwrap_or(&metadata.name);
        plan::prefix(&self.config, &plan::normalised_name(name))
    }

    /// What the bundles of the last builds hold: of the platforms that are named, else of those of
    /// the project's that were built.
    fn inventories(&self, common: &Common, reporter: &Reporter) -> Result<Vec<Inventory>> {
        let named = common.all || !common.platforms().is_empty();
        let mut inventories = Vec::new();
        let mut missing = Vec::new();
        for target in self.targets(common, false)? {
            let id = target.id();
            match self.state.inventory(&id) {
                Some(inventory) => inventories.push(inventory),
                None => missing.push(id.to_string()),
            }
        }
        if inventories.is_empty() || (named && !missing.is_empty()) {
            return Err(Error::new(
                Kind::Missing,
                format!("nothing was built for {}", missing.join(", ")),
            )
            .hint("build it first: this command looks at what the last build shipped"));
        }
        if !missing.is_empty() {
            let text = format!(
                "nothing was built for {}, so nothing is said of it",
                missing.join(", ")
            );
            let hint = "build it, or name the platforms that are meant";
            reporter.warn(None, &text, Some(hint));
        }
        Ok(inventories)
    }

    /// The platforms to work on: those named, else those that failed, else the project's, else
    /// every living one.
    pub fn targets(&self, common: &Common, failed: bool) -> Result<Vec<Target<'_>>> {
        let today = today();
        let named = common.platforms();
        let mut platforms = Vec::new();
        let mut targets = Vec::new();
        if common.all {
            platforms.extend(self.table.all());
        } else if !named.is_empty() {
            for name in named {
                match name.split_once('/') {
                    None => platforms.push(self.table.find(name)?),
                    Some((name, arch)) => targets.push((self.table.find(name)?, arch.parse()?)),
                }
            }
        } else if failed {
            for id in self.state.failed() {
                targets.push((self.table.find(id.platform().as_str())?, id.arch()));
            }
        } else if !self.config.platforms.is_empty() {
            for (number, name) in self.config.platforms.iter().enumerate() {
                let found = self.table.find(name).map_err(|error| {
                    let error = error.context(format!("platforms[{number}]"));
                    self.config.places.locate(error)
                });
                platforms.push(found?);
            }
        } else {
            platforms.extend(
                self.table
                    .all()
                    .filter(|platform| platform.is_living(today)),
            );
        }
        for platform in platforms {
            let archs = self.architectures(common, platform)?;
            targets.extend(archs.into_iter().map(|arch| (platform, arch)));
        }
        let mut seen = std::collections::BTreeSet::new();
        targets.retain(|(platform, arch)| seen.insert((platform.id.clone(), *arch)));
        targets
            .into_iter()
            .map(|(platform, arch)| self.target(platform, arch))
            .collect()
    }

    /// The architectures of a platform for which nobody names one with it: the command line's, else those of
    /// its table in the configuration, else the project's, else this machine's.
    fn architectures(&self, common: &Common, platform: &Platform) -> Result<Vec<Arch>> {
        let over = self.config.platform_override(&platform.id);
        let said = [
            common.arch.clone(),
            over.architectures.unwrap_or_default(),
            self.config.architectures.clone(),
        ];
        match said.into_iter().find(|list| !list.is_empty()) {
            Some(list) => Ok(list),
            None => Ok(vec![host_architecture()?]),
        }
    }

    fn target<'a>(&'a self, platform: &'a Platform, arch: Arch) -> Result<Target<'a>> {
        Ok(Target {
            platform,
            arch,
            context: self.table.context(platform)?,
            pythons: self.table.pythons(),
        })
    }

    /// The plan for some platforms, whose images can hold what is copied into them. What makes the bundles that
    /// bring their Python is decided by the configuration alone, so that it is the same whatever is asked for.
    fn plan(&self, metadata: Option<&ProjectMetadata>, targets: Vec<Target<'_>>) -> Result<Plan> {
        let plan = |targets| plan::plan(&self.config, &self.inputs, metadata, targets);
        let mut planned = plan(targets)?;
        let brings = |platform: &PlatformPlan| platform.python.standalone.is_some();
        if planned.platforms.iter().any(brings) {
            let made_on = self.config.made_on.as_ref();
            let names = made_on.map_or(self.config.platforms.as_slice(), std::slice::from_ref);
            let archs = planned.platforms.iter().map(PlatformPlan::arch);
            let archs: std::collections::BTreeSet<Arch> = archs.collect();
            let mut makers = Vec::new();
            for name in names {
                let platform = self.table.find(name)?;
                for arch in &archs {
                    makers.push(self.target(platform, *arch)?);
                }
            }
            let makers = plan(makers)?;
            planned
                .share(&makers.platforms, made_on.is_some())
                .map_err(|error| self.config.places.locate(error))?;
        }
        for image in planned.platforms.iter().flat_map(|plan| &plan.images) {
            for line in &image.lines {
                check_destination(image, line)
                    .map_err(|error| self.config.places.locate_text(&line.text, error))?;
            }
        }
        Ok(planned)
    }
}

/// A table of a platform that nobody knows, or under an alias, would silently do nothing.
fn check_overrides(config: &Config, table: &PlatformTable) -> Result<()> {
    for name in config.platform.keys() {
        let id = &table
            .find(name.as_str())
            .map_err(|error| error.context(format!("platform.{name}")))?
            .id;
        if id != name {
            return Err(Error::new(
                Kind::Config,
                format!("platform.{name}: `{name}` is another name of `{id}`"),
            )
            .hint(format!("write `[platform.\"{id}\"]`")));
        }
    }
    let official = config
        .official
        .iter()
        .map(|name| ("official".to_owned(), name));
    let of_images = config.images.iter().flat_map(|(image, table)| {
        let platforms = table.platforms.iter().flatten();
        platforms.map(move |name| (format!("images.{image}.platforms"), name))
    });
    for (place, name) in official.chain(of_images) {
        let found = table
            .find(name.as_str())
            .map_err(|error| error.context(&place))?;
        if found.id != *name {
            let text = format!("{place}: `{name}` is another name of `{}`", found.id);
            return Err(Error::new(Kind::Config, text).hint(format!("write `{}`", found.id)));
        }
    }
    let families = [Family::Debian, Family::Redhat].map(|family| family.to_string());
    let repositories = config.verify.repositories.keys();
    for name in repositories.filter(|name| !families.contains(name)) {
        let known = table
            .find(name)
            .is_ok_and(|found| found.id.as_str() == name);
        if !known {
            return Err(Error::new(
                Kind::Config,
                format!("verify.repository.{name}: this is neither a family nor a platform"),
            )
            .hint("write `[verify.repository.debian]`, `[verify.repository.redhat]` or a platform's name, as `omnibuild platforms` lists it"));
        }
    }
    Ok(())
}

/// The password of an address, or the token that stands in the user's place.
fn secret_of(address: &str) -> Option<&str> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let (credentials, _) = authority.rsplit_once('@')?;
    match credentials.split_once(':') {
        Some((_, password)) if !password.is_empty() => Some(password),
        Some((token, _)) => Some(token),
        None => Some(credentials),
    }
}

/// The day, which decides nothing but which platforms are living.
fn today() -> jiff::civil::Date {
    jiff::Zoned::now().date()
}

/// A time in seconds since 1970, for people.
fn day_and_time(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(
        || seconds.to_string(),
        |timestamp| timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// The architecture of this machine: what is built where nobody names one.
fn host_architecture() -> Result<Arch> {
    Arch::of_this_machine().ok_or_else(|| {
        Error::new(
            Kind::Platform,
            format!("packages can't be built on `{}`", std::env::consts::ARCH),
        )
        .hint("build on amd64 or arm64")
    })
}

/// Where wheels are: where it was said, else in the project if it has a folder for them, else in the
/// user's cache.
fn wheel_folder(said: Option<PathBuf>, root: &Path, cache: &Path) -> PathBuf {
    let own = root.join("wheels-cache");
    match said {
        Some(folder) => folder,
        None if own.is_dir() => own,
        None => cache.join("wheels"),
    }
}

fn cache_folder(environment: &Environment) -> Result<PathBuf> {
    environment.cache.clone().ok_or_else(|| {
        Error::new(Kind::Config, "there is no home folder to keep a cache in")
            .hint("set OMNIBUILD_CACHE_DIR to a folder")
    })
}

/// Does what the command line says.
pub async fn execute(
    command: Command,
    common: &Common,
    options: &crate::cli::BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    match command {
        Command::Build if common.dry_run => forecast::plan(common, options, environment, reporter),
        Command::Plan => forecast::plan(common, options, environment, reporter),
        Command::Build => build::build(common, options, environment, reporter).await,
        Command::Verify(asked) => {
            build::verify(common, options, &asked, environment, reporter).await
        }
        Command::Lock { upgrade } => {
            lock::lock(common, options, environment, reporter, upgrade).await
        }
        Command::Licenses { format } => licenses::licenses(common, format, environment, reporter),
        Command::Vulnerabilities { database } => {
            vulnerabilities::vulnerabilities(common, &database, environment, reporter)
        }
        Command::Init => init::init(common, reporter),
        Command::Diff { old, new, fail_on } => {
            let sides = diff::Sides { old, new };
            diff::diff(common, options, environment, &sides, &fail_on, reporter).await
        }
        Command::Lint { files, fail_on } => {
            lint::lint(common, &files, fail_on, environment, reporter).await
        }
        Command::Doctor => doctor::doctor(common, environment, reporter).await,
        Command::Cache { command } => {
            cache::execute(command, common, options, environment, reporter).await
        }
        Command::Image { command } => {
            images::execute(command, common, options, environment, reporter).await
        }
        Command::Push(asked) if asked.builders => {
            builders::push(common, options, environment, reporter).await
        }
        Command::Push(asked) => push::push(&asked, common, options, environment, reporter).await,
        Command::Python { command } => {
            python::execute(&command, common, environment, reporter).await
        }
        Command::Platforms { command: None } => platforms::list(common, reporter),
        Command::Platforms {
            command: Some(PlatformsCommand::Add { name, like }),
        } => platforms::add(common, &name, &like, reporter),
        Command::Matrix { format } => matrix::matrix(common, format, environment, reporter),
        Command::Completions { shell } => init::completions(shell, reporter),
        Command::Man { folder } => init::manual(&folder, common.dry_run, reporter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_found_in_addresses() {
        for (address, secret) in [
            ("https://jane:s3cret@index.example/simple", Some("s3cret")),
            ("https://tok3n@index.example/simple", Some("tok3n")),
            ("https://tok3n:@index.example/", Some("tok3n")),
            ("jane:s3cret@proxy.example:3128", Some("s3cret")),
            ("https://index.example/a@b", None),
            ("", None),
        ] {
            assert_eq!(secret_of(address), secret, "{address}");
        }
    }
}
