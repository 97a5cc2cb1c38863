//! Base images: the engine's own, pulled from a registry, bootstrapped from the distribution's mirror, or
//! a root filesystem that the project names; which of the four is recorded.
//!
//! A base has an identity that says what is in it: the registry's digest, or the digest of the
//! packages that were bootstrapped. It is found once and recorded, so a later run needs no engine
//! to know it.

pub mod bootstrap;
mod registry;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::context::{Context, in_background};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{Image, Output};
use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, Lock};
use crate::oci::ExecutionConfig;
use crate::plan::BasePlan;
use crate::platform::Arch;
use crate::registry::{Patience, PulledImage};
use crate::report::StageHandle;

const SCHEMA: u32 = 1;
const IDENTITY_LABEL: &str = "org.omnibuild.base-identity";

/// Where a base image came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A registry has it.
    Registry,
    /// Only the engine has it.
    Engine,
    /// The distribution's mirror, by a bootstrap tool; `None`: the tool's default mirror.
    Bootstrap(Option<String>),
    /// A file that the project names.
    Archive {
        /// The file.
        file: PathBuf,
        /// Its length in bytes and its time in nanoseconds: while they stay, so does its content.
        stamp: (u64, i128),
    },
}

/// A base image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaseImage {
    schema: u32,
    /// What to start containers from.
    pub reference: String,
    /// What is in it.
    pub identity: Digest,
    /// Where it came from.
    pub origin: Origin,
}

impl BaseImage {
    /// An image that the engine has under this name.
    fn of(image: &Image, reference: &str) -> Self {
        let (identity, origin) = identify(image);
        Self {
            schema: SCHEMA,
            reference: reference.to_owned(),
            identity,
            origin,
        }
    }

    /// In a few words.
    pub fn describe(&self) -> String {
        match &self.origin {
            Origin::Registry => format!("`{}`, from its registry", self.reference),
            Origin::Engine => format!("`{}`, as the engine has it", self.reference),
            Origin::Archive { file, .. } => {
                format!("from `{}` ({})", file.display(), self.identity.short())
            }
            Origin::Bootstrap(None) => format!(
                "bootstrapped from the tool's default mirror ({})",
                self.identity.short()
            ),
            Origin::Bootstrap(Some(mirror)) => {
                format!(
                    "bootstrapped from {} ({})",
                    crate::plan::requirements::without_credentials(mirror),
                    self.identity.short()
                )
            }
        }
    }
}

/// The files of a platform's base in the cache.
struct Place {
    record: PathBuf,
    root: PathBuf,
    lock: PathBuf,
}

fn place(bases: &Path, plan: &BasePlan) -> Place {
    let key = KeyBuilder::new("base", 1);
    // Nothing else decides what is in a file.
    let key = match &plan.rootfs {
        Some(file) => key.field("rootfs", file.display().to_string()),
        None => key
            .field("image", plan.image.as_str())
            .field("bootstrap", format!("{:?}", plan.bootstrap))
            .field("mirror", plan.mirror.as_deref().unwrap_or_default()),
    };
    let decides = key.finish();
    let name = format!(
        "{}-{}-{}",
        plan.platform,
        plan.arch.debian(),
        decides.digest.short()
    );
    Place {
        record: bases.join(format!("{name}.json")),
        root: bases.join(format!("{name}.tar")),
        lock: bases.join(format!("{name}.lock")),
    }
}

/// The base that an earlier run found.
pub fn recorded(bases: &Path, plan: &BasePlan) -> Option<BaseImage> {
    let base: BaseImage = fsutil::read_json(&place(bases, plan).record)?;
    let stays = match (&plan.rootfs, &base.origin) {
        (None, _) => true,
        (Some(file), Origin::Archive { stamp, .. }) => {
            stamp_of(file).is_ok_and(|now| now == *stamp)
        }
        (Some(_), _) => false,
    };
    (base.schema == SCHEMA && stays).then_some(base)
}

fn stamp_of(file: &Path) -> Result<(u64, i128)> {
    let metadata = fs_err::metadata(file)?;
    let time = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Ok((metadata.len(), time))
}

/// The base image of a platform, in the engine. `refresh`: look for a newer one.
pub async fn ensure(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &BasePlan,
    refresh: bool,
) -> Result<(BaseImage, bool)> {
    let place = place(&context.caches.bases(), plan);
    // Two runs at once bootstrap once.
    let lock_path = place.lock.clone();
    let _lock = in_background(move || Lock::exclusive(&lock_path)).await?;
    if !refresh && let Some(base) = recorded(&context.caches.bases(), plan) {
        if is_there(context, &base, plan.arch).await? {
            return Ok((base, true));
        }
        if place.root.is_file() && matches!(base.origin, Origin::Bootstrap(_)) {
            stage.message("importing the bootstrapped base again");
            let identity = content(&place)?;
            let imported = import_root(context, plan, &place.root, identity, base.origin);
            return Ok((imported.await?, true));
        }
    }
    let base = match &plan.rootfs {
        Some(file) => take(context, stage, plan, file).await?,
        None => find(context, stage, plan, &place, refresh).await?,
    };
    fsutil::commit_json(&place.record, &base)?;
    Ok((base, false))
}

