//! The control archive: the fields of the control file (Debian policy 5.3), checksums, conffiles and
//! maintainer scripts.
//!
//! Held in memory: it grows with the number of files, by a line for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use crate::error::{Error, Kind, Result};
use crate::package::{Moment, PackageSpec, Relations, Scripts, check, compress};
use crate::platform::{Arch, Channel, Codec};
use crate::tree::Owner;
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
        for (name, packages) in relations(spec) {
            if packages.is_empty() {
                continue;
            }
            let packages: Result<Vec<&str>> = packages
                .iter()
                .map(|package| relation(name, package))
                .collect();
            field(&mut after_size, name, &packages?.join(", "));
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
            synopsis(check::line("summary", &spec.summary)?),
        );
        check::paragraphs("description", &spec.description)?;
        after_size.push_str(&folded(&spec.description));
        Ok(Self {
            before_size,
            after_size,
        })
    }
}

/// The fields that name other packages (Debian policy 7), in the order of dpkg-gencontrol.
fn relations(spec: &PackageSpec) -> [(&'static str, &[String]); 8] {
    let Relations {
        pre_depends,
        provides,
        conflicts,
        breaks,
        replaces,
        // RPM's word.
        obsoletes: _,
        recommends,
        suggests,
    } = &spec.relations;
    [
        ("Pre-Depends", pre_depends),
        ("Depends", &spec.depends),
        ("Recommends", recommends),
        ("Suggests", suggests),
        ("Breaks", breaks),
        ("Conflicts", conflicts),
        ("Replaces", replaces),
        ("Provides", provides),
    ]
}

/// One entry of such a field: one line without a comma, which would be two.
fn relation<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    let what = if field == "Depends" {
        "dependency"
    } else {
        field
    };
    let text = check::line(what, text)?;
    if text.contains(',') {
        return Err(Error::new(
            Kind::Config,
            format!("`{text}` in the package's {field} is more than one package"),
        )
        .hint("write each as an entry of its own, such as `libc6 (>= 2.36)` or `a | b`"));
    }
    Ok(text)
}

/// The name of a maintainer script in the control archive (Debian policy 6.1).
fn script_name(moment: Moment) -> Option<&'static str> {
    match moment {
        Moment::BeforeInstall => Some("preinst"),
        Moment::AfterInstall => Some("postinst"),
        Moment::BeforeRemove => Some("prerm"),
        Moment::AfterRemove => Some("postrm"),
        Moment::AfterTransaction => None,
    }
}

/// The compressed control archive: `control`, and what there is of `conffiles`, `md5sums` and
/// maintainer scripts, sorted by name.
pub(super) fn archive(
    fields: &Fields,
    scripts: &Scripts,
    listing: &Listing,
    time: u64,
) -> io::Result<Vec<u8>> {
    let mut control = fields.before_size.clone();
    field(
        &mut control,
        "Installed-Size",
        &listing.installed_size.to_string(),
    );
    control.push_str(&fields.after_size);
    let mut archive = Archive::new(Vec::new(), time);
    let root = Owner::default();
    archive.directory("./", 0o755, &root)?;
    let mut members = BTreeMap::from([("control", (0o644, control.as_str()))]);
    members.insert("conffiles", (0o644, &listing.conffiles));
    members.insert("md5sums", (0o644, &listing.checksums));
    for (moment, text) in scripts {
        if let Some(name) = script_name(*moment) {
            members.insert(name, (0o755, text));
        }
    }
    for (name, (mode, text)) in members {
        if !text.is_empty() {
            let (size, mut content) = (text.len() as u64, text.as_bytes());
            archive.file(&format!("./{name}"), mode, size, &mut content, &root)?;
        }
    }
    let gzip = Channel::Standard.compression(Codec::Gzip);
    compress::compressed(gzip, &archive.finish()?)
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

/// The synopsis without an article at its beginning (Debian developer's reference 6.2.2).
fn synopsis(summary: &str) -> &str {
    match summary.split_once(' ') {
        Some((first, rest)) if ["a", "an", "the"].contains(&first.to_lowercase().as_str()) => {
            rest.trim_start()
        }
        _ => summary,
    }
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

    #[test]
    fn a_synopsis_has_no_article() {
        for (summary, expected) in [
            ("A client", "client"),
            ("an  agent", "agent"),
            ("The tool", "tool"),
            ("Another tool", "Another tool"),
            ("A", "A"),
        ] {
            assert_eq!(synopsis(summary), expected);
        }
    }
}
