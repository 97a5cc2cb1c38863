//! The reporter: typed events in; progress bars, plain lines or JSON out. The only printer besides
//! `main`.
//!
//! Progress, warnings and errors go to standard error, what was asked for (tables, listings, plans)
//! to standard output; with JSON everything is on standard output, one object a line (see
//! [`json`]). Reads no environment and decides nothing: the caller passes the [`Settings`]. Nothing
//! here waits or panics, so tasks may call it, and a reader that went away stops no build.

mod event;
pub mod json;
mod log;
mod plain;
mod platform;
mod redact;
mod sink;
mod table;
mod terminal;
mod text;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::platform::TargetId;

use self::event::Event;
pub use self::event::{Outcome, Stage, Unit};
pub use self::platform::{CommandOutput, PlatformReporter, StageHandle};
use self::sink::Sink;
pub use self::sink::Stream;
use self::table::Look;
pub use self::table::{Summary, SummaryFile, SummaryRow, listing};
pub use self::text::{human_duration, human_size, one_line, quote_command};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Lines that move, on standard error; plain lines when that is no terminal.
    Terminal,
    /// A line for each thing that is done, for continuous integration.
    Plain,
    /// A JSON object for each event, on standard output.
    Json,
    /// Warnings, errors and results only.
    Quiet,
}

/// What the caller knows about the user's wishes and the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How the run is shown. A terminal that can't move its cursor wants [`Mode::Plain`].
    pub mode: Mode,
    /// From 1 on, commands and their output are shown too.
    pub verbose: u8,
    /// Whether colours are welcome (not with `NO_COLOR`); they are used on terminals only.
    pub colours: bool,
    /// Columns that tables keep to; `None` wraps nothing.
    pub width: Option<u16>,
}

/// Tells the user what happens; cheap to clone.
#[derive(Clone)]
pub struct Reporter(Arc<Inner>);

struct Inner {
    view: View,
    sink: Sink,
    redactor: redact::Redactor,
    clock: Clock,
    progress_colours: bool,
    results: Look,
}

enum View {
    Terminal(terminal::Terminal),
    Plain(plain::Plain),
    Json(json::Json),
    Quiet,
}

enum Clock {
    Since(Instant),
    /// For tests: no time passes.
    Stopped,
}

impl Reporter {
    /// A reporter on standard output and standard error, with colours, and wrapping nothing.
    pub fn new(mode: Mode, verbose: u8) -> Self {
        Self::with_settings(Settings {
            mode,
            verbose,
            colours: true,
            width: None,
        })
    }

    /// A reporter on standard output and standard error.
    pub fn with_settings(settings: Settings) -> Self {
        let Settings {
            mode,
            verbose,
            colours,
            width,
        } = settings;
        let progress_colours = colours && io::stderr().is_terminal();
        let results = Look {
            width,
            colours: colours && io::stdout().is_terminal(),
        };
        let target = ProgressDrawTarget::stderr();
        let view = match mode {
            Mode::Terminal if !target.is_hidden() => {
                View::Terminal(terminal::Terminal::new(target, verbose, progress_colours))
            }
            Mode::Terminal | Mode::Plain => {
                View::Plain(plain::Plain::new(verbose, progress_colours))
            }
            Mode::Json => View::Json(json::Json::new(verbose)),
            Mode::Quiet => View::Quiet,
        };
        let clock = Clock::Since(Instant::now());
        Self::assemble(view, Sink::standard(), clock, progress_colours, results)
    }

    /// A reporter that shows nothing and keeps the plain lines for [`recorded`](Self::recorded).
    /// No time passes in it, so the lines are always the same.
    pub fn hidden() -> Self {
        Self::recording(Mode::Plain, 0)
    }

    /// A reporter that keeps what it would write in a mode; lines that move are not drawn.
    pub fn recording(mode: Mode, verbose: u8) -> Self {
        let view = match mode {
            Mode::Terminal => View::Terminal(terminal::Terminal::new(
                ProgressDrawTarget::hidden(),
                verbose,
                false,
            )),
            Mode::Plain => View::Plain(plain::Plain::new(verbose, false)),
            Mode::Json => View::Json(json::Json::new(verbose)),
            Mode::Quiet => View::Quiet,
        };
        Self::assemble(
            view,
            Sink::recorded(),
            Clock::Stopped,
            false,
            Look::default(),
        )
    }

    fn assemble(
        view: View,
        sink: Sink,
        clock: Clock,
        progress_colours: bool,
        results: Look,
    ) -> Self {
        let redactor = redact::Redactor::default();
        Self(Arc::new(Inner {
            view,
            sink,
            redactor,
            clock,
            progress_colours,
            results,
        }))
    }

    /// The lines that a [`hidden`](Self::hidden) or [`recording`](Self::recording) reporter kept.
    pub fn recorded(&self, stream: Stream) -> Vec<String> {
        self.0.sink.lines(stream)
    }

    /// Registers a secret: from now on `***` stands in its place in every output and log.
    pub fn redact(&self, secret: &str) {
        self.0.redactor.add(secret);
    }

    /// A text with every registered secret replaced, for what is written elsewhere.
    pub fn redacted(&self, text: &str) -> String {
        self.0.redactor.apply(text).into_owned()
    }

    /// Begins a platform and opens its log; the log of the run before is kept as `<log>.1`.
    pub fn platform(&self, platform: &TargetId, log_path: &Path) -> Result<PlatformReporter> {
        PlatformReporter::start(self, platform, log_path)
    }

