//! What each needed distribution is to be made from, and why a chosen one can't stay.
//!
//! Decides; takes nothing and makes nothing.

use pep440_rs::VersionSpecifier;
use pep508_rs::PackageName;

use crate::error::{Error, Kind, Result};
use crate::plan::pylock::{LockedPackage, Pylock};

use super::super::candidate::{Candidate, Source, choose, rank};
use super::super::closure::Need;
use super::{Decided, Making};

impl Making<'_> {
    /// Why a chosen distribution can't stay, if so.
    pub(super) fn refused(&self, name: &PackageName, need: &Need) -> Option<String> {
        let distribution = self.known.get(name)?;
        let version = &distribution.version;
        // An index that is asked says so before; an earlier set may have been another Python's.
        if let Some(python) = distribution.refuses(&self.environment) {
            return Some(format!(
                "{name} {version} wants Python {python}, and this is Python {}",
                self.builder.interpreter.version
            ));
        }
        let (specifiers, by) = need.refuses(version)?;
        Some(format!(
            "{by} wants `{name}{specifiers}`, and {name} {version} was chosen"
        ))
    }

    /// What a needed distribution is to be made from, as far as that is decided.
    pub(super) fn candidate(
        &mut self,
        name: &PackageName,
        need: &Need,
    ) -> Result<Option<Candidate>> {
        if let Some(why) = &need.contradiction {
            return Err(Error::new(Kind::Resolve, why.clone()).hint("take one of them out"));
        }
        if let Some(direct) = &need.direct {
            let candidate = Candidate::direct(name, direct);
            if candidate.is_among(&need.hashes) {
                return Ok(Some(candidate));
            }
            return Err(Error::new(
                Kind::Resolve,
                format!(
                    "the file that {} names for `{name}` has none of the hashes that are asked for",
                    need.place
                ),
            )
            .hint("correct the digest, or the `--hash` of the requirement or constraint"));
        }
        if let Some(by) = &need.wants_url {
            return Err(Error::new(
                Kind::Resolve,
                format!(
                    "{by} wants `{name}` from a URL, and an index may have another one of that name"
                ),
            )
            .hint(format!("add `{name} @ URL#sha256=…` to the requirements")));
        }
        let locked = matches!(self.decided, Some((Decided::Lock, _)));
        if self.request.requires_hashes && need.hashes.is_empty() && !locked {
            return Err(Error::new(
                Kind::Resolve,
                format!(
                    "{} wants `{name}{}`, which has no hash, and where one requirement has a hash all need one",
                    need.place,
                    need.text()
                ),
            )
            .hint("pin it in the requirement file with `--hash=sha256:…`; or lock the project with `omnibuild lock`"));
        }
        if let Some((decided, lock)) = &self.decided {
            let package = self.locked(lock, name, need).ok_or_else(|| match decided {
                Decided::Lock => self.stale(&format!(
                    "{} wants `{name}{}`, and the lock has {}",
                    need.place,
                    need.text(),
                    versions(lock, name)
                )),
                Decided::Resolver => Error::new(
                    Kind::Resolve,
                    format!("{} wants `{name}`, which the resolver left out", need.place),
                ),
            })?;
            let chosen = choose(package, self.builder, &self.request.options, &need.hashes);
            return chosen.map(Some);
        }
        let fits = |candidate: &Candidate| {
            let version = candidate.version.as_ref();
            version.is_some_and(|version| {
                need.refuses(version).is_none()
                    && (!version.any_prerelease() || self.takes_prereleases(need))
            }) && candidate.is_among(&need.hashes)
                && match &candidate.source {
                    Source::Wheel(file) => rank(&file.name, &self.builder.interpreter).is_some(),
                    Source::Kept(wheel) => {
                        rank(&wheel.file_name, &self.builder.interpreter).is_some()
                    }
                    Source::Sdist(_) | Source::Commit(_) => true,
                }
        };
        let preferred = self.preferred.get(name).filter(|each| fits(each)).cloned();
        if preferred.is_none() {
            self.preferred.remove(name);
        }
        Ok(preferred)
    }

    /// Whether pre-releases will do: resolvers take them where somebody names one.
    fn takes_prereleases(&self, need: &Need) -> bool {
        let mut specifiers = need.specifiers.iter().flat_map(|(each, _)| each.iter());
        self.request.options.prereleases || specifiers.any(VersionSpecifier::any_prerelease)
    }

    /// The locked distribution of this name that holds here and will do.
    fn locked<'l>(
        &self,
        lock: &'l Pylock,
        name: &PackageName,
        need: &Need,
    ) -> Option<&'l LockedPackage> {
        lock.packages.iter().find(|package| {
            package.name == *name
                && package.marker.evaluate(&self.environment, &[])
                && package
                    .version
                    .as_ref()
                    .is_none_or(|version| need.refuses(version).is_none())
        })
    }

    pub(super) fn stale(&self, why: &str) -> Error {
        let hint = match &self.request.foreign_lock {
            Some(lock) => format!("make `{}` again with the tool that wrote it", lock.path),
            None => format!("make it again: `omnibuild lock --sysbase {}`", self.plan.id),
        };
        Error::new(Kind::Resolve, format!("the lock is out of date: {why}")).hint(hint)
    }
}

fn versions(lock: &Pylock, name: &PackageName) -> String {
    let versions: Vec<String> = lock
        .packages
        .iter()
        .filter(|package| package.name == *name)
        .filter_map(|package| package.version.as_ref())
        .map(ToString::to_string)
        .collect();
    if versions.is_empty() {
        return "none".to_owned();
    }
    versions.join(", ")
}
