//! The deb writer against dpkg-deb, dpkg and dpkg-gencontrol.

use std::path::PathBuf;

use super::*;
use crate::package::fixture::{self, CODECS, EPOCH, run};
use crate::platform::Codec;

/// Writes the package and gives its path.
pub(super) fn written(folder: &Path, spec: &PackageSpec, tree: &Tree) -> PathBuf {
    let path = folder.join(Deb.file_name(spec));
    let artifact = Deb.write(spec, tree, &path).unwrap();
    assert_eq!(
        artifact.digest,
        crate::digest::Digest::of_file(&path).unwrap()
    );
    assert_eq!(artifact.size, fs_err::metadata(&path).unwrap().len());
    assert_eq!(artifact.file_name, Deb.file_name(spec));
    path
}

#[test]
fn dpkg_deb_unpacks_what_the_tree_holds_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for codec in CODECS {
        let path = written(folder.path(), &fixture::spec(codec), &tree);
        let root = folder.path().join(codec.extension());
        run(
            "dpkg-deb",
            &["-x", path.to_str().unwrap(), root.to_str().unwrap()],
        );
        let expected = fixture::expected(&tree, &fixture::unnamed_parents(&tree));
        assert_eq!(fixture::walk(&root), expected, "{codec:?}");
    }
}

#[test]
fn every_entry_is_roots_and_named_as_dpkg_deb_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    fixture::file(&mut tree, "opt/a-b", 0o755, b"12345");
    fixture::file(&mut tree, "opt/a/b", 0o644, b"");
    fixture::symlink(&mut tree, "usr/bin/a", "/opt/a-b");
    let path = written(folder.path(), &fixture::spec(Codec::Zstd), &tree);
    let listing = run("dpkg-deb", &["-c", path.to_str().unwrap()]);
    let listing: Vec<String> = listing
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        listing,
        [
            "drwxr-xr-x root/root 0 2024-01-02 03:04 ./",
            "drwxr-xr-x root/root 0 2024-01-02 03:04 ./opt/",
            "drwxr-xr-x root/root 0 2024-01-02 03:04 ./opt/a/",
            "drwxr-xr-x root/root 0 2024-01-02 03:04 ./usr/",
            "drwxr-xr-x root/root 0 2024-01-02 03:04 ./usr/bin/",
            "-rwxr-xr-x root/root 5 2024-01-02 03:04 ./opt/a-b",
            "-rw-r--r-- root/root 0 2024-01-02 03:04 ./opt/a/b",
            "lrwxrwxrwx root/root 0 2024-01-02 03:04 ./usr/bin/a -> /opt/a-b",
        ]
    );
}

#[test]
fn the_control_file_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Gzip);
    spec.version.epoch = Some(2);
    spec.depends = vec!["libc6 (>= 2.36)".into(), "python3.11".into()];
    let mut tree = Tree::default();
    fixture::file(&mut tree, "opt/x", 0o644, &[1; 1025]);
    fixture::symlink(&mut tree, "opt/y", "x");
    let path = written(folder.path(), &spec, &tree);
    assert_eq!(
        path.file_name().unwrap(),
        "acme-tool_1.2~rc1-3.test_amd64.deb"
    );
    let control = run("dpkg-deb", &["-f", path.to_str().unwrap()]);
    assert_eq!(
        control,
        "Package: acme-tool\nVersion: 2:1.2~rc1-3.test\nArchitecture: amd64\n\
         Maintainer: Ann Example <ann@example.org>\nInstalled-Size: 5\n\
         Depends: libc6 (>= 2.36), python3.11\nSection: utils\nPriority: optional\n\
         Homepage: https://example.org/tool\nDescription: tool of größe\n First paragraph.\n .\n \
         Second paragraph:\n   as it is\n"
    );
    spec.architecture = None;
    assert_eq!(Deb.file_name(&spec), "acme-tool_1.2~rc1-3.test_all.deb");
}

