//! `RECORD`: the list of a distribution's files with their checksums.
//!
//! Follows PyPA's "Recording installed projects" and the chapter on RECORD in "Binary distribution
//! format". Pure; reads what it is given.

use std::collections::BTreeMap;
use std::io::{self, Read};

use sha2::{Sha256, Sha384, Sha512};

use crate::digest::Digest;

/// The most files that are read; the wheels with the most have 10,000.
const MOST_LINES: usize = 200_000;

/// What a wheel's RECORD says about its files, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    lines: BTreeMap<String, (String, String)>,
}

impl Record {
    /// Reads RECORD as a wheel carries it. The error says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut lines: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        for line in reader.records() {
            let line = line.map_err(|error| format!("is malformed: {error}"))?;
            let field = |number| line.get(number).unwrap_or_default().to_owned();
            let (path, value) = (field(0), (field(1), field(2)));
            if lines.len() == MOST_LINES {
                return Err(format!("lists more than {MOST_LINES} files"));
            }
            match lines.get(&path) {
                Some(earlier) if *earlier != value => {
                    return Err(format!("lists `{}` twice", path.escape_debug()));
                }
                _ => lines.insert(path, value),
            };
        }
        Ok(Self { lines })
    }

    /// Compares a file with its line. The error says what is wrong.
    pub fn check(&self, path: &str, content: &mut dyn Read) -> Result<(), CheckError> {
        let Some((hash, size)) = self.lines.get(path) else {
            return Err(CheckError::Differs("is not listed in RECORD".to_owned()));
        };
        let Some((algorithm, expected)) = hash.split_once('=') else {
            return Err(CheckError::Differs("has no checksum in RECORD".to_owned()));
        };
        // The format asks for SHA-256 or better.
        let (found, length) = match algorithm {
            "sha256" => digest::<Sha256>(content)?,
            "sha384" => digest::<Sha384>(content)?,
            "sha512" => digest::<Sha512>(content)?,
            other => {
                let what = format!(
                    "has a checksum of kind `{}` in RECORD",
                    other.escape_debug()
                );
                return Err(CheckError::Differs(what));
            }
        };
        let same_size = size.is_empty() || size.parse() == Ok(length);
        if !same_size || found != expected.trim_end_matches('=') {
            return Err(CheckError::Differs("is not what RECORD says".to_owned()));
        }
        Ok(())
    }
}

/// Why a file is not what RECORD says.
#[derive(Debug)]
pub enum CheckError {
    /// It is another; in words.
    Differs(String),
    /// It can't be read.
    Read(io::Error),
}

impl From<io::Error> for CheckError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// The digest as RECORD writes it, and the length in bytes.
fn digest<D: sha2::Digest>(content: &mut dyn Read) -> io::Result<(String, u64)> {
    let mut hasher = D::new();
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((base64_url(hasher.finalize().as_slice()), length)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Collects the lines of an installed RECORD.
#[derive(Debug, Default)]
pub struct InstalledRecord {
    lines: BTreeMap<String, Option<(Digest, u64)>>,
}

impl InstalledRecord {
    /// Lists a file with its checksum and length.
    pub fn add(&mut self, path: &str, digest: &Digest, size: u64) {
        self.lines
            .insert(path.to_owned(), Some((digest.clone(), size)));
    }

    /// Lists a file without checksum: byte code, and RECORD itself.
    pub fn add_unchecked(&mut self, path: &str) {
        self.lines.insert(path.to_owned(), None);
    }

    /// The text, sorted by path.
    pub fn finish(self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        for (path, checksum) in self.lines {
            let (hash, size) = match checksum {
                Some((digest, size)) => {
                    let hash = base64_url(&bytes_of(&digest));
                    (format!("sha256={hash}"), size.to_string())
                }
                None => (String::new(), String::new()),
            };
            let fields = [path.as_str(), hash.as_str(), size.as_str()];
            writer.write_record(fields).expect("a Vec takes everything");
        }
        writer.into_inner().expect("a Vec takes everything")
    }
}

fn bytes_of(digest: &Digest) -> Vec<u8> {
    let digits = digest.as_str();
    (0..digits.len() / 2)
        .filter_map(|index| u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok())
        .collect()
}

/// RFC 4648's base64 for URLs, without padding.
fn base64_url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=group.len() {
            let letter = (bits >> (18 - 6 * index)) & 63;
            text.push(char::from(LETTERS[letter as usize]));
        }
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use sha2::Digest as _;

    use super::*;

    /// A line of a wheel's RECORD with the right checksum.
    pub(crate) fn line(path: &str, content: &[u8]) -> String {
        format!(
            "{path},sha256={},{}\n",
            base64_url(&Sha256::digest(content)),
            content.len()
        )
    }

    fn differs(record: &str, content: &[u8]) -> String {
        let record = Record::parse(record.as_bytes()).unwrap();
        match record.check("a", &mut &*content).unwrap_err() {
            CheckError::Differs(what) => what,
            CheckError::Read(error) => panic!("{error}"),
        }
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64_url(plain.as_bytes()), coded);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn a_file_is_compared_with_its_line() {
        let good = line("a", b"text");
        let record = Record::parse(good.as_bytes()).unwrap();
        assert!(record.check("a", &mut &b"text"[..]).is_ok());
        let sha512 = format!("a,sha512={},4\n", base64_url(&Sha512::digest(b"text")));
        let record = Record::parse(sha512.as_bytes()).unwrap();
        assert!(record.check("a", &mut &b"text"[..]).is_ok());
        assert!(differs(&good, b"tex").contains("not what RECORD says"));
        assert!(differs(&good.replace(",4", ",5"), b"text").contains("not what RECORD says"));
        assert!(differs("b,,\n", b"text").contains("not listed"));
        assert!(differs("a,,\n", b"text").contains("no checksum"));
        assert!(differs("a,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n", b"").contains("kind `md5`"));
    }

    #[test]
    fn two_lines_for_one_file_must_agree() {
        let good = line("a", b"text");
        assert!(Record::parse(format!("{good}{good}").as_bytes()).is_ok());
        assert!(Record::parse(format!("{good}a,,\n").as_bytes()).is_err());
    }

    #[test]
    fn an_installed_record_is_sorted_and_quoted() {
        let mut record = InstalledRecord::default();
        record.add("b,c.py", &Digest::of(""), 0);
        record.add_unchecked("a.pyc");
        let text = String::from_utf8(record.finish()).unwrap();
        let expected = "a.pyc,,\n\"b,c.py\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n";
        assert_eq!(text, expected);
    }
}
