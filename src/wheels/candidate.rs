//! The one file or commit that a distribution is to be: chosen among those that a lock or an index has.
//!
//! Pure. Names a file; fetching it and building it is the workshop's.

use std::collections::BTreeSet;

use pep440_rs::Version;
use pep508_rs::{MarkerTree, PackageName};

use crate::digest::{Digest, Key, KeyBuilder};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::interpreter::Interpreter;
use crate::plan::pylock::{LockedCommit, LockedFile, LockedPackage, Place, file_name, is_wheel};
use crate::plan::requirements::without_credentials;
use crate::plan::roots::Direct;
use crate::plan::{ResolverOptions, SetRequest};
use crate::wheel::{WheelName, tags};

use super::store::{Origin, Wheel};

/// What a distribution is to be made from.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The distribution.
    pub(super) name: PackageName,
    /// Its version, where that is known before it is made.
    pub(super) version: Option<Version>,
    /// What to take.
    pub(super) source: Source,
    /// Whether a requirement names this very file or commit: nobody else may be given it.
    pub(super) direct: bool,
}

/// What to take.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A wheel, as it is.
    Wheel(LockedFile),
    /// A source distribution, to be built.
    Sdist(LockedFile),
    /// A commit, to be built.
    Commit(LockedCommit),
    /// A wheel of the store whose origin nobody knows: pip made it.
    Kept(Wheel),
}

impl Candidate {
    /// The file or commit of a direct reference.
    pub(super) fn direct(name: &PackageName, direct: &Direct) -> Self {
        let file = |place: Place, digest: &Digest| {
            let file = LockedFile {
                name: file_name(place.text()),
                place,
                size: None,
                digest: digest.clone(),
            };
            if is_wheel(&file.name) {
                Source::Wheel(file)
            } else {
                Source::Sdist(file)
            }
        };
        let source = match direct {
            Direct::Url { url, digest } => file(Place::Url(url.clone()), digest),
            Direct::File { path, digest } => file(Place::Project(path.clone()), digest),
            Direct::Commit {
                repository,
                commit,
                subfolder,
            } => Source::Commit(LockedCommit {
                repository: repository.clone(),
                commit: commit.clone(),
                subfolder: subfolder.clone(),
            }),
        };
        Self {
            name: name.clone(),
            version: None,
            source,
            direct: true,
        }
    }

