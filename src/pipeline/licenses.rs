//! `omnibuild licenses`: the licences of what was built last, and whether they may be shipped.
//!
//! Reads records only, and asks no engine.

use serde::Serialize;

use crate::cli::{Common, Environment, LicensesFormat};
use crate::config::LicenseRules;
use crate::error::{Error, Kind, Result};
use crate::inventory::policy::Rules;
use crate::inventory::{Inventory, License, LicenseSource, notice};
use crate::report::Reporter;

use super::Project;

/// A distribution, as programs see it.
#[derive(Serialize)]
struct Listed<'i> {
    platform: String,
    distribution: &'i str,
    version: &'i str,
    license: Option<&'i str>,
    is_expression: bool,
    source: LicenseSource,
    files: Vec<&'i str>,
    reason: Option<&'i str>,
    violation: Option<String>,
}

/// Prints the licences, and fails with [`Kind::Policy`] when one may not be shipped.
pub(super) fn licenses(
    common: &Common,
    format: LicensesFormat,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let inventories = project.inventories(common, reporter)?;
    let rules = &project.config.rules.licenses;
    let held: Vec<(&Inventory, Vec<License>)> = inventories
        .iter()
        .map(|inventory| (inventory, licenses_of(inventory, rules)))
        .collect();
    let listed: Vec<Listed<'_>> = held
        .iter()
        .flat_map(|(inventory, licenses)| list(inventory, licenses, rules))
        .collect();
    match format {
        LicensesFormat::Table => print(&listed, reporter)?,
        LicensesFormat::Notice => {
            let texts = held
                .iter()
                .map(|(inventory, licenses)| notice::notice(inventory, licenses));
            let mut texts: Vec<String> = texts.collect();
            // Platforms mostly hold the same.
            texts.dedup();
            reporter.print_result("licenses-notice", &texts.join("\n\n"), &texts)?;
        }
    }
    judge(&listed)
}

/// What is held to be the licence of each distribution: what the configuration states, else what
/// its metadata says.
fn licenses_of(inventory: &Inventory, rules: &LicenseRules) -> Vec<License> {
    let distributions = inventory.distributions.iter();
    distributions
        .map(
            |distribution| match rules.distributions.get(&distribution.normalised_name()) {
                Some(stated) => License::expression(&stated.license, LicenseSource::Override),
                None => distribution.license.clone(),
            },
        )
        .collect()
}

fn list<'i>(
    inventory: &'i Inventory,
    licenses: &'i [License],
    rules: &'i LicenseRules,
) -> impl Iterator<Item = Listed<'i>> {
    let policy = Rules {
        allow: &rules.allow,
        deny: &rules.deny,
    };
    let distributions = inventory.distributions.iter().zip(licenses);
    distributions.map(move |(distribution, license)| {
        let stated = rules.distributions.get(&distribution.normalised_name());
        let files = distribution.license_files.iter();
        Listed {
            platform: inventory.target().to_string(),
            distribution: &distribution.name,
            version: &distribution.version,
            license: license.text.as_deref(),
            is_expression: license.is_expression,
            source: license.source,
            files: files.map(|file| file.path.as_str()).collect(),
            reason: stated.map(|stated| stated.reason.as_str()),
            violation: policy.violation(license),
        }
    })
}

fn print(listed: &[Listed<'_>], reporter: &Reporter) -> Result<()> {
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|one| {
            vec![
                one.platform.clone(),
                one.distribution.to_owned(),
                one.version.to_owned(),
                one.license.unwrap_or("unknown").to_owned(),
                one.source.word().to_owned(),
                one.files.len().to_string(),
                one.violation.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        "platform",
        "distribution",
        "version",
        "licence",
        "said by",
        "files",
        "rules",
    ];
    reporter.print_table("licenses", &columns, &rows, &listed)
}

fn judge(listed: &[Listed<'_>]) -> Result<()> {
    let mut against: Vec<String> = listed
        .iter()
        .filter_map(|one| {
            let why = one.violation.as_ref()?;
            let license = one.license.unwrap_or("unknown");
            Some(format!(
                "{} {} ({license}: {why})",
                one.distribution, one.version
            ))
        })
        .collect();
    against.sort();
    against.dedup();
    if against.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Policy,
        format!("licences that may not be shipped: {}", against.join(", ")),
    )
    .hint("add the licence to `[licenses] allow`, or take the distribution out")
    .hint("where the metadata is wrong or vague, state what is right, and why: `[licenses.distribution.NAME] license = \"…\", reason = \"…\"`"))
}
