//! Runs a program that signs: content in on standard input, signature out on standard output.
//!
//! Knows nothing of keys.

use std::io::{self, Read};
use std::process::{Command, Stdio};

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
    // A program that ends before it has read everything says why itself.
    let fed = match child.stdin.take() {
        Some(mut stdin) => io::copy(input, &mut stdin),
        None => Ok(0),
    };
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(failed(&command, &output));
    }
    match fed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Err(_) => Err(Error::new(
            Kind::Publish,
            format!("`{}` did not read all it was to sign", program(&command)),
        )
        .hint("it must read its standard input to the end")),
        Ok(_) => Ok(output.stdout),
    }
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

fn failed(command: &Command, output: &std::process::Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    Error::new(Kind::Publish, format!("`{}` failed", program(command))).command(CommandFailed {
        argv: words
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        status: output.status.code().map_or(-1, i64::from),
        last_lines: lines[lines.len().saturating_sub(LAST_LINES)..].to_vec(),
        log: None,
    })
}
