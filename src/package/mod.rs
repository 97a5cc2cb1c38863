//! Packages, written in process and streaming, from one sorted tree.
//!
//! Why own writers and not a library: the known ones hold the compressed payload in memory, and a
//! bundle is as large as its user makes it. Never talks to an engine.

pub mod assemble;
mod check;
pub mod compare;
mod compress;
mod contents;
pub mod deb;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod incremental_tests;
mod kept;
#[cfg(feature = "real-engine")]
#[cfg(test)]
mod large_tests;
#[cfg(test)]
mod name_tests;
mod payload;
pub mod read;
pub mod rpm;
mod segment;
#[cfg(test)]
mod sign_tests;

use std::collections::BTreeSet;
use std::io::BufWriter;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestWriter};
use crate::error::Result;
use crate::fsutil;
use crate::platform::{Arch, Compression, Format, PackageName};
use crate::version::NativeVersion;

pub use self::kept::SegmentStore;
use crate::signing::Signer;
use crate::tree::Tree;

pub use crate::plan::contents::{Moment, Relations, Scripts};

/// What stands in a package's header, the same for every format.
#[derive(Debug, Clone)]
pub struct PackageSpec {
    /// `Package` or `Name`.
    pub name: PackageName,
    /// Version and revision as the package manager compares them.
    pub version: NativeVersion,
    /// `None`: the package is the same for every architecture (`all`, `noarch`).
    pub architecture: Option<Arch>,
    /// One line.
    pub summary: String,
    /// Paragraphs.
    pub description: String,
    /// `Name <address>`.
    pub maintainer: String,
    /// Who ships it (RPM `Vendor`).
    pub vendor: Option<String>,
    /// The project's home page.
    pub homepage: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// What it needs, each in the words of its format: `python3.11`, `libc6 (>= 2.36)` for deb;
    /// `python(abi) = 3.9` for rpm.
    pub depends: Vec<String>,
    /// How it stands to other packages.
    pub relations: Relations,
    /// What runs when it comes and goes.
    pub scripts: Scripts,
    /// How the content is compressed.
    pub compression: Compression,
    /// Time of the build and of every entry that is not older, in seconds since 1970
    /// (`SOURCE_DATE_EPOCH`).
    pub epoch: u64,
}

/// A package file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its file name.
    pub file_name: String,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of the file.
    pub digest: Digest,
}

impl Artifact {
    /// Puts a file at `path` by the commit primitive, digested as it grows.
    fn commit(
        path: &Path,
        file_name: String,
        write: impl FnOnce(&mut DigestWriter<&mut BufWriter<std::fs::File>>) -> Result<()>,
    ) -> Result<Self> {
        fsutil::commit_file(path, |output| {
            let mut output = DigestWriter::new(output);
            write(&mut output)?;
            let (digest, size, _) = output.finish();
            Ok(Self {
                file_name,
                size,
                digest,
            })
        })
    }
}

/// A package that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Built {
    /// Its name.
    pub name: PackageName,
    /// The file.
    pub artifact: Artifact,
    /// The links it has, as absolute paths.
    pub links: Vec<String>,
    /// What it needs beside the packages of the same build, in the words of its format.
    #[serde(default)]
    pub depends: Vec<String>,
}

impl Built {
    /// What packages need beside each other, sorted, one a line: what names one of them is left out,
    /// since no repository has it yet.
    pub fn needs<'a>(packages: impl IntoIterator<Item = &'a Self>) -> String {
        let packages: Vec<&Self> = packages.into_iter().collect();
        let own: BTreeSet<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        let needs: BTreeSet<&String> = packages
            .iter()
            .flat_map(|package| &package.depends)
            .filter(|need| {
                let mut names = need
                    .split(|letter: char| letter.is_whitespace() || "(,|<>=".contains(letter))
                    .filter(|word| !word.is_empty());
                !names.next().is_some_and(|name| own.contains(name))
            })
            .collect();
        needs
            .into_iter()
            .fold(String::new(), |text, need| text + need + "\n")
    }
}

/// A writer of one package format.
pub trait Packager {
    /// The file name that the format's tools give such a package.
    fn file_name(&self, spec: &PackageSpec) -> String;

    /// A dependency on exactly this version of a package of the same format.
    fn exactly(&self, name: &PackageName, version: &NativeVersion) -> String;

    /// What a package provides that carries a Python distribution inside, where the format has a
    /// way to say so.
    fn bundled(&self, name: &str, version: &str) -> Option<String>;

    /// Writes the package to `path` by the commit primitive: whole, or not at all. What is in
    /// `segments` is not compressed again, and the rest is put there; the package is the same with
    /// any of them.
    fn write_with(
        &self,
        spec: &PackageSpec,
        tree: &Tree,
        segments: &SegmentStore,
        path: &Path,
    ) -> Result<Artifact>;

    /// Writes the package and keeps nothing for the next.
    fn write(&self, spec: &PackageSpec, tree: &Tree, path: &Path) -> Result<Artifact> {
        self.write_with(spec, tree, &SegmentStore::nowhere(), path)
    }

    /// Puts a signature into the finished package at `path`, as its format has it.
    fn sign(&self, path: &Path, file_name: &str, signer: &Signer) -> Result<Artifact>;
}

/// The writer of a format.
pub fn packager(format: Format) -> &'static dyn Packager {
    match format {
        Format::Deb => &deb::Deb,
        Format::Rpm => &rpm::Rpm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_the_distributions_alone_and_each_once() {
        let built = |name: &str, depends: &[&str]| Built {
            name: name.parse().unwrap(),
            artifact: Artifact {
                file_name: name.to_owned(),
                size: 1,
                digest: Digest::of(name),
            },
            links: Vec::new(),
            depends: depends.iter().map(|need| (*need).to_owned()).collect(),
        };
        let packages = [
            built("omnibus", &["python3.11", "libpq5 (>= 10~~)"]),
            built(
                "node",
                &["passwd", "omnibus (>= 1)", "tool(>= 2)", "python3.11"],
            ),
            built("tool", &["libpq.so.5()(64bit)"]),
        ];
        assert_eq!(
            Built::needs(&packages),
            "libpq.so.5()(64bit)\nlibpq5 (>= 10~~)\npasswd\npython3.11\n"
        );
    }
}
