//! What a platform's build reports: stages, commands, their output, the end.
//!
//! Everything a command prints goes to the platform's log, whatever is shown.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{CommandFailed, Result};
use crate::platform::TargetId;

use super::Reporter;
use super::event::{Event, Outcome, Stage, Unit};
use super::log::{LastLines, Log};
use super::text::quote_command;

/// Reports about one platform; cheap to clone, and safe to use from many tasks.
///
/// When the last clone is dropped before [`finish`](Self::finish), the platform counts as
/// cancelled.
#[derive(Clone)]
pub struct PlatformReporter(Arc<Inner>);

struct Inner {
    reporter: Reporter,
    id: TargetId,
    log: Log,
    started: Duration,
    finished: AtomicBool,
}

impl PlatformReporter {
    pub(super) fn start(reporter: &Reporter, id: &TargetId, log_path: &Path) -> Result<Self> {
        let log = Log::open(log_path)?;
        let inner = Inner {
            reporter: reporter.clone(),
            id: id.clone(),
            log,
            started: reporter.now(),
            finished: AtomicBool::new(false),
        };
        inner.emit(&Event::PlatformStarted {
            log: log_path.to_owned(),
        });
        Ok(Self(Arc::new(inner)))
    }

    /// The platform.
    pub fn platform(&self) -> &TargetId {
        &self.0.id
    }

    /// The reporter of the run.
    pub fn reporter(&self) -> &Reporter {
        &self.0.reporter
    }

    /// The full log.
    pub fn log_path(&self) -> &Path {
        self.0.log.path()
    }

    /// Begins a stage. A handle that is dropped without a result reports that the stage stopped.
    pub fn stage(&self, stage: Stage) -> StageHandle {
        self.0.log_line(&format!("== {stage}"));
        self.0.emit(&Event::StageStarted { stage });
        StageHandle {
            platform: self.clone(),
            stage,
            started: self.0.reporter.now(),
            ended: false,
        }
    }

    /// Reports a command that is about to run; its output goes to what is returned.
    ///
    /// Commands may run side by side: each knows its own last lines.
    pub fn command(&self, argv: &[String]) -> CommandOutput {
        let argv: Vec<String> = argv
            .iter()
            .map(|word| self.0.reporter.redacted(word))
            .collect();
        self.0.log_line(&format!(
            "$ {}",
            quote_command(argv.iter().map(String::as_str))
        ));
        self.0.emit(&Event::Command { argv: argv.clone() });
        CommandOutput {
            platform: self.clone(),
            argv,
            last_lines: Mutex::default(),
        }
    }

    /// A line that something printed, without its line end; several lines are taken apart.
    pub fn output_line(&self, text: &str) {
        self.0.output(text);
    }

    /// The last lines of output on this platform, oldest first.
    pub fn last_lines(&self) -> Vec<String> {
        self.0.log.last_lines()
    }

    /// Says something about this platform that belongs to no stage.
    pub fn note(&self, text: &str) {
        self.0.reporter.note(Some(&self.0.id), text);
    }

    /// Warns about this platform.
    pub fn warn(&self, text: &str, hint: Option<&str>) {
        self.0.reporter.warn(Some(&self.0.id), text, hint);
    }

    /// Ends the platform. Only the first outcome counts.
    pub fn finish(&self, outcome: Outcome) {
        self.0.finish(outcome);
    }
}

impl Inner {
    fn emit(&self, event: &Event) {
        self.reporter.emit(Some(&self.id), event);
    }

    fn output(&self, text: &str) -> Vec<String> {
        // `lines` gives none for an empty text, but an empty line is a line.
        let text = if text.is_empty() { "\n" } else { text };
        let mut lines = Vec::new();
        for line in text.lines() {
            let line = self.reporter.redacted(line);
            self.check_log(self.log.write_output(&line));
            self.emit(&Event::Output { text: line.clone() });
            lines.push(line);
        }
        lines
    }

    fn log_line(&self, line: &str) {
        self.check_log(self.log.write_line(&self.reporter.redacted(line)));
    }

    fn flush_log(&self) {
        self.check_log(self.log.flush());
    }

