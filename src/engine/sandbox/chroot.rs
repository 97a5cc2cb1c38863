//! The root of a task by chroot(2), where the machine allows no mount: a whole tree, which nothing else
//! uses, with devices of its own.
//!
//! What the kernel shows of itself in `/proc` and `/sys` can't be had there.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use fs_err as fs;
use rustix::fs::{CWD, FileType, Mode};

use super::defaults::{DEVICE_LINKS, DEVICES, NAMES, folder, text_of_names};
use super::failure::failed;
use super::task::Task;
use crate::error::{Error, Result};
use crate::fsutil;

/// Where its devices are, and may be links.
const NEEDS_KERNEL: &str = "ptmx";

/// Makes the tree that a task works in: the topmost one below it once more.
pub(super) fn fill(task: &Task) -> Result<()> {
    let Some(below) = task.below.last() else {
        return Ok(());
    };
    let target = task.store.join(&task.folder).join("upper");
    fsutil::copy_tree(&task.store.join(below), &target)
}

/// Goes into the tree. The machine's files are out of reach afterwards, but for who may change the
/// root once more.
pub(super) fn enter(task: &Task) -> Result<()> {
    let numbers = numbers();
    let texts = NAMES.map(|name| (name, text_of_names(name, task.network)));
    let root = task.store.join(&task.folder).join("upper");
    rustix::process::chroot(&root)
        .and_then(|()| rustix::process::chdir("/"))
        .map_err(|error| failed("change its root", error))?;
    devices(&numbers)?;
    let etc = folder("etc")?;
    for (name, text) in texts {
        let path = etc.join(name);
        // Not through a link, and not into a file with other names.
        drop(fs::remove_file(&path));
        fs::write(path, text)?;
    }
    for name in ["proc", "sys"] {
        folder(name)?;
    }
    Ok(())
}

/// The machine's devices, by their names.
fn numbers() -> Vec<(&'static str, u64)> {
    let devices = DEVICES.into_iter();
    let known = devices.filter_map(|name| {
        let data = fs::metadata(Path::new("/dev").join(name)).ok()?;
        Some((name, data.rdev()))
    });
    known.collect()
}

fn devices(numbers: &[(&str, u64)]) -> Result<()> {
    let place = folder("dev")?;
    let everybody = std::fs::Permissions::from_mode(0o666);
    for (name, number) in numbers {
        let path = place.join(name);
        let there = fs::symlink_metadata(&path);
        if there.is_ok_and(|data| data.file_type().is_char_device() && data.rdev() == *number) {
            continue;
        }
        drop(fs::remove_file(&path));
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, mode, *number)
            .map_err(|error| failed(&format!("make `/dev/{name}`"), error))?;
        fs::set_permissions(&path, everybody.clone())?;
    }
    let links = DEVICE_LINKS.into_iter();
    for (name, target) in links.filter(|(name, _)| *name != NEEDS_KERNEL) {
        let path = place.join(name);
        if fs::symlink_metadata(&path).is_err() {
            fs::os::unix::fs::symlink(target, path)?;
        }
    }
    let memory = place.join("shm");
    if fs::symlink_metadata(&memory).is_err() {
        fs::create_dir(&memory)?;
        fs::set_permissions(&memory, std::fs::Permissions::from_mode(0o1777))?;
    }
    // A file system may have devices without letting anybody use them.
    let null = place.join("null");
    fs::OpenOptions::new()
        .write(true)
        .open(&null)
        .map(drop)
        .map_err(|error| Error::io("use", &null, &error))
}
