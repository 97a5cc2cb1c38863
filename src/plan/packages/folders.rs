//! Folders that are not one package's alone or not root's: what is refused, since a purge or a script
//! would reach further than was meant.
//!
//! Pure.

use crate::error::{Error, Kind, Result};
use crate::plan::PackagePlan;
use crate::plan::contents::{PlannedContent, PlannedEntry};
use crate::tree::Owner;

/// Checks the folders of a platform's packages against each other.
pub(super) fn check(packages: &[PackagePlan]) -> Result<()> {
    check_state(packages)?;
    check_owners(packages)
}

/// A purge must not remove what another folder's declaration keeps, or another package has.
fn check_state(packages: &[PackagePlan]) -> Result<()> {
    let folders = || {
        let all = packages.iter();
        all.flat_map(|package| package.state.iter().map(move |state| (package, state)))
    };
    for (package, removed) in folders().filter(|(_, state)| !state.kept) {
        let reached = folders().find(|(other, state)| {
            (other.name != package.name || state.kept) && is_at_or_below(&state.path, &removed.path)
        });
        let Some((other, state)) = reached else {
            continue;
        };
        return Err(Error::new(
            Kind::Config,
            format!(
                "purging `{}` removes `{}`, and with it `{}` of `{}`",
                package.name, removed.path, state.path, other.name
            ),
        )
        .hint(format!(
            "say `purge = \"keep\"` for `{}` of `{}`, or give each package a folder of its own",
            removed.path, package.name
        )));
    }
    Ok(())
}

/// Whoever may write to a folder can put a link into it, and root would change what that leads to.
fn check_owners(packages: &[PackagePlan]) -> Result<()> {
    let entries = || packages.iter().flat_map(|package| &package.entries);
    let foreign = |folder: &&PlannedEntry| {
        matches!(folder.content, PlannedContent::Directory)
            && (*folder.owner.user != *"root"
                || (*folder.owner.group != *"root" && folder.mode & 0o020 != 0)
                || folder.mode & 0o002 != 0)
    };
    for folder in entries().filter(foreign) {
        let inside = entries().find(|entry| {
            entry.owner != Owner::default()
                && entry.path != folder.path
                && is_at_or_below(&entry.path, &folder.path)
        });
        let Some(entry) = inside else {
            continue;
        };
        return Err(Error::new(
            Kind::Config,
            format!(
                "`{}` is to belong to {}:{}, but lies in `{}`, where {}:{} may write",
                entry.path,
                entry.owner.user,
                entry.owner.group,
                folder.path,
                folder.owner.user,
                folder.owner.group
            ),
        )
        .hint("let the program make it, or a line of `tmpfiles` (tmpfiles.d(5)): set by a maintainer script, its owner and mode could be given to any file of the system"));
    }
    Ok(())
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
