//! `omnibuild cache ls` and `du`: what is kept, and how much space it takes.
//!
//! Changes nothing.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::error::Result;
use crate::platform::PlatformId;
use crate::report::human_size;
use crate::wheels::Wheel;

use super::super::day_and_time;
use super::Cache;

/// A set, as programs see it.
#[derive(Serialize)]
struct Listed<'s> {
    platform: &'s str,
    project: &'s str,
    kind: &'s str,
    key: &'s str,
    made: u64,
    used: u64,
    wheels: usize,
    bytes: u64,
}

/// Lists the sets of the platforms that were named, else all.
pub(super) fn ls(cache: &Cache<'_>) -> Result<()> {
    let named = cache.named()?;
    let survey = cache.store.survey()?;
    let listed: Vec<Listed<'_>> = survey
        .sets
        .iter()
        .filter(|stored| named.is_empty() || named.contains(&stored.platform))
        .map(|stored| Listed {
            platform: stored.platform.as_str(),
            project: &stored.set.project,
            kind: kind(
                stored
                    .set
                    .key
                    .fields
                    .get("schema")
                    .map_or("", String::as_str),
            ),
            key: stored.set.key.digest.as_str(),
            made: stored.set.made,
            used: stored
                .used
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            wheels: stored.set.wheels.len(),
            bytes: stored.size(),
        })
        .collect();
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|set| {
            vec![
                set.platform.to_owned(),
                set.project.to_owned(),
                set.kind.to_owned(),
                set.key[..12].to_owned(),
                day_and_time(set.made),
                day_and_time(set.used),
                set.wheels.to_string(),
                human_size(set.bytes),
            ]
        })
        .collect();
    let columns = [
        "platform", "project", "kind", "key", "made", "used", "wheels", "size",
    ];
    cache
        .reporter
        .print_table("cache-ls", &columns, &rows, &listed)
}

/// The kind in a key's `schema` field, without its version.
fn kind(schema: &str) -> &str {
    schema.rsplit_once(' ').map_or(schema, |(kind, _)| kind)
}

/// The space of some wheels.
#[derive(Serialize)]
struct Used {
    what: String,
    sets: usize,
    wheels: usize,
    portable_bytes: u64,
    compiled_bytes: u64,
    bytes: u64,
}

impl Used {
    fn of<'w>(what: &str, sets: usize, wheels: impl Iterator<Item = &'w Wheel>) -> Self {
        let mut used = Self {
            what: what.to_owned(),
            sets,
            wheels: 0,
            portable_bytes: 0,
            compiled_bytes: 0,
            bytes: 0,
        };
        for wheel in wheels {
            used.wheels += 1;
            used.bytes += wheel.size;
            if wheel.is_compiled_here() {
                used.compiled_bytes += wheel.size;
            } else {
                used.portable_bytes += wheel.size;
            }
        }
        used
    }
}

/// Says how much space wheels take. What platforms share is in the row of each, and once in the total.
pub(super) fn du(cache: &Cache<'_>) -> Result<()> {
    let named = cache.named()?;
    let survey = cache.store.survey()?;
    let sets = |platform: &PlatformId| {
        survey
            .sets
            .iter()
            .filter(|stored| stored.platform == *platform)
            .count()
    };
    let mut used: Vec<Used> = survey
        .by_platform()
        .iter()
        .filter(|(platform, _)| named.is_empty() || named.contains(*platform))
        .map(|(platform, wheels)| {
            Used::of(platform.as_str(), sets(platform), wheels.values().copied())
        })
        .collect();
    let orphans: Vec<_> = survey.without_set().map(|stored| &stored.wheel).collect();
    used.push(Used::of("in no set", 0, orphans.into_iter()));
    let all = survey.wheels.iter().map(|stored| &stored.wheel);
    used.push(Used::of("total", survey.sets.len(), all));
    let rows: Vec<Vec<String>> = used
        .iter()
        .map(|used| {
            vec![
                used.what.clone(),
                used.sets.to_string(),
                used.wheels.to_string(),
                human_size(used.portable_bytes),
                human_size(used.compiled_bytes),
                human_size(used.bytes),
            ]
        })
        .collect();
    let columns = [
        "platform",
        "sets",
        "wheels",
        "shared portable",
        "compiled here",
        "size",
    ];
    cache
        .reporter
        .print_table("cache-du", &columns, &rows, &used)
}
