//! The reader against what our writers and the distributions' own tools make, and against damage.

mod damage;

use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::digest::Digest;
use crate::package::fixture::{self, CODECS, EPOCH, run};
use crate::package::{PackageSpec, packager};
use crate::platform::Channel;
use crate::tree::Tree;

const FORMATS: [Format; 2] = [Format::Deb, Format::Rpm];

fn written(folder: &Path, format: Format, spec: &PackageSpec, tree: &Tree) -> PathBuf {
    let path = folder.join(packager(format).file_name(spec));
    packager(format).write(spec, tree, &path).unwrap();
    path
}

fn small(folder: &Path, format: Format, codec: Codec) -> PathBuf {
    let mut tree = Tree::default();
    fixture::file(&mut tree, "opt/acme/a", 0o644, b"content of a");
    fixture::file(&mut tree, "opt/acme/b", 0o755, b"#!/bin/sh\n");
    fixture::symlink(&mut tree, "usr/bin/b", "/opt/acme/b");
    written(folder, format, &fixture::spec(codec), &tree)
}

fn contents(path: &Path) -> (Package, BTreeMap<String, Digest>) {
    let mut contents = BTreeMap::new();
    let package = for_each_content(path, |file, content| {
        let (digest, length) = Digest::of_reader(content)?;
        assert_eq!(length, file.size, "{}", file.path);
        assert!(contents.insert(file.path.clone(), digest).is_none());
        Ok(())
    })
    .unwrap();
    (package, contents)
}

#[test]
fn what_the_writers_write_is_read_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    for format in FORMATS {
        for codec in CODECS {
            let mut spec = fixture::spec(codec);
            spec.version.epoch = Some(2);
            spec.depends = vec!["python3.11".to_owned()];
            let path = written(folder.path(), format, &spec, &tree);
            let (package, contents) = contents(&path);
            assert_eq!(package, read(&path).unwrap());
            assert_eq!(package.name, "acme-tool");
            assert_eq!(package.version, spec.version);
            assert_eq!(package.full_version(), "2:1.2~rc1-3.test");
            assert_eq!(package.compression, Some(codec));
            assert_eq!(package.size, fs_err::metadata(&path).unwrap().len());
            assert_eq!(package.installed_size, tree.installed_size());
            assert_eq!(package.problems, Vec::<String>::new());
            let needs = match format {
                Format::Deb => &package.relations["Depends"],
                Format::Rpm => &package.relations["Requires"],
            };
            assert!(needs.contains(&"python3.11".to_owned()), "{needs:?}");
            let mut reader = crate::tree::ContentReader::default();
            for (path, entry) in tree.iter() {
                let file = package.file(&format!("/{path}")).unwrap();
                assert_eq!((file.owner.as_str(), file.group.as_str()), ("root", "root"));
                assert_eq!(file.time, entry.time(EPOCH));
                match &entry.kind {
                    crate::tree::EntryKind::Directory => {
                        assert_eq!(file.kind, FileKind::Directory);
                        assert_eq!(file.mode, entry.mode);
                    }
                    crate::tree::EntryKind::Symlink(target) => {
                        assert_eq!(file.kind, FileKind::Symlink(target.clone()));
                    }
                    crate::tree::EntryKind::HardLink(_) => {
                        panic!("the fixture has no hard link: rpmbuild's package has")
                    }
                    crate::tree::EntryKind::File { size, content } => {
                        let mut content = reader.read(content, *size, entry.time(EPOCH)).unwrap();
                        let (digest, _) = Digest::of_reader(&mut content).unwrap();
                        assert_eq!(file.kind, FileKind::File);
                        assert_eq!((file.mode, file.size), (entry.mode, *size));
                        assert_eq!(file.digest, Some(format!("sha256:{digest}")));
                        assert_eq!(contents[&file.path], digest, "{path}");
                    }
                }
            }
            let plain = |file: &&File| file.kind == FileKind::File;
            assert_eq!(contents.len(), package.files.iter().filter(plain).count());
        }
    }
}

