//! Everything a build reads from the project's folder: sources, requirement files, git.
//!
//! Reads and hashes; writes nothing, decides nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::config::Config;
use crate::config::project::OWN_FILE;
use crate::digest::{Digest, KeyBuilder};
use crate::error::{Error, Kind, Result};

use crate::platform::TargetId;
use crate::signing::SigningKey;

use super::copied_files::{self, CopySource};
use super::credentials::Credentials;
use super::project_files::ProjectFiles;
use super::pylock::{self, Pylock};
use super::requirements::{self, LockFile, LockKind, RequirementSet};

/// Folders that omnibuild or Python tools write; never a part of the source. Neither is the
/// project's omnibuild.toml, so that what it says decides by what is planned of it.
pub const NOT_SOURCE: [&str; 11] = [
    ".git",
    ".hg",
    ".svn",
    ".omnibuild",
    "packages",
    "wheels-cache",
    "__pycache__",
    ".tox",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
];

/// The time of everything in a project without commits: the earliest that a zip archive can say.
pub(super) const EPOCH_WITHOUT_COMMIT: u64 = 315_532_800;

/// A file of the project's source.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path, relative to the root, with `/`.
    pub path: String,
    /// Whether its owner may run it.
    pub executable: bool,
    /// What it says, when it is a symbolic link.
    pub link: Option<String>,
}

/// The source tree of a project.
#[derive(Debug, Clone)]
pub struct Source {
    /// The project's folder.
    pub root: PathBuf,
    /// Its files, sorted by path.
    pub files: Vec<SourceFile>,
    /// The digest of paths, modes and contents.
    pub digest: Digest,
}

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
            None => git(&config.root, &["log", "-1", "--format=%ct", "--", "."])
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
            commit: commit(&config.root),
            git_describe: git(&config.root, &["describe", "--tags", "--long", "--dirty"]),
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

impl Source {
    fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut key = KeyBuilder::new("source", 1);
        let walk = ignore::WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .git_global(false)
            .parents(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .filter_entry(|entry| {
                let name = entry.file_name().to_string_lossy();
                let written = NOT_SOURCE.contains(&name.as_ref()) || name.ends_with(".egg-info");
                let own = entry.depth() == 1 && name == OWN_FILE;
                (!written && !own) || entry.depth() == 0
            })
            .build();
        for entry in walk {
            let entry = entry.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
            let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else {
                continue;
            };
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let path = path.to_str().ok_or_else(|| {
                Error::new(
                    Kind::Config,
                    format!("`{}` is not UTF-8", entry.path().display()),
                )
                .hint("rename the file: packages can only hold UTF-8 names")
            })?;
            let metadata = fs::symlink_metadata(entry.path())?;
            let (link, content) = if kind.is_symlink() {
                let target = super::project_files::link_target(entry.path())?;
                let value = format!("link {target}");
                (Some(target), value)
            } else if kind.is_file() {
                (None, Digest::of_file(entry.path())?.to_string())
            } else {
                continue;
            };
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { "executable" } else { "plain" };
            key = key.field(path, format!("{mode} {content}"));
            files.push(SourceFile {
                path: path.to_owned(),
                executable,
                link,
            });
        }
        Ok(Self {
            root: root.to_owned(),
            files,
            digest: key.finish().digest,
        })
    }
}

/// The commit, and whether what is tracked is as it says; what a build writes counts for nothing, whoever
/// tracks it.
fn commit(root: &Path) -> Option<(String, bool)> {
    let id = git(root, &["rev-parse", "HEAD"])?;
    let without: Vec<String> = NOT_SOURCE
        .iter()
        .map(|name| format!(":(exclude){name}"))
        .collect();
    let status = ["status", "--porcelain", "--untracked-files=no", "--", "."];
    let words: Vec<&str> = status
        .into_iter()
        .chain(without.iter().map(String::as_str))
        .collect();
    Some((id, git(root, &words).is_none()))
}

/// What git prints; nothing where there is no git, no repository, or no answer.
fn git(root: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(words)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(files: &[(&str, &str)]) -> Digest {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Source::read(folder.path()).unwrap().digest
    }

    #[test]
    fn what_tools_write_is_no_source() {
        let clean = digest_of(&[("setup.py", "x"), ("a/b.py", "y")]);
        let used = digest_of(&[
            ("setup.py", "x"),
            ("a/b.py", "y"),
            ("a/__pycache__/b.pyc", "z"),
            ("packages/debian-12/x.deb", "z"),
            (".omnibuild/state/x.json", "z"),
            ("a.egg-info/PKG-INFO", "z"),
            ("omnibuild.toml", "[verify]"),
        ]);
        assert_eq!(clean, used);
    }

    #[test]
    fn names_and_contents_decide() {
        let one = digest_of(&[("setup.py", "x"), ("b.py", "y")]);
        assert_ne!(one, digest_of(&[("setup.py", "x"), ("c.py", "y")]));
        assert_ne!(one, digest_of(&[("setup.py", "x"), ("b.py", "z")]));
        assert_ne!(
            one,
            digest_of(&[("setup.py", "x"), ("b.py", "y"), (".hidden", "")])
        );
    }

    #[test]
    fn ignored_files_are_no_source() {
        let with = digest_of(&[(".gitignore", "*.log\n"), ("x.log", "1"), ("setup.py", "")]);
        let without = digest_of(&[(".gitignore", "*.log\n"), ("setup.py", "")]);
        assert_eq!(with, without);
    }

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
