//! The same inputs make the same bytes, for bundles of all kinds: for somebody else, elsewhere, at
//! another time, from empty caches; and by the program's own means.

use std::time::{Duration, SystemTime};

use crate::support::elsewhere::{Elsewhere, KERNEL, OFFLINE_AHEAD};
use crate::support::engine::{self, Tested};
use crate::support::platform::{self, Platform};
use crate::support::program;
use crate::support::project::Project;

/// Every version that the index could answer otherwise from one run to the next.
const CONSTRAINTS: &str = "\
certifi==2025.1.31
charset-normalizer==3.4.1
click==8.1.8
idna==3.10
MarkupSafe==3.0.2
requests==2.32.3
urllib3==2.3.0
";

fn pinned() -> Project {
    let project = Project::copy_of("mytool");
    project.write("constraints.txt", CONSTRAINTS);
    project.replace(
        "pyproject.toml",
        "[tool.omnibuild]\n",
        "[tool.omnibuild]\nconstraints = [\"constraints.txt\"]\n",
    );
    let pins = "requires = [\"setuptools==75.8.0\", \"wheel==0.45.1\"]";
    project.replace(
        "pyproject.toml",
        "requires = [\"setuptools\", \"wheel\"]",
        pins,
    );
    project.commit();
    project
}

/// A project of these sources, with pinned build requirements.
fn bundle(name: &str, sources: &[(String, String)]) -> Project {
    let pyproject = format!(
        "[build-system]\nrequires = [\"setuptools==75.8.0\", \"wheel==0.45.1\"]\n\
         build-backend = \"setuptools.build_meta\"\n\
         [project]\nname = \"bundle-{name}\"\nversion = \"1.0.0\"\n\
         [tool.setuptools.packages.find]\nwhere = [\"src\"]\nnamespaces = true\n\
         [tool.setuptools.package-data]\n\"*\" = [\"*.txt\"]\n"
    );
    let own = [("pyproject.toml", pyproject.as_str())];
    let sources = sources
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    Project::of(&own.into_iter().chain(sources).collect::<Vec<_>>())
}

/// Compiles, and tells what it sees.
const SETUP: &str = "\
import os, sys, time
from setuptools import Extension, setup
print('witness', os.uname().release, len(os.sched_getaffinity(0)), int(time.time()), file=sys.stderr)
setup(ext_modules=[Extension('native', ['native.c'])])
";

const EXTENSION: &str = "\
#include <Python.h>
static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, \"native\", __FILE__, -1, NULL };
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
";

/// The build saw another kernel, one processor, and another year.
fn assert_witnessed(log: &str) {
    let line = log.lines().find_map(|line| line.split_once("witness "));
    let (_, line) = line.unwrap_or_else(|| panic!("the build says nothing of what it saw:\n{log}"));
    let [kernel, processors, time] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{line}");
    };
    assert_eq!((kernel, processors), (KERNEL, "1"));
    let ahead = Duration::from_secs(OFFLINE_AHEAD - 86_400);
    let least = (SystemTime::now() + ahead).duration_since(SystemTime::UNIX_EPOCH);
    let time: u64 = time.parse().expect("a number of seconds");
    assert!(time > least.expect("it is after 1970").as_secs(), "{line}");
}

#[test]
fn bundles_of_all_kinds_have_the_same_bytes_elsewhere_and_again() {
    // The other user may not look into the home folder that the stand-ins are in as files.
    let asked = match engine::tested() {
        Tested::Docker => platform::asked_of(&["debian-12", "rocky-9"]),
        Tested::Podman | Tested::Sandbox => platform::asked_of(&["debian-12"]),
    };
    if asked.is_empty() {
        return;
    }
    let list = platform::warm_all(&asked);
    let file = |path: &str, text: &str| (format!("src/{path}"), text.to_owned());
    let thousand: Vec<_> = (0..1000)
        .map(|number| {
            let path = format!("thousand/part{}/m{number}.py", number / 50);
            file(&path, &format!("X = {number}\n"))
        })
        .collect();
    let compiled = [("setup.py", SETUP), ("native.c", EXTENSION)];
    let [setup, source] = compiled.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let package = file("compiled_thing/__init__.py", "from native import *\n");
    let bundles = [
        bundle("compiled", &[setup, source, package]),
        pinned(),
        bundle("pure", &[file("pure_thing/__init__.py", "X = 1\n")]),
        bundle(
            "namespace",
            &[
                file("acme/one/__init__.py", "X = 1\n"),
                file("acme/two/deep/thing.py", "Y = 2\n"),
            ],
        ),
        bundle("thousand", &thousand),
        bundle(
            "unicode",
            &[
                file("names/__init__.py", ""),
                file("names/modül.py", "X = 1\n"),
                file("names/grüße-世界.txt", "x\n"),
            ],
        ),
    ];
    let elsewhere = Elsewhere::new();
    for (number, project) in bundles.iter().enumerate() {
        project.run(&["--sysbase", &list]).succeeded();
        elsewhere.bring(project);
        elsewhere.assert_other_than(project);
        let run = elsewhere.run(&["--sysbase", &list]).succeeded();
        assert!(
            number > 0 || !run.stderr.contains("wheels: reused"),
            "its caches were empty:\n{}",
            run.stderr
        );
        for platform in &asked {
            assert_same(project, &elsewhere, *platform);
            if number == 0 {
                let log = format!(".omnibuild/logs/{}.log", platform.id);
                let log = fs_err::read_to_string(elsewhere.project().join(log));
                assert_witnessed(&log.expect("there is a log"));
            }
        }
        let run = project.run(&["verify", "--rebuild", "--sysbase", &list]);
        let run = run.succeeded();
        let same = run.stderr.matches("all with the same bytes").count();
        assert_eq!(same, asked.len(), "{}", run.stderr);
    }
}

/// All packages, and what is told of them.
fn assert_same(project: &Project, elsewhere: &Elsewhere, platform: Platform) {
    let names = project.artifacts(platform.id);
    assert!(!project.packages(platform.id).is_empty(), "{names:?}");
    let other = elsewhere.project().join("packages").join(platform.id);
    let count = fs_err::read_dir(&other).expect("packages").count();
    assert_eq!(count, names.len(), "{}", other.display());
    for name in names {
        let [here, there] = [project.package(platform, &name), other.join(&name)]
            .map(|path| fs_err::read(path).expect("a package can be read"));
        assert!(here == there, "{name} differs");
    }
}

/// The same bytes for a time that is the commit's, the first, and one that is yet to come. What is no
/// time is refused: `a_garbage_epoch_is_refused` of the fast tests.
#[test]
fn any_time_of_the_build_gives_the_same_bytes_again() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let sources = ("src/timed.py".to_owned(), "X = 1\n".to_owned());
        let project = bundle("timed", &[sources]);
        let mut seen = std::collections::BTreeSet::new();
        for epoch in [None, Some("0"), Some("4000000000")] {
            let run = |words: &[&str]| {
                let mut command = project.program(&[words, &["--sysbase", platform.id]].concat());
                match epoch {
                    Some(epoch) => command.env("SOURCE_DATE_EPOCH", epoch),
                    None => command.env_remove("SOURCE_DATE_EPOCH"),
                };
                program::run(command).succeeded()
            };
            run(&[]);
            run(&["verify", "--rebuild"]).said(&["all with the same bytes"]);
            let name = project.packages(platform.id).remove(0);
            seen.insert(fs_err::read(project.package(platform, &name)).expect("a package"));
        }
        assert_eq!(seen.len(), 3, "the time is in the packages");
    }
}
