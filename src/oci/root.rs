//! A root file system as data: what tar archives of it have, and what changed between two.
//!
//! Owners are numbers, as layers have them. Devices and sockets are left out. Content stays in the
//! archives. What else is of no interest says whoever reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::archive::{self, safe_path};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Files whose name begins so take something away (image-spec, layer.md, whiteouts).
pub const WHITEOUT: &str = ".wh.";
/// A file of this name takes away all that layers below have in its folder.
const OPAQUE: &str = ".wh..wh..opq";

/// Whether a path is not to be read.
pub type LeftOut = fn(&Path) -> bool;

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// In seconds since 1970.
    pub time: u64,
    /// Extended attributes, such as `security.capability`.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// The kinds of what an image can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder.
    Directory,
    /// A symbolic link and its target.
    Symlink(PathBuf),
    /// A plain file.
    File {
        /// Of its content.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// Which archive has its content, and where its bytes begin there.
        place: (usize, u64),
    },
}

impl Node {
    /// Whether it is the same to who uses it. Files are put into folders, which changes their time.
    fn is_like(&self, other: &Self) -> bool {
        let bare = |node: &Self| {
            (
                node.mode,
                node.uid,
                node.gid,
                node.attributes.clone(),
                match &node.kind {
                    NodeKind::Directory => (0, PathBuf::new(), None, 0),
                    NodeKind::Symlink(target) => (1, target.clone(), None, 0),
                    NodeKind::File { digest, size, .. } => {
                        (2, PathBuf::new(), Some((digest.clone(), *size)), node.time)
                    }
                },
            )
        };
        bare(self) == bare(other)
    }

    fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }
}

/// A root file system.
#[derive(Debug, Default)]
pub struct Root {
    /// By path, without a slash in front; sorted, so that folders stand before what is in them.
    pub nodes: BTreeMap<PathBuf, Node>,
    /// Further names of files: the name that is kept, which is the first.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Those that content is read from, and files of replaced content.
    archives: Vec<tempfile::TempPath>,
}

/// What one root file system has over another.
#[derive(Debug, Default)]
pub struct Changes {
    /// What is new or another.
    pub put: BTreeSet<PathBuf>,
    /// What is gone; nothing of what was below such a path is listed.
    pub removed: BTreeSet<PathBuf>,
}

impl Root {
    /// What an uncompressed archive has, which is kept as long as this is.
    ///
    /// # Errors
    /// Of an archive that can't be read, or that has an entry outside of itself.
    pub fn of_archive(archive: tempfile::TempPath, left_out: LeftOut) -> Result<Self> {
        let mut root = Self::default();
        root.add_archive(archive, left_out)?;
        Ok(root)
    }

