//! A container engine that only pretends: the Docker API 1.41 on a socket, as far as the pipeline
//! asks before the first wheel. It keeps a record of calls and of containers, fails at a call, or
//! holds one until it is released.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// The call with this number, from 1, is answered with status 500.
    FailAt(usize),
    /// The first call of this kind is answered with status 500.
    Fail(&'static str),
    /// The first call of this kind is answered when the test says so.
    Hold(&'static str),
    /// Commands end with this status.
    Status(i64),
}

struct State {
    trouble: Trouble,
    api_version: &'static str,
    arch: &'static str,
    calls: Vec<String>,
    containers: BTreeMap<String, Value>,
    bodies: Vec<Value>,
    created: usize,
    built: bool,
    reached: Sender<()>,
    release: Option<Receiver<()>>,
}

/// A pretended engine.
pub(crate) struct FakeEngine {
    address: String,
    state: Arc<Mutex<State>>,
    reached: Receiver<()>,
    release: Sender<()>,
}

impl FakeEngine {
    pub(crate) fn start(socket: &Path, api_version: &'static str, trouble: Trouble) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (reached_sender, reached) = channel();
        let (release, release_receiver) = channel();
        let state = Arc::new(Mutex::new(State {
            trouble,
            api_version,
            arch: "amd64",
            calls: Vec::new(),
            containers: BTreeMap::new(),
            bodies: Vec::new(),
            created: 0,
            built: false,
            reached: reached_sender,
            release: Some(release_receiver),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        let address = format!("unix://{}", socket.display());
        Self {
            address,
            state,
            reached,
            release,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it says that its machine is, from now on.
    pub(crate) fn set_arch(&self, arch: &'static str) {
        self.state.lock().unwrap().arch = arch;
    }

    /// What goes wrong from now on; calls are counted anew.
    pub(crate) fn set_trouble(&self, trouble: Trouble) {
        let mut state = self.state.lock().unwrap();
        state.trouble = trouble;
        state.calls.clear();
    }

    /// Every call so far, such as `POST /containers/c1/start`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// How many containers were ever made.
    pub(crate) fn created(&self) -> usize {
        self.state.lock().unwrap().created
    }

    /// The bodies with which containers were made.
    pub(crate) fn container_bodies(&self) -> Vec<Value> {
        self.state.lock().unwrap().bodies.clone()
    }

    /// Containers that are still there.
    pub(crate) fn containers(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .containers
            .keys()
            .cloned()
            .collect()
    }

    /// Waits until the held call has arrived.
    pub(crate) fn wait_for_held_call(&self) {
        self.reached.recv().unwrap();
    }

    /// Answers the held call, and waits until what it does is done.
    pub(crate) fn release(&self) {
        self.release.send(()).unwrap();
        self.reached.recv().unwrap();
    }
}

/// Answers the calls of one connection until it ends.
fn serve(stream: UnixStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some((call, body)) = read_request(&mut reader) {
        // A client that went away takes no answer.
        if answer(reader.get_mut(), &call, &body, state).is_err()
            || call.ends_with("start") && call.contains("/exec/")
        {
            return;
        }
    }
}

fn answer(
    stream: &mut UnixStream,
    call: &str,
    body: &[u8],
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let mut locked = state.lock().unwrap();
    locked.calls.push(call.to_owned());
    let fails = match locked.trouble {
        Trouble::FailAt(number) => locked.calls.len() == number,
        Trouble::Fail(kind) => kind_of(call) == kind,
        _ => false,
    };
    if fails {
        if matches!(locked.trouble, Trouble::Fail(_)) {
            locked.trouble = Trouble::None;
        }
        return respond(stream, 500, &json!({ "message": "pretended failure" }));
    }
    let held = matches!(locked.trouble, Trouble::Hold(kind) if kind_of(call) == kind);
    if held {
        locked.trouble = Trouble::None;
        locked.reached.send(()).unwrap();
        let release = locked.release.take().unwrap();
        drop(locked);
        // The test ended without a release: so does this.
        if release.recv().is_err() {
            return Ok(());
        }
        locked = state.lock().unwrap();
    }
    let result = locked.answer(stream, call, body);
    if held {
        locked.reached.send(()).unwrap();
    }
    result
}

impl State {
    fn answer(&mut self, stream: &mut UnixStream, call: &str, body: &[u8]) -> std::io::Result<()> {
        match kind_of(call) {
            "version" => {
                let version = json!({ "ApiVersion": self.api_version, "Version": "20.10.24", "Arch": self.arch });
                respond(stream, 200, &version)
            }
            "image" if call.contains("builder") && !self.built => {
                respond(stream, 404, &json!({ "message": "no such image" }))
            }
            "image" => {
                let digest = format!("debian@sha256:{}", "5".repeat(64));
                let image = json!({ "Id": "sha256:1", "RepoDigests": [digest], "Config": {} });
                respond(stream, 200, &image)
            }
            "build" => {
                self.built = true;
                respond(stream, 200, &json!({ "stream": "Successfully built\n" }))
            }
            "tag" => respond(stream, 201, &Value::Null),
            "create" => {
                self.created += 1;
                let id = format!("c{}", self.created);
                let body: Value = serde_json::from_slice(body).unwrap();
                self.containers.insert(id.clone(), body["Labels"].clone());
                self.bodies.push(body);
                respond(stream, 201, &json!({ "Id": id, "Warnings": [] }))
            }
            // Its input is held, and nothing is sent to it.
            "attach" => stream.write_all(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"),
            "start" => respond(stream, 204, &Value::Null),
            "upload" => respond(stream, 200, &Value::Null),
            "exec" => respond(stream, 201, &json!({ "Id": "e1" })),
            "exec start" => {
                let facts = interpreter().to_string();
                stream.write_all(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")?;
                let mut frame = vec![1, 0, 0, 0];
                frame.extend(u32::try_from(facts.len() + 1).unwrap().to_be_bytes());
                frame.extend(facts.as_bytes());
                frame.push(b'\n');
                stream.write_all(&frame)
            }
            "exec end" => {
                let status = if let Trouble::Status(status) = self.trouble {
                    status
                } else {
                    0
                };
                respond(
                    stream,
                    200,
                    &json!({ "Running": false, "ExitCode": status }),
                )
            }
            "list" => {
                let containers = self
                    .containers
                    .iter()
                    .map(|(id, labels)| json!({ "Id": id, "Labels": labels }));
                respond(stream, 200, &containers.collect())
            }
            "remove" => {
                let id = call.rsplit('/').next().unwrap();
                let known = self.containers.remove(id).is_some();
                respond(
                    stream,
                    if known { 204 } else { 404 },
                    &json!({ "message": "" }),
                )
            }
            // What comes after is not pretended: `download`, for one.
            _ => respond(
                stream,
                404,
                &json!({ "message": format!("`{call}` is not pretended") }),
            ),
        }
    }
}

/// What a call is for.
fn kind_of(call: &str) -> &'static str {
    let (method, path) = call.split_once(' ').unwrap();
    let last = path.rsplit('/').next().unwrap();
    match (method, last) {
        ("GET", "version") => "version",
        ("POST", "build") => "build",
        ("POST", "tag") => "tag",
        ("POST", "create") if path.starts_with("/containers") => "create",
        ("POST", "attach") => "attach",
        ("POST", "start") if path.starts_with("/containers") => "start",
        ("POST", "start") => "exec start",
        ("PUT", "archive") => "upload",
        ("GET", "archive") => "download",
        ("POST", "exec") => "exec",
        ("GET", "json") if path.starts_with("/exec") => "exec end",
        ("GET", "json") if path.starts_with("/images") => "image",
        ("GET", "json") if path == "/containers/json" => "list",
        ("DELETE", _) => "remove",
        _ => "other",
    }
}

/// Facts as `interpreter.py` prints them in a Debian 12 builder.
fn interpreter() -> Value {
    json!({
        "schema": 1, "version": "3.11.2", "major_minor": "3.11", "implementation": "cpython",
        "cache_tag": "cpython-311", "abi": "cp311", "magic": "a70d0d0a",
        "executable": "/usr/bin/python3.11", "machine": std::env::consts::ARCH, "libc": "glibc 2.36",
    })
}

/// The next request of a connection: method and path without version and query, and the body.
fn read_request(reader: &mut BufReader<UnixStream>) -> Option<(String, Vec<u8>)> {
    let first = read_line(reader).filter(|line| !line.is_empty())?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    let path = match path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
    {
        Some(path) => path,
        None => path,
    };
    let call = format!("{method} {path}");
    let (mut length, mut chunked) = (0, false);
    loop {
        let line = read_line(reader)?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    let mut body = Vec::new();
    while chunked {
        let size = usize::from_str_radix(read_line(reader)?.trim(), 16).ok()?;
        let mut chunk = vec![0; size];
        reader.read_exact(&mut chunk).ok()?;
        read_line(reader)?;
        body.extend(chunk);
        chunked = size > 0;
    }
    if length > 0 {
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
    }
    Some((call, body))
}

fn read_line(reader: &mut BufReader<UnixStream>) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn respond(stream: &mut UnixStream, status: u16, body: &Value) -> std::io::Result<()> {
    let body = if body.is_null() {
        String::new()
    } else {
        format!("{body}\r\n")
    };
    let length = if status == 204 {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let body = if status == 204 { String::new() } else { body };
    let head = format!(
        "HTTP/1.1 {status} PRETENDED\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n{length}\r\n"
    );
    stream.write_all((head + &body).as_bytes())
}
