//! `omnibuild lock`: the closures of all platforms as lock files (PEP 751).
//!
//! Writes the locks and nothing else. What a closure is, the wheels stage says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::cli::{BuildOptions, Common, Environment};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::plan::pylock::{self, LockedPackage, Pylock};
use crate::platform::TargetId;
use crate::report::{Outcome, Reporter};
use crate::text::counted;

use super::Project;
use super::build::{Failures, run_platforms};
use super::stages::Done;

/// What failed here is no build.
const FAILURES: Failures = Failures {
    are_remembered: false,
    hint: "no lock was written: mend that, and lock all of them again",
};

/// Locks every platform that was asked for; the locks of others stay.
pub async fn lock(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
    upgrade: bool,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    if common.dry_run {
        for target in project.targets(common, options.failed)? {
            reporter.note(Some(&target.id()), "would be locked");
        }
        return Ok(());
    }
    let made = Mutex::new(BTreeMap::new());
    run_platforms(
        common,
        options,
        &project,
        reporter,
        &FAILURES,
        async |build, plan| {
            let lock = build.lock(plan, upgrade).await?;
            if let Ok(mut made) = made.lock() {
                made.insert(plan.id.clone(), lock.packages);
            }
            Ok(Done::only(Outcome::Locked))
        },
    )
    .await?;
    let made = made.into_inner().unwrap_or_default();
    let mut all = earlier(&project.inputs.locks);
    all.extend(made);
    let files = files(all);
    let foreign = files.keys().find(|name| {
        project
            .inputs
            .locks
            .get(*name)
            .is_some_and(|lock| lock.platforms.is_empty())
    });
    if let Some(name) = foreign {
        return Err(Error::new(
            Kind::Config,
            format!("`{name}` was written by another tool"),
        )
        .hint("name it in `requirements` to install what it says, or remove it and run `omnibuild lock` again"));
    }
    for (name, lock) in &files {
        fsutil::commit_bytes(&project.config.root.join(name), lock.render().as_bytes())?;
        let platforms: Vec<&str> = lock.platforms.iter().map(TargetId::as_str).collect();
        let text = format!(
            "{name}: {} for {}",
            counted(lock.packages.len(), "distribution"),
            platforms.join(", ")
        );
        reporter.note(None, &text);
    }
    for (name, lock) in &project.inputs.locks {
        // One of ours whose platforms are all in other files now.
        if !lock.platforms.is_empty() && !files.contains_key(name) {
            fs_err::remove_file(project.config.root.join(name))?;
        }
    }
    Ok(())
}

/// The closures in the locks that this command wrote earlier.
fn earlier(locks: &BTreeMap<String, Pylock>) -> BTreeMap<TargetId, Vec<LockedPackage>> {
    let mut closures = BTreeMap::new();
    for lock in locks.values() {
        for platform in &lock.platforms {
            closures.insert(platform.clone(), lock.packages.clone());
        }
    }
    closures
}

/// Closures as files: those of the same versions are one, with the files of all of them. The one of
/// most platforms is `pylock.toml`; each platform of another has a file of its own.
fn files(closures: BTreeMap<TargetId, Vec<LockedPackage>>) -> BTreeMap<String, Pylock> {
    let mut groups: Vec<Pylock> = Vec::new();
    for (platform, packages) in closures {
        let same = groups
            .iter_mut()
            .find(|group| agree(&group.packages, &packages));
        if let Some(group) = same {
            merge(&mut group.packages, packages);
            group.platforms.push(platform);
        } else {
            groups.push(Pylock {
                packages,
                platforms: vec![platform],
            });
        }
    }
    // The first of the largest: stable, since platforms come sorted.
    groups.sort_by_key(|group| std::cmp::Reverse(group.platforms.len()));
    let mut files = BTreeMap::new();
    for (place, group) in groups.into_iter().enumerate() {
        if place == 0 {
            files.insert(pylock::FILE.to_owned(), group);
            continue;
        }
        for platform in &group.platforms {
            let own = Pylock {
                packages: group.packages.clone(),
                platforms: vec![platform.clone()],
            };
            files.insert(pylock::platform_file(platform), own);
        }
    }
    files
}

/// Whether two closures have the same distributions in the same versions.
fn agree(one: &[LockedPackage], other: &[LockedPackage]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.name == other.name && one.version == other.version && one.commit == other.commit
        })
}

fn merge(into: &mut [LockedPackage], from: Vec<LockedPackage>) {
    for (package, other) in into.iter_mut().zip(from) {
        package.wheels.extend(other.wheels);
        package.wheels.sort();
        package.wheels.dedup();
        package.sdist = package.sdist.take().or(other.sdist);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(platform: &str, version: &str, wheel: &str) -> (TargetId, Vec<LockedPackage>) {
        let digest = crate::digest::Digest::of(wheel);
        let text = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"{version}\"\n\
             wheels = [{{ url = \"https://x.example/{wheel}\", hashes = {{ sha256 = \"{digest}\" }} }}]\n"
        );
        let lock = Pylock::parse("pylock.toml", &text).unwrap();
        (platform.parse().unwrap(), lock.packages)
    }

    #[test]
    fn platforms_that_agree_share_a_file() {
        let closures = [
            closure("debian-11", "1", "a-1-cp39-cp39-linux_x86_64.whl"),
            closure("debian-12", "1", "a-1-cp311-cp311-linux_x86_64.whl"),
            closure("debian-13", "2", "a-2-py3-none-any.whl"),
            closure("rocky-9", "1", "a-1-cp311-cp311-linux_x86_64.whl"),
            closure("ubuntu-22.04", "3", "a-3-py3-none-any.whl"),
        ];
        let files = files(closures.into());
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "pylock.debian-13.toml",
                "pylock.toml",
                "pylock.ubuntu-22-04.toml"
            ]
        );
        let shared = &files["pylock.toml"];
        assert_eq!(shared.platforms.len(), 3);
        assert_eq!(shared.packages[0].wheels.len(), 2, "one for each Python");
        assert_eq!(earlier(&files).len(), 5);
    }
}
