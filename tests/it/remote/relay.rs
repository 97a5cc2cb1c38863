//! Stands between the program and the server: counts requests, and does harm on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing.
    None,
    /// The connection is closed without an answer.
    Reset,
    /// Answered with this status, without asking the server.
    Status(u16),
    /// Half of the answer's body comes, then the connection is closed.
    Short,
    /// Half of the answer's body comes, then nothing more.
    Stall,
    /// The last byte of the body is another.
    Change,
    /// Half of what is uploaded is taken, then the connection is closed.
    HalfTaken,
}

/// A request as the rule sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// `GET`, `PUT` and so on.
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    /// How many came before.
    pub(super) number: usize,
}

impl Request {
    /// Whether it changes something.
    pub(super) fn writes(&self) -> bool {
        !["GET", "HEAD"].contains(&self.method.as_str())
    }
}

type Rule = Box<dyn Fn(&Request) -> Harm + Send + Sync>;

struct Shared {
    server: String,
    rule: Rule,
    seen: Mutex<Vec<Request>>,
    /// Dropped at the end: those that stall wait for it.
    end: Mutex<Receiver<()>>,
}

/// A relay; it ends with the test's process.
pub(super) struct Relay {
    address: String,
    shared: Arc<Shared>,
    _end: Sender<()>,
}

impl Relay {
    /// A relay to a server.
    pub(super) fn start(
        server: &str,
        rule: impl Fn(&Request) -> Harm + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, end) = mpsc::channel();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            rule: Box::new(rule),
            seen: Mutex::default(),
            end: Mutex::new(end),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let shared = Arc::clone(&of_thread);
                // A client that has gone is no failure of the relay.
                std::thread::spawn(move || client.and_then(|client| serve(client, &shared)));
            }
        });
        Self {
            address,
            shared,
            _end: sender,
        }
    }

    /// Where it listens, as an address of a server.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for so far.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }
}

/// One request: every answer closes its connection.
fn serve(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let name = line.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        if !name.starts_with("connection:") {
            head += &line;
        }
    }
    head += "\r\n";
    let request = {
        let mut seen = shared.seen.lock().unwrap();
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            number: seen.len(),
        };
        seen.push(request.clone());
        request
    };
    let harm = (shared.rule)(&request);
    let mut client = client;
    match harm {
        Harm::Reset => return client.shutdown(Shutdown::Both),
        Harm::HalfTaken => {
            let mut half = vec![0; length / 2];
            reader.read_exact(&mut half)?;
            return client.shutdown(Shutdown::Both);
        }
        _ => {}
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if let Harm::Status(status) = harm {
        let answer =
            format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes());
    }
    let mut server = TcpStream::connect(&shared.server)?;
    server.write_all(head.as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = end.map_or(answer.len(), |end| end + 4);
    match harm {
        Harm::Short | Harm::Stall => {
            client.write_all(&answer[..body + (answer.len() - body) / 2])?;
            if harm == Harm::Stall {
                // Until the relay is dropped.
                shared.end.lock().unwrap().recv().unwrap_err();
            }
        }
        Harm::Change => {
            if let Some(last) = answer[body..].last_mut() {
                *last ^= 1;
            }
            client.write_all(&answer)?;
        }
        _ => client.write_all(&answer)?,
    }
    client.shutdown(Shutdown::Both)
}
