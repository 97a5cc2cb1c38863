//! An HTTP server on this machine: files of a folder, or what a function answers.
//!
//! Containers reach it through the machine's own network, so the engine must be on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// What is answered to a path: the type of the content, and the content; `None`: there is nothing.
type Content = Option<(&'static str, Vec<u8>)>;

/// A site that answers until the tests end.
pub(crate) struct Site {
    port: u16,
}

/// What was asked.
pub(crate) struct Request {
    /// `GET` and others.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Header fields, their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// What was sent.
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) struct Response {
    /// Number and words.
    pub(crate) status: &'static str,
    /// Header fields beside those of every answer.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The content.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// An answer without content.
    pub(crate) fn empty(status: &'static str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn of(content: Content) -> Self {
        match content {
            Some((kind, body)) => Self {
                headers: vec![("Content-Type", kind.to_owned())],
                body,
                ..Self::empty("200 OK")
            },
            None => Self::empty("404 Not Found"),
        }
    }
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
    pub(crate) fn answering(content: impl Fn(&str) -> Content + Send + Sync + 'static) -> Self {
        Self::responding(move |request| Response::of(content(&request.path)))
    }

    /// The same for those who say this in `Authorization`; others learn what they lack.
    pub(crate) fn guarded(
        authorization: String,
        content: impl Fn(&str) -> Content + Send + Sync + 'static,
    ) -> Self {
        Self::responding(move |request| {
            if request.headers.get("authorization") == Some(&authorization) {
                return Response::of(content(&request.path));
            }
            let mut refusal = Response::empty("401 Unauthorized");
            let asks = "Basic realm=\"index\"".to_owned();
            refusal.headers.push(("WWW-Authenticate", asks));
            refusal
        })
    }

    /// A site of what a function answers to whole requests.
    pub(crate) fn responding(
        respond: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let respond = Arc::new(respond);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let respond = Arc::clone(&respond);
                // Who hangs up early will say so himself.
                std::thread::spawn(move || answer(stream, &*respond).ok());
            }
        });
        Self { port }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The head of a request: its first line, and its fields with their names in lower case.
pub(crate) fn head(
    reader: &mut impl BufRead,
) -> std::io::Result<(String, BTreeMap<String, String>)> {
    let mut lines = reader.lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => break,
        }
    }
    Ok((first, headers))
}

fn answer(mut stream: TcpStream, respond: impl Fn(&Request) -> Response) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (first, headers) = head(&mut reader)?;
    // The whole request is read, or closing the connection would cut the answer off.
    let length = headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ').map(str::to_owned);
    let request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers,
        body,
    };
    let response = respond(&request);
    write!(stream, "HTTP/1.1 {}\r\n", response.status)?;
    for (name, value) in &response.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    let length = response.body.len();
    write!(
        stream,
        "Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    if request.method != "HEAD" {
        stream.write_all(&response.body)?;
    }
    stream.flush()
}
