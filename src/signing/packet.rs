//! What has to be known of an OpenPGP signature packet (RFC 9580, sections 4.2 and 5.2): that it is
//! one, binary, over a document, and by which algorithm. Verifies nothing.

use std::fmt;

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
