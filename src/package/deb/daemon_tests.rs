//! What a daemon's deb package holds, read back with dpkg-deb.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::tests::written;
use super::*;
use crate::package::fixture::{self, run};
use crate::platform::Codec;

#[test]
fn owners_links_conffiles_and_scripts_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Gzip);
    let mut tree = Tree::default();
    fixture::daemon(&mut tree, &mut spec);
    let path = written(folder.path(), &spec, &tree);
    let path = path.to_str().unwrap();
    let listing = run("dpkg-deb", &["-c", path]);
    for (mode, owner, name) in [
        ("-rw-r-----", "daemon/mail", "./etc/acme.conf"),
        ("drwxr-x---", "daemon/mail", "./var/lib/acme/"),
        ("-rwxr-xr-x", "root/root", "./opt/a-b"),
        ("hrwxr-xr-x", "root/root", "./opt/a/b link to ./opt/a-b"),
        ("hrwxr-xr-x", "root/root", "./opt/c link to ./opt/a-b"),
    ] {
        let found = listing.lines().any(|line| {
            line.starts_with(&format!("{mode} {owner} ")) && line.ends_with(&format!(" {name}"))
        });
        assert!(found, "{name} in {listing}");
    }
    let (root, control) = (folder.path().join("root"), folder.path().join("control"));
    run("dpkg-deb", &["-e", path, control.to_str().unwrap()]);
    run("dpkg-deb", &["-x", path, root.to_str().unwrap()]);
    for name in ["opt/a/b", "opt/a-b", "opt/c"] {
        assert_eq!(fs_err::read(root.join(name)).unwrap(), b"content");
        assert_eq!(fs_err::metadata(root.join(name)).unwrap().nlink(), 3);
    }
    let read = |name: &str| fs_err::read_to_string(control.join(name)).unwrap();
    assert_eq!(read("conffiles"), "/etc/acme.conf\n");
    assert_eq!(read("md5sums").lines().count(), 4);
    for (name, word) in [
        ("preinst", "before"),
        ("postinst", "after"),
        ("prerm", "leaving"),
        ("postrm", "left"),
    ] {
        assert!(read(name).contains(word), "{name}");
        let mode = fs_err::metadata(control.join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o755, "{name}");
    }
}

/// Until the postinst runs, it may be root's.
#[test]
fn no_setuid_bit_is_unpacked_for_an_owner_to_come() {
    use crate::tree::{Content, Entry, EntryKind, Owner};
    let folder = tempfile::tempdir().unwrap();
    let spec = fixture::spec(Codec::Gzip);
    let mut tree = Tree::default();
    let mut add = |path: &str, kind: EntryKind, owner: &str| {
        let mode = match kind {
            EntryKind::Directory => 0o3770,
            EntryKind::File { .. } | EntryKind::Symlink(_) | EntryKind::HardLink(_) => 0o6755,
        };
        let owner = Owner {
            user: owner.into(),
            group: owner.into(),
        };
        let entry = Entry::new(mode, kind, "project".into());
        tree.insert(path, Entry { owner, ..entry }).unwrap();
    };
    let content = || Content::Bytes(b"x".as_slice().into());
    let file = || EntryKind::File {
        size: 1,
        content: content(),
    };
    add("opt/a", file(), "tom");
    add("opt/b", file(), "root");
    add("opt/c", EntryKind::Directory, "tom");
    let path = written(folder.path(), &spec, &tree);
    let listing = run("dpkg-deb", &["-c", path.to_str().unwrap()]);
    for line in [
        "-rwxr-xr-x tom/tom",
        "-rwsr-sr-x root/root",
        "drwxrwx--- tom/tom",
    ] {
        assert!(listing.contains(line), "{line} in {listing}");
    }
}

#[test]
fn relations_are_fields_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Gzip);
    let one = |text: &str| vec![text.to_owned()];
    spec.depends = one("libc6");
    let relations = &mut spec.relations;
    relations.pre_depends = one("init-system-helpers (>= 1.54)");
    relations.provides = vec!["agent (= 2)".into(), "mail-agent".into()];
    relations.conflicts = one("agent");
    relations.breaks = one("old (<< 1)");
    relations.replaces = one("old (<< 1)");
    relations.obsoletes = one("of-rpm");
    relations.recommends = one("logrotate");
    relations.suggests = one("a | b");
    let path = written(folder.path(), &spec, &Tree::default());
    let control = run("dpkg-deb", &["-f", path.to_str().unwrap()]);
    assert!(
        control.contains(
            "\nPre-Depends: init-system-helpers (>= 1.54)\nDepends: libc6\nRecommends: logrotate\n\
             Suggests: a | b\nBreaks: old (<< 1)\nConflicts: agent\nReplaces: old (<< 1)\n\
             Provides: agent (= 2), mail-agent\nSection:"
        ) && !control.contains("of-rpm"),
        "{control}"
    );
    spec.relations.suggests = one("a, b");
    let error = Deb
        .write(&spec, &Tree::default(), &folder.path().join("x.deb"))
        .unwrap_err();
    assert!(error.message().contains("Suggests"), "{error}");
}
