//! The sandbox for everybody: what it does where it may less than root on a machine of its own, and that
//! the packages are those of Docker there, too.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::stopping::{PYPROJECT, REFUSING, STAGES};
use crate::support::engine::{self, Tested, base_in, base_of};
use crate::support::place::{AsUser, InContainer, Place};
use crate::support::platform::{self, Platform};
use crate::support::podman::Rootless;
use crate::support::program::{self, Running};
use crate::support::project::Project;
use crate::support::record::{self, Row};

/// A project that Docker built, and the platform.
fn built_by_docker(id: &str) -> Option<(Project, Platform)> {
    engine::is_docker().then(|| built(id)).flatten()
}

/// A project that the tests' engine built, and the platform.
fn built(id: &str) -> Option<(Project, Platform)> {
    let platform = platform::asked_for(id)?;
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    project.run(&["--sysbase", platform.id]).succeeded();
    Some((project, platform))
}

/// Builds and verifies the copy in the sandbox; the packages have the bytes of Docker's. Says what it said.
fn builds_the_same(place: &dyn Place, project: &Project, platform: Platform) -> String {
    builds_the_same_with("sandbox", place, project, platform)
}

fn builds_the_same_with(
    engine: &str,
    place: &dyn Place,
    project: &Project,
    platform: Platform,
) -> String {
    let words = ["--engine", engine, "--sysbase", platform.id, "--verify"];
    let ran = place.run(&words).succeeded().said(&[
        "verify: installed, 3 commands run, ",
        " modules imported, removed",
    ]);
    let names = project.packages(platform.id);
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let copy = place.project().join("packages").join(platform.id);
        let [one, other] = [project.package(platform, &name), copy.join(&name)]
            .map(|path| fs_err::read(path).expect("a package can be read"));
        assert!(one == other, "{name} differs");
    }
    ran.stderr
}

/// Kills it when each stage has begun, one after the other: nothing of it is left, and the next goes on.
fn may_be_killed_at_any_stage(place: &dyn Place, platform: Platform) {
    let events = place.project().with_file_name("events.json");
    let words = ["--engine", "sandbox", "--sysbase", platform.id, "--verify"];
    for stage in STAGES {
        let mut command = place.program(&[&words[..], &["--json"]].concat());
        command.stdout(fs_err::File::create(&events).expect("a file").into_file());
        let mut running = Running::start(command);
        let begun = format!("\"stage\":\"{stage}\"");
        running.until(|| fs_err::read_to_string(&events).is_ok_and(|text| text.contains(&begun)));
        place.kill();
        assert_ne!(running.finish().status.code(), Some(0), "{stage}");
        program::ends(stage, || alive(place));
    }
}

fn alive(place: &dyn Place) -> Vec<String> {
    let all = place.running().into_iter();
    all.map(|(_, command)| command).collect()
}

/// Starts two that leave everything of their parent but the root and its output, and does not end.
const FLEEING: &str = "\
import os, signal, subprocess, sys
def build_wheel(directory, settings=None, metadata=None):
    subprocess.Popen(['setsid', 'sleep', '100001'])
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp('sleep', ['sleep', '100002'])
        os._exit(0)
    print('it has begun')
    sys.stdout.flush()
    while True:
        signal.pause()
";

/// A run that does not end, once all that it starts is there.
fn endless(place: &dyn Place, platform: Platform) -> Running {
    write(place, "pyproject.toml", PYPROJECT);
    write(place, "endless.py", FLEEING);
    let words = ["--engine", "sandbox", "--sysbase", platform.id];
    let mut running = Running::start(place.program(&words));
    running.until(|| {
        let all = alive(place);
        let runs = |command: &str| all.iter().any(|own| own.trim() == command);
        runs("sleep 100001") && runs("sleep 100002")
    });
    running
}

/// Processes that leave their session and their parents end with the program that is killed, too.
fn nobody_gets_away(place: &dyn Place, platform: Platform) {
    let running = endless(place, platform);
    place.kill();
    assert_ne!(running.finish().status.code(), Some(0));
    program::ends("those that flee", || alive(place));
    write(place, "endless.py", REFUSING);
    let words = ["--engine", "sandbox", "--sysbase", platform.id];
    place.run(&words).ended_with(11).said(&["it refuses"]);
    assert_eq!(alive(place), Vec::<String>::new());
}

