//! A real S3 server for the tests: one for all, which ends with them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// As `.ci/prerequisites` keeps it.
const FOLDER: &str = "moto-5.2.5";

/// The server: it ends when its standard input does, which is when the tests' process ends.
struct Server {
    _process: Child,
    address: String,
}

/// The address of the server, `host:port`. It has a bucket `cache`.
pub(super) fn address() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(start).address
}

fn start() -> Server {
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = caches.or_else(home).expect("HOME is set");
    let python = caches
        .join("omnibuild-tests")
        .join(FOLDER)
        .join("bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/remote/s3.py");
    let mut command = Command::new(&python);
    command.arg(script).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let process = command.spawn();
    let mut process = process.unwrap_or_else(|error| {
        panic!(
            "`{}` can't be started ({error}): run .ci/prerequisites",
            python.display()
        )
    });
    let mut line = String::new();
    let output = process.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let address = line.trim().to_owned();
    assert!(
        address.contains(':'),
        "the S3 server has not started: run .ci/prerequisites"
    );
    Server {
        _process: process,
        address,
    }
}
