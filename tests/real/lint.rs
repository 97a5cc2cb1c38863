//! `omnibuild lint`: the distribution's own programs over our packages and over a defective one.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::matrix::{self, Subject};
use crate::support::platform;
use crate::support::project::Project;

#[test]
fn the_samples_packages_have_no_defect_that_counts() {
    let asked = platform::asked();
    let list = platform::warm_all(&asked);
    let project = Project::copy_of("mytool");
    let build = ["--sysbase", &list, "--no-verify"];
    project.run(&build).succeeded();
    // Nothing is left that is as bad as a warning.
    let run = project.run(&["lint", "--sysbase", &list]).succeeded();
    let count = format!("{} packages: ", 3 * asked.len());
    let run = run.said(&[&count, " overridden by ", "lint: checked"]);
    assert!(!run.stdout.contains("matches nothing"), "{}", run.stdout);
}

#[test]
fn every_project_is_clean_and_every_shipped_override_is_needed() {
    let every = platform::every();
    if every.is_empty() {
        return;
    }
    let mut projects: Vec<(Project, Vec<&str>)> = Vec::new();
    for subject in [Subject::sample(), matrix::httpie(), matrix::pins()] {
        let possible = every.iter().filter(|it| subject.is_possible_on(**it));
        let possible = possible.map(|platform| platform.id).collect();
        projects.push((subject.project, possible));
    }
    let pure = matrix::httpie_for_python_3_5().project;
    projects.push((pure, vec!["centos-7"]));
    projects.push((pictures(), vec!["debian-12", "rocky-9"]));
    let mut used = BTreeSet::new();
    for (project, platforms) in projects {
        let platforms = platforms.join(",");
        let build = ["--sysbase", &platforms, "--no-verify"];
        project.run(&build).succeeded();
        let lint = ["lint", "--json", "--sysbase", &platforms];
        let run = project.run(&lint).succeeded();
        let events = run.stdout.lines();
        let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut results = events.filter(|event| event["event"] == "lint");
        let result = results.next().expect("a result");
        let overridden = result["result"]["overridden"].as_array();
        for it in overridden.expect("overrides") {
            used.insert((words(&it["tag"]), words(&it["reason"])));
        }
    }
    let shipped = include_str!("../../images/lint/overrides.toml");
    let shipped: Value = toml::from_str(shipped).expect("it is TOML");
    let shipped = shipped["override"].as_array().expect("overrides").iter();
    let unused: Vec<String> = shipped
        .map(|it| (words(&it["tag"]), words(&it["reason"])))
        .filter(|it| !used.contains(it))
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(unused, Vec::<String>::new());
}

/// Wheels with libraries of their own, and no commit that gives a time.
fn pictures() -> Project {
    const CONFIGURATION: &str = "\
name = \"pictures\"
version = \"1.0\"
maintainer = \"Acme <ops@acme.example>\"
license = \"MIT\"
summary = \"Pictures in a database\"
requirements = [\"requirements.txt\"]
";
    let requirements = "pillow==10.4.0\npsycopg2-binary==2.9.10\n";
    Project::without_history(&[
        ("omnibuild.toml", CONFIGURATION),
        ("requirements.txt", requirements),
    ])
}

fn words(value: &Value) -> String {
    value.as_str().expect("words").to_owned()
}

#[test]
fn a_defect_is_found_and_an_override_that_matches_nothing_is_told() {
    let Some(_platform) = platform::asked_for("debian-12") else {
        return;
    };
    let project = Project::copy_of("mytool");
    let before = "[tool.omnibuild.packages.cli]\n";
    let lint = "[tool.omnibuild.lint]\noverrides = [\n  { tag = \"no-copyright-file\", reason = \"a test\" },\n  { tag = \"never-found\", reason = \"a test\" },\n]\n";
    project.replace("pyproject.toml", before, &format!("{lint}\n{before}"));
    let control = "Package: acme-bad\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Ann <ann@example.org>\n\
                   Section: utils\nPriority: optional\nDescription: a package with a defect\n It has a file where none may be.\n";
    project.write("root/DEBIAN/control", control);
    project.write("root/usr/local/bin/acme", "#!/bin/sh\n");
    let made = Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zgzip", "-b", "root", "acme-bad.deb"])
        .current_dir(project.root())
        .output()
        .expect("dpkg-deb is needed for this test");
    assert!(made.status.success(), "{made:?}");
    let run = project.run(&["lint", "acme-bad.deb"]).ended_with(20);
    let run = run.said(&[
        "file-in-usr-local",
        "acme-bad",
        "the override of `never-found`",
    ]);
    assert!(!run.stdout.contains("no-copyright-file"), "{}", run.stdout);
}
