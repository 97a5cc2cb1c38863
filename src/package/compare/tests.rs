//! What is found of every kind of difference, and nothing where there is none.

use super::*;
use crate::package::fixture;
use crate::package::read::{Script, read};
use crate::package::{Packager, packager};
use crate::platform::Format;
use crate::tree::Tree;

fn package(format: Format) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    let site = "opt/acme/lib/python3.11/site-packages";
    fixture::file(
        &mut tree,
        &format!("{site}/Zope.Interface-5.0.dist-info/METADATA"),
        0o644,
        b"x",
    );
    fixture::file(
        &mut tree,
        &format!("{site}/idna-3.20.dist-info/METADATA"),
        0o644,
        b"x",
    );
    fixture::file(&mut tree, "opt/acme/a", 0o644, b"one");
    fixture::symlink(&mut tree, "usr/bin/a", "/opt/acme/a");
    let packager: &dyn Packager = packager(format);
    let spec = fixture::spec(Codec::Gzip);
    let path = folder.path().join(packager.file_name(&spec));
    packager.write(&spec, &tree, &path).unwrap();
    read(&path).unwrap()
}

#[test]
fn a_package_does_not_differ_from_itself() {
    for format in [Format::Deb, Format::Rpm] {
        let package = package(format);
        let comparison = compare(&package, &package);
        assert!(comparison.is_empty(), "{comparison:?}");
        assert!(!comparison.downgraded);
    }
}

#[test]
fn a_packages_own_version_is_no_difference() {
    for format in [Format::Deb, Format::Rpm] {
        let mut old = package(format);
        old.fields.insert(
            "SourceRPM".to_owned(),
            "acme-tool-1.2~rc1-3.test.src.rpm".to_owned(),
        );
        old.relations.insert(
            "Suggests".to_owned(),
            vec!["acme (= 1.2~rc1-3.test)".to_owned()],
        );
        let mut new = old.clone();
        new.version.upstream = "1.3".to_owned();
        new.fields.insert(
            "SourceRPM".to_owned(),
            "acme-tool-1.3-3.test.src.rpm".to_owned(),
        );
        new.relations.insert(
            "Suggests".to_owned(),
            vec!["acme (= 1.3-3.test)".to_owned()],
        );
        new.relations.remove("Provides");
        old.relations.remove("Provides");
        let comparison = compare(&old, &new);
        assert!(comparison.is_empty(), "{comparison:?}");
    }
}

#[test]
fn every_kind_of_difference_is_found() {
    for format in [Format::Deb, Format::Rpm] {
        let old = package(format);
        let mut new = old.clone();
        for file in &mut new.files {
            file.path = file
                .path
                .replace("Zope.Interface-5.0", "Zope.Interface-4.9")
                .replace("idna-3.20", "idnb-1");
            match file.path.as_str() {
                "/opt/acme/a" => {
                    file.mode = 0o755;
                    file.size = 4;
                    file.digest = Some("sha256:other".to_owned());
                    file.marks = vec!["config"];
                }
                "/usr/bin/a" => file.kind = FileKind::Symlink("../a".to_owned()),
                _ => {}
            }
        }
        new.version.upstream = "1.1".to_owned();
        let script = |text: &str| Script {
            interpreter: String::new(),
            text: text.to_owned(),
        };
        new.scripts.insert("postinst".to_owned(), script("echo\n"));
        let relation = if format == Format::Deb {
            "Depends"
        } else {
            "Requires"
        };
        new.relations
            .entry(relation.to_owned())
            .or_default()
            .push("libpq5".to_owned());
        new.fields.insert(
            "Homepage".to_owned(),
            "https://example.org/other".to_owned(),
        );
        let found = compare(&old, &new);
        let distributions: Vec<_> = found
            .distributions
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.old.as_deref(),
                    it.new.as_deref(),
                    it.downgraded,
                )
            })
            .collect();
        assert_eq!(
            distributions,
            [
                ("idna", Some("3.20"), None, false),
                ("idnb", None, Some("1"), false),
                ("zope-interface", Some("5.0"), Some("4.9"), true),
            ]
        );
        assert!(found.downgraded);
        assert_eq!(found.relations[0].added, ["libpq5"]);
        assert_eq!(found.scripts[0].difference, ["+echo"]);
        assert!(found.fields.iter().any(|change| change.name == "Homepage"));
        let file = |path: &str| {
            let file = found.files.iter().find(|file| file.path == path).unwrap();
            let names: Vec<&str> = file
                .changes
                .iter()
                .map(|change| change.name.as_str())
                .collect();
            (file.fate, names)
        };
        assert_eq!(
            file("/opt/acme/a"),
            (Fate::Changed, vec!["mode", "marks", "content"])
        );
        assert_eq!(file("/usr/bin/a"), (Fate::Changed, vec!["target"]));
        let gone = "/opt/acme/lib/python3.11/site-packages/idna-3.20.dist-info/METADATA";
        assert_eq!(file(gone), (Fate::Removed, vec![]));
    }
}
