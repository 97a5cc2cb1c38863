//! The header structure of RPM version 4: an index of sorted tags and a store of big-endian values.
//!
//! Knows how values are laid out and the tags' numbers, not what belongs into a package.

use std::collections::BTreeMap;

/// Magic, version 1 and four reserved bytes.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];

/// The length of an index entry: tag, type, offset, count.
const ENTRY: usize = 16;

const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// The tags of the signature header.
pub(super) mod signature {
    /// A signature over the header by every algorithm but RSA.
    pub(in super::super) const DSA: u32 = 267;
    /// An RSA signature over the header.
    pub(in super::super) const RSA: u32 = 268;
    pub(in super::super) const SHA1: u32 = 269;
    pub(in super::super) const LONG_SIZE: u32 = 270;
    pub(in super::super) const LONG_ARCHIVE_SIZE: u32 = 271;
    pub(in super::super) const SHA256: u32 = 273;
    pub(in super::super) const SIZE: u32 = 1000;
    pub(in super::super) const MD5: u32 = 1004;
    pub(in super::super) const PAYLOAD_SIZE: u32 = 1007;
}

/// The tags of the main header.
pub(super) mod tag {
    pub(in super::super) const I18N_TABLE: u32 = 100;
    pub(in super::super) const NAME: u32 = 1000;
    pub(in super::super) const VERSION: u32 = 1001;
    pub(in super::super) const RELEASE: u32 = 1002;
    pub(in super::super) const EPOCH: u32 = 1003;
    pub(in super::super) const SUMMARY: u32 = 1004;
    pub(in super::super) const DESCRIPTION: u32 = 1005;
    pub(in super::super) const BUILD_TIME: u32 = 1006;
    pub(in super::super) const BUILD_HOST: u32 = 1007;
    pub(in super::super) const SIZE: u32 = 1009;
    pub(in super::super) const VENDOR: u32 = 1011;
    pub(in super::super) const LICENSE: u32 = 1014;
    pub(in super::super) const PACKAGER: u32 = 1015;
    pub(in super::super) const GROUP: u32 = 1016;
    pub(in super::super) const URL: u32 = 1020;
    pub(in super::super) const PRE_IN: u32 = 1023;
    pub(in super::super) const POST_IN: u32 = 1024;
    pub(in super::super) const PRE_UN: u32 = 1025;
    pub(in super::super) const POST_UN: u32 = 1026;
    pub(in super::super) const OS: u32 = 1021;
    pub(in super::super) const ARCH: u32 = 1022;
    pub(in super::super) const FILE_SIZES: u32 = 1028;
    pub(in super::super) const FILE_MODES: u32 = 1030;
    pub(in super::super) const FILE_RDEVS: u32 = 1033;
    pub(in super::super) const FILE_MTIMES: u32 = 1034;
    pub(in super::super) const FILE_DIGESTS: u32 = 1035;
    pub(in super::super) const FILE_LINK_TOS: u32 = 1036;
    pub(in super::super) const FILE_FLAGS: u32 = 1037;
    pub(in super::super) const FILE_USER_NAME: u32 = 1039;
    pub(in super::super) const FILE_GROUP_NAME: u32 = 1040;
    pub(in super::super) const SOURCE_RPM: u32 = 1044;
    pub(in super::super) const FILE_VERIFY_FLAGS: u32 = 1045;
    pub(in super::super) const PROVIDE_NAME: u32 = 1047;
    pub(in super::super) const REQUIRE_FLAGS: u32 = 1048;
    pub(in super::super) const REQUIRE_NAME: u32 = 1049;
    pub(in super::super) const REQUIRE_VERSION: u32 = 1050;
    pub(in super::super) const CONFLICT_FLAGS: u32 = 1053;
    pub(in super::super) const CONFLICT_NAME: u32 = 1054;
    pub(in super::super) const CONFLICT_VERSION: u32 = 1055;
    pub(in super::super) const RPM_VERSION: u32 = 1064;
    pub(in super::super) const CHANGELOG_TIME: u32 = 1080;
    pub(in super::super) const CHANGELOG_NAME: u32 = 1081;
    pub(in super::super) const CHANGELOG_TEXT: u32 = 1082;
    pub(in super::super) const PRE_IN_PROGRAM: u32 = 1085;
    pub(in super::super) const POST_IN_PROGRAM: u32 = 1086;
    pub(in super::super) const PRE_UN_PROGRAM: u32 = 1087;
    pub(in super::super) const POST_UN_PROGRAM: u32 = 1088;
    pub(in super::super) const OBSOLETE_NAME: u32 = 1090;
    pub(in super::super) const FILE_DEVICES: u32 = 1095;
    pub(in super::super) const FILE_INODES: u32 = 1096;
    pub(in super::super) const FILE_LANGS: u32 = 1097;
    pub(in super::super) const PROVIDE_FLAGS: u32 = 1112;
    pub(in super::super) const PROVIDE_VERSION: u32 = 1113;
    pub(in super::super) const OBSOLETE_FLAGS: u32 = 1114;
    pub(in super::super) const OBSOLETE_VERSION: u32 = 1115;
    pub(in super::super) const DIR_INDEXES: u32 = 1116;
    pub(in super::super) const BASE_NAMES: u32 = 1117;
    pub(in super::super) const DIR_NAMES: u32 = 1118;
    pub(in super::super) const PAYLOAD_FORMAT: u32 = 1124;
    pub(in super::super) const PAYLOAD_COMPRESSOR: u32 = 1125;
    pub(in super::super) const PAYLOAD_FLAGS: u32 = 1126;
    pub(in super::super) const POST_TRANSACTION: u32 = 1152;
    pub(in super::super) const POST_TRANSACTION_PROGRAM: u32 = 1154;
    pub(in super::super) const LONG_FILE_SIZES: u32 = 5008;
    pub(in super::super) const LONG_SIZE: u32 = 5009;
    pub(in super::super) const FILE_DIGEST_ALGORITHM: u32 = 5011;
    pub(in super::super) const RECOMMEND_NAME: u32 = 5046;
    pub(in super::super) const RECOMMEND_VERSION: u32 = 5047;
    pub(in super::super) const RECOMMEND_FLAGS: u32 = 5048;
    pub(in super::super) const SUGGEST_NAME: u32 = 5049;
    pub(in super::super) const SUGGEST_VERSION: u32 = 5050;
    pub(in super::super) const SUGGEST_FLAGS: u32 = 5051;
    pub(in super::super) const ENCODING: u32 = 5062;
    pub(in super::super) const PAYLOAD_DIGEST: u32 = 5092;
    pub(in super::super) const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;
}

