//! The data archive: a tar archive in GNU's format of everything the package installs.
//!
//! Own headers on the `tar` crate's, since that drops the `./` that dpkg-deb's names begin with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read, Write};

use md5::Md5;
use tar::{EntryType, Header};

use crate::package::check;
use crate::package::spool::HashingReader;
use crate::tree::{ContentReader, Entry, EntryKind, Tree};

/// A name of this many bytes still ends with a zero byte in a tar header.
const LONGEST_SHORT_NAME: usize = 99;

/// What the control archive has to know of the data.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The lines of `md5sums`: checksum, two spaces, path without its leading `./`.
    pub(super) checksums: String,
    /// `Installed-Size` in KiB, counted as dpkg-gencontrol does (policy 5.6.20): files and links
    /// rounded up each, everything else one.
    pub(super) installed_size: u64,
}

/// Writes the tree, with the folders above its entries, which dpkg wants named.
pub(super) fn write(tree: &Tree, time: u64, output: &mut impl Write) -> io::Result<Listing> {
    let mut archive = Archive::new(output, time);
    let mut listing = Listing::default();
    let mut reader = ContentReader::default();
    let mut implied = BTreeSet::new();
    archive.directory("./", 0o755)?;
    listing.installed_size += 1;
    for (path, entry) in depth_first(tree) {
        let mut missing: Vec<&str> = check::parents(path)
            .take_while(|parent| tree.get(parent).is_none() && implied.insert((*parent).to_owned()))
            .collect();
        while let Some(parent) = missing.pop() {
            archive.directory(&format!("./{parent}/"), 0o755)?;
            listing.installed_size += 1;
        }
        match &entry.kind {
            EntryKind::Directory => {
                archive.directory(&format!("./{path}/"), entry.mode)?;
                listing.installed_size += 1;
            }
            EntryKind::Symlink(target) => {
                archive.symlink(&format!("./{path}"), target)?;
                listing.installed_size += (target.len() as u64).div_ceil(1024);
            }
            EntryKind::File { size, content } => {
                let name = |error: io::Error| {
                    let message = format!("`/{path}` of `{}`: {error}", entry.origin);
                    io::Error::new(error.kind(), message)
                };
                let content = reader.read(content, *size, time).map_err(name)?;
                let mut content = HashingReader::<_, Md5>::new(content);
                archive
                    .file(&format!("./{path}"), entry.mode, *size, &mut content)
                    .map_err(name)?;
                writeln!(listing.checksums, "{}  {path}", content.finish())
                    .map_err(io::Error::other)?;
                listing.installed_size += size.div_ceil(1024);
            }
        }
    }
    archive.finish()?;
    Ok(listing)
}

/// The entries with everything below a folder right behind it: tar sets a folder's time when it
/// meets the next path outside, and in plain order `a-b` stands between `a` and `a/c`.
fn depth_first(tree: &Tree) -> Vec<(&str, &Entry)> {
    let mut entries: Vec<(&str, &Entry)> = tree.iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.split('/').cmp(other.split('/')));
    entries
}

/// A tar archive whose entries belong to root and have one time.
pub(super) struct Archive<W: Write> {
    builder: tar::Builder<W>,
    time: u64,
}

impl<W: Write> Archive<W> {
    /// An archive whose entries all have this time, in seconds since 1970.
    pub(super) fn new(output: W, time: u64) -> Self {
        Self {
            builder: tar::Builder::new(output),
            time,
        }
    }

    /// Adds a folder; its name ends with a slash.
    pub(super) fn directory(&mut self, name: &str, mode: u32) -> io::Result<()> {
        self.append(EntryType::Directory, name, "", mode, 0, &mut io::empty())
    }

    /// Adds a symbolic link.
    pub(super) fn symlink(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.append(EntryType::Symlink, name, target, 0o777, 0, &mut io::empty())
    }

    /// Adds a file of exactly `size` bytes.
    pub(super) fn file(
        &mut self,
        name: &str,
        mode: u32,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.append(EntryType::Regular, name, "", mode, size, content)
    }

    /// Writes the end of the archive and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }

    fn append(
        &mut self,
        kind: EntryType,
        name: &str,
        target: &str,
        mode: u32,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.long(EntryType::GNULongLink, target)?;
        self.long(EntryType::GNULongName, name)?;
        let mut header = header(kind, mode & 0o7777, size, self.time);
        let fields = header.as_old_mut();
        put(&mut fields.name, name);
        put(&mut fields.linkname, target);
        header.set_cksum();
        self.builder.append(&header, content)
    }

    /// Writes a name that is too long for a header as the content of an entry before it.
    fn long(&mut self, kind: EntryType, name: &str) -> io::Result<()> {
        if name.len() <= LONGEST_SHORT_NAME {
            return Ok(());
        }
        let mut header = header(kind, 0o644, name.len() as u64 + 1, 0);
        put(&mut header.as_old_mut().name, "././@LongLink");
        header.set_cksum();
        self.builder
            .append(&header, name.as_bytes().chain(&[0][..]))
    }
}

fn header(kind: EntryType, mode: u32, size: u64, time: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(time);
    if let Some(fields) = header.as_gnu_mut() {
        put(&mut fields.uname, "root");
        put(&mut fields.gname, "root");
    }
    header
}

/// Puts the beginning of a text into a field and leaves its last byte zero.
fn put(field: &mut [u8], text: &str) {
    let length = text.len().min(field.len() - 1);
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}
