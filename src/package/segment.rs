//! The order of a package's content: what changes together lies together.
//!
//! Folders first, since layers share them; then what each layer brings, and last what was made for
//! this package. A part that has not changed then has the same bytes as in the package before, and
//! its compressed form can be used again. Knows no format.

use std::collections::BTreeMap;

use crate::tree::{Entry, EntryKind, Tree};

/// Entries that stand one after another in a package.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    /// Paths and entries, sorted by path.
    pub(super) entries: Vec<(&'a str, &'a Entry)>,
}

/// The segments of a tree, those without entries left out.
pub(super) fn segments(tree: &Tree) -> Vec<Segment<'_>> {
    let segment = |entries| Segment { entries };
    let mut folders = Vec::new();
    let mut own = Vec::new();
    // By name first: the order of digests would change whenever a layer does.
    let mut layers: BTreeMap<(&str, &str), Segment<'_>> = BTreeMap::new();
    for (path, entry) in tree.iter() {
        // All names of a file lie where the file does.
        let holder = tree.resolve(entry);
        match (&holder.kind, &holder.layer) {
            (EntryKind::Directory, _) => folders.push((path, entry)),
            (_, None) => own.push((path, entry)),
            (_, Some(layer)) => layers
                .entry((&holder.origin, layer.digest.as_str()))
                .or_insert_with(|| segment(Vec::new()))
                .entries
                .push((path, entry)),
        }
    }
    std::iter::once(segment(folders))
        .chain(layers.into_values())
        .chain([segment(own)])
        .filter(|segment| !segment.entries.is_empty())
        .collect()
}
