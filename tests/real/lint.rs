//! `omnibuild lint`: the distribution's own programs over our packages and over a defective one.

use std::process::Command;

use crate::support::platform;
use crate::support::project::Project;

#[test]
fn the_samples_packages_have_no_defect_that_counts() {
    for platform in platform::asked_of(&["debian-12", "rocky-9", "centos-7"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        project
            .run(&["--sysbase", platform.id, "--no-verify"])
            .succeeded();
        // Nothing is left that is as bad as a warning.
        let run = project.run(&["lint", "--sysbase", platform.id]).succeeded();
        let run = run.said(&["3 packages: ", " overridden by "]);
        assert!(!run.stdout.contains("matches nothing"), "{}", run.stdout);
    }
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
