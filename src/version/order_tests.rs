//! Proof that pip, dpkg and rpm order the versions alike.
//!
//! Starting dpkg for every pair would be slow, so both comparisons are written out here, checked
//! against the tools themselves, and then used for thousands of pairs.

use std::cmp::Ordering;
use std::io::{Seek, Write};
use std::process::{Command, Output};

use pep440_rs::LocalSegment;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::error::Kind;
use crate::platform::Format;

use super::native::is_stamp;
use super::{NativeVersion, PythonVersion, native};

fn leading(text: &[u8], wanted: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(
        text.iter()
            .position(|byte| !wanted(byte))
            .unwrap_or(text.len()),
    )
}

fn compare_digits(left: &[u8], right: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| leading(digits, |byte| *byte == b'0').1.to_vec();
    let (left, right) = (significant(left), significant(right));
    left.len().cmp(&right.len()).then(left.cmp(&right))
}

/// deb-version(7), "Sorting algorithm".
fn compare_deb(left: &str, right: &str) -> Ordering {
    fn weight(byte: Option<&u8>) -> i32 {
        match byte {
            Some(b'~') => -1,
            None => 0,
            Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
            Some(other) => i32::from(*other) + 256,
        }
    }
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = leading(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = leading(right, |byte| !byte.is_ascii_digit());
        for place in 0..left_text.len().max(right_text.len()) {
            match weight(left_text.get(place)).cmp(&weight(right_text.get(place))) {
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        let (left_digits, left_rest) = leading(left_rest, u8::is_ascii_digit);
        let (right_digits, right_rest) = leading(right_rest, u8::is_ascii_digit);
        match compare_digits(left_digits, right_digits) {
            Ordering::Equal => (left, right) = (left_rest, right_rest),
            decided => return decided,
        }
    }
    Ordering::Equal
}

/// `rpmvercmp` of rpm 4.10 to 4.14, which knows `~`.
fn compare_rpm(left: &str, right: &str) -> Ordering {
    let between = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'~';
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        left = leading(left, between).1;
        right = leading(right, between).1;
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(_), Some(_)) => {}
        }
        let decided = if left[0].is_ascii_digit() {
            let (left_digits, left_rest) = leading(left, u8::is_ascii_digit);
            let (right_digits, right_rest) = leading(right, u8::is_ascii_digit);
            (left, right) = (left_rest, right_rest);
            if right_digits.is_empty() {
                return Ordering::Greater;
            }
            compare_digits(left_digits, right_digits)
        } else {
            let (left_letters, left_rest) = leading(left, u8::is_ascii_alphabetic);
            let (right_letters, right_rest) = leading(right, u8::is_ascii_alphabetic);
            (left, right) = (left_rest, right_rest);
            if right_letters.is_empty() {
                return Ordering::Less;
            }
            left_letters.cmp(right_letters)
        };
        if decided != Ordering::Equal {
            return decided;
        }
    }
}

fn compare(left: &NativeVersion, right: &NativeVersion, format: Format) -> Ordering {
    let text = match format {
        Format::Deb => compare_deb,
        Format::Rpm => compare_rpm,
    };
    (left.epoch.unwrap_or(0).cmp(&right.epoch.unwrap_or(0)))
        .then_with(|| text(&left.upstream, &right.upstream))
        .then_with(|| text(&left.revision, &right.revision))
}

/// dpkg's own word.
fn ask_dpkg(left: &str, right: &str) -> Ordering {
    let holds = |relation: &str| {
        let status = Command::new("dpkg")
            .args(["--compare-versions", left, relation, right])
            .status()
            .expect("dpkg is needed for this test");
        match status.code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("dpkg can't compare {left} and {right}: {other:?}"),
        }
    };
    if holds("lt") {
        Ordering::Less
    } else if holds("gt") {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// rpm's own word on all pairs.
fn ask_rpm(pairs: &[(String, String)]) -> Vec<Ordering> {
    let calls: Vec<String> = pairs
        .iter()
        .map(|(left, right)| format!("print(rpm.vercmp('{left}','{right}')..' ')"))
        .collect();
    let calls = calls.concat();
    let output = Command::new("rpm")
        .args(["--eval", &format!("%{{lua:{calls}}}")])
        .output()
        .expect("rpm is needed for this test");
    answers(&output, pairs.len())
}

/// The signs that a tool printed, one for each pair.
fn answers(output: &Output, count: usize) -> Vec<Ordering> {
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Ordering> = (text.split_whitespace())
        .map(|word| word.parse::<i32>().unwrap().cmp(&0))
        .collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answers.len(), count, "{errors}");
    answers
}

