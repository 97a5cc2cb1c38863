//! Ctrl-C and kill while a container runs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::daemon::Daemon;
use crate::support::disk::SmallDisk;
use crate::support::engine::{self, Tested, base_of, containers_of};
use crate::support::platform;
use crate::support::program::{self, LIMIT, Running};
use crate::support::project::Project;
use crate::support::sandbox;
use crate::support::tap::Tap;

/// Asks for nothing, so that the first container that stays is the one that runs it.
pub(crate) const PYPROJECT: &str = "\
[project]
name = \"endless\"
version = \"1.0\"

[build-system]
requires = []
build-backend = \"endless\"
backend-path = [\".\"]

[tool.omnibuild.build]
processes = 4096
";

/// A build backend whose build never ends by itself.
const ENDLESS: &str = "\
import signal, sys
def build_wheel(directory, settings=None, metadata=None):
    print('it has begun')
    sys.stdout.flush()
    while True:
        signal.pause()
";

/// One that ends at once.
pub(crate) const REFUSING: &str = "\
def build_wheel(directory, settings=None, metadata=None):
    raise SystemExit('it refuses')
";

/// In the order in which a run comes to them.
pub(crate) const STAGES: [&str; 6] = ["base", "image", "wheels", "bundle", "package", "verify"];

#[test]
fn ctrl_c_leaves_no_container_and_no_package() {
    let (project, running) = begin();
    running.signal(Signal::INT);
    let run = running.finish().ended_with(130);
    assert_eq!(containers_of(run.process), Vec::<String>::new());
    nothing_in_place(&project);
}

#[test]
fn the_polite_signal_of_a_supervisor_is_ctrl_c_too() {
    let (project, running) = begin();
    running.signal(Signal::TERM);
    let run = running.finish().ended_with(130);
    assert_eq!(containers_of(run.process), Vec::<String>::new());
    nothing_in_place(&project);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let (project, running) = begin();
    running.signal(Signal::KILL);
    let killed = running.finish();
    assert_eq!(killed.status.code(), None);
    assert_ne!(containers_of(killed.process), Vec::<String>::new());
    program::ends("the project's wheel", || engine::running_of(killed.process));
    nothing_in_place(&project);

    project.write("endless.py", REFUSING);
    let next = project
        .run(&["--sysbase", platform::first_asked().id])
        .ended_with(11);
    assert_eq!(containers_of(killed.process), Vec::<String>::new());
    assert_eq!(containers_of(next.process), Vec::<String>::new());
    assert_eq!(sandbox::mounts(), Vec::<String>::new());
}

#[test]
fn nothing_outlives_a_run_that_is_killed_at_any_stage() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    project.write_news();
    project.commit();
    let words = ["--sysbase", platform.id, "--verify", "--json"];
    for stage in STAGES {
        let events = project.root().join("events.json");
        let mut command = project.program(&words);
        command.stdout(fs_err::File::create(&events).expect("a file").into_file());
        let mut running = Running::start(command);
        let begun = format!("\"stage\":\"{stage}\"");
        running.until(|| fs_err::read_to_string(&events).is_ok_and(|text| text.contains(&begun)));
        running.signal(Signal::KILL);
        let killed = running.finish();
        assert_eq!(killed.status.code(), None, "{stage}: {}", killed.stderr);
        program::ends(stage, || engine::running_of(killed.process));
    }
    fs_err::remove_file(project.root().join("events.json")).expect("it is there");
    let run = project.run(&words).succeeded();
    assert_eq!(containers_of(run.process), Vec::<String>::new());
    assert_eq!(sandbox::mounts(), Vec::<String>::new());
    assert_eq!(project.packages(platform.id).len(), 3);
}

#[test]
fn ctrl_c_while_a_container_is_being_made_leaves_none() {
    // The sandbox makes one at once: there is no meanwhile.
    if !engine::is_service() {
        return;
    }
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::of(&[("pyproject.toml", PYPROJECT), ("endless.py", ENDLESS)]);
    let tap = Tap::open();
    let mut command = project.program(&["--sysbase", platform.id]);
    command.env("DOCKER_HOST", tap.address());
    let running = Running::start(command);
    let request = tap.next_create();
    running.signal(Signal::INT);
    request.release();
    let run = running.finish().ended_with(130);
    assert_eq!(containers_of(run.process), Vec::<String>::new());
    nothing_in_place(&project);
}

