//! OpenPGP signatures over packages: who makes them, and with which key.
//!
//! Keys are a file, one of gpg's agent, or behind a command of the user's. Secrets go by file or
//! descriptor, never by a word of a command or the environment. Knows nothing of package formats,
//! and makes no OpenPGP packet itself: gpg does, or the command.

mod check;
mod gpg;
mod hook;
mod packet;
mod process;

use std::fmt;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

use self::check::Check;
pub use self::packet::{Algorithm, Signature};

/// Where the secret key is.
#[derive(Clone, PartialEq, Eq)]
pub enum SigningKey {
    /// In the user's keyring; gpg's agent has it, or asks for it.
    Agent {
        /// Its fingerprint.
        key: String,
        /// A file with the passphrase in its first line; `None`: the agent knows or asks.
        passphrase_file: Option<PathBuf>,
    },
    /// In a file, armored or not.
    File {
        /// The file.
        path: PathBuf,
        /// A file with the passphrase in its first line.
        passphrase_file: Option<PathBuf>,
    },
    /// Behind a command, which is given what is to be signed on its standard input and writes a
    /// detached binary signature on its standard output (an HSM, a signing service).
    Command {
        /// The command, word by word.
        argv: Vec<String>,
        /// The fingerprint of the key that it is to sign with; `None`: whichever it likes.
        key: Option<String>,
        /// A file with the public key, which each signature is verified with.
        public_key: Option<PathBuf>,
    },
}

/// The paths of key files and a command's words are nobody's business in a key or a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Agent { .. } => "a key of gpg's agent",
            Self::File { .. } => "a key in a file",
            Self::Command { .. } => "a command's key",
        })
    }
}

/// Which signatures the oldest package manager of a platform can check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRules {
    /// Every key that gpg makes.
    #[default]
    Any,
    /// RSA and DSA: rpm before 4.16 knows no elliptic curves.
    Rsa,
    /// RSA and DSA, by the primary key: rpm before 4.13 knows no subkeys, and no elliptic curves.
    RsaPrimary,
}

impl KeyRules {
    /// Whether signatures of an algorithm can be checked.
    fn allow(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Any => true,
            Self::Rsa | Self::RsaPrimary => {
                matches!(algorithm, Algorithm::Rsa | Algorithm::Dsa)
            }
        }
    }
}

/// What is signed; a signature that a command made is verified with a second look at it.
pub trait Content: Read {
    /// Goes back to the beginning.
    fn rewind(&mut self) -> io::Result<()>;
}

impl Content for io::Cursor<&[u8]> {
    fn rewind(&mut self) -> io::Result<()> {
        Seek::rewind(self)
    }
}

/// A key that is ready to sign.
#[derive(Debug)]
pub struct Signer {
    backend: Backend,
    rules: KeyRules,
}

#[derive(Debug)]
enum Backend {
    Gpg(gpg::Gpg),
    Hook { argv: Vec<String>, check: Check },
}

impl Signer {
    /// Finds the key and holds it against the platform's rules. Signatures have the time `epoch`
    /// (seconds since 1970), or that of the key when it is younger, so that the same content has the
    /// same signature (RSA and EdDSA signatures are deterministic).
    ///
    /// Fails with [`Kind::Publish`] when there is no such key, when it has expired, or when the
    /// platform's package manager could not check its signatures; with [`Kind::Missing`] when a
    /// key's file is not there.
    pub fn open(key: &SigningKey, rules: KeyRules, epoch: u64) -> Result<Self> {
        let backend = match key {
            SigningKey::Agent {
                key,
                passphrase_file,
            } => Backend::Gpg(gpg::Gpg::of_user(
                key,
                passphrase_file.as_deref(),
                rules,
                epoch,
            )?),
            SigningKey::File {
                path,
                passphrase_file,
            } => Backend::Gpg(gpg::Gpg::of_file(
                path,
                passphrase_file.as_deref(),
                rules,
                epoch,
            )?),
            SigningKey::Command {
                argv,
                key,
                public_key,
            } => Backend::Hook {
                argv: argv.clone(),
                check: Check::open(key.as_deref(), public_key.as_deref())?,
            },
        };
        Ok(Self { backend, rules })
    }

    /// A detached signature over everything that `content` yields; `what` names it in errors.
    ///
    /// Fails with [`Kind::Publish`] when none is made, and when a command answers with one that is
    /// not of the key it is to sign with.
    pub fn sign(&self, content: &mut dyn Content, what: &str) -> Result<Signature> {
        let explain = |error: Error| error.context(format!("signing `{what}`"));
        let mut source: &mut dyn Content = content;
        let bytes = match &self.backend {
            Backend::Gpg(gpg) => gpg.sign(&mut source),
            Backend::Hook { argv, .. } => hook::sign(argv, &mut source),
        };
        let signature = Signature::parse(bytes.map_err(explain)?).map_err(explain)?;
        match &self.backend {
            // It names the key to gpg, by its fingerprint.
            Backend::Gpg(_) => {}
            Backend::Hook { check, .. } => check.check(&signature, content).map_err(explain)?,
        }
        if self.rules.allow(signature.algorithm()) {
            return Ok(signature);
        }
        Err(explain(unreadable(signature.algorithm())))
    }
}

/// The platform can't check what this key signs.
fn unreadable(algorithm: Algorithm) -> Error {
    Error::new(
        Kind::Publish,
        format!("the platform's package manager can't check {algorithm} signatures"),
    )
    .hint("sign for this platform with an RSA key")
    .hint("or leave its packages unsigned: `--no-sign`")
}
