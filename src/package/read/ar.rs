//! The `ar` archive around a deb: its members as deb(5) has them, checked before any is read.

use std::io::{Read, Seek, SeekFrom};

use crate::error::Result;

use super::{Place, text};

/// What every `ar` archive begins with.
pub(super) const MAGIC: &[u8; 8] = b"!<arch>\n";

const HEADER: usize = 60;

/// A deb has three members, and a signature or two.
const MOST_MEMBERS: usize = 32;

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Without the slash that some writers end it with.
    pub(super) name: String,
    /// Time, owner, group and mode as they are written, for comparisons.
    pub(super) fields: [(&'static str, String); 4],
    /// Where its content begins in the file.
    pub(super) offset: u64,
    /// The length of its content in bytes.
    pub(super) size: u64,
}

/// The members, in order. Refuses two of one name, content beyond the end of the file, and headers
/// that are no headers.
pub(super) fn members(file: &mut (impl Read + Seek), place: &Place) -> Result<Vec<Member>> {
    let length = file.seek(SeekFrom::End(0)).map_err(place.io())?;
    let mut at = MAGIC.len() as u64;
    let mut members: Vec<Member> = Vec::new();
    while at < length {
        let damaged = |why: String| place.damaged(format_args!("the header at byte {at}: {why}"));
        let mut header = [0; HEADER];
        file.seek(SeekFrom::Start(at)).map_err(place.io())?;
        file.read_exact(&mut header).map_err(place.io())?;
        if &header[58..] != b"`\n" {
            return Err(damaged(
                "it does not end as a header of `ar` does".to_owned(),
            ));
        }
        let field = |from: usize, to: usize| text(header[from..to].trim_ascii_end());
        let name = field(0, 16);
        let name = name.strip_suffix('/').unwrap_or(&name).to_owned();
        let size = field(48, 58);
        let size: u64 = size
            .parse()
            .map_err(|_no_number| damaged(format!("the size `{size}` is no number")))?;
        if name.is_empty() || name.starts_with("#1/") || name.contains(['/', '\0', '\n']) {
            return Err(damaged(format!("`{name}` is no member of a deb")));
        }
        if members.iter().any(|member| member.name == name) {
            return Err(damaged(format!("a second member `{name}`")));
        }
        let offset = at + HEADER as u64;
        let end = offset.saturating_add(size);
        if end > length {
            return Err(damaged(format!(
                "`{name}` is to have {size} bytes, and {} are there",
                length - offset
            )));
        }
        members.push(Member {
            name,
            fields: [
                ("time", field(16, 28)),
                ("owner", field(28, 34)),
                ("group", field(34, 40)),
                ("mode", field(40, 48)),
            ],
            offset,
            size,
        });
        if members.len() > MOST_MEMBERS {
            return Err(damaged(format!("more than {MOST_MEMBERS} members")));
        }
        at = end + end % 2;
    }
    Ok(members)
}
