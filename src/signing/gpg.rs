//! GnuPG as a signer: the user's own keyring and agent, or a home of its own for a key in a file.
//!
//! A key's file is imported into a folder that only this user can read and that goes with the
//! signer, its agent too.

use std::io::{Read, empty};
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Kind, Result};
use crate::fsutil::Lock;

use super::packet::Algorithm;
use super::{KeyRules, process, unreadable};

/// The program.
const GPG: &str = "gpg";
/// What the folders of keys from files are called, in the folder of temporary files.
const HOME_PREFIX: &str = "omnibuild-gpg-";
/// The lock's file in such a folder.
const HOME_LOCK: &str = "omnibuild.lock";

/// A key and the gpg that has it.
#[derive(Debug)]
pub(super) struct Gpg {
    home: Option<Home>,
    passphrase_file: Option<std::path::PathBuf>,
    /// The fingerprint that signs, with `!` when no other of its key may.
    key: String,
    /// The time of signatures.
    time: u64,
}

/// A folder with one key, locked while somebody uses it.
#[derive(Debug)]
pub(super) struct Home {
    folder: tempfile::TempDir,
    _lock: Lock,
}

impl Home {
    /// An empty one; those that killed runs left are removed.
    pub(super) fn new() -> Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(HOME_PREFIX).tempdir()?;
        let lock = Lock::exclusive(&folder.path().join(HOME_LOCK))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        stop_agent(self.folder.path());
    }
}

/// The agent that gpg started for a folder would live on without it.
fn stop_agent(home: &Path) {
    let mut command = Command::new("gpgconf");
    command.arg("--homedir").arg(home);
    command.args(["--kill", "gpg-agent"]);
    drop(command.output());
}

/// Removes what nobody holds the lock of. What can't be read or removed is another user's.
fn sweep(folder: &Path) {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(HOME_PREFIX);
        let lock = path.join(HOME_LOCK);
        // One without the lock's file is being made.
        if ours && lock.is_file() && matches!(Lock::try_exclusive(&lock), Ok(Some(_))) {
            stop_agent(&path);
            drop(fs_err::remove_dir_all(&path));
        }
    }
}

impl Gpg {
    /// A key of the user's keyring.
    pub(super) fn of_user(
        key: &str,
        passphrase_file: Option<&Path>,
        rules: KeyRules,
        epoch: u64,
    ) -> Result<Self> {
        Self::choose(None, Some(key), passphrase_file, rules, epoch)
    }

    /// The key in a file.
    pub(super) fn of_file(
        path: &Path,
        passphrase_file: Option<&Path>,
        rules: KeyRules,
        epoch: u64,
    ) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::new(
                Kind::Missing,
                format!("there is no key to sign with at `{}`", path.display()),
            )
            .hint("export one: `gpg --export-secret-keys --armor KEY`")
            .hint("or build unsigned packages: `--no-sign`"));
        }
        let home = Home::new()?;
        let mut command = gpg(Some(&home));
        passphrase(&mut command, passphrase_file);
        command.arg("--import").arg(path);
        process::run(command, &mut empty()).map_err(|error| {
            error
                .context(format!("reading the key `{}`", path.display()))
                .hint("give a secret key as `gpg --export-secret-keys` writes it, and `passphrase-file` when it has a passphrase")
        })?;
        Self::choose(Some(home), None, passphrase_file, rules, epoch)
    }

    fn choose(
        home: Option<Home>,
        wanted: Option<&str>,
        passphrase_file: Option<&Path>,
        rules: KeyRules,
        epoch: u64,
    ) -> Result<Self> {
        let mut command = gpg(home.as_ref());
        command.args(["--with-colons", "--fixed-list-mode", "--list-secret-keys"]);
        // After `--` no word is taken for an option.
        command.arg("--").args(wanted);
        let name = wanted.unwrap_or("of the file");
        let listing = process::run(command, &mut empty()).map_err(|error| {
            error
                .context(format!("the key `{name}`"))
                .hint("list the keys that are there: `gpg --list-secret-keys`")
        })?;
        let chosen = select(&String::from_utf8_lossy(&listing), rules)
            .map_err(|error| error.context(format!("the key `{name}`")))?;
        Ok(Self {
            home,
            passphrase_file: passphrase_file.map(Path::to_owned),
            key: chosen.key,
            time: epoch.max(chosen.created),
        })
    }

    /// A detached binary signature.
    pub(super) fn sign(&self, content: &mut dyn Read) -> Result<Vec<u8>> {
        let mut command = gpg(self.home.as_ref());
        passphrase(&mut command, self.passphrase_file.as_deref());
        command
            // `!`: the clock stands still.
            .arg(format!("--faked-system-time={}!", self.time))
            .args(["--digest-algo", "SHA256", "--no-armor", "--local-user"])
            .arg(&self.key)
            .args(["--detach-sign", "--output", "-"]);
        process::run(command, content).map_err(|error| {
            error
                .hint("when the key has a passphrase, name a `passphrase-file` or unlock the agent")
        })
    }
}

