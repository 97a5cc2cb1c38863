//! The user's own command as a signer.
//!
//! It is given the content on standard input and answers with a detached binary signature.

use std::io::Read;
use std::process::Command;

use crate::error::{Error, Kind, Result};

use super::process;

/// What the command answers.
pub(super) fn sign(argv: &[String], content: &mut dyn Read) -> Result<Vec<u8>> {
    let Some((program, words)) = argv.split_first() else {
        return Err(Error::new(Kind::Config, "signing.command is empty")
            .hint("write the command word by word, such as `[\"/usr/local/bin/sign\"]`"));
    };
    let mut command = Command::new(program);
    command.args(words);
    process::run(command, content)
}
