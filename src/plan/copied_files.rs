//! Files and folders of the project that lines of `dockerfile` copy into images.
//!
//! Reads and hashes; where they go is decided by `image_lines`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Config, Instruction};
use crate::error::{Error, Kind, Result};

use super::project_files::{FolderEntry, ProjectFile, content, file, inside};
use super::source::NOT_SOURCE;

/// What a source of `COPY` is.
#[derive(Debug, Clone)]
pub enum CopySource {
    /// A file.
    File(ProjectFile),
    /// A folder, by the paths below it.
    Folder(BTreeMap<String, FolderEntry>),
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
    inside(root, path).map_err(|error| {
        error.hint("put the folder into the project: images are made of nothing else")
    })?;
    let entries = content(root, path)?;
    if let Some(below) = entries.keys().find(|path| path.contains(char::is_control)) {
        let text = format!("`{}` is no name for an image", there.join(below).display());
        return Err(Error::new(Kind::Config, text)
            .hint("rename the file: UTF-8 without control characters"));
    }
    Ok(CopySource::Folder(entries))
}

impl FolderEntry {
    /// What of it decides an image.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Folder => "folder".to_owned(),
            Self::Link(target) => format!("link {target}"),
            Self::File(file) => format!("{:o} {}", file.mode(), file.digest),
        }
    }
}
