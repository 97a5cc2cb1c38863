//! The user's ssh-agent for commands of the workshop: what they ask goes to its socket here, and the
//! answers back. No key leaves it, and no command changes what it has.
//!
//! The other end is `images/steps/with_ssh_agent.py`, which describes the frames. The protocol of agents
//! is draft-ietf-sshm-ssh-agent: messages of a length (4 bytes), a type (1 byte) and what belongs to it.

use std::collections::BTreeMap;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::UnixStream;

use crate::archive::ArchiveWriter;
use crate::engine::{Exec, Output};
use crate::error::Result;
use crate::plan::SshPlan;
use crate::steps::step_script;

use super::super::diagnose::Agent;
use super::{PYTHON, Workshop};

/// A question for the keys that there are, and its answer.
const KEYS: u8 = 11;
const KEYS_ANSWER: u8 = 12;
/// A signature; an extension, by which a client says which server it talks to.
const SIGNATURE: u8 = 13;
const EXTENSION: u8 = 27;
/// The answer to everything else, which would change what the agent has: a failure.
const REFUSAL: [u8; 5] = [0, 0, 0, 1, 5];
/// No message is longer, as OpenSSH has it; in bytes.
const LONGEST: usize = 256 << 10;
/// How much waits for the other side, in bytes.
const BUFFER: usize = 64 << 10;
const SCRIPT: &str = "/omnibuild/with_ssh_agent.py";

/// Puts what the container's end needs into the archive.
pub(super) fn configure(ssh: &SshPlan, archive: &mut ArchiveWriter) -> Result<()> {
    let hosts = match &ssh.known_hosts {
        Some(path) => fs_err::read(path)?,
        None => Vec::new(),
    };
    archive.bytes("omnibuild/ssh/known_hosts", 0o600, &hosts)?;
    archive.bytes("omnibuild/ssh/ssh", 0o755, &step_script("ssh"))?;
    archive.bytes(&SCRIPT[1..], 0o644, &step_script("with_ssh_agent.py"))
}

impl Workshop<'_> {
    /// Runs a command that fetches, with the agent where the user lends it, and explains its failure.
    pub(super) async fn fetch(&self, exec: &Exec, watch: Output<'_>) -> Result<()> {
        let clues = self.clues();
        let watch = |line: &str| {
            clues.see(line);
            watch(line);
        };
        let Some(ssh) = &self.request.ssh else {
            let ended = self.container.watch(exec, &watch).await;
            return ended.map_err(|error| clues.explain(error));
        };
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let mut with_agent = exec.clone();
        let script = [PYTHON.to_owned(), SCRIPT.to_owned()];
        with_agent.argv.splice(0..0, script);
        let mut relay = Relay::to(ssh.socket.as_deref());
        let command = self.container.converse(&with_agent, theirs, &watch);
        let ended = tokio::select! {
            ended = command => ended,
            never = relay.work(ours) => never,
        };
        ended.map_err(|error| clues.explain_with(error, &relay.agent))
    }
}

/// Passes messages of clients to an agent.
struct Relay<'a> {
    socket: Option<&'a Path>,
    clients: BTreeMap<u32, Client>,
    agent: Agent,
}

/// A connection of a client.
#[derive(Default)]
struct Client {
    asked: Vec<u8>,
    agent: Option<UnixStream>,
}

impl<'a> Relay<'a> {
    fn to(socket: Option<&'a Path>) -> Self {
        Self {
            socket,
            clients: BTreeMap::new(),
            agent: Agent::Lent,
        }
    }

    /// Works until it is dropped. Who can't be helped is refused, and goes on without.
    async fn work<T>(&mut self, mut stream: DuplexStream) -> T {
        while self.pass_on(&mut stream).await.is_ok() {}
        // The command has hung up, and its end is told by who runs it.
        std::future::pending().await
    }

    async fn pass_on(&mut self, stream: &mut DuplexStream) -> IoResult<()> {
        let (number, content) = next_frame(stream).await?;
        if content.is_empty() {
            self.clients.remove(&number);
            return Ok(());
        }
        let mut client = self.clients.remove(&number).unwrap_or_default();
        client.asked.extend_from_slice(&content);
        while let Some(message) = next_message(&mut client.asked) {
            let answer = match self.ask(&mut client, &message).await {
                Ok(answer) => answer,
                Err(why) => {
                    self.agent = Agent::Useless(why);
                    REFUSAL.to_vec()
                }
            };
            stream.write_all(&frame(number, &answer)).await?;
        }
        self.clients.insert(number, client);
        Ok(())
    }

