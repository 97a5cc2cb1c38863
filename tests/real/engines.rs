//! Engines of other machines: over TCP with TLS, over ssh, by a Docker context and by the
//! configuration. The other machine is this one, with an engine of the test's own.

use std::path::Path;
use std::process::Command;

use crate::support::certificates::Authority;
use crate::support::daemon::{Daemon, free_port};
use crate::support::engine::{Tested, is_docker, not_about, tested};
use crate::support::login::Login;
use crate::support::platform;
use crate::support::podman;
use crate::support::program;
use crate::support::project::Project;

#[test]
fn the_sample_is_built_on_engines_elsewhere() {
    if !is_docker() {
        return;
    }
    let platform = platform::first_asked();
    platform::warm(platform);
    let (authority, port) = (Authority::make(), free_port());
    let daemon = Daemon::start(&authority.options(port));
    let tcp = format!("tcp://127.0.0.1:{port}");

    // By TCP with TLS, all but the wheels made there from nothing.
    let over_tls = Project::copy_of("mytool");
    let mut command = elsewhere(&over_tls, &["--sysbase", platform.id]);
    tls(&mut command, &tcp, &authority.client());
    program::run(command).succeeded();
    let there = daemon.has();
    let builders = there
        .iter()
        .filter(|name| name.starts_with("omnibuild/builder:"));
    assert_eq!(builders.count(), 1, "{there:?}");
    let containers = there.iter().filter(|name| !name.contains(':'));
    assert_eq!(containers.count(), 0, "{there:?}");

    // By ssh, as the configuration names it: the same bytes.
    let login = Login::start(&[("DOCKER_HOST", &daemon.address())]);
    let over_ssh = Project::copy_of("mytool");
    let text = fs_err::read_to_string(over_ssh.root().join("pyproject.toml")).expect("text");
    let engines =
        "\n[tool.omnibuild.engines]\namd64 = \"ssh://elsewhere\"\narm64 = \"ssh://elsewhere\"\n";
    over_ssh.write("pyproject.toml", &(text + engines));
    over_ssh.write_news();
    let mut command = elsewhere(&over_ssh, &["--sysbase", platform.id, "--verbose"]);
    command.env("PATH", login.search_path());
    let run = program::run(command).succeeded();
    assert_eq!(daemon.has(), there, "what it made is gone again");
    let names = over_tls.packages(platform.id);
    assert!(names.len() > 1, "{names:?}");
    assert_eq!(over_ssh.packages(platform.id).len(), names.len());
    // Nobody is left of those that ssh started.
    let mark = format!("ControlPath={}", std::env::temp_dir().display());
    let left = crate::support::sandbox::processes_that_run(&mark);
    assert_eq!(left, Vec::<String>::new(), "{}", run.stderr);

    // By a Docker context, which has the certificates.
    let contexts = tempfile::tempdir().expect("a temporary folder can be made");
    let client = authority.client().display().to_string();
    let endpoint =
        format!("host={tcp},ca={client}/ca.pem,cert={client}/cert.pem,key={client}/key.pem");
    docker(
        contexts.path(),
        &["context", "create", "far", "--docker", &endpoint],
    );
    docker(contexts.path(), &["context", "use", "far"]);
    let by_context = Project::copy_of("mytool");
    let mut command = elsewhere(&by_context, &["doctor"]);
    command.env("DOCKER_CONFIG", contexts.path());
    let said = program::run(command).stdout;
    assert!(said.contains(&format!("at {tcp}")), "{said}");
    let mut command = elsewhere(&by_context, &["--sysbase", platform.id]);
    command.env("DOCKER_CONFIG", contexts.path());
    command.env("DOCKER_CONTEXT", "far");
    program::run(command).succeeded();
    assert_eq!(by_context.packages(platform.id), names);
}

