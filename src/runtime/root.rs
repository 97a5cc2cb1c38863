//! A root file system as data: what a tar archive of it has, and what changed between two.
//!
//! Owners are numbers, as layers have them. Devices and sockets are left out. Content stays in the
//! archive. What an engine makes for itself in each container, what package managers only remember for
//! speed, and logs are no part of an image.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use crate::archive::safe_path;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Files whose name begins so take something away (image-spec, layer.md, whiteouts).
pub(super) const WHITEOUT: &str = ".wh.";

/// What engines put into each container, and we.
const OF_ENGINES: [&str; 7] = [
    ".dockerenv",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "omnibuild",
    "run/.containerenv",
];
/// Folders whose content is the kernel's, or of no image at all.
const NO_CONTENT: [&str; 12] = [
    "dev",
    "proc",
    "sys",
    "tmp",
    "var/tmp",
    "root/.cache",
    "var/lib/apt/lists",
    "var/cache/apt",
    "var/cache/dnf",
    "var/cache/libdnf5",
    "var/cache/yum",
    "var/cache/zypp",
];
/// Files that differ each time they are written and that nobody needs: logs, locks, caches, and what was
/// before.
const REMEMBERED: [&str; 20] = [
    "run",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/dnf/history.sqlite",
    "var/lib/dnf/history.sqlite-shm",
    "var/lib/dnf/history.sqlite-wal",
    "var/lib/dpkg/available-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/rpm/.rpm.lock",
    "var/lib/yum/history",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
];

/// A folder whose files are logs.
const LOGS: &str = "var/log";

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// In seconds since 1970.
    pub(super) time: u64,
    /// Extended attributes, such as `security.capability`.
    pub(super) attributes: BTreeMap<String, Vec<u8>>,
}

/// The kinds of what an image can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeKind {
    Directory,
    Symlink(PathBuf),
    File {
        digest: Digest,
        size: u64,
        /// Where its bytes begin in the archive.
        offset: u64,
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
pub(super) struct Root {
    /// By path, without a slash in front; sorted, so that folders stand before what is in them.
    pub(super) nodes: BTreeMap<PathBuf, Node>,
    /// Further names of files: the name that is kept, which is the first.
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
    archive: Option<Arc<tempfile::TempPath>>,
}

/// What one root file system has over another.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What is new or another.
    pub(super) put: BTreeSet<PathBuf>,
    /// What is gone; nothing of what was below such a path is listed.
    pub(super) removed: BTreeSet<PathBuf>,
}

impl Root {
    /// What an uncompressed archive has, which is kept as long as this is.
    pub(super) fn of_archive(archive: tempfile::TempPath) -> Result<Self> {
        let file = std::io::BufReader::with_capacity(1 << 18, fs::File::open(&archive)?);
        let mut root = Self::default();
        root.add(file)?;
        root.archive = Some(Arc::new(archive));
        root.settle_links();
        Ok(root)
    }

    /// Adds what a layer has, as an engine does when it puts layers over each other. Its content can't be
    /// read afterwards.
    pub(super) fn add_layer(&mut self, layer: impl Read) -> Result<()> {
        self.add(layer)?;
        self.settle_links();
        Ok(())
    }