/// The word of the library that pip compares by, on all pairs.
fn ask_packaging(pairs: &[(String, String)]) -> Vec<Ordering> {
    let mut lines = tempfile::tempfile().unwrap();
    for (left, right) in pairs {
        writeln!(lines, "{left} {right}").unwrap();
    }
    lines.rewind().unwrap();
    let output = Command::new("python3")
        .args(["-c", PACKAGING])
        .stdin(lines)
        .output()
        .expect("python3 with python3-packaging or pip is needed for this test");
    answers(&output, pairs.len())
}

const PACKAGING: &str = "
import sys
try:
    from packaging.version import Version
except ImportError:
    from pip._vendor.packaging.version import Version
for line in sys.stdin:
    left, right = map(Version, line.split())
    print((left > right) - (left < right))
";

fn release() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![4 => 0..3_u64, 1 => 8..12_u64], 1..6).prop_map(|numbers| {
        numbers
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(".")
    })
}

fn local() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[a-c]{1,3}",
        1 => "(z|zz|post|local|dirty|dev)",
        4 => "(0|1|2|9|10|11)",
        1 => "(g1a2b3c|gabcde12|d20240501)",
    ];
    prop::collection::vec(segment, 1..4).prop_map(|segments| format!("+{}", segments.join(".")))
}

/// From few words, so that two of them often have much in common.
fn python_version() -> impl Strategy<Value = PythonVersion> {
    let number = || prop_oneof![4 => 0..3_u64, 1 => 8..12_u64];
    (
        prop_oneof![9 => Just(""), 1 => Just("1!")],
        release(),
        prop::option::of((prop_oneof![Just("a"), Just("b"), Just("rc")], number())),
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(local()),
    )
        .prop_map(|(epoch, release, pre, post, dev, local)| {
            let pre = pre.map_or(String::new(), |(kind, number)| format!("{kind}{number}"));
            let post = post.map_or(String::new(), |post| format!(".post{post}"));
            let dev = dev.map_or(String::new(), |dev| format!(".dev{dev}"));
            let text = format!(
                "{epoch}{release}{pre}{post}{dev}{}",
                local.unwrap_or_default()
            );
            PythonVersion::parse(&text, "test").unwrap()
        })
}

/// A version and another that differs from it in one part only, or a fresh one.
fn pair() -> impl Strategy<Value = (PythonVersion, PythonVersion)> {
    (python_version(), python_version(), 0..7_u8).prop_map(|(left, right, part)| {
        let base = left.as_pep440().clone();
        let other = right.as_pep440();
        let near = match part {
            0 => base.with_release(other.release()),
            1 => base.with_pre(other.pre()),
            2 => base.with_post(other.post()),
            3 => base.with_dev(other.dev()),
            4 => base.with_local(other.local().to_vec()),
            5 => base.with_release(base_with_zero(&left)),
            _ => return (left, right),
        };
        (left, PythonVersion::from(near))
    })
}

fn base_with_zero(version: &PythonVersion) -> Vec<u64> {
    let mut release = version.as_pep440().release().to_vec();
    release.push(0);
    release
}

/// Whether two versions differ first in a commit or a date: the one thing that has no order.
fn differ_in_a_stamp(left: &PythonVersion, right: &PythonVersion) -> bool {
    let (left, right) = (left.as_pep440(), right.as_pep440());
    let stamp = |segment: &LocalSegment| is_stamp(&segment.to_string());
    left.clone().without_local() == right.clone().without_local()
        && (left.local().iter().zip(right.local()))
            .find(|(left, right)| left != right)
            .is_some_and(|(left, right)| stamp(left) || stamp(right))
}

