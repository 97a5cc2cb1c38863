//! Reads finished package files, deb or rpm, whoever made them, into one neutral description.
//!
//! A package is not trusted: nothing is unpacked, memory is bounded by the limits of the files here
//! (not by what a header promises), and a damaged file is an error that names the file and the place
//! in it. Paths that lead out of the root are reported in [`Package::problems`], not followed.
//! Writes nothing and runs no program. The formats follow deb(5), tar(5), RPM's file format version
//! 4 and cpio(5) (`newc`).

mod ar;
mod cpio;
mod deb;
mod explain;
mod rpm;
mod tar;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::explain::{Difference, explain_difference};
use crate::error::{Error, Kind, Result};
use crate::platform::{Codec, Format};
use crate::version::{self, NativeVersion};

/// The most entries that a package may have: every one is kept in memory while it is described.
const MOST_ENTRIES: usize = 2_000_000;

/// What the names and values of a package may take in memory together, in bytes: each is bounded, and a
/// small file may promise very many.
const LARGEST_SUM: u64 = 256 << 20;

/// What is left of [`LARGEST_SUM`].
struct Budget(u64);

impl Budget {
    fn new() -> Self {
        Self(LARGEST_SUM)
    }

    fn spend(&mut self, bytes: u64, place: &Place) -> Result<()> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| {
            place.damaged(format_args!(
                "its names and values take more than {LARGEST_SUM} bytes"
            ))
        })?;
        Ok(())
    }
}

/// What a package file says of itself, in the words of its own format where formats differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The file that was read.
    pub path: PathBuf,
    /// Its format, by its first bytes.
    pub format: Format,
    /// The file's length in bytes.
    pub size: u64,
    /// `Package` or `Name`.
    pub name: String,
    /// Epoch, version, and revision or release; the revision of a native deb is empty.
    pub version: NativeVersion,
    /// In the words of the format: `amd64`, `all`, `x86_64`, `noarch`.
    pub architecture: String,
    /// The descriptive fields by the format's names: `Maintainer`, `Section`, `License`, `Summary`, ….
    pub fields: BTreeMap<String, String>,
    /// Relations by the format's names (`Depends`, `Requires`, `Provides`, …), each as it would be
    /// written in a control or spec file.
    pub relations: BTreeMap<String, Vec<String>>,
    /// Maintainer scripts and scriptlets by name: `postinst`, `%post`, `%triggerin …`.
    pub scripts: BTreeMap<String, Script>,
    /// Other members of a deb's control archive, such as `triggers` or `shlibs`; `md5sums` and
    /// `conffiles` are with the files.
    pub control_files: BTreeMap<String, String>,
    /// What it installs, sorted by path.
    pub files: Vec<File>,
    /// How the content is compressed; `None`: not at all.
    pub compression: Option<Codec>,
    /// The sum of the lengths of all files in bytes, hard links counted once.
    pub installed_size: u64,
    /// What no sound package has: paths that leave the root, names that are no text, ….
    pub problems: Vec<String>,
}

/// A script that the package manager runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Script {
    /// What runs it, in one line; empty for a deb, where the script's first line says it.
    pub interpreter: String,
    /// Its text.
    pub text: String,
}

/// Something that a package installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its absolute path. Bytes that are no UTF-8 are written as `\xff`.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, such as 0o755.
    pub mode: u32,
    /// The owner's name, or number where the package has no name.
    pub owner: String,
    /// The group's name, or number where the package has no name.
    pub group: String,
    /// The length of a plain file in bytes, of a hard link too; 0 for everything else.
    pub size: u64,
    /// The digest of a plain file's content with its algorithm in front, `sha256:…`. Computed while a
    /// deb is read; the rpm's own otherwise, which may be a weaker one in old packages.
    pub digest: Option<String>,
    /// What the package manager knows about it, sorted: `config`, `noreplace`, `ghost`, `doc`, ….
    pub marks: Vec<&'static str>,
    /// Time of last modification, in seconds since 1970.
    pub time: u64,
    /// File capabilities as capabilities(7) writes them; rpm only.
    pub capabilities: Option<String>,
}

/// The kinds of entries of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "target")]
pub enum FileKind {
    /// A plain file; of several hard links the one that stands first.
    File,
    /// A folder.
    Directory,
    /// A symbolic link and what it says.
    Symlink(String),
    /// Another name of the file at this path.
    HardLink(String),
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The kind in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink(_) => "symlink",
            Self::HardLink(_) => "hard link",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

impl Package {
    /// `[epoch:]version[-revision]`, as the package manager writes it.
    pub fn full_version(&self) -> String {
        let epoch = self.version.epoch.map(|epoch| format!("{epoch}:"));
        let revision = &self.version.revision;
        let dash = if revision.is_empty() { "" } else { "-" };
        let upstream = &self.version.upstream;
        format!("{}{upstream}{dash}{revision}", epoch.unwrap_or_default())
    }

