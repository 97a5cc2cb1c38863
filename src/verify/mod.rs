//! Installs the packages in a clean container of the platform, runs what they link, imports what
//! they hold, upgrades and removes them.
//!
//! The only way to get a [`Verified`], beside the record that an earlier verification left. Runs the
//! platform's own package manager; the checks are `images/steps/verify.sh` and `verify_bundle.py`.

mod ground;
mod record;
mod requirements;
mod transcript;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::archive::ArchiveWriter;
use crate::audit::{self, Finding};
use crate::base::BaseImage;
use crate::context::{CA_BUNDLE_PATH, Context};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{Exec, with_container};
use crate::error::{CommandFailed, Error, Kind, Result};
use crate::package::{Artifact, Built};
use crate::plan::PlatformPlan;
use crate::report::StageHandle;
use crate::steps::step_script;

pub use self::record::{RECORD_FILE, Record};
pub use self::transcript::{Check, CheckResult};

use self::transcript::Transcript;

/// The scripts, in the order in which they are started.
const SCRIPTS: [&str; 4] = [
    "verify.sh",
    "install_needs.sh",
    "verify_bundle.py",
    "interpreter.py",
];
/// The check that looks at what is installed.
const FINDING_CHECK: &str = "bundle";
/// How many faults an error's message names.
const NAMED_FAULTS: usize = 8;
/// The longest that all checks of a platform may take: a hundred times what the largest bundles took,
/// so that only what hangs meets it.
const LONGEST: Duration = Duration::from_hours(2);

/// Packages in which verification found no fault, with the digests they had.
#[derive(Debug)]
pub struct Verified {
    /// The packages.
    pub packages: Vec<Built>,
    /// What was checked, where and when.
    pub record: Record,
    /// How many commands were run; unknown to a record.
    pub commands: Option<u64>,
    /// How many modules were imported; unknown to a record.
    pub modules: Option<u64>,
}

impl Verified {
    /// What an earlier verification recorded of these packages in `folder`, if the files are still
    /// those.
    pub fn recall(folder: &Path, packages: &[Built]) -> Option<Self> {
        let record = record::find(folder, packages)?;
        Some(Self {
            packages: packages.to_vec(),
            record,
            commands: None,
            modules: None,
        })
    }

    /// Whether a verification of today would ask the same.
    pub fn is_current(&self, plan: &PlatformPlan, base: &BaseImage) -> bool {
        self.record.asked == asked(plan, &self.packages) && self.record.base == base.identity
    }

    /// In a few words.
    pub fn describe(&self) -> String {
        let count = |number: u64, what: &str| {
            let end = if number == 1 { "" } else { "s" };
            format!("{number} {what}{end}")
        };
        let mut parts = vec!["installed".to_owned()];
        if let (Some(commands), Some(modules)) = (self.commands, self.modules) {
            parts.push(format!("{} run", count(commands, "command")));
            parts.push(format!("{} imported", count(modules, "module")));
        }
        if self.passed("upgrade") {
            parts.push("upgraded".to_owned());
        }
        parts.push("removed".to_owned());
        parts.join(", ")
    }

    fn passed(&self, name: &str) -> bool {
        let mut checks = self.record.checks.iter();
        checks.any(|check| check.name == name && check.result == CheckResult::Passed)
    }
}

/// What is to be verified.
pub struct Request<'a> {
    /// The packages of one build.
    pub packages: Vec<Built>,
    /// Where they are, and where the record goes.
    pub folder: &'a Path,
    /// Packages of an earlier version to upgrade from; none: that is not checked.
    pub previous: Vec<PathBuf>,
    /// Where those came from, for the record.
    pub previous_from: Option<String>,
}