async fn is_there(context: &Context<'_>, base: &BaseImage, arch: Arch) -> Result<bool> {
    let Some(image) = context.engine.image(&base.reference).await? else {
        return Ok(false);
    };
    Ok(is_of(&image, arch) && identify(&image).0 == base.identity)
}

/// Whether an image is of an architecture; one that does not say is of whatever it is taken for.
fn is_of(image: &Image, arch: Arch) -> bool {
    image.arch.is_none_or(|said| said == arch)
}

/// What is in an image: the packages it was bootstrapped from, the registry's digest, or that of
/// its layers.
fn identify(image: &Image) -> (Digest, Origin) {
    if let Some(identity) = image
        .config
        .labels
        .get(IDENTITY_LABEL)
        .and_then(|text| text.parse().ok())
    {
        return (identity, Origin::Engine);
    }
    if let Some((_, digest)) = image
        .registry_digests
        .first()
        .and_then(|name| name.split_once("@sha256:"))
        && let Ok(digest) = digest.parse()
    {
        return (digest, Origin::Registry);
    }
    (Digest::of(image.layers.join("\n")), Origin::Engine)
}

async fn find(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &BasePlan,
    place: &Place,
    refresh: bool,
) -> Result<BaseImage> {
    let reference = plan.image.as_str();
    let under_name = context.engine.image(reference).await?;
    // A name in an engine is of one architecture.
    let other = under_name.clone().filter(|image| !is_of(image, plan.arch));
    let in_engine = under_name.filter(|image| is_of(image, plan.arch));
    if let (Some(image), false) = (&in_engine, refresh) {
        return Ok(BaseImage::of(image, reference));
    }
    stage.message(&format!("pulling {reference}"));
    let output = |line: &str| context.report.output_line(line);
    let refused = match pull(context, plan, &output).await {
        Ok(Pulled::Root(image)) => {
            let identity = image.digest.digest().clone();
            let origin = Origin::Registry;
            return import(context, plan, &image.root, image.config, identity, origin).await;
        }
        Ok(Pulled::Image(image)) if is_of(&image, plan.arch) => {
            return settle(context, plan, &image, other.as_ref()).await;
        }
        Ok(Pulled::Image(image)) => {
            if let Some(other) = &other {
                context.engine.tag(&other.id, reference).await?;
            }
            let has = image.arch.map_or("another", Arch::debian);
            let wanted = plan.arch.debian();
            let text = format!("`{reference}` is of {has}, and {wanted} is wanted");
            Error::new(Kind::Network, text)
        }
        Err(error) => error,
    };
    context.report.output_line(refused.message());
    if plan.bootstrap.is_none() {
        // A stand-in or an image that was built here can't be refreshed, and is still good.
        if let Some(image) = in_engine {
            return Ok(BaseImage::of(&image, reference));
        }
        return Err(refused
            .of_kind(Kind::Network)
            .context(format!("base image of {}", plan.platform))
            .hint(format!("make a registry that has `{reference}` reachable, or load the image into the engine under that name"))
            .hint(format!("or name a tar archive of its root filesystem: `[platform.{}] rootfs = \"…\"` in platforms.toml", plan.platform))
            .hint(format!("or name another one: `[platform.{}] image = \"…\"`", plan.platform)));
    }
    stage.message("no registry answers; bootstrapping from the distribution's mirror");
    // Somebody who names a registry means what that one has.
    let why = if registry::is_named(&plan.image) {
        format!(" ({})", refused.message())
    } else {
        String::new()
    };
    context.report.note(&format!(
        "`{reference}` can't be pulled{why}; bootstrapping the base from the distribution's mirror"
    ));
    bootstrap_root(context, plan, place).await?;
    let origin = Origin::Bootstrap(plan.mirror.clone());
    import_root(context, plan, &place.root, content(place)?, origin).await
}

/// What came from a registry.
enum Pulled {
    /// The engine has it.
    Image(Image),
    /// It is for the engine to import.
    Root(PulledImage),
}

async fn pull(context: &Context<'_>, plan: &BasePlan, output: Output<'_>) -> Result<Pulled> {
    if !context.engine.asks_registries() {
        let pulled = registry::pull(context, plan, Patience::default());
        return Ok(Pulled::Root(pulled.await?));
    }
    let refused = match context.engine.pull(&plan.image, plan.arch, output).await {
        Ok(image) => return Ok(Pulled::Image(image)),
        Err(error) => error,
    };
    // The engine has none of the user's credentials, and its machine may not have the user's certificates.
    if !registry::is_named(&plan.image) {
        return Err(refused);
    }
    output(refused.message());
    // The engine has tried already.
    let pulled = registry::pull(context, plan, Patience::short());
    Ok(Pulled::Root(pulled.await?))
}

