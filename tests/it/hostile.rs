//! The corpus of hostile wheels through the pre-flight: all decided, all named, none escaping.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use omnibuild::error::Kind;
use omnibuild::fsutil::sorted_walk;
use omnibuild::interpreter::Interpreter;
use omnibuild::wheel::{Checked, Decision, Policy, check};
use proptest::prelude::*;
use serde::Deserialize;

/// What the checks may take of address space: the program itself, and far less than what the
/// largest bomb of the corpus unpacks to.
const MOST_MEMORY: &str = "393216";
/// Fewer cases than this, and the corpus has lost a part.
const FEWEST_CASES: usize = 120;

/// A wheel, and what has to be said of it.
#[derive(Debug, Deserialize)]
struct Case {
    title: String,
    file: String,
    verdict: Verdict,
    words: Vec<String>,
}

/// What is done to a good wheel.
#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index, usize),
    /// Bytes of the second wheel in place of as many of the first, or between them.
    Splice(prop::sample::Index, prop::sample::Index, usize, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Fine,
    Warned,
    Refused,
}

fn interpreter() -> Interpreter {
    Interpreter::parse(
        r#"{"schema": 1, "version": "3.11.2", "major_minor": "3.11", "implementation": "cpython",
            "cache_tag": "cpython-311", "abi": "cp311", "magic": "a70d0d0a",
            "executable": "/usr/bin/python3.11", "machine": "x86_64", "libc": "glibc 2.36"}"#,
    )
    .unwrap()
}

fn corpus(folder: &Path) -> Vec<Case> {
    let make = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/make.py");
    let output = Command::new("python3").arg(make).arg(folder).output();
    let output = output.expect("install python3: it makes the corpus");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let cases: Vec<Case> =
        serde_json::from_slice(&fs_err::read(folder.join("cases.json")).unwrap()).unwrap();
    assert!(cases.len() >= FEWEST_CASES, "{}", cases.len());
    cases
}

/// The verdict, and everything that was said.
fn verdict(path: &Path, policy: Policy) -> (Verdict, String) {
    match check(path, &interpreter(), &policy) {
        Ok(Checked { warnings, .. }) if warnings.is_empty() => (Verdict::Fine, String::new()),
        Ok(Checked { warnings, .. }) => {
            let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            (Verdict::Warned, texts.join("\n"))
        }
        Err(error) if error.kind() == Kind::Conflict && !error.hints().is_empty() => {
            (Verdict::Refused, error.to_string())
        }
        Err(error) => panic!("{}: {:?} {error}", path.display(), error.kind()),
    }
}

#[test]
fn each_hostile_wheel_is_decided_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = corpus(folder.path());
    let before = sorted_walk(folder.path()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let path = folder.path().join(&case.file);
        let (found, said) = verdict(&path, Policy::default());
        let file_name = path.file_name().unwrap().to_string_lossy().into_owned();
        let named = case.words.iter().chain([&file_name]);
        let complete = found == Verdict::Fine || named.clone().all(|word| said.contains(word));
        if found != case.verdict || !complete {
            wrong.push(format!("{case:?}\n    {found:?}: {said}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(
        before,
        sorted_walk(folder.path()).unwrap(),
        "something was written"
    );
}

#[test]
fn the_policy_decides_about_what_is_no_defect() {
    let folder = tempfile::tempdir().unwrap();
    let cases = corpus(folder.path());
    let all = |decision| Policy {
        start_up: decision,
        standard_library: decision,
        installers: decision,
        tags: decision,
    };
    let warned = cases.iter().filter(|case| case.verdict == Verdict::Warned);
    let mut seen = 0;
    for case in warned {
        let path = folder.path().join(&case.file);
        let (found, said) = verdict(&path, all(Decision::Deny));
        assert_eq!(found, Verdict::Refused, "{}", case.title);
        assert!(case.words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(
            verdict(&path, all(Decision::Allow)).0,
            Verdict::Fine,
            "{}",
            case.title
        );
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

/// Runs the test above once more with little memory: a bomb that is unpacked into it ends that run.
#[test]
fn hostile_wheels_take_little_memory() {
    let this = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && exec \"$0\" --exact hostile::each_hostile_wheel_is_decided_and_named --test-threads 1"])
        .arg(&this)
        .arg(MOST_MEMORY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), 1..64_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        2 => (at(), at(), 1..200_usize, any::<bool>())
            .prop_map(|(to, from, length, between)| Change::Splice(to, from, length, between)),
    ]
}

fn changed(good: &[u8], other: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Remove(at, count) => {
                let at = at.index(length);
                drop(bytes.drain(at..length.min(at + count)));
            }
            Change::Splice(to, from, count, between) => {
                let (to, from) = (to.index(length), from.index(other.len()));
                let piece = other[from..other.len().min(from + count)].to_vec();
                let end = if *between {
                    to
                } else {
                    length.min(to + piece.len())
                };
                drop(bytes.splice(to..end, piece));
            }
        }
    }
    bytes
}

/// The files of an archive, read by nothing of ours.
fn files(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        })
        .collect()
}

#[test]
fn a_damaged_wheel_is_refused_or_holds_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let cases = corpus(folder.path());
    // Damage to a hostile wheel may make another of it, and must not stop the program.
    let named = cases
        .iter()
        .filter(|case| case.file.ends_with("/ample-1.0-py3-none-any.whl"));
    let wheels: Vec<(bool, Vec<u8>)> = named
        .map(|case| {
            let bytes = fs_err::read(folder.path().join(&case.file)).unwrap();
            (case.verdict == Verdict::Fine, bytes)
        })
        .filter(|(_, bytes)| bytes.len() < 1 << 16)
        .collect();
    let is_sound = |wheel: &&(bool, Vec<u8>)| wheel.0;
    assert!(wheels.iter().filter(is_sound).count() >= 10);
    let path = folder.path().join("ample-1.0-py3-none-any.whl");
    let taken = std::cell::Cell::new(0);
    let strategy = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::collection::vec(change(), 1..4),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(3000)
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |(one, other, changes)| {
        let ((sound, good), (_, other)) = (one.get(&wheels), other.get(&wheels));
        prop_assume!(!other.is_empty());
        let bytes = changed(good, other, &changes);
        fs_err::write(&path, &bytes).unwrap();
        let found = verdict(&path, Policy::default()).0;
        if *sound && found != Verdict::Refused {
            // Times and the like are vouched for by nobody.
            prop_assert_eq!(files(&bytes), files(good));
            taken.set(taken.get() + 1);
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(
        taken.get() > 0,
        "no change was harmless: nothing was compared"
    );
}
