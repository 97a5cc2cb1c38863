//! The data archive: a tar archive in GNU's format of everything the package installs.
//!
//! Own headers on the `tar` crate's, since that drops the `./` that dpkg-deb's names begin with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};

use md5::Md5;
use tar::{EntryType, Header};

use crate::package::check;
use crate::package::segment::segments;
use crate::package::spool::HashingReader;
use crate::tree::{ContentReader, Entry, EntryKind, Owner, Role, Tree};

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
    /// The lines of `conffiles`: absolute paths.
    pub(super) conffiles: String,
}

/// Writes the tree, with the folders above its entries, which dpkg wants named.
pub(super) fn write(tree: &Tree, time: u64, output: &mut impl Write) -> io::Result<Listing> {
    let mut archive = Archive::new(output, time);
    let mut listing = Listing::default();
    let mut reader = ContentReader::default();
    let names_of = tree.hard_links();
    // The first name of a file with several, and its checksum.
    let mut first_names: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    archive.directory("./", 0o755, &Owner::default())?;
    listing.installed_size += 1;
    for (path, (mode, owner)) in folders(tree) {
        archive.directory(&format!("./{path}/"), mode, &owner)?;
        listing.installed_size += 1;
    }
    let segments = segments(tree);
    for (path, entry) in segments.iter().flat_map(|segment| &segment.entries) {
        let file = match &entry.kind {
            EntryKind::HardLink(target) => target,
            EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::File { .. } => *path,
        };
        let name = format!("./{path}");
        let entry = tree.resolve(entry);
        let time = entry.time(time);
        archive.time = time;
        if let Some((first, checksum)) = first_names.get(file) {
            archive.another_name(&name, &format!("./{first}"), entry)?;
            listing.checksum(checksum, path);
            continue;
        }
        match &entry.kind {
            EntryKind::Symlink(target) => {
                archive.symlink(&name, target, &entry.owner)?;
                listing.installed_size += (target.len() as u64).div_ceil(1024);
            }
            EntryKind::File { size, content } => {
                let named = |error: io::Error| {
                    let message = format!("`/{path}` of `{}`: {error}", entry.origin);
                    io::Error::new(error.kind(), message)
                };
                let content = reader.read(content, *size, time).map_err(named)?;
                let mut content = HashingReader::<_, Md5>::new(content);
                archive
                    .file(&name, entry.mode, *size, &mut content, &entry.owner)
                    .map_err(named)?;
                let checksum = content.finish();
                listing.checksum(&checksum, path);
                listing.installed_size += size.div_ceil(1024);
                if entry.role == Role::Configuration {
                    writeln!(listing.conffiles, "/{path}").expect("a String takes everything");
                }
                if names_of.contains_key(file) {
                    first_names.insert(file, (path, checksum));
                }
            }
            // Folders are there, and `resolve` left no links: the tree was checked.
            EntryKind::Directory | EntryKind::HardLink(_) => {}
        }
    }
    archive.finish()?;
    Ok(listing)
}

impl Listing {
    fn checksum(&mut self, checksum: &str, path: &str) {
        writeln!(self.checksums, "{checksum}  {path}").expect("a String takes everything");
    }
}

/// The folders with their modes and owners, sorted: those of the tree and those above its entries.
fn folders(tree: &Tree) -> BTreeMap<&str, (u32, Owner)> {
    let mut folders = BTreeMap::new();
    for (path, entry) in tree.iter() {
        for parent in check::parents(path) {
            folders.entry(parent).or_insert((0o755, Owner::default()));
        }
        if matches!(entry.kind, EntryKind::Directory) {
            folders.insert(path, (entry.mode, entry.owner.clone()));
        }
    }
    folders
}

/// A tar archive.
pub(super) struct Archive<W: Write> {
    builder: tar::Builder<W>,
    time: u64,
}

impl<W: Write> Archive<W> {
    /// An archive whose entries have this time, in seconds since 1970.
    pub(super) fn new(output: W, time: u64) -> Self {
        Self {
            builder: tar::Builder::new(output),
            time,
        }
    }

    /// Adds a folder; its name ends with a slash.
    pub(super) fn directory(&mut self, name: &str, mode: u32, owner: &Owner) -> io::Result<()> {
        let header = self.header(EntryType::Directory, mode, 0, owner);
        self.append(header, name, "", &mut io::empty())
    }

    /// Adds a symbolic link.
    pub(super) fn symlink(&mut self, name: &str, target: &str, owner: &Owner) -> io::Result<()> {
        let header = self.header(EntryType::Symlink, 0o777, 0, owner);
        self.append(header, name, target, &mut io::empty())
    }

    /// Adds another name of a file that is in the archive as `target`.
    fn another_name(&mut self, name: &str, target: &str, file: &Entry) -> io::Result<()> {
        let header = self.header(EntryType::Link, file.mode, 0, &file.owner);
        self.append(header, name, target, &mut io::empty())
    }

    /// Adds a file of exactly `size` bytes.
    pub(super) fn file(
        &mut self,
        name: &str,
        mode: u32,
        size: u64,
        content: &mut dyn Read,
        owner: &Owner,
    ) -> io::Result<()> {
        let header = self.header(EntryType::Regular, mode, size, owner);
        self.append(header, name, "", content)
    }

    /// Writes the end of the archive and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64, owner: &Owner) -> Header {
        header(kind, mode & 0o7777, size, self.time, owner)
    }

    fn append(
        &mut self,
        mut header: Header,
        name: &str,
        target: &str,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.long(EntryType::GNULongLink, target)?;
        self.long(EntryType::GNULongName, name)?;
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
        let mut header = header(kind, 0o644, name.len() as u64 + 1, 0, &Owner::default());
        put(&mut header.as_old_mut().name, "././@LongLink");
        header.set_cksum();
        self.builder
            .append(&header, name.as_bytes().chain(&[0][..]))
    }
}

fn header(kind: EntryType, mode: u32, size: u64, time: u64, owner: &Owner) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(time);
    if let Some(fields) = header.as_gnu_mut() {
        put(&mut fields.uname, &owner.user);
        put(&mut fields.gname, &owner.group);
    }
    header
}

/// Puts the beginning of a text into a field and leaves its last byte zero.
fn put(field: &mut [u8], text: &str) {
    let length = text.len().min(field.len() - 1);
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}
