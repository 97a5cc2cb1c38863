//! Names of files and targets of links: what one format takes, the other takes, and the native tools
//! unpack it byte for byte. The table is that of the manual.

use super::fixture::{self, run};
use super::packager;
use crate::error::Kind;
use crate::platform::{Codec, Format};
use crate::tree::Tree;

const FORMATS: [Format; 2] = [Format::Deb, Format::Rpm];

#[test]
fn names_are_kept_byte_for_byte_or_refused_in_both_formats() {
    let long = "n".repeat(246);
    let deep = ["d".repeat(246), long.clone(), long.clone()].join("/");
    let names = [
        "größe 你好",
        "decomposed e\u{301}",
        "tab\there",
        "carriage\rreturn",
        "escape\u{1b}[1m",
        "back\\slash \\n",
        " leading and trailing ",
        "%{macro} %%",
        "$x `y` 'z' \"w\" *?[a] ;&|<>",
        "-dash",
        "Case",
        "case",
        "a:b@c=d",
        &long,
        &deep,
    ];
    let mut tree = Tree::default();
    for (number, name) in names.iter().enumerate() {
        fixture::file(
            &mut tree,
            &format!("opt/names/{name}"),
            0o644,
            name.as_bytes(),
        );
        fixture::symlink(&mut tree, &format!("opt/links/{number}"), name);
    }
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let spec = fixture::spec(Codec::Gzip);
        let path = folder.path().join(packager(format).file_name(&spec));
        packager(format).write(&spec, &tree, &path).unwrap();
        let (root, package) = (
            folder.path().join(format.to_string()),
            path.to_str().unwrap(),
        );
        match format {
            Format::Deb => run("dpkg-deb", &["-x", package, root.to_str().unwrap()]),
            Format::Rpm => {
                fs_err::create_dir_all(&root).unwrap();
                let root = format!("--root={}", root.display());
                let words = [
                    "--dbpath=/var/lib/rpm",
                    "-i",
                    "--force-debian",
                    "--nosignature",
                ];
                run(
                    "rpm",
                    &[&[&*root], &words[..], &["--ignorearch", package]].concat(),
                )
            }
        };
        for (number, name) in names.iter().enumerate() {
            let content = fs_err::read(root.join("opt/names").join(name)).unwrap();
            assert_eq!(content, name.as_bytes(), "{format} {name:?}");
            let target = fs_err::read_link(root.join(format!("opt/links/{number}"))).unwrap();
            assert_eq!(target.to_str(), Some(*name), "{format}");
        }
        // What reads packages says the same.
        let read = super::read::read(&path).unwrap();
        for name in names {
            assert!(
                read.file(&format!("/opt/names/{name}")).is_some(),
                "{format} {name:?}"
            );
        }
    }
}

#[test]
fn names_that_one_format_can_not_hold_are_refused_in_both() {
    let folder = tempfile::tempdir().unwrap();
    let long = "n".repeat(247);
    let wide = "ü".repeat(124);
    for format in FORMATS {
        let refused = |path: &str, target: Option<&str>| {
            let mut tree = Tree::default();
            match target {
                Some(target) => fixture::symlink(&mut tree, path, target),
                None => fixture::file(&mut tree, path, 0o644, b"x"),
            }
            let spec = fixture::spec(Codec::Gzip);
            let path = folder.path().join(packager(format).file_name(&spec));
            let error = packager(format).write(&spec, &tree, &path).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "{format}: {error}");
            assert!(!error.message().contains('\n') && !path.exists());
        };
        for name in ["line\nbreak", "zero\0byte", "..", ".", &long, &wide] {
            refused(&format!("opt/x/{name}"), None);
        }
        for target in ["", "line\nbreak", "zero\0byte"] {
            refused("opt/x/link", Some(target));
        }
    }
}
