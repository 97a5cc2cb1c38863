//! The pipeline over a pretended engine: whichever call fails, no container is left and nothing
//! stands at a final name.

mod server;

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use self::server::{FakeEngine, Trouble};
use crate::support::{TestProject, architectures};

/// A project and the engine that its environment names.
fn project(api_version: &'static str, trouble: Trouble) -> (TestProject, FakeEngine) {
    let project = TestProject::new();
    let engine = FakeEngine::start(&project.path("engine.sock"), api_version, trouble);
    let address = engine.address().to_owned();
    (project.env("DOCKER_HOST", address), engine)
}

const BUILD: [&str; 2] = ["--sysbase", "debian-12"];

/// Nothing at a final name: no package, no record of a good build, no wheel, no layer.
#[track_caller]
fn assert_nothing_final(project: &TestProject, what: &str) {
    let allowed = [
        "/bases/",
        "/builders/",
        "/sessions/",
        "/wheels/v1/lock",
        ".log",
        ".log.1",
        "/failed.json",
    ];
    for name in project
        .tree()
        .into_keys()
        .filter(|name| !name.ends_with('/'))
    {
        let source = name == "project/pyproject.toml";
        let fine = source
            || allowed
                .iter()
                .any(|part| name.contains(part) || name.ends_with(part));
        assert!(
            fine && !name.contains(".omnibuild-tmp-"),
            "{what}: `{name}` was left"
        );
    }
}

#[test]
fn an_engine_that_is_too_old_is_refused() {
    let (project, engine) = project("1.40", Trouble::None);
    let failure = project.run(&BUILD).failure(3);
    let message = "debian-12: the engine at `unix://[TEST]/engine.sock` speaks API 1.40, ";
    assert!(failure.message.starts_with(message), "{failure:?}");
    assert!(failure.hints[0].contains("Docker 20.10"), "{failure:?}");
    assert_eq!(engine.created(), 0);
}

#[test]
fn an_engine_that_never_answers_is_an_absent_one() {
    let (project, engine) = project("1.41", Trouble::Hold("version"));
    let failure = project.run(&BUILD).failure(3);
    assert!(failure.message.ends_with(": no answer"), "{failure:?}");
    // Who answers a ping would be waited for longer.
    assert_eq!(engine.calls(), ["GET /version", "GET /_ping"]);
}

#[test]
fn doctor_tells_what_the_engine_says_of_itself() {
    let (project, _engine) = project("1.41", Trouble::None);
    let nowhere = project.path("tmp");
    let outcome = project.env("PATH", nowhere).run(&["doctor"]);
    let row = outcome
        .stdout
        .lines()
        .find(|line| line.starts_with("engine"))
        .unwrap();
    assert!(
        row.contains("good") && row.contains("20.10.24") && row.contains("API 1.41"),
        "{row}"
    );
}

#[test]
fn an_engine_that_does_not_run_another_architecture_is_told_with_what_to_do() {
    // The one that the pretended engine's machine has not.
    let other = match architectures() {
        ("amd64", _) => "arm64",
        _ => "amd64",
    };
    let words = ["--sysbase", "debian-12", "--arch", other];
    let (bare, engine) = project("1.41", Trouble::Fail("start"));
    let failure = bare.run(&words).failure(3);
    let message = format!("and packages of {other} are to be built");
    assert!(failure.message.ends_with(&message), "{failure:?}");
    let hints = failure.hints.join("\n");
    for hint in [&format!("`{other} = \"ssh://…\"`"), "qemu-user-static"] {
        assert!(hints.contains(hint), "{hints}");
    }
    assert_eq!((engine.created(), engine.containers().len()), (1, 0));
    assert_nothing_final(&bare, "nothing emulates");
    let failed = bare.run(&["plan", "--failed", "--json"]).result();
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed[0]["architecture"], other, "{failed}");

    let (emulated, engine) = project("1.41", Trouble::None);
    let outcome = emulated.run(&words);
    assert_ne!(outcome.code, Some(0), "wheels are not pretended");
    let warnings = outcome.stderr.matches("warning: containers of").count();
    assert_eq!(warnings, 1, "{outcome:?}");
    assert!(engine.calls().iter().any(|call| call == "POST /build"));
    assert_eq!(engine.containers(), Vec::<String>::new());
    let log = format!(
        "project/.omnibuild/logs/debian-12{}.log",
        match other {
            "arm64" => "_arm64",
            _ => "",
        }
    );
    assert!(emulated.tree().contains_key(&log), "{log}");
}

