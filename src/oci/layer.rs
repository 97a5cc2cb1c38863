//! Layers: changes of a root file system as a compressed tar archive (image-spec, layer.md).
//!
//! The same changes give the same bytes: entries are sorted, owners are numbers, times that the clock gave
//! are replaced. A folder above each entry is there, since engines make missing ones with rights of their
//! own.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::archive::{self, ArchiveWriter, plain_header};
use crate::digest::DigestWriter;
use crate::error::Result;

use super::root::{Changes, NodeKind, Root, WHITEOUT};
use super::{ContentDigest, Descriptor, ImageStore, LAYER};

/// A layer that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What it is for: `base`, `distribution`, `dependencies`, `application`.
    pub purpose: String,
    /// The digest of the archive before it was compressed.
    pub diff_id: ContentDigest,
    /// The compressed archive.
    pub descriptor: Descriptor,
}

/// The length of layers in bytes, compressed.
pub fn total(layers: &[Layer]) -> u64 {
    layers.iter().map(|layer| layer.descriptor.size).sum()
}

/// Times that a clock gave, and what stands for them.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// When the work began, in seconds since 1970, as the container has it.
    pub started: u64,
    /// What later times become.
    pub instead: u64,
    /// The time of every folder, where they all have one: which of them something was put into depends on
    /// what was there already.
    pub folders: Option<u64>,
}

impl Clock {
    fn time(self, time: u64) -> u64 {
        if time >= self.started {
            self.instead
        } else {
            time
        }
    }
}

/// Writes changes as a layer; `None` where there are none. A layer that is kept with the same content is
/// not compressed again.
pub fn write(
    store: &ImageStore,
    purpose: &str,
    root: &Root,
    changes: &Changes,
    clock: Clock,
) -> Result<Option<Layer>> {
    if changes.put.is_empty() && changes.removed.is_empty() {
        return Ok(None);
    }
    let mut plain = DigestWriter::new(std::io::sink());
    write_archive(root, changes, clock, &mut plain)?;
    let diff_id = plain.finish().0;
    let key = crate::digest::KeyBuilder::new("image layer", 1)
        .field("content", diff_id.as_str())
        .finish()
        .digest;
    let kept = store.record::<Descriptor>(&key);
    let descriptor = if let Some(descriptor) = kept.filter(|descriptor| store.has(descriptor)) {
        descriptor
    } else {
        let (descriptor, ()) = store.put_with(LAYER, |output| {
            // Neither a name nor a time in its header.
            let mut encoder = GzEncoder::new(output, Compression::default());
            write_archive(root, changes, clock, &mut encoder)?;
            encoder.finish()?;
            Ok(())
        })?;
        store.put_record(&key, &descriptor)?;
        descriptor
    };
    Ok(Some(Layer {
        purpose: purpose.to_owned(),
        diff_id: diff_id.into(),
        descriptor,
    }))
}

fn write_archive(
    root: &Root,
    changes: &Changes,
    clock: Clock,
    output: &mut dyn Write,
) -> Result<()> {
    let mut archive = tar::Builder::new(output);
    archive.sparse(false);
    let above = |path: &PathBuf| {
        path.ancestors()
            .skip(1)
            .map(Path::to_owned)
            .collect::<Vec<_>>()
    };
    let all = changes.put.iter().chain(&changes.removed);
    let folders = all.clone().flat_map(above);
    let mut paths: BTreeSet<PathBuf> = all.cloned().chain(folders).collect();
    paths.remove(Path::new(""));
    for path in paths {
        if changes.removed.contains(&path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut header = plain_header(0);
            header.set_mtime(clock.instead);
            let place = path.with_file_name(format!("{WHITEOUT}{name}"));
            archive.append_data(&mut header, place, std::io::empty())?;
            continue;
        }
        let Some(node) = root.nodes.get(&path) else {
            // A folder that no archive names.
            let mut header = plain_header(0);
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_mtime(clock.instead);
            archive.append_data(&mut header, path, std::io::empty())?;
            continue;
        };
        archive::append_attributes(&mut archive, &node.attributes)?;
        let mut header = plain_header(0);
        header.set_mode(node.mode);
        header.set_uid(node.uid);
        header.set_gid(node.gid);
        header.set_mtime(clock.time(node.time));
        // A link leads into the same layer.
        let same = root.links.get(&path);
        if let Some(first) = same.filter(|first| changes.put.contains(*first)) {
            header.set_entry_type(tar::EntryType::Link);
            archive.append_link(&mut header, path, first)?;
            continue;
        }
        match &node.kind {
            NodeKind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                if let Some(time) = clock.folders {
                    header.set_mtime(time);
                }
                archive.append_data(&mut header, path, std::io::empty())?;
            }
            NodeKind::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target)?;
            }
            NodeKind::File { size, .. } => {
                header.set_size(*size);
                archive.append_data(&mut header, &path, root.content(&path)?)?;
            }
        }
    }
    Ok(archive.finish()?)
}

