//! Where else the program runs, without an engine that anybody set up: in a container that may nothing
//! more than others, and as a user who is not root.
//!
//! Each place has a copy of a project and caches of its own, which hold the base image and nothing
//! else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::engine::{self, ask, remove};
use super::platform::Platform;
use super::program::{self, PROXIES, Ran};
use super::project::Project;

/// Where things are in the container.
const FOLDER: &str = "/srv/place";
const CERTIFICATES: &str = "/srv/ca-bundle.pem";
/// What says how to reach the network, but for the certificates, which are a file.
const NETWORK: [&str; 2] = ["OMNIBUILD_MIRROR", "PIP_INDEX_URL"];

/// A folder with the project, the cache and the program.
fn furnished(project: &Project, platform: Platform) -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("omnibuild-place-");
    builder.permissions(std::fs::Permissions::from_mode(0o755));
    let folder = builder.tempdir().expect("a temporary folder can be made");
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
    let bases = path("cache/v1/bases");
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
    folder
}

/// Where the program runs.
pub(crate) trait Place {
    /// Runs it in the copy of the project.
    fn run(&self, words: &[&str]) -> Ran;
    /// The folder of that.
    fn project(&self) -> PathBuf;
}

/// An unprivileged container, as Docker makes it without any option of security; removed at the end of
/// its scope.
pub(crate) struct InContainer {
    id: String,
    folder: tempfile::TempDir,
}

impl InContainer {
    /// A container of an image of Debian, with a copy of the project.
    pub(crate) fn start(image: &str, project: &Project, platform: Platform) -> Self {
        let folder = furnished(project, platform);
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
    pub(crate) fn command(&self, words: &[&str]) -> Ran {
        let mut command = engine::command();
        command
            .args(["exec", "--env=DEBIAN_FRONTEND=noninteractive", &self.id])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program::run(command)
    }
}

impl Place for InContainer {
    fn run(&self, words: &[&str]) -> Ran {
        let program = format!("{FOLDER}/omnibuild");
        self.command(&[&[program.as_str()], words].concat())
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
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
}

impl AsUser {
    /// A new user, with a copy of the project.
    pub(crate) fn new(project: &Project, platform: Platform) -> Self {
        assert!(
            Path::new("/usr/bin/newuidmap").exists(),
            "newuidmap is not installed: run `.ci/prerequisites`"
        );
        let name = format!("omnibuild-test-{}", std::process::id());
        let folder = furnished(project, platform);
        let this = Self { name, folder };
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

    /// Takes the ranges away.
    pub(crate) fn lose_ranges(&self) {
        for (file, option) in [("subuid", "--del-subuids"), ("subgid", "--del-subgids")] {
            let text = fs_err::read_to_string(Path::new("/etc").join(file)).expect("it has ranges");
            let line = text.lines().find_map(|line| {
                let (first, count) = line
                    .strip_prefix(&format!("{}:", self.name))?
                    .split_once(':')?;
                Some((first.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
            });
            let (first, count) = line.expect("useradd gives ranges");
            let range = format!("{first}-{}", first + count - 1);
            self.change("usermod", &[option, &range]);
        }
    }
}

impl Place for AsUser {
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = Command::new("setpriv");
        command
            .args(["reuid", "regid"].map(|what| format!("--{what}={}", self.name)))
            .arg("--init-groups")
            .arg(self.folder.path().join("omnibuild"))
            .args(words)
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
        program::run(command)
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
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
