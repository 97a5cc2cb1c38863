//! A wheel that has been checked: everything that is wrong with it is found before any of it is used.
//!
//! Follows PyPA's "Binary distribution format" (PEP 427), and is stricter than installers where
//! they let pass what no honest build makes. Writes nothing, and does not know where files go.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;
use zip::ZipArchive;

use crate::error::{Error, Kind, Result};

use super::entry_points::EntryPoints;
use super::framing::{self, Defect};
use super::layout::{self, bad_name, is_interpreter};
use super::name::{WheelName, same_name, same_version};
use super::record::{CheckError, Record};

/// The largest sum of sizes of a wheel's members. The largest wheels in use (GPU libraries) unpack
/// to about 4 GiB.
pub const LARGEST_WHEEL: u64 = 16 << 30;
/// Above [`ALWAYS_FINE`] a wheel may not grow more than this when unpacked. Sources shrink to a
/// quarter, and tables of numbers seldom to less than a twentieth; a bomb of zeros to a thousandth.
pub const LARGEST_RATIO: u64 = 100;
/// Wheels that unpack to less are never taken for bombs.
pub const ALWAYS_FINE: u64 = 256 << 20;
/// The largest metadata file, since these are read into memory. The largest RECORD in use has
/// 2 MB.
const LARGEST_METADATA: u64 = 16 << 20;

const FETCH: &str = "fetch or build the wheel again";
const REBUILD: &str = "build the wheel again with a current version of its build tool";
const OTHER_LENGTH: &str = "has another length than the archive's directory says";
const SUSPECT: &str = "no build tool makes such a wheel: find out where it comes from";

/// A file in a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number in the archive.
    pub(crate) index: usize,
    /// Its name: relative, without `.` and `..`, valid UTF-8.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Whether anybody may execute it.
    pub executable: bool,
}

fn names(members: &[Member]) -> impl Iterator<Item = &str> {
    members.iter().map(|member| member.name.as_str())
}

/// A checked wheel.
#[derive(Debug)]
pub struct WheelContents {
    path: PathBuf,
    file_name: String,
    /// The distribution's name as its metadata writes it.
    pub name: String,
    /// The version as its metadata writes it.
    pub version: String,
    /// The name of the `.dist-info` folder.
    pub dist_info: String,
    /// The tags that WHEEL says, each `python-abi-platform`.
    pub tags: Vec<String>,
    /// The files, sorted by name.
    pub members: Vec<Member>,
    /// The commands it declares.
    pub entry_points: EntryPoints,
}

/// An archive open for reading.
pub(crate) type Archive = ZipArchive<BufReader<fs::File>>;

