//! The frame of a zip archive: whether everybody who reads it finds the same members.
//!
//! Follows APPNOTE.TXT 6.3.10, and takes of it what build tools write: members one behind the
//! other from the first byte on, then the directory, then its end, and not a byte between or
//! behind. Unpacks nothing, and keeps no more than the directory in memory.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

/// The largest directory. The wheels with the most members (10,000) have one of 1 MB.
const LARGEST_DIRECTORY: u64 = 32 << 20;
/// The most members.
const MOST_MEMBERS: u64 = 200_000;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";

const END_LENGTH: u64 = 22;
const END_64_LENGTH: u64 = 56;
const LOCATOR_64_LENGTH: u64 = 20;
const CENTRAL_LENGTH: usize = 46;

/// General purpose flags: sizes follow the data; names are UTF-8.
const SIZES_FOLLOW: u16 = 1 << 3;
const UTF_8: u16 = 1 << 11;
/// Extra fields: sizes of 64 bits; the name once more in Unicode.
const ZIP_64: u16 = 1;
const UNICODE_PATH: u16 = 0x7075;

/// What is wrong with an archive.
#[derive(Debug)]
pub(super) enum Defect {
    /// Its frame.
    Frame(String),
    /// One of its members, which has this name as far as it is UTF-8.
    Member(String, String),
    /// It can't be read.
    Read(io::Error),
}

impl From<io::Error> for Defect {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

type Result<T> = std::result::Result<T, Defect>;

/// Checks the frame of an archive of a length.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> Result<()> {
    let (directory, start) = read_directory(file, length)?;
    let mut members = parse_directory(&directory)?;
    let mut names = BTreeSet::new();
    for member in &members {
        member.check_name()?;
        if !names.insert(member.name.as_slice()) {
            return member.wrong("is in the archive twice");
        }
    }
    members.sort_by_key(|member| member.offset);
    let mut position = 0;
    for (index, member) in members.iter().enumerate() {
        if member.offset < position {
            return member.wrong("overlaps the member before it");
        }
        if member.offset > position {
            let bytes = member.offset - position;
            return member.wrong(&format!("has {bytes} bytes before it that are no member's"));
        }
        let next = members.get(index + 1).map_or(start, |next| next.offset);
        position = member.check_local(file, start, next)?;
    }
    if position == start {
        Ok(())
    } else {
        frame("there are bytes between the last member and the directory")
    }
}

fn frame<T>(what: &str) -> Result<T> {
    Err(Defect::Frame(what.to_owned()))
}

/// The directory's bytes and where it begins.
fn read_directory(file: &mut (impl Read + Seek), length: u64) -> Result<(Vec<u8>, u64)> {
    let Some(mut end_at) = length.checked_sub(END_LENGTH) else {
        return frame("it is shorter than the end of a directory");
    };
    let end = read_at(file, end_at, END_LENGTH)?;
    if !end.starts_with(END) || u16_at(&end, 20) != 0 {
        return frame(
            "it does not end with the end of its directory: it is cut off, or something was appended",
        );
    }
    if u32_at(&end, 4) != 0 || u16_at(&end, 8) != u16_at(&end, 10) {
        return frame("it is one part of several");
    }
    let mut count = u64::from(u16_at(&end, 10));
    let (mut size, mut start) = (u64::from(u32_at(&end, 12)), u64::from(u32_at(&end, 16)));
    if let Some(locator_at) = end_at.checked_sub(LOCATOR_64_LENGTH) {
        let locator = read_at(file, locator_at, LOCATOR_64_LENGTH)?;
        if locator.starts_with(LOCATOR_64) {
            let long_at = u64_at(&locator, 8);
            if long_at.checked_add(END_64_LENGTH) != Some(locator_at) {
                return frame("the locator of its 64-bit directory points elsewhere");
            }
            let long = read_at(file, long_at, END_64_LENGTH)?;
            let (long_count, long_size, long_start) =
                (u64_at(&long, 32), u64_at(&long, 40), u64_at(&long, 48));
            let agree = |short: u64, most: u64, long: u64| short == long || short == most;
            if !long.starts_with(END_64)
                || u64_at(&long, 24) != long_count
                || !agree(count, u64::from(u16::MAX), long_count)
                || !agree(size, u64::from(u32::MAX), long_size)
                || !agree(start, u64::from(u32::MAX), long_start)
            {
                return frame("the two ends of its directory disagree");
            }
            (end_at, count, size, start) = (long_at, long_count, long_size, long_start);
        }
    }
    if start.checked_add(size) != Some(end_at) {
        return frame("its directory is not where its end says");
    }
    if size > LARGEST_DIRECTORY || count > MOST_MEMBERS {
        return frame(&format!(
            "its directory has {count} members in {size} bytes, more than a wheel may have"
        ));
    }
    let directory = read_at(file, start, size)?;
    // Counted here, so that nobody reads more or fewer.
    if entries(&directory).is_none_or(|entries| entries.len() as u64 != count) {
        return frame("its directory has another number of members than its end says");
    }
    Ok((directory, start))
}

