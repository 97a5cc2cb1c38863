//! The bundle before it is packed: what it needs of the platform, the audit, and what of the
//! findings the project allows.

use crate::audit::{self, Finding, Judged, Scope};
use crate::bundle::Bundle;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::libraries::{self, Libraries};
use crate::plan::{Dependency, PackageContent, PlatformPlan};
use crate::report::PlatformReporter;

/// How many findings an error tells; the log has all.
const MOST_TOLD: usize = 12;

/// The plan with the dependencies that the bundle's files have; an error when the bundle may not be
/// shipped or could not run.
pub(super) async fn needs(
    context: &Context<'_>,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    bundle: &Bundle,
) -> Result<PlatformPlan> {
    let mut libraries = libraries::ensure(context, plan, builder, bundle).await?;
    let mut findings = audited(plan, builder, bundle);
    findings.append(&mut libraries.findings);
    judge(context.report, plan, findings)?;
    let mut plan = plan.clone();
    for package in &mut plan.packages {
        if !matches!(package.content, PackageContent::Bundle) {
            continue;
        }
        let configured = package
            .depends
            .iter()
            .filter_map(|dependency| match dependency {
                Dependency::Native(text) => Some(text.clone()),
                Dependency::Exactly(_) => None,
            });
        let configured: Vec<String> = configured.collect();
        let added = libraries::beside(&configured, &libraries.depends);
        tell_needs(context.report, &libraries, &added);
        package
            .depends
            .extend(added.into_iter().map(Dependency::Native));
    }
    Ok(plan)
}

/// The log has why; the terminal the packages alone.
fn tell_needs(report: &PlatformReporter, libraries: &Libraries, added: &[String]) {
    for reason in &libraries.reasons {
        let others = match reason.files {
            1 => String::new(),
            files => format!(" and {} more files", files - 1),
        };
        report.output_line(&format!(
            "needs: `{}` of `{}`{others} -> {} -> {}",
            reason.file, reason.origin, reason.library, reason.package
        ));
    }
    for dependency in added {
        report.output_line(&format!("depends: {dependency}"));
    }
    let mut packages: Vec<&str> = libraries
        .reasons
        .iter()
        .map(|reason| reason.package.as_str())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if !packages.is_empty() {
        report.note(&format!(
            "libraries of the platform: {}",
            packages.join(", ")
        ));
    }
}

/// Everything that the audit finds in a bundle.
fn audited(plan: &PlatformPlan, builder: &BuilderImage, bundle: &Bundle) -> Vec<Finding> {
    let commands = bundle.entry_points();
    let scope = Scope {
        prefix: &bundle.prefix,
        interpreter: match plan.python.standalone {
            None => Some(&builder.interpreter.executable),
            // It is in the bundle.
            Some(_) => None,
        },
        machine: plan.arch().machine(),
        commands: &commands,
    };
    audit::audit(bundle.items(), scope)
}

/// Tells the findings; what nobody allows and no distribution would take is an error.
fn judge(report: &PlatformReporter, plan: &PlatformPlan, findings: Vec<Finding>) -> Result<()> {
    let mut judged = plan.audit.judge(findings)?;
    // What is about other folders is for the verification, which sees the packages.
    let prefix = format!("{}/", plan.bundle.prefix);
    let about_bundle = |path: &str| !path.starts_with('/') || path.starts_with(&prefix);
    judged
        .unused
        .retain(|allowance| about_bundle(&allowance.path));
    tell(report, &judged);
    let Some(first) = judged.refused.first() else {
        return Ok(());
    };
    let count = judged.refused.len();
    let mut message = match count {
        1 => "the audit refuses the bundle:".to_owned(),
        _ => format!("the audit refuses the bundle, for {count} reasons:"),
    };
    for finding in judged.refused.iter().take(MOST_TOLD) {
        message.push_str(&format!("\n{finding}"));
    }
    if count > MOST_TOLD {
        message.push_str(&format!("\nand {} more, see the log", count - MOST_TOLD));
    }
    let mut error = Error::new(Kind::Audit, message);
    let mut checks: Vec<_> = judged.refused.iter().map(|finding| finding.check).collect();
    checks.sort();
    checks.dedup();
    for check in checks {
        error = error.hint(format!("{check}: {}", check.hint()));
    }
    Err(error.hint(first.how_to_allow()))
}

fn tell(report: &PlatformReporter, judged: &Judged) {
    for finding in &judged.refused {
        report.output_line(&format!("audit: refused: {finding}"));
    }
    for finding in &judged.allowed {
        report.output_line(&format!("audit: allowed: {finding}"));
    }
    for finding in &judged.warnings {
        report.warn(&finding.to_string(), Some(finding.check.hint()));
    }
    for allowance in &judged.unused {
        let text = format!("audit.allow: `{}` allows nothing", allowance.path);
        report.warn(&text, Some("take the entry out of the configuration"));
    }
}
