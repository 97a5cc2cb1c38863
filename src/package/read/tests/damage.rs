//! The reader against files that are damaged, or were made to do damage.

use std::io::Read;

use proptest::prelude::*;

use super::*;

#[test]
fn hostile_debs_are_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let version = || ("debian-binary", b"2.0\n".to_vec());
    let data = || tar_of(&[("./opt/x", ::tar::EntryType::Regular, b"x")]);
    let check = |members: &[(&str, Vec<u8>)], words: &[&str]| {
        let error = read(&deb_of(folder.path(), members)).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
        for word in ["made.deb"].iter().chain(words) {
            assert!(
                error.message().contains(word),
                "`{word}` is not in: {error}"
            );
        }
    };
    check(
        &[
            version(),
            ("control.tar", control()),
            ("control.tar", control()),
            ("data.tar", data()),
        ],
        &["a second member `control.tar`"],
    );
    check(
        &[version(), ("data.tar", data()), ("control.tar", control())],
        &["debian-binary, data.tar"],
    );
    check(
        &[
            ("debian-binary", b"3.0\n".to_vec()),
            ("control.tar", control()),
            ("data.tar", data()),
        ],
        &["format 2.0"],
    );
    check(
        &[
            version(),
            ("control.tar", control()),
            ("data.tar.bz2", data()),
        ],
        &["data.tar.bz2", "gz, xz and zst"],
    );
    let lacks = tar_of(&[(
        "./control",
        ::tar::EntryType::Regular,
        b"Package: a-b\nVersion: 1\n",
    )]);
    check(
        &[version(), ("control.tar", lacks), ("data.tar", data())],
        &["`control`", "no `Architecture`"],
    );
    let long = tar_of(&[
        (
            "././@LongLink",
            ::tar::EntryType::GNULongName,
            &vec![b'n'; 100_000],
        ),
        ("./x", ::tar::EntryType::Regular, b""),
    ]);
    check(
        &[version(), ("control.tar", control()), ("data.tar", long)],
        &["a long name"],
    );
    let mut path = deb_of(
        folder.path(),
        &[version(), ("control.tar", control()), ("data.tar", data())],
    );
    let bytes = fs_err::read(&path).unwrap();
    path.set_file_name("cut.deb");
    fs_err::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.message().contains("`data.tar` is to have"), "{error}");
}

/// The same bytes again and again.
struct Repeated {
    bytes: Vec<u8>,
    position: usize,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.bytes[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position = (self.position + count) % self.bytes.len();
        Ok(count)
    }
}

#[test]
fn many_long_names_are_too_many() {
    let name = vec![b'n'; 1 << 16];
    let mut bytes = tar_of(&[
        ("././@LongLink", ::tar::EntryType::GNULongName, &name),
        ("./x", ::tar::EntryType::Regular, b""),
    ]);
    // Without the two blocks that end an archive.
    bytes.truncate(bytes.len() - 1024);
    let mut endless = Repeated { bytes, position: 0 };
    let place = Place::new(Path::new("x.deb"), "`data.tar`");
    let mut count = 0;
    let error = super::super::tar::for_each(&mut endless, &place, |_, _| {
        count += 1;
        Ok(())
    });
    let error = error.unwrap_err();
    assert!(error.message().contains("take more than"), "{error}");
    assert_eq!(count, LARGEST_SUM >> 16);
}

#[test]
fn paths_that_leave_the_root_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = tar_of(&[
        ("./opt/../../x", ::tar::EntryType::Regular, b"x"),
        ("./y", ::tar::EntryType::Regular, b"1"),
        ("./y", ::tar::EntryType::Regular, b"2"),
    ]);
    let path = deb_of(
        folder.path(),
        &[
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", control()),
            ("data.tar", data),
        ],
    );
    let package = read(&path).unwrap();
    assert_eq!(
        package.problems,
        [
            "`/opt/../../x` leads out of its folder",
            "`/y` stands in it twice"
        ]
    );
}

#[test]
fn what_is_no_package_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.deb");
    for bytes in [&b""[..], b"!<arch>", b"PK\x03\x04 and more than eight"] {
        fs_err::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(
            error.message().contains("neither a deb nor an rpm"),
            "{error}"
        );
    }
    let error = read(&folder.path().join("absent.deb")).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever bytes are changed or cut off: an error that names the file, or a package; no panic,
    /// and no more memory than the limits allow.
    #[test]
    fn damaged_packages_are_refused_or_read(
        rpm in any::<bool>(),
        codec in 0_usize..3,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let format = if rpm { Format::Rpm } else { Format::Deb };
        let path = small(folder.path(), format, CODECS[codec]);
        let mut bytes = fs_err::read(&path).unwrap();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs_err::write(&path, &bytes).unwrap();
        if let Err(error) = for_each_content(&path, |_, content| {
            // Damage is met by the reader again, and told there.
            drop(io::copy(content, &mut io::sink()));
            Ok(())
        }) {
            prop_assert_eq!(error.kind(), Kind::Damaged);
            let file = path.display().to_string();
            prop_assert!(error.message().contains(&file), "{}", error);
        }
    }

    /// The same of an rpm's headers alone, where a library reads what the file says.
    #[test]
    fn damaged_headers_are_refused_or_read(
        changes in proptest::collection::vec((96_usize..2000, any::<u8>()), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = small(folder.path(), Format::Rpm, Codec::Gzip);
        let mut bytes = fs_err::read(&path).unwrap();
        for (at, byte) in changes {
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
        }
        fs_err::write(&path, &bytes).unwrap();
        if let Err(error) = read(&path) {
            prop_assert_eq!(error.kind(), Kind::Damaged);
        }
    }
}
