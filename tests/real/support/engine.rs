//! The engine through its own client, `docker` or `podman`, or where the sandbox is tested through
//! `chroot`: clean containers, and what happened to those of the program.
//!
//! Removes what it makes, and touches nothing else: the engine may serve others too.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::platform::{Manager, Platform};
use super::podman;
use super::program;
use super::sandbox::{self, Root};

/// The label of the program's containers: its process id and its start.
const SESSION_LABEL: &str = "org.omnibuild.session";
/// The label of the tests' own.
const TEST_LABEL: &str = "org.omnibuild.test=real";

/// The engine that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tested {
    Docker,
    Podman,
    Sandbox,
}

impl Tested {
    /// As `--engine` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What `OMNIBUILD_TEST_ENGINE` says.
pub(crate) fn tested() -> Tested {
    let name = std::env::var("OMNIBUILD_TEST_ENGINE").unwrap_or_default();
    match name.as_str() {
        "" | "docker" => Tested::Docker,
        "podman" => Tested::Podman,
        "sandbox" => Tested::Sandbox,
        other => panic!("OMNIBUILD_TEST_ENGINE: there is no engine `{other}`"),
    }
}

/// Whether Docker is tested; otherwise says that this is about its ways alone.
pub(crate) fn is_docker() -> bool {
    let docker = tested() == Tested::Docker;
    if !docker {
        not_about("Docker");
    }
    docker
}

/// Whether an engine with a service is tested; otherwise says that this is about those alone.
pub(crate) fn is_service() -> bool {
    let service = tested() != Tested::Sandbox;
    if !service {
        not_about("Docker and Podman");
    }
    service
}

/// Says that a test is about another engine than the one that is tested.
#[expect(clippy::print_stdout, reason = "a test that does nothing says so")]
pub(crate) fn not_about(engine: &str) {
    println!("this is about {engine}: not asked for: set OMNIBUILD_TEST_ENGINE");
}

/// Fails with advice when no engine answers.
pub(crate) fn must_answer() {
    if tested() == Tested::Sandbox {
        return;
    }
    let answer = command()
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    let why = match answer {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("can't run its client: {error}"),
    };
    panic!(
        "these tests need a container engine: {why}\nhint: run `.ci/prerequisites`, or set DOCKER_HOST"
    );
}

/// Fails with advice when the engine doesn't have an image.
pub(crate) fn must_have(image: &str, advice: &str) {
    let there = client(&["image", "inspect", "--format", "{{.Id}}", image]);
    assert!(
        there.status.success(),
        "the engine has no image `{image}`\nhint: {advice}"
    );
}

/// The engine's client.
pub(crate) fn command() -> Command {
    match tested() {
        Tested::Docker => Command::new("docker"),
        Tested::Podman => podman::client(podman::address()),
        Tested::Sandbox => panic!("the sandbox has no client"),
    }
}

/// Runs the client; its answer may be a failure.
pub(crate) fn client(words: &[&str]) -> Output {
    let output = command().args(words).output();
    output.expect("the engine's client can be run")
}

/// Runs the client, which must succeed; answers what it printed.
pub(crate) fn ask(words: &[&str]) -> String {
    let output = client(words);
    assert!(
        output.status.success(),
        "{} {}: {}",
        tested().name(),
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Removes a container at once.
pub(crate) fn remove(id: &str) {
    // Podman asks it to end and waits for ten seconds otherwise.
    let at_once: &[&str] = match tested() {
        Tested::Podman => &["--time=0"],
        Tested::Docker | Tested::Sandbox => &[],
    };
    client(&[&["rm", "--force", "--volumes"], at_once, &[id]].concat());
}

/// The containers of the program with this process id that there are now.
pub(crate) fn containers_of(process: u32) -> Vec<String> {
    if tested() == Tested::Sandbox {
        // A container's control groups are part of it.
        let mut names = sandbox::containers();
        names.retain(|name| name.starts_with(&format!("{process}-")));
        names.extend(sandbox::groups_of(process));
        return names;
    }
    let label = match tested() {
        Tested::Docker => ".Label",
        Tested::Podman | Tested::Sandbox => "index .Labels",
    };
    let format = format!("{{{{.ID}}}} {{{{{label} \"{SESSION_LABEL}\"}}}}");
    let filter = format!("label={SESSION_LABEL}");
    let list = ask(&["ps", "--all", "--filter", &filter, "--format", &format]);
    let lines = list.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(_, session)| session.starts_with(&format!("{process}-")))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// What runs in containers of the program with this process id.
pub(crate) fn running_of(process: u32) -> Vec<String> {
    if tested() == Tested::Sandbox {
        return sandbox::processes_below(&format!("{process}-"));
    }
    let mut running = containers_of(process);
    let all = ask(&["ps", "--quiet"]);
    running.retain(|id| all.lines().any(|other| other == id));
    running
}

/// The containers whose command has this text in it.
pub(crate) fn containers_that_run(text: &str) -> Vec<String> {
    // What Podman runs to build an image is in no list of its containers.
    if tested() != Tested::Docker {
        return sandbox::processes_that_run(text);
    }
    let list = ask(&[
        "ps",
        "--all",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Command}}",
    ]);
    list.lines()
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .collect()
}

/// Sees which programs make containers, from when it was begun.
pub(crate) struct Watch {
    client: Child,
}

impl Watch {
    /// Begins to look.
    pub(crate) fn begin() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is after 1970")
            .as_secs();
        // Podman's events have no actors.
        let attributes = match tested() {
            Tested::Docker => ".Actor.Attributes",
            Tested::Podman => ".Attributes",
            Tested::Sandbox => panic!("the sandbox tells nobody"),
        };
        let client = command()
            .args([
                "events",
                "--since",
                &since.to_string(),
                "--filter",
                "event=create",
            ])
            .args([
                "--format",
                &format!("{{{{index {attributes} \"{SESSION_LABEL}\"}}}}"),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the engine's client can be run");
        Self { client }
    }

    /// How many containers the programs with these process ids made. A container of this
    /// function's own ends the stream of events, so none before it is missed.
    pub(crate) fn count(mut self, image: &str, processes: &[u32]) -> Vec<usize> {
        let mark = format!("mark-{}", std::process::id());
        let label = format!("{SESSION_LABEL}={mark}");
        let id = ask(&[
            "create",
            "--label",
            &label,
            "--label",
            TEST_LABEL,
            image,
            "/bin/true",
        ]);
        ask(&["rm", &id]);
        let mut counts = vec![0; processes.len()];
        let stream = BufReader::new(self.client.stdout.take().expect("it is piped"));
        let mut marked = false;
        for line in stream.lines() {
            let session = line.expect("events are text");
            if session == mark {
                marked = true;
                break;
            }
            for (count, process) in counts.iter_mut().zip(processes) {
                *count += usize::from(session.starts_with(&format!("{process}-")));
            }
        }
        assert!(marked, "the engine's events ended too early");
        counts
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.kill().ok();
        self.client.wait().ok();
    }
}

/// A platform's base image as the program recorded it.
pub(crate) fn base_of(platform: Platform) -> String {
    base_in(&program::cache(), platform, tested())
}

/// The same in another cache, of an engine.
pub(crate) fn base_in(cache: &Path, platform: Platform, engine: Tested) -> String {
    let folder = cache.join("v1/bases");
    let own = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let mut records: Vec<_> = fs_err::read_dir(&folder)
        .expect("the program made a base")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with(&format!("{}-{own}-", platform.id))
                && path.extension().is_some_and(|end| end == "json")
        })
        .collect();
    records.sort_by_key(|path| fs_err::metadata(path).and_then(|data| data.modified()).ok());
    let read = |path: &PathBuf| -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(path).expect("it can be read")).expect("it is JSON")
    };
    // A stand-in is an image to Docker and a file to the others.
    let is_a_file = |record: &serde_json::Value| record["origin"]["archive"].is_object();
    let is_an_image = |record: &serde_json::Value| record["origin"] == "engine";
    let newest = records.iter().rev().map(read).find(|record| match engine {
        Tested::Docker => !is_a_file(record),
        Tested::Podman | Tested::Sandbox => !is_an_image(record),
    });
    let newest = newest.unwrap_or_else(|| panic!("no base of {} was recorded", platform.id));
    newest["reference"]
        .as_str()
        .expect("it has a reference")
        .to_owned()
}