#[test]
fn dpkg_debs_own_packages_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs_err::create_dir_all(root.join("DEBIAN")).unwrap();
    fs_err::create_dir_all(root.join("etc")).unwrap();
    fs_err::write(root.join("DEBIAN/conffiles"), "/etc/acme.conf\n").unwrap();
    fs_err::write(
        root.join("DEBIAN/control"),
        "Package: acme\nVersion: 1.0\nArchitecture: all\nMaintainer: Ann <ann@example.org>\n\
         Depends: a (>= 1),\n b | c\nConflicts: d\nDescription: one line\n More of it.\n",
    )
    .unwrap();
    fs_err::write(root.join("DEBIAN/postinst"), "#!/bin/sh\nexit 0\n").unwrap();
    fs_err::write(root.join("DEBIAN/triggers"), "activate-noawait ldconfig\n").unwrap();
    run(
        "chmod",
        &["755", root.join("DEBIAN/postinst").to_str().unwrap()],
    );
    fs_err::write(root.join("etc/acme.conf"), "a = 1\n").unwrap();
    fs_err::write(root.join("etc/one"), "shared").unwrap();
    fs_err::hard_link(root.join("etc/one"), root.join("etc/two")).unwrap();
    let name = "n".repeat(200);
    fs_err::write(root.join("etc").join(&name), "").unwrap();
    for compression in ["none", "gzip", "xz", "zstd"] {
        let path = folder.path().join(format!("{compression}.deb"));
        run(
            "dpkg-deb",
            &[
                "--root-owner-group",
                &format!("-Z{compression}"),
                "-b",
                root.to_str().unwrap(),
                path.to_str().unwrap(),
            ],
        );
        let (package, contents) = contents(&path);
        assert_eq!(package.full_version(), "1.0");
        assert_eq!(package.relations["Depends"], ["a (>= 1)", "b | c"]);
        assert_eq!(package.relations["Conflicts"], ["d"]);
        assert_eq!(package.fields["Description"], "one line\nMore of it.");
        assert_eq!(package.scripts["postinst"].text, "#!/bin/sh\nexit 0\n");
        assert_eq!(
            package.control_files["triggers"],
            "activate-noawait ldconfig\n"
        );
        assert_eq!(package.file("/etc/acme.conf").unwrap().marks, ["config"]);
        assert!(package.file(&format!("/etc/{name}")).is_some());
        let links: Vec<&File> = ["/etc/one", "/etc/two"]
            .iter()
            .map(|path| package.file(path).unwrap())
            .collect();
        let second = links
            .iter()
            .find(|file| file.kind != FileKind::File)
            .unwrap();
        let first = links
            .iter()
            .find(|file| file.kind == FileKind::File)
            .unwrap();
        assert_eq!(second.kind, FileKind::HardLink(first.path.clone()));
        assert_eq!((second.size, &second.digest), (6, &first.digest));
        assert_eq!(package.installed_size, 12);
        assert_eq!(contents.len(), 3);
    }
}

#[test]
fn rpmbuilds_own_packages_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().to_str().unwrap();
    let spec = folder.path().join("acme.spec");
    fs_err::write(
        &spec,
        "Name: acme\nVersion: 1.0\nRelease: 2\nEpoch: 3\nSummary: one line\nLicense: MIT\n\
         BuildArch: noarch\nRequires: a >= 1, b\nConflicts: c < 2\nAutoReqProv: no\n\
         %description\nMore of it.\n\
         %install\nmkdir -p %{buildroot}/etc/acme\necho 'a = 1' > %{buildroot}/etc/acme/conf\n\
         echo shared > %{buildroot}/etc/acme/one\nln %{buildroot}/etc/acme/one %{buildroot}/etc/acme/two\n\
         touch %{buildroot}/etc/acme/state\n\
         %post\necho hello\n%preun -p /bin/true\n%triggerin -- zsh > 5\necho zsh\n\
         %files\n%dir %attr(750,daemon,daemon) /etc/acme\n%config(noreplace) /etc/acme/conf\n\
         %ghost /etc/acme/state\n/etc/acme/one\n/etc/acme/two\n",
    )
    .unwrap();
    for payload in ["w9.gzdio", "w6.xzdio", "w3.zstdio"] {
        run(
            "rpmbuild",
            &[
                "-bb",
                "--define",
                &format!("_topdir {top}"),
                "--define",
                &format!("_binary_payload {payload}"),
                spec.to_str().unwrap(),
            ],
        );
        let path = folder.path().join("RPMS/noarch/acme-1.0-2.noarch.rpm");
        let (package, contents) = contents(&path);
        assert_eq!(package.full_version(), "3:1.0-2");
        assert_eq!(package.architecture, "noarch");
        assert_eq!(package.fields["Summary"], "one line");
        let requires = &package.relations["Requires"];
        for needed in ["a >= 1", "b", "/bin/sh"] {
            assert!(requires.iter().any(|it| it == needed), "{requires:?}");
        }
        assert_eq!(package.relations["Conflicts"], ["c < 2"]);
        assert_eq!(package.scripts["%post"].text.trim(), "echo hello");
        assert_eq!(package.scripts["%post"].interpreter, "/bin/sh");
        assert_eq!(package.scripts["%preun"].interpreter, "/bin/true");
        assert!(
            package.scripts.contains_key("%trigger 0 -- zsh > 5"),
            "{:?}",
            package.scripts
        );
        let folder = package.file("/etc/acme").unwrap();
        assert_eq!((folder.mode, folder.owner.as_str()), (0o750, "daemon"));
        let conf = package.file("/etc/acme/conf").unwrap();
        assert_eq!(conf.marks, ["config", "noreplace"]);
        assert_eq!(package.file("/etc/acme/state").unwrap().marks, ["ghost"]);
        let second = package.file("/etc/acme/two").unwrap();
        assert_eq!(second.kind, FileKind::HardLink("/etc/acme/one".into()));
        assert_eq!(contents["/etc/acme/one"], Digest::of("shared\n"));
        assert_eq!(contents["/etc/acme/conf"], Digest::of("a = 1\n"));
        assert_eq!(contents.len(), 2);
    }
}

