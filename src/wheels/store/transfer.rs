//! Sets with their wheels in one file, to take to another machine.
//!
//! ```text
//! omnibuild-wheels.json                         {"schema": 1}
//! sets/<platform>/<key>.json                    sorted
//! wheels/<2 digits>/<sha256>/<file name>        sorted
//! ```
//!
//! A tar archive, compressed by Zstandard when its name ends with `zst`; the same sets give the same
//! bytes. What is read is not trusted: everything is checked before anything is put into the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use fs_err as fs;

use crate::archive::{self, plain_header};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::platform::PlatformId;

use super::{SealedSet, StoredSet, Wheel, WheelSet, WheelStore};

const SCHEMA: u32 = 1;
const HEADER: &str = "omnibuild-wheels.json";
/// Wheels are compressed already: more work would save nothing.
const LEVEL: i32 = 3;
/// Of a manifest; one of a thousand wheels has half a megabyte.
const LARGEST_SET: u64 = 16 << 20;

/// What went over.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Transferred {
    /// Sets.
    pub sets: usize,
    /// Wheels, each counted once.
    pub wheels: usize,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    schema: u32,
}

/// Wheels by what tells them apart, sorted.
type Wheels = BTreeMap<(Digest, String), Wheel>;

/// What an archive was found to hold.
#[derive(Default)]
struct Content {
    sets: Vec<(PlatformId, WheelSet)>,
    wheels: BTreeSet<(Digest, String)>,
}

impl WheelStore {
    /// Writes the sets of platforms (all, when none is named) with their wheels into a file, at once.
    pub fn export(&self, path: &Path, platforms: &BTreeSet<PlatformId>) -> Result<Transferred> {
        let (sets, wheels) = self.to_export(platforms)?;
        let result = transferred(sets.len(), wheels.values());
        let compressed = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("zst") || extension.eq_ignore_ascii_case("tzst")
        });
        fsutil::commit_file(path, |output| {
            if compressed {
                let mut encoder = zstd::Encoder::new(output, LEVEL)?;
                self.write(&mut encoder, &sets, &wheels)?;
                encoder.finish()?;
                Ok(())
            } else {
                self.write(output, &sets, &wheels)
            }
        })?;
        Ok(result)
    }

    /// What [`export`](Self::export) would write.
    pub fn would_export(&self, platforms: &BTreeSet<PlatformId>) -> Result<Transferred> {
        let (sets, wheels) = self.to_export(platforms)?;
        Ok(transferred(sets.len(), wheels.values()))
    }

    /// Whole sets of these platforms, and their wheels.
    fn to_export(&self, platforms: &BTreeSet<PlatformId>) -> Result<(Vec<StoredSet>, Wheels)> {
        let mut sets = self.survey()?.sets;
        sets.retain(|stored| {
            let wanted = platforms.is_empty() || platforms.contains(&stored.platform);
            wanted && stored.set.wheels.iter().all(|wheel| self.has(wheel))
        });
        let wheels = sets
            .iter()
            .flat_map(|stored| &stored.set.wheels)
            .map(|wheel| {
                (
                    (wheel.digest.clone(), wheel.file_name.clone()),
                    wheel.clone(),
                )
            })
            .collect();
        Ok((sets, wheels))
    }

    fn write(&self, output: impl Write, sets: &[StoredSet], wheels: &Wheels) -> Result<()> {
        let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 18, output));
        archive.sparse(false);
        let mut add = |name: &str, size: u64, content: &mut dyn Read| {
            let mut header = plain_header(size);
            archive.append_data(&mut header, name, content)
        };
        let text = json(&Header { schema: SCHEMA })?;
        add(HEADER, text.len() as u64, &mut &text[..])?;
        for stored in sets {
            let text = json(&SealedSet::new(stored.set.clone())?)?;
            let name = format!("sets/{}/{}.json", stored.platform, stored.set.key.digest);
            add(&name, text.len() as u64, &mut &text[..])?;
        }
        for wheel in wheels.values() {
            let content = fs::File::open(self.verify(wheel)?)?;
            add(
                &wheel_name(wheel),
                wheel.size,
                &mut content.take(wheel.size),
            )?;
        }
        archive
            .into_inner()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .flush()?;
        Ok(())
    }

    /// What [`import`](Self::import) would put in: reads and checks everything.
    pub fn would_import(
        &self,
        path: &Path,
        platforms: &BTreeSet<PlatformId>,
    ) -> Result<Transferred> {
        let content = check(path, platforms)?;
        Ok(transferred(
            content.sets.len(),
            content.unique().values().copied(),
        ))
    }

    /// Puts the sets of platforms (all, when none is named) and their wheels in. A file that is not
    /// sound in every part changes nothing.
    pub fn import(&self, path: &Path, platforms: &BTreeSet<PlatformId>) -> Result<Transferred> {
        let content = check(path, platforms)?;
        let wanted = content.unique();
        for_each_entry(path, |entry, reader| {
            if let Entry::Wheel(digest, file_name) = entry
                && wanted.contains_key(&(&digest, file_name.as_str()))
            {
                self.put_known(&file_name, &digest, reader)?;
            }
            Ok(())
        })?;
        let result = transferred(content.sets.len(), wanted.values().copied());
        for (platform, set) in &content.sets {
            self.put_made_set(platform, set.clone())?;
        }
        Ok(result)
    }
}

