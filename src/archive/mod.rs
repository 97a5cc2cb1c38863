//! Tar archives as they travel into and out of containers, through temporary files; and compressed
//! streams, whoever made them.
//!
//! The same entries give the same bytes: owners are root, names are in the order they are added.
//! Never holds an archive in memory.

mod decode;

use std::collections::BTreeMap;
use std::io::{BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use tempfile::TempPath;

pub use self::decode::{codec_of, decoded, decoder};
use crate::error::{Error, Kind, Result};

/// Writes a tar archive into a temporary file.
pub struct ArchiveWriter {
    builder: tar::Builder<BufWriter<std::fs::File>>,
    path: TempPath,
    time: u64,
}

impl ArchiveWriter {
    /// An empty archive; every entry gets `time` (seconds since 1970).
    pub fn new(time: u64) -> Result<Self> {
        let (file, path) = tempfile::NamedTempFile::new()?.into_parts();
        let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 18, file));
        // GNU's sparse entries are not for everybody's tar.
        builder.sparse(false);
        Ok(Self {
            builder,
            path,
            time,
        })
    }

    fn header(&self, kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = plain_header(size);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.time);
        header
    }

    /// Adds a file with these bytes; `path` is relative to where the archive is unpacked.
    pub fn bytes(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let mut header = self.header(tar::EntryType::Regular, mode, bytes.len() as u64);
        Ok(self.builder.append_data(&mut header, path, bytes)?)
    }

    /// Adds a file with the bytes of one here.
    pub fn file(&mut self, path: &str, mode: u32, source: &Path) -> Result<()> {
        let file = fs::File::open(source)?;
        let size = file.metadata()?.len();
        let mut header = self.header(tar::EntryType::Regular, mode, size);
        // A file that grows meanwhile must not break the archive.
        Ok(self
            .builder
            .append_data(&mut header, path, file.take(size))?)
    }

    /// Adds a file of `size` bytes that come out of a reader.
    pub fn stream(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<()> {
        let mut header = self.header(tar::EntryType::Regular, mode, size);
        Ok(self.builder.append_data(&mut header, path, content)?)
    }

    /// Adds a folder.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        let mut header = self.header(tar::EntryType::Directory, 0o755, 0);
        Ok(self
            .builder
            .append_data(&mut header, path, std::io::empty())?)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let mut header = self.header(tar::EntryType::Symlink, 0o777, 0);
        Ok(self.builder.append_link(&mut header, path, target)?)
    }

    /// The raw writer, for those who write tar entries themselves.
    pub fn builder(&mut self) -> &mut tar::Builder<BufWriter<std::fs::File>> {
        &mut self.builder
    }

    /// Ends the archive; the file is gone when the path is dropped.
    pub fn finish(self) -> Result<TempPath> {
        let writer = self.builder.into_inner()?;
        writer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        Ok(self.path)
    }
}

/// A header of a plain file that is root's and has no time.
pub(crate) fn plain_header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// What the names of extended attributes begin with in an extended header (star's, as GNU tar, libarchive and
/// engines have it).
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// The extended attributes of an entry, such as `security.capability`.
pub(crate) fn attributes(
    entry: &mut tar::Entry<'_, impl Read>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut attributes = BTreeMap::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let name = extension.key().ok();
        if let Some(name) = name.and_then(|name| name.strip_prefix(ATTRIBUTE)) {
            attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
        }
    }
    Ok(attributes)
}

/// Gives the entry that is appended next extended attributes.
pub(crate) fn append_attributes(
    builder: &mut tar::Builder<impl Write>,
    attributes: &BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    if attributes.is_empty() {
        return Ok(());
    }
    let named = attributes.iter();
    let named: Vec<(String, &[u8])> = named
        .map(|(name, value)| (format!("{ATTRIBUTE}{name}"), value.as_slice()))
        .collect();
    let named = named.iter().map(|(name, value)| (name.as_str(), *value));
    Ok(builder.append_pax_extensions(named)?)
}

/// Calls `each` with the path and content of every plain file of an archive. Paths that leave the
/// archive are refused: what comes out of a container is not trusted.
pub fn for_each_file(
    archive: &Path,
    mut each: impl FnMut(&Path, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(std::io::BufReader::new(fs::File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let path = safe_path(&entry.path()?)?;
            each(&path, &mut entry)?;
        }
    }
    Ok(())
}

/// The plain components of a path, without `./`.
pub fn safe_path(path: &Path) -> Result<PathBuf> {
    let mut safe = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => safe.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(Error::new(
                    Kind::Internal,
                    format!(
                        "an archive from a container has an entry `{}` outside of it",
                        path.display()
                    ),
                ));
            }
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut writer = ArchiveWriter::new(1).unwrap();
        writer.folder("a").unwrap();
        writer.bytes("a/b", 0o644, b"content").unwrap();
        writer.link("a/c", "b").unwrap();
        let path = writer.finish().unwrap();
        let mut seen = Vec::new();
        for_each_file(&path, |path, content| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            seen.push((path.to_owned(), text));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(PathBuf::from("a/b"), "content".to_owned())]);
    }

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        let make = || {
            let mut writer = ArchiveWriter::new(1).unwrap();
            writer.bytes("a", 0o644, b"content").unwrap();
            fs::read(writer.finish().unwrap()).unwrap()
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn paths_that_leave_are_refused() {
        assert!(safe_path(Path::new("../x")).is_err());
        assert!(safe_path(Path::new("/x")).is_err());
        assert_eq!(safe_path(Path::new("./x/y")).unwrap(), Path::new("x/y"));
    }
}