/// A header, its name and its extra fields.
type RawEntry<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The headers of a directory with their names and extra fields.
fn entries(directory: &[u8]) -> Option<Vec<RawEntry<'_>>> {
    let mut entries = Vec::new();
    let mut rest = directory;
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(CENTRAL_LENGTH)?;
        if !header.starts_with(CENTRAL) {
            return None;
        }
        let (name, behind) = behind.split_at_checked(usize::from(u16_at(header, 28)))?;
        let (extra, behind) = behind.split_at_checked(usize::from(u16_at(header, 30)))?;
        let (_comment, behind) = behind.split_at_checked(usize::from(u16_at(header, 32)))?;
        entries.push((header, name, extra));
        rest = behind;
    }
    Some(entries)
}

/// A member as the directory describes it.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    checksum: u32,
    packed: u64,
    unpacked: u64,
    offset: u64,
}

fn parse_directory(directory: &[u8]) -> Result<Vec<Entry>> {
    let entries = entries(directory).unwrap_or_default().into_iter();
    entries
        .map(|(header, name, extra)| {
            let mut entry = Entry {
                name: name.to_vec(),
                flags: u16_at(header, 8),
                method: u16_at(header, 10),
                checksum: u32_at(header, 16),
                packed: u64::from(u32_at(header, 20)),
                unpacked: u64::from(u32_at(header, 24)),
                offset: u64::from(u32_at(header, 42)),
            };
            if u16_at(header, 34) != 0 {
                return entry.wrong("is in another part of the archive");
            }
            let mut long = [entry.unpacked, entry.packed, entry.offset];
            entry.extend(extra, &mut long)?;
            [entry.unpacked, entry.packed, entry.offset] = long;
            Ok(entry)
        })
        .collect()
}

impl Entry {
    fn wrong<T>(&self, what: &str) -> Result<T> {
        let name = String::from_utf8_lossy(&self.name).into_owned();
        Err(Defect::Member(name, what.to_owned()))
    }

    /// Readers take a name for code page 437 when it is not marked.
    fn check_name(&self) -> Result<()> {
        if std::str::from_utf8(&self.name).is_err() {
            return self.wrong("has a name that is not UTF-8");
        }
        if !self.name.is_ascii() && self.flags & UTF_8 == 0 {
            return self.wrong("has a name that is not marked as UTF-8");
        }
        Ok(())
    }

