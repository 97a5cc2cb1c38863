//! Whatever call the writing of packages dies or fails at, each package is the one that was there
//! before or the new one, whole, and the next run makes them all and leaves nothing else behind.
//!
//! One run that strace writes down says what calls there are; then there is one more run for each of
//! them, which ends there. strace counts the calls of each thread apart, so all is done on one, which
//! is what happens where there is one processor.

mod driver;
mod trace;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use omnibuild::digest::Digest;
use omnibuild::fsutil::{TEMPORARY_PREFIX, sorted_walk};
use omnibuild::package::Built;
use omnibuild::platform::TargetId;
use omnibuild::state::State;

use self::driver::{Build, EARLIER, OTHER, WANTED};
use self::trace::Call;
use crate::support::under_strace;

/// What is there before.
const BEFORE: [Option<Build>; 3] = [None, Some(OTHER), Some(EARLIER)];

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    NoSpace,
    Broken,
}

impl Fault {
    /// In strace's words.
    fn words(self) -> &'static str {
        match self {
            Self::Kill => "signal=SIGKILL",
            Self::NoSpace => "error=ENOSPC",
            Self::Broken => "error=EIO",
        }
    }

    /// Whether it can happen at a call, and something depends on it.
    fn happens_at(self, call: &Call) -> bool {
        let changes = [
            "write",
            "fsync",
            "fdatasync",
            "rename",
            "link",
            "ftruncate",
            "fallocate",
            "mkdir",
        ];
        let creates = call.is(&["open"])
            && (call.text.contains("O_CREAT") || call.text.contains("O_TMPFILE"));
        match self {
            Self::Kill => {
                let more = ["open", "unlink", "rmdir", "fchmod", "utime", "pwrite"];
                call.is(&changes) || call.is(&more)
            }
            Self::NoSpace => call.is(&changes) || creates,
            Self::Broken => call.is(&changes) || call.is(&["read", "open"]),
        }
    }
}

type Packages = BTreeMap<String, Digest>;

/// A folder in which packages are written over and over.
struct Sample {
    platform: TargetId,
    /// The processor that everything runs on.
    processor: String,
    folder: tempfile::TempDir,
    /// The packages that are there before, and those that are to be.
    before: Packages,
    wanted: Packages,
}

impl Sample {
    fn new(platform: &str, processor: String, before: Option<Build>) -> Self {
        // In memory where that is to be had: thousands of syncs are not what is tested.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let mut sample = Self {
            platform: platform.parse().unwrap(),
            processor,
            folder,
            before: Packages::new(),
            wanted: Packages::new(),
        };
        sample.wanted = packages(&sample.write(WANTED));
        sample.clear();
        fs_err::create_dir(sample.root()).unwrap();
        if let Some(build) = before {
            sample.before = packages(&sample.write(build));
        }
        copy(&sample.root(), &sample.path("root.before"));
        sample
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn packages(&self) -> PathBuf {
        State::new(&self.root()).packages(self.platform.platform())
    }

    fn clear(&self) {
        fs_err::remove_dir_all(self.root()).unwrap();
    }

    fn reset(&self) {
        self.clear();
        copy(&self.path("root.before"), &self.root());
    }

    /// Writes the packages in this process.
    fn write(&self, build: Build) -> Vec<Built> {
        driver::write(&self.root(), self.platform.as_str(), build).unwrap()
    }