    /// Compares the versions as the package manager of the format does.
    pub fn compare_version(&self, other: &Self) -> Ordering {
        version::compare(self.format, &self.full_version(), &other.full_version())
    }

    /// What stands at an absolute path.
    pub fn file(&self, path: &str) -> Option<&File> {
        let at = |file: &File| file.path.as_str().cmp(path);
        let index = self.files.binary_search_by(at).ok()?;
        self.files.get(index)
    }
}

/// What is done with the content of each plain file.
type Each<'a> = dyn FnMut(&File, &mut dyn Read) -> Result<()> + 'a;

/// Reads all that a package says. A deb's content is decompressed for that, an rpm's is not.
///
/// Fails with [`Kind::Damaged`] and the place when the file is no package or not a sound one.
pub fn read(path: &Path) -> Result<Package> {
    visit(path, None)
}

/// Reads a package and gives each plain file's content, in the package's order, hard links once. What
/// isn't read of a content is skipped; an error of `each` ends the reading and is returned. The
/// digest of a deb's file is not known yet when its content is given.
pub fn for_each_content(
    path: &Path,
    mut each: impl FnMut(&File, &mut dyn Read) -> Result<()>,
) -> Result<Package> {
    visit(path, Some(&mut each))
}

/// The format of a file, by its first bytes.
pub fn format_of(path: &Path) -> Result<Format> {
    let mut start = Vec::new();
    fs_err::File::open(path)?.take(8).read_to_end(&mut start)?;
    if start == ar::MAGIC {
        Ok(Format::Deb)
    } else if start.starts_with(&rpm::MAGIC) {
        Ok(Format::Rpm)
    } else {
        let message = format!("`{}` is neither a deb nor an rpm package", path.display());
        Err(Error::new(Kind::Damaged, message)
            .hint("a deb begins with `!<arch>`, an rpm with the bytes ed ab ee db"))
    }
}

fn visit(path: &Path, each: Option<&mut Each<'_>>) -> Result<Package> {
    let mut package = match format_of(path)? {
        Format::Deb => deb::read(path, each)?,
        Format::Rpm => rpm::read(path, each)?,
    };
    let mut installed_size = 0_u64;
    for file in &package.files {
        if file.path.split('/').any(|part| part == "..") {
            let problem = format!("`{}` leads out of its folder", file.path);
            package.problems.push(problem);
        }
        if file.kind == FileKind::File {
            installed_size = installed_size.saturating_add(file.size);
        }
    }
    package
        .files
        .sort_by(|one, other| one.path.cmp(&other.path));
    for pair in package.files.windows(2) {
        if pair[0].path == pair[1].path {
            let problem = format!("`{}` stands in it twice", pair[0].path);
            package.problems.push(problem);
        }
    }
    package.installed_size = installed_size;
    Ok(package)
}

/// Where in a package something is: the file and the part of it, for messages.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    part: String,
}

impl Place {
    fn new(path: &Path, part: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            part: part.into(),
        }
    }

    /// The same file, another part.
    fn part(&self, part: impl Into<String>) -> Self {
        Self::new(&self.path, part)
    }

    fn damaged(&self, why: impl std::fmt::Display) -> Error {
        let message = format!("`{}`: {}: {why}", self.path.display(), self.part);
        Error::new(Kind::Damaged, message)
            .hint("the package is damaged or not whole: build or fetch it again")
    }

    /// For what a decoder or a truncated file makes of a read.
    fn io(&self) -> impl Fn(io::Error) -> Error + '_ {
        |error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            _ => self.damaged(error),
        }
    }
}

/// Bytes as text; what is no UTF-8 as `\xff`, so that two names stay two.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// `./opt/x`, `opt/x/` or `/opt/x` as `/opt/x`; the root itself is `/`.
fn absolute(name: &str) -> String {
    let name = name
        .strip_prefix('.')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(name);
    format!("/{}", name.trim_matches('/'))
}

/// At most `limit` bytes of a stream, or an error that says what was too large.
fn bounded(reader: &mut dyn Read, limit: u64, place: &Place) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(place.io())?;
    if bytes.len() as u64 > limit {
        return Err(place.damaged(format_args!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
