//! SHA-256 digests, and keys made of named fields.
//!
//! A key is the digest of its fields and keeps them readable, so a miss can say which one changed.
//! Knows nothing about what is digested.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Kind, Result};

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits (FIPS 180-4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::from_hash(Sha256::digest(bytes.as_ref()).as_slice())
    }

    /// The digest of all that a reader yields, and its length in bytes.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<(Self, u64)> {
        let mut writer = DigestWriter::new(io::sink());
        let length = io::copy(reader, &mut writer)?;
        Ok((writer.finish().0, length))
    }

    /// The digest of a file's content.
    pub fn of_file(path: &Path) -> Result<Self> {
        let mut file = fs::File::open(path)?;
        Ok(Self::of_reader(&mut file)?.0)
    }

    fn from_hash(hash: &[u8]) -> Self {
        Self(hex(hash))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for tags and messages.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// Lower-case hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(digits) {
            Ok(Self(text))
        } else {
            Err(Error::new(
                Kind::Internal,
                format!("`{text}` is not a SHA-256 digest"),
            ))
        }
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(text.to_owned())
    }
}

/// A writer that digests and counts what goes through it.
pub struct DigestWriter<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> DigestWriter<W> {
    /// Digests what is written to `inner` from here on.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            length: 0,
        }
    }

    /// The digest, the number of bytes, and the writer.
    pub fn finish(self) -> (Digest, u64, W) {
        (
            Digest::from_hash(self.hasher.finalize().as_slice()),
            self.length,
            self.inner,
        )
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Named fields that decide something; collects them and makes their [`Key`].
#[derive(Debug, Clone, Default)]
pub struct KeyBuilder {
    fields: BTreeMap<String, String>,
}

impl KeyBuilder {
    /// A key of this kind; the kind and the version of its meaning are fields too.
    pub fn new(kind: &str, schema: u32) -> Self {
        Self::default().field("schema", format!("{kind} {schema}"))
    }

    /// Adds a field. A name is used once.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let previous = self.fields.insert(name.clone(), value.into());
        debug_assert!(previous.is_none(), "the key has two fields `{name}`");
        self
    }

    /// Adds many fields whose names begin with `prefix`.
    #[must_use]
    pub fn fields<N: fmt::Display, V: Into<String>>(
        self,
        prefix: &str,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |this, (name, value)| {
            this.field(format!("{prefix}{name}"), value)
        })
    }

    /// The key of the fields.
    pub fn finish(self) -> Key {
        let text = serde_json::to_vec(&self.fields).expect("strings can be written as JSON");
        Key {
            digest: Digest::of(text),
            fields: self.fields,
        }
    }
}

/// The digest of named fields, with the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The digest of the fields.
    pub digest: Digest,
    /// What was digested.
    pub fields: BTreeMap<String, String>,
}

impl Key {
    /// Whether the digest is that of the fields: one that was read may be anything.
    pub fn is_sound(&self) -> bool {
        let fields = self.fields.clone();
        KeyBuilder { fields }.finish().digest == self.digest
    }

    /// Says what differs from an earlier key, one phrase a field; empty when nothing does.
    pub fn changes_since(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, value) in &self.fields {
            match earlier.fields.get(name) {
                Some(old) if old == value => {}
                Some(old) if is_long(old) || is_long(value) => {
                    changes.push(format!("{name} changed"));
                }
                Some(old) => changes.push(format!("{name} changed: {old} -> {value}")),
                None if is_long(value) => changes.push(format!("+{name}")),
                None => changes.push(format!("+{name} {value}")),
            }
        }
        let gone = earlier
            .fields
            .keys()
            .filter(|name| !self.fields.contains_key(*name));
        changes.extend(gone.map(|name| format!("-{name}")));
        changes
    }
}

/// Digests and long texts say nothing to a reader.
fn is_long(value: &str) -> bool {
    value.len() > 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_nothing_is_the_published_one() {
        assert_eq!(
            Digest::of(b"").as_str(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn a_digest_is_parsed_strictly() {
        assert!("abc".parse::<Digest>().is_err());
        let upper = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
        assert!(upper.parse::<Digest>().is_err());
    }

    #[test]
    fn a_key_does_not_depend_on_the_order_of_its_fields_but_on_all_of_them() {
        let one = KeyBuilder::new("wheels", 1)
            .field("a", "1")
            .field("b", "2")
            .finish();
        let two = KeyBuilder::new("wheels", 1)
            .field("b", "2")
            .field("a", "1")
            .finish();
        assert_eq!(one.digest, two.digest);
        let three = KeyBuilder::new("wheels", 1)
            .field("a", "12")
            .field("b", "")
            .finish();
        assert_ne!(one.digest, three.digest);
    }

    #[test]
    fn a_miss_names_the_field() {
        let old = KeyBuilder::new("wheels", 1)
            .field("abi", "cp311")
            .field("gone", "1")
            .finish();
        let new = KeyBuilder::new("wheels", 1)
            .field("abi", "cp312")
            .field("new", "1")
            .finish();
        assert_eq!(
            new.changes_since(&old),
            ["abi changed: cp311 -> cp312", "+new 1", "-gone"]
        );
        assert!(new.changes_since(&new).is_empty());
    }
}
