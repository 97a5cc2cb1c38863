//! `omnibuild cache verify`, `prune` and `clear`.
//!
//! Decides nothing about entries: the stores do.

use serde::Serialize;

use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::oci::{ImageLimits, PrunedImages};
use crate::report::human_size;
use crate::text::counted;
use crate::wheels::store::{Limits, Pruned};

use super::Cache;

/// Reads everything; an error when something is damaged.
pub(super) async fn verify(cache: &Cache<'_>) -> Result<()> {
    let put_aside = !cache.common.dry_run && cache.store.is_there();
    let _in_use = if put_aside {
        Some(cache.hold().await?)
    } else {
        None
    };
    let found = cache.store.inspect(put_aside)?;
    for text in found.damaged.iter().chain(&found.incomplete) {
        cache.reporter.warn(None, text, None);
    }
    let text = format!(
        "{}, {} read, {}: {} damaged, {} incomplete",
        counted(found.wheels, "wheel"),
        human_size(found.bytes),
        counted(found.sets, "set"),
        found.damaged.len(),
        found.incomplete.len()
    );
    cache.reporter.print_result("cache-verify", &text, &found)?;
    let bad = found.damaged.len() + found.incomplete.len();
    if bad == 0 {
        return Ok(());
    }
    Err(
        Error::new(Kind::Damaged, format!("{bad} entries are not whole"))
            .hint("the next build makes them again; a disk that damages files should be replaced"),
    )
}

/// What of all was removed.
#[derive(Serialize)]
struct All<'p> {
    #[serde(flatten)]
    wheels: &'p Pruned,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<PrunedImages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<PrunedImages>,
}

/// Removes what is beyond the limits.
pub(super) async fn prune(cache: &Cache<'_>, limits: Limits, images: ImageLimits) -> Result<()> {
    let pruned = if cache.common.dry_run {
        cache.store.would_prune(limits)?
    } else {
        cache.store.prune(limits)?
    };
    finish(cache, "cache-prune", &pruned, images).await
}

/// Removes everything.
pub(super) async fn clear(cache: &Cache<'_>) -> Result<()> {
    let pruned = if cache.common.dry_run {
        cache.store.would_clear()?
    } else {
        cache.store.clear()?
    };
    let none = ImageLimits {
        older: None,
        max_size: Some(0),
    };
    finish(cache, "cache-clear", &pruned, none).await
}

/// Removes the images of the sandbox and the runtime images that are beyond their limits, and says what went.
async fn finish(
    cache: &Cache<'_>,
    command: &str,
    wheels: &Pruned,
    limits: ImageLimits,
) -> Result<()> {
    let dry = cache.common.dry_run;
    let sandbox = match &cache.sandbox {
        Some(folder) => engine::prune_images(folder, limits, !dry).await?,
        None => None,
    };
    let runtime = match &cache.images {
        Some(store) => store.prune(limits, !dry)?,
        None => None,
    };
    let verb = if dry { "would remove" } else { "removed" };
    let mut text = format!(
        "{verb} {}, {}, {}; {}, {}, {} stay",
        counted(wheels.sets, "set"),
        counted(wheels.wheels, "wheel"),
        human_size(wheels.bytes),
        counted(wheels.sets_left, "set"),
        counted(wheels.wheels_left, "wheel"),
        human_size(wheels.bytes_left)
    );
    let images = [("the sandbox", &sandbox), ("runtime images", &runtime)];
    for (whose, images) in images {
        let Some(images) = images else { continue };
        text += &format!(
            "\nof {whose} {verb} {}, {}, {}; {}, {}, {} stay",
            counted(images.images, "image"),
            counted(images.layers, "layer"),
            human_size(images.bytes),
            counted(images.images_left, "image"),
            counted(images.layers_left, "layer"),
            human_size(images.bytes_left)
        );
    }
    let all = All {
        wheels,
        sandbox,
        runtime,
    };
    cache.reporter.print_result(command, &text, &all)
}
