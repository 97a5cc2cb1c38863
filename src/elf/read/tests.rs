//! The reader against real files, and against files that were damaged.

use std::io::Cursor;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// The C library of this machine and a program that needs it.
fn real(path: &str) -> Vec<u8> {
    fs_err::read(path).unwrap()
}

fn of(bytes: &[u8]) -> Result<Option<ElfFile>, String> {
    read(&mut Cursor::new(bytes))
}

/// What `readelf` prints; the tests' machine has a compiler's tools.
fn readelf(option: &str, path: &str) -> String {
    let output = Command::new("readelf")
        .args(["--wide", option, path])
        .env("LC_ALL", "C")
        .output()
        .expect("readelf is there: apt-get install binutils");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_real_program_says_what_readelf_says() {
    let path = "/bin/bash";
    let found = of(&real(path)).unwrap().unwrap();
    let dynamic = readelf("--dynamic", path);
    let needed: Vec<&str> = dynamic
        .lines()
        .filter_map(|line| line.split_once("Shared library: [")?.1.strip_suffix(']'))
        .collect();
    assert!(!needed.is_empty() && found.needed == needed, "{found:?}");
    assert_eq!(found.machine, std::env::consts::ARCH);
    assert!(found.runs_on(std::env::consts::ARCH) && !found.runs_on("s390"));
    assert!(found.interpreter.as_deref().unwrap().contains("/ld-linux-"));
    assert_eq!(found.needs_gnu_hash, !dynamic.contains("(HASH)"));
    // `name@version (n)` of each undefined symbol.
    let symbols = readelf("--dyn-syms", path);
    let expected: BTreeSet<String> = symbols
        .lines()
        .filter_map(|line| line.split_once(" UND ").map(|(_, name)| name.trim()))
        .filter(|name| !name.is_empty())
        .map(|name| name.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    let names: BTreeSet<String> = found
        .undefined
        .iter()
        .map(|symbol| match &symbol.version {
            Some((version, _)) => format!("{}@{version}", symbol.name),
            None => symbol.name.clone(),
        })
        .collect();
    assert_eq!(names, expected);
    assert!(
        found.versions["libc.so.6"]
            .iter()
            .any(|node| node == "GLIBC_2.4")
    );
}

#[test]
fn what_is_kept_reads_back() {
    let found = of(&real("/bin/bash")).unwrap().unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<ElfFile>(&text).unwrap(), found);
}

#[test]
fn other_files_are_none_and_cut_ones_are_named() {
    assert_eq!(of(b""), Ok(None));
    assert_eq!(of(b"\x7fEL"), Ok(None));
    assert_eq!(of(b"#!/bin/sh\n"), Ok(None));
    assert!(of(b"\x7fELF").unwrap_err().contains("header"));
    assert!(
        of(b"\x7fELF\x09\x01\x01\0\0\0\0\0\0\0\0\0")
            .unwrap_err()
            .contains("class is 9")
    );
    let mut bytes = real("/bin/bash");
    bytes.truncate(300);
    assert!(of(&bytes).is_err());
}

#[test]
fn musl_is_told_by_the_interpreter_or_the_library() {
    let by_interpreter = ElfFile {
        interpreter: Some("/lib/ld-musl-x86_64.so.1".to_owned()),
        ..ElfFile::default()
    };
    let by_library = ElfFile {
        needed: vec!["libc.musl-x86_64.so.1".to_owned()],
        ..ElfFile::default()
    };
    assert_eq!(by_interpreter.musl(), Some("/lib/ld-musl-x86_64.so.1"));
    assert_eq!(by_library.musl(), Some("libc.musl-x86_64.so.1"));
    assert_eq!(of(&real("/bin/bash")).unwrap().unwrap().musl(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Bytes of headers and tables at random: an answer or a reason, in no great memory or time.
    #[test]
    fn a_damaged_file_is_answered_and_nothing_worse(
        changes in prop::collection::vec((0_usize..24_000, any::<u8>()), 1..40),
        cut in prop::option::of(0_usize..200_000),
    ) {
        let mut bytes = real("/bin/true");
        for (at, byte) in changes {
            // Half of the changes hit the headers, where they do most.
            let at = if at % 2 == 0 { at % 1024 } else { at % bytes.len() };
            bytes[at] = byte;
        }
        bytes[..4].copy_from_slice(&MAGIC);
        if let Some(cut) = cut {
            bytes.truncate(cut.max(4));
        }
        match of(&bytes) {
            Ok(found) => prop_assert!(found.is_some()),
            Err(reason) => prop_assert!(!reason.is_empty()),
        }
    }

    /// Values of the dynamic section at random: addresses, counts and offsets that lead anywhere.
    #[test]
    fn a_dynamic_section_that_lies_is_answered(
        lies in prop::collection::vec((0_usize..60, any::<u64>(), 0_u32..64), 1..12),
    ) {
        let mut bytes = real("/bin/true");
        let header = FileHeader64::<Endianness>::parse(bytes.as_slice()).unwrap();
        let headers = header.program_headers(Endianness::Little, bytes.as_slice()).unwrap();
        let dynamic = headers.iter().find(|header| header.p_type(Endianness::Little) == elf::PT_DYNAMIC);
        let (offset, size) = dynamic.unwrap().file_range(Endianness::Little);
        let (offset, size) = (usize::try_from(offset).unwrap(), usize::try_from(size).unwrap());
        for (entry, value, shift) in lies {
            let at = offset + entry * 16 % size + 8;
            bytes[at..at + 8].copy_from_slice(&(value >> shift).to_le_bytes());
        }
        if let Ok(found) = of(&bytes) {
            prop_assert!(found.is_some());
        }
    }
}
