//! An HTTP server on this machine: files of a folder, or what a function answers.
//!
//! Containers reach it through the machine's own network, so the engine must be on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// What is answered to a path: the type of the content, and the content; `None`: there is nothing.
type Answer = Option<(&'static str, Vec<u8>)>;

/// A site that answers until the tests end.
pub(crate) struct Site {
    port: u16,
}

impl Site {
    /// A site of the files below a folder.
    pub(crate) fn serve(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::answering(move |path| {
            // What package managers escape of the names of packages.
            let path = path.replace("%2b", "+").replace("%2B", "+");
            let content = fs_err::read(folder.join(path.trim_start_matches('/')));
            Some(("application/octet-stream", content.ok()?))
        })
    }

    /// A site of what a function answers to the paths that are asked for.
    pub(crate) fn answering(content: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let content = Arc::new(content);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = Arc::clone(&content);
                // Who hangs up early will say so himself.
                std::thread::spawn(move || answer(stream, &*content).ok());
            }
        });
        Self { port }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(mut stream: TcpStream, content: impl Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The whole request is read, or closing the connection would cut the answer off.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, (kind, body)) = match content(path) {
        Some(found) => ("200 OK", found),
        None => ("404 Not Found", ("text/plain", Vec::new())),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    stream.flush()
}
