//! The payload: a cpio archive in the `newc` format, as rpm has it.
//!
//! Names begin with `./` (`rpmlib(PayloadFilesHavePrefix)`), every entry has its own inode number,
//! so no two are taken for links to one file.

use std::io::{self, Write};

use sha2::Sha256;

use crate::error::{Error, Kind, Result};
use crate::package::spool::HashingReader;
use crate::tree::{ContentReader, Entry, EntryKind, Tree};

/// What the header has to know of the payload.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// The SHA-256 digest of each entry's content, empty for what is no file.
    pub(super) digests: Vec<String>,
    /// The uncompressed length in bytes.
    pub(super) size: u64,
}

/// The type and permission bits of an entry, as in `st_mode`.
pub(super) fn mode(entry: &Entry) -> u32 {
    match entry.kind {
        EntryKind::Directory => 0o040_000 | (entry.mode & 0o7777),
        EntryKind::Symlink(_) => 0o120_777,
        EntryKind::File { .. } => 0o100_000 | (entry.mode & 0o7777),
    }
}

/// The length of an entry's content; 0 for folders, whose real size is the file system's business.
pub(super) fn size(entry: &Entry) -> u64 {
    match &entry.kind {
        EntryKind::Directory => 0,
        EntryKind::Symlink(target) => target.len() as u64,
        EntryKind::File { size, .. } => *size,
    }
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

/// Writes the tree. Owners are root by name, in the header, and 0 here.
pub(super) fn write(tree: &Tree, time: u32, output: &mut impl Write) -> io::Result<Archive> {
    let mut archive = Archive::default();
    let mut reader = ContentReader::default();
    for (number, (path, entry)) in (1..).zip(tree.iter()) {
        let name = format!("./{path}");
        let size = size(entry);
        archive.size += header(output, &name, number, mode(entry), time, size)?;
        let digest = match &entry.kind {
            EntryKind::Directory => String::new(),
            EntryKind::Symlink(target) => {
                output.write_all(target.as_bytes())?;
                String::new()
            }
            EntryKind::File { content, .. } => {
                let named = |error: io::Error| {
                    let message = format!("`/{path}` of `{}`: {error}", entry.origin);
                    io::Error::new(error.kind(), message)
                };
                let content = reader.read(content, size, u64::from(time)).map_err(named)?;
                let mut content = HashingReader::<_, Sha256>::new(content);
                io::copy(&mut content, output).map_err(named)?;
                content.finish()
            }
        };
        archive.digests.push(digest);
        archive.size += size + pad(output, size)?;
    }
    archive.size += header(output, "TRAILER!!!", 0, 0, 0, 0)?;
    Ok(archive)
}

/// Writes a header and its name, padded; says how long it is.
fn header(
    output: &mut impl Write,
    name: &str,
    inode: u32,
    mode: u32,
    time: u32,
    size: u64,
) -> io::Result<u64> {
    let name_size = name.len() + 1;
    write!(
        output,
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{time:08x}{size:08x}",
        0, 1
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
            tree.insert(
                "opt/x",
                Entry {
                    mode: 0o644,
                    kind,
                    origin: "a.whl".into(),
                },
            )
            .unwrap();
            check_sizes(&tree)
        };
        insert(u64::from(u32::MAX)).unwrap();
        let error = insert(u64::from(u32::MAX) + 1).unwrap_err();
        assert!(error.message().contains("/opt/x") && error.message().contains("a.whl"));
    }
}
