//! Where a wheel's members would go: names and places that no honest wheel has.
//!
//! Knows names only, and reads nothing.

use std::collections::BTreeSet;

use crate::tree::is_plain_path;

/// Commands that a virtualenv has of its own, but for their version.
const INTERPRETERS: [&str; 3] = ["python", "pythonw", "pypy"];
/// The parts of a `.data` folder (the schemes of `sysconfig` that installers know).
const SCHEMES: [&str; 5] = ["data", "headers", "platlib", "purelib", "scripts"];

/// What is wrong with a member's name, if anything.
pub(super) fn bad_name(name: &str) -> Option<&'static str> {
    let first = name.split('/').next().unwrap_or_default();
    if name.starts_with('/') {
        Some("has an absolute path")
    } else if name.contains('\\') {
        Some("has a backslash in its name")
    } else if name.chars().any(char::is_control) {
        Some("has a control character in its name")
    } else if name.split('/').any(|part| part == "..") {
        Some("leaves the wheel's folder")
    } else if first.len() == 2 && first.ends_with(':') {
        Some("has a drive letter")
    } else if !is_plain_path(name) {
        Some("has an empty or `.` part in its path")
    } else if name.split('/').any(|part| part.len() > 255) {
        Some("has a name longer than 255 bytes")
    } else {
        None
    }
}

/// The first member that is below a file, or in a part of `.data` that nobody knows, and which.
pub(super) fn misplaced<'n>(members: impl Iterator<Item = &'n str>) -> Option<(&'n str, String)> {
    let names: BTreeSet<&str> = members.collect();
    names.iter().find_map(|name| {
        let mut parents = name.match_indices('/').map(|(slash, _)| &name[..slash]);
        if let Some(file) = parents.find(|parent| names.contains(parent)) {
            return Some((*name, format!("is below `{file}`, which is a file")));
        }
        let (_, rest) = in_data(name)?;
        let Some((scheme, _)) = rest.split_once('/') else {
            return Some((*name, "is in no scheme of the `.data` folder".to_owned()));
        };
        let unknown = format!("is in the unknown scheme `{}`", scheme.escape_debug());
        (!SCHEMES.contains(&scheme)).then_some((*name, unknown))
    })
}

/// A member that would go where the virtualenv has its interpreter.
pub(super) fn interpreter_in<'n>(mut members: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    members.find(|name| {
        let rest = in_data(name).map_or("", |(_, rest)| rest);
        let command = rest
            .strip_prefix("scripts/")
            .or_else(|| rest.strip_prefix("data/bin/"));
        command.is_some_and(is_interpreter) || rest == "data/pyvenv.cfg"
    })
}

/// The `.data` folder at the top and the path below it.
pub(super) fn in_data(name: &str) -> Option<(&str, &str)> {
    let (folder, rest) = name.split_once('/').unwrap_or((name, ""));
    folder.strip_suffix(".data").map(|stem| (stem, rest))
}

/// Whether a command's name is the interpreter's: `python`, `python3`, `python3.11`.
pub(super) fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.iter().any(|interpreter| {
        name.strip_prefix(interpreter).is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    })
}
