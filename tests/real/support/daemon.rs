//! A second engine of a test's own, Docker or Podman as is tested, that may be killed, filled up and, if
//! it is Docker, reached by other ways than a socket. It shares nothing with the machine's engine but the
//! program.
//!
//! Its containers have no network but the machine's: it changes no rule of the machine's firewall.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::engine::{Tested, tested};
use super::podman;

/// Longer than it takes to start or stop on a machine under load.
const LIMIT: Duration = Duration::from_mins(1);

/// An engine; it is gone at the end of its scope, with all that it made.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    data: PathBuf,
    /// The bridge of Docker's.
    bridge: Option<String>,
    more: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    /// Starts one that listens at a socket, and as `more` options say.
    pub(crate) fn start(more: &[String]) -> Self {
        let folder = temporary();
        let data = folder.path().join("data");
        Self::at(folder, data, more)
    }

    /// Starts one that keeps its images in this folder.
    pub(crate) fn keeping(data: &Path) -> Self {
        Self::at(temporary(), data.to_owned(), &[])
    }

    fn at(folder: tempfile::TempDir, data: PathBuf, more: &[String]) -> Self {
        let mut this = Self {
            folder,
            data,
            bridge: None,
            more: more.to_vec(),
            child: None,
        };
        if tested() == Tested::Docker {
            // A name of an interface has fifteen characters at most.
            let number = free_port();
            let bridge = format!("omnibuild{number}");
            tool("ip", &["link", "add", &bridge, "type", "bridge"]);
            // Of TEST-NET-2, which nobody has (RFC 5737).
            let address = format!("198.51.100.{}/30", number % 63 * 4 + 1);
            tool("ip", &["address", "add", &address, "dev", &bridge]);
            this.bridge = Some(bridge);
        }
        this.start_again();
        this
    }

    /// Starts it, when it was killed.
    pub(crate) fn start_again(&mut self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let log = fs_err::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = if let Some(bridge) = &self.bridge {
            let mut command = Command::new("dockerd");
            command
                .args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"])
                .args(["--bridge", bridge])
                .arg("--data-root")
                .arg(&self.data)
                .args(["--exec-root", &path("run"), "--pidfile", &path("pid")])
                .args(["--host", &self.address()])
                .args(&self.more);
            command
        } else {
            let folder = self.folder.path();
            podman::service(folder, &self.data, &folder.join("socket"), 0)
        };
        let child = command
            .stdout(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests start an engine of their own: {error}\nhint: run `.ci/prerequisites` as root"));
        self.child = Some(child);
        self.wait(|this| this.client(&["version"]).status.success());
    }

    /// Where it listens, for `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// Runs its client, which may fail.
    pub(crate) fn client(&self, words: &[&str]) -> Output {
        let address = self.address();
        let mut command = match tested() {
            Tested::Podman => podman::client(&address),
            Tested::Docker | Tested::Sandbox => {
                let mut command = Command::new("docker");
                command.args(["--host", &address]);
                command
            }
        };
        let output = command.args(words).output();
        output.expect("the engine's client can be run")
    }

    /// The names of its images and the ids of its containers, in order: it lists images made in
    /// the same second in any order.
    pub(crate) fn has(&self) -> BTreeSet<String> {
        let images = self.client(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let containers = self.client(&["ps", "--all", "--quiet"]);
        let said = [images.stdout, containers.stdout].concat();
        let said = String::from_utf8(said).expect("text");
        said.lines().map(str::to_owned).collect()
    }

    /// Ends it as a crash would; its containers go on.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it was started");
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        // containerd dies with it, and where nobody buries it looks alive by its number.
        let number = self.folder.path().join("run/containerd/containerd.pid");
        fs_err::remove_file(number).ok();
    }

    /// What runs for it: `containerd`, or `conmon`, and the parents of its containers name its folder.
    fn processes(&self) -> Vec<rustix::process::Pid> {
        let folder = self.folder.path().display().to_string();
        let entries = fs_err::read_dir("/proc").expect("a Linux");
        let numbers = entries.flatten().filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let line = fs_err::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line);
            let program = line.split('\0').next().unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or_default();
            let runs = name.starts_with("containerd") || name == "conmon";
            (runs && line.contains(&folder)).then_some(number)
        });
        numbers.filter_map(rustix::process::Pid::from_raw).collect()
    }

    /// Removes the mounts of one that was killed.
    fn clean_up(&self) {
        let table = fs_err::read_to_string("/proc/self/mountinfo").expect("a Linux");
        let places = table.lines().filter_map(|line| line.split(' ').nth(4));
        let below = |place: &&str| {
            let place = Path::new(*place);
            place != self.data
                && (place.starts_with(self.folder.path()) || place.starts_with(&self.data))
        };
        for place in places.filter(below) {
            Command::new("umount").args(["--lazy", place]).status().ok();
        }
    }

    fn wait(&mut self, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let ended = self
                .child
                .as_mut()
                .is_some_and(|child| child.try_wait().expect("it can be asked").is_some());
            if ended || begun.elapsed() > LIMIT {
                let log = fs_err::read_to_string(self.folder.path().join("log"));
                panic!("the test's own engine: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let process = i32::try_from(child.id()).ok();
            let process = process.and_then(rustix::process::Pid::from_raw);
            if let Some(process) = process {
                rustix::process::kill_process(process, rustix::process::Signal::TERM).ok();
            }
            child.wait().ok();
        }
        self.child = None;
        for process in self.processes() {
            rustix::process::kill_process(process, rustix::process::Signal::KILL).ok();
        }
        self.clean_up();
        if let Some(bridge) = &self.bridge {
            let words = ["link", "delete", bridge];
            Command::new("ip").args(words).status().ok();
        }
    }
}

/// A folder with a short name: a socket's is limited, and Docker keeps some below it.
fn temporary() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("engine-").tempdir();
    folder.expect("a temporary folder can be made")
}

/// A port of loopback that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// Runs a tool of the system, which must succeed; answers what it printed.
pub(crate) fn tool(name: &str, words: &[&str]) -> String {
    let output = Command::new(name)
        .args(words)
        .output()
        .unwrap_or_else(|error| {
            panic!("this test needs `{name}`: {error}\nhint: run `.ci/prerequisites` as root")
        });
    assert!(
        output.status.success(),
        "{name} {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
