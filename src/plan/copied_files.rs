//! Files and folders of the project that lines of `dockerfile` copy into images.
//!
//! Reads and hashes; where they go is decided by `image_lines`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Config, Instruction};
use crate::error::{Error, Kind, Result};

use super::inputs::NOT_SOURCE;
use super::project_files::{ProjectFile, file, link_target};

/// What is copied to one path.
#[derive(Debug, Clone)]
pub enum CopiedEntry {
    /// A folder.
    Folder,
    /// A symbolic link, and what it says.
    Link(String),
    /// A file.
    File(ProjectFile),
}

/// What a source of `COPY` is.
#[derive(Debug, Clone)]
pub enum CopySource {
    /// A file.
    File(ProjectFile),
    /// A folder, by the paths below it.
    Folder(BTreeMap<String, CopiedEntry>),
}

/// Reads what the images of a configuration copy, by path relative to the root.
pub(super) fn read(config: &Config) -> Result<BTreeMap<String, CopySource>> {
    let mut read = BTreeMap::new();
    for (name, image) in &config.images {
        for line in &image.dockerfile {
            let Instruction::Copy(copy) = line.instruction()? else {
                continue;
            };
            for path in &copy.sources {
                let path = path.as_str();
                if read.contains_key(path) {
                    continue;
                }
                let source = source(&config.root, path).map_err(|error| {
                    let error = error.context(format!("images.{name}: `{}`", line.as_str()));
                    config.places.locate_text(line.as_str(), error)
                })?;
                read.insert(path.to_owned(), source);
            }
        }
    }
    Ok(read)
}

pub(super) fn source(root: &Path, path: &str) -> Result<CopySource> {
    let there = root.join(path);
    let first = path.split('/').next().unwrap_or_default();
    if NOT_SOURCE.contains(&first) {
        let text = format!("`{path}` is of what tools write");
        return Err(Error::new(Kind::Config, text).hint("name files and folders of the source"));
    }
    if !there.is_dir() {
        return file(root, path).map(CopySource::File);
    }
    let real = fs_err::canonicalize(&there)?;
    if !real.starts_with(root) {
        let text = format!("`{path}` leads out of the project, to `{}`", real.display());
        return Err(Error::new(Kind::Config, text)
            .hint("put the folder into the project: images are made of nothing else"));
    }
    let mut entries = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&real)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|error| Error::new(Kind::Config, error.to_string()))?;
        let below = entry.path().strip_prefix(&real).unwrap_or(entry.path());
        let below = below
            .to_str()
            .filter(|text| !text.contains(char::is_control));
        let below = below.ok_or_else(|| {
            let text = format!("`{}` is no name for an image", entry.path().display());
            Error::new(Kind::Config, text).hint("rename the file: UTF-8 without control characters")
        })?;
        let made = if entry.path_is_symlink() {
            CopiedEntry::Link(link_target(entry.path())?)
        } else if entry.file_type().is_dir() {
            CopiedEntry::Folder
        } else {
            CopiedEntry::File(file(root, &format!("{path}/{below}"))?)
        };
        entries.insert(below.to_owned(), made);
    }
    Ok(CopySource::Folder(entries))
}

impl CopiedEntry {
    /// What of it decides an image.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Folder => "folder".to_owned(),
            Self::Link(target) => format!("link {target}"),
            Self::File(file) => format!("{:o} {}", file.mode(), file.digest),
        }
    }
}

impl ProjectFile {
    /// The permission bits that it has where nobody says others: what its owner may do with it, whatever the
    /// umask of who checked it out.
    pub fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}
