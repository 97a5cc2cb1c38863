//! No engine answers: named at once, with what to do, and nothing but log and record is written.

use crate::support::{NO_ENGINE, TestProject};

#[test]
fn an_absent_engine_is_named_with_what_to_do_and_leaves_only_log_and_record() {
    let project = TestProject::new();
    let before = project.tree();
    let failure = project.run(&["--sysbase", "debian-12,rocky-9"]).failure(3);
    let start = format!("no container engine answers at `{NO_ENGINE}`");
    assert!(failure.message.contains(&start), "{failure:?}");
    assert!(
        failure
            .hints
            .iter()
            .any(|hint| hint.contains("systemctl start docker")),
        "{failure:?}"
    );
    assert!(
        failure
            .hints
            .iter()
            .any(|hint| hint.contains("omnibuild doctor")),
        "{failure:?}"
    );
    assert_eq!(
        project.new_files(&before),
        [
            "project/.omnibuild/logs/debian-12.log",
            "project/.omnibuild/logs/rocky-9.log",
            "project/.omnibuild/state/failed.json",
        ]
    );
}

#[test]
fn an_engine_address_that_refuses_or_is_none_is_an_absent_engine() {
    let project = TestProject::new();
    // Port 9 of loopback: nobody may listen there but root's discard service.
    for address in ["tcp://127.0.0.1:9", "unix:///dev/null"] {
        let failure = project
            .run(&["-s", "debian-12", "--host", address])
            .failure(3);
        let start = format!("debian-12: no container engine answers at `{address}`: ");
        assert!(failure.message.starts_with(&start), "{failure:?}");
    }
    let failure = project
        .run(&["-s", "debian-12", "--host", "foo://x"])
        .failure(3);
    assert!(
        failure
            .message
            .ends_with("`foo://x` is not the address of an engine"),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains("ssh://user@host"), "{failure:?}");
}

#[test]
fn what_failed_last_time_is_tried_again_alone() {
    let project = TestProject::new();
    drop(project.run(&["-s", "debian-12"]).failure(3));
    let outcome = project.run(&["--failed", "--json"]);
    assert_eq!(outcome.code, Some(3));
    let summary = outcome
        .stdout
        .lines()
        .find(|line| line.contains("\"event\":\"summary\""))
        .unwrap();
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    let rows = summary["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["platform"], "debian-12");
}
