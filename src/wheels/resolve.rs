//! The closure of a platform's dependencies as wheels: from the cache, or made now.
//!
//! Knows keys and the order of asking: this cache, the remote one, then whoever makes. What is
//! missing of a set is found by `making.rs` and made in the `workshop`.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::digest::{Key, KeyBuilder};
use crate::engine::{Container, with_container};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::pylock::Pylock;
use crate::plan::requirements::without_credentials;
use crate::plan::roots::Root;
use crate::plan::{Indexes, PlatformPlan, SetRequest};
use crate::report::StageHandle;
use crate::text::counted;
use crate::wheel::Policy;

use super::candidate::{Candidate, Source, choose};
use super::making::{Made, Making};
use super::store::{WheelSet, WheelStore};
use super::workshop;

/// A set, and how it came.
pub struct Ensured {
    /// The set.
    pub set: WheelSet,
    /// What was made for it; `None`: the cache had the set.
    pub made: Option<Made>,
}

/// The key of a platform's closure of dependencies.
pub fn key(plan: &PlatformPlan, builder: &Key, abi: &str) -> Key {
    plan.wheels
        .key
        .clone()
        .field("builder", builder.digest.as_str())
        .field("abi", abi)
        .finish()
}

/// The key of what building the project needs.
fn build_requires_key(
    lines: &[String],
    indexes: &Indexes,
    policy: Policy,
    builder: &BuilderImage,
) -> Key {
    let key = KeyBuilder::new("build requires", 2);
    indexes
        .add_to(key)
        .fields(
            "requires ",
            lines.iter().map(|line| (without_credentials(line), "")),
        )
        .fields("denied ", policy.denied().map(|class| (class.key(), "")))
        .field("builder", builder.key.digest.as_str())
        .field("abi", &builder.interpreter.abi)
        .finish()
}

/// The closure of a platform's dependencies: from the cache, or made now.
pub async fn ensure(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
) -> Result<Ensured> {
    if let Some(lock) = plan.wheels.locked_for_others {
        return Err(Error::new(
            Kind::Resolve,
            format!("`{lock}` was not made for {}", plan.id),
        )
        .hint(format!("lock it: `omnibuild lock --sysbase {}`", plan.id)));
    }
    let key = key(plan, &builder.key, &builder.interpreter.abi);
    let ensured = ensure_key(context, stage, plan, builder, key, &plan.wheels.request).await?;
    tell_floating(context, plan, &ensured.set);
    Ok(ensured)
}

/// What building the project needs (`[build-system] requires` and what its backend asks for).
pub async fn ensure_build_requires(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    requires: &[String],
) -> Result<WheelSet> {
    let mut lines = requires.to_vec();
    lines.sort();
    lines.dedup();
    let roots = lines
        .iter()
        .map(|line| Root::parse(line, "[build-system] requires"))
        .collect::<Result<_>>()?;
    let request = SetRequest {
        roots,
        indexes: plan.wheels.request.indexes.clone(),
        policy: plan.wheels.request.policy,
        ssh: plan.wheels.request.ssh.clone(),
        ..SetRequest::default()
    };
    let key = build_requires_key(&lines, &request.indexes, request.policy, builder);
    let ensured = ensure_key(context, stage, plan, builder, key, &request).await?;
    Ok(ensured.set)
}

async fn ensure_key(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    key: Key,
    request: &SetRequest,
) -> Result<Ensured> {
    let store = WheelStore::new(context.caches.wheels());
    match store.get(plan.id.platform(), &key.digest) {
        Ok(Some(set)) => return Ok(Ensured { set, made: None }),
        Ok(None) => {}
        Err(damage) => context
            .report
            .warn(&damage, Some("the wheels are made again")),
    }
    let waits = |holder: &str| {
        context
            .report
            .note(&format!("waiting for {holder}, which makes these wheels"));
    };
    let _lock = store.lock(&key.digest, waits).await?;
    // Another run may have made it meanwhile.
    if let Ok(Some(set)) = store.get(plan.id.platform(), &key.digest) {
        return Ok(Ensured { set, made: None });
    }
    if let Some(remote) = context.remote
        && let Some(set) = remote
            .get_set(&store, plan.id.platform(), &key.digest)
            .await
    {
        let text = format!(
            "{}: from the remote cache",
            counted(set.wheels.len(), "wheel")
        );
        context.report.note(&text);
        return Ok(Ensured { set, made: None });
    }
    let preferred = earlier(&store, plan, builder, &key);
    let mut making = Making::new(context, stage, plan, builder, request, preferred)?;
    complete(&mut making, context, builder).await?;
    let (wheels, made) = making.wheels();
    let set = store.put_set(plan.id.platform(), &plan.bundle.name, key, wheels)?;
    if let Some(remote) = context.remote {
        remote.put_set(&store, plan.id.platform(), &set);
    }
    Ok(Ensured {
        set,
        made: Some(made),
    })
}