#[test]
fn each_architecture_is_built_by_the_engine_that_is_named_for_it() {
    let (own, _) = architectures();
    let other = match own {
        "amd64" => "arm64",
        _ => "amd64",
    };
    let (project, default) = project("1.41", Trouble::None);
    let far = FakeEngine::start(&project.path("far.sock"), "1.41", Trouble::None);
    far.set_arch(other);
    let text = format!("[engines]\n{other} = \"{}\"\n", far.address());
    let project = project.file("omnibuild.toml", &text);

    // What the environment names is of this machine's architecture.
    let words = ["--sysbase", "debian-12", "--arch", other];
    let outcome = project.run(&words);
    assert_ne!(outcome.code, Some(0), "wheels are not pretended");
    assert!(!outcome.stderr.contains("emulated"), "{outcome:?}");
    assert_eq!(default.calls(), Vec::<String>::new());
    assert!(far.calls().iter().any(|call| call == "POST /build"));
    let alone = far.created();

    let words = ["--sysbase", "debian-12", "--arch", "amd64,arm64"];
    let outcome = project.run(&words);
    assert_ne!(outcome.code, Some(0), "wheels are not pretended");
    for engine in [&default, &far] {
        assert!(engine.calls().iter().any(|call| call == "POST /build"));
        assert_eq!(engine.containers(), Vec::<String>::new());
    }
    assert!(default.created() > 0 && far.created() > alone);
}

#[test]
fn every_stage_before_the_first_wheel_is_reached() {
    let (project, engine) = project("1.41", Trouble::None);
    let outcome = project.run(&BUILD);
    assert_ne!(outcome.code, Some(0), "wheels are not pretended");
    let calls = engine.calls();
    for call in [
        "POST /build",
        "POST /containers/c1/start",
        "PUT /containers/c1/archive",
        "DELETE /containers/c1",
        "POST /containers/c2/start",
    ] {
        assert!(
            calls.iter().any(|seen| seen == call),
            "no `{call}` in {calls:?}"
        );
    }
    assert_eq!(engine.containers(), Vec::<String>::new());
    // Known from now on, without asking again.
    let builders = project
        .tree()
        .into_keys()
        .filter(|name| name.contains("/builders/") && !name.ends_with('/'));
    assert_eq!(builders.count(), 1);
    assert_nothing_final(&project, "wheels fail");
}

#[test]
fn containers_carry_the_sessions_label_and_mount_nothing() {
    let (project, engine) = project("1.41", Trouble::None);
    assert_ne!(project.run(&BUILD).code, Some(0));
    let bodies = engine.container_bodies();
    assert!(bodies.len() >= 2, "{bodies:?}");
    for body in bodies {
        assert!(
            body["Labels"]["org.omnibuild.session"].is_string(),
            "{body}"
        );
        for mount in ["Binds", "Mounts", "VolumesFrom"] {
            assert!(body["HostConfig"][mount].is_null(), "{body}");
        }
        let alone = &body["HostConfig"]["SecurityOpt"][0];
        assert_eq!(alone, "no-new-privileges", "{body}");
        assert_eq!(body["HostConfig"]["CapDrop"][0], "ALL", "{body}");
    }
}

#[test]
fn a_failure_at_any_call_leaves_no_container_and_nothing_final() {
    let (whole, engine) = project("1.41", Trouble::None);
    assert_ne!(whole.run(&BUILD).code, Some(0));
    let calls = engine.calls();
    assert!(calls.len() > 15, "{calls:?}");
    for (number, call) in (1..).zip(&calls) {
        let (project, engine) = project("1.41", Trouble::FailAt(number));
        let outcome = project.run(&BUILD);
        let what = format!("call {number}, `{call}`, fails");
        assert!(
            outcome.code.is_some_and(|code| code != 0),
            "{what}: {outcome:?}"
        );
        assert!(outcome.stderr.contains("error: "), "{what}: {outcome:?}");
        assert_eq!(
            engine.containers(),
            Vec::<String>::new(),
            "{what}: {:?}",
            engine.calls()
        );
        assert_nothing_final(&project, &what);
    }
}

#[test]
fn a_failed_start_upload_or_command_removes_its_container_and_says_why() {
    for kind in [
        "attach",
        "start",
        "upload",
        "exec",
        "exec start",
        "exec end",
    ] {
        let (project, engine) = project("1.41", Trouble::Fail(kind));
        let failure = project.run(&BUILD).failure(3);
        assert!(
            failure.message.contains("pretended failure"),
            "{kind}: {failure:?}"
        );
        let calls = engine.calls();
        // By the one who started it, not only by the sweep at the end.
        let removed = calls
            .iter()
            .position(|call| call == "DELETE /containers/c1");
        let swept = calls
            .iter()
            .rposition(|call| call == "GET /containers/json");
        assert!(removed.is_some() && removed < swept, "{kind}: {calls:?}");
        assert_eq!(
            (engine.created(), engine.containers().len()),
            (1, 0),
            "{kind}"
        );
        let builders = project
            .tree()
            .into_keys()
            .filter(|name| name.contains("/builders/") && !name.ends_with('/'));
        assert_eq!(builders.count(), 0, "{kind}");
    }
}

