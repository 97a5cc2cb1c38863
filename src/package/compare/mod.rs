//! What two versions of a package have differently: distributions, files, scripts, relations, sizes.
//!
//! Compares descriptions that [`read`](super::read) made; reads nothing and decides nothing. Times of
//! files are left out: every build has its own.

mod lines;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::read::{File, FileKind, Package};
use crate::plan::normalised_name;
use crate::platform::Codec;

pub use self::lines::line_difference;

/// Everything that two packages have differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The package's name, the new one's where they differ.
    pub package: String,
    /// The old file.
    pub old: Side,
    /// The new file.
    pub new: Side,
    /// Whether the new version is lower than the old one, as the package manager compares them.
    pub downgraded: bool,
    /// Python distributions that came, went or have another version.
    pub distributions: Vec<DistributionChange>,
    /// Files that came, went or are something else.
    pub files: Vec<FileChange>,
    /// Maintainer scripts.
    pub scripts: Vec<ScriptChange>,
    /// Dependencies and other relations.
    pub relations: Vec<RelationChange>,
    /// Fields of the control file or header, and other control files.
    pub fields: Vec<Change>,
}

/// One of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The file's path.
    pub file: String,
    /// `[epoch:]version[-revision]`.
    pub version: String,
    /// The architecture.
    pub architecture: String,
    /// The file's length in bytes.
    pub size: u64,
    /// The bytes of all that it installs.
    pub installed_size: u64,
    /// How the content is compressed; `null`: not at all.
    pub compression: Option<Codec>,
}

/// Something with a name whose value is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What.
    pub name: String,
    /// The old value; `null`: there was none.
    pub old: Option<String>,
    /// The new value; `null`: there is none.
    pub new: Option<String>,
}

/// A Python distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DistributionChange {
    /// Its normalised name.
    pub name: String,
    /// The old version; `null`: it came.
    pub old: Option<String>,
    /// The new version; `null`: it went.
    pub new: Option<String>,
    /// Whether the new version is lower (PEP 440).
    pub downgraded: bool,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It is something else.
    Changed,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub fate: Fate,
    /// What is different of it, where it changed: `content`, `mode`, `owner`, `group`, `kind`, `target`,
    /// `marks`, `capabilities`.
    pub changes: Vec<Change>,
}

/// A maintainer script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptChange {
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub fate: Fate,
    /// Its lines with `+`, `-` or a blank in front, equal ones far from a change left out.
    pub difference: Vec<String>,
}

/// A relation such as `Depends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelationChange {
    /// Its name.
    pub name: String,
    /// What came.
    pub added: Vec<String>,
    /// What went.
    pub removed: Vec<String>,
}

impl Comparison {
    /// Whether nothing differs but the version, the sizes and the times.
    pub fn is_empty(&self) -> bool {
        self.distributions.is_empty()
            && self.files.is_empty()
            && self.scripts.is_empty()
            && self.relations.is_empty()
            && self.fields.is_empty()
    }
}

/// Compares two packages of one format.
pub fn compare(old: &Package, new: &Package) -> Comparison {
    let side = |package: &Package| Side {
        file: package.path.display().to_string(),
        version: package.full_version(),
        architecture: package.architecture.clone(),
        size: package.size,
        installed_size: package.installed_size,
        compression: package.compression,
    };
    let mut fields = changes(&old.fields, &new.fields);
    fields.retain(|change| match (&change.old, &change.new) {
        (Some(one), Some(other)) => renewed(one, old, new) != *other,
        _ => true,
    });
    fields.extend(changes(&old.control_files, &new.control_files));
    for (name, one, other) in [
        ("name", &old.name, &new.name),
        ("architecture", &old.architecture, &new.architecture),
    ] {
        if one != other {
            fields.push(Change {
                name: name.to_owned(),
                old: Some(one.clone()),
                new: Some(other.clone()),
            });
        }
    }
    Comparison {
        package: new.name.clone(),
        old: side(old),
        new: side(new),
        downgraded: new.compare_version(old).is_lt(),
        distributions: distributions(old, new),
        files: files(&old.files, &new.files),
        scripts: scripts(old, new),
        relations: relations(old, new),
        fields,
    }
}

/// Name and version of the Python distributions that a package has, by its `.dist-info` folders
/// (PyPA, "Recording installed projects").
pub fn distributions_of(package: &Package) -> BTreeMap<String, String> {
    let of = |file: &File| {
        let folder = file.path.strip_suffix("/METADATA")?.rsplit('/').next()?;
        let (name, version) = folder.strip_suffix(".dist-info")?.rsplit_once('-')?;
        Some((normalised_name(name), version.to_owned()))
    };
    package.files.iter().filter_map(of).collect()
}

