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
