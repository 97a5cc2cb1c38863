//! The tar archives in a deb, entry by entry, with every field of their headers.
//!
//! Long names are put together here and not by the `tar` crate, which reads one of any length.

use std::io::{self, Read};

use ::tar::{Archive, EntryType};

use crate::error::Result;

use super::{Budget, MOST_ENTRIES, Place, bounded, text};

/// The longest name that a long-name entry or an extended header may bring, in bytes.
const LONGEST_NAME: u64 = 1 << 16;

/// A header, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) user_id: u64,
    pub(super) group_id: u64,
    pub(super) user: String,
    pub(super) group: String,
    pub(super) time: u64,
    pub(super) size: u64,
}

impl TarEntry {
    /// Every field but the name by its name, for comparisons.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("type", char::from(self.kind.as_byte()).to_string()),
            ("mode", format!("{:04o}", self.mode)),
            ("uid", self.user_id.to_string()),
            ("gid", self.group_id.to_string()),
            ("user", self.user.clone()),
            ("group", self.group.clone()),
            ("mtime", self.time.to_string()),
            ("link", self.link.clone()),
            ("size", self.size.to_string()),
        ]
    }

    /// The owner's name, else the number.
    pub(super) fn owner(&self) -> String {
        named(&self.user, self.user_id)
    }

    /// The group's name, else the number.
    pub(super) fn group(&self) -> String {
        named(&self.group, self.group_id)
    }
}

fn named(name: &str, number: u64) -> String {
    if name.is_empty() {
        number.to_string()
    } else {
        name.to_owned()
    }
}

/// Calls `each` with every entry and its content, and reads the stream to its end, so that its
/// checksum is checked.
pub(super) fn for_each(
    reader: &mut dyn Read,
    place: &Place,
    mut each: impl FnMut(TarEntry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut archive = Archive::new(reader);
    let (mut long_name, mut long_link) = (None, None);
    let mut count = 0;
    let mut budget = Budget::new();
    for entry in archive.entries().map_err(place.io())?.raw(true) {
        let mut entry = entry.map_err(place.io())?;
        count += 1;
        if count > MOST_ENTRIES {
            return Err(place.damaged(format_args!("more than {MOST_ENTRIES} entries")));
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName || kind == EntryType::GNULongLink {
            let mut name = bounded(&mut entry, LONGEST_NAME, &place.part("a long name"))?;
            while name.last() == Some(&0) {
                name.pop();
            }
            let slot = if kind == EntryType::GNULongName {
                &mut long_name
            } else {
                &mut long_link
            };
            *slot = Some(text(&name));
            continue;
        }
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        if kind == EntryType::XHeader {
            let bytes = bounded(&mut entry, LONGEST_NAME, &place.part("an extended header"))?;
            for extension in ::tar::PaxExtensions::new(&bytes) {
                let extension = extension.map_err(place.io())?;
                match extension.key_bytes() {
                    b"path" => long_name = Some(text(extension.value_bytes())),
                    b"linkpath" => long_link = Some(text(extension.value_bytes())),
                    b"size" => {
                        return Err(place.damaged(
                            "an extended header changes a size, which dpkg does not read",
                        ));
                    }
                    _ => {}
                }
            }
            continue;
        }
        let described = describe(&entry, long_name.take(), long_link.take());
        let described = described.map_err(place.io())?;
        let names = [
            &described.name,
            &described.link,
            &described.user,
            &described.group,
        ];
        budget.spend(names.map(|name| name.len() as u64).iter().sum(), place)?;
        each(described, &mut entry)?;
        io::copy(&mut entry, &mut io::sink()).map_err(place.io())?;
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(place.io())?;
    Ok(())
}

fn describe(
    entry: &::tar::Entry<'_, &mut dyn Read>,
    long_name: Option<String>,
    long_link: Option<String>,
) -> io::Result<TarEntry> {
    let header = entry.header();
    let short_link = || {
        header
            .link_name_bytes()
            .map_or(String::new(), |name| text(&name))
    };
    let word = |name: Option<&[u8]>| text(name.unwrap_or_default());
    Ok(TarEntry {
        name: long_name.unwrap_or_else(|| text(&header.path_bytes())),
        link: long_link.unwrap_or_else(short_link),
        kind: header.entry_type(),
        mode: header.mode()?,
        user_id: header.uid()?,
        group_id: header.gid()?,
        user: word(header.username_bytes()),
        group: word(header.groupname_bytes()),
        time: header.mtime()?,
        size: header.entry_size()?,
    })
}
