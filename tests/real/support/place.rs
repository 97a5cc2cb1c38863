//! Where else the program runs, without an engine that anybody set up: in a container that may nothing
//! more than others, and as a user who is not root.
//!
//! Each place has a copy of a project and caches of its own, which hold a user's base image and nothing
//! else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::engine::{self, ask, remove};
use super::platform::{self, Platform};
use super::program::{self, PROXIES, Ran};
use super::project::Project;

/// Where things are in the container.
const FOLDER: &str = "/srv/place";
const CERTIFICATES: &str = "/srv/ca-bundle.pem";
/// What says how to reach the network, but for the certificates, which are a file.
const NETWORK: [&str; 2] = ["OMNIBUILD_MIRROR", "PIP_INDEX_URL"];

/// How many users were made.
static USERS: AtomicU32 = AtomicU32::new(0);

/// A folder that everybody may look into.
fn open_folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("omnibuild-place-");
    builder.permissions(std::fs::Permissions::from_mode(0o755));
    builder.tempdir().expect("a temporary folder can be made")
}

/// A folder with the project and the program.
fn furnished(project: &Project) -> tempfile::TempDir {
    let folder = open_folder();
    let path = |name: &str| folder.path().join(name);
    let copied = Command::new("cp")
        .arg("--archive")
        .arg(project.root())
        .arg(path("project"))
        .status();
    assert!(copied.is_ok_and(|status| status.success()), "cp fails");
    for name in ["packages", ".omnibuild"] {
        let made = path("project").join(name);
        if made.exists() {
            fs_err::remove_dir_all(made).expect("what was built is removed");
        }
    }
    fs_err::copy(env!("CARGO_BIN_EXE_omnibuild"), path("omnibuild")).expect("a copy");
    fs_err::create_dir(path("cache")).expect("a folder");
    folder
}

/// Puts the bases that were bootstrapped for a platform into a cache.
fn bring_bases(cache: &Path, platform: Platform) {
    let bases = cache.join("v1/bases");
    fs_err::create_dir_all(&bases).expect("a folder");
    let mut copied = 0;
    for entry in fs_err::read_dir(program::cache().join("v1/bases")).expect("there are bases") {
        let from = entry.expect("the folder can be read").path();
        let name = from.file_name().unwrap_or_default().to_owned();
        if name
            .to_string_lossy()
            .starts_with(&format!("{}-", platform.id))
        {
            fs_err::copy(&from, bases.join(name)).expect("a copy");
            copied += 1;
        }
    }
    assert!(copied > 1, "no base of {} was bootstrapped", platform.id);
}

/// Where the program runs.
pub(crate) trait Place {
    /// It in the copy of the project, to be completed and run.
    fn program(&self, words: &[&str]) -> Command;
    /// The folder of that.
    fn project(&self) -> PathBuf;
    /// All that runs there but what makes the place, by process id and command.
    fn running(&self) -> Vec<(u32, String)>;

    /// Runs it to its end.
    fn run(&self, words: &[&str]) -> Ran {
        program::run(self.program(words))
    }

    /// Where its caches are.
    fn cache(&self) -> PathBuf {
        self.project().with_file_name("cache")
    }

    /// Kills it, and it alone, as nobody can prevent.
    fn kill(&self) {
        let mark = "/omnibuild --engine ";
        let all = self.running();
        let mut own = all.iter().filter(|(_, command)| command.contains(mark));
        let (process, _) = own.next().unwrap_or_else(|| panic!("it is not in {all:?}"));
        let process = i32::try_from(*process).ok().and_then(Pid::from_raw);
        kill_process(process.expect("an id"), Signal::KILL).expect("it can be signalled");
    }
}

/// An unprivileged container, as Docker makes it without any option of security; removed at the end of
/// its scope.
pub(crate) struct InContainer {
    id: String,
    folder: tempfile::TempDir,
}

