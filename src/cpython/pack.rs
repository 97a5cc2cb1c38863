//! From what a container built to the archive: the same files give the same bytes, and files that
//! would not run elsewhere give none.
//!
//! Sorted by name, owned by root, of one time, in one gzip member without a name. Reads and writes
//! streams; knows no container.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::str::FromStr;

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use crate::archive::{plain_header, safe_path};
use crate::digest::{Digest, DigestWriter};
use crate::elf::{self, ElfFile};
use crate::error::{Error, Kind, Result};
use crate::platform::Arch;

/// The one folder at the top.
const TOP: &str = "python";
/// What every system with glibc has, under these names.
const SYSTEM: [&str; 8] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];

/// A version of glibc, such as 2.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Glibc(u32, u32);

impl fmt::Display for Glibc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Glibc {
    type Err = Error;

    /// Two numbers; a third, which glibc's early versions have, is left out.
    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if numbers.all(|it| it.is_ok()) => {
                Ok(Self(major, minor))
            }
            _ => Err(
                Error::new(Kind::Config, format!("`{text}` is no version of glibc"))
                    .hint("write two numbers, such as `2.17`"),
            ),
        }
    }
}

impl From<Glibc> for String {
    fn from(version: Glibc) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Glibc {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// What is packed.
pub(super) struct Content<'a> {
    /// A tar archive of the folder `python`.
    pub(super) tree: &'a Path,
    /// Files that it has beside them, by path.
    pub(super) added: &'a BTreeMap<&'a str, Vec<u8>>,
    /// The time of everything, in seconds since 1970.
    pub(super) time: u64,
    /// The architecture that its programs must have.
    pub(super) arch: Arch,
}

/// What an archive is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packed {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What its files take once they are unpacked, in bytes.
    pub unpacked: u64,
    /// How many files there are.
    pub files: usize,
    /// The oldest glibc that has all symbols that it needs.
    pub glibc: Glibc,
}

/// A member of the archive.
enum Member {
    Folder,
    File { at: u64, size: u64, program: bool },
    Link(String),
    Added(Vec<u8>),
}

/// Writes the archive.
///
/// # Errors
/// [`Kind::Audit`] for a program that needs more than glibc, looks for libraries in folders of its own,
/// or is another machine's, and for a member that no archive may have; names all of them.
pub(super) fn pack(content: &Content<'_>, output: &mut dyn Write) -> Result<Packed> {
    let mut tree = fs_err::File::open(content.tree)?;
    let mut members = members(&mut tree)?;
    for (path, bytes) in content.added {
        members.insert((*path).to_owned(), Member::Added(bytes.clone()));
    }
    let glibc = check(&mut tree, &members, content.arch)?;
    let mut unpacked = 0;
    let mut files = 0;
    let gzip = GzBuilder::new().mtime(0);
    let gzip = gzip.write(DigestWriter::new(output), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for (path, member) in &members {
        let size = match member {
            Member::File { size, .. } => *size,
            Member::Added(bytes) => bytes.len() as u64,
            Member::Folder | Member::Link(_) => 0,
        };
        let mut header = plain_header(size);
        header.set_mtime(content.time);
        unpacked += size;
        match member {
            Member::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                archive.append_data(&mut header, format!("{path}/"), std::io::empty())?;
            }
            Member::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                archive.append_link(&mut header, path, target)?;
            }
            Member::File { at, program, .. } => {
                files += 1;
                header.set_mode(if *program { 0o755 } else { 0o644 });
                tree.seek(SeekFrom::Start(*at))?;
                archive.append_data(&mut header, path, Read::by_ref(&mut tree).take(size))?;
            }
            Member::Added(bytes) => {
                files += 1;
                archive.append_data(&mut header, path, bytes.as_slice())?;
            }
        }
    }
    let (sha256, size, _) = archive.into_inner()?.finish()?.finish();
    Ok(Packed {
        sha256,
        size,
        unpacked,
        files,
        glibc,
    })
}

