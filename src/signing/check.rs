//! Whether a signature that came from a command is one of the key it should be of.
//!
//! Compares what the signature says of its issuer, and lets gpg verify it where the public key is
//! at hand. Trusts nothing else that a command says.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

use super::gpg::{Home, gpg};
use super::packet::{Issuer, Signature};
use super::{Content, process};

/// Whose signatures are taken; without anything, whoever's.
#[derive(Debug)]
pub(super) struct Check {
    /// The fingerprint of the key, in capitals.
    key: Option<String>,
    public: Option<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    path: PathBuf,
    home: Home,
}

impl Check {
    /// Reads the public key, where one is named.
    ///
    /// Fails with [`Kind::Missing`] when it is not there, and with [`Kind::Publish`] when gpg can't
    /// read it.
    pub(super) fn open(key: Option<&str>, public: Option<&Path>) -> Result<Self> {
        Ok(Self {
            key: key.map(str::to_owned),
            public: public.map(PublicKey::open).transpose()?,
        })
    }

    /// Refuses a signature that is another key's, or not of this content.
    pub(super) fn check(&self, signature: &Signature, content: &mut dyn Content) -> Result<()> {
        let Some(public) = &self.public else {
            return match &self.key {
                Some(key) => is_by(signature, key),
                None => Ok(()),
            };
        };
        content.rewind()?;
        let signers = public.verify(signature, content)?;
        match &self.key {
            Some(key) if !signers.contains(key) => Err(foreign(key, &signers.join(", of "))),
            _ => Ok(()),
        }
    }
}

/// What the signature itself says.
fn is_by(signature: &Signature, key: &str) -> Result<()> {
    match signature.issuer() {
        Some(Issuer::Fingerprint(found)) if found == key => Ok(()),
        // The low 64 bits in version 4, the high ones in version 6 (RFC 9580, section 5.5.4).
        Some(Issuer::KeyId(found)) if key.len() == 40 && key.ends_with(&found) => Ok(()),
        Some(Issuer::KeyId(found)) if key.len() == 64 && key.starts_with(&found) => Ok(()),
        Some(Issuer::Fingerprint(found) | Issuer::KeyId(found)) => Err(foreign(key, &found)),
        None => Err(Error::new(
            Kind::Publish,
            format!("the signature does not say that it is of the key {key}"),
        )
        .hint("let the command write the issuer's fingerprint into it, as gpg does")
        .hint("or name the public key in `signing.public-key`, which it is then verified with")),
    }
}

fn foreign(key: &str, found: &str) -> Error {
    Error::new(
        Kind::Publish,
        format!("the signature is of the key {found}, and `signing.key` is {key}"),
    )
    .hint("let the command sign with that key, or correct `signing.key`")
    .hint("a signature of a subkey has the subkey's fingerprint: name that one, or name `signing.public-key` too")
}

impl PublicKey {
    fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::new(
                Kind::Missing,
                format!("signing.public-key: there is no file `{}`", path.display()),
            )
            .hint("export it: `gpg --armor --export KEY`"));
        }
        let home = Home::new()?;
        let mut command = gpg(Some(&home));
        command.arg("--import").arg(path);
        process::run(command, &mut std::io::empty()).map_err(|error| {
            error
                .context(format!("signing.public-key: reading `{}`", path.display()))
                .hint("give a public key as `gpg --export` writes it")
        })?;
        Ok(Self {
            path: path.to_owned(),
            home,
        })
    }

    /// The fingerprints of the key that signed and of its primary key.
    fn verify(&self, signature: &Signature, content: &mut dyn Content) -> Result<Vec<String>> {
        let file = self.home.folder().join("signature");
        fs_err::write(&file, signature.bytes())?;
        let mut command = gpg(Some(&self.home));
        command
            .args(["--status-fd", "1", "--trust-model", "always", "--verify"])
            .arg(&file)
            .arg("-");
        let refused = || {
            let message = format!(
                "the signature is no valid one by the key in `{}`",
                self.path.display()
            );
            Error::new(Kind::Publish, message)
                .hint("the command signs with another key, with one that has expired, or something else than it was given")
        };
        let mut content: &mut dyn Content = content;
        let said =
            process::run(command, &mut content).map_err(|error| match error.failed_command() {
                Some(failed) => refused().command(failed.clone()),
                None => error,
            })?;
        signers(&String::from_utf8_lossy(&said)).ok_or_else(refused)
    }
}

/// What gpg's status lines say of a good signature (GnuPG, doc/DETAILS).
fn signers(status: &str) -> Option<Vec<String>> {
    let mut lines = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let good = lines.clone().any(|line| line.starts_with("GOODSIG "));
    let valid = lines.find_map(|line| line.strip_prefix("VALIDSIG "))?;
    let mut words = valid.split(' ');
    let own = words.next()?.to_owned();
    let primary = words.next_back().map(str::to_owned);
    let mut all = vec![own];
    all.extend(primary);
    all.dedup();
    good.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_signature_has_signers() {
        let status = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG ID Name\n\
                      [GNUPG:] VALIDSIG SUB 2024-01-01 1 0 4 0 1 8 00 PRIMARY\n";
        assert_eq!(signers(status).unwrap(), ["SUB", "PRIMARY"]);
        assert_eq!(signers(&status.replace("GOODSIG", "EXPKEYSIG")), None);
        assert_eq!(signers(&status.replace("VALIDSIG", "BADSIG")), None);
        assert_eq!(signers(""), None);
    }
}
