//! Packages that are put together from kept segments are those that are made from nothing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fixture::{self, CODECS, EPOCH};
use super::{PackageSpec, SegmentStore, packager};
use crate::fsutil::sorted_walk;
use crate::platform::Format;
use crate::tree::Tree;

const FORMATS: [Format; 2] = [Format::Deb, Format::Rpm];

/// The bytes of the package, written into a folder of its own.
fn package(format: Format, spec: &PackageSpec, tree: &Tree, store: &SegmentStore) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package");
    packager(format)
        .write_with(spec, tree, store, &path)
        .unwrap();
    assert_eq!(sorted_walk(folder.path()).unwrap(), [Path::new("package")]);
    fs_err::read(path).unwrap()
}

/// The files of a store with their inode numbers, which a file that is made anew does not keep.
fn files(root: &Path) -> Vec<(PathBuf, u64)> {
    let paths = sorted_walk(root).unwrap().into_iter();
    paths
        .map(|path| {
            let inode = fs_err::metadata(root.join(&path)).unwrap().ino();
            (path, inode)
        })
        .collect()
}

#[test]
fn cold_warm_and_without_a_store_the_bytes_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for format in FORMATS {
        for codec in CODECS {
            let root = tempfile::tempdir().unwrap();
            let store = SegmentStore::new(root.path());
            let spec = fixture::spec(codec);
            let plain = package(format, &spec, &tree, &SegmentStore::nowhere());
            assert!(plain == package(format, &spec, &tree, &store), "{codec:?}");
            let made = files(root.path());
            // What the user asked for, and what it needs.
            assert_eq!(made.len(), 2, "{format:?} {codec:?}: {made:?}");
            assert!(plain == package(format, &spec, &tree, &store), "{codec:?}");
            assert_eq!(made, files(root.path()), "{format:?} {codec:?}");
        }
    }
}

#[test]
fn a_damaged_segment_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let root = tempfile::tempdir().unwrap();
    let store = SegmentStore::new(root.path());
    let spec = fixture::spec(CODECS[0]);
    let plain = package(Format::Deb, &spec, &tree, &store);
    let made = files(root.path());
    let path = root.path().join(&made[0].0);
    let good = fs_err::read(&path).unwrap();
    let mut damages: Vec<Vec<u8>> = [0, 71, 72, good.len() - 1]
        .into_iter()
        .map(|length| good[..length].to_vec())
        .collect();
    for at in (0..good.len()).step_by(good.len() / 10 + 1) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        damages.push(bytes);
    }
    for damage in damages {
        fs_err::write(&path, &damage).unwrap();
        assert!(plain == package(Format::Deb, &spec, &tree, &store));
        assert!(good == fs_err::read(&path).unwrap());
    }
}

#[test]
fn a_later_package_takes_what_is_older_than_both() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for format in FORMATS {
        let root = tempfile::tempdir().unwrap();
        let store = SegmentStore::new(root.path());
        let spec = fixture::spec(CODECS[0]);
        package(format, &spec, &tree, &store);
        let later = PackageSpec {
            epoch: EPOCH + 60,
            ..spec
        };
        let with = package(format, &later, &tree, &store);
        assert!(with == package(format, &later, &tree, &SegmentStore::nowhere()));
        // `bin` is of a layer that is younger than both packages.
        assert_eq!(files(root.path()).len(), 3, "{format:?}");
    }
}

#[test]
fn what_differs_in_codec_format_mode_or_content_is_kept_apart() {
    let root = tempfile::tempdir().unwrap();
    let store = SegmentStore::new(root.path());
    let mut number = 0;
    let mut kept = |format, codec, mode, content: &[u8], more| {
        let mut tree = Tree::default();
        fixture::file(&mut tree, "opt/acme-tool/lib/x", mode, content);
        package(format, &fixture::spec(codec), &tree, &store);
        number += more;
        assert_eq!(files(root.path()).len(), number);
    };
    kept(Format::Deb, CODECS[0], 0o644, b"x", 1);
    kept(Format::Deb, CODECS[0], 0o644, b"x", 0);
    kept(Format::Deb, CODECS[1], 0o644, b"x", 1);
    kept(Format::Rpm, CODECS[0], 0o644, b"x", 1);
    kept(Format::Deb, CODECS[0], 0o755, b"x", 1);
    kept(Format::Deb, CODECS[0], 0o644, b"y", 1);
}

#[test]
fn what_nobody_used_for_long_goes_when_something_is_added() {
    let root = tempfile::tempdir().unwrap();
    let store = SegmentStore::new(root.path());
    let write = |content: &[u8]| {
        let mut tree = Tree::default();
        fixture::file(&mut tree, "opt/acme-tool/lib/x", 0o644, content);
        package(Format::Deb, &fixture::spec(CODECS[0]), &tree, &store);
        files(root.path())
    };
    let old = write(b"old");
    let file = fs_err::File::options()
        .append(true)
        .open(root.path().join(&old[0].0))
        .unwrap();
    let long_ago = std::time::UNIX_EPOCH;
    file.file().set_modified(long_ago).unwrap();
    // Use keeps it.
    assert_eq!(write(b"old"), old);
    assert_eq!(write(b"new").len(), 2);
    file.file().set_modified(long_ago).unwrap();
    let left = write(b"newer");
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&old[0]));
}

#[test]
fn a_store_that_can_not_be_written_keeps_no_package_from_being_made() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let root = tempfile::tempdir().unwrap();
    let blocked = root.path().join("segments");
    // A file where the folder is to be: root may write whatever its permissions say.
    fs_err::write(&blocked, "").unwrap();
    let spec = fixture::spec(CODECS[0]);
    for format in FORMATS {
        let store = SegmentStore::new(&blocked);
        let plain = package(format, &spec, &tree, &SegmentStore::nowhere());
        assert!(plain == package(format, &spec, &tree, &store));
        let trouble = store.trouble().unwrap().message();
        assert!(trouble.contains("segments"), "{trouble}");
    }
}