    /// Adds what an uncompressed layer has, as an engine does when it puts layers over each other; it is kept
    /// as long as this is.
    ///
    /// # Errors
    /// Those of [`of_archive`](Self::of_archive).
    pub fn add_archive(&mut self, archive: tempfile::TempPath, left_out: LeftOut) -> Result<()> {
        let file = std::io::BufReader::with_capacity(1 << 18, fs::File::open(&archive)?);
        let number = self.archives.len();
        self.archives.push(archive);
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let below = std::mem::take(&mut self.links);
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = safe_path(&entry.path()?)?;
            if path.as_os_str().is_empty() || left_out(&path) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == OPAQUE {
                // What this layer has there itself stays, wherever it stands in the archive.
                let folder = path.parent().unwrap_or(Path::new(""));
                let is_below = |other: &Path| other != folder && other.starts_with(folder);
                self.nodes
                    .retain(|other, _| !is_below(other) || seen.contains(other));
                self.links
                    .retain(|other, _| !is_below(other) || seen.contains(other));
                continue;
            }
            if let Some(gone) = name.strip_prefix(WHITEOUT) {
                self.remove(&path.with_file_name(gone));
                continue;
            }
            seen.insert(path.clone());
            let attributes = archive::attributes(&mut entry)?;
            let link = entry.link_name()?.map(std::borrow::Cow::into_owned);
            let header = entry.header();
            let kind = match header.entry_type() {
                tar::EntryType::Directory => NodeKind::Directory,
                tar::EntryType::Symlink => NodeKind::Symlink(link.unwrap_or_default()),
                tar::EntryType::Link => {
                    let target = safe_path(&link.unwrap_or_default())?;
                    if self.nodes.contains_key(&path) {
                        self.remove(&path);
                    }
                    self.links.insert(path, target);
                    continue;
                }
                tar::EntryType::Regular
                | tar::EntryType::Continuous
                | tar::EntryType::GNUSparse => NodeKind::File {
                    digest: Digest::of(""),
                    size: header.size()?,
                    place: (number, 0),
                },
                _ => continue,
            };
            let mut node = Node {
                kind,
                mode: header.mode()? & 0o7777,
                uid: header.uid()?,
                gid: header.gid()?,
                time: header.mtime()?,
                attributes,
            };
            if let NodeKind::File {
                digest,
                size,
                place,
            } = &mut node.kind
            {
                *place = (number, entry.raw_file_position());
                (*digest, *size) = Digest::of_reader(&mut entry)?;
            }
            if !node.is_directory() && self.nodes.get(&path).is_some_and(Node::is_directory) {
                self.remove(&path);
            }
            self.links.remove(&path);
            self.nodes.insert(path, node);
        }
        self.settle_links();
        self.keep_links(below, &seen);
        Ok(())
    }

    /// What names of files in layers below are still names of the same file: those that the layer `put` are of
    /// another.
    fn keep_links(&mut self, below: BTreeMap<PathBuf, PathBuf>, put: &BTreeSet<PathBuf>) {
        let mut groups: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for (path, first) in below {
            let group = groups.entry(first.clone()).or_default();
            let names = [path, first];
            group.extend(names.into_iter().filter(|name| {
                let is_taken = put.contains(name) || self.links.contains_key(name);
                self.nodes.contains_key(name) && !is_taken
            }));
        }
        self.link(groups);
    }

    /// Has all names of each group stand for its first.
    fn link(&mut self, groups: BTreeMap<PathBuf, BTreeSet<PathBuf>>) {
        for group in groups.into_values() {
            let mut names = group.into_iter();
            let Some(first) = names.next() else { continue };
            self.links.extend(names.map(|name| (name, first.clone())));
        }
    }

    fn remove(&mut self, path: &Path) {
        self.nodes.retain(|other, _| !other.starts_with(path));
        self.links.retain(|other, _| !other.starts_with(path));
    }

    /// Gives every name of a file the file, and makes the first in order the one that others refer to:
    /// which of them an archive has first differs by engine.
    fn settle_links(&mut self) {
        let mut groups: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for (path, target) in std::mem::take(&mut self.links) {
            let mut target = target;
            // A settled layer below may be linked again.
            while let Some(further) = self.links.get(&target) {
                target.clone_from(further);
            }
            if let Some(node) = self.nodes.get(&target).cloned() {
                self.nodes.insert(path.clone(), node);
                let group = groups.entry(target.clone()).or_default();
                group.extend([path, target]);
            }
        }
        self.link(groups);
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`Kind::Internal`] where no archive has them.
    pub fn content(&self, path: &Path) -> Result<Box<dyn Read>> {
        let (size, (number, offset)) = match self.nodes.get(path).map(|node| &node.kind) {
            Some(NodeKind::File { size, place, .. }) => (*size, *place),
            _ => return Err(gone(path)),
        };
        let archive = self.archives.get(number).ok_or_else(|| gone(path))?;
        let mut file = fs::File::open(archive)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file.take(size)))
    }

    /// Whether there is a plain file at a path itself.
    pub fn is_file(&self, path: &Path) -> bool {
        let node = self.nodes.get(path);
        node.is_some_and(|node| matches!(node.kind, NodeKind::File { .. }))
    }

    /// Gives a file other content; all else that is known of it stays.
    ///
    /// # Errors
    /// [`Kind::Internal`] where there is no such file; of a disk that is full.
    pub fn replace_content(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        let node = self.nodes.get_mut(path).ok_or_else(|| gone(path))?;
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(content)?;
        node.kind = NodeKind::File {
            digest: Digest::of(content),
            size: content.len() as u64,
            place: (self.archives.len(), 0),
        };
        self.archives.push(file.into_temp_path());
        Ok(())
    }

    /// A small file as text.
    pub fn text(&self, path: &Path) -> Result<String> {
        let mut text = Vec::new();
        self.content(path)?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What a path leads to, through symbolic links.
    pub fn follow(&self, path: &str) -> Option<(PathBuf, &Node)> {
        let mut path = PathBuf::from(path.trim_start_matches('/'));
        for _ in 0..40 {
            // The first part that is a link decides.
            let mut walked = PathBuf::new();
            let mut link = None;
            for part in path.components() {
                walked.push(part);
                if let Some(Node {
                    kind: NodeKind::Symlink(target),
                    ..
                }) = self.nodes.get(&walked)
                {
                    link = Some(target.clone());
                    break;
                }
            }
            let Some(target) = link else {
                return self.nodes.get(&path).map(|node| (path.clone(), node));
            };
            let rest = path
                .strip_prefix(&walked)
                .unwrap_or(Path::new(""))
                .to_owned();
            walked.pop();
            path = plain(&walked.join(target).join(rest));
        }
        None
    }

    /// What this has over an older state of the same; `forgets` says of what is new, with what it is, and of
    /// what is gone that it is no change.
    pub fn changes_since(
        &self,
        before: &Self,
        forgets: fn(&Path, Option<&NodeKind>) -> bool,
    ) -> Changes {
        let mut changes = Changes::default();
        for (path, node) in &self.nodes {
            let same = before.nodes.get(path).is_some_and(|old| old.is_like(node));
            if !same && !forgets(path, Some(&node.kind)) {
                changes.put.insert(path.clone());
            }
        }
        for path in before.nodes.keys() {
            let is_below = || {
                path.ancestors()
                    .skip(1)
                    .any(|above| changes.removed.contains(above))
            };
            if !self.nodes.contains_key(path) && !forgets(path, None) && !is_below() {
                changes.removed.insert(path.clone());
            }
        }
        changes
    }

    /// The time of the newest file, in seconds since 1970. Engines change that of folders.
    pub fn newest(&self) -> u64 {
        let files = self.nodes.values().filter(|node| !node.is_directory());
        files.map(|node| node.time).max().unwrap_or(0)
    }

    /// The time of the newest file that is older than this, in seconds since 1970.
    pub fn newest_before(&self, time: u64) -> u64 {
        let files = self.nodes.values().filter(|node| !node.is_directory());
        let times = files.map(|node| node.time);
        times.filter(|other| *other < time).max().unwrap_or(0)
    }

    /// Gives all that has this time another.
    pub fn replace_time(&mut self, time: u64, instead: u64) {
        let nodes = self.nodes.values_mut();
        for node in nodes.filter(|node| node.time == time) {
            node.time = instead;
        }
    }

    /// All there is, as a change of nothing.
    pub fn whole(&self) -> Changes {
        Changes {
            put: self.nodes.keys().cloned().collect(),
            removed: BTreeSet::new(),
        }
    }
}

