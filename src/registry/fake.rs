//! A registry that does what it is told, faults included, and makes its own tokens: for the tests of this room.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Patience, Registry, Use};
use crate::digest::Digest;
use crate::plan::NetworkPlan;
use crate::report::Reporter;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// A status, and when to come again.
    Status(u16, Option<&'static str>),
    /// The line breaks.
    Reset,
    /// The registry says that it has something else.
    OtherDigest,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// What goes wrong with the next requests of a method.
    faults: VecDeque<(&'static str, Fault)>,
    /// What was asked, `METHOD path`.
    pub(super) asked: Vec<String>,
    /// Whether it wants a token, which it makes itself.
    pub(super) wants_token: bool,
    /// What it was told to make tokens: bodies of requests.
    pub(super) told: Vec<String>,
}

/// A registry on loopback, until the tests end.
pub(super) struct Fake {
    pub(super) host: String,
    pub(super) state: Arc<Mutex<State>>,
}

impl Fake {
    pub(super) fn start(faults: &[(&'static str, Fault)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State {
            faults: faults.iter().cloned().collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { host, state }
    }

    pub(super) fn registry(&self) -> Registry {
        let patience = Patience {
            waits: vec![Duration::ZERO; 3],
            longest: Duration::from_millis(20),
        };
        self.open(Use::Push, patience)
    }

    pub(super) fn open(&self, used: Use, patience: Patience) -> Registry {
        let name = format!("{}/team/tool", self.host).parse().unwrap();
        let network = NetworkPlan::default();
        Registry::open(&name, used, &network, patience, &Reporter::hidden()).unwrap()
    }

    pub(super) fn asked(&self, method: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .asked
            .iter()
            .filter(|line| line.starts_with(method))
            .count()
    }
}

/// One request, then the line is closed.
fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    let mut kind = String::new();
    let (mut host, mut token) = (String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        if let Some(value) = header.strip_prefix("host: ") {
            value.clone_into(&mut host);
        }
        if let Some(value) = header.strip_prefix("authorization: ") {
            value.clone_into(&mut token);
        }
        if let Some(value) = header.strip_prefix("content-type: ") {
            value.clone_into(&mut kind);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut state = state.lock().unwrap();
    state.asked.push(format!("{method} {target}"));
    let fault = state
        .faults
        .front()
        .filter(|(of, _)| *of == method)
        .map(|(_, fault)| fault.clone());
    if fault.is_some() {
        state.faults.pop_front();
    }
    let mut answer = |status: u16, headers: &[String], body: &[u8]| {
        let mut head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        for header in headers {
            head += &format!("{header}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).ok()?;
        if method != "HEAD" {
            stream.write_all(body).ok()?;
        }
        Some(())
    };
    match fault {
        Some(Fault::Reset) => return None,
        Some(Fault::Status(status, wait)) => {
            let wait = wait.map(|wait| format!("Retry-After: {wait}"));
            let told = br#"{"errors":[{"code":"TOLD","message":"no, not now"}]}"#;
            return answer(status, wait.as_slice(), told);
        }
        Some(Fault::OtherDigest) => {
            let other = format!("Docker-Content-Digest: sha256:{}", Digest::of("other"));
            return answer(201, &[other], b"");
        }
        None => {}
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    if path == "/token" {
        let told = String::from_utf8(body).ok()?;
        let refused = told.contains("refresh_token=run+out");
        state.told.push(told);
        if refused {
            return answer(401, &[], br#"{"error":"invalid_grant"}"#);
        }
        return answer(200, &[], br#"{"access_token":"good"}"#);
    }
    if state.wants_token && token != "bearer good" {
        let realm = format!(
            "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"fake\",scope=\"x\""
        );
        return answer(401, &[realm], b"");
    }
    let name = path.rsplit('/').next()?.to_owned();
    match method.as_str() {
        "POST" => answer(
            202,
            &["Location: /v2/team/tool/blobs/uploads/one?state=x".to_owned()],
            b"",
        ),
        "PUT" if path.contains("/uploads/") => {
            let digest = query.rsplit("digest=").next()?.replace("%3A", ":");
            assert!(query.starts_with("state=x&"), "{query}");
            assert_eq!(digest, format!("sha256:{}", Digest::of(&body)));
            state.blobs.insert(digest, body);
            answer(201, &[], b"")
        }
        "PUT" => {
            let digest = format!("sha256:{}", Digest::of(&body));
            state
                .manifests
                .insert(digest.clone(), (kind.clone(), body.clone()));
            state.manifests.insert(name, (kind, body));
            answer(201, &[format!("Docker-Content-Digest: {digest}")], b"")
        }
        _ if path.contains("/blobs/") => match state.blobs.get(&name) {
            Some(blob) => answer(200, &[], blob),
            None => answer(404, &[], b""),
        },
        _ => match state.manifests.get(&name) {
            Some((kind, content)) => answer(200, &[format!("Content-Type: {kind}")], content),
            None => answer(404, &[], b""),
        },
    }
}
