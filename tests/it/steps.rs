//! The scripts of the containers, where they can be run without one.

use std::os::unix::fs::PermissionsExt;
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

#[test]
fn what_is_copied_goes_where_docker_would_put_it() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let write = |name: &str| {
        fs_err::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs_err::write(at(name), name).unwrap();
    };
    let mode = |name: &str| {
        let metadata = fs_err::symlink_metadata(at(name)).unwrap();
        format!("{:o}", metadata.permissions().mode() & 0o7777)
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/steps/copy_files.sh");
    let copy = |list: &str, destination: &str, mode: &str| {
        write("from/list");
        fs_err::write(at("from/list"), list).unwrap();
        let status = Command::new("sh")
            .arg(&script)
            .arg(at("from"))
            .arg(format!("{}/{destination}", root.path().display()))
            .args(["", mode])
            .stderr(std::process::Stdio::null())
            .status();
        status.unwrap().success()
    };
    for name in ["from/files/a b", "from/files/sub/c", "image/there/old"] {
        write(name);
    }
    fs_err::os::unix::fs::symlink("a b", at("from/files/link")).unwrap();
    let open = std::fs::Permissions::from_mode(0o1777);
    fs_err::set_permissions(at("image/there"), open).unwrap();
    fs_err::os::unix::fs::symlink("old", at("image/there/a b")).unwrap();

    // A folder that is there keeps its mode, and what a link leads to its content.
    let all = "file a b\nlink link\nfolder sub\nfile sub/c\n";
    assert!(copy(all, "image/there/", ""));
    assert_eq!(mode("image/there"), "1777");
    let read = |name: &str| fs_err::read_to_string(at(name)).unwrap();
    assert_eq!(read("image/there/old"), "image/there/old");
    assert_eq!(read("image/there/a b"), "from/files/a b");
    assert_eq!(read("image/there/sub/c"), "from/files/sub/c");
    let link = fs_err::read_link(at("image/there/link")).unwrap();
    assert_eq!(link, Path::new("a b"));

    // One file: below a folder that is there, else under this very name.
    assert!(copy("file a b\n", "image", ""));
    assert_eq!(read("image/a b"), "from/files/a b");
    assert!(copy("file a b\n", "image/new/name", "600"));
    assert_eq!(
        (mode("image/new"), mode("image/new/name")),
        ("755".to_owned(), "600".to_owned())
    );
    assert!(copy("", "image/empty/", ""));
    assert!(at("image/empty").is_dir());
    assert!(copy("folder made\nfile a b\n", "image/", "711"));
    assert_eq!(mode("image/made"), "711");
    // A folder is no file.
    assert!(!copy("file a b\n", "image/a b/", ""));
    fs_err::create_dir(at("image/folder")).unwrap();
    fs_err::create_dir(at("image/folder/a b")).unwrap();
    assert!(!copy("file a b\n", "image/folder/", ""));
}