/// A container of the tests', removed at the end of its scope.
pub(crate) struct Container {
    place: Place,
    manager: Manager,
}

/// What it is.
enum Place {
    /// Docker's or Podman's, by its id.
    Service(String),
    /// A mounted root.
    Root(Root),
}

impl Container {
    /// A container that idles. It has the machine's certificates, as the mirrors may need them.
    pub(crate) fn start(image: &str, manager: Manager) -> Self {
        if tested() == Tested::Sandbox {
            let place = Place::Root(Root::mount(image));
            return Self { place, manager }.prepared();
        }
        let mut words = vec!["run", "--detach", "--label", TEST_LABEL];
        if tested() == Tested::Docker {
            words.push("--init");
        }
        for name in program::PROXIES {
            words.extend(["--env", name]);
        }
        let network = std::env::var("OMNIBUILD_NETWORK").unwrap_or_default();
        if !network.is_empty() {
            words.extend(["--network", &network]);
        }
        words.extend(["--entrypoint", "/bin/sleep", image, "infinity"]);
        let place = Place::Service(ask(&words));
        Self { place, manager }.prepared()
    }

    fn prepared(self) -> Self {
        self.run(&["mkdir", "-p", "/packages"]);
        if let Ok(bundle) = std::env::var("SSL_CERT_FILE") {
            self.put(Path::new(&bundle), "/ca-bundle.pem");
        } else {
            self.run(&["touch", "/ca-bundle.pem"]);
        }
        self
    }

