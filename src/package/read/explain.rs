//! Why two package files are not the same bytes: by archive member, header field and content.
//!
//! Reads both packages whole; memory grows with the number of their entries only.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::Result;
use crate::platform::Format;

use super::{Place, deb, format_of, rpm, tar};

/// Of so many files the first byte that differs is looked for; of the others the digests are told.
const MOST_COMPARED: usize = 16;

/// How much of a long value is shown, in characters.
const SHOWN: usize = 200;

/// One thing that two packages have differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: archive member, entry and field, or content with an offset in bytes.
    pub place: String,
    /// What the first package has there; empty: nothing.
    pub old: String,
    /// What the second package has there; empty: nothing.
    pub new: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| match text {
            "" => "nothing".to_owned(),
            text => format!("`{text}`"),
        };
        write!(
            formatter,
            "{}: {} and {}",
            self.place,
            shown(&self.old),
            shown(&self.new)
        )
    }
}

/// What makes two package files of one format differ, outermost first; nothing when they are the
/// same bytes. A difference in how equal content is compressed is told as such.
pub fn explain_difference(old: &Path, new: &Path) -> Result<Vec<Difference>> {
    let mut found = Found::default();
    let (mut one, mut other) = (fs_err::File::open(old)?, fs_err::File::open(new)?);
    let Some(offset) = first_difference(&mut one, &mut other)? else {
        return Ok(Vec::new());
    };
    match (format_of(old)?, format_of(new)?) {
        (Format::Deb, Format::Deb) => debs(old, new, &mut found)?,
        (Format::Rpm, Format::Rpm) => rpms(old, new, &mut found)?,
        (one, other) => found.add("the format", &one.to_string(), &other.to_string()),
    }
    if found.0.is_empty() {
        let place = format!("byte {offset} of the file, in no content");
        let byte = |file: &mut fs_err::File| byte_at(file, offset);
        found.add(&place, &byte(&mut one)?, &byte(&mut other)?);
    }
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, place: &str, old: &str, new: &str) {
        if old != new {
            let shorten = |text: &str| match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text.to_owned(),
            };
            self.0.push(Difference {
                place: place.to_owned(),
                old: shorten(old),
                new: shorten(new),
            });
        }
    }
}

fn debs(old: &Path, new: &Path, found: &mut Found) -> Result<()> {
    let mut one = deb::Parts::open(old)?;
    let mut other = deb::Parts::open(new)?;
    let names = |parts: &deb::Parts| -> Vec<String> {
        parts
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect()
    };
    found.add(
        "the members",
        &names(&one).join(", "),
        &names(&other).join(", "),
    );
    for (member, twin) in one.members.iter().zip(&other.members) {
        for ((field, old), (_, new)) in member.fields.iter().zip(&twin.fields) {
            found.add(
                &format!("{}, {field} in the `ar` header", member.name),
                old,
                new,
            );
        }
    }
    let pairs = [
        (one.control.clone(), other.control.clone()),
        (one.data.clone(), other.data.clone()),
    ];
    for (member, twin) in pairs {
        let place = Place::new(old, format!("`{}`", member.name));
        let twins_place = Place::new(new, format!("`{}`", twin.name));
        let before = found.0.len();
        let same_bytes = {
            let mut one = deb::content(&mut one.file, &member)?;
            first_difference(&mut one, &mut deb::content(&mut other.file, &twin)?)?
        };
        let Some(offset) = same_bytes else { continue };
        let mut open_old = |visit: &mut Visit<'_>| {
            let (mut reader, _) = deb::decoded(&mut one.file, &member, &place)?;
            tar_entries(&mut reader, &place, visit)
        };
        let mut open_new = |visit: &mut Visit<'_>| {
            let (mut reader, _) = deb::decoded(&mut other.file, &twin, &twins_place)?;
            tar_entries(&mut reader, &twins_place, visit)
        };
        archives(&member.name, &mut open_old, &mut open_new, found)?;
        if found.0.len() == before {
            compressed(&member.name, offset, (member.size, twin.size), found);
        }
    }
    Ok(())
}

