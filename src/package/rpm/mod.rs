//! Writes RPM packages, version 4 of the format: lead, signature header, header, compressed cpio.
//!
//! Read by rpm 4.12 and later (with Zstandard: 4.14 and later). Never runs rpmbuild, looks for no
//! dependencies in the content, and never holds it: the payload is put together from files, see
//! [`Payload`].

mod bundled;
mod cpio;
mod dependency;
mod header;
mod metadata;
mod sha1;
mod sign;

use std::io::{self, Write};
use std::path::Path;

use md5::{Digest as _, Md5};

use crate::digest::{Digest, DigestWriter};
use crate::error::{Error, Kind, Result};
use crate::platform::Arch;
use crate::platform::PackageName;
use crate::version::NativeVersion;

use self::cpio::Archive;
use self::header::{Header, Region};
use super::payload::Payload;
use super::{Artifact, PackageSpec, Packager, SegmentStore, check};
use crate::signing::Signer;
use crate::tree::Tree;

/// The writer of rpm packages.
#[derive(Debug)]
pub struct Rpm;

impl Packager for Rpm {
    /// `name-version-release.architecture.rpm`; rpm leaves the epoch out of file names.
    fn file_name(&self, spec: &PackageSpec) -> String {
        let (version, release) = (&spec.version.upstream, &spec.version.revision);
        format!(
            "{}-{version}-{release}.{}.rpm",
            spec.name,
            metadata::architecture(spec)
        )
    }

    fn exactly(&self, name: &PackageName, version: &NativeVersion) -> String {
        format!("{name} = {}", version.full())
    }

    fn bundled(&self, name: &str, version: &str) -> Option<String> {
        Some(bundled::capability(name, version))
    }

    /// Writes the package. It owns what the tree names, and no folder above that.
    ///
    /// Fails with [`Kind::Config`] when a field can't stand in a header or a dependency is not
    /// understood, with [`Kind::Conflict`] when a path can't stand in a package.
    fn write_with(
        &self,
        spec: &PackageSpec,
        tree: &Tree,
        segments: &SegmentStore,
        path: &Path,
    ) -> Result<Artifact> {
        write(spec, tree, segments, path, cpio::has_large_files(tree))
    }

    fn sign(&self, path: &Path, file_name: &str, signer: &Signer) -> Result<Artifact> {
        sign::sign(path, file_name, signer)
    }
}

/// Writes the package, in the form for large files or not.
fn write(
    spec: &PackageSpec,
    tree: &Tree,
    segments: &SegmentStore,
    path: &Path,
    large: bool,
) -> Result<Artifact> {
    let time = u32::try_from(spec.epoch).map_err(|_too_late| too_late(spec.epoch))?;
    let mut header = metadata::of(spec, time, large)?;
    check::tree(tree)?;
    Artifact::commit(path, Rpm.file_name(spec), |output| {
        let failed = |error: io::Error| Error::io("write", path, &error);
        let archive = Archive::of(tree, spec.compression.codec, time, large);
        let portions = archive.portions(spec.compression).map_err(failed)?;
        let payload = Payload::make(path, spec.compression, segments, &portions)?;
        let files = archive.files(payload.checksums());
        metadata::add_files(&mut header, tree, &files, time);
        let mut digest = DigestWriter::new(io::sink());
        payload.copy_to(&mut digest).map_err(failed)?;
        metadata::add_payload(&mut header, &digest.finish().0);
        let header = header.encode(Region::Immutable);
        let signature = signature(&header, &payload).map_err(failed)?;
        let mut write = || {
            output.write_all(&lead(spec))?;
            output.write_all(&signature)?;
            output.write_all(&header)?;
            payload.copy_to(output)
        };
        write().map_err(failed)
    })
}

fn too_late(epoch: u64) -> Error {
    Error::new(
        Kind::Config,
        format!("the time {epoch} is too late for an rpm package"),
    )
    .hint(format!(
        "set SOURCE_DATE_EPOCH to at most {} seconds",
        u32::MAX
    ))
}

/// The lead, which only file(1) still reads: rpm takes everything from the headers.
fn lead(spec: &PackageSpec) -> [u8; 96] {
    let mut lead = [0; 96];
    lead[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    // Format 3.0 of the lead, binary package.
    lead[4] = 3;
    lead[9] = match spec.architecture {
        Some(Arch::Arm64) => 19,
        Some(Arch::Amd64) | None => 1,
    };
    let name = format!(
        "{}-{}-{}",
        spec.name, spec.version.upstream, spec.version.revision
    )
    .into_bytes();
    let length = name.len().min(65);
    lead[10..10 + length].copy_from_slice(&name[..length]);
    // Linux; a signature header follows.
    lead[77] = 1;
    lead[79] = 5;
    lead
}

/// The signature header: sizes and digests of what follows it, without a signature.
fn signature(header: &[u8], payload: &Payload) -> io::Result<Vec<u8>> {
    let mut md5 = HashWriter(Md5::new());
    md5.write_all(header)?;
    payload.copy_to(&mut md5)?;
    let size = header.len() as u64 + payload.size;
    let mut signature = Header::default();
    signature.string(header::signature::SHA1, &sha1::hex_digest(header));
    signature.string(header::signature::SHA256, Digest::of(header).as_str());
    signature.size(header::signature::SIZE, header::signature::LONG_SIZE, size);
    signature.binary(header::signature::MD5, &md5.0.finalize());
    signature.size(
        header::signature::PAYLOAD_SIZE,
        header::signature::LONG_ARCHIVE_SIZE,
        payload.plain_size,
    );
    let mut bytes = signature.encode(Region::Signatures);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

struct HashWriter<D>(D);

impl<D: md5::Digest> Write for HashWriter<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod daemon_tests;
#[cfg(test)]
mod tests;
