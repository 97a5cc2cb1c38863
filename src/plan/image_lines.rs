//! What the lines of `dockerfile` do in an image: commands, and files of the project that are copied.
//!
//! Decides with what was read; runs and copies nothing.

use std::collections::BTreeMap;

use crate::config::package::FileMode;
use crate::config::{CopyLine, DockerfileLine, Instruction};
use crate::digest::KeyBuilder;
use crate::error::{Error, Kind, Result};

use super::copied_files::CopySource;
use super::project_files::{FolderEntry, ProjectFile};

/// A line of `dockerfile`, and what it does.
#[derive(Debug, Clone)]
pub struct ImageLine {
    /// The line as it is written.
    pub text: String,
    /// What it does.
    pub work: LineWork,
}

/// What a line does.
#[derive(Debug, Clone)]
pub enum LineWork {
    /// Runs a command of `/bin/sh`.
    Run(String),
    /// Copies files.
    Copy(CopyPlan),
}

/// Files that are copied into an image.
#[derive(Debug, Clone)]
pub struct CopyPlan {
    /// What is copied, by its path below the destination where that is a folder. Where it may be a file, this
    /// is one file.
    pub entries: BTreeMap<String, FolderEntry>,
    /// An absolute path, which ends with `/` where it is a folder in any case.
    pub destination: String,
    /// `user[:group]`; `None`: root's.
    pub owner: Option<String>,
    /// Permission bits of all that is new; `None`: 0755 or 0644.
    pub mode: Option<u32>,
}

/// What a line does, with the files that were read.
pub(super) fn planned(
    line: &DockerfileLine,
    read: &BTreeMap<String, CopySource>,
) -> Result<ImageLine> {
    let work = match line.instruction()? {
        Instruction::Run(command) => LineWork::Run(command),
        Instruction::Copy(copy) => LineWork::Copy(copied(copy, read)?),
    };
    Ok(ImageLine {
        text: line.as_str().trim().to_owned(),
        work,
    })
}

fn copied(copy: CopyLine, read: &BTreeMap<String, CopySource>) -> Result<CopyPlan> {
    let mut destination = copy.destination;
    let mut entries = BTreeMap::new();
    for path in &copy.sources {
        let path = path.as_str();
        let source = read
            .get(path)
            .ok_or_else(|| Error::new(Kind::Internal, format!("`{path}` was not read")))?;
        match source {
            CopySource::File(file) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                entries.insert(name.to_owned(), FolderEntry::File(file.clone()));
            }
            CopySource::Folder(content) => {
                if !destination.ends_with('/') {
                    destination.push('/');
                }
                entries.extend(content.clone());
            }
        }
    }
    Ok(CopyPlan {
        entries,
        destination,
        owner: copy.owner,
        mode: copy.mode.map(FileMode::bits),
    })
}

impl ImageLine {
    /// The files of the project that it copies.
    pub fn files(&self) -> impl Iterator<Item = &ProjectFile> {
        let entries = match &self.work {
            LineWork::Run(_) => None,
            LineWork::Copy(copy) => Some(copy.entries.values()),
        };
        entries
            .into_iter()
            .flatten()
            .filter_map(|entry| match entry {
                FolderEntry::File(file) => Some(file),
                FolderEntry::Folder | FolderEntry::Link(_) => None,
            })
    }

    /// A key with what of the line decides an image, by its place among the lines.
    pub fn key(&self, key: KeyBuilder, number: usize) -> KeyBuilder {
        let key = key.field(format!("line {number}"), &self.text);
        let LineWork::Copy(copy) = &self.work else {
            return key;
        };
        let entries = copy.entries.iter();
        let described = entries.map(|(path, entry)| (path, entry.described()));
        // Whether a source is a folder decides where its content goes.
        key.field(format!("line {number} to"), &copy.destination)
            .fields(&format!("line {number} copies "), described)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use fs_err as fs;

    use super::super::copied_files::source;
    use super::*;

    fn line(root: &Path, text: &str) -> Result<ImageLine> {
        let line: DockerfileLine = text.parse()?;
        let mut read = BTreeMap::new();
        if let Instruction::Copy(copy) = line.instruction()? {
            for path in &copy.sources {
                read.insert(path.as_str().to_owned(), source(root, path.as_str())?);
            }
        }
        planned(&line, &read)
    }

    fn key(root: &Path, text: &str) -> crate::digest::Digest {
        let line = line(root, text).unwrap();
        line.key(KeyBuilder::new("test", 1), 0).finish().digest
    }

    fn project() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("conf/empty")).unwrap();
        fs::write(root.join("conf/a"), "1").unwrap();
        fs::write(root.join("conf/run"), "1").unwrap();
        fs::set_permissions(
            root.join("conf/run"),
            std::fs::Permissions::from_mode(0o700),
        )
        .unwrap();
        fs_err::os::unix::fs::symlink("a", root.join("conf/link")).unwrap();
        fs::write(root.join("b"), "2").unwrap();
        (folder, root)
    }

    #[test]
    fn the_content_of_a_folder_and_files_go_below_a_folder() {
        let (_folder, root) = project();
        let made = line(&root, "COPY conf b /srv/").unwrap();
        let LineWork::Copy(copy) = made.work else {
            panic!("no copy");
        };
        let shown: Vec<String> = copy
            .entries
            .iter()
            .map(|(path, entry)| match entry {
                FolderEntry::Folder => format!("{path}/"),
                FolderEntry::Link(target) => format!("{path} -> {target}"),
                FolderEntry::File(file) => format!("{path} {:o}", file.mode()),
            })
            .collect();
        assert_eq!(shown, ["a 644", "b 644", "empty/", "link -> a", "run 755"]);
        let LineWork::Copy(copy) = line(&root, "COPY conf /srv").unwrap().work else {
            panic!("no copy");
        };
        assert_eq!(copy.destination, "/srv/");
    }

    #[test]
    fn content_and_mode_decide_and_times_do_not() {
        let (_folder, root) = project();
        let text = "COPY conf /srv/";
        let first = key(&root, text);
        let old = std::fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        fs::File::open(root.join("conf/a"))
            .unwrap()
            .file()
            .set_times(old)
            .unwrap();
        assert_eq!(key(&root, text), first);
        assert_ne!(key(&root, "COPY conf /opt/"), first);
        fs::write(root.join("conf/a"), "2").unwrap();
        let second = key(&root, text);
        assert_ne!(second, first);
        fs::set_permissions(root.join("conf/a"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(key(&root, text), second);
    }

    #[test]
    fn what_is_no_part_of_the_project_is_refused() {
        let (folder, root) = project();
        fs_err::os::unix::fs::symlink("/etc", root.join("outside")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        for (text, message, kind) in [
            ("COPY absent /b", "`absent` does not exist", Kind::Missing),
            ("COPY outside /b", "leads out of the project", Kind::Config),
            (
                "COPY outside/passwd /b",
                "leads out of the project",
                Kind::Config,
            ),
            ("COPY .git /b", "what tools write", Kind::Config),
        ] {
            let error = line(&root, text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
            assert_eq!(error.kind(), kind, "{text}");
        }
        drop(folder);
    }
}