fn rpms(old: &Path, new: &Path, found: &mut Found) -> Result<()> {
    let one = rpm::Parts::open(old)?;
    let other = rpm::Parts::open(new)?;
    let signature = |parts: &rpm::Parts| tag_values(&parts.metadata.signature.get_all_entries());
    tags(
        "the signature header",
        ::rpm::format_tag_id,
        &signature(&one),
        &signature(&other),
        found,
    );
    let header = |parts: &rpm::Parts| tag_values(&parts.metadata.header.get_all_entries());
    tags(
        "the header",
        rpm::tag_name,
        &header(&one),
        &header(&other),
        found,
    );
    let lead = |path: &Path| -> Result<String> {
        let mut lead = vec![0; usize::try_from(one.offsets[0]).unwrap_or(0)];
        fs_err::File::open(path)?.read_exact(&mut lead)?;
        Ok(Digest::of(lead).to_string())
    };
    found.add("the lead, by SHA-256", &lead(old)?, &lead(new)?);
    let payload = |path: &Path, parts: &rpm::Parts| -> Result<io::Take<fs_err::File>> {
        let mut file = fs_err::File::open(path)?;
        file.seek(SeekFrom::Start(parts.offsets[2]))?;
        let length = file.metadata()?.len().saturating_sub(parts.offsets[2]);
        Ok(file.take(length))
    };
    let (mut old_bytes, mut new_bytes) = (payload(old, &one)?, payload(new, &other)?);
    let sizes = (old_bytes.limit(), new_bytes.limit());
    let Some(offset) = first_difference(&mut old_bytes, &mut new_bytes)? else {
        return Ok(());
    };
    let before = found.0.len();
    let entries = |path: &Path, visit: &mut Visit<'_>| {
        rpm::entries(path, |entry, content| {
            let item = Item {
                name: entry.name,
                fields: entry.fields,
            };
            visit(item, content)
        })
    };
    let mut open_old = |visit: &mut Visit<'_>| entries(old, visit);
    let mut open_new = |visit: &mut Visit<'_>| entries(new, visit);
    archives("the payload", &mut open_old, &mut open_new, found)?;
    if found.0.len() == before {
        compressed("the payload", offset, sizes, found);
    }
    Ok(())
}

fn compressed(name: &str, offset: u64, (old, new): (u64, u64), found: &mut Found) {
    let place = format!("{name}: the same content, compressed differently from byte {offset} on");
    found.0.push(Difference {
        place,
        old: format!("{old} bytes"),
        new: format!("{new} bytes"),
    });
}

type RawEntries = Result<Vec<(u32, ::rpm::IndexData)>, ::rpm::Error>;

/// Each tag's name and value, in the order of the header.
fn tag_values(entries: &RawEntries) -> Vec<(u32, String)> {
    let entries = entries.as_ref().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .map(|(tag, data)| (*tag, format!("{data:?}")))
        .collect()
}

fn tags(
    place: &str,
    name: fn(u32) -> String,
    old: &[(u32, String)],
    new: &[(u32, String)],
    found: &mut Found,
) {
    let order = |tags: &[(u32, String)]| -> Vec<String> {
        tags.iter().map(|(tag, _)| name(*tag)).collect()
    };
    let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (
        old.iter()
            .map(|(tag, value)| (*tag, value.as_str()))
            .collect(),
        new.iter()
            .map(|(tag, value)| (*tag, value.as_str()))
            .collect(),
    );
    if one.keys().eq(other.keys()) {
        found.add(
            &format!("{place}, the order"),
            &order(old).join(", "),
            &order(new).join(", "),
        );
    }
    let all: std::collections::BTreeSet<u32> = one.keys().chain(other.keys()).copied().collect();
    for tag in all {
        let (old, new) = (one.get(&tag).copied(), other.get(&tag).copied());
        let (old, new) = from_first_difference(old.unwrap_or_default(), new.unwrap_or_default());
        found.add(&format!("{place}, {}", name(tag)), &old, &new);
    }
}

/// Long lists differ in one place: what stands before it is left out.
fn from_first_difference(old: &str, new: &str) -> (String, String) {
    let common = old
        .chars()
        .zip(new.chars())
        .take_while(|(one, other)| one == other)
        .count();
    if old == new || common <= SHOWN / 2 {
        return (old.to_owned(), new.to_owned());
    }
    let cut = |text: &str| {
        format!(
            "…{}",
            text.chars().skip(common - SHOWN / 4).collect::<String>()
        )
    };
    (cut(old), cut(new))
}

/// An entry of an archive, of whatever kind.
struct Item {
    name: String,
    fields: Vec<(&'static str, String)>,
}

type Visit<'a> = dyn FnMut(Item, &mut dyn Read) -> Result<()> + 'a;
type Archive<'a> = dyn FnMut(&mut Visit<'_>) -> Result<()> + 'a;

fn tar_entries(reader: &mut dyn Read, place: &Place, visit: &mut Visit<'_>) -> Result<()> {
    tar::for_each(reader, place, |entry, content| {
        let fields = entry.fields();
        visit(
            Item {
                name: entry.name,
                fields,
            },
            content,
        )
    })
}

