//! `omnibuild cache export` and `import`: one file for another machine.
//!
//! Decides nothing about the file: the store does.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::platform::PlatformId;
use crate::report::human_size;
use crate::text::counted;
use crate::wheels::store::Transferred;

use super::Cache;

/// Writes the sets of the platforms into a file. A file without anything is an error: who asked for
/// it would look for the reason elsewhere.
pub(super) async fn export(cache: &Cache<'_>, file: &Path) -> Result<()> {
    let platforms = cache.wanted()?;
    let would = cache.store.would_export(&platforms)?;
    if would.sets == 0 {
        let names: Vec<&str> = platforms.iter().map(PlatformId::as_str).collect();
        let of = if names.is_empty() {
            String::new()
        } else {
            format!(" of {}", names.join(", "))
        };
        return Err(
            Error::new(Kind::Missing, format!("the wheel cache has no set{of}"))
                .hint("build first, or name the right folder with `--wheel-dir`"),
        );
    }
    if cache.common.dry_run {
        return print(cache, "cache-export", "would write", &would);
    }
    let _in_use = cache.hold().await?;
    let written = cache.store.export(file, &platforms)?;
    print(cache, "cache-export", "wrote", &written)
}

/// Puts what a file holds into the cache.
pub(super) async fn import(cache: &Cache<'_>, file: &Path) -> Result<()> {
    let platforms = cache.named()?;
    if !file.exists() {
        let text = format!("there is no file `{}`", file.display());
        return Err(Error::new(Kind::Missing, text)
            .hint("`omnibuild cache export FILE` writes one, where the wheels are"));
    }
    if cache.common.dry_run {
        let would = cache.store.would_import(file, &platforms)?;
        return print(cache, "cache-import", "would put in", &would);
    }
    let _in_use = cache.hold().await?;
    let imported = cache.store.import(file, &platforms)?;
    print(cache, "cache-import", "put in", &imported)
}

fn print(cache: &Cache<'_>, command: &str, verb: &str, what: &Transferred) -> Result<()> {
    let text = format!(
        "{verb} {}, {}, {}",
        counted(what.sets, "set"),
        counted(what.wheels, "wheel"),
        human_size(what.bytes)
    );
    cache.reporter.print_result(command, &text, what)
}
