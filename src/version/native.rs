//! From PEP 440 to the versions of dpkg and rpm, so that all three order alike.
//!
//! Decides spelling only. The comparisons that it is built for are those of deb-version(7) and of
//! rpm 4.10 or newer (`~`, and no `^`, which rpm 4.14 and older don't know).
//!
//! | PEP 440         | native                 | why there                                          |
//! |-----------------|------------------------|----------------------------------------------------|
//! | `1.4`, `1.4.0`  | `1.4.0`                | they are equal: three numbers at least, and beyond |
//! |                 |                        | the third no zeros at the end                      |
//! | `1.4.2.dev3`    | `1.4.2~~dev3`          | `~~` before `~`                                    |
//! | `1.4.2rc1.dev3` | `1.4.2~rc1~dev3`       | `~` before the end                                 |
//! | `1.4.2rc1`      | `1.4.2~rc1`            | `a`, `b`, `rc` are in the order of letters         |
//! | `1.4.2`         | `1.4.2`                |                                                    |
//! | `1.4.2+gabc123` | `1.4.2+gabc123`        | a commit; `g` is before `p`                        |
//! | `1.4.2+acme.1`  | `1.4.2+local.acme1`    | `l` is before `p`; rpm: `+local.acme.1`            |
//! | `1.4.2.post1`   | `1.4.2+post1`          | dpkg: `+` before `.`; rpm: letters before numbers  |
//! | `1.4.2.0.1`     | `1.4.2.0.1`            |                                                    |
//!
//! Commits and dates that build tools write into local versions (`gabc1234`, `d20240501`) keep
//! their spelling. Compared with another commit of the same public version they come in any
//! order, as PEP 440's order of two commits means nothing either; all else about them is exact.

use pep440_rs::LocalSegment;

use crate::error::{Error, Kind, Result};
use crate::platform::Format;

use super::{NativeVersion, PythonVersion};

/// The native version of a project's version.
///
/// `suffix` is the distribution's, such as `+deb12` or `.el9`; the revision is `1` and the suffix.
/// Fails with [`Kind::Version`] when the format can't express the version so that it sorts as in
/// PEP 440, and when the suffix has characters that no revision may have.
pub fn native(version: &PythonVersion, format: Format, suffix: &str) -> Result<NativeVersion> {
    check_suffix(suffix)?;
    let pep440 = version.as_pep440();
    let mut upstream = release(pep440.release());
    if let Some(pre) = pep440.pre() {
        append(&mut upstream, format_args!("~{pre}"));
    }
    if let Some(post) = pep440.post() {
        append(&mut upstream, format_args!("+post{post}"));
    }
    if let Some(dev) = pep440.dev() {
        if pep440.pre().is_none() && pep440.post().is_none() {
            upstream.push('~');
        }
        append(&mut upstream, format_args!("~dev{dev}"));
    }
    if !pep440.local().is_empty() {
        let segments = pep440
            .local()
            .iter()
            .map(|segment| Segment::read(segment).ok_or_else(|| mixed(version, segment)))
            .collect::<Result<Vec<_>>>()?;
        upstream.push('+');
        if !matches!(segments[0], Segment::Stamp(_)) {
            upstream.push_str("local");
        }
        match format {
            Format::Deb => append_deb_local(&mut upstream, &segments),
            Format::Rpm => append_rpm_local(&mut upstream, &segments),
        }
    }
    Ok(NativeVersion {
        epoch: epoch(version)?,
        upstream,
        revision: format!("1{suffix}"),
    })
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&what.to_string());
}

fn release(numbers: &[u64]) -> String {
    let used = numbers
        .iter()
        .rposition(|number| *number != 0)
        .map_or(0, |last| last + 1);
    (0..used.max(3))
        .map(|place| numbers.get(place).copied().unwrap_or(0).to_string())
        .collect::<Vec<_>>()
        .join(".")
}

/// dpkg takes epochs up to 2³¹-1, rpm a bit more.
fn epoch(version: &PythonVersion) -> Result<Option<u32>> {
    match i32::try_from(version.as_pep440().epoch()) {
        Ok(0) => Ok(None),
        Ok(epoch) => Ok(Some(epoch.unsigned_abs())),
        Err(_too_large) => Err(Error::new(
            Kind::Version,
            format!(
                "version `{version}` has an epoch that dpkg refuses: it is above {}",
                i32::MAX
            ),
        )
        .hint("take a small epoch: it is only raised when the scheme of versions changes")),
    }
}

