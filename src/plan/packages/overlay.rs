//! Overlays: of all folders that fit a platform, the most specific one's file is installed.
//!
//! Pure.

use std::collections::BTreeMap;

use crate::config::Platform;
use crate::config::package::InstallPath;
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
}

impl<'a> Place<'a> {
    /// The place of a platform.
    pub(super) fn of(platform: &'a Platform, arch: Arch) -> Self {
        Self {
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
            check_name(folder, level, name)?;
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

/// A name that can never fit is a slip, and its files would be missing in silence.
fn check_name(folder: &str, level: &str, name: &str) -> Result<()> {
    let families = [Family::Debian, Family::Redhat].map(|family| family.to_string());
    let machines = [Arch::Amd64, Arch::Arm64].map(|arch| arch.debian().to_owned());
    let good = match level {
        "family" => families.iter().any(|known| known == name),
        "architecture" => machines.iter().any(|known| known == name),
        _ => name.parse::<PlatformId>().is_ok(),
    };
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("overlay `{folder}/{level}/{name}`: no platform is of this {level}"),
    )
    .hint("families are debian and redhat, architectures amd64 and arm64, distributions and releases as `omnibuild platforms` lists them"))
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
        let place = Place {
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
            ("generic/x", "not a path"),
            ("generic/run/x/y", "/run"),
        ] {
            let error = chosen(&[path], "debian-12").unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
    }
}
