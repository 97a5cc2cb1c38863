//! A bundle as an audit sees it: its entries, and what layers keep about their contents.

use crate::audit::{Item, ItemKind};

use super::assemble::Bundle;
use super::layer::LayerEntryKind;

impl Bundle {
    /// Every entry of every layer.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.layers.iter().flat_map(|layer| {
            let manifest = layer.manifest();
            manifest.entries.iter().map(|entry| Item {
                path: &entry.path,
                mode: entry.mode,
                kind: match &entry.kind {
                    LayerEntryKind::Directory => ItemKind::Directory,
                    LayerEntryKind::Symlink { target } => ItemKind::Symlink(target),
                    LayerEntryKind::File { size, facts, .. } => {
                        ItemKind::File { size: *size, facts }
                    }
                },
                origin: &manifest.origin,
            })
        })
    }

    /// The names in `bin` that entry points of its distributions put there.
    pub fn entry_points(&self) -> Vec<&str> {
        let distributions = self
            .layers
            .iter()
            .filter_map(|layer| layer.manifest().distribution.as_ref());
        distributions
            .flat_map(|distribution| &distribution.console_scripts)
            .map(String::as_str)
            .collect()
    }
}
