//! The payload: a cpio archive in the `newc` format, as rpm has it.
//!
//! Names begin with `./` (`rpmlib(PayloadFilesHavePrefix)`). The order is not the header's, which is
//! sorted: rpm finds an entry's place in the header by its name. Every file has its own inode number,
//! which its hard links share; the last of its names has the content.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sha2::Sha256;

use crate::error::{Error, Kind, Result};
use crate::package::segment::segments;
use crate::package::spool::HashingReader;
use crate::tree::{ContentReader, Entry, EntryKind, Tree};

/// What the header has to know of the payload.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// The SHA-256 digest of each entry's content, empty for what is no file; sorted by path.
    pub(super) digests: Vec<String>,
    /// The inode number of each entry, sorted by path.
    pub(super) inodes: Vec<u32>,
    /// The uncompressed length in bytes.
    pub(super) size: u64,
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

/// Refuses files above the 4 GiB that the format's eight digits can tell.
pub(super) fn check_sizes(tree: &Tree) -> Result<()> {
    let large = tree
        .iter()
        .find(|(_, entry)| size(entry) > u64::from(u32::MAX));
    let Some((path, entry)) = large else {
        return Ok(());
    };
    let size = size(entry);
    let message = format!(
        "`/{path}` of `{}` is {size} bytes, and an rpm package holds files below 4 GiB",
        entry.origin
    );
    Err(Error::new(Kind::Build, message).hint("ship such data apart from the application"))
}

/// Writes the tree. Owners stand by name in the header, and as 0 here.
pub(super) fn write(tree: &Tree, time: u32, output: &mut impl Write) -> io::Result<Archive> {
    let mut archive = Archive::default();
    let mut reader = ContentReader::default();
    let names_of = tree.hard_links();
    let mut entries = BTreeMap::new();
    // Of the files with several names: the inode number, and their first names.
    let mut begun: BTreeMap<&str, (u32, Vec<&str>)> = BTreeMap::new();
    let segments = segments(tree);
    let all = segments.iter().flat_map(|segment| &segment.entries);
    for (number, (path, entry)) in (1..).zip(all) {
        let file = match &entry.kind {
            EntryKind::HardLink(target) => target,
            EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::File { .. } => *path,
        };
        let entry = tree.resolve(entry);
        let time = self::time(entry, time);
        let links = names_of.get(file).map_or(1, Vec::len);
        let (inode, before) = begun.entry(file).or_insert((number, Vec::new()));
        let inode = *inode;
        before.push(path);
        let complete = before.len() == links;
        let size = if complete { size(entry) } else { 0 };
        let header = Member {
            name: &format!("./{path}"),
            inode,
            mode: mode(entry),
            links: u32::try_from(links).unwrap_or(u32::MAX),
            time,
            size,
        };
        archive.size += header.write(output)?;
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
            EntryKind::Directory | EntryKind::File { .. } | EntryKind::HardLink(_) => String::new(),
        };
        archive.size += size + pad(output, size)?;
        entries.insert(*path, (inode, digest.clone()));
        if complete {
            for name in begun
                .remove(file)
                .map(|(_, names)| names)
                .unwrap_or_default()
            {
                entries.insert(name, (inode, digest.clone()));
            }
        }
    }
    (archive.inodes, archive.digests) = entries.into_values().unzip();
    let trailer = Member {
        name: "TRAILER!!!",
        inode: 0,
        mode: 0,
        links: 1,
        time: 0,
        size: 0,
    };
    archive.size += trailer.write(output)?;
    Ok(archive)
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
    /// Writes the header and the name, padded; says how long that is.
    fn write(&self, output: &mut impl Write) -> io::Result<u64> {
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
        Ok(length + pad(output, length)?)
    }
}

/// Everything begins at a multiple of four bytes.
fn pad(output: &mut impl Write, length: u64) -> io::Result<u64> {
    let missing = length.next_multiple_of(4) - length;
    output.write_all(&[0; 3][..usize::try_from(missing).unwrap_or(0)])?;
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    #[test]
    fn a_file_that_eight_digits_can_not_tell_is_refused() {
        let insert = |size| {
            let content = Content::Bytes([].into());
            let kind = EntryKind::File { size, content };
            let mut tree = Tree::default();
            tree.insert("opt/x", Entry::new(0o644, kind, "a.whl".into()))
                .unwrap();
            check_sizes(&tree)
        };
        insert(u64::from(u32::MAX)).unwrap();
        let error = insert(u64::from(u32::MAX) + 1).unwrap_err();
        assert!(error.message().contains("/opt/x") && error.message().contains("a.whl"));
    }
}
