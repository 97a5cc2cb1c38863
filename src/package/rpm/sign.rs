//! Signs a finished rpm package: a signature over its header goes into its signature header.
//!
//! The header has the digests of the payload and of each file, so its signature covers the whole
//! package. No signature over header and payload together is made: rpm 4 takes either.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::package::Artifact;
use crate::signing::{Algorithm, Signer};

use super::header::{Header, Region, signature};

/// The length of the lead in bytes.
const LEAD: usize = 96;
/// The magic, and the two numbers that say how long a header is.
const INTRO: usize = 16;
/// Headers that are larger are refused; rpm's own limit is 256 MiB.
const LARGEST_HEADER: usize = 256 << 20;

/// Replaces the package by one with a signature, by the commit primitive.
pub(super) fn sign(path: &Path, file_name: &str, signer: &Signer) -> Result<Artifact> {
    let failed = |error: io::Error| Error::io("sign", path, &error);
    let mut package = fs_err::File::open(path)?;
    let mut lead = [0; LEAD];
    package.read_exact(&mut lead).map_err(failed)?;
    let old = read_header(&mut package).map_err(failed)?;
    let padding = old.len().next_multiple_of(8) - old.len();
    package
        .seek_relative(i64::try_from(padding).unwrap_or(0))
        .map_err(failed)?;
    let header = read_header(&mut package).map_err(failed)?;
    let payload = package.stream_position().map_err(failed)?;

    let made = signer.sign(&mut io::Cursor::new(header.as_slice()), file_name)?;
    let tag = match made.algorithm() {
        Algorithm::Rsa => signature::RSA,
        Algorithm::Dsa | Algorithm::Ecdsa | Algorithm::EdDsa => signature::DSA,
    };
    let mut signatures = Header::decode(&old).ok_or_else(|| {
        Error::new(
            Kind::Publish,
            format!("`{}` has no sound signature header", path.display()),
        )
        .hint("build the package again")
    })?;
    signatures.binary(tag, made.bytes());
    let mut signatures = signatures.encode(Region::Signatures);
    signatures.resize(signatures.len().next_multiple_of(8), 0);
    Artifact::commit(path, file_name.to_owned(), |output| {
        let mut write = || {
            output.write_all(&lead)?;
            output.write_all(&signatures)?;
            output.write_all(&header)?;
            package.seek(SeekFrom::Start(payload))?;
            io::copy(&mut package, output).map(|_| ())
        };
        write().map_err(failed)
    })
}

/// The bytes of the header that begins here, without what pads it.
fn read_header(package: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut header = vec![0; INTRO];
    package.read_exact(&mut header)?;
    let length = Header::length(&header)
        .filter(|length| *length <= LARGEST_HEADER)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no rpm package"))?;
    header.resize(length, 0);
    package.read_exact(&mut header[INTRO..])?;
    Ok(header)
}
