//! Whatever call a run dies at, or finds no space at, the cache is whole, and the next run completes
//! it.
//!
//! `strace` does the killing: at the N-th call of a kind, N rising until a run gets through.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use omnibuild::wheels::store::WheelStore;

use super::{assert_whole, fill};
use crate::support::{TestProject, under_strace};

/// More calls of a kind than the program makes.
const ENOUGH: usize = 1000;

/// A project, and a file to import.
struct Sample {
    project: TestProject,
    file: PathBuf,
    number: usize,
}

impl Sample {
    fn new() -> Self {
        let project = TestProject::empty();
        let file = project.path("tmp").join("export.tar");
        let store = fill(&project.path("home").join("wheels"));
        store.export(&file, &[].into()).unwrap();
        Self {
            project,
            file,
            number: 0,
        }
    }

    /// A folder for wheels that is not there yet.
    fn folder(&mut self) -> PathBuf {
        self.number += 1;
        self.project.path("cache").join(self.number.to_string())
    }

    /// Imports into a folder while something happens at a call.
    fn import(&self, folder: &Path, calls: &str, fault: &str) -> Output {
        let words = ["cache", "import", self.file.to_str().unwrap()];
        self.strace(&words, folder, calls, fault)
    }

    /// Runs the program on a folder while something happens at a call; `fault` in strace's words.
    fn strace(&self, words: &[&str], folder: &Path, calls: &str, fault: &str) -> Output {
        let inject = format!("inject={calls}:{fault}");
        self.watched(words, folder, calls, &["-o", "/dev/null", "-e", &inject])
    }

    /// Runs the program on a folder under strace, which writes down these calls.
    fn watched(&self, words: &[&str], folder: &Path, calls: &str, options: &[&str]) -> Output {
        let mut program = self.project.command(words);
        program.arg("--wheel-dir").arg(folder);
        under_strace(&program, calls, options)
    }

    /// Whole as far as it goes, and whole in all when the import is done again.
    #[track_caller]
    fn assert_mends(&self, folder: &Path, what: &str) {
        let store = WheelStore::new(folder);
        let found = store.inspect(false).unwrap();
        assert!(
            found.damaged.is_empty() && found.incomplete.is_empty(),
            "{what}: {found:?}"
        );
        for stored in store.survey().unwrap().sets {
            let set = store.get(&stored.platform, &stored.set.key.digest);
            assert_eq!(set, Ok(Some(stored.set)), "{what}");
        }
        store.import(&self.file, &[].into()).unwrap();
        assert_whole(&store, 2, 3, what);
        // What the killed run left is nobody's, and goes.
        store
            .prune(omnibuild::wheels::store::Limits::default())
            .unwrap();
        let left = fs_err::read_dir(folder.join("v1/tmp")).unwrap().count();
        assert_eq!(left, 0, "{what}");
        assert_whole(&store, 2, 3, what);
    }
}

