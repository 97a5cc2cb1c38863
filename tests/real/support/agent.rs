//! An ssh-agent of a test's own, which alone has the key that a server of the test's own lets in, and git
//! repositories that are fetched there.
//!
//! Containers reach the server through the machine's own network, so the engine must be on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::daemon::tool;
use super::index::Index;
use super::login::Login;
use super::search::base64;

/// Longer than it takes to start on a machine under load.
const LIMIT: Duration = Duration::from_mins(1);

/// The agent; it ends with its scope.
pub(crate) struct Agent {
    folder: tempfile::TempDir,
    process: Child,
}

impl Agent {
    /// One without a key.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let socket = folder.path().join("socket");
        let mut process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent can be run");
        let begun = Instant::now();
        while !socket.exists() {
            let ended = process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "ssh-agent ended: {ended:?}");
            assert!(begun.elapsed() < LIMIT, "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { folder, process }
    }

    /// Gives it a key and removes the file.
    pub(crate) fn take(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .status();
        assert!(added.is_ok_and(|status| status.success()), "ssh-add");
        fs_err::remove_file(key).expect("it is there");
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A server with repositories for whom the agent helps.
pub(crate) struct Forge {
    folder: tempfile::TempDir,
    login: Login,
    agent: Agent,
}

impl Forge {
    /// Starts the server; the key is in the agent alone.
    pub(crate) fn start() -> Self {
        Self::of(Login::start(&[]))
    }

    /// The same with a key (Ed25519) that is made of this.
    pub(crate) fn with_key_of(seed: &[u8; 32]) -> Self {
        let login = Login::start(&[]);
        let public = public_key(seed, &login.path("seed"));
        let blob = [text(b"ssh-ed25519"), text(&public)].concat();
        let line = format!("ssh-ed25519 {} key\n", base64(&blob));
        fs_err::write(login.path("key.pub"), line).expect("a file");
        let both = [&seed[..], &public].concat();
        // Two equal numbers, what is secret, a comment, and up to the length of a block 1, 2, 3.
        let mut secret = vec![0; 8];
        secret.extend(
            [
                text(b"ssh-ed25519"),
                text(&public),
                text(&both),
                text(b"key"),
            ]
            .concat(),
        );
        secret.extend((1..=8).take((8 - secret.len() % 8) % 8));
        let head = [
            &b"openssh-key-v1\0"[..],
            &text(b"none"),
            &text(b"none"),
            &text(b""),
        ]
        .concat();
        let key = [&head[..], &[0, 0, 0, 1], &text(&blob), &text(&secret)].concat();
        let name = "OPENSSH PRIVATE KEY";
        let key = format!(
            "-----BEGIN {name}-----\n{}\n-----END {name}-----\n",
            base64(&key)
        );
        fs_err::write(login.path("key"), key).expect("a file");
        Self::of(login)
    }

    fn of(login: Login) -> Self {
        let agent = Agent::start();
        agent.take(&login.path("key"));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            folder,
            login,
            agent,
        }
    }

    /// Makes a repository with one commit of these files; answers its requirement (PEP 508).
    pub(crate) fn publish(&self, name: &str, files: &[(&str, &str)]) -> String {
        let place = self.folder.path().join(name);
        for (file, text) in files {
            let path = place.join(file);
            fs_err::create_dir_all(path.parent().expect("it is below")).expect("a folder");
            fs_err::write(path, text).expect("a file");
        }
        let place = place.display().to_string();
        let git = |words: &[&str]| {
            let who = [
                "-c",
                "user.name=Tests",
                "-c",
                "user.email=tests@acme.example",
            ];
            tool("git", &[&["-C", &place], &who[..], words].concat())
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all", "."]);
        git(&[
            "-c",
            "commit.gpgsign=false",
            "commit",
            "--quiet",
            "-m",
            "all",
        ]);
        let commit = git(&["rev-parse", "HEAD"]);
        let (user, port) = (tool("id", &["-un"]), self.login.port());
        format!("{name} @ git+ssh://{user}@127.0.0.1:{port}{place}@{commit}")
    }

    /// Lets the program reach the server and lends it the agent, with the server among the known hosts of
    /// the user with this home.
    pub(crate) fn lend(&self, command: &mut Command, home: &Path) {
        fs_err::create_dir_all(home.join(".ssh")).expect("a folder");
        fs_err::copy(self.known_hosts(), home.join(".ssh/known_hosts")).expect("a copy");
        Index::reach_from(command);
        command
            .arg("--ssh-agent")
            .env("HOME", home)
            .env("SSH_AUTH_SOCK", self.agent.socket());
    }

    /// The file with the server's key.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.login.path("known_hosts")
    }
}

/// Bytes behind their number, as ssh writes them (RFC 4251).
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("it is short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The public key of a secret one; `file` is written and removed.
fn public_key(seed: &[u8; 32], file: &Path) -> Vec<u8> {
    // PKCS #8, as RFC 8410 has it.
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    fs_err::write(file, [&head[..], seed].concat()).expect("a file");
    let output = Command::new("openssl")
        .args([
            "pkey", "-inform", "DER", "-pubout", "-outform", "DER", "-in",
        ])
        .arg(file)
        .output()
        .expect("openssl is one of the prerequisites");
    fs_err::remove_file(file).expect("it was written");
    let start = output.stdout.len().checked_sub(32);
    output.stdout[start.expect("a public key")..].to_vec()
}
