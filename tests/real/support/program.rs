//! The program, run with an environment of which only the way to the engine and the network is the
//! machine's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than a machine under load needs to get to the first container.
pub(crate) const LIMIT: Duration = Duration::from_mins(15);

/// How long something may outlive a program that was killed.
const GONE: Duration = Duration::from_secs(10);

use super::engine::{Tested, tested};
use super::podman;

/// Variables that say how to reach the network.
pub(crate) const PROXIES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// What else of the environment reaches the program: the rest could decide what it does.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "OMNIBUILD_SANDBOX_DIR",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "OMNIBUILD_MIRROR",
    "OMNIBUILD_NETWORK",
    "PIP_INDEX_URL",
];

fn folder_named_by(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// The program's cache: of all runs of these tests.
pub(crate) fn cache() -> PathBuf {
    folder_named_by("OMNIBUILD_CACHE_DIR").unwrap_or_else(|| user_caches().join("omnibuild-tests"))
}

/// Where the user's caches are (XDG Base Directory Specification).
pub(crate) fn user_caches() -> PathBuf {
    let of_home = || Some(folder_named_by("HOME")?.join(".cache"));
    let folder = folder_named_by("XDG_CACHE_HOME").or_else(of_home);
    folder.expect("HOME is set")
}

/// The program in a folder, to be completed and run.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omnibuild"));
    command
        .current_dir(folder)
        .env_clear()
        .env("OMNIBUILD_CACHE_DIR", cache())
        .env("OMNIBUILD_ENGINE", tested().name())
        // Tests that want it say `--verify`; the others look for themselves.
        .env("OMNIBUILD_NO_VERIFY", "yes")
        .env("CI", "yes");
    for name in KEPT.iter().chain(&PROXIES) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if tested() == Tested::Podman {
        command.env("DOCKER_HOST", podman::address());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The program while it runs. It does not outlive the test, whatever that comes to.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        Self(Some(command.spawn().expect("the program can be run")))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().expect("it was not waited for").id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.0.as_mut().expect("it was not waited for");
        child.try_wait().expect("it can be asked").is_some()
    }

    /// Waits for something that happens while it runs.
    pub(crate) fn until(&mut self, happened: impl Fn() -> bool) {
        let begun = Instant::now();
        while !happened() {
            assert!(!self.has_ended(), "the program ended by itself");
            assert!(begun.elapsed() < LIMIT, "it does not get there");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(process.expect("a child has an id"), signal).expect("it can be signalled");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ran {
        let child = self.0.take().expect("it was not waited for");
        let process = child.id();
        let output = child
            .wait_with_output()
            .expect("the program can be waited for");
        Ran {
            process,
            status: output.status,
            stdout: String::from_utf8(output.stdout).expect("it prints text"),
            stderr: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Waits until nothing is left of a program that was killed.
pub(crate) fn ends(what: &str, left: impl Fn() -> Vec<String>) {
    let begun = Instant::now();
    loop {
        let alive = left();
        if alive.is_empty() {
            return;
        }
        assert!(begun.elapsed() < GONE, "{what}: {alive:?} outlived it");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs it to its end.
pub(crate) fn run(command: Command) -> Ran {
    Running::start(command).finish()
}

/// A run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The process id it had.
    pub(crate) process: u32,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The run, which must have succeeded.
    pub(crate) fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// The run, which must have ended with this exit code.
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\n{}",
            self.stderr,
            self.stdout
        );
        self
    }

    /// The run, which must have said all of this, in messages or results.
    pub(crate) fn said(self, words: &[&str]) -> Self {
        for word in words {
            let there = self.stderr.contains(word) || self.stdout.contains(word);
            assert!(
                there,
                "`{word}` was not said:\n{}\n{}",
                self.stderr, self.stdout
            );
        }
        self
    }
}
