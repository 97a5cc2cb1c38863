//! A project in a temporary folder, and the real program run in it with a known environment.
//!
//! Reaches no engine and no network: `DOCKER_HOST` names a socket that is not there, and caches
//! and home lie in the temporary folder. Sets no variable of the test's own process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use omnibuild::digest::Digest;
use omnibuild::fsutil::sorted_walk;

/// An address where no engine listens.
pub(crate) const NO_ENGINE: &str = "unix:///nonexistent/docker.sock";
/// `SOURCE_DATE_EPOCH` of every run that does not say another.
pub(crate) const EPOCH: &str = "1700000000";
/// A guard against a program that waits for ever; no test measures time with it.
pub(crate) const HANGS_AFTER: Duration = Duration::from_mins(2);

/// `[project]` of a project whose metadata is all in one file.
pub(crate) const PYPROJECT: &str = "\
[project]
name = \"mytool\"
version = \"1.4.2\"
dependencies = [\"httpx>=0.28\"]

[project.scripts]
mytool = \"mytool:main\"
";

/// Runs a command under strace, which watches these calls of it and of all its threads and children.
pub(crate) fn under_strace(program: &Command, calls: &str, options: &[&str]) -> Output {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", &format!("trace={calls}")])
        .args(options)
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    let mut command = assert_cmd::Command::from_std(command);
    command
        .timeout(HANGS_AFTER)
        .output()
        .unwrap_or_else(|error| {
            panic!("strace can't be started ({error}): install it, or run .ci/prerequisites")
        })
}

/// A project, and the environment that the program sees.
pub(crate) struct TestProject {
    folder: tempfile::TempDir,
    environment: BTreeMap<OsString, OsString>,
}

impl TestProject {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project", "home", "cache", "tmp"] {
            fs_err::create_dir(folder.path().join(name)).unwrap();
        }
        let this = Self {
            folder,
            environment: BTreeMap::new(),
        };
        let path = std::env::var_os("PATH").unwrap();
        let (home, cache, tmp) = (this.path("home"), this.path("cache"), this.path("tmp"));
        this.env("PATH", path)
            .env("HOME", home)
            .env("OMNIBUILD_CACHE_DIR", cache)
            .env("TMPDIR", tmp)
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("DOCKER_HOST", NO_ENGINE)
            // A repository above the temporary folder is none of the project's.
            .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir())
            .env("GIT_CONFIG_NOSYSTEM", "1")
    }

    /// A project whose metadata is all in `[project]`.
    pub(crate) fn new() -> Self {
        Self::empty().file("pyproject.toml", PYPROJECT)
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.root().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("project")
    }

    /// A folder beside the project: `home`, `cache`, `tmp`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        fs_err::canonicalize(self.folder.path()).unwrap().join(name)
    }

    /// Runs the program in the project's folder.
    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        let mut command = assert_cmd::Command::from_std(self.command(words));
        let output = command.timeout(HANGS_AFTER).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: self.normalised(&output.stdout),
            stderr: self.normalised(&output.stderr),
        }
    }

    /// The program, to be started by the test.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omnibuild"));
        command
            .args(words)
            .current_dir(self.root())
            .env_clear()
            .envs(&self.environment);
        command.stdin(Stdio::null());
        command
    }

    /// Runs git in the project's folder.
    pub(crate) fn git(&self, words: &[&str]) {
        let mut command = Command::new("git");
        command
            .current_dir(self.root())
            .env_clear()
            .envs(&self.environment);
        command.args(["-c", "user.name=Test", "-c", "user.email=test@example.org"]);
        let output = command.args(words).output().unwrap();
        assert!(
            output.status.success(),
            "git {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// What lies in the project, the home folder and the cache: names and digests. Whatever the
    /// program writes changes it.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        let mut tree = BTreeMap::new();
        for folder in ["project", "home", "cache", "tmp"] {
            let top = self.path(folder);
            for name in sorted_walk(&top).unwrap() {
                let digest = Digest::of_file(&top.join(&name)).unwrap();
                tree.insert(format!("{folder}/{}", name.display()), digest.to_string());
            }
            tree.extend(folders(&top).map(|name| (format!("{folder}/{name}/"), String::new())));
        }
        tree
    }

    /// Names in the tree that were not in an earlier one.
    pub(crate) fn new_files(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let tree = self.tree();
        tree.into_keys()
            .filter(|name| !before.contains_key(name) && !name.ends_with('/'))
            .collect()
    }

    fn normalised(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let root = self.root();
        text.replace(root.to_str().unwrap(), "[PROJECT]")
            .replace(self.path("").to_str().unwrap(), "[TEST]/")
    }
}

fn folders(top: &Path) -> impl Iterator<Item = String> {
    walkdir::WalkDir::new(top)
        .min_depth(1)
        .into_iter()
        .filter_map(move |entry| {
            let entry = entry.unwrap();
            entry
                .file_type()
                .is_dir()
                .then(|| entry.file_name().to_string_lossy().into_owned())
        })
}

/// What came of a run.
#[derive(Debug)]
#[must_use = "a run that nobody looks at shows nothing"]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Standard output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The result in the last line of JSON of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn result(self) -> serde_json::Value {
        let text = self.success();
        let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        line["result"].clone()
    }

    /// The first error of a run that must have ended with this code.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> Failure {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let lines = || self.stderr.lines();
        let message = lines().find_map(|line| line.strip_prefix("error: "));
        Failure {
            message: message
                .unwrap_or_else(|| panic!("no error in:\n{}", self.stderr))
                .to_owned(),
            hints: lines()
                .filter_map(|line| line.strip_prefix("hint: "))
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// What a failed run said.
#[derive(Debug)]
#[must_use = "an error that nobody reads shows nothing"]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

/// This machine's architecture in the names of deb and rpm files.
pub(crate) fn architectures() -> (&'static str, &'static str) {
    let arch = omnibuild::platform::Arch::from_any_name(std::env::consts::ARCH).unwrap();
    (arch.debian(), arch.machine())
}
