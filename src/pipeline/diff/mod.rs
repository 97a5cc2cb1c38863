//! `omnibuild diff`: what two packages, two folders of packages or two versions have differently.
//!
//! Reads packages, builds nothing; asks no project unless versions are named, and no engine unless
//! those are a repository's.

mod gate;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::{BuildOptions, Common, Environment};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::package::compare::{Comparison, compare};
use crate::package::read::{self, Difference, Package};
use crate::report::Reporter;
use crate::repository::Wanted;

use super::versions;

use self::gate::Gate;

/// Two packages that belong together, or one that has no counterpart.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
enum Pair {
    /// Only the new side has it.
    Added {
        package: String,
        version: String,
        file: String,
    },
    /// Only the old side has it.
    Removed {
        package: String,
        version: String,
        file: String,
    },
    /// The same bytes.
    Identical {
        package: String,
        version: String,
        digest: Digest,
    },
    /// Both have it.
    Compared {
        #[serde(flatten)]
        comparison: Box<Comparison>,
        /// Where nothing that a package says differs: which bytes do.
        bytes: Vec<Difference>,
    },
}

/// What is compared, as the command line names it.
pub(super) struct Sides {
    pub(super) old: String,
    pub(super) new: String,
}

/// Prints what differs, and fails with [`Kind::Difference`] where a gate says so.
pub(super) async fn diff(
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    sides: &Sides,
    fail_on: &[String],
    reporter: &Reporter,
) -> Result<()> {
    let gates: Vec<Gate> = fail_on
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_>>()?;
    let published = |word: &str| Wanted::parse(word, Wanted::Newest);
    let wanted: Vec<Wanted> = [&sides.old, &sides.new]
        .into_iter()
        .filter_map(|word| published(word))
        .collect();
    let mut fetched = if wanted.is_empty() {
        Vec::new().into_iter()
    } else {
        let fetched = versions::fetch(common, options, environment, reporter, &wanted);
        fetched.await?.into_iter()
    };
    let mut files = |word: &str| match published(word).and_then(|_| fetched.next()) {
        Some(files) => Ok(files),
        None => side(common, word),
    };
    let (old, new) = (files(&sides.old)?, files(&sides.new)?);
    let pairs = pairs(old, new)?;
    reporter.print_result("diff", &text::render(&pairs, common.all), &pairs)?;
    let mut broken: Vec<String> = gates
        .iter()
        .flat_map(|gate| pairs.iter().flat_map(|pair| gate.broken_by(pair)))
        .collect();
    broken.dedup();
    if broken.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        Kind::Difference,
        format!(
            "the packages differ in what may not change: {}",
            broken.join("; ")
        ),
    );
    Err(error.hint(
        "look at the differences above; if they are wanted, release without that word of --fail-on",
    ))
}

/// The package files that an argument names: a file, a folder, or a version in the project's packages.
fn side(common: &Common, named: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(named);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if path.is_dir() {
        let files = packages_in(path)?;
        if files.is_empty() {
            return Err(
                Error::new(Kind::Missing, format!("there is no package in `{named}`"))
                    .hint("name a folder with .deb or .rpm files, such as packages/debian-12"),
            );
        }
        return Ok(files);
    }
    if named.contains('/') || !named.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Error::new(Kind::Missing, format!("there is no file or folder `{named}`"))
            .hint("name two package files, two folders of packages, two versions in the project's `packages`, or `repository:VERSION`"));
    }
    kept(common, named)
}

