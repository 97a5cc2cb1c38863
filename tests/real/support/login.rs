//! An ssh server of a test's own on loopback, with keys of the test's own, and an `ssh` that knows it
//! as `elsewhere`. Nothing of the user's configuration, keys or agent is used.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::daemon::{free_port, tool};

/// Longer than it takes to start on a machine under load.
const LIMIT: Duration = Duration::from_mins(1);

/// The server; it ends with its scope.
pub(crate) struct Login {
    folder: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Login {
    /// Starts one whose sessions have this environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "key", "stranger"] {
            let key = path(name);
            tool(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &key],
            );
        }
        let port = free_port();
        let public = fs_err::read_to_string(path("host.pub")).expect("a key");
        let known = format!("[127.0.0.1]:{port} {public}");
        fs_err::write(path("known_hosts"), known).expect("a file");
        let set: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut server = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n",
            path("host"),
            path("key.pub")
        );
        if !set.is_empty() {
            server.push_str(&format!("SetEnv {}\n", set.join(" ")));
        }
        fs_err::write(path("sshd_config"), server).expect("a file");
        let user = tool("id", &["-un"]);
        let client = format!(
            "Host elsewhere stranger\n HostName 127.0.0.1\n Port {port}\n User {user}\n IdentitiesOnly yes\n IdentityAgent none\n \
             UserKnownHostsFile {}\n StrictHostKeyChecking yes\nHost elsewhere\n IdentityFile {}\nHost stranger\n IdentityFile {}\n",
            path("known_hosts"),
            path("key"),
            path("stranger")
        );
        fs_err::write(path("ssh_config"), client).expect("a file");
        fs_err::create_dir(folder.path().join("bin")).expect("a folder");
        let wrapper = folder.path().join("bin/ssh");
        let real = tool("sh", &["-c", "command -v ssh"]);
        let text = format!("#!/bin/sh\nexec {real} -F {} \"$@\"\n", path("ssh_config"));
        fs_err::write(&wrapper, text).expect("a file");
        let rights = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(&wrapper, rights).expect("it is ours");
        // What it wants as root, and no package has made where no service was started.
        fs_err::create_dir_all("/run/sshd").ok();
        let sshd = tool("sh", &["-c", "PATH=$PATH:/usr/sbin command -v sshd"]);
        let server = Command::new(sshd)
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd can be run");
        let mut this = Self {
            folder,
            server,
            port,
        };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = this.server.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "sshd ended: {ended:?}");
            assert!(begun.elapsed() < LIMIT, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }

    /// Where it listens, on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A file of its: `key`, which it lets in, `known_hosts`, which name it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A `PATH` whose `ssh` knows the hosts `elsewhere`, which lets it in, and `stranger`, which
    /// doesn't.
    pub(crate) fn search_path(&self) -> String {
        let own = self.folder.path().join("bin");
        format!(
            "{}:{}",
            own.display(),
            std::env::var("PATH").unwrap_or_default()
        )
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}
