//! Which Python a platform's bundle runs on: the platform's own, or one that the packages bring.
//!
//! Pure.

use std::collections::BTreeSet;

use crate::config::Platform;
use crate::config::platform_override::PlatformOverride;
use crate::config::pythons::{ArchivePlace, PythonChoice, Pythons};
use crate::digest::{Digest, KeyBuilder};
use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, FurtherPython};
use crate::standalone::Part;

use super::decide::Project;

/// The Python of a bundle.
#[derive(Debug, Clone)]
pub struct PythonPlan {
    /// Its minor version, such as `3.11`.
    pub minor: String,
    /// What a package must depend on to get it, in the words of its format.
    pub depends: Vec<String>,
    /// The one that the platform has beside its usual one, where it is that.
    pub further: Option<FurtherPython>,
    /// What the packages bring; `None`: they depend on the platform's.
    pub standalone: Option<StandalonePlan>,
}

/// A Python that the packages bring.
#[derive(Debug, Clone)]
pub struct StandalonePlan {
    /// Where its archive is.
    pub place: ArchivePlace,
    /// What the archive must be.
    pub digest: Digest,
    /// The parts that are left out.
    pub without: BTreeSet<Part>,
}

impl PythonPlan {
    /// The key with what decides the Python; that of a platform's own is decided by the builder.
    pub fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        match &self.standalone {
            None => key,
            Some(standalone) => standalone.add_to(key),
        }
    }

    /// Whose it is, and which, in a few words.
    pub fn describe(&self) -> String {
        match &self.standalone {
            None => format!("the platform's Python {}", self.minor),
            Some(standalone) => format!(
                "Python {} of its own ({})",
                self.minor,
                standalone.digest.short()
            ),
        }
    }
}

impl StandalonePlan {
    /// The key with what decides what of the archive is shipped.
    pub fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        key.field("python archive", self.digest.as_str())
            .field("python without", self.left_out())
    }

    /// The names of the parts that are left out.
    pub fn left_out(&self) -> String {
        let names: Vec<&str> = self.without.iter().map(|part| part.name()).collect();
        names.join(" ")
    }
}

impl Project<'_> {
    /// What the platform's table in the project says, else the project, else the platform.
    pub(super) fn python(
        &self,
        platform: &Platform,
        arch: Arch,
        over: &PlatformOverride,
        pythons: &Pythons,
    ) -> Result<PythonPlan> {
        let by_default = || match &platform.default_python {
            Some(minor) => PythonChoice::Standalone(minor.clone()),
            None => PythonChoice::System,
        };
        let choice = over.python.clone().or_else(|| self.config.python.clone());
        match choice.unwrap_or_else(by_default) {
            PythonChoice::System => usual(platform),
            PythonChoice::SystemMinor(minor) => of_minor(platform, &minor),
            PythonChoice::Standalone(minor) => {
                let archive = pythons.find(&minor, arch, self.config.python_mirror.as_deref())?;
                Ok(PythonPlan {
                    minor,
                    depends: Vec::new(),
                    further: None,
                    standalone: Some(StandalonePlan {
                        place: archive.place,
                        digest: archive.digest,
                        without: self.config.python_without.clone(),
                    }),
                })
            }
        }
    }
}

/// The platform's usual Python.
fn usual(platform: &Platform) -> Result<PythonPlan> {
    let minor = platform.python.clone().ok_or_else(|| {
        Error::new(
            Kind::Platform,
            format!("python: {} has no Python that bundles can use", platform.id),
        )
        .hint(bring_one(platform))
    })?;
    Ok(PythonPlan {
        minor,
        depends: platform.python_depends.clone(),
        further: None,
        standalone: None,
    })
}

/// The Python of a minor version that the platform has.
fn of_minor(platform: &Platform, minor: &str) -> Result<PythonPlan> {
    if platform.python.as_deref() == Some(minor) {
        return usual(platform);
    }
    let Some(further) = platform.pythons.get(minor) else {
        let known = platform.python.iter().chain(platform.pythons.keys());
        let known: Vec<String> = known.map(|minor| format!("`system-{minor}`")).collect();
        return Err(Error::new(
            Kind::Platform,
            format!("python: {} has no Python {minor}", platform.id),
        )
        .hint(format!("it has {}", known.join(", ")))
        .hint(bring_one(platform)));
    };
    Ok(PythonPlan {
        minor: minor.to_owned(),
        depends: further.depends.clone(),
        further: Some(further.clone()),
        standalone: None,
    })
}

fn bring_one(platform: &Platform) -> String {
    format!(
        "let the packages bring one: `python = \"3.13\"` in `[platform.\"{}\"]`",
        platform.id
    )
}
