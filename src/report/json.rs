//! Events and results as JSON, one object on a line of standard output.
//!
//! Renders only. The fields are an interface: a field may be added, but one that is here keeps its
//! name and its meaning as long as `schema` stays 1.
//!
//! Every object has `schema` (1), `event` and `seconds` (since the start of the run, to the
//! millisecond); those of a platform have `platform` and `architecture`
//! (`amd64`, `arm64`), those of a stage `stage` (`base`, `image`,
//! `wheels`, `bundle`, `package`, `verify`). What else an event has:
//!
//! | event | fields |
//! |---|---|
//! | `platform-started` | `log`: path of the full log |
//! | `stage-started` | |
//! | `stage-message` | `text` |
//! | `stage-progress` | `done`, `total` (absent while unknown), `unit`: `wheels`, `files`, `bytes`, `packages` |
//! | `stage-reused` | `reason`, `took` (seconds) |
//! | `stage-finished` | `text`, `took` |
//! | `stage-stopped` | `took`; the stage failed or was cancelled |
//! | `platform-finished` | `outcome`: `built`, `up-to-date`, `failed`, `cancelled`, `planned`; `took`; when failed `kind`, `message` |
//! | `command` | `argv`: list of words; only with `--verbose` |
//! | `output` | `text`: a line that a command printed; only with `--verbose` |
//! | `warning` | `text`, `hint` (absent when there is none) |
//! | `note` | `text` |
//! | `error` | `kind`, `exit_code`, `message`, `hints`; when a command failed `command`: `argv`, `status`, `last_lines`, `log` |
//! | `summary` | `rows`: `platform`, `architecture`, `outcome`, `kind` and `message` when failed, `took`, `reused`, `files` (`name`, `size` in bytes, `digest` SHA-256), `log` |
//! | the name of a command (`plan`, `platforms`, `cache-ls`, …) | `result` |
//!
//! `stage-progress` comes at most ten times a second for each platform, and always when `done`
//! reaches `total`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::platform::TargetId;

use super::event::{Event, Outcome, kind_word};
use super::plain::LastShown;
use super::table::{Summary, SummaryRow};

/// Version of the fields above.
const SCHEMA: u32 = 1;

/// Between two `stage-progress` events of a platform.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Renders events as JSON objects.
pub(super) struct Json {
    verbose: u8,
    shown: LastShown,
}

impl Json {
    pub(super) fn new(verbose: u8) -> Self {
        Self {
            verbose,
            shown: LastShown::default(),
        }
    }

    /// The object of an event that happened this long after the start, where it has one.
    pub(super) fn object(
        &self,
        platform: Option<&TargetId>,
        event: &Event,
        now: Duration,
    ) -> Option<Value> {
        let wanted = match event {
            Event::Command { .. } | Event::Output { .. } => self.verbose > 0,
            Event::StageProgress { done, total, .. } => {
                let due = platform.is_none_or(|platform| {
                    self.shown.is_older_than(platform, PROGRESS_INTERVAL, now)
                });
                if due {
                    platform.inspect(|platform| self.shown.set(platform, now));
                }
                due || Some(*done) == *total
            }
            Event::StageStarted { .. } => {
                platform.inspect(|platform| self.shown.forget(platform));
                true
            }
            _ => true,
        };
        wanted.then(|| render(platform, event, now))
    }
}

fn render(platform: Option<&TargetId>, event: &Event, now: Duration) -> Value {
    let (name, fields) = match event {
        Event::PlatformStarted { log } => (
            "platform-started",
            json!({"log": log.display().to_string()}),
        ),
        Event::StageStarted { .. } => ("stage-started", json!({})),
        Event::StageMessage { text, .. } => ("stage-message", json!({"text": text})),
        Event::StageProgress {
            done, total, unit, ..
        } => (
            "stage-progress",
            json!({"done": done, "total": total, "unit": unit}),
        ),
        Event::StageReused { reason, took, .. } => (
            "stage-reused",
            json!({"reason": reason, "took": seconds(*took)}),
        ),
        Event::StageFinished { text, took, .. } => (
            "stage-finished",
            json!({"text": text, "took": seconds(*took)}),
        ),
        Event::StageStopped { took, .. } => ("stage-stopped", json!({"took": seconds(*took)})),
        Event::PlatformFinished { outcome, took } => {
            let mut fields = outcome_fields(outcome);
            fields.insert("took".to_owned(), json!(seconds(*took)));
            ("platform-finished", Value::Object(fields))
        }
        Event::Command { argv } => ("command", json!({"argv": argv})),
        Event::Output { text } => ("output", json!({"text": text})),
        Event::Warning { text, hint } => ("warning", json!({"text": text, "hint": hint})),
        Event::Note { text } => ("note", json!({"text": text})),
    };
    let mut object = envelope(name, platform, now);
    if let Some(stage) = event.stage() {
        object.insert("stage".to_owned(), json!(stage));
    }
    extend(&mut object, fields);
    Value::Object(object)
}