#[test]
fn ctrl_c_stops_the_building_of_an_image() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    let table = format!(
        "\n[platform.endless-1]\nlike = \"{}\"\nimage = \"{}\"\n",
        platform.id,
        base_of(platform)
    );
    project.write("platforms.toml", &(platform::table() + &table));
    // The engine labels the container of a build step with nothing of ours, so it is known by what
    // it runs.
    let process = std::process::id();
    let endless = format!("sleep 1234{process}");
    let marks = match engine::tested() {
        Tested::Docker | Tested::Sandbox => vec![endless],
        // It lets a step that runs come to its end, and begins no other.
        Tested::Podman => vec![format!("sleep 5.{process}"), endless],
    };
    let steps = marks.join("\nRUN ");
    let dockerfile = "images/endless-1/Dockerfile";
    project.write(
        dockerfile,
        &format!("ARG BASE\nFROM ${{BASE}}\nRUN {steps}\n"),
    );
    let mut running = project.start(&["--sysbase", "endless-1"]);
    running.until(|| !engine::containers_that_run(&marks[0]).is_empty());
    running.signal(Signal::INT);
    running.finish().ended_with(130);
    // The engine ends the build when it sees that nobody listens.
    let begun = Instant::now();
    let runs = || {
        let all = marks.iter();
        all.flat_map(|mark| engine::containers_that_run(mark))
            .next()
    };
    while runs().is_some() {
        assert!(begun.elapsed() < LIMIT, "the build goes on");
        std::thread::sleep(Duration::from_millis(100));
    }
    project.write(dockerfile, "ARG BASE\nFROM ${BASE}\nRUN exit 3\n");
    project.run(&["--sysbase", "endless-1"]).ended_with(4);
    assert_eq!(runs(), None);
}

#[test]
fn an_engine_that_is_full_or_killed_is_told_and_the_next_run_works() {
    if !engine::is_service() {
        return;
    }
    let platform = platform::first_asked();
    platform::warm(platform);
    let disk = SmallDisk::mount("96m");
    let mut daemon = Daemon::keeping(disk.path());
    let on_it = |project: &Project| {
        let mut command = project.program(&["--sysbase", platform.id]);
        command
            .env("DOCKER_HOST", daemon.address())
            .env("OMNIBUILD_NETWORK", "host");
        command
    };

    // No room for the base image.
    let sample = Project::copy_of("mytool");
    sample.write_news();
    program::run(on_it(&sample)).ended_with(7).said(&[
        "no space left on device",
        "make room where the engine keeps its images",
    ]);
    nothing_in_place(&sample);
    disk.grow("6g");
    program::run(on_it(&sample)).succeeded();

    let project = Project::of(&[("pyproject.toml", PYPROJECT), ("endless.py", ENDLESS)]);
    let mut running = Running::start(on_it(&project));
    running.until(|| has_begun(&project, platform.id));
    project.write("endless.py", REFUSING);
    let next = on_it(&project);
    daemon.kill();
    running.finish().ended_with(3).said(&["hint: "]);
    nothing_in_place(&project);
    daemon.start_again();
    program::run(next).ended_with(11);
    let left = daemon.has();
    assert!(left.iter().all(|name| name.contains(':')), "{left:?}");
}

/// A run that is in the middle of building the project's wheel.
fn begin() -> (Project, Running) {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::of(&[("pyproject.toml", PYPROJECT), ("endless.py", ENDLESS)]);
    let mut running = project.start(&["--sysbase", platform.id]);
    running.until(|| has_begun(&project, platform.id));
    assert_ne!(containers_of(running.id()), Vec::<String>::new());
    if engine::tested() == Tested::Sandbox {
        assert_ne!(sandbox::groups_of(running.id()), Vec::<String>::new());
    }
    (project, running)
}

fn has_begun(project: &Project, platform: &str) -> bool {
    let log = project
        .root()
        .join(format!(".omnibuild/logs/{platform}.log"));
    fs_err::read_to_string(log).is_ok_and(|text| text.contains("it has begun"))
}

fn nothing_in_place(project: &Project) {
    let platform = platform::first_asked();
    assert_eq!(project.packages(platform.id), Vec::<String>::new());
    assert!(
        !project
            .root()
            .join(format!(".omnibuild/state/{}.json", platform.id))
            .exists()
    );
}
