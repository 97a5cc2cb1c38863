//! The source tree of a project: which of its files are source, what they are, and what git says of them.
//!
//! Reads and hashes; writes nothing, decides nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::config::project::OWN_FILE;
use crate::digest::{Digest, KeyBuilder};
use crate::error::{Error, Kind, Result};

use super::project_files::link_target;

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

impl Source {
    pub(super) fn read(root: &Path) -> Result<Self> {
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
                let target = link_target(entry.path())?;
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
pub(super) fn commit(root: &Path) -> Option<(String, bool)> {
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
pub(super) fn git(root: &Path, words: &[&str]) -> Option<String> {
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
}