    /// Copies a file into the container.
    pub(crate) fn put(&self, file: &Path, place: &str) {
        let source = fs_err::canonicalize(file).expect("it is there");
        let source = source.to_str().expect("paths of tests are UTF-8");
        match &self.place {
            Place::Service(id) => {
                ask(&["cp", source, &format!("{id}:{place}")]);
            }
            Place::Root(root) => {
                fs_err::copy(file, root.path(place)).expect("it can be copied");
            }
        }
    }

    /// Runs a command, which may fail; answers whether it succeeded, and all it printed.
    pub(crate) fn try_run(&self, command: &[&str]) -> (bool, String) {
        let output = match &self.place {
            Place::Service(id) => {
                let head = ["exec", "--env", "DEBIAN_FRONTEND=noninteractive", id];
                client(&[&head, command].concat())
            }
            Place::Root(root) => root.run(command),
        };
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        )
    }

    /// Runs a command, which must succeed; answers all it printed.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let (succeeded, text) = self.try_run(command);
        assert!(succeeded, "in a container: {}\n{text}", command.join(" "));
        text
    }

    /// Whether something has this name, even a link that leads nowhere.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.try_run(&["test", "-e", path]).0 || self.try_run(&["test", "-L", path]).0
    }

    /// Has the package manager install these files, with what they need from the distribution;
    /// answers whether it did, and what it said.
    pub(crate) fn try_install(&self, files: &[&Path]) -> (bool, String) {
        let mut places = Vec::new();
        for file in files {
            let name = file
                .file_name()
                .expect("a package has a name")
                .to_string_lossy();
            let place = format!("/packages/{name}");
            self.put(file, &place);
            places.push(place);
        }
        let mut command: Vec<&str> = match self.manager {
            Manager::Apt => vec![
                "apt-get",
                "-q",
                "-y",
                "-o",
                "Acquire::https::CAInfo=/ca-bundle.pem",
                // The container does not outlive the test, so nothing need reach the disk.
                "-o",
                "Dpkg::Options::=--force-unsafe-io",
                "-o",
                "Dpkg::Use-Pty=0",
                // Nobody is there to be asked about configuration files that were changed.
                "-o",
                "Dpkg::Options::=--force-confold",
                "install",
                "--no-install-recommends",
            ],
            Manager::Yum => vec![self.yum(), "-y", "--nogpgcheck", "install"],
        };
        command.extend(places.iter().map(String::as_str));
        self.try_run(&command)
    }

    /// The same, and it must succeed.
    pub(crate) fn install(&self, files: &[&Path]) {
        let (succeeded, text) = self.try_install(files);
        assert!(succeeded, "{text}");
    }

    /// Fetches the lists of the distribution's packages.
    pub(crate) fn update(&self) {
        if self.manager == Manager::Apt {
            self.run(&[
                "apt-get",
                "-q",
                "-o",
                "Acquire::https::CAInfo=/ca-bundle.pem",
                "-o",
                "Acquire::Retries=3",
                "-o",
                "APT::Update::Error-Mode=any",
                "update",
            ]);
        }
    }

    /// Removes installed packages.
    pub(crate) fn remove(&self, names: &[&str]) {
        let head = match self.manager {
            Manager::Apt => vec!["apt-get", "-q", "-y", "purge"],
            Manager::Yum => vec![self.yum(), "-y", "remove"],
        };
        self.run(&[head.as_slice(), names].concat());
    }

    /// The installed version of a package, as the package manager's database has it.
    pub(crate) fn installed_version(&self, name: &str) -> String {
        match self.manager {
            Manager::Apt => self.run(&["dpkg-query", "-W", "-f", "${Version}", name]),
            Manager::Yum => self.run(&["rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}", name]),
        }
    }

    /// What an installed package needs.
    pub(crate) fn needs(&self, name: &str) -> String {
        match self.manager {
            Manager::Apt => self.run(&["dpkg-query", "-W", "-f", "${Depends}", name]),
            Manager::Yum => self.run(&["rpm", "-q", "--requires", name]),
        }
    }

    pub(crate) fn yum(&self) -> &'static str {
        if self.has("/usr/bin/dnf") {
            "dnf"
        } else {
            "yum"
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Place::Service(id) = &self.place {
            remove(id);
        }
    }
}
