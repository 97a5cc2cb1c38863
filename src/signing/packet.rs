//! What has to be known of an OpenPGP signature packet (RFC 9580, sections 4.2 and 5.2): that it is
//! one, binary, over a document, by which algorithm, and whose it says it is. Verifies nothing.

use std::fmt::{self, Write as _};

use crate::error::{Error, Kind, Result};

/// The packet's tag.
const SIGNATURE: u8 = 2;
/// A signature over a binary document.
const BINARY_DOCUMENT: u8 = 0;

/// A family of public-key algorithms, as package managers tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA.
    Rsa,
    /// DSA.
    Dsa,
    /// ECDSA.
    Ecdsa,
    /// EdDSA, such as Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its number in RFC 9580, section 9.1.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        match number {
            1 | 3 => Some(Self::Rsa),
            17 => Some(Self::Dsa),
            19 => Some(Self::Ecdsa),
            22 | 27 | 28 => Some(Self::EdDsa),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rsa => "RSA",
            Self::Dsa => "DSA",
            Self::Ecdsa => "ECDSA",
            Self::EdDsa => "EdDSA",
        })
    }
}

/// The subpacket with the issuer's key ID (RFC 9580, section 5.2.3.12).
const ISSUER_KEY_ID: u8 = 16;
/// The subpacket with the issuer's fingerprint (RFC 9580, section 5.2.3.35).
const ISSUER_FINGERPRINT: u8 = 33;

/// Whose a signature says it is, in capital hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Issuer {
    /// The whole fingerprint.
    Fingerprint(String),
    /// 16 digits of it.
    KeyId(String),
}

/// A detached binary signature: one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    bytes: Vec<u8>,
    algorithm: Algorithm,
}

impl Signature {
    /// Takes bytes that are one version 4 signature packet over a binary document.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self> {
        if bytes.starts_with(b"-----BEGIN") {
            return Err(malformed("it is armored")
                .hint("answer with the binary signature (gpg: `--detach-sign --no-armor`)"));
        }
        let body = body(&bytes).ok_or_else(|| malformed("it is not one OpenPGP packet"))?;
        let algorithm = match body {
            [4, BINARY_DOCUMENT, algorithm, ..] => Algorithm::of_number(*algorithm)
                .ok_or_else(|| malformed(&format!("its algorithm {algorithm} is unknown")))?,
            [4, kind, ..] => {
                return Err(malformed(&format!(
                    "it is of type {kind}, not over a binary document"
                )));
            }
            _ => {
                return Err(malformed(
                    "it is not of version 4, which package managers read",
                ));
            }
        };
        Ok(Self { bytes, algorithm })
    }

    /// The packet.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whose it says it is; the fingerprint before the key ID.
    pub(super) fn issuer(&self) -> Option<Issuer> {
        let fields = body(&self.bytes)?.get(4..)?;
        let (hashed, rest) = counted(fields)?;
        let (unhashed, _) = counted(rest)?;
        let all = subpackets(hashed).chain(subpackets(unhashed));
        let fingerprint = all.clone().find_map(|(kind, content)| {
            let (_version, digits) = content.split_first()?;
            (kind == ISSUER_FINGERPRINT).then(|| Issuer::Fingerprint(hexadecimal(digits)))
        });
        let mut ids = all.filter(|(kind, content)| *kind == ISSUER_KEY_ID && content.len() == 8);
        fingerprint.or_else(|| Some(Issuer::KeyId(hexadecimal(ids.next()?.1))))
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// The body of the one packet that the bytes are.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let (tag, length, rest) = if first & 0xc0 == 0xc0 {
        let (length, rest) = new_length(rest)?;
        (first & 0x3f, length, rest)
    } else if first & 0xc0 == 0x80 {
        let size = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        let (length, rest) = rest.split_at_checked(size)?;
        (first >> 2 & 0xf, number(length), rest)
    } else {
        return None;
    };
    (tag == SIGNATURE && rest.len() == length).then_some(rest)
}

/// A length as RFC 9580, section 4.2.1, writes it; partial ones are no signatures.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [first @ ..192, rest @ ..] => Some((usize::from(*first), rest)),
        [first @ 192..=223, second, rest @ ..] => Some((
            (usize::from(*first) - 192) * 256 + usize::from(*second) + 192,
            rest,
        )),
        [255, rest @ ..] => {
            let (length, rest) = rest.split_at_checked(4)?;
            Some((number(length), rest))
        }
        _ => None,
    }
}

