//! A package on disk, and the changes that faults make to it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The content of a package on disk: its files, and for a deb the folder `DEBIAN` beside them.
pub(super) struct Unpacked<'a> {
    pub(super) root: &'a Path,
    /// Scripts by the name that debs have for them.
    pub(super) scripts: BTreeMap<&'static str, String>,
    /// In place of what the package needs; `None`: as it was.
    pub(super) depends: Option<&'static str>,
}

impl Unpacked<'_> {
    /// The path of a file in site-packages.
    pub(super) fn site(&self, file: &str) -> String {
        let lib = self.root.join("opt/mytool/lib");
        let python = fs_err::read_dir(lib)
            .expect("the bundle has libraries")
            .map(|entry| entry.expect("it can be read").file_name())
            .find(|name| name.to_string_lossy().starts_with("python3"))
            .expect("of a Python");
        format!(
            "opt/mytool/lib/{}/site-packages/{file}",
            python.to_string_lossy()
        )
    }

    pub(super) fn add(&self, path: &str, mode: u32, text: &str) {
        let place = self.root.join(path);
        fs_err::create_dir_all(place.parent().expect("it is below")).expect("a folder");
        fs_err::write(&place, text).expect("a file");
        set_mode(&place, mode);
    }

    pub(super) fn append(&self, path: &str, text: &str) {
        let place = self.root.join(path);
        let old = fs_err::read_to_string(&place).expect("it is there");
        fs_err::write(place, old + text).expect("it can be written");
    }

    pub(super) fn replace(&self, path: &str, old: &str, new: &str) {
        let place = self.root.join(path);
        let text = fs_err::read_to_string(&place).expect("it is there");
        assert!(text.contains(old), "`{path}` has no `{old}`");
        fs_err::write(place, text.replace(old, new)).expect("it can be written");
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let place = self.root.join(path);
        fs_err::os::unix::fs::symlink(target, place).expect("a link");
    }

    pub(super) fn mode(&self, path: &str, mode: u32) {
        set_mode(&self.root.join(path), mode);
    }

    pub(super) fn script(&mut self, name: &'static str, text: &'static str) {
        let script = self.scripts.entry(name).or_default();
        *script += &format!("{text}\n");
    }

    /// The first file below site-packages whose name has these parts.
    pub(super) fn named(&self, start: &str, end: &str) -> PathBuf {
        walkdir::WalkDir::new(self.root.join("opt/mytool/lib"))
            .into_iter()
            .map(|entry| entry.expect("the package can be read"))
            .find(|entry| {
                let name = entry.file_name().to_string_lossy();
                entry.path().to_string_lossy().contains("/mytool/")
                    && entry.file_type().is_file()
                    && name.starts_with(start)
                    && name.ends_with(end)
            })
            .unwrap_or_else(|| panic!("there is no {start}…{end}"))
            .into_path()
    }

    /// Puts bytes in place of as many in the compiled module.
    pub(super) fn patch_extension(&self, old: &[u8], new: &[u8]) {
        let path = self.named("_speedups", ".so");
        let mut bytes = fs_err::read(&path).expect("it can be read");
        let place = bytes
            .windows(old.len())
            .position(|window| window == old)
            .expect("the module has these bytes");
        bytes[place..place + new.len()].copy_from_slice(new);
        fs_err::write(path, bytes).expect("it can be written");
    }

    /// A compiled module, linked with a library that is not shipped.
    pub(super) fn module_without_its_library(&self) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("x.c");
        fs_err::write(&source, "int x(void) { return 1; }\n").expect("a file");
        let library = folder.path().join("libabsent.so");
        let shared = ["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"];
        tool(Command::new("cc").args(shared).arg(&library).arg(&source));
        let module = self.site("mytool/_needy.abi3.so");
        let mut link = Command::new("cc");
        link.args(shared).arg(self.root.join(module)).arg(&source);
        tool(link.arg("-L").arg(folder.path()).arg("-labsent"));
        self.append(
            &self.site("mytool-1.4.2.dist-info/RECORD"),
            "mytool/_needy.abi3.so,,\n",
        );
    }

    pub(super) fn patch_bytecode(&self) {
        let path = self.named("measure.", ".pyc");
        let mut bytes = fs_err::read(&path).expect("it can be read");
        bytes[0] ^= 1;
        fs_err::write(path, bytes).expect("it can be written");
    }
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Runs a tool; answers what it printed.
pub(super) fn tool(command: &mut Command) -> String {
    let output = command
        .output()
        .expect("the distribution's tools are there");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
