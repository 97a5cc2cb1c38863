//! Progress on a terminal: one line a platform, redrawn in place below what stays.
//!
//! Draws bars only; lines that stay are handed back to the reporter. No drawing call that may panic
//! on a terminal that went away is used (indicatif's `suspend` does).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::platform::TargetId;

use super::event::{Event, Outcome, Stage, Unit};
use super::plain;
use super::sink::{Sink, Stream};
use super::table::{self, outcome_colour};
use super::text::{Colour, clock, coloured, human_duration, one_line};

/// Between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(120);

/// Width of the column of platforms; `ubuntu-24.04` fits.
const PLATFORM_WIDTH: usize = 12;

/// The lines of the platforms that are being worked on.
pub(super) struct Terminal {
    bars: MultiProgress,
    lines: Mutex<HashMap<TargetId, Line>>,
    verbose: u8,
    colours: bool,
}

struct Line {
    bar: ProgressBar,
    stage: Option<Stage>,
    count: String,
    size: String,
}

impl Terminal {
    pub(super) fn new(target: ProgressDrawTarget, verbose: u8, colours: bool) -> Self {
        Self {
            bars: MultiProgress::with_draw_target(target),
            lines: Mutex::new(HashMap::new()),
            verbose,
            colours,
        }
    }

    /// Draws an event; gives the line that is to stay above, where there is one.
    pub(super) fn show(&self, platform: Option<&TargetId>, event: &Event) -> Option<String> {
        match (platform, event) {
            (Some(platform), Event::PlatformStarted { .. }) => {
                let line = self.start(platform);
                self.lock().insert(platform.clone(), line);
                None
            }
            (Some(platform), Event::PlatformFinished { outcome, took }) => {
                // Cleared before the line that stays is printed, or both would be seen.
                if let Some(line) = self.lock().remove(platform) {
                    line.bar.finish_and_clear();
                    self.bars.remove(&line.bar);
                }
                Some(self.final_line(platform, outcome, *took))
            }
            (Some(platform), event) if event.stage().is_some() => {
                if let Some(line) = self.lock().get_mut(platform) {
                    self.update(platform, line, event);
                }
                let ended = matches!(
                    event,
                    Event::StageReused { .. }
                        | Event::StageFinished { .. }
                        | Event::StageStopped { .. }
                );
                (ended && self.verbose > 0)
                    .then(|| plain::render(Some(platform.as_str()), event, self.colours))
            }
            (_, Event::Command { .. } | Event::Output { .. }) if self.verbose == 0 => None,
            _ => Some(plain::render(
                platform.map(TargetId::as_str),
                event,
                self.colours,
            )),
        }
    }

    fn start(&self, platform: &TargetId) -> Line {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let template = "{spinner} {prefix}  {clock}  {wide_msg}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
            .with_key(
                "clock",
                |state: &ProgressState, writer: &mut dyn std::fmt::Write| {
                    // A writer of this trait that fails has nowhere to report it.
                    writer.write_str(&clock(state.elapsed())).ok();
                },
            );
        bar.set_style(style);
        let line = Line {
            bar,
            stage: None,
            count: String::new(),
            size: String::new(),
        };
        self.set_prefix(platform, &line);
        line.bar.enable_steady_tick(TICK);
        line
    }

    fn update(&self, platform: &TargetId, line: &mut Line, event: &Event) {
        if line.stage != event.stage() {
            line.stage = event.stage();
            line.count.clear();
            line.size.clear();
            line.bar.set_message("");
            line.bar.reset_elapsed();
        }
        match event {
            Event::StageProgress {
                done,
                total,
                unit: Unit::Bytes,
                ..
            } => {
                line.size = plain::progress(*done, *total, Unit::Bytes);
            }
            Event::StageProgress {
                done, total, unit, ..
            } => {
                line.count = plain::progress(*done, *total, *unit);
            }
            Event::StageMessage { text, .. } | Event::StageFinished { text, .. } => {
                line.bar
                    .set_message(coloured(&one_line(text), Colour::Dim, self.colours));
            }
            Event::StageReused { reason, .. } => {
                let text = one_line(&format!("reused: {reason}"));
                line.bar
                    .set_message(coloured(&text, Colour::Dim, self.colours));
            }
            _ => {}
        }
        self.set_prefix(platform, line);
    }

    /// `debian-12     wheels   12/74 wheels  18.2 MB`.
    fn set_prefix(&self, platform: &TargetId, line: &Line) {
        let name = format!("{:PLATFORM_WIDTH$}", platform.as_str());
        let mut parts = vec![coloured(&name, Colour::Bold, self.colours)];
        parts.extend(line.stage.map(|stage| format!("{stage:7}")));
        let counts = [&line.count, &line.size]
            .into_iter()
            .filter(|part| !part.is_empty());
        parts.extend(counts.cloned());
        line.bar.set_prefix(parts.join("  "));
    }

    /// `✓ debian-12     built  2 min 03 s`.
    fn final_line(&self, platform: &TargetId, outcome: &Outcome, took: Duration) -> String {
        let mark = match outcome {
            Outcome::Built
            | Outcome::UpToDate
            | Outcome::Locked
            | Outcome::Pushed
            | Outcome::Checked => "✓",
            Outcome::Failed { .. } => "✗",
            Outcome::Cancelled | Outcome::Planned => "-",
        };
        format!(
            "{} {:PLATFORM_WIDTH$}  {}  {}",
            coloured(mark, outcome_colour(outcome), self.colours),
            platform.as_str(),
            table::result(outcome),
            human_duration(took)
        )
    }

    /// Writes a text above the lines of the platforms.
    pub(super) fn print(&self, sink: &Sink, stream: Stream, text: &str) {
        let lines = self.lock();
        if lines.is_empty() {
            sink.write(stream, text);
            return;
        }
        match stream {
            // A terminal that went away takes nothing, and that is no reason to stop.
            Stream::Progress => drop(self.bars.println(text)),
            Stream::Results => {
                // Standard output may be the same terminal: nobody may draw in between.
                for line in lines.values() {
                    line.bar.disable_steady_tick();
                }
                drop(self.bars.clear());
                sink.write(stream, text);
                for line in lines.values() {
                    line.bar.enable_steady_tick(TICK);
                }
            }
        }
    }

    /// Removes all lines.
    pub(super) fn clear(&self) {
        for (_, line) in self.lock().drain() {
            line.bar.finish_and_clear();
        }
        drop(self.bars.clear());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TargetId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
