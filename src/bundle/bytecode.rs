//! Byte code of sources at their final places: packed here, compiled in the builder, unpacked here.
//!
//! Decides nothing about sources; knows neither wheels nor layers.

use std::path::{Path, PathBuf};

use tempfile::{TempDir, TempPath};

use crate::archive::{self, ArchiveWriter};
use crate::engine::{Container, Exec};
use crate::error::Result;
use crate::interpreter::Interpreter;
use crate::steps::step_script;

/// Where the container is given sources and leaves byte code.
const LIST: &str = "/omnibuild/sources.txt";
const BYTECODE: &str = "/omnibuild/bytecode";

/// Sources that are to be compiled.
pub(super) struct Sources {
    archive: ArchiveWriter,
    list: String,
}

impl Sources {
    /// None yet.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            archive: ArchiveWriter::new(0)?,
            list: String::new(),
        })
    }

    /// Names a source by its final absolute path; what it says goes to the
    /// [`archive`](Self::archive), relative to `/`.
    pub(super) fn name(&mut self, path: &str) {
        self.list.push_str(path);
        self.list.push('\n');
    }

    /// Takes what the sources say.
    pub(super) fn archive(&mut self) -> &mut ArchiveWriter {
        &mut self.archive
    }

    /// All that the container needs.
    pub(super) fn finish(mut self) -> Result<TempPath> {
        self.archive.folder(&BYTECODE[1..])?;
        self.archive.bytes(
            "omnibuild/compile_bytecode.py",
            0o644,
            &step_script("compile_bytecode.py"),
        )?;
        self.archive
            .bytes(&LIST[1..], 0o644, self.list.as_bytes())?;
        self.archive.finish()
    }
}

/// Compiles sources with the bundle's interpreter; answers an archive of byte code.
pub(super) async fn compile(
    container: &Container<'_>,
    interpreter: &Interpreter,
    sources: &Path,
) -> Result<TempPath> {
    container.upload("/", sources).await?;
    let exec = Exec::new([interpreter.executable.as_str()])
        .args(interpreter.isolated().iter().copied())
        .args(["/omnibuild/compile_bytecode.py", LIST, BYTECODE]);
    container
        .run(&exec)
        .await
        .map_err(|error| error.context("byte code"))?;
    container.download(BYTECODE).await
}

/// Unpacks byte code into a folder that mirrors absolute paths; the archive's top folder is that of
/// the container.
pub(super) fn unpack(archive: &Path) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    archive::for_each_file(archive, |path, content| {
        let inside: PathBuf = path.components().skip(1).collect();
        let place = folder.path().join(inside);
        if let Some(parent) = place.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut file = fs_err::File::create(&place)?;
        std::io::copy(content, &mut file)?;
        Ok(())
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacking_drops_the_top_folder() {
        let mut writer = ArchiveWriter::new(0).unwrap();
        writer
            .bytes("bytecode/opt/x/a.pyc", 0o644, b"code")
            .unwrap();
        let archive = writer.finish().unwrap();
        let folder = unpack(&archive).unwrap();
        assert_eq!(
            fs_err::read(folder.path().join("opt/x/a.pyc")).unwrap(),
            b"code"
        );
    }
}