/// A root file system as a plain archive.
///
/// # Errors
/// Of content that is not at hand, or a disk that is full.
pub fn archive(root: &Root) -> Result<tempfile::TempPath> {
    let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
    let unchanged = Clock {
        started: u64::MAX,
        instead: 0,
        folders: None,
    };
    let mut output = std::io::BufWriter::with_capacity(1 << 18, &mut file);
    write_archive(root, &root.whole(), unchanged, &mut output)?;
    output.flush()?;
    drop(output);
    Ok(path)
}

/// The plain archive of a kept layer.
fn open(store: &ImageStore, layer: &Layer) -> Result<impl Read> {
    let file = fs::File::open(store.blob(layer.descriptor.digest.digest()))?;
    let reader = std::io::BufReader::with_capacity(1 << 18, file);
    Ok(flate2::bufread::GzDecoder::new(reader))
}

/// The plain archive of a kept layer, as a file.
pub fn unpacked(store: &ImageStore, layer: &Layer) -> Result<tempfile::TempPath> {
    let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
    std::io::copy(&mut open(store, layer)?, &mut file)?;
    Ok(path)
}

/// What has to be done in a container to have a layer there, by its plain archive: an archive to unpack at
/// `/`, and paths to remove before.
pub fn to_apply(plain: &Path) -> Result<(tempfile::TempPath, Vec<String>)> {
    let mut writer = ArchiveWriter::new(0)?;
    let mut gone = Vec::new();
    let plain = std::io::BufReader::with_capacity(1 << 18, fs::File::open(plain)?);
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            gone.push(format!("/{}", path.with_file_name(name).display()));
            continue;
        }
        let attributes = archive::attributes(&mut entry)?;
        archive::append_attributes(writer.builder(), &attributes)?;
        let mut header = entry.header().clone();
        match entry.link_name()?.map(std::borrow::Cow::into_owned) {
            Some(target) => writer.builder().append_link(&mut header, path, target)?,
            None => writer
                .builder()
                .append_data(&mut header, path, &mut entry)?,
        }
    }
    Ok((writer.finish()?, gone))
}

#[cfg(test)]
mod tests {
    use super::super::root::Node;
    use super::*;

    fn root(time: u64, fill: impl FnOnce(&mut ArchiveWriter)) -> Root {
        let mut writer = ArchiveWriter::new(time).unwrap();
        fill(&mut writer);
        Root::of_archive(writer.finish().unwrap(), |_| false).unwrap()
    }

    #[test]
    fn what_the_clock_gave_is_in_no_layer() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(folder.path());
        let make = |now: u64| {
            let before = root(1000, |writer| writer.bytes("gone", 0o644, b"").unwrap());
            let mut after = root(now, |writer| {
                writer.folder("opt").unwrap();
                writer.bytes("opt/made", 0o644, b"content").unwrap();
            });
            let old = root(1500, |writer| writer.bytes("opt/old", 0o644, b"x").unwrap());
            let node = old.nodes[Path::new("opt/old")].clone();
            after.nodes.insert(
                PathBuf::from("opt/dated"),
                Node {
                    kind: NodeKind::Symlink("x".into()),
                    ..node
                },
            );
            let clock = Clock {
                started: 2000,
                instead: 1234,
                folders: None,
            };
            let changes = after.changes_since(&before, |_, _| false);
            write(&store, "application", &after, &changes, clock)
                .unwrap()
                .unwrap()
        };
        let layer = make(5000);
        assert_eq!(layer, make(6000));
        let mut archive = tar::Archive::new(open(&store, &layer).unwrap());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let time = entry.header().mtime().unwrap();
            seen.push(format!("{} {time}", entry.path().unwrap().display()));
        }
        assert_eq!(
            seen,
            [
                ".wh.gone 1234",
                "opt 1234",
                "opt/dated 1500",
                "opt/made 1234"
            ]
        );
        let (_archive, gone) = to_apply(&unpacked(&store, &layer).unwrap()).unwrap();
        assert_eq!(gone, ["/gone"]);
    }

    #[test]
    fn a_link_to_what_is_below_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(folder.path());
        let of = |both: bool| {
            root(7, |writer| {
                writer.bytes("a", 0o644, b"x").unwrap();
                if both {
                    let mut header = plain_header(0);
                    header.set_entry_type(tar::EntryType::Link);
                    writer.builder().append_link(&mut header, "b", "a").unwrap();
                }
            })
        };
        let after = of(true);
        let clock = Clock {
            started: 100,
            instead: 1,
            folders: None,
        };
        let changes = after.changes_since(&of(false), |_, _| false);
        let layer = write(&store, "x", &after, &changes, clock)
            .unwrap()
            .unwrap();
        let mut archive = tar::Archive::new(open(&store, &layer).unwrap());
        let kinds: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().header().entry_type())
            .collect();
        assert_eq!(kinds, [tar::EntryType::Regular]);
        let whole = write(&store, "x", &after, &after.whole(), clock)
            .unwrap()
            .unwrap();
        let mut archive = tar::Archive::new(open(&store, &whole).unwrap());
        let kinds: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().header().entry_type())
            .collect();
        assert_eq!(kinds, [tar::EntryType::Regular, tar::EntryType::Link]);
    }
}