/// What a tar archive has, by path; contents stay where they are.
fn members(tree: &mut fs_err::File) -> Result<BTreeMap<String, Member>> {
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(std::io::BufReader::new(tree));
    for entry in archive.entries()? {
        let entry = entry?;
        let path = safe_path(&entry.path()?)?;
        let refused = |why: &str| {
            let text = format!("`{}` {why}", path.display());
            Error::new(Kind::Audit, text).hint("the script of the build must leave no such file")
        };
        if !path.starts_with(TOP) {
            return Err(refused("is outside of the folder `python`"));
        }
        let Some(name) = path.to_str() else {
            return Err(refused("has a name that is not UTF-8"));
        };
        let kind = entry.header().entry_type();
        let member = if kind.is_dir() {
            Member::Folder
        } else if kind.is_file() {
            Member::File {
                at: entry.raw_file_position(),
                size: entry.size(),
                program: entry.header().mode()? & 0o111 != 0,
            }
        } else if kind.is_symlink() {
            let target = entry.link_name()?.unwrap_or_default();
            if !stays(&path, &target) {
                return Err(refused("is a link that leads out of the archive"));
            }
            Member::Link(target.to_string_lossy().into_owned())
        } else {
            return Err(refused("is neither a file, a folder nor a symbolic link"));
        };
        members.insert(name.to_owned(), member);
    }
    Ok(members)
}

