//! Which licences a project may ship, and whether a distribution's is one of them.
//!
//! Pure. Expressions are evaluated: of `A OR B` one that may be shipped is enough, of `A AND B`
//! both must. What is no expression is held against the rules word by word.

use super::License;
use super::license::parse;

/// The rules; without one, everything may be shipped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// What may be shipped; empty: everything that is not denied.
    pub allow: &'a [String],
    /// What may not, whoever allows it.
    pub deny: &'a [String],
}

impl Rules<'_> {
    /// Why a licence may not be shipped; `None` when it may.
    pub fn violation(&self, license: &License) -> Option<String> {
        let Some(text) = &license.text else {
            let must_be_known = !self.allow.is_empty();
            return must_be_known.then(|| "nothing says its licence".to_owned());
        };
        let expression = if license.is_expression {
            parse(text)
        } else {
            None
        };
        let Some(expression) = expression else {
            return self.violation_of_words(text);
        };
        if !expression.evaluate(|one| !self.denies(one)) {
            return Some("denied".to_owned());
        }
        let good = expression.evaluate(|one| self.allows(one) && !self.denies(one));
        (!good).then(|| "not allowed".to_owned())
    }

    fn violation_of_words(&self, text: &str) -> Option<String> {
        let among = |list: &[String]| list.iter().any(|entry| entry.eq_ignore_ascii_case(text));
        if among(self.deny) {
            return Some("denied".to_owned());
        }
        let good = self.allow.is_empty() || among(self.allow);
        (!good).then(|| "not allowed, and no SPDX expression".to_owned())
    }

    fn allows(&self, one: &spdx::LicenseReq) -> bool {
        let covers = |entry: &String| {
            // Who allows a later version has a licence for "this one or later".
            let satisfies =
                spdx::Licensee::parse(entry).is_ok_and(|licensee| licensee.satisfies(one));
            satisfies || entry.eq_ignore_ascii_case(&one.to_string())
        };
        self.allow.is_empty() || self.allow.iter().any(covers)
    }

    fn denies(&self, one: &spdx::LicenseReq) -> bool {
        let words = one.to_string();
        self.deny
            .iter()
            .any(|entry| entry.eq_ignore_ascii_case(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::super::LicenseSource;
    use super::*;

    fn check(allow: &[&str], deny: &[&str], text: &str, expected: Option<&str>) {
        let lists = [allow, deny].map(|list| list.iter().map(|&one| one.to_owned()).collect());
        let [allow, deny]: [Vec<String>; 2] = lists;
        let rules = Rules {
            allow: &allow,
            deny: &deny,
        };
        let license = License {
            text: Some(text.to_owned()).filter(|text| !text.is_empty()),
            is_expression: parse(text).is_some(),
            source: LicenseSource::Expression,
        };
        assert_eq!(
            rules.violation(&license).as_deref(),
            expected,
            "{text}: {allow:?} {deny:?}"
        );
    }

    #[test]
    fn expressions_are_evaluated() {
        check(&[], &[], "GPL-3.0-only", None);
        check(&["MIT"], &[], "MIT", None);
        check(&["MIT"], &[], "MIT OR GPL-3.0-only", None);
        check(&["MIT"], &[], "MIT AND BSD-3-Clause", Some("not allowed"));
        check(&["MIT", "BSD-3-Clause"], &[], "MIT AND BSD-3-Clause", None);
        check(&[], &["GPL-3.0-only"], "GPL-3.0-only", Some("denied"));
        check(&[], &["GPL-3.0-only"], "MIT OR GPL-3.0-only", None);
        check(&["MIT"], &["MIT"], "MIT", Some("denied"));
        check(&["MIT"], &["MIT"], "MIT OR Apache-2.0", Some("not allowed"));
    }

    #[test]
    fn later_versions_and_exceptions_are_told_apart() {
        check(&["GPL-2.0-or-later"], &[], "GPL-2.0-or-later", None);
        check(&["GPL-2.0"], &[], "GPL-2.0", None);
        check(&["GPL-2.0-only"], &[], "GPL-3.0-only", Some("not allowed"));
        let exception = "Apache-2.0 WITH LLVM-exception";
        check(&["Apache-2.0"], &[], exception, Some("not allowed"));
        check(&[exception], &[], exception, None);
    }

    #[test]
    fn what_is_no_expression_is_compared_as_it_stands() {
        let why = Some("not allowed, and no SPDX expression");
        check(&["MIT"], &[], "BSD License", why);
        check(&["MIT", "bsd license"], &[], "BSD License", None);
        check(&[], &["BSD License"], "BSD License", Some("denied"));
        check(&["MIT"], &[], "", Some("nothing says its licence"));
        check(&[], &["MIT"], "", None);
    }
}
