//! Ends the processes of a task where no namespace of processes does: this process takes over each
//! whose parent ends, so that in a session of its own, too, none gets away.
//!
//! Ends nobody but children of this process.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use super::failure::failed;
use crate::error::Result;

/// From now on this process is the parent of those that lose theirs.
pub(super) fn adopt() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| failed("take over processes", error))
}

/// Ends all that are left, and waits until they are gone.
pub(super) fn end() -> Result<()> {
    loop {
        for child in children()? {
            // One that has ended is still this process's child, so nobody else has its number.
            rustix::process::kill_process(child, Signal::KILL).ok();
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(failed("wait for processes", error)),
        }
    }
}

fn children() -> Result<Vec<Pid>> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut children = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(process) = number.and_then(Pid::from_raw) else {
            continue;
        };
        // Another's may just be gone.
        let stat = fs_err::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        if stat.is_ok_and(|stat| parent(&stat) == Some(own)) {
            children.push(process);
        }
    }
    Ok(children)
}

/// The parent in a line of proc_pid_stat(5), whose second field may have blanks and brackets in it.
fn parent(stat: &str) -> Option<i32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_stands_behind_the_name_whatever_that_is() {
        assert_eq!(parent("12 (a) b (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (sh) Z 1 12"), Some(1));
        assert_eq!(parent("12"), None);
    }

    #[test]
    fn a_child_is_among_the_children() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let found = children().unwrap().contains(&Pid::from_child(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
