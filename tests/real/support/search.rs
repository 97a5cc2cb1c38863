//! Finds what must not be there: in files, and in what is packed or compressed in them, to the innermost.
//!
//! What is looked for holds a mark, which no other run had. It is found as it is, in percent-encoded
//! text, which leaves it as it is, in Base64, wherever it stands in what was encoded, and as hexadecimal
//! digits.

use std::io::Read;
use std::path::Path;

use aho_corasick::AhoCorasick;

/// Something to look for.
pub(crate) struct Search {
    mark: String,
    forms: AhoCorasick,
}

/// What a mark is made of: nothing that any encoding of addresses changes.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzACDEFGHJ";

/// How much of what follows the mark is told, in bytes.
const TOLD: usize = 16;

/// What may be in a file, one inside the other, and no deeper.
const DEEPEST: usize = 8;

impl Search {
    /// A mark that nobody has seen.
    pub(crate) fn begin() -> Self {
        let mut bytes = [0; 12];
        let mut random = fs_err::File::open("/dev/urandom").expect("a Linux");
        random.read_exact(&mut bytes).expect("it never ends");
        let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
        let mark: String = bytes.iter().map(letter).collect();
        let digits: Vec<String> = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hexadecimal = digits.concat();
        let mut forms = vec![mark.clone(), hexadecimal.to_uppercase(), hexadecimal];
        forms.extend((0..3).map(|before| {
            let text = [&b"\0\0"[..before], mark.as_bytes()].concat();
            // Without the letters that depend on what stands before and after.
            let whole = text.len() * 8 / 6;
            base64(&text)[(before * 8).div_ceil(6)..whole].to_owned()
        }));
        let forms = AhoCorasick::new(&forms).expect("they are few and short");
        Self { mark, forms }
    }

    /// A secret with the mark and this name in it, and with letters that addresses can't hold.
    pub(crate) fn secret(&self, name: &str) -> String {
        format!("{}-{name}/+%=", self.mark)
    }

    /// The secret part of a key of ssh (Ed25519), which may be any 32 bytes: the mark is in it.
    pub(crate) fn key(&self) -> [u8; 32] {
        let mut key = *b"MARKMARKMARK-the-rest-of-the-key";
        key[..self.mark.len()].copy_from_slice(self.mark.as_bytes());
        key
    }

    /// Whether the mark is in a text, in any form.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.is_match(bytes)
    }

    /// Where the mark is below these folders or in these files, each with some of what follows it.
    pub(crate) fn find(&self, roots: &[&Path]) -> Vec<String> {
        let mut found = Vec::new();
        for root in roots {
            for entry in walkdir::WalkDir::new(root) {
                let entry = entry.expect("it can be read");
                let path = entry.path();
                let target = fs_err::read_link(path).unwrap_or_default();
                for name in [path.as_os_str(), target.as_os_str()] {
                    if self.is_in(name.as_encoded_bytes()) {
                        found.push(format!("the name or target of {}", path.display()));
                    }
                }
                if entry.file_type().is_file() {
                    let content = fs_err::read(path).expect("it can be read");
                    self.look_into(&path.display().to_string(), &content, &mut found, 0);
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Looks into a file, and into what is packed in it.
    fn look_into(&self, place: &str, bytes: &[u8], found: &mut Vec<String>, depth: usize) {
        found.extend(self.forms.find_iter(bytes).map(|hit| {
            let end = bytes.len().min(hit.end() + TOLD);
            let text = String::from_utf8_lossy(&bytes[hit.start()..end])
                .escape_debug()
                .to_string();
            format!("{place}: {text}")
        }));
        let Some(packing) = packed(bytes) else {
            return;
        };
        assert!(depth < DEEPEST, "{place} is packed too often");
        for (name, content) in packing.open(bytes) {
            let inside = format!("{place} > {name}");
            if self.is_in(name.as_bytes()) {
                found.push(format!("the name {inside}"));
            }
            self.look_into(&inside, &content, found, depth + 1);
        }
    }
}

/// How something is packed.
#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Xz,
    Zstandard,
    Zip,
    Tar,
    Ar,
    Cpio,
    Rpm,
}

/// How a file is packed, by its first bytes.
fn packed(start: &[u8]) -> Option<Packing> {
    let is = |magic: &[u8]| start.starts_with(magic);
    Some(match () {
        () if is(b"\x1f\x8b\x08") => Packing::Gzip,
        () if is(b"\xfd7zXZ\0") => Packing::Xz,
        () if is(b"\x28\xb5\x2f\xfd") => Packing::Zstandard,
        () if is(b"PK\x03\x04") => Packing::Zip,
        () if is(b"!<arch>\ndebian-binary") => Packing::Ar,
        () if is(b"070701") || is(b"070702") => Packing::Cpio,
        () if is(b"\xed\xab\xee\xdb") => Packing::Rpm,
        () if start.get(257..262) == Some(b"ustar") => Packing::Tar,
        () => return None,
    })
}

impl Packing {
    /// What is in it: names, with targets of links, and contents. What is damaged is left out: it is
    /// searched as it is.
    fn open(self, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let whole = |mut reader: Box<dyn Read + '_>| {
            let mut content = Vec::new();
            let read = reader.read_to_end(&mut content);
            let content = read.map(|_| content).ok();
            content
                .map(|content| ("content".to_owned(), content))
                .into_iter()
                .collect()
        };
        match self {
            Self::Gzip => whole(Box::new(flate2::read::MultiGzDecoder::new(bytes))),
            Self::Xz => whole(Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes))),
            Self::Zstandard => match zstd::Decoder::new(bytes) {
                Ok(decoder) => whole(Box::new(decoder)),
                Err(_) => Vec::new(),
            },
            Self::Zip => zip_members(bytes).unwrap_or_default(),
            Self::Tar => tar_members(bytes).unwrap_or_default(),
            Self::Ar => ar_members(bytes).unwrap_or_default(),
            Self::Cpio => cpio_members(bytes).unwrap_or_default(),
            Self::Rpm => rpm_payload(bytes).into_iter().collect(),
        }
    }
}