#[test]
fn the_checksums_are_those_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let path = written(folder.path(), &fixture::spec(Codec::Zstd), &tree);
    let (root, control) = (folder.path().join("root"), folder.path().join("control"));
    run(
        "dpkg-deb",
        &["-x", path.to_str().unwrap(), root.to_str().unwrap()],
    );
    run(
        "dpkg-deb",
        &["-e", path.to_str().unwrap(), control.to_str().unwrap()],
    );
    let sums = fs_err::read_to_string(control.join("md5sums")).unwrap();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        // From standard input, so that md5sum has no name to escape.
        let output = std::process::Command::new("md5sum")
            .stdin(fs_err::File::open(root.join(name)).unwrap().into_file())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{sum}  -\n"),
            "{name}"
        );
    }
    let files = fixture::walk(&root)
        .iter()
        .filter(|line| line.contains(" file "))
        .count();
    assert_eq!(sums.lines().count(), files);
}

#[test]
fn the_installed_size_is_dpkg_gencontrols() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let path = written(folder.path(), &fixture::spec(Codec::Zstd), &tree);
    let root = folder.path().join("root");
    run(
        "dpkg-deb",
        &["-x", path.to_str().unwrap(), root.to_str().unwrap()],
    );
    let source = folder.path().join("control");
    fs_err::write(&source, "Source: x\nMaintainer: a <a@example.org>\n\nPackage: x\nArchitecture: all\nDescription: x\n").unwrap();
    let changes = folder.path().join("changelog");
    fs_err::write(&changes, "x (1) unstable; urgency=low\n\n  * x\n\n -- a <a@example.org>  Tue, 02 Jan 2024 03:04:05 +0000\n").unwrap();
    let theirs = run(
        "dpkg-gencontrol",
        &[
            "-O",
            &format!("-P{}", root.display()),
            &format!("-c{}", source.display()),
            &format!("-l{}", changes.display()),
            &format!("-f{}", folder.path().join("files").display()),
        ],
    );
    let theirs = theirs
        .lines()
        .find_map(|line| line.strip_prefix("Installed-Size: "));
    let ours = run(
        "dpkg-deb",
        &["-f", path.to_str().unwrap(), "Installed-Size"],
    );
    assert_eq!(theirs, Some(ours.trim()));
}

#[test]
fn dpkg_installs_verifies_and_removes_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for name in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "usr"] {
        fs_err::create_dir_all(root.join(name)).unwrap();
    }
    fs_err::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let tree = fixture::tree(folder.path());
    let path = written(folder.path(), &fixture::spec(Codec::Xz), &tree);
    let root_flag = format!("--root={}", root.display());
    let log = format!("--log={}", folder.path().join("log").display());
    let dpkg = |arguments: &[&str]| {
        run(
            "dpkg",
            &[
                &[
                    root_flag.as_str(),
                    &log,
                    "--force-not-root",
                    "--force-bad-path",
                ],
                arguments,
            ]
            .concat(),
        )
    };
    dpkg(&["-i", path.to_str().unwrap()]);
    assert_eq!(
        fs_err::read(root.join("opt/acme-tool/lib/data")).unwrap(),
        b"HEADtttt"
    );
    assert!(dpkg(&["-s", "acme-tool"]).contains("Status: install ok installed"));
    assert_eq!(dpkg(&["--verify", "acme-tool"]), "");
    fs_err::write(root.join("opt/acme-tool/lib/data"), "other").unwrap();
    assert!(dpkg(&["--verify", "acme-tool"]).contains("opt/acme-tool/lib/data"));
    dpkg(&["-P", "acme-tool"]);
    assert!(!root.join("opt/acme-tool").exists());
}

#[test]
fn the_members_are_those_of_the_format() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, data) in CODECS
        .into_iter()
        .zip(["data.tar.gz", "data.tar.xz", "data.tar.zst"])
    {
        let path = written(folder.path(), &fixture::spec(codec), &Tree::default());
        let listing = run("ar", &["tv", path.to_str().unwrap()]);
        let names: Vec<&str> = listing
            .lines()
            .filter_map(|line| line.split(' ').next_back())
            .collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", data]);
        assert!(
            listing.lines().all(|line| {
                line.starts_with("rw-r--r-- 0/0") && line.contains("Jan  2 03:04 2024")
            }),
            "{listing}"
        );
    }
}

