//! The files of an rpm, from the arrays of its header.

use std::collections::BTreeMap;

use ::rpm::IndexTag as Tag;

use crate::error::Result;
use crate::package::read::{File, FileKind, MOST_ENTRIES, absolute};

use super::tags::Tags;

/// `RPMFILE_…`: what a file is to rpm.
const MARKS: [(&str, u64); 8] = [
    ("config", 1),
    ("doc", 1 << 1),
    ("missingok", 1 << 3),
    ("noreplace", 1 << 4),
    ("ghost", 1 << 6),
    ("license", 1 << 7),
    ("readme", 1 << 8),
    ("artifact", 1 << 12),
];

/// The files, in the order of the header.
pub(super) fn files(tags: &Tags<'_>) -> Result<Vec<File>> {
    let names = tags.strings(Tag::RPMTAG_BASENAMES)?;
    let count = names.len();
    if count > MOST_ENTRIES {
        return Err(tags
            .place
            .damaged(format_args!("more than {MOST_ENTRIES} files")));
    }
    let folders = tags.strings(Tag::RPMTAG_DIRNAMES)?;
    let numbers = |tag| tags.per_file(tag, tags.numbers(tag)?, count);
    let strings = |tag| tags.per_file(tag, tags.strings(tag)?, count);
    let indexes = numbers(Tag::RPMTAG_DIRINDEXES)?;
    let sizes = numbers(Tag::RPMTAG_FILESIZES)?;
    let long_sizes = numbers(Tag::RPMTAG_LONGFILESIZES)?;
    let modes = numbers(Tag::RPMTAG_FILEMODES)?;
    let times = numbers(Tag::RPMTAG_FILEMTIMES)?;
    let flags = numbers(Tag::RPMTAG_FILEFLAGS)?;
    let inodes = numbers(Tag::RPMTAG_FILEINODES)?;
    let devices = numbers(Tag::RPMTAG_FILEDEVICES)?;
    let digests = strings(Tag::RPMTAG_FILEDIGESTS)?;
    let targets = strings(Tag::RPMTAG_FILELINKTOS)?;
    let owners = strings(Tag::RPMTAG_FILEUSERNAME)?;
    let groups = strings(Tag::RPMTAG_FILEGROUPNAME)?;
    let capabilities = strings(Tag::RPMTAG_FILECAPS)?;
    let algorithm = tags.numbers(Tag::RPMTAG_FILEDIGESTALGO)?;
    let algorithm = match algorithm.first() {
        None | Some(1) => "md5",
        Some(2) => "sha1",
        Some(8) => "sha256",
        Some(9) => "sha384",
        Some(10) => "sha512",
        Some(_) => "unknown",
    };
    let mut files: Vec<File> = Vec::with_capacity(count);
    let mut linked: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (index, name) in names.into_iter().enumerate() {
        let number = |numbers: &[u64]| numbers.get(index).copied().unwrap_or(0);
        let word = |words: &[String]| words.get(index).cloned().unwrap_or_default();
        let folder = usize::try_from(number(&indexes)).ok();
        let folder = folder.and_then(|folder| folders.get(folder));
        let folder =
            folder.ok_or_else(|| tags.place.damaged(format_args!("`{name}` is in no folder")))?;
        let path = absolute(&format!("{folder}{name}"));
        let mode = u32::try_from(number(&modes)).unwrap_or(0);
        let mut kind = kind(mode, word(&targets));
        if kind == FileKind::File && !inodes.is_empty() {
            let first = *linked
                .entry((number(&devices), number(&inodes)))
                .or_insert(index);
            if first != index {
                kind = FileKind::HardLink(files[first].path.clone());
            }
        }
        let is_file = matches!(kind, FileKind::File | FileKind::HardLink(_));
        let size = number(if long_sizes.is_empty() {
            &sizes
        } else {
            &long_sizes
        });
        let digest = word(&digests);
        let mut marks: Vec<&'static str> = MARKS
            .into_iter()
            .filter(|(_, bit)| number(&flags) & bit != 0)
            .map(|(word, _)| word)
            .collect();
        marks.sort_unstable();
        files.push(File {
            path,
            kind,
            mode: mode & 0o7777,
            owner: word(&owners),
            group: word(&groups),
            size: if is_file { size } else { 0 },
            digest: Some(digest)
                .filter(|digest| is_file && !digest.is_empty())
                .map(|digest| format!("{algorithm}:{digest}")),
            marks,
            time: number(&times),
            capabilities: Some(word(&capabilities)).filter(|text| !text.is_empty()),
        });
    }
    Ok(files)
}

fn kind(mode: u32, target: String) -> FileKind {
    match mode & 0o170_000 {
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink(target),
        0o020_000 => FileKind::CharacterDevice,
        0o060_000 => FileKind::BlockDevice,
        0o010_000 => FileKind::Fifo,
        0o140_000 => FileKind::Socket,
        _ => FileKind::File,
    }
}
