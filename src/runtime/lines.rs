//! The lines of `dockerfile`, done in the container of an image in the order in which they stand.
//!
//! What they say was read and checked by the plan; only what an image leaves out is known here, so who plans asks
//! [`check_destination`].

use std::path::Path;

use crate::archive::ArchiveWriter;
use crate::digest::Digest;
use crate::engine::Exec;
use crate::error::{Error, Kind, Result};
use crate::plan::project_files::{FolderEntry, ProjectFile};
use crate::plan::{CopyPlan, ImageLine, LineWork, RuntimePlan};

use super::omitted::is_in_no_image;

/// Where the commands and files of lines are, each below its number.
const PLACE: &str = "omnibuild/lines";

/// What an error of a line begins with.
fn place(image: &RuntimePlan, line: &ImageLine) -> String {
    format!("images.{}: `{}`", image.name, line.text)
}

/// That a line copies nothing to where an image has nothing.
///
/// # Errors
/// [`Kind::Config`].
pub fn check_destination(image: &RuntimePlan, line: &ImageLine) -> Result<()> {
    let LineWork::Copy(copy) = &line.work else {
        return Ok(());
    };
    let mut below = copy.entries.keys().map(|path| match &copy.destination {
        folder if folder.ends_with('/') => format!("{folder}{path}"),
        file => file.clone(),
    });
    let lost = below.find(|path| is_in_no_image(Path::new(path.trim_start_matches('/'))));
    match lost {
        None => Ok(()),
        Some(lost) => {
            let text = format!("{}: `{lost}` would be in no image", place(image, line));
            Err(Error::new(Kind::Config, text).hint(
                "temporary files, logs, caches of package managers and what engines mount are left out: choose another destination",
            ))
        }
    }
}

/// An archive with what the lines need in the container, to unpack at `/`.
///
/// # Errors
/// [`Kind::Config`] for a file that is another by now than the one that was read.
pub(super) fn archive(image: &RuntimePlan) -> Result<tempfile::TempPath> {
    // What is copied has its time from here.
    let mut archive = ArchiveWriter::new(image.epoch)?;
    for (number, line) in image.lines.iter().enumerate() {
        let folder = format!("{PLACE}/{number}");
        match &line.work {
            LineWork::Run(command) => {
                archive.bytes(&format!("{folder}/run"), 0o644, command.as_bytes())?;
            }
            LineWork::Copy(copy) => add(&mut archive, &folder, copy)?,
        }
    }
    archive.finish()
}

fn add(archive: &mut ArchiveWriter, folder: &str, copy: &CopyPlan) -> Result<()> {
    let mut list = String::new();
    for (path, entry) in &copy.entries {
        let there = format!("{folder}/files/{path}");
        let kind = match entry {
            FolderEntry::Folder => {
                archive.folder(&there)?;
                "folder"
            }
            FolderEntry::Link(target) => {
                archive.link(&there, target)?;
                "link"
            }
            FolderEntry::File(file) => {
                if let Some(bytes) = &file.bytes {
                    archive.bytes(&there, file.mode(), bytes)?;
                } else {
                    archive.file(&there, file.mode(), &file.place)?;
                    check_unchanged(file)?;
                }
                "file"
            }
        };
        list += &format!("{kind} {path}\n");
    }
    archive.bytes(&format!("{folder}/list"), 0o644, list.as_bytes())
}

fn check_unchanged(file: &ProjectFile) -> Result<()> {
    if Digest::of_file(&file.place)? == file.digest {
        return Ok(());
    }
    let text = format!("`{}` was changed while the image was made", file.path);
    Err(Error::new(Kind::Config, text).hint("build again when nobody writes to it"))
}

/// The command that does a line, and what an error of it begins with.
pub(super) fn command(image: &RuntimePlan, number: usize, line: &ImageLine) -> (Exec, String) {
    let folder = format!("/{PLACE}/{number}");
    let exec = match &line.work {
        LineWork::Run(_) => Exec::new(["/bin/sh", "-e", &format!("{folder}/run")]),
        LineWork::Copy(copy) => {
            let mode = copy.mode.map(|mode| format!("{mode:o}"));
            Exec::new(["/bin/sh", "/omnibuild/copy_files.sh"])
                .arg(folder)
                .arg(&copy.destination)
                .arg(copy.owner.clone().unwrap_or_default())
                .arg(mode.unwrap_or_default())
        }
    };
    (exec, place(image, line))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn nothing_is_copied_to_where_an_image_has_nothing() {
        let image = |destination: &str, name: &str| RuntimePlan {
            name: "core".to_owned(),
            from: None,
            packages: Vec::new(),
            run: crate::plan::RunConfig::default(),
            labels: BTreeMap::new(),
            lines: vec![ImageLine {
                text: "COPY a b".to_owned(),
                work: LineWork::Copy(CopyPlan {
                    entries: BTreeMap::from([(name.to_owned(), FolderEntry::Folder)]),
                    destination: destination.to_owned(),
                    owner: None,
                    mode: None,
                }),
            }],
            largest_size: None,
            repositories: Vec::new(),
            tags: Vec::new(),
            epoch: 0,
        };
        let check = |image: &RuntimePlan| check_destination(image, &image.lines[0]);
        for (destination, name) in [("/tmp/", "a"), ("/run/a", "a"), ("/", "var/log/a")] {
            let error = check(&image(destination, name)).unwrap_err();
            let begin = "images.core: `COPY a b`: `/";
            assert!(error.message().starts_with(begin), "{error}");
        }
        check(&image("/", "srv/tmp")).unwrap();
    }
}
