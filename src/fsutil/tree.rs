//! A tree once more: with owners, modes, times, extended attributes, and names that share a file.
//!
//! Shares no file with the first, so that either may be written in place; the blocks of files it does
//! share, where the file system can.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The longest value of an extended attribute that Linux knows, and the longest list of names, in bytes.
const LONGEST_ATTRIBUTE: usize = 1 << 16;

/// Copies what is in the folder `source`, and what is said of that folder, to the empty one `target`.
/// Devices and sockets are left out.
pub fn copy_tree(source: &Path, target: &Path) -> Result<()> {
    let mut first_names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut folders = Vec::new();
    for entry in walkdir::WalkDir::new(source) {
        let entry = entry.map_err(std::io::Error::from)?;
        let data = entry.metadata().map_err(std::io::Error::from)?;
        let below = entry.path().strip_prefix(source).unwrap_or(entry.path());
        let place = target.join(below);
        let kind = data.file_type();
        if kind.is_dir() {
            if entry.depth() > 0 {
                fs::create_dir(&place)?;
            }
            // Their times would change again while they are filled.
            folders.push((entry.into_path(), place, data));
            continue;
        }
        if kind.is_symlink() {
            fs::os::unix::fs::symlink(fs::read_link(entry.path())?, &place)?;
        } else if kind.is_file() {
            if data.nlink() > 1 {
                let file = (data.dev(), data.ino());
                if let Some(first) = first_names.get(&file) {
                    rustix::fs::linkat(CWD, first, CWD, &place, AtFlags::empty())
                        .map_err(|error| Error::io("link", &place, &error.into()))?;
                    continue;
                }
                first_names.insert(file, place.clone());
            }
            // By copy_file_range(2), which shares blocks.
            fs::copy(entry.path(), &place)?;
        } else if kind.is_fifo() {
            rustix::fs::mknodat(CWD, &place, FileType::Fifo, Mode::RUSR, 0)
                .map_err(|error| Error::io("make", &place, &error.into()))?;
        } else {
            continue;
        }
        describe(entry.path(), &place, &data)?;
    }
    let mut folders = folders.iter().rev();
    folders.try_for_each(|(path, place, data)| describe(path, place, data))
}

/// Gives `place` what is said of `path`.
fn describe(path: &Path, place: &Path, data: &Metadata) -> Result<()> {
    fs::os::unix::fs::lchown(place, Some(data.uid()), Some(data.gid()))?;
    if !data.is_symlink() {
        // After the owner, which takes some bits away, and attributes too.
        let mode = std::fs::Permissions::from_mode(data.mode() & 0o7777);
        fs::set_permissions(place, mode)?;
        attributes(path, place)
            .map_err(|error| Error::io("copy attributes of", path, &error.into()))?;
    }
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time(data.atime(), data.atime_nsec()),
        last_modification: time(data.mtime(), data.mtime_nsec()),
    };
    rustix::fs::utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| Error::io("set the times of", place, &error.into()))
}

fn attributes(path: &Path, place: &Path) -> rustix::io::Result<()> {
    let mut names = Vec::with_capacity(LONGEST_ATTRIBUTE);
    match rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error),
    }
    for name in names.split(|byte| *byte == 0) {
        // A label is the machine's to give.
        if name.is_empty() || name == b"security.selinux" {
            continue;
        }
        let mut value = Vec::with_capacity(LONGEST_ATTRIBUTE);
        rustix::fs::lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value))?;
        rustix::fs::lsetxattr(place, name, &value, rustix::fs::XattrFlags::empty())?;
    }
    Ok(())
}

/// How often the folder of a container is removed anew: its last process may just be ending.
const REMOVALS: usize = 50;

/// Removes a folder; one that is gone is no error.
pub fn remove_tree(folder: &Path) -> Result<()> {
    let mut left = REMOVALS;
    loop {
        left -= 1;
        match fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty && left > 0 => {
                std::thread::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_like_the_first_and_apart_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("deep/one"), "text").unwrap();
        let mode = |number| std::fs::Permissions::from_mode(number);
        fs::set_permissions(from.join("deep/one"), mode(0o4751)).unwrap();
        let link = |first, other| rustix::fs::linkat(CWD, first, CWD, other, AtFlags::empty());
        link(from.join("deep/one"), from.join("two")).unwrap();
        fs::os::unix::fs::symlink("/nowhere", from.join("link")).unwrap();
        rustix::fs::mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
        fs::set_permissions(from.join("deep/er"), mode(0o1700)).unwrap();
        let value = b"value";
        let flags = rustix::fs::XattrFlags::empty();
        let has_attributes =
            rustix::fs::lsetxattr(from.join("two"), "user.name", value, flags).is_ok();
        let long_ago = Timespec {
            tv_sec: 1_000_000,
            tv_nsec: 5,
        };
        let times = Timestamps {
            last_access: long_ago,
            last_modification: long_ago,
        };
        for name in ["link", "deep/one", "deep"] {
            let path = from.join(name);
            rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        copy_tree(&from, &to).unwrap();
        drop(socket);
        for name in ["link", "deep/one", "deep/er", "deep", "pipe", "two", ""] {
            let [one, other] =
                [&from, &to].map(|tree| fs::symlink_metadata(tree.join(name)).unwrap());
            let facts = |data: &Metadata| {
                let owner = (data.uid(), data.gid());
                (data.mode(), owner, data.mtime(), data.mtime_nsec())
            };
            assert_eq!(facts(&one), facts(&other), "{name}");
        }
        assert!(fs::symlink_metadata(to.join("socket")).is_err());
        let target = fs::read_link(to.join("link")).unwrap();
        assert_eq!(target, Path::new("/nowhere"));
        let mut read = [0; 16];
        if has_attributes {
            let length = rustix::fs::lgetxattr(to.join("deep/one"), "user.name", &mut read[..]);
            assert_eq!(&read[..length.unwrap()], value);
        }
        fs::write(to.join("two"), "other").unwrap();
        assert_eq!(fs::read(to.join("deep/one")).unwrap(), b"other");
        assert_eq!(fs::read(from.join("deep/one")).unwrap(), b"text");
    }
}