/// Kills the program at each call of a kind; answers how many there were.
fn kill_at_each(calls: &str) -> usize {
    let mut sample = Sample::new();
    for number in 1..ENOUGH {
        let folder = sample.folder();
        let output = sample.import(&folder, calls, &format!("signal=SIGKILL:when={number}"));
        let what = format!("killed at {calls} number {number}");
        sample.assert_mends(&folder, &what);
        if output.status.success() {
            return number - 1;
        }
        // strace ends as the program does.
        let killed = output.status.signal() == Some(9);
        assert!(
            killed,
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    panic!("{calls}: {ENOUGH} runs, and none got through");
}

/// Lets each call of a kind fail for want of space; answers how many there were.
fn no_space_at_each(calls: &str) -> usize {
    let mut sample = Sample::new();
    for number in 1..ENOUGH {
        let folder = sample.folder();
        let output = sample.import(&folder, calls, &format!("error=ENOSPC:when={number}"));
        let what = format!("no space at {calls} number {number}");
        let text = String::from_utf8_lossy(&output.stderr);
        sample.assert_mends(&folder, &what);
        if output.status.success() {
            return number - 1;
        }
        assert_eq!(output.status.code(), Some(7), "{what}: {text}");
        assert!(text.contains("hint: make room"), "{what}: {text}");
    }
    panic!("{calls}: {ENOUGH} runs, and none got through");
}

/// Kills pruning or clearing at each file it removes; answers how many there were.
fn kill_at_each_removal(words: &[&str]) -> usize {
    let mut sample = Sample::new();
    for number in 1..ENOUGH {
        let folder = sample.folder();
        fill(&folder);
        let calls = "?unlink,unlinkat,?rmdir";
        let fault = format!("signal=SIGKILL:when={number}");
        let output = sample.strace(words, &folder, calls, &fault);
        let what = format!("{words:?} killed at removal {number}");
        // No set is left without its wheels.
        sample.assert_mends(&folder, &what);
        if output.status.success() {
            return number - 1;
        }
        assert_eq!(output.status.signal(), Some(9), "{what}");
    }
    panic!("{words:?}: {ENOUGH} runs, and none got through");
}

/// Three wheels, two sets and CACHEDIR.TAG.
const FILES: usize = 6;

#[test]
fn a_kill_at_any_rename_leaves_a_whole_cache() {
    assert_eq!(kill_at_each("?rename,?renameat,?renameat2"), FILES);
}

#[test]
fn a_kill_at_any_file_that_is_opened_or_made_leaves_a_whole_cache() {
    let calls = kill_at_each("?open,openat,?creat");
    assert!(calls > 2 * FILES, "only {calls} calls");
}

#[test]
fn a_kill_at_any_sync_leaves_a_whole_cache() {
    let calls = kill_at_each("fsync,fdatasync,?sync_file_range");
    assert!(
        calls >= 2 * FILES,
        "only {calls} calls: each file, and its folder"
    );
}

#[test]
fn a_kill_at_any_folder_or_write_leaves_a_whole_cache() {
    assert!(kill_at_each("?mkdir,mkdirat") > FILES);
    assert!(kill_at_each("write") > FILES);
}

#[test]
fn a_full_disk_at_any_step_is_told_and_leaves_a_whole_cache() {
    assert_eq!(no_space_at_each("?rename,?renameat,?renameat2"), FILES);
    assert!(no_space_at_each("?mkdir,mkdirat") > FILES);
    assert!(no_space_at_each("fsync,fdatasync") >= 2 * FILES);
}

#[test]
fn a_kill_while_entries_are_removed_leaves_a_whole_cache() {
    let prune = ["cache", "prune", "--max-size", "0"];
    assert!(kill_at_each_removal(&prune) >= FILES - 1);
    assert!(kill_at_each_removal(&["cache", "clear"]) >= FILES - 1);
}

/// What a call that succeeded was about: its name, and the paths it named.
fn calls_of(trace: &str) -> Vec<(&str, Vec<&str>)> {
    let succeeded = trace.lines().filter(|line| line.ends_with(" = 0"));
    succeeded
        .map(|line| {
            let (name, arguments) = line.split_once('(').unwrap();
            let name = name.rsplit(' ').next().unwrap();
            let paths = if name.ends_with("sync") {
                // A descriptor, with its path behind it.
                arguments.split(['<', '>']).skip(1).step_by(2).collect()
            } else {
                arguments.split('"').skip(1).step_by(2).collect()
            };
            (name, paths)
        })
        .collect()
}

#[test]
fn nothing_gets_its_name_before_it_and_its_folder_are_on_the_disk() {
    let mut sample = Sample::new();
    let folder = sample.folder();
    let trace = sample.project.path("tmp").join("trace");
    let words = ["cache", "import", sample.file.to_str().unwrap()];
    let calls = "?rename,?renameat,?renameat2,?mkdir,mkdirat,fsync,fdatasync";
    let options = ["-y", "-s", "4096", "-o", trace.to_str().unwrap()];
    let output = sample.watched(&words, &folder, calls, &options);
    assert!(output.status.success(), "{output:?}");
    let trace = fs_err::read_to_string(trace).unwrap();
    let calls = calls_of(&trace);
    let synced = |calls: &[(&str, Vec<&str>)], path: &Path| {
        let path = path.to_str().unwrap();
        calls
            .iter()
            .any(|(name, paths)| name.ends_with("sync") && paths[0] == path)
    };
    let (mut renamed, mut made) = (0, 0);
    for (number, (name, paths)) in calls.iter().enumerate() {
        let (before, after) = calls.split_at(number);
        if name.starts_with("rename") {
            let [from, to] = paths[..] else {
                panic!("{paths:?}")
            };
            renamed += 1;
            assert!(
                synced(before, Path::new(from)),
                "{to}: its content\n{trace}"
            );
            let place = Path::new(to).parent().unwrap();
            assert!(synced(after, place), "{to}: its name\n{trace}");
        } else if name.starts_with("mkdir") {
            // Before anything else gets a name, which could count on what is in it.
            made += 1;
            let path = Path::new(paths[0]);
            let later = after.iter().enumerate();
            let until = later
                .filter(|(_, (name, _))| name.starts_with("rename"))
                .nth(1)
                .map_or(after.len(), |(number, _)| number);
            assert!(
                synced(&after[..until], path.parent().unwrap()),
                "{}\n{trace}",
                path.display()
            );
        }
    }
    assert_eq!(renamed, FILES, "{trace}");
    assert!(made > FILES, "{trace}");
}
