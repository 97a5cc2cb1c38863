//! The bundle of a platform: made on the platform itself, or once in a run for all that take it from
//! the same one.
//!
//! Knows the stages up to the bundle; which platform makes a bundle, the plan has decided.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::base::BaseImage;
use crate::bundle::Bundle;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::PlatformPlan;
use crate::platform::PlatformId;

use super::stages::PlatformBuild;

/// A bundle, and what it was made in.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) bundle: Bundle,
    pub(super) base: BaseImage,
    pub(super) builder: BuilderImage,
    /// Whether its wheels were in the cache.
    pub(super) wheels_reused: bool,
}

/// What came of making a bundle; why it is not there, for those that wait for it.
type Attempt = std::result::Result<Made, (Kind, String)>;

/// The bundles of a run that more than one platform takes.
#[derive(Debug, Default)]
pub(super) struct SharedBundles {
    cells: Mutex<BTreeMap<PlatformId, Arc<OnceCell<Attempt>>>>,
}

impl SharedBundles {
    fn of(&self, maker: &PlatformId) -> Arc<OnceCell<Attempt>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(maker.clone()).or_default())
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
        if plan.python.standalone.is_none() {
            let made = self.make(context, plan, reused).await?;
            let (base, builder) = (made.base.clone(), made.builder.clone());
            return Ok((made, base, builder));
        }
        let maker = plan.bundled_by();
        if maker.id != plan.id {
            self.report
                .note(&format!("the bundle is made on {}", maker.id));
        }
        let cell = self.run.shared().of(&maker.id);
        let mut own_error = None;
        let mut own_reused = None;
        let made = cell
            .get_or_init(async || {
                let mut names = Vec::new();
                match self.make(context, maker, &mut names).await {
                    Ok(made) => {
                        own_reused = Some(names);
                        Ok(made)
                    }
                    Err(error) => {
                        let failed = (error.kind(), error.message().to_owned());
                        own_error = Some(error);
                        Err(failed)
                    }
                }
            })
            .await;
        let made = match (made, own_error) {
            (Ok(made), _) => made.clone(),
            (Err(_), Some(error)) if maker.id == plan.id => return Err(error),
            (Err(_), Some(error)) => {
                return Err(error.context(format!("the bundle, made on {}", maker.id)));
            }
            (Err((kind, why)), None) => {
                return Err(Error::new(
                    *kind,
                    format!("the bundle, made on {}: {why}", maker.id),
                )
                .hint("the platform that began to make it says more: its bundle is this one's too"));
            }
        };
        if maker.id == plan.id {
            reused.extend(own_reused.unwrap_or_default());
            let (base, builder) = (made.base.clone(), made.builder.clone());
            return Ok((made, base, builder));
        }
        let base = self.base(context, plan, reused).await?;
        let builder = self.image(context, plan, &base, reused).await?;
        if made.wheels_reused {
            reused.push("wheels".to_owned());
        }
        Ok((made, base, builder))
    }

    /// Base, image, wheels, bundle.
    async fn make(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        reused: &mut Vec<String>,
    ) -> Result<Made> {
        let base = self.base(context, plan, reused).await?;
        let builder = self.image(context, plan, &base, reused).await?;
        let bundle = self
            .again_when_damaged(async || {
                let wheels = self.wheels(context, plan, &builder, reused).await?;
                self.bundle(context, plan, &builder, wheels).await
            })
            .await?;
        Ok(Made {
            wheels_reused: reused.iter().any(|name| name == "wheels"),
            bundle,
            base,
            builder,
        })
    }
}
