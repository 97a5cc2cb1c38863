//! The same inputs make the same bytes: in another folder, from empty caches, for another user; for
//! bundles of all kinds by the program's own means.

use std::path::Path;
use std::process::Command;

use crate::support::platform;
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

#[test]
fn same_inputs_same_bytes() {
    let asked = platform::asked_of(&["debian-12", "rocky-9"]);
    if asked.is_empty() {
        return;
    }
    let list = platform::warm_all(&asked);
    let one = pinned();
    one.run(&["--sysbase", &list]).succeeded();

    let two = pinned();
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    for kind in ["bases", "builders"] {
        copy_records(
            &program::cache().join("v1").join(kind),
            &other.path().join("v1").join(kind),
        );
    }
    // Through a shell, as a process sets the mask of its children by being it.
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "umask 077; chmod -R g-rwx,o-rwx .; exec \"$0\" \"$@\"",
    ]);
    let inner = two.program(&["--sysbase", &list]);
    command
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(two.root())
        .env_clear();
    command.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command
        .env("OMNIBUILD_CACHE_DIR", other.path())
        .env("HOME", other.path())
        .env("TZ", "Pacific/Chatham")
        .env("LANG", "de_DE.UTF-8")
        .env("USER", "somebody")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let run = program::run(command).succeeded();
    assert!(
        !run.stderr.contains("wheels: reused"),
        "its caches were empty:\n{}",
        run.stderr
    );

    for platform in &asked {
        assert_eq!(one.packages(platform.id).len(), 3);
        let names = one.artifacts(platform.id);
        assert_eq!(names, two.artifacts(platform.id));
        for name in &names {
            let read = |project: &Project| {
                fs_err::read(project.package(*platform, name)).expect("a package can be read")
            };
            assert!(read(&one) == read(&two), "{name} differs");
        }
    }
}

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

/// Which base and builder a platform has; the engine has the images.
fn copy_records(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a folder");
    let mut copied = 0;
    for entry in fs_err::read_dir(from).expect("there are records") {
        let path = entry.expect("the folder can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs_err::copy(&path, to.join(path.file_name().unwrap_or_default())).expect("a copy");
            copied += 1;
        }
    }
    assert!(copied > 0, "no records in {}", from.display());
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

#[test]
fn bundles_of_all_kinds_are_built_again_with_the_same_bytes() {
    let asked = platform::asked_of(&["debian-12", "rocky-9"]);
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
    let bundles = [
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
    for project in bundles {
        project.run(&["--sysbase", &list]).succeeded();
        let run = project.run(&["verify", "--rebuild", "--sysbase", &list]);
        let run = run.succeeded();
        let same = run.stderr.matches("all with the same bytes").count();
        assert_eq!(same, asked.len(), "{}", run.stderr);
    }
}

/// The same bytes for a time that is the commit's, the first, and one that is yet to come.
#[test]
fn any_time_of_the_build_gives_the_same_bytes_again() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = bundle(
        "timed",
        &[("src/timed.py".to_owned(), "X = 1\n".to_owned())],
    );
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
