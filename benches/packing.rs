//! Packs a folder as a package, the way the tool does, so that other programs can be timed on the
//! same tree by `packing.py`. Prints in JSON what it took: seconds to read the tree, seconds to pack
//! it, the package's size and the peak of memory in bytes.
//!
//! ```text
//! packing FORMAT CODEC LEVEL APPLICATION TREE PACKAGE DIGESTS [SEGMENTS]
//! ```
//!
//! The tool knows its layers' digests since it made them. Here they are kept in the file DIGESTS, and a
//! file whose size or time is another is hashed again.
//! What lies below `site-packages` is one layer for each top name, as installed wheels are; that of
//! APPLICATION is the one that was asked for, which stands apart as in the tool. Without
//! SEGMENTS nothing is kept and nothing is used again. The package has no dependencies and no scripts.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fs_err as fs;
use omnibuild::digest::Digest;
use omnibuild::package::{PackageSpec, Relations, Scripts, SegmentStore, packager};
use omnibuild::platform::{Arch, Codec, Compression, Format};
use omnibuild::tree::{Content, Entry, EntryKind, LayerIdentity, Tree};
use omnibuild::version::NativeVersion;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

/// The time of the package and of all layers: 2024-01-02 03:04:05 UTC.
const TIME: u64 = 1_704_164_645;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        format,
        codec,
        level,
        application,
        tree,
        package,
        digests,
        segments @ ..,
    ] = arguments.as_slice()
    else {
        // `cargo bench` runs every benchmark; this one wants a tree.
        println!(
            "packing: give FORMAT CODEC LEVEL APPLICATION TREE PACKAGE DIGESTS [SEGMENTS], or run benches/packing.py"
        );
        return;
    };
    let format = match format.as_str() {
        "deb" => Format::Deb,
        "rpm" => Format::Rpm,
        other => panic!("`{other}` is no format: deb, rpm"),
    };
    let codec = match codec.as_str() {
        "gzip" => Codec::Gzip,
        "xz" => Codec::Xz,
        "zstd" => Codec::Zstd,
        other => panic!("`{other}` is no codec: gzip, xz, zstd"),
    };
    let level = level.parse().expect("the level is a number");
    let store = match segments {
        [folder] => SegmentStore::new(Path::new(folder)),
        _ => SegmentStore::nowhere(),
    };
    let tunables = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
    omnibuild::memory::ask_for_large_pages(&tunables);
    let started = Instant::now();
    let mut known = Known::open(Path::new(digests));
    let tree = read(Path::new(tree), application, &mut known);
    let read = started.elapsed();
    let spec = spec(Compression { codec, level });
    let written = packager(format).write_with(&spec, &tree, &store, Path::new(package));
    let artifact = written.unwrap_or_else(|error| panic!("{error}"));
    if let Some(trouble) = store.trouble() {
        panic!("{trouble}");
    }
    let packed = started.elapsed().saturating_sub(read);
    known.save(Path::new(digests));
    println!(
        "{{\"bytes\": {}, \"read\": {:.4}, \"packed\": {:.4}, \"peak\": {}}}",
        artifact.size,
        read.as_secs_f64(),
        packed.as_secs_f64(),
        peak_memory(),
    );
}

fn spec(compression: Compression) -> PackageSpec {
    PackageSpec {
        name: "python-bench".parse().expect("it is a package's name"),
        version: NativeVersion {
            epoch: None,
            upstream: "1".into(),
            revision: "1".into(),
        },
        architecture: Some(Arch::Amd64),
        summary: "a bundle".into(),
        description: "A bundle.".into(),
        maintainer: "Bench <bench@acme.example>".into(),
        vendor: None,
        homepage: None,
        license: Some("MIT".into()),
        depends: Vec::new(),
        relations: Relations::default(),
        scripts: Scripts::default(),
        compression,
        epoch: TIME,
    }
}

/// Digests of files, by their names, sizes and times.
struct Known {
    digests: BTreeMap<String, Digest>,
    grown: bool,
}

impl Known {
    fn open(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = |line: &str| {
            let (digest, file) = line.split_once(' ')?;
            Some((file.to_owned(), digest.parse().ok()?))
        };
        Self {
            digests: text.lines().filter_map(line).collect(),
            grown: false,
        }
    }

    fn digest(&mut self, path: &Path, metadata: &std::fs::Metadata) -> Digest {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let size = metadata.len();
        let file = format!("{size} {seconds}.{nanoseconds} {}", path.display());
        let digest = self.digests.entry(file).or_insert_with(|| {
            self.grown = true;
            Digest::of_file(path).expect("it can be read")
        });
        digest.clone()
    }

    fn save(&self, path: &Path) {
        if self.grown {
            let lines = self
                .digests
                .iter()
                .map(|(file, digest)| format!("{digest} {file}\n"));
            fs::write(path, lines.collect::<String>()).expect("digests can be kept");
        }
    }
}

/// The tree of a folder.
fn read(root: &Path, application: &str, known: &mut Known) -> Tree {
    let mut tree = Tree::default();
    let mut layers: BTreeMap<String, String> = BTreeMap::new();
    let mut entries = Vec::new();
    for found in walkdir::WalkDir::new(root).min_depth(2).sort_by_file_name() {
        let found = found.expect("the tree can be read");
        let path = found.path().strip_prefix(root).expect("it is below");
        let path = path.to_str().expect("names are UTF-8").to_owned();
        let metadata = found.path().symlink_metadata().expect("it is there");
        let (kind, identity) = if metadata.is_dir() {
            (EntryKind::Directory, String::new())
        } else if metadata.is_symlink() {
            let target = fs::read_link(found.path()).expect("it is a link");
            let target = target.to_str().expect("targets are UTF-8").to_owned();
            (EntryKind::Symlink(target.clone()), target)
        } else {
            let digest = known.digest(found.path(), &metadata);
            let content = Content::Whole {
                path: Arc::new(found.path().to_owned()),
                digest: digest.clone(),
            };
            let size = metadata.len();
            (EntryKind::File { size, content }, digest.to_string())
        };
        let layer = layer(&path).filter(|_| !metadata.is_dir());
        if let Some(layer) = &layer {
            let known = layers.entry(layer.clone()).or_default();
            writeln!(known, "{path} {identity}").expect("text can be written");
        }
        entries.push((path, metadata.permissions().mode() & 0o7777, kind, layer));
    }
    let identities: BTreeMap<&str, Arc<LayerIdentity>> = layers
        .iter()
        .map(|(name, content)| {
            let identity = LayerIdentity {
                digest: Digest::of(content),
                time: TIME,
                requested: name == application,
            };
            (name.as_str(), Arc::new(identity))
        })
        .collect();
    for (path, mode, kind, layer) in entries {
        let origin = layer.as_deref().unwrap_or("bench").into();
        let mut entry = Entry::new(mode, kind, origin);
        entry.layer = layer.and_then(|name| identities.get(name.as_str()).cloned());
        tree.insert(&path, entry).expect("a folder's paths differ");
    }
    tree
}

/// The distribution that a path belongs to: `site-packages/name…` up to what follows the name.
fn layer(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/site-packages/")?;
    let top = rest.split('/').next()?;
    let name = top.split(['-', '.']).next()?;
    Some(name.to_lowercase())
}

/// The most memory that this process ever had, in bytes (proc(5), `VmHWM`).
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes = number.and_then(|number| number.parse().ok());
    kibibytes.unwrap_or(0_u64) * 1024
}
