//! The two helper processes of a task: this program, started again under another name.
//!
//! The first stands outside. It makes the namespaces, starts the second as the first process of
//! theirs, and waits for its end or for that of the program, whichever comes first; then nothing of
//! the task is left, as the kernel ends all processes of a namespace with its first, and where there
//! can be no namespace it ends them itself. The second goes into the root, gives up what it may not
//! have, and becomes the command.
//!
//! Both have one thread, which namespaces want. Neither reads the environment or the command line.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use nix::sched::{CloneFlags, unshare};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::defaults::HOST_NAME;
use super::failure::failed;
use super::task::{self, Action, Answer, INSIDE, MAPPING, OUTSIDE, Task, receive, send};
use super::way::Way;
use super::{chroot, descendants, files, filter, loopback, mapping, proot, rights, root, user};
use crate::error::{Error, Kind, Result};
use crate::fsutil;

/// Acts as the helper that this word names; `None` when it names none.
pub(super) fn act(word: &str) -> Option<ExitCode> {
    let part = match word {
        OUTSIDE | INSIDE | MAPPING => word,
        _ => return None,
    };
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return Some(ExitCode::FAILURE);
    };
    let mut socket = UnixStream::from(socket);
    let answer = match part {
        MAPPING => mapping::write(&mut socket),
        _ => match receive::<Task>(&mut socket) {
            Ok(Some(task)) if part == OUTSIDE => outside(&task, &socket),
            Ok(Some(task)) => inside(&task),
            Ok(None) | Err(_) => return Some(ExitCode::FAILURE),
        },
    };
    let answer = answer.unwrap_or_else(|error| Some(Answer::of_error(&error)));
    // Who does not listen any more wants no answer.
    drop(answer.map(|answer| send(&mut socket, &answer)));
    drop(socket.flush());
    Some(ExitCode::SUCCESS)
}

fn outside(task: &Task, socket: &UnixStream) -> Result<Option<Answer>> {
    let _lock = task
        .lock
        .as_ref()
        .map(|lock| {
            let path = task.store.join(lock);
            let file = fs_err::File::open(&path)?;
            let locked = file.file().lock();
            locked.map_err(|error| Error::io("lock", &path, &error))?;
            Ok::<_, Error>(file)
        })
        .transpose()?;
    match task.way {
        Way::Namespaces => {
            unshare(namespaces(task)).map_err(|error| failed("make namespaces", error))?;
        }
        Way::UserNamespace => mapping::enter(namespaces(task))?,
        Way::Trees | Way::Proot => descendants::adopt()?,
    }
    // What it reads next is the task once more, meant for the one inside.
    let child = Command::new("/proc/self/exe")
        .arg(INSIDE)
        .stdin(std::os::fd::OwnedFd::from(socket.try_clone()?))
        .spawn()?;
    let status = wait(child, socket);
    match task.way {
        // The kernel ended all with the first.
        Way::Namespaces | Way::UserNamespace => {}
        Way::Trees | Way::Proot => descendants::end()?,
    }
    status.map(|status| status.map(|status| Answer::Ended(code(status))))
}

fn namespaces(task: &Task) -> CloneFlags {
    let mut spaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if !task.network {
        spaces |= CloneFlags::CLONE_NEWNET;
    }
    spaces
}

/// Waits for the helper inside; `None` when the program was gone before, and so the helper is now.
fn wait(mut child: Child, socket: &UnixStream) -> Result<Option<ExitStatus>> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| Error::new(Kind::Internal, "a child without an id"))?;
    let process =
        pidfd_open(id, PidfdFlags::empty()).map_err(|error| failed("watch a process", error))?;
    let mut ends = [
        PollFd::new(&process, PollFlags::IN),
        // Only that it is closed, which is always told.
        PollFd::new(socket, PollFlags::empty()),
    ];
    loop {
        match poll(&mut ends, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("wait for a process", error)),
        }
    }
    if !ends[0].revents().is_empty() {
        return Ok(Some(child.wait()?));
    }
    drop(child.kill());
    // Where there is a namespace of processes, this returns when every one of it is gone.
    child.wait()?;
    Ok(None)
}

fn code(status: ExitStatus) -> i64 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    i64::from(code.unwrap_or(-1))
}

