//! Signatures as rpm and gpg see them, by keys that gpg made.

use std::path::{Path, PathBuf};

use super::fixture::{self, run};
use super::{Packager, deb, rpm};
use crate::error::Kind;
use crate::platform::Codec;
use crate::signing::{KeyRules, Signer, SigningKey};

/// A keyring of its own, whose agent ends with it.
struct Keyring(tempfile::TempDir);

impl Keyring {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn home(&self) -> String {
        self.0.path().display().to_string()
    }

    fn gpg(&self, words: &[&str]) -> String {
        let home = self.home();
        run(
            "gpg",
            &[&["--homedir", &home, "--batch", "--quiet", "--yes"], words].concat(),
        )
    }

    /// Makes a key and answers the file of its secret part.
    fn key(&self, passphrase: &Path, steps: &[&[&str]]) -> SigningKey {
        let passphrase = passphrase.display().to_string();
        let loopback = [
            "--pinentry-mode",
            "loopback",
            "--passphrase-file",
            &passphrase,
        ];
        for step in steps {
            let words: Vec<String> = step
                .iter()
                .map(|word| word.replace("KEY", &self.fingerprint()))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.gpg(&[&loopback[..], &words].concat());
        }
        let path = self.0.path().join("secret.asc");
        let file = path.display().to_string();
        self.gpg(
            &[
                &loopback[..],
                &["--armor", "--output", &file, "--export-secret-keys"],
            ]
            .concat(),
        );
        SigningKey::File {
            path,
            passphrase_file: Some(passphrase.into()),
        }
    }

    fn fingerprint(&self) -> String {
        let listing = self.gpg(&["--with-colons", "--list-keys"]);
        let line = listing.lines().find(|line| line.starts_with("fpr:"));
        line.and_then(|line| line.split(':').nth(9))
            .unwrap_or_default()
            .to_owned()
    }

    fn public(&self) -> PathBuf {
        let path = self.0.path().join("public.asc");
        self.gpg(&["--armor", "--output", path.to_str().unwrap(), "--export"]);
        path
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        run("gpgconf", &["--homedir", &self.home(), "--kill", "all"]);
    }
}

const PRIMARY_RSA: &[&str] = &[
    "--quick-generate-key",
    "Acme <acme@acme.example>",
    "rsa2048",
    "sign,cert",
    "never",
];
const SUBKEY_RSA: &[&str] = &["--quick-add-key", "KEY", "rsa2048", "sign", "never"];
const PRIMARY_ED25519: &[&str] = &[
    "--quick-generate-key",
    "Acme <acme@acme.example>",
    "ed25519",
    "sign,cert",
    "never",
];

fn passphrase(folder: &Path) -> PathBuf {
    let path = folder.join("passphrase");
    fs_err::write(&path, "a secret of several words\n").unwrap();
    path
}

/// What rpm says of a package's signatures when it knows a key.
fn rpm_says(folder: &Path, public: &Path, package: &Path) -> String {
    let database = format!("--dbpath={}", folder.join("rpmdb").display());
    run(
        "rpmkeys",
        &[&database, "--import", public.to_str().unwrap()],
    );
    run("rpmkeys", &[&database, "-Kv", package.to_str().unwrap()])
}

#[test]
fn rpm_checks_what_was_signed_by_subkeys_and_by_primary_keys() {
    let keyring = Keyring::new();
    let folder = tempfile::tempdir().unwrap();
    let key = keyring.key(&passphrase(folder.path()), &[PRIMARY_RSA, SUBKEY_RSA]);
    let public = keyring.public();
    let primary = keyring.fingerprint().to_lowercase();
    let tree = fixture::tree(folder.path());
    let spec = fixture::spec(Codec::Gzip);
    let path = folder.path().join(rpm::Rpm.file_name(&spec));
    let mut made = Vec::new();
    for (rules, by_primary) in [(KeyRules::Any, false), (KeyRules::RsaPrimary, true)] {
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let written = rpm::Rpm.write(&spec, &tree, &path).unwrap();
            let signer = Signer::open(&key, rules, spec.epoch).unwrap();
            let artifact = rpm::Rpm.sign(&path, &written.file_name, &signer).unwrap();
            assert_eq!(
                artifact.digest,
                crate::digest::Digest::of_file(&path).unwrap()
            );
            bytes.push(fs_err::read(&path).unwrap());
        }
        assert!(
            bytes[0] == bytes[1],
            "a signature differs from one time to the next"
        );
        let said = rpm_says(folder.path(), &public, &path);
        assert!(
            said.contains("Header V4 RSA/SHA256 Signature") && !said.contains("NOT"),
            "{said}"
        );
        let id = &primary[primary.len() - 8..];
        assert_eq!(said.contains(id), by_primary, "{said}");
        made.push(bytes.remove(0));
    }
    assert!(made[0] != made[1]);
    // A package that was changed after it was signed.
    let mut bytes = made.remove(0);
    let length = bytes.len();
    bytes[length - 1] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let database = format!("--dbpath={}", folder.path().join("rpmdb").display());
    let status = std::process::Command::new("rpmkeys")
        .args([&database, "-K", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!status.status.success());
}

#[test]
fn a_key_that_the_platform_can_not_check_is_refused_before_anything_is_signed() {
    let keyring = Keyring::new();
    let folder = tempfile::tempdir().unwrap();
    let key = keyring.key(&passphrase(folder.path()), &[PRIMARY_ED25519]);
    let error = Signer::open(&key, KeyRules::RsaPrimary, 0).unwrap_err();
    assert_eq!(error.kind(), Kind::Publish);
    assert!(error.message().contains("EdDSA"), "{error}");
    let missing = SigningKey::File {
        path: folder.path().join("none.asc"),
        passphrase_file: None,
    };
    let error = Signer::open(&missing, KeyRules::Any, 0).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
}

