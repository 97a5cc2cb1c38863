//! What the scripts of a verification say, line by line, as checks with their results.
//!
//! Knows the lines of `verify.sh` and `verify_bundle.py`, and no container.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::requirements::Installed;
use crate::audit;
use crate::interpreter::Interpreter;

/// Who brought what was found: nobody asks here which of them.
const ORIGIN: &str = "the packages";

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// It found nothing wrong.
    Passed,
    /// It found faults.
    Failed,
    /// It could not be made, and need not be.
    Skipped,
}

/// A check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub result: CheckResult,
    /// Why it was skipped, and what a reader should know.
    pub notes: Vec<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// Something that a project may allow, as the script says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    check: audit::Check,
    path: String,
    what: String,
}

/// All that was said.
#[derive(Debug)]
pub(super) struct Transcript {
    pub(super) checks: Vec<Check>,
    pub(super) faults: Vec<String>,
    /// What is a fault unless the project allows it.
    pub(super) findings: Vec<audit::Finding>,
    /// Commands that were run, modules that were imported.
    pub(super) commands: u64,
    pub(super) modules: u64,
    pub(super) installed: Vec<Installed>,
    pub(super) interpreter: Option<Interpreter>,
    pub(super) done: bool,
    since: Instant,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self {
            checks: Vec::new(),
            faults: Vec::new(),
            findings: Vec::new(),
            commands: 0,
            modules: 0,
            installed: Vec::new(),
            interpreter: None,
            done: false,
            since: Instant::now(),
        }
    }

    /// Takes a line that was printed; lines of package managers mean nothing here. Answers the name
    /// of a check that begins.
    pub(super) fn line<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        let said = line.trim_end().strip_prefix("verify: ")?;
        let (kind, text) = said.split_once(' ').unwrap_or((said, ""));
        match kind {
            "check" => {
                self.end_check();
                self.checks.push(Check {
                    name: text.to_owned(),
                    result: CheckResult::Passed,
                    notes: Vec::new(),
                    milliseconds: 0,
                });
                return Some(text);
            }
            "fault" => self.fault(text.to_owned()),
            "finding" => match serde_json::from_str::<Found>(text) {
                Ok(found) => self.findings.push(audit::Finding::new(
                    found.check,
                    &found.path,
                    ORIGIN,
                    found.what,
                )),
                // What can't be understood can't be allowed.
                Err(_) => self.fault(text.to_owned()),
            },
            "note" => self.note(text),
            "skipped" => {
                self.note(text);
                if let Some(check) = self.checks.last_mut() {
                    check.result = CheckResult::Skipped;
                }
            }
            "count" => {
                let number = |name: &str| text.strip_prefix(name)?.trim().parse::<u64>().ok();
                self.commands += number("commands").unwrap_or(0);
                self.modules += number("modules").unwrap_or(0);
            }
            "distribution" => self.installed.extend(serde_json::from_str(text).ok()),
            "interpreter" => self.interpreter = Interpreter::parse(text).ok(),
            "done" => {
                self.end_check();
                self.done = true;
            }
            _ => {}
        }
        None
    }

    /// Something is wrong, says the check that is under way.
    pub(super) fn fault(&mut self, text: String) {
        if let Some(check) = self.checks.last_mut() {
            check.result = CheckResult::Failed;
        }
        self.faults.push(text);
    }

    /// Something is wrong, says an earlier check.
    pub(super) fn fault_of(&mut self, name: &str, text: String) {
        if let Some(check) = self.checks.iter_mut().find(|check| check.name == name) {
            check.result = CheckResult::Failed;
        }
        self.faults.push(text);
    }

    /// A reader should know, says an earlier check.
    pub(super) fn note_of(&mut self, name: &str, text: String) {
        if let Some(check) = self.checks.iter_mut().find(|check| check.name == name) {
            check.notes.push(text);
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(check) = self.checks.last_mut() {
            check.notes.push(text.to_owned());
        }
    }

    fn end_check(&mut self) {
        let now = Instant::now();
        if let Some(check) = self.checks.last_mut() {
            let took = now.duration_since(self.since).as_millis();
            check.milliseconds = u64::try_from(took).unwrap_or(u64::MAX);
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_checks() {
        let mut transcript = Transcript::new();
        for line in [
            "Reading package lists...",
            "verify: check install",
            "Setting up x",
            "verify: check imports",
            "verify: note `gtk` is not imported: no display",
            "verify: fault `import a` (of `a`) fails: ImportError: no b",
            "verify: count modules 3",
            "verify: finding {\"check\": \"setuid\", \"path\": \"/opt/x\", \"what\": \"is setuid\"}",
            "verify: distribution {\"name\": \"a\", \"version\": \"1\", \"requires\": [\"b\"]}",
            "verify: check upgrade",
            "verify: skipped there is no earlier version",
            "verify: done",
        ] {
            transcript.line(line);
        }
        let results: Vec<_> = transcript
            .checks
            .iter()
            .map(|check| (check.name.as_str(), check.result, check.notes.len()))
            .collect();
        let expected = [
            ("install", CheckResult::Passed, 0),
            ("imports", CheckResult::Failed, 1),
            ("upgrade", CheckResult::Skipped, 1),
        ];
        assert_eq!(results, expected);
        assert_eq!(transcript.faults.len(), 1);
        assert_eq!((transcript.modules, transcript.commands), (3, 0));
        assert_eq!(transcript.installed[0].name, "a");
        assert_eq!(transcript.findings[0].path, "/opt/x");
        assert!(transcript.done);
    }

    #[test]
    fn a_finding_that_is_not_understood_is_a_fault() {
        let mut transcript = Transcript::new();
        transcript.line("verify: finding {\"check\": \"colour\"}");
        assert_eq!((transcript.faults.len(), transcript.findings.len()), (1, 0));
    }
}
