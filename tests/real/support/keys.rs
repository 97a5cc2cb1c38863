//! Keys of OpenPGP in folders of their own, and files of them.

use std::path::Path;
use std::process::Command;

/// A primary key and a subkey, both of which sign: the old rpm knows only the first.
const SIGNS: [&str; 3] = ["rsa2048", "sign", "never"];

/// Makes the keys, and files of them beside the keyring: `secret.asc`, `public.asc`.
pub(crate) fn make(home: &Path) {
    make_with_passphrase(home, "");
}

/// The same with a passphrase; without one they have none.
pub(crate) fn make_with_passphrase(home: &Path, passphrase: &str) {
    let gpg = |home: &Path, words: &[&str]| ask(home, passphrase, words);
    gpg(
        home,
        &[
            &["--quick-generate-key", "Acme <acme@acme.example>"],
            &SIGNS[..],
        ]
        .concat(),
    );
    let listing = gpg(home, &["--with-colons", "--list-keys"]);
    let line = listing.lines().find(|line| line.starts_with("fpr:"));
    let fingerprint = line
        .and_then(|line| line.split(':').nth(9))
        .expect("a fingerprint");
    gpg(
        home,
        &[&["--quick-add-key", fingerprint], &SIGNS[..]].concat(),
    );
    gpg(
        home,
        &["--armor", "--output", "secret.asc", "--export-secret-keys"],
    );
    gpg(home, &["--armor", "--output", "public.asc", "--export"]);
    stop(home);
}

/// Runs gpg in the folder of its keys; answers what it printed. It starts an agent: see [`stop`].
pub(crate) fn gpg(home: &Path, words: &[&str]) -> String {
    ask(home, "", words)
}

fn ask(home: &Path, passphrase: &str, words: &[&str]) -> String {
    let mut command = Command::new("gpg");
    command
        .arg("--homedir")
        .arg(home)
        .args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
    command
        .args(["--passphrase", passphrase])
        .args(words)
        .current_dir(home);
    let output = command.output().expect("gpg is one of the prerequisites");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "gpg {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ends the agent of a folder.
pub(crate) fn stop(home: &Path) {
    let stopped = Command::new("gpgconf")
        .arg("--homedir")
        .arg(home)
        .args(["--kill", "all"])
        .status();
    assert!(stopped.expect("gpgconf comes with gpg").success());
}
