//! From a bundle and the plan to the package files of a platform.
//!
//! Decides what is in which package; how it is written is the format's. Runs on its own thread,
//! since compression is all it does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::bundle::Bundle;
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::plan::{Dependency, PackageContent, PackagePlan, PlatformPlan};

use super::{Built, PackageSpec, Packager, SegmentStore, check, contents, packager};
use crate::platform::PackageName;
use crate::signing::Signer;
use crate::tree::{Entry, EntryKind, Tree};

/// Writes the packages of a platform into a folder, signed as the plan says. They get their names
/// when all of them are written and signed.
pub fn write(
    plan: &PlatformPlan,
    bundle: &Bundle,
    segments: &SegmentStore,
    folder: &Path,
) -> Result<Vec<Built>> {
    fsutil::commit_files(folder, |staging| {
        let mut built = write_unsigned(plan, bundle, segments, staging)?;
        if let Some(signer) = signer(plan)? {
            let writer = packager(plan.format);
            for package in &mut built {
                let name = &package.artifact.file_name;
                package.artifact = writer.sign(&staging.join(name), name, &signer)?;
            }
        }
        Ok(built)
    })
}

/// Who signs the packages of a platform. A key in a file is on disk while this lives.
pub fn signer(plan: &PlatformPlan) -> Result<Option<Signer>> {
    let epoch = plan.packages.first().map_or(0, |package| package.epoch);
    let signing = plan.signing.as_ref();
    signing
        .map(|signing| Signer::open(&signing.key, signing.rules, epoch))
        .transpose()
}

fn write_unsigned(
    plan: &PlatformPlan,
    bundle: &Bundle,
    segments: &SegmentStore,
    folder: &Path,
) -> Result<Vec<Built>> {
    let mut made = Vec::new();
    for package in &plan.packages {
        let links = links(package, bundle)?;
        contents::check_commands(package, bundle)?;
        contents::check_links(package, bundle)?;
        if links.is_empty() && package.is_of_commands() {
            continue;
        }
        let mut tree = match &package.content {
            PackageContent::Bundle => bundle_tree(bundle)?,
            PackageContent::Links(_) | PackageContent::ConsoleScripts => {
                links_tree(package, &links, &bundle.prefix)?
            }
        };
        contents::add(&mut tree, &package.entries)?;
        check::sizes(&tree, plan.largest_file)?;
        made.push((package, links, tree));
    }
    check_apart(made.iter().map(|(package, _, tree)| (&package.name, tree)))?;
    let mut built = Vec::new();
    for (package, links, tree) in made {
        let mut spec = spec(plan, package);
        let writer = packager(plan.format);
        if matches!(package.content, PackageContent::Bundle) {
            spec.relations.provides.extend(bundled(writer, bundle));
        }
        let path = folder.join(writer.file_name(&spec));
        let artifact = writer.write_with(&spec, &tree, segments, &path)?;
        built.push(Built {
            name: package.name.clone(),
            artifact,
            links,
            depends: native_depends(package),
        });
    }
    Ok(built)
}

/// Refuses packages of which only one could be installed: both have a path, and it is not the same
/// folder. The plan can't see it all, since the bundle decides what console scripts there are.
fn check_apart<'a>(trees: impl Iterator<Item = (&'a PackageName, &'a Tree)>) -> Result<()> {
    let mut owners: BTreeMap<&str, (&PackageName, &Entry)> = BTreeMap::new();
    for (name, tree) in trees {
        for (path, entry) in tree.iter() {
            let Some((other, there)) = owners.insert(path, (name, entry)) else {
                continue;
            };
            let folders = [there, entry]
                .iter()
                .all(|entry| matches!(entry.kind, EntryKind::Directory));
            if !(folders && there.mode == entry.mode && there.owner == entry.owner) {
                return Err(Error::new(
                    Kind::Config,
                    format!("`/{path}` is in both `{other}` and `{name}`"),
                )
                .hint("leave it in one of the packages; without `links` and anything else a package links all console scripts, so name its own in `links`"));
            }
        }
    }
    Ok(())
}

/// The file names that a platform's packages will have.
pub fn file_names(plan: &PlatformPlan) -> Vec<String> {
    let writer = packager(plan.format);
    plan.packages
        .iter()
        .map(|package| writer.file_name(&spec(plan, package)))
        .collect()
}

/// What a package needs from the distribution: what is configured and what its files are linked
/// with, in the plan by now, and what its scripts need before.
fn native_depends(package: &PackagePlan) -> Vec<String> {
    let native = package
        .depends
        .iter()
        .filter_map(|dependency| match dependency {
            Dependency::Native(text) => Some(text.clone()),
            Dependency::Exactly(_) => None,
        });
    native
        .chain(package.relations.pre_depends.iter().cloned())
        .collect()
}

