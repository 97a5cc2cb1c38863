//! `[licenses]` and `[vulnerabilities]`: what may be shipped, and what is known of it and borne.
//!
//! Checks words; evaluates nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

use super::license::check_license;

/// `[licenses]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLicenses {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    distribution: Option<BTreeMap<String, StatedLicense>>,
}

/// `[vulnerabilities]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawVulnerabilities {
    ignore: Option<Vec<RawIgnored>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawIgnored {
    id: String,
    reason: String,
    until: toml::value::Datetime,
    distribution: Option<String>,
}

/// What may be shipped.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Licences.
    pub licenses: LicenseRules,
    /// Vulnerabilities that are known and borne.
    pub ignored: Vec<IgnoredVulnerability>,
}

/// Which licences may be shipped.
#[derive(Debug, Clone, Default)]
pub struct LicenseRules {
    /// These; empty: all that are not denied.
    pub allow: Vec<String>,
    /// Not these.
    pub deny: Vec<String>,
    /// What somebody found out of single distributions, by normalised name.
    pub distributions: BTreeMap<String, StatedLicense>,
}

/// The licence of a distribution, in place of what its metadata says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StatedLicense {
    /// An SPDX expression.
    pub license: String,
    /// Why it is this one.
    pub reason: String,
}

/// A vulnerability that is known and borne for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredVulnerability {
    /// Its identifier, or an alias of it.
    pub id: String,
    /// Why it does no harm here.
    pub reason: String,
    /// The last day on which that holds.
    pub until: jiff::civil::Date,
    /// The normalised name of the only distribution that it is ignored in.
    pub distribution: Option<String>,
}

impl Rules {
    /// What both tables say, checked.
    pub(super) fn check(
        licenses: Option<RawLicenses>,
        vulnerabilities: Option<RawVulnerabilities>,
    ) -> Result<Self> {
        Ok(Self {
            licenses: LicenseRules::check(licenses.unwrap_or_default())?,
            ignored: check_ignored(vulnerabilities.unwrap_or_default())?,
        })
    }
}

impl LicenseRules {
    /// What a table says, checked.
    fn check(raw: RawLicenses) -> Result<Self> {
        let (allow, deny) = (raw.allow.unwrap_or_default(), raw.deny.unwrap_or_default());
        for (key, list) in [("allow", &allow), ("deny", &deny)] {
            let several = |entry: &&String| entry.contains(" OR ") || entry.contains(" AND ");
            if let Some(entry) = list.iter().find(several) {
                return Err(Error::new(
                    Kind::Config,
                    format!("licenses.{key}: `{entry}` is more than one licence"),
                )
                .hint("write one licence an entry, such as `MIT`; expressions are evaluated"));
            }
            if let Some(empty) = list.iter().find(|entry| entry.trim().is_empty()) {
                return Err(Error::new(
                    Kind::Config,
                    format!("licenses.{key}: `{empty}` is no licence"),
                )
                .hint("write an identifier of the SPDX list, such as `BSD-3-Clause`"));
            }
        }
        let mut distributions = BTreeMap::new();
        for (name, stated) in raw.distribution.unwrap_or_default() {
            let place = format!("licenses.distribution.{name}");
            check_license(&format!("{place}.license"), &stated.license)?;
            must_say(&format!("{place}.reason"), &stated.reason)?;
            distributions.insert(normalised(&place, &name)?, stated);
        }
        Ok(Self {
            allow,
            deny,
            distributions,
        })
    }
}

/// What `[vulnerabilities]` says, checked.
fn check_ignored(raw: RawVulnerabilities) -> Result<Vec<IgnoredVulnerability>> {
    let list = raw.ignore.unwrap_or_default().into_iter().enumerate();
    list.map(|(number, raw)| {
        let place = format!("vulnerabilities.ignore[{number}]");
        must_say(&format!("{place}.id"), &raw.id)?;
        must_say(&format!("{place}.reason"), &raw.reason)?;
        let date = raw.until.date.and_then(|date| {
            let year = i16::try_from(date.year).ok()?;
            let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
            jiff::civil::Date::new(year, month, day).ok()
        });
        let until = date.ok_or_else(|| {
            Error::new(
                Kind::Config,
                format!("{place}.until: `{}` is no date", raw.until),
            )
            .hint("write the last day on which it is ignored, such as `until = 2027-03-31`")
        })?;
        let distribution = raw.distribution.as_deref();
        let distribution = distribution
            .map(|name| normalised(&place, name))
            .transpose()?;
        Ok(IgnoredVulnerability {
            id: raw.id,
            reason: raw.reason,
            until,
            distribution,
        })
    })
    .collect()
}

fn must_say(place: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::new(Kind::Config, format!("{place} is empty"))
            .hint("say why, for those who read it in a year"));
    }
    Ok(())
}

fn normalised(place: &str, name: &str) -> Result<String> {
    let parsed: std::result::Result<pep508_rs::PackageName, _> = name.parse();
    parsed.map(|name| name.to_string()).map_err(|error| {
        Error::new(Kind::Config, format!("{place}: `{name}`: {error}"))
            .hint("write the name of a distribution, such as `zope.interface`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_checked() {
        let check = |text: &str| LicenseRules::check(toml::from_str(text).unwrap());
        let good = check(
            "allow = [\"MIT\", \"BSD License\"]\n\
             [distribution.\"Zope.Interface\"]\nlicense = \"ZPL-2.1\"\nreason = \"its file\"\n",
        )
        .unwrap();
        assert_eq!(good.distributions["zope-interface"].license, "ZPL-2.1");
        for (text, message) in [
            ("allow = [\"MIT OR ISC\"]", "`MIT OR ISC` is more than one"),
            ("deny = [\" \"]", "licenses.deny"),
            (
                "[distribution.x]\nlicense = \"mine\"\nreason = \"y\"",
                "`mine` is no SPDX expression",
            ),
            (
                "[distribution.x]\nlicense = \"MIT\"\nreason = \"\"",
                "licenses.distribution.x.reason is empty",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.message().contains(message), "{error}");
        }
    }

    #[test]
    fn what_is_ignored_has_a_reason_and_an_end() {
        let check = |text: &str| check_ignored(toml::from_str(text).unwrap());
        let entry = |more: &str| format!("[[ignore]]\nid = \"CVE-1\"\n{more}");
        let good = check(&entry("reason = \"r\"\nuntil = 2027-03-31\n")).unwrap();
        assert_eq!(good[0].until, jiff::civil::date(2027, 3, 31));
        for (more, message) in [
            (
                "reason = \"\"\nuntil = 2027-03-31",
                "ignore[0].reason is empty",
            ),
            ("reason = \"r\"\nuntil = 10:00:00", "is no date"),
        ] {
            let error = check(&entry(more)).unwrap_err();
            assert!(error.message().contains(message), "{error}");
        }
        let without: std::result::Result<RawVulnerabilities, _> =
            toml::from_str(&entry("reason = \"r\"\n"));
        assert!(without.unwrap_err().message().contains("until"));
    }
}
