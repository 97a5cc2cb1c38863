//! The data archive: a tar archive in GNU's format of everything the package installs.
//!
//! Own headers on the `tar` crate's, since that drops the `./` that dpkg-deb's names begin with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};

use md5::Md5;
use tar::{EntryType, Header};

use crate::package::check;
use crate::package::payload::{HashingReader, Portion};
use crate::package::segment::{Segment, segments};
use crate::platform::{Codec, Compression};
use crate::tree::{ContentReader, Entry, EntryKind, Owner, Role, Tree};

/// The format of segments, with its version.
const FORMAT: &str = "deb 1";

/// The length of what tar archives are made of.
const RECORD: u64 = 512;

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

/// A tree in the order of its archive.
pub(super) struct Data<'a> {
    tree: &'a Tree,
    time: u64,
    folders: BTreeMap<&'a str, (u32, Owner)>,
    /// All but the folders.
    segments: Vec<Segment<'a>>,
    hard_links: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Data<'a> {
    /// The archive of a tree for a codec, in a package of this time, with the folders above its entries, which
    /// dpkg wants named.
    pub(super) fn of(tree: &'a Tree, codec: Codec, time: u64) -> Self {
        let is_folder = |segment: &Segment<'_>| {
            let first = segment.entries.first();
            first.is_some_and(|(_, entry)| matches!(entry.kind, EntryKind::Directory))
        };
        let segments = segments(tree, codec).into_iter();
        Self {
            tree,
            time,
            folders: folders(tree),
            segments: segments.filter(|segment| !is_folder(segment)).collect(),
            hard_links: tree.hard_links(),
        }
    }

    /// What is compressed apart: the folders, the segments, the end.
    pub(super) fn portions(&self, compression: Compression) -> io::Result<Vec<Portion<'_>>> {
        let mut portions = vec![Portion::own(|output| self.write_folders(output))];
        for segment in &self.segments {
            portions.push(Portion {
                key: segment.key(self.tree, FORMAT, compression, self.time)?,
                size: segment.size,
                first: false,
                write: Box::new(move |output| self.write_segment(segment, output)),
            });
        }
        portions.push(Portion::own(|output| {
            Archive::new(output, self.time).finish()?;
            Ok(Vec::new())
        }));
        Ok(portions)
    }

    /// The listing, given the checksums that the portions answered.
    pub(super) fn listing<'c>(&self, checksums: impl Iterator<Item = &'c [String]>) -> Listing {
        let mut listing = Listing {
            installed_size: 1 + self.folders.len() as u64,
            ..Listing::default()
        };
        for (segment, checksums) in self.segments.iter().zip(checksums.skip(1)) {
            for ((path, entry), checksum) in segment.entries.iter().zip(checksums) {
                listing.add(path, entry, checksum);
            }
        }
        listing
    }

    fn write_folders(&self, output: &mut dyn Write) -> io::Result<Vec<String>> {
        let mut archive = Archive::new(output, self.time);
        archive.directory("./", 0o755, &Owner::default())?;
        for (path, (mode, owner)) in &self.folders {
            archive.directory(&format!("./{path}/"), *mode, owner)?;
        }
        Ok(Vec::new())
    }

    fn write_segment(
        &self,
        segment: &Segment<'_>,
        output: &mut dyn Write,
    ) -> io::Result<Vec<String>> {
        let mut archive = Archive::new(output, self.time);
        let mut reader = ContentReader::default();
        let mut checksums = Vec::with_capacity(segment.entries.len());
        // The first name of a file with several, and its checksum.
        let mut first_names: BTreeMap<&str, (&str, String)> = BTreeMap::new();
        for (path, entry) in &segment.entries {
            let file = match &entry.kind {
                EntryKind::HardLink(target) => target,
                EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::File { .. } => *path,
            };
            let name = format!("./{path}");
            let entry = self.tree.resolve(entry);
            archive.time = entry.time(self.time);
            if let Some((first, checksum)) = first_names.get(file) {
                archive.another_name(&name, &format!("./{first}"), entry)?;
                checksums.push(checksum.clone());
                continue;
            }
            let mut checksum = String::new();
            match &entry.kind {
                EntryKind::Symlink(target) => archive.symlink(&name, target, &entry.owner)?,
                EntryKind::File { size, content } => {
                    let named = |error: io::Error| {
                        let message = format!("`/{path}` of `{}`: {error}", entry.origin);
                        io::Error::new(error.kind(), message)
                    };
                    let content = reader.read(content, *size, archive.time).map_err(named)?;
                    let mut content = HashingReader::<_, Md5>::new(content);
                    archive
                        .file(&name, entry.mode, *size, &mut content, &entry.owner)
                        .map_err(named)?;
                    checksum = content.finish();
                    if self.hard_links.contains_key(file) {
                        first_names.insert(file, (path, checksum.clone()));
                    }
                }
                // Folders are apart, and `resolve` left no links: the tree was checked.
                EntryKind::Directory | EntryKind::HardLink(_) => {}
            }
            checksums.push(checksum);
        }
        Ok(checksums)
    }
}

impl Listing {
    fn add(&mut self, path: &str, entry: &Entry, checksum: &str) {
        let infallible = "a String takes everything";
        if !checksum.is_empty() {
            writeln!(self.checksums, "{checksum}  {path}").expect(infallible);
        }
        self.installed_size += match &entry.kind {
            EntryKind::Directory => 1,
            EntryKind::Symlink(target) => (target.len() as u64).div_ceil(1024),
            EntryKind::File { size, .. } => size.div_ceil(1024),
            EntryKind::HardLink(_) => 0,
        };
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        if is_file && entry.role == Role::Configuration {
            writeln!(self.conffiles, "/{path}").expect(infallible);
        }
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
    output: W,
    time: u64,
}

impl<W: Write> Archive<W> {
    /// An archive whose entries have this time, in seconds since 1970.
    pub(super) fn new(output: W, time: u64) -> Self {
        Self { output, time }
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
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * 512])?;
        Ok(self.output)
    }

    fn put(&mut self, header: &Header, content: &mut dyn Read) -> io::Result<()> {
        self.output.write_all(header.as_bytes())?;
        let size = io::copy(content, &mut self.output)?;
        let missing = size.next_multiple_of(RECORD) - size;
        io::copy(&mut io::repeat(0).take(missing), &mut self.output)?;
        Ok(())
    }

    /// What isn't root's is unpacked as root's where the account is not there yet, so it gets its
    /// setuid, setgid and sticky bits from the script that gives it to its owner, after that.
    fn header(&self, kind: EntryType, mode: u32, size: u64, owner: &Owner) -> Header {
        let bits = if *owner == Owner::default() {
            0o7777
        } else {
            0o777
        };
        header(kind, mode & bits, size, self.time, owner)
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
        self.put(&header, content)
    }

    /// Writes a name that is too long for a header as the content of an entry before it.
    fn long(&mut self, kind: EntryType, name: &str) -> io::Result<()> {
        if name.len() <= LONGEST_SHORT_NAME {
            return Ok(());
        }
        let mut header = header(kind, 0o644, name.len() as u64 + 1, 0, &Owner::default());
        put(&mut header.as_old_mut().name, "././@LongLink");
        header.set_cksum();
        self.put(&header, &mut name.as_bytes().chain(&[0][..]))
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