#[test]
fn an_engine_elsewhere_that_does_not_let_one_in_is_named_with_what_to_do() {
    if !is_docker() {
        return;
    }
    let (authority, port) = (Authority::make(), free_port());
    let daemon = Daemon::start(&authority.options(port));
    let tcp = format!("tcp://127.0.0.1:{port}");
    let project = Project::copy_of("mytool");
    let fails = |certificates: &Path, words: &[&str]| {
        let mut command = elsewhere(&project, &["--sysbase", platform::first_asked().id]);
        tls(&mut command, &tcp, certificates);
        let named = format!("at `{tcp}`, named by DOCKER_HOST: ");
        program::run(command)
            .ended_with(3)
            .said(&[&[named.as_str()], words].concat());
    };

    let other = Authority::make();
    let ca = other.client().join("ca.pem").display().to_string();
    fails(
        &other.client(),
        &[
            "invalid peer certificate: ",
            &format!("`{ca}` did not sign"),
        ],
    );
    let bare = tempfile::tempdir().expect("a temporary folder can be made");
    fs_err::copy(
        authority.client().join("ca.pem"),
        bare.path().join("ca.pem"),
    )
    .expect("a copy");
    fails(bare.path(), &["put cert.pem and key.pem into"]);
    // Signed by another authority than the engine's.
    for name in ["cert.pem", "key.pem"] {
        fs_err::copy(other.client().join(name), bare.path().join(name)).expect("a copy");
    }
    fails(bare.path(), &["put cert.pem and key.pem into"]);

    let run = |change: &dyn Fn(&mut Command), words: &[&str]| {
        let mut command = elsewhere(&project, &["--sysbase", platform::first_asked().id]);
        change(&mut command);
        program::run(command).ended_with(3).said(words);
    };
    let host = |command: &mut Command, url: &str| {
        command.env("DOCKER_HOST", url);
    };
    run(
        &|it| host(it, &tcp),
        &["HTTP request to an HTTPS server", "set DOCKER_TLS_VERIFY=1"],
    );
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    run(
        &|it| host(it, &nobody),
        &[&nobody, "refused", "docker --host"],
    );
    run(
        &|it| tls(it, &nobody, Path::new("/nonexistent")),
        &[
            "can't use the certificate `/nonexistent/ca.pem`",
            "DOCKER_CERT_PATH",
        ],
    );
    let missing = |it: &mut Command| {
        it.env("DOCKER_CONTEXT", "nowhere");
    };
    run(
        &missing,
        &[
            "no Docker context `nowhere`, which DOCKER_CONTEXT names",
            "docker context ls",
        ],
    );

    let login = Login::start(&[("DOCKER_HOST", "unix:///nonexistent.sock")]);
    let over_ssh = |command: &mut Command, url: &str| {
        command
            .env("PATH", login.search_path())
            .env("DOCKER_HOST", url);
    };
    run(
        &|it| over_ssh(it, "ssh://stranger"),
        &[
            "can't reach the engine at `ssh://stranger`, named by DOCKER_HOST",
            "Permission denied",
            "without a password",
        ],
    );
    run(
        &|it| over_ssh(it, "ssh://elsewhere"),
        &[
            "`ssh://elsewhere`, named by DOCKER_HOST",
            "/nonexistent.sock",
            "docker version",
        ],
    );
    drop(daemon);
}

#[test]
fn podman_is_asked_over_ssh_by_its_own_client() {
    if tested() != Tested::Podman {
        not_about("Podman");
        return;
    }
    let platform = platform::first_asked();
    platform::warm(platform);
    // Docker's client is there, and has no engine.
    let login = Login::start(&[
        ("DOCKER_HOST", "unix:///nonexistent.sock"),
        ("CONTAINER_HOST", podman::address()),
    ]);
    let project = Project::copy_of("mytool");
    let by = |login: &Login, words: &[&str]| {
        let mut command = elsewhere(&project, words);
        command
            .env_remove("CONTAINER_HOST")
            .env_remove("OMNIBUILD_ENGINE")
            .env("PATH", login.search_path())
            .env("DOCKER_HOST", "ssh://elsewhere");
        program::run(command)
    };
    let run = |words: &[&str]| by(&login, words);
    let found = run(&["--engine", "auto", "doctor"]).succeeded();
    assert!(found.stdout.contains("Podman"), "{}", found.stdout);
    let words = ["--engine", "podman", "--sysbase", platform.id];
    run(&words).succeeded();
    assert_eq!(project.packages(platform.id).len(), 3);
    // Else no engine would be asked.
    project.write_news();
    run(&["--engine", "docker", "--sysbase", platform.id])
        .ended_with(3)
        .said(&["/nonexistent.sock", "`ssh ssh://elsewhere docker version`"]);
    let gone = Login::start(&[
        ("DOCKER_HOST", "unix:///nonexistent.sock"),
        ("CONTAINER_HOST", "unix:///nowhere.sock"),
    ]);
    by(&gone, &["--engine", "auto", "--sysbase", platform.id])
        .ended_with(3)
        .said(&["/nonexistent.sock", "/nowhere.sock"]);
}

/// The program, which finds no engine but by what the test adds.
fn elsewhere(project: &Project, words: &[&str]) -> Command {
    let mut command = project.program(words);
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
        command.env_remove(name);
    }
    command.env("OMNIBUILD_NETWORK", "host");
    command
}

fn tls(command: &mut Command, address: &str, certificates: &Path) {
    command
        .env("DOCKER_HOST", address)
        .env("DOCKER_TLS_VERIFY", "1")
        .env("DOCKER_CERT_PATH", certificates);
}

/// Docker's client, with a configuration of its own.
fn docker(configuration: &Path, words: &[&str]) {
    let output = Command::new("docker")
        .args(words)
        .env("DOCKER_CONFIG", configuration)
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_HOST")
        .output()
        .expect("docker can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "docker {}: {said}",
        words.join(" ")
    );
}
