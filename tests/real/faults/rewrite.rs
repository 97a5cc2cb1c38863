//! Packages taken apart and put together again, with faults, by the distributions' own tools.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::Fault;
use super::unpacked::{Unpacked, set_mode, tool};

/// The package with the faults in it, before it is put together again.
fn inject<'r>(root: &'r Path, faults: &[&Fault]) -> Unpacked<'r> {
    let mut unpacked = Unpacked {
        root,
        scripts: BTreeMap::new(),
        depends: None,
    };
    for fault in faults {
        (fault.inject)(&mut unpacked);
    }
    unpacked
}

/// Takes a deb apart, lets the faults in, and puts it together; answers what it needs now.
pub(super) fn rewrite_deb(path: &Path, faults: &[&Fault]) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("package");
    tool(Command::new("dpkg-deb").arg("-R").arg(path).arg(&root));
    let unpacked = inject(&root, faults);
    let control = root.join("DEBIAN/control");
    for (name, text) in &unpacked.scripts {
        let place = root.join("DEBIAN").join(name);
        fs_err::write(&place, format!("#!/bin/sh\nset -e\n{text}")).expect("a script");
        set_mode(&place, 0o755);
    }
    if let Some(depends) = unpacked.depends {
        let text = fs_err::read_to_string(&control).expect("a control file");
        let lines = text.lines().filter(|line| !line.starts_with("Depends:"));
        let mut text = lines.fold(String::new(), |text, line| text + line + "\n");
        if !depends.is_empty() {
            text += &format!("Depends: {depends}\n");
        }
        fs_err::write(&control, text).expect("a control file");
    }
    let sums = "cd \"$1\" && find . -path ./DEBIAN -prune -o -type f -print0 | xargs -0 -r md5sum | sed 's, \\./, ,' >DEBIAN/md5sums";
    tool(Command::new("sh").args(["-c", sums, "sh"]).arg(&root));
    let build = ["-Zgzip", "-z1", "--root-owner-group", "-b"];
    tool(Command::new("dpkg-deb").args(build).arg(&root).arg(path));
    unpacked.depends
}

/// The same for an rpm, by rpmbuild.
pub(super) fn rewrite_rpm(path: &Path, faults: &[&Fault]) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("package");
    fs_err::create_dir(&root).expect("a folder");
    let unpack = "cd \"$2\" && rpm2cpio \"$1\" | cpio --quiet -idm";
    tool(
        Command::new("sh")
            .args(["-c", unpack, "sh"])
            .arg(path)
            .arg(&root),
    );
    let ask = |words: &[&str]| tool(Command::new("rpm").arg("-qp").args(words).arg(path));
    let owned = ask(&["-l"]);
    let unpacked = inject(&root, faults);

    let mut files = String::new();
    for entry in walkdir::WalkDir::new(&root)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.expect("the package can be read");
        let name = entry.path().strip_prefix(&root).expect("it is below");
        let name = format!("/{}", name.display());
        if !entry.file_type().is_dir() {
            files += &format!("\"{name}\"\n");
        } else if owned.lines().any(|line| line == name) {
            files += &format!("%dir \"{name}\"\n");
        }
    }
    let list = folder.path().join("files");
    fs_err::write(&list, files).expect("a list of files");
    let head = "Name: %{NAME}\nVersion: %{VERSION}\nRelease: %{RELEASE}\nSummary: %{SUMMARY}\n\
                License: %{LICENSE}\nAutoReqProv: no\n";
    let mut spec = ask(&["--qf", head]);
    match unpacked.depends {
        None => {
            for need in ask(&["--requires"]).lines() {
                if !need.starts_with("rpmlib(") {
                    spec += &format!("Requires: {need}\n");
                }
            }
        }
        Some("") => {}
        Some(need) => spec += &format!("Requires: {need}\n"),
    }
    spec += "\n%description\nIt has a fault.\n";
    for (name, text) in &unpacked.scripts {
        let section = match *name {
            "postinst" => "%post",
            "prerm" => "%preun",
            other => panic!("{other} has no counterpart"),
        };
        spec += &format!("\n{section}\nset -e\n{text}");
    }
    spec += &format!("\n%files -f {}\n%defattr(-,root,root,-)\n", list.display());
    let place = folder.path().join("package.spec");
    fs_err::write(&place, spec).expect("a spec file");
    let arch = ask(&["--qf", "%{ARCH}"]);
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--noclean", "--target", &arch]);
    build.arg("--buildroot").arg(&root);
    let top = folder.path().display();
    for definition in [
        format!("_topdir {top}"),
        format!("_rpmdir {top}"),
        "_rpmfilename faulty.rpm".to_owned(),
        "_binary_payload w1.gzdio".to_owned(),
        "_build_id_links none".to_owned(),
        "debug_package %{nil}".to_owned(),
        "__spec_install_pre %{nil}".to_owned(),
        "__spec_install_post %{nil}".to_owned(),
        "_missing_build_ids_terminate_build 0".to_owned(),
    ] {
        build.arg("--define").arg(definition);
    }
    tool(build.arg(place));
    fs_err::copy(folder.path().join("faulty.rpm"), path).expect("a package");
    unpacked.depends
}
