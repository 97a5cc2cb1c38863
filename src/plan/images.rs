//! The runtime images of a platform: what goes in, how they run, their labels and tags.
//!
//! Decides names; what an image is made of and its digest are the stage's.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{ImageConfig, RepositoryName, RunConfig, TagTemplate};
use crate::error::{Error, Kind, Result};
use crate::platform::{PackageName, PlatformId};
use crate::version::PythonVersion;

use super::decide::{Project, tag_text};
use super::image_lines::{self, ImageLine};
use super::{Dependency, PackagePlan};

/// What can be no tag of an image is shorter than this, in bytes (OCI distribution specification).
const LONGEST_TAG: usize = 128;

/// A runtime image of one platform.
#[derive(Debug, Clone)]
pub struct RuntimePlan {
    /// Its name in the configuration.
    pub name: String,
    /// The image that it adds to; `None`: the platform's base.
    pub from: Option<String>,
    /// The packages that it has beside those of the image below, in the order of the build.
    pub packages: Vec<PackageName>,
    /// How it runs.
    pub run: RunConfig,
    /// Labels, and annotations of its manifest (OCI image specification, annotations.md).
    pub labels: BTreeMap<String, String>,
    /// What is done when the packages are there, in this order.
    pub lines: Vec<ImageLine>,
    /// The most bytes that its layers may have, compressed.
    pub largest_size: Option<u64>,
    /// Where it is pushed.
    pub repositories: Vec<RepositoryName>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was made, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: u64,
}

impl Project<'_> {
    /// The images that are made from a platform with these packages, each after the one below it.
    pub(super) fn images(
        &self,
        platform: &PlatformId,
        packages: &[PackagePlan],
    ) -> Result<Vec<RuntimePlan>> {
        let mut ordered: Vec<(&String, &ImageConfig)> = Vec::new();
        let mut left: Vec<_> = self.config.images.iter().collect();
        left.retain(|(_, image)| image.is_for(platform));
        while !left.is_empty() {
            let named: BTreeSet<&String> = left.iter().map(|(name, _)| *name).collect();
            let waits = |image: &ImageConfig| {
                let from = image.from.as_ref();
                from.is_some_and(|from| named.contains(from))
            };
            // The configuration has no circles, so there is always a next one.
            let (waiting, next) = left.into_iter().partition(|(_, image)| waits(image));
            ordered.extend::<Vec<_>>(next);
            left = waiting;
        }
        let mut plans: Vec<RuntimePlan> = Vec::new();
        let mut inside: BTreeMap<&String, BTreeSet<PackageName>> = BTreeMap::new();
        for (name, image) in ordered {
            let below = image.from.as_ref().and_then(|from| inside.get(from));
            let below = below.cloned().unwrap_or_default();
            let wanted = self.wanted(image, packages);
            let added = packages.iter().map(|package| &package.name);
            let added: Vec<PackageName> = added
                .filter(|name| wanted.contains(*name) && !below.contains(*name))
                .cloned()
                .collect();
            let lines = image.dockerfile.iter();
            let lines = lines.map(|line| image_lines::planned(line, &self.inputs.copied));
            inside.insert(name, below.into_iter().chain(added.clone()).collect());
            plans.push(RuntimePlan {
                name: name.clone(),
                from: image.from.clone(),
                packages: added,
                run: image.run.clone(),
                labels: self.labels(image, packages),
                lines: lines.collect::<Result<_>>()?,
                largest_size: image.largest_size,
                repositories: image.repositories.clone(),
                tags: self
                    .tags(image, platform)
                    .map_err(|error| error.context(format!("images.{name}")))?,
                epoch: self.inputs.epoch,
            });
        }
        Ok(plans)
    }

    /// The packages that an image names, and what of the same build they need.
    fn wanted(&self, image: &ImageConfig, packages: &[PackagePlan]) -> BTreeSet<PackageName> {
        // The first is the omnibus package, the others stand as their tables do.
        let keys = self.config.packages.keys();
        let named = packages.iter().skip(1).zip(keys);
        let mut open: Vec<&PackageName> = named
            .filter(|(_, key)| {
                let chosen = image.packages.as_ref();
                chosen.is_none_or(|chosen| chosen.contains(key))
            })
            .map(|(package, _)| &package.name)
            .collect();
        let mut wanted = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !wanted.insert(name.clone()) {
                continue;
            }
            let package = packages.iter().find(|package| package.name == *name);
            let depends = package.iter().flat_map(|package| &package.depends);
            open.extend(depends.filter_map(|dependency| match dependency {
                Dependency::Exactly(name) => Some(name),
                Dependency::Native(_) => None,
            }));
        }
        wanted
    }

    fn labels(&self, image: &ImageConfig, packages: &[PackagePlan]) -> BTreeMap<String, String> {
        let omnibus = packages.first();
        let urls = self.config.pyproject.project.iter();
        let source = urls
            .flat_map(|project| &project.urls)
            .find(|(name, _)| matches!(name.to_lowercase().as_str(), "source" | "repository"))
            .map(|(_, url)| url.clone());
        let of = |get: fn(&PackagePlan) -> Option<String>| omnibus.and_then(get);
        let commit = self.inputs.commit.as_ref();
        let known = [
            ("title", Some(self.name.to_owned())),
            ("version", Some(self.version.to_string())),
            ("description", of(|package| Some(package.summary.clone()))),
            ("licenses", of(|package| package.license.clone())),
            ("url", of(|package| package.homepage.clone())),
            ("vendor", of(|package| package.vendor.clone())),
            ("authors", of(|package| Some(package.maintainer.clone()))),
            ("source", source),
            (
                "revision",
                commit.map(|(id, is_clean)| {
                    let end = if *is_clean { "" } else { "-dirty" };
                    format!("{id}{end}")
                }),
            ),
        ];
        let mut labels: BTreeMap<String, String> = known
            .into_iter()
            .filter_map(|(name, value)| Some((format!("org.opencontainers.image.{name}"), value?)))
            .collect();
        labels.extend(image.labels.clone());
        labels
    }

    fn tags(&self, image: &ImageConfig, platform: &PlatformId) -> Result<Vec<String>> {
        let is_official = self.config.official.as_ref() == Some(platform);
        let official = is_official.then_some(&image.official_tags);
        let templates = image.tags.iter().chain(official.into_iter().flatten());
        let mut tags = Vec::new();
        for template in templates {
            let Some(tag) = filled(template, platform, self.version) else {
                continue;
            };
            if tag.len() > LONGEST_TAG {
                let text = format!("the tag `{tag}` has more than {LONGEST_TAG} bytes");
                return Err(Error::new(Kind::Config, text).hint("let `tags` be shorter"));
            }
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }
}