/// The region that a header's first tag says all the others belong to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Region {
    /// `HEADERSIGNATURES`.
    Signatures = 62,
    /// `HEADERIMMUTABLE`.
    Immutable = 63,
}

#[derive(Debug)]
struct Value {
    kind: u32,
    count: u32,
    bytes: Vec<u8>,
}

/// Tags and their values; a tag that is set again is replaced.
#[derive(Debug, Default)]
pub(super) struct Header {
    values: BTreeMap<u32, Value>,
}

impl Header {
    pub(super) fn string(&mut self, tag: u32, text: &str) {
        self.put(tag, STRING, 1, terminated(text).collect());
    }

    /// A string in the one language of the table, `C`.
    pub(super) fn i18n_string(&mut self, tag: u32, text: &str) {
        self.put(tag, I18N_STRING, 1, terminated(text).collect());
    }

    pub(super) fn strings<T: AsRef<str>>(&mut self, tag: u32, texts: impl IntoIterator<Item = T>) {
        let mut count = 0;
        let mut bytes = Vec::new();
        for text in texts {
            count += 1;
            bytes.extend(terminated(text.as_ref()));
        }
        self.put(tag, STRING_ARRAY, count, bytes);
    }

    pub(super) fn int16s(&mut self, tag: u32, numbers: impl IntoIterator<Item = u16>) {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
        self.put(tag, INT16, bytes.len() / 2, bytes);
    }