/// What follows a length of two bytes, and the rest.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(number(length))
}

/// Kinds and contents of subpackets (RFC 9580, section 5.2.3.7); what is malformed ends them.
fn subpackets(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> + Clone {
    std::iter::from_fn(move || {
        let (length, rest) = match bytes {
            // Here lengths of two bytes go up to 254.
            [first @ 192..=254, second, rest @ ..] => (
                (usize::from(*first) - 192) * 256 + usize::from(*second) + 192,
                rest,
            ),
            _ => new_length(bytes)?,
        };
        let (subpacket, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        let (kind, content) = subpacket.split_first()?;
        // The highest bit says that it is critical.
        Some((kind & 0x7f, content))
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(digits, "{byte:02X}").expect("a String takes everything");
    }
    digits
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn malformed(what: &str) -> Error {
    Error::new(Kind::Publish, format!("the signature is refused: {what}"))
        .hint("a signer writes one detached, binary OpenPGP signature and nothing else")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: [u8; 8] = [4, 0, 1, 8, 0, 0, 0, 0];

    #[test]
    fn both_framings_of_one_packet_are_read() {
        let old = [&[0x88, 8][..], &BODY].concat();
        let new = [&[0xc2, 8][..], &BODY].concat();
        let long = [&[0xc2, 255, 0, 0, 0, 8][..], &BODY].concat();
        for bytes in [old, new, long] {
            assert_eq!(Signature::parse(bytes).unwrap().algorithm(), Algorithm::Rsa);
        }
        let mut eddsa = [&[0xc2, 193, 0][..], &[0; 448]].concat();
        eddsa[3..6].copy_from_slice(&[4, 0, 22]);
        assert_eq!(
            Signature::parse(eddsa).unwrap().algorithm(),
            Algorithm::EdDsa
        );
    }

    fn with_subpackets(hashed: &[u8], unhashed: &[u8]) -> Signature {
        let mut signature = vec![4, 0, 1, 8];
        for area in [hashed, unhashed] {
            signature.extend([0, u8::try_from(area.len()).unwrap()]);
            signature.extend(area);
        }
        let mut bytes = vec![0xc2, u8::try_from(signature.len()).unwrap()];
        bytes.extend(signature);
        Signature::parse(bytes).unwrap()
    }

    #[test]
    fn the_issuer_is_its_fingerprint_else_its_id() {
        let created = [5, 2, 0, 0, 0, 1];
        let id = [9, 16, 1, 2, 3, 4, 5, 6, 7, 0xab];
        let fingerprint = [&[22, 0xa1, 4][..], &[0xcd; 20]].concat();
        let hashed = [&created[..], &fingerprint].concat();
        assert_eq!(
            with_subpackets(&hashed, &id).issuer(),
            Some(Issuer::Fingerprint("CD".repeat(20)))
        );
        assert_eq!(
            with_subpackets(&created, &id).issuer(),
            Some(Issuer::KeyId("01020304050607AB".to_owned()))
        );
        assert_eq!(with_subpackets(&created, &[]).issuer(), None);
        assert_eq!(with_subpackets(&[30, 16, 1], &[]).issuer(), None);
    }

    #[test]
    fn what_is_no_binary_signature_is_refused_with_the_reason() {
        let with = |position: usize, byte: u8| {
            let mut bytes = [&[0xc2, 8][..], &BODY].concat();
            bytes[position] = byte;
            bytes
        };
        let cases = [
            (b"-----BEGIN PGP SIGNATURE-----".to_vec(), "armored"),
            (Vec::new(), "not one"),
            (b"error: no key".to_vec(), "not one"),
            (with(0, 0xc1), "not one"),
            (with(1, 7), "not one"),
            (with(2, 3), "version 4"),
            (with(3, 1), "type 1"),
            (with(4, 99), "algorithm 99"),
        ];
        for (bytes, reason) in cases {
            let error = Signature::parse(bytes).unwrap_err();
            assert_eq!(error.kind(), Kind::Publish);
            assert!(error.message().contains(reason), "{reason}: {error}");
        }
    }
}
