//! Kinds of projects beside the sample: `setup.py` alone, and a bare list of requirements; and a
//! package's way from version to version.

use crate::support::engine::Container;
use crate::support::platform::{self, Platform};
use crate::support::project::Project;

const BOTH_FAMILIES: [&str; 2] = ["debian-12", "rocky-9"];

#[test]
fn a_project_with_only_a_setup_py() {
    for platform in platform::asked_of(&BOTH_FAMILIES) {
        platform::warm(platform);
        let project = Project::copy_of("oldstyle");
        project.run(&["--sysbase", platform.id]).succeeded();
        let container = installed(&project, platform, "oldstyle", "0.9.1");
        assert_eq!(container.run(&["oldstyle", "--version"]), "oldstyle 0.9.1");
        assert_eq!(container.run(&["oldstyle", "two", "words"]), "two words");
    }
}

#[test]
fn a_bare_list_of_requirements() {
    for platform in platform::asked_of(&BOTH_FAMILIES) {
        platform::warm(platform);
        let project = Project::of(&[
            (
                "omnibuild.toml",
                "name = \"cowsay\"\nrequirements = [\"pins.txt\"]\n",
            ),
            ("pins.txt", "# what is shipped\ncowsay==6.1\n"),
        ]);
        project.run(&["--sysbase", platform.id]).succeeded();
        let container = installed(&project, platform, "cowsay", "6.1");
        let said = container.run(&["cowsay", "-t", "moo"]);
        assert!(said.contains("| moo |"), "{said}");
    }
}

/// A container with the packages of a project that has no configuration of its packages.
fn installed(project: &Project, platform: Platform, name: &str, version: &str) -> Container {
    // Native versions have three numbers at least.
    let native = if version.matches('.').count() == 1 {
        format!("{version}.0")
    } else {
        version.to_owned()
    };
    let mut files = vec![
        platform.file_name(&format!("{name}-cli"), &native, true),
        platform.file_name(&format!("python-{name}"), &native, false),
    ];
    files.sort();
    assert_eq!(project.packages(platform.id), files);
    let container = builder_of(platform, name, version);
    let paths: Vec<_> = files
        .iter()
        .map(|file| project.package(platform, file))
        .collect();
    let paths: Vec<&std::path::Path> = paths.iter().map(AsRef::as_ref).collect();
    container.install(&paths);
    container
}

/// A container that has the platform's Python already, under the readable name of the builder.
fn builder_of(platform: Platform, name: &str, version: &str) -> Container {
    let image = format!("omnibuild/{name}:{}-{version}", platform.id);
    Container::start(&image, platform.manager)
}

#[test]
fn newer_versions_replace_older_ones() {
    for platform in platform::asked_of(&BOTH_FAMILIES) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        project.run(&["--sysbase", platform.id]).succeeded();
        project
            .run(&["--sysbase", platform.id, "--tag", "1.5.0rc1"])
            .succeeded();
        // The final version has another file set.
        fs_err::remove_file(project.root().join("src/mytool/__main__.py")).expect("it is there");
        project.write("src/mytool/fresh.py", "NEW = True\n");
        project
            .run(&["--sysbase", platform.id, "--tag", "1.5.0"])
            .succeeded();

        let container = builder_of(platform, "mytool", "1.4.2");
        let candidate = "1.5.0~rc1";
        for version in ["1.4.2", candidate, "1.5.0"] {
            install(&project, platform, &container, version);
            let expected = format!("{version}-1{}", platform.suffix);
            assert_eq!(container.installed_version("acme-python-mytool"), expected);
            assert_eq!(container.installed_version("acme-mytool-cli"), expected);
            assert_eq!(container.run(&["mytool", "selfcheck"]), "ok");
        }
        let find = |name: &str| container.run(&["find", "/opt/mytool", "-path", name]);
        assert_ne!(find("*/mytool/fresh.py"), "");
        assert_eq!(find("*/mytool/__main__*"), "");
        assert_eq!(find("*/mytool/__pycache__/__main__*"), "");

        // A candidate is older than what it became: package managers don't go back unasked.
        let omnibus = platform.file_name("acme-python-mytool", candidate, false);
        container.try_install(&[&project.package(platform, &omnibus)]);
        let expected = format!("1.5.0-1{}", platform.suffix);
        assert_eq!(container.installed_version("acme-python-mytool"), expected);
    }
}

fn install(project: &Project, platform: Platform, container: &Container, version: &str) {
    let files = [
        platform.file_name("acme-python-mytool", version, false),
        platform.file_name("acme-mytool-cli", version, true),
        platform.file_name("acme-mytool-node", version, true),
    ]
    .map(|file| project.package(platform, &file));
    container.install(&[&files[0], &files[1], &files[2]]);
}
