//! Events as plain lines, for continuous integration and for pipes.
//!
//! Renders only. A line stands for itself: it names its platform and its stage, and nothing is
//! overwritten or wrapped.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::platform::TargetId;

use super::event::{Event, Outcome, Unit};
use super::table;
use super::text::{
    Colour, coloured, headline, human_duration, human_size, one_line, quote_command, render_hint,
};

/// After this long without a line for a platform, progress is shown, so that a job whose output
/// is watched does not look dead.
const QUIET_FOR: Duration = Duration::from_secs(30);

/// Remembers when something was last shown for each platform.
#[derive(Default)]
pub(super) struct LastShown(Mutex<HashMap<TargetId, Duration>>);

impl LastShown {
    pub(super) fn set(&self, platform: &TargetId, now: Duration) {
        self.map().insert(platform.clone(), now);
    }

    pub(super) fn forget(&self, platform: &TargetId) {
        self.map().remove(platform);
    }

    /// Whether nothing was shown for this long, or nothing ever.
    pub(super) fn is_older_than(&self, platform: &TargetId, age: Duration, now: Duration) -> bool {
        self.map()
            .get(platform)
            .is_none_or(|shown| now.saturating_sub(*shown) >= age)
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<TargetId, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renders events as lines.
pub(super) struct Plain {
    verbose: u8,
    colours: bool,
    shown: LastShown,
}

impl Plain {
    pub(super) fn new(verbose: u8, colours: bool) -> Self {
        Self {
            verbose,
            colours,
            shown: LastShown::default(),
        }
    }

    /// The line of an event that happened this long after the start, where it has one.
    pub(super) fn line(
        &self,
        platform: Option<&TargetId>,
        event: &Event,
        now: Duration,
    ) -> Option<String> {
        let wanted = match event {
            Event::PlatformStarted { .. } => {
                platform.inspect(|platform| self.shown.set(platform, now));
                self.verbose > 0
            }
            Event::StageStarted { .. } | Event::Command { .. } | Event::Output { .. } => {
                self.verbose > 0
            }
            Event::StageMessage { .. } => self.verbose > 0 || self.is_quiet(platform, now),
            Event::StageProgress { .. } => self.is_quiet(platform, now),
            Event::StageReused { .. }
            | Event::StageFinished { .. }
            | Event::StageStopped { .. }
            | Event::PlatformFinished { .. }
            | Event::Warning { .. }
            | Event::Note { .. } => true,
        };
        if !wanted {
            return None;
        }
        platform.inspect(|platform| self.shown.set(platform, now));
        Some(render(platform.map(TargetId::as_str), event, self.colours))
    }

    fn is_quiet(&self, platform: Option<&TargetId>, now: Duration) -> bool {
        platform.is_some_and(|platform| self.shown.is_older_than(platform, QUIET_FOR, now))
    }
}

/// An event as a line.
pub(super) fn render(platform: Option<&str>, event: &Event, colours: bool) -> String {
    if let Event::Warning { text, hint } = event {
        let line = headline("warning", Colour::Yellow, platform, text, colours);
        return match hint {
            Some(hint) => format!("{line}\n{}", render_hint(hint, colours)),
            None => line,
        };
    }
    let platform = platform.unwrap_or_default();
    match event {
        Event::Command { argv } => {
            let argv = quote_command(argv.iter().map(String::as_str));
            return coloured(&format!("{platform} $ {argv}"), Colour::Bold, colours);
        }
        Event::Output { text } => {
            return format!("{platform} | {}", one_line(text))
                .trim_end()
                .to_owned();
        }
        _ => {}
    }
    let place: Vec<String> = [platform.to_owned()]
        .into_iter()
        .chain(event.stage().map(|stage| stage.to_string()))
        .filter(|word| !word.is_empty())
        .collect();
    let text = one_line(&said(event));
    if place.is_empty() {
        text
    } else {
        format!("{}: {text}", place.join(": "))
    }
}

/// What an event says behind its platform and stage.
fn said(event: &Event) -> String {
    match event {
        Event::PlatformStarted { log } => format!("log in {}", log.display()),
        Event::StageStarted { .. } => "started".to_owned(),
        Event::StageMessage { text, .. } | Event::Note { text } | Event::Output { text } => {
            text.clone()
        }
        Event::StageProgress {
            done, total, unit, ..
        } => progress(*done, *total, *unit),
        Event::StageReused { reason, .. } if reason.is_empty() => "reused".to_owned(),
        Event::StageReused { reason, .. } => format!("reused: {reason}"),
        Event::StageFinished { text, took, .. } => format!("{text} ({})", human_duration(*took)),
        Event::StageStopped { took, .. } => format!("stopped ({})", human_duration(*took)),
        Event::PlatformFinished { outcome, took } => ending(outcome, *took),
        Event::Command { argv } => quote_command(argv.iter().map(String::as_str)),
        Event::Warning { text, .. } => text.clone(),
    }
}

/// `12/74 wheels`, `3 files`, `18.2 MB`, `1.0 MB of 18.2 MB`.
pub(super) fn progress(done: u64, total: Option<u64>, unit: Unit) -> String {
    match (unit, total) {
        (Unit::Bytes, Some(total)) => format!("{} of {}", human_size(done), human_size(total)),
        (Unit::Bytes, None) => human_size(done),
        (unit, Some(total)) => format!("{done}/{total} {unit}"),
        (unit, None) => format!("{done} {unit}"),
    }
}

/// `built (4.0 s)`, `failed (build), 4.0 s`: the error itself is printed by whoever has it.
fn ending(outcome: &Outcome, took: Duration) -> String {
    let (result, took) = (table::result(outcome), human_duration(took));
    match outcome {
        Outcome::Failed { .. } => format!("{result}, {took}"),
        Outcome::Built
        | Outcome::UpToDate
        | Outcome::Cancelled
        | Outcome::Planned
        | Outcome::Locked
        | Outcome::Pushed
        | Outcome::Checked => format!("{result} ({took})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::event::Stage;

    #[test]
    fn progress_is_shown_when_nothing_else_was_for_a_while() {
        let platform: TargetId = "debian-12".parse().unwrap();
        let plain = Plain::new(0, false);
        let line = |event: &Event, seconds| {
            plain.line(Some(&platform), event, Duration::from_secs(seconds))
        };
        let progress = |done| Event::StageProgress {
            stage: Stage::Wheels,
            done,
            total: Some(74),
            unit: Unit::Wheels,
        };
        assert_eq!(line(&Event::PlatformStarted { log: "x".into() }, 0), None);
        assert_eq!(line(&progress(1), 29), None);
        assert_eq!(
            line(&progress(2), 31).unwrap(),
            "debian-12: wheels: 2/74 wheels"
        );
        assert_eq!(line(&progress(3), 60), None);
        assert_eq!(
            line(&progress(4), 61).unwrap(),
            "debian-12: wheels: 4/74 wheels"
        );
    }

    #[test]
    fn counts_and_sizes_read_naturally() {
        assert_eq!(progress(12, Some(74), Unit::Wheels), "12/74 wheels");
        assert_eq!(progress(3, None, Unit::Files), "3 files");
        assert_eq!(progress(18_200_000, None, Unit::Bytes), "18.2 MB");
        assert_eq!(
            progress(1_000_000, Some(18_200_000), Unit::Bytes),
            "1.0 MB of 18.2 MB"
        );
    }
}
