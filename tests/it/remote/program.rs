//! The program with a remote cache: its configuration, `doctor`, and that no exit code changes.

use super::relay::{Harm, Relay};
use super::{Place, SECRET, server};
use crate::support::TestProject;

fn with_place(project: TestProject, place: &Place) -> TestProject {
    let project = project.env("OMNIBUILD_CACHE_REMOTE", &place.address);
    let access = place.access.iter();
    access.fold(project, |project, (name, value)| project.env(name, value))
}

/// The line of `doctor` about the remote cache.
fn doctor(project: &TestProject, words: &[&str]) -> Option<String> {
    let words = [&["doctor"], words].concat();
    let outcome = project.run(&words);
    assert!(!(outcome.stdout.clone() + &outcome.stderr).contains(SECRET));
    let mut lines = outcome.stdout.lines();
    lines
        .find(|line| line.starts_with("remote cache"))
        .map(str::to_owned)
}

#[test]
fn doctor_tells_what_may_be_done() {
    let nowhere = TestProject::new().env("PATH", "/nowhere");
    assert_eq!(doctor(&nowhere, &[]), None, "none is configured");
    let relay = Relay::start(server::address(), |_| Harm::None);
    let place = Place::s3(&relay.url());
    let project = with_place(nowhere, &place);
    let line = doctor(&project, &[]).unwrap();
    assert!(
        line.contains("good") && line.contains("can be read, can be written (scope main)"),
        "{line}"
    );
    let before = relay.seen().len();
    let line = doctor(&project, &["--cache-read-only", "--cache-scope", "pr-1"]).unwrap();
    assert!(line.contains("is not written to (scope pr-1)"), "{line}");
    assert!(relay.seen().len() > before);
    assert!(
        !relay.seen()[before..]
            .iter()
            .any(super::relay::Request::writes)
    );
}

#[test]
fn doctor_tells_what_may_not_be_done() {
    let relay = Relay::start(server::address(), |request| {
        if request.writes() {
            Harm::Status(403)
        } else {
            Harm::None
        }
    });
    let place = Place::s3(&relay.url());
    let project = with_place(TestProject::new().env("PATH", "/nowhere"), &place);
    let line = doctor(&project, &[]).unwrap();
    assert!(
        line.contains("bad") && line.contains("can be read, can't be written"),
        "{line}"
    );
}

#[test]
fn bad_configuration_is_refused_before_anything_starts() {
    let cases = [
        ("[cache]\nremote = \"ftp://x/y\"\n", 2, "cache.remote"),
        (
            "[cache]\nremote = \"s3://b/p\"\nscope = \"a/b\"\n",
            2,
            "cache.scope",
        ),
        ("[cache]\nremot = \"s3://b/p\"\n", 2, "remot"),
        (
            "[cache]\nremote = \"file:///x\"\nkey-file = \"none\"\n",
            9,
            "none",
        ),
    ];
    for (text, code, part) in cases {
        let project = TestProject::new().file("omnibuild.toml", text);
        let failure = project.run(&["-s", "debian-12"]).failure(code);
        assert!(failure.message.contains(part), "{text}: {failure:?}");
    }
}

#[test]
fn without_a_wheel_to_look_for_nobody_is_asked() {
    let relay = Relay::start(server::address(), |_| Harm::None);
    let project = with_place(TestProject::new(), &Place::s3(&relay.url()));
    // There is no engine, so the run ends before the wheels.
    let failure = project.run(&["-s", "debian-12"]).failure(3);
    assert!(!failure.message.is_empty());
    assert_eq!(project.run(&["plan", "-s", "debian-12"]).code, Some(0));
    assert_eq!(relay.seen(), []);
}
