//! The scripts of the containers, where they can be run without one.

use std::path::Path;
use std::process::Command;

/// Runs Python with the steps' folder to import from, in a folder of its own.
fn python(folder: &Path, program: &str) -> String {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/steps");
    let output = Command::new("python3")
        .args(["-B", "-c", program])
        .env("PYTHONPATH", steps)
        .current_dir(folder)
        .output()
        .expect("install python3: it runs the steps");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_child_in_a_session_of_its_own_does_not_keep_verification_waiting() {
    let folder = tempfile::tempdir().unwrap();
    // Both wait for a writer, who comes when the command has been given up: the child then ends too.
    let printed = python(
        folder.path(),
        "import os, verify_bundle
os.mkfifo('gate')
verify_bundle.COMMAND_SECONDS = 1
script = 'echo begun; setsid cat gate & exec cat gate'
print(verify_bundle.run(['sh', '-c', script]))
os.close(os.open('gate', os.O_RDWR))",
    );
    assert_eq!(printed, "(None, 'begun\\n')\n");
}

#[test]
fn what_a_command_prints_and_its_status_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python(
        folder.path(),
        "import verify_bundle
print(verify_bundle.run(['sh', '-c', 'echo one; echo two >&2; exit 3']))
print(verify_bundle.run(['/absent'])[0])
verify_bundle.LARGEST_OUTPUT = 4
print(verify_bundle.run(['sh', '-c', 'echo 123456'])[1])",
    );
    assert_eq!(printed, "(3, 'one\\ntwo\\n')\n127\n456\n\n");
}

#[test]
fn repositories_that_moved_are_asked_where_they_are() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let read = |name: &str| fs_err::read_to_string(root.path().join(name)).unwrap();
    let base = "[base]\nmirrorlist=http://list.example/?repo=os\n\
                #baseurl=http://mirror.example/centos/$releasever/os/\ngpgcheck=1\n";
    let own = "[own]\nmirrorlist=http://own.example/\n";
    write("etc/yum.repos.d/CentOS-Base.repo", base);
    write("etc/yum.repos.d/own.repo", own);
    write("etc/apt/sources.list.d/debian.sources", "Types: deb\n");
    write("etc/apt/apt.conf.d/00", "");
    let run = |archive: &str| {
        write("archive", archive);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/common/use-archive");
        let status = Command::new("sh")
            .args([&script, &root.path().join("archive"), root.path()])
            .status();
        assert!(status.unwrap().success());
    };
    run("");
    assert_eq!(read("etc/yum.repos.d/CentOS-Base.repo"), base);
    assert_eq!(
        read("etc/apt/sources.list.d/debian.sources"),
        "Types: deb\n"
    );
    run("replace http://mirror.example http://vault.example\n");
    assert_eq!(
        read("etc/yum.repos.d/CentOS-Base.repo"),
        "[base]\n#mirrorlist=http://list.example/?repo=os\n\
         baseurl=http://vault.example/centos/$releasever/os/\ngpgcheck=1\n"
    );
    assert_eq!(read("etc/yum.repos.d/own.repo"), own);
    let lines = "deb http://old.example/debian buster main\ndeb http://old.example/x y main\n";
    run(lines);
    assert_eq!(read("etc/apt/sources.list"), lines);
    assert!(
        !root
            .path()
            .join("etc/apt/sources.list.d/debian.sources")
            .exists()
    );
    assert!(read("etc/apt/apt.conf.d/90archive").contains("Check-Valid-Until \"false\""));
}
