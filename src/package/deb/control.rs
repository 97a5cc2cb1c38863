//! The control archive: the fields of the control file (Debian policy 5.3) and the checksums.
//!
//! Held in memory: it grows with the number of files, by a line for each.

use std::fmt::Write as _;
use std::io;

use crate::error::{Error, Kind, Result};
use crate::package::{PackageSpec, check, compress};
use crate::platform::Arch;
use crate::version::NativeVersion;

use super::data::{Archive, Listing};

/// The width of the lines of a description, as `fmt-debian-control` and most packages have it.
const WIDTH: usize = 79;

/// A control file that lacks only the installed size, which is known after the content is.
#[derive(Debug)]
pub(super) struct Fields {
    before_size: String,
    after_size: String,
}

impl Fields {
    /// Checks the fields and writes them in the order of dpkg-gencontrol.
    pub(super) fn of(spec: &PackageSpec) -> Result<Self> {
        let mut before_size = String::new();
        let mut after_size = String::new();
        field(&mut before_size, "Package", spec.name.as_str());
        field(&mut before_size, "Version", &version(&spec.version)?);
        field(&mut before_size, "Architecture", architecture(spec));
        field(
            &mut before_size,
            "Maintainer",
            check::line("maintainer", &spec.maintainer)?,
        );
        if !spec.depends.is_empty() {
            let depends: Result<Vec<&str>> = spec
                .depends
                .iter()
                .map(|needed| check::line("dependency", needed))
                .collect();
            field(&mut after_size, "Depends", &depends?.join(", "));
        }
        field(&mut after_size, "Section", "utils");
        field(&mut after_size, "Priority", "optional");
        if let Some(homepage) = &spec.homepage {
            field(
                &mut after_size,
                "Homepage",
                check::line("homepage", homepage)?,
            );
        }
        field(
            &mut after_size,
            "Description",
            check::line("summary", &spec.summary)?,
        );
        check::paragraphs("description", &spec.description)?;
        after_size.push_str(&folded(&spec.description));
        Ok(Self {
            before_size,
            after_size,
        })
    }
}

/// The compressed control archive: `control`, and `md5sums` when there are files.
pub(super) fn archive(fields: &Fields, listing: &Listing, time: u64) -> io::Result<Vec<u8>> {
    let mut control = fields.before_size.clone();
    field(
        &mut control,
        "Installed-Size",
        &listing.installed_size.to_string(),
    );
    control.push_str(&fields.after_size);
    let encoder = compress::Encoder::new(crate::platform::Codec::Gzip, Vec::new())?;
    let mut archive = Archive::new(encoder, time);
    archive.directory("./", 0o755)?;
    archive.file(
        "./control",
        0o644,
        control.len() as u64,
        &mut control.as_bytes(),
    )?;
    if !listing.checksums.is_empty() {
        let checksums = listing.checksums.as_bytes();
        archive.file("./md5sums", 0o644, checksums.len() as u64, &mut &*checksums)?;
    }
    archive.finish()?.finish()
}

/// The architecture in Debian's words.
pub(super) fn architecture(spec: &PackageSpec) -> &'static str {
    spec.architecture.map_or("all", Arch::debian)
}

/// The version without its epoch, as in file names.
pub(super) fn version_without_epoch(version: &NativeVersion) -> String {
    if version.revision.is_empty() {
        version.upstream.clone()
    } else {
        format!("{}-{}", version.upstream, version.revision)
    }
}

/// `[epoch:]upstream[-revision]`, Debian policy 5.6.12.
fn version(version: &NativeVersion) -> Result<String> {
    let native = version.revision.is_empty();
    check::version_part(
        "version",
        &version.upstream,
        if native { b".+~" } else { b".+~-" },
    )?;
    if !version
        .upstream
        .starts_with(|first: char| first.is_ascii_digit())
    {
        let message = format!(
            "the version `{}` does not begin with a digit",
            version.upstream
        );
        return Err(Error::new(Kind::Version, message)
            .hint("dpkg refuses such versions: begin the version with a number"));
    }
    if !native {
        check::version_part("revision", &version.revision, b".+~")?;
    }
    let rest = version_without_epoch(version);
    Ok(version
        .epoch
        .map_or(rest.clone(), |epoch| format!("{epoch}:{rest}")))
}

fn field(control: &mut String, name: &str, value: &str) {
    writeln!(control, "{name}: {value}").expect("a String takes everything");
}

/// The extended description, Debian policy 5.6.13: each line begins with a space, an empty one is
/// ` .`, and one that began with a space keeps it and is shown as it stands.
fn folded(description: &str) -> String {
    let mut text = String::new();
    for line in description.trim_matches(['\r', '\n']).lines() {
        let line = line.trim_end().replace('\t', "        ");
        if line.is_empty() {
            // The last one of several is enough, and the first line can't be one.
            if !text.is_empty() && !text.ends_with("\n .\n") {
                text.push_str(" .\n");
            }
        } else if line.starts_with(' ') {
            writeln!(text, " {line}").expect("a String takes everything");
        } else {
            fold_line(&mut text, &line);
        }
    }
    text
}

fn fold_line(text: &mut String, line: &str) {
    let mut width = 0;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        // A line that begins with a full stop has a meaning of its own.
        if width > 0 && (width + 1 + length <= WIDTH || word.starts_with('.')) {
            width += 1 + length;
            text.push(' ');
        } else {
            if width > 0 {
                text.push('\n');
            }
            text.push_str(if word.starts_with('.') { "  " } else { " " });
            width = 1 + length;
        }
        text.push_str(word);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_folded() {
        let check = |description: &str, expect: &str| assert_eq!(folded(description), expect);
        check("", "");
        check("\n\n", "");
        check("one", " one\n");
        check("one\r\n\r\n\n\ntwo\n", " one\n .\n two\n");
        check("list:\n  - a\n\tb", " list:\n   - a\n         b\n");
        check(".NET", "  .NET\n");
        let long = "word ".repeat(20) + ".net";
        let text = folded(&long);
        assert!(
            text.lines()
                .all(|line| line.starts_with(" word") && line.len() <= WIDTH + 5)
        );
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), long);
    }

    #[test]
    fn versions_follow_policy() {
        let make = |epoch, upstream: &str, revision: &str| {
            version(&NativeVersion {
                epoch,
                upstream: upstream.into(),
                revision: revision.into(),
            })
        };
        assert_eq!(make(None, "1.0~rc1", "1~deb12").unwrap(), "1.0~rc1-1~deb12");
        assert_eq!(make(Some(2), "1.0", "").unwrap(), "2:1.0");
        for (upstream, revision) in [
            ("v1", "1"),
            ("1_0", "1"),
            ("1", "1-2"),
            ("1:2", ""),
            ("1-2", ""),
        ] {
            assert_eq!(
                make(None, upstream, revision).unwrap_err().kind(),
                Kind::Version
            );
        }
    }
}
