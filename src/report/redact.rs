//! Secrets that may appear in no output and no log.
//!
//! Knows texts only. A secret is removed from what comes after it was registered, not before.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use crate::text::percent_encoded;

/// What stands in a secret's place.
const MASK: &str = "***";

/// Lines of a secret shorter than this say nothing of it, but would mask innocent text.
const SHORTEST_LINE: usize = 8;

/// The registered secrets.
#[derive(Default)]
pub(super) struct Redactor {
    secrets: RwLock<Vec<String>>,
}

impl Redactor {
    /// Registers a secret, its lines where it has several, and its percent-encoded form (RFC 3986),
    /// in which it stands in addresses. Blank text is no secret.
    pub(super) fn add(&self, secret: &str) {
        let whole = secret.trim();
        let mut forms = vec![whole.to_owned(), percent_encoded(whole)];
        if whole.contains('\n') {
            let lines = whole
                .lines()
                .map(str::trim)
                .filter(|line| line.len() >= SHORTEST_LINE);
            forms.extend(lines.map(str::to_owned));
        }
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            if !form.is_empty() && !secrets.contains(&form) {
                secrets.push(form);
            }
        }
    }

    /// The text with every secret masked; secrets that touch or overlap become one mask.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(usize, usize)> = Vec::new();
        for secret in secrets.iter() {
            let step = secret.chars().next().map_or(1, char::len_utf8);
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(secret.as_str())) {
                found.push((from + at, from + at + secret.len()));
                // One character on, not one secret: "aa" stands twice in "aaa".
                from += at + step;
            }
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut shown_to = 0;
        let mut masked_to = None;
        for (start, end) in found {
            if masked_to.is_none_or(|masked_to| start > masked_to) {
                masked.push_str(&text[shown_to..start]);
                masked.push_str(MASK);
            }
            shown_to = shown_to.max(end);
            masked_to = Some(shown_to);
        }
        masked.push_str(&text[shown_to..]);
        Cow::Owned(masked)
    }

    /// Masks secrets in every text of a JSON value; before it is escaped, so that a quotation mark
    /// in a secret hides nothing.
    pub(super) fn apply_to_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(masked) = self.apply(text) {
                    *text = masked;
                }
            }
            serde_json::Value::Array(values) => {
                for value in values {
                    self.apply_to_json(value);
                }
            }
            serde_json::Value::Object(fields) => {
                for value in fields.values_mut() {
                    self.apply_to_json(value);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], text: &str, expected: &str) {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret);
        }
        assert_eq!(redactor.apply(text), expected);
    }

    #[test]
    fn secrets_are_masked_inside_longer_text() {
        check(
            &["hunter2"],
            "https://me:hunter2@host/ hunter2",
            "https://me:***@host/ ***",
        );
        check(
            &["p@ss word"],
            "https://me:p%40ss%20word@host/",
            "https://me:***@host/",
        );
        check(&[" hunter2\n"], "x hunter2y", "x ***y");
        check(&["", " \n"], "nothing to hide", "nothing to hide");
        check(&["päss"], "a päss b", "a *** b");
    }

    #[test]
    fn no_part_of_overlapping_secrets_is_left() {
        check(&["abc", "abcdef"], "-abcdef-", "-***-");
        check(&["abcd", "cdef"], "-abcdef-", "-***-");
        check(&["aa"], "-aaa-", "-***-");
        check(&["one", "two"], "one two", "*** ***");
        check(&["one", "two"], "onetwo", "***");
    }

    #[test]
    fn a_secret_of_many_lines_is_masked_line_by_line() {
        let key = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nab\n-----END KEY-----\n";
        check(&[key], "log: MC4CAQAwBQYDK2Vw ab", "log: *** ab");
    }

    #[test]
    fn a_secret_with_a_quotation_mark_is_masked_in_json() {
        let redactor = Redactor::default();
        redactor.add("a\"b\\c");
        let mut value =
            serde_json::json!({"argv": ["x", "--token=a\"b\\c"], "deep": {"t": "a\"b\\c"}});
        redactor.apply_to_json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"argv": ["x", "--token=***"], "deep": {"t": "***"}})
        );
    }
}
