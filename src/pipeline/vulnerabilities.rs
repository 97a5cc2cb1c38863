//! `omnibuild vulnerabilities`: what a local database knows of what was built last.
//!
//! Reads records and the database only; asks no engine and no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use serde::Serialize;

use crate::cli::{Common, Environment};
use crate::config::IgnoredVulnerability;
use crate::error::{Error, Kind, Result};
use crate::inventory::osv::{Advisories, Finding};
use crate::inventory::{Distribution, Ecosystem};
use crate::plan::normalised_name;
use crate::report::Reporter;

use super::{Project, today};

/// A vulnerability, as programs see it.
#[derive(Serialize)]
struct Listed<'i> {
    #[serde(flatten)]
    finding: Finding,
    platforms: Vec<String>,
    ignored: Option<&'i str>,
}

/// Prints the vulnerabilities, and fails with [`Kind::Policy`] when one is not ignored.
pub(super) fn vulnerabilities(
    common: &Common,
    database: &Path,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let inventories = project.inventories(common, reporter)?;
    let distributions = || {
        inventories.iter().flat_map(|inventory| {
            // Advisories of this kind are about names of the index.
            let of_index = |it: &&Distribution| it.ecosystem == Ecosystem::Pypi;
            let all = inventory.distributions.iter().filter(of_index);
            all.map(|distribution| (inventory.target(), distribution))
        })
    };
    let names: BTreeSet<String> = distributions()
        .map(|(_, distribution)| distribution.normalised_name())
        .collect();
    let advisories = Advisories::read(database, &names)?;
    // What several platforms have is one line.
    let mut found: BTreeMap<Finding, Vec<String>> = BTreeMap::new();
    for (platform, distribution) in distributions() {
        for finding in advisories.of(distribution) {
            found.entry(finding).or_default().push(platform.to_string());
        }
    }
    let ignored = &project.config.rules.ignored;
    let listed: Vec<Listed<'_>> = found
        .into_iter()
        .map(|(finding, platforms)| Listed {
            ignored: reason(ignored, &finding, today()),
            finding,
            platforms,
        })
        .collect();
    remind(ignored, &listed, today(), reporter);
    print(&listed, reporter)?;
    judge(&listed)
}

/// Whether an entry of the configuration is about a finding.
fn is_about(entry: &IgnoredVulnerability, finding: &Finding) -> bool {
    let named = finding.ids.contains(&entry.id);
    let name = normalised_name(&finding.distribution);
    named && entry.distribution.as_ref().is_none_or(|only| *only == name)
}

/// Why a finding is borne; `None` when it is not, or not any more.
fn reason<'i>(
    ignored: &'i [IgnoredVulnerability],
    finding: &Finding,
    today: Date,
) -> Option<&'i str> {
    ignored
        .iter()
        .find(|entry| is_about(entry, finding) && entry.until >= today)
        .map(|entry| entry.reason.as_str())
}

/// Says which entries of the configuration have run out, and which are about nothing.
fn remind(
    ignored: &[IgnoredVulnerability],
    listed: &[Listed<'_>],
    today: Date,
    reporter: &Reporter,
) {
    for entry in ignored {
        let id = &entry.id;
        if !listed.iter().any(|one| is_about(entry, &one.finding)) {
            let text = format!("`{id}` is ignored, and nothing has it");
            reporter.warn(
                None,
                &text,
                Some("take it out of `[[vulnerabilities.ignore]]`"),
            );
        } else if entry.until < today {
            let text = format!("`{id}` was ignored until {}: {}", entry.until, entry.reason);
            reporter.warn(None, &text, Some("look at it again"));
        }
    }
}

fn print(listed: &[Listed<'_>], reporter: &Reporter) -> Result<()> {
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|one| {
            let finding = &one.finding;
            let remark = match (&one.ignored, &finding.doubt) {
                (Some(reason), _) => format!("ignored: {reason}"),
                (None, Some(doubt)) => format!("unclear: {doubt}"),
                (None, None) => finding.summary.clone().unwrap_or_default(),
            };
            vec![
                finding.distribution.clone(),
                finding.version.clone(),
                finding.ids.join(" "),
                finding.severity.clone(),
                finding.fixed.join(" "),
                one.platforms.join(" "),
                remark,
            ]
        })
        .collect();
    if rows.is_empty() {
        reporter.note(None, "no known vulnerability");
    }
    let columns = [
        "distribution",
        "version",
        "vulnerability",
        "severity",
        "fixed in",
        "platforms",
        "",
    ];
    reporter.print_table("vulnerabilities", &columns, &rows, &listed)
}

fn judge(listed: &[Listed<'_>]) -> Result<()> {
    let open: Vec<String> = listed
        .iter()
        .filter(|one| one.ignored.is_none())
        .map(|one| {
            let id = one.finding.ids.first().map_or("", String::as_str);
            format!(
                "{} {} ({id})",
                one.finding.distribution, one.finding.version
            )
        })
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Policy,
        format!("known vulnerabilities: {}", open.join(", ")),
    )
    .hint("take a version without it: raise its pin, or run `omnibuild lock --upgrade`")
    .hint("where it does no harm, say why and until when: `[[vulnerabilities.ignore]] id = \"…\", reason = \"…\", until = 2027-03-31`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_borne_until_its_last_day() {
        let finding = Finding {
            distribution: "My.Lib".into(),
            version: "1".into(),
            ids: vec!["PYSEC-1".into(), "CVE-1".into()],
            summary: None,
            severity: "high".into(),
            fixed: Vec::new(),
            doubt: None,
        };
        let entry = |id: &str, distribution: Option<&str>| IgnoredVulnerability {
            id: id.into(),
            reason: "not reached".into(),
            until: jiff::civil::date(2026, 3, 31),
            distribution: distribution.map(str::to_owned),
        };
        let last = jiff::civil::date(2026, 3, 31);
        let check = |entry, day| reason(&[entry], &finding, day).map(str::to_owned);
        assert_eq!(
            check(entry("CVE-1", None), last).as_deref(),
            Some("not reached")
        );
        assert!(check(entry("CVE-1", Some("my-lib")), last).is_some());
        assert_eq!(check(entry("CVE-1", Some("other")), last), None);
        assert_eq!(check(entry("CVE-2", None), last), None);
        assert_eq!(
            check(entry("CVE-1", None), jiff::civil::date(2026, 4, 1)),
            None
        );
    }
}
