//! Containers of the sandbox's images by other means than the program's: `mount` and `chroot`. And what
//! the program's own left.
//!
//! Needs root, as these tools do.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::program;

/// Where the program keeps images and containers.
pub(crate) fn store() -> PathBuf {
    let said = std::env::var_os("OMNIBUILD_SANDBOX_DIR").filter(|folder| !folder.is_empty());
    said.map_or_else(|| program::cache().join("v1/sandbox"), PathBuf::from)
}

/// Names of the containers that there are.
pub(crate) fn containers() -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(store().join("containers")) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// The control groups of the program with this process id.
pub(crate) fn groups_of(process: u32) -> Vec<String> {
    let begin = format!("omnibuild-{process}-");
    // Those of others come and go.
    let entries = walkdir::WalkDir::new("/sys/fs/cgroup")
        .into_iter()
        .flatten();
    let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin));
    own.map(|entry| entry.path().display().to_string())
        .collect()
}

/// The commands of processes that have this text in them.
pub(crate) fn processes_that_run(text: &str) -> Vec<String> {
    let entries = fs_err::read_dir("/proc").expect("a Linux");
    entries
        .flatten()
        .filter_map(|entry| fs_err::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// The processes that see the mount of a container whose name begins so.
pub(crate) fn processes_below(name: &str) -> Vec<String> {
    let mark = store().join("containers").join(name).display().to_string();
    let entries = fs_err::read_dir("/proc").expect("a Linux");
    let sees = |path: &PathBuf| {
        fs_err::read(path.join("mountinfo"))
            .is_ok_and(|table| String::from_utf8_lossy(&table).contains(&mark))
    };
    let paths = entries.flatten().map(|entry| entry.path()).filter(sees);
    paths.map(|path| path.display().to_string()).collect()
}

/// The trees of an image, the topmost first.
fn trees(image: &str) -> Vec<PathBuf> {
    self::image(image).1
}

/// What an image says of itself, and its trees, the topmost first.
pub(crate) fn image(image: &str) -> (String, Vec<PathBuf>) {
    let name = image.replace('/', "%2F");
    let id = fs_err::read_to_string(store().join("names").join(name));
    let id = id.unwrap_or_else(|error| panic!("the sandbox has no image `{image}`: {error}"));
    let record = store().join("images").join(format!("{id}.json"));
    let text = fs_err::read_to_string(record).expect("an image has a record");
    let record: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let layers = record["layers"].as_array().expect("it has layers");
    let tree = |layer: &serde_json::Value| {
        let layer = layer.as_str().expect("a layer is a digest");
        store().join("layers").join(layer).join("upper")
    };
    (text, layers.iter().rev().map(tree).collect())
}

/// The layers that the store has, of images and of what containers are given.
pub(crate) fn layers() -> BTreeSet<PathBuf> {
    let entries = fs_err::read_dir(store().join("layers"));
    let paths = entries.into_iter().flatten().flatten();
    paths
        .map(|entry| entry.path())
        .filter(|path| path.join("upper").is_dir())
        .collect()
}

/// What it says of images and of their names. Other tests change it meanwhile.
pub(crate) fn records() -> String {
    let mut text = String::new();
    for folder in ["images", "names"] {
        for entry in fs_err::read_dir(store().join(folder))
            .expect("it is filled")
            .flatten()
        {
            let content = fs_err::read_to_string(entry.path()).unwrap_or_default();
            text += &format!("{}: {content}\n", entry.file_name().to_string_lossy());
        }
    }
    text
}

/// A root file system with an image below, unmounted at the end of its scope.
pub(crate) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// Mounts it.
    pub(crate) fn mount(image: &str) -> Self {
        // On the file system of the store: an overlay upon an overlay is refused.
        let folder = tempfile::tempdir_in(store()).expect("a temporary folder can be made");
        for name in ["upper", "work", "root"] {
            fs_err::create_dir(folder.path().join(name)).expect("a folder");
        }
        let below: Vec<_> = trees(image)
            .iter()
            .map(|tree| tree.display().to_string())
            .collect();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            below.join(":"),
            path("upper"),
            path("work")
        );
        let this = Self { folder };
        let root = this.path("/").display().to_string();
        let place = |name: &str| this.path(name).display().to_string();
        mount(&["-t", "overlay", "overlay", "-o", &options, &root]);
        mount(&["-t", "proc", "proc", &place("/proc")]);
        mount(&["--rbind", "--make-rprivate", "/dev", &place("/dev")]);
        fs_err::copy("/etc/resolv.conf", this.path("/etc/resolv.conf")).expect("a copy");
        this
    }

    /// Where a path of the root is here.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        let root = self.folder.path().join("root");
        root.join(inside.trim_start_matches('/'))
    }

    /// Runs a command, which may fail.
    pub(crate) fn run(&self, command: &[&str]) -> Output {
        let mut chroot = Command::new("chroot");
        chroot.arg(self.path("/")).args(command).env_clear();
        for name in program::PROXIES {
            if let Some(value) = std::env::var_os(name) {
                chroot.env(name, value);
            }
        }
        chroot
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .expect("chroot can be run")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        command.args(["--lazy", "--recursive"]).arg(self.path("/"));
        let output = command.output().expect("umount can be run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() || std::thread::panicking(),
            "{said}"
        );
    }
}

fn mount(words: &[&str]) {
    let output = Command::new("mount").args(words).output();
    let output = output.expect("mount can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "mount {}: {said}", words.join(" "));
}

/// The overlays of the store that are mounted, where everybody sees them.
pub(crate) fn mounts() -> Vec<String> {
    let table = fs_err::read("/proc/self/mountinfo").expect("a Linux");
    let store = store();
    let below = |line: &&[u8]| {
        let place = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        Path::new(std::ffi::OsStr::from_bytes(place)).starts_with(store.join("containers"))
    };
    let lines = table.split(|byte| *byte == b'\n').filter(below);
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}
