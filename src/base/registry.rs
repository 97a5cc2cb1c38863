//! Bases out of a registry for an engine that asks none, or is refused: read here with the user's credentials,
//! and given to it as root file systems.
//!
//! Only from the registry that a name begins with: no other is known.

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::plan::{BasePlan, RepositoryName};
use crate::platform::ImageRef;
use crate::registry::{Patience, PulledImage, Registry, Use};

/// The tag of a name that has none.
const LATEST: &str = "latest";

/// The base as its registry has it.
///
/// # Errors
/// [`Kind::Network`] when the name begins with no registry, or that one does not give it.
pub(super) async fn pull(
    context: &Context<'_>,
    plan: &BasePlan,
    patience: Patience,
) -> Result<PulledImage> {
    let image = &plan.image;
    let Some((repository, reference)) = address(image) else {
        let text = format!("can't pull `{image}`: its name begins with no registry");
        return Err(Error::new(Kind::Network, text).hint(format!(
            "name one, since the sandbox knows none by itself: `[platform.{}] image = \"registry.example/{image}\"`",
            plan.platform
        )));
    };
    let reporter = context.report.reporter();
    let registry = Registry::open(&repository, Use::Pull, context.network, patience, reporter)?;
    let pulled = registry.pull(&reference, plan.arch).await?;
    pulled.ok_or_else(|| {
        let text = format!("can't pull `{image}`: the registry has no such image");
        Error::new(Kind::Network, text)
            .hint("correct its name or tag; some registries hide what an account may not see: `docker login` or `podman login`")
    })
}

/// Whether a name begins with a registry.
pub(super) fn is_named(image: &ImageRef) -> bool {
    address(image).is_some()
}

/// The repository of a full name, and the tag or digest there.
fn address(image: &ImageRef) -> Option<(RepositoryName, String)> {
    let (name, digest) = match image.as_str().split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image.as_str(), None),
    };
    // A colon before the last slash is a port's.
    let path = name.rfind('/').unwrap_or(0);
    let (name, tag) = match name[path..].find(':') {
        Some(colon) => (&name[..path + colon], &name[path + colon + 1..]),
        None => (name, LATEST),
    };
    let repository = name.parse().ok()?;
    Some((repository, digest.unwrap_or(tag).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_is_a_repository_and_what_is_there() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let both = format!("registry.example/a/b:1@{digest}");
        for (name, repository, reference) in [
            ("registry.example/rocky:9", "registry.example/rocky", "9"),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest"),
            (&both, "registry.example/a/b", &digest),
        ] {
            let (found, what) = address(&name.parse().unwrap()).unwrap();
            assert_eq!((found.as_str(), what.as_str()), (repository, reference));
        }
        for name in ["rocky:9", "library/rocky:9", "rocky"] {
            assert!(address(&name.parse().unwrap()).is_none(), "{name}");
        }
    }
}