/// gpg with that home, or the user's own.
pub(super) fn gpg(home: Option<&Home>) -> Command {
    let mut command = Command::new(GPG);
    command
        .env("LC_ALL", "C")
        .args(["--batch", "--no-tty", "--quiet"]);
    if let Some(home) = home {
        command.arg("--homedir").arg(home.folder.path());
    }
    command
}

fn passphrase(command: &mut Command, file: Option<&Path>) {
    if let Some(file) = file {
        command
            .args(["--pinentry-mode", "loopback", "--passphrase-file"])
            .arg(file);
    }
}

/// What signs.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    key: String,
    created: u64,
}

/// A `sec` or `ssb` record of gpg's colon listing (GnuPG, doc/DETAILS).
struct Record<'a> {
    primary: bool,
    validity: &'a str,
    algorithm: Option<Algorithm>,
    created: u64,
    signs: bool,
    here: bool,
    fingerprint: &'a str,
}

fn records(listing: &str) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        match field(0) {
            kind @ ("sec" | "ssb") => records.push(Record {
                primary: kind == "sec",
                validity: field(1),
                algorithm: field(3).parse().ok().and_then(Algorithm::of_number),
                created: field(5).parse().unwrap_or(0),
                // Small letters are of this key alone, capital ones of all of it.
                signs: field(11).contains('s'),
                here: field(14) != "#",
                fingerprint: "",
            }),
            "fpr" => {
                if let Some(last) = records
                    .last_mut()
                    .filter(|last| last.fingerprint.is_empty())
                {
                    last.fingerprint = field(9);
                }
            }
            _ => {}
        }
    }
    records
}

