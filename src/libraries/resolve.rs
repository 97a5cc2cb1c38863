//! Where the dynamic linker would find what each file needs (ld.so(8)), as far as the bundle goes.
//!
//! Pure. Looked at in turn: the file's own folders (`DT_RUNPATH`, or `DT_RPATH`), then the other
//! files of its wheel, which wheels load before it, then the platform. A library of another wheel
//! counts only where the platform has none: nobody says that it is loaded first.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Check, Finding, Item, ItemKind, is_loadable};
use crate::elf::ElfFile;

use super::numbers;

/// How many links are followed.
const MOST_LINKS: usize = 40;

/// What the platform is.
pub(super) struct Machine<'a> {
    /// `x86_64`, `aarch64`.
    pub(super) name: &'a str,
    /// The version of glibc that nothing may need a newer one of; `None`: it is not known.
    pub(super) glibc: Option<Vec<u32>>,
}

/// What the bundle needs from outside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// By the name that files are linked with.
    pub(super) libraries: BTreeMap<String, Wanted>,
    /// Whether the linker must know `DT_GNU_HASH`.
    pub(super) gnu_hash: bool,
}

/// What is wanted of one library.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Whether a file is linked with it, not only wants nodes of it.
    pub(super) linked: bool,
    /// Version nodes, each with the first file that wants it.
    pub(super) versions: BTreeMap<String, User>,
    /// Undefined symbols of its users: `name@node` of it, or `name` that may be its.
    pub(super) symbols: BTreeSet<String>,
    /// The files that need it.
    pub(super) users: Vec<User>,
    /// Whether another wheel has a library of this name.
    pub(super) elsewhere: bool,
}

/// A file that needs something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) path: String,
    pub(super) origin: String,
}

impl Wanted {
    /// Nobody has it.
    pub(super) fn missing(&self, library: &str) -> Vec<Finding> {
        let what = || {
            format!(
                "needs `{library}`, which is neither in the bundle nor in a package of the builder"
            )
        };
        let users = self.users.iter();
        users
            .map(|user| Finding::new(Check::MissingLibrary, &user.path, &user.origin, what()))
            .collect()
    }

    /// The platform's library does not have a node.
    pub(super) fn lacking(&self, library: &str, node: &str) -> Option<Finding> {
        let user = self.versions.get(node)?;
        let what =
            format!("needs `{node}` of `{library}`, which the platform's library does not have");
        Some(Finding::new(Check::TooNew, &user.path, &user.origin, what))
    }
}

