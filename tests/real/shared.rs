//! A cache of wheels that machines share: what one has built no other builds again, and a cache that
//! is away is no failure.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::platform;
use crate::support::program::{self, Ran};
use crate::support::project::Project;

const CONFIGURATION: &str = "name = \"shared\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\n\
    [cache]\nread-scopes = [\"main\"]\nkey-file = \"key\"\n";
/// The first of these is there as a source distribution only.
const REQUIREMENTS: &str = "docopt==0.6.2\nidna==3.10\n";
const CHANGED: &str = "docopt==0.6.2\nidna==3.9\n";

/// Machines that have nothing but their base and builder, and what they share.
struct Machines {
    platform: platform::Platform,
    folder: tempfile::TempDir,
}

impl Machines {
    /// A build on a machine that made no wheel before.
    fn build(&self, name: &str, requirements: &str, remote: &str, words: &[&str]) -> Ran {
        let (command, _project) = self.command(name, requirements, remote, words);
        program::run(command).succeeded()
    }

    fn command(
        &self,
        name: &str,
        requirements: &str,
        remote: &str,
        words: &[&str],
    ) -> (Command, Project) {
        let project = Project::of(&[
            ("omnibuild.toml", CONFIGURATION),
            ("r.txt", requirements),
            ("key", "a key of a test, which is no secret at all"),
        ]);
        let mut command = project.program(&["--sysbase", self.platform.id]);
        command
            .arg("--wheel-dir")
            .arg(self.folder.path().join(name));
        command.arg("--cache-remote").arg(remote).args(words);
        (command, project)
    }
}

#[test]
fn no_wheel_is_built_twice_by_machines_that_share_a_cache() {
    let machines = Machines {
        platform: platform::first_asked(),
        folder: tempfile::tempdir().expect("a temporary folder can be made"),
    };
    platform::warm(machines.platform);
    let remote = format!("file://{}", machines.folder.path().join("remote").display());
    let built = ["1 fetched, 1 built"];
    machines
        .build("one", REQUIREMENTS, &remote, &[])
        .said(&built);
    machines
        .build("two", REQUIREMENTS, &remote, &["--cache-read-only"])
        .said(&["2 wheels: from the remote cache", "wheels: reused"]);
    // Another pin in a pull request: the set is another, the wheel that was built is the same.
    machines
        .build("three", CHANGED, &remote, &["--cache-scope", "pr-12"])
        .said(&["1 fetched, 0 built"]);
    // Main does not read what the pull request has put there.
    machines
        .build("four", CHANGED, &remote, &["--cache-read-only"])
        .said(&["1 fetched, 0 built"]);
    machines
        .build("five", CHANGED, &remote, &["--cache-scope", "pr-12"])
        .said(&["2 wheels: from the remote cache"]);
    let scopes = |path: &Path| {
        path.join("remote/v1")
            .read_dir()
            .expect("it is there")
            .count()
    };
    assert_eq!(scopes(machines.folder.path()), 2);
}

#[test]
fn a_remote_cache_that_is_away_is_a_warning() {
    let machines = Machines {
        platform: platform::first_asked(),
        folder: tempfile::tempdir().expect("a temporary folder can be made"),
    };
    platform::warm(machines.platform);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    drop(listener);
    let secret = "the-secret-of-this-test";
    let (mut command, _project) = machines.command("one", REQUIREMENTS, "s3://cache/x", &[]);
    command
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "tester")
        .env("AWS_SECRET_ACCESS_KEY", secret);
    let ran = program::run(command).succeeded().said(&["2 wheels"]);
    let warned = ran.stderr.matches("the remote cache is left alone").count();
    assert_eq!(warned, 1, "{}", ran.stderr);
    assert!(!(ran.stderr + &ran.stdout).contains(secret));
}
