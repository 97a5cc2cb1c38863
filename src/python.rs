//! The archive of the Python that packages bring: kept under its digest, else taken from the place that
//! the plan names.
//!
//! What is in an archive is [`standalone`](crate::standalone)'s to say.

use std::path::Path;

use crate::context::{Context, in_background};
use crate::digest::{Digest, DigestWriter};
use crate::download::Downloads;
use crate::error::{Error, Kind, Result};
use crate::fsutil::{Lock, Staged};
use crate::plan::requirements::without_credentials;
use crate::plan::{ArchivePlace, PythonPlan, StandalonePlan};
use crate::standalone::Archive;

/// The archive that a plan names, checked; `None` where the platform's own Python is used.
///
/// Fails with [`Kind::Missing`] when a named file is not there, [`Kind::Network`] when its server does
/// not give it, and [`Kind::Damaged`] when it is not what its digest says.
pub async fn ensure(context: &Context<'_>, plan: &PythonPlan) -> Result<Option<Archive>> {
    let Some(standalone) = &plan.standalone else {
        return Ok(None);
    };
    let archive = Archive {
        path: context
            .caches
            .pythons()
            .join(format!("{}.tar", standalone.digest)),
        minor: plan.minor.clone(),
    };
    if !is_kept(&archive.path, &standalone.digest).await? {
        keep(context, standalone, &archive.path).await?;
    }
    Ok(Some(archive))
}

/// Whether the archive is there and whole.
async fn is_kept(path: &Path, digest: &Digest) -> Result<bool> {
    let (path, digest) = (path.to_owned(), digest.clone());
    in_background(move || Ok(path.is_file() && Digest::of_file(&path)? == digest)).await
}

async fn keep(context: &Context<'_>, plan: &StandalonePlan, kept: &Path) -> Result<()> {
    let folder = context.caches.pythons();
    // Two runs at once fetch once.
    let lock = kept.with_extension("lock");
    let _lock = in_background(move || Lock::exclusive(&lock)).await?;
    if is_kept(kept, &plan.digest).await? {
        return Ok(());
    }
    let (staged, found, place) = match &plan.place {
        ArchivePlace::File(path) => {
            let place = path.display().to_string();
            let (staged, found) = copy(path, &folder).await?;
            (staged, found, place)
        }
        ArchivePlace::Url(url) => {
            let place = without_credentials(url);
            context
                .report
                .note(&format!("fetching the archive of Python from {place}"));
            let fetched = Downloads::new(context.network)?.get(url, &folder).await;
            let (staged, found) = fetched.map_err(|error| {
                error
                    .context("the archive of Python")
                    .hint("check the network, the proxy variables and --ca-bundle")
                    .hint("set OMNIBUILD_PYTHON_MIRROR or `python-mirror` to a mirror or a folder that has it, or name a file in `[python.archive]` of platforms.toml; `omnibuild python build` makes one")
            })?;
            (staged, found, place)
        }
    };
    if found != plan.digest {
        return Err(Error::new(
            Kind::Damaged,
            format!(
                "the archive of Python at `{place}` is not what it should be: its sha256 is {found}, and {} is expected",
                plan.digest
            ),
        )
        .hint("compare both with what its publisher says: correct `sha256` in `[python.archive]` of platforms.toml, or the mirror"));
    }
    staged.commit(kept)
}

async fn copy(path: &Path, folder: &Path) -> Result<(Staged, Digest)> {
    let (path, mut staged) = (path.to_owned(), Staged::create(folder)?);
    in_background(move || {
        let mut file = fs_err::File::open(&path).map_err(|error| {
            Error::new(
                Kind::Missing,
                format!("the archive of Python can't be read: {error}"),
            )
            .hint("put it there, or correct its place in `[python.archive]` of platforms.toml, or the folder that OMNIBUILD_PYTHON_MIRROR or `python-mirror` names")
        })?;
        let mut writer = DigestWriter::new(staged.writer());
        std::io::copy(&mut file, &mut writer)
            .map_err(|error| Error::io("copy", &path, &error))?;
        let found = writer.finish().0;
        Ok((staged, found))
    })
    .await
}