/// The newest key that may sign and whose signatures the platform can check.
fn select(listing: &str, rules: KeyRules) -> Result<Chosen> {
    let refuse = |message: &str| Error::new(Kind::Publish, message);
    let records = records(listing);
    match records.iter().filter(|record| record.primary).count() {
        0 => return Err(refuse("no secret key is there").hint("a public key can't sign")),
        1 => {}
        count => {
            return Err(refuse(&format!("{count} keys match"))
                .hint("name one by its fingerprint: `gpg --list-secret-keys`"));
        }
    }
    let good = |record: &&Record<'_>| !matches!(record.validity, "e" | "r" | "d" | "i");
    let mut signing: Vec<&Record<'_>> = records
        .iter()
        .filter(|record| record.signs && record.here)
        .collect();
    if signing.is_empty() {
        return Err(refuse("it can't sign").hint("take a key with the capability to sign"));
    }
    signing.retain(good);
    if signing.is_empty() {
        return Err(refuse("it has expired or is revoked")
            .hint("extend it (`gpg --edit-key KEY expire`), or sign with another key"));
    }
    let readable = |record: &&Record<'_>| {
        record
            .algorithm
            .is_none_or(|algorithm| rules.allow(algorithm))
    };
    match rules {
        // The newest that the platform can check, where there is such a one.
        KeyRules::Rsa if signing.iter().any(readable) => signing.retain(readable),
        KeyRules::Any | KeyRules::Rsa => {}
        KeyRules::RsaPrimary => signing.retain(|record| record.primary),
    }
    let Some(chosen) = signing.iter().max_by_key(|record| record.created) else {
        return Err(refuse("only a subkey of it can sign, and the platform's rpm checks signatures of primary keys only")
            .hint("sign for this platform with a key whose primary key can sign"));
    };
    if let Some(algorithm) = chosen.algorithm
        && !rules.allow(algorithm)
    {
        return Err(unreadable(algorithm));
    }
    Ok(Chosen {
        key: format!("{}!", chosen.fingerprint),
        created: chosen.created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A primary key that signs and certifies, and a younger subkey that signs.
    const LISTING: &str = "\
sec:u:2048:1:AAAA:1000:::u:::scESC:::+:::23::0:
fpr:::::::::PRIMARY:
grp:::::::::GRIP:
uid:u::::1000::HASH::Somebody <somebody@acme.example>::::::::::0:
ssb:u:255:22:BBBB:2000::::::s:::+:ed25519::23:
fpr:::::::::SUBKEY:
grp:::::::::GRIP:
";

    #[test]
    fn the_newest_key_signs_unless_the_platform_knows_only_primary_ones() {
        let chosen = |rules| select(LISTING, rules).unwrap();
        let expect = |key: &str, created| Chosen {
            key: key.into(),
            created,
        };
        assert_eq!(chosen(KeyRules::Any), expect("SUBKEY!", 2000));
        assert_eq!(chosen(KeyRules::RsaPrimary), expect("PRIMARY!", 1000));
        assert_eq!(chosen(KeyRules::Rsa), expect("PRIMARY!", 1000));
        let of_rsa = LISTING.replace(":255:22:", ":2048:1:");
        let subkey = select(&of_rsa, KeyRules::Rsa).unwrap();
        assert_eq!(subkey, expect("SUBKEY!", 2000));
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = |name: &str| {
            let home = folder.path().join(format!("{HOME_PREFIX}{name}"));
            fs_err::create_dir(&home).unwrap();
            fs_err::write(home.join(HOME_LOCK), "").unwrap();
            home
        };
        let (dead, used) = (home("dead"), home("used"));
        let _lock = Lock::exclusive(&used.join(HOME_LOCK)).unwrap();
        let fresh = folder.path().join(format!("{HOME_PREFIX}fresh"));
        fs_err::create_dir(&fresh).unwrap();
        sweep(folder.path());
        assert!(!dead.exists() && used.exists() && fresh.exists());
    }

    #[test]
    fn keys_that_will_not_do_say_why() {
        let edit = |from: &str, to: &str| LISTING.replace(from, to);
        let cases = [
            (String::new(), KeyRules::Any, "no secret key"),
            (LISTING.repeat(2), KeyRules::Any, "2 keys match"),
            (
                edit("c:u:2048", "c:e:2048").replace("b:u", "b:r"),
                KeyRules::Any,
                "expired",
            ),
            (
                edit("scESC", "cESC").replace(":s:::+", ":e:::+"),
                KeyRules::Any,
                "can't sign",
            ),
            (edit("scESC", "cESC"), KeyRules::RsaPrimary, "only a subkey"),
            (
                edit("scESC:::+", "scESC:::#"),
                KeyRules::RsaPrimary,
                "only a subkey",
            ),
            (edit("2048:1:", "255:22:"), KeyRules::RsaPrimary, "EdDSA"),
            (edit("2048:1:", "255:22:"), KeyRules::Rsa, "EdDSA"),
        ];
        for (listing, rules, reason) in cases {
            let error = select(&listing, rules).unwrap_err();
            assert!(error.message().contains(reason), "{reason}: {error}");
            assert!(!error.hints().is_empty(), "{reason}");
        }
    }
}
