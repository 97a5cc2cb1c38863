//! Overrides: a tag, where it may stand, and why. Those that match nothing are told.
//!
//! Pure, but for the shipped data, which is compiled in.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::platform::Format;
use crate::text::PathPattern;

use super::{Finding, Level};

/// The shipped overrides.
const SHIPPED: &str = include_str!("../../images/lint/overrides.toml");

/// `[lint]` of a configuration: what the project overrides beside the shipped overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// The overrides.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

impl Policy {
    /// Refuses overrides without a tag or a reason, and malformed patterns.
    pub fn check(&self) -> Result<()> {
        let mut overrides = self.overrides.iter();
        overrides.try_for_each(|it| it.matcher().map(drop))
    }
}

/// A tag that does not count, where, and why. Patterns are those of a `.gitignore`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Override {
    /// The tag, in the program's word.
    pub tag: String,
    /// A pattern of paths; without it also findings that are about no path.
    pub path: Option<String>,
    /// A pattern of package names.
    pub package: Option<String>,
    /// What else the line says, or a part of it.
    pub details: Option<String>,
    /// Only packages of this format.
    pub format: Option<Format>,
    /// Only while no key is configured that signs packages.
    #[serde(default)]
    pub unsigned: bool,
    /// Only where what else the line says is an SPDX expression.
    #[serde(default)]
    pub spdx: bool,
    /// Whether it is told when it matches nothing; a project's own always is.
    #[serde(default)]
    pub expected: bool,
    /// Why the tag does not count.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    #[serde(rename = "override")]
    overrides: Vec<Override>,
}

/// Findings, told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What counts.
    pub findings: Vec<Finding>,
    /// What was overridden: tag, reason, how many.
    pub overridden: Vec<Overridden>,
    /// Overrides that matched nothing, by their tags.
    pub unused: Vec<Override>,
}

/// What an override was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overridden {
    /// The tag.
    pub tag: String,
    /// Why.
    pub reason: String,
    /// How many findings.
    pub count: usize,
}

/// An override with its patterns read.
struct Matcher<'a> {
    it: &'a Override,
    path: Option<PathPattern>,
    package: Option<PathPattern>,
}

impl Override {
    /// Refuses one without a tag or a reason, and malformed patterns.
    fn matcher(&self) -> Result<Matcher<'_>> {
        let malformed = |why: &str| {
            let text = format!("lint.overrides: the one of `{}` {why}", self.tag);
            Error::new(Kind::Config, text)
        };
        if self.tag.trim().is_empty() || self.reason.trim().is_empty() {
            return Err(malformed("has no tag or no reason")
                .hint("write `{ tag = \"…\", path = \"/opt/…\", reason = \"…\" }`: who reads it later wants to know why"));
        }
        let pattern = |key: &str, text: &Option<String>| {
            let read = text.as_deref().map(PathPattern::parse).transpose();
            read.map_err(|why| {
                malformed(&format!("has a `{key}` that {why}"))
                    .hint("write it as in a `.gitignore`, such as `/opt/mytool/lib/**/sample.py`")
            })
        };
        Ok(Matcher {
            it: self,
            path: pattern("path", &self.path)?,
            package: pattern("package", &self.package)?,
        })
    }
}

impl Matcher<'_> {
    fn matches(&self, finding: &Finding) -> bool {
        let fits = |pattern: &Option<PathPattern>, text: Option<&str>| match pattern {
            None => true,
            Some(pattern) => text.is_some_and(|text| pattern.matches(text)),
        };
        let said = |part: &String| finding.details.contains(part.as_str());
        self.it.tag == finding.tag
            && self.it.format.is_none_or(|format| format == finding.format)
            && fits(&self.path, finding.path.as_deref())
            && fits(&self.package, Some(&finding.package))
            && self.it.details.as_ref().is_none_or(said)
            && (!self.it.spdx || spdx::Expression::parse(finding.details.trim()).is_ok())
    }
}

