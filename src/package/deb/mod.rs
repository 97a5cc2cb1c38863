//! Writes Debian binary packages, deb(5): an `ar` archive of a version, the control archive and the
//! data archive.
//!
//! Never runs dpkg-deb and never holds the content: the data archive is put together from files, see [`Payload`].

mod control;
mod data;
mod sign;

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::platform::PackageName;
use crate::version::NativeVersion;

use self::data::Data;
use super::payload::Payload;
use super::{Artifact, PackageSpec, Packager, SegmentStore, check};
use crate::signing::Signer;
use crate::tree::Tree;

/// The writer of deb packages.
#[derive(Debug)]
pub struct Deb;

/// What an `ar` archive begins with.
const MAGIC: &[u8; 8] = b"!<arch>\n";

/// The largest member of an `ar` archive in bytes: its size is ten decimal digits.
const LARGEST_MEMBER: u64 = 9_999_999_999;

/// The last time that fits the eleven octal digits of a tar header, in the year 2242.
const LAST_TIME: u64 = 0o777_7777_7777;

impl Packager for Deb {
    /// `name_version_architecture.deb`; dpkg leaves the epoch out of file names.
    fn file_name(&self, spec: &PackageSpec) -> String {
        let version = control::version_without_epoch(&spec.version);
        format!(
            "{}_{version}_{}.deb",
            spec.name,
            control::architecture(spec)
        )
    }

    /// Debian has no such relation: a name in `Provides` would be one that apt installs the package
    /// for, and policy knows no other field. The bill of materials says it.
    fn bundled(&self, _name: &str, _version: &str) -> Option<String> {
        None
    }

    fn exactly(&self, name: &PackageName, version: &NativeVersion) -> String {
        format!("{name} (= {})", version.full())
    }

    /// Writes format 2.0: `debian-binary`, `control.tar.gz` and `data.tar` in the wanted codec.
    ///
    /// Fails with [`Kind::Config`] when a field can't stand in a control file, with
    /// [`Kind::Conflict`] when a path can't stand in a package.
    fn write_with(
        &self,
        spec: &PackageSpec,
        tree: &Tree,
        segments: &SegmentStore,
        path: &Path,
    ) -> Result<Artifact> {
        let fields = control::Fields::of(spec)?;
        check::tree(tree)?;
        check_time(spec.epoch)?;
        Artifact::commit(path, self.file_name(spec), |output| {
            let failed = |error: io::Error| Error::io("write", path, &error);
            let data = Data::of(tree, spec.compression.codec, spec.epoch);
            let portions = data.portions(spec.compression).map_err(failed)?;
            let payload = Payload::make(path, spec.compression, segments, &portions)?;
            let listing = data.listing(payload.checksums());
            let control =
                control::archive(&fields, &spec.scripts, &listing, spec.epoch).map_err(failed)?;
            check_member(payload.size)?;
            let mut write = || {
                output.write_all(MAGIC)?;
                member(output, "debian-binary", 4, spec.epoch)?;
                output.write_all(b"2.0\n")?;
                member(output, "control.tar.gz", control.len() as u64, spec.epoch)?;
                output.write_all(&control)?;
                pad(output, control.len() as u64)?;
                let name = format!("data.tar.{}", spec.compression.codec.extension());
                member(output, &name, payload.size, spec.epoch)?;
                payload.copy_to(output)?;
                pad(output, payload.size)
            };
            write().map_err(failed)
        })
    }

    fn sign(&self, path: &Path, file_name: &str, signer: &Signer) -> Result<Artifact> {
        sign::sign(path, file_name, signer)
    }
}

fn check_time(epoch: u64) -> Result<()> {
    if epoch <= LAST_TIME {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("the time {epoch} is too late for a deb package"),
    )
    .hint(format!(
        "set SOURCE_DATE_EPOCH to at most {LAST_TIME} seconds"
    )))
}

fn check_member(size: u64) -> Result<()> {
    if size <= LARGEST_MEMBER {
        return Ok(());
    }
    Err(Error::new(
        Kind::Build,
        format!("the compressed content is {size} bytes and a deb package holds at most {LARGEST_MEMBER}"),
    )
    .hint("leave large data out of the package, or ship it apart")
    .hint("the channel `small` compresses by xz, which makes the smallest packages"))
}

/// Writes the header of an `ar` member; its content begins at an even offset.
fn member(output: &mut impl Write, name: &str, size: u64, time: u64) -> io::Result<()> {
    writeln!(
        output,
        "{name:<16}{time:<12}{0:<6}{0:<6}100644  {size:<10}`",
        0
    )
}

fn pad(output: &mut impl Write, size: u64) -> io::Result<()> {
    if size.is_multiple_of(2) {
        Ok(())
    } else {
        output.write_all(b"\n")
    }
}

#[cfg(test)]
mod daemon_tests;
#[cfg(feature = "real-engine")]
#[cfg(test)]
mod large_tests;
#[cfg(test)]
mod tests;
