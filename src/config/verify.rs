//! `[verify]`: the project's own commands, imports that can't be tried in a container, and where
//! earlier versions are published.
//!
//! Checks words; runs nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

use super::repository::{RawRepository, RepositoryConfig};

/// `[verify]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawVerify {
    commands: Option<Vec<Vec<String>>>,
    status: Option<BTreeMap<String, i32>>,
    skip_imports: Option<BTreeMap<String, String>>,
    repository: Option<BTreeMap<String, RawRepository>>,
}

/// What verification does beside what it always does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyConfig {
    /// Commands of the project, each as words, with the exit status it must have.
    pub commands: Vec<(Vec<String>, i32)>,
    /// Modules that are not imported, with the reason.
    pub skip_imports: BTreeMap<String, String>,
    /// Where earlier versions are published, by family or platform; the platform's wins.
    pub repositories: BTreeMap<String, RepositoryConfig>,
}

impl RawVerify {
    /// These values, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            commands: self.commands.or(under.commands),
            status: self.status.or(under.status),
            skip_imports: self.skip_imports.or(under.skip_imports),
            repository: self.repository.or(under.repository),
        }
    }
}

impl VerifyConfig {
    /// What the table of the project in `root` says, checked.
    pub(super) fn check(root: &Path, raw: RawVerify) -> Result<Self> {
        let bad = |message: String, hint: &str| {
            Err(Error::new(Kind::Config, format!("verify.{message}")).hint(hint))
        };
        let mut status = raw.status.unwrap_or_default();
        let mut commands = Vec::new();
        for command in raw.commands.unwrap_or_default() {
            let control = |word: &String| word.contains(char::is_control);
            if command.first().is_none_or(String::is_empty) || command.iter().any(control) {
                return bad(
                    format!("commands: {command:?} is not a command"),
                    "write each command as a list of words, such as `[\"mytool\", \"selfcheck\"]`",
                );
            }
            let expected = status.remove(&command.join(" ")).unwrap_or(0);
            commands.push((command, expected));
        }
        if let Some((command, _)) = status.pop_first() {
            return bad(
                format!("status: `{command}` is not among `commands`"),
                "write the command's words with single blanks between them: `status = { \"mytool check\" = 3 }`",
            );
        }
        let skip_imports = raw.skip_imports.unwrap_or_default();
        for (module, reason) in &skip_imports {
            let name = module.split('.').all(|part| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|letter| letter.is_alphanumeric() || letter == '_')
            });
            if !name || reason.trim().is_empty() {
                return bad(
                    format!("skip-imports: `{module}` needs a module's name and a reason"),
                    "write `skip-imports = { gtk = \"needs a display\" }`",
                );
            }
        }
        let mut repositories = BTreeMap::new();
        for (of, raw) in raw.repository.unwrap_or_default() {
            let place = format!("verify.repository.{of}");
            repositories.insert(of, RepositoryConfig::check(root, &place, raw)?);
        }
        Ok(Self {
            commands,
            skip_imports,
            repositories,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<VerifyConfig> {
        VerifyConfig::check(Path::new("/project"), toml::from_str(text).unwrap())
    }

    #[test]
    fn commands_have_the_status_that_is_said_of_them() {
        let config = check(
            "commands = [[\"a\"], [\"a\", \"b\"]]\nstatus = { \"a b\" = 3 }\nskip-imports = { gtk = \"no display\" }\n",
        )
        .unwrap();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let expected = vec![(words(&["a"]), 0), (words(&["a", "b"]), 3)];
        assert_eq!(config.commands, expected);
        assert_eq!(config.skip_imports["gtk"], "no display");
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for (text, word) in [
            ("commands = [[]]", "not a command"),
            ("commands = [[\"a\\n\"]]", "not a command"),
            ("status = { a = 1 }", "not among"),
            ("skip-imports = { gtk = \"\" }", "reason"),
            ("skip-imports = { \"a b\" = \"x\" }", "name"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.message().contains(word), "{text}: {error}");
        }
    }
}
