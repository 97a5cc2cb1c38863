//! The way to an engine behind `ssh://`: the user's own `ssh` runs `docker system dial-stdio` over
//! there, as Docker's client does, or Podman's command of that name, and a socket here stands for it.
//!
//! One connection is opened and shared. Whatever ends this program closes the pipes that every `ssh` reads
//! from, so none outlives it. Knows of the API that the engine greets who asks for `/_ping`.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Kind, Result};
use crate::platform::EngineKind;

use super::address::Address;

/// What a client is told to do over there.
const DIAL: [&str; 2] = ["system", "dial-stdio"];
/// The status of an `ssh` that failed itself.
const SSH_FAILED: i32 = 255;
/// A question that every engine answers.
const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
/// Bytes that are copied at once.
const BUFFER: usize = 1 << 16;

/// A local socket that leads to an engine; it is closed when this is dropped.
pub(super) struct Tunnel {
    socket: PathBuf,
    said: Said,
    relay: JoinHandle<()>,
    _master: Child,
    _folder: tempfile::TempDir,
}

/// The last that an `ssh` which failed had to say.
type Said = Arc<Mutex<String>>;

impl Tunnel {
    /// Logs in, and asks the engine whether it is there; where several clients may lead to one, it is the
    /// first whose engine answers.
    pub(super) async fn open(address: &Address, kind: EngineKind) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut failed: Option<Error> = None;
        for client in clients(kind) {
            let ssh = Ssh {
                control: folder.path().join("ssh"),
                url: address.url.clone(),
                client,
            };
            match ssh.log_in().await {
                Ok(master) => return Self::through(ssh, master, folder),
                Err(failure) => {
                    let error = unreachable(address, client, &failure.why);
                    let error = match failed.take() {
                        Some(first) => first.hint(error.message()),
                        None => error,
                    };
                    if failure.is_of_ssh {
                        return Err(error);
                    }
                    failed = Some(error);
                }
            }
        }
        Err(failed.unwrap_or_else(|| unreachable(address, "docker", "nothing was tried")))
    }

    fn through(ssh: Ssh, master: Child, folder: tempfile::TempDir) -> Result<Self> {
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket)?;
        let said = Said::default();
        Ok(Self {
            socket,
            relay: tokio::spawn(serve(listener, ssh, Arc::clone(&said))),
            said,
            _master: master,
            _folder: folder,
        })
    }

    /// The local socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What `ssh` said, when it failed.
    pub(super) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

/// The clients that may lead to an engine of a kind over there, in order.
fn clients(kind: EngineKind) -> &'static [&'static str] {
    match kind {
        EngineKind::Docker => &["docker"],
        EngineKind::Podman => &["podman"],
        EngineKind::Auto | EngineKind::Sandbox => &["docker", "podman"],
    }
}

/// How `ssh` is called.
struct Ssh {
    /// The socket by which connections are shared.
    control: PathBuf,
    url: String,
    /// Whose command is run over there.
    client: &'static str,
}

/// Why there is no way.
struct Failure {
    why: String,
    /// No other client would be reached either.
    is_of_ssh: bool,
}

impl Ssh {
    /// The first, with an engine that answers at its other end.
    async fn log_in(&self) -> std::result::Result<Child, Failure> {
        let of_ssh = |why: String| Failure {
            why,
            is_of_ssh: true,
        };
        let mut master = self.spawn(true).map_err(|error| {
            of_ssh(format!(
                "can't run `ssh` (`apt-get install openssh-client`): {error}"
            ))
        })?;
        let Err(why) = self.greet(&mut master).await else {
            return Ok(master);
        };
        drop(master.stdin.take());
        let ended = master.wait_with_output().await;
        let output = ended.map_err(|error| of_ssh(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure {
            why: if said.trim().is_empty() {
                why
            } else {
                said.trim().to_owned()
            },
            is_of_ssh: output.status.code() == Some(SSH_FAILED),
        })
    }

    /// Starts one: the first, which the others share, or another.
    fn spawn(&self, first: bool) -> std::io::Result<Child> {
        let master = if first { "yes" } else { "no" };
        // What a user's configuration may say of these would have the connection used otherwise, or
        // outlive us.
        let options = [
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=15".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
            "RemoteCommand=none".to_owned(),
            "ControlPersist=no".to_owned(),
            format!("ControlMaster={master}"),
            format!("ControlPath={}", self.control.display()),
        ];
        Command::new("ssh")
            .arg("-T")
            .args(options.iter().flat_map(|option| ["-o", option]))
            .args(["--", &self.url, self.client])
            .args(DIAL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Asks the engine at the other end whether it is there.
    async fn greet(&self, ssh: &mut Child) -> std::result::Result<(), String> {
        let (Some(stdin), Some(stdout)) = (&mut ssh.stdin, &mut ssh.stdout) else {
            return Err("`ssh` has no pipes".to_owned());
        };
        let mut answer = [0; 5];
        let asked = async {
            stdin.write_all(PING).await?;
            stdin.flush().await?;
            stdout.read_exact(&mut answer).await
        };
        match asked.await {
            Ok(_) if &answer == b"HTTP/" => Ok(()),
            Ok(_) => Err(format!(
                "`{} {}` answers with something else than an engine",
                self.client,
                DIAL.join(" ")
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Leads every connection to the engine, each through an `ssh` of its own.
async fn serve(listener: UnixListener, ssh: Ssh, said: Said) {
    let mut open = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        match ssh.spawn(false) {
            Ok(process) => {
                open.spawn(relay(client, process, Arc::clone(&said)));
            }
            Err(error) => {
                *said.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
            }
        }
    }
}

/// Copies both ways. It is over when the engine has closed its side, or nobody listens here.
async fn relay(client: UnixStream, mut ssh: Child, said: Said) {
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
    else {
        return;
    };
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::with_capacity(BUFFER, from_client);
    let mut from_engine = BufReader::with_capacity(BUFFER, stdout);
    let up = pin!(async {
        let copied = tokio::io::copy_buf(&mut from_client, &mut stdin).await;
        drop(stdin);
        copied
    });
    let down = pin!(async {
        let copied = tokio::io::copy_buf(&mut from_engine, &mut to_client).await;
        copied.and(to_client.shutdown().await)
    });
    let over = match select(up, down).await {
        Either::Left((_, down)) => down.await,
        Either::Right((over, _)) => over,
    };
    let mut text = String::new();
    if over.is_ok() && stderr.read_to_string(&mut text).await.is_ok() && !text.trim().is_empty() {
        text.trim()
            .clone_into(&mut said.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// There is no way to the engine.
fn unreachable(address: &Address, client: &str, why: &str) -> Error {
    let host = address.url.trim_start_matches("ssh://");
    Error::new(
        Kind::Engine,
        format!("can't reach the engine at {}: {why}", address.described()),
    )
    .hint(format!(
        "`ssh {} {client} version` must work without a password: that client is needed there too, and the right to use its engine",
        address.url
    ))
    .hint(format!("keys, ports and jumps belong into your ~/.ssh/config, under `Host {}`", host.rsplit('@').next().unwrap_or(host)))
}