fn write(place: &dyn Place, name: &str, text: &str) {
    let path = place.project().join(name);
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs_err::write(path, text).expect("the project can be written");
}

/// Each step removes something of the one before; the last fails, so that none is made of it.
const LAYERS: &str = "\
ARG BASE
FROM ${BASE}
RUN mkdir -p /srv/folder /srv/other && touch /srv/folder/old /srv/other/file /srv/file
RUN rm -r /srv/folder /srv/file /srv/other/file && mkdir /srv/folder && touch /srv/folder/new
RUN test \"$(find /srv | sort | tr '\\n' ' ')\" = '/srv /srv/folder /srv/folder/new /srv/other ' \\
 && exit 3
";

/// A layer hides what it removed of those below, a folder that was made anew too.
fn layers_hide_what_they_removed(place: &dyn Place, platform: Platform) {
    let base = base_in(&place.cache(), platform, Tested::Sandbox);
    let table = format!(
        "[platform.layers-1]\nlike = \"{}\"\nimage = \"{base}\"\n",
        platform.id
    );
    write(place, "platforms.toml", &table);
    write(place, "images/layers-1/Dockerfile", LAYERS);
    let words = [
        "--engine",
        "sandbox",
        "--sysbase",
        "layers-1",
        "--no-verify",
    ];
    let ran = place.run(&words).ended_with(4);
    ran.said(&["Dockerfile:5: ", "ended with status 3"]);
}

/// No layer but that of an image is kept, and nothing that is half made.
fn each_tree_is_an_image(place: &dyn Place) {
    let store = place.cache().join("v1/sandbox");
    let names = |folder: &str| {
        let entries = fs_err::read_dir(store.join(folder)).expect("it was used");
        entries.map(|entry| entry.expect("it can be read").path())
    };
    let top = |path: PathBuf| {
        let text = fs_err::read(path).expect("it can be read");
        let record: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
        let layers = record["layers"].as_array().expect("it has layers");
        layers[layers.len() - 1].as_str().map(PathBuf::from)
    };
    let images: BTreeSet<_> = names("images").filter_map(top).collect();
    let trees = names("trees").filter_map(|path| path.file_name().map(PathBuf::from));
    assert_eq!(trees.collect::<BTreeSet<_>>(), images);
    assert_eq!(names("containers").count(), 0);
}

/// Images go by their last use, with layers that only the owners of their files may remove; not while a
/// run uses them.
fn unused_images_go(place: &dyn Place, platform: Platform) {
    let layers = || {
        let folder = place.cache().join("v1/sandbox/user-layers");
        fs_err::read_dir(folder).expect("it was used").count()
    };
    let before = layers();
    // The two of a Dockerfile that failed after them.
    place
        .run(&["cache", "prune", "--older", "30d"])
        .succeeded()
        .said(&["of the sandbox removed 0 images, 2 layers"]);
    // Wheels are another cache.
    let clear = ["cache", "clear", "--wheel-dir", "no-wheels"];
    let running = endless(place, platform);
    let refused = place.run(&clear).ended_with(16);
    refused.said(&["another omnibuild uses the sandbox's images"]);
    place.kill();
    running.finish();
    program::ends("a run that uses images", || alive(place));
    assert_eq!(layers(), before - 2);
    let cleared = place.run(&clear).succeeded();
    cleared.said(&["0 images, 0 layers, 0 B stay"]);
    assert_eq!(layers(), 0);
}

