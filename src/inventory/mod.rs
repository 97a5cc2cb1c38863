//! What is in a bundle: its distributions, their licences and what they are made from.
//!
//! [`collect`](collect::collect) reads it from the layers once, and everything else here is made
//! from that record: the bill of materials ([`sbom`]), the statement of provenance
//! ([`provenance`]), texts and rules of licences ([`notice`], [`policy`]). Asks no engine and no
//! network, and reads no clock: the same bundle gives the same bytes.

pub mod collect;
pub mod license;
pub mod notice;
pub mod osv;
pub mod people;
pub mod policy;
pub mod provenance;
mod python;
pub mod sbom;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::plan::normalised_name;
use crate::platform::{Arch, PlatformId, TargetId};

pub use self::license::{License, LicenseSource};
pub use self::people::Person;

/// The version of the record.
const SCHEMA: u32 = 1;

/// The longest METADATA and licence file that is read, in bytes; the longest in use have 300 kB.
const LONGEST_TEXT: u64 = 4 << 20;

/// What a platform's bundle holds, as it is recorded beside the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    schema: u32,
    /// The distribution that the bundle is named for, normalised (PEP 503).
    pub name: String,
    /// Its version (PEP 440).
    pub version: String,
    /// The omnibus package.
    pub package: String,
    /// The platform.
    pub platform: PlatformId,
    /// The architecture, as the kernel names it.
    pub architecture: String,
    /// The version of its Python.
    pub python: String,
    /// Its C library.
    pub libc: String,
    /// Where the bundle is.
    pub prefix: String,
    /// Time of everything in the packages, in seconds since 1970.
    pub epoch: u64,
    /// What the application asks for itself, normalised and sorted: the project, its requirements,
    /// and what nothing else needs.
    pub roots: Vec<String>,
    /// The distributions, sorted by normalised name; behind them the Python that the bundle brings, and
    /// what is linked into it.
    pub distributions: Vec<Distribution>,
    /// The texts of licence files, by the digest of the file.
    pub texts: BTreeMap<Digest, String>,
}

impl Inventory {
    /// What it was built for; a record of an architecture that nobody knows is of no bundle that is kept.
    pub fn target(&self) -> TargetId {
        let arch = Arch::from_any_name(&self.architecture).unwrap_or(Arch::Amd64);
        TargetId::new(self.platform.clone(), arch)
    }
}

/// A distribution of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// The name as its metadata writes it.
    pub name: String,
    /// The version as its metadata writes it.
    pub version: String,
    /// One line.
    pub summary: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// `Author` and `Author-email`.
    pub authors: Vec<Person>,
    /// `Maintainer` and `Maintainer-email`.
    pub maintainers: Vec<Person>,
    /// Where its name is from.
    #[serde(default)]
    pub ecosystem: Ecosystem,
    /// The file name of its wheel; empty for what is no wheel.
    pub wheel: String,
    /// The digest of its wheel, or of the archive that it came in.
    pub digest: Digest,
    /// Its licence.
    pub license: License,
    /// Its licence files, sorted by path.
    pub license_files: Vec<InstalledFile>,
    /// The bills of materials that came with it (PEP 770), sorted by path.
    pub sboms: Vec<InstalledFile>,
    /// What it needs of the bundle, normalised and sorted.
    pub depends: Vec<String>,
}

/// Where the name of a part of a bundle is from, which decides its package URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// The Python Package Index.
    #[default]
    Pypi,
    /// None: CPython, and the libraries in it.
    Generic,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledFile {
    /// Its absolute path.
    pub path: String,
    /// The digest of its content.
    pub digest: Digest,
}

impl Inventory {
    /// Whether this version of omnibuild wrote it.
    pub fn is_current(&self) -> bool {
        self.schema == SCHEMA
    }
}

impl Distribution {
    /// The name as PEP 503 normalises it.
    pub fn normalised_name(&self) -> String {
        normalised_name(&self.name)
    }

    /// `name version`, for messages.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}
