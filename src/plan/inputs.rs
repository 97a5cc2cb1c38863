//! Everything a build reads from the project's folder: sources, requirement files, git.
//!
//! Reads and hashes; writes nothing, decides nothing.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;

use crate::config::Config;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::TargetId;
use crate::signing::SigningKey;

use super::copied_files::{self, CopySource};
use super::credentials::Credentials;
use super::project_files::ProjectFiles;
use super::pylock::{self, Pylock};
use super::requirements::{self, LockFile, LockKind, RequirementSet};
use super::source::{self, Source};

/// The time of everything in a project without commits: the earliest that a zip archive can say.
pub(super) const EPOCH_WITHOUT_COMMIT: u64 = 315_532_800;

/// What has been read.
#[derive(Debug)]
pub struct Inputs {
    /// The source, when there is a project.
    pub source: Option<Source>,
    /// `git describe --tags --long --dirty`, when there is a tag.
    pub git_describe: Option<String>,
    /// The commit that the project is at, and whether its files are as the commit says; `None` where
    /// git knows none.
    pub commit: Option<(String, bool)>,
    /// `SOURCE_DATE_EPOCH`: as given, else the commit's time.
    pub epoch: u64,
    /// Every requirement and constraint file that the configuration names.
    pub requirement_files: BTreeMap<String, RequirementSet>,
    /// The lock files (PEP 751) beside the configuration, by file name.
    pub locks: BTreeMap<String, Pylock>,
    /// The files that packages hold as they are.
    pub files: ProjectFiles,
    /// What images copy of the project, by path relative to the root.
    pub copied: BTreeMap<String, CopySource>,
    /// The lock files of other tools among them.
    pub lock_files: BTreeMap<String, LockFile>,
    /// Who asks the indexes.
    pub credentials: Credentials,
    /// The digest of the file of the signing key, when it is one and there.
    pub signing_key: Option<Digest>,
}

impl Inputs {
    /// Reads the inputs of a project. `epoch` is `SOURCE_DATE_EPOCH`, when it is set.
    pub fn read(config: &Config, epoch: Option<&str>) -> Result<Self> {
        let epoch = match epoch {
            Some(text) => text.parse().map_err(|_no_number| {
                Error::new(Kind::Config, format!("SOURCE_DATE_EPOCH: `{text}` is no whole number from 0 on"))
                    .hint("set it to seconds since 1970, such as the output of `git log -1 --format=%ct`, or unset it")
            })?,
            None => source::git(&config.root, &["log", "-1", "--format=%ct", "--", "."])
                .and_then(|text| text.parse().ok())
                .unwrap_or(EPOCH_WITHOUT_COMMIT),
        };
        let overrides = config.platform.values();
        let names =
            config
                .requirements
                .iter()
                .chain(&config.constraints)
                .chain(overrides.flat_map(|table| {
                    table
                        .requirements
                        .iter()
                        .flatten()
                        .chain(table.constraints.iter().flatten())
                }));
        let mut requirement_files = BTreeMap::new();
        let mut lock_files = BTreeMap::new();
        for name in names {
            if requirement_files.contains_key(name) || lock_files.contains_key(name) {
                continue;
            }
            // What is wrong inside of the file has its own place.
            let locate = |error: Error| {
                let is_gone =
                    error.kind() == Kind::Missing && error.message().contains(&format!("`{name}`"));
                if is_gone {
                    config.places.locate_text(name, error)
                } else {
                    error
                }
            };
            let lock = requirements::read_lock(&config.root, Path::new(name)).map_err(locate)?;
            if let Some(lock) = lock {
                no_constraint(config, name).map_err(|error| config.places.locate(error))?;
                lock_files.insert(name.clone(), lock);
            } else {
                let set = requirements::read(&config.root, Path::new(name)).map_err(locate)?;
                requirement_files.insert(name.clone(), set);
            }
        }
        let credentials = {
            let own = config.index_url.iter().chain(&config.extra_index_urls);
            let of_files = requirement_files.values().flat_map(RequirementSet::indexes);
            Credentials::read(config, own.map(String::as_str).chain(of_files))?
        };
        Ok(Self {
            credentials,
            source: config
                .has_source
                .then(|| Source::read(&config.root))
                .transpose()?,
            commit: source::commit(&config.root),
            git_describe: source::git(&config.root, &["describe", "--tags", "--long", "--dirty"]),
            epoch,
            requirement_files,
            locks: locks(&config.root)?,
            files: ProjectFiles::read(config)?,
            copied: copied_files::read(config)?,
            lock_files,
            signing_key: signing_key(config)?,
        })
    }

    /// The lock that decides on a platform: its own, else that of all.
    pub fn lock(&self, platform: &TargetId) -> Option<&Pylock> {
        let own = self.locks.get(&pylock::platform_file(platform));
        own.or_else(|| self.locks.get(pylock::FILE))
    }
}

/// What the file of the signing key is; a build says when it is missing, other commands need none.
fn signing_key(config: &Config) -> Result<Option<Digest>> {
    match config.signing.as_ref().map(|signing| &signing.key) {
        Some(SigningKey::File { path, .. }) if path.is_file() => Digest::of_file(path).map(Some),
        _ => Ok(None),
    }
}

/// The lock files in a project's folder.
fn locks(root: &Path) -> Result<BTreeMap<String, Pylock>> {
    let mut locks = BTreeMap::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let Some(name) = name
            .to_str()
            .filter(|name| LockKind::of(name) == Some(LockKind::Pylock))
        else {
            continue;
        };
        let text = fs::read_to_string(root.join(name))?;
        locks.insert(name.to_owned(), Pylock::parse(name, &text)?);
    }
    Ok(locks)
}

/// A lock file says what to install; what only limits versions is said by a constraint file.
fn no_constraint(config: &Config, name: &String) -> Result<()> {
    let of_platforms = config.platform.values();
    let mut lists = of_platforms
        .filter_map(|table| table.constraints.as_ref())
        .chain([&config.constraints]);
    if !lists.any(|list| list.contains(name)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("constraints: `{name}` is a lock file"),
    )
    .hint("list it in `requirements`: a lock file says everything that is installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_are_requirements_and_no_constraints() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("uv.lock"), "version = 1\n").unwrap();
        // What uv reads to export it.
        fs::write(folder.path().join("pyproject.toml"), "").unwrap();
        let inputs = |key: &str| {
            let text =
                format!("name = \"x\"\nrequirements = [\"uv.lock\"]\n{key} = [\"uv.lock\"]\n");
            fs::write(folder.path().join("omnibuild.toml"), text).unwrap();
            let config = Config::load(folder.path(), crate::config::Overrides::default()).unwrap();
            Inputs::read(&config, None)
        };
        let read = inputs("platforms").unwrap();
        assert!(read.lock_files.contains_key("uv.lock") && read.requirement_files.is_empty());
        let error = inputs("constraints").unwrap_err();
        assert!(
            error.message().contains("`uv.lock` is a lock file"),
            "{error}"
        );
    }

    #[test]
    fn a_garbage_epoch_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("setup.py"), "").unwrap();
        let config = Config::load(folder.path(), crate::config::Overrides::default()).unwrap();
        let error = Inputs::read(&config, Some("yesterday")).unwrap_err();
        assert!(error.message().contains("SOURCE_DATE_EPOCH"), "{error}");
        assert_eq!(
            Inputs::read(&config, None).unwrap().epoch,
            EPOCH_WITHOUT_COMMIT
        );
    }
}
