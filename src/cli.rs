//! The command line and the environment. The help text here is the manual.
//!
//! The only place, beside the engine's connection, that reads environment variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;
use crate::error::Kind;

/// Ship a Python application as native packages, built in containers.
///
/// Without a command it builds: for each platform it makes a builder image, the wheels of the
/// project and of all it needs, a virtual environment in /opt/<name>, and packages of it.
#[derive(Debug, Parser)]
#[command(name = "omnibuild", version, max_term_width = 100, after_long_help = exit_codes(), args_conflicts_with_subcommands = false, subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to do; to build, when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
    /// Options of building.
    #[command(flatten)]
    pub build: BuildOptions,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The project's folder.
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".")]
    pub project: PathBuf,
    /// Platforms, by name or alias; repeat it or write a comma list. Empty: those the project lists.
    #[arg(
        long,
        short = 's',
        global = true,
        env = "SYSBASE",
        value_name = "PLATFORM",
        value_delimiter = ','
    )]
    pub sysbase: Vec<String>,
    /// Every platform, those past their end of life too.
    #[arg(long, global = true)]
    pub all: bool,
    /// The packages' version, in place of the project's.
    #[arg(long, global = true, value_name = "VERSION")]
    pub tag: Option<String>,
    /// Where wheels are cached [default: wheels-cache in the project if it is there, else the user's cache].
    #[arg(long, global = true, env = "WHEEL_DIR", value_name = "FOLDER")]
    pub wheel_dir: Option<PathBuf>,
    /// The engine: unix://, tcp://, https:// or ssh:// [default: DOCKER_HOST, the Docker context, a local socket].
    #[arg(long, short = 'H', global = true, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Certificates (PEM) that every stage with a network trusts.
    #[arg(long, global = true, env = "SSL_CERT_FILE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// The mirror that base images are bootstrapped from where no registry answers.
    #[arg(long, global = true, env = "OMNIBUILD_MIRROR", value_name = "URL")]
    pub mirror: Option<String>,
    /// The package index (PEP 503).
    #[arg(
        long,
        global = true,
        env = "PIP_INDEX_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub index_url: Option<String>,
    /// The engine's network for stages that need one, such as `host`.
    #[arg(long, global = true, env = "OMNIBUILD_NETWORK", value_name = "NAME")]
    pub network: Option<String>,
    /// Write events and results as JSON, one object a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// Show what commands print while they run.
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say what would be done, and change nothing.
    #[arg(long, short = 'n', global = true)]
    pub dry_run: bool,
}

/// Options of building.
#[derive(Debug, Clone, Args)]
pub struct BuildOptions {
    /// How many platforms at a time [default: what cores and memory allow].
    #[arg(long, short = 'j', global = true, value_name = "NUMBER")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Stop every platform when one fails.
    #[arg(long, global = true)]
    pub fail_fast: bool,
    /// Only the platforms that failed last time.
    #[arg(long, global = true)]
    pub failed: bool,
    /// Install, run and remove the packages in a clean container.
    #[arg(long, global = true)]
    pub verify: bool,
    /// Look for newer base images, in place of those that were recorded.
    #[arg(long, global = true)]
    pub refresh_base: bool,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Build the packages (what happens without a command, too).
    Build,
    /// Say what a build would do on each platform, and why.
    Plan,
    /// Install, run and remove the packages that were built last, in clean containers.
    Verify,
    /// Write down every distribution of the platforms' closures with its URL and SHA-256 (PEP 751).
    ///
    /// Builds take what `pylock.toml` says and nothing else. A platform whose closure differs has
    /// a `pylock.<platform>.toml` of its own.
    Lock {
        /// Take the newest versions that will do, in place of those that were chosen before.
        #[arg(long)]
        upgrade: bool,
    },
    /// Write a commented configuration for the project.
    Init,
    /// Check the engine, disk, mirror, index and certificates, and say what to do.
    Doctor,
    /// List the platforms with the end of their support.
    Platforms,
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

/// What the environment says beside the options.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<String>,
    /// Proxy variables that are set.
    pub proxies: BTreeMap<String, String>,
    /// `NO_COLOR`: no colours, please.
    pub no_color: bool,
    /// `CI`: no terminal tricks.
    pub ci: bool,
    /// `OMNIBUILD_CACHE_DIR`, else the user's cache folder (`XDG_CACHE_HOME`).
    pub cache: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut proxies = BTreeMap::new();
        for name in ["http_proxy", "https_proxy", "no_proxy", "all_proxy"] {
            for name in [name.to_owned(), name.to_uppercase()] {
                if let Some(value) = set(&name) {
                    proxies.insert(name, value);
                }
            }
        }
        let cache = set("OMNIBUILD_CACHE_DIR").map(PathBuf::from).or_else(|| {
            let folders = directories::ProjectDirs::from("", "", "omnibuild")?;
            Some(folders.cache_dir().to_owned())
        });
        Self {
            source_date_epoch: set("SOURCE_DATE_EPOCH"),
            proxies,
            no_color: set("NO_COLOR").is_some(),
            ci: set("CI").is_some(),
            cache,
        }
    }
}

impl Common {
    /// The platforms that were named; an empty `SYSBASE` names none.
    pub fn platforms(&self) -> Vec<&str> {
        self.sysbase
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The values that win over the configuration.
    pub fn overrides(&self, environment: &Environment) -> Overrides {
        let given =
            |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let from_here = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Overrides {
            version: self.tag.clone(),
            wheel_dir: given(&self.wheel_dir).map(from_here),
            ca_bundle: given(&self.ca_bundle).map(from_here),
            mirror: self.mirror.clone().filter(|mirror| !mirror.is_empty()),
            network: self.network.clone().filter(|network| !network.is_empty()),
            index_url: self.index_url.clone().filter(|url| !url.is_empty()),
            proxies: environment.proxies.clone(),
        }
    }
}

fn exit_codes() -> String {
    let codes = Kind::ALL.map(|kind| format!("  {:>3}  {}\n", kind.exit_code(), kind.meaning()));
    format!(
        "Exit codes:\n    0  everything that was asked for is done\n{}\n\
         When platforms fail for different reasons, the code is that of the first in the table.\n\n\
         Environment: SYSBASE, WHEEL_DIR, DOCKER_HOST, DOCKER_CONTEXT, SSL_CERT_FILE, OMNIBUILD_MIRROR,\n\
         OMNIBUILD_NETWORK, OMNIBUILD_CACHE_DIR, PIP_INDEX_URL, SOURCE_DATE_EPOCH, NO_COLOR, CI and the\n\
         proxy variables.",
        codes.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn platforms_come_as_a_list_or_repeated() {
        let parse = |words: &[&str]| {
            let words = [&["omnibuild"], words].concat();
            let cli = Cli::try_parse_from(words).unwrap();
            cli.common
                .platforms()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(parse(&["--sysbase", "a,b", "-s", "c"]), ["a", "b", "c"]);
        assert_eq!(parse(&["--sysbase", ""]), Vec::<String>::new());
        assert_eq!(parse(&["plan", "--sysbase", "a"]), ["a"]);
    }
}