fn zip_members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for number in 0..archive.len() {
        let mut member = archive.by_index(number).ok()?;
        let mut content = Vec::new();
        member.read_to_end(&mut content).ok()?;
        let name = member.name().ok()?.into_owned();
        members.push((name, content));
    }
    Some(members)
}

fn tar_members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = tar::Archive::new(bytes);
    let mut members = Vec::new();
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        members.push((
            format!("{name} {}", String::from_utf8_lossy(&target)),
            content,
        ));
    }
    Some(members)
}

fn ar_members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut rest = bytes.get(8..)?;
    let mut members = Vec::new();
    while let Some(header) = rest.get(..60) {
        let text = |part: &[u8]| String::from_utf8_lossy(part).trim().to_owned();
        let length: usize = text(&header[48..58]).parse().ok()?;
        members.push((text(&header[..16]), rest.get(60..60 + length)?.to_vec()));
        rest = rest.get(60 + length + length % 2..).unwrap_or_default();
    }
    Some(members)
}

fn cpio_members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut at = 0;
    let mut members = Vec::new();
    loop {
        let header = bytes.get(at..at + 110)?;
        let field = |number: usize| {
            let start = 6 + number * 8;
            let digits = std::str::from_utf8(&header[start..start + 8]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (length, name_length) = (field(6)?, field(11)?);
        let name = bytes.get(at + 110..at + 110 + name_length)?;
        let name = String::from_utf8_lossy(name)
            .trim_end_matches('\0')
            .to_owned();
        let content = at + (110 + name_length).next_multiple_of(4);
        if name == "TRAILER!!!" {
            return Some(members);
        }
        members.push((name, bytes.get(content..content + length)?.to_vec()));
        at = content + length.next_multiple_of(4);
    }
}

/// What stands behind the lead and the two headers of rpm's format.
fn rpm_payload(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let number = |at: usize| {
        let number = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(number)).ok()
    };
    let end = |at: usize| Some(at + 16 + 16 * number(at + 8)? + number(at + 12)?);
    let payload = end(end(96)?.next_multiple_of(8))?;
    Some(("payload".to_owned(), bytes.get(payload..)?.to_vec()))
}

/// Base64 (RFC 4648), as `Authorization` has it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let of = |number: usize| u32::from(chunk.get(number).copied().unwrap_or_default());
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for number in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * number) & 63) as usize];
            text.push(if number > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

/// A text as addresses hold it (RFC 3986).
pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
