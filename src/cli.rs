//! The command line and the environment. The help text here is the manual.
//!
//! The only place, beside the engine's connection, that reads environment variables.

mod cache;
mod environment;
mod images;
mod python;
mod values;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};

use crate::config::{
    Arch, CacheOverrides, Channel, EngineKind, IndexOverrides, Overrides, SigningOverrides,
    SshOverrides,
};
use crate::error::Kind;

pub use self::cache::CacheCommand;
pub use self::environment::Environment;
pub use self::images::{ImageCommand, ImageFormat, PushOptions};
pub use self::python::{PythonCommand, PythonOptions};
use self::values::{architecture, number};

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
    /// Platforms, by name or alias, such as `debian-12`, or `debian-12/arm64` for one architecture; repeat it or write a comma list. Empty: those the project lists.
    #[arg(
        long,
        short = 's',
        global = true,
        env = "SYSBASE",
        value_name = "PLATFORM",
        value_delimiter = ','
    )]
    pub sysbase: Vec<String>,
    /// Architectures, amd64 or arm64; repeat it or write a comma list [default: the configuration's, else this machine's].
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',', value_parser = architecture)]
    pub arch: Vec<Arch>,
    /// Every platform, those past their end of life too.
    #[arg(long, global = true)]
    pub all: bool,
    /// The packages' version, in place of the project's.
    #[arg(long, global = true, value_name = "VERSION")]
    pub tag: Option<String>,
    /// Where wheels are cached [default: wheels-cache in the project if it is there, else the user's cache].
    #[arg(long, global = true, env = "WHEEL_DIR", value_name = "FOLDER")]
    pub wheel_dir: Option<PathBuf>,
    /// What makes containers: `auto` is Docker or Podman where one is named or answers, else the sandbox.
    #[arg(
        long,
        global = true,
        env = "OMNIBUILD_ENGINE",
        value_enum,
        value_name = "KIND",
        default_value_t,
        hide_possible_values = true
    )]
    pub engine: EngineKind,
    /// The engine's address: unix://, tcp://, https:// or ssh:// [default: DOCKER_HOST, DOCKER_CONTEXT, `engines` in the configuration, the current Docker context, a local socket].
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
    /// Lend the ssh-agent at SSH_AUTH_SOCK to the stage that fetches and builds dependencies.
    #[arg(long, global = true)]
    pub ssh_agent: bool,
    /// The engine's network for stages that need one, such as `host`.
    #[arg(long, global = true, env = "OMNIBUILD_NETWORK", value_name = "NAME")]
    pub network: Option<String>,
    /// The remote cache of wheels: s3://bucket/prefix, gs://…, https://… or file:///…; empty: none.
    #[arg(
        long,
        global = true,
        env = "OMNIBUILD_CACHE_REMOTE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub cache_remote: Option<String>,
    /// Take wheels from the remote cache, and put none there.
    #[arg(long, global = true, env = "OMNIBUILD_CACHE_READ_ONLY", value_parser = FalseyValueParser::new())]
    pub cache_read_only: bool,
    /// The part of the remote cache that is written to and read first, such as `pr-12` [default: main].
    #[arg(
        long,
        global = true,
        env = "OMNIBUILD_CACHE_SCOPE",
        value_name = "NAME"
    )]
    pub cache_scope: Option<String>,
    /// Whom packages are for: fast for tests, small for releases [default: standard].
    #[arg(long, global = true, value_name = "CHANNEL")]
    pub channel: Option<Channel>,
    /// Leave packages unsigned, whatever the configuration says.
    #[arg(long, global = true)]
    pub no_sign: bool,
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
    #[arg(long, short = 'j', global = true, value_name = "NUMBER", value_parser = number, allow_negative_numbers = true)]
    pub jobs: Option<NonZeroUsize>,
    /// Stop every platform when one fails.
    #[arg(long, global = true)]
    pub fail_fast: bool,
    /// Only the platforms that failed last time.
    #[arg(long, global = true)]
    pub failed: bool,
    /// Leave the packages unverified: don't install, run, upgrade and remove them in a clean container.
    #[arg(long, global = true, env = "OMNIBUILD_NO_VERIFY", value_parser = FalseyValueParser::new())]
    pub no_verify: bool,
    /// What builds do since verification is the default; accepted for one release.
    #[arg(long, global = true, hide = true)]
    pub verify: bool,
    /// Push the runtime images when every platform is built and verified.
    #[arg(long, global = true, conflicts_with = "no_verify")]
    pub push: bool,
    /// Look for newer base images, in place of those that were recorded.
    #[arg(long, global = true)]
    pub refresh_base: bool,
}

/// Options of `omnibuild verify`.
#[derive(Debug, Clone, Default, Args)]
pub struct VerifyOptions {
    /// Verify again what a record says is verified.
    #[arg(long)]
    pub again: bool,
    /// Packages of an earlier version to upgrade from: a folder, `repository` or `repository:VERSION`
    /// [default: the last good build of another version, else the newest of the repository below the
    /// packages' own, where one is configured].
    #[arg(long, value_name = "FOLDER", conflicts_with = "rebuild")]
    pub previous: Option<String>,
    /// Build again, elsewhere and otherwise, and compare the packages byte by byte; `=wheels`: make
    /// the wheels again, too.
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "packages")]
    pub rebuild: Option<Rebuild>,
}

