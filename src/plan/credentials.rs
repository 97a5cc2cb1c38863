//! Who asks the indexes: passwords and tokens of files and of the keyring, and the addresses that they
//! belong in.
//!
//! They go to where wheels are made and into no key. Reads when the inputs are read; what decides is
//! pure.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use fs_err as fs;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::text::percent_encoded;

use super::netrc;
use super::requirements::without_credentials;

/// Who a token is given by, where nobody says it: what indexes for Python expect.
const TOKEN_USER: &str = "__token__";

/// What is known of who asks.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    known: Vec<Known>,
    /// Files that others than their owner can read.
    open_files: Vec<String>,
}

/// A password.
#[derive(Debug, Clone)]
struct Known {
    /// `host` or `host:port`; none: of every host that no other has.
    server: Option<String>,
    login: Option<String>,
    password: String,
    /// Where it was said.
    source: String,
}

impl Credentials {
    /// Reads the files that the configuration names, and asks the keyring for indexes that nothing else
    /// is known of.
    pub(super) fn read<'a>(
        config: &Config,
        indexes: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let mut this = Self::default();
        let own = config.index.token_file.iter().filter_map(|path| {
            let (_, _, server, _) = parts(config.index_url.as_deref()?)?;
            Some((server, path, "index.token-file"))
        });
        let named = &config.index.token_files;
        let named = named
            .iter()
            .map(|(server, path)| (server.as_str(), path, "index.token-files"));
        for (server, path, key) in own.chain(named) {
            let text = this.secret_file(key, path)?;
            let token = text.lines().next().unwrap_or_default().trim();
            if token.is_empty() {
                return Err(Error::new(
                    Kind::Config,
                    format!("{key}: there is no token in `{}`", path.display()),
                )
                .hint("write it into the first line of that file"));
            }
            this.known.push(Known {
                server: Some(server.to_owned()),
                login: None,
                password: token.to_owned(),
                source: format!("`{}` ({key})", path.display()),
            });
        }
        if let Some(path) = &config.index.netrc {
            this.read_netrc(path)?;
        }
        if config.index.keyring {
            for url in indexes {
                this.ask_keyring(url)?;
            }
        }
        Ok(this)
    }

    fn secret_file(&mut self, key: &str, path: &Path) -> Result<String> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::from(error)
                .context(key)
                .hint("name a file that you may read")
        })?;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            self.open_files.push(path.display().to_string());
        }
        Ok(text)
    }

    fn read_netrc(&mut self, path: &Path) -> Result<()> {
        let text = self.secret_file("NETRC", path)?;
        let machines = netrc::parse(&text).map_err(|line| {
            Error::new(
                Kind::Config,
                format!("{}:{line}: this is no entry of netrc(5)", path.display()),
            )
            .hint("write `machine HOST login NAME password PASSWORD`")
        })?;
        self.known.extend(machines.into_iter().map(|machine| Known {
            server: machine.name,
            login: Some(machine.login),
            password: machine.password,
            source: format!("`{}`", path.display()),
        }));
        Ok(())
    }

    /// Asks as pip does with `--keyring-provider subprocess`: by the address, then by the host.
    fn ask_keyring(&mut self, url: &str) -> Result<()> {
        let Some((scheme, user, server, path)) = parts(url) else {
            return Ok(());
        };
        if user.is_some_and(|user| user.contains(':')) || self.of(server, user).is_some() {
            return Ok(());
        }
        let address = format!("{scheme}://{server}{path}");
        for service in [address.as_str(), server] {
            let words: &[&str] = match user {
                Some(user) => &["get", service, user],
                None => &["--mode", "creds", "get", service],
            };
            let output = Command::new("keyring")
                .args(words)
                .stdin(Stdio::null())
                .output()
                .map_err(|error| {
                    Error::new(
                        Kind::Missing,
                        format!("index.keyring-provider: can't run `keyring`: {error}"),
                    )
                    .hint("install it (`pipx install keyring`), or leave `keyring-provider` out")
                })?;
            let text = String::from_utf8_lossy(&output.stdout);
            let mut lines = text.lines();
            let login = match user {
                Some(user) => Some(user),
                None => lines.next(),
            };
            if let (true, Some(login), Some(password)) =
                (output.status.success(), login, lines.next())
            {
                self.known.push(Known {
                    server: Some(server.to_owned()),
                    login: Some(login.to_owned()),
                    password: password.to_owned(),
                    source: "the keyring".to_owned(),
                });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Every password and token.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|known| known.password.as_str())
    }

    /// Files that others can read too.
    pub fn open_files(&self) -> &[String] {
        &self.open_files
    }

    /// Where the credentials of an address were said, if it was completed with them.
    pub fn source(&self, url: &str) -> Option<&str> {
        let bare = without_credentials(url);
        let (_, _, server, _) = parts(&bare)?;
        let known = self.of(server, None)?;
        (self.complete(&bare) == url).then_some(known.source.as_str())
    }

    fn of(&self, server: &str, user: Option<&str>) -> Option<&Known> {
        let host = host(server);
        let fits = |known: &&Known| match (&known.login, user) {
            (Some(login), Some(user)) => login == user,
            (_, None) | (None, _) => true,
        };
        let of = |names: &[Option<&str>]| {
            let mut all = self.known.iter().filter(fits);
            all.find(|known| names.contains(&known.server.as_deref()))
        };
        of(&[Some(server), Some(host)]).or_else(|| of(&[None]))
    }

    /// An address with the credentials that belong to it, if it has none and there are some.
    pub fn complete(&self, url: &str) -> String {
        let found = parts(url).and_then(|(scheme, user, server, path)| {
            if !matches!(scheme, "http" | "https") || user.is_some_and(|user| user.contains(':')) {
                return None;
            }
            let known = self.of(server, user)?;
            let login = match (&known.login, user) {
                (_, Some(user)) => user.to_owned(),
                (Some(login), None) => percent_encoded(login),
                (None, None) => TOKEN_USER.to_owned(),
            };
            let password = percent_encoded(&known.password);
            Some(format!("{scheme}://{login}:{password}@{server}{path}"))
        });
        found.unwrap_or_else(|| url.to_owned())
    }

    /// A netrc file for these addresses, for programs that read no other credentials; empty when none
    /// has any.
    pub fn netrc_of<'a>(&self, urls: impl Iterator<Item = &'a str>) -> String {
        let entry = |url: &str| {
            let (_, user, server, _) = parts(url)?;
            let known = self.of(server, user)?;
            let login = known.login.as_deref().or(user).unwrap_or(TOKEN_USER);
            // Older programs know no quotation marks.
            let quoted = |text: &str| {
                if !text.contains([' ', '"', '\\', '#']) {
                    return text.to_owned();
                }
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            };
            Some(format!(
                "machine {} login {} password {}\n",
                host(server),
                quoted(login),
                quoted(&known.password)
            ))
        };
        urls.filter_map(entry).collect::<Vec<_>>().concat()
    }
}