impl WheelContents {
    /// Checks a wheel from end to end, reading every member once.
    ///
    /// Refused, with [`Kind::Conflict`]: names that leave the folder or can't be unpacked
    /// faithfully, duplicate or overlapping members, links and devices, archives whose headers
    /// disagree, members that RECORD does not list or lists with another checksum, bombs (see
    /// [`LARGEST_WHEEL`], [`LARGEST_RATIO`]), metadata of another distribution than the file name
    /// says, unknown versions of the format, commands that can't be file names.
    ///
    /// Lines in RECORD without a member are ignored, as the format asks.
    pub fn open(path: &Path) -> Result<Self> {
        let file_name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let WheelName { name, version, .. } = WheelName::parse(&file_name)?;
        let check = Check { wheel: &file_name };
        check.framing(path)?;
        let mut archive = check.archive(path)?;
        let members = check.members(path, &mut archive)?;
        let dist_info = check.dist_info(&members)?;
        let mut text =
            |name: &str| check.text(&mut archive, &members, &format!("{dist_info}/{name}"));
        let wheel = text("WHEEL")?;
        let metadata = text("METADATA")?;
        let record = text("RECORD")?;
        let entry_points = text("entry_points.txt")?;
        let tags = check.format(&dist_info, wheel)?;
        let metadata_name = format!("{dist_info}/METADATA");
        let metadata = metadata.ok_or_else(|| check.missing(&metadata_name))?;
        for field in ["Name", "Version"] {
            if headers(&metadata, field).count() > 1 {
                let what = format!("says `{field}` more than once");
                return Err(check.refuse(&metadata_name, what, SUSPECT));
            }
        }
        let metadata = python_pkginfo::Metadata::parse(metadata.as_bytes()).map_err(|error| {
            check.refuse(&metadata_name, format!("is malformed: {error}"), REBUILD)
        })?;
        let folder = dist_info.strip_suffix(".dist-info").unwrap_or(&dist_info);
        let (folder_name, folder_version) = folder.split_once('-').unwrap_or((folder, ""));
        for (member, found_name, found_version) in [
            (dist_info.as_str(), folder_name, folder_version),
            (
                metadata_name.as_str(),
                metadata.name.as_str(),
                metadata.version.as_str(),
            ),
        ] {
            if !same_name(found_name, &name) || !same_version(found_version, &version) {
                let what = format!(
                    "says `{found_name}` `{found_version}`, but the file name says `{name}` `{version}`"
                );
                return Err(check.refuse(member, what, "don't rename wheels"));
            }
        }
        let entry_points = match entry_points {
            Some(text) => EntryPoints::parse(&text).map_err(|what| {
                check.refuse(&format!("{dist_info}/entry_points.txt"), what, REBUILD)
            })?,
            None => EntryPoints::default(),
        };
        if let Some(member) = layout::interpreter_in(names(&members)) {
            return Err(check.refuse(member, "would replace the interpreter", SUSPECT));
        }
        if let Some((name, _)) = entry_points.iter().find(|(name, _)| is_interpreter(name)) {
            let member = format!("{dist_info}/entry_points.txt");
            let what = format!("has the command `{name}`, which would replace the interpreter");
            return Err(check.refuse(&member, what, SUSPECT));
        }
        let record_name = format!("{dist_info}/RECORD");
        let record = record.ok_or_else(|| check.missing(&record_name))?;
        let record = Record::parse(record.as_bytes())
            .map_err(|what| check.refuse(&record_name, what, REBUILD))?;
        check.contents(&mut archive, &members, &record, &record_name)?;
        Ok(Self {
            path: path.to_owned(),
            name: metadata.name,
            version: metadata.version,
            dist_info,
            tags,
            members,
            entry_points,
            file_name,
        })
    }

    /// The file name.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Opens the archive, to read members by their numbers.
    pub(crate) fn archive(&self) -> Result<Archive> {
        Check {
            wheel: &self.file_name,
        }
        .archive(&self.path)
    }

    /// Reads a member, streaming.
    pub(crate) fn read<'a>(
        &self,
        archive: &'a mut Archive,
        member: &Member,
    ) -> Result<impl Read + use<'a>> {
        let check = Check {
            wheel: &self.file_name,
        };
        Ok(check.zip(archive.by_index(member.index))?.take(member.size))
    }

    /// An error about one of its members.
    pub(crate) fn refuse(&self, member: &str, what: impl Into<String>) -> Error {
        Check {
            wheel: &self.file_name,
        }
        .refuse(member, what, REBUILD)
    }
}

/// The wheel that is being checked, for messages.
struct Check<'a> {
    wheel: &'a str,
}