#[test]
fn a_deb_has_its_signature_behind_its_members() {
    let keyring = Keyring::new();
    let folder = tempfile::tempdir().unwrap();
    let key = keyring.key(&passphrase(folder.path()), &[PRIMARY_ED25519]);
    let tree = fixture::tree(folder.path());
    let spec = fixture::spec(Codec::Xz);
    let path = folder.path().join(deb::Deb.file_name(&spec));
    let written = deb::Deb.write(&spec, &tree, &path).unwrap();
    let unsigned = run("dpkg-deb", &["-c", path.to_str().unwrap()]);
    let signer = Signer::open(&key, KeyRules::Any, spec.epoch).unwrap();
    deb::Deb.sign(&path, &written.file_name, &signer).unwrap();
    assert_eq!(run("dpkg-deb", &["-c", path.to_str().unwrap()]), unsigned);
    let parts = folder.path().join("parts");
    fs_err::create_dir(&parts).unwrap();
    let status = std::process::Command::new("ar")
        .args(["x", path.to_str().unwrap()])
        .current_dir(&parts)
        .status()
        .unwrap();
    assert!(status.success());
    let mut content = Vec::new();
    for name in ["debian-binary", "control.tar.gz", "data.tar.xz"] {
        content.extend(fs_err::read(parts.join(name)).unwrap());
    }
    let all = folder.path().join("all");
    fs_err::write(&all, content).unwrap();
    keyring.gpg(&[
        "--verify",
        parts.join("_gpgorigin").to_str().unwrap(),
        all.to_str().unwrap(),
    ]);
}

#[test]
fn a_command_signs_and_what_it_answers_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixture::tree(folder.path());
    let spec = fixture::spec(Codec::Gzip);
    let path = folder.path().join(rpm::Rpm.file_name(&spec));
    let written = rpm::Rpm.write(&spec, &tree, &path).unwrap();
    let before = fs_err::read(&path).unwrap();
    for (argv, reason) in [
        (vec!["cat"], "not one OpenPGP packet"),
        (vec!["true"], "packet"),
        (vec!["false"], "`false` failed"),
        // It prints more than a pipe holds before it reads.
        (vec!["seq", "100000"], "packet"),
        (vec!["omnibuild-no-such-command"], "can't be started"),
    ] {
        let argv = argv.into_iter().map(str::to_owned).collect();
        let key = SigningKey::Command {
            argv,
            key: None,
            public_key: None,
        };
        let signer = Signer::open(&key, KeyRules::Any, 0).unwrap();
        let error = rpm::Rpm
            .sign(&path, &written.file_name, &signer)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Publish);
        assert!(
            error.message().contains(reason) || error.message().contains("did not read"),
            "{reason}: {error}"
        );
        assert!(
            fs_err::read(&path).unwrap() == before,
            "the package was touched"
        );
    }
}

/// A command that signs with the key of a keyring.
fn hook(folder: &Path, keyring: &Keyring) -> Vec<String> {
    let script = folder.join("sign");
    let home = keyring.home();
    let text = format!(
        "#!/bin/sh\nexec gpg --homedir '{home}' --batch --quiet --pinentry-mode loopback \\\n\
         --passphrase-file '{}' --detach-sign --no-armor --output - -\n",
        passphrase(folder).display()
    );
    fs_err::write(&script, text).unwrap();
    vec!["/bin/sh".into(), script.display().to_string()]
}

#[test]
fn a_command_s_signature_is_taken_from_the_configured_key_only() {
    let (own, other) = (Keyring::new(), Keyring::new());
    let folder = tempfile::tempdir().unwrap();
    for keyring in [&own, &other] {
        drop(keyring.key(&passphrase(folder.path()), &[PRIMARY_ED25519]));
    }
    let tree = fixture::tree(folder.path());
    let spec = fixture::spec(Codec::Gzip);
    let sign = |format: &dyn Packager, argv: &[String], key: Option<String>, public_key| {
        let path = folder.path().join(format.file_name(&spec));
        let written = format.write(&spec, &tree, &path).unwrap();
        let key = SigningKey::Command {
            argv: argv.to_vec(),
            key,
            public_key,
        };
        let signer = Signer::open(&key, KeyRules::Any, spec.epoch)?;
        format.sign(&path, &written.file_name, &signer)
    };
    let argv = hook(folder.path(), &own);
    let (mine, theirs) = (Some(own.fingerprint()), Some(other.fingerprint()));
    for format in [&deb::Deb as &dyn Packager, &rpm::Rpm] {
        sign(format, &argv, mine.clone(), None).unwrap();
        sign(format, &argv, None, Some(own.public())).unwrap();
        sign(format, &argv, mine.clone(), Some(own.public())).unwrap();
        for (key, public_key, said) in [
            (theirs.clone(), None, "the signature is of the key"),
            (None, Some(other.public()), "no valid one by the key in"),
            (theirs.clone(), Some(own.public()), "`signing.key` is"),
        ] {
            let error = sign(format, &argv, key, public_key).unwrap_err();
            assert_eq!(error.kind(), Kind::Publish);
            assert!(error.message().contains(said), "{said}: {error}");
        }
        // The right key, over something else.
        let mut wrong = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        wrong.push(format!("cat >/dev/null; echo x | {}", argv.join(" ")));
        let error = sign(format, &wrong, mine.clone(), Some(own.public())).unwrap_err();
        assert!(error.message().contains("no valid one"), "{error}");
    }
    let none = Some(folder.path().join("none.asc"));
    let error = sign(&rpm::Rpm, &argv, None, none).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
}
