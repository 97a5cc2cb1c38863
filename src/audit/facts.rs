//! What the content of one file says that an audit wants to know: read once, kept with layers.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use crate::elf::{self, ElfFile};

/// The folder that builders work in. No file of a package may know it.
pub const BUILD_FOLDER: &str = "/omnibuild/";

/// How much of a file tells whether it is text.
const HEAD: usize = 8192;
/// The longest first line that is kept.
const LONGEST_LINE: usize = 512;

/// What a file's content says. Everything is absent for most files. Kept in layers, so the fields
/// are an on-disk format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// What it says as an ELF file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elf: Option<Box<ElfFile>>,
    /// Why it can't be read as the ELF file that it begins like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged_elf: Option<String>,
    /// The first line without `#!`, where it begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shebang: Option<String>,
    /// The first word of a text that names the folder that builders work in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_path: Option<String>,
    /// The first absolute folder that a `*.pth` file adds to Python's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute_pth: Option<String>,
}

impl Facts {
    /// Reads what there is to know of a file with this path.
    pub fn read<R: Read + Seek>(path: &str, content: &mut R) -> io::Result<Self> {
        content.seek(SeekFrom::Start(0))?;
        let mut head = Vec::with_capacity(HEAD);
        content.take(HEAD as u64).read_to_end(&mut head)?;
        if head.starts_with(&elf::MAGIC) {
            return Ok(Self::of_elf(content));
        }
        if head.contains(&0) {
            return Ok(Self::default());
        }
        let mut facts = Self {
            shebang: head.strip_prefix(b"#!").map(first_line),
            ..Self::default()
        };
        let adds_folders = path.strip_suffix(".pth").is_some();
        let mut window = head;
        let mut rest = content.take(u64::MAX);
        loop {
            if facts.build_path.is_none() {
                facts.build_path = named_path(&window);
            }
            if adds_folders && facts.absolute_pth.is_none() {
                facts.absolute_pth = window
                    .split(|byte| *byte == b'\n')
                    .find(|line| line.starts_with(b"/"))
                    .map(first_line);
            }
            // A path across two windows is whole in the second.
            let kept = window.len().saturating_sub(LONGEST_LINE);
            window.drain(..kept);
            let before = window.len();
            rest.by_ref().take(1 << 16).read_to_end(&mut window)?;
            if window.len() == before {
                break;
            }
        }
        Ok(facts)
    }

    fn of_elf<R: Read + Seek>(content: &mut R) -> Self {
        match elf::read(content) {
            Ok(found) => Self {
                elf: found.map(|mut found| {
                    drop_pythons_own(&mut found);
                    Box::new(found)
                }),
                ..Self::default()
            },
            Err(reason) => Self {
                damaged_elf: Some(reason),
                ..Self::default()
            },
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A module finds the interpreter's own functions in the process that loads it, unless it is linked
/// with the interpreter's library: no other library has them, and they are most of the symbols.
fn drop_pythons_own(found: &mut ElfFile) {
    if found
        .needed
        .iter()
        .any(|name| name.starts_with("libpython"))
    {
        return;
    }
    found.undefined.retain(|symbol| {
        let pythons = symbol.name.starts_with("Py") || symbol.name.starts_with("_Py");
        symbol.version.is_some() || !pythons
    });
}

fn first_line(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let end = end.unwrap_or(bytes.len()).min(LONGEST_LINE);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The first path of the builder in a text, up to what ends a path.
fn named_path(text: &[u8]) -> Option<String> {
    let needle = BUILD_FOLDER.as_bytes();
    // A slash is rare enough to look for it alone.
    let mut from = 0;
    while let Some(slash) = text[from..].iter().position(|byte| *byte == b'/') {
        let at = from + slash;
        if text[at..].starts_with(needle) && !part_of_a_longer_path(text, at) {
            let ends =
                |byte: &u8| byte.is_ascii_whitespace() || b"\"'`,;:()<>[]{}\0".contains(byte);
            let path = text[at..].split(ends).next().unwrap_or_default();
            return Some(first_line(path));
        }
        from = at + 1;
    }
    None
}

/// `/opt/omnibuild/x` and `host/omnibuild/` are others' folders; `file:///omnibuild/` is not.
fn part_of_a_longer_path(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-+~}".contains(byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(path: &str, text: impl AsRef<[u8]>) -> Facts {
        Facts::read(path, &mut Cursor::new(text.as_ref())).unwrap()
    }

    #[test]
    fn most_files_say_nothing() {
        for text in [
            "",
            "import x\n",
            "/opt/omnibuild/x",
            "host/omnibuild/issues",
            "\0/omnibuild/x",
        ] {
            assert!(of("a.py", text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_path_of_the_builder_is_found_wherever_it_stands() {
        let cases = [
            (
                "#!/omnibuild/build/bin/python\n",
                "/omnibuild/build/bin/python",
            ),
            (
                "{\"url\": \"file:///omnibuild/project\"}",
                "/omnibuild/project",
            ),
            ("prefix = '/omnibuild/x'; y", "/omnibuild/x"),
        ];
        for (text, path) in cases {
            assert_eq!(of("x", text).build_path.as_deref(), Some(path), "{text}");
            // Also far down, and across what is read at a time.
            for filling in [HEAD - 5, (1 << 16) + HEAD - 5, 200_000] {
                let text = format!("{}{text}", " ".repeat(filling));
                assert_eq!(of("x", text).build_path.as_deref(), Some(path), "{filling}");
            }
        }
    }

    #[test]
    fn first_lines_and_folders_are_kept() {
        assert_eq!(
            of("x", "#!/bin/sh -e\r\nexit\n").shebang.as_deref(),
            Some("/bin/sh -e")
        );
        assert_eq!(
            of("x.pth", "# no\n/srv/lib\n").absolute_pth.as_deref(),
            Some("/srv/lib")
        );
        assert_eq!(of("x.txt", "/srv/lib\n").absolute_pth, None);
    }

    #[test]
    fn an_elf_file_is_read_and_a_damaged_one_named() {
        let bash = of("bash", fs_err::read("/bin/bash").unwrap());
        assert!(
            bash.elf
                .is_some_and(|elf| elf.needed.contains(&"libc.so.6".to_owned()))
        );
        assert!(of("x.so", b"\x7fELF\x02").damaged_elf.is_some());
    }
}