/// A deb of parts that are given; the archives are tar archives in gzip members.
fn deb_of(folder: &Path, members: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut bytes = ar::MAGIC.to_vec();
    for (name, content) in members {
        let size = content.len();
        bytes.extend(format!("{name:<16}{0:<12}{0:<6}{0:<6}100644  {size:<10}`\n", 0).bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    let path = folder.join("made.deb");
    fs_err::write(&path, bytes).unwrap();
    path
}

fn tar_of(entries: &[(&str, ::tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

const CONTROL: &[u8] = b"Package: a-b\nVersion: 1\nArchitecture: all\nDescription: x\n";

fn control() -> Vec<u8> {
    tar_of(&[("./control", ::tar::EntryType::Regular, CONTROL)])
}

#[test]
fn several_streams_behind_one_another_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = tar_of(&[("./opt/x", ::tar::EntryType::Regular, &[7; 3000])]);
    let (one, other) = data.split_at(1000);
    for (extension, codec) in [("gz", Codec::Gzip), ("xz", Codec::Xz), ("zst", Codec::Zstd)] {
        let compressed: Vec<u8> = [one, other]
            .into_iter()
            .flat_map(|part| {
                let compression = Channel::Standard.compression(codec);
                crate::package::compress::compressed(compression, part).unwrap()
            })
            .collect();
        let name = format!("data.tar.{extension}");
        let path = deb_of(
            folder.path(),
            &[
                ("debian-binary", b"2.0\n".to_vec()),
                ("control.tar", control()),
                (&name, compressed),
            ],
        );
        let package = read(&path).unwrap();
        let digest = format!("sha256:{}", Digest::of([7; 3000]));
        assert_eq!(
            package.file("/opt/x").unwrap().digest,
            Some(digest),
            "{name}"
        );
    }
}

#[test]
fn differences_are_explained_by_member() {
    let folder = tempfile::tempdir().unwrap();
    let make = |format: Format, codec: Codec, mode: u32, content: &str, time: u64, name: &str| {
        let mut spec = fixture::spec(codec);
        spec.epoch = time;
        let mut tree = Tree::default();
        fixture::file(&mut tree, "opt/acme/a", mode, content.as_bytes());
        fixture::file(&mut tree, "opt/acme/b", 0o644, b"same");
        let path = folder.path().join(name);
        packager(format).write(&spec, &tree, &path).unwrap();
        path
    };
    for format in FORMATS {
        let base = make(format, Codec::Gzip, 0o644, "one two three", EPOCH, "base");
        let explained = |path: &Path| -> Vec<String> {
            let differences = explain_difference(&base, path).unwrap();
            differences.iter().map(ToString::to_string).collect()
        };
        let check = |path: &Path, words: &[&str]| {
            let lines = explained(path);
            for word in words {
                assert!(
                    lines.iter().any(|line| line.contains(word)),
                    "{word}: {lines:#?}"
                );
            }
        };
        assert_eq!(
            explained(&make(
                format,
                Codec::Gzip,
                0o644,
                "one two three",
                EPOCH,
                "same"
            )),
            Vec::<String>::new()
        );
        let other = make(format, Codec::Gzip, 0o755, "one two three", EPOCH, "mode");
        check(&other, &["opt/acme/a`, mode in the header"]);
        let other = make(format, Codec::Gzip, 0o644, "one 2 three", EPOCH, "content");
        check(
            &other,
            &["opt/acme/a`, the content at byte 4: `one two three` and `one 2 three`"],
        );
        let other = make(
            format,
            Codec::Gzip,
            0o644,
            "one two three",
            EPOCH + 1,
            "time",
        );
        check(&other, &["opt/acme/b`, mtime in the header"]);
        let other = make(format, Codec::Zstd, 0o644, "one two three", EPOCH, "codec");
        check(&other, &["compressed differently from byte 0 on"]);
    }
    let deb = small(folder.path(), Format::Deb, Codec::Gzip);
    let rpm = small(folder.path(), Format::Rpm, Codec::Gzip);
    assert_eq!(
        explain_difference(&deb, &rpm).unwrap()[0].to_string(),
        "the format: `deb` and `rpm`"
    );
}

#[test]
fn nothing_is_run_to_read_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path(), Format::Deb, Codec::Zstd);
    let listing = Command::new("dpkg-deb")
        .arg("-c")
        .arg(&path)
        .output()
        .unwrap();
    let lines = String::from_utf8(listing.stdout).unwrap();
    let package = read(&path).unwrap();
    // dpkg-deb names the root too.
    assert_eq!(lines.lines().count(), package.files.len() + 1);
}
