//! The rpm writer against rpm, rpmkeys and rpm2cpio.

use std::path::PathBuf;

use super::*;
use crate::package::fixture::{self, CODECS, EPOCH, run};
use crate::platform::Codec;

mod payload;

/// Writes the package and gives its path.
pub(super) fn written(folder: &Path, spec: &PackageSpec, tree: &Tree) -> PathBuf {
    let path = folder.join(Rpm.file_name(spec));
    let artifact = Rpm.write(spec, tree, &path).unwrap();
    assert_eq!(artifact.digest, Digest::of_file(&path).unwrap());
    assert_eq!(artifact.size, fs_err::metadata(&path).unwrap().len());
    path
}

/// What rpm says of a package file by a query format.
pub(super) fn query(path: &Path, format: &str) -> String {
    run(
        "rpm",
        &[
            "-qp",
            "--nosignature",
            "--qf",
            format,
            path.to_str().unwrap(),
        ],
    )
}

/// rpm with a database and root of its own.
pub(super) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    pub(super) fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs_err::create_dir_all(this.path()).unwrap();
        this
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn rpm(&self, arguments: &[&str]) -> String {
        let root = format!("--root={}", self.path().display());
        run(
            "rpm",
            &[&[root.as_str(), "--dbpath=/var/lib/rpm"], arguments].concat(),
        )
    }

    fn install(&self, package: &Path) {
        let package = package.to_str().unwrap();
        self.rpm(&[
            "-i",
            "--force-debian",
            "--nosignature",
            "--ignorearch",
            package,
        ]);
    }
}

#[test]
fn rpm_installs_verifies_and_removes_it_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for codec in CODECS {
        let path = written(folder.path(), &fixture::spec(codec), &tree);
        let root = Root::new();
        root.install(&path);
        // rpm puts files into a folder after it has given the folder its time.
        let without_time = |line: &String| {
            let (path, _) = line
                .split_once(" 40")
                .filter(|_| line.ends_with(" folder"))?;
            Some(path.to_owned())
        };
        let found = fixture::walk(&root.path());
        for line in &fixture::expected(&tree, &[]) {
            let is_there = match without_time(line) {
                Some(folder) => found
                    .iter()
                    .any(|line| without_time(line).as_ref() == Some(&folder)),
                None => found.contains(line),
            };
            assert!(is_there, "{codec:?}: {line}");
        }
        assert_eq!(root.rpm(&["-V", "acme-tool"]), "");
        let listed = root.rpm(&["-ql", "acme-tool"]);
        let paths: Vec<String> = tree.iter().map(|(path, _)| format!("/{path}")).collect();
        assert_eq!(listed.lines().collect::<Vec<_>>(), paths);
        root.rpm(&["-e", "acme-tool"]);
        let rest = fixture::walk(&root.path().join("opt"));
        assert_eq!(rest, Vec::<String>::new());
        assert!(
            root.path().join("usr/bin").exists(),
            "a folder it does not own is gone"
        );
    }
}

#[test]
fn any_time_from_1970_to_2106_is_written_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for epoch in [0, u64::from(u32::MAX)] {
        let spec = PackageSpec {
            epoch,
            ..fixture::spec(Codec::Zstd)
        };
        let path = written(folder.path(), &spec, &tree);
        let times = query(&path, "[%{FILENAMES} %{FILEMTIMES}\n]");
        // What comes from a layer is never later than the package, but may be earlier.
        let layer = epoch.min(EPOCH - 1000);
        for line in [
            format!("/usr/bin/acme-tool {epoch}"),
            format!("/opt/acme-tool/lib/data {layer}"),
        ] {
            assert!(times.lines().any(|found| found == line), "{times}");
        }
        let root = Root::new();
        root.install(&path);
        assert_eq!(root.rpm(&["-V", "acme-tool"]), "");
    }
}

