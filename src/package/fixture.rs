//! A package with everything that is awkward in one, and the running of tools, for the tests.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::platform::{Arch, Channel, Codec};
use crate::version::NativeVersion;

use super::{PackageSpec, Relations, Scripts};
use crate::tree::{Content, Entry, EntryKind, LayerIdentity, Tree};

/// 2024-01-02 03:04:05 UTC.
pub(super) const EPOCH: u64 = 1_704_164_645;

pub(super) const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Xz, Codec::Zstd];

pub(super) fn spec(codec: Codec) -> PackageSpec {
    PackageSpec {
        name: "acme-tool".parse().unwrap(),
        version: NativeVersion {
            epoch: None,
            upstream: "1.2~rc1".into(),
            revision: "3.test".into(),
        },
        architecture: Some(Arch::Amd64),
        summary: "a tool of größe".into(),
        description: "First paragraph.\n\nSecond paragraph:\n  as it is\n".into(),
        maintainer: "Ann Example <ann@example.org>".into(),
        vendor: Some("Example".into()),
        homepage: Some("https://example.org/tool".into()),
        license: Some("MIT".into()),
        depends: Vec::new(),
        relations: Relations::default(),
        scripts: Scripts::default(),
        compression: Channel::Standard.compression(codec),
        epoch: EPOCH,
    }
}

/// What lies in `lib` is of a layer that is older than the package, what lies in `bin` of one that
/// is younger.
fn layer(path: &str) -> Option<Arc<LayerIdentity>> {
    let folder = path.strip_prefix("opt/acme-tool/")?.split('/').next()?;
    let time = match folder {
        "lib" => EPOCH - 1000,
        "bin" => EPOCH + 1000,
        _ => return None,
    };
    let digest = crate::digest::Digest::of(folder);
    let requested = folder == "bin";
    Some(Arc::new(LayerIdentity {
        digest,
        time,
        requested,
    }))
}

fn add(tree: &mut Tree, path: &str, mode: u32, kind: EntryKind) {
    let origin: Arc<str> = "fixture.whl".into();
    if path.starts_with("opt/") {
        tree.insert_parents(path, "opt", &origin).unwrap();
    }
    let mut entry = Entry::new(mode, kind, origin);
    entry.layer = layer(path);
    tree.insert(path, entry).unwrap();
}

pub(super) fn file(tree: &mut Tree, path: &str, mode: u32, bytes: &[u8]) {
    let kind = EntryKind::File {
        size: bytes.len() as u64,
        content: Content::Bytes(Arc::from(bytes)),
    };
    add(tree, path, mode, kind);
}

pub(super) fn slice(tree: &mut Tree, path: &str, data: &Path, size: u64, time_field: Option<u64>) {
    let content = Content::Slice {
        path: Arc::new(data.to_owned()),
        offset: 3,
        time_field,
    };
    add(tree, path, 0o644, EntryKind::File { size, content });
}

pub(super) fn symlink(tree: &mut Tree, path: &str, target: &str) {
    add(tree, path, 0o777, EntryKind::Symlink(target.to_owned()));
}

pub(super) fn directory(tree: &mut Tree, path: &str, mode: u32) {
    add(tree, path, mode, EntryKind::Directory);
}

pub(super) fn another_name(tree: &mut Tree, path: &str, target: &str) {
    add(tree, path, 0, EntryKind::HardLink(target.to_owned()));
}

/// Names of every length around the limits of tar and `ar`, every kind of entry, slices of a file
/// in `folder`, and enough bytes for several blocks of gzip.
pub(super) fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::default();
    let tree_ref = &mut tree;
    let data = folder.join("layer");
    fs_err::write(&data, b"---HEADtttttail and more").unwrap();
    directory(tree_ref, "opt/acme-tool", 0o755);
    directory(tree_ref, "opt/acme-tool/empty", 0o750);
    file(
        tree_ref,
        "opt/acme-tool/bin/run",
        0o755,
        b"#!/bin/sh\necho hello\n",
    );
    file(tree_ref, "opt/acme-tool/nothing", 0o600, b"");
    file(
        tree_ref,
        "opt/acme-tool/größe – 你好 $x %y \\z",
        0o644,
        b"u",
    );
    file(tree_ref, "opt/acme-tool-more/beside", 0o444, &[7; 1024]);
    slice(tree_ref, "opt/acme-tool/lib/code.pyc", &data, 12, Some(4));
    slice(tree_ref, "opt/acme-tool/lib/data", &data, 8, None);
    let large: Vec<u8> = (0_u32..300_000)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    file(tree_ref, "opt/acme-tool/large", 0o644, &large);
    symlink(tree_ref, "opt/acme-tool/lib64", "lib");
    symlink(tree_ref, "usr/bin/acme-tool", "/opt/acme-tool/bin/run");
    // 252 is `./opt/` and the longest name that dpkg and rpm can unpack.
    for length in [98, 99, 100, 101, 155, 252] {
        let name = "n".repeat(length - "./opt/".len());
        file(tree_ref, &format!("opt/{name}"), 0o644, name.as_bytes());
        symlink(tree_ref, &format!("opt/link-{length}"), &"t".repeat(length));
    }
    let deep = format!("opt/acme-tool/{0}/{0}/{0}", "d".repeat(120));
    file(tree_ref, &format!("{deep}/file"), 0o644, b"deep");
    directory(tree_ref, &format!("{deep}/folder"), 0o755);
    tree
}