#[test]
fn an_empty_package_is_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Zstd);
    spec.description = String::new();
    let path = written(folder.path(), &spec, &Tree::default());
    let listing = run("dpkg-deb", &["-c", path.to_str().unwrap()]);
    assert!(
        listing.lines().count() == 1 && listing.ends_with(" ./\n"),
        "{listing}"
    );
    run("dpkg-deb", &["-I", path.to_str().unwrap()]);
}

#[test]
fn two_writes_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for codec in CODECS {
        let spec = fixture::spec(codec);
        let first = fs_err::read(written(&folder.path().join("a"), &spec, &tree)).unwrap();
        let second = fs_err::read(written(&folder.path().join("b"), &spec, &tree)).unwrap();
        assert!(first == second, "{codec:?}");
        let later = PackageSpec {
            epoch: EPOCH + 60,
            ..spec
        };
        let third = fs_err::read(written(&folder.path().join("c"), &later, &tree)).unwrap();
        assert!(first != third, "{codec:?}");
    }
}

#[test]
fn content_that_is_gone_or_too_short_leaves_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("layer");
    let path = folder.path().join("out/x.deb");
    let mut tree = Tree::default();
    fixture::slice(&mut tree, "opt/x", &data, 9, None);
    let error = Deb
        .write(&fixture::spec(Codec::Zstd), &tree, &path)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert!(
        error.message().contains("/opt/x") && error.message().contains("layer"),
        "{error}"
    );
    fs_err::write(&data, "---12345678").unwrap();
    let error = Deb
        .write(&fixture::spec(Codec::Zstd), &tree, &path)
        .unwrap_err();
    assert!(error.message().contains("ends 1 bytes early"), "{error}");
    assert_eq!(
        fixture::walk(&folder.path().join("out")),
        Vec::<String>::new()
    );
}

#[test]
fn fields_that_would_forge_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.deb");
    let refused = |change: &dyn Fn(&mut PackageSpec), field: &str| {
        let mut spec = fixture::spec(Codec::Gzip);
        change(&mut spec);
        let error = Deb.write(&spec, &Tree::default(), &path).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains(field), "{error}");
        assert!(!path.exists());
    };
    let forged = || "x\nEssential: yes".to_owned();
    refused(&|spec| spec.summary = forged(), "summary");
    refused(&|spec| spec.maintainer = forged(), "maintainer");
    refused(&|spec| spec.homepage = Some(forged()), "homepage");
    refused(&|spec| spec.depends = vec![forged()], "dependency");
    refused(&|spec| spec.description = "a\0b".into(), "description");
    refused(&|spec| spec.epoch = LAST_TIME + 1, "time");
}

#[test]
fn any_time_from_1970_to_2242_is_written_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    // 3000000000 is in 2065.
    for (epoch, day) in [
        (0, "1970-01-01"),
        (3_000_000_000, "2065-01-24"),
        (LAST_TIME, "2242-03-16"),
    ] {
        let spec = PackageSpec {
            epoch,
            ..fixture::spec(Codec::Zstd)
        };
        let path = written(folder.path(), &spec, &tree);
        let listing = run("dpkg-deb", &["-c", path.to_str().unwrap()]);
        let of = |name: &str| listing.lines().find(|line| line.contains(name)).unwrap();
        assert!(of("usr/bin/acme-tool ").contains(day), "{listing}");
        // What comes from a layer is never later than the package, but may be earlier.
        let layer = if epoch == 0 { day } else { "2024-01-02 02:47" };
        assert!(of("lib/data").contains(layer), "{listing}");
    }
}

/// Its size has ten characters in a header of sixty bytes. What is too large is known before the
/// package's first byte is written.
#[test]
fn a_member_above_ten_digits_is_refused() {
    check_member(LARGEST_MEMBER).unwrap();
    let mut header = Vec::new();
    member(&mut header, "data.tar.zst", LARGEST_MEMBER, EPOCH).unwrap();
    assert_eq!(header.len(), 60);
    assert!(header.ends_with(b" 9999999999`\n"));

    let error = check_member(LARGEST_MEMBER + 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Build);
    for said in ["is 10000000000 bytes", "at most 9999999999"] {
        assert!(error.message().contains(said), "{error}");
    }
    assert!(error.hints()[0].contains("leave large data out"));
}
