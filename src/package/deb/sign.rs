//! Signs a finished deb package the way debsigs does: a member `_gpgorigin` behind the others with a
//! signature over the contents of all of them. dpkg passes over it; debsig-verify reads it.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::package::Artifact;
use crate::signing::{Content, Signer};

use super::{MAGIC, member, pad};

/// The member that says who the package's origin is.
const ORIGIN: &str = "_gpgorigin";
/// The length of a member's header in bytes.
const MEMBER_HEADER: usize = 60;

/// Replaces the package by one with a signature, by the commit primitive.
pub(super) fn sign(path: &Path, file_name: &str, signer: &Signer) -> Result<Artifact> {
    let failed = |error: io::Error| Error::io("sign", path, &error);
    let mut package = fs_err::File::open(path)?;
    let time = check(&mut package).map_err(failed)?;
    let made = signer.sign(&mut Contents::of(&mut package).map_err(failed)?, file_name)?;
    package.rewind().map_err(failed)?;
    Artifact::commit(path, file_name.to_owned(), |output| {
        let mut write = || {
            io::copy(&mut package, output)?;
            let size = made.bytes().len() as u64;
            member(output, ORIGIN, size, time)?;
            output.write_all(made.bytes())?;
            pad(output, size)
        };
        write().map_err(failed)
    })
}

/// That it is a package, and the time of its first member.
fn check(package: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut magic = [0; MAGIC.len()];
    package.read_exact(&mut magic)?;
    let mut header = [0; MEMBER_HEADER];
    package.read_exact(&mut header)?;
    let time = (magic == *MAGIC)
        .then(|| decimal(&header[16..28]))
        .flatten();
    time.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no deb package"))
}

fn decimal(field: &[u8]) -> Option<u64> {
    str::from_utf8(field).ok()?.trim_end().parse().ok()
}

/// The contents of all members, one after another.
struct Contents<'a, R> {
    package: &'a mut R,
    left: u64,
    padding: i64,
}

impl<'a, R: Read + Seek> Contents<'a, R> {
    fn of(package: &'a mut R) -> io::Result<Self> {
        let mut contents = Self {
            package,
            left: 0,
            padding: 0,
        };
        contents.rewind()?;
        Ok(contents)
    }

    /// Goes to the next member's content; `false` at the end.
    fn next_member(&mut self) -> io::Result<bool> {
        self.package.seek_relative(self.padding)?;
        let mut header = Vec::with_capacity(MEMBER_HEADER);
        (&mut self.package)
            .take(MEMBER_HEADER as u64)
            .read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(false);
        }
        let size = header.get(48..58).and_then(decimal).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a member's header is damaged")
        })?;
        self.left = size;
        self.padding = i64::from(!size.is_multiple_of(2));
        Ok(true)
    }
}

impl<R: Read + Seek> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if !self.next_member()? {
                return Ok(0);
            }
        }
        let count = (&mut self.package).take(self.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Content for Contents<'_, R> {
    fn rewind(&mut self) -> io::Result<()> {
        self.package.seek(io::SeekFrom::Start(MAGIC.len() as u64))?;
        (self.left, self.padding) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contents_are_those_of_all_members_without_their_padding() {
        let mut archive = MAGIC.to_vec();
        for content in ["2.0\n", "odd", ""] {
            member(&mut archive, "name", content.len() as u64, 7).unwrap();
            archive.extend(content.as_bytes());
            pad(&mut archive, content.len() as u64).unwrap();
        }
        let mut archive = io::Cursor::new(archive);
        assert_eq!(check(&mut archive).unwrap(), 7);
        let mut text = String::new();
        Contents::of(&mut archive)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "2.0\nodd");
        let mut cut = io::Cursor::new(archive.into_inner()[..8 + 60 + 2].to_vec());
        let error = io::copy(&mut Contents::of(&mut cut).unwrap(), &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
