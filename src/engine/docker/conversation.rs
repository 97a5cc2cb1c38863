//! What goes to and fro between a command in a container and this program.

use bollard::container::LogOutput;
use bollard::errors::Error as ClientError;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream};

use crate::engine::Output;
use crate::engine::lines::Lines;

/// Passes on every line until the command ends. With a stream, that is its standard input and output.
pub(super) async fn follow(
    mut chunks: impl Stream<Item = Result<LogOutput, ClientError>> + Unpin,
    mut input: impl AsyncWrite + Unpin,
    stream: Option<DuplexStream>,
    output: Output<'_>,
) -> Result<(), ClientError> {
    let (said, mut heard) = match stream.map(tokio::io::split) {
        Some((said, heard)) => (Some(said), Some(heard)),
        None => (None, None),
    };
    let hear = async {
        let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
        while let Some(chunk) = chunks.next().await {
            match (chunk?, &mut heard) {
                (LogOutput::StdErr { message }, _) => stderr.push(&message, output),
                // Who has gone wants no more.
                (LogOutput::StdOut { message }, Some(heard)) => {
                    drop(heard.write_all(&message).await);
                }
                (
                    LogOutput::StdOut { message }
                    | LogOutput::StdIn { message }
                    | LogOutput::Console { message },
                    _,
                ) => stdout.push(&message, output),
            }
        }
        stdout.flush(output);
        stderr.flush(output);
        Ok(())
    };
    let say = async {
        if let Some(mut said) = said {
            // A command that reads no more goes on nevertheless.
            drop(tokio::io::copy(&mut said, &mut input).await);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = hear => ended,
        () = say => Ok(()),
    }
}
