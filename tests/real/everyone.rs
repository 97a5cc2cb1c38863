//! The sandbox for everybody: what it does where it may less than root on a machine of its own, and that
//! the packages are those of Docker there, too.

use crate::support::engine::{self, base_of};
use crate::support::place::{AsUser, InContainer, Place};
use crate::support::platform::{self, Platform};
use crate::support::project::Project;
use crate::support::record::{self, Row};

/// A project that Docker built, and the platform.
fn built_by_docker() -> Option<(Project, Platform)> {
    if !engine::is_docker() {
        return None;
    }
    let platform = platform::asked_for("debian-12")?;
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    project.run(&["--sysbase", platform.id]).succeeded();
    Some((project, platform))
}

/// Builds and verifies the copy; the packages have the bytes of Docker's. Says what it said.
fn builds_the_same(place: &dyn Place, project: &Project, platform: Platform) -> String {
    let words = ["--engine", "sandbox", "--sysbase", platform.id, "--verify"];
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
    let write = |name: &str, text: &str| {
        let path = place.project().join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs_err::write(path, text).expect("the project can be written");
    };
    let base = base_of(platform);
    let table = format!(
        "[platform.layers-1]\nlike = \"{}\"\nimage = \"{base}\"\n",
        platform.id
    );
    write("platforms.toml", &table);
    write("images/layers-1/Dockerfile", LAYERS);
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

#[test]
fn root_in_an_unprivileged_container_builds_and_verifies() {
    let Some((project, platform)) = built_by_docker() else {
        return;
    };
    let place = InContainer::start(&base_of(platform), &project, platform);
    let update = ["apt-get", "-q", "-o", "Acquire::Retries=3", "update"];
    place.command(&update).succeeded();
    let install = ["apt-get", "-q", "-y", "install", "--no-install-recommends"];
    place
        .command(&[&install[..], &["git"]].concat())
        .succeeded();
    let weaker = [
        "by chroot, not by namespaces (the sandbox can't make namespaces: ",
        "every stage shares the machine's network",
    ];
    place.run(&["doctor"]).succeeded().said(&weaker);
    let said = builds_the_same(&place, &project, platform);
    assert!(weaker.iter().all(|text| said.contains(text)), "{said}");
    layers_hide_what_they_removed(&place, platform);
    let processes = place.command(&["sh", "-c", "cat /proc/[0-9]*/comm"]);
    assert!(!processes.stdout.contains("omnibuild"), "{processes:?}");
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
    let Some((project, platform)) = built_by_docker() else {
        return;
    };
    let place = AsUser::new(&project, platform);
    let said = builds_the_same(&place, &project, platform);
    assert!(!said.contains("the sandbox works by"), "{said}");
    layers_hide_what_they_removed(&place, platform);
    let store = place.project().with_file_name("cache").join("v1/sandbox");
    for folder in ["containers", "user-layers"] {
        let entries = fs_err::read_dir(store.join(folder)).expect("it was used");
        let names = entries.map(|entry| entry.expect("it can be read").file_name());
        let names: Vec<_> = names.filter(|name| name.len() < 64).collect();
        assert!(names.is_empty(), "{folder}: {names:?}");
    }
    place.lose_ranges();
    place
        .run(&["--engine", "sandbox", "--sysbase", platform.id])
        .ended_with(3)
        .said(&["`/etc/subuid` has no range for", "usermod --add-subuids"]);
    record::ran(&Row {
        engine: "sandbox, by a user namespace",
        who: "a user with ranges in /etc/subuid",
        place: "a machine",
        platform: platform.id,
        test: "an_ordinary_user_builds_and_verifies",
    });
}
