//! Where earlier versions of a platform's packages are published.
//!
//! Decides which of the configured repositories is the platform's, and whether its family can read
//! it so.

use std::path::PathBuf;

use crate::config::repository::PLATFORM;
use crate::config::{Config, Platform, RepositoryConfig};
use crate::error::{Error, Kind, Result};
use crate::platform::Family;

pub use crate::config::Signed;

/// A repository of a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPlan {
    /// Its address.
    pub url: String,
    /// The suite and its components; empty for rpm.
    pub suite: String,
    /// The components of the suite; none of a flat repository and for rpm.
    pub components: Vec<String>,
    /// The file of the public key.
    pub key: Option<PathBuf>,
    /// What is signed with it.
    pub signed: Signed,
}

impl RepositoryPlan {
    /// The repository in a line, as sources.list(5) has it.
    pub fn describe(&self) -> String {
        let words = [&self.url, &self.suite].into_iter().chain(&self.components);
        let words: Vec<&str> = words
            .map(String::as_str)
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    }
}

/// The repository of a platform, when one is configured.
pub(super) fn repository(config: &Config, platform: &Platform) -> Result<Option<RepositoryPlan>> {
    let repositories = &config.verify.repositories;
    let own = repositories.get_key_value(platform.id.as_str());
    let Some((of, found)) =
        own.or_else(|| repositories.get_key_value(&platform.family.to_string()))
    else {
        return Ok(None);
    };
    if found.url.is_empty() {
        return Ok(None);
    }
    let signed = check_family(of, found, platform.family)?;
    let filled = |text: &str| text.replace(PLATFORM, platform.id.as_str());
    Ok(Some(RepositoryPlan {
        url: filled(&found.url),
        suite: found.suite.as_deref().map(filled).unwrap_or_default(),
        components: found.components.iter().map(|word| filled(word)).collect(),
        key: found.key.clone(),
        signed,
    }))
}

/// Refuses what the family's package manager has no word for; answers what is signed.
fn check_family(of: &str, found: &RepositoryConfig, family: Family) -> Result<Signed> {
    let bad = |key: &str, what: &str, hint: &str| {
        let message = format!("verify.repository.{of}.{key}: {what}");
        Err(Error::new(Kind::Config, message).hint(hint))
    };
    match family {
        Family::Debian => {
            let Some(suite) = &found.suite else {
                return bad(
                    "url",
                    "an apt repository has a suite",
                    "write `suite = \"{codename}\"` and `components = [\"main\"]`, or `suite = \"./\"` for a flat repository",
                );
            };
            if suite.ends_with('/') != found.components.is_empty() {
                return bad(
                    "suite",
                    "a suite has components, and a flat repository (`/` at the end) has none",
                    "write `components = [\"main\"]` beside `suite = \"{codename}\"`",
                );
            }
            match found.signed.unwrap_or(Signed::Metadata) {
                Signed::Packages => bad(
                    "signed",
                    "apt checks who signed a repository's metadata, not its packages",
                    "leave it out, or write `metadata` or `nothing`",
                ),
                signed @ (Signed::Metadata | Signed::Nothing) => Ok(signed),
            }
        }
        Family::Redhat => {
            if found.suite.is_some() || !found.components.is_empty() {
                return bad(
                    "url",
                    "an rpm repository has neither suite nor components",
                    "write all of it into `url`, such as `https://packages.acme.example/el$releasever/$basearch`",
                );
            }
            if found.url.contains("{codename}") {
                return bad(
                    "url",
                    "dnf knows no code names",
                    "write `$releasever`, which dnf replaces by the release's number",
                );
            }
            Ok(found.signed.unwrap_or(Signed::Packages))
        }
    }
}
