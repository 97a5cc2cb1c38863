//! What a step in the sandbox may and may not, seen from inside; asked for by `OMNIBUILD_TEST_ENGINE`.

use std::collections::BTreeSet;

use crate::support::disk::SmallDisk;
use crate::support::engine::{self, Tested, base_of};
use crate::support::platform::{self, Platform};
use crate::support::program;
use crate::support::project::Project;
use crate::support::sandbox;

/// What Docker gives by default, as the kernel writes it.
const CAPABILITIES: &str = "CapBnd:\t00000000a80425fb";

/// Prints what it sees, and fails, so that no layer is kept and the next run looks again.
const LOOK: &str = "\
ARG BASE
FROM ${BASE}
COPY marked /srv/
RUN cat /srv/marked /proc/self/status; \\
    echo \"processes:\" $(cd /proc && echo [0-9]*); \\
    echo \"hosts: $(head -n 1 /etc/hosts)\"; \\
    mknod /raw b 8 0 && head -c 1 /raw || echo 'no device'; \\
    ls -d \"MACHINE\" || echo 'no path of the machine'; \\
    (echo 1 >/proc/sys/vm/drop_caches) || echo 'no setting of the kernel'; \\
    unshare --user true 2>&1; \\
    (sleep 4321MARK >/dev/null 2>&1 &) ; \\
    exit 3
";

/// The first platform asked for, with all that a build of it needs; `None` where another engine is tested.
fn warm() -> Option<Platform> {
    if engine::tested() != Tested::Sandbox {
        engine::not_about("the sandbox");
        return None;
    }
    let platform = platform::first_asked();
    platform::warm(platform);
    Some(platform)
}

#[test]
fn a_step_of_the_sandbox_sees_itself_alone() {
    let Some(platform) = warm() else {
        return;
    };
    let project = Project::copy_of("mytool");
    let table = format!(
        "\n[platform.look-1]\nlike = \"{}\"\nimage = \"{}\"\n",
        platform.id,
        base_of(platform)
    );
    project.write("platforms.toml", &(platform::table() + &table));
    let mark = std::process::id().to_string();
    let machine = project.root().display().to_string();
    let text = LOOK.replace("MACHINE", &machine).replace("MARK", &mark);
    project.write("images/look-1/Dockerfile", &text);
    project.write("images/look-1/marked", "copied\n");
    project
        .run(&["--sysbase", "look-1"])
        .ended_with(4)
        .said(&["Dockerfile:4: ", "ended with status 3"]);
    let log = project.root().join(".omnibuild/logs/look-1.log");
    let log = fs_err::read_to_string(log).expect("the platform has a log");
    for line in [
        "copied",
        CAPABILITIES,
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "unshare: unshare failed: Operation not permitted",
        "hosts: 127.0.0.1 localhost omnibuild",
        "no device",
        "no path of the machine",
        "no setting of the kernel",
    ] {
        assert!(log.contains(line), "`{line}` is not in\n{log}");
    }
    let mut lines = log.lines();
    let processes = lines.find_map(|line| line.split_once("processes: "));
    let (_, processes) = processes.expect("it lists them");
    assert!(processes.split(' ').count() < 4, "{processes}");
    let left = engine::containers_that_run(&format!("sleep 4321{mark}"));
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_build_environment_is_unpacked_once() {
    let Some(platform) = warm() else {
        return;
    };
    // An environment of this test's own: other tests have others, and a store that earlier versions of
    // the program filled has theirs still.
    let mark = "upper/omnibuild/build/lib/python3.11/site-packages/iniconfig/__init__.py";
    let build = |news: &Project| {
        let backend = r#"requires = ["setuptools", "wheel"]"#;
        let marked = r#"requires = ["setuptools", "wheel", "iniconfig"]"#;
        news.replace("pyproject.toml", backend, marked);
        news.write_news();
        news.commit();
        news.run(&["--sysbase", platform.id]).succeeded();
        let layers = fs_err::read_dir(sandbox::store().join("layers")).expect("it has layers");
        let layers = layers.map(|layer| layer.expect("a layer").path());
        let having = layers.filter(|layer| layer.join(mark).exists());
        having.collect::<BTreeSet<_>>()
    };
    let first = build(&Project::copy_of("mytool"));
    assert!(!first.is_empty());
    assert_eq!(build(&Project::copy_of("mytool")), first);
}

/// Room for nothing; for the base, and not for a builder.
const TOO_LITTLE: [&str; 2] = ["8m", "320m"];

#[test]
fn a_full_disk_under_the_images_is_told_and_the_next_run_works() {
    let Some(platform) = warm() else {
        return;
    };
    let project = Project::copy_of("mytool");
    project.write_news();
    let disk = SmallDisk::mount(TOO_LITTLE[0]);
    let run = || {
        let mut command = project.program(&["--sysbase", platform.id, "--no-verify"]);
        command.env("OMNIBUILD_SANDBOX_DIR", disk.path());
        program::run(command)
    };
    for size in TOO_LITTLE {
        disk.grow(size);
        run().ended_with(7).said(&[
            "No space left on device",
            "make room where the sandbox keeps its images",
        ]);
        assert_eq!(project.packages(platform.id), Vec::<String>::new());
    }
    disk.grow("4g");
    run().succeeded();
    assert_eq!(project.packages(platform.id).len(), 3);
}
