//! What a package holds beside the bundle and links, put into its tree as it was planned.
//!
//! Decides nothing; compresses what is to be installed compressed.

use std::io::Write;
use std::sync::Arc;

use flate2::{Compression, GzBuilder};

use crate::bundle::Bundle;
use crate::error::{Error, Kind, Result};
use crate::plan::PackagePlan;
use crate::plan::contents::{PlannedContent, PlannedEntry};
use crate::plan::project_files::ProjectFile;
use crate::tree::{Content, Entry, EntryKind, Tree};

/// Adds the entries to a tree.
pub(super) fn add(tree: &mut Tree, entries: &[PlannedEntry]) -> Result<()> {
    for planned in entries {
        let kind = match &planned.content {
            PlannedContent::Directory => EntryKind::Directory,
            PlannedContent::Link(target) => EntryKind::Symlink(target.clone()),
            PlannedContent::File(file) => whole(file),
            PlannedContent::Compressed(file) => bytes(compressed(file.text()?.as_bytes())?),
            PlannedContent::Text(text) => bytes(text.as_bytes().to_vec()),
            PlannedContent::CompressedText(text) => bytes(compressed(text.as_bytes())?),
        };
        let made = Entry::new(planned.mode, kind, planned.origin.as_str().into());
        let entry = Entry {
            owner: planned.owner.clone(),
            role: planned.role,
            ..made
        };
        tree.insert(&planned.path, entry)?;
    }
    Ok(())
}

/// Refuses links to a file of the bundle which the bundle doesn't have.
pub(super) fn check_links(package: &PackagePlan, bundle: &Bundle) -> Result<()> {
    let inside = format!("{}/", bundle.prefix);
    for entry in &package.entries {
        let Some(end) = entry.leads_to().filter(|end| end.starts_with(&inside)) else {
            continue;
        };
        let end = end.trim_start_matches('/');
        let is_there = bundle.layers.iter().any(|layer| {
            layer.manifest().entries.iter().any(|entry| {
                let rest = entry.path.strip_prefix(end);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        });
        if !is_there {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "package `{}`: {}: `{}` is a link to `/{end}`, which is not in the bundle",
                    package.name, entry.origin, entry.path
                ),
            )
            .hint("correct the link, or require what brings the file"));
        }
    }
    Ok(())
}

/// Refuses units that run a command which the bundle doesn't have.
pub(super) fn check_commands(package: &PackagePlan, bundle: &Bundle) -> Result<()> {
    let absent = |command: &&String| !bundle.commands().any(|there| there == command.as_str());
    let Some(command) = package.runs.iter().find(absent) else {
        return Ok(());
    };
    let known: Vec<&str> = bundle.linkable_commands().collect();
    Err(Error::new(
        Kind::Config,
        format!(
            "a unit of package `{}` runs `{}/bin/{command}`, which is not in the bundle",
            package.name, bundle.prefix
        ),
    )
    .hint(format!("commands that are there: {}", known.join(", "))))
}

fn whole(file: &ProjectFile) -> EntryKind {
    let content = match &file.bytes {
        Some(bytes) => Content::Bytes(Arc::clone(bytes)),
        None => Content::Whole {
            path: Arc::clone(&file.place),
            digest: file.digest.clone(),
        },
    };
    EntryKind::File {
        size: file.size,
        content,
    }
}

fn bytes(bytes: Vec<u8>) -> EntryKind {
    EntryKind::File {
        size: bytes.len() as u64,
        content: Content::Bytes(bytes.into()),
    }
}

/// As `gzip -9n` does it, which policy asks for: no name and no time (Debian policy 12.1, 12.7).
fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .operating_system(3)
        .write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
