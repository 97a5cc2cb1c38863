//! What can't become packages: one clear message, its own exit code, and nothing in place.

use crate::support::engine::containers_of;
use crate::support::index::Index;
use crate::support::platform;
use crate::support::program::{self, Ran};
use crate::support::project::Project;

/// An extension that only a compiler can refuse.
const SETUP_WITH_EXTENSION: &str = "\
from setuptools import Extension, setup
setup(name='NAME', version='1.0', ext_modules=[Extension('NAME_c', ['NAME.c'])])
";

#[test]
fn a_requirement_that_does_not_exist() {
    let project = list_of("omnibuild-no-such-distribution==1.0", "");
    fails(&project, None, 10).said(&[
        "no distribution satisfies `omnibuild-no-such-distribution==1.0`",
        "hint: ",
    ]);
}

#[test]
fn a_wheel_that_does_not_compile() {
    let setup = SETUP_WITH_EXTENSION.replace("NAME", "brokensyntax");
    let files = [
        ("setup.py", setup.as_str()),
        ("brokensyntax.c", "int broken( {\n"),
    ];
    let index = Index::serve(&[("brokensyntax", &files)]);
    let project = list_of("brokensyntax==1.0", &index.configuration());
    fails(&project, Some(&index), 11).said(&[
        "the wheel of `brokensyntax 1.0` can't be built",
        ".omnibuild/logs/",
        "hint: ",
    ]);
    let log = project.log(platform::first_asked().id);
    assert!(
        log.contains("brokensyntax.c:1"),
        "the compiler's words are not in the log:\n{log}"
    );
}

#[test]
fn a_header_that_is_missing() {
    let setup = SETUP_WITH_EXTENSION.replace("NAME", "needsheader");
    let source = "#include <Python.h>\n#include <libpq-fe.h>\n";
    let files = [("setup.py", setup.as_str()), ("needsheader.c", source)];
    let index = Index::serve(&[("needsheader", &files)]);
    let project = list_of("needsheader==1.0", &index.configuration());
    fails(&project, Some(&index), 11).said(&[
        "the wheel of `needsheader 1.0` can't be built",
        "build-depends = { debian = [\"libpq-dev\"], redhat = [\"postgresql-devel\"] }",
    ]);
}

#[test]
fn a_project_that_does_not_compile() {
    platform::warm(platform::first_asked());
    let project = Project::copy_of("mytool");
    project.write(
        "src/mytool/_speedups.c",
        "#include <Python.h>\nint broken( {\n",
    );
    project.commit();
    fails(&project, None, 11).said(&["the project's own wheel", "_speedups.c:2"]);
}

#[test]
fn two_wheels_that_own_one_file() {
    let setup = |name: &str| {
        format!(
            "from setuptools import setup\nsetup(name='{name}', version='1.0', py_modules=['ours'])\n"
        )
    };
    let (one, two) = (setup("ownsone"), setup("ownstwo"));
    let index = Index::serve(&[
        (
            "ownsone",
            &[("setup.py", one.as_str()), ("ours.py", "x = 1\n")],
        ),
        (
            "ownstwo",
            &[("setup.py", two.as_str()), ("ours.py", "x = 2\n")],
        ),
    ]);
    let project = list_of("ownsone==1.0\nownstwo==1.0", &index.configuration());
    fails(&project, Some(&index), 14).said(&["ownsone", "ownstwo", "ours."]);
}

/// A bare list of requirements.
fn list_of(requirements: &str, configuration: &str) -> Project {
    let configuration =
        format!("name = \"pins\"\nversion = \"1\"\nrequirements = [\"pins.txt\"]\n{configuration}");
    Project::of(&[
        ("omnibuild.toml", &configuration),
        ("pins.txt", &format!("{requirements}\n")),
    ])
}

/// Runs the program, which must end with a code and leave nothing in place.
fn fails(project: &Project, index: Option<&Index>, code: i32) -> Ran {
    let platform = platform::first_asked();
    platform::warm(platform);
    let mut command = project.program(&["--sysbase", platform.id]);
    if index.is_some() {
        Index::reach_from(&mut command);
    }
    let run = program::run(command).ended_with(code).said(&[platform.id]);
    assert_eq!(project.packages(platform.id), Vec::<String>::new());
    assert!(
        !project
            .root()
            .join(format!(".omnibuild/state/{}.json", platform.id))
            .exists()
    );
    assert_eq!(containers_of(run.process), Vec::<String>::new());
    run
}