/// Whether a link's target is below the top folder, so that it holds wherever that is put.
fn stays(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if depth > 1 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// Looks at every ELF file; answers the oldest glibc that will do.
fn check(tree: &mut fs_err::File, members: &BTreeMap<String, Member>, arch: Arch) -> Result<Glibc> {
    let mut oldest = Glibc(2, 0);
    let mut against = BTreeSet::new();
    for (path, member) in members {
        let Member::File { at, size, .. } = member else {
            continue;
        };
        let mut magic = [0; elf::MAGIC.len()];
        tree.seek(SeekFrom::Start(*at))?;
        if *size < magic.len() as u64 {
            continue;
        }
        tree.read_exact(&mut magic)?;
        if magic != elf::MAGIC {
            continue;
        }
        let mut bytes = magic.to_vec();
        Read::by_ref(tree)
            .take(size - magic.len() as u64)
            .read_to_end(&mut bytes)?;
        match elf::read(&mut Cursor::new(bytes)) {
            Ok(Some(file)) => match faults(&file, arch) {
                Ok(wanted) => oldest = oldest.max(wanted),
                Err(faults) => against.extend(faults.iter().map(|it| format!("`{path}` {it}"))),
            },
            Ok(None) => {}
            Err(what) => drop(against.insert(format!("`{path}` is damaged: {what}"))),
        }
    }
    let Some(first) = against.first() else {
        return Ok(oldest);
    };
    let error = Error::new(
        Kind::Audit,
        format!("this Python would not run on other systems: {first}"),
    );
    let rest = against.iter().skip(1);
    Err(rest.fold(error, |error, more| error.hint(more.as_str())))
}

/// The oldest glibc that has what a file wants, or what is wrong with it.
fn faults(file: &ElfFile, arch: Arch) -> Result<Glibc, Vec<String>> {
    let mut faults = Vec::new();
    if !file.runs_on(arch.machine()) {
        faults.push(format!("is {}", file.describe_machine()));
    }
    for library in file
        .needed
        .iter()
        .filter(|it| !SYSTEM.contains(&it.as_str()))
    {
        faults.push(format!("needs `{library}`, which not every system has"));
    }
    for folder in file.search_path() {
        faults.push(format!("looks for libraries in `{folder}`"));
    }
    let mut oldest = Glibc(2, 0);
    for version in file.versions.values().flatten() {
        match version.strip_prefix("GLIBC_").map(str::parse) {
            Some(Ok(wanted)) => oldest = oldest.max(wanted),
            _ => faults.push(format!("needs symbols of `{version}`")),
        }
    }
    if faults.is_empty() {
        Ok(oldest)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveWriter, decoded};

    fn content<'a>(tree: &'a Path, added: &'a BTreeMap<&'a str, Vec<u8>>) -> Content<'a> {
        Content {
            tree,
            added,
            time: 1_749_600_000,
            arch: Arch::of_this_machine().unwrap(),
        }
    }

    fn packed(tree: &Path) -> Result<(Packed, Vec<u8>)> {
        let added = BTreeMap::from([("python/licenses/components.json", b"{}".to_vec())]);
        let mut bytes = Vec::new();
        let packed = pack(&content(tree, &added), &mut bytes)?;
        Ok((packed, bytes))
    }

    #[test]
    fn order_owners_times_and_modes_of_what_was_built_are_in_no_byte() {
        let mut first = ArchiveWriter::new(1).unwrap();
        first.folder("python").unwrap();
        first.folder("python/empty").unwrap();
        first.bytes("python/b", 0o700, b"#!/bin/sh\n").unwrap();
        first.bytes("python/a", 0o600, b"a").unwrap();
        first.link("python/c", "b").unwrap();
        let first = first.finish().unwrap();
        let mut second = ArchiveWriter::new(2).unwrap();
        second.link("./python/c", "b").unwrap();
        second.bytes("./python/a", 0o664, b"a").unwrap();
        second.bytes("./python/b", 0o775, b"#!/bin/sh\n").unwrap();
        second.folder("./python/empty").unwrap();
        second.folder("./python").unwrap();
        let second = second.finish().unwrap();
        let (one, bytes) = packed(&first).unwrap();
        let (_, other) = packed(&second).unwrap();
        assert_eq!(bytes, other);
        assert_eq!(one.sha256, Digest::of(&bytes));
        assert_eq!((one.size, one.files), (bytes.len() as u64, 3));
        assert_eq!(one.unpacked, 13);
        let mut seen = Vec::new();
        let plain = decoded(bytes.as_slice()).unwrap();
        for entry in tar::Archive::new(plain).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 1_749_600_000);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let path = entry.path().unwrap().display().to_string();
            seen.push(format!("{path} {:o}", header.mode().unwrap()));
        }
        let expected = [
            "python/ 755",
            "python/a 644",
            "python/b 755",
            "python/c 777",
            "python/empty/ 755",
            "python/licenses/components.json 644",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_no_archive_may_have_is_refused() {
        for target in ["/usr/bin/python3", "../../etc/passwd", ".."] {
            let mut tree = ArchiveWriter::new(1).unwrap();
            tree.link("python/link", target).unwrap();
            let error = packed(&tree.finish().unwrap()).unwrap_err();
            assert_eq!(error.kind(), Kind::Audit, "{target}");
        }
        let mut tree = ArchiveWriter::new(1).unwrap();
        tree.link("python/bin/link", "../lib/file").unwrap();
        packed(&tree.finish().unwrap()).unwrap();
        let mut tree = ArchiveWriter::new(1).unwrap();
        tree.bytes("elsewhere/file", 0o644, b"").unwrap();
        assert!(packed(&tree.finish().unwrap()).is_err());
    }

    #[test]
    fn the_newest_symbol_decides_which_glibc_will_do() {
        let glibc = |text: &str| text.parse::<Glibc>().unwrap();
        assert!(glibc("2.9") < glibc("2.17") && glibc("2.2.5") < glibc("2.3"));
        for wrong in ["", "2", "2.x", "PRIVATE", "2.17.x"] {
            assert!(wrong.parse::<Glibc>().is_err(), "{wrong}");
        }
        let mut file = ElfFile {
            machine: "x86_64".to_owned(),
            class: 64,
            needed: vec!["libc.so.6".to_owned(), "libm.so.6".to_owned()],
            ..ElfFile::default()
        };
        let versions = ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.4"].map(str::to_owned);
        file.versions
            .insert("libc.so.6".to_owned(), versions.into_iter().collect());
        assert_eq!(faults(&file, Arch::Amd64).unwrap(), glibc("2.17"));
        assert!(faults(&file, Arch::Arm64).is_err());
        file.needed.push("libcrypt.so.1".to_owned());
        file.runpath = vec!["/python-build/libraries/lib".to_owned()];
        let private = BTreeSet::from(["GLIBC_PRIVATE".to_owned()]);
        file.versions.insert("ld.so".to_owned(), private);
        let faults = faults(&file, Arch::Amd64).unwrap_err();
        for word in ["libcrypt.so.1", "/python-build/", "GLIBC_PRIVATE"] {
            assert!(faults.iter().any(|it| it.contains(word)), "{faults:?}");
        }
    }

    #[test]
    fn a_program_of_this_machine_is_looked_at() {
        let program = std::env::current_exe().unwrap();
        let mut tree = ArchiveWriter::new(1).unwrap();
        tree.file("python/bin/python3", 0o755, &program).unwrap();
        // This test is a Rust program, whose unwinder is in libgcc_s.so.1.
        let error = packed(&tree.finish().unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Audit);
        assert!(error.message().contains("libgcc_s.so.1"), "{error}");
    }
}
