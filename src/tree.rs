//! One sorted, normalised list of what a package installs.
//!
//! Owners are names, root's unless said, modes are normalised. What comes from a layer has the
//! layer's time, everything else the package's. Content is read where it lies (a layer's data file),
//! never held here.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::{Digest, DigestWriter};
use crate::error::{Error, Kind, Result};

/// What stands at one path.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Permission bits, such as 0o755.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Who brought it, for messages: a wheel's file name, `skeleton`, ….
    pub origin: Arc<str>,
    /// Whose it is.
    pub owner: Owner,
    /// What it is to the package manager.
    pub role: Role,
    /// The layer that it comes from; `None` for folders, which layers share, and for what is made
    /// for the package.
    pub layer: Option<Arc<LayerIdentity>>,
}

impl Entry {
    /// An ordinary entry of root's.
    pub fn new(mode: u32, kind: EntryKind, origin: Arc<str>) -> Self {
        Self {
            mode,
            kind,
            origin,
            owner: Owner::default(),
            role: Role::default(),
            layer: None,
        }
    }

    /// Its time in a package of this time, in seconds since 1970: the layer's, but never later than
    /// the package's (the rule of dpkg-deb's and rpmbuild's clamped times).
    pub fn time(&self, package: u64) -> u64 {
        self.layer
            .as_ref()
            .map_or(package, |layer| layer.time.min(package))
    }
}

/// What layers are told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerIdentity {
    /// The digest of everything in it: paths, modes, contents, time.
    pub digest: Digest,
    /// The time of its entries, in seconds since 1970.
    pub time: u64,
    /// Whether a user asked for the distribution in it (PEP 376's REQUESTED), rather than it being
    /// something's dependency.
    pub requested: bool,
}

/// The user and the group that an entry belongs to, by name. Machines number them as they like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Arc<str>,
    /// The group.
    pub group: Arc<str>,
}

impl Default for Owner {
    fn default() -> Self {
        let root: Arc<str> = "root".into();
        Self {
            user: Arc::clone(&root),
            group: root,
        }
    }
}

/// What a file is to the package manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing special.
    #[default]
    Plain,
    /// The administrator may change it, and an upgrade keeps what was changed: a conffile (Debian
    /// policy 10.7), `%config(noreplace)` in RPM.
    Configuration,
    /// `%doc` in RPM.
    Documentation,
    /// `%license` in RPM.
    License,
}

/// The kinds of entries a package can hold.
#[derive(Debug, Clone)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A symbolic link and what it says.
    Symlink(String),
    /// Another name of the file that the tree has at this path, relative to `/`. Mode, owner and
    /// role are that file's.
    HardLink(String),
    /// A plain file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Where its bytes are.
        content: Content,
    },
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub enum Content {
    /// Here.
    Bytes(Arc<[u8]>),
    /// A whole file, which had this content when it was looked at. Reading fails if it has another.
    Whole {
        /// The file.
        path: Arc<PathBuf>,
        /// What its content was.
        digest: Digest,
    },
    /// In a file, from an offset on.
    Slice {
        /// The file.
        path: Arc<PathBuf>,
        /// Offset of the first byte.
        offset: u64,
        /// Offset, inside this entry, of a four-byte little-endian modification time that is to be
        /// the entry's (byte code that refers to its source by time, PEP 552).
        time_field: Option<u64>,
    },
}

