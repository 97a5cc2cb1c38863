//! A disk that is full, where wheels, packages or temporary files go.
//!
//! Needs the right to mount a file system in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::support::disk::{SmallDisk, files_below};
use crate::support::engine::containers_of;
use crate::support::platform;
use crate::support::program::{self, Ran};
use crate::support::project::Project;

#[test]
fn a_full_disk_for_wheels() {
    let (project, disk) = (sample(), SmallDisk::mount("256k"));
    let mut command = project.program(&["--sysbase", platform::first_asked().id]);
    command.env("WHEEL_DIR", disk.path());
    is_full(program::run(command), &project);

    let mut whole = 0;
    for path in files_below(disk.path()) {
        assert!(
            !path.display().to_string().contains("omnibuild-tmp"),
            "{}",
            path.display()
        );
        if path.extension().is_some_and(|extension| extension == "whl") {
            let bytes = fs_err::read(&path).expect("it can be read");
            let digest = format!("{:x}", HexDigits(&Sha256::digest(bytes)));
            assert!(
                path.display().to_string().contains(&digest),
                "{} is cut",
                path.display()
            );
            whole += 1;
        }
        assert!(
            !path.display().to_string().contains("/sets/"),
            "{}",
            path.display()
        );
    }

    disk.grow("256m");
    let mut command = project.program(&["--sysbase", platform::first_asked().id]);
    command.env("WHEEL_DIR", disk.path());
    program::run(command).succeeded();
    let wheels = files_below(disk.path());
    let wheels = wheels
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "whl"));
    assert!(wheels.count() > whole);
}

#[test]
fn a_full_disk_for_packages() {
    let (project, disk) = (sample(), SmallDisk::mount("256k"));
    std::os::unix::fs::symlink(disk.path(), project.root().join("packages")).expect("a link");
    is_full(
        project.run(&["--sysbase", platform::first_asked().id]),
        &project,
    );
    assert_eq!(files_below(disk.path()), Vec::<PathBuf>::new());

    disk.grow("256m");
    project
        .run(&["--sysbase", platform::first_asked().id])
        .succeeded();
    assert_eq!(project.packages(platform::first_asked().id).len(), 3);
}

/// How much room there is for the packages that come after, in bytes: none, and less than they take.
const ROOM: [u64; 3] = [0, 1 << 16, 1 << 19];

#[test]
fn a_disk_that_fills_up_keeps_the_earlier_packages() {
    let (project, disk) = (sample(), SmallDisk::mount("256m"));
    std::os::unix::fs::symlink(disk.path(), project.root().join("packages")).expect("a link");
    let build = ["--sysbase", platform::first_asked().id];
    project.run(&build).succeeded();
    let contents = || {
        let read = |path: PathBuf| {
            let bytes = fs_err::read(&path).expect("it can be read");
            (path, bytes)
        };
        let files = files_below(disk.path()).into_iter();
        files.map(read).collect::<BTreeMap<PathBuf, Vec<u8>>>()
    };
    let before = contents();
    assert!(before.len() > 3, "{:?}", before.keys());
    project.replace(
        "src/mytool/__init__.py",
        "1.4.2\"",
        "1.4.2\"\n\nANOTHER = True",
    );
    project.commit();
    for room in ROOM {
        disk.leave(room);
        let run = project.run(&build).ended_with(7);
        let run = run.said(&["No space left on device", "hint: "]);
        assert_eq!(containers_of(run.process), Vec::<String>::new());
        assert!(
            contents() == before,
            "{room} bytes: {:?}",
            files_below(disk.path())
        );
    }
    disk.grow("256m");
    project.run(&build).succeeded();
    let after = contents();
    assert!(after.keys().eq(before.keys()), "{:?}", after.keys());
    assert!(after != before);
}

#[test]
fn a_full_disk_for_temporary_files() {
    let (project, disk) = (sample(), SmallDisk::mount("64k"));
    project.write_news();
    let mut command = project.program(&["--sysbase", platform::first_asked().id]);
    command.env("TMPDIR", disk.path());
    is_full(program::run(command), &project);
    assert_eq!(files_below(disk.path()), Vec::<PathBuf>::new());
}

fn sample() -> Project {
    platform::warm(platform::first_asked());
    Project::copy_of("mytool")
}

fn is_full(run: Ran, project: &Project) {
    let run = run
        .ended_with(7)
        .said(&["No space left on device", "hint: "]);
    assert_eq!(
        project.packages(platform::first_asked().id),
        Vec::<String>::new()
    );
    assert_eq!(containers_of(run.process), Vec::<String>::new());
}

struct HexDigits<'b>(&'b [u8]);

impl std::fmt::LowerHex for HexDigits<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