#[test]
fn changed_files_are_found_by_verification() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let root = Root::new();
    root.install(&written(folder.path(), &fixture::spec(Codec::Zstd), &tree));
    fs_err::write(root.path().join("opt/acme-tool/lib/data"), "HEADuuuu").unwrap();
    let flag = format!("--root={}", root.path().display());
    let output = std::process::Command::new("rpm")
        .args([flag.as_str(), "--dbpath=/var/lib/rpm", "-V", "acme-tool"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains('5') && text.contains("/opt/acme-tool/lib/data"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn rpm_finds_its_digests_sound_and_a_changed_byte_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for codec in CODECS {
        let path = written(folder.path(), &fixture::spec(codec), &tree);
        let checked = run("rpm", &["-Kv", "--nosignature", path.to_str().unwrap()]);
        for line in [
            "Header SHA256 digest: OK",
            "Header SHA1 digest: OK",
            "Payload SHA256 digest: OK",
            "MD5 digest: OK",
        ] {
            assert!(checked.contains(line), "{codec:?}: {checked}");
        }
        let mut bytes = fs_err::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs_err::write(&path, bytes).unwrap();
        let output = std::process::Command::new("rpm")
            .arg("-K")
            .arg(&path)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{codec:?}");
    }
}

#[test]
fn every_tag_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Xz);
    spec.version.epoch = Some(2);
    let mut tree = Tree::default();
    fixture::file(&mut tree, "opt/x", 0o640, &[1; 1025]);
    let path = written(folder.path(), &spec, &tree);
    assert_eq!(
        path.file_name().unwrap(),
        "acme-tool-1.2~rc1-3.test.x86_64.rpm"
    );
    let check = |format: &str, expect: &str| assert_eq!(query(&path, format), expect, "{format}");
    check(
        "%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH} %{OS}",
        "acme-tool 2 1.2~rc1 3.test x86_64 linux",
    );
    check(
        "%{SUMMARY}|%{DESCRIPTION}",
        "a tool of größe|First paragraph.\n\nSecond paragraph:\n  as it is",
    );
    check(
        "%{BUILDTIME} %{BUILDHOST} %{SIZE}",
        &format!("{EPOCH} reproducible 1025"),
    );
    check(
        "%{VENDOR}|%{LICENSE}|%{PACKAGER}|%{GROUP}|%{URL}",
        "Example|MIT|Ann Example <ann@example.org>|Unspecified|https://example.org/tool",
    );
    check(
        "%{SOURCERPM} %{SOURCEPACKAGE}",
        "acme-tool-1.2~rc1-3.test.src.rpm (none)",
    );
    check(
        "%{RPMVERSION} %{PAYLOADFORMAT} %{PAYLOADCOMPRESSOR} %{PAYLOADFLAGS} %{ENCODING}",
        "4.14.0 cpio xz 6 utf-8",
    );
    check("%{PAYLOADDIGESTALGO} %{FILEDIGESTALGO}", "8 8");
    let file_digest = Digest::of([1; 1025]);
    check(
        "[%{FILENAMES} %{FILEMODES:perms} %{FILESIZES} %{FILEMTIMES} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEDIGESTS}]",
        &format!("/opt/x -rw-r----- 1025 {EPOCH} root:root {file_digest}"),
    );
    let archive_size = query(&path, "%{ARCHIVESIZE} %{LONGARCHIVESIZE} %{SIGSIZE}");
    let plain = run(
        "sh",
        &[
            "-c",
            "rpm2cpio \"$1\" | wc -c",
            "sh",
            path.to_str().unwrap(),
        ],
    );
    assert!(
        archive_size.starts_with(&format!("{} ", plain.trim())),
        "{archive_size} {plain}"
    );
    spec.license = None;
    spec.vendor = None;
    spec.homepage = None;
    spec.architecture = None;
    let path = written(folder.path(), &spec, &tree);
    assert_eq!(
        path.file_name().unwrap(),
        "acme-tool-1.2~rc1-3.test.noarch.rpm"
    );
    assert_eq!(
        query(&path, "%{LICENSE} %{VENDOR} %{URL} %{ARCH}"),
        "Unknown (none) (none) noarch"
    );
}

#[test]
fn what_it_provides_and_requires_is_what_rpmbuild_would_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = fixture::spec(Codec::Zstd);
    spec.version.epoch = Some(1);
    spec.depends = [
        "python(abi) = 3.9",
        "glibc >= 2.17",
        "/bin/sh",
        "glibc >= 2.17",
        "x < 1^2",
    ]
    .map(String::from)
    .to_vec();
    let path = written(folder.path(), &spec, &Tree::default());
    let provides = run(
        "rpm",
        &["-qp", "--nosignature", "--provides", path.to_str().unwrap()],
    );
    assert_eq!(
        provides,
        "acme-tool = 1:1.2~rc1-3.test\nacme-tool(x86-64) = 1:1.2~rc1-3.test\n"
    );
    let requires = run(
        "rpm",
        &["-qp", "--nosignature", "--requires", path.to_str().unwrap()],
    );
    assert_eq!(
        requires,
        "/bin/sh\nglibc >= 2.17\npython(abi) = 3.9\nrpmlib(CaretInVersions) <= 4.15.0-1\n\
         rpmlib(CompressedFileNames) <= 3.0.4-1\nrpmlib(FileDigests) <= 4.6.0-1\n\
         rpmlib(PayloadFilesHavePrefix) <= 4.0-1\nrpmlib(PayloadIsZstd) <= 5.4.18-1\n\
         rpmlib(TildeInVersions) <= 4.10.0-1\nx < 1^2\n"
    );
    // Flags that rpm does not print: the features must be marked as rpm's own.
    let flags = query(&path, "[%{REQUIRENAME} %{REQUIREFLAGS:hex}\n]");
    assert!(flags.contains("rpmlib(FileDigests) 100000a\n"), "{flags}");
}

