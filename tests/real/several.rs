//! Several platforms, of which one can't be built.

use crate::support::engine::{base_of, containers_of};
use crate::support::platform::{self, Platform};
use crate::support::project::Project;

#[test]
fn one_platform_fails_and_the_other_is_built() {
    let platform = platform::first_asked();
    let project = with_a_broken_platform(platform);
    let both = format!("broken-1,{}", platform.id);

    let run = project
        .run(&["--sysbase", &both, "--jobs", "2"])
        .ended_with(4);
    let row = |name: &str, result: &str| {
        let there = run.stdout.lines().any(|line| {
            line.split_whitespace().next() == Some(name) && line.contains(&format!(" {result}"))
        });
        assert!(there, "`{name}` is not `{result}`:\n{}", run.stdout);
    };
    row("broken-1", "failed (build)");
    row(platform.id, "built");
    assert!(!project.packages(platform.id).is_empty());
    assert_eq!(project.packages("broken-1"), Vec::<String>::new());
    assert_eq!(containers_of(run.process), Vec::<String>::new());

    let again = project.run(&["--failed"]).ended_with(4);
    assert!(again.stdout.contains("broken-1"), "{}", again.stdout);
    assert!(!again.stdout.contains(platform.id), "{}", again.stdout);

    // Mended, so nothing is left that failed.
    project.write("images/broken-1/Dockerfile", &dockerfile_of(platform));
    project.run(&["--failed"]).succeeded().said(&["broken-1"]);
    assert!(!project.packages("broken-1").is_empty());
    project
        .run(&["--failed"])
        .succeeded()
        .said(&["no platform failed last time"]);
}

#[test]
fn fail_fast_stops_the_others() {
    let platform = platform::first_asked();
    let project = with_a_broken_platform(platform);
    let both = format!("broken-1,{}", platform.id);
    // One at a time and the broken one first, so that the other has not begun.
    let run = project
        .run(&["--sysbase", &both, "--jobs", "1", "--fail-fast"])
        .ended_with(4);
    let row = run
        .stdout
        .lines()
        .find(|line| line.starts_with(platform.id));
    assert!(
        row.is_some_and(|row| row.contains("cancelled")),
        "{}",
        run.stdout
    );
    assert_eq!(project.packages(platform.id), Vec::<String>::new());
    assert_eq!(containers_of(run.process), Vec::<String>::new());
}

/// The sample project with a platform of its own, like another one but for its Dockerfile.
fn with_a_broken_platform(platform: Platform) -> Project {
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    let table = format!(
        "\n[platform.broken-1]\nlike = \"{}\"\nimage = \"{}\"\nsuffix = \"+broken1\"\n",
        platform.id,
        base_of(platform)
    );
    project.write("platforms.toml", &(platform::table() + &table));
    project.write(
        "images/broken-1/Dockerfile",
        "ARG BASE\nFROM ${BASE}\nRUN false\n",
    );
    project.commit();
    project
}

/// The shipped Dockerfile of a platform.
fn dockerfile_of(platform: Platform) -> String {
    let images = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    fs_err::read_to_string(images.join(platform.id).join("Dockerfile")).expect("it is shipped")
}