/// What the bundle's files need from outside, and what they need inside and do not find.
pub(super) fn resolve(items: &[Item<'_>], machine: &Machine<'_>) -> (Outside, Vec<Finding>) {
    let inside = Inside::of(items);
    let mut outside = Outside::default();
    let mut findings = Vec::new();
    for item in items {
        let ItemKind::File { facts, .. } = item.kind else {
            continue;
        };
        let Some(file) = &facts.elf else {
            continue;
        };
        // Others are the audit's matter: nothing here can load them.
        let loadable = is_loadable(item.path, item.mode, file);
        if !loadable || !file.runs_on(machine.name) || file.musl().is_some() {
            continue;
        }
        outside.gnu_hash |= file.needs_gnu_hash;
        one(
            item,
            file,
            &inside,
            machine.glibc.as_deref(),
            &mut outside,
            &mut findings,
        );
    }
    (outside, findings)
}

/// The needs of one file.
fn one(
    item: &Item<'_>,
    file: &ElfFile,
    inside: &Inside<'_>,
    glibc: Option<&[u32]>,
    outside: &mut Outside,
    findings: &mut Vec<Finding>,
) {
    let user = User {
        path: item.path.to_owned(),
        origin: item.origin.to_owned(),
    };
    let linked: BTreeSet<&String> = file.needed.iter().collect();
    let names: BTreeSet<&String> = linked.iter().copied().chain(file.versions.keys()).collect();
    for name in names {
        if inside.has(item, file, name) {
            continue;
        }
        if is_private(name) || name.contains('/') {
            let what = format!("needs `{name}`, a library of its own wheel, which is not there");
            findings.push(Finding::new(
                Check::MissingLibrary,
                item.path,
                item.origin,
                what,
            ));
            continue;
        }
        let wanted = outside.libraries.entry(name.clone()).or_default();
        wanted.linked |= linked.contains(name);
        wanted.users.push(user.clone());
        wanted.elsewhere |= inside.by_name.contains_key(name.as_str());
        let nodes = file.versions.get(name);
        for node in nodes.into_iter().flatten() {
            let needed = node.strip_prefix("GLIBC_").and_then(numbers);
            if let (Some(needed), Some(glibc)) = (needed, glibc)
                && needed.as_slice() > glibc
            {
                let has = glibc
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(".");
                let symbol = file.undefined.iter().find(|symbol| {
                    let version = symbol.version.as_ref();
                    version.is_some_and(|(of, library)| of == node && library == name)
                });
                let why = symbol.map(|symbol| format!(" (for `{}`)", symbol.name));
                let what = format!(
                    "needs `{node}` of `{name}`{}, and the platform has glibc {has}",
                    why.unwrap_or_default()
                );
                findings.push(Finding::new(Check::TooNew, item.path, item.origin, what));
                continue;
            }
            wanted
                .versions
                .entry(node.clone())
                .or_insert_with(|| user.clone());
        }
        for symbol in &file.undefined {
            match &symbol.version {
                Some((node, library)) if library == name => {
                    wanted.symbols.insert(format!("{}@{node}", symbol.name));
                }
                // A library that has nodes has them on all of its symbols.
                None if nodes.is_none() => {
                    wanted.symbols.insert(symbol.name.clone());
                }
                _ => {}
            }
        }
    }
}

/// Whether a name is one that auditwheel gives to copies: `libpq-1f2e3d4c.so.5.14`.
fn is_private(name: &str) -> bool {
    let Some((stem, _)) = name.split_once(".so") else {
        return false;
    };
    // The digits may have the copy's own version behind them.
    let digits = stem
        .split('.')
        .next()
        .and_then(|stem| stem.rsplit_once('-'));
    digits.is_some_and(|(_, digits)| {
        digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The bundle as the dynamic linker sees it.
struct Inside<'a> {
    paths: BTreeSet<&'a str>,
    links: BTreeMap<&'a str, &'a str>,
    /// Who has a library, by its soname and its file's name.
    by_name: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Inside<'a> {
    fn of(items: &[Item<'a>]) -> Self {
        let mut this = Self {
            paths: BTreeSet::new(),
            links: BTreeMap::new(),
            by_name: BTreeMap::new(),
        };
        for item in items {
            match item.kind {
                ItemKind::Symlink(target) => {
                    this.links.insert(item.path, target);
                }
                ItemKind::File { facts, .. } => {
                    this.paths.insert(item.path);
                    if let Some(file) = &facts.elf {
                        let name = item.path.rsplit('/').next().unwrap_or_default();
                        for name in file.soname.as_deref().into_iter().chain([name]) {
                            this.by_name.entry(name).or_default().insert(item.origin);
                        }
                    }
                }
                ItemKind::Directory | ItemKind::Special(_) => {}
            }
        }
        this
    }

    /// Whether a library that a file needs comes from the bundle.
    fn has(&self, item: &Item<'_>, file: &ElfFile, name: &str) -> bool {
        let folder = item.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let expand = |text: &str| {
            let own = format!("/{folder}");
            text.replace("${ORIGIN}", &own).replace("$ORIGIN", &own)
        };
        if name.contains('/') {
            return self.is_file(&expand(name));
        }
        let own_folders = file.search_path().iter();
        let mut found = own_folders.map(|own| format!("{}/{name}", expand(own)));
        let same_wheel = || {
            self.by_name
                .get(name)
                .is_some_and(|origins| origins.contains(item.origin))
        };
        found.any(|path| self.is_file(&path)) || same_wheel()
    }

    /// Whether an absolute path leads to a file of the bundle, through links of the bundle.
    fn is_file(&self, path: &str) -> bool {
        if !path.starts_with('/') {
            return false;
        }
        let mut done: Vec<&str> = Vec::new();
        let mut left: Vec<&str> = path.split('/').rev().collect();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            if let Some(target) = self.links.get(done.join("/").as_str()) {
                links += 1;
                if links > MOST_LINKS {
                    return false;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                left.extend(target.split('/').rev());
            }
        }
        self.paths.contains(done.join("/").as_str())
    }
}