/// A sorted tree of install paths. Paths are relative to `/`, without a leading slash.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// Adds an entry. Two folders at one path are one; anything else at a taken path is an error
    /// that names both sides.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<()> {
        let path = path.trim_matches('/');
        if let Some(there) = self.entries.get(path) {
            let both_folders = matches!(
                (&there.kind, &entry.kind),
                (EntryKind::Directory, EntryKind::Directory)
            );
            if both_folders {
                return Ok(());
            }
            return Err(Error::new(
                Kind::Conflict,
                format!("`/{path}` belongs to both `{}` and `{}`", there.origin, entry.origin),
            )
            .hint("two distributions install the same file, and one would overwrite the other: drop one of them, or pin a version that does not"));
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// Adds the parent folders that no entry stands for, as `origin`'s, below (not at) `root`.
    pub fn insert_parents(&mut self, path: &str, root: &str, origin: &Arc<str>) -> Result<()> {
        let path = path.trim_matches('/');
        let root = root.trim_matches('/');
        let mut end = path.len();
        while let Some(slash) = path[..end].rfind('/') {
            end = slash;
            if end <= root.len() {
                break;
            }
            let parent = &path[..end];
            if self.entries.contains_key(parent) {
                break;
            }
            let folder = Entry::new(0o755, EntryKind::Directory, Arc::clone(origin));
            self.insert(parent, folder)?;
        }
        Ok(())
    }

    /// The entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// What stands at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum of the sizes of all files, in bytes.
    pub fn installed_size(&self) -> u64 {
        self.entries
            .values()
            .map(|entry| match &entry.kind {
                EntryKind::File { size, .. } => *size,
                EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::HardLink(_) => 0,
            })
            .sum()
    }

    /// The files that have several names: the path that holds the file, and all its names, that
    /// path's too.
    pub fn hard_links(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, entry) in self.iter() {
            if let EntryKind::HardLink(target) = &entry.kind {
                files
                    .entry(target)
                    .or_insert_with(|| vec![target])
                    .push(path);
            }
        }
        files
    }

    /// The entry that says what a path holds: the file for a hard link, else its own.
    pub fn resolve<'a>(&'a self, entry: &'a Entry) -> &'a Entry {
        match &entry.kind {
            EntryKind::HardLink(target) => self.get(target).unwrap_or(entry),
            EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::File { .. } => entry,
        }
    }
}

/// Opens the contents of entries one after another; keeps the last file open, since neighbours
/// usually lie in the same one.
#[derive(Debug, Default)]
pub struct ContentReader {
    open: Option<(Arc<PathBuf>, fs_err::File)>,
}

impl ContentReader {
    /// A reader of exactly `size` bytes of `content`, with `time` (seconds since 1970) in the time
    /// field. Content that ends early is an [`io::ErrorKind::UnexpectedEof`].
    pub fn read<'a>(
        &'a mut self,
        content: &'a Content,
        size: u64,
        time: u64,
    ) -> io::Result<impl Read + 'a> {
        Ok(Exactly {
            left: size,
            inner: self.open(content, size, time)?,
        })
    }

    fn open<'a>(
        &'a mut self,
        content: &'a Content,
        size: u64,
        time: u64,
    ) -> io::Result<Box<dyn Read + 'a>> {
        match content {
            Content::Bytes(bytes) => Ok(Box::new(bytes.as_ref())),
            Content::Whole { path, digest } => Ok(Box::new(Unchanged {
                file: fs_err::File::open(path.as_path())?,
                left: size,
                read: Some(DigestWriter::new(io::sink())),
                digest,
            })),
            Content::Slice {
                path,
                offset,
                time_field,
            } => {
                let fresh = !matches!(&self.open, Some((open, _)) if open == path);
                if fresh {
                    self.open = Some((Arc::clone(path), fs_err::File::open(path.as_path())?));
                }
                let Some((_, file)) = &mut self.open else {
                    return Err(io::Error::other("no file is open"));
                };
                file.seek(SeekFrom::Start(*offset))?;
                let Some(field) = *time_field else {
                    return Ok(Box::new(file.take(size)));
                };
                let mut head = Vec::new();
                (&mut *file).take(field).read_to_end(&mut head)?;
                file.seek_relative(4)?;
                // Importlib compares the low 32 bits of the source's time (PEP 3147, PEP 552).
                let low = u32::try_from(time & u64::from(u32::MAX)).unwrap_or(u32::MAX);
                head.extend(low.to_le_bytes());
                let rest = size.saturating_sub(field + 4);
                Ok(Box::new(io::Cursor::new(head).chain(file.take(rest))))
            }
        }
    }
}