    /// Reads extra fields: sizes of 64 bits replace those in `long` that have no room in 32.
    fn extend(&self, extra: &[u8], long: &mut [u64]) -> Result<()> {
        let mut rest = extra;
        let mut seen = false;
        while !rest.is_empty() {
            let parts = rest.split_at_checked(4).and_then(|(head, behind)| {
                let (data, behind) = behind.split_at_checked(usize::from(u16_at(head, 2)))?;
                Some((u16_at(head, 0), data, behind))
            });
            let Some((kind, data, behind)) = parts else {
                return self.wrong("has a malformed extra field");
            };
            rest = behind;
            match kind {
                ZIP_64 if seen => return self.wrong("says its 64-bit sizes twice"),
                ZIP_64 => {
                    seen = true;
                    self.extend_sizes(data, long)?;
                }
                UNICODE_PATH if data.get(5..) != Some(self.name.as_slice()) => {
                    return self.wrong("has a second name in an extra field");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The field has the sizes that have no room elsewhere; some tools write all of them.
    fn extend_sizes(&self, data: &[u8], long: &mut [u64]) -> Result<()> {
        const ELSEWHERE: u64 = u32::MAX as u64;
        let numbers: Vec<u64> = data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect();
        let missing = long.iter().filter(|value| **value == ELSEWHERE).count();
        let agree = |value: u64, number: u64| value == number || value == ELSEWHERE;
        let mut pairs = long.iter().zip(&numbers);
        if numbers.len() == missing {
            let open = long.iter_mut().filter(|value| **value == ELSEWHERE);
            open.zip(numbers)
                .for_each(|(value, number)| *value = number);
            Ok(())
        } else if numbers.len() < missing {
            self.wrong("does not say its 64-bit sizes")
        } else if numbers.len() <= long.len() && pairs.all(|(value, number)| agree(*value, *number))
        {
            long.iter_mut()
                .zip(numbers)
                .for_each(|(value, number)| *value = number);
            Ok(())
        } else {
            self.wrong("says 64-bit sizes that are not its sizes")
        }
    }

    /// Compares the member's own header with the directory; returns where the member ends.
    fn check_local(&self, file: &mut (impl Read + Seek), limit: u64, next: u64) -> Result<u64> {
        let beyond = || self.wrong("reaches beyond the members of the archive");
        if self.offset.saturating_add(30) > limit {
            return beyond();
        }
        let header = read_at(file, self.offset, 30)?;
        if !header.starts_with(LOCAL) {
            return self.wrong("is not where the directory says");
        }
        let lengths = [u16_at(&header, 26), u16_at(&header, 28)].map(u64::from);
        let data = self.offset + 30 + lengths[0] + lengths[1];
        let Some(end) = data.checked_add(self.packed).filter(|end| *end <= limit) else {
            return beyond();
        };
        let name = read_at(file, self.offset + 30, lengths[0])?;
        if name != self.name {
            let other = String::from_utf8_lossy(&name).escape_debug().to_string();
            return self.wrong(&format!("has the name `{other}` in its own header"));
        }
        let mut long = [u32_at(&header, 22), u32_at(&header, 18)].map(u64::from);
        let extra = read_at(file, self.offset + 30 + lengths[0], lengths[1])?;
        self.extend(&extra, &mut long)?;
        let flags = u16_at(&header, 6);
        if flags != self.flags || u16_at(&header, 8) != self.method {
            return self.wrong("has other flags or another compression in its own header");
        }
        let own = (u32_at(&header, 14), long[1], long[0]);
        let said = (self.checksum, self.packed, self.unpacked);
        let follows = flags & SIZES_FOLLOW != 0;
        if own != said && !(follows && own == (0, 0, 0)) {
            return self.wrong("has another size or checksum in its own header");
        }
        if !follows {
            return Ok(end);
        }
        self.check_descriptor(file, end, next)
    }

    /// Compares sizes that follow the data; returns where they end.
    fn check_descriptor(&self, file: &mut (impl Read + Seek), at: u64, next: u64) -> Result<u64> {
        let mut short = self.checksum.to_le_bytes().to_vec();
        let mut long = short.clone();
        for size in [self.packed, self.unpacked] {
            short.extend(&size.to_le_bytes()[..4]);
            long.extend(size.to_le_bytes());
        }
        let signed = |content: &[u8]| [DESCRIPTOR.as_slice(), content].concat();
        for form in [signed(&short), signed(&long), short, long] {
            let length = form.len() as u64;
            if at + length == next && read_at(file, at, length)? == form {
                return Ok(next);
            }
        }
        self.wrong("has another size or checksum behind its data")
    }
}

fn read_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A number at a place that is there: every caller has read the whole header.
fn number_at(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    let digits = bytes.iter().rev();
    digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[expect(clippy::cast_possible_truncation, reason = "two bytes were read")]
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    number_at(bytes, at, 2) as u16
}

#[expect(clippy::cast_possible_truncation, reason = "four bytes were read")]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    number_at(bytes, at, 4) as u32
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    number_at(bytes, at, 8)
}