    pub(super) fn int32s(&mut self, tag: u32, numbers: impl IntoIterator<Item = u32>) {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_be_bytes).collect();
        self.put(tag, INT32, bytes.len() / 4, bytes);
    }

    pub(super) fn int64s(&mut self, tag: u32, numbers: impl IntoIterator<Item = u64>) {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        self.put(tag, INT64, bytes.len() / 8, bytes);
    }

    /// A size in bytes, under the long tag when it needs more than 32 bits.
    pub(super) fn size(&mut self, tag: u32, long_tag: u32, size: u64) {
        match u32::try_from(size) {
            Ok(size) => self.int32s(tag, [size]),
            Err(_) => self.int64s(long_tag, [size]),
        }
    }

    pub(super) fn binary(&mut self, tag: u32, bytes: &[u8]) {
        self.put(tag, BINARY, bytes.len(), bytes.to_vec());
    }

    /// An array without elements has no place in a header.
    fn put(&mut self, tag: u32, kind: u32, count: usize, bytes: Vec<u8>) {
        let count = length(count);
        if count > 0 {
            self.values.insert(tag, Value { kind, count, bytes });
        }
    }

    /// The length of a header in bytes, by its first sixteen; `None` when it is none.
    pub(super) fn length(intro: &[u8]) -> Option<usize> {
        let rest = intro.strip_prefix(&MAGIC)?;
        let number = |at: usize| {
            let bytes = rest.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        let index = number(0)?.checked_mul(ENTRY)?;
        index.checked_add(number(4)?)?.checked_add(MAGIC.len() + 8)
    }

    /// What `encode` made, without its region; `None` when it doesn't fit together.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8], at: usize| {
            let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        let at = MAGIC.len() + 8;
        let index = usize::try_from(number(bytes, MAGIC.len())?)
            .ok()?
            .checked_mul(ENTRY)?;
        let (index, store) = bytes.get(at..)?.split_at_checked(index)?;
        let mut header = Self::default();
        // The region is made anew with the index.
        for entry in index.chunks_exact(ENTRY).skip(1) {
            let (tag, kind, count) = (number(entry, 0)?, number(entry, 4)?, number(entry, 12)?);
            let store = store.get(usize::try_from(number(entry, 8)?).ok()?..)?;
            let count = usize::try_from(count).ok()?;
            let length = match kind {
                BINARY => count,
                INT16 => count.checked_mul(2)?,
                INT32 => count.checked_mul(4)?,
                INT64 => count.checked_mul(8)?,
                STRING => store.iter().position(|byte| *byte == 0)? + 1,
                _ => return None,
            };
            header.put(tag, kind, count, store.get(..length)?.to_vec());
        }
        Some(header)
    }

    /// The header with its magic. The region's entry stands first in the index, its data, which
    /// says how far back the index begins, last in the store.
    pub(super) fn encode(&self, region: Region) -> Vec<u8> {
        let mut index = Vec::with_capacity(self.values.len() * ENTRY);
        let mut store: Vec<u8> = Vec::new();
        for (tag, value) in &self.values {
            let alignment = match value.kind {
                INT16 => 2,
                INT32 => 4,
                INT64 => 8,
                _ => 1,
            };
            store.resize(store.len().next_multiple_of(alignment), 0);
            index.extend(entry(*tag, value.kind, length(store.len()), value.count));
            store.extend(&value.bytes);
        }
        let entries = length(self.values.len() + 1);
        let back = (entries * length(ENTRY)).wrapping_neg();
        let first = entry(region as u32, BINARY, length(store.len()), length(ENTRY));
        store.extend(entry(region as u32, BINARY, back, length(ENTRY)));

        let mut bytes = MAGIC.to_vec();
        bytes.extend(entries.to_be_bytes());
        bytes.extend(length(store.len()).to_be_bytes());
        bytes.extend(first);
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }
}

fn terminated(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.bytes().chain([0])
}

fn entry(tag: u32, kind: u32, offset: u32, count: u32) -> impl Iterator<Item = u8> {
    [tag, kind, offset, count]
        .into_iter()
        .flat_map(u32::to_be_bytes)
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a header, which is in memory, is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut header = Header::default();
        header.int32s(1000, [7]);
        header.string(269, "abc");
        header.binary(1004, &[1, 2, 3]);
        header.size(270, 271, 1 << 33);
        let bytes = header.encode(Region::Signatures);
        assert_eq!(Header::length(&bytes[..16]), Some(bytes.len()));
        let read = Header::decode(&bytes).unwrap();
        assert_eq!(read.encode(Region::Signatures), bytes);
        for length in 0..bytes.len() - ENTRY {
            assert!(Header::decode(&bytes[..length]).is_none(), "{length}");
        }
        assert_eq!(Header::length(b"no header at all"), None);
    }

    #[test]
    fn values_are_aligned_and_the_region_spans_them() {
        let mut header = Header::default();
        header.int32s(7, [1, 2]);
        header.string(5, "ab");
        header.size(9, 10, 1 << 32);
        header.strings::<&str>(11, []);
        let bytes = header.encode(Region::Immutable);
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(
            (number(8), number(12)),
            (4, 8 + 16 + 16 - 8 + 4 + 4 - 8 + 8)
        );
        // Sorted by tag, each with type, offset and count.
        assert_eq!([number(16), number(20), number(28)], [63, 7, 16]);
        assert_eq!(
            [number(32), number(36), number(40), number(44)],
            [5, 6, 0, 1]
        );
        assert_eq!(
            [number(48), number(52), number(56), number(60)],
            [7, 4, 4, 2]
        );
        assert_eq!(
            [number(64), number(68), number(72), number(76)],
            [10, 5, 16, 1]
        );
        let trailer = 80 + usize::try_from(number(24)).unwrap();
        assert_eq!(number(trailer + 8), 0_u32.wrapping_sub(64));
        assert_eq!(bytes.len(), trailer + 16);
    }
}