/// Tells findings that count from overridden ones, the worst first. Shipped overrides that are expected
/// are told when they match nothing although a bundle was looked at (`bundle`).
///
/// With a key that signs packages (`signs`), overrides for unsigned ones are left out.
pub fn judge(policy: &Policy, findings: Vec<Finding>, bundle: bool, signs: bool) -> Result<Judged> {
    let shipped: Shipped = toml::from_str(SHIPPED)
        .map_err(|error| Error::new(Kind::Internal, format!("the shipped overrides: {error}")))?;
    let own = policy.overrides.iter().map(|it| (it, true));
    let shipped = shipped.overrides.iter();
    let shipped = shipped
        .filter(|it| !(it.unsigned && signs))
        .map(|it| (it, it.expected && bundle));
    let all: Vec<(Matcher<'_>, bool)> = own
        .chain(shipped)
        .map(|(it, told)| Ok((it.matcher()?, told)))
        .collect::<Result<_>>()?;
    let mut counts = vec![0; all.len()];
    let mut judged = Judged::default();
    for finding in findings {
        match all.iter().position(|(it, _)| it.matches(&finding)) {
            Some(index) => counts[index] += 1,
            None => judged.findings.push(finding),
        }
    }
    for ((Matcher { it, .. }, told), count) in all.into_iter().zip(counts) {
        if count > 0 {
            judged.overridden.push(Overridden {
                tag: it.tag.clone(),
                reason: it.reason.clone(),
                count,
            });
        } else if told {
            judged.unused.push(it.clone());
        }
    }
    judged.findings.sort_by(|one, other| {
        let key = |it: &Finding| {
            (
                it.level,
                it.folder.clone(),
                it.package.clone(),
                it.tag.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
    Ok(judged)
}

impl Judged {
    /// How many findings are at least as bad; an unused override is a warning.
    pub fn count(&self, level: Level) -> usize {
        let unused = if level >= Level::Warning {
            self.unused.len()
        } else {
            0
        };
        self.findings.iter().filter(|it| it.level <= level).count() + unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(tag: &str, path: Option<&str>, level: Level) -> Finding {
        Finding {
            level,
            folder: "debian-12".to_owned(),
            format: Format::Deb,
            package: "acme".to_owned(),
            tag: tag.to_owned(),
            details: String::new(),
            path: path.map(str::to_owned),
        }
    }

    fn own(tag: &str, path: Option<&str>) -> Override {
        Override {
            tag: tag.to_owned(),
            path: path.map(str::to_owned),
            package: None,
            details: None,
            format: None,
            unsigned: false,
            spdx: false,
            expected: false,
            reason: "why".to_owned(),
        }
    }

    #[test]
    fn shipped_overrides_are_sound_and_have_reasons() {
        let shipped: Shipped = toml::from_str(SHIPPED).unwrap();
        assert!(shipped.overrides.len() > 20);
        let overrides = shipped.overrides;
        Policy {
            overrides: overrides.clone(),
        }
        .check()
        .unwrap();
        for it in &overrides {
            assert!(it.reason.len() > 20, "{}", it.tag);
        }
    }

    #[test]
    fn what_no_override_matches_counts_and_an_unused_one_is_told() {
        let policy = Policy {
            overrides: vec![
                own("no-copyright-file", None),
                own("absent", Some("/opt/*")),
            ],
        };
        let findings = vec![
            finding("dir-or-file-in-opt", Some("/opt/acme"), Level::Error),
            finding("dir-or-file-in-opt", Some("/srv/acme"), Level::Error),
            finding("no-copyright-file", None, Level::Error),
            finding("other", None, Level::Info),
        ];
        let judged = judge(&policy, findings, true, false).unwrap();
        let left: Vec<&str> = judged.findings.iter().map(|it| it.tag.as_str()).collect();
        assert_eq!(left, ["dir-or-file-in-opt", "other"]);
        assert_eq!(judged.unused, [own("absent", Some("/opt/*"))]);
        assert_eq!(judged.count(Level::Error), 1);
        assert_eq!(judged.count(Level::Warning), 2);
        assert_eq!(judged.count(Level::Info), 3);
        let empty = judge(&Policy::default(), Vec::new(), true, false).unwrap();
        assert_eq!(empty.unused.len(), 1);
        assert!(
            judge(&Policy::default(), Vec::new(), false, false)
                .unwrap()
                .unused
                .is_empty()
        );
    }

    #[test]
    fn a_missing_signature_and_a_wrong_licence_count() {
        let rpm = |tag: &str, details: &str| Finding {
            format: Format::Rpm,
            details: details.to_owned(),
            ..finding(tag, None, Level::Error)
        };
        let findings = || {
            vec![
                rpm("invalid-license", "MIT AND Apache-2.0"),
                rpm("invalid-license", "do what you like"),
                rpm("no-signature", ""),
            ]
        };
        let left = |signs: bool| -> Vec<String> {
            let judged = judge(&Policy::default(), findings(), false, signs).unwrap();
            let left = judged.findings.into_iter();
            left.map(|it| format!("{} {}", it.tag, it.details))
                .collect()
        };
        assert_eq!(left(false), ["invalid-license do what you like"]);
        assert_eq!(
            left(true),
            ["invalid-license do what you like", "no-signature "]
        );
    }

    #[test]
    fn an_override_has_a_tag_a_reason_and_sound_patterns() {
        let mut without_reason = own("x", None);
        without_reason.reason = " ".to_owned();
        for bad in [without_reason, own("", None), own("x", Some("/opt/[z-a]"))] {
            let policy = Policy {
                overrides: vec![bad],
            };
            assert_eq!(policy.check().unwrap_err().kind(), Kind::Config);
        }
    }
}
