//! The wheel cache: only what is missing is made, a lock decides every file, locks of other tools.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::index::source_distribution;
use crate::support::platform::{self, Platform};
use crate::support::program::{self, Ran};
use crate::support::project::Project;

const CONFIGURATION: &str = "name = \"pins\"\nversion = \"1.0\"\nrequirements = [\"pins.txt\"]\n";
/// Of every Python that is tested; the second is a source distribution only.
const PINS: &str = "idna==2.9\ndocopt==0.6.2\nsix==1.15.0\n";

/// A project of pins with a cache of wheels of its own.
struct Pins {
    project: Project,
    wheels: tempfile::TempDir,
}

impl Pins {
    fn of(pins: &str) -> Self {
        Self {
            project: Project::of(&[("omnibuild.toml", CONFIGURATION), ("pins.txt", pins)]),
            wheels: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    fn run(&self, platform: Platform, words: &[&str]) -> Ran {
        platform::warm(platform);
        let folder = self.wheels.path().to_str().expect("it is UTF-8");
        let all = [words, &["--sysbase", platform.id, "--wheel-dir", folder]];
        self.project.run(&all.concat())
    }

    fn forget_wheels(&mut self) {
        self.wheels = tempfile::tempdir().expect("a temporary folder can be made");
    }

    /// The wheels of a platform's sets of dependencies, one list a set.
    fn sets(&self, platform: Platform) -> BTreeSet<BTreeSet<String>> {
        let folder = self.wheels.path().join("v1/sets").join(platform.id);
        let mut sets = BTreeSet::new();
        for entry in fs_err::read_dir(folder).expect("there are sets") {
            let path = entry.expect("it can be read").path();
            let text = fs_err::read_to_string(path).expect("it can be read");
            let set: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            let set = &set["set"];
            if set["key"]["fields"]["schema"]
                .as_str()
                .is_some_and(|schema| schema.starts_with("wheels "))
            {
                let wheels = set["wheels"].as_array().expect("it has wheels");
                sets.insert(
                    wheels
                        .iter()
                        .map(|wheel| wheel["file_name"].to_string())
                        .collect(),
                );
            }
        }
        sets
    }
}

/// `fetched` and `built` of a run, added up: pip does not tell which.
fn made(run: &Ran) -> usize {
    let line = run
        .stderr
        .lines()
        .find(|line| line.contains(" fetched, "))
        .unwrap_or_else(|| panic!("no wheels were made:\n{}", run.stderr));
    let before = |word: &str| -> usize {
        let (text, _) = line.split_once(word).expect("the line has it");
        let number = text.rsplit(' ').next().expect("there is one");
        number.parse().expect("it is a number")
    };
    before(" fetched") + before(" built")
}

#[test]
fn one_changed_pin_makes_one_wheel_on_each_platform() {
    let platforms = platform::asked();
    let pins = Pins::of(PINS);
    for &platform in &platforms {
        let run = pins.run(platform, &[]).succeeded();
        run.said(&["3 wheels"]);
    }
    pins.project.replace("pins.txt", "idna==2.9", "idna==2.10");
    for (number, &platform) in platforms.iter().enumerate() {
        let planned = pins.run(platform, &["plan"]).succeeded();
        planned.said(&["+requirement idna==2.10", "-requirement idna==2.9"]);
        let run = pins.run(platform, &[]).succeeded();
        // What one platform fetched, others share: on them nothing but the set is new.
        let expected = if number == 0 || platform.id == "centos-7" {
            1
        } else {
            made(&run).min(1)
        };
        assert_eq!(made(&run), expected, "{}", run.stderr);
        let sets: Vec<_> = pins.sets(platform).into_iter().collect();
        let [one, other] = sets.as_slice() else {
            panic!("{} has other sets than two: {sets:?}", platform.id);
        };
        assert_eq!(one.difference(other).count(), 1, "{one:?} {other:?}");
    }
    // Back again: it is all there still.
    pins.project.replace("pins.txt", "idna==2.10", "idna==2.9");
    for &platform in &platforms {
        let run = pins.run(platform, &[]).succeeded();
        run.said(&["wheels: reused"]);
    }
}

#[test]
fn two_distributions_with_one_lock_share_what_is_portable_and_nothing_that_was_compiled() {
    for pair in platform::asked_of(&["debian-12", "rocky-9"]).chunks(2) {
        let [one, other] = pair else {
            panic!("this test needs two platforms: ask for debian-12 and rocky-9");
        };
        let pins = Pins::of("MarkupSafe==2.1.3\nidna==3.6\n--no-binary MarkupSafe\n");
        pins.run(*one, &["lock"]).succeeded();
        pins.run(*other, &["lock"]).succeeded();
        let lock = fs_err::read_to_string(pins.project.root().join("pylock.toml"))
            .expect("it was written");
        assert!(lock.contains(one.id) && lock.contains(other.id), "{lock}");
        for platform in [*one, *other] {
            let run = pins.run(platform, &["--json"]).succeeded();
            assert!(!run.stderr.contains("pinned by nobody"), "{}", run.stderr);
            let folder = pins.wheels.path().join("v1/sets").join(platform.id);
            let built = fs_err::read_dir(folder).expect("there are sets").count();
            assert_eq!(
                built, 2,
                "the closure, and the wheel that was compiled for it"
            );
        }
    }
}

#[test]
fn a_lock_decides_every_file() {
    let platform = platform::first_asked();
    let mut pins = Pins::of("requests==2.31.0\n");
    let run = pins.run(platform, &[]).succeeded();
    run.said(&[
        "4 of 5 distributions are pinned by nobody",
        "`omnibuild lock`",
    ]);
    pins.run(platform, &["lock"])
        .succeeded()
        .said(&[&format!("pylock.toml: 5 distributions for {}", platform.id)]);
    let path = pins.project.root().join("pylock.toml");
    let lock = fs_err::read_to_string(&path).expect("it was written");
    pins.run(platform, &["lock"]).succeeded();
    assert_eq!(
        fs_err::read_to_string(&path).expect("it was written"),
        lock,
        "the same again"
    );

    // Another file than the one that was locked.
    let (_, rest) = lock
        .split_once("name = \"requests\"")
        .expect("it is locked");
    let (_, rest) = rest.split_once("sha256 = \"").expect("it has a digest");
    let (locked, _) = rest.split_once('"').expect("it ends");
    let wrong = format!("{}{}", "0".repeat(8), &locked[8..]);
    pins.project.replace("pylock.toml", locked, &wrong);
    pins.forget_wheels();
    pins.run(platform, &[])
        .ended_with(10)
        .said(&[locked, &wrong, "requests-2.31.0"]);

    // A requirement that the lock does not know.
    fs_err::write(&path, &lock).expect("it can be written");
    pins.project.replace("pins.txt", "2.31.0", "2.30.0");
    pins.run(platform, &[]).ended_with(10).said(&[
        "the lock is out of date: pins.txt:1 wants `requests==2.30.0`, and the lock has 2.31.0",
        "`omnibuild lock --sysbase",
    ]);

    // A lock of other platforms.
    pins.project
        .replace("pylock.toml", platform.id, "debian-99");
    pins.run(platform, &[])
        .ended_with(10)
        .said(&["was not made for"]);
}

#[test]
fn hashes_in_a_requirement_file_are_held() {
    let platform = platform::first_asked();
    let right = "c05567e9c24a6b9faaa835c4821bad0590fbb9d5779e7caa6e1cc4978e7eb24f";
    let wrong = "c05567e9c24a6b9faaa835c4821bad0590fbb9d5779e7caa6e1cc4978e7eb240";
    let pins = Pins::of(&format!("idna==3.6 --hash=sha256:{right}\n"));
    pins.run(platform, &[]).succeeded();
    pins.project.replace("pins.txt", right, wrong);
    pins.run(platform, &[]).ended_with(10).said(&[right, wrong]);
    let hash = "58cd2187c01e70e6e26505bca751777aa9f2ee0b7f4300988b709f44e013003f";
    pins.project.write(
        "pins.txt",
        &format!("requests==2.31.0 --hash=sha256:{hash}\n"),
    );
    let run = pins.run(platform, &[]).ended_with(10);
    run.said(&["requests 2.31.0 wants `", "which has no hash"]);
}

#[test]
fn files_of_the_projects_folder_are_installed() {
    let platform = platform::first_asked();
    let pins = Pins::of("./vendor/inhouse-1.0.tar.gz\nfound\nsix==1.16.0\n--find-links vendor\n");
    let vendor = pins.project.root().join("vendor");
    fs_err::create_dir(&vendor).expect("it can be made");
    for name in ["inhouse", "found"] {
        let setup = format!("from setuptools import setup; setup(name='{name}', version='1.0')");
        let archive = source_distribution(name, &[("setup.py", &setup)]);
        fs_err::write(vendor.join(format!("{name}-1.0.tar.gz")), archive).expect("it is written");
    }
    let run = pins.run(platform, &[]).succeeded();
    run.said(&["3 wheels, 1 fetched, 2 built"]);
    pins.run(platform, &["lock"]).succeeded();
    let lock =
        fs_err::read_to_string(pins.project.root().join("pylock.toml")).expect("it was written");
    for name in ["inhouse", "found"] {
        assert!(
            lock.contains(&format!("path = \"vendor/{name}-1.0.tar.gz\"")),
            "{lock}"
        );
    }
    // Its content decides.
    let archive = source_distribution(
        "inhouse",
        &[(
            "setup.py",
            "from setuptools import setup; setup(name='inhouse', version='1.0', py_modules=[])",
        )],
    );
    fs_err::write(vendor.join("inhouse-1.0.tar.gz"), archive).expect("it is written");
    pins.run(platform, &["lock"]).succeeded();
    let run = pins.run(platform, &[]).succeeded();
    run.said(&["wheels: 3 wheels, 0 fetched, 0 built"]);
}

#[test]
fn locks_of_other_tools_are_exported_by_them() {
    let platform = platform::first_asked();
    // Brings uv, which is the one that locks, too.
    let pins = Pins::of("idna==3.6\n");
    pins.run(platform, &[]).succeeded();
    let tools = program::cache().join("v1/tools");
    let uv = fs_err::read_dir(tools)
        .expect("there are tools")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("uv-"))
        })
        .expect("uv is kept");
    let pyproject = "[project]\nname = \"locked\"\nversion = \"1.0\"\ndependencies = [\"idna<3.7\", \"tomli; python_version < '3'\"]\n\
                     [build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
                     [tool.setuptools]\npy-modules = [\"locked\"]\n\
                     [tool.omnibuild]\nrequirements = [\"uv.lock\"]\n";
    let project = Project::of(&[("pyproject.toml", pyproject), ("locked.py", "")]);
    // What is kept is only copied into containers, and is no program here.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = folder.path().join("uv");
    // By another process, so that no other test's child holds it open for writing.
    let copied = Command::new("install")
        .args(["-m", "755"])
        .args([&uv, &program])
        .status()
        .expect("it can be copied");
    assert!(copied.success());
    let status = Command::new(program)
        .args(["lock", "--quiet", "--python", "/usr/bin/python3"])
        .current_dir(project.root())
        .status()
        .expect("uv runs");
    assert!(status.success());
    let run = project.run(&["--sysbase", platform.id]).succeeded();
    run.said(&["1 wheel"]);

    let project = Project::of(&[
        ("pyproject.toml", POETRY_PROJECT),
        ("poetry.lock", POETRY_LOCK),
        ("poetic/__init__.py", ""),
    ]);
    let run = project.run(&["--sysbase", platform.id]).succeeded();
    run.said(&["2 wheels"]);
}

const POETRY_PROJECT: &str = r#"[tool.poetry]
name = "poetic"
version = "1.0"
description = "Locked by another tool"
authors = ["A <a@b.example>"]
[tool.poetry.dependencies]
python = ">=3.9"
six = "*"
docopt = "0.6.2"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
[tool.omnibuild]
requirements = ["poetry.lock"]
"#;

const POETRY_LOCK: &str = r#"# This file is automatically @generated by Poetry 2.1.0 and should not be changed by hand.

[[package]]
name = "docopt"
version = "0.6.2"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "docopt-0.6.2.tar.gz", hash = "sha256:49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491"},
]

[[package]]
name = "six"
version = "1.16.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "six-1.16.0-py2.py3-none-any.whl", hash = "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"},
]

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "acf49c444a91b54db318fa2abb3bce5106e8052cfae1f62f8e4d29a8ba3d881e"
"#;