/// A server without its port.
fn host(server: &str) -> &str {
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => server,
    }
}

/// Scheme, what stands in front of the `@`, host with port, and the rest of an address.
fn parts(url: &str) -> Option<(&str, Option<&str>, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some(match authority.rsplit_once('@') {
        Some((user, server)) => (scheme, Some(user), server, path),
        None => (scheme, None, authority, path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(server: Option<&str>, login: Option<&str>, password: &str) -> Known {
        Known {
            server: server.map(str::to_owned),
            login: login.map(str::to_owned),
            password: password.to_owned(),
            source: "a test".to_owned(),
        }
    }

    #[test]
    fn an_address_gets_the_credentials_of_its_server_and_no_other() {
        let credentials = Credentials {
            known: vec![
                known(Some("a.example:8443"), None, "t/1"),
                known(Some("a.example"), Some("jane"), "p1"),
                known(Some("b.example"), Some("b@b"), "p 2"),
            ],
            open_files: Vec::new(),
        };
        for (url, expected) in [
            (
                "https://a.example:8443/simple/",
                "https://__token__:t%2F1@a.example:8443/simple/",
            ),
            (
                "https://ci@a.example:8443/s",
                "https://ci:t%2F1@a.example:8443/s",
            ),
            ("http://a.example/x?y", "http://jane:p1@a.example/x?y"),
            ("https://b.example", "https://b%40b:p%202@b.example"),
            ("https://bob@b.example/", "https://bob@b.example/"),
            ("https://me:own@a.example/", "https://me:own@a.example/"),
            ("https://c.example/a.example", "https://c.example/a.example"),
            ("ssh://a.example/x", "ssh://a.example/x"),
            ("file:///a.example", "file:///a.example"),
        ] {
            assert_eq!(credentials.complete(url), expected);
        }
        assert_eq!(
            credentials.source("https://b%40b:p%202@b.example/"),
            Some("a test")
        );
        assert_eq!(
            credentials.netrc_of(["https://b.example/x.git", "https://c.example/"].into_iter()),
            "machine b.example login b@b password \"p 2\"\n"
        );
    }

    #[test]
    fn a_default_is_for_those_that_have_no_other() {
        let credentials = Credentials {
            known: vec![
                known(None, Some("any"), "p"),
                known(Some("a"), Some("own"), "q"),
            ],
            open_files: Vec::new(),
        };
        assert_eq!(credentials.complete("http://a/"), "http://own:q@a/");
        assert_eq!(credentials.complete("http://b/"), "http://any:p@b/");
    }
}
