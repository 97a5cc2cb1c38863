//! A folder that is served over HTTP on this machine.
//!
//! Containers reach it as they reach [`Index`](super::index::Index).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// A site that answers until the tests end.
pub(crate) struct Site {
    port: u16,
}

impl Site {
    /// A site of the files below a folder.
    pub(crate) fn serve(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                // Who hangs up early will say so himself.
                std::thread::spawn(move || answer(stream, &folder).ok());
            }
        });
        Self { port }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The whole request is read, or closing the connection would cut the answer off.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    // What package managers escape of the names of packages.
    let path = path.replace("%2b", "+").replace("%2B", "+");
    let body = fs_err::read(folder.join(path.trim_start_matches('/')));
    let status = if body.is_ok() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = body.unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    stream.flush()
}
