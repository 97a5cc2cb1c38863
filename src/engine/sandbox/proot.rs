//! The root of a task by proot(1), for users who may make no root by the kernel's means: a whole tree, and a
//! program that changes the paths and the owners that system calls see.
//!
//! That commands are root is pretended, and who owns a file is not kept: all files are the user's on
//! the disk. So archives are unpacked without owners and packed as root's.

use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;

use super::defaults::{NAMES, text_of_names};
use super::task::{self, Answer, Task};
use super::{PATH, files, filter, user};
use crate::error::{Error, Kind, Result};
use crate::fsutil;

const PROGRAM: &str = "proot";

/// What of the machine is in every root.
const SHARED: [&str; 2] = ["/dev", "/proc"];

/// As many links of one path as the kernel follows.
const LONGEST_CHAIN: usize = 40;

/// Whether it is installed in one of these folders.
pub(super) fn suits(path: &str) -> Result<()> {
    if user::program(PROGRAM, path).is_file() {
        return Ok(());
    }
    let text = format!("`{PROGRAM}` is not installed");
    let advice = "or, which keeps less apart, as root: `apt-get install proot fakechroot`";
    Err(Error::new(Kind::Missing, text).hint(advice))
}

/// Whether the machine lets one process change the calls of another.
pub(super) fn probe() -> Result<()> {
    let output = Command::new(user::program(PROGRAM, PATH))
        .args(["-0", "/bin/true"])
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(
        Kind::Engine,
        format!("`{PROGRAM}` can't work: {said}"),
    ))
}

/// Where the tree of a task is.
fn root(task: &Task) -> PathBuf {
    task.store.join(&task.folder).join("upper")
}

/// Becomes proot(1) with the command, which reads from there; answers only when it can't.
pub(super) fn run(task: &Task, command: &task::Command, input: Stdio) -> Result<Answer> {
    let root = root(task);
    for name in NAMES {
        let path = within(&root, "/etc")?.join(name);
        // Not through a link, and not into a file with other names.
        drop(fs::remove_file(&path));
        fs::write(&path, text_of_names(name, task.network))?;
    }
    let mut process = Command::new(user::program(PROGRAM, PATH));
    match user::find(&root, &command.user)? {
        None => process.arg("-0"),
        Some((user, group)) => process.arg("-i").arg(format!("{user}:{group}")),
    };
    let folder = Some(command.cwd.as_str()).filter(|folder| !folder.is_empty());
    process.arg("-r").arg(&root);
    process.args(["-w", folder.unwrap_or("/")]);
    for path in SHARED {
        process.args(["-b", path]);
    }
    process
        .args(&command.argv)
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(input);
    // Takes away, too, that a program may have more rights than who starts it.
    filter::apply(task.way)?;
    Err(Error::io(
        "run",
        &user::program(PROGRAM, PATH),
        &process.exec(),
    ))
}

/// As [`files::unpack`], without owners.
pub(super) fn unpack(task: &Task, archive: fs::File, folder: &str) -> Result<()> {
    let place = within(&root(task), folder)?;
    files::unpack_as(files::Owners::Ours, archive, Path::new(folder), &place)
}

/// As [`files::pack`], all of it root's.
pub(super) fn pack(task: &Task, path: &str, archive: fs::File) -> Result<()> {
    let path = Path::new(path);
    let above = path.parent().unwrap_or(path).to_string_lossy();
    let place = within(&root(task), &above)?.join(path.file_name().unwrap_or_default());
    files::pack_as(files::Owners::Ours, &place, archive)
}

/// As [`files::pack_root`], all of it root's.
pub(super) fn export(task: &Task, archive: fs::File) -> Result<()> {
    files::pack_root(files::Owners::Ours, &root(task), archive)
}

/// Removes a folder, which may have folders in it that not even their owner may change.
pub(super) fn remove(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut entries = walkdir::WalkDir::new(folder).into_iter();
    while let Some(entry) = entries.next() {
        // One that can't be looked into is mended when it is met, before it is read.
        let Ok(entry) = entry else { continue };
        if entry.file_type().is_dir() {
            let mode = fs::metadata(entry.path())?.permissions().mode();
            if mode & 0o700 != 0o700 {
                let mode = std::fs::Permissions::from_mode(mode | 0o700);
                fs::set_permissions(entry.path(), mode)?;
                if entry.depth() > 0 {
                    entries.skip_current_dir();
                    remove(entry.path())?;
                }
            }
        }
    }
    fsutil::remove_tree(folder)
}

/// Where an absolute path of a root is on the machine, whatever links lead to: none leads out.
fn within(root: &Path, path: &str) -> Result<PathBuf> {
    let parts = |path: &Path| -> Vec<std::ffi::OsString> {
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        parts.collect()
    };
    let mut left = VecDeque::from(parts(Path::new(path)));
    let mut place = root.to_owned();
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            if place != root {
                place.pop();
            }
            continue;
        }
        let next = place.join(&name);
        let Ok(target) = fs::read_link(&next) else {
            place = next;
            continue;
        };
        links += 1;
        if links > LONGEST_CHAIN {
            let text = format!("`{path}` leads through too many links");
            return Err(Error::new(Kind::Build, text));
        }
        if target.is_absolute() {
            root.clone_into(&mut place);
        }
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_leads_out_of_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        for (target, link) in [
            ("usr/lib", "lib"),
            ("/usr", "machine"),
            ("../../../etc", "usr/up"),
            ("round", "round"),
        ] {
            fs::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        for (path, place) in [
            ("/", ""),
            ("/lib/new/file", "usr/lib/new/file"),
            ("/machine/lib", "usr/lib"),
            ("/usr/up/passwd", "etc/passwd"),
            ("/../../etc", "etc"),
        ] {
            assert_eq!(within(&root, path).unwrap(), root.join(place), "{path}");
        }
        assert_eq!(within(&root, "/round").unwrap_err().kind(), Kind::Build);
    }

    #[test]
    fn what_may_not_be_changed_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("closed/deep")).unwrap();
        for (name, mode) in [("closed/deep", 0o555), ("closed", 0)] {
            let mode = std::fs::Permissions::from_mode(mode);
            fs::set_permissions(tree.join(name), mode).unwrap();
        }
        for _ in 0..2 {
            remove(&tree).unwrap();
            assert!(!tree.exists());
        }
    }

    #[test]
    fn without_it_the_refusal_says_what_to_install() {
        let error = suits("/nonexistent").unwrap_err();
        assert_eq!(error.message(), "`proot` is not installed");
        assert!(error.hints()[0].contains("apt-get install proot"));
    }
}