impl InContainer {
    /// A container of an image of Debian, with a copy of the project.
    pub(crate) fn start(image: &str, project: &Project) -> Self {
        let folder = furnished(project);
        // A program that is no release reads the builders' files where they were.
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
        let images = images.display();
        let mut words = vec![
            "run".to_owned(),
            "--detach".to_owned(),
            "--init".to_owned(),
            "--label=org.omnibuild.test=real".to_owned(),
            format!("--volume={images}:{images}:ro"),
            format!("--volume={}:{FOLDER}", folder.path().display()),
            format!("--env=OMNIBUILD_CACHE_DIR={FOLDER}/cache"),
            "--env=CI=yes".to_owned(),
            format!("--workdir={FOLDER}/project"),
        ];
        for name in PROXIES.iter().chain(&NETWORK) {
            if std::env::var_os(name).is_some() {
                words.push(format!("--env={name}"));
            }
        }
        if let Ok(network) = std::env::var("OMNIBUILD_NETWORK") {
            words.push(format!("--network={network}"));
        }
        if let Ok(bundle) = std::env::var("SSL_CERT_FILE") {
            words.push(format!("--volume={bundle}:{CERTIFICATES}:ro"));
            words.push(format!("--env=SSL_CERT_FILE={CERTIFICATES}"));
        }
        words.extend(["--entrypoint=/bin/sleep", image, "infinity"].map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Self {
            id: ask(&words),
            folder,
        }
    }

    /// Runs a command as root.
    pub(crate) fn run_command(&self, words: &[&str]) -> Ran {
        program::run(self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = engine::command();
        command
            .args(["exec", "--env=DEBIAN_FRONTEND=noninteractive", &self.id])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Place for InContainer {
    fn program(&self, words: &[&str]) -> Command {
        let program = format!("{FOLDER}/omnibuild");
        self.command(&[&[program.as_str()], words].concat())
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn running(&self) -> Vec<(u32, String)> {
        let text = ask(&["top", &self.id, "-eo", "pid,args"]);
        let lines = text.lines().skip(1);
        let of_place = ["/sbin/docker-init", "/bin/sleep infinity"];
        let processes = lines.filter_map(|line| line.trim().split_once(' '));
        let processes = processes.map(|(id, command)| (id, command.trim()));
        processes
            .filter(|(_, command)| !of_place.iter().any(|own| command.starts_with(own)))
            .map(|(id, command)| (id.parse().expect("a process id"), command.to_owned()))
            .collect()
    }
}

impl Drop for InContainer {
    fn drop(&mut self) {
        remove(&self.id);
    }
}

/// A user of the machine, with ranges in subuid(5) and subgid(5); gone at the end of its scope, with all
/// that is the user's. Needs root, and `uidmap`.
pub(crate) struct AsUser {
    name: String,
    folder: tempfile::TempDir,
    /// Files of root's that the user may read.
    _given: tempfile::TempDir,
}

impl AsUser {
    /// A new user, with a copy of the project and the base of a platform: that which was bootstrapped, or
    /// the stand-in's root file system.
    pub(crate) fn new(project: &Project, platform: Platform) -> Self {
        assert!(
            Path::new("/usr/bin/newuidmap").exists(),
            "newuidmap is not installed: run `.ci/prerequisites`"
        );
        let number = USERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("omnibuild-test-{}-{number}", std::process::id());
        let (folder, given) = (furnished(project), open_folder());
        if platform.is_stand_in_of_a_file() {
            let table = platform::table_of_files(given.path());
            fs_err::write(folder.path().join("project/platforms.toml"), table).expect("a table");
        } else {
            bring_bases(&folder.path().join("cache"), platform);
        }
        let this = Self {
            name,
            folder,
            _given: given,
        };
        this.change("useradd", &["--create-home"]);
        for entry in walkdir::WalkDir::new(this.folder.path()) {
            let entry = entry.expect("the folder can be read");
            let path = entry.path();
            let status = Command::new("chown")
                .args(["--no-dereference", &this.name])
                .arg(path)
                .status();
            assert!(status.is_ok_and(|status| status.success()), "chown");
        }
        this
    }

    /// Runs a program that changes users, as root.
    fn change(&self, program: &str, words: &[&str]) {
        let status = Command::new(program).args(words).arg(&self.name).status();
        let done = status.is_ok_and(|status| status.success());
        assert!(done, "{program} fails: run this test as root");
    }

    /// The fields behind the user's name in a file of /etc, as numbers.
    fn numbers(&self, file: &str) -> Option<Vec<u32>> {
        let text = fs_err::read_to_string(Path::new("/etc").join(file)).expect("it can be read");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{}:", self.name)));
        let numbers = line?.split(':').filter_map(|field| field.parse().ok());
        Some(numbers.collect())
    }

    /// The numbers of the user's processes: the own one, and those of the range, while there is one.
    fn ids(&self) -> Vec<std::ops::Range<u32>> {
        let own = self.numbers("passwd").expect("the user is there")[0];
        let range = self.numbers("subuid");
        let range = range.map(|numbers| numbers[0]..numbers[0] + numbers[1]);
        std::iter::once(own..own + 1).chain(range).collect()
    }

    /// Another program, run by the user in the copy of the project.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["reuid", "regid"].map(|what| format!("--{what}={}", self.name)))
            .arg("--init-groups")
            .arg(program)
            .current_dir(self.project())
            .env_clear();
        for name in PROXIES.iter().chain(&NETWORK).chain(&["SSL_CERT_FILE"]) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", Path::new("/home").join(&self.name))
            .env("OMNIBUILD_CACHE_DIR", self.folder.path().join("cache"))
            .env("CI", "yes")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Takes the ranges away.
    pub(crate) fn lose_ranges(&self) {
        for (file, option) in [("subuid", "--del-subuids"), ("subgid", "--del-subgids")] {
            let numbers = self.numbers(file).expect("useradd gives ranges");
            let range = format!("{}-{}", numbers[0], numbers[0] + numbers[1] - 1);
            self.change("usermod", &[option, &range]);
        }
    }

    /// Mounts below a folder of the user's that the machine sees.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let table = fs_err::read_to_string("/proc/self/mountinfo").expect("a Linux");
        let mark = self.folder.path().display().to_string();
        let lines = table.lines().filter(|line| line.contains(&mark));
        lines.map(str::to_owned).collect()
    }
}

impl Place for AsUser {
    fn program(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.folder.path().join("omnibuild"));
        command.args(words);
        command
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn running(&self) -> Vec<(u32, String)> {
        let ids = self.ids();
        let is_ours = |path: &Path| {
            // Who sees the process, by number: the user's own, or one of the user's ranges.
            let status = fs_err::read_to_string(path.join("status")).unwrap_or_default();
            let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
            let user = user.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
            user.is_some_and(|user| ids.iter().any(|range| range.contains(&user)))
        };
        let entries = fs_err::read_dir("/proc").expect("a Linux");
        let paths = entries.flatten().map(|entry| entry.path());
        let ours = paths.filter(|path| is_ours(path)).filter_map(|path| {
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let command = fs_err::read(path.join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            Some((id, command))
        });
        ours.collect()
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        let status = Command::new("userdel")
            .args(["--remove", &self.name])
            .output();
        let done = status.is_ok_and(|output| output.status.success());
        assert!(done || std::thread::panicking(), "userdel fails");
    }
}
