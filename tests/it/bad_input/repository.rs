//! A repository of earlier versions that can't be meant, or could say more than it should.

use crate::support::TestProject;

use super::{plan_and_build_refuse, refused};

const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
const URL: &str = "url = \"https://packages.acme.example/debian\"\n";
const SUITE: &str = "suite = \"{codename}\"\ncomponents = [\"main\"]\n";

fn project(table: &str, lines: &str) -> TestProject {
    let text = format!("[verify.repository.{table}]\n{lines}");
    TestProject::new()
        .file("acme.asc", KEY)
        .file("omnibuild.toml", &text)
}

#[test]
fn each_wrong_repository_is_refused_at_its_place() {
    let key = "key = \"acme.asc\"\n";
    let injected = "suite = \"bookworm\\nTrusted: yes\"\n";
    for (table, lines, at) in [
        (
            "debian",
            format!("{SUITE}{key}url = \"ftp://a.example/\"\n"),
            "5:1: verify.repository.debian.url: this is no address",
        ),
        (
            "debian",
            format!("{URL}{key}{injected}"),
            "4:1: verify.repository.debian.suite: `bookworm\\nTrusted: yes`",
        ),
        (
            "debian",
            format!("{URL}{key}suite = \"s\"\ncomponents = [\"main [trusted=yes]\"]\n"),
            "5:1: verify.repository.debian.components: `main [trusted=yes]`",
        ),
        (
            "debian",
            format!("{URL}{SUITE}"),
            "1:20: verify.repository.debian.key: the repository has none",
        ),
        (
            "debian",
            format!("{URL}{key}"),
            "2:1: verify.repository.debian.url: an apt repository has a suite",
        ),
        (
            "debian",
            format!("{URL}{key}suite = \"s\"\n"),
            "4:1: verify.repository.debian.suite: a suite has components",
        ),
        (
            "\"debian-12\"",
            format!("{URL}{key}{SUITE}signed = \"packages\"\n"),
            "6:1: verify.repository.debian-12.signed: apt checks",
        ),
        (
            "suse",
            format!("{URL}{key}{SUITE}"),
            "1:20: verify.repository.suse: this is neither a family nor a platform",
        ),
    ] {
        let failure = plan_and_build_refuse(&project(table, &lines), 2);
        let start = format!("[PROJECT]/omnibuild.toml:{at}");
        assert!(failure.message.starts_with(&start), "{start}: {failure:?}");
        assert!(!failure.hints.is_empty(), "{failure:?}");
    }
    let failure = plan_and_build_refuse(&project("debian", "uri = \"x\"\n"), 2);
    let start = "[PROJECT]/omnibuild.toml:2:1: unknown field `uri`";
    assert!(failure.message.starts_with(start), "{failure:?}");
    let missing = project("debian", &format!("{URL}{SUITE}key = \"none.asc\"\n"));
    let failure = plan_and_build_refuse(&missing, 9);
    let start = "[PROJECT]/omnibuild.toml:5:1: verify.repository.debian.key: there is no file";
    assert!(failure.message.starts_with(start), "{failure:?}");
}

#[test]
fn a_comparison_with_a_repository_is_with_that_of_one_platform() {
    let project = TestProject::new();
    let words = [
        "diff",
        "repository",
        "repository:1.0",
        "--sysbase",
        "debian-12,debian-13",
    ];
    let failure = refused(&project, &words, 2);
    assert!(failure.message.contains("2 are asked for"), "{failure:?}");
}
