//! What requirement files say together: one spelling for keys, pins, hashes, addresses.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::{Operator, VersionSpecifier};
use pep508_rs::{PackageName, Requirement, VerbatimUrl, VersionOrUrl};

use crate::error::Result;

use super::line::{named_url, parse_requirement};
use super::read::below_root;
use super::{OptionLine, PipOption, Place, RequirementLine, RequirementSet, policy, text};

impl RequirementSet {
    /// What is asked of pip as sorted lines without doubles, for keys: comments, order, white
    /// space, line ends, and which file a line stands in make no difference. Without credentials.
    pub fn canonical(&self) -> Vec<String> {
        let requirements = self.requirements.iter().map(RequirementLine::canonical);
        let constraints = self
            .constraints
            .iter()
            .map(|line| format!("constraint {}", line.canonical()));
        let options = self.canonical_options();
        let archives = self
            .archives
            .iter()
            .map(|(path, digest)| format!("archive {path} sha256:{digest}"));
        let lines: BTreeSet<String> = requirements
            .chain(constraints)
            .chain(options)
            .chain(archives)
            .map(|line| text::without_credentials(&line))
            .collect();
        lines.into_iter().collect()
    }

    /// One line for each option, but those whose order decides together in one line, in their order.
    fn canonical_options(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut ordered: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for option in &self.options {
            let line = text::without_credentials(&option.canonical());
            let Some(group) = order_group(option.option.name) else {
                lines.push(line);
                continue;
            };
            let group = ordered.entry(group).or_default();
            // Said again, it changes nothing.
            if !group.contains(&line) {
                group.push(line);
            }
        }
        lines.extend(ordered.into_values().map(|group| group.join(" then ")));
        lines
    }

    /// Whether every requirement has a hash, and what is installed is held against them.
    pub fn requires_hashes(&self) -> bool {
        self.hash_mode().is_some()
    }

    /// Where it is said that everything needs a hash.
    fn hash_mode(&self) -> Option<String> {
        let option = self
            .options
            .iter()
            .find(|line| line.option.name == "--require-hashes")
            .map(|line| format!("{}:{} says `--require-hashes`", line.file, line.line));
        option.or_else(|| {
            let has_hash =
                |line: &&RequirementLine| line.options.iter().any(|option| option.name == "--hash");
            let line = self.requirements.iter().find(has_hash)?;
            Some(format!("{}:{} has one", line.file, line.line))
        })
    }

    pub(super) fn check_hash_mode(&self) -> Result<()> {
        match self.hash_mode() {
            Some(because) => policy::check_hash_mode(&self.requirements, &because),
            None => Ok(()),
        }
    }

    /// Every URL in its lines: some may hold a password.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let lines = self.requirements.iter().chain(&self.constraints);
        let values = self
            .options
            .iter()
            .filter_map(|line| line.option.value.as_deref());
        lines
            .map(|line| line.text.as_str())
            .chain(values)
            .flat_map(text::addresses)
    }

    /// The indexes that its options name.
    pub fn indexes(&self) -> impl Iterator<Item = &str> {
        let lines = self.options.iter();
        let lines =
            lines.filter(|line| matches!(line.option.name, "--index-url" | "--extra-index-url"));
        lines.filter_map(|line| line.option.value.as_deref())
    }

    /// The version that a requirement `name==version`, or else such a constraint, pins. Names are
    /// compared by PEP 503. `None` also when there are several that differ.
    pub fn pinned_version(&self, name: &str) -> Option<String> {
        let name: PackageName = name.parse().ok()?;
        [&self.requirements, &self.constraints]
            .into_iter()
            .find_map(|lines| {
                let mut pins = lines.iter().filter_map(|line| pin(line, &name));
                let first = pins.next()?;
                pins.all(|pin| pin == first).then_some(first)
            })
    }
}

impl RequirementLine {
    /// The requirement as PEP 508 has it; `None` for a URL or path without a name.
    pub fn requirement(&self) -> Option<Requirement<VerbatimUrl>> {
        parse_requirement(&self.text).ok()
    }

    /// Whether it allows one version only.
    pub fn is_pinned(&self) -> bool {
        let requirement = self.requirement();
        match requirement.and_then(|requirement| requirement.version_or_url) {
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
                specifiers.len() == 1 && specifiers.iter().all(is_pin)
            }
            _ => false,
        }
    }

    /// The requirement in one spelling, with what belongs to it.
    fn canonical(&self) -> String {
        let mut options: Vec<String> = self.options.iter().map(PipOption::text).collect();
        options.sort_unstable();
        options.dedup();
        std::iter::once(self.canonical_text())
            .chain(options)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn canonical_text(&self) -> String {
        match (&self.place, self.requirement()) {
            (Place::Index, Some(mut requirement)) => {
                // Names and versions are normalised by the parser, extras are a set.
                requirement.extras.sort_unstable();
                requirement.extras.dedup();
                requirement.to_string()
            }
            // Where the project's folder lies decides nothing.
            (Place::File(path), _) => {
                let name = named_url(&self.text).map_or("", |(name, _)| name);
                let (place, marker) = self.text.split_once(" ;").unwrap_or((&self.text, ""));
                let extras = place.rfind('[').filter(|_| place.ends_with(']'));
                let extras = extras.map_or("", |start| &place[start..]);
                format!("file {path} {name}{extras};{marker}")
            }
            _ => self.text.clone(),
        }
    }
}

impl OptionLine {
    /// The folder of the project that it names, relative to the root.
    pub fn folder(&self) -> Option<String> {
        let value = self.option.value.as_deref()?;
        (!value.contains(':')).then(|| below_root(&self.file, value))?
    }

    /// pip looks for a relative folder beside the file that names it, so two files don't mean the
    /// same folder by the same word.
    fn canonical(&self) -> String {
        match self.folder() {
            Some(folder) if self.option.name == "--find-links" => {
                format!("{}={folder}", self.option.name)
            }
            _ => self.option.text(),
        }
    }
}

/// The first index that has a name is asked for it; and a later rule on binaries overrules.
fn order_group(option: &str) -> Option<&'static str> {
    match option {
        "--index-url" => Some("index"),
        "--extra-index-url" => Some("extra index"),
        "--no-binary" | "--only-binary" => Some("binaries"),
        _ => None,
    }
}

fn pin(line: &RequirementLine, name: &PackageName) -> Option<String> {
    let requirement = line.requirement()?;
    let Some(VersionOrUrl::VersionSpecifier(specifiers)) = requirement.version_or_url else {
        return None;
    };
    specifiers
        .iter()
        .find(|specifier| requirement.name == *name && is_pin(specifier))
        .map(|specifier| specifier.version().to_string())
}

fn is_pin(specifier: &VersionSpecifier) -> bool {
    matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)
}