    /// Writes the packages in a process of its own under strace, which watches these calls; answers
    /// what it wrote down, too.
    fn strace(&self, calls: &str, options: &[&str]) -> (Output, String) {
        let driver = driver::process(&self.root(), self.platform.as_str());
        let mut program = Command::new("taskset");
        program
            .env("PATH", std::env::var_os("PATH").unwrap())
            .args(["-c", &self.processor])
            .arg(driver.get_program())
            .args(driver.get_args());
        program.envs(
            driver
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let trace = self.path("trace");
        let output = ["-y", "-o", trace.to_str().unwrap()];
        let ran = under_strace(&program, calls, &[&output, options].concat());
        (ran, fs_err::read_to_string(trace).unwrap())
    }

    /// What stands beside each other in the folder of packages, without what is temporary.
    fn found(&self) -> Packages {
        let Ok(entries) = fs_err::read_dir(self.packages()) else {
            return Packages::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !name.starts_with(TEMPORARY_PREFIX))
            .map(|name| {
                let digest = Digest::of_file(&self.packages().join(&name)).unwrap();
                (name, digest)
            })
            .collect()
    }

    /// What is to be there when this many of the packages have got their names, in their order.
    fn expected(&self, published: usize) -> Packages {
        let mut expected = self.before.clone();
        let new = self.wanted.iter().take(published);
        expected.extend(new.map(|(name, digest)| (name.clone(), digest.clone())));
        expected
    }

    /// The record of the last build is whole, and is of packages that are there if it is the new one.
    #[track_caller]
    fn assert_record(&self, found: &Packages, what: &str) {
        let path = self
            .root()
            .join(format!(".omnibuild/state/{}.json", self.platform));
        let record = State::new(&self.root()).build(&self.platform);
        assert_eq!(
            record.is_some(),
            path.exists(),
            "{what}: the record is damaged"
        );
        let recorded = record.map_or_else(Packages::new, |record| packages(&record.packages));
        let is_new = recorded == self.wanted
            && recorded
                .iter()
                .all(|(name, digest)| found.get(name) == Some(digest));
        assert!(recorded == self.before || is_new, "{what}: {recorded:?}");
    }

    /// After another run there are the new packages, those of other versions, and nothing else.
    #[track_caller]
    fn assert_mends(&self, what: &str) {
        assert_eq!(packages(&self.write(WANTED)), self.wanted, "{what}");
        let found = self.found();
        assert_eq!(found, self.expected(self.wanted.len()), "{what}");
        self.assert_record(&found, what);
        for path in sorted_walk(&self.root()).unwrap() {
            let temporary = path.to_str().unwrap().contains(TEMPORARY_PREFIX);
            assert!(!temporary, "{what}: {} is left", path.display());
        }
        for folder in [&self.packages(), &self.root().join("segments")] {
            for entry in walkdir::WalkDir::new(folder).min_depth(1) {
                let entry = entry.unwrap();
                let name = entry.file_name().to_str().unwrap();
                let known = self.expected(self.wanted.len()).contains_key(name)
                    || name.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(known, "{what}: {} is left", entry.path().display());
            }
        }
    }

    /// Lets something happen at a call, before which this many packages got their names.
    fn disturb(&self, fault: Fault, call: &Call, published: usize) {
        let Call { name, number, text } = call;
        let what = format!("{}: {fault:?} at {text}", self.platform);
        self.reset();
        let inject = format!("inject={name}:{}:when={number}", fault.words());
        let (output, trace) = self.strace(name, &["-e", &inject]);
        let said = String::from_utf8_lossy(&output.stderr);
        let (code, signal) = (output.status.code(), output.status.signal());
        let hit = match fault {
            // strace ends as the program does; the last call it saw is the one that wasn't made.
            Fault::Kill => {
                assert_eq!(signal, Some(9), "{what}: {said}");
                trace.lines().rfind(|line| !line.contains("+++"))
            }
            Fault::NoSpace | Fault::Broken => {
                trace.lines().find(|line| line.contains("(INJECTED)"))
            }
        };
        let root = self.root();
        let in_place = hit.is_some_and(|line| line.contains(root.to_str().unwrap()));
        assert!(in_place, "{what}: it happened at {hit:?}\n{trace}");

        let found = self.found();
        let done = code == Some(0);
        if done {
            assert_ne!(fault, Fault::Kill, "{what}");
            assert_eq!(found, self.expected(self.wanted.len()), "{what}: {said}");
        } else {
            assert_eq!(found, self.expected(published), "{what}: {said}");
        }
        self.assert_record(&found, &what);
        match (fault, done) {
            (Fault::NoSpace, false) => {
                assert_eq!(code, Some(7), "{what}: {said}");
                let told = said.contains("error: ") && said.contains("hint: make room on ");
                assert!(told, "{what}: {said}");
            }
            (Fault::Broken, false) => {
                assert_eq!(code, Some(1), "{what}: {said}");
                assert!(
                    said.contains("error: ") && said.contains(root.to_str().unwrap()),
                    "{what}: {said}"
                );
            }
            _ => {}
        }
        // A kill leaves something, and so does a disk that can't be read.
        if fault == Fault::NoSpace {
            let left = walkdir::WalkDir::new(&root)
                .into_iter()
                .map(|entry| entry.unwrap().into_path());
            let left: Vec<_> = left
                .filter(|path| path.to_str().unwrap().contains(TEMPORARY_PREFIX))
                .collect();
            assert!(left.is_empty(), "{what}: {left:?}");
        }
        self.assert_mends(&what);
    }
}

fn packages(built: &[Built]) -> Packages {
    let artifacts = built.iter().map(|package| package.artifact.clone());
    artifacts
        .map(|artifact| (artifact.file_name, artifact.digest))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs_err::copy(entry.path(), place).unwrap();
        }
    }
}

