//! Who is who in a user namespace: the user who asks is root there, and everybody else has a number of
//! the ranges that subuid(5) and subgid(5) give the user.
//!
//! Only newuidmap(1) and newgidmap(1) may write that down, from outside of the namespace once it is
//! there. So a third helper process, started before, runs them for the one that makes the namespace.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use super::failure::failed;
use super::task::{Answer, MAPPING, error, receive, send};
use super::{PATH, user};
use crate::error::{Error, Kind, Result};

/// So many numbers has an image of its own besides root's: the highest is that of `nobody`.
const NEEDED: u32 = 65_534;
/// Of Ubuntu: whether only programs with a profile may use a namespace that they made.
const PROFILES: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// What is written for a process.
#[derive(Debug, Serialize, Deserialize)]
struct Maps {
    process: u32,
    users: Vec<String>,
    groups: Vec<String>,
}

/// Whether there is what it takes.
pub(super) fn suits() -> Result<()> {
    let advice = |error: Error| {
        let name = name();
        error.hint(format!(
            "as root: `apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}` (numbers that nobody else has)"
        ))
    };
    for program in ["newuidmap", "newgidmap"] {
        if !user::program(program, PATH).is_file() {
            let text = format!("`{program}` is not installed");
            return Err(advice(Error::new(Kind::Missing, text)));
        }
    }
    maps().map_err(advice)?;
    let profiles = fs_err::read_to_string(PROFILES).unwrap_or_default();
    if profiles.trim() == "1" {
        let text = "AppArmor keeps programs without a profile from using user namespaces";
        let advice = "as root: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`";
        return Err(Error::new(Kind::Engine, text).hint(advice));
    }
    Ok(())
}

/// Makes namespaces, a user namespace among them, and becomes root there.
pub(super) fn enter(namespaces: CloneFlags) -> Result<()> {
    let maps = maps()?;
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut mapper = Command::new("/proc/self/exe")
        .arg(MAPPING)
        .stdin(OwnedFd::from(theirs))
        .spawn()?;
    unshare(CloneFlags::CLONE_NEWUSER | namespaces)
        .map_err(|error| failed("make a user namespace", error))?;
    send(&mut ours, &maps)?;
    let answer = receive::<Answer>(&mut ours)?;
    mapper.wait()?;
    match answer {
        None => Ok(()),
        Some(Answer::Failed { kind, message }) => Err(error(kind, message)),
        Some(other) => Err(Error::new(Kind::Internal, format!("{other:?}"))),
    }
}

/// Writes the maps that are asked for; says nothing when all is well.
pub(super) fn write(socket: &mut UnixStream) -> Result<Option<Answer>> {
    let Some(maps) = receive::<Maps>(socket)? else {
        return Ok(None);
    };
    for (program, map) in [("newuidmap", &maps.users), ("newgidmap", &maps.groups)] {
        let output = Command::new(user::program(program, PATH))
            .arg(maps.process.to_string())
            .args(map)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let text = format!("`{program}` refused: {said}");
            return Err(Error::new(Kind::Engine, text));
        }
    }
    Ok(None)
}

fn maps() -> Result<Maps> {
    let name = name();
    let map = |file: &str, own: u32| {
        let text = fs_err::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
        let ranges = ranges(&text, &name, rustix::process::getuid().as_raw());
        let count = ranges.iter().map(|(_, count)| *count).sum::<u32>();
        if count < NEEDED {
            let text = match count {
                0 => format!("`/etc/{file}` has no range for `{name}`"),
                _ => format!("`/etc/{file}` has {count} numbers for `{name}`, {NEEDED} are needed"),
            };
            return Err(Error::new(Kind::Missing, text));
        }
        Ok(words(own, &ranges))
    };
    Ok(Maps {
        process: std::process::id(),
        users: map("subuid", rustix::process::getuid().as_raw())?,
        groups: map("subgid", rustix::process::getgid().as_raw())?,
    })
}

/// The user's name, or number where there is none.
fn name() -> String {
    let number = rustix::process::getuid().to_string();
    user::line(Path::new("/etc/passwd"), 2, &number)
        .and_then(|line| line.into_iter().next())
        .unwrap_or(number)
}

/// First numbers and counts of a user's ranges in a text of subuid(5).
fn ranges(text: &str, name: &str, number: u32) -> Vec<(u32, u32)> {
    let number = number.to_string();
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let whose = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (whose == name || whose == number).then_some(range)
    });
    lines.collect()
}

/// Words of newuidmap(1): inside, outside and count of each range; 0 inside is `own`.
fn words(own: u32, ranges: &[(u32, u32)]) -> Vec<String> {
    let mut words = vec![0, own, 1];
    let mut inside = 1;
    for (first, count) in ranges {
        words.extend([inside, *first, *count]);
        inside = inside.saturating_add(*count);
    }
    words.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "other:1:2\nme:100000:65536\n1000:7:9\nme:x:1\n# me\n";
        assert_eq!(ranges(text, "me", 1000), [(100_000, 65_536), (7, 9)]);
        assert_eq!(ranges(text, "nobody", 5), []);
    }

    #[test]
    fn the_user_is_root_and_the_ranges_follow_each_other() {
        let words = words(1000, &[(100_000, 10), (7, 9)]);
        assert_eq!(words.join(" "), "0 1000 1 1 100000 10 11 7 9");
    }
}
