//! Recognises why git got nothing by ssh, and says what to do about it.

use crate::error::{Error, Kind};

/// How it stands with the user's ssh-agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::wheels) enum Agent {
    /// Nobody asked for it.
    #[default]
    NotLent,
    /// It answers.
    Lent,
    /// It was asked and could not help; this is why.
    Useless(String),
}

/// What tells that ssh was the trouble.
const REFUSED: &str = "Permission denied (publickey";
const UNKNOWN: &str = "Host key verification failed";
const CHANGED: &str = "REMOTE HOST IDENTIFICATION HAS CHANGED";
const NO_CLIENT: &str = "cannot run ssh";
const UNREACHABLE: [&str; 2] = ["ssh: connect to host", "ssh: Could not resolve hostname"];
/// All of it.
pub(super) const TELLING: [&str; 6] = [
    REFUSED,
    UNKNOWN,
    CHANGED,
    NO_CLIENT,
    UNREACHABLE[0],
    UNREACHABLE[1],
];

const LEND: &str = "lend your ssh-agent: --ssh-agent, or `ssh-agent = true` under `[build]`; it needs SSH_AUTH_SOCK, and the servers' keys in ~/.ssh/known_hosts";

/// The error of the first cause that these lines tell; `None`: ssh is not what went wrong.
pub(super) fn explain(lines: &[String], agent: &Agent) -> Option<Error> {
    let find = |words: &str| lines.iter().find(|line| line.contains(words));
    let network = |message: String| Error::new(Kind::Network, message);
    if find(NO_CLIENT).is_some() {
        return Some(network("git has no ssh in the builder".to_owned()).hint(LEND));
    }
    if find(CHANGED).is_some() {
        return Some(
            network("a git server has another key than the one that is known of it".to_owned())
                .hint("somebody may stand between: ask who runs the server, and only then correct ~/.ssh/known_hosts or the file that `[build] known-hosts` names"),
        );
    }
    if find(UNKNOWN).is_some() {
        let error = network("a git server's key is not among the known hosts".to_owned());
        return Some(match agent {
            Agent::NotLent => error.hint(LEND),
            Agent::Lent | Agent::Useless(_) => error.hint("connect to it once (`ssh -T git@HOST`), or add what `ssh-keyscan HOST` prints, compared with what the server's owner says, to ~/.ssh/known_hosts or the file that `[build] known-hosts` names"),
        });
    }
    if let Some(line) = find(REFUSED) {
        let at = line.find(REFUSED).unwrap_or_default();
        let server = line[..at].trim_end_matches([':', ' ']);
        let server = server.rsplit(' ').next().unwrap_or_default();
        let refused = network(format!(
            "`{server}` lets nobody in by ssh without a right key"
        ));
        return Some(match agent {
            Agent::NotLent => refused.hint(LEND),
            Agent::Lent => refused.hint("give the ssh-agent the key that the server wants: `ssh-add FILE`; `ssh-add -l` lists those that it has"),
            Agent::Useless(why) => network(why.clone()).hint("start an agent and give it the key that the server wants: `eval $(ssh-agent)`, `ssh-add FILE`; SSH_AUTH_SOCK says where it listens"),
        });
    }
    let line = UNREACHABLE.into_iter().find_map(find)?;
    Some(
        network(format!("a git server can't be reached: {}", line.trim())).hint(
            "check its name and port, the network and --network; ssh takes no proxy variables",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_with_its_remedy() {
        let useless = Agent::Useless("the ssh-agent has no key".to_owned());
        let explained = |line: &str, agent: &Agent| explain(&[line.to_owned()], agent);
        for (line, agent, message, hint) in [
            (
                "  x: error: cannot run ssh: No such file or directory",
                &Agent::NotLent,
                "no ssh",
                "--ssh-agent",
            ),
            (
                "x: git@host: Permission denied (publickey).",
                &Agent::NotLent,
                "`git@host` lets nobody in",
                "--ssh-agent",
            ),
            (
                "git@host: Permission denied (publickey,password).",
                &Agent::Lent,
                "`git@host` lets nobody in",
                "ssh-add -l",
            ),
            (
                "git@host: Permission denied (publickey).",
                &useless,
                "has no key",
                "SSH_AUTH_SOCK",
            ),
            (
                "Host key verification failed.",
                &Agent::Lent,
                "not among the known hosts",
                "ssh-keyscan",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
                &Agent::Lent,
                "another key",
                "somebody may stand between",
            ),
            (
                "ssh: connect to host x port 22: Connection refused",
                &Agent::Lent,
                "port 22: Connection refused",
                "--network",
            ),
        ] {
            let error = explained(line, agent).unwrap();
            assert_eq!(error.kind(), Kind::Network);
            assert!(error.message().contains(message), "{error}");
            assert!(error.hints()[0].contains(hint), "{:?}", error.hints());
        }
        assert!(explained("ERROR: No matching distribution", &Agent::Lent).is_none());
    }
}
