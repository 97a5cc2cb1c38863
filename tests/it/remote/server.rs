//! Real servers for the tests: they end when they are dropped, or with the tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// As `.ci/prerequisites` keeps it.
const FOLDER: &str = "moto-5.2.5";

/// A server: it ends when its standard input does.
pub(super) struct Server {
    process: Child,
    /// `host:port`. It has a bucket `cache`.
    pub(super) address: String,
    /// Users with the identifiers of their keys and the keys.
    pub(super) users: BTreeMap<String, (String, String)>,
}

/// The address of the server that takes everybody.
pub(super) fn address() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(|| Server::start("s3.py", &[])).address
}

/// The server that asks for credentials.
pub(super) fn strict() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("s3.py", &["strict"]))
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing can be done about one that does not end.
        drop(self.process.wait());
    }
}

impl Server {
    /// Starts a script beside this file.
    pub(super) fn start(script: &str, words: &[&str]) -> Self {
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let caches = caches.or_else(home).expect("HOME is set");
        let python = caches.join(format!("omnibuild-tests/{FOLDER}/bin/python"));
        let mut command = Command::new(&python);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/remote");
        command.arg(format!("{folder}/{script}"));
        command.args(words).stdin(Stdio::piped());
        let process = command.stdout(Stdio::piped()).spawn();
        let mut process = process.unwrap_or_else(|error| {
            let python = python.display();
            panic!("`{python}` can't be started ({error}): run .ci/prerequisites")
        });
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut next = || {
            let line = lines
                .next()
                .expect("the server starts: run .ci/prerequisites");
            line.unwrap()
        };
        let address = next();
        let mut users = BTreeMap::new();
        loop {
            let line = next();
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["ready"] => break,
                [name, id, key] => {
                    users.insert((*name).to_owned(), ((*id).to_owned(), (*key).to_owned()));
                }
                _ => panic!("the server says `{line}`"),
            }
        }
        Self {
            process,
            address,
            users,
        }
    }
}
