//! Files around and above 4 and 8 GiB, as dpkg reads the data archive when it installs.
//!
//! The archive's headers are the writer's, the content is a hole in the package, which isn't
//! compressed, and dpkg is told to leave the file out: so all sizes take no room and little time.

use std::io::{Seek, SeekFrom};

use super::data::{Archive, Listing};
use super::*;
use crate::package::fixture::{self, EPOCH, run};
use crate::platform::Codec;
use crate::tree::Owner;

const GIB: u64 = 1 << 30;

/// A package with a file of this many zeros and one behind it.
fn with_hole(path: &Path, size: u64) {
    let owner = Owner::default();
    let mut before = Vec::new();
    let mut archive = Archive::new(&mut before, EPOCH);
    for folder in ["./", "./opt/"] {
        archive.directory(folder, 0o755, &owner).unwrap();
    }
    // The header alone.
    archive
        .file("./opt/large", 0o644, size, &mut io::empty(), &owner)
        .unwrap();
    let mut behind = Archive::new(Vec::new(), EPOCH);
    let content = &mut &b"behind"[..];
    behind
        .file("./opt/behind", 0o644, 6, content, &owner)
        .unwrap();
    let behind = behind.finish().unwrap();

    let spec = fixture::spec(Codec::Gzip);
    let fields = control::Fields::of(&spec).unwrap();
    let control = control::archive(&fields, &spec.scripts, &Listing::default(), EPOCH).unwrap();
    let mut file = fs_err::File::create(path).unwrap();
    file.write_all(MAGIC).unwrap();
    member(&mut file, "debian-binary", 4, EPOCH).unwrap();
    file.write_all(b"2.0\n").unwrap();
    member(&mut file, "control.tar.gz", control.len() as u64, EPOCH).unwrap();
    file.write_all(&control).unwrap();
    pad(&mut file, control.len() as u64).unwrap();
    let hole = size.next_multiple_of(512);
    let data = before.len() as u64 + hole + behind.len() as u64;
    check_member(data).unwrap();
    member(&mut file, "data.tar", data, EPOCH).unwrap();
    file.write_all(&before).unwrap();
    file.seek(SeekFrom::Current(i64::try_from(hole).unwrap()))
        .unwrap();
    file.write_all(&behind).unwrap();
}

#[test]
fn dpkg_knows_where_files_of_every_size_end() {
    for size in [4 * GIB - 1, 4 * GIB, 4 * GIB + 1, 8 * GIB - 1, 8 * GIB] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for name in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
            fs_err::create_dir_all(root.join(name)).unwrap();
        }
        fs_err::write(root.join("var/lib/dpkg/status"), "").unwrap();
        let package = folder.path().join("package.deb");
        with_hole(&package, size);
        let root_flag = format!("--root={}", root.display());
        let log = format!("--log={}", folder.path().join("log").display());
        let package = package.to_str().unwrap();
        run(
            "dpkg",
            &[
                &root_flag,
                &log,
                "--force-not-root",
                "--force-bad-path",
                "--path-exclude=/opt/large",
                "--unpack",
                package,
            ],
        );
        assert!(!root.join("opt/large").exists());
        let behind = fs_err::read(root.join("opt/behind")).unwrap();
        assert_eq!(behind, b"behind", "{size} bytes");
    }
}
