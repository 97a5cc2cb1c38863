//! What one ELF file says of itself: machine, libraries it needs, versions and symbols of them.
//!
//! Follows the System V ABI (gABI chapters 4 and 5) and the LSB's symbol versioning. Data and a
//! reader that takes no more than it must; knows nothing of packages, nor of where files lie.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::read::{MAGIC, read};

/// What the dynamic linker would do with a file, as far as the file decides it. Kept in layers, so
/// the fields are an on-disk format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElfFile {
    /// The machine in the kernel's words where it is one of the usual (`x86_64`, `aarch64`, `i386`
    /// …), else `machine` and its number.
    pub machine: String,
    /// 32 or 64 bits.
    pub class: u8,
    /// Whether numbers have their highest byte first.
    #[serde(skip_serializing_if = "is_false")]
    pub big_endian: bool,
    /// What kind of object it is.
    pub kind: ElfKind,
    /// The program interpreter (`PT_INTERP`), such as `/lib64/ld-linux-x86-64.so.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// The name that others know it by (`DT_SONAME`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// The libraries it is linked with (`DT_NEEDED`), in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// The version nodes it wants of each library (`DT_VERNEED`): `libc.so.6` -> `GLIBC_2.17`, ….
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, BTreeSet<String>>,
    /// Folders that libraries are looked for in (`DT_RPATH`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rpath: Vec<String>,
    /// Folders that libraries are looked for in (`DT_RUNPATH`), which make `rpath` void.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runpath: Vec<String>,
    /// Whether only a linker that knows `DT_GNU_HASH` can look up its symbols.
    #[serde(skip_serializing_if = "is_false")]
    pub needs_gnu_hash: bool,
    /// The dynamic symbols that it leaves undefined.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub undefined: BTreeSet<Symbol>,
}

/// What a file is (`e_type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElfKind {
    /// Linked at a fixed address.
    Program,
    /// A shared object: a library, a module, or a program that runs at any address.
    Shared,
    /// Anything else: input of a linker, a core file.
    #[default]
    Other,
}

/// A dynamic symbol that has to come from elsewhere. Written as `name`, or `name@version@library`
/// where the symbol has a version; neither may hold an `@`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Symbol {
    /// Its name, mangled as it is.
    pub name: String,
    /// Version node and the library that has it.
    pub version: Option<(String, String)>,
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        match symbol.version {
            Some((version, library)) => format!("{}@{version}@{library}", symbol.name),
            None => symbol.name,
        }
    }
}

impl From<String> for Symbol {
    fn from(text: String) -> Self {
        let mut parts = text.splitn(3, '@');
        let name = parts.next().unwrap_or_default().to_owned();
        let version = parts.next().zip(parts.next());
        Self {
            name,
            version: version.map(|(version, library)| (version.to_owned(), library.to_owned())),
        }
    }
}

impl ElfFile {
    /// Whether a process of this machine (`x86_64`, `aarch64`) can load it.
    pub fn runs_on(&self, machine: &str) -> bool {
        self.machine == machine && self.class == 64 && !self.big_endian
    }

    /// Where the dynamic linker looks before its own folders.
    pub fn search_path(&self) -> &[String] {
        if self.runpath.is_empty() {
            &self.rpath
        } else {
            &self.runpath
        }
    }

    /// The musl C library that it was linked with, where it was.
    pub fn musl(&self) -> Option<&str> {
        let is_musl = |name: &&str| {
            let name = name.rsplit('/').next().unwrap_or_default();
            name.starts_with("ld-musl-") || name.starts_with("libc.musl-")
        };
        let needed = self.needed.iter().map(String::as_str);
        self.interpreter
            .as_deref()
            .into_iter()
            .chain(needed)
            .find(is_musl)
    }

    /// What it is for, in a few words: `a 32-bit object for i386`.
    pub fn describe_machine(&self) -> String {
        let order = if self.big_endian { " big-endian" } else { "" };
        format!("a {}-bit{order} file for {}", self.class, self.machine)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}
