//! A deb: its three members, the control file and the scripts, the data archive's entries.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ::tar::EntryType;
use sha2::Sha256;

use crate::archive;
use crate::error::Result;
use crate::package::payload::HashingReader;
use crate::platform::{Codec, Format};
use crate::text::single_spaced;
use crate::version::NativeVersion;

use super::ar::{self, Member};
use super::tar::TarEntry;
use super::{Each, File, FileKind, Package, Place, Script, absolute, bounded, tar, text};

/// The most that the members of a control archive may have together, in bytes: the checksums of a
/// large package are some megabytes.
const LARGEST_CONTROL: u64 = 64 << 20;

/// The scripts of deb-preinst(5) and its neighbours; `config` is debconf's.
const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// The fields of Debian policy 7 that name other packages.
const RELATIONS: [&str; 10] = [
    "Breaks",
    "Built-Using",
    "Conflicts",
    "Depends",
    "Enhances",
    "Pre-Depends",
    "Provides",
    "Recommends",
    "Replaces",
    "Suggests",
];

/// The parts of a deb file, each where it lies.
pub(super) struct Parts {
    pub(super) file: fs_err::File,
    pub(super) members: Vec<Member>,
    pub(super) control: Member,
    pub(super) data: Member,
}

impl Parts {
    /// Opens the file, and checks that it has what deb(5) asks for, in that order.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let place = Place::new(path, "the `ar` archive");
        let mut file = fs_err::File::open(path)?;
        let members = ar::members(&mut file, &place)?;
        let control = members.get(1).filter(|member| is_tar(member, "control"));
        let data = members.iter().skip(2).find(|member| is_tar(member, "data"));
        let (Some(first), Some(control), Some(data)) = (members.first(), control, data) else {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            return Err(place.damaged(format_args!(
                "a deb has `debian-binary`, `control.tar…` and `data.tar…`, this has: {}",
                names.join(", ")
            )));
        };
        let (control, data) = (control.clone(), data.clone());
        let place = place.part("debian-binary");
        let mut version = Vec::new();
        let mut reader = content(&mut file, first)?.take(16);
        reader.read_to_end(&mut version).map_err(place.io())?;
        if first.name != "debian-binary" || !version.starts_with(b"2.") {
            return Err(place.damaged("it is not of format 2.0"));
        }
        Ok(Self {
            file,
            members,
            control,
            data,
        })
    }
}

fn is_tar(member: &Member, name: &str) -> bool {
    let rest = member.name.strip_prefix(name);
    rest.is_some_and(|rest| rest == ".tar" || rest.starts_with(".tar."))
}

/// The bytes of a member.
pub(super) fn content<'a>(
    file: &'a mut fs_err::File,
    member: &Member,
) -> Result<io::Take<&'a mut fs_err::File>> {
    file.seek(SeekFrom::Start(member.offset))?;
    Ok(file.take(member.size))
}

/// The decompressed bytes of a member, and what they were compressed with.
pub(super) fn decoded<'a>(
    file: &'a mut fs_err::File,
    member: &Member,
    place: &Place,
) -> Result<(Box<dyn Read + 'a>, Option<Codec>)> {
    let extension = member.name.rsplit('.').next().unwrap_or_default();
    let codec = [Codec::Gzip, Codec::Xz, Codec::Zstd]
        .into_iter()
        .find(|codec| codec.extension() == extension);
    if codec.is_none() && extension != "tar" {
        return Err(place.damaged("it is compressed in a way that is not read: gz, xz and zst are"));
    }
    let reader = BufReader::with_capacity(1 << 16, content(file, member)?);
    Ok((archive::decoder(codec, reader).map_err(place.io())?, codec))
}

pub(super) fn read(path: &Path, mut each: Option<&mut Each<'_>>) -> Result<Package> {
    let mut parts = Parts::open(path)?;
    let place = Place::new(path, format!("`{}`", parts.control.name));
    let mut control = control_members(&mut parts, &place)?;
    let mut package = describe(path, &mut control, &place)?;
    package.size = parts.file.metadata()?.len();
    let configuration: BTreeSet<String> = control
        .remove("conffiles")
        .unwrap_or_default()
        .lines()
        .map(|line| {
            line.strip_prefix("remove-on-upgrade ")
                .unwrap_or(line)
                .trim()
                .to_owned()
        })
        .collect();
    control.remove("md5sums");
    for name in SCRIPTS {
        if let Some(text) = control.remove(name) {
            let interpreter = String::new();
            package
                .scripts
                .insert(name.to_owned(), Script { interpreter, text });
        }
    }
    package.control_files = control;

    let place = place.part(format!("`{}`", parts.data.name));
    let (mut reader, codec) = decoded(&mut parts.file, &parts.data, &place)?;
    package.compression = codec;
    let mut sizes = BTreeMap::new();
    tar::for_each(&mut reader, &place, |entry, content| {
        let Some(mut file) = file(&entry, &place)? else {
            return Ok(());
        };
        if configuration.contains(&file.path) {
            file.marks.push("config");
        }
        match &file.kind {
            FileKind::File => {
                let mut content = HashingReader::<_, Sha256>::new(content);
                if let Some(each) = &mut each {
                    each(&file, &mut content)?;
                }
                let place = place.part(format!("{}, `{}`", place.part, file.path));
                io::copy(&mut content, &mut io::sink()).map_err(place.io())?;
                let digest = format!("sha256:{}", content.finish());
                sizes.insert(file.path.clone(), (file.size, digest.clone()));
                file.digest = Some(digest);
            }
            FileKind::HardLink(target) => match sizes.get(target) {
                Some((size, digest)) => {
                    file.size = *size;
                    file.digest = Some(digest.clone());
                }
                None => package.problems.push(format!(
                    "`{}` is a hard link to `{target}`, which does not stand before it",
                    file.path
                )),
            },
            _ => {}
        }
        package.files.push(file);
        Ok(())
    })?;
    Ok(package)
}

