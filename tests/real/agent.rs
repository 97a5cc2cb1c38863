//! The user's ssh-agent: lent to the stage that makes wheels, when that is said, and to no other.

use std::path::Path;
use std::process::Command;

use crate::support::agent::{Agent, Forge};
use crate::support::index::{Index, of, source_distribution, sources};
use crate::support::platform::{self, Platform};
use crate::support::program::{self, Ran};
use crate::support::project::Project;

/// What the project says of the agent while it is built.
const BUNDLE: &str = "import os\nprint('bundle has:', [name for name in os.environ if name.startswith(('SSH', 'GIT_SSH'))], os.path.exists('/omnibuild/ssh'))\n";
/// And what a dependency says.
const WHEEL: &str = "import os\nprint('wheel has:', [name for name in os.environ if name.startswith(('SSH', 'GIT_SSH'))])\n";
const REQUIREMENTS: &str = "[tool.omnibuild]\nrequirements = [\"r.txt\"]\n";

struct Scene {
    platform: Platform,
    forge: Forge,
    wheels: tempfile::TempDir,
    project: Project,
    home: tempfile::TempDir,
}

impl Scene {
    fn set() -> Self {
        let platform = platform::first_asked();
        platform::warm(platform);
        let forge = Forge::start();
        // What no test and no earlier run had: its commit is another.
        let own = format!("{:?}\n", std::time::SystemTime::now());
        let [pyproject, backend] = sources("fetched", WHEEL);
        let files = [pyproject, backend, ("own", own)];
        let line = forge.publish("fetched", &of(&files));
        let [(name, pyproject), backend] = sources("lent", BUNDLE);
        let files = [(name, pyproject + REQUIREMENTS), backend];
        let project = Project::of(&of(&files));
        project.write("r.txt", &format!("{line}\n./here-1.0.tar.gz\n"));
        let archive = source_distribution("here", &of(&sources("here", WHEEL)));
        fs_err::write(project.root().join("here-1.0.tar.gz"), archive).expect("a file");
        Self {
            platform,
            forge,
            wheels: tempfile::tempdir().expect("a temporary folder can be made"),
            project,
            home: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    fn run(&self, change: impl Fn(&mut Command)) -> Ran {
        let mut command = self
            .project
            .program(&["--sysbase", self.platform.id, "-vvv"]);
        command.arg("--wheel-dir").arg(self.wheels.path());
        Index::reach_from(&mut command);
        change(&mut command);
        program::run(command)
    }
}

#[test]
fn a_wheel_is_built_with_a_key_that_only_an_agent_has() {
    let scene = Scene::set();
    let ran = scene.run(|command| scene.forge.lend(command, scene.home.path()));
    ran.succeeded().said(&["2 built"]);
    let log = scene.project.log(scene.platform.id);
    assert!(log.contains("bundle has: [] False"), "{log}");
    assert!(log.contains("with_ssh_agent.py"), "{log}");
    // Kept under its commit: nobody is asked for it in another set.
    let lines = fs_err::read_to_string(scene.project.root().join("r.txt")).expect("text");
    scene.project.write("r.txt", &(lines + "six==1.16.0\n"));
    let ran = scene.run(|_| {}).succeeded();
    ran.said(&["3 wheels, 1 fetched, 0 built"]);
}

#[test]
fn without_a_word_the_agent_stays_here() {
    let scene = Scene::set();
    let socket = Agent::start();
    let there = |command: &mut Command| {
        command.env("SSH_AUTH_SOCK", socket.socket());
    };
    let refused = scene.run(there).ended_with(13);
    refused.said(&["git server", "--ssh-agent"]);
    scene.project.write("r.txt", "./here-1.0.tar.gz\n");
    scene.run(there).succeeded();
    let log = scene.project.log(scene.platform.id);
    assert!(log.contains("wheel has: []"), "{log}");
    assert!(log.contains("bundle has: [] False"), "{log}");
}

#[test]
fn what_is_wrong_with_an_agent_is_told() {
    let scene = Scene::set();
    let known = scene.forge.known_hosts();
    let configure = |known: &Path| {
        let [(name, pyproject), _] = sources("lent", BUNDLE);
        let table = format!("[tool.omnibuild.build]\nssh-agent = true\nknown-hosts = {known:?}\n");
        scene
            .project
            .write(name, &(pyproject + REQUIREMENTS + &table));
    };
    configure(&known);
    let ran = scene.run(|_| {}).ended_with(13);
    ran.said(&["SSH_AUTH_SOCK is not set", "ssh-add"]);
    let gone = scene.project.root().join("gone");
    let ran = scene.run(|command| {
        command.env("SSH_AUTH_SOCK", &gone);
    });
    ran.ended_with(13)
        .said(&["does not answer", "No such file"]);
    let empty = Agent::start();
    let lend = |command: &mut Command| {
        command.env("SSH_AUTH_SOCK", empty.socket());
    };
    let ran = scene.run(lend).ended_with(13);
    ran.said(&["has no key", "ssh-add"]);
    let nobody = scene.project.root().join("nobody");
    fs_err::write(&nobody, "").expect("a file");
    configure(&nobody);
    let ran = scene.run(lend).ended_with(13);
    ran.said(&["not among the known hosts", "ssh-keyscan"]);
    configure(&gone);
    let ran = scene.run(lend).ended_with(9);
    ran.said(&["build.known-hosts", "pyproject.toml:"]);
}
