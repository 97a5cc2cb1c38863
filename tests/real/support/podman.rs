//! Podman services of the tests' own: one that all tests share, which keeps its images in the tests'
//! cache and ends by itself when nobody has asked it anything for a while, and what starts others.
//!
//! They share nothing with the machine's Podman but the network that it makes for everybody.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::{AsUser, Place};
use super::program::{self, Running};

/// Longer than a start takes on a machine under load.
const LIMIT: Duration = Duration::from_mins(1);
/// Seconds after which the shared service ends when it is not used; a base takes a minute or two to be
/// bootstrapped meanwhile.
const IDLE: u32 = 900;

/// What runs containers everywhere: without `crun`, which wants more of a kernel, without systemd, and
/// with no limits that root may not set.
const CONFIGURATION: &str = "\
[containers]
default_ulimits = []
[engine]
runtime = \"runc\"
cgroup_manager = \"cgroupfs\"
events_logger = \"file\"
lock_type = \"file\"
";

/// A service that keeps its state in a folder, ready to be started. A seconds' limit of 0 is none.
pub(crate) fn service(folder: &Path, data: &Path, socket: &Path, idle: u32) -> Command {
    let mut command = Command::new("podman");
    serve(&mut command, folder, data, socket, idle);
    command
}

/// Makes of a command that runs Podman the same, for whoever it is run by.
fn serve(command: &mut Command, folder: &Path, data: &Path, socket: &Path, idle: u32) {
    fs_err::create_dir_all(folder).expect("a folder");
    let configuration = folder.join("containers.conf");
    let temporary = folder.join("tmp").display().to_string();
    let text = format!("{CONFIGURATION}tmp_dir = {temporary:?}\n");
    fs_err::write(&configuration, text).expect("a file");
    command
        // It leaves a file `oom` where it was started when a container wants too much memory.
        .current_dir(folder)
        .env("CONTAINERS_CONF", configuration)
        .arg("--root")
        .arg(data)
        .arg("--runroot")
        .arg(folder.join("run"))
        .args(["system", "service", &format!("--time={idle}")])
        .arg(format!("unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
}

/// Podman's client, for the service at an address.
pub(crate) fn client(address: &str) -> Command {
    let mut command = Command::new("podman");
    command.args(["--url", address]);
    command
}

/// Where the tests' Podman listens, for `DOCKER_HOST`: at `CONTAINER_HOST` where that is set, else a
/// service that an earlier run started, or that is started now.
pub(crate) fn address() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| match std::env::var("CONTAINER_HOST") {
        Ok(address) if !address.is_empty() => address,
        _ => shared(),
    })
}

/// The shared service's address; it answers.
#[expect(clippy::zombie_processes, reason = "it outlives the test")]
fn shared() -> String {
    let folder = program::user_caches().join("omnibuild-tests/podman");
    fs_err::create_dir_all(&folder).expect("a folder");
    let lock = fs_err::File::create(folder.join("lock")).expect("a file");
    // Two test runs at once start it once.
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    let socket = folder.join("socket");
    let address = format!("unix://{}", socket.display());
    if answers(&address) {
        return address;
    }
    let log = folder.join("log");
    let mut command = service(&folder.join("state"), &folder.join("data"), &socket, IDLE);
    // It stays when the test ends, and Ctrl-C in a terminal is not for it.
    let command = std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .stderr(fs_err::File::create(&log).expect("a log").into_file())
        .spawn()
        .unwrap_or_else(|error| panic!("these tests start a Podman of their own: `podman`: {error}\nhint: run `.ci/prerequisites podman` as root"));
    let begun = Instant::now();
    while !answers(&address) {
        let ended = child.try_wait().expect("it can be asked").is_some();
        if ended || begun.elapsed() > LIMIT {
            let said = fs_err::read_to_string(&log).unwrap_or_default();
            panic!(
                "Podman's service does not answer: {said}\nhint: run `.ci/prerequisites podman` as root"
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    address
}

/// Whether a service answers there.
fn answers(address: &str) -> bool {
    let output = client(address).arg("version").output();
    output.is_ok_and(|output| output.status.success())
}

/// The socket of the tests' Podman.
pub(crate) fn socket() -> PathBuf {
    let path = address().strip_prefix("unix://");
    path.unwrap_or_else(|| panic!("this test needs a Podman at a socket, not `{}`", address()))
        .into()
}

/// A Podman without root, of a user of the tests', who runs the program against it. Needs the user's
/// ranges, and a kernel where users may mount overlays.
pub(crate) struct Rootless<'a> {
    user: &'a AsUser,
    socket: PathBuf,
    service: Option<Running>,
}

impl<'a> Rootless<'a> {
    /// A service that answers.
    pub(crate) fn start(user: &'a AsUser) -> Self {
        let folder = user.project().with_file_name("podman");
        let made = user.command(Path::new("mkdir")).arg(&folder).status();
        assert!(made.is_ok_and(|status| status.success()), "mkdir");
        let socket = folder.join("socket");
        let mut command = user.command(Path::new("podman"));
        serve(&mut command, &folder, &folder.join("data"), &socket, 0);
        command.stderr(Stdio::null());
        in_folder(&mut command, &folder);
        let mut service = Running::start(command);
        let address = format!("unix://{}", socket.display());
        service.until(|| answers(&address));
        Self {
            user,
            socket,
            service: Some(service),
        }
    }
}

/// Tells a user's Podman where its state goes: a user of tests has no session.
fn in_folder(command: &mut Command, folder: &Path) {
    command
        .env("XDG_RUNTIME_DIR", folder)
        // Else Podman looks for a program that mounts overlays, and copies whole trees without one.
        .env("STORAGE_DRIVER", "overlay");
}

impl Place for Rootless<'_> {
    fn program(&self, words: &[&str]) -> Command {
        let mut command = self.user.program(words);
        command
            .env(
                "CONTAINER_HOST",
                format!("unix://{}", self.socket.display()),
            )
            // A network of its own needs a device that not every machine gives to users.
            .env("OMNIBUILD_NETWORK", "host");
        command
    }

    fn project(&self) -> PathBuf {
        self.user.project()
    }

    /// But for the service, what it holds its namespaces with, and who waits for containers.
    fn running(&self) -> Vec<(u32, String)> {
        let own = ["podman", "catatonit", "/usr/bin/podman", "/usr/bin/conmon"];
        let all = self.user.running().into_iter();
        all.filter(|(_, command)| {
            let program = command.split_whitespace().next();
            program.is_some_and(|program| !own.contains(&program))
        })
        .collect()
    }
}

impl Drop for Rootless<'_> {
    fn drop(&mut self) {
        let mut command = self.user.command(Path::new("podman"));
        // Ends what holds the user's namespaces.
        in_folder(&mut command, self.socket.parent().expect("a folder"));
        command.args(["system", "migrate"]).output().ok();
        drop(self.service.take());
        // Nobody can be removed who still has processes: those that wait for containers outlive them.
        let begun = Instant::now();
        loop {
            let left = self.user.running();
            if left.is_empty() || begun.elapsed() > LIMIT {
                return;
            }
            for (process, _) in left {
                let process = i32::try_from(process).ok().and_then(Pid::from_raw);
                kill_process(process.expect("an id"), Signal::KILL).ok();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
