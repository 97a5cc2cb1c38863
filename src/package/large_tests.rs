//! Files around and above 4 GiB: both writers and the reader in a process of their own, to see how
//! much memory they take, and the native tools on what they made.
//!
//! Each byte is hashed, so what one test shows of a codec or a format the others leave out.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::fixture::{self, run};
use super::{PackageSpec, compress, packager, read};
use crate::platform::{Channel, Codec, Compression, Format};
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

/// A package of one large file.
#[derive(Debug, Clone, Copy)]
struct Sample {
    format: Format,
    compression: Compression,
    /// The length of the file in bytes.
    size: u64,
}

impl Sample {
    fn of(format: Format, channel: Channel, codec: Codec, size: u64) -> Self {
        Self {
            format,
            compression: channel.compression(codec),
            size,
        }
    }

    fn spec(self) -> PackageSpec {
        PackageSpec {
            compression: self.compression,
            ..fixture::spec(self.compression.codec)
        }
    }

    fn file_name(self) -> String {
        packager(self.format).file_name(&self.spec())
    }

    /// Writes the package of the file `data` in the current folder.
    fn write(self) -> PathBuf {
        let folder = std::env::current_dir().unwrap();
        let tree = tree(&folder.join("data"));
        let path = folder.join(self.file_name());
        let writer = packager(self.format);
        writer.write(&self.spec(), &tree, &path).unwrap();
        assert_memory("writing");
        path
    }

    /// Writes the package in a process that runs a test of this file in a folder with the large file,
    /// since only a process of its own can tell its memory. Then holds what the format's own tools
    /// say and unpack against the file.
    fn pack(self, test: &str) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        sparse(&data, self.size);
        in_a_process(test, folder.path());
        let package = folder.path().join(self.file_name());
        assert_eq!(size_of_large(self.format, &package), self.size);
        assert_unpacked(self.format, &package, &data);
    }
}

/// Whether this is the process that [`Sample::pack`] starts.
fn is_in_a_process() -> bool {
    Path::new("data").exists()
}

/// The length of the large file in the current folder.
fn size_of_data() -> u64 {
    fs_err::metadata("data").unwrap().len()
}

fn assert_memory(what: &str) {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    let peak = kib.parse::<u64>().unwrap() * 1024;
    assert!(peak <= MOST_MEMORY, "{what}: {peak} bytes of memory");
}

/// Runs a test of this file in a process of its own, in a folder.
fn in_a_process(name: &str, folder: &Path) {
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

/// What rpm says of a package by a query format.
fn query(package: &Path, format: &str) -> String {
    let package = package.to_str().unwrap();
    run("rpm", &["-qp", "--nosignature", "--qf", format, package])
}

fn size_of_large(format: Format, package: &Path) -> u64 {
    let found = match format {
        Format::Deb => run("dpkg-deb", &["-c", package.to_str().unwrap()]),
        Format::Rpm => query(package, "[- - %{LONGFILESIZES} - - .%{FILENAMES}\n]"),
    };
    let line = found.lines().find(|line| line.ends_with(LARGE)).unwrap();
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// Reads a package of 5 GiB, whole.
fn read_back(package: &Path) {
    let mut size = 0;
    let package = read::for_each_content(package, |file, content| {
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

#[test]
fn five_gib_in_a_deb_take_little_memory_and_dpkg_unpacks_them() {
    let sample = Sample::of(Format::Deb, Channel::Fast, Codec::Gzip, 5 * GIB);
    if is_in_a_process() {
        return read_back(&sample.write());
    }
    sample.pack("five_gib_in_a_deb_take_little_memory_and_dpkg_unpacks_them");
}

#[test]
fn five_gib_in_an_rpm_take_little_memory_and_rpm_unpacks_them() {
    let sample = Sample::of(Format::Rpm, Channel::Fast, Codec::Zstd, 5 * GIB);
    if is_in_a_process() {
        return read_back(&sample.write());
    }
    sample.pack("five_gib_in_an_rpm_take_little_memory_and_rpm_unpacks_them");
}

/// The first blocks of a part that is said to be of 5 GiB, at the level of releases, whose dictionary is
/// the largest: every block takes the same memory, and all of them would take minutes.
#[test]
fn five_gib_compressed_by_xz_take_little_memory() {
    if !is_in_a_process() {
        let folder = tempfile::tempdir().unwrap();
        sparse(&folder.path().join("data"), 5 * GIB);
        in_a_process(
            "five_gib_compressed_by_xz_take_little_memory",
            folder.path(),
        );
        return;
    }
    let compression = Channel::Small.compression(Codec::Zstd);
    assert_eq!(compression.codec, Codec::Xz);
    let size = size_of_data();
    let cores = compress::cores(compression.codec, size);
    let sink = std::io::sink();
    let mut writer = compress::PartWriter::new(compression, sink, size, &cores);
    let mut data = fs_err::File::open("data").unwrap().take(200 << 20);
    std::io::copy(&mut data, &mut writer).unwrap();
    writer.finish().unwrap();
    assert_memory("writing");
}

/// See `deb::large_tests` for what dpkg makes of them.
#[test]
fn rpm_unpacks_files_around_4_gib() {
    let of = |size| Sample::of(Format::Rpm, Channel::Fast, Codec::Zstd, size);
    if is_in_a_process() {
        let size = size_of_data();
        let package = read::read(&of(size).write()).unwrap();
        let file = package.file(&format!("/{LARGE}")).unwrap();
        assert_eq!(file.size, size);
        return;
    }
    for size in [4 * GIB - 1, 4 * GIB, 4 * GIB + 1] {
        of(size).pack("rpm_unpacks_files_around_4_gib");
    }
}
