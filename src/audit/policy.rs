//! `[audit]`: what of an audit's findings a project allows, with its reason.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::text::PathPattern;

use super::{Check, Finding, Severity};

/// The table `audit` of a configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// What may be there.
    pub allow: Vec<Allowance>,
}

/// Something that may be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Allowance {
    /// Which paths, in the words of a `.gitignore`.
    pub path: String,
    /// Which check; all of them when it is not said.
    pub check: Option<Check>,
    /// Why.
    pub reason: String,
}

/// Findings, told apart by a policy.
#[derive(Debug, Default)]
pub struct Judged {
    /// What may not be shipped.
    pub refused: Vec<Finding>,
    /// What is only told.
    pub warnings: Vec<Finding>,
    /// What is allowed.
    pub allowed: Vec<Finding>,
    /// Allowances that allowed nothing.
    pub unused: Vec<Allowance>,
}

impl Allowance {
    fn matcher(&self) -> Result<PathPattern> {
        let malformed =
            |why: &str| Error::new(Kind::Config, format!("audit.allow: `{}` {why}", self.path));
        if self.reason.trim().is_empty() {
            return Err(malformed("is allowed without a reason")
                .hint("say in `reason` why it may be in the package"));
        }
        PathPattern::parse(&self.path).map_err(|why| {
            malformed(&why).hint("write a path from `/` on, such as `/opt/mytool/lib/**/sample.so`")
        })
    }
}

impl Policy {
    /// Whether each allowance is a pattern with a reason.
    pub fn check(&self) -> Result<()> {
        self.allow
            .iter()
            .try_for_each(|allowance| allowance.matcher().map(|_| ()))
    }

    /// Tells findings apart.
    pub fn judge(&self, findings: Vec<Finding>) -> Result<Judged> {
        let matchers = self
            .allow
            .iter()
            .map(Allowance::matcher)
            .collect::<Result<Vec<_>>>()?;
        let mut used = vec![false; matchers.len()];
        let mut judged = Judged::default();
        for finding in findings {
            let mut allowed = false;
            for (number, (allowance, matcher)) in self.allow.iter().zip(&matchers).enumerate() {
                let about = allowance.check.is_none_or(|check| check == finding.check);
                if about && matcher.matches(&finding.path) {
                    used[number] = true;
                    allowed = true;
                }
            }
            match finding.severity {
                _ if allowed => judged.allowed.push(finding),
                Severity::Refused => judged.refused.push(finding),
                Severity::Warning => judged.warnings.push(finding),
            }
        }
        let unused = self.allow.iter().zip(used).filter(|(_, used)| !used);
        judged.unused = unused.map(|(allowance, _)| allowance.clone()).collect();
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: Check, path: &str) -> Finding {
        Finding::new(check, path, "a.whl", "is so".to_owned())
    }

    fn policy(text: &str) -> Policy {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_allowance_is_for_its_paths_and_its_check() {
        let policy = policy(
            "allow = [
                { path = '/opt/x/**/data/*.so', check = 'foreign-machine', reason = 'test data' },
                { path = 'never', reason = 'there once' },
            ]",
        );
        policy.check().unwrap();
        let judged = policy
            .judge(vec![
                finding(Check::ForeignMachine, "/opt/x/lib/data/a.so"),
                finding(Check::Setuid, "/opt/x/lib/data/a.so"),
                finding(Check::ForeignMachine, "/opt/x/lib/a.so"),
            ])
            .unwrap();
        assert_eq!((judged.allowed.len(), judged.refused.len()), (1, 2));
        assert_eq!(judged.unused.len(), 1);
        assert_eq!(judged.unused[0].path, "never");
    }

    #[test]
    fn an_allowance_has_a_reason_and_a_pattern() {
        for bad in [
            "path = 'a'\nreason = ' '",
            "path = ''\nreason = 'x'",
            "path = '!a'\nreason = 'x'",
        ] {
            let policy = policy(&format!("[[allow]]\n{bad}\n"));
            assert_eq!(policy.check().unwrap_err().kind(), Kind::Config, "{bad}");
        }
        assert!(
            toml::from_str::<Policy>("allow = [{ path = 'a', reason = 'x', chek = 'y' }]").is_err()
        );
    }
}
