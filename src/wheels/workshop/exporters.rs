//! Locks of other tools, through their own exporters.
//!
//! Runs what wrote a lock; reads what it exports.

use std::collections::BTreeSet;

use crate::archive::{self, ArchiveWriter};
use crate::error::{Error, Kind, Result};
use crate::plan::pylock::Pylock;
use crate::plan::requirements::{Content, RequirementFile};
use crate::plan::{ForeignLock, ForeignLockKind};

use super::uv::uv;
use super::{Tool, Workshop};

const FOLDER: &str = "/omnibuild/lock";

impl Workshop<'_> {
    /// What another tool's lock holds, where the project has one.
    pub(in crate::wheels) async fn export(&self) -> Result<Option<Pylock>> {
        let Some(lock) = &self.request.foreign_lock else {
            return Ok(None);
        };
        if self.tool == Tool::Pip {
            return Err(Error::new(
                Kind::Resolve,
                format!(
                    "`{}` can't be read for Python {}: its exporter needs uv",
                    lock.path, self.builder.interpreter.version
                ),
            )
            .hint("export it to a requirement file with hashes, and name that in `requirements`"));
        }
        let mut archive = ArchiveWriter::new(0)?;
        for (name, bytes) in &lock.files {
            archive.bytes(&format!("{}/{name}", &FOLDER[1..]), 0o644, bytes)?;
        }
        self.container.upload("/", &archive.finish()?).await?;
        let exported = self.exported(lock).await;
        exported
            .map(Some)
            .map_err(|error| error.context(format!("exporting `{}`", lock.path)))
    }

    async fn exported(&self, lock: &ForeignLock) -> Result<Pylock> {
        let extras = lock
            .extras
            .iter()
            .flat_map(|extra| ["--extra", extra.as_str()]);
        match lock.kind {
            ForeignLockKind::Uv => {
                let exec = uv(&[
                    "export",
                    "--quiet",
                    "--frozen",
                    "--no-header",
                    "--no-default-groups",
                    "--no-emit-project",
                ])
                .args(["--format", "pylock.toml", "--output-file", super::uv::LOCK])
                .args(extras)
                .cwd(FOLDER);
                self.locked(&exec).await
            }
            ForeignLockKind::Poetry => {
                let extras = lock
                    .extras
                    .iter()
                    .flat_map(|extra| ["--extras", extra.as_str()]);
                let exec = uv(&[
                    "tool",
                    "run",
                    "--quiet",
                    "--from",
                    "poetry",
                    "--with",
                    "poetry-plugin-export",
                ])
                .args(["poetry", "export", "--format", "requirements.txt"])
                .args(["--output", "/omnibuild/exported.txt"])
                .args(extras)
                .cwd(FOLDER);
                self.container.run(&exec).await?;
                let exec =
                    self.compile(&["--no-deps", "--generate-hashes", "/omnibuild/exported.txt"]);
                let lock = self.locked(&exec).await?;
                let archive = self.container.download("/omnibuild/exported.txt").await?;
                let mut text = String::new();
                archive::for_each_file(&archive, |_, content| {
                    content.read_to_string(&mut text)?;
                    Ok(())
                })?;
                limited(lock, &text)
            }
        }
    }
}

/// The lock with only those files whose digests the exported requirements name.
fn limited(mut lock: Pylock, exported: &str) -> Result<Pylock> {
    let file = RequirementFile::parse("the exported lock", exported.as_bytes())?;
    let mut digests = BTreeSet::new();
    for line in &file.lines {
        if let Content::Requirement { options, .. } = &line.content {
            let hashes = options.iter().filter(|option| option.name == "--hash");
            digests.extend(
                hashes.filter_map(|option| option.value.as_deref()?.strip_prefix("sha256:")),
            );
        }
    }
    for package in &mut lock.packages {
        package
            .wheels
            .retain(|file| digests.contains(file.digest.as_str()));
        package.sdist = package
            .sdist
            .take()
            .filter(|file| digests.contains(file.digest.as_str()));
        if package.wheels.is_empty() && package.sdist.is_none() {
            return Err(Error::new(
                Kind::Resolve,
                format!(
                    "the index has no file of `{}` with a digest that the lock names",
                    package.name
                ),
            )
            .hint(
                "find out who changed the files; if the new ones are to be trusted, lock again",
            ));
        }
    }
    Ok(lock)
}
