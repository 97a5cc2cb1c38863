//! Whether a version is affected: listed versions, and ranges of events in the order of PEP 440.
//!
//! Pure. Follows "Evaluation" of the OSV format; commits (`GIT`) say nothing of a version.

use pep440_rs::Version;

use super::record::{Advisory, Affected, Event, Range};

/// What a record says of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Affected,
    NotAffected,
    /// It can't be said, and why.
    Unclear(String),
}

/// What is affected by the order of versions.
const ECOSYSTEM: &str = "ECOSYSTEM";

/// What a record says of a version of a distribution. The local part of a version does not count:
/// a build of one's own has what its public version has.
pub(super) fn verdict(advisory: &Advisory, name: &str, version: &str) -> Verdict {
    let Ok(parsed) = version.parse::<Version>() else {
        return Verdict::Unclear(format!("`{version}` is no version"));
    };
    let public = parsed.without_local();
    let mut unclear = None;
    for affected in advisory.about(name) {
        if !says_versions(affected) {
            unclear = Some("it names no versions".to_owned());
        }
        let listed = affected.versions.iter().flatten();
        let is_listed = listed
            .map(|text| (text, text.parse::<Version>()))
            .any(|(text, listed)| listed.map_or(text == version, |listed| listed == public));
        if is_listed {
            return Verdict::Affected;
        }
        for range in affected.ranges.iter().flatten() {
            if range.kind != ECOSYSTEM {
                continue;
            }
            match in_range(range, &public) {
                Ok(true) => return Verdict::Affected,
                Ok(false) => {}
                Err(what) => unclear = Some(what),
            }
        }
    }
    unclear.map_or(Verdict::NotAffected, Verdict::Unclear)
}

/// Whether it says anything of versions: commits and other orders can't be held against one.
fn says_versions(affected: &Affected) -> bool {
    let mut ranges = affected.ranges.iter().flatten();
    let has_events = |range: &Range| {
        range
            .events
            .as_ref()
            .is_some_and(|events| !events.is_empty())
    };
    affected.versions.iter().flatten().next().is_some()
        || ranges.any(|range| range.kind == ECOSYSTEM && has_events(range))
}

/// The versions above this one that a record calls fixed.
pub(super) fn fixed(advisory: &Advisory, name: &str, version: &str) -> Vec<String> {
    let Ok(version) = version.parse::<Version>() else {
        return Vec::new();
    };
    let ranges = advisory
        .about(name)
        .flat_map(|affected| affected.ranges.iter().flatten())
        .filter(|range| range.kind == ECOSYSTEM);
    let mut fixed: Vec<Version> = ranges
        .flat_map(|range| range.events.iter().flatten())
        .filter_map(|event| event.fixed.as_deref()?.parse().ok())
        .filter(|fixed| *fixed > version)
        .collect();
    fixed.sort();
    fixed.dedup();
    fixed.iter().map(ToString::to_string).collect()
}

/// What happens at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Fixed,
    LastAffected,
    Introduced,
}

fn in_range(range: &Range, version: &Version) -> Result<bool, String> {
    // `0` is before every version, also before `0.dev0`.
    let mut changes: Vec<(Option<Version>, Change)> = Vec::new();
    let mut limits = Vec::new();
    for event in range.events.iter().flatten() {
        if let Some(text) = &event.limit {
            if text != "*" {
                limits.push(parse(text)?);
            }
            continue;
        }
        let (text, change) = change(event)?;
        let at = if change == Change::Introduced && text == "0" {
            None
        } else {
            Some(parse(text)?)
        };
        changes.push((at, change));
    }
    changes.sort();
    let mut affected = false;
    for (at, change) in changes {
        let reached = at.as_ref().is_none_or(|at| version >= at);
        let passed = at.as_ref().is_none_or(|at| version > at);
        match change {
            Change::Introduced if reached => affected = true,
            Change::Fixed if reached => affected = false,
            Change::LastAffected if passed => affected = false,
            Change::Introduced | Change::Fixed | Change::LastAffected => {}
        }
    }
    let below_limit = limits.is_empty() || limits.iter().any(|limit| version < limit);
    Ok(affected && below_limit)
}

fn change(event: &Event) -> Result<(&str, Change), String> {
    match (&event.introduced, &event.fixed, &event.last_affected) {
        (Some(text), None, None) => Ok((text, Change::Introduced)),
        (None, Some(text), None) => Ok((text, Change::Fixed)),
        (None, None, Some(text)) => Ok((text, Change::LastAffected)),
        _ => Err("an event is neither introduced, fixed nor last affected".to_owned()),
    }
}

fn parse(text: &str) -> Result<Version, String> {
    text.parse()
        .map_err(|_no_version| format!("`{}` is no version", text.escape_debug()))
}
