//! The payload of an rpm: cpio(5) in the format `newc`, and rpm's own short headers for files that
//! are too large for it.

use std::io::{self, Read};

use crate::error::Result;

use super::{Budget, MOST_ENTRIES, Place, bounded, text};

/// What every header begins with.
pub(super) const MAGIC_START: &[u8] = b"0707";

/// The longest name in bytes, with the zero byte at its end.
const LONGEST_NAME: u64 = 1 << 16;

const TRAILER: &str = "TRAILER!!!";

/// A header, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpioEntry {
    pub(super) name: String,
    /// The number of the file in the package's header, where that is all the payload says (`07070X`).
    pub(super) index: Option<usize>,
    /// The fields of the header by name, in hexadecimal digits.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) size: u64,
}

/// The fields of a `newc` header, eight digits each.
const FIELDS: [&str; 13] = [
    "inode",
    "mode",
    "uid",
    "gid",
    "links",
    "mtime",
    "size",
    "device major",
    "device minor",
    "rdev major",
    "rdev minor",
    "name size",
    "check",
];

/// Calls `each` with every entry and its content, and reads the stream to its end. `stripped_size` is
/// the length of the file that has a number in the package's header.
pub(super) fn for_each(
    reader: &mut dyn Read,
    place: &Place,
    stripped_size: impl Fn(usize) -> Option<u64>,
    mut each: impl FnMut(CpioEntry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut budget = Budget::new();
    for _ in 0..MOST_ENTRIES {
        let mut magic = [0; 6];
        reader.read_exact(&mut magic).map_err(place.io())?;
        let entry = match &magic {
            b"070701" | b"070702" => newc(reader, place)?,
            b"07070X" => stripped(reader, place, &stripped_size)?,
            other => {
                return Err(place.damaged(format_args!("`{}` is no header of cpio", text(other))));
            }
        };
        budget.spend(entry.name.len() as u64, place)?;
        if entry.name == TRAILER && entry.index.is_none() {
            io::copy(reader, &mut io::sink()).map_err(place.io())?;
            return Ok(());
        }
        let size = entry.size;
        let name = entry.name.clone();
        let mut content = reader.take(size);
        each(entry, &mut content)?;
        io::copy(&mut content, &mut io::sink()).map_err(place.io())?;
        if content.limit() > 0 {
            return Err(place
                .part(format!("{}, `{name}`", place.part))
                .damaged("it ends too early"));
        }
        skip_padding(reader, size, place)?;
    }
    Err(place.damaged(format_args!("more than {MOST_ENTRIES} entries")))
}

fn newc(reader: &mut dyn Read, place: &Place) -> Result<CpioEntry> {
    let mut values = Vec::new();
    for _ in FIELDS {
        values.push(number(reader, place)?);
    }
    let (size, name_size) = (values[6], values[11]);
    if name_size > LONGEST_NAME {
        return Err(place.damaged(format_args!("a name is to have {name_size} bytes")));
    }
    let mut name = bounded(&mut reader.take(name_size), LONGEST_NAME, place)?;
    if name.len() as u64 != name_size || name.pop() != Some(0) {
        return Err(place.damaged("a name does not end with a zero byte"));
    }
    skip_padding(reader, 6 + 13 * 8 + name_size, place)?;
    let fields = FIELDS
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name, format!("{value:x}")));
    Ok(CpioEntry {
        name: text(&name),
        index: None,
        fields: fields.collect(),
        size,
    })
}

fn stripped(
    reader: &mut dyn Read,
    place: &Place,
    size: &impl Fn(usize) -> Option<u64>,
) -> Result<CpioEntry> {
    let index = usize::try_from(number(reader, place)?).unwrap_or(usize::MAX);
    skip_padding(reader, 6 + 8, place)?;
    let Some(size) = size(index) else {
        return Err(place.damaged(format_args!("the header has no file {index}")));
    };
    Ok(CpioEntry {
        name: format!("file {index}"),
        index: Some(index),
        fields: Vec::new(),
        size,
    })
}

/// Eight hexadecimal digits.
fn number(reader: &mut dyn Read, place: &Place) -> Result<u64> {
    let mut digits = [0; 8];
    reader.read_exact(&mut digits).map_err(place.io())?;
    let digits = text(&digits);
    u64::from_str_radix(&digits, 16).map_err(|_no_number| {
        place.damaged(format_args!("`{digits}` in a header of cpio is no number"))
    })
}

/// Everything begins at a multiple of four bytes.
fn skip_padding(reader: &mut dyn Read, length: u64, place: &Place) -> Result<()> {
    let count = usize::try_from(length.next_multiple_of(4) - length).unwrap_or(0);
    reader.read_exact(&mut [0; 3][..count]).map_err(place.io())
}
