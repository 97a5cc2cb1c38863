//! An rpm: lead, signature header, header, payload. The headers are read by the `rpm` crate, after
//! their index was held against the file, since that library believes what an index says.

mod files;
mod index;
mod tags;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ::rpm::{IndexTag as Tag, PackageMetadata};

use crate::archive;
use crate::error::Result;
use crate::platform::{Codec, Format};
use crate::version::NativeVersion;

use self::files::files;
use self::index::check_header;
pub(super) use self::tags::tag_name;
use self::tags::{FIELDS, RELATIONS, Tags, dependencies, scripts};
use super::cpio::CpioEntry;
use super::{Budget, Each, File, FileKind, Package, Place, absolute, cpio};

/// What every rpm begins with.
pub(in crate::package::read) const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

const LEAD: u64 = 96;

/// The parts of an rpm file.
pub(in crate::package::read) struct Parts {
    pub(in crate::package::read) metadata: PackageMetadata,
    /// The file, at the payload's first byte.
    pub(in crate::package::read) payload: BufReader<fs_err::File>,
    /// Where the signature header, the header and the payload begin.
    pub(in crate::package::read) offsets: [u64; 3],
}

impl Parts {
    pub(in crate::package::read) fn open(path: &Path) -> Result<Self> {
        let place = Place::new(path, "the signature header");
        let file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut budget = Budget::new();
        let signature_end = check_header(&mut reader, LEAD, length, &place, &mut budget)?;
        let header = signature_end.next_multiple_of(8);
        let place = place.part("the header");
        let payload = check_header(&mut reader, header, length, &place, &mut budget)?;
        reader.seek(SeekFrom::Start(0)).map_err(place.io())?;
        let metadata = PackageMetadata::parse(&mut reader).map_err(|error| place.damaged(error))?;
        reader.seek(SeekFrom::Start(payload)).map_err(place.io())?;
        Ok(Self {
            metadata,
            payload: reader,
            offsets: [LEAD, header, payload],
        })
    }

    /// The payload, decompressed, and what it was compressed with.
    pub(in crate::package::read) fn decoded(
        self,
        place: &Place,
    ) -> Result<(Box<dyn Read>, Option<Codec>)> {
        let mut payload = self.payload;
        let start = payload.fill_buf().map_err(place.io())?;
        let codec = archive::codec_of(start);
        if codec.is_none() && !start.starts_with(cpio::MAGIC_START) {
            return Err(
                place.damaged("it is compressed in a way that is not read: gzip, xz and zstd are")
            );
        }
        Ok((archive::decoder(codec, payload).map_err(place.io())?, codec))
    }
}

pub(in crate::package::read) fn read(path: &Path, each: Option<&mut Each<'_>>) -> Result<Package> {
    let parts = Parts::open(path)?;
    let place = Place::new(path, "the header");
    let tags = Tags {
        metadata: &parts.metadata,
        place: &place,
    };
    let files = files(&tags)?;
    let mut package = describe(path, &tags)?;
    package.size = parts.payload.get_ref().metadata()?.len();
    let place = place.part("the payload");
    let (mut payload, codec) = parts.decoded(&place)?;
    package.compression = codec;
    if let Some(each) = each {
        contents(&files, &mut payload, &place, each)?;
    }
    package.files = files;
    Ok(package)
}

fn describe(path: &Path, tags: &Tags<'_>) -> Result<Package> {
    let mut fields = BTreeMap::new();
    for (name, tag) in FIELDS {
        if let Some(value) = tags.string(tag)? {
            fields.insert(name.to_owned(), value);
        }
    }
    let mut relations = BTreeMap::new();
    for (name, names, flags, versions) in RELATIONS {
        let list = dependencies(tags, names, flags, versions)?;
        if !list.is_empty() {
            relations.insert(name.to_owned(), list);
        }
    }
    let epoch = tags.numbers(Tag::RPMTAG_EPOCH)?.first().copied();
    Ok(Package {
        path: path.to_owned(),
        format: Format::Rpm,
        size: 0,
        name: tags.needed("name", Tag::RPMTAG_NAME)?,
        version: NativeVersion {
            epoch: epoch.and_then(|epoch| u32::try_from(epoch).ok()),
            upstream: tags.needed("version", Tag::RPMTAG_VERSION)?,
            revision: tags.needed("release", Tag::RPMTAG_RELEASE)?,
        },
        architecture: tags.needed("architecture", Tag::RPMTAG_ARCH)?,
        fields,
        relations,
        scripts: scripts(tags)?,
        control_files: BTreeMap::new(),
        files: Vec::new(),
        compression: None,
        installed_size: 0,
        problems: Vec::new(),
    })
}

/// How many bytes of each file stand in the payload, by its number in the header: those of a file with
/// several names stand with the last.
fn payload_sizes(files: &[File]) -> Vec<u64> {
    let mut last_names: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        if let FileKind::HardLink(first) = &file.kind {
            last_names.insert(first, index);
        }
    }
    let size = |(index, file): (usize, &File)| match &file.kind {
        FileKind::Symlink(target) => target.len() as u64,
        FileKind::File if last_names.contains_key(file.path.as_str()) => 0,
        FileKind::HardLink(first) if last_names.get(first.as_str()) != Some(&index) => 0,
        _ => file.size,
    };
    files.iter().enumerate().map(size).collect()
}

/// The entries of the payload with their bytes, as they stand there.
pub(in crate::package::read) fn entries(
    path: &Path,
    each: impl FnMut(CpioEntry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let parts = Parts::open(path)?;
    let place = Place::new(path, "the header");
    let tags = Tags {
        metadata: &parts.metadata,
        place: &place,
    };
    let sizes = payload_sizes(&files(&tags)?);
    let place = Place::new(path, "the payload");
    let (mut payload, _) = parts.decoded(&place)?;
    cpio::for_each(
        &mut payload,
        &place,
        |index| sizes.get(index).copied(),
        each,
    )
}

/// Gives the contents that the payload has. The bytes of hard links stand with the last of them.
fn contents(
    files: &[File],
    payload: &mut dyn Read,
    place: &Place,
    each: &mut Each<'_>,
) -> Result<()> {
    let by_path: BTreeMap<&str, usize> = (0..)
        .zip(files)
        .map(|(index, file)| (file.path.as_str(), index))
        .collect();
    let sizes = payload_sizes(files);
    let stripped_size = |index: usize| sizes.get(index).copied();
    cpio::for_each(payload, place, stripped_size, |entry, content| {
        let index = match entry.index {
            Some(index) => Some(index),
            None => by_path.get(absolute(&entry.name).as_str()).copied(),
        };
        let file = index.and_then(|index| files.get(index));
        let Some(file) = file else {
            return Err(place.damaged(format_args!("`{}` is not in the header", entry.name)));
        };
        let first = match &file.kind {
            FileKind::File => Some(file),
            FileKind::HardLink(first) => by_path
                .get(first.as_str())
                .and_then(|index| files.get(*index)),
            _ => None,
        };
        match first {
            Some(first) if entry.size > 0 || (first.size == 0 && first.path == file.path) => {
                let place = place.part(format!("{}, `{}`", place.part, first.path));
                if entry.size != first.size {
                    return Err(place.damaged(format_args!(
                        "it has {} bytes and the header says {}",
                        entry.size, first.size
                    )));
                }
                each(first, content)?;
                io::copy(content, &mut io::sink()).map_err(place.io())?;
            }
            _ => {}
        }
        Ok(())
    })
}
