//! What targets share: a bundle that is made once in a run for all that take it from the same one, and
//! the packages of a platform that are the same for every architecture.
//!
//! Knows the stages up to the bundle; which platform makes a bundle, the plan has decided.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::base::BaseImage;
use crate::bundle::Bundle;
use crate::context::Context;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::package::{Artifact, Built};
use crate::plan::{PackageContent, PlatformPlan};
use crate::platform::{PlatformId, TargetId};

use super::stages::PlatformBuild;

/// A bundle, and what it was made in.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) bundle: Bundle,
    pub(super) base: BaseImage,
    pub(super) builder: BuilderImage,
    /// What of it was there already.
    reused: Vec<String>,
}

/// What came of making a bundle; why it is not there, for those that wait for it.
type Attempt = std::result::Result<Made, (Kind, String)>;

/// The bundles of a run that more than one platform takes.
#[derive(Debug, Default)]
pub(super) struct SharedBundles {
    cells: Mutex<BTreeMap<TargetId, Arc<OnceCell<Attempt>>>>,
}

impl SharedBundles {
    fn of(&self, maker: &TargetId) -> Arc<OnceCell<Attempt>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(maker.clone()).or_default())
    }
}

/// The packages for every architecture that this run wrote or found up to date, by their files.
#[derive(Debug, Default)]
pub(super) struct SameForAll {
    seen: Mutex<BTreeMap<(PlatformId, String), (TargetId, Digest)>>,
}

impl SameForAll {
    /// That a target's packages for every architecture are those of the platform's other architectures: one
    /// file stands for all of them.
    pub(super) fn agree(&self, plan: &PlatformPlan, packages: &[Built]) -> Result<()> {
        for package in packages {
            let own = plan.packages.iter().find(|own| own.name == package.name);
            if own.is_some_and(|own| own.content != PackageContent::Bundle) {
                self.compare(&plan.id, &package.artifact)?;
            }
        }
        Ok(())
    }

    fn compare(&self, target: &TargetId, artifact: &Artifact) -> Result<()> {
        let Artifact {
            file_name, digest, ..
        } = artifact;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (target.platform().clone(), file_name.clone());
        let (other, there) = seen
            .entry(place)
            .or_insert_with(|| (target.clone(), digest.clone()));
        if there == digest {
            return Ok(());
        }
        Err(Error::new(
            Kind::Config,
            format!("`{file_name}` is for every architecture, and {target} makes another than {other}"),
        )
        .hint(
            "what it holds may not depend on the architecture: look for markers of requirements that give commands to one of them, \
             and for folders of the overlay that are named for one; name the `links` that both have",
        ))
    }
}

impl PlatformBuild<'_> {
    /// The bundle of a platform, and its own base and builder. `reused` takes the names of what was
    /// there already.
    pub(super) async fn made(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        reused: &mut Vec<String>,
    ) -> Result<(Made, BaseImage, BuilderImage)> {
        let maker = plan.bundled_by();
        let made = match plan.python.standalone {
            None => self.make(context, plan).await?,
            Some(_) => self.shared(context, plan, maker).await?,
        };
        if maker.id == plan.id {
            reused.clone_from(&made.reused);
            let (base, builder) = (made.base.clone(), made.builder.clone());
            return Ok((made, base, builder));
        }
        let base = self.base(context, plan, reused).await?;
        let builder = self.image(context, plan, &base, reused).await?;
        let wheels = made.reused.iter().filter(|name| *name == "wheels");
        reused.extend(wheels.cloned());
        Ok((made, base, builder))
    }

    /// The bundle that `maker` makes, by whoever asks for it first.
    async fn shared(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        maker: &PlatformPlan,
    ) -> Result<Made> {
        let place = || format!("the bundle, made on {}", maker.id);
        if maker.id != plan.id {
            let text = format!("the bundle is made on {}", maker.id);
            self.report.note(&text);
        }
        let cell = self.run.shared().of(&maker.id);
        let mut own = None;
        let attempt = cell
            .get_or_init(async || {
                self.make(context, maker).await.map_err(|error| {
                    let failed = (error.kind(), error.message().to_owned());
                    own = Some(error);
                    failed
                })
            })
            .await;
        match (attempt, own) {
            (Ok(made), _) => Ok(made.clone()),
            (Err(_), Some(error)) if maker.id == plan.id => Err(error),
            (Err(_), Some(error)) => Err(error.context(place())),
            (Err((kind, why)), None) => Err(Error::new(*kind, format!("{}: {why}", place())).hint(
                "the platform that began to make it says more: its bundle is this one's too",
            )),
        }
    }

    /// Base, image, wheels, bundle.
    async fn make(&self, context: &Context<'_>, plan: &PlatformPlan) -> Result<Made> {
        let mut reused = Vec::new();
        let base = self.base(context, plan, &mut reused).await?;
        let builder = self.image(context, plan, &base, &mut reused).await?;
        let bundle = self
            .again_when_damaged(async || {
                let wheels = self.wheels(context, plan, &builder, &mut reused).await?;
                self.bundle(context, plan, &builder, wheels).await
            })
            .await?;
        Ok(Made {
            bundle,
            base,
            builder,
            reused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_for_every_architecture_is_the_same_from_each() {
        let artifact = |content: &str| Artifact {
            file_name: "mytool-cli_1_all.deb".to_owned(),
            size: 1,
            digest: Digest::of(content),
        };
        let target = |text: &str| text.parse::<TargetId>().unwrap();
        let same = SameForAll::default();
        for name in ["debian-12", "debian-12/arm64", "debian-12"] {
            same.compare(&target(name), &artifact("one")).unwrap();
        }
        same.compare(&target("debian-13"), &artifact("two"))
            .unwrap();
        let error = same
            .compare(&target("debian-12/arm64"), &artifact("two"))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let end = "debian-12/arm64 makes another than debian-12";
        assert!(error.message().ends_with(end), "{error}");
        assert!(!error.hints().is_empty());
    }
}
