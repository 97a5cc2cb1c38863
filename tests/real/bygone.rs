//! A project for Python 2.7, on the platforms that have it beside their usual one.

use std::path::Path;

use crate::matrix::check_record;
use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Manager};
use crate::support::project::Project;

const WITH_PYTHON_2: [&str; 5] = [
    "debian-11",
    "ubuntu-16.04",
    "ubuntu-18.04",
    "ubuntu-20.04",
    "centos-7",
];
const NAMES: [&str; 2] = ["acme-python-bygone", "acme-bygone-cli"];

#[test]
fn a_project_for_python_2_7() {
    for platform in platform::asked_of(&WITH_PYTHON_2) {
        let project = Project::copy_of("bygone");
        let id = platform.id;
        let earlier = ["--sysbase", id, "--no-verify", "--tag", "2.0.0"];
        project.run(&earlier).succeeded();
        let run = project.run(&["--sysbase", id, "--verify"]).succeeded();
        run.said(&["verify: installed, 1 command run, ", "upgraded, removed"]);
        check_record(&project, platform, "2.0.0");

        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        let files = [
            project.package(platform, &platform.file_name(NAMES[0], "2.0.1", false)),
            project.package(platform, &platform.file_name(NAMES[1], "2.0.1", true)),
        ];
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        container.install(&files);
        let needs = container.needs(NAMES[0]);
        let (python, library) = match platform.manager {
            Manager::Apt => ("python2.7", "libpython2.7 (>= 2.7)"),
            Manager::Yum => ("python(abi) = 2.7", "libpython2.7.so.1.0()(64bit)"),
        };
        for wanted in [python, library] {
            let mut words = needs.split(['\n', ',']).map(str::trim);
            assert!(words.any(|word| word == wanted), "{wanted}: {needs}");
        }
        let before = files_there(&container);
        assert_eq!(container.run(&["bygone", "--version"]), "bygone 2.0.1");
        assert_eq!(container.run(&["bygone", "selfcheck"]), "ok");
        assert_eq!(container.run(&["bygone", "<é>"]), "&lt;é&gt;");

        assert_eq!(
            files_there(&container),
            before,
            "what root runs left something"
        );

        // Nothing of the interpreter and its library is a copy, so the platform's updates are the bundle's.
        let find = |words: &[&str]| container.run(&[&["find"], words].concat());
        let library = "/opt/bygone/lib/python2.7";
        let own = find(&[library, "-maxdepth", "1", "-name", "*.py"]);
        assert_eq!(own, format!("{library}/site.py"));
        let large = ["/opt/bygone/bin", "-type", "f", "-size", "+32k"];
        assert_eq!(find(&large), "");

        container.remove(&NAMES);
        assert!(!container.has("/opt/bygone"), "something is left");
    }
}

fn files_there(container: &Container) -> String {
    let found = container.run(&["find", "/opt/bygone"]);
    let mut lines: Vec<&str> = found.lines().collect();
    assert!(lines.len() > 100, "{found}");
    lines.sort_unstable();
    lines.join("\n")
}