fn sample<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn upstreams(format: Format, count: usize) -> Vec<(String, String)> {
    let text = |version: &PythonVersion| native(version, format, "").unwrap().upstream;
    sample(&pair(), count)
        .iter()
        .map(|(left, right)| (text(left), text(right)))
        .collect()
}

fn arbitrary_texts(count: usize) -> Vec<(String, String)> {
    let text = || "[0-2]([0-2ab.+~]|0|10|post|dev){0,6}";
    sample(&(text(), text()), count)
}

#[test]
fn the_comparison_of_dpkg_is_understood() {
    let mut seen = [0; 3];
    for (left, right) in upstreams(Format::Deb, 300)
        .into_iter()
        .chain(arbitrary_texts(200))
    {
        let truth = ask_dpkg(&left, &right);
        assert_eq!(compare_deb(&left, &right), truth, "{left} {right}");
        seen[(truth as i8 + 1).unsigned_abs() as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

#[test]
fn the_comparison_of_rpm_is_understood() {
    let mut pairs = upstreams(Format::Rpm, 1000);
    pairs.extend(arbitrary_texts(1000));
    for pairs in pairs.chunks(500) {
        for ((left, right), truth) in pairs.iter().zip(ask_rpm(pairs)) {
            assert_eq!(compare_rpm(left, right), truth, "{left} {right}");
        }
    }
}

#[test]
fn the_tools_themselves_order_the_release_cycle_of_a_project() {
    let cycle = [
        "1.2.dev3",
        "1.2.dev3+acme",
        "1.2.dev10",
        "1.2a1.dev1",
        "1.2a1",
        "1.2a1+acme",
        "1.2a1.post1.dev2",
        "1.2a1.post1",
        "1.2a2",
        "1.2b1",
        "1.2rc1.dev4",
        "1.2rc1",
        "1.2",
        "1.2+abc",
        "1.2+abc.x",
        "1.2+abc.0",
        "1.2+abc.9",
        "1.2+abc.10",
        "1.2+abcd",
        "1.2+zz",
        "1.2+0",
        "1.2+5",
        "1.2+5.x",
        "1.2+5.0",
        "1.2+10",
        "1.2.post0",
        "1.2.post1.dev3",
        "1.2.post1.dev3+g1a2b3c",
        "1.2.post1.dev3+g1a2b3c.dirty",
        "1.2.post1",
        "1.2.post1+acme",
        "1.2.post2",
        "1.2.0.0.1.dev1",
        "1.2.0.0.1",
        "1.2.0.1",
        "1.2.1",
        "1.10",
        "1!0.1",
    ]
    .map(|text| PythonVersion::parse(text, "test").unwrap());
    for format in [Format::Deb, Format::Rpm] {
        let texts = cycle
            .each_ref()
            .map(|version| native(version, format, "").unwrap());
        for (place, older) in texts.iter().enumerate() {
            for newer in &texts[place + 1..] {
                assert_eq!(
                    compare(older, newer, format),
                    Ordering::Less,
                    "{older} {newer}"
                );
            }
        }
        // rpm.vercmp takes no epochs, so the last pair is left to `compare`.
        let pairs: Vec<_> = (texts.windows(2).take(texts.len() - 2))
            .map(|pair| (pair[0].upstream.clone(), pair[1].upstream.clone()))
            .collect();
        match format {
            Format::Rpm => {
                assert!(ask_rpm(&pairs).iter().all(|order| *order == Ordering::Less));
            }
            Format::Deb => {
                for pair in texts.windows(2) {
                    let (older, newer) = (pair[0].full(), pair[1].full());
                    assert_eq!(ask_dpkg(&older, &newer), Ordering::Less, "{older} {newer}");
                }
            }
        }
    }
}

/// Asks of thousands of pairs that the format orders them as PEP 440 does.
fn check_order(format: Format) {
    let mut runner = TestRunner::new(Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&pair(), |(left, right)| {
            if differ_in_a_stamp(&left, &right) {
                return Ok(());
            }
            let [left_native, right_native] =
                [&left, &right].map(|version| native(version, format, "+deb12").unwrap());
            prop_assert_eq!(
                compare(&left_native, &right_native, format),
                left.cmp(&right),
                "{} {} / {} {}",
                left,
                right,
                left_native,
                right_native
            );
            Ok(())
        })
        .unwrap();
}

/// With no comparison of ours on the side of PEP 440, and none on rpm's.
#[test]
fn packages_are_ordered_as_the_library_packaging_orders_versions() {
    let mut pairs = sample(&pair(), 18_000);
    pairs.retain(|(left, right)| !differ_in_a_stamp(left, right));
    assert!(pairs.len() > 15_000, "{}", pairs.len());
    let texts = |each: &dyn Fn(&PythonVersion) -> String| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(left, right)| (each(left), each(right)))
            .collect()
    };
    let truth = ask_packaging(&texts(&ToString::to_string));
    let of_rpm = texts(&|version| native(version, Format::Rpm, "").unwrap().upstream);
    let of_rpm: Vec<Ordering> = of_rpm.chunks(500).flat_map(ask_rpm).collect();
    let mut seen = [0; 3];
    for (((left, right), truth), of_rpm) in pairs.iter().zip(truth).zip(of_rpm) {
        assert_eq!(left.cmp(right), truth, "{left} {right}");
        for format in [Format::Deb, Format::Rpm] {
            let [older, newer] =
                [left, right].map(|version| native(version, format, "+deb12").unwrap());
            let answer = compare(&older, &newer, format);
            assert_eq!(answer, truth, "{left} {right} / {older} {newer}");
        }
        if left.as_pep440().epoch() == right.as_pep440().epoch() {
            assert_eq!(of_rpm, truth, "{left} {right}");
        }
        seen[(truth as i8 + 1).unsigned_abs() as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}

/// dpkg itself on the pairs of one sample: a process each, so fewer of them.
#[test]
fn dpkg_itself_orders_as_the_library_packaging_does() {
    let mut pairs = sample(&pair(), 1_000);
    pairs.retain(|(left, right)| !differ_in_a_stamp(left, right));
    let texts: Vec<_> = (pairs.iter())
        .map(|(left, right)| (left.to_string(), right.to_string()))
        .collect();
    for ((left, right), truth) in pairs.iter().zip(ask_packaging(&texts)) {
        let [older, newer] =
            [left, right].map(|version| native(version, Format::Deb, "").unwrap().full());
        assert_eq!(
            ask_dpkg(&older, &newer),
            truth,
            "{left} {right} / {older} {newer}"
        );
    }
}

/// PEP 440 compares such a segment letter by letter, dpkg and rpm its digits as a number.
#[test]
fn local_versions_that_have_no_native_spelling_are_refused() {
    let mixed = ("[a-f]{1,3}[0-9]{1,3}[a-z]{0,2}", "[0-9]{1,3}[a-c]{1,3}");
    let local = prop_oneof![mixed.0, mixed.1];
    let mut refused = 0;
    for (version, local) in sample(&(python_version(), local), 2_000) {
        let public = version.as_pep440().clone().without_local();
        let text = format!("{public}+{local}");
        let version = PythonVersion::parse(&text, "test").unwrap();
        if is_stamp(&version.as_pep440().local()[0].to_string()) {
            continue;
        }
        for format in [Format::Deb, Format::Rpm] {
            let error = native(&version, format, "").unwrap_err();
            assert_eq!(error.kind(), Kind::Version, "{text}");
            // What the hint says in its place can be said.
            let hint = &error.hints()[0];
            let better = hint.split('`').nth(1).unwrap();
            let better = PythonVersion::parse(better, "hint").unwrap();
            native(&better, format, "").unwrap();
        }
        refused += 1;
    }
    assert!(refused > 1_900, "{refused}");
}

#[test]
fn dpkg_orders_as_pep_440_does() {
    check_order(Format::Deb);
}

#[test]
fn rpm_orders_as_pep_440_does() {
    check_order(Format::Rpm);
}
