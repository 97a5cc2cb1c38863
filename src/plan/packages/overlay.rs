//! Overlays: of all folders that fit a platform, the most specific one's file is installed.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::package::InstallPath;
use crate::config::{Platform, nearest};
use crate::error::{Error, Kind, Result};
use crate::plan::project_files::OverlayEntry;
use crate::platform::{Arch, Family, PlatformId};

/// The folders of an overlay, the least specific first.
const LEVELS: [&str; 5] = [
    "generic",
    "family",
    "distribution",
    "release",
    "architecture",
];

/// A platform as overlays see it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Whose tools it has.
    pub(super) family: Family,
    /// Its name.
    pub(super) id: &'a PlatformId,
    /// Its architecture.
    pub(super) arch: Arch,
    /// Every platform that there is.
    pub(super) known: &'a [PlatformId],
}

impl<'a> Place<'a> {
    /// The place of a platform.
    pub(super) fn of(platform: &'a Platform, arch: Arch, known: &'a [PlatformId]) -> Self {
        Self {
            known,
            family: platform.family,
            id: &platform.id,
            arch,
        }
    }

    /// The name of the folder at a level that fits; `generic` has none below it.
    fn name(&self, level: &str) -> String {
        match level {
            "family" => self.family.to_string(),
            "distribution" => distribution(self.id).to_owned(),
            "release" => self.id.to_string(),
            _ => self.arch.debian().to_owned(),
        }
    }

    /// A name that can never fit is a slip, and its files would be missing in silence.
    fn check_name(&self, folder: &str, level: &str, name: &str) -> Result<()> {
        let families = [Family::Debian, Family::Redhat].map(|family| family.to_string());
        let machines = [Arch::Amd64, Arch::Arm64].map(|arch| arch.debian().to_owned());
        let known: BTreeSet<String> = match level {
            "family" => families.into(),
            "architecture" => machines.into(),
            "distribution" => {
                let known = self.known.iter().map(distribution);
                known.map(str::to_owned).collect()
            }
            _ => self.known.iter().map(ToString::to_string).collect(),
        };
        if known.contains(name) {
            return Ok(());
        }
        let error = Error::new(
            Kind::Config,
            format!("overlay `{folder}/{level}/{name}`: `{name}` is no {level} of any platform"),
        );
        let error = match nearest(name, known.iter().map(String::as_str)) {
            Some(word) => error.hint(format!("did you mean `{word}`?")),
            None => error,
        };
        let known: Vec<String> = known.into_iter().collect();
        Err(error.hint(format!("known: {}", known.join(", "))))
    }
}

/// Whether a folder for any platform brings a file to this path.
pub(super) fn brings(entries: &BTreeMap<String, OverlayEntry>, path: &InstallPath) -> bool {
    entries.keys().any(|entry| {
        let names = if entry.starts_with("generic/") { 1 } else { 2 };
        let below = entry.splitn(names + 1, '/').nth(names);
        below.is_some_and(|below| path.as_str().strip_prefix('/') == Some(below))
    })
}

/// A platform's name without its release: `ubuntu` of `ubuntu-24.04`.
fn distribution(id: &PlatformId) -> &str {
    let id = id.as_str();
    id.rsplit_once('-')
        .map_or(id, |(distribution, _)| distribution)
}

/// What an overlay installs on a platform: by path, what it is.
pub(super) fn choose<'a>(
    folder: &str,
    entries: &'a BTreeMap<String, OverlayEntry>,
    place: &Place<'_>,
) -> Result<BTreeMap<InstallPath, &'a OverlayEntry>> {
    let mut chosen: BTreeMap<InstallPath, (usize, &OverlayEntry)> = BTreeMap::new();
    for (path, entry) in entries {
        let (level, rest) = path.split_once('/').unwrap_or((path, ""));
        let Some(rank) = LEVELS.iter().position(|known| *known == level) else {
            return Err(unknown(folder, level));
        };
        let below = if rank == 0 {
            rest
        } else {
            let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
            place.check_name(folder, level, name)?;
            if name != place.name(level) {
                continue;
            }
            below
        };
        let path: InstallPath = format!("/{below}")
            .parse()
            .map_err(|error: Error| error.context(format!("overlay `{folder}/{path}`")))?;
        match chosen.get(&path) {
            Some((other, _)) if *other > rank => {}
            _ => {
                chosen.insert(path, (rank, entry));
            }
        }
    }
    Ok(chosen
        .into_iter()
        .map(|(path, (_, entry))| (path, entry))
        .collect())
}

fn unknown(folder: &str, level: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("overlay `{folder}`: `{level}` is no level of an overlay"),
    )
    .hint("put files below generic/, family/<family>/, distribution/<distribution>/, release/<platform>/ or architecture/<architecture>/, such as `generic/etc/mytool/mytool.conf`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(paths: &[&str], id: &str) -> Result<Vec<(String, String)>> {
        let entries: BTreeMap<String, OverlayEntry> = paths
            .iter()
            .map(|path| ((*path).to_owned(), OverlayEntry::Link((*path).to_owned())))
            .collect();
        let id: PlatformId = id.parse().unwrap();
        let known = ["debian-12", "ubuntu-24.04"].map(|id| id.parse().unwrap());
        let place = Place {
            known: &known,
            family: Family::Debian,
            id: &id,
            arch: Arch::Amd64,
        };
        let chosen = choose("overlay", &entries, &place)?;
        Ok(chosen
            .into_iter()
            .map(|(path, entry)| match entry {
                OverlayEntry::Link(from) => (path.to_string(), from.clone()),
                OverlayEntry::File(_) => panic!("there are links only"),
            })
            .collect())
    }

    #[test]
    fn the_most_specific_wins() {
        let all = [
            "generic/etc/x",
            "family/debian/etc/x",
            "distribution/ubuntu/etc/x",
            "release/ubuntu-24.04/etc/x",
            "architecture/amd64/etc/x",
        ];
        for count in 1..=all.len() {
            let chosen = chosen(&all[..count], "ubuntu-24.04").unwrap();
            assert_eq!(chosen, [("/etc/x".to_owned(), all[count - 1].to_owned())]);
        }
        let elsewhere = chosen(&all[..4], "debian-12").unwrap();
        assert_eq!(elsewhere[0].1, "family/debian/etc/x");
    }

    #[test]
    fn slips_are_found() {
        for (path, said) in [
            ("etc/x", "`etc` is no level"),
            ("README", "`README` is no level"),
            ("family/debain/etc/x", "debain"),
            ("architecture/x86_64/etc/x", "x86_64"),
            ("distribution/ubunto/etc/x", "ubunto"),
            ("release/debian-21/etc/x", "debian-21"),
            ("generic/x", "not a path"),
            ("generic/run/x/y", "/run"),
        ] {
            let error = chosen(&[path], "debian-12").unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
        let error = chosen(&["distribution/ubunto/etc/x"], "debian-12").unwrap_err();
        assert_eq!(
            error.hints(),
            ["did you mean `ubuntu`?", "known: debian, ubuntu"]
        );
    }

    #[test]
    fn a_file_is_brought_by_any_folder() {
        let link = || OverlayEntry::Link("x".to_owned());
        let entries = ["generic/etc/x/y", "family/redhat/etc/x/z"];
        let entries = entries.map(|path| (path.to_owned(), link())).into();
        for (path, there) in [
            ("/etc/x/y", true),
            ("/etc/x/z", true),
            ("/redhat/etc/x/z", false),
            ("/x/y", false),
        ] {
            assert_eq!(brings(&entries, &path.parse().unwrap()), there, "{path}");
        }
    }
}