/// A path without `..` and `/` in front.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => plain.push(name),
            std::path::Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}

fn gone(path: &Path) -> Error {
    let text = format!("the content of `/{}` is not at hand", path.display());
    Error::new(Kind::Internal, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveWriter;

    fn root(fill: impl FnOnce(&mut ArchiveWriter)) -> Root {
        let mut writer = ArchiveWriter::new(7).unwrap();
        fill(&mut writer);
        Root::of_archive(writer.finish().unwrap(), |_| false).unwrap()
    }

    #[test]
    fn links_lead_to_what_they_mean() {
        let root = root(|writer| {
            writer.bytes("usr/bin/python3.11", 0o755, b"elf").unwrap();
            writer.link("usr/bin/python3", "python3.11").unwrap();
            writer.link("bin", "usr/bin").unwrap();
            writer.link("opt/x/bin/python", "/usr/bin/python3").unwrap();
            writer.link("opt/up", "../bin/python3").unwrap();
            writer.link("circle", "circle").unwrap();
        });
        for path in ["/opt/x/bin/python", "/bin/python3", "/opt/up"] {
            let (found, _) = root.follow(path).unwrap();
            assert_eq!(found, Path::new("usr/bin/python3.11"), "{path}");
        }
        assert!(root.follow("/circle").is_none());
        assert!(root.follow("/bin/none").is_none());
        assert_eq!(root.text(Path::new("usr/bin/python3.11")).unwrap(), "elf");
    }

    #[test]
    fn of_several_names_the_first_is_the_file_whatever_an_archive_says() {
        let mut roots = Vec::new();
        for (file, link) in [("a", "b"), ("b", "a")] {
            roots.push(root(|writer| {
                writer.bytes(file, 0o644, b"x").unwrap();
                let mut header = crate::archive::plain_header(0);
                header.set_entry_type(tar::EntryType::Link);
                let builder = writer.builder();
                builder.append_link(&mut header, link, file).unwrap();
            }));
        }
        for root in &roots {
            assert_eq!(root.links[Path::new("b")], Path::new("a"));
            assert!(roots[0].changes_since(root, |_, _| false).put.is_empty());
        }
    }

    fn layer(fill: impl FnOnce(&mut ArchiveWriter)) -> tempfile::TempPath {
        let mut writer = ArchiveWriter::new(7).unwrap();
        fill(&mut writer);
        writer.finish().unwrap()
    }

    fn names(root: &Root) -> Vec<&str> {
        root.nodes
            .keys()
            .map(|path| path.to_str().unwrap())
            .collect()
    }

    #[test]
    fn a_layer_adds_replaces_and_takes_away() {
        let mut below = root(|writer| {
            writer.bytes("a/b", 0o644, b"1").unwrap();
            writer.bytes("a/c", 0o644, b"1").unwrap();
            writer.bytes("stays", 0o644, b"1").unwrap();
        });
        let above = layer(|writer| {
            writer.bytes("a/.wh.b", 0o644, b"").unwrap();
            writer.bytes("a/c", 0o644, b"2").unwrap();
        });
        below.add_archive(above, |_| false).unwrap();
        assert_eq!(names(&below), ["a/c", "stays"]);
        assert_eq!(below.text(Path::new("a/c")).unwrap(), "2");
        assert_eq!(below.text(Path::new("stays")).unwrap(), "1");
    }

    #[test]
    fn an_opaque_folder_hides_what_is_below_and_nothing_of_its_own_layer() {
        let mut below = root(|writer| {
            writer.folder("a").unwrap();
            writer.bytes("a/old", 0o644, b"1").unwrap();
            writer.bytes("ab", 0o644, b"1").unwrap();
        });
        let above = layer(|writer| {
            writer.folder("a").unwrap();
            writer.bytes("a/first", 0o644, b"2").unwrap();
            writer.bytes("a/.wh..wh..opq", 0o644, b"").unwrap();
            writer.bytes("a/later", 0o644, b"2").unwrap();
        });
        below.add_archive(above, |_| false).unwrap();
        assert_eq!(names(&below), ["a", "a/first", "a/later", "ab"]);
    }

    #[test]
    fn one_time_is_replaced_by_another() {
        let mut writer = ArchiveWriter::new(0).unwrap();
        for (path, time) in [("package", 5), ("bootstrap", 9), ("later", 12)] {
            let mut header = crate::archive::plain_header(0);
            header.set_mtime(time);
            let builder = writer.builder();
            builder
                .append_data(&mut header, path, std::io::empty())
                .unwrap();
        }
        let mut root = Root::of_archive(writer.finish().unwrap(), |_| false).unwrap();
        assert_eq!((root.newest(), root.newest_before(9)), (12, 5));
        root.replace_time(9, root.newest_before(9));
        let times: Vec<u64> = root.nodes.values().map(|node| node.time).collect();
        assert_eq!(times, [5, 12, 5]);
    }

    #[test]
    fn a_name_that_a_layer_writes_again_is_no_name_of_the_file_below() {
        let link = |writer: &mut ArchiveWriter, name: &str, target: &str| {
            let mut header = crate::archive::plain_header(0);
            header.set_entry_type(tar::EntryType::Link);
            let builder = writer.builder();
            builder.append_link(&mut header, name, target).unwrap();
        };
        let mut below = root(|writer| {
            writer.bytes("a", 0o644, b"1").unwrap();
            link(writer, "b", "a");
            link(writer, "c", "a");
        });
        let above = layer(|writer| writer.bytes("a", 0o644, b"2").unwrap());
        below.add_archive(above, |_| false).unwrap();
        let text = |name: &str| below.text(Path::new(name)).unwrap();
        assert_eq!([text("a"), text("b"), text("c")], ["2", "1", "1"]);
        let links: Vec<_> = below.links.iter().collect();
        assert_eq!(links, [(&PathBuf::from("c"), &PathBuf::from("b"))]);
    }
}