#[test]
fn a_command_that_fails_is_shown_with_its_last_lines_and_log() {
    let (project, engine) = project("1.41", Trouble::Status(7));
    let outcome = project.run(&BUILD);
    let text = outcome.stderr.clone();
    assert!(text.contains("`python3.11` ended with status 7"), "{text}");
    assert!(
        text.contains("cpython-311"),
        "its output is not in:\n{text}"
    );
    assert!(
        text.contains("[PROJECT]/.omnibuild/logs/debian-12.log"),
        "{text}"
    );
    drop(outcome.failure(4));
    assert_eq!(engine.containers(), Vec::<String>::new());
}

/// Starts a build and sends it Ctrl-C when the held call has arrived; answers its exit code.
fn interrupt(project: &TestProject, engine: &FakeEngine) -> Option<i32> {
    let mut command = project.command(&BUILD);
    let mut child: Child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    engine.wait_for_held_call();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn ctrl_c_removes_the_container_and_leaves_nothing_final() {
    for kind in ["start", "upload", "exec start", "build"] {
        let (project, engine) = project("1.41", Trouble::Hold(kind));
        assert_eq!(interrupt(&project, &engine), Some(130), "{kind}");
        assert_eq!(engine.containers(), Vec::<String>::new(), "{kind}");
        assert_nothing_final(&project, kind);
    }
}

#[test]
fn a_container_that_came_after_ctrl_c_is_removed_by_the_next_run() {
    let (project, engine) = project("1.41", Trouble::Hold("create"));
    assert_eq!(interrupt(&project, &engine), Some(130));
    // The engine goes on with what it was asked for, though nobody waits for the answer.
    engine.release();
    assert_eq!(engine.containers(), ["c1"]);
    engine.set_trouble(Trouble::Fail("build"));
    drop(project.run(&BUILD));
    assert!(
        engine.calls().contains(&"DELETE /containers/c1".to_owned()),
        "{:?}",
        engine.calls()
    );
    assert_eq!(engine.containers(), Vec::<String>::new());
}

#[test]
fn containers_of_others_are_left_alone() {
    let (project, engine) = project("1.41", Trouble::Hold("exec start"));
    let mut command = project.command(&BUILD);
    let mut first = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    engine.wait_for_held_call();
    assert_eq!(engine.containers(), ["c1"]);
    // Another run begins and ends while the first one lives.
    drop(project.run(&BUILD));
    assert_eq!(engine.containers(), ["c1"]);
    engine.release();
    assert!(first.wait().unwrap().code().is_some());
    assert_eq!(engine.containers(), Vec::<String>::new());
}

#[test]
fn an_archive_of_python_that_is_absent_or_another_one_builds_nothing() {
    let expected = "cefba034445d2875408d1fd4d5700ae6731563aeb54dcb39fd8164ab5c457533";
    for (place, code, said, advice) in [
        (
            "path = 'nowhere.tar.gz'",
            9,
            "nowhere.tar.gz",
            "[python.archive]",
        ),
        ("path = 'python.tar.gz'", 15, expected, "`sha256`"),
        (
            "url = 'http://user:secret@127.0.0.1:1/python.tar.gz'",
            13,
            "http://127.0.0.1:1/python.tar.gz",
            "OMNIBUILD_PYTHON_MIRROR",
        ),
    ] {
        let (project, engine) = project("1.41", Trouble::None);
        let archive = format!("{{ {place}, sha256 = '{expected}' }}");
        let archives = format!("[python.archive.'3.13']\namd64 = {archive}\narm64 = {archive}\n");
        let project = project
            .file("platforms.toml", &archives)
            .file("omnibuild.toml", "python = \"3.13\"\n")
            .file("python.tar.gz", "another");
        let failure = project.run(&BUILD).failure(code);
        let told = format!("{}\n{}", failure.message, failure.hints.join("\n"));
        assert!(told.contains(said) && told.contains(advice), "{told}");
        assert!(!told.contains("secret"), "{told}");
        let calls = engine.calls();
        assert!(
            !calls.iter().any(|call| call.starts_with("POST /build")),
            "{calls:?}"
        );
        let kept = project.tree().into_keys();
        let kept: Vec<String> = kept
            .filter(|name| name.contains("/pythons/") && !name.ends_with('/'))
            .collect();
        assert!(kept.iter().all(|name| name.contains(".lock")), "{kept:?}");
    }
}
