//! `omnibuild diff` on packages that dpkg-deb makes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A deb of a version with one file and one distribution.
fn deb(folder: &Path, name: &str, version: &str, content: &str, distribution: &str) -> PathBuf {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    put(
        "DEBIAN/control",
        &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Ann <a@example.org>\nDescription: x\n"
        ),
    );
    put("opt/acme/file", content);
    put(
        &format!("opt/acme/lib/site-packages/{distribution}.dist-info/METADATA"),
        "",
    );
    fs_err::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{name}_{version}_all.deb"));
    let output = Command::new("dpkg-deb")
        .args(["--root-owner-group", "-b"])
        .args([root.path(), &path])
        .output()
        .expect("dpkg-deb is needed for this test");
    assert!(output.status.success());
    path
}

fn diff(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_omnibuild"))
        .current_dir(folder)
        .env_clear()
        .arg("diff")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn differences_are_shown_and_gates_fail() {
    let folder = tempfile::tempdir().unwrap();
    let old = deb(
        &folder.path().join("old"),
        "acme",
        "1.0-1",
        "one",
        "idna-2.0",
    );
    let new = deb(
        &folder.path().join("new"),
        "acme",
        "1.1-1",
        "two two",
        "idna-1.9",
    );
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let (code, text, _) = diff(folder.path(), &[old, new]);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "acme 1.0-1 → 1.1-1",
        "idna",
        "downgraded",
        "~ /opt/acme/file",
        "content: 3 bytes",
    ] {
        assert!(text.contains(expected), "`{expected}` is not in\n{text}");
    }
    let gate = |word: &str| diff(folder.path(), &["--fail-on", word, old, new]);
    for (word, message) in [
        ("downgraded", "idna downgraded"),
        ("files", "files"),
        ("changed", "idna changed"),
    ] {
        let (code, _, error) = gate(word);
        assert_eq!(code, Some(18), "{word}: {error}");
        assert!(error.contains(message), "{error}");
    }
    for word in [
        "removed",
        "added",
        "scripts",
        "depends",
        "size+50%,permissions",
    ] {
        assert_eq!(gate(word).0, Some(0), "{word}");
    }
    assert_eq!(gate("bigger").0, Some(2));
    let (code, text, _) = diff(folder.path(), &["--json", old, new]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(value["result"][0]["distributions"][0]["downgraded"], true);
}

#[test]
fn folders_and_versions_are_matched() {
    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("packages/debian-12");
    deb(&packages, "acme", "1.0-1", "one", "idna-2.0");
    deb(&packages, "acme", "1.1-1", "one", "idna-2.0");
    deb(&packages, "beta", "1.1-1", "one", "idna-2.0");
    let (code, text, error) = diff(folder.path(), &["--fail-on", "removed", "1.0", "1.1"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("acme 1.0-1 → 1.1-1"), "{text}");
    assert!(text.contains("nothing else differs"), "{text}");
    assert!(text.contains("beta 1.1-1: added"), "{text}");
    let (code, text, _) = diff(folder.path(), &["--fail-on", "removed", "1.1", "1.0"]);
    assert_eq!(code, Some(18));
    assert!(
        text.contains("beta 1.1-1: removed") && text.contains("(downgraded)"),
        "{text}"
    );
    let (code, text, _) = diff(folder.path(), &["packages/debian-12", "packages/debian-12"]);
    assert_eq!(code, Some(0));
    assert_eq!(text.matches("identical (sha256").count(), 2, "{text}");
    let (code, _, error) = diff(folder.path(), &["1.0", "9.9"]);
    assert_eq!(code, Some(9));
    assert!(
        error.contains("no package of version `9.9`") && error.contains("hint:"),
        "{error}"
    );
    fs_err::write(folder.path().join("x.deb"), "no package").unwrap();
    let (code, _, error) = diff(folder.path(), &["x.deb", "packages/debian-12"]);
    assert_eq!(code, Some(15), "{error}");
}

#[test]
fn a_version_of_two_platforms_is_held_against_one_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("packages");
    let (one, other) = (packages.join("debian-12"), packages.join("debian-13"));
    deb(&one, "acme", "1.0-1", "one", "idna-2.0");
    deb(&other, "acme", "1.0-1", "one", "idna-2.0");
    deb(&one, "acme", "1.1-1", "one", "idna-2.0");
    for (words, alone) in [
        (["1.0", "1.1"], "acme 1.0-1: removed"),
        (["1.1", "1.0"], "acme 1.0-1: added"),
    ] {
        let (code, text, error) = diff(folder.path(), &words);
        assert_eq!(code, Some(0), "{error}");
        assert!(text.contains(" → "), "{text}");
        assert_eq!(text.matches(alone).count(), 1, "{text}");
        let unpaired = text.matches(": removed").count() + text.matches(": added").count();
        assert_eq!(unpaired, 1, "{text}");
    }
}
