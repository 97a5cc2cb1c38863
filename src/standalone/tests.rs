//! Archives of all kinds, read: what is shipped, what is left out, what is refused.

use super::*;

const MINOR: &str = "3.13";

/// An archive of these entries: path, content or (behind `->`) what a link says.
fn archive(folder: &Path, entries: &[(&str, &str)]) -> Archive {
    let path = folder.join("python.tar.gz");
    let file = fs::File::create(&path).unwrap();
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if path.contains("/bin/") { 0o755 } else { 0o644 });
        if let Some(target) = content.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_link_name_literal(target).unwrap();
        } else {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len() as u64);
        }
        // Names that no honest writer takes must be written too.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        let content = if content.starts_with("-> ") {
            ""
        } else {
            content
        };
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    Archive {
        path,
        minor: MINOR.to_owned(),
    }
}

fn read(archive: &Archive) -> Result<Vec<(Member, String)>> {
    let mut members = Vec::new();
    archive.read("/opt/tool", |member, content| {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        members.push((member.clone(), text));
        Ok(())
    })?;
    Ok(members)
}

#[test]
fn what_a_bundle_has_is_the_interpreter_and_its_library() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(
        folder.path(),
        &[
            ("python/bin/python3.13", "ELF"),
            ("python/bin/python3", "-> python3.13"),
            ("python/bin/pip3", "#!/install/bin/python3.13"),
            ("python/bin/2to3", "#!/install/bin/python3.13"),
            ("python/lib/python3.13/os.py", "os"),
            (
                "python/lib/python3.13/__pycache__/os.cpython-313.pyc",
                "old",
            ),
            ("python/lib/python3.13/site-packages/pip/__init__.py", ""),
            (
                "python/lib/python3.13/lib-dynload/_ssl.cpython-313.so",
                "ELF",
            ),
            (
                "python/lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py",
                "{'CC': 'clang -pthread', 'prefix': '/install', 'AR': 'llvm-ar'}",
            ),
        ],
    );
    let members = read(&archive).unwrap();
    let paths: Vec<&str> = members
        .iter()
        .map(|(member, _)| member.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "bin/python3.13",
            "bin/python3",
            "lib/python3.13/os.py",
            "lib/python3.13/lib-dynload/_ssl.cpython-313.so",
            "lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py",
        ]
    );
    assert_eq!(
        members[0].0.kind,
        MemberKind::File {
            size: 3,
            executable: true
        }
    );
    assert_eq!(members[1].0.kind, MemberKind::Link("python3.13".to_owned()));
    assert!(members[2].0.is_source() && !members[3].0.is_source());
    let settings = "{'CC': 'cc -pthread', 'prefix': '/opt/tool', 'AR': 'ar'}";
    assert_eq!(members[4].1, settings);
    let MemberKind::File { size, .. } = members[4].0.kind else {
        panic!("a file");
    };
    assert_eq!(size, settings.len() as u64);
}

#[test]
fn each_file_belongs_to_its_part() {
    for (path, part) in [
        ("lib/python3.13/os.py", None),
        ("lib/python3.13/unittest/case.py", None),
        ("lib/python3.13/lib-dynload/_ssl.cpython-313.so", None),
        ("lib/libpython3.13.so.1.0", None),
        ("licenses/LICENSE.openssl.txt", None),
        ("share/terminfo/x/xterm", None),
        ("lib/threads.py", None),
        ("include/python3.13/Python.h", Some(Part::Development)),
        ("lib/pkgconfig/python3.pc", Some(Part::Development)),
        (
            "lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile",
            Some(Part::Development),
        ),
        ("lib/libpython3.13.a", Some(Part::Development)),
        (
            "lib/python3.13/ensurepip/__init__.py",
            Some(Part::Ensurepip),
        ),
        ("lib/python3.13/idlelib/idle_test/x.py", Some(Part::Idle)),
        ("lib/python3.13/test/test_os.py", Some(Part::Tests)),
        ("lib/python3.13/ctypes/test/x.py", Some(Part::Tests)),
        ("lib/python3.13/lib-dynload/_testcapi.so", Some(Part::Tests)),
        ("lib/python3.13/lib-dynload/_tkinter.so", Some(Part::Tk)),
        ("lib/python3.13/tkinter/__init__.py", Some(Part::Tk)),
        ("lib/tcl8.6/init.tcl", Some(Part::Tk)),
        ("lib/libtk8.6.so", Some(Part::Tk)),
    ] {
        assert_eq!(part::of(path, MINOR), part, "{path}");
    }
}

#[test]
fn what_is_left_out_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(
        folder.path(),
        &[
            ("python/bin/python3.13", "ELF"),
            ("python/lib/python3.13/test/a.py", "12345"),
            ("python/lib/python3.13/tkinter/b.py", "1234567"),
        ],
    );
    let without = BTreeSet::from([Part::Tests]);
    let mut sizes = Sizes::default();
    let mut shipped = Vec::new();
    archive
        .read("/opt/tool", |member, _| {
            if sizes.count(member, &without) {
                shipped.push(member.path.clone());
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(shipped, ["bin/python3.13", "lib/python3.13/tkinter/b.py"]);
    assert_eq!(sizes.shipped, 10);
    assert_eq!(sizes.left_out, [(Part::Tests, 5)].into());
}

#[test]
fn settings_name_the_new_place_and_compilers_that_are_there() {
    for (text, expected) in [
        (
            "'-I/install/include/python3.13'",
            "'-I/opt/t/include/python3.13'",
        ),
        ("'/installed'", "'/installed'"),
        ("'/usr/bin/aarch64-linux-gnu-gcc -shared'", "'cc -shared'"),
        ("'/usr/bin/arm-linux-gnueabihf-g++'", "'c++'"),
        ("'x86_64-linux-gnu-gcc-ar rcs'", "'ar rcs'"),
        ("'x86_64-linux-gnu'", "'x86_64-linux-gnu'"),
        (
            "'lib/x86_64-linux-gnu/libc.so'",
            "'lib/x86_64-linux-gnu/libc.so'",
        ),
        ("'/tools/clang/bin/clang++ -O3'", "'c++ -O3'"),
    ] {
        assert_eq!(sysconfig::placed(text, "/opt/t"), expected);
    }
}

#[test]
fn an_archive_that_leads_out_or_has_another_layout_is_refused() {
    let interpreter = ("python/bin/python3.13", "ELF");
    for (entry, why) in [
        (("python/../etc/passwd", "x"), "leads out"),
        (("/etc/passwd", "x"), "leads out"),
        (("other/file", "x"), "is not below `python/`"),
        (("python/lib/x", "-> ../../etc/passwd"), "leads out of it"),
        (("python/lib/x", "-> /etc/passwd"), "leads out of it"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&archive(folder.path(), &[interpreter, entry])).unwrap_err();
        assert_eq!(error.kind(), Kind::Build, "{entry:?}");
        assert!(error.message().contains(why), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let other = archive(folder.path(), &[("python/bin/python3.12", "ELF")]);
    let error = read(&other).unwrap_err();
    assert!(
        error.message().contains("no `python/bin/python3.13`"),
        "{error}"
    );
    assert!(error.hints()[0].contains("install_only"));
}

#[test]
fn a_cut_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let content = "x".repeat(100_000);
    let entries = [("python/bin/python3.13", content.as_str())];
    let archive = archive(folder.path(), &entries);
    let bytes = fs::read(&archive.path).unwrap();
    fs::write(&archive.path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(read(&archive).is_err());
}
