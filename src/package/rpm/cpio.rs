//! The payload: a cpio archive in the `newc` format, as rpm has it.
//!
//! Names begin with `./` (`rpmlib(PayloadFilesHavePrefix)`). The order is not the header's, which is
//! sorted: rpm finds an entry's place in the header by its name. Hard links share an inode
//! number and stand one after another in the header's order, since rpm takes any other entry for the
//! end of them; the last of their names has the content.
//!
//! A package with a large file has *stripped* entries (`rpmlib(LargeFiles)`, rpm 4.12): the number of
//! the file in the header, which has everything else. Since one new file changes the numbers of
//! others, such a payload is one portion that isn't kept.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sha2::Sha256;

use crate::digest::Digest;
use crate::package::payload::{HashingReader, Portion};
use crate::package::segment::{Segment, segments};
use crate::platform::{Codec, Compression};
use crate::tree::{ContentReader, Entry, EntryKind, Tree};

/// The format of segments, with its version.
const FORMAT: &str = "rpm 1";

/// Files of so many bytes are large: one byte less than 4 GiB, where rpmbuild begins to say sizes in
/// 64 bits.
const LARGE: u64 = u32::MAX as u64;

/// What the header has to know of the payload, sorted by path.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Whether there are large files.
    pub(super) large: bool,
    /// The SHA-256 digest of each entry's content, empty for what is no file.
    pub(super) digests: Vec<String>,
    /// The inode number of each entry.
    pub(super) inodes: Vec<u32>,
}

/// The type and permission bits of an entry, as in `st_mode`.
pub(super) fn mode(entry: &Entry) -> u32 {
    match entry.kind {
        EntryKind::Directory => 0o040_000 | (entry.mode & 0o7777),
        EntryKind::Symlink(_) => 0o120_777,
        EntryKind::File { .. } | EntryKind::HardLink(_) => 0o100_000 | (entry.mode & 0o7777),
    }
}

/// The length of the content of an entry that is no hard link; 0 for folders, whose real size is the
/// file system's business.
pub(super) fn size(entry: &Entry) -> u64 {
    match &entry.kind {
        EntryKind::Directory | EntryKind::HardLink(_) => 0,
        EntryKind::Symlink(target) => target.len() as u64,
        EntryKind::File { size, .. } => *size,
    }
}

/// The time of an entry in a package of this time.
pub(super) fn time(entry: &Entry, package: u32) -> u32 {
    u32::try_from(entry.time(u64::from(package))).unwrap_or(package)
}

/// Whether a tree has a file whose size `newc` can't tell.
pub(super) fn has_large_files(tree: &Tree) -> bool {
    tree.iter().any(|(_, entry)| size(entry) >= LARGE)
}

/// A tree in the order of its archive. Owners stand by name in the header, and as 0 here.
pub(super) struct Archive<'a> {
    tree: &'a Tree,
    time: u32,
    segments: Vec<Segment<'a>>,
    hard_links: BTreeMap<&'a str, Vec<&'a str>>,
    /// The numbers of the files in the header, where there are large ones.
    numbers: Option<BTreeMap<&'a str, u32>>,
}

impl<'a> Archive<'a> {
    /// The archive of a tree for a codec, in a package of this time, stripped when it has large files.
    pub(super) fn of(tree: &'a Tree, codec: Codec, time: u32, large: bool) -> Self {
        let hard_links = tree.hard_links();
        let mut segments = segments(tree, codec);
        for segment in &mut segments {
            put_names_together(segment, &hard_links);
        }
        let numbers = large.then(|| {
            segments = vec![one(&segments)];
            let paths = tree.iter().map(|(path, _)| path);
            paths.zip(0..).collect()
        });
        Self {
            tree,
            time,
            segments,
            hard_links,
            numbers,
        }
    }

