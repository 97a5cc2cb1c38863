//! The index of an rpm's header, held against the file before a library reads it.
//!
//! Bounds what its values take in memory: entries may share their bytes, so that a small header may
//! promise gigabytes. Keeps nothing. RPM file format version 4, "Header structure".

use std::io::{Read, Seek, SeekFrom};

use crate::error::Result;

use super::super::{Budget, Place, bounded};

const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];

/// The largest header in bytes: that of a package with 200,000 files has some 40 MB.
const LARGEST_HEADER: u64 = 128 << 20;

/// The length of an entry of the index in bytes.
const ENTRY: u64 = 16;

/// What a library takes for an entry, and for a string, beside its bytes.
const ENTRY_MEMORY: u64 = 64;
const STRING_MEMORY: u64 = 24;

/// Holds the index of the header at an offset against the file, and says where it ends. What its
/// values will take is spent.
pub(super) fn check_header(
    reader: &mut (impl Read + Seek),
    at: u64,
    length: u64,
    place: &Place,
    budget: &mut Budget,
) -> Result<u64> {
    reader.seek(SeekFrom::Start(at)).map_err(place.io())?;
    let mut start = [0; 16];
    reader.read_exact(&mut start).map_err(place.io())?;
    if start[..4] != HEADER_MAGIC {
        return Err(place.damaged(format_args!("no header begins at byte {at}")));
    }
    let (entries, size) = (number(&start[8..12]), number(&start[12..16]));
    let size = entries * ENTRY + size;
    let end = at + 16 + size;
    if size > LARGEST_HEADER {
        return Err(place.damaged(format_args!(
            "it is to have {size} bytes, and {LARGEST_HEADER} are allowed"
        )));
    }
    if end > length {
        return Err(place.damaged(format_args!(
            "it is to end at byte {end}, and the file has {length}"
        )));
    }
    budget.spend(entries * ENTRY_MEMORY, place)?;
    let bytes = bounded(&mut reader.take(size), size, place)?;
    let index = usize::try_from(entries * ENTRY).unwrap_or(usize::MAX);
    let Some((index, data)) = bytes.split_at_checked(index) else {
        return Err(place.damaged("it ends too early"));
    };
    for (index, entry) in index.chunks_exact(16).enumerate() {
        let [tag, kind, offset, count] =
            [0, 4, 8, 12].map(|field| number(&entry[field..field + 4]));
        // Each string has a zero byte at its end, so it takes one byte at least.
        let width = match kind {
            0 => 0,
            3 => 2,
            4 => 4,
            5 => 8,
            1 | 2 | 6..=9 => 1,
            _ => {
                return Err(
                    place.damaged(format_args!("the tag {tag} has the unknown type {kind}"))
                );
            }
        };
        let values = usize::try_from(offset)
            .ok()
            .and_then(|offset| data.get(offset..));
        let Some(values) = values.filter(|values| count * width <= values.len() as u64) else {
            return Err(place.damaged(format_args!(
                "entry {index}, the tag {tag}, leads out of it"
            )));
        };
        if matches!(kind, 6 | 8 | 9) {
            spend_strings(values, count, place, budget)?;
        } else {
            budget.spend(count * width, place)?;
        }
    }
    Ok(end)
}

/// Spends what so many strings take, each up to its zero byte.
fn spend_strings(mut values: &[u8], count: u64, place: &Place, budget: &mut Budget) -> Result<()> {
    budget.spend(count * STRING_MEMORY, place)?;
    for _ in 0..count {
        let length = values.iter().position(|byte| *byte == 0);
        let length = length.unwrap_or(values.len());
        budget.spend(length as u64, place)?;
        values = values.get(length + 1..).unwrap_or_default();
    }
    Ok(())
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use super::*;

    /// A header of entries that all have the same bytes.
    fn shared(entries: u32, kind: u32, count: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = HEADER_MAGIC.to_vec();
        let size = u32::try_from(data.len()).unwrap();
        for word in [0, entries, size] {
            bytes.extend(word.to_be_bytes());
        }
        for _ in 0..entries {
            for word in [1000, kind, 0, count] {
                bytes.extend(u32::to_be_bytes(word));
            }
        }
        bytes.extend(data);
        bytes
    }

    fn checked(header: Vec<u8>) -> Result<u64> {
        let length = header.len() as u64;
        let place = Place::new(Path::new("x.rpm"), "the header");
        check_header(
            &mut Cursor::new(header),
            0,
            length,
            &place,
            &mut Budget::new(),
        )
    }

    #[test]
    fn entries_that_share_their_bytes_are_counted_each() {
        let data = vec![b'x'; 1 << 16];
        let lines = vec![0; 1 << 16];
        for (kind, count, data) in [
            (4, 1 << 14, &data),
            (7, 1 << 16, &data),
            (6, 1, &data),
            (8, 1 << 16, &lines),
        ] {
            let good = shared(4, kind, count, data);
            let length = good.len() as u64;
            assert_eq!(checked(good).unwrap(), length, "{kind}");
            let error = checked(shared(5000, kind, count, data)).unwrap_err();
            assert!(
                error.message().contains("take more than"),
                "{kind}: {error}"
            );
        }
    }
}
