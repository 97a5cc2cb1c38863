//! What a wheel of the store says of itself, as far as a closure needs it.
//!
//! Reads one member of one wheel; the content of that wheel was checked before.

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::plan::requirements::parse_requirement;

use super::closure::Distribution;
use super::store::{Wheel, WheelStore};

/// What a stored wheel says of itself.
pub(super) fn read(
    store: &WheelStore,
    wheel: &Wheel,
    context: &Context<'_>,
) -> Result<Distribution> {
    let bad = |why: String| Error::new(Kind::Conflict, format!("`{}`: {why}", wheel.file_name));
    let core = python_pkginfo::Distribution::new(store.path(wheel))
        .map_err(|error| bad(error.to_string()))?;
    let core = core.metadata();
    let version = core
        .version
        .parse()
        .map_err(|error: pep440_rs::VersionParseError| bad(error.to_string()))?;
    let mut requires = Vec::new();
    for line in &core.requires_dist {
        match parse_requirement(line) {
            Ok(requirement) => requires.push(requirement),
            // Installers pass over it too, or the distribution could not be used at all.
            Err(reason) => context.report.warn(
                &format!(
                    "`{}` requires `{line}`, which is no requirement: {reason}",
                    wheel.file_name
                ),
                Some("if it is needed, add it to the project's own requirements"),
            ),
        }
    }
    let requires_python = core.requires_python.as_ref();
    Ok(Distribution {
        version,
        requires,
        requires_python: requires_python.and_then(|text| text.parse().ok()),
    })
}