/// A tag; `None` for one that stands for a line of releases, or says nothing of the version at all, where
/// this is no final release: who follows `latest`, `1` or `1.4` is not sent a candidate.
fn filled(
    template: &TagTemplate,
    platform: &PlatformId,
    version: &PythonVersion,
) -> Option<String> {
    let text = template.as_str();
    let pep440 = version.as_pep440();
    let is_final = !pep440.any_prerelease() && !pep440.is_local();
    if !is_final && !text.contains("{version}") {
        return None;
    }
    let number = |count: usize| {
        let release = pep440.release();
        let numbers = (0..count).map(|at| release.get(at).copied().unwrap_or(0).to_string());
        numbers.collect::<Vec<_>>().join(".")
    };
    Some(
        text.replace("{platform}", platform.as_str())
            .replace("{version}", &tag_text(version))
            .replace("{major}", &number(1))
            .replace("{minor}", &number(2)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_a_line_are_those_of_final_releases() {
        let fill = |template: &str, version: &str| {
            let template = template.parse().unwrap();
            let version = PythonVersion::parse(version, "test").unwrap();
            filled(&template, &"debian-12".parse().unwrap(), &version)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            fill("{platform}-{version}", "1.4.2"),
            some("debian-12-1.4.2")
        );
        assert_eq!(fill("{minor}", "1.4.2"), some("1.4"));
        assert_eq!(fill("v{major}", "2"), some("v2"));
        assert_eq!(fill("{minor}", "2"), some("2.0"));
        assert_eq!(fill("latest", "1.4.2"), some("latest"));
        for version in ["1.4.3rc1", "1.4.3.dev5", "1.4.3+local"] {
            for template in ["latest", "{minor}", "{platform}-{major}"] {
                assert_eq!(fill(template, version), None, "{version}");
            }
        }
        assert_eq!(fill("{version}", "1.4.3+local.1"), some("1.4.3-local.1"));
    }
}