/// Verifies packages and leaves a record of it beside them.
pub async fn verify(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    base: &BaseImage,
    request: Request<'_>,
) -> Result<Verified> {
    let needs = Built::needs(&request.packages);
    let image = ground::ensure(context, plan, base, &needs).await?;
    let (archive, previous) = pack(context, plan, &request, &needs)?;
    let exec = Exec::new(["/bin/sh", "/omnibuild/verify.sh"])
        .arg(plan.family.to_string())
        .arg(&plan.bundle.prefix);
    let transcript = Mutex::new(Transcript::new());
    let watch = |line: &str| {
        let mut transcript = transcript.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = transcript.line(line) {
            stage.message(check);
        }
    };
    let ended = with_container(
        context.engine,
        context.report,
        &context.online(&image),
        async |container| {
            container.upload("/", &archive).await?;
            Ok(within(LONGEST, container.watch(&exec, &watch)).await)
        },
    )
    .await?;
    let mut transcript = transcript
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let refused = judge_findings(context, plan, &mut transcript)?;
    check_requirements(context, &mut transcript);
    let command = match ended {
        Ok(()) => None,
        Err(error) => match error.failed_command() {
            Some(command) => Some(command.clone()),
            None => return Err(error),
        },
    };
    if !transcript.faults.is_empty() || !transcript.done {
        let error = failure(&transcript, command);
        return Err(match refused {
            Some(finding) => error.hint(finding.how_to_allow()),
            None => error,
        });
    }
    let packages = request.packages;
    let record = Record {
        packages: packages
            .iter()
            .map(|package| package.artifact.clone())
            .collect(),
        platform: plan.id.platform().clone(),
        arch: plan.arch(),
        base: base.identity.clone(),
        asked: asked(plan, &packages),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        previous_from: request.previous_from.filter(|_| !previous.is_empty()),
        previous,
        checks: transcript.checks,
    };
    record::put(request.folder, record.clone())?;
    Ok(Verified {
        packages,
        record,
        commands: Some(transcript.commands),
        modules: Some(transcript.modules),
    })
}

/// What a verification answers, if it does in time.
async fn within(limit: Duration, checks: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::time::timeout(limit, checks).await.unwrap_or_else(|_elapsed| {
        let minutes = limit.as_secs() / 60;
        let text = format!("the verification does not end within {minutes} minutes");
        Err(Error::new(Kind::Verify, text)
            .hint("a command or module of the bundle hangs, or what installs the packages does: the log's last lines say which"))
    })
}

/// All that goes into the container, and the earlier packages in it.
fn pack(
    context: &Context<'_>,
    plan: &PlatformPlan,
    request: &Request<'_>,
    needs: &str,
) -> Result<(tempfile::TempPath, Vec<Artifact>)> {
    let mut archive = ArchiveWriter::new(0)?;
    for script in SCRIPTS {
        archive.bytes(&format!("omnibuild/{script}"), 0o755, &step_script(script))?;
    }
    archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &context.ca_bundle()?)?;
    let settings = settings(plan, &request.packages);
    archive.bytes(
        "omnibuild/settings.json",
        0o644,
        settings.to_string().as_bytes(),
    )?;
    let names: Vec<&str> = request
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    archive.bytes("omnibuild/names", 0o644, names.join(" ").as_bytes())?;
    archive.bytes("omnibuild/needs", 0o644, needs.as_bytes())?;
    let state = plan.packages.iter().flat_map(|package| &package.state);
    let lines = |kept: bool| {
        let folders = state.clone().filter(|folder| folder.kept || !kept);
        folders.fold(String::new(), |lines, folder| lines + &folder.path + "\n")
    };
    archive.bytes("omnibuild/state", 0o644, lines(false).as_bytes())?;
    archive.bytes("omnibuild/kept-state", 0o644, lines(true).as_bytes())?;
    for package in &request.packages {
        let name = &package.artifact.file_name;
        let place = format!("omnibuild/packages/{name}");
        archive.file(&place, 0o644, &request.folder.join(name))?;
    }
    archive.folder("omnibuild/previous")?;
    let mut previous = Vec::new();
    for path in &request.previous {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&format!("omnibuild/previous/{name}"), 0o644, path)?;
        previous.push(Artifact {
            file_name: name.into_owned(),
            size: fs_err::metadata(path)?.len(),
            digest: Digest::of_file(path)?,
        });
    }
    Ok((archive.finish()?, previous))
}

/// What the checks of the bundle are told.
fn settings(plan: &PlatformPlan, packages: &[Built]) -> serde_json::Value {
    let links: Vec<&String> = packages.iter().flat_map(|package| &package.links).collect();
    let commands: Vec<_> = plan
        .verify
        .commands
        .iter()
        .map(|(command, status)| serde_json::json!({ "command": command, "status": status }))
        .collect();
    serde_json::json!({
        "prefix": plan.bundle.prefix,
        "distribution": plan.bundle.distribution,
        "links": links,
        "commands": commands,
        "skip_imports": plan.verify.skip_imports,
    })
}