/// What is made again to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rebuild {
    /// Everything but wheels that are in the cache.
    Packages,
    /// The wheels too: finds builds of wheels that give other bytes each time.
    Wheels,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Build the packages (what happens without a command, too).
    Build,
    /// Say what a build would do on each platform, and why.
    Plan,
    /// Install, run, upgrade and remove the packages that were built last, in clean containers.
    ///
    /// A record beside the packages says what was checked; while their digests hold and the same would
    /// be asked, they are not verified again.
    Verify(VerifyOptions),
    /// Write down every distribution of the platforms' closures with its URL and SHA-256 (PEP 751).
    ///
    /// Builds take what `pylock.toml` says and nothing else. A platform whose closure differs has
    /// a `pylock.<platform>.toml` of its own.
    Lock {
        /// Take the newest versions that will do, in place of those that were chosen before.
        #[arg(long)]
        upgrade: bool,
    },
    /// Say what two packages, two folders of packages or two versions have differently.
    ///
    /// Distributions, files, scripts, dependencies, fields and sizes; times of files are left out.
    /// In folders packages are matched by name, the highest version counts. Versions are looked up
    /// in the project's `packages` (with --sysbase only in those platforms'). `repository:VERSION`
    /// and `repository` (the newest) are fetched from the repository that `[verify.repository]`
    /// names for the platform of --sysbase. With --all nothing is left out of long lists. Identical
    /// packages are said to be so.
    Diff {
        /// A package, a folder of packages, a version, or `repository:VERSION`.
        old: String,
        /// What to compare it with.
        new: String,
        /// Fail with exit code 18 on these changes; repeat it or write a comma list.
        ///
        /// added, removed, changed, downgraded (distributions and packages), scripts, depends,
        /// files, permissions, and growth: size+20%, size+5M, installed-size+10%.
        #[arg(long, value_name = "CHANGE", value_delimiter = ',')]
        fail_on: Vec<String>,
    },
    /// List the licences of what was built last; exit code 19 when one may not be shipped.
    ///
    /// Which may be is said by `[licenses]` in the configuration.
    Licenses {
        /// A table, or the texts of all licences in one file.
        #[arg(long, value_enum, default_value_t)]
        format: LicensesFormat,
    },
    /// Look up what was built last in a database of known vulnerabilities; exit code 19 for a hit.
    ///
    /// Asks no network. What is known and does no harm is listed in `[[vulnerabilities.ignore]]`.
    Vulnerabilities {
        /// Records of the OSV format: a file, a folder, or PyPI's `all.zip`.
        #[arg(long, value_name = "PATH")]
        database: PathBuf,
    },
    /// Run lintian and rpmlint on packages: those that were built last, or these files.
    ///
    /// The programs run in a container. Tags that can't apply to a bundle under /opt are overridden,
    /// each with a reason; `[lint]` in the configuration adds the project's own overrides.
    Lint {
        /// Package files; with none the last build's.
        files: Vec<PathBuf>,
        /// Fail with exit code 20 on findings as bad as this, or worse.
        #[arg(long, value_enum, default_value_t)]
        fail_on: LintLevel,
    },
    /// Write a commented configuration for the project.
    Init,
    /// Check the engine, disk, mirror, index and certificates, and say what to do.
    Doctor,
    /// List the platforms with the end of their support, or add one to the project.
    Platforms {
        /// What else to do with them.
        #[command(subcommand)]
        command: Option<PlatformsCommand>,
    },
    /// Look at the cache of wheels, care for it, carry it to other machines.
    Cache {
        /// What to do with it.
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Look at the runtime images that builds make, write them to files, give them to an engine.
    Image {
        /// What to do with them.
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// Push the runtime images that were built, when all that were asked for are there and verified.
    ///
    /// Credentials are Docker's: its configuration file and credential helpers. What a registry has is
    /// not sent again; a tag moves when all that it stands for is there.
    Push(PushOptions),
    /// Make a Python of one's own, for platforms whose Python is too old or dead.
    Python {
        /// What to do with it.
        #[command(subcommand)]
        command: PythonCommand,
    },
    /// Print the platforms as a matrix of jobs for continuous integration, as one JSON object.
    Matrix {
        /// Whose matrix.
        #[arg(long, value_enum, default_value_t)]
        format: MatrixFormat,
    },
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

/// What can be done with platforms.
#[derive(Debug, Clone, Subcommand)]
pub enum PlatformsCommand {
    /// Write a table and a Dockerfile for another platform into the project, and say what to check.
    ///
    /// The table goes to the end of platforms.toml, the Dockerfile to images/PLATFORM/. What is there
    /// already is never changed.
    Add {
        /// Its name: the distribution's, `-` and the release, such as ubuntu-26.10.
        name: String,
        /// The platform that it is most like.
        #[arg(long, value_name = "PLATFORM")]
        like: String,
    },
}

/// How licences are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LicensesFormat {
    /// One line for each distribution.
    #[default]
    Table,
    /// A NOTICE file: who has which licence, then every text.
    Notice,
}

/// How bad a finding of lint may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LintLevel {
    /// Only what is against policy fails.
    Error,
    /// What is probably wrong fails too.
    #[default]
    Warning,
    /// Everything fails.
    Info,
}

