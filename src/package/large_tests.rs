//! Files around and above 4 GiB: both writers and the reader in a process of their own, to see how
//! much memory they take, and the native tools on what they made.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::fixture::{self, run};
use super::{PackageSpec, packager, read};
use crate::platform::{Channel, Codec, Format};
use crate::tree::{Content, Entry, EntryKind, Tree};

const GIB: u64 = 1 << 30;

/// What a process that writes and reads a package may take, whatever the package's size, in bytes.
const MOST_MEMORY: u64 = 200_000_000;

/// Of 5 GiB of [`sparse`], by sha256sum.
const DIGEST: &str = "sha256:ddc10c9bfab0ce0f05deefcdb30fb31b05e6355f2669883557cb89353e76fa6e";

const LARGE: &str = "opt/acme-tool/large";

/// A sparse file with something at its beginning, around 4 GiB and at its end.
fn sparse(path: &Path, size: u64) {
    let mut file = fs_err::File::create(path).unwrap();
    file.set_len(size).unwrap();
    for at in [0, 4 * GIB - 3, size - 5] {
        file.seek(SeekFrom::Start(at.min(size - 5))).unwrap();
        file.write_all(b"bytes").unwrap();
    }
}

/// A large file among small ones, one of two names, a link and a folder.
fn tree(data: &Path) -> Tree {
    let mut tree = Tree::default();
    let size = fs_err::metadata(data).unwrap().len();
    fixture::file(&mut tree, "opt/acme-tool/bin/run", 0o755, b"#!/bin/sh\n");
    fixture::file(&mut tree, "opt/acme-tool/b/name", 0o644, b"content");
    fixture::another_name(&mut tree, "opt/acme-tool/a", "opt/acme-tool/b/name");
    fixture::symlink(&mut tree, "usr/bin/acme-tool", "/opt/acme-tool/bin/run");
    let content = Content::Slice {
        path: Arc::new(data.to_owned()),
        offset: 0,
        time_field: None,
    };
    let entry = Entry::new(0o640, EntryKind::File { size, content }, "project".into());
    tree.insert(LARGE, entry).unwrap();
    tree
}

fn spec(codec: Codec) -> PackageSpec {
    PackageSpec {
        compression: Channel::Fast.compression(codec),
        ..fixture::spec(codec)
    }
}

/// Writes a package of the file `data` in the current folder.
fn write(format: Format, codec: Codec) -> PathBuf {
    let folder = std::env::current_dir().unwrap();
    let spec = spec(codec);
    let writer = packager(format);
    let path = folder.join(writer.file_name(&spec));
    let tree = tree(&folder.join("data"));
    writer.write(&spec, &tree, &path).unwrap();
    path
}

fn assert_memory(what: &str) {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    let peak = kib.parse::<u64>().unwrap() * 1024;
    assert!(peak <= MOST_MEMORY, "{what}: {peak} bytes of memory");
}

/// Runs a test of this file in a process of its own, in a folder; gives what it printed.
fn in_a_process(name: &str, folder: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(format!("package::large_tests::{name}"))
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
    text
}

/// Holds what the format's own tool takes out of the package for the large file against the file.
fn assert_unpacked(format: Format, package: &Path, data: &Path) {
    let script = match format {
        Format::Deb => "dpkg-deb --fsys-tarfile \"$1\"",
        Format::Rpm => "rpm2archive -n - < \"$1\"",
    };
    let script = format!("{script} | tar -xO ./{LARGE} | cmp - \"$2\"");
    let arguments = ["-eo", "pipefail", "-c", &script, "bash"];
    let paths = [package, data].map(|path| path.to_str().unwrap());
    run("bash", &[&arguments[..], &paths].concat());
}

fn size_of_large(format: Format, package: &Path) -> u64 {
    let path = package.to_str().unwrap();
    let found = match format {
        Format::Deb => run("dpkg-deb", &["-c", path]),
        Format::Rpm => {
            let format = "[- - %{LONGFILESIZES} - - .%{FILENAMES}\n]";
            run("rpm", &["-qp", "--nosignature", "--qf", format, path])
        }
    };
    let line = found.lines().find(|line| line.ends_with(LARGE)).unwrap();
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// In a folder with a large file, packs it; anywhere else makes such a folder and runs the test there,
/// since only a process of its own can tell its memory.
fn pack_and_unpack(format: Format, test: &str) {
    if Path::new("data").exists() {
        return write_and_read(format);
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    sparse(&data, 5 * GIB);
    in_a_process(test, folder.path());
    let path = folder
        .path()
        .join(packager(format).file_name(&spec(Codec::Zstd)));
    assert_eq!(size_of_large(format, &path), 5 * GIB);
    assert_unpacked(format, &path, &data);
}

#[test]
fn five_gib_in_a_deb_take_little_memory_and_dpkg_unpacks_them() {
    pack_and_unpack(
        Format::Deb,
        "five_gib_in_a_deb_take_little_memory_and_dpkg_unpacks_them",
    );
}

#[test]
fn five_gib_in_an_rpm_take_little_memory_and_rpm_unpacks_them() {
    pack_and_unpack(
        Format::Rpm,
        "five_gib_in_an_rpm_take_little_memory_and_rpm_unpacks_them",
    );
}

fn write_and_read(format: Format) {
    let path = write(format, Codec::Zstd);
    assert_memory("writing");
    let mut size = 0;
    let package = read::for_each_content(&path, |file, content| {
        if file.path.ends_with(LARGE) {
            size = std::io::copy(content, &mut std::io::sink())?;
        }
        Ok(())
    });
    let package = package.unwrap();
    let file = package.file(&format!("/{LARGE}")).unwrap();
    assert_eq!((size, file.size), (5 * GIB, 5 * GIB));
    assert_eq!(file.digest.as_deref(), Some(DIGEST));
    assert_memory("reading");
}