/// The members of the control archive by name, without `./`.
fn control_members(parts: &mut Parts, place: &Place) -> Result<BTreeMap<String, String>> {
    let (mut reader, _) = decoded(&mut parts.file, &parts.control, place)?;
    let mut members = BTreeMap::new();
    let mut left = LARGEST_CONTROL;
    tar::for_each(&mut reader, place, |entry, content| {
        if !entry.kind.is_file() {
            return Ok(());
        }
        let name = absolute(&entry.name)[1..].to_owned();
        let bytes = bounded(
            content,
            left,
            &place.part(format!("{}, `{name}`", place.part)),
        )?;
        left -= bytes.len() as u64;
        if members.insert(name.clone(), text(&bytes)).is_some() {
            return Err(place.damaged(format_args!("`{name}` stands in it twice")));
        }
        Ok(())
    })?;
    Ok(members)
}

/// The control file.
fn describe(path: &Path, members: &mut BTreeMap<String, String>, place: &Place) -> Result<Package> {
    let place = place.part(format!("{}, `control`", place.part));
    let text = members
        .remove("control")
        .ok_or_else(|| place.damaged("it is not there"))?;
    let paragraph: deb822_fast::Paragraph = text
        .parse()
        .map_err(|error: deb822_fast::Error| place.damaged(error))?;
    let mut fields = BTreeMap::new();
    for (name, value) in paragraph.iter() {
        if fields
            .insert(name.to_owned(), value.trim().to_owned())
            .is_some()
        {
            return Err(place.damaged(format_args!("`{name}` stands in it twice")));
        }
    }
    let mut take = |name: &str| {
        fields
            .remove(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| place.damaged(format_args!("it has no `{name}`")))
    };
    let (name, version, architecture) = (take("Package")?, take("Version")?, take("Architecture")?);
    let mut relations = BTreeMap::new();
    for name in RELATIONS {
        if let Some(value) = fields.remove(name) {
            let list = value.split(',').map(single_spaced);
            relations.insert(
                name.to_owned(),
                list.filter(|one| !one.is_empty()).collect(),
            );
        }
    }
    Ok(Package {
        path: path.to_owned(),
        format: Format::Deb,
        size: 0,
        name,
        version: parse_version(&version)
            .ok_or_else(|| place.damaged(format_args!("`{version}` is no version")))?,
        architecture,
        fields,
        relations,
        scripts: BTreeMap::new(),
        control_files: BTreeMap::new(),
        files: Vec::new(),
        compression: None,
        installed_size: 0,
        problems: Vec::new(),
    })
}

/// `[epoch:]upstream[-revision]`, Debian policy 5.6.12.
fn parse_version(version: &str) -> Option<NativeVersion> {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch.parse().ok()?), rest),
        None => (None, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    Some(NativeVersion {
        epoch,
        upstream: upstream.to_owned(),
        revision: revision.to_owned(),
    })
}

/// An entry of the data archive; `None` for the root itself, which every deb names.
fn file(entry: &TarEntry, place: &Place) -> Result<Option<File>> {
    let path = absolute(&entry.name);
    if path == "/" {
        return Ok(None);
    }
    let kind = match entry.kind {
        EntryType::Regular | EntryType::Continuous => FileKind::File,
        EntryType::Directory => FileKind::Directory,
        EntryType::Symlink => FileKind::Symlink(entry.link.clone()),
        EntryType::Link => FileKind::HardLink(absolute(&entry.link)),
        EntryType::Char => FileKind::CharacterDevice,
        EntryType::Block => FileKind::BlockDevice,
        EntryType::Fifo => FileKind::Fifo,
        other => {
            let letter = char::from(other.as_byte());
            return Err(place.damaged(format_args!(
                "`{path}` is of the type `{letter}`, which dpkg does not know"
            )));
        }
    };
    let size = if kind == FileKind::File {
        entry.size
    } else {
        0
    };
    Ok(Some(File {
        path,
        kind,
        mode: entry.mode & 0o7777,
        owner: entry.owner(),
        group: entry.group(),
        size,
        digest: None,
        marks: Vec::new(),
        time: entry.time,
        capabilities: None,
    }))
}
