//! Mounts the root of a task and makes it `/`: layers, devices, what the kernel says of itself.
//!
//! Works in a mount namespace of its own, so that no other process sees a mount and none outlives
//! the task. Follows no link of an image: what is mounted upon is looked at first.

use std::ffi::CString;
use std::path::Path;

use fs_err as fs;
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};

use super::chroot;
use super::defaults::{DEVICE_LINKS, DEVICES, NAMES, folder, text_of_names};
use super::failure::failed;
use super::task::Task;
use super::way::Way;
use crate::error::{Error, Kind, Result};

/// What the kernel shows of the whole machine, and what changes it.
const HIDDEN: [&str; 4] = ["kcore", "keys", "timer_list", "sched_debug"];
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Goes to the root of a task, which it makes where that takes mounts. The machine's files are out of reach afterwards.
pub(super) fn enter(task: &Task) -> Result<()> {
    match task.way {
        Way::Namespaces | Way::UserNamespace => mounted(task),
        Way::Trees => chroot::enter(task),
        Way::Proot => Err(Error::new(Kind::Internal, "proot(1) makes its root itself")),
    }
}

fn mounted(task: &Task) -> Result<()> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| failed("keep its mounts to itself", error))?;
    rustix::process::chdir(&task.store)
        .map_err(|error| Error::io("go to", &task.store, &error.into()))?;
    let root = task.folder.join("root");
    layers(task, &root)?;
    rustix::process::chdir(&root).map_err(|error| Error::io("go to", &root, &error.into()))?;
    devices()?;
    names(task.network)?;
    kernel()?;
    rustix::process::pivot_root(".", ".")
        .and_then(|()| unmount(".", UnmountFlags::DETACH))
        .and_then(|()| rustix::process::chdir("/"))
        .map_err(|error| failed("change its root", error))
}

/// The layers, with `upper` over them.
fn layers(task: &Task, root: &Path) -> Result<()> {
    let upper = task.folder.join("upper");
    if task.below.is_empty() {
        return mount_bind(&upper, root)
            .and_then(|()| rustix::fs::statvfs(root))
            .map(|facts| kept(facts.f_flag) | MountFlags::BIND | MountFlags::NODEV)
            .and_then(|flags| mount_remount(root, flags, ""))
            .map_err(|error| failed("mount a folder", error));
    }
    // What the last mount left there is refused.
    let work = task.folder.join("work");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    let options = options(task.way, &task.below, &upper, &work);
    // The first keeps nothing from being written, but has nobody wait for it: layers are synced
    // when they are whole, and no container outlives a power loss. Linux has it since 5.10.
    for options in [format!("{options},volatile"), options] {
        let options = CString::new(options).map_err(std::io::Error::from)?;
        match mount(
            "overlay",
            root,
            "overlay",
            MountFlags::NODEV,
            options.as_c_str(),
        ) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL) if options.as_bytes().ends_with(b",volatile") => {}
            Err(error) => return Err(failed("mount an overlay", error)),
        }
    }
    Ok(())
}

/// The options of an overlay, whatever the kernel's defaults are: what is written has to mean the
/// same when it is a lower layer later.
fn options(way: Way, below: &[std::path::PathBuf], upper: &Path, work: &Path) -> String {
    let below: Vec<String> = below
        .iter()
        .rev()
        .map(|layer| layer.display().to_string())
        .collect();
    let marks = match way {
        // Attributes that only the machine's root may read and write.
        Way::Namespaces | Way::Trees | Way::Proot => "redirect_dir=off",
        Way::UserNamespace => "redirect_dir=nofollow,userxattr",
    };
    format!(
        "lowerdir={},upperdir={},workdir={},index=off,metacopy=off,{marks}",
        below.join(":"),
        upper.display(),
        work.display()
    )
}

/// What a user namespace may not change of a mount.
fn kept(facts: StatVfsMountFlags) -> MountFlags {
    let mut flags = MountFlags::empty();
    flags.set(
        MountFlags::NOSUID,
        facts.contains(StatVfsMountFlags::NOSUID),
    );
    flags.set(
        MountFlags::NOEXEC,
        facts.contains(StatVfsMountFlags::NOEXEC),
    );
    flags
}