/// An error as an object.
pub(super) fn error(platform: Option<&TargetId>, error: &Error, now: Duration) -> Value {
    let mut object = envelope("error", platform, now);
    let command = error.failed_command().map(|command| {
        json!({
            "argv": command.argv,
            "status": command.status,
            "last_lines": command.last_lines,
            "log": command.log.as_ref().map(|log| log.display().to_string()),
        })
    });
    extend(
        &mut object,
        json!({
            "kind": error.kind(),
            "exit_code": error.kind().exit_code(),
            "message": error.message(),
            "hints": error.hints(),
            "command": command,
        }),
    );
    Value::Object(object)
}

/// The summary of a run as an object.
pub(super) fn summary(summary: &Summary, now: Duration) -> Value {
    let rows: Vec<Value> = summary.rows.iter().map(row).collect();
    let mut object = envelope("summary", None, now);
    object.insert("rows".to_owned(), Value::Array(rows));
    Value::Object(object)
}

fn row(row: &SummaryRow) -> Value {
    let files: Vec<Value> = row
        .files
        .iter()
        .map(|file| json!({"name": file.name, "size": file.size, "digest": file.digest}))
        .collect();
    let mut object = outcome_fields(&row.outcome);
    extend(
        &mut object,
        json!({
            "platform": row.platform.platform(),
            "architecture": row.platform.arch(),
            "took": seconds(row.took),
            "reused": row.reused,
            "files": files,
            "log": row.log.display().to_string(),
        }),
    );
    Value::Object(object)
}

/// The result of a command as an object.
pub(super) fn result(name: &str, value: Value, now: Duration) -> Value {
    let mut object = envelope(name, None, now);
    object.insert("result".to_owned(), value);
    Value::Object(object)
}

fn outcome_fields(outcome: &Outcome) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert(
        "outcome".to_owned(),
        json!(outcome.word().replace(' ', "-")),
    );
    if let Outcome::Failed { kind, message } = outcome {
        fields.insert("kind".to_owned(), json!(kind_word(*kind)));
        fields.insert("message".to_owned(), json!(message));
    }
    fields
}

fn envelope(event: &str, platform: Option<&TargetId>, now: Duration) -> Map<String, Value> {
    let mut object = Map::new();
    let fields = json!({
        "schema": SCHEMA,
        "event": event,
        "seconds": seconds(now),
        "platform": platform.map(TargetId::platform),
        "architecture": platform.map(TargetId::arch),
    });
    extend(&mut object, fields);
    object
}

/// Adds the fields that have a value.
fn extend(object: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CommandFailed, Kind};
    use crate::report::event::{Stage, Unit};

    #[test]
    fn progress_is_thinned_but_its_end_is_always_told() {
        let platform: TargetId = "debian-12".parse().unwrap();
        let json = Json::new(0);
        let at = |done, milliseconds| {
            let event = Event::StageProgress {
                stage: Stage::Wheels,
                done,
                total: Some(3),
                unit: Unit::Wheels,
            };
            json.object(Some(&platform), &event, Duration::from_millis(milliseconds))
                .is_some()
        };
        assert!(at(0, 0));
        assert!(!at(1, 99));
        assert!(at(2, 100));
        assert!(at(3, 101));
    }

    #[test]
    fn an_error_has_its_kind_exit_code_and_command() {
        let failed = Error::new(Kind::Wheel, "no")
            .hint("do this")
            .command(CommandFailed {
                argv: vec!["pip".into(), "a b".into()],
                status: 1,
                last_lines: vec!["x".into()],
                log: None,
            });
        let platform = "debian-12".parse().unwrap();
        assert_eq!(
            error(Some(&platform), &failed, Duration::from_micros(1_234_567)),
            json!({
                "schema": 1, "event": "error", "seconds": 1.235, "platform": "debian-12",
                "architecture": "amd64",
                "kind": "wheel", "exit_code": 11, "message": "no", "hints": ["do this"],
                "command": {
                    "argv": ["pip", "a b"], "status": 1, "last_lines": ["x"], "log": null
                },
            })
        );
        let plain = error(None, &Error::new(Kind::Config, "no"), Duration::ZERO);
        assert_eq!(plain.get("command"), None);
        assert_eq!(plain.get("platform"), None);
    }
}