    /// What is compressed apart: the segments and the end.
    pub(super) fn portions(&self, compression: Compression) -> io::Result<Vec<Portion<'_>>> {
        let mut portions = Vec::with_capacity(self.segments.len() + 1);
        for segment in &self.segments {
            portions.push(Portion {
                key: segment.key(self.tree, FORMAT, compression, u64::from(self.time))?,
                size: segment.size,
                first: self.numbers.is_some(),
                write: Box::new(move |output| self.write_segment(segment, output)),
            });
        }
        portions.push(Portion::own(|output| {
            let trailer = Member {
                name: "TRAILER!!!",
                inode: 0,
                mode: 0,
                links: 1,
                time: 0,
                size: 0,
            };
            trailer.write(output)?;
            Ok(Vec::new())
        }));
        Ok(portions)
    }

    /// What the header says of the files, given the checksums that the portions answered.
    pub(super) fn files<'c>(&self, checksums: impl Iterator<Item = &'c [String]>) -> Files {
        let mut digests = BTreeMap::new();
        for (segment, checksums) in self.segments.iter().zip(checksums) {
            let paths = segment.entries.iter().map(|(path, _)| *path);
            digests.extend(paths.zip(checksums));
        }
        let mut files = Files {
            large: self.numbers.is_some(),
            ..Files::default()
        };
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for (number, (path, entry)) in (1..).zip(self.tree.iter()) {
            let inode = *numbers.entry(file_of(path, entry)).or_insert(number);
            files.inodes.push(inode);
            let digest = digests.get(path).map_or("", |digest| digest.as_str());
            files.digests.push(digest.to_owned());
        }
        files
    }

    fn write_segment(
        &self,
        segment: &Segment<'_>,
        output: &mut dyn Write,
    ) -> io::Result<Vec<String>> {
        let mut reader = ContentReader::default();
        let mut digests: Vec<String> = Vec::with_capacity(segment.entries.len());
        // Of the files with several names: where their first names stand.
        let mut begun: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, (path, entry)) in (1..).zip(&segment.entries) {
            let file = file_of(path, entry);
            let entry = self.tree.resolve(entry);
            let time = time(entry, self.time);
            let links = self.hard_links.get(file).map_or(1, Vec::len);
            let before = begun.entry(file).or_default();
            before.push(digests.len());
            let complete = before.len() == links;
            let size = if complete { size(entry) } else { 0 };
            let member = Member {
                name: &format!("./{path}"),
                inode: if links == 1 { number } else { inode(file) },
                mode: mode(entry),
                links: u32::try_from(links).unwrap_or(u32::MAX),
                time,
                size,
            };
            match &self.numbers {
                None => member.write(output)?,
                Some(numbers) => stripped(numbers.get(path).copied(), output)?,
            }
            let digest = match &entry.kind {
                EntryKind::File { content, .. } if complete => {
                    let named = |error: io::Error| {
                        let message = format!("`/{path}` of `{}`: {error}", entry.origin);
                        io::Error::new(error.kind(), message)
                    };
                    let content = reader.read(content, size, u64::from(time)).map_err(named)?;
                    let mut content = HashingReader::<_, Sha256>::new(content);
                    io::copy(&mut content, output).map_err(named)?;
                    content.finish()
                }
                EntryKind::Symlink(target) => {
                    output.write_all(target.as_bytes())?;
                    String::new()
                }
                EntryKind::Directory | EntryKind::File { .. } | EntryKind::HardLink(_) => {
                    String::new()
                }
            };
            pad(output, size)?;
            digests.push(digest.clone());
            if complete {
                for first in begun.remove(file).unwrap_or_default() {
                    digests[first].clone_from(&digest);
                }
            }
        }
        Ok(digests)
    }
}

/// Puts all names of a file, sorted, where the first of them stands.
fn put_names_together<'a>(segment: &mut Segment<'a>, hard_links: &BTreeMap<&'a str, Vec<&'a str>>) {
    let mut sets: BTreeMap<&str, Vec<(&str, &Entry)>> = BTreeMap::new();
    for (path, entry) in &segment.entries {
        let file = file_of(path, entry);
        if hard_links.contains_key(file) {
            sets.entry(file).or_default().push((path, entry));
        }
    }
    if sets.is_empty() {
        return;
    }
    for (path, entry) in std::mem::take(&mut segment.entries) {
        let file = file_of(path, entry);
        if !hard_links.contains_key(file) {
            segment.entries.push((path, entry));
        } else if let Some(mut names) = sets.remove(file) {
            names.sort_by_key(|(path, _)| *path);
            segment.entries.extend(names);
        }
    }
}

/// These segments as one, which is the package's own.
fn one<'a>(segments: &[Segment<'a>]) -> Segment<'a> {
    let mut one = Segment::default();
    for segment in segments {
        one.size += segment.size;
        one.entries.extend_from_slice(&segment.entries);
    }
    one
}

/// The path that holds the content of an entry.
fn file_of<'a>(path: &'a str, entry: &'a Entry) -> &'a str {
    match &entry.kind {
        EntryKind::HardLink(target) => target,
        EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::File { .. } => path,
    }
}

/// The inode number of a file with several names, for the tools that take cpio archives for what
/// they are: rpm reads the header's. From the path, so that it stays when other files come and go.
fn inode(file: &str) -> u32 {
    let digest = Digest::of(file);
    u32::from_str_radix(&digest.as_str()[..8], 16).unwrap_or(u32::MAX)
}

/// What stands before an entry's content.
struct Member<'a> {
    name: &'a str,
    inode: u32,
    mode: u32,
    links: u32,
    time: u32,
    size: u64,
}

impl Member<'_> {
    /// Writes the header and the name, padded.
    fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let Self {
            name,
            inode,
            mode,
            links,
            time,
            size,
        } = self;
        let name_size = name.len() + 1;
        write!(
            output,
            "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{links:08x}{time:08x}{size:08x}",
            0
        )?;
        write!(
            output,
            "{0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}",
            0
        )?;
        output.write_all(name.as_bytes())?;
        output.write_all(&[0])?;
        let length = (6 + 13 * 8 + name_size) as u64;
        pad(output, length)
    }
}

/// Writes the header of an entry that has a number in the package's header.
fn stripped(number: Option<u32>, output: &mut dyn Write) -> io::Result<()> {
    let number = number.ok_or_else(|| io::Error::other("a file has no number"))?;
    write!(output, "07070X{number:08x}")?;
    pad(output, 6 + 8)
}

/// Everything begins at a multiple of four bytes.
fn pad(output: &mut dyn Write, length: u64) -> io::Result<()> {
    let missing = length.next_multiple_of(4) - length;
    output.write_all(&[0; 3][..usize::try_from(missing).unwrap_or(0)])
}
