//! Packages of an earlier version out of the project's repository, for a verification and a
//! comparison.
//!
//! Decides nothing about versions; how they are fetched is [`crate::repository`]'s.

use std::path::{Path, PathBuf};

use crate::base::BaseImage;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::fsutil::sorted_walk;
use crate::package::read;
use crate::plan::PlatformPlan;
use crate::report::StageHandle;
use crate::repository::{self, Wanted};
use crate::text::counted;

/// Packages that a repository had.
pub(super) struct Found {
    /// The package files of one version.
    pub(super) files: Vec<PathBuf>,
    /// The repository and the version.
    pub(super) from: String,
}

/// Fetches the packages of a version; `None`: there is none below the one that was built.
pub(super) async fn look(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    base: &BaseImage,
    wanted: &Wanted,
    place: &Path,
) -> Result<Option<Found>> {
    let Some(repository) = &plan.verify.repository else {
        return Err(Error::new(
            Kind::Config,
            format!("no repository is configured for {}", plan.id),
        )
        .hint(format!(
            "name one in `[verify.repository.{}]`: see docs/configuration.md",
            plan.family
        )));
    };
    let from = repository.describe();
    stage.message(&format!("asking the repository {from}"));
    let fetched = repository::fetch(context, plan, repository, base, wanted, place).await?;
    let Some(fetched) = fetched else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for name in sorted_walk(&fetched.folder)? {
        let file = fetched.folder.join(name);
        let package = read::read(&file)?;
        let planned = plan
            .packages
            .iter()
            .any(|one| one.name.as_str() == package.name);
        if !planned || package.full_version() != fetched.version {
            return Err(Error::new(
                Kind::Damaged,
                format!(
                    "the repository {from} has {} {} in the place of version {}",
                    package.name,
                    package.full_version(),
                    fetched.version
                ),
            )
            .hint("its lists and its packages disagree: make them anew"));
        }
        files.push(file);
    }
    stage.message(&format!(
        "{} of {}",
        counted(files.len(), "package"),
        fetched.version
    ));
    Ok(Some(Found {
        files,
        from: format!("{from}, version {}", fetched.version),
    }))
}
