//! A layer on disk: a part of a bundle, ready to be written into packages.
//!
//! ```text
//! <folder>/
//!     layer.json   schema, origin, facts about the distribution, and the entries sorted by path
//!     data         the contents of all files, one after another
//! ```
//!
//! All entries have one time, the layer's, also the byte code that refers to its source by time; a
//! package that is older than the layer clamps it, so the data file leaves the place open. A layer
//! is not trusted blindly when read: what does not fit together is as good as absent. What an audit
//! wants to know of a file's content is read when the layer is made and kept in layer.json, so that
//! a bundle of kept layers is audited without reading a file. May not know what a wheel is, nor
//! where layers are kept.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::audit::Facts;
use crate::bundle::distribution::InstalledWheel;
use crate::digest::{Digest, DigestWriter};
use crate::error::{Error, Kind, Result};
use crate::tree::{Content, ContentReader, Entry, EntryKind, LayerIdentity, Tree, is_plain_path};

/// The version of the format.
const SCHEMA: u32 = 3;
const MANIFEST_FILE: &str = "layer.json";
const DATA_FILE: &str = "data";

/// The time of a layer that has no other, 2000-01-01 00:00 UTC in seconds since 1970. A constant, so
/// that what has not changed stays as it is; after 1984, before which lintian takes files for broken.
pub const NO_TIME: u64 = 946_684_800;

/// What a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: u32,
    /// Who brought it, for messages: a wheel's file name, `skeleton`, ….
    pub origin: String,
    /// The distribution, where the layer was made from a wheel.
    pub distribution: Option<InstalledWheel>,
    /// The time of all entries, in seconds since 1970.
    pub time: u64,
    /// Length of the data file in bytes.
    pub data_size: u64,
    /// The entries, sorted by path.
    pub entries: Vec<LayerEntry>,
}

/// What a layer puts at one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    /// The path, relative to `/`.
    pub path: String,
    /// Permission bits, such as 0o755.
    pub mode: u32,
    /// What it is.
    pub kind: LayerEntryKind,
}

/// The kinds of entries a layer can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerEntryKind {
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
    /// A plain file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Where it begins in the data file.
        offset: u64,
        /// The digest of its bytes, with zeros in the time field.
        sha256: Digest,
        /// Offset, inside the file, of a four-byte modification time that is filled in when it is
        /// written into a package.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time_field: Option<u64>,
        /// What its content says.
        #[serde(default, skip_serializing_if = "Facts::is_empty")]
        facts: Facts,
    },
}

/// A finished layer.
#[derive(Debug, Clone)]
pub struct Layer {
    data: Arc<PathBuf>,
    identity: Arc<LayerIdentity>,
    manifest: Manifest,
}