/// The digest of what is asked for: another one makes a new verification.
fn asked(plan: &PlatformPlan, packages: &[Built]) -> Digest {
    let scripts = SCRIPTS.map(|script| (script, Digest::of(step_script(script)).to_string()));
    let allowed = plan.audit.allow.iter().map(|allowance| {
        let check = allowance.check.map_or("every check", audit::Check::key);
        format!("{check}: {}\n", allowance.path)
    });
    KeyBuilder::new("verification", 1)
        .field("settings", settings(plan, packages).to_string())
        .field("allowed", allowed.collect::<String>())
        .fields("script ", scripts)
        .finish()
        .digest
}

/// Makes faults of what the project does not allow, and notes of what it does; answers the first
/// that is refused.
fn judge_findings(
    context: &Context<'_>,
    plan: &PlatformPlan,
    transcript: &mut Transcript,
) -> Result<Option<Finding>> {
    let mut findings = std::mem::take(&mut transcript.findings);
    findings.retain(|finding| !is_configured(plan, finding));
    let judged = plan.audit.judge(findings)?;
    for finding in &judged.allowed {
        let text = format!("allowed: `{}` {}", finding.path, finding.what);
        context.report.output_line(&text);
        transcript.note_of(FINDING_CHECK, text);
    }
    for finding in &judged.refused {
        let (path, what) = (finding.path.escape_debug(), &finding.what);
        let text = format!("`{path}` {what} ({})", finding.check);
        context.report.output_line(&format!("refused: {text}"));
        transcript.fault_of(FINDING_CHECK, text);
    }
    Ok(judged.refused.into_iter().next())
}

/// Whether a file of a package has the mode that the configuration gives it.
fn is_configured(plan: &PlatformPlan, finding: &Finding) -> bool {
    let bits = match finding.check {
        audit::Check::Setuid => 0o6000,
        audit::Check::WorldWritable => 0o002,
        _ => return false,
    };
    let mut entries = plan.packages.iter().flat_map(|package| &package.entries);
    entries.any(|entry| entry.path == finding.path && entry.mode & bits != 0)
}

fn check_requirements(context: &Context<'_>, transcript: &mut Transcript) {
    let Some(interpreter) = &transcript.interpreter else {
        return;
    };
    for fault in requirements::unsatisfied(&transcript.installed, interpreter) {
        context.report.output_line(&format!("refused: {fault}"));
        transcript.fault_of("requirements", fault);
    }
}

/// The faults, or else where the script stopped.
fn failure(transcript: &Transcript, command: Option<CommandFailed>) -> Error {
    let faults = &transcript.faults;
    let message = match faults.as_slice() {
        [] => {
            let check = transcript
                .checks
                .last()
                .map_or("start", |check| &check.name);
            format!("the script stopped in `{check}`")
        }
        [fault] => fault.clone(),
        _ => {
            let named = faults.iter().take(NAMED_FAULTS).cloned();
            let more = faults.len().saturating_sub(NAMED_FAULTS);
            let mut lines: Vec<String> = named.collect();
            if more > 0 {
                lines.push(format!("and {more} more, in the log"));
            }
            format!("{} faults:\n  {}", faults.len(), lines.join("\n  "))
        }
    };
    let mut error = Error::new(Kind::Verify, format!("verification: {message}"));
    if let Some(mut command) = command {
        // What a reader needs of these is in the message.
        let own = |line: &String| line.starts_with("verify: ");
        command.last_lines.retain(|line| !own(line));
        error = error.command(command);
    }
    if faults.iter().any(|fault| fault.starts_with("`import ")) {
        error = error.hint("a module that can't be imported on a machine without a display or a service is listed with the reason in `[verify] skip-imports`");
    }
    error.hint(
        "the packages are in place and not verified; the log has what the package manager said",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_end_is_ended() {
        let hangs = std::future::pending::<Result<()>>();
        let error = within(Duration::ZERO, hangs).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Verify);
        within(LONGEST, async { Ok(()) }).await.unwrap();
    }
}