/// The base that was pulled. Where it took the name of an image of another architecture, that gets it
/// back, and this one has a name of its own: nobody's next run pulls again because of the other's.
async fn settle(
    context: &Context<'_>,
    plan: &BasePlan,
    image: &Image,
    other: Option<&Image>,
) -> Result<BaseImage> {
    let name = plan.image.as_str();
    let Some(other) = other else {
        return Ok(BaseImage::of(image, name));
    };
    let own = own_name(plan, &identify(image).0);
    context.engine.tag(&image.id, &own).await?;
    context.engine.tag(&other.id, name).await?;
    Ok(BaseImage::of(image, &own))
}

/// A name that no other platform's, architecture's or release's base has.
fn own_name(plan: &BasePlan, identity: &Digest) -> String {
    format!(
        "omnibuild/base:{}-{}-{}",
        plan.platform,
        plan.arch.debian(),
        identity.short()
    )
}

/// The base that the project names a file of.
async fn take(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &BasePlan,
    file: &Path,
) -> Result<BaseImage> {
    stage.message(&format!("importing {}", file.display()));
    let path = file.to_owned();
    let read = in_background(move || Ok((stamp_of(&path)?, Digest::of_file(&path)?))).await;
    let (stamp, identity) = read.map_err(|error| {
        let error = if file.exists() {
            error
        } else {
            error.of_kind(Kind::Missing)
        };
        error
            .context(format!("base image of {}", plan.platform))
            .hint(format!(
                "put a tar archive of the root filesystem there, or change `[platform.{}] rootfs` in platforms.toml",
                plan.platform
            ))
    })?;
    let origin = Origin::Archive {
        file: file.to_owned(),
        stamp,
    };
    import_root(context, plan, file, identity, origin).await
}

/// What is in a bootstrapped base.
fn content(place: &Place) -> Result<Digest> {
    let mut file = std::io::BufReader::new(fs_err::File::open(&place.root)?);
    bootstrap::content_digest(&mut file)
}

async fn bootstrap_root(context: &Context<'_>, plan: &BasePlan, place: &Place) -> Result<()> {
    let Some(bootstrap) = plan.bootstrap.clone() else {
        return Err(Error::new(
            Kind::Internal,
            "a platform without a bootstrap was bootstrapped",
        ));
    };
    let (plan, root, report) = (plan.clone(), place.root.clone(), context.report.clone());
    let cache = context.caches.bases();
    let work = move || {
        let mut log = |line: &str| report.output_line(line);
        bootstrap
            .run(plan.arch, plan.mirror.as_deref(), &cache, &root, &mut log)
            .map_err(|error| error.context(format!("base image of {}", plan.platform)))
    };
    in_background(work).await
}

/// A root file system that says nothing of itself.
async fn import_root(
    context: &Context<'_>,
    plan: &BasePlan,
    root: &Path,
    identity: Digest,
    origin: Origin,
) -> Result<BaseImage> {
    let config = ExecutionConfig::default();
    import(context, plan, root, config, identity, origin).await
}

async fn import(
    context: &Context<'_>,
    plan: &BasePlan,
    root: &Path,
    mut config: ExecutionConfig,
    identity: Digest,
    origin: Origin,
) -> Result<BaseImage> {
    let reference = own_name(plan, &identity);
    let label = (IDENTITY_LABEL.to_owned(), identity.to_string());
    config.labels.extend([label]);
    let engine = context.engine;
    engine.import(root, plan.arch, &reference, &config).await?;
    Ok(BaseImage {
        schema: SCHEMA,
        reference,
        identity,
        origin,
    })
}

#[cfg(test)]
mod pull_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_filesystem_is_read_again_when_its_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rootfs.tar");
        fs_err::write(&file, "one").unwrap();
        let plan = BasePlan {
            platform: "rocky-9".parse().unwrap(),
            image: "rockylinux:9".parse().unwrap(),
            bootstrap: None,
            rootfs: Some(file.clone()),
            mirror: None,
            arch: Arch::Amd64,
        };
        assert!(recorded(folder.path(), &plan).is_none());
        let base = |origin| BaseImage {
            schema: SCHEMA,
            reference: "omnibuild/base:1".into(),
            identity: Digest::of("one"),
            origin,
        };
        let record = place(folder.path(), &plan).record;
        let origin = Origin::Archive {
            file: file.clone(),
            stamp: stamp_of(&file).unwrap(),
        };
        fsutil::commit_json(&record, &base(origin)).unwrap();
        assert!(recorded(folder.path(), &plan).is_some());
        fs_err::write(&file, "three").unwrap();
        assert!(recorded(folder.path(), &plan).is_none());
        // What was found for the image's name is no such base.
        fsutil::commit_json(&record, &base(Origin::Registry)).unwrap();
        assert!(recorded(folder.path(), &plan).is_none());
        let registry = BasePlan {
            rootfs: None,
            ..plan
        };
        let record = place(folder.path(), &registry).record;
        fsutil::commit_json(&record, &base(Origin::Registry)).unwrap();
        assert!(recorded(folder.path(), &registry).is_some());
    }
}
