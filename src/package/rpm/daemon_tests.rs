//! What a daemon's rpm package holds, read back with rpm.

use std::os::unix::fs::MetadataExt;

use super::tests::{Root, query, written};
use super::*;
use crate::package::fixture::{self, run};
use crate::platform::Codec;

#[test]
fn owners_links_configuration_and_scripts_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Zstd);
    spec.architecture = None;
    let mut tree = Tree::default();
    fixture::daemon(&mut tree, &mut spec);
    spec.scripts
        .insert(crate::package::Moment::AfterTransaction, "echo x\n".into());
    let path = written(folder.path(), &spec, &tree);
    let files = "[%{FILENAMES} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENLINKS} %{FILESIZES}\n]";
    assert_eq!(
        query(&path, files),
        "/etc/acme.conf daemon:mail cn 1 6\n/opt/a root:root  1 0\n/opt/a-b root:root  3 7\n\
         /opt/a/b root:root  3 7\n/opt/c root:root  3 7\n/var/lib/acme daemon:mail  1 0\n"
    );
    assert_eq!(query(&path, "%{SIZE}"), "13");
    let digests = query(&path, "[%{FILENAMES} %{FILEDIGESTS}\n]");
    let of_content = Digest::of(b"content");
    assert_eq!(digests.matches(of_content.as_str()).count(), 3, "{digests}");
    let scripts = run(
        "rpm",
        &["-qp", "--nosignature", "--scripts", path.to_str().unwrap()],
    );
    for (kind, word) in [
        ("preinstall", "before"),
        ("postinstall", "after"),
        ("preuninstall", "leaving"),
        ("postuninstall", "left"),
        ("posttrans", "echo x"),
    ] {
        assert!(
            scripts.contains(&format!("{kind} scriptlet (using /bin/sh):"))
                && scripts.contains(word),
            "{scripts}"
        );
    }
    let needs = query(&path, "[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\n]");
    for kind in ["pre", "post", "preun", "postun", "posttrans"] {
        assert!(
            needs.contains(&format!("/bin/sh {kind},interp\n"))
                || needs.contains(&format!("/bin/sh interp,{kind}\n")),
            "{kind} in {needs}"
        );
    }
    let root = Root::new();
    let flag = format!("--root={}", root.path().display());
    run(
        "rpm",
        &[
            &flag,
            "--dbpath=/var/lib/rpm",
            "-i",
            "--force-debian",
            "--nosignature",
            "--noscripts",
            "--nodeps",
            path.to_str().unwrap(),
        ],
    );
    for name in ["opt/a/b", "opt/a-b", "opt/c"] {
        let there = root.path().join(name);
        assert_eq!(fs_err::read(&there).unwrap(), b"content");
        assert_eq!(fs_err::metadata(&there).unwrap().nlink(), 3);
    }
}

#[test]
fn relations_and_a_changelog_are_tags_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Zstd);
    let one = |text: &str| vec![text.to_owned()];
    let relations = &mut spec.relations;
    relations.pre_depends = one("/usr/sbin/useradd");
    relations.provides = one("agent = 2");
    relations.conflicts = one("other < 3");
    relations.obsoletes = one("old < 1");
    relations.breaks = one("of-deb");
    relations.recommends = one("logrotate");
    relations.suggests = one("mail");
    let path = written(folder.path(), &spec, &Tree::default());
    let listed = |option: &str| {
        let path = path.to_str().unwrap();
        run("rpm", &["-qp", "--nosignature", option, path])
    };
    assert!(listed("--provides").contains("agent = 2\n"));
    assert_eq!(listed("--conflicts"), "other < 3\n");
    assert_eq!(listed("--obsoletes"), "old < 1\n");
    assert_eq!(listed("--recommends"), "logrotate\n");
    assert_eq!(listed("--suggests"), "mail\n");
    let needs = query(&path, "[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\n]");
    assert!(needs.contains("/usr/sbin/useradd pre\n"), "{needs}");
    assert_eq!(
        listed("--changelog"),
        "* Tue Jan 02 2024 Ann Example <ann@example.org> - 1.2~rc1-3.test\n- Release 1.2~rc1.\n\n"
    );
}
