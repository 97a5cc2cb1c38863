//! Has a helper process do a task, and passes on what it prints.
//!
//! The helper lives no longer than this program: it holds one end of a socket and ends its task when
//! the other is closed, by a kill too. A signal at the parent's death would not do, as threads are
//! parents, and they come and go.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::process::Child;

use super::task::{Answer, OUTSIDE, Task, error, frame, receive};
use crate::engine::Output;
use crate::engine::lines::Lines;
use crate::error::{Error, Kind, Result};

/// Does a task; answers the status of its command, 0 where it has none.
///
/// When the future is dropped, the task is ended. Who wants to know when that is done, locks the
/// task's lock.
pub(super) async fn perform(task: &Task, output: Output<'_>) -> Result<i64> {
    let (mut socket, theirs) = pair()?;
    let mut child = start(theirs, Stdio::piped())?;
    hand_over(task, &mut socket).await?;
    follow(&mut child, output).await?;
    end(child, socket, output).await
}

/// The same of a command whose standard input and output are a stream.
pub(super) async fn converse(
    task: &Task,
    mut stream: DuplexStream,
    output: Output<'_>,
) -> Result<i64> {
    let (mut socket, theirs) = pair()?;
    let (mut here, there) = pair()?;
    let mut child = start(theirs, OwnedFd::from(there).into())?;
    hand_over(task, &mut socket).await?;
    let pass_on = async {
        // A command that has hung up goes on nevertheless.
        drop(tokio::io::copy_bidirectional(&mut stream, &mut here).await);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        followed = follow(&mut child, output) => followed?,
        () = pass_on => {}
    }
    end(child, socket, output).await
}

/// Our end of a socket and that of a helper.
fn pair() -> Result<(tokio::net::UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((tokio::net::UnixStream::from_std(ours)?, theirs))
}

async fn hand_over(task: &Task, socket: &mut tokio::net::UnixStream) -> Result<()> {
    let task = frame(task)?;
    // One for each helper. Who has ended already says why.
    drop(socket.write_all(&[&task[..], &task].concat()).await);
    Ok(())
}

/// Waits for the end, and answers what the helpers say of it.
async fn end(
    mut child: Child,
    mut socket: tokio::net::UnixStream,
    output: Output<'_>,
) -> Result<i64> {
    let ended = child.wait().await?;
    let mut answers = Vec::new();
    match socket.read_to_end(&mut answers).await {
        // A helper that failed early leaves the other's frame unread. What it said is here.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
            return Err(error.into());
        }
        Ok(_) | Err(_) => {}
    }
    let mut answers = answers.as_slice();
    let mut status = None;
    while let Some(answer) = receive(&mut answers)? {
        match answer {
            Answer::Failed { kind, message } => return Err(error(kind, message)),
            Answer::NotStarted { message, status } => {
                output(&message);
                return Ok(status);
            }
            Answer::Ended(code) => status = Some(code),
        }
    }
    status.ok_or_else(|| {
        Error::new(
            Kind::Engine,
            format!("a helper of the sandbox was ended from outside ({ended})"),
        )
        .hint("the machine may be out of memory: look at the kernel's log")
    })
}

fn start(socket: UnixStream, stdout: Stdio) -> Result<Child> {
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command
        .arg(OUTSIDE)
        .env_clear()
        .stdin(OwnedFd::from(socket))
        .stdout(stdout)
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| {
        Error::new(
            Kind::Engine,
            format!("the sandbox can't start its helper: {error}"),
        )
    })
}

/// Passes on every line until its streams end.
async fn follow(child: &mut Child, output: Output<'_>) -> Result<()> {
    let Some(mut stderr) = child.stderr.take() else {
        return Err(Error::new(Kind::Internal, "a child without its streams"));
    };
    let mut stdout: Box<dyn AsyncRead + Send + Unpin> = match child.stdout.take() {
        Some(stdout) => Box::new(stdout),
        // It is somebody else's.
        None => Box::new(tokio::io::empty()),
    };
    let (mut lines, mut errors) = (Lines::default(), Lines::default());
    let (mut bytes, mut other) = (vec![0; 1 << 14], vec![0; 1 << 14]);
    let (mut open, mut other_open) = (true, true);
    while open || other_open {
        tokio::select! {
            read = stdout.read(&mut bytes), if open => {
                let read = read?;
                open = read > 0;
                lines.push(&bytes[..read], output);
            }
            read = stderr.read(&mut other), if other_open => {
                let read = read?;
                other_open = read > 0;
                errors.push(&other[..read], output);
            }
        }
    }
    lines.flush(output);
    errors.flush(output);
    Ok(())
}
