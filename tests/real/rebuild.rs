//! Building again: when nothing changed, and when a line of the application did.

use std::os::unix::net::UnixListener;

use crate::support::engine::{Watch, base_of};
use crate::support::platform;
use crate::support::program;
use crate::support::project::Project;

#[test]
fn nothing_changed_starts_no_container() {
    let asked = platform::asked();
    for platform in &asked {
        platform::warm(*platform);
    }
    let list = asked
        .iter()
        .map(|platform| platform.id)
        .collect::<Vec<_>>()
        .join(",");
    let project = Project::copy_of("mytool");
    // Not built before, so that there is something to count.
    project.replace("src/mytool/__init__.py", "1.4.2\"", &unique_line("1.4.2\""));
    project.commit();

    let watch = Watch::begin();
    let first = project.run(&["--sysbase", &list]).succeeded();
    let made = contents(&project);
    let second = project.run(&["--sysbase", &list]).succeeded();
    let counts = watch.count(&base_of(asked[0]), &[first.process, second.process]);
    assert!(
        counts[0] >= asked.len(),
        "the first run made {} containers",
        counts[0]
    );
    assert_eq!(counts[1], 0, "containers of the second run");
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
            let is_omnibus = name.contains("/acme-python-");
            assert_eq!(after != before, is_omnibus, "whether `{name}` is another");
        }
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
