//! Building again: when nothing changed, and when a line of the application did.

use std::os::unix::net::UnixListener;

use crate::support::engine::{self, Watch, base_of};
use crate::support::platform;
use crate::support::program;
use crate::support::project::Project;

#[test]
fn nothing_changed_starts_no_container() {
    let asked = platform::asked();
    let list = platform::warm_all(&asked);
    let project = Project::copy_of("mytool");
    // Not built before, so that there is something to count.
    project.replace("src/mytool/__init__.py", "1.4.2\"", &unique_line("1.4.2\""));
    project.commit();

    // Of the sandbox nobody tells who made which container.
    let watch = engine::is_service().then(Watch::begin);
    let first = project.run(&["--sysbase", &list]).succeeded();
    let made = contents(&project);
    let second = project.run(&["--sysbase", &list]).succeeded();
    if let Some(watch) = watch {
        let counts = watch.count(&base_of(asked[0]), &[first.process, second.process]);
        assert!(
            counts[0] >= asked.len(),
            "the first run made {} containers",
            counts[0]
        );
        assert_eq!(counts[1], 0, "containers of the second run");
    }
    for platform in &asked {
        assert!(
            second
                .stderr
                .contains(&format!("{}: up to date", platform.id))
        );
    }
    assert_eq!(contents(&project), made);

    // An engine that answers nothing, and counts who asks.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = folder.path().join("engine.sock");
    let engine = UnixListener::bind(&socket).expect("a socket can be made");
    engine.set_nonblocking(true).expect("a socket can be asked");
    let mut command = project.program(&["--sysbase", &list]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    program::run(command).succeeded();
    let asked_for = engine
        .accept()
        .map(|_| ())
        .expect_err("nobody asks the engine");
    assert_eq!(asked_for.kind(), std::io::ErrorKind::WouldBlock);

    // A package that is not as it was is no result.
    let name = &project.packages(asked[0].id)[0];
    fs_err::write(project.package(asked[0], name), "damaged").expect("it can be damaged");
    project
        .run(&["--sysbase", asked[0].id])
        .succeeded()
        .said(&["layers, 0 made"]);
    assert_eq!(contents(&project), made);
}

#[test]
fn one_line_of_the_application_makes_one_layer() {
    for platform in platform::asked() {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        project.run(&["--sysbase", platform.id]).succeeded();
        let before = contents(&project);

        project.replace("src/mytool/__init__.py", "1.4.2\"", &unique_line("1.4.2\""));
        project.commit();
        let run = project.run(&["--sysbase", platform.id]).succeeded();
        let (layers, _) = run
            .stderr
            .lines()
            .find_map(|line| line.split_once("bundle: ")?.1.split_once(" layers, 1 made"))
            .unwrap_or_else(|| panic!("not exactly one layer was made:\n{}", run.stderr));
        assert!(
            layers.parse::<usize>().is_ok_and(|layers| layers > 5),
            "{layers} layers"
        );
        run.said(&["base: reused", "image: reused", "wheels: reused"]);

        let after = contents(&project);
        let names = |contents: &[(String, Vec<u8>)]| {
            contents
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&after), names(&before));
        for ((name, after), (_, before)) in after.iter().zip(&before) {
            // A statement of provenance names the source, of which all packages are made.
            let changes = name.contains("/acme-python-") || name.ends_with(".intoto.jsonl");
            assert_eq!(after != before, changes, "whether `{name}` is another");
        }
    }
}

#[test]
fn damaged_wheels_are_found_put_aside_and_made_again() {
    for platform in platform::asked() {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let wheels = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = wheels.path().to_str().expect("it is UTF-8");
        let build = ["--sysbase", platform.id, "--wheel-dir", folder];
        project.run(&build).succeeded();
        let before = contents(&project);

        // One that came from the index, one that was compiled: both are whole in length.
        let files = walkdir::WalkDir::new(wheels.path().join("v1/wheels")).into_iter();
        let mut damaged = 0;
        for entry in files.map(|entry| entry.expect("wheels can be read")) {
            let name = entry.file_name().to_string_lossy();
            if name.starts_with("click-") || name.starts_with("mytool-") {
                let mut bytes = fs_err::read(entry.path()).expect("it can be read");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs_err::write(entry.path(), bytes).expect("it can be damaged");
                damaged += 1;
            }
        }
        assert_eq!(damaged, 2);
        // Nobody reads a wheel that is installed already: at another place none is.
        let place = unique_line("prefix").rsplit(' ').next().map(str::to_owned);
        let place = format!("/opt/mytool-{}", place.expect("it has a number"));
        project.write("omnibuild.toml", &format!("prefix = \"{place}\"\n"));
        let again = project.run(&build).succeeded();
        again.said(&["click-", "was damaged and is put aside", "making it again"]);
        project
            .run(&["cache", "verify", "--wheel-dir", folder])
            .succeeded();

        // As if nothing had happened.
        fs_err::remove_file(project.root().join("omnibuild.toml")).expect("it is there");
        let last = project.run(&build).succeeded();
        last.said(&["wheels: reused"]);
        assert_eq!(contents(&project), before);

        // And the cache says so, or what would make a miss, in the words of `plan`.
        let why = ["cache", "why", platform.id, "--wheel-dir", folder];
        let hit = project.run(&why).succeeded();
        hit.said(&[": reuse: ", " wheels, made 20"]);
        project.replace("pyproject.toml", "\"click>=7.1\"", "\"click>=7.1.1\"");
        let miss = project.run(&why).succeeded();
        let (_, reason) = miss
            .stdout
            .trim()
            .split_once(": rebuild: ")
            .unwrap_or_else(|| {
                panic!("it is no miss: {}", miss.stdout);
            });
        assert!(reason.contains("click>=7.1.1"), "{reason}");
        let plan = ["plan", "--sysbase", platform.id, "--wheel-dir", folder];
        project.run(&plan).succeeded().said(&[reason]);
    }
}

/// A text with a line behind it that no other run has.
fn unique_line(text: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!(
        "{text}\n\nRUN = {}",
        now.expect("it is after 1970").as_nanos()
    )
}

/// Every package of a project, by its path.
fn contents(project: &Project) -> Vec<(String, Vec<u8>)> {
    let root = project.root().join("packages");
    let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter();
    let files: Vec<_> = files
        .map(|entry| entry.expect("packages can be read"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry
                .path()
                .strip_prefix(&root)
                .expect("it is below")
                .display()
                .to_string();
            (
                format!("/{name}"),
                fs_err::read(entry.path()).expect("it can be read"),
            )
        })
        .collect();
    assert!(!files.is_empty(), "there are no packages");
    files
}