fn inside(task: &Task) -> Result<Option<Answer>> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| failed("ask to end with the helper outside", error))?;
    // The user's would be that of the files in layers and packages.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // No signal of a terminal is for it, and no signal to its group for others; nor can it write what the
    // terminal's user seems to have typed.
    rustix::process::setsid().map_err(|error| failed("begin a session", error))?;
    match task.way {
        Way::Namespaces | Way::UserNamespace => {
            rustix::system::sethostname(HOST_NAME.as_bytes())
                .map_err(|error| failed("set the host name", error))?;
            if !task.network {
                loopback::raise()?;
            }
        }
        Way::Trees | Way::Proot => {}
    }
    match &task.action {
        Action::Fill => chroot::fill(task).map(|()| None),
        Action::Remove(folders) => {
            for folder in folders {
                fsutil::remove_tree(&task.store.join(folder))?;
            }
            Ok(None)
        }
        Action::Probe => match task.way {
            Way::Proot => {
                filter::apply(task.way)?;
                proot::probe().map(|()| None)
            }
            Way::Namespaces | Way::UserNamespace | Way::Trees => {
                root::enter(task)?;
                filter::apply(task.way).map(|()| None)
            }
        },
        Action::Unpack { archive, folder } => {
            let archive = fs_err::File::open(archive)?;
            match task.way {
                Way::Proot => proot::unpack(task, archive, folder)?,
                Way::Namespaces | Way::UserNamespace | Way::Trees => {
                    root::enter(task)?;
                    files::unpack(archive, folder)?;
                }
            }
            Ok(None)
        }
        Action::Pack { path, archive } => {
            let archive = fs_err::OpenOptions::new().write(true).open(archive)?;
            match task.way {
                Way::Proot => proot::pack(task, path, archive)?,
                Way::Namespaces | Way::UserNamespace | Way::Trees => {
                    root::enter(task)?;
                    files::pack(path, archive)?;
                }
            }
            Ok(None)
        }
        Action::Export { archive } => {
            let archive = fs_err::OpenOptions::new().write(true).open(archive)?;
            match task.way {
                Way::Proot => proot::export(task, archive)?,
                Way::Namespaces | Way::UserNamespace | Way::Trees => {
                    root::enter(task)?;
                    files::pack_root(files::Owners::Kept, Path::new("/"), archive)?;
                }
            }
            Ok(None)
        }
        Action::Run(command) => {
            // Where groups are is out of reach inside.
            task.restrictions.apply()?;
            match task.way {
                Way::Proot => proot::run(task, command, input(command)?).map(Some),
                Way::Namespaces | Way::UserNamespace | Way::Trees => {
                    root::enter(task)?;
                    run(task.way, command).map(Some)
                }
            }
        }
    }
}

/// What a command reads: nothing, where it doesn't converse.
fn input(command: &task::Command) -> Result<Stdio> {
    if command.converses {
        Ok(std::io::stdout().as_fd().try_clone_to_owned()?.into())
    } else {
        Ok(Stdio::null())
    }
}

/// Becomes the command; answers only when it can't.
fn run(way: Way, command: &task::Command) -> Result<Answer> {
    let program = command.argv.first().map_or("", String::as_str);
    let folder = if command.cwd.is_empty() {
        "/"
    } else {
        &command.cwd
    };
    rustix::process::chdir(folder).map_err(|error| failed(&format!("go to `{folder}`"), error))?;
    let user = user::find(Path::new("/"), &command.user)?;
    let mut path = command.env.iter().rev();
    let path = path.find(|(name, _)| name == "PATH");
    let path = path.map_or("", |(_, path)| path);
    let mut process = Command::new(user::program(program, path));
    process
        .arg0(program)
        .args(command.argv.iter().skip(1))
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(input(command)?);
    if let Some((user, group)) = user {
        process.uid(user).gid(group);
    }
    rights::give_up()?;
    filter::apply(way)?;
    let error = process.exec();
    let (status, why) = match error.kind() {
        std::io::ErrorKind::NotFound => (127, "not found".to_owned()),
        _ => (126, error.to_string()),
    };
    Ok(Answer::NotStarted {
        message: format!("{program}: {why}"),
        status,
    })
}
