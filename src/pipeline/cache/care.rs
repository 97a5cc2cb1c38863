//! `omnibuild cache verify`, `prune` and `clear`.
//!
//! Decides nothing about entries: the store does.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
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

/// Removes what is beyond the limits.
pub(super) fn prune(
    cache: &Cache<'_>,
    older: Option<Duration>,
    max_size: Option<u64>,
) -> Result<()> {
    let limits = Limits { older, max_size };
    let pruned = if cache.common.dry_run {
        cache.store.would_prune(limits)?
    } else {
        cache.store.prune(limits)?
    };
    print(cache, "cache-prune", &pruned)
}

/// Removes everything.
pub(super) fn clear(cache: &Cache<'_>) -> Result<()> {
    let pruned = if cache.common.dry_run {
        cache.store.would_clear()?
    } else {
        cache.store.clear()?
    };
    print(cache, "cache-clear", &pruned)
}

fn print(cache: &Cache<'_>, command: &str, pruned: &Pruned) -> Result<()> {
    let verb = if cache.common.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let text = format!(
        "{verb} {}, {}, {}; {}, {}, {} stay",
        counted(pruned.sets, "set"),
        counted(pruned.wheels, "wheel"),
        human_size(pruned.bytes),
        counted(pruned.sets_left, "set"),
        counted(pruned.wheels_left, "wheel"),
        human_size(pruned.bytes_left)
    );
    cache.reporter.print_result(command, &text, pruned)
}
