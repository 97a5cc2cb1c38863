//! What distributions want to know of every package: its licence and what changed.
//!
//! Pure.

use crate::plan::PackagePlan;
use crate::plan::contents::{PlannedContent, PlannedEntry};
use crate::plan::inputs::EPOCH_WITHOUT_COMMIT;
use crate::plan::project_files::ProjectFile;
use crate::platform::Family;
use crate::tree::{Owner, Role};

/// Texts of licences that every Debian system has, by the SPDX identifier (Debian policy 12.5). `-only`
/// and `-or-later` of the GNU licences have one text.
const COMMON_LICENSES: [(&str, &str); 16] = [
    ("Apache-2.0", "Apache-2.0"),
    ("Artistic-1.0", "Artistic"),
    ("Artistic-1.0-Perl", "Artistic"),
    ("CC0-1.0", "CC0-1.0"),
    ("GPL-1", "GPL-1"),
    ("GPL-1.0", "GPL-1"),
    ("GPL-2", "GPL-2"),
    ("GPL-2.0", "GPL-2"),
    ("GPL-3", "GPL-3"),
    ("GPL-3.0", "GPL-3"),
    ("LGPL-2.0", "LGPL-2"),
    ("LGPL-2.1", "LGPL-2.1"),
    ("LGPL-3", "LGPL-3"),
    ("LGPL-3.0", "LGPL-3"),
    ("MPL-1.1", "MPL-1.1"),
    ("MPL-2.0", "MPL-2.0"),
];

/// The documents of a package; `name` is the project's.
pub(super) fn documents(
    family: Family,
    package: &PackagePlan,
    name: &str,
    licenses: &[ProjectFile],
) -> Vec<PlannedEntry> {
    match family {
        Family::Debian => {
            let folder = format!("/usr/share/doc/{}", package.name);
            vec![
                directory(folder.clone()),
                entry(
                    format!("{folder}/copyright"),
                    Role::Documentation,
                    PlannedContent::Text(copyright(package, name, licenses)),
                ),
                entry(
                    format!("{folder}/changelog.Debian.gz"),
                    Role::Documentation,
                    PlannedContent::CompressedText(changelog(package)),
                ),
            ]
        }
        Family::Redhat => {
            let folder = format!("/usr/share/licenses/{}", package.name);
            let file = |file: &ProjectFile| {
                entry(
                    format!("{folder}/{}", file.path),
                    Role::License,
                    PlannedContent::File(file.clone()),
                )
            };
            let folder = (!licenses.is_empty()).then(|| directory(folder.clone()));
            folder
                .into_iter()
                .chain(licenses.iter().map(file))
                .collect()
        }
    }
}

fn directory(path: String) -> PlannedEntry {
    PlannedEntry {
        mode: 0o755,
        ..entry(path, Role::Plain, PlannedContent::Directory)
    }
}

fn entry(path: String, role: Role, content: PlannedContent) -> PlannedEntry {
    PlannedEntry {
        path,
        mode: 0o644,
        owner: Owner::default(),
        role,
        content,
        origin: "the package's documents".to_owned(),
    }
}

/// Debian policy 12.5: where it is from, who has the rights, the licence.
fn copyright(package: &PackagePlan, name: &str, licenses: &[ProjectFile]) -> String {
    let mut text = format!("{name} was made into packages by omnibuild.\n\n");
    if let Some(homepage) = &package.homepage {
        text.push_str(&format!("Home page: {homepage}\n\n"));
    }
    let texts: Vec<&str> = licenses
        .iter()
        .filter_map(|file| file.text().ok())
        .collect();
    let mut holders: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| {
            line.starts_with("Copyright ") && line.contains(|c: char| c.is_ascii_digit())
        })
        .collect();
    holders.dedup();
    let maintainer = match year(package.epoch) {
        Some(year) => format!("Copyright: {year} {}", package.maintainer),
        None => format!("Copyright: {}", package.maintainer),
    };
    if holders.is_empty() {
        holders.push(&maintainer);
    }
    text.push_str(&holders.join("\n"));
    let license = package.license.as_deref().unwrap_or("not said");
    text.push_str(&format!("\n\nLicense: {license}\n"));
    let common = common_license(license);
    match common {
        Some(file) => text.push_str(&format!(
            "\nOn Debian systems, the text of the license is in /usr/share/common-licenses/{file}.\n"
        )),
        None => {
            for license in texts {
                text.push_str(&format!("\n{}\n", license.trim_matches('\n')));
            }
        }
    }
    text.push_str(
        "\nThe distributions from the Python Package Index that the bundle holds have licenses of\n\
         their own, which stand in their folders *.dist-info.\n",
    );
    text
}

/// The year of what is packaged; `None` where no commit and nobody else says it.
fn year(epoch: u64) -> Option<i16> {
    let seconds = i64::try_from(epoch).ok()?;
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    let is_known = epoch > EPOCH_WITHOUT_COMMIT;
    is_known.then(|| time.to_zoned(jiff::tz::TimeZone::UTC).year())
}

/// The file in /usr/share/common-licenses with the text of a licence expression: only of one that is
/// nothing but that licence.
fn common_license(expression: &str) -> Option<&'static str> {
    let version = ["-only", "-or-later", "+"]
        .iter()
        .find_map(|said| expression.strip_suffix(said))
        .unwrap_or(expression);
    COMMON_LICENSES
        .iter()
        .find_map(|(name, file)| (*name == version).then_some(*file))
}

/// deb-changelog(5): one entry, of this version.
fn changelog(package: &PackagePlan) -> String {
    let seconds = i64::try_from(package.epoch).unwrap_or(i64::MAX);
    let date = jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::MAX)
        .strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "{} ({}) unstable; urgency=medium\n\n  * Release {}.\n\n -- {}  {date}\n",
        package.name,
        package.version.full(),
        package.version.upstream,
        package.maintainer
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_that_of_the_commit() {
        assert_eq!(year(1_704_164_645), Some(2024));
        for unknown in [0, EPOCH_WITHOUT_COMMIT, u64::MAX] {
            assert_eq!(year(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn only_a_whole_expression_is_a_common_license() {
        for (expression, file) in [
            ("GPL-2.0-only", Some("GPL-2")),
            ("GPL-3.0-or-later", Some("GPL-3")),
            ("LGPL-2.1+", Some("LGPL-2.1")),
            ("Apache-2.0", Some("Apache-2.0")),
            ("GPL-2.0-only OR MIT", None),
            ("GPL-2.0-or-later WITH Classpath-exception-2.0", None),
            ("MPL-2.0-no-copyleft-exception", None),
            ("MIT", None),
            ("not said", None),
        ] {
            assert_eq!(common_license(expression), file, "{expression}");
        }
    }
}