#[test]
fn root_in_an_unprivileged_container_builds_and_verifies() {
    let Some((project, platform)) = built_by_docker("debian-12") else {
        return;
    };
    let place = InContainer::start(&base_of(platform), &project);
    let update = ["apt-get", "-q", "-o", "Acquire::Retries=3", "update"];
    place.run_command(&update).succeeded();
    // All that a job on a plain image needs; the base is bootstrapped there.
    let install = ["apt-get", "-q", "-y", "install", "--no-install-recommends"];
    place
        .run_command(&[&install[..], &["git", "mmdebstrap"]].concat())
        .succeeded();
    let weaker = [
        "by chroot, not by namespaces (the sandbox can't make namespaces: ",
        "every stage shares the machine's network",
    ];
    place.run(&["doctor"]).succeeded().said(&weaker);
    may_be_killed_at_any_stage(&place, platform);
    let said = builds_the_same(&place, &project, platform);
    assert!(weaker.iter().all(|text| said.contains(text)), "{said}");
    layers_hide_what_they_removed(&place, platform);
    nobody_gets_away(&place, platform);
    each_tree_is_an_image(&place);
    record::ran(&Row {
        engine: "sandbox, by chroot",
        who: "root",
        place: "a container without privileges",
        platform: platform.id,
        test: "root_in_an_unprivileged_container_builds_and_verifies",
    });
}

#[test]
fn an_ordinary_user_builds_and_verifies() {
    let Some((project, platform)) = built_by_docker("debian-12") else {
        return;
    };
    let place = AsUser::new(&project, platform);
    may_be_killed_at_any_stage(&place, platform);
    assert_eq!(place.mounts(), Vec::<String>::new());
    let said = builds_the_same(&place, &project, platform);
    assert!(!said.contains("the sandbox works by"), "{said}");
    layers_hide_what_they_removed(&place, platform);
    nobody_gets_away(&place, platform);
    assert_eq!(place.mounts(), Vec::<String>::new());
    let store = place.cache().join("v1/sandbox");
    for folder in ["containers", "user-layers"] {
        let entries = fs_err::read_dir(store.join(folder)).expect("it was used");
        let names = entries.map(|entry| entry.expect("it can be read").file_name());
        let names: Vec<_> = names.filter(|name| name.len() < 64).collect();
        assert!(names.is_empty(), "{folder}: {names:?}");
    }
    unused_images_go(&place, platform);
    by_a_user_namespace(platform, "an_ordinary_user_builds_and_verifies");
}

#[test]
fn a_user_without_ranges_builds_and_verifies() {
    let Some((project, platform)) = built_by_docker("debian-12") else {
        return;
    };
    let place = AsUser::new(&project, platform);
    place.lose_ranges();
    let said = builds_the_same(&place, &project, platform);
    for text in [
        "by PRoot, not by a user namespace (`/etc/subuid` has no range for",
        "nothing of the kernel's keeps them from what this user may",
    ] {
        assert!(said.contains(text), "{said}");
    }
    nobody_gets_away(&place, platform);
    record::ran(&Row {
        engine: "sandbox, by PRoot",
        who: "a user without ranges",
        place: "a machine",
        platform: platform.id,
        test: "a_user_without_ranges_builds_and_verifies",
    });
}

#[test]
fn an_ordinary_user_builds_and_verifies_on_a_stand_in() {
    let Some((project, platform)) = built_by_docker("rocky-9") else {
        return;
    };
    let place = AsUser::new(&project, platform);
    builds_the_same(&place, &project, platform);
    assert_eq!(alive(&place), Vec::<String>::new());
    by_a_user_namespace(
        platform,
        "an_ordinary_user_builds_and_verifies_on_a_stand_in",
    );
}

#[test]
fn an_ordinary_users_service_builds_and_verifies() {
    if engine::tested() != Tested::Podman {
        engine::not_about("Podman");
        return;
    }
    let Some((project, platform)) = built("debian-12") else {
        return;
    };
    let user = AsUser::new(&project, platform);
    let place = Rootless::start(&user);
    builds_the_same_with("podman", &place, &project, platform);
    assert_eq!(alive(&place), Vec::<String>::new());
    record::ran(&Row {
        engine: "Podman",
        who: "a user with ranges in /etc/subuid",
        place: "a machine",
        platform: platform.id,
        test: "an_ordinary_users_service_builds_and_verifies",
    });
}

fn by_a_user_namespace(platform: Platform, test: &str) {
    record::ran(&Row {
        engine: "sandbox, by a user namespace",
        who: "a user with ranges in /etc/subuid",
        place: "a machine",
        platform: platform.id,
        test,
    });
}