#[test]
fn what_rpmbuild_puts_into_a_header_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let spec_file = folder.path().join("x.spec");
    fs_err::write(
        &spec_file,
        "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n%description\nx\n\
         %install\nmkdir -p %{buildroot}/opt\necho x > %{buildroot}/opt/x\n%files\n/opt/x\n",
    )
    .unwrap();
    let top = format!("_topdir {}", folder.path().display());
    run(
        "rpmbuild",
        &["-bb", "--quiet", "-D", &top, spec_file.to_str().unwrap()],
    );
    let theirs = folder.path().join("RPMS/noarch/x-1-1.noarch.rpm");
    let tags = |path: &Path| -> Vec<String> {
        let names = run("rpm", &["--querytags"]);
        let formats: Vec<String> = names
            .lines()
            .map(|name| format!("%|{name}?{{{name}\n}}:{{}}|"))
            .collect();
        query(path, &formats.concat())
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let mut tree = Tree::default();
    fixture::file(&mut tree, "opt/x", 0o644, b"x\n");
    let mut spec = fixture::spec(Codec::Zstd);
    spec.architecture = None;
    let ours = tags(&written(folder.path(), &spec, &tree));
    let missing: Vec<String> = tags(&theirs)
        .into_iter()
        .filter(|name| !ours.contains(name))
        .collect();
    // What file(1) said and the colours are for rpm's own dependency generators and multilib
    // conflicts; the digest of the uncompressed payload is for delta packages.
    let left_out = [
        "CLASSDICT",
        "FILECOLORS",
        "OPTFLAGS",
        "PAYLOADDIGESTALT",
        "PLATFORM",
    ];
    assert_eq!(missing, left_out);
}

#[test]
fn an_empty_package_is_a_package() {
    let folder = tempfile::tempdir().unwrap();
    for codec in CODECS {
        let path = written(folder.path(), &fixture::spec(codec), &Tree::default());
        let root = Root::new();
        root.install(&path);
        assert_eq!(
            root.rpm(&["-q", "acme-tool"]).trim(),
            "acme-tool-1.2~rc1-3.test.x86_64"
        );
        assert!(
            root.rpm(&["-ql", "acme-tool"])
                .contains("contains no files")
        );
    }
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
fn content_that_is_gone_leaves_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out/x.rpm");
    let mut tree = Tree::default();
    fixture::slice(&mut tree, "opt/x", &folder.path().join("layer"), 9, None);
    let error = Rpm
        .write(&fixture::spec(Codec::Zstd), &tree, &path)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert!(
        error.message().contains("/opt/x") && error.message().contains("layer"),
        "{error}"
    );
    assert_eq!(
        fixture::walk(&folder.path().join("out")),
        Vec::<String>::new()
    );
}

#[test]
fn values_that_no_header_can_hold_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.rpm");
    let refused = |change: &dyn Fn(&mut PackageSpec), kind: Kind, field: &str| {
        let mut spec = fixture::spec(Codec::Gzip);
        change(&mut spec);
        let error = Rpm.write(&spec, &Tree::default(), &path).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(field), "{error}");
        assert!(!path.exists());
    };
    refused(
        &|spec| spec.summary = "a\0b".into(),
        Kind::Config,
        "summary",
    );
    refused(
        &|spec| spec.vendor = Some("a\nb".into()),
        Kind::Config,
        "vendor",
    );
    refused(
        &|spec| spec.license = Some("a\tb".into()),
        Kind::Config,
        "license",
    );
    refused(
        &|spec| spec.maintainer = String::new(),
        Kind::Config,
        "maintainer",
    );
    refused(
        &|spec| spec.depends = vec!["a b".into()],
        Kind::Config,
        "dependency",
    );
    refused(&|spec| spec.epoch = 1 << 32, Kind::Config, "time");
    refused(
        &|spec| spec.version.revision = String::new(),
        Kind::Version,
        "release",
    );
    refused(
        &|spec| spec.version.upstream = "1-2".into(),
        Kind::Version,
        "version",
    );
}
