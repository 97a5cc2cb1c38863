//! A set as an object: the bytes of its file, and who says so.
//!
//! ```text
//! {"schema": 1, "signature": "<64 hexadecimal digits>", "set": "<the file of the set, as text>"}
//! ```
//!
//! The signature is HMAC-SHA256 (RFC 2104) over a fixed line, the platform, the key's digest and the
//! text, so it holds in every scope and for nothing else. Knows no server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::digest::{Digest, hex};
use crate::error::{Error, Kind, Result};
use crate::platform::PlatformId;
use crate::report::Reporter;

use super::super::store::WheelSet;

const SCHEMA: u32 = 1;
/// What the signature is for; a signature made for another purpose is none.
const DOMAIN: &str = "omnibuild remote set 1";
/// As long as the digest: a shorter key would be the weakest part.
const SHORTEST_KEY: usize = 32;

/// The key that manifests are signed with. It is not printed.
pub(super) struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads the key in a file, without the line end that editors add.
    pub(super) fn read(path: &Path, report: &Reporter) -> Result<Self> {
        const HINT: &str = "name a file with at least 32 random bytes in `cache.key-file` or \
            OMNIBUILD_CACHE_KEY_FILE: `openssl rand -hex 32`";
        let bytes = fs_err::read(path).map_err(|error| Error::from(error).hint(HINT))?;
        let key = bytes.trim_ascii_end().to_vec();
        if key.len() < SHORTEST_KEY {
            let text = format!(
                "cache.key-file: the key in `{}` is too short",
                path.display()
            );
            return Err(Error::new(Kind::Config, text).hint(HINT));
        }
        if let Ok(text) = std::str::from_utf8(&key) {
            report.redact(text);
        }
        let mode = fs_err::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            let text = format!("others may read the key in `{}`", path.display());
            let hint = format!("`chmod 600 {}`", path.display());
            report.warn(None, &text, Some(&hint));
        }
        Ok(Self(key))
    }

    fn over(&self, platform: &PlatformId, key: &Digest, text: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in [DOMAIN, platform.as_str(), key.as_str(), text] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    set: String,
}

/// Why a manifest can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsound {
    /// It is not what was written, or of another key.
    Damaged,
    /// It has to be signed and is not.
    NotSigned,
    /// It was signed with another key, for another set, or changed since.
    WrongSignature,
}

/// A set as an object.
pub(super) fn seal(
    set: &WheelSet,
    platform: &PlatformId,
    key: Option<&SigningKey>,
) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(&set.to_sealed_json()?).into_owned();
    let signature = key.map(|key| {
        let mac = key.over(platform, &set.key.digest, &text);
        hex(&mac.finalize().into_bytes())
    });
    let envelope = Envelope {
        schema: SCHEMA,
        signature,
        set: text,
    };
    Ok(serde_json::to_vec(&envelope).map_err(std::io::Error::from)?)
}

/// The set in an object that was found under a platform and a key's digest. With a key it must be
/// signed by it; without one nobody can tell, and a signature says nothing.
pub(super) fn open(
    bytes: &[u8],
    platform: &PlatformId,
    digest: &Digest,
    key: Option<&SigningKey>,
) -> Result<WheelSet, Unsound> {
    let envelope: Option<Envelope> = serde_json::from_slice(bytes).ok();
    let envelope = envelope
        .filter(|envelope| envelope.schema == SCHEMA)
        .ok_or(Unsound::Damaged)?;
    if let Some(key) = key {
        let signature = envelope.signature.as_deref().ok_or(Unsound::NotSigned)?;
        let signature = unhex(signature).ok_or(Unsound::WrongSignature)?;
        key.over(platform, digest, &envelope.set)
            .verify_slice(&signature)
            .ok()
            .ok_or(Unsound::WrongSignature)?;
    }
    WheelSet::from_sealed_json(envelope.set.as_bytes())
        .filter(|set| set.key.digest == *digest)
        .ok_or(Unsound::Damaged)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::KeyBuilder;
    use crate::wheels::WheelStore;

    fn set() -> (PlatformId, WheelSet) {
        let folder = tempfile::tempdir().unwrap();
        let store = WheelStore::new(folder.path());
        let wheel = store.put("a-1-py3-none-any.whl", &mut &b"a"[..]).unwrap();
        let platform: PlatformId = "debian-12".parse().unwrap();
        let key = KeyBuilder::new("wheels", 1).finish();
        let set = store.put_set(&platform, "p", key, vec![wheel]).unwrap();
        (platform, set)
    }

    fn key(text: &str) -> SigningKey {
        SigningKey(text.as_bytes().to_vec())
    }

    #[test]
    fn only_what_was_signed_with_the_key_is_opened() {
        let (platform, set) = set();
        let digest = &set.key.digest;
        let one = key("one key, one key, one key, one key");
        let other = key("other key, other key, other key, oth");
        let signed = seal(&set, &platform, Some(&one)).unwrap();
        let unsigned = seal(&set, &platform, None).unwrap();
        let opened = |bytes: &[u8], key| open(bytes, &platform, digest, key);
        assert_eq!(opened(&signed, Some(&one)), Ok(set.clone()));
        assert_eq!(opened(&signed, None), Ok(set.clone()));
        assert_eq!(opened(&unsigned, None), Ok(set.clone()));
        assert_eq!(opened(&unsigned, Some(&one)), Err(Unsound::NotSigned));
        assert_eq!(opened(&signed, Some(&other)), Err(Unsound::WrongSignature));
        let elsewhere = "debian-13".parse().unwrap();
        let found = open(&signed, &elsewhere, digest, Some(&one));
        assert_eq!(found, Err(Unsound::WrongSignature));
        let found = open(&signed, &platform, &Digest::of("x"), Some(&one));
        assert_eq!(found, Err(Unsound::WrongSignature));
        let found = open(&unsigned, &platform, &Digest::of("x"), None);
        assert_eq!(found, Err(Unsound::Damaged));
    }

    #[test]
    fn no_changed_byte_goes_unseen() {
        let (platform, set) = set();
        let one = key("one key, one key, one key, one key");
        for key in [None, Some(&one)] {
            let whole = seal(&set, &platform, key).unwrap();
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                if let Ok(opened) = open(&bytes, &platform, &set.key.digest, key) {
                    // White space between values, or a digit of a signature nobody asks for.
                    assert_eq!(opened, set, "byte {at}");
                }
                assert!(open(&whole[..at], &platform, &set.key.digest, key).is_err());
            }
        }
    }

    #[test]
    fn a_short_key_is_refused_and_an_open_file_is_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let report = Reporter::hidden();
        fs_err::write(&path, "short\n").unwrap();
        let error = SigningKey::read(&path, &report).err().unwrap();
        assert_eq!(error.kind(), Kind::Config);
        assert!(!error.message().contains("short\n"));
        fs_err::write(&path, format!("{}\n", "x".repeat(32))).unwrap();
        for (mode, warned) in [(0o600, false), (0o644, true)] {
            fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let report = Reporter::hidden();
            let key = SigningKey::read(&path, &report).unwrap();
            assert_eq!(key.0.len(), 32);
            let lines = report.recorded(crate::report::Stream::Progress).join("\n");
            assert_eq!(lines.contains("others may read the key"), warned, "{lines}");
        }
    }
}