    async fn ask(&mut self, client: &mut Client, message: &[u8]) -> Result<Vec<u8>, String> {
        let kind = message.get(4).copied();
        if !matches!(kind, Some(KEYS | SIGNATURE | EXTENSION)) {
            return Ok(REFUSAL.to_vec());
        }
        let Some(socket) = self.socket else {
            return Err("no ssh-agent is there to lend: SSH_AUTH_SOCK is not set".to_owned());
        };
        let fail = |error: IoError| {
            let place = socket.display();
            format!(
                "the ssh-agent at `{place}`, which SSH_AUTH_SOCK names, does not answer: {error}"
            )
        };
        let answer = exchange(client, socket, message).await.map_err(fail)?;
        if answer.get(4..) == Some(&[KEYS_ANSWER, 0, 0, 0, 0]) {
            self.agent = Agent::Useless("the ssh-agent has no key".to_owned());
        }
        Ok(answer)
    }
}

async fn exchange(client: &mut Client, socket: &Path, message: &[u8]) -> IoResult<Vec<u8>> {
    let agent = match &mut client.agent {
        Some(agent) => agent,
        none => none.insert(UnixStream::connect(socket).await?),
    };
    agent.write_all(message).await?;
    let length = agent.read_u32().await?;
    let mut answer = length.to_be_bytes().to_vec();
    let whole = length_of(length).ok_or(ErrorKind::InvalidData)?;
    answer.resize(4 + whole, 0);
    agent.read_exact(&mut answer[4..]).await?;
    Ok(answer)
}

async fn next_frame(stream: &mut DuplexStream) -> IoResult<(u32, Vec<u8>)> {
    let number = stream.read_u32().await?;
    let length = length_of(stream.read_u32().await?).ok_or(ErrorKind::InvalidData)?;
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok((number, content))
}

/// An answer, which is never longer than a frame may be, with its head.
fn frame(number: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default();
    [&number.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
}

fn length_of(length: u32) -> Option<usize> {
    let length = usize::try_from(length).ok();
    length.filter(|length| *length <= LONGEST)
}

/// Takes the first whole message, with its length in front. Of what can be none nothing is left, and it
/// is one that is refused.
fn next_message(asked: &mut Vec<u8>) -> Option<Vec<u8>> {
    match length_of(u32::from_be_bytes(*asked.first_chunk::<4>()?)) {
        Some(length) if asked.len() < 4 + length => None,
        Some(length) => Some(asked.drain(..4 + length).collect()),
        None => {
            asked.clear();
            Some(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// What a client is answered that says these, one after the other, each of which has an answer.
    async fn answers(socket: Option<&Path>, said: &[&[u8]]) -> (Vec<Vec<u8>>, Agent) {
        let (ours, mut theirs) = tokio::io::duplex(BUFFER);
        let mut relay = Relay::to(socket);
        let client = async {
            let mut heard = Vec::new();
            for said in said {
                // In two parts, as a stream may bring it.
                for part in [&said[..2], &said[2..]] {
                    theirs.write_all(&frame(3, part)).await.unwrap();
                }
                let (number, answer) = next_frame(&mut theirs).await.unwrap();
                assert_eq!(number, 3);
                heard.push(answer);
            }
            heard
        };
        let heard = tokio::select! {
            heard = client => heard,
            never = relay.work(ours) => never,
        };
        (heard, relay.agent)
    }

    #[tokio::test]
    async fn a_client_may_ask_for_keys_and_signatures_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 5];
            client.read_exact(&mut asked).await.unwrap();
            client.write_all(&[0, 0, 0, 2, 12, 7]).await.unwrap();
            asked
        });
        let remove_all = [0, 0, 0, 1, 19];
        let (heard, state) = answers(Some(&socket), &[&remove_all, &[0, 0, 0, 1, KEYS]]).await;
        assert_eq!(heard, [REFUSAL.to_vec(), vec![0, 0, 0, 2, 12, 7]]);
        assert_eq!(state, Agent::Lent);
        assert_eq!(agent.await.unwrap(), [0, 0, 0, 1, KEYS]);
    }

    #[tokio::test]
    async fn an_agent_that_is_absent_or_empty_is_told() {
        let ask: &[u8] = &[0, 0, 0, 1, KEYS];
        let (heard, state) = answers(None, &[ask]).await;
        assert_eq!(heard, [REFUSAL]);
        assert!(matches!(state, Agent::Useless(why) if why.contains("is not set")));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let (heard, state) = answers(Some(&socket), &[ask]).await;
        assert_eq!(heard, [REFUSAL]);
        assert!(matches!(state, Agent::Useless(why) if why.contains("does not answer")));
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            client.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).await
        });
        let (_, state) = answers(Some(&socket), &[ask]).await;
        assert_eq!(state, Agent::Useless("the ssh-agent has no key".to_owned()));
        agent.await.unwrap().unwrap();
    }

    #[test]
    fn what_is_too_long_is_no_message() {
        let mut asked = vec![255; 40];
        assert_eq!(next_message(&mut asked), Some(Vec::new()));
        assert_eq!(next_message(&mut asked), None);
    }
}
