//! Signed packages as the platforms' own package managers see them.

use std::path::Path;
use std::process::Command;

use crate::support::engine::{Container, base_of};
use crate::support::platform;
use crate::support::project::Project;

/// A primary key and a subkey, both of which sign: the old rpm knows only the first.
const SIGNS: [&str; 3] = ["rsa2048", "sign", "never"];

#[test]
fn packages_are_signed_so_that_the_package_manager_insists_on_it() {
    for platform in platform::asked_of(&["rocky-9", "centos-7"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        write_keys(home.path());
        let secret = home.path().join("secret.asc");
        let signing = format!(
            "[tool.omnibuild.signing]\nkey-file = \"{}\"\n",
            secret.display()
        );
        let before = "[tool.omnibuild.packages.cli]\n";
        project.replace("pyproject.toml", before, &format!("{signing}\n{before}"));
        project
            .run(&["--sysbase", platform.id])
            .succeeded()
            .said(&["3 packages", "signed"]);
        let package = platform.file_name("acme-python-mytool", "1.4.2", false);
        let package = project.package(platform, &package);

        let container = Container::start(&base_of(platform), platform.manager);
        container.put(&home.path().join("public.asc"), "/public.asc");
        container.put(&package, "/package.rpm");
        let (good, said) = container.try_run(&["rpm", "-K", "/package.rpm"]);
        assert!(
            !good,
            "a signature by a key that is not known is no good one: {said}"
        );
        container.run(&["rpm", "--import", "/public.asc"]);
        let said = container.run(&["rpm", "-Kv", "/package.rpm"]);
        assert!(
            said.contains("RSA/SHA256 Signature") && !said.contains("NOT"),
            "{said}"
        );
        let checked = "--setopt=localpkg_gpgcheck=1";
        container.run(&[container.yum(), "-y", checked, "install", "/package.rpm"]);
        container.run(&["/opt/mytool/bin/mytool", "selfcheck"]);
    }
}

/// Makes the keys, and files of them beside the keyring.
fn write_keys(home: &Path) {
    let gpg = |words: &[&str]| {
        let mut command = Command::new("gpg");
        command
            .arg("--homedir")
            .arg(home)
            .args(["--batch", "--quiet"]);
        command
            .args(["--passphrase", ""])
            .args(words)
            .current_dir(home);
        let output = command.output().expect("gpg is one of the prerequisites");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    gpg(&[
        &["--quick-generate-key", "Acme <acme@acme.example>"],
        &SIGNS[..],
    ]
    .concat());
    let listing = gpg(&["--with-colons", "--list-keys"]);
    let line = listing.lines().find(|line| line.starts_with("fpr:"));
    let fingerprint = line
        .and_then(|line| line.split(':').nth(9))
        .expect("a fingerprint");
    gpg(&[&["--quick-add-key", fingerprint], &SIGNS[..]].concat());
    gpg(&["--armor", "--output", "secret.asc", "--export-secret-keys"]);
    gpg(&["--armor", "--output", "public.asc", "--export"]);
    let stopped = Command::new("gpgconf")
        .arg("--homedir")
        .arg(home)
        .args(["--kill", "all"])
        .status();
    assert!(stopped.expect("gpgconf comes with gpg").success());
}