/// Yields as many bytes as were promised, or fails: a header with the size is already written.
struct Exactly<R> {
    left: u64,
    inner: R,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut buffer[..wanted])?;
        if count == 0 {
            let message = format!("the content ends {} bytes early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Yields a file, and fails at its end if what it yielded is not what was expected.
struct Unchanged<'a> {
    file: fs_err::File,
    left: u64,
    read: Option<DigestWriter<io::Sink>>,
    digest: &'a Digest,
}

impl Read for Unchanged<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(read) = &mut self.read {
            read.write_all(&buffer[..count])?;
        }
        self.left = self.left.saturating_sub(count as u64);
        let ends = self.left == 0 || count == 0;
        if let Some(read) = self.read.take_if(|_read| ends)
            && read.finish().0 != *self.digest
        {
            let path = self.file.path().display();
            let message =
                format!("`{path}` changed during the build; leave it alone and build again");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}

/// Whether this can be the name of a user or a group on every platform: useradd(8), and the 31
/// bytes that fit the field of a tar header.
pub fn is_account_name(name: &str) -> bool {
    (1..=31).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// Whether a path is relative and has no empty, `.` or `..` part.
pub fn is_plain_path(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(origin: &str) -> Entry {
        let content = Content::Bytes(Arc::from(&b"x"[..]));
        Entry::new(0o644, EntryKind::File { size: 1, content }, origin.into())
    }

    #[test]
    fn two_owners_of_a_file_are_both_named() {
        let mut tree = Tree::default();
        tree.insert("/opt/x/a", file("one.whl")).unwrap();
        let error = tree.insert("opt/x/a", file("two.whl")).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.message().contains("one.whl") && error.message().contains("two.whl"));
    }

    #[test]
    fn parents_are_added_below_the_root_only() {
        let mut tree = Tree::default();
        let origin: Arc<str> = "x".into();
        tree.insert_parents("opt/x/lib/a.py", "opt", &origin)
            .unwrap();
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["opt/x", "opt/x/lib"]);
    }

    #[test]
    fn the_time_field_of_a_slice_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs_err::write(&path, b"--HEADtttttail--").unwrap();
        let content = Content::Slice {
            path: Arc::new(path),
            offset: 2,
            time_field: Some(4),
        };
        let mut reader = ContentReader::default();
        let mut bytes = Vec::new();
        reader
            .read(&content, 12, 0x6162_6364)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes, b"HEADdcbatail");
    }

    #[test]
    fn a_file_that_changed_since_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let content = Content::Whole {
            path: Arc::new(path.clone()),
            digest: Digest::of(b"1234"),
        };
        let read = |there: &[u8]| {
            fs_err::write(&path, there).unwrap();
            let mut bytes = Vec::new();
            let mut reader = ContentReader::default();
            let result = reader.read(&content, 4, 0).unwrap().read_to_end(&mut bytes);
            result.map(|_count| bytes)
        };
        assert_eq!(read(b"1234").unwrap(), b"1234");
        // What was appended since is not packed.
        assert_eq!(read(b"12345").unwrap(), b"1234");
        for other in [&b"1235"[..], b"123", b""] {
            let error = read(other).unwrap_err();
            assert!(error.to_string().contains("changed during"), "{error}");
        }
    }

    #[test]
    fn content_is_as_long_as_promised_or_an_error() {
        let content = Content::Bytes(Arc::from(&b"1234"[..]));
        let mut reader = ContentReader::default();
        let mut bytes = Vec::new();
        reader
            .read(&content, 3, 0)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes, b"123");
        let error = reader
            .read(&content, 5, 0)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("1 bytes early"), "{error}");
    }
}