/// The processors that this test may use.
fn processors() -> Vec<String> {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let ends = list.trim().split([',', '-']);
    ends.map(str::to_owned).collect()
}

/// Lets something happen at each call that writing the packages of a platform takes; answers how
/// often that was.
fn sweep(platform: &str, processor: &str, before: Option<Build>, faults: &[Fault]) -> usize {
    let sample = Sample::new(platform, processor.to_owned(), before);
    sample.reset();
    let (output, trace) = sample.strace("%file,%desc", &[]);
    assert!(output.status.success(), "{output:?}");
    sample.assert_mends("nothing happened");
    let calls = trace::calls(&trace, &sample.root(), &sample.packages());
    let (mut points, mut published) = (0, 0);
    for call in &calls {
        for fault in faults.iter().filter(|fault| fault.happens_at(call)) {
            sample.disturb(*fault, call, published);
            points += 1;
        }
        published += usize::from(call.publishes(&sample.packages()));
    }
    assert_eq!(published, sample.wanted.len(), "{calls:?}");
    points
}

/// How many points each of the four tests has at least: 500 in all.
const LEAST: usize = 125;

fn kill(platform: &str, processor: &str) {
    let points = BEFORE.map(|before| sweep(platform, processor, before, &[Fault::Kill]));
    assert!(
        points.iter().sum::<usize>() >= LEAST,
        "only {points:?} points"
    );
}

fn fail(platform: &str, processor: &str) {
    let points = BEFORE.map(|before| {
        // Where a package is replaced there is most to lose.
        let faults = match before {
            Some(OTHER) => &[Fault::NoSpace, Fault::Broken][..],
            _ => &[Fault::NoSpace],
        };
        sweep(platform, processor, before, faults)
    });
    assert!(
        points.iter().sum::<usize>() >= LEAST,
        "only {points:?} points"
    );
}

#[test]
fn a_kill_at_any_call_leaves_whole_debs() {
    kill("debian-12", &processors()[0]);
}

#[test]
fn a_kill_at_any_call_leaves_whole_rpms() {
    kill("rocky-9", processors().last().unwrap());
}

#[test]
fn a_full_or_broken_disk_at_any_call_is_told_and_leaves_whole_debs() {
    fail("debian-12", &processors()[0]);
}

#[test]
fn a_full_or_broken_disk_at_any_call_is_told_and_leaves_whole_rpms() {
    fail("rocky-9", processors().last().unwrap());
}
