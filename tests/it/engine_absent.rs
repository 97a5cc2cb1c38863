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
        let start =
            format!("debian-12: no container engine answers at `{address}`, named by --host: ");
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
fn who_names_an_engine_is_said_and_the_nearest_to_the_user_wins() {
    let table = "[engines]\ndefault = \"tcp://127.0.0.1:9\"\n";
    let project = TestProject::new().file("omnibuild.toml", table);
    let named = |project: &TestProject, words: &[&str], said: &str| {
        let words = [&["-s", "debian-12"], words].concat();
        let failure = project.run(&words).failure(3);
        assert!(failure.message.contains(said), "{failure:?}");
    };
    let host = ["--host", "tcp://127.0.0.1:11"];
    named(&project, &host, "`tcp://127.0.0.1:11`, named by --host: ");
    named(&project, &[], "named by DOCKER_HOST: ");
    let project = project.env("DOCKER_HOST", "").env("DOCKER_CONTEXT", "far");
    named(
        &project,
        &[],
        "no Docker context `far`, which DOCKER_CONTEXT names",
    );
    let project = project.env("DOCKER_CONTEXT", "");
    let configured = "`tcp://127.0.0.1:9`, named by engines.default: ";
    named(&project, &[], configured);
    fs_err::create_dir(project.path("home/.docker")).unwrap();
    let config = project.path("home/.docker/config.json");
    fs_err::write(&config, r#"{"currentContext":"far"}"#).unwrap();
    named(&project, &[], configured);
    let project = project.file("omnibuild.toml", "");
    named(
        &project,
        &[],
        "no Docker context `far`, which currentContext names",
    );
    let wrong = "[engines]\narm64 = \"builder:22\"\n";
    let failure = project
        .file("omnibuild.toml", wrong)
        .run(&["plan"])
        .failure(2);
    assert!(failure.message.contains("omnibuild.toml:2:"), "{failure:?}");
    assert!(
        failure.message.contains("`builder:22` is neither"),
        "{failure:?}"
    );
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

#[test]
fn a_push_or_a_lock_that_failed_is_no_build_that_failed() {
    let shared = "[build]\nbuilder-repository = \"registry.example/team/builders\"\n";
    let project = TestProject::new().file("omnibuild.toml", shared);
    drop(project.run(&["--sysbase", "debian-12"]).failure(3));
    let failed = || fs_err::read(project.root().join(".omnibuild/state/failed.json")).unwrap();
    let before = failed();
    for (words, hint) in [
        (["push", "--builders"].as_slice(), "push again"),
        (&["lock"], "no lock was written"),
    ] {
        let words = [words, &["--sysbase", "debian-12,debian-13"]].concat();
        let said = format!("{:?}", project.run(&words).failure(3));
        assert!(!said.contains("--failed"), "{said}");
        assert!(said.contains(hint), "{said}");
        assert_eq!(failed(), before);
    }
}