fn check_suffix(suffix: &str) -> Result<()> {
    if suffix
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(&byte))
    {
        return Ok(());
    }
    Err(Error::new(
        Kind::Version,
        format!("`{suffix}` can't stand in a package's revision"),
    )
    .hint("a suffix is made of letters, digits, `.`, `+` and `~`, such as `+deb12` or `.el9`"))
}

/// A part of a local version, as the package managers can tell them apart.
#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    /// Letters only.
    Word(&'a str),
    /// A commit or a date, kept as it is.
    Stamp(&'a str),
    Number(u64),
}

impl<'a> Segment<'a> {
    /// `None` for other mixes of letters and digits: PEP 440 compares them as letters (`acme10`
    /// before `acme9`), dpkg and rpm the digits as numbers.
    fn read(segment: &'a LocalSegment) -> Option<Self> {
        match segment {
            LocalSegment::Number(number) => Some(Self::Number(*number)),
            LocalSegment::String(text) if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Some(Self::Word(text))
            }
            LocalSegment::String(text) => is_stamp(text).then_some(Self::Stamp(text)),
        }
    }
}

/// `g` and a commit as `git describe` writes it, or `d` and a date as setuptools-scm does.
pub(super) fn is_stamp(text: &str) -> bool {
    let digits = text.bytes().skip(1).filter(u8::is_ascii_digit).count();
    let commit = text.starts_with('g')
        && (5..=65).contains(&text.len())
        && text.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())
        && digits > 0;
    let date = text.starts_with('d') && text.len() == 9 && digits == 8;
    commit || date
}

fn mixed(version: &PythonVersion, segment: &LocalSegment) -> Error {
    let pep440 = version.as_pep440();
    let local: Vec<String> = pep440.local().iter().map(apart).collect();
    let better = format!("{}+{}", pep440.clone().without_local(), local.join("."));
    Error::new(
        Kind::Version,
        format!(
            "version `{version}` can't be a package's version: PEP 440 compares `{segment}` letter \
             by letter, dpkg and rpm compare its digits as a number"
        ),
    )
    .hint(format!(
        "write it as `{better}`, which all of them order alike"
    ))
}

/// The segment with a dot wherever letters and digits meet.
fn apart(segment: &LocalSegment) -> String {
    let text = segment.to_string();
    if is_stamp(&text) {
        return text;
    }
    let mut apart = String::new();
    let mut previous: Option<char> = None;
    for next in text.chars() {
        if previous.is_some_and(|previous| previous.is_ascii_digit() != next.is_ascii_digit()) {
            apart.push('.');
        }
        apart.push(next);
        previous = Some(next);
    }
    apart
}

/// rpm splits at every change between letters and digits, passes over what is neither, and takes
/// letters for older than numbers: PEP 440's own order.
fn append_rpm_local(upstream: &mut String, segments: &[Segment<'_>]) {
    for (place, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Stamp(text) if place == 0 => upstream.push_str(text),
            Segment::Word(text) | Segment::Stamp(text) => append(upstream, format_args!(".{text}")),
            Segment::Number(number) => append(upstream, format_args!(".{number}")),
        }
    }
}

