//! File systems in memory with little room.
//!
//! Needs the right to mount.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("the disk can be read"))
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// A page of memory in bytes; a file takes whole ones.
const PAGE: u64 = 4096;

/// A file system in memory with little room; gone at the end of its scope.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of this size, such as `64k`.
    pub(crate) fn mount(size: &str) -> Self {
        let disk = Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        let options = format!("size={size},mode=755");
        disk.mount_with(&["-t", "tmpfs", "-o", &options, "tmpfs"]);
        disk
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes room, up to this size.
    pub(crate) fn grow(&self, size: &str) {
        self.mount_with(&["-o", &format!("remount,size={size}")]);
    }

    /// Leaves this many bytes free, in whole pages.
    pub(crate) fn leave(&self, room: u64) {
        let pages = |path: &PathBuf| {
            let metadata = fs_err::metadata(path).expect("it is there");
            metadata.len().next_multiple_of(PAGE)
        };
        let used: u64 = files_below(self.path()).iter().map(pages).sum();
        self.mount_with(&["-o", &format!("remount,size={}", used + room)]);
    }

    fn mount_with(&self, words: &[&str]) {
        let output = Command::new("mount").args(words).arg(self.path()).output();
        let output = output.expect("`mount` can be run");
        assert!(
            output.status.success(),
            "this test mounts a small file system: run it as root, with the right to mount: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.path()).status().ok();
    }
}