fn devices() -> Result<()> {
    let place = folder("dev")?;
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("tmpfs", place, "tmpfs", plain, c"mode=755,size=1m")
        .map_err(|error| failed("mount `/dev`", error))?;
    for name in DEVICES {
        let device = Path::new("/dev").join(name);
        if device.exists() {
            bind(&device, &place.join(name))?;
        }
    }
    for (name, target) in DEVICE_LINKS {
        fs::os::unix::fs::symlink(target, place.join(name))?;
    }
    let terminals = place.join("pts");
    fs::create_dir(&terminals)?;
    mount(
        "devpts",
        &terminals,
        "devpts",
        plain,
        c"newinstance,ptmxmode=0666,mode=0620",
    )
    .map_err(|error| failed("mount `/dev/pts`", error))?;
    let memory = place.join("shm");
    fs::create_dir(&memory)?;
    let plain = plain | MountFlags::NODEV;
    mount("tmpfs", &memory, "tmpfs", plain, c"mode=1777")
        .map_err(|error| failed("mount `/dev/shm`", error))
}

/// The names of hosts: loopback's, and with a network those that the machine knows. They are no part
/// of a layer.
fn names(network: bool) -> Result<()> {
    let etc = folder("etc")?;
    for name in NAMES {
        let text = text_of_names(name, network);
        let target = etc.join(name);
        let is_file = fs::symlink_metadata(&target).map(|data| data.is_file());
        if !is_file.unwrap_or(false) {
            // A link would lead out of the image, or nowhere.
            drop(fs::remove_file(&target));
            fs::write(&target, "")?;
        }
        let source = Path::new("dev/shm").join(name);
        fs::write(&source, text)?;
        mount_bind(&source, &target)
            .map_err(|error| failed(&format!("mount `/etc/{name}`"), error))?;
        fs::remove_file(&source)?;
    }
    Ok(())
}

/// `/proc` of the own processes and, where the machine lets it, `/sys`; nothing in them can be changed
/// that is everybody's.
fn kernel() -> Result<()> {
    let place = folder("proc")?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", place, "proc", plain, None).map_err(|error| failed("mount `/proc`", error))?;
    let hidden = HIDDEN.iter().map(|name| place.join(name));
    for path in hidden.filter(|path| path.exists()) {
        mount_bind("/dev/null", &path)
            .map_err(|error| failed(&format!("hide `/{}`", path.display()), error))?;
    }
    let kept = READ_ONLY.iter().map(|name| place.join(name));
    for path in kept.filter(|path| path.exists()) {
        mount_bind(&path, &path)
            .and_then(|()| mount_remount(&path, MountFlags::BIND | MountFlags::RDONLY | plain, ""))
            .map_err(|error| failed(&format!("keep `/{}`", path.display()), error))?;
    }
    let place = folder("sys")?;
    match mount("sysfs", place, "sysfs", plain | MountFlags::RDONLY, None) {
        Ok(()) => {}
        // Only who owns the network may see it; programs do without.
        Err(Errno::PERM) => return Ok(()),
        Err(error) => return Err(failed("mount `/sys`", error)),
    }
    let firmware = place.join("firmware");
    if firmware.exists() {
        mount(
            "tmpfs",
            &firmware,
            "tmpfs",
            plain | MountFlags::RDONLY,
            c"size=1k",
        )
        .map_err(|error| failed("hide `/sys/firmware`", error))?;
    }
    Ok(())
}

/// A device of the machine, in a new file.
fn bind(device: &Path, place: &Path) -> Result<()> {
    fs::write(place, "")?;
    mount_bind(device, place)
        .map_err(|error| failed(&format!("mount `{}`", device.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_layer_stands_first() {
        let below = ["a/upper", "b/upper"].map(std::path::PathBuf::from);
        let options = |way| options(way, &below, Path::new("c/upper"), Path::new("c/work"));
        assert!(options(Way::UserNamespace).ends_with(",userxattr"));
        let options = options(Way::Namespaces);
        assert!(
            options.starts_with("lowerdir=b/upper:a/upper,upperdir=c/upper,workdir=c/work,"),
            "{options}"
        );
    }
}
