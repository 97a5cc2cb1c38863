//! The bundle before it is packed: the audit, and what of its findings the project allows.

use crate::audit::{self, Finding, Judged, Scope};
use crate::bundle::Bundle;
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::PlatformPlan;
use crate::report::PlatformReporter;

/// How many findings an error tells; the log has all.
const MOST_TOLD: usize = 12;

/// Everything that the audit finds in a bundle.
pub(super) fn findings(
    plan: &PlatformPlan,
    builder: &BuilderImage,
    bundle: &Bundle,
) -> Vec<Finding> {
    let commands = bundle.entry_points();
    let scope = Scope {
        prefix: &bundle.prefix,
        interpreter: Some(&builder.interpreter.executable),
        machine: plan.arch.machine(),
        commands: &commands,
    };
    audit::audit(bundle.items(), scope)
}

/// Tells the findings; what nobody allows and no distribution would take is an error.
pub(super) fn judge(
    report: &PlatformReporter,
    plan: &PlatformPlan,
    findings: Vec<Finding>,
) -> Result<()> {
    let judged = plan.audit.judge(findings)?;
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
    Err(error.hint(format!(
        "or allow it: `[[audit.allow]]` with `path = \"{}\"`, `check = \"{}\"` and a `reason`",
        first.path, first.check
    )))
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
