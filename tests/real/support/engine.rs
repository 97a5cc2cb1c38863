//! The engine through its own client, `docker`: clean containers, and what happened to those of
//! the program.
//!
//! Removes what it makes, and touches nothing else: the engine may serve others too.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::platform::{Manager, Platform};
use super::program;

/// The label of the program's containers: its process id and its start.
const SESSION_LABEL: &str = "org.omnibuild.session";
/// The label of the tests' own.
const TEST_LABEL: &str = "org.omnibuild.test=real";

/// Fails with advice when no engine answers.
pub(crate) fn must_answer() {
    let answer = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    let why = match answer {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("can't run `docker`: {error}"),
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

/// Runs the client; its answer may be a failure.
pub(crate) fn client(words: &[&str]) -> Output {
    Command::new("docker")
        .args(words)
        .output()
        .expect("docker can be run")
}

/// Runs the client, which must succeed; answers what it printed.
pub(crate) fn ask(words: &[&str]) -> String {
    let output = client(words);
    assert!(
        output.status.success(),
        "docker {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The containers of the program with this process id that there are now.
pub(crate) fn containers_of(process: u32) -> Vec<String> {
    let format = format!("{{{{.ID}}}} {{{{.Label \"{SESSION_LABEL}\"}}}}");
    let filter = format!("label={SESSION_LABEL}");
    let list = ask(&["ps", "--all", "--filter", &filter, "--format", &format]);
    let lines = list.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(_, session)| session.starts_with(&format!("{process}-")))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// The containers whose command has this text in it.
pub(crate) fn containers_that_run(text: &str) -> Vec<String> {
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
        let client = Command::new("docker")
            .args([
                "events",
                "--since",
                &since.to_string(),
                "--filter",
                "event=create",
            ])
            .args(["--filter", &format!("label={SESSION_LABEL}")])
            .args([
                "--format",
                &format!("{{{{index .Actor.Attributes \"{SESSION_LABEL}\"}}}}"),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker can be run");
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
    let folder = program::cache().join("v1/bases");
    let mut records: Vec<_> = fs_err::read_dir(&folder)
        .expect("the program made a base")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with(&format!("{}-", platform.id))
                && path.extension().is_some_and(|end| end == "json")
        })
        .collect();
    records.sort_by_key(|path| fs_err::metadata(path).and_then(|data| data.modified()).ok());
    let newest = records
        .last()
        .unwrap_or_else(|| panic!("no base of {} was recorded", platform.id));
    let record: serde_json::Value =
        serde_json::from_slice(&fs_err::read(newest).expect("it can be read")).expect("it is JSON");
    record["reference"]
        .as_str()
        .expect("it has a reference")
        .to_owned()
}

/// A container of the tests', removed at the end of its scope.
pub(crate) struct Container {
    id: String,
    manager: Manager,
}

impl Container {
    /// A container that idles. It has the machine's certificates, as the mirrors may need them.
    pub(crate) fn start(image: &str, manager: Manager) -> Self {
        let mut words = vec!["run", "--detach", "--init", "--label", TEST_LABEL];
        for name in program::PROXIES {
            words.extend(["--env", name]);
        }
        let network = std::env::var("OMNIBUILD_NETWORK").unwrap_or_default();
        if !network.is_empty() {
            words.extend(["--network", &network]);
        }
        words.extend(["--entrypoint", "/bin/sleep", image, "infinity"]);
        let container = Self {
            id: ask(&words),
            manager,
        };
        container.run(&["mkdir", "-p", "/packages"]);
        if let Ok(bundle) = std::env::var("SSL_CERT_FILE") {
            container.put(Path::new(&bundle), "/ca-bundle.pem");
        } else {
            container.run(&["touch", "/ca-bundle.pem"]);
        }
        container
    }

    /// Copies a file into the container.
    pub(crate) fn put(&self, file: &Path, place: &str) {
        let source = file.to_str().expect("paths of tests are UTF-8");
        ask(&[
            "cp",
            "--follow-link",
            source,
            &format!("{}:{place}", self.id),
        ]);
    }

    /// Runs a command, which may fail; answers whether it succeeded, and all it printed.
    pub(crate) fn try_run(&self, command: &[&str]) -> (bool, String) {
        let head = ["exec", "--env", "DEBIAN_FRONTEND=noninteractive", &self.id];
        let output = client(&[&head, command].concat());
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
        client(&["rm", "--force", "--volumes", &self.id]);
    }
}
