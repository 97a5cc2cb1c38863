//! `omnibuild doctor`: checks what builds need, and says what to do about each that is missing.
//!
//! Changes nothing, but for a small object that it writes to a remote cache.

use std::process::Command;

use crate::cli::{Common, Environment};
use crate::config::{AnyFolder, PlatformTable};
use crate::context::Caches;
use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::report::{Reporter, human_size};
use crate::wheels::Remote;

use super::run::configured;

/// Less free space than this, in bytes, is worth a word: a builder image has half of it.
const ENOUGH_SPACE: u64 = 5 << 30;

struct Check {
    what: &'static str,
    good: bool,
    found: String,
    advice: String,
}

/// Checks engine, disk, bootstrap tool, index and certificates. An error when one is bad.
pub async fn doctor(common: &Common, environment: &Environment, reporter: &Reporter) -> Result<()> {
    let cache = super::cache_folder(environment)?;
    let mut checks = vec![engine(common, &cache).await];
    checks.push(space("cache", &cache));
    checks.push(space("project", &common.project));
    let bootstrap = bootstrap();
    let has_tool = bootstrap.advice.is_empty();
    checks.push(bootstrap);
    checks.push(mirror(common, has_tool)?);
    checks.push(certificates(common));
    checks.push(index(common));
    checks.extend(remote(common, environment, reporter).await?);
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let result = if check.good { "good" } else { "bad" };
            vec![
                check.what.to_owned(),
                result.to_owned(),
                check.found.clone(),
                check.advice.clone(),
            ]
        })
        .collect();
    reporter.print_listing("doctor", &["check", "result", "found", "what to do"], &rows);
    let bad: Vec<&str> = checks
        .iter()
        .filter(|check| !check.good)
        .map(|check| check.what)
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    let kind = if bad.contains(&"engine") {
        Kind::Engine
    } else {
        Kind::Network
    };
    Err(
        Error::new(kind, format!("not in order: {}", bad.join(", ")))
            .hint("the table says what to do about each"),
    )
}

async fn engine(common: &Common, cache: &std::path::Path) -> Check {
    let caches = Caches::new(cache, cache.to_owned());
    let about = async {
        let engines = AnyFolder::read(&common.project)?.engines;
        let arch = super::host_architecture()?;
        let connected = engine::connect(engine::Choice {
            kind: common.engine,
            address: common.host.as_deref(),
            configured: configured(&engines, arch),
            is_for_other_machine: false,
            store: &caches.sandbox(),
        })
        .await?;
        Ok::<_, Error>((connected.engine.about().await?, connected.why))
    };
    match about.await {
        Ok((about, why)) => Check {
            what: "engine",
            good: true,
            found: match about.api_version {
                Some(version) => format!(
                    "{} {} at {}, API {version}",
                    about.name, about.version, about.address
                ),
                None => format!("{} {} in {}", about.name, about.version, about.address),
            },
            advice: why.or(about.limits).unwrap_or_default(),
        },
        Err(error) => Check {
            what: "engine",
            good: false,
            found: error.message().to_owned(),
            advice: error.hints().join("; "),
        },
    }
}

fn space(what: &'static str, folder: &std::path::Path) -> Check {
    let there = folder
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(folder);
    let there = if there.as_os_str().is_empty() {
        std::path::Path::new(".")
    } else {
        there
    };
    match rustix::fs::statvfs(there) {
        Ok(facts) => {
            let free = facts.f_bavail * facts.f_frsize;
            let good = free >= ENOUGH_SPACE;
            let advice = if good {
                String::new()
            } else {
                format!("make room on the file system of `{}`", there.display())
            };
            Check {
                what,
                good,
                found: format!("{} free at `{}`", human_size(free), there.display()),
                advice,
            }
        }
        Err(error) => Check {
            what,
            good: false,
            found: error.to_string(),
            advice: format!("check `{}`", there.display()),
        },
    }
}

fn bootstrap() -> Check {
    let found = Command::new("mmdebstrap").arg("--version").output();
    match found {
        Ok(output) => Check {
            what: "bootstrap",
            good: true,
            found: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            advice: String::new(),
        },
        Err(_) => Check {
            what: "bootstrap",
            good: true,
            found: "mmdebstrap is not installed; bases must come from a registry".to_owned(),
            advice: "where no registry answers: `apt-get install mmdebstrap`".to_owned(),
        },
    }
}