/// A CI service that has matrices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MatrixFormat {
    /// GitHub: the value of `strategy.matrix`.
    #[default]
    Github,
    /// GitLab: a hidden job `.omnibuild` with `parallel`, for a child pipeline.
    Gitlab,
}

impl BuildOptions {
    /// Whether a build verifies its packages; `--verify` wins over the environment.
    pub fn verifies(&self) -> bool {
        self.verify || !self.no_verify
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
            channel: self.channel,
            wheel_dir: given(&self.wheel_dir).map(from_here),
            ca_bundle: given(&self.ca_bundle).map(from_here),
            mirror: self.mirror.clone().filter(|mirror| !mirror.is_empty()),
            python_mirror: environment.python_mirror.clone(),
            network: self.network.clone().filter(|network| !network.is_empty()),
            index_url: self.index_url.clone().filter(|url| !url.is_empty()),
            ssh: SshOverrides {
                lent: self.ssh_agent,
                socket: environment.ssh_agent.clone(),
                known_hosts: environment.known_hosts.clone(),
            },
            index: IndexOverrides {
                token_file: given(&environment.index_token_file).map(from_here),
                netrc: given(&environment.netrc).map(from_here),
                default_netrc: environment.default_netrc.clone(),
                keyring_provider: environment.keyring_provider.clone(),
            },
            proxies: environment.proxies.clone(),
            cache: CacheOverrides {
                remote: self.cache_remote.clone(),
                read_only: self.cache_read_only,
                scope: self.cache_scope.clone().filter(|scope| !scope.is_empty()),
                key_file: given(&environment.cache_key_file).map(from_here),
                access: environment.access.clone(),
            },
            signing: SigningOverrides {
                never: self.no_sign,
                key: environment.signing_key.clone(),
                key_file: given(&environment.signing_key_file).map(from_here),
                passphrase_file: given(&environment.signing_passphrase_file).map(from_here),
            },
        }
    }
}

fn exit_codes() -> String {
    let codes = Kind::ALL.map(|kind| format!("  {:>3}  {}\n", kind.exit_code(), kind.meaning()));
    format!(
        "Exit codes:\n    0  everything that was asked for is done\n{}\n\
         When platforms fail for different reasons, the code is that of the first in the table.\n\n\
         Environment: SYSBASE, WHEEL_DIR, OMNIBUILD_ENGINE, OMNIBUILD_SANDBOX_DIR, DOCKER_HOST, DOCKER_CONTEXT,\n\
         DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, SSL_CERT_FILE, OMNIBUILD_MIRROR,\n\
         OMNIBUILD_NETWORK, OMNIBUILD_NO_VERIFY, OMNIBUILD_CACHE_DIR, OMNIBUILD_CACHE_REMOTE,\n\
         OMNIBUILD_CACHE_READ_ONLY, OMNIBUILD_CACHE_SCOPE, OMNIBUILD_CACHE_KEY_FILE, AWS_* and GOOGLE_*\n\
         (object stores), OMNIBUILD_SIGNING_KEY, OMNIBUILD_SIGNING_KEY_FILE,\n\
         OMNIBUILD_SIGNING_PASSPHRASE_FILE, PIP_INDEX_URL, OMNIBUILD_INDEX_TOKEN_FILE, NETRC,\n\
         PIP_KEYRING_PROVIDER, SSH_AUTH_SOCK, SOURCE_DATE_EPOCH, NO_COLOR, CI and the proxy variables.",
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
    fn a_number_that_does_not_fit_is_told_what_to_write() {
        let two = Cli::try_parse_from(["omnibuild", "--jobs", "2"]).unwrap();
        assert_eq!(two.build.jobs, NonZeroUsize::new(2));
        let huge = "99999999999999999999999";
        for (words, example) in [
            (&["-j"][..], "`2`"),
            (&["--jobs"], "`2`"),
            (&["cache", "prune", "--older"], "`30d`"),
            (&["cache", "prune", "--max-size"], "`5G`"),
            (&["cache", "prune", "--max-images"], "`5G`"),
        ] {
            for value in ["", "-1", "-1d", "1.5", "many", huge] {
                // Clap takes `-1d` for options where no unit is expected.
                if words.len() == 1 && value == "-1d" {
                    continue;
                }
                let words = [&["omnibuild"], words, &[value]].concat();
                let error = Cli::try_parse_from(&words).unwrap_err().to_string();
                assert!(error.contains(example), "{words:?}: {error}");
            }
        }
        let zero = Cli::try_parse_from(["omnibuild", "--jobs", "0"]).unwrap_err();
        assert!(zero.to_string().contains("from 1 on"), "{zero}");
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