/// The packages of a version that are still in `packages/<platform>/`.
fn kept(common: &Common, version: &str) -> Result<Vec<PathBuf>> {
    let root = common.project.join("packages");
    let wanted = common.platforms();
    let mut files = Vec::new();
    if root.is_dir() {
        for entry in fs_err::read_dir(&root)? {
            let entry = entry?;
            let platform = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && (wanted.is_empty() || wanted.contains(&platform.as_str())) {
                files.extend(packages_in(&entry.path())?);
            }
        }
    }
    // The name of a file says the version, and reading all of a long history takes long.
    files.retain(|file| {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bare = version.split_once(':').map_or(version, |(_, bare)| bare);
        name.contains(&format!("_{bare}")) || name.contains(&format!("-{bare}"))
    });
    let mut found = Vec::new();
    for file in files {
        let package = read::read(&file)?;
        let native = &package.version;
        if [
            &native.upstream,
            &native.without_epoch(),
            &package.full_version(),
        ]
        .contains(&&version.to_owned())
        {
            found.push(file);
        }
    }
    if found.is_empty() {
        return Err(Error::new(Kind::Missing, format!("no package of version `{version}` is in `{}`", root.display()))
            .hint(format!("versions are looked up in the project's `packages` folder: build that version, name its files or folder, or write `repository:{version}` for one that is published")));
    }
    Ok(found)
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("deb" | "rpm")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A package is the same one by its name and architecture, and, where several platforms are in either
/// side, by its folder's.
type Identity = (String, String, String, String);

/// Reads the packages; where one side has several versions of one, the highest counts.
fn by_name(files: Vec<PathBuf>, by_folder: bool) -> Result<BTreeMap<Identity, Package>> {
    let mut packages: BTreeMap<Identity, Package> = BTreeMap::new();
    for file in files {
        let package = read::read(&file)?;
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
        let folder = if by_folder {
            folder.to_string_lossy().into_owned()
        } else {
            String::new()
        };
        let identity = (
            folder,
            package.name.clone(),
            package.format.to_string(),
            package.architecture.clone(),
        );
        match packages.get(&identity) {
            Some(there) if there.compare_version(&package).is_ge() => {}
            _ => {
                packages.insert(identity, package);
            }
        }
    }
    Ok(packages)
}

fn in_several_folders(files: &[PathBuf]) -> bool {
    let mut folders = files.iter().map(|file| file.parent());
    let first = folders.next();
    folders.any(|folder| Some(folder) != first)
}

fn pairs(old: Vec<PathBuf>, new: Vec<PathBuf>) -> Result<Vec<Pair>> {
    let single = old.len() == 1 && new.len() == 1;
    // The same for both sides, or a version of one platform would have nothing in common with one of two.
    let by_folder = in_several_folders(&old) || in_several_folders(&new);
    let (mut old, mut new) = (by_name(old, by_folder)?, by_name(new, by_folder)?);
    // Two files that were named are compared whatever they are called.
    if single
        && old.keys().ne(new.keys())
        && let (Some((_, one)), Some((_, other))) = (old.pop_first(), new.pop_first())
    {
        if one.format != other.format {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "`{}` is {} and `{}` is {}",
                    one.path.display(),
                    one.format,
                    other.path.display(),
                    other.format
                ),
            )
            .hint("compare two packages of one format"));
        }
        return Ok(vec![pair(&one, &other)?]);
    }
    let names: std::collections::BTreeSet<Identity> =
        old.keys().chain(new.keys()).cloned().collect();
    let mut pairs = Vec::new();
    for name in names {
        let alone = |package: &Package| {
            (
                package.name.clone(),
                package.full_version(),
                package.path.display().to_string(),
            )
        };
        match (old.get(&name), new.get(&name)) {
            (Some(one), Some(other)) => pairs.push(pair(one, other)?),
            (Some(one), None) => {
                let (package, version, file) = alone(one);
                pairs.push(Pair::Removed {
                    package,
                    version,
                    file,
                });
            }
            (None, Some(other)) => {
                let (package, version, file) = alone(other);
                pairs.push(Pair::Added {
                    package,
                    version,
                    file,
                });
            }
            (None, None) => {}
        }
    }
    Ok(pairs)
}

fn pair(old: &Package, new: &Package) -> Result<Pair> {
    let digest = Digest::of_file(&new.path)?;
    if digest == Digest::of_file(&old.path)? {
        return Ok(Pair::Identical {
            package: new.name.clone(),
            version: new.full_version(),
            digest,
        });
    }
    let comparison = compare(old, new);
    let says_the_same = comparison.is_empty() && comparison.old.version == comparison.new.version;
    let bytes = if says_the_same {
        read::explain_difference(&old.path, &new.path)?
    } else {
        Vec::new()
    };
    Ok(Pair::Compared {
        comparison: Box::new(comparison),
        bytes,
    })
}
