//! The sample project on each platform: built, verified by the program, then installed, run and
//! removed once more by other means than the program's.

use std::path::Path;

use crate::matrix::check_record;
use crate::support::engine::{self, Container, Tested, base_of};
use crate::support::platform::{self, Manager};
use crate::support::project::Project;
use crate::support::record::{self, Row};

#[test]
fn sample_on_debian_11() {
    sample_on("debian-11");
}

#[test]
fn sample_on_debian_12() {
    sample_on("debian-12");
}

#[test]
fn sample_on_debian_13() {
    sample_on("debian-13");
}

#[test]
fn sample_on_debian_sid() {
    sample_on("debian-sid");
}

#[test]
fn sample_on_ubuntu_16_04() {
    sample_on("ubuntu-16.04");
}

#[test]
fn sample_on_ubuntu_18_04() {
    sample_on("ubuntu-18.04");
}

#[test]
fn sample_on_ubuntu_20_04() {
    sample_on("ubuntu-20.04");
}

#[test]
fn sample_on_ubuntu_22_04() {
    sample_on("ubuntu-22.04");
}

#[test]
fn sample_on_ubuntu_24_04() {
    sample_on("ubuntu-24.04");
}

#[test]
fn sample_on_ubuntu_26_04() {
    sample_on("ubuntu-26.04");
}

#[test]
fn sample_on_rocky_9() {
    sample_on("rocky-9");
}

#[test]
fn sample_on_centos_7() {
    sample_on("centos-7");
}

const LINKS: [&str; 3] = [
    "/usr/bin/mytool",
    "/usr/sbin/mytool-agent",
    "/usr/sbin/mytool-control",
];
const NAMES: [&str; 3] = ["acme-python-mytool", "acme-mytool-cli", "acme-mytool-node"];

fn sample_on(id: &'static str) {
    let Some(platform) = platform::asked_for(id) else {
        return;
    };
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    let earlier = ["--sysbase", id, "--no-verify", "--tag", "1.4.1"];
    project.run(&earlier).succeeded();
    let before = project.packages(id);
    let run = project.run(&["--sysbase", id, "--verify"]).succeeded();

    let mut files = vec![
        platform.file_name(NAMES[0], "1.4.2", false),
        platform.file_name(NAMES[1], "1.4.2", true),
        platform.file_name(NAMES[2], "1.4.2", true),
    ];
    files.sort();
    let mut now = project.packages(id);
    now.retain(|name| !before.contains(name));
    assert_eq!(now, files);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let run = run.said(&files).said(&[
        "verify: installed, 3 commands run, ",
        " modules imported, upgraded, removed",
    ]);
    let mut lines = run.stderr.lines();
    let warning = lines.find(|line| line.contains("warning") && !line.contains("end of life"));
    assert!(warning.is_none(), "{}", run.stderr);
    check_record(&project, platform, "1.4.1");
    let forecast = |words: &[&str]| {
        let verify = ["verify", "--dry-run", "--sysbase", id];
        project.run(&[&verify, words].concat()).succeeded()
    };
    forecast(&[]).said(&["nothing to do: these packages passed before"]);
    forecast(&["--again"]).said(&["would install, run, reinstall, remove, upgrade and purge"]);

    let container = Container::start(&base_of(platform), platform.manager);
    container.update();
    let paths: Vec<_> = files
        .iter()
        .map(|name| project.package(platform, name))
        .collect();
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    container.install(&paths);

    assert_eq!(container.run(&["mytool", "--version"]), "mytool 1.4.2");
    assert_eq!(container.run(&["mytool", "selfcheck"]), "ok");
    assert_eq!(
        container.run(&["mytool", "checksum", ""]),
        "cbf29ce484222325"
    );
    let help = container.run(&["/usr/sbin/mytool-agent", "--help"]);
    assert!(help.contains("--interval"), "{help}");
    for link in LINKS {
        let name = link.rsplit('/').next().unwrap_or_default();
        assert_eq!(
            container.run(&["readlink", link]),
            format!("/opt/mytool/bin/{name}")
        );
    }

    let needs = container.needs(NAMES[0]);
    assert!(words(&needs).any(|word| word == platform.python), "{needs}");
    let exactly = match platform.manager {
        Manager::Apt => format!("{} (= 1.4.2-1{})", NAMES[0], platform.suffix),
        Manager::Yum => format!("{} = 1.4.2-1{}", NAMES[0], platform.suffix),
    };
    for meta in &NAMES[1..] {
        let needs = container.needs(meta);
        assert!(
            words(&needs).any(|word| word == exactly),
            "{meta} needs {needs}"
        );
    }

    let not_root = [
        "find",
        "/opt/mytool",
        "!",
        "(",
        "-user",
        "root",
        "-group",
        "root",
        ")",
    ];
    assert_eq!(container.run(&not_root), "");
    let writable = ["find", "/opt/mytool", "!", "-type", "l", "-perm", "/022"];
    assert_eq!(container.run(&writable), "");

    container.remove(&NAMES);
    for path in LINKS.iter().chain(&["/opt/mytool"]) {
        assert!(!container.has(path), "`{path}` is left after the removal");
    }
    record::ran(&Row {
        engine: match engine::tested() {
            Tested::Docker => "Docker",
            Tested::Podman => "Podman",
            Tested::Sandbox => "sandbox, by namespaces",
        },
        who: "root",
        place: "a machine",
        platform: id,
        test: &format!("sample_on_{}", id.replace(['-', '.'], "_")),
    });
}

/// The requirements in an answer of dpkg or rpm.
fn words(needs: &str) -> impl Iterator<Item = &str> {
    needs.split(['\n', ',']).map(str::trim)
}
