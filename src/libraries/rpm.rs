//! Dependencies in the words of rpm's own generator (`elfdeps`): `libpq.so.5()(64bit)`,
//! `libc.so.6(GLIBC_2.17)(64bit)`, `rtld(GNU_HASH)`.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;

use super::Manager;
use super::answer::Found;
use super::resolve::Outside;

pub(super) struct Rpm;

/// Every machine that packages are made for has 64 bits.
const MARKER: &str = "(64bit)";

impl Manager for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn wants_symbols(&self) -> bool {
        false
    }

    fn depends(&self, outside: &Outside, found: &BTreeMap<String, Found>) -> Result<Vec<String>> {
        let mut depends = BTreeSet::new();
        for (library, wanted) in &outside.libraries {
            let Some(found) = found.get(library) else {
                continue;
            };
            if wanted.linked {
                depends.insert(format!("{library}(){MARKER}"));
            }
            let nodes = wanted
                .versions
                .keys()
                .filter(|node| !found.lacks.contains(node));
            depends.extend(nodes.map(|node| format!("{library}({node}){MARKER}")));
        }
        if outside.gnu_hash {
            depends.insert("rtld(GNU_HASH)".to_owned());
        }
        Ok(depends.into_iter().collect())
    }
}