    /// Warns about a platform or the whole run; the hint says what to do.
    pub fn warn(&self, platform: Option<&TargetId>, text: &str, hint: Option<&str>) {
        let (text, hint) = (text.to_owned(), hint.map(str::to_owned));
        self.emit(platform, &Event::Warning { text, hint });
    }

    /// Says something that belongs to no stage, such as `repository published`.
    pub fn note(&self, platform: Option<&TargetId>, text: &str) {
        self.emit(
            platform,
            &Event::Note {
                text: text.to_owned(),
            },
        );
    }

    /// Prints an error: message, failed command with its last lines, log, hints.
    pub fn print_error(&self, platform: Option<&TargetId>, error: &Error) {
        if let View::Json(_) = self.0.view {
            self.write_json(json::error(platform, error, self.now()));
            return;
        }
        let place = platform.map(TargetId::as_str);
        let colours = self.0.progress_colours;
        let text = text::render_error(place, error, &self.0.redactor, colours);
        self.write(Stream::Progress, &text);
    }

    /// Prints what a run did.
    pub fn print_summary(&self, summary: &Summary) {
        if let View::Json(_) = self.0.view {
            self.write_json(json::summary(summary, self.now()));
        } else {
            let summary = self.redacted_summary(summary);
            self.write(Stream::Results, &summary.render(self.0.results));
        }
    }

    /// Prints rows under column names, or as objects under the name of the command.
    pub fn print_listing(&self, name: &str, columns: &[&str], rows: &[Vec<String>]) {
        if let View::Json(_) = self.0.view {
            let object = |row: &Vec<String>| {
                let cells = columns.iter().zip(row);
                cells
                    .map(|(column, cell)| ((*column).to_owned(), cell.as_str().into()))
                    .collect()
            };
            let rows: Vec<serde_json::Map<_, _>> = rows.iter().map(object).collect();
            self.write_json(json::result(name, rows.into(), self.now()));
        } else {
            let clean = |row: &Vec<String>| row.iter().map(|cell| self.redacted(cell)).collect();
            let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
            self.write(
                Stream::Results,
                &table::listing(columns, &rows, self.0.results.width),
            );
        }
    }

    /// Prints rows under column names for people, and the value, which may say more, for programs.
    pub fn print_table(
        &self,
        name: &str,
        columns: &[&str],
        rows: &[Vec<String>],
        value: &impl Serialize,
    ) -> Result<()> {
        if let View::Json(_) = self.0.view {
            self.print_result(name, "", value)
        } else {
            self.print_listing(name, columns, rows);
            Ok(())
        }
    }

    /// Prints the result of a command: the text for people, the value for programs.
    pub fn print_result(&self, name: &str, text: &str, value: &impl Serialize) -> Result<()> {
        if let View::Json(_) = self.0.view {
            self.write_json(json::result(name, as_json(name, value)?, self.now()));
        } else {
            self.write(Stream::Results, text.trim_end_matches('\n'));
        }
        Ok(())
    }

    /// Prints a value that another program takes as it is: JSON on one line, in every mode.
    pub fn print_document(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.write_json(as_json(name, value)?);
        Ok(())
    }

    /// Removes what moves from the terminal, and says whether a result could not be written (a
    /// full disk; not a reader that went away).
    pub fn close(&self) -> Result<()> {
        self.0.clear();
        match self.0.sink.take_failure() {
            Some(error) => Err(Error::io("write", Path::new("standard output"), &error)),
            None => Ok(()),
        }
    }

    /// Since the start of the run.
    fn now(&self) -> Duration {
        match self.0.clock {
            Clock::Since(start) => start.elapsed(),
            Clock::Stopped => Duration::ZERO,
        }
    }

    fn emit(&self, platform: Option<&TargetId>, event: &Event) {
        let line = match &self.0.view {
            View::Terminal(terminal) => terminal.show(platform, event),
            View::Plain(plain) => plain.line(platform, event, self.now()),
            View::Json(json) => {
                if let Some(object) = json.object(platform, event, self.now()) {
                    self.write_json(object);
                }
                None
            }
            View::Quiet => matches!(event, Event::Warning { .. }).then(|| {
                let place = platform.map(TargetId::as_str);
                plain::render(place, event, self.0.progress_colours)
            }),
        };
        if let Some(line) = line {
            self.write(Stream::Progress, &line);
        }
    }

    fn write(&self, stream: Stream, text: &str) {
        let text = self.0.redactor.apply(text);
        match &self.0.view {
            View::Terminal(terminal) => terminal.print(&self.0.sink, stream, &text),
            View::Plain(_) | View::Json(_) | View::Quiet => self.0.sink.write(stream, &text),
        }
    }

    fn write_json(&self, mut object: serde_json::Value) {
        self.0.redactor.apply_to_json(&mut object);
        self.0.sink.write(Stream::Results, &object.to_string());
    }

    /// Before the table is laid out: a wrapped line may cut a secret in two.
    fn redacted_summary(&self, summary: &Summary) -> Summary {
        let mut summary = summary.clone();
        for row in &mut summary.rows {
            if let Outcome::Failed { message, .. } = &mut row.outcome {
                *message = self.redacted(message);
            }
            for name in &mut row.reused {
                *name = self.redacted(name);
            }
            for file in &mut row.files {
                file.name = self.redacted(&file.name);
            }
        }
        summary
    }
}

fn as_json(name: &str, value: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::new(
            Kind::Internal,
            format!("can't write the {name} as JSON: {error}"),
        )
    })
}

impl Inner {
    fn clear(&self) {
        if let View::Terminal(terminal) = &self.view {
            terminal.clear();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
