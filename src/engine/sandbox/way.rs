//! The ways in which a machine lets a task have a root of its own, and what each keeps apart.
//!
//! Says nothing of how: `root`, `chroot`, `proot` and `helper` do it.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How a task gets its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// Namespaces, with an overlay of the layers: as root, outside of a container.
    Namespaces,
    /// The same in a user namespace, with the numbers that subuid(5) gives: as anybody.
    UserNamespace,
    /// A whole tree for each image and container, with chroot(2): as root, in a container too.
    Trees,
    /// A whole tree for each image and container, with proot(1): as anybody.
    Proot,
}

impl Way {
    /// All that there are.
    pub(super) const ALL: [Self; 4] = [
        Self::Namespaces,
        Self::UserNamespace,
        Self::Trees,
        Self::Proot,
    ];

    /// Those that may work for root, or for others; the one that keeps most apart first.
    pub(super) fn strongest_first(root: bool) -> &'static [Self] {
        if root {
            &[Self::Namespaces, Self::Trees]
        } else {
            &[Self::UserNamespace, Self::Proot]
        }
    }

    /// In a few words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::UserNamespace => "a user namespace",
            Self::Trees => "chroot",
            Self::Proot => "PRoot",
        }
    }

    /// What it keeps apart less well than an engine with a daemon does.
    pub(super) fn limits(self) -> &'static str {
        match self {
            Self::Namespaces | Self::UserNamespace => "stages with a network share the machine's",
            Self::Trees => {
                "every stage shares the machine's network, also those that have none elsewhere, and \
                 its processes, which root in a stage may end; there is no `/proc`"
            }
            Self::Proot => {
                "every stage shares the machine's network, also those that have none elsewhere, and \
                 its `/dev` and `/proc`; that commands are root and see no other files is pretended, \
                 nothing of the kernel's keeps them from what this user may"
            }
        }
    }

    /// Whether an image is one whole tree, and not changes upon changes.
    pub(super) fn keeps_whole_trees(self) -> bool {
        match self {
            Self::Namespaces | Self::UserNamespace => false,
            Self::Trees | Self::Proot => true,
        }
    }

    /// Those of an image's layers that a root is made of.
    pub(super) fn needed(self, layers: &[Digest]) -> &[Digest] {
        let unneeded = if self.keeps_whole_trees() {
            layers.len().saturating_sub(1)
        } else {
            0
        };
        &layers[unneeded..]
    }

    /// The folder of the store that has its layers: what a layer is differs.
    pub(super) fn layers(self) -> &'static str {
        match self {
            Self::Namespaces => "layers",
            // Owners and the marks of overlays are others.
            Self::UserNamespace => "user-layers",
            Self::Trees => "trees",
            Self::Proot => "proot-trees",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn layers_of_one_way_are_no_layers_of_another() {
        let of = |ways: &[Way]| ways.iter().map(|way| way.layers()).collect::<BTreeSet<_>>();
        let tried = [true, false].map(Way::strongest_first).concat();
        assert_eq!(of(&Way::ALL).len(), Way::ALL.len());
        assert_eq!(of(&tried), of(&Way::ALL));
    }
}
