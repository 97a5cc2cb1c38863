//! Files for `cache import` that somebody made to do harm, or that broke on the way: each is refused
//! by name, and nothing of it gets into the cache.

use omnibuild::digest::{Digest, KeyBuilder};
use omnibuild::error::Kind;
use omnibuild::wheels::store::WheelStore;

use super::fill;
use crate::support::TestProject;

const HEADER: (&str, &[u8]) = ("omnibuild-wheels.json", b"{\"schema\": 1}");

/// A tar archive whose names are written as they are, however bad.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    typed_archive(entries, |_| tar::EntryType::Regular)
}

fn typed_archive(entries: &[(&str, &[u8])], kind: impl Fn(&str) -> tar::EntryType) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        let place = &mut header.as_gnu_mut().unwrap().name;
        place[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind(name));
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind(name).is_symlink() || kind(name).is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Imports a file and expects it to be refused for this reason, with nothing changed.
#[track_caller]
fn refuse(what: &str, bytes: &[u8], why: &str) {
    let project = TestProject::empty();
    fs_err::write(project.root().join("bad.tar"), bytes).unwrap();
    let before = project.tree();
    let failure = project
        .run(&["cache", "import", "bad.tar", "--dry-run"])
        .failure(15);
    assert!(failure.message.contains(why), "{what}: {failure:?}");
    assert!(failure.message.contains("bad.tar"), "{what}: {failure:?}");
    assert_eq!(project.tree(), before, "{what}");
    drop(project.run(&["cache", "import", "bad.tar"]).failure(15));
    let left: Vec<String> = project.new_files(&before);
    assert_eq!(left, ["cache/wheels/v1/lock"], "{what}");
}

#[test]
fn names_that_leave_the_store_are_refused() {
    let digest = Digest::of("x");
    let (digits, digest) = (&digest.as_str()[..2], digest.as_str());
    for name in [
        "../outside.whl".to_owned(),
        "/etc/outside.whl".to_owned(),
        format!("wheels/{digits}/{digest}/../x.whl"),
        format!("wheels/../{digest}/x.whl"),
        format!("wheels/{digits}/{digest}/a\\x.whl"),
        format!("wheels/{digits}/{digest}/x.txt"),
        format!("wheels/00/{digest}/x.whl"),
        format!("sets/../{digest}.json"),
        format!("sets/debian-12/../{digest}.json"),
        "sets/debian-12/x.json".to_owned(),
        "v1/lock".to_owned(),
        "CACHEDIR.TAG".to_owned(),
    ] {
        let bytes = archive(&[HEADER, (&name, b"x")]);
        refuse(&name, &bytes, "does not belong there");
    }
}

#[test]
fn links_folders_and_devices_are_refused() {
    let digest = Digest::of("x");
    let name = format!("wheels/{}/{digest}/x.whl", &digest.as_str()[..2]);
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::Char,
        tar::EntryType::Fifo,
    ] {
        let of = |entry: &str| {
            if entry == name {
                kind
            } else {
                tar::EntryType::Regular
            }
        };
        let bytes = typed_archive(&[HEADER, (&name, b"")], of);
        refuse(&format!("{kind:?}"), &bytes, "is no plain file");
    }
}

#[test]
fn content_that_is_not_what_its_name_says_is_refused() {
    let digest = Digest::of("x");
    let name = format!("wheels/{}/{digest}/x.whl", &digest.as_str()[..2]);
    let wrong = archive(&[HEADER, (&name, b"y")]);
    refuse("another content", &wrong, "and should have");
    let twice = archive(&[HEADER, (&name, b"x"), (&name, b"x")]);
    refuse("twice", &twice, "is there twice");
    let key = KeyBuilder::new("wheels", 1).finish().digest;
    let set = format!("sets/debian-12/{key}.json");
    for text in ["", "{}", "[]", "{\"seal\": 1}"] {
        let bytes = archive(&[HEADER, (&set, text.as_bytes())]);
        refuse("a set that is none", &bytes, "is damaged");
    }
}

#[test]
fn what_is_no_export_is_refused() {
    refuse("nothing", b"", "is empty");
    refuse("no archive", &[b'x'; 2000], "bad.tar");
    refuse("no header", &archive(&[("x", b"x")]), "not of this version");
    let newer = archive(&[(HEADER.0, b"{\"schema\": 2}")]);
    refuse("a newer one", &newer, "not of this version");
    let mut frame = zstd_magic();
    frame.extend([0xff; 100]);
    refuse("a broken frame", &frame, "bad.tar");
    let project = TestProject::empty();
    drop(project.run(&["cache", "import", "absent.tar"]).failure(9));
}

fn zstd_magic() -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd]
}

/// A real export without some of its entries, or with some of them changed.
fn edited(edit: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.tar");
    let store = fill(&folder.path().join("wheels"));
    store.export(&path, &[].into()).unwrap();
    let mut archive = tar::Archive::new(fs_err::File::open(&path).unwrap());
    let mut builder = tar::Builder::new(Vec::new());
    let mut removed_or_changed = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        let after = edit(&name, content.clone());
        removed_or_changed += usize::from(after.as_ref() != Some(&content));
        let Some(content) = after else { continue };
        let mut header = entry.header().clone();
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, &name, &content[..])
            .unwrap();
    }
    assert_eq!(removed_or_changed, 1);
    builder.into_inner().unwrap()
}

#[test]
fn a_set_without_its_wheel_or_with_another_is_refused() {
    let without = edited(|name, content| (!name.contains("cp311")).then_some(content));
    refuse("without a wheel", &without, "is missing");
    let replace = |from: &'static str, to: &'static str| {
        edited(move |name, content| {
            let text = String::from_utf8(content).unwrap();
            let is_set = name.starts_with("sets/debian-12/");
            Some(if is_set { text.replace(from, to) } else { text }.into_bytes())
        })
    };
    for (from, to) in [
        ("\"size\": 500", "\"size\": 501"),
        ("compiled-2.0", "compiled-2.1"),
        ("\"abi\": \"cp311\"", "\"abi\": \"cp312\""),
        ("\"project\": \"mytool\"", "\"project\": \"yourtool\""),
    ] {
        refuse(to, &replace(from, to), "is damaged");
    }
}

#[test]
fn a_damaged_or_cut_export_is_refused_or_means_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar");
    let store = fill(&folder.path().join("from"));
    let whole = store.export(&path, &[].into()).unwrap();
    let bytes = fs_err::read(&path).unwrap();
    let target = WheelStore::new(&folder.path().join("to"));
    let (mut refused, mut same) = (0, 0);
    let flips = (0..400).map(|number| {
        let bit = number * bytes.len() * 8 / 400;
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let cuts = (0..100).map(|number| bytes[..number * bytes.len() / 100].to_vec());
    for damaged in flips.chain(cuts) {
        fs_err::write(&path, &damaged).unwrap();
        match target.would_import(&path, &[].into()) {
            // Padding, times, owners: what nobody reads.
            Ok(would) => {
                assert_eq!(would, whole);
                same += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Damaged, "{error}");
                refused += 1;
            }
        }
    }
    assert!(
        refused > 200 && same > 0,
        "{refused} refused, {same} the same"
    );
}
