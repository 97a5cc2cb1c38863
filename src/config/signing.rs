//! `[signing]`: who signs the packages, as the files, the command line and the environment say.
//!
//! Checks words; reads no key.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::signing::SigningKey;

/// `[signing]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSigning {
    key: Option<String>,
    key_file: Option<PathBuf>,
    command: Option<Vec<String>>,
    public_key: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    deb: Option<bool>,
}

/// What the command line and the environment say of signing.
#[derive(Debug, Clone, Default)]
pub struct SigningOverrides {
    /// `--no-sign`: packages are left unsigned whatever the files say.
    pub never: bool,
    /// `OMNIBUILD_SIGNING_KEY`: a key of gpg's agent.
    pub key: Option<String>,
    /// `OMNIBUILD_SIGNING_KEY_FILE`.
    pub key_file: Option<PathBuf>,
    /// `OMNIBUILD_SIGNING_PASSPHRASE_FILE`.
    pub passphrase_file: Option<PathBuf>,
}

/// Who signs, checked.
#[derive(Debug, Clone)]
pub struct SigningConfig {
    /// The key.
    pub key: SigningKey,
    /// Whether deb packages are signed too; apt checks repositories, not packages.
    pub deb: bool,
}

impl SigningConfig {
    /// Checks what was said; `None` when packages stay unsigned.
    pub(super) fn check(
        root: &Path,
        raw: RawSigning,
        overrides: SigningOverrides,
    ) -> Result<Option<Self>> {
        if overrides.never {
            return Ok(None);
        }
        let passphrase_file = overrides
            .passphrase_file
            .or(raw.passphrase_file.map(|path| root.join(path)));
        // What the environment says stands in place of the files' key, whatever kind that is.
        let (key, key_file, command) = if overrides.key.is_some() || overrides.key_file.is_some() {
            (overrides.key, overrides.key_file, None)
        } else {
            let key_file = raw.key_file.map(|path| root.join(path));
            (raw.key, key_file, raw.command)
        };
        let public_key = raw.public_key.map(|path| root.join(path));
        if public_key.is_some() && command.is_none() && key.is_none() && key_file.is_none() {
            return Err(wrong("signing.public-key: nothing is signed")
                .hint("name the `command` whose signatures it is to verify"));
        }
        let key = match (key, key_file, command) {
            (None, None, None) => return Ok(None),
            (Some(key), None, None) => SigningKey::Agent {
                key: fingerprint(&key)?,
                passphrase_file,
            },
            (None, Some(path), None) => SigningKey::File {
                path,
                passphrase_file,
            },
            (key, None, Some(argv)) => {
                if argv.first().is_none_or(String::is_empty) {
                    return Err(wrong("signing.command is empty").hint(
                        "write the command word by word, such as `[\"/usr/local/bin/sign\"]`",
                    ));
                }
                SigningKey::Command {
                    argv,
                    key: key.as_deref().map(fingerprint).transpose()?,
                    public_key,
                }
            }
            _ => {
                return Err(wrong("signing: more than one key is named")
                    .hint("keep one of `key`, `key-file` and `command`; beside `command`, `key` says which key it signs with"));
            }
        };
        Ok(Some(Self {
            key,
            deb: raw.deb.unwrap_or_default(),
        }))
    }
}

/// A fingerprint of version 4 or 6, without spaces. A user ID may come to mean another key, and what
/// was signed with the old one would still count as up to date.
fn fingerprint(key: &str) -> Result<String> {
    let digits: String = key.split_whitespace().collect();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits).to_uppercase();
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && matches!(digits.len(), 40 | 64) {
        return Ok(digits);
    }
    Err(wrong(&format!(
        "signing.key: `{}` is no fingerprint",
        key.escape_default()
    ))
    .hint("write the 40 digits that `gpg --list-secret-keys` shows"))
}

fn wrong(message: &str) -> Error {
    Error::new(Kind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, overrides: SigningOverrides) -> Result<Option<SigningConfig>> {
        SigningConfig::check(
            Path::new("/project"),
            toml::from_str(text).unwrap(),
            overrides,
        )
    }

    #[test]
    fn one_key_signs() {
        let none = SigningOverrides::default();
        assert!(check("", none.clone()).unwrap().is_none());
        let file = check("key-file = \"k.asc\"\ndeb = true", none.clone())
            .unwrap()
            .unwrap();
        let expect = SigningKey::File {
            path: "/project/k.asc".into(),
            passphrase_file: None,
        };
        assert_eq!((file.key, file.deb), (expect, true));
        for bad in [
            "key-file = \"A\"\ncommand = [\"b\"]",
            "command = []",
            "key = \"Acme\"",
            "command = [\"a\"]\nkey = \"Acme\"",
        ] {
            assert_eq!(
                check(bad, none.clone()).unwrap_err().kind(),
                Kind::Config,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_command_may_name_the_key_it_signs_with() {
        let digits = "0123456789ABCDEF0123456789ABCDEF01234567";
        let text = format!("command = [\"sign\"]\nkey = \"{digits}\"\npublic-key = \"p.asc\"");
        let found = check(&text, SigningOverrides::default()).unwrap().unwrap();
        let expect = SigningKey::Command {
            argv: vec!["sign".into()],
            key: Some(digits.into()),
            public_key: Some("/project/p.asc".into()),
        };
        assert_eq!(found.key, expect);
        let error = check("public-key = \"p.asc\"", SigningOverrides::default()).unwrap_err();
        assert!(error.message().contains("nothing is signed"), "{error}");
    }

    #[test]
    fn the_environment_wins_and_no_sign_over_all() {
        let mut overrides = SigningOverrides {
            key: Some("0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567".into()),
            passphrase_file: Some("/secret".into()),
            ..SigningOverrides::default()
        };
        let text = "command = [\"x\"]";
        let expect = SigningKey::Agent {
            key: "0123456789ABCDEF0123456789ABCDEF01234567".into(),
            passphrase_file: Some("/secret".into()),
        };
        assert_eq!(check(text, overrides.clone()).unwrap().unwrap().key, expect);
        overrides.never = true;
        assert!(check(text, overrides).unwrap().is_none());
    }
}