/// Runs a tool that must succeed, in a fixed locale, and gives what it printed.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

/// What stands below a folder: one line an entry with mode, time in seconds, what it is, path. A
/// folder's time is that of the last change in it, so it is left out.
pub(super) fn walk(root: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        let mode = metadata.mode();
        let time = if metadata.is_dir() {
            String::new()
        } else {
            format!("{} ", metadata.mtime())
        };
        let content = if metadata.is_symlink() {
            format!(
                "link {}",
                fs_err::read_link(entry.path()).unwrap().display()
            )
        } else if metadata.is_file() {
            format!(
                "file {}",
                crate::digest::Digest::of_file(entry.path())
                    .unwrap()
                    .short()
            )
        } else {
            "folder".to_owned()
        };
        lines.push(format!("{path} {mode:o} {time}{content}"));
    }
    lines.sort();
    lines
}

/// What [`walk`] is to find of a tree; `parents` are the folders that the tree does not name.
pub(super) fn expected(tree: &Tree, parents: &[&str]) -> Vec<String> {
    use std::io::Read;
    let mut reader = crate::tree::ContentReader::default();
    let mut lines: Vec<String> = parents
        .iter()
        .map(|path| format!("{path} 40755 folder"))
        .collect();
    for (path, entry) in tree.iter() {
        let (mode, time) = (entry.mode, entry.time(EPOCH));
        lines.push(match &entry.kind {
            EntryKind::Directory => format!("{path} 40{mode:03o} folder"),
            EntryKind::Symlink(target) => format!("{path} 120777 {time} link {target}"),
            EntryKind::HardLink(_) => panic!("the fixture's tree has no hard links"),
            EntryKind::File { size, content } => {
                let mut bytes = Vec::new();
                let mut content = reader.read(content, *size, time).unwrap();
                content.read_to_end(&mut bytes).unwrap();
                let digest = crate::digest::Digest::of(bytes);
                format!("{path} 100{mode:03o} {time} file {}", digest.short())
            }
        });
    }
    lines.sort();
    lines
}

/// The folders above the tree's entries that it does not name.
pub(super) fn unnamed_parents(tree: &Tree) -> Vec<&str> {
    let mut parents: Vec<&str> = tree
        .iter()
        .flat_map(|(path, _)| super::check::parents(path))
        .filter(|parent| tree.get(parent).is_none())
        .collect();
    parents.sort_unstable();
    parents.dedup();
    parents
}

/// What a daemon needs beside a bundle: a configuration file and a state folder of a user's, a file
/// with two names, whose file stands after one of them in one order of names, and scripts.
pub(super) fn daemon(tree: &mut Tree, spec: &mut PackageSpec) {
    use crate::tree::{Owner, Role};
    let mut owned = |path: &str, mode, kind, role| {
        let owner = Owner {
            user: "daemon".into(),
            group: "mail".into(),
        };
        let made = Entry::new(mode, kind, "project".into());
        let made = Entry {
            owner,
            role,
            ..made
        };
        tree.insert(path, made).unwrap();
    };
    let content = Content::Bytes(Arc::from(&b"a = 1\n"[..]));
    let file = EntryKind::File { size: 6, content };
    owned("etc/acme.conf", 0o640, file, Role::Configuration);
    owned("var/lib/acme", 0o750, EntryKind::Directory, Role::Plain);
    self::file(tree, "opt/a/b", 0o755, b"content");
    another_name(tree, "opt/a-b", "opt/a/b");
    another_name(tree, "opt/c", "opt/a/b");
    for (moment, name) in [
        (super::Moment::BeforeInstall, "before"),
        (super::Moment::AfterInstall, "after"),
        (super::Moment::BeforeRemove, "leaving"),
        (super::Moment::AfterRemove, "left"),
    ] {
        let text = format!("#!/bin/sh\nset -e\necho {name} \"$1\"\n");
        spec.scripts.insert(moment, text);
    }
}