/// dpkg compares a run of non-digits as text in which a dot is after every letter, then a run of
/// digits as a number, none being 0.
///
/// So what follows a word must start with a digit (a longer word has a letter there, and is
/// newer), and a number that follows anything but a word starts with a dot (a word has a letter
/// there, and is older).
fn append_deb_local(upstream: &mut String, segments: &[Segment<'_>]) {
    let mut previous = None;
    for segment in segments {
        match (previous, segment) {
            // After `+`, and after a number, whose end nothing can blur.
            (None, Segment::Stamp(text))
            | (Some(Segment::Number(_)), Segment::Word(text) | Segment::Stamp(text)) => {
                upstream.push_str(text);
            }
            // After `+local`, and after a commit, which is not compared with longer ones.
            (None | Some(Segment::Stamp(_)), Segment::Word(text) | Segment::Stamp(text)) => {
                append(upstream, format_args!(".{text}"));
            }
            (None | Some(Segment::Stamp(_)), Segment::Number(number)) => {
                append(upstream, format_args!("..{number}"));
            }
            (Some(Segment::Number(_)), Segment::Number(number)) => {
                append(upstream, format_args!(".{number}"));
            }
            (Some(Segment::Word(_)), Segment::Word(text) | Segment::Stamp(text)) => {
                append(upstream, format_args!("0{text}"));
            }
            // The dot keeps the number 0 from being the same as no number.
            (Some(Segment::Word(_)), Segment::Number(0)) => upstream.push_str("0."),
            (Some(Segment::Word(_)), Segment::Number(number)) => {
                append(upstream, format_args!("{number}"));
            }
        }
        previous = Some(*segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str, format: Format) -> String {
        native(&PythonVersion::parse(text, "here").unwrap(), format, "")
            .unwrap()
            .upstream
    }

    #[test]
    fn every_part_of_a_version_has_its_spelling() {
        for (text, deb, rpm) in [
            ("1.4.2", "1.4.2", "1.4.2"),
            ("1", "1.0.0", "1.0.0"),
            ("1.4", "1.4.0", "1.4.0"),
            ("1.4.0.0", "1.4.0", "1.4.0"),
            ("0", "0.0.0", "0.0.0"),
            ("1.4.2.0.1", "1.4.2.0.1", "1.4.2.0.1"),
            ("1.4.2rc1", "1.4.2~rc1", "1.4.2~rc1"),
            ("1.4.2a0", "1.4.2~a0", "1.4.2~a0"),
            ("1.4.2.dev3", "1.4.2~~dev3", "1.4.2~~dev3"),
            ("1.4.2b1.dev3", "1.4.2~b1~dev3", "1.4.2~b1~dev3"),
            ("1.4.2b1.post2", "1.4.2~b1+post2", "1.4.2~b1+post2"),
            ("1.4.2.post1", "1.4.2+post1", "1.4.2+post1"),
            ("1.4.2.post1.dev3", "1.4.2+post1~dev3", "1.4.2+post1~dev3"),
            ("1.4.2+acme", "1.4.2+local.acme", "1.4.2+local.acme"),
            ("1.4.2+acme.1", "1.4.2+local.acme1", "1.4.2+local.acme.1"),
            ("1.4.2+acme.0", "1.4.2+local.acme0.", "1.4.2+local.acme.0"),
            (
                "1.4.2+acme.jammy",
                "1.4.2+local.acme0jammy",
                "1.4.2+local.acme.jammy",
            ),
            ("1.4.2+5", "1.4.2+local..5", "1.4.2+local.5"),
            ("1.4.2+5.6.x", "1.4.2+local..5.6x", "1.4.2+local.5.6.x"),
            ("1.4.2+gabc1234", "1.4.2+gabc1234", "1.4.2+gabc1234"),
            (
                "1.4.2+gabc1234.dirty",
                "1.4.2+gabc1234.dirty",
                "1.4.2+gabc1234.dirty",
            ),
            (
                "1.4.2+g1a2b3c.d20240501",
                "1.4.2+g1a2b3c.d20240501",
                "1.4.2+g1a2b3c.d20240501",
            ),
        ] {
            assert_eq!(upstream(text, Format::Deb), deb, "{text}");
            assert_eq!(upstream(text, Format::Rpm), rpm, "{text}");
        }
    }

    #[test]
    fn the_epoch_and_the_suffix_have_their_places() {
        let version = PythonVersion::parse("2!1.4.2", "here").unwrap();
        let deb = native(&version, Format::Deb, "+deb12").unwrap();
        assert_eq!(deb.full(), "2:1.4.2-1+deb12");
        let rpm = native(&version, Format::Rpm, ".el9").unwrap();
        assert_eq!(rpm.full(), "2:1.4.2-1.el9");
        for bad in ["-1", " ", "+deb12\n", "_x", "^x", "é"] {
            assert!(native(&version, Format::Deb, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_would_sort_differently_is_refused_with_a_spelling_that_does_not() {
        for (text, better) in [
            ("1.2+acme10", "`1.2+acme.10`"),
            ("2.1.0rc1+cu118.x", "`2.1.0rc1+cu.118.x`"),
            ("1.2+1a01", "`1.2+1.a.01`"),
            ("1.2+gabc1234.x1", "`1.2+gabc1234.x.1`"),
            ("1.2+99999999999999999999", "`1.2+99999999999999999999`"),
            ("2147483648!1.2", "small epoch"),
        ] {
            for format in [Format::Deb, Format::Rpm] {
                let version = PythonVersion::parse(text, "here").unwrap();
                let error = native(&version, format, "").unwrap_err();
                assert_eq!(error.kind(), Kind::Version);
                assert!(error.hints()[0].contains(better), "{:?}", error.hints());
            }
        }
    }
}