impl Check<'_> {
    fn refuse(&self, member: &str, what: impl Into<String>, hint: &str) -> Error {
        let (wheel, member, what) = (self.wheel, member.escape_debug(), what.into());
        Error::new(
            Kind::Conflict,
            format!("wheel `{wheel}`: `{member}` {what}"),
        )
        .hint(hint)
    }

    fn missing(&self, member: &str) -> Error {
        self.refuse(member, "is missing", REBUILD)
    }

    fn zip<T>(&self, result: zip::result::ZipResult<T>) -> Result<T> {
        result.map_err(|error| match error {
            zip::result::ZipError::Io(error) if error.raw_os_error().is_some() => {
                Error::from(error)
            }
            error => Error::new(
                Kind::Conflict,
                format!("wheel `{}`: not a whole zip archive: {error}", self.wheel),
            )
            .hint(FETCH),
        })
    }

    /// The result of unpacking a member: what the system has nothing to do with is its defect.
    fn unpack<T>(&self, member: &str, result: zip::result::ZipResult<T>) -> Result<T> {
        result.map_err(|error| match error {
            zip::result::ZipError::Io(error) if error.raw_os_error().is_some() => {
                Error::from(error)
            }
            error => self.refuse(member, format!("can't be unpacked: {error}"), FETCH),
        })
    }

    fn archive(&self, path: &Path) -> Result<Archive> {
        self.zip(ZipArchive::new(BufReader::new(fs::File::open(path)?)))
    }

    /// Checks names, kinds and sizes; returns the files, sorted by name.
    fn members(&self, path: &Path, archive: &mut Archive) -> Result<Vec<Member>> {
        let archive_size = fs::metadata(path)?.len();
        let mut members = Vec::with_capacity(archive.len());
        let mut total = 0_u64;
        for index in 0..archive.len() {
            let file = self.zip(archive.by_index_data(index))?;
            // Nothing is lost: `framing` refused names that are not UTF-8.
            let lossy = String::from_utf8_lossy(file.name_raw()).into_owned();
            let name = lossy.as_str();
            let folder_name = name.strip_suffix('/');
            if let Some(what) = bad_name(folder_name.unwrap_or(name)) {
                return Err(self.refuse(&lossy, what, SUSPECT));
            }
            // The upper half is `st_mode` when the archive was made on a Unix system.
            let mode = file.external_attributes() >> 16;
            let expected = if folder_name.is_some() {
                0o040_000
            } else {
                0o100_000
            };
            if !matches!(mode & 0o170_000, 0) && mode & 0o170_000 != expected {
                return Err(self.refuse(&lossy, "is neither a plain file nor a folder", SUSPECT));
            }
            if file.encrypted() {
                return Err(self.refuse(&lossy, "is encrypted", SUSPECT));
            }
            if !matches!(
                file.compression(),
                zip::CompressionMethod::Stored | zip::CompressionMethod::Deflated
            ) {
                let what = format!("is compressed by {}, not by deflate", file.compression());
                return Err(self.refuse(&lossy, what, REBUILD));
            }
            total = total.saturating_add(file.size());
            if total > LARGEST_WHEEL
                || (total > ALWAYS_FINE && total / LARGEST_RATIO > archive_size)
            {
                let what = format!(
                    "brings the unpacked size to {total} bytes, from {archive_size} bytes packed"
                );
                return Err(self.refuse(&lossy, what, "a wheel that grows so much is a decompression bomb: find out where it comes from"));
            }
            if folder_name.is_some() {
                if file.size() != 0 {
                    return Err(self.refuse(&lossy, "is a folder with a content", SUSPECT));
                }
                continue;
            }
            let executable = mode & 0o111 != 0;
            members.push(Member {
                index,
                name: name.to_owned(),
                size: file.size(),
                executable,
            });
        }
        members.sort_by(|one, other| one.name.cmp(&other.name));
        match layout::misplaced(names(&members)) {
            Some((member, what)) => Err(self.refuse(member, what, SUSPECT)),
            None => Ok(members),
        }
    }

    /// Whether everybody who reads the archive finds the same.
    fn framing(&self, path: &Path) -> Result<()> {
        let file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        framing::check(&mut BufReader::new(file), length).map_err(|defect| match defect {
            Defect::Frame(what) => Error::new(
                Kind::Conflict,
                format!("wheel `{}`: not a whole zip archive: {what}", self.wheel),
            )
            .hint(FETCH),
            Defect::Member(member, what) => self.refuse(&member, what, SUSPECT),
            Defect::Read(error) => Error::from(error),
        })
    }

    /// The one metadata folder at the top.
    fn dist_info(&self, members: &[Member]) -> Result<String> {
        let folders: BTreeSet<&str> = members
            .iter()
            .filter_map(|member| Some(member.name.split_once('/')?.0))
            .filter(|folder| folder.ends_with(".dist-info"))
            .collect();
        let mut folders = folders.into_iter();
        match (folders.next(), folders.next()) {
            (Some(folder), None) => Ok(folder.to_owned()),
            (Some(_), Some(second)) => {
                Err(self.refuse(second, "is a second metadata folder", REBUILD))
            }
            (None, _) => Err(self.missing("*.dist-info")),
        }
    }

    /// A metadata file as text; `None` when it is not there.
    fn text(
        &self,
        archive: &mut Archive,
        members: &[Member],
        name: &str,
    ) -> Result<Option<String>> {
        let Ok(found) = members.binary_search_by(|member| member.name.as_str().cmp(name)) else {
            return Ok(None);
        };
        let member = &members[found];
        if member.size > LARGEST_METADATA {
            let what = format!("has {} bytes, more than metadata may have", member.size);
            return Err(self.refuse(name, what, SUSPECT));
        }
        let mut bytes = Vec::new();
        let file = self.unpack(name, archive.by_index(member.index))?;
        self.unpack(
            name,
            file.take(member.size + 1)
                .read_to_end(&mut bytes)
                .map_err(Into::into),
        )?;
        if bytes.len() as u64 != member.size {
            return Err(self.refuse(name, OTHER_LENGTH, SUSPECT));
        }
        // Old build tools wrote descriptions in other encodings; nothing here depends on them.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// `Wheel-Version` must be 1.x. Returns the tags.
    fn format(&self, dist_info: &str, wheel: Option<String>) -> Result<Vec<String>> {
        let member = format!("{dist_info}/WHEEL");
        let wheel = wheel.ok_or_else(|| self.missing(&member))?;
        let value = |name| headers(&wheel, name).next();
        let version = value("Wheel-Version").unwrap_or_default();
        if version.split('.').next() != Some("1") {
            let what = format!("says version `{}` of the format", version.escape_debug());
            return Err(self.refuse(
                &member,
                what,
                "only wheels of version 1 are understood: build it with an older tool",
            ));
        }
        // Where files go does not depend on it: a virtualenv has one folder for both.
        let pure = value("Root-Is-Purelib").unwrap_or("true");
        if !pure.eq_ignore_ascii_case("true") && !pure.eq_ignore_ascii_case("false") {
            let what = format!("says `Root-Is-Purelib: {}`", pure.escape_debug());
            return Err(self.refuse(&member, what, REBUILD));
        }
        Ok(headers(&wheel, "Tag").map(str::to_owned).collect())
    }

    /// Compares every member with RECORD, all but RECORD itself and its signatures.
    fn contents(
        &self,
        archive: &mut Archive,
        members: &[Member],
        record: &Record,
        record_name: &str,
    ) -> Result<()> {
        for member in members {
            let suffix = member.name.strip_prefix(record_name);
            if matches!(suffix, Some("" | ".jws" | ".p7s")) {
                continue;
            }
            // One byte more, to notice a member that is longer than the directory says.
            let mut file = self
                .unpack(&member.name, archive.by_index(member.index))?
                .take(member.size + 1);
            let checked = record.check(&member.name, &mut file);
            let read = member.size + 1 - file.limit();
            match checked {
                Ok(()) if read == member.size => {}
                Ok(()) => {
                    return Err(self.refuse(&member.name, OTHER_LENGTH, SUSPECT));
                }
                Err(CheckError::Differs(what)) => {
                    let hint = "the wheel was changed after it was built: fetch or build it again";
                    return Err(self.refuse(&member.name, what, hint));
                }
                Err(CheckError::Read(error)) => {
                    return self.unpack(&member.name, Err(error.into()));
                }
            }
        }
        Ok(())
    }
}