    fn add(&mut self, reader: impl Read) -> Result<()> {
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = safe_path(&entry.path()?)?;
            if path.as_os_str().is_empty() || is_left_out(&path) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(gone) = name.strip_prefix(WHITEOUT) {
                self.remove(&path.with_file_name(gone));
                continue;
            }
            let mut attributes = BTreeMap::new();
            if let Some(extensions) = entry.pax_extensions()? {
                for extension in extensions {
                    let extension = extension?;
                    let name = extension
                        .key()
                        .ok()
                        .and_then(|key| key.strip_prefix("SCHILY.xattr."));
                    if let Some(name) = name {
                        attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
                    }
                }
            }
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
                    offset: 0,
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
                offset,
            } = &mut node.kind
            {
                *offset = entry.raw_file_position();
                (*digest, *size) = Digest::of_reader(&mut entry)?;
            }
            if !node.is_directory() && self.nodes.get(&path).is_some_and(Node::is_directory) {
                self.remove(&path);
            }
            self.links.remove(&path);
            self.nodes.insert(path, node);
        }
        Ok(())
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
        for group in groups.into_values() {
            let mut names = group.into_iter();
            let Some(first) = names.next() else { continue };
            self.links.extend(names.map(|name| (name, first.clone())));
        }
    }

    /// The bytes of a file.
    pub(super) fn content(&self, path: &Path) -> Result<Box<dyn Read>> {
        let Some(Node {
            kind: NodeKind::File { size, offset, .. },
            ..
        }) = self.nodes.get(path)
        else {
            return Err(gone(path));
        };
        let archive = self.archive.as_ref().ok_or_else(|| gone(path))?;
        let mut file = fs::File::open(archive.as_ref())?;
        file.seek(SeekFrom::Start(*offset))?;
        Ok(Box::new(file.take(*size)))
    }

    /// A small file as text.
    pub(super) fn text(&self, path: &Path) -> Result<String> {
        let mut text = Vec::new();
        self.content(path)?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What a path leads to, through symbolic links.
    pub(super) fn follow(&self, path: &str) -> Option<(PathBuf, &Node)> {
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

    /// What this has over an older state of the same.
    pub(super) fn changes_since(&self, before: &Self) -> Changes {
        let mut changes = Changes::default();
        for (path, node) in &self.nodes {
            let same = before.nodes.get(path).is_some_and(|old| old.is_like(node));
            let is_log = path.starts_with(LOGS) && matches!(node.kind, NodeKind::File { .. });
            if !same && !is_log && !is_remembered(path) {
                changes.put.insert(path.clone());
            }
        }
        for path in before.nodes.keys() {
            let is_below = || {
                path.ancestors()
                    .skip(1)
                    .any(|above| changes.removed.contains(above))
            };
            if !self.nodes.contains_key(path) && !is_remembered(path) && !is_below() {
                changes.removed.insert(path.clone());
            }
        }
        changes
    }

    /// The time of the newest file, in seconds since 1970. Engines change that of folders.
    pub(super) fn newest(&self) -> u64 {
        let files = self.nodes.values().filter(|node| !node.is_directory());
        files.map(|node| node.time).max().unwrap_or(0)
    }

    /// All there is, as a change of nothing.
    pub(super) fn whole(&self) -> Changes {
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

/// Whether a path is in no image.
pub(super) fn is_left_out(path: &Path) -> bool {
    OF_ENGINES.iter().any(|own| path.starts_with(own))
        || NO_CONTENT
            .iter()
            .any(|folder| path.starts_with(folder) && path != Path::new(folder))
}

/// Whether a change there is none of an image.
fn is_remembered(path: &Path) -> bool {
    REMEMBERED.iter().any(|own| path.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveWriter;

    fn root(fill: impl FnOnce(&mut ArchiveWriter)) -> Root {
        let mut writer = ArchiveWriter::new(7).unwrap();
        fill(&mut writer);
        Root::of_archive(writer.finish().unwrap()).unwrap()
    }

    fn names(paths: &BTreeSet<PathBuf>) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn what_changed_is_found_and_what_is_remembered_is_not() {
        let before = root(|writer| {
            writer.folder("etc").unwrap();
            writer.bytes("etc/stays", 0o644, b"a").unwrap();
            writer.bytes("etc/changes", 0o644, b"a").unwrap();
            writer.bytes("etc/resolv.conf", 0o644, b"a").unwrap();
            writer.folder("old/deep").unwrap();
            writer.bytes("old/deep/file", 0o644, b"a").unwrap();
            writer.folder("var/log").unwrap();
        });
        let after = root(|writer| {
            writer.folder("etc").unwrap();
            writer.bytes("etc/stays", 0o644, b"a").unwrap();
            writer.bytes("etc/changes", 0o600, b"a").unwrap();
            writer.folder("opt").unwrap();
            writer.bytes("opt/new", 0o644, b"a").unwrap();
            writer.folder("var/log").unwrap();
            writer.bytes("var/log/apt.log", 0o644, b"a").unwrap();
            writer.bytes("omnibuild/x", 0o644, b"a").unwrap();
            writer.bytes("var/cache/apt/x.bin", 0o644, b"a").unwrap();
        });
        let changes = after.changes_since(&before);
        assert_eq!(names(&changes.put), ["etc/changes", "opt", "opt/new"]);
        assert_eq!(names(&changes.removed), ["old/deep"]);
        assert!(after.changes_since(&after).put.is_empty());
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
            assert!(roots[0].changes_since(root).put.is_empty());
        }
    }

    #[test]
    fn a_layer_adds_replaces_and_takes_away() {
        let mut below = root(|writer| {
            writer.bytes("a/b", 0o644, b"1").unwrap();
            writer.bytes("a/c", 0o644, b"1").unwrap();
        });
        let mut writer = ArchiveWriter::new(7).unwrap();
        writer.bytes("a/.wh.b", 0o644, b"").unwrap();
        writer.bytes("a/c", 0o644, b"2").unwrap();
        let layer = writer.finish().unwrap();
        below.add_layer(fs::File::open(&layer).unwrap()).unwrap();
        let names: Vec<_> = below.nodes.keys().collect();
        assert_eq!(names, [Path::new("a/c")]);
    }
}