    /// What a wheel of an earlier set was made from; where that is not known, the wheel itself.
    pub(super) fn of_wheel(wheel: &Wheel) -> Option<Self> {
        let source = if let Some(origin) = &wheel.origin {
            let file = LockedFile {
                name: file_name(&origin.url),
                place: Place::Url(origin.url.clone()),
                size: None,
                digest: origin.digest.clone(),
            };
            if origin.digest == wheel.digest {
                Source::Wheel(file)
            } else {
                Source::Sdist(file)
            }
        } else {
            Source::Kept(wheel.clone())
        };
        Some(Self {
            name: wheel.distribution().parse().ok()?,
            version: Some(wheel.version().replace('_', "-").parse().ok()?),
            source,
            direct: false,
        })
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&LockedFile> {
        match &self.source {
            Source::Wheel(file) | Source::Sdist(file) => Some(file),
            Source::Commit(_) | Source::Kept(_) => None,
        }
    }

    /// Where a made wheel says it came from, so that a later set may prefer it. Files of a project
    /// say nothing, and neither do those that a requirement names: without that requirement they
    /// are nobody's choice.
    pub(super) fn origin(&self) -> Option<Origin> {
        let file = self.file().filter(|_| !self.direct)?;
        match &file.place {
            Place::Url(url) => Some(Origin {
                url: without_credentials(url),
                digest: file.digest.clone(),
            }),
            Place::Project(_) => None,
        }
    }

    /// Whether a file of these may be taken; none named: any.
    pub(super) fn is_among(&self, hashes: &BTreeSet<Digest>) -> bool {
        let digest = match &self.source {
            Source::Wheel(file) | Source::Sdist(file) => Some(&file.digest),
            Source::Kept(wheel) => Some(&wheel.digest),
            Source::Commit(_) => None,
        };
        hashes.is_empty() || digest.is_some_and(|digest| hashes.contains(digest))
    }

    /// The key of the wheel that is built of this; `None` for what needs no building.
    pub(super) fn build_key(&self, builder: &BuilderImage, request: &SetRequest) -> Option<Key> {
        let source = match &self.source {
            Source::Wheel(_) | Source::Kept(_) => return None,
            Source::Sdist(file) => file.digest.to_string(),
            Source::Commit(commit) => format!(
                "{} {}",
                commit.commit,
                commit.subfolder.as_deref().unwrap_or_default()
            ),
        };
        let key = KeyBuilder::new("build", 1)
            .field("distribution", self.name.as_ref())
            .field("source", source)
            .field("builder", builder.key.digest.as_str())
            .field("abi", &builder.interpreter.abi)
            .field("architecture", &builder.interpreter.machine);
        // What it is built with comes from there.
        let options = &request.options;
        let places = options.find_links.iter().map(|place| (place.text(), ""));
        let key = request.indexes.add_to(key).fields("find links ", places);
        let folders = options.find_links.iter().filter_map(|place| match place {
            Place::Project(folder) => Some(format!("{folder}/")),
            Place::Url(_) => None,
        });
        let folders: Vec<String> = folders.collect();
        let archives = request
            .archives
            .iter()
            .filter(|(path, _)| folders.iter().any(|folder| path.starts_with(folder)));
        let key = key.fields(
            "archive ",
            archives.map(|(path, digest)| (path, digest.to_string())),
        );
        let switches = [
            ("no index", options.no_index),
            ("pre-releases", options.prereleases),
        ];
        let switches = switches.into_iter().filter(|(_, on)| *on);
        Some(
            key.fields("", switches.map(|(name, _)| (name, "")))
                .finish(),
        )
    }

    /// The distribution as a lock writes it; `wheel` is what was made of it. `None`: nobody knows
    /// where it came from.
    pub(super) fn locked(&self, version: Option<Version>, wheel: &Wheel) -> Option<LockedPackage> {
        let without_password = |file: &LockedFile| LockedFile {
            place: match &file.place {
                Place::Url(url) => Place::Url(without_credentials(url)),
                Place::Project(path) => Place::Project(path.clone()),
            },
            ..file.clone()
        };
        let mut package = LockedPackage {
            name: self.name.clone(),
            version,
            marker: MarkerTree::TRUE,
            wheels: Vec::new(),
            sdist: None,
            commit: None,
        };
        match &self.source {
            Source::Wheel(file) => package.wheels.push(LockedFile {
                size: Some(wheel.size),
                ..without_password(file)
            }),
            Source::Sdist(file) => package.sdist = Some(without_password(file)),
            Source::Commit(commit) => {
                package.version = None;
                package.commit = Some(LockedCommit {
                    repository: without_credentials(&commit.repository),
                    ..commit.clone()
                });
            }
            Source::Kept(_) => return None,
        }
        Some(package)
    }

    /// `name version`, for messages.
    pub(super) fn title(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// The file of a locked distribution that suits this builder best: the most specific wheel, else the
/// source distribution.
pub(super) fn choose(
    package: &LockedPackage,
    builder: &BuilderImage,
    options: &ResolverOptions,
    hashes: &BTreeSet<Digest>,
) -> Result<Candidate> {
    let allowed = |file: &&LockedFile| hashes.is_empty() || hashes.contains(&file.digest);
    let best = package
        .wheels
        .iter()
        .filter(allowed)
        .filter(|_| !options.no_binary.matches(&package.name))
        .filter_map(|file| Some((rank(&file.name, &builder.interpreter)?, file)))
        .min_by(|one, other| one.0.cmp(&other.0));
    let sdist = package
        .sdist
        .as_ref()
        .filter(allowed)
        .filter(|_| !options.only_binary.matches(&package.name));
    let source = match (best, sdist, &package.commit) {
        (Some((_, wheel)), _, _) => Source::Wheel(wheel.clone()),
        (None, Some(sdist), _) => Source::Sdist(sdist.clone()),
        (None, None, Some(commit)) if hashes.is_empty() => Source::Commit(commit.clone()),
        (None, None, _) => return Err(no_file(package, builder, hashes)),
    };
    Ok(Candidate {
        name: package.name.clone(),
        version: package.version.clone(),
        source,
        direct: false,
    })
}

/// How well a wheel fits an interpreter, by its file name; `None` when it does not.
pub(super) fn rank(file_name: &str, interpreter: &Interpreter) -> Option<tags::Rank> {
    tags::rank(&WheelName::parse(file_name).ok()?, interpreter)
}

fn no_file(package: &LockedPackage, builder: &BuilderImage, hashes: &BTreeSet<Digest>) -> Error {
    let version = package.version.as_ref().map(ToString::to_string);
    let title = format!("{} {}", package.name, version.unwrap_or_default());
    let found: Vec<String> = package
        .files()
        .map(|file| format!("`{}` with sha256 {}", file.name, file.digest))
        .collect();
    let refused = package.files().all(|file| !hashes.contains(&file.digest));
    if !hashes.is_empty() && refused {
        let asked: Vec<&str> = hashes.iter().map(Digest::as_str).collect();
        return Error::new(
            Kind::Resolve,
            format!(
                "no file of {} has a digest that was asked for: there is {}, and asked for is sha256 {}",
                title.trim(),
                found.join(", "),
                asked.join(", ")
            ),
        )
        .hint("if the new files are to be trusted, write their digests behind `--hash=sha256:`; else find out who changed them");
    }
    Error::new(
        Kind::Resolve,
        format!(
            "{} has no file for Python {} on {} ({}): there is {}",
            title.trim(),
            builder.interpreter.version,
            builder.interpreter.machine,
            builder.interpreter.libc,
            found.join(", ")
        ),
    )
    .hint("take a version that has one; where a lock says so, make it again with `omnibuild lock`")
}
