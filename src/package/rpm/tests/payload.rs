//! The order and the two forms of the payload, as rpm unpacks them.

use super::*;
use crate::package::read;
use crate::tree::{Content, Entry, EntryKind};

#[test]
fn files_between_the_names_of_a_file_are_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    for name in ["opt/a.x", "opt/b", "opt/d", "opt/f"] {
        fixture::file(&mut tree, name, 0o644, name.as_bytes());
    }
    for name in ["opt/c", "opt/e.a"] {
        fixture::another_name(&mut tree, name, "opt/a.x");
    }
    let path = written(folder.path(), &fixture::spec(Codec::Gzip), &tree);
    let root = Root::new();
    root.install(&path);
    assert_eq!(root.rpm(&["-V", "acme-tool"]), "");
    let package = path.to_str().unwrap();
    run("rpm2archive", &["-n", package]);
    let listed = run("tar", &["-tf", &format!("{package}.tar")]);
    assert_eq!(listed.lines().count(), 6, "{listed}");
}

/// rpmbuild 4.18 takes files of 4294967295 bytes for large, and those of a byte less not.
#[test]
fn a_file_is_large_from_the_size_on_that_it_is_for_rpmbuild() {
    let has_large_files = |size| {
        let content = Content::Bytes([].into());
        let entry = Entry::new(0o644, EntryKind::File { size, content }, "x".into());
        let mut tree = Tree::default();
        tree.insert("opt/x", entry).unwrap();
        cpio::has_large_files(&tree)
    };
    assert!(!has_large_files(4_294_967_294));
    assert!(has_large_files(4_294_967_295));
}

/// What a package with a file of 4 GiB is like, at a size that every run of the tests can have.
#[test]
fn rpm_installs_and_verifies_the_form_for_large_files_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = fixture::tree(folder.path());
    fixture::file(&mut tree, "opt/acme-tool/b/file", 0o644, b"of three names");
    for name in ["opt/acme-tool/a", "opt/acme-tool/c"] {
        fixture::another_name(&mut tree, name, "opt/acme-tool/b/file");
    }
    for codec in CODECS {
        let spec = fixture::spec(codec);
        let path = folder.path().join(Rpm.file_name(&spec));
        write(&spec, &tree, &SegmentStore::nowhere(), &path, true).unwrap();
        let sizes = query(&path, "%|FILESIZES?{short}:{}|%|LONGFILESIZES?{long}:{}|");
        assert_eq!(sizes, "long");
        let requires = query(&path, "[%{REQUIRENAME}\n]");
        assert!(requires.contains("rpmlib(LargeFiles)"), "{requires}");
        let root = Root::new();
        root.install(&path);
        assert_eq!(root.rpm(&["-V", "acme-tool"]), "");
        let installed = root.path().join("opt/acme-tool");
        for name in ["a", "b/file", "c"] {
            assert_eq!(
                fs_err::read(installed.join(name)).unwrap(),
                b"of three names"
            );
        }
        // Every content is given, and is what the header says.
        let mut contents = 0;
        let package = read::for_each_content(&path, |file, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            let digest = format!("sha256:{}", Digest::of(&bytes));
            assert_eq!(file.digest.as_ref(), Some(&digest), "{}", file.path);
            contents += 1;
            Ok(())
        });
        let is_file = |file: &&read::File| file.kind == read::FileKind::File;
        assert_eq!(
            contents,
            package.unwrap().files.iter().filter(is_file).count()
        );
    }
}
