//! Reads a database: one file with a record or a list of them, a folder of such files, or a zip
//! archive of them (`all.zip`, as the public database hands them out for each ecosystem).
//!
//! Holds one file of it at a time, and none that is larger than a record can be.

use std::io::{BufReader, Read};
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};

use super::record::Advisory;

/// The largest file with records, in bytes; the largest record in use has 3 MB.
const LARGEST: u64 = 64 << 20;
/// First bytes of a zip archive (APPNOTE 4.3.7), and of an empty one.
const ZIP_MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What a file may hold.
#[derive(Deserialize)]
#[serde(transparent)]
struct List(Vec<Advisory>);

/// Hands over every record of a database, withdrawn ones too.
///
/// Fails with [`Kind::Config`] at the first that is malformed, and names file, line and column.
pub fn each(path: &Path, take: &mut dyn FnMut(Advisory)) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|error| {
        Error::from(error).hint("name a file of the OSV format, a folder of them, or an `all.zip`")
    })?;
    let before = count(path, metadata.is_dir(), take)?;
    if before == 0 {
        return Err(Error::new(
            Kind::Config,
            format!("`{}` holds no record of a vulnerability", path.display()),
        )
        .hint("name a file of the OSV format, a folder of `*.json` files, or an `all.zip`"));
    }
    Ok(())
}

/// How many records there were.
fn count(path: &Path, is_folder: bool, take: &mut dyn FnMut(Advisory)) -> Result<u64> {
    if !is_folder {
        return file(path, take);
    }
    let mut found = 0;
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from)?;
        let is_record = entry.path().extension() == Some("json".as_ref());
        if entry.file_type().is_file() && is_record {
            found += file(entry.path(), take)?;
        }
    }
    Ok(found)
}

fn file(path: &Path, take: &mut dyn FnMut(Advisory)) -> Result<u64> {
    let mut reader = BufReader::new(fs::File::open(path)?);
    let mut magic = Vec::new();
    (&mut reader).take(4).read_to_end(&mut magic)?;
    if ZIP_MAGIC.contains(&magic.as_slice()) {
        return archive(path, take);
    }
    records(
        &path.display().to_string(),
        &mut magic.as_slice().chain(reader),
        take,
    )
}

fn archive(path: &Path, take: &mut dyn FnMut(Advisory)) -> Result<u64> {
    let refuse = |what: String| refuse(&path.display().to_string(), &what);
    let mut archive = zip::ZipArchive::new(BufReader::new(fs::File::open(path)?))
        .map_err(|error| refuse(error.to_string()))?;
    let mut found = 0;
    for index in 0..archive.len() {
        let mut member = archive
            .by_index(index)
            .map_err(|error| refuse(error.to_string()))?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let is_record = Path::new(&name).extension() == Some("json".as_ref());
        if member.is_file() && is_record {
            let place = format!("{}: {}", path.display(), name.escape_debug());
            found += records(&place, &mut member, take)?;
        }
    }
    Ok(found)
}

fn records(place: &str, reader: &mut dyn Read, take: &mut dyn FnMut(Advisory)) -> Result<u64> {
    let mut bytes = Vec::new();
    reader
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(place, &error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(refuse(place, &format!("is larger than {LARGEST} bytes")));
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let read = if first == Some(&b'[') {
        serde_json::from_slice::<List>(&bytes).map(|list| list.0)
    } else {
        serde_json::from_slice::<Advisory>(&bytes).map(|one| vec![one])
    };
    let list = read.map_err(|error| {
        let at = format!("{place}:{}:{}", error.line(), error.column());
        refuse(&at, &error.to_string())
    })?;
    let found = list.len() as u64;
    list.into_iter().for_each(take);
    Ok(found)
}

fn refuse(place: &str, what: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("{place}: no record of a vulnerability: {what}"),
    )
    .hint("fetch the database again; its files follow https://ossf.github.io/osv-schema/")
}
