//! A tap on the way to the engine: holds the request that makes a container until a test has done
//! what it wants to do at that moment.
//!
//! Understands nothing of the engine's answers, only when the first one has come.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::engine::{Tested, tested};
use super::podman;

/// Longer than anything takes on a machine under load.
const LIMIT: Duration = Duration::from_mins(3);
/// What a request that makes a container begins with, behind the version of the interface.
const CREATE: &[u8] = b"/containers/create HTTP/";

/// A socket in front of the engine's.
pub(crate) struct Tap {
    folder: tempfile::TempDir,
    held: Receiver<Held>,
}

/// A request that the engine has not seen yet.
pub(crate) struct Held {
    go: Sender<()>,
    answered: Receiver<()>,
}

impl Tap {
    /// Opens a socket whose requests go on to the engine.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listener = UnixListener::bind(folder.path().join("tap.sock")).expect("a socket");
        let engine = engine_socket();
        let (holding, held) = channel();
        std::thread::spawn(move || {
            for program in listener.incoming().flatten() {
                let engine = UnixStream::connect(&engine).expect("the engine answers");
                let holding = holding.clone();
                std::thread::spawn(move || join(program, engine, &holding));
            }
        });
        Self { folder, held }
    }

    /// Its address, for `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("tap.sock").display())
    }

    /// Waits for the next request that makes a container.
    pub(crate) fn next_create(&self) -> Held {
        self.held
            .recv_timeout(LIMIT)
            .expect("a container is asked for")
    }
}

impl Held {
    /// Lets the request go on; comes back when the engine has answered it.
    pub(crate) fn release(self) {
        self.go.send(()).expect("the request still waits");
        self.answered
            .recv_timeout(LIMIT)
            .expect("the engine answers");
    }
}

/// Copies both ways until either side is done.
fn join(mut program: UnixStream, mut engine: UnixStream, holding: &Sender<Held>) {
    let (answer, answers) = channel::<Sender<()>>();
    let mut from_engine = engine.try_clone().expect("a socket has two ends");
    let mut to_program = program.try_clone().expect("a socket has two ends");
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_engine.read(&mut buffer) {
            for waiting in answers.try_iter() {
                // The test may be over.
                waiting.send(()).ok();
            }
            // The program may be gone; the engine's answer still counts.
            to_program.write_all(&buffer[..length]).ok();
        }
        to_program.shutdown(std::net::Shutdown::Both).ok();
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = program.read(&mut buffer) {
        let request = &buffer[..length];
        if request.windows(CREATE.len()).any(|window| window == CREATE) {
            let (go, gone) = channel();
            let (waiting, answered) = channel();
            // Without a test that wants it, the request goes on.
            if holding.send(Held { go, answered }).is_ok() {
                gone.recv().ok();
            }
            answer.send(waiting).ok();
        }
        if engine.write_all(request).is_err() {
            break;
        }
    }
    engine.shutdown(std::net::Shutdown::Write).ok();
}

/// The engine's socket.
pub(crate) fn engine_socket() -> PathBuf {
    if tested() == Tested::Podman {
        return podman::socket();
    }
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let host = if host.is_empty() {
        "unix:///var/run/docker.sock"
    } else {
        &host
    };
    let path = host.strip_prefix("unix://");
    path.unwrap_or_else(|| panic!("this test needs an engine at a socket, not `{host}`"))
        .into()
}
