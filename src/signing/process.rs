//! Runs a program that signs: content in on standard input, signature out on standard output.
//!
//! Knows nothing of keys.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::error::{CommandFailed, Error, Kind, Result};

/// How many of a failed program's last lines an error shows.
const LAST_LINES: usize = 10;

/// Runs a command with `input` and answers what it prints.
pub(super) fn run(mut command: Command, input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(&command, &error))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // What it prints is read while it is fed: a talkative program would stop, and wait for that.
    let (fed, answer, said) = thread::scope(|scope| {
        let answer = scope.spawn(|| read_all(stdout));
        let said = scope.spawn(|| read_all(stderr));
        let fed = stdin.map_or(Ok(0), |mut stdin| io::copy(input, &mut stdin));
        (fed, joined(answer), joined(said))
    });
    let status = child.wait()?;
    if !status.success() {
        return Err(failed(&command, status, &said?));
    }
    // A program that ends before it has read everything says why itself.
    match fed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Err(_) => Err(Error::new(
            Kind::Publish,
            format!("`{}` did not read all it was to sign", program(&command)),
        )
        .hint("it must read its standard input to the end")),
        Ok(_) => Ok(answer?),
    }
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn joined(reader: thread::ScopedJoinHandle<'_, io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    let panicked = |_| {
        Err(io::Error::other(
            "a reader of the program's output ended early",
        ))
    };
    reader.join().unwrap_or_else(panicked)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn not_started(command: &Command, error: &io::Error) -> Error {
    Error::new(
        Kind::Publish,
        format!("`{}` can't be started: {error}", program(command)),
    )
    .hint("install it (gpg: the package `gnupg`), or name the right program in `[signing]`")
}

/// The program's words are left out: those of a command are the user's business, and may say where
/// secrets are.
fn failed(command: &Command, status: ExitStatus, said: &[u8]) -> Error {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    Error::new(Kind::Publish, format!("`{}` failed", program(command))).command(CommandFailed {
        argv: vec![program(command)],
        status: status.code().map_or(-1, i64::from),
        last_lines: lines[lines.len().saturating_sub(LAST_LINES)..].to_vec(),
        log: None,
    })
}