/// The values of a field in the head of a metadata file.
fn headers<'a>(text: &'a str, field: &'static str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .take_while(|line| !line.trim().is_empty())
        // A line that begins with white space belongs to the one before it.
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_once(':'))
        .filter(move |(key, _)| key.trim().eq_ignore_ascii_case(field))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wheel::testing::{WheelBuilder, central_header, replace_bytes};

    fn open(builder: &WheelBuilder, change: impl FnOnce(&mut Vec<u8>)) -> Result<WheelContents> {
        let folder = tempfile::tempdir().unwrap();
        let path = builder.write(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        WheelContents::open(&path)
    }

    /// Asserts that a wheel is refused with a message that holds every word, and a hint.
    fn refused(builder: &WheelBuilder, change: impl FnOnce(&mut Vec<u8>), words: &[&str]) {
        let error = open(builder, change).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
        assert!(
            error.message().contains("ample-1.0-py3-none-any.whl"),
            "{error}"
        );
        assert!(
            words.iter().all(|word| error.message().contains(word)),
            "{error}"
        );
        assert!(!error.hints().is_empty(), "{error}");
    }

    fn plain() -> WheelBuilder {
        WheelBuilder::new("ample", "1.0")
    }

    #[test]
    fn a_good_wheel_is_read() {
        let wheel = open(
            &plain().file("ample/é.py", b"x").folder("ample/sub/"),
            |_| {},
        )
        .unwrap();
        let names: Vec<&str> = wheel
            .members
            .iter()
            .map(|member| member.name.as_str())
            .collect();
        let expected = [
            "ample-1.0.dist-info/METADATA",
            "ample-1.0.dist-info/RECORD",
            "ample-1.0.dist-info/WHEEL",
            "ample/é.py",
        ];
        assert_eq!(names, expected);
        assert_eq!(wheel.dist_info, "ample-1.0.dist-info");
    }

    #[test]
    fn names_that_leave_the_folder_or_mean_two_things_are_refused() {
        let cases = [
            ("/etc/evil", "absolute"),
            ("../evil.py", "leaves"),
            ("a/../../evil.py", "leaves"),
            ("a\\b.py", "backslash"),
            ("C:/evil.py", "drive letter"),
            ("a//b.py", "empty"),
            ("./a.py", "empty or `.`"),
            ("a\nb.py", "control character"),
        ];
        for (name, expected) in cases {
            let shown = name.escape_debug().to_string();
            refused(&plain().file(name, b""), |_| {}, &[expected, &shown]);
        }
        let long = format!("{}.py", "x".repeat(253));
        refused(&plain().file(&long, b""), |_| {}, &["255"]);
    }

    #[test]
    fn names_that_are_not_utf_8_are_refused() {
        let patch = |bytes: &mut Vec<u8>| {
            assert_eq!(replace_bytes(bytes, b"QQQQ.py", b"\xff\xfeQQ.py"), 2);
        };
        refused(&plain().file("QQQQ.py", b""), patch, &["UTF-8"]);
    }

    #[test]
    fn links_and_devices_are_refused() {
        for mode in [0o120_777, 0o060_644, 0o020_644, 0o010_644, 0o040_755] {
            refused(
                &plain().file_of_mode("link", mode, b"/etc/passwd"),
                |_| {},
                &["plain file", "link"],
            );
        }
    }

    #[test]
    fn duplicate_members_are_refused() {
        let patch = |bytes: &mut Vec<u8>| {
            assert!(replace_bytes(bytes, b"twin_b.py", b"twin_a.py") >= 2);
        };
        let builder = plain()
            .file("twin_a.py", b"good")
            .file("twin_b.py", b"evil");
        refused(&builder, patch, &["twice", "twin_a.py"]);
    }

    #[test]
    fn a_name_that_differs_between_the_headers_is_refused() {
        let patch = |bytes: &mut Vec<u8>| {
            let at = bytes
                .windows(9)
                .position(|window| window == b"inner1.py")
                .unwrap();
            bytes[at..at + 9].copy_from_slice(b"inner2.py");
        };
        // RECORD comes later in the archive and is compressed, so the first hit is the header.
        refused(
            &plain().file("inner1.py", b""),
            patch,
            &["inner1.py", "inner2.py"],
        );
    }

    #[test]
    fn members_that_record_does_not_vouch_for_are_refused() {
        let builder = plain().file("a.py", b"text");
        refused(
            &builder.clone().unlisted("extra.py", b""),
            |_| {},
            &["extra.py", "not listed"],
        );
        let wrong = builder
            .clone()
            .record_with(|text| text.replace("a.py,sha256=", "a.py,sha256=0"));
        refused(&wrong, |_| {}, &["a.py", "not what RECORD says"]);
        refused(
            &builder.clone().without("RECORD"),
            |_| {},
            &["RECORD", "missing"],
        );
        // A line too many is no harm.
        let more = builder.record_with(|text| format!("{text}gone.py,sha256=x,1\n"));
        assert!(open(&more, |_| {}).is_ok());
    }

    #[test]
    fn damaged_contents_are_refused() {
        let builder = plain().stored("a.py", b"some text to find");
        let patch = |bytes: &mut Vec<u8>| {
            assert_eq!(replace_bytes(bytes, b"some text", b"same text"), 1);
        };
        refused(&builder, patch, &["a.py"]);
        refused(
            &builder,
            |bytes| bytes.truncate(bytes.len() / 2),
            &["not a whole zip archive"],
        );
    }

    #[test]
    fn bombs_are_refused_before_they_are_unpacked() {
        let patch = |bytes: &mut Vec<u8>| {
            let size = u32::try_from(ALWAYS_FINE + 1).unwrap().to_le_bytes();
            let central = central_header(bytes, "zeros");
            // The first member's own header is the first thing in the archive.
            for at in [central + 24, 22] {
                bytes[at..at + 4].copy_from_slice(&size);
            }
        };
        refused(
            &plain().file("zeros", &[0; 1000]),
            patch,
            &["zeros", "unpacked size"],
        );
    }

    #[test]
    fn metadata_of_something_else_is_refused() {
        let metadata = |text: &str| plain().metadata(text);
        let other_name = metadata("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n");
        refused(&other_name, |_| {}, &["METADATA", "`sample`", "`ample`"]);
        let other_version = metadata("Metadata-Version: 2.1\nName: ample\nVersion: 1.1\n");
        refused(&other_version, |_| {}, &["METADATA", "`1.1`", "`1.0`"]);
        refused(&metadata("nonsense"), |_| {}, &["METADATA", "malformed"]);
        refused(
            &plain().without("METADATA"),
            |_| {},
            &["METADATA", "missing"],
        );
        refused(
            &plain().file("b-2.dist-info/METADATA", b""),
            |_| {},
            &["b-2.dist-info", "second"],
        );
        // Equal under PEP 503 and PEP 440.
        let same = metadata("Metadata-Version: 2.1\nName: AMPLE\nVersion: 1.0.0\n");
        assert!(open(&same, |_| {}).is_ok());
    }

    #[test]
    fn unknown_formats_are_refused() {
        let wheel = |text: &str| plain().wheel(text);
        refused(
            &wheel("Wheel-Version: 2.0\n"),
            |_| {},
            &["WHEEL", "version `2.0`"],
        );
        refused(
            &wheel("Root-Is-Purelib: true\n"),
            |_| {},
            &["WHEEL", "version ``"],
        );
        refused(
            &wheel("Wheel-Version: 1.0\nRoot-Is-Purelib: maybe\n"),
            |_| {},
            &["maybe"],
        );
        refused(&plain().without("WHEEL"), |_| {}, &["WHEEL", "missing"]);
        assert!(open(&wheel("Wheel-Version: 1.9\n"), |_| {}).is_ok());
    }

    #[test]
    fn commands_that_leave_bin_are_refused() {
        let builder = plain().entry_points("[console_scripts]\n../../evil = a:b\n");
        refused(&builder, |_| {}, &["entry_points.txt", "../../evil"]);
    }
}