impl Layer {
    /// Reads the layer in a folder; `None` when there is none, or one that doesn't fit together
    /// (a cut data file, a manifest of another version).
    pub fn open(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join(MANIFEST_FILE)).ok()?;
        let manifest: Manifest = serde_json::from_slice(&text).ok()?;
        let data = folder.join(DATA_FILE);
        let metadata = fs::symlink_metadata(&data).ok()?;
        let whole = metadata.is_file() && metadata.len() == manifest.data_size;
        (whole && manifest.is_sound()).then(|| Self {
            data: Arc::new(data),
            identity: Arc::new(LayerIdentity {
                digest: Digest::of(&text),
                time: manifest.time,
                requested: manifest.is_requested(),
            }),
            manifest,
        })
    }

    /// The digest of everything in it: paths, modes, contents, time.
    pub fn digest(&self) -> &Digest {
        &self.identity.digest
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Adds the entries to a tree, with the folders above them that lie below `root` (such as
    /// `opt`, which packages don't own).
    pub fn add_to_tree(&self, tree: &mut Tree, root: &str) -> Result<()> {
        let origin: Arc<str> = Arc::from(self.manifest.origin.as_str());
        // Sources first: where two wheels clash, the error names what people know, not byte code.
        let (compiled, others): (Vec<_>, Vec<_>) = self
            .manifest
            .entries
            .iter()
            .partition(|entry| Path::new(&entry.path).extension() == Some("pyc".as_ref()));
        for entry in others.into_iter().chain(compiled) {
            tree.insert_parents(&entry.path, root, &origin)?;
            let kind = match &entry.kind {
                LayerEntryKind::Directory => EntryKind::Directory,
                LayerEntryKind::Symlink { target } => EntryKind::Symlink(target.clone()),
                LayerEntryKind::File {
                    size,
                    offset,
                    time_field,
                    ..
                } => EntryKind::File {
                    size: *size,
                    content: self.slice(*offset, *time_field),
                },
            };
            let shared = matches!(kind, EntryKind::Directory);
            let mut made = Entry::new(entry.mode, kind, Arc::clone(&origin));
            made.layer = (!shared).then(|| Arc::clone(&self.identity));
            tree.insert(&entry.path, made)?;
        }
        Ok(())
    }

    /// Writes the entries that `filter` lets pass as a tar archive without its end mark, with
    /// paths relative to `/`, owner root and `time` (seconds since 1970).
    pub fn write_tar<W: Write>(
        &self,
        filter: &mut dyn FnMut(&LayerEntry) -> bool,
        time: u64,
        archive: &mut tar::Builder<W>,
    ) -> Result<()> {
        let mut reader = ContentReader::default();
        for entry in self.manifest.entries.iter().filter(|entry| filter(entry)) {
            let mut header = tar_header(entry.mode, time);
            let path = entry.path.as_str();
            match &entry.kind {
                LayerEntryKind::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    archive.append_data(&mut header, path, io::empty())?;
                }
                LayerEntryKind::Symlink { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    archive.append_link(&mut header, path, target)?;
                }
                LayerEntryKind::File {
                    size,
                    offset,
                    time_field,
                    ..
                } => {
                    header.set_size(*size);
                    let content = self.slice(*offset, *time_field);
                    archive.append_data(&mut header, path, reader.read(&content, *size, time)?)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes of a file of this layer, at most `limit` of them; none for what is no file.
    pub fn read(&self, entry: &LayerEntry, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let LayerEntryKind::File {
            size,
            offset,
            time_field,
            ..
        } = &entry.kind
        {
            let content = self.slice(*offset, *time_field);
            let mut reader = ContentReader::default();
            let content = reader.read(&content, *size, 0)?;
            content.take(limit).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    fn slice(&self, offset: u64, time_field: Option<u64>) -> Content {
        Content::Slice {
            path: Arc::clone(&self.data),
            offset,
            time_field,
        }
    }
}

/// A header of a plain file that is root's.
pub(crate) fn tar_header(mode: u32, time: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(0);
    header
}

impl Manifest {
    /// Whether it holds what the user asked for, which is then recorded (PEP 376).
    fn is_requested(&self) -> bool {
        let mut paths = self.entries.iter().map(|entry| entry.path.as_str());
        paths.any(|path| path.ends_with(".dist-info/REQUESTED"))
    }

    /// Whether it is of this version, and its entries sorted, inside `/` and inside the data file.
    fn is_sound(&self) -> bool {
        let inside = |entry: &LayerEntry| match &entry.kind {
            LayerEntryKind::File {
                size,
                offset,
                time_field,
                ..
            } => {
                let end = offset.checked_add(*size);
                let field = time_field.map_or(Some(0), |field| field.checked_add(4));
                end.is_some_and(|end| end <= self.data_size)
                    && field.is_some_and(|end| end <= *size)
            }
            LayerEntryKind::Directory | LayerEntryKind::Symlink { .. } => true,
        };
        self.schema == SCHEMA
            && self
                .entries
                .iter()
                .all(|entry| is_plain_path(&entry.path) && inside(entry))
            && self
                .entries
                .windows(2)
                .all(|pair| pair[0].path < pair[1].path)
    }
}

/// Makes a layer in a folder, streaming contents. Without [`LayerWriter::finish`] there is none.
#[derive(Debug)]
pub struct LayerWriter {
    folder: PathBuf,
    data: BufWriter<fs::File>,
    data_size: u64,
    origin: String,
    entries: BTreeMap<String, (u32, LayerEntryKind)>,
    distribution: Option<InstalledWheel>,
    time: u64,
}

impl LayerWriter {
    /// Begins a layer in an empty folder that is there.
    pub fn create(folder: &Path, origin: &str) -> Result<Self> {
        let data = fs::File::create(folder.join(DATA_FILE))?;
        Ok(Self {
            folder: folder.to_owned(),
            data: BufWriter::with_capacity(1 << 18, data),
            data_size: 0,
            origin: origin.to_owned(),
            entries: BTreeMap::new(),
            distribution: None,
            time: NO_TIME,
        })
    }

    /// Adds a file with all that `content` yields; returns the digest and the length in bytes.
    pub fn add_file(
        &mut self,
        path: &str,
        mode: u32,
        content: &mut dyn Read,
        time_field: Option<u64>,
    ) -> Result<(Digest, u64)> {
        let path = self.free_path(path)?;
        let mut writer = DigestWriter::new(&mut self.data);
        io::copy(content, &mut writer)
            .map_err(|error| Error::io("write the layer's file", Path::new(&path), &error))?;
        let (sha256, size, _) = writer.finish();
        let offset = self.data_size;
        self.data_size += size;
        let kind = LayerEntryKind::File {
            size,
            offset,
            sha256: sha256.clone(),
            time_field,
            facts: Facts::default(),
        };
        self.entries.insert(path, (mode, kind));
        Ok((sha256, size))
    }

    /// Adds a folder. Folders above entries need not be added.
    pub fn add_directory(&mut self, path: &str, mode: u32) -> Result<()> {
        let path = self.free_path(path)?;
        self.entries.insert(path, (mode, LayerEntryKind::Directory));
        Ok(())
    }

    /// Adds a symbolic link that says `target`.
    pub fn add_symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let path = self.free_path(path)?;
        let kind = LayerEntryKind::Symlink {
            target: target.to_owned(),
        };
        self.entries.insert(path, (0o777, kind));
        Ok(())
    }

    /// Says which distribution the layer holds.
    pub fn set_distribution(&mut self, distribution: InstalledWheel) {
        self.distribution = Some(distribution);
    }

    /// Gives all entries another time than [`NO_TIME`], in seconds since 1970.
    pub fn set_time(&mut self, time: u64) {
        self.time = time;
    }

    /// Writes the manifest.
    pub fn finish(mut self) -> Result<()> {
        self.data
            .flush()
            .map_err(|error| Error::io("write", &self.folder, &error))?;
        self.read_facts()?;
        let entries = self.entries.into_iter();
        let manifest = Manifest {
            schema: SCHEMA,
            origin: self.origin,
            distribution: self.distribution,
            time: self.time,
            data_size: self.data_size,
            entries: entries
                .map(|(path, (mode, kind))| LayerEntry { path, mode, kind })
                .collect(),
        };
        if !manifest.is_sound() {
            return Err(Error::new(
                Kind::Internal,
                format!("the layer of `{}` does not fit together", manifest.origin),
            ));
        }
        let text = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
        Ok(fs::write(self.folder.join(MANIFEST_FILE), text)?)
    }

    /// Reads what the files' contents say. Byte code says nothing.
    fn read_facts(&mut self) -> Result<()> {
        let data = BufReader::new(fs::File::open(self.folder.join(DATA_FILE))?);
        let mut section = Section {
            data,
            start: 0,
            size: 0,
            place: 0,
        };
        for (path, (_, kind)) in &mut self.entries {
            if let LayerEntryKind::File {
                size,
                offset,
                time_field: None,
                facts,
                ..
            } = kind
            {
                section.start = *offset;
                section.size = *size;
                *facts = Facts::read(path, &mut section)
                    .map_err(|error| Error::io("read the layer's file", Path::new(path), &error))?;
            }
        }
        Ok(())
    }

    fn free_path(&self, path: &str) -> Result<String> {
        let path = path.trim_matches('/');
        if !is_plain_path(path) {
            return Err(Error::new(
                Kind::Internal,
                format!("`{}` can't put a file at `/{path}`", self.origin),
            ));
        }
        if self.entries.contains_key(path) {
            return Err(Error::new(
                Kind::Conflict,
                format!("`{}` installs `/{path}` twice", self.origin),
            )
            .hint("build the wheel again, or use another version of it"));
        }
        Ok(path.to_owned())
    }
}

/// One file of the data file, to be read as if it were alone.
struct Section {
    data: BufReader<fs::File>,
    start: u64,
    size: u64,
    place: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.place);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.data.read(&mut buffer[..wanted])?;
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
        };
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        self.data
            .seek(SeekFrom::Start(self.start.saturating_add(place)))?;
        self.place = place;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files, a link, a folder; byte code whose time field is at 4.
    fn example(folder: &Path) -> Layer {
        let mut writer = LayerWriter::create(folder, "one.whl").unwrap();
        writer
            .add_file("/opt/x/lib/b.py", 0o644, &mut &b"print(1)\n"[..], None)
            .unwrap();
        writer
            .add_file(
                "/opt/x/lib/a.pyc",
                0o644,
                &mut &b"HEADttttBODY"[..],
                Some(4),
            )
            .unwrap();
        writer.add_symlink("/opt/x/lib64", "lib").unwrap();
        writer.add_directory("/opt/x/empty", 0o755).unwrap();
        writer.finish().unwrap();
        Layer::open(folder).unwrap()
    }

    #[test]
    fn a_layer_fills_a_tree_that_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let layer = example(folder.path());
        let mut tree = Tree::default();
        layer.add_to_tree(&mut tree, "opt").unwrap();
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        let expected = [
            "opt/x",
            "opt/x/empty",
            "opt/x/lib",
            "opt/x/lib/a.pyc",
            "opt/x/lib/b.py",
            "opt/x/lib64",
        ];
        assert_eq!(paths, expected);
        let mut reader = ContentReader::default();
        let mut contents = Vec::new();
        for (path, entry) in tree.iter() {
            if let EntryKind::File { size, content } = &entry.kind {
                let mut text = String::new();
                reader
                    .read(content, *size, 0x6162_6364)
                    .unwrap()
                    .read_to_string(&mut text)
                    .unwrap();
                contents.push((path, text));
            }
        }
        let byte_code = ("opt/x/lib/a.pyc", "HEADdcbaBODY".to_owned());
        assert_eq!(
            contents,
            [byte_code, ("opt/x/lib/b.py", "print(1)\n".to_owned())]
        );
    }

    #[test]
    fn what_contents_say_is_kept_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LayerWriter::create(folder.path(), "one.whl").unwrap();
        let program = fs::read("/bin/true").unwrap();
        let files: [(&str, &[u8]); 4] = [
            ("opt/x/a.py", b"print(1)\n"),
            ("opt/x/b.so", &program),
            ("opt/x/c", b"#!/omnibuild/build/bin/python\n"),
            ("opt/x/d.so", &program[..100]),
        ];
        for (path, content) in files {
            writer
                .add_file(path, 0o644, &mut &content[..], None)
                .unwrap();
        }
        writer.finish().unwrap();
        let layer = Layer::open(folder.path()).unwrap();
        let facts: Vec<&Facts> = layer
            .manifest()
            .entries
            .iter()
            .map(|entry| match &entry.kind {
                LayerEntryKind::File { facts, .. } => facts,
                kind => panic!("{kind:?}"),
            })
            .collect();
        assert!(facts[0].is_empty());
        let elf = facts[1].elf.as_ref().unwrap();
        assert!(elf.needed.contains(&"libc.so.6".to_owned()) && !elf.undefined.is_empty());
        assert_eq!(
            facts[2].build_path.as_deref(),
            Some("/omnibuild/build/bin/python")
        );
        assert!(facts[3].damaged_elf.is_some());
    }

    #[test]
    fn one_file_can_be_read_alone() {
        let folder = tempfile::tempdir().unwrap();
        let layer = example(folder.path());
        let read = |path: &str, limit| {
            let entries = &layer.manifest().entries;
            let entry = entries.iter().find(|entry| entry.path == path).unwrap();
            layer.read(entry, limit).unwrap()
        };
        assert_eq!(read("opt/x/lib/b.py", 100), b"print(1)\n");
        assert_eq!(read("opt/x/lib/b.py", 5), b"print");
        assert!(read("opt/x/empty", 100).is_empty() && read("opt/x/lib64", 100).is_empty());
    }

    #[test]
    fn two_layers_with_one_file_are_both_named() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut tree = Tree::default();
        example(one.path()).add_to_tree(&mut tree, "opt").unwrap();
        let mut writer = LayerWriter::create(two.path(), "two.whl").unwrap();
        writer
            .add_file("opt/x/lib/b.py", 0o644, &mut &b""[..], None)
            .unwrap();
        writer.finish().unwrap();
        let layer = Layer::open(two.path()).unwrap();
        let error = layer.add_to_tree(&mut tree, "opt").unwrap_err();
        assert!(error.message().contains("one.whl") && error.message().contains("two.whl"));
    }

    #[test]
    fn a_tar_holds_what_the_filter_lets_pass() {
        let folder = tempfile::tempdir().unwrap();
        let layer = example(folder.path());
        let mut archive = tar::Builder::new(Vec::new());
        let mut filter = |entry: &LayerEntry| entry.path != "opt/x/lib/b.py";
        layer
            .write_tar(&mut filter, 1_600_000_000, &mut archive)
            .unwrap();
        let bytes = archive.into_inner().unwrap();
        let place = tempfile::tempdir().unwrap();
        tar::Archive::new(bytes.as_slice())
            .unpack(place.path())
            .unwrap();
        let lib = place.path().join("opt/x/lib");
        assert!(!lib.join("b.py").exists() && place.path().join("opt/x/empty").is_dir());
        assert_eq!(
            fs::read_link(place.path().join("opt/x/lib64")).unwrap(),
            Path::new("lib")
        );
        let mut expected = b"HEAD".to_vec();
        expected.extend(1_600_000_000_u32.to_le_bytes());
        expected.extend(b"BODY");
        assert_eq!(fs::read(lib.join("a.pyc")).unwrap(), expected);
    }

    #[test]
    fn a_damaged_layer_is_as_good_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Layer::open(folder.path()).is_none());
        example(folder.path());
        let manifest = folder.path().join(MANIFEST_FILE);
        let text = fs::read_to_string(&manifest).unwrap();
        let damages = [
            text[..text.len() / 2].to_owned(),
            text.replace("\"schema\":3", "\"schema\":2"),
            text.replace("opt/x/lib64", "../x/lib64"),
            text.replace("opt/x/empty", "opt/x/zoo"),
            text.replace("\"time_field\":4", "\"time_field\":9"),
            text.replace("\"offset\":9", "\"offset\":10"),
        ];
        for damage in damages {
            assert_ne!(damage, text);
            fs::write(&manifest, &damage).unwrap();
            assert!(Layer::open(folder.path()).is_none(), "{damage}");
        }
        fs::write(&manifest, text).unwrap();
        assert!(Layer::open(folder.path()).is_some());
        fs::write(folder.path().join(DATA_FILE), b"cut").unwrap();
        assert!(Layer::open(folder.path()).is_none());
    }

    #[test]
    fn a_path_is_used_once_and_stays_inside() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LayerWriter::create(folder.path(), "one.whl").unwrap();
        writer
            .add_file("opt/x/a", 0o644, &mut &b""[..], None)
            .unwrap();
        assert_eq!(
            writer.add_directory("/opt/x/a", 0o755).unwrap_err().kind(),
            Kind::Conflict
        );
        assert!(writer.add_symlink("/opt/../etc", "x").is_err());
    }
}
