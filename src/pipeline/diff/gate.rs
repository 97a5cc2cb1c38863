//! What a release may not change: the words of `--fail-on`.
//!
//! Pure.

use std::str::FromStr;

use crate::error::{Error, Kind, Result};
use crate::package::compare::{Fate, FileChange};

use super::Pair;

/// A kind of change that fails the command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    /// A package or a Python distribution came.
    Added,
    /// A package or a Python distribution went.
    Removed,
    /// A Python distribution has another version.
    Changed,
    /// A package or a Python distribution has a lower version.
    Downgraded,
    /// A maintainer script is another.
    Scripts,
    /// A dependency or another relation is another.
    Depends,
    /// A file came, went, or is another.
    Files,
    /// Mode, owner, group or capabilities of a file are others.
    Permissions,
    /// The package file grew by more than this.
    Size(Growth),
    /// What is installed grew by more than this.
    InstalledSize(Growth),
}

/// How much something may grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Growth {
    /// Tenths of a percent of the old size.
    PerMille(u64),
    /// Bytes.
    Bytes(u64),
}

impl Growth {
    fn is_exceeded(self, old: u64, new: u64) -> bool {
        let grown = new.saturating_sub(old);
        match self {
            Self::PerMille(most) => u128::from(grown) * 1000 > u128::from(old) * u128::from(most),
            Self::Bytes(most) => grown > most,
        }
    }
}

impl FromStr for Growth {
    type Err = ();

    /// `20%`, `2.5%`, `500k`, `5M`, `1G`.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(percent) = text.strip_suffix('%') {
            let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if tenth.len() != 1 || !digits(tenth) || !digits(whole) {
                return Err(());
            }
            let number: u64 = format!("{whole}{tenth}").parse().map_err(|_no_number| ())?;
            return Ok(Self::PerMille(number));
        }
        let (number, factor) = match text.to_ascii_lowercase().pop() {
            Some('k') => (&text[..text.len() - 1], 1000),
            Some('m') => (&text[..text.len() - 1], 1_000_000),
            Some('g') => (&text[..text.len() - 1], 1_000_000_000),
            _ => (text, 1),
        };
        let number: u64 = number.parse().map_err(|_no_number| ())?;
        number.checked_mul(factor).map(Self::Bytes).ok_or(())
    }
}

impl FromStr for Gate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let growth = |text: &str| text.strip_prefix('+')?.parse().ok();
        let parsed = match text {
            "added" => Some(Self::Added),
            "removed" => Some(Self::Removed),
            "changed" => Some(Self::Changed),
            "downgraded" => Some(Self::Downgraded),
            "scripts" => Some(Self::Scripts),
            "depends" => Some(Self::Depends),
            "files" => Some(Self::Files),
            "permissions" => Some(Self::Permissions),
            text => {
                let installed = text.strip_prefix("installed-size").and_then(growth);
                let file = text.strip_prefix("size").and_then(growth);
                installed.map(Self::InstalledSize).or(file.map(Self::Size))
            }
        };
        parsed.ok_or_else(|| {
            Error::new(Kind::Config, format!("--fail-on: `{text}` is no change that is known")).hint(
                "write added, removed, changed, downgraded, scripts, depends, files, permissions, or a growth such as size+20%, installed-size+10%, size+5M",
            )
        })
    }
}

impl Gate {
    /// What of a pair is against it, in words.
    pub(super) fn broken_by(self, pair: &Pair) -> Vec<String> {
        match pair {
            Pair::Identical { .. } => Vec::new(),
            Pair::Added { package, .. } => match self {
                Self::Added => vec![format!("package {package} added")],
                _ => Vec::new(),
            },
            Pair::Removed { package, .. } => match self {
                Self::Removed => vec![format!("package {package} removed")],
                _ => Vec::new(),
            },
            Pair::Compared { comparison, .. } => {
                let package = &comparison.package;
                self.changes(comparison)
                    .into_iter()
                    .map(|change| format!("{package}: {change}"))
                    .collect()
            }
        }
    }

    fn changes(self, found: &crate::package::compare::Comparison) -> Vec<String> {
        let distributions = |word: &str, wanted: fn(bool, bool, bool) -> bool| -> Vec<String> {
            let changed = found
                .distributions
                .iter()
                .filter(|it| wanted(it.old.is_some(), it.new.is_some(), it.downgraded));
            changed.map(|it| format!("{} {word}", it.name)).collect()
        };
        let size = |what: &str, growth: Growth, old: u64, new: u64| {
            let text = format!("{what} grew from {old} to {new} bytes");
            growth
                .is_exceeded(old, new)
                .then_some(text)
                .into_iter()
                .collect()
        };
        match self {
            Self::Added => distributions("added", |old, _, _| !old),
            Self::Removed => distributions("removed", |_, new, _| !new),
            Self::Changed => distributions("changed", |old, new, _| old && new),
            Self::Downgraded => {
                let mut broken = distributions("downgraded", |_, _, downgraded| downgraded);
                if found.downgraded {
                    broken.push(format!(
                        "version {} after {}",
                        found.new.version, found.old.version
                    ));
                }
                broken
            }
            Self::Scripts => found
                .scripts
                .iter()
                .map(|script| format!("script {}", script.name))
                .collect(),
            Self::Depends => found
                .relations
                .iter()
                .map(|relation| relation.name.clone())
                .collect(),
            Self::Files => match found.files.len() {
                0 => Vec::new(),
                count => vec![format!("{count} files")],
            },
            Self::Permissions => found
                .files
                .iter()
                .filter(|file| is_permission(file))
                .map(|file| format!("permissions of {}", file.path))
                .collect(),
            Self::Size(growth) => size("the file", growth, found.old.size, found.new.size),
            Self::InstalledSize(growth) => size(
                "what is installed",
                growth,
                found.old.installed_size,
                found.new.installed_size,
            ),
        }
    }
}

fn is_permission(file: &FileChange) -> bool {
    let names = ["mode", "owner", "group", "capabilities"];
    file.fate == Fate::Changed
        && file
            .changes
            .iter()
            .any(|change| names.contains(&change.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_others_refused() {
        let check = |text: &str, expect: Gate| assert_eq!(text.parse::<Gate>().unwrap(), expect);
        check("removed", Gate::Removed);
        check("size+20%", Gate::Size(Growth::PerMille(200)));
        check("size+2.5%", Gate::Size(Growth::PerMille(25)));
        check(
            "installed-size+10%",
            Gate::InstalledSize(Growth::PerMille(100)),
        );
        check("size+5M", Gate::Size(Growth::Bytes(5_000_000)));
        check("size+0", Gate::Size(Growth::Bytes(0)));
        for bad in [
            "",
            "remove",
            "size",
            "size20%",
            "size+",
            "size+x%",
            "size+1.25%",
            "size+-1%",
        ] {
            let error = bad.parse::<Gate>().unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{bad}");
        }
    }

    #[test]
    fn growth_is_measured_exactly() {
        assert!(!Growth::PerMille(200).is_exceeded(100, 120));
        assert!(Growth::PerMille(200).is_exceeded(100, 121));
        assert!(!Growth::Bytes(10).is_exceeded(100, 50));
        assert!(Growth::PerMille(100).is_exceeded(0, 1));
    }
}