/// All keys of two maps, sorted.
fn keys<'a, V>(
    one: &'a BTreeMap<String, V>,
    other: &'a BTreeMap<String, V>,
) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    keys(old, new)
        .into_iter()
        .map(|name| Change {
            name: name.clone(),
            old: old.get(name).cloned(),
            new: new.get(name).cloned(),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

fn distributions(old: &Package, new: &Package) -> Vec<DistributionChange> {
    let changed = changes(&distributions_of(old), &distributions_of(new));
    let parsed =
        |version: &Option<String>| -> Option<pep440_rs::Version> { version.as_ref()?.parse().ok() };
    changed
        .into_iter()
        .map(|Change { name, old, new }| DistributionChange {
            downgraded: parsed(&old)
                .zip(parsed(&new))
                .is_some_and(|(old, new)| new < old),
            name,
            old,
            new,
        })
        .collect()
}

fn scripts(old: &Package, new: &Package) -> Vec<ScriptChange> {
    let mut changes = Vec::new();
    for name in keys(&old.scripts, &new.scripts) {
        let (one, other) = (old.scripts.get(name), new.scripts.get(name));
        if one == other {
            continue;
        }
        let text = |script: Option<&super::read::Script>| {
            script.map_or(String::new(), |script| match script.interpreter.as_str() {
                "" => script.text.clone(),
                interpreter => format!("(run by {interpreter})\n{}", script.text),
            })
        };
        changes.push(ScriptChange {
            name: name.clone(),
            fate: fate(one.is_some(), other.is_some()),
            difference: line_difference(&text(one), &text(other)),
        });
    }
    changes
}

fn fate(before: bool, after: bool) -> Fate {
    match (before, after) {
        (false, _) => Fate::Added,
        (true, false) => Fate::Removed,
        (true, true) => Fate::Changed,
    }
}

/// A value of the old package as it would be with the new version: what a package says of itself and
/// of its siblings at exactly its own version changes with every release, and tells nothing.
fn renewed(text: &str, old: &Package, new: &Package) -> String {
    let bare = |package: &Package| {
        let version = package.full_version();
        version
            .split_once(':')
            .map_or(version.clone(), |(_, bare)| bare.to_owned())
    };
    text.replace(&old.full_version(), &new.full_version())
        .replace(&bare(old), &bare(new))
}

fn relations(old: &Package, new: &Package) -> Vec<RelationChange> {
    let none = Vec::new();
    let mut changes = Vec::new();
    for name in keys(&old.relations, &new.relations) {
        let of = |package: &Package| -> BTreeSet<String> {
            package
                .relations
                .get(name)
                .unwrap_or(&none)
                .iter()
                .cloned()
                .collect()
        };
        let (mut one, mut other) = (of(old), of(new));
        for text in one.clone() {
            let renewed = renewed(&text, old, new);
            if renewed != text && other.remove(&renewed) {
                one.remove(&text);
            }
        }
        if one != other {
            changes.push(RelationChange {
                name: name.clone(),
                added: other.difference(&one).cloned().collect(),
                removed: one.difference(&other).cloned().collect(),
            });
        }
    }
    changes
}

fn files(old: &[File], new: &[File]) -> Vec<FileChange> {
    let index = |files: &[File]| -> BTreeMap<String, File> {
        files
            .iter()
            .map(|file| (file.path.clone(), file.clone()))
            .collect()
    };
    let (old, new) = (index(old), index(new));
    let mut found = Vec::new();
    for path in keys(&old, &new) {
        let (one, other) = (old.get(path), new.get(path));
        let changes = match (one, other) {
            (Some(one), Some(other)) => file_changes(one, other),
            _ => Vec::new(),
        };
        let fate = fate(one.is_some(), other.is_some());
        if fate != Fate::Changed || !changes.is_empty() {
            found.push(FileChange {
                path: path.clone(),
                fate,
                changes,
            });
        }
    }
    found
}

fn file_changes(old: &File, new: &File) -> Vec<Change> {
    let target = |file: &File| match &file.kind {
        FileKind::Symlink(target) | FileKind::HardLink(target) => Some(target.clone()),
        _ => None,
    };
    // A first and a second name of one file are told by the target, and both are plain files.
    let kind = |file: &File| Some(file.kind.word().to_owned());
    let mode = |file: &File| match file.kind {
        FileKind::Symlink(_) => None,
        _ => Some(format!("{:04o}", file.mode)),
    };
    let marks = |file: &File| Some(file.marks.join(", ")).filter(|marks| !marks.is_empty());
    let values = [
        ("kind", kind(old), kind(new)),
        ("target", target(old), target(new)),
        ("mode", mode(old), mode(new)),
        ("owner", Some(old.owner.clone()), Some(new.owner.clone())),
        ("group", Some(old.group.clone()), Some(new.group.clone())),
        ("marks", marks(old), marks(new)),
        (
            "capabilities",
            old.capabilities.clone(),
            new.capabilities.clone(),
        ),
        ("content", content(old, new), content(new, old)),
    ];
    values
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| Change {
            name: name.to_owned(),
            old,
            new,
        })
        .collect()
}

/// Size and digest; the size alone when the two have digests of different kinds.
fn content(file: &File, other: &File) -> Option<String> {
    let digest = file.digest.as_deref()?;
    let algorithm = |file: &File| file.digest.as_deref()?.split(':').next().map(str::to_owned);
    if algorithm(file) == algorithm(other) || other.digest.is_none() {
        Some(format!("{} bytes, {digest}", file.size))
    } else {
        Some(format!("{} bytes", file.size))
    }
}

#[cfg(test)]
mod tests;