impl Content {
    fn unique(&self) -> BTreeMap<(&Digest, &str), &Wheel> {
        let wheels = self.sets.iter().flat_map(|(_, set)| &set.wheels);
        wheels.map(|wheel| (wheel.identity(), wheel)).collect()
    }
}

fn transferred<'w>(sets: usize, wheels: impl Iterator<Item = &'w Wheel>) -> Transferred {
    wheels.fold(
        Transferred {
            sets,
            ..Transferred::default()
        },
        |sum, wheel| Transferred {
            wheels: sum.wheels + 1,
            bytes: sum.bytes + wheel.size,
            ..sum
        },
    )
}

fn wheel_name(wheel: &Wheel) -> String {
    let digits = wheel.digest.as_str();
    format!("wheels/{}/{digits}/{}", &digits[..2], wheel.file_name)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?)
}

/// Reads a whole archive: every entry is one that belongs there, has the content that its name says,
/// and no set misses a wheel. Answers the sets of these platforms.
fn check(path: &Path, platforms: &BTreeSet<PlatformId>) -> Result<Content> {
    let mut content = Content::default();
    for_each_entry(path, |entry, reader| match entry {
        Entry::Set(platform, key) => {
            let mut text = Vec::new();
            let read = reader.take(LARGEST_SET + 1).read_to_end(&mut text);
            read.map_err(|error| refused(path, error))?;
            let set = Some(text)
                .filter(|text| text.len() as u64 <= LARGEST_SET)
                .and_then(|text| serde_json::from_slice::<SealedSet>(&text).ok())
                .and_then(SealedSet::open)
                .filter(|set| set.key.digest == key)
                .ok_or_else(|| refused(path, format!("the set {key} of {platform} is damaged")))?;
            content.sets.push((platform, set));
            Ok(())
        }
        Entry::Wheel(digest, file_name) => {
            let (actual, _) = Digest::of_reader(reader).map_err(|error| refused(path, error))?;
            if actual != digest {
                let what =
                    format!("`{file_name}` has the SHA-256 {actual} and should have {digest}");
                return Err(refused(path, what));
            }
            content.wheels.insert((digest, file_name));
            Ok(())
        }
    })?;
    let complete = |(_, set): &(PlatformId, WheelSet)| {
        let has = |wheel: &&Wheel| {
            let identity = (wheel.digest.clone(), wheel.file_name.clone());
            !content.wheels.contains(&identity)
        };
        set.wheels.iter().find(has).cloned()
    };
    if let Some(wheel) = content.sets.iter().find_map(complete) {
        return Err(refused(path, format!("`{}` is missing", wheel.file_name)));
    }
    content
        .sets
        .retain(|(platform, _)| platforms.is_empty() || platforms.contains(platform));
    Ok(content)
}

/// An entry of an archive, by its name.
enum Entry {
    Set(PlatformId, Digest),
    Wheel(Digest, String),
}

/// Calls `each` with every set and wheel. Anything else in the archive is refused.
fn for_each_entry(
    path: &Path,
    mut each: impl FnMut(Entry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let broken = |error: std::io::Error| refused(path, error);
    let file = fs::File::open(path)?;
    let reader = archive::decoded(BufReader::with_capacity(1 << 18, file))?;
    let mut archive = tar::Archive::new(reader);
    let mut header = None;
    let mut seen = BTreeSet::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(refused(path, format!("`{name}` is no plain file")));
        }
        if !seen.insert(name.clone()) {
            return Err(refused(path, format!("`{name}` is there twice")));
        }
        if header.is_none() {
            let mut text = Vec::new();
            (&mut entry)
                .take(1024)
                .read_to_end(&mut text)
                .map_err(broken)?;
            let found = serde_json::from_slice::<Header>(&text).ok();
            header = found.filter(|found| name == HEADER && found.schema == SCHEMA);
            if header.is_none() {
                return Err(refused(
                    path,
                    "it is not of this version of `omnibuild cache export`",
                ));
            }
            continue;
        }
        let Some(found) = parse_name(&name) else {
            return Err(refused(path, format!("`{name}` does not belong there")));
        };
        each(found, &mut entry)?;
    }
    if header.is_none() {
        return Err(refused(path, "it is empty"));
    }
    Ok(())
}

/// Only names that [`WheelStore::export`] writes: none of them leaves the store.
fn parse_name(name: &str) -> Option<Entry> {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["sets", platform, file] => Some(Entry::Set(
            platform.parse().ok()?,
            file.strip_suffix(".json")?.parse().ok()?,
        )),
        ["wheels", digits, digest, file_name] => {
            let wheel = Wheel {
                file_name: (*file_name).to_owned(),
                digest: digest.parse().ok()?,
                size: 0,
                origin: None,
            };
            let good = digest.starts_with(digits) && digits.len() == 2 && wheel.has_good_name();
            good.then_some(Entry::Wheel(wheel.digest, wheel.file_name))
        }
        _ => None,
    }
}

fn refused(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("`{}`: {what}", path.display()))
        .hint("nothing of it was put into the cache; export it again where it came from")
}