/// Asks the mirror of a platform that can be bootstrapped with the keys of this machine.
fn mirror(common: &Common, has_tool: bool) -> Result<Check> {
    let what = "mirror";
    let not_tried = |found: &str| Check {
        what,
        good: true,
        found: format!("not tried: {found}"),
        advice: String::new(),
    };
    let table = PlatformTable::load(&common.project)?;
    let mut platforms = Vec::new();
    for name in common.platforms() {
        platforms.push(table.find(name)?);
    }
    if platforms.is_empty() {
        platforms.extend(
            table
                .all()
                .filter(|platform| platform.is_living(super::today())),
        );
    }
    let Some((platform, bootstrap)) = platforms.into_iter().find_map(|platform| {
        let bootstrap = platform
            .bootstrap
            .as_ref()
            .filter(|bootstrap| bootstrap.has_keys())?;
        Some((platform, bootstrap))
    }) else {
        return Ok(not_tried(
            "no platform is bootstrapped with keys of this machine",
        ));
    };
    if !has_tool {
        return Ok(not_tried("mmdebstrap is not installed"));
    }
    let mirror = common.mirror.as_deref().filter(|mirror| !mirror.is_empty());
    let name = mirror.unwrap_or("the tool's default mirror");
    Ok(
        match bootstrap.try_mirror(super::host_architecture()?, mirror) {
            Ok(()) => Check {
                what,
                good: true,
                found: format!("{name} answers for {}", platform.id),
                advice: String::new(),
            },
            Err(error) => Check {
                what,
                good: false,
                found: error.message().to_owned(),
                advice: format!(
                    "{name} serves no {}: check the network and the proxy variables, or name another in --mirror",
                    platform.id
                ),
            },
        },
    )
}

fn certificates(common: &Common) -> Check {
    let what = "certificates";
    match &common.ca_bundle {
        None => Check {
            what,
            good: true,
            found: "those of the images".to_owned(),
            advice: String::new(),
        },
        Some(path) => {
            let count = fs_err::read_to_string(path)
                .map_or(0, |text| text.matches("BEGIN CERTIFICATE").count());
            let good = count > 0;
            let advice = if good {
                String::new()
            } else {
                "name a PEM file in --ca-bundle or SSL_CERT_FILE".to_owned()
            };
            Check {
                what,
                good,
                found: format!("{count} in `{}`", path.display()),
                advice,
            }
        }
    }
}

/// Reads from the remote cache, where there is one, and writes to it if that is allowed.
async fn remote(
    common: &Common,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<Option<Check>> {
    let overrides = common.overrides(environment);
    let folder = AnyFolder::read(&common.project)?;
    let ca_bundle = overrides.ca_bundle.or(folder.ca_bundle.clone());
    let Some(config) = folder.remote(&common.project, overrides.cache)? else {
        return Ok(None);
    };
    let address = super::secret_of(&config.address);
    address
        .into_iter()
        .chain(config.access.secrets())
        .for_each(|secret| reporter.redact(secret));
    let proxies = overrides.proxies.into_iter();
    let settings = super::run::remote_settings(&config, ca_bundle, proxies);
    let probe = Remote::open(settings, reporter)?.probe().await;
    let write = match &probe.write {
        None => "is not written to".to_owned(),
        Some(Ok(())) => "can be written".to_owned(),
        Some(Err(why)) => format!("can't be written: {why}"),
    };
    let read = match &probe.read {
        Ok(()) => "can be read".to_owned(),
        Err(why) => format!("can't be read: {why}"),
    };
    let good = probe.read.is_ok() && !matches!(probe.write, Some(Err(_)));
    let advice = if good {
        ""
    } else {
        "check the address, the credentials and what they allow; `--cache-read-only` where nothing is to be written"
    };
    let found = format!("{read}, {write} (scope {})", config.scope);
    Ok(Some(Check {
        what: "remote cache",
        good,
        found: reporter.redacted(&found),
        advice: advice.to_owned(),
    }))
}

/// Asks pip of this machine, where there is one, for a distribution that every index has.
fn index(common: &Common) -> Check {
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--retries",
        "0",
        "--timeout",
        "10",
    ]);
    command.args(["download", "--quiet", "--no-deps", "--dest"]);
    let what = "index";
    let Ok(folder) = tempfile::tempdir() else {
        return Check {
            what,
            good: false,
            found: "no temporary folder".to_owned(),
            advice: "check TMPDIR".to_owned(),
        };
    };
    command
        .arg(folder.path())
        .arg("wheel")
        .env_remove("PIP_FIND_LINKS");
    if let Some(url) = &common.index_url {
        command.args(["--index-url", url]);
    }
    match command.output() {
        Ok(output) if output.status.success() => Check {
            what,
            good: true,
            found: "answers".to_owned(),
            advice: String::new(),
        },
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if text.contains("No module named pip") {
                return Check {
                    what,
                    good: true,
                    found: "not tried: this machine has no pip".to_owned(),
                    advice: String::new(),
                };
            }
            let last = text.lines().last().unwrap_or_default().to_owned();
            Check {
                what,
                good: false,
                found: last,
                advice: "check the network, the proxy variables, --index-url and --ca-bundle"
                    .to_owned(),
            }
        }
        Err(_) => Check {
            what,
            good: true,
            found: "not tried: this machine has no Python".to_owned(),
            advice: String::new(),
        },
    }
}