/// What was seen of an entry.
struct Seen {
    position: usize,
    fields: Vec<(&'static str, String)>,
    digest: String,
}

/// Reads both archives once for their entries and digests, and once more for the contents that differ.
fn archives(
    name: &str,
    old: &mut Archive<'_>,
    new: &mut Archive<'_>,
    found: &mut Found,
) -> Result<()> {
    let (one, other) = (entries_of(old)?, entries_of(new)?);
    let mut contents = Vec::new();
    for (entry, seen) in &one {
        let Some(twin) = other.get(entry) else {
            found.add(&format!("{name}, `{entry}`"), "an entry", "");
            continue;
        };
        for ((field, old), (_, new)) in seen.fields.iter().zip(&twin.fields) {
            found.add(
                &format!("{name}, `{entry}`, {field} in the header"),
                old,
                new,
            );
        }
        if seen.digest != twin.digest {
            contents.push(entry.clone());
        }
    }
    for entry in other.keys().filter(|entry| !one.contains_key(*entry)) {
        found.add(&format!("{name}, `{entry}`"), "", "an entry");
    }
    if one.len() == other.len() && one.keys().eq(other.keys()) {
        let moved = one.iter().filter_map(|(entry, seen)| {
            let there = other.get(entry).map(|twin| twin.position)?;
            (there != seen.position).then_some((seen.position, entry, there))
        });
        if let Some((position, entry, there)) = moved.min() {
            let place = format!("{name}, the order of entries: the position of `{entry}`");
            found.add(&place, &position.to_string(), &there.to_string());
        }
    }
    for entry in contents.iter().skip(MOST_COMPARED) {
        let digest = |seen: &BTreeMap<String, Seen>| {
            seen.get(entry)
                .map(|seen| seen.digest.clone())
                .unwrap_or_default()
        };
        found.add(
            &format!("{name}, `{entry}`, the content by SHA-256"),
            &digest(&one),
            &digest(&other),
        );
    }
    contents.truncate(MOST_COMPARED);
    let kept = keep(old, &contents)?;
    compare(name, new, kept, found)
}

fn entries_of(archive: &mut Archive<'_>) -> Result<BTreeMap<String, Seen>> {
    let mut entries: BTreeMap<String, Seen> = BTreeMap::new();
    let mut position = 0;
    archive(&mut |item: Item, content: &mut dyn Read| {
        let (digest, _) = Digest::of_reader(content)?;
        position += 1;
        let seen = Seen {
            position,
            fields: item.fields,
            digest: digest.to_string(),
        };
        entries.insert(item.name, seen);
        Ok(())
    })?;
    Ok(entries)
}

/// The contents of some entries, each in an anonymous file.
fn keep(archive: &mut Archive<'_>, names: &[String]) -> Result<BTreeMap<String, File>> {
    let mut kept = BTreeMap::new();
    if names.is_empty() {
        return Ok(kept);
    }
    archive(&mut |item: Item, content: &mut dyn Read| {
        if names.contains(&item.name) {
            let mut file = tempfile::tempfile()?;
            io::copy(content, &mut file)?;
            file.flush()?;
            file.seek(SeekFrom::Start(0))?;
            kept.insert(item.name, file);
        }
        Ok(())
    })?;
    Ok(kept)
}

fn compare(
    name: &str,
    archive: &mut Archive<'_>,
    mut kept: BTreeMap<String, File>,
    found: &mut Found,
) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    archive(&mut |item: Item, content: &mut dyn Read| {
        if let Some(mut old) = kept.remove(&item.name) {
            let mut new = tempfile::tempfile()?;
            io::copy(content, &mut new)?;
            new.seek(SeekFrom::Start(0))?;
            if let Some(offset) = first_difference(&mut old, &mut new)? {
                let place = format!("{name}, `{}`, the content at byte {offset}", item.name);
                let (old, new) = (excerpt(&mut old, offset)?, excerpt(&mut new, offset)?);
                found.add(&place, &old, &new);
            }
        }
        Ok(())
    })
}

/// The bytes around an offset: as text where they are text, else in hexadecimal digits.
fn excerpt(file: &mut File, offset: u64) -> io::Result<String> {
    let before = offset.min(16);
    file.seek(SeekFrom::Start(offset - before))?;
    let mut bytes = Vec::new();
    file.take(before + 32).read_to_end(&mut bytes)?;
    let plain = |byte: &u8| byte.is_ascii_graphic() || b" \t\n".contains(byte);
    if bytes.iter().all(plain) {
        return Ok(super::text(&bytes).replace('\n', "\\n"));
    }
    let at = usize::try_from(before).unwrap_or(0).min(bytes.len());
    Ok(crate::digest::hex(&bytes[at..]))
}

fn byte_at(file: &mut fs_err::File, offset: u64) -> Result<String> {
    file.seek(SeekFrom::Start(offset))?;
    let mut byte = Vec::new();
    file.take(1).read_to_end(&mut byte)?;
    Ok(crate::digest::hex(&byte))
}

/// The offset of the first byte that two streams have differently; the length of the shorter one when
/// it is the other's beginning.
fn first_difference(one: &mut dyn Read, other: &mut dyn Read) -> io::Result<Option<u64>> {
    let mut one = BufReader::with_capacity(1 << 16, one);
    let mut other = BufReader::with_capacity(1 << 16, other);
    let mut offset = 0;
    loop {
        let (left, right) = (
            io::BufRead::fill_buf(&mut one)?,
            io::BufRead::fill_buf(&mut other)?,
        );
        let common = left.len().min(right.len());
        if let Some(at) = (0..common).find(|at| left[*at] != right[*at]) {
            return Ok(Some(offset + at as u64));
        }
        if common == 0 {
            let same = left.is_empty() && right.is_empty();
            return Ok((!same).then_some(offset));
        }
        offset += common as u64;
        io::BufRead::consume(&mut one, common);
        io::BufRead::consume(&mut other, common);
    }
}