/// What the wheels of a platform are made from, as a lock. Without `upgrade` what an earlier lock,
/// or else an earlier set, chose stays where it will do.
pub async fn lock(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    upgrade: bool,
) -> Result<Pylock> {
    let mut request = plan.wheels.request.clone();
    // The lock will have them.
    request.requires_hashes = false;
    let preferred = match request.lock.take() {
        _ if upgrade => Vec::new(),
        Some(lock) => {
            let packages = lock.packages.iter();
            packages
                .filter_map(|package| {
                    choose(package, builder, &request.options, &BTreeSet::new()).ok()
                })
                .collect()
        }
        None => {
            let key = key(plan, &builder.key, &builder.interpreter.abi);
            let store = WheelStore::new(context.caches.wheels());
            earlier(&store, plan, builder, &key)
        }
    };
    let mut making = Making::new(context, stage, plan, builder, &request, preferred)?;
    complete(&mut making, context, builder).await?;
    making.lock()
}

/// What the newest set of the same kind and project was made from, if its files were chosen from the
/// same places in the same way.
fn earlier(
    store: &WheelStore,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    key: &Key,
) -> Vec<Candidate> {
    let field = |key: &Key, name: &str| key.fields.get(name).cloned().unwrap_or_default();
    let Some(set) = store.latest(&plan.id, &plan.bundle.name, &field(key, "schema")) else {
        return Vec::new();
    };
    if how_chosen(&set.key) != how_chosen(key) {
        return Vec::new();
    }
    let same_builder = ["builder", "abi"]
        .iter()
        .all(|name| field(&set.key, name) == field(key, name));
    let made_by_pip = !workshop::is_known_to_uv(&builder.interpreter);
    set.wheels
        .iter()
        .filter_map(Candidate::of_wheel)
        .filter(|candidate| match &candidate.source {
            Source::Kept(wheel) => made_by_pip && (same_builder || !wheel.is_compiled_here()),
            Source::Wheel(_) | Source::Sdist(_) | Source::Commit(_) => true,
        })
        .collect()
}

/// The fields of a key that say where files are chosen from, and how: indexes, options, files of the
/// project, direct references.
fn how_chosen(key: &Key) -> Vec<&String> {
    let says = |name: &&String| {
        name.starts_with("index")
            || name.starts_with("extra index")
            || name
                .split_once(' ')
                .is_some_and(|(_, line)| line.starts_with("--"))
    };
    let mut fields: Vec<&String> = Vec::new();
    for (name, value) in &key.fields {
        if says(&name) {
            fields.extend([name, value]);
        }
    }
    fields
}

async fn complete(
    making: &mut Making<'_>,
    context: &Context<'_>,
    builder: &BuilderImage,
) -> Result<()> {
    if making.take_stored()? {
        return Ok(());
    }
    let work = async |container: &Container<'_>| making.finish(container).await;
    let spec = context.online(&builder.tag);
    with_container(context.engine, context.report, &spec, work).await
}

/// Without a lock, whatever nobody pins is what the index had when the set was made.
fn tell_floating(context: &Context<'_>, plan: &PlatformPlan, set: &WheelSet) {
    let wheels = &plan.wheels.request;
    if wheels.lock.is_some() || wheels.foreign_lock.is_some() {
        return;
    }
    let pinned = |wheel: &super::Wheel| {
        let name = wheel.distribution().parse::<pep508_rs::PackageName>();
        let mut roots = wheels.roots.iter().chain(&wheels.constraints);
        name.is_ok_and(|name| roots.any(|root| root.name == name && root.is_pinned()))
    };
    let floating: Vec<String> = set
        .wheels
        .iter()
        .filter(|wheel| !pinned(wheel))
        .map(|wheel| format!("{} {}", wheel.distribution(), wheel.version()))
        .collect();
    if !floating.is_empty() {
        context.report.reporter().note(
            Some(&plan.id),
            &format!(
                "{} of {} distributions are pinned by nobody ({}): `omnibuild lock` writes down what they are",
                floating.len(),
                set.wheels.len(),
                floating.join(", ")
            ),
        );
    }
}
