//! Platforms of a project's own: one that `omnibuild platforms add` made, and one that left its mirrors.

use crate::support::engine::base_of;
use crate::support::platform::{self, Platform};
use crate::support::project::Project;

/// The sample, and the platform that others are made like, with its base and builder.
fn sample_beside_debian() -> (Project, Platform) {
    let debian = Platform::named("debian-12");
    platform::warm(debian);
    (Project::copy_of("mytool"), debian)
}

#[test]
fn a_platform_that_was_added_is_built_and_verified() {
    if platform::asked_for("debian-12").is_none() {
        return;
    }
    let (project, debian) = sample_beside_debian();
    let add = ["platforms", "add", "acme-1", "--like", "debian-12"];
    project.run(&add).succeeded();
    project.commit();
    let run = project
        .run(&["--sysbase", "acme-1", "--verify"])
        .succeeded();
    run.said(&["acme-1: verify: installed", "removed"]);
    let acme = Platform {
        id: "acme-1",
        suffix: "+acme1",
        ..debian
    };
    let name = acme.file_name("acme-python-mytool", "1.4.2", false);
    assert!(project.packages("acme-1").contains(&name), "{name}");
}

#[test]
fn an_archive_that_does_not_answer_is_named_with_the_setting() {
    if platform::asked_for("debian-12").is_none() {
        return;
    }
    let (project, debian) = sample_beside_debian();
    // The base is there; its archive is where nobody listens.
    let table = format!(
        "{}\n[platform.gone-1]\nlike = \"debian-12\"\nsuffix = \"+gone1\"\nimage = {:?}\n\
         archive = {{ mirror = \"http://127.0.0.1:9/gone\", sources = [\"deb {{mirror}} gone main\"] }}\n",
        platform::table(),
        base_of(debian),
    );
    project.write("platforms.toml", &table);
    let shipped = include_str!("../../images/debian-10/Dockerfile").replace("3.7", "3.11");
    project.write("images/gone-1/Dockerfile", &shipped);
    let run = project.run(&["--sysbase", "gone-1"]).ended_with(13);
    let run = run.said(&["gone-1 left its mirrors", "`http://127.0.0.1:9/gone`"]);
    run.said(&["`mirror =` in `[platform.gone-1]`", "OMNIBUILD_MIRROR"]);
    // What is named in its place is asked in its place.
    let other = [
        "--sysbase",
        "gone-1",
        "--mirror",
        "http://127.0.0.1:9/other",
    ];
    let run = project.run(&other).ended_with(13);
    run.said(&["`http://127.0.0.1:9/other`"]);
}
