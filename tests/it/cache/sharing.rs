//! Several runs on one cache, and folders that can't be written.
//!
//! Another run is played by `flock` of util-linux, which holds the very locks.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use omnibuild::digest::Digest;
use omnibuild::wheels::store::WheelStore;

use super::{assert_whole, fill, wheels_of};
use crate::support::TestProject;

/// A process that holds a lock until it is killed.
struct Holder(Child);

impl Holder {
    fn start(path: &Path, kind: &str) -> Self {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        let mut command = Command::new("flock");
        command.args(["--no-fork", kind]).arg(path).arg("cat");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("flock can't be started ({error}): install util-linux, or run .ci/prerequisites")
        });
        // `cat` answers when the lock is held.
        let input = child.stdin.as_mut().unwrap();
        input.write_all(b"held\n").unwrap();
        let mut line = String::new();
        let output = child.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    /// As a crash ends it, without a chance to say anything.
    fn kill(mut self) {
        self.0.kill().unwrap();
        assert!(!self.0.wait().unwrap().success());
    }
}

#[test]
fn nothing_is_removed_while_a_run_uses_the_cache() {
    let project = TestProject::empty();
    let store = fill(&wheels_of(&project));
    let run = Holder::start(&wheels_of(&project).join("v1/lock"), "--shared");
    for words in [
        &["cache", "prune", "--max-size", "0"][..],
        &["cache", "clear"],
    ] {
        let failure = project.run(words).failure(16);
        assert!(
            failure.message.contains("builds use the wheels"),
            "{failure:?}"
        );
        assert!(
            failure.hints[0].contains("when they are done"),
            "{failure:?}"
        );
    }
    drop(project.run(&["cache", "verify"]).success());
    assert_whole(&store, 2, 3, "in use");
    run.kill();
    drop(project.run(&["cache", "clear"]).success());
    assert_whole(&store, 0, 0, "cleared");
}

#[test]
fn an_import_waits_for_who_has_the_cache_alone_and_not_for_the_dead() {
    let (from, to) = (TestProject::empty(), TestProject::empty());
    let file = from.path("tmp").join("export.tar");
    fill(&wheels_of(&from)).export(&file, &[].into()).unwrap();
    let lock = wheels_of(&to).join("v1/lock");
    fs_err::create_dir_all(lock.parent().unwrap()).unwrap();
    fs_err::write(&lock, "pruning, process 1 on elsewhere").unwrap();
    let pruning = Holder::start(&lock, "--exclusive");
    let mut command = to.command(&["cache", "import", file.to_str().unwrap()]);
    let mut import = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(import.stderr.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert!(
        line.contains("waiting for pruning, process 1 on elsewhere"),
        "{line}"
    );
    assert!(import.try_wait().unwrap().is_none(), "it did not wait");
    pruning.kill();
    assert!(import.wait().unwrap().success());
    assert_whole(&WheelStore::new(&wheels_of(&to)), 2, 3, "imported");
}

#[test]
fn the_lock_of_a_key_goes_from_a_killed_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let key = Digest::of("key");
    let path = folder.path().join("v1/locks").join(format!("{key}.lock"));
    let killed = Holder::start(&path, "--exclusive");
    let (waits, waiting) = mpsc::channel();
    let store = WheelStore::new(folder.path());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let told = |holder: &str| waits.send(holder.to_owned()).unwrap();
            runtime.block_on(store.lock(&key, told)).map(drop)
        });
        assert_eq!(waiting.recv().unwrap(), "another run");
        assert!(!waiter.is_finished());
        killed.kill();
        waiter.join().unwrap().unwrap();
    });
    // Who has had it since is named, should somebody wait again.
    let text = fs_err::read_to_string(path).unwrap();
    assert!(
        text.starts_with(&format!("process {} on ", std::process::id())),
        "{text}"
    );
}

/// The program as a user who may read and enter everything in the project's temporary folder, and
/// write nothing. For root no file is read-only, so root becomes nobody.
struct Reader {
    project: TestProject,
    program: PathBuf,
}

const NOBODY: u32 = 65_534;

impl Reader {
    fn new(project: TestProject) -> Self {
        let program = project.path("home").join("omnibuild");
        // By another process: a child that another test forks meanwhile would hold a file that this
        // one has open for writing, and what is open for writing can't be run.
        let copied = Command::new("cp")
            .args([
                env!("CARGO_BIN_EXE_omnibuild").as_ref(),
                program.as_os_str(),
            ])
            .status();
        assert!(copied.unwrap().success());
        Self { project, program }
    }

    fn is_root(&self) -> bool {
        let metadata = fs_err::metadata(&self.program).unwrap();
        std::os::unix::fs::MetadataExt::uid(&metadata) == 0
    }

    fn run(&self, words: &[&str]) -> std::process::Output {
        let top = self.project.path("");
        let entries = walkdir::WalkDir::new(&top).contents_first(true);
        for entry in entries {
            let entry = entry.unwrap();
            let mode = if entry.file_type().is_dir() || entry.path() == self.program {
                0o555
            } else {
                0o444
            };
            let permissions = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(entry.path(), permissions).unwrap();
        }
        let out = self.project.path("tmp");
        fs_err::set_permissions(&out, std::fs::Permissions::from_mode(0o755)).unwrap();
        let from = self.project.command(words);
        let mut command = Command::new(&self.program);
        command
            .args(from.get_args())
            .current_dir(self.project.root())
            .env_clear()
            .envs(
                from.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        if self.is_root() {
            chown(&out, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }
}

impl Drop for Reader {
    /// So that the folder can be removed.
    fn drop(&mut self) {
        for entry in walkdir::WalkDir::new(self.project.path(""))
            .into_iter()
            .flatten()
        {
            if entry.file_type().is_dir() {
                let permissions = std::fs::Permissions::from_mode(0o755);
                drop(fs_err::set_permissions(entry.path(), permissions));
            }
        }
    }
}

#[test]
fn a_cache_that_can_not_be_written_can_be_read() {
    let project = TestProject::empty();
    let folder = wheels_of(&project);
    let store = fill(&folder);
    let file = project.path("tmp").join("export.tar");
    let file = file.to_str().unwrap().to_owned();
    let reader = Reader::new(project);
    for words in [
        &["cache", "ls"][..],
        &["cache", "du"],
        &["cache", "verify"],
        &["cache", "export", &file],
    ] {
        let output = reader.run(words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {text}");
    }
    assert!(Path::new(&file).is_file());
    assert!(!folder.join("v1/lock").exists(), "it could write");
    // What has to write says what to do, and changes nothing.
    drop(fs_err::remove_dir_all(folder.join("v1/sets/debian-12")));
    for words in [&["cache", "clear"][..], &["cache", "import", &file]] {
        let output = reader.run(words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(
            text.contains("`--wheel-dir` names another folder"),
            "{text}"
        );
    }
    assert!(!store.survey().unwrap().wheels.is_empty());
}