fn spec(plan: &PlatformPlan, package: &PackagePlan) -> PackageSpec {
    let writer = packager(plan.format);
    let depends = package.depends.iter().map(|dependency| match dependency {
        Dependency::Native(text) => text.clone(),
        // All packages of a build have one version.
        Dependency::Exactly(name) => writer.exactly(name, &package.version),
    });
    PackageSpec {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: matches!(package.content, PackageContent::Bundle).then_some(plan.arch()),
        summary: package.summary.clone(),
        description: package.description.clone(),
        maintainer: package.maintainer.clone(),
        vendor: package.vendor.clone(),
        homepage: package.homepage.clone(),
        license: package.license.clone(),
        depends: depends.collect(),
        relations: package.relations.clone(),
        scripts: package.scripts.clone(),
        compression: package.compression,
        epoch: package.epoch,
    }
}

/// What the package provides for the distributions in it, sorted.
fn bundled(writer: &dyn Packager, bundle: &Bundle) -> BTreeSet<String> {
    let layers = bundle.layers.iter();
    layers
        .filter_map(|layer| layer.manifest().distribution.as_ref())
        .filter_map(|wheel| writer.bundled(&wheel.name, &wheel.version))
        .collect()
}

fn bundle_tree(bundle: &Bundle) -> Result<Tree> {
    let root = bundle.prefix.rsplit_once('/').map_or("", |(root, _)| root);
    let mut tree = Tree::default();
    for layer in &bundle.layers {
        layer.add_to_tree(&mut tree, root)?;
    }
    Ok(tree)
}

/// Where the links of a package are: `/usr/bin/<command>`.
fn links(package: &PackagePlan, bundle: &Bundle) -> Result<Vec<String>> {
    let there: BTreeSet<&str> = bundle.commands().collect();
    match &package.content {
        PackageContent::Bundle => Ok(Vec::new()),
        PackageContent::ConsoleScripts => Ok(bundle
            .console_scripts()
            .iter()
            .map(|name| format!("/usr/bin/{name}"))
            .collect()),
        PackageContent::Links(folders) => {
            let mut links = Vec::new();
            for (folder, commands) in folders {
                for command in commands {
                    if !there.contains(command.as_str()) {
                        let known: BTreeSet<&str> = bundle.linkable_commands().collect();
                        let known: Vec<&str> = known.into_iter().collect();
                        return Err(Error::new(
                            Kind::Config,
                            format!("package `{}` links `{command}`, which is not in `{}/bin`", package.name, bundle.prefix),
                        )
                        .hint(format!("commands that are there: {}", known.join(", ")))
                        .hint("a command is a console script of the project (`[project.scripts]`) or of something it requires"));
                    }
                    links.push(format!("{folder}/{command}"));
                }
            }
            Ok(links)
        }
    }
}

fn links_tree(package: &PackagePlan, links: &[String], prefix: &str) -> Result<Tree> {
    let origin: Arc<str> = package.name.as_str().into();
    let mut tree = Tree::default();
    for link in links {
        let command = link.rsplit('/').next().unwrap_or_default();
        let target = format!("{prefix}/bin/{command}");
        let entry = Entry::new(0o777, EntryKind::Symlink(target), Arc::clone(&origin));
        tree.insert(link, entry)?;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::fixture;

    #[test]
    fn a_path_of_two_packages_is_refused_with_both() {
        let names: [PackageName; 2] = ["x-cli", "x-more"].map(|name| name.parse().unwrap());
        let check = |fill: [&dyn Fn(&mut Tree); 2]| {
            let trees = fill.map(|fill| {
                let mut tree = Tree::default();
                fill(&mut tree);
                tree
            });
            check_apart(names.iter().zip(&trees))
        };
        let link = |tree: &mut Tree| fixture::symlink(tree, "usr/bin/tool", "/opt/x/bin/tool");
        let folder = |mode| move |tree: &mut Tree| fixture::directory(tree, "etc/x", mode);
        for fill in [
            [&link as &dyn Fn(&mut Tree), &link],
            [&folder(0o755), &folder(0o750)],
        ] {
            let error = check(fill).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            for name in &names {
                assert!(error.message().contains(name.as_str()), "{error}");
            }
        }
        check([&link, &folder(0o755)]).unwrap();
        check([&folder(0o755), &folder(0o755)]).unwrap();
    }
}