    fn check_log(&self, failed: Option<std::io::Error>) {
        if let Some(error) = failed {
            let path = self.log.path().display();
            let text = format!("the log `{path}` is not complete: {error}");
            self.reporter
                .warn(Some(&self.id), &text, Some("make room on its file system"));
        }
    }

    fn finish(&self, outcome: Outcome) {
        if self.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let outcome = match outcome {
            Outcome::Failed { kind, message } => Outcome::Failed {
                kind,
                message: self.reporter.redacted(&message),
            },
            other => other,
        };
        self.log_line(&match &outcome {
            Outcome::Failed { message, .. } => format!("== {}: {message}", outcome.word()),
            Outcome::Built
            | Outcome::UpToDate
            | Outcome::Cancelled
            | Outcome::Planned
            | Outcome::Locked
            | Outcome::Pushed
            | Outcome::Checked => format!("== {}", outcome.word()),
        });
        self.flush_log();
        let took = self.reporter.now().saturating_sub(self.started);
        self.emit(&Event::PlatformFinished { outcome, took });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.finish(Outcome::Cancelled);
        self.flush_log();
    }
}

/// A stage that is under way.
#[must_use = "a stage that is dropped has stopped"]
pub struct StageHandle {
    platform: PlatformReporter,
    stage: Stage,
    started: Duration,
    ended: bool,
}

impl StageHandle {
    /// Says what is being done, such as `compiling greenlet`.
    pub fn message(&self, text: &str) {
        let text = self.reporter().redacted(text);
        self.platform.0.emit(&Event::StageMessage {
            stage: self.stage,
            text,
        });
    }

    /// Says how far it is. Bytes are shown beside what else is counted; `None`: no end is known.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, unit: Unit) {
        let total = total.into();
        self.platform.0.emit(&Event::StageProgress {
            stage: self.stage,
            done,
            total,
            unit,
        });
    }

    /// Ends the stage: nothing had to be made, for this reason.
    pub fn reused(self, reason: &str) {
        let reason = self.reporter().redacted(reason);
        let event = Event::StageReused {
            stage: self.stage,
            reason,
            took: self.took(),
        };
        self.end(&event);
    }

    /// Ends the stage with what was made, such as `74 wheels made`.
    pub fn finished(self, text: &str) {
        let text = self.reporter().redacted(text);
        let event = Event::StageFinished {
            stage: self.stage,
            text,
            took: self.took(),
        };
        self.end(&event);
    }

    fn end(mut self, event: &Event) {
        self.ended = true;
        self.platform
            .0
            .log_line(&format!("== {}", super::plain::render(None, event, false)));
        self.platform.0.flush_log();
        self.platform.0.emit(event);
    }

    fn took(&self) -> Duration {
        self.reporter().now().saturating_sub(self.started)
    }

    fn reporter(&self) -> &Reporter {
        self.platform.reporter()
    }
}

impl Drop for StageHandle {
    fn drop(&mut self) {
        if !self.ended {
            self.platform.0.flush_log();
            self.platform.0.emit(&Event::StageStopped {
                stage: self.stage,
                took: self.took(),
            });
        }
    }
}

/// The output of a command that runs.
pub struct CommandOutput {
    platform: PlatformReporter,
    argv: Vec<String>,
    last_lines: Mutex<LastLines>,
}

impl CommandOutput {
    /// A line that the command printed, without its line end; several lines are taken apart.
    pub fn line(&self, text: &str) {
        let lines = self.platform.0.output(text);
        let mut last_lines = self
            .last_lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for line in &lines {
            last_lines.push(line);
        }
    }

    /// The last lines of this command, oldest first.
    pub fn last_lines(&self) -> Vec<String> {
        self.last_lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .to_vec()
    }

    /// What an error says when the command ended with this status; the log is complete by then.
    pub fn failed(&self, status: i64) -> CommandFailed {
        self.platform.0.flush_log();
        CommandFailed {
            argv: self.argv.clone(),
            status,
            last_lines: self.last_lines(),
            log: Some(self.platform.log_path().to_owned()),
        }
    }
}
