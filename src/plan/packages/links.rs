//! Links of overlays: one into a folder that only this project fills leads to something that is there.
//!
//! Pure. What the distribution has is not known here, and what the bundle has is looked at when it is
//! packed.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::plan::PackagePlan;
use crate::plan::contents::{PlannedContent, PlannedEntry};

use super::links;
use super::system_folders::is_system_folder;

/// How many links the kernel follows (`ELOOP`).
const MOST_LINKS: usize = 40;

/// Refuses links that can lead nowhere only.
pub(super) fn check_overlay_links(packages: &[PackagePlan]) -> Result<()> {
    let entries = packages.iter().flat_map(|package| &package.entries);
    let mut all: BTreeMap<String, Option<&PlannedEntry>> = entries
        .map(|entry| (entry.path.clone(), Some(entry)))
        .collect();
    all.extend(packages.iter().flat_map(links).map(|path| (path, None)));
    let state = packages.iter().flat_map(|package| &package.state);
    let state: Vec<&str> = state.map(|folder| folder.path.as_str()).collect();
    for entry in all.values().copied().flatten() {
        let Some(first) = entry.leads_to() else {
            continue;
        };
        let mut end = first;
        let mut followed = 1;
        while let Some(next) = all
            .get(&end)
            .copied()
            .flatten()
            .and_then(PlannedEntry::leads_to)
        {
            followed += 1;
            if followed > MOST_LINKS {
                return Err(refused(entry, "which leads back to it"));
            }
            end = next;
        }
        let is_there = all.contains_key(&end)
            || all
                .range(format!("{end}/")..)
                .next()
                .is_some_and(|(path, _)| path.starts_with(&format!("{end}/")));
        if !is_there && is_ours(&end, &all, &state) {
            return Err(refused(entry, &format!("and nothing is at `{end}`")));
        }
    }
    Ok(())
}

/// Whether only the project's packages can bring something to a path: the nearest folder above it that
/// somebody has is one of theirs, and no program fills it.
fn is_ours(path: &str, all: &BTreeMap<String, Option<&PlannedEntry>>, state: &[&str]) -> bool {
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        folder = above;
        if is_system_folder(folder) || state.contains(&folder) {
            return false;
        }
        if let Some(entry) = all.get(folder).copied().flatten() {
            return matches!(entry.content, PlannedContent::Directory);
        }
    }
    false
}

fn refused(entry: &PlannedEntry, what: &str) -> Error {
    let PlannedEntry {
        path,
        content,
        origin,
        ..
    } = entry;
    let target = match content {
        PlannedContent::Link(target) => target.as_str(),
        PlannedContent::Directory
        | PlannedContent::File(_)
        | PlannedContent::Compressed(_)
        | PlannedContent::Text(_)
        | PlannedContent::CompressedText(_) => "",
    };
    Error::new(
        Kind::Config,
        format!("{origin}: `{path}` is a link to `{target}`, {what}"),
    )
    .hint("correct the link; a folder that programs fill belongs into `directories`")
}
