//! Projects in temporary folders, committed to git by the same person at the same time always.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::platform::{self, Platform};
use super::program::{self, Ran, Running};

/// When everything is committed.
const TIME: &str = "2026-01-02T03:04:05+00:00";

/// A project.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// A copy of a project under `tests/projects`, with the RPM platforms on their stand-ins.
    pub(crate) fn copy_of(name: &str) -> Self {
        let project = Self::empty();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        copy(&tests.join("projects").join(name), project.root());
        project.committed()
    }

    /// A project of these files, with the RPM platforms on their stand-ins.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self::without_history(files).committed()
    }

    /// The same, not committed to git.
    pub(crate) fn without_history(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    /// Another project with all that is in the folder of this one: its history, what it remembers of
    /// its builds, its packages.
    pub(crate) fn twin(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("omnibuild-real-").tempdir();
        let project = Self {
            folder: folder.expect("a temporary folder can be made"),
        };
        copy(self.root(), project.root());
        project
    }

    fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("omnibuild-real-").tempdir();
        let project = Self {
            folder: folder.expect("a temporary folder can be made"),
        };
        project.write("platforms.toml", &platform::table());
        project
    }

    fn committed(self) -> Self {
        self.git(&["init", "--quiet"]);
        self.commit();
        self
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of it; makes its folders.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs_err::create_dir_all(path.parent().expect("it is in the project")).expect("a folder");
        fs_err::write(path, text).expect("the project can be written");
    }

    /// Writes a data file into the package `mytool` that no test and no earlier run has written, so
    /// that no cache has the application with it.
    pub(crate) fn write_news(&self) {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let news = format!("{{\"news\": \"{} {now:?}\"}}\n", self.root().display());
        self.write("src/mytool/data/news.json", &news);
    }

    /// Puts `new` in place of `old`, which must be there, in a file.
    pub(crate) fn replace(&self, name: &str, old: &str, new: &str) {
        let text = fs_err::read_to_string(self.root().join(name)).expect("it can be read");
        assert!(text.contains(old), "`{name}` has no `{old}`");
        self.write(name, &text.replace(old, new));
    }

    /// Commits everything.
    pub(crate) fn commit(&self) {
        self.git(&["add", "--all", "."]);
        self.git(&["commit", "--quiet", "--message", "change"]);
    }

    fn git(&self, words: &[&str]) {
        let status = Command::new("git")
            .current_dir(self.root())
            .args([
                "-c",
                "user.name=Tests",
                "-c",
                "user.email=tests@acme.example",
            ])
            .args([
                "-c",
                "commit.gpgsign=false",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(words)
            .envs([("GIT_AUTHOR_DATE", TIME), ("GIT_COMMITTER_DATE", TIME)])
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status()
            .expect("git can be run");
        assert!(status.success(), "git {}", words.join(" "));
    }

    /// The program in its folder, to be completed and run.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = program::program(self.root());
        command.args(words);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        program::run(self.program(words))
    }

    /// Starts the program.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::start(self.program(words))
    }

    /// The path of a package.
    pub(crate) fn package(&self, platform: Platform, file_name: &str) -> PathBuf {
        self.root()
            .join("packages")
            .join(platform.id)
            .join(file_name)
    }

    /// The names of a platform's packages; none when there is no folder for them.
    pub(crate) fn packages(&self, platform_id: &str) -> Vec<String> {
        let mut names = self.artifacts(platform_id);
        names.retain(|name| matches!(name.rsplit('.').next(), Some("deb" | "rpm")));
        names
    }

    /// The names in the folder of a platform's packages: these, and what is told of them.
    pub(crate) fn artifacts(&self, platform_id: &str) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.root().join("packages").join(platform_id)) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
        let mut names: Vec<String> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// What a platform's commands printed.
    pub(crate) fn log(&self, platform_id: &str) -> String {
        let path = self
            .root()
            .join(".omnibuild/logs")
            .join(format!("{platform_id}.log"));
        fs_err::read_to_string(path).expect("there is a log")
    }
}

fn copy(source: &Path, target: &Path) {
    for entry in walkdir::WalkDir::new(source) {
        let entry = entry.expect("the projects can be read");
        let place = target.join(entry.path().strip_prefix(source).expect("it is below"));
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(place).expect("a folder");
        } else {
            fs_err::copy(entry.path(), place).expect("a copy");
        }
    }
}
