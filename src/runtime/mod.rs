//! Runtime images: a platform's clean base and verified packages, installed by its own package manager.
//!
//! What is in an image is what the package manager put there, seen in the container's root file system
//! before and after, and written as layers here, so that any engine will do and the same inputs have the
//! same digest. The layers, lowest first:
//!
//! ```text
//! base           the platform's base image
//! distribution   what the packages need from the distribution
//! dependencies   what of the bundle belongs to no release: the Python that it brings, other distributions
//! application    the project's own distribution, the other packages, the package manager's database
//! ```
//!
//! A release that changes the application alone sends the last one alone. Asks no registry.

mod accounts;
mod check;
mod config;
mod lines;
mod omitted;
pub mod provenance;
mod split;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveWriter;
use crate::base::BaseImage;
use crate::context::{CA_BUNDLE_PATH, Context, in_background};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{Container, Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::oci::layer::{self, Clock, Layer};
use crate::oci::root::Root;
use crate::oci::{self, Descriptor, ImageStore, Manifest};
use crate::package::Built;
use crate::plan::{PlatformPlan, RunConfig, RuntimePlan};
use crate::report::StageHandle;
use crate::steps::step_script;
use crate::verify::Verified;

use self::omitted::{changes, is_left_out, of_container, regions};

pub use self::lines::check_destination;

const SCHEMA: u32 = 1;
/// What runs in the container.
const SCRIPTS: [&str; 5] = [
    "copy_files.sh",
    "install_needs.sh",
    "install_packages.sh",
    "settle_database.sh",
    "settle_database.py",
];

/// A runtime image that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuntimeImage {
    schema: u32,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    run: RunConfig,
}

impl RuntimeImage {
    /// The length of its layers in bytes, compressed.
    pub fn size(&self) -> u64 {
        layer::total(&self.layers)
    }

    /// What was made under a key, when all of it is there.
    ///
    /// # Errors
    /// [`Kind::Policy`] when it is larger than it may be by now.
    pub fn recall(store: &ImageStore, key: &Digest, plan: &RuntimePlan) -> Result<Option<Self>> {
        let Some(image) = Self::whole(store, key) else {
            return Ok(None);
        };
        check::size(plan, &image.layers)?;
        Ok(Some(image))
    }

    fn whole(store: &ImageStore, key: &Digest) -> Option<Self> {
        let image: Self = store.record(key)?;
        let mut blobs = image.layers.iter().map(|layer| &layer.descriptor);
        let whole = image.schema == SCHEMA
            && store.has(&image.manifest)
            && store.has(&image.config)
            && blobs.all(|blob| store.has(blob));
        whole.then_some(image)
    }
}

/// The files that packages hold, by path, with the digests of their content.
pub type Contents<'a> = &'a (dyn Fn(&[PathBuf]) -> Result<BTreeMap<String, Digest>> + Send + Sync);

/// What an image is made of.
pub struct Request<'a> {
    /// The packages of the build it is made from.
    pub verified: &'a Verified,
    /// Where they are.
    pub folder: &'a Path,
    /// Reads what packages hold.
    pub contents: Contents<'a>,
    /// The image below; `None`: the platform's base.
    pub below: Option<&'a RuntimeImage>,
    /// What it is kept under, [`key`].
    pub key: Digest,
}

/// The packages of an image that the build has: one that would have been empty was not written.
fn chosen<'a>(image: &RuntimePlan, verified: &'a Verified) -> Vec<&'a Built> {
    let packages = verified.packages.iter();
    packages
        .filter(|package| image.packages.contains(&package.name))
        .collect()
}

/// The digest of all that decides an image.
pub fn key(
    plan: &PlatformPlan,
    base: &Digest,
    image: &RuntimePlan,
    verified: &Verified,
    below: Option<&RuntimeImage>,
) -> Result<Digest> {
    let packages = chosen(image, verified);
    let packages = packages.iter().map(|package| {
        (
            &package.artifact.file_name,
            package.artifact.digest.as_str(),
        )
    });
    let run = String::from_utf8_lossy(&oci::bytes(&image.run)?).into_owned();
    let below = below.map_or_else(String::new, |below| below.manifest.digest.to_string());
    let mut key = KeyBuilder::new("runtime image", SCHEMA);
    for (number, line) in image.lines.iter().enumerate() {
        key = line.key(key, number);
    }
    Ok(key
        .field("base image", base.as_str())
        .field("architecture", plan.arch().machine())
        .field("below", below)
        .field("run", run)
        .field("epoch", image.epoch.to_string())
        .field("tool", env!("OMNIBUILD_PACKAGE_CODE"))
        .fields("label ", image.labels.iter())
        .fields("package ", packages)
        .finish()
        .digest)
}

/// Makes an image, and keeps it under its key.
///
/// # Errors
/// [`Kind::Build`] when the package manager or a command of the project fails; [`Kind::Verify`] when what
/// is installed is not what the packages hold; [`Kind::Config`] for a program or user that the image does
/// not have; [`Kind::Policy`] when it is larger than it may be.
pub async fn make(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    base: &BaseImage,
    image: &RuntimePlan,
    request: &Request<'_>,
) -> Result<RuntimeImage> {
    let store = ImageStore::new(&context.caches.images());
    let nothing = RunConfig::default();
    let run = config::inherited(
        &image.run,
        request.below.map_or(&nothing, |below| &below.run),
    );
    let spec = context.online(&base.reference);
    let layers = with_container(context.engine, context.report, &spec, async |container| {
        let work = Work {
            context,
            stage,
            plan,
            image,
            run: &run,
            store: &store,
            container,
        };
        work.layers(base, request).await
    })
    .await?;
    check::size(image, &layers)?;
    let config = config::document(image, &run, plan.arch(), &layers)?;
    let config = store.put(oci::CONFIG, &config)?;
    let mut annotations = image.labels.clone();
    annotations.insert(
        "org.opencontainers.image.created".to_owned(),
        config::created(image)?,
    );
    let descriptors = layers
        .iter()
        .map(|layer| layer.descriptor.clone())
        .collect();
    let manifest = Manifest::image(config.clone(), descriptors, annotations);
    let manifest = store.put(oci::MANIFEST, &oci::bytes(&manifest)?)?;
    let made = RuntimeImage {
        schema: SCHEMA,
        manifest,
        config,
        layers,
        run,
    };
    store.put_record(&request.key, &made)?;
    Ok(made)
}

/// Has the time of the bootstrap where there was one: of a package that every Debian system has from its
/// beginning.
const FROM_THE_BEGINNING: &str = "var/lib/dpkg/info/base-files.list";

/// When a base was bootstrapped. What no package brought has that time, which is another for each machine.
fn bootstrapped(root: &Root) -> Option<u64> {
    Some(root.nodes.get(Path::new(FROM_THE_BEGINNING))?.time)
}

/// The making of one image, in its container.
struct Work<'a> {
    context: &'a Context<'a>,
    stage: &'a StageHandle,
    plan: &'a PlatformPlan,
    image: &'a RuntimePlan,
    /// How it runs, with what comes from the image below.
    run: &'a RunConfig,
    store: &'a ImageStore,
    container: &'a Container<'a>,
}

impl Work<'_> {
    async fn layers(&self, base: &BaseImage, request: &Request<'_>) -> Result<Vec<Layer>> {
        let (base_layer, mut before, newest) = self.base(base).await?;
        let mut layers = vec![base_layer];
        let packages = chosen(self.image, request.verified);
        let needs = Built::needs(packages.iter().copied());
        self.upload(request, &packages, &needs).await?;
        for below in request
            .below
            .iter()
            .flat_map(|below| below.layers.iter().skip(1))
        {
            self.apply(below, &mut before).await?;
            layers.push(below.clone());
        }
        let started = self.container.capture(&Exec::new(["date", "+%s"])).await?;
        let started = started.last().and_then(|text| text.trim().parse().ok());
        let started = started.ok_or_else(|| {
            Error::new(
                Kind::Build,
                "the container does not tell the time: `date +%s`",
            )
        })?;
        let clock = Clock {
            started,
            instead: newest,
            folders: Some(newest),
        };
        if !needs.is_empty() {
            let layer = self
                .needs(base, request.below, &needs, clock, &mut before)
                .await?;
            layers.extend(layer);
        }
        if !packages.is_empty() {
            self.stage.message("installing the packages");
            self.run(
                Exec::new(["/bin/sh", "/omnibuild/install_packages.sh"])
                    .arg(self.plan.family.to_string()),
            )
            .await?;
        }
        for (number, line) in self.image.lines.iter().enumerate() {
            let (command, place) = lines::command(self.image, number, line);
            let done = self.run(command).await;
            done.map_err(|error| error.context(place))?;
        }
        let of_application = Clock {
            instead: self.image.epoch,
            folders: Some(self.image.epoch),
            ..clock
        };
        self.settle(of_application).await?;
        let after = self.snapshot(&before, of_application).await?;
        let files: Vec<PathBuf> = packages
            .iter()
            .map(|package| request.folder.join(&package.artifact.file_name))
            .collect();
        check::contents(&after, &(request.contents)(&files)?)?;
        let prefix = &self.plan.bundle.prefix;
        check::programs(&after, &self.image.name, self.run, prefix)?;
        let store = self.store.clone();
        let (prefix, distribution) = (
            self.plan.bundle.prefix.clone(),
            self.plan.bundle.distribution.clone(),
        );
        let made = in_background(move || {
            let changes = changes(&after, &before);
            let (dependencies, application) =
                split::split(&after, changes, &prefix, &distribution)?;
            let parts = [
                ("dependencies", dependencies, clock),
                ("application", application, of_application),
            ];
            let mut made = Vec::new();
            for (purpose, changes, clock) in parts {
                made.extend(layer::write(&store, purpose, &after, &changes, clock)?);
            }
            Ok(made)
        });
        layers.extend(made.await?);
        Ok(layers)
    }

    /// The base as a layer, what is in it, and the time of its newest file.
    async fn base(&self, base: &BaseImage) -> Result<(Layer, Root, u64)> {
        let key = KeyBuilder::new("runtime base", SCHEMA)
            .field("base image", base.identity.as_str())
            .field("architecture", self.plan.arch().machine())
            .field("tool", env!("OMNIBUILD_PACKAGE_CODE"))
            .finish()
            .digest;
        let kept = self.store.record::<Layer>(&key);
        if let Some(layer) = kept.filter(|layer| self.store.has(&layer.descriptor)) {
            let mut root = Root::default();
            tokio::task::block_in_place(|| {
                root.add_archive(layer::unpacked(self.store, &layer)?, is_left_out)
            })?;
            let newest = root.newest();
            return Ok((layer, root, newest));
        }
        self.stage.message("reading the base image");
        let archive = self.container.export().await?;
        let store = self.store.clone();
        in_background(move || {
            let mut root = of_container(archive)?;
            let made = bootstrapped(&root);
            if let Some(made) = made {
                root.replace_time(made, root.newest_before(made));
            }
            let newest = root.newest();
            if made.is_some() {
                accounts::settle(&mut root, &accounts::Days::new(), newest)?;
            }
            // An engine that starts a container puts something into some folders.
            let clock = Clock {
                started: newest.saturating_add(1),
                instead: newest,
                folders: Some(newest),
            };
            let layer = layer::write(&store, "base", &root, &root.whole(), clock)?;
            let layer = layer.ok_or_else(|| Error::new(Kind::Build, "the base image is empty"))?;
            store.put_record(&key, &layer)?;
            Ok((layer, root, newest))
        })
        .await
    }

    /// The layer with what the packages need from the distribution, there or made.
    async fn needs(
        &self,
        base: &BaseImage,
        below: Option<&RuntimeImage>,
        needs: &str,
        clock: Clock,
        before: &mut Root,
    ) -> Result<Option<Layer>> {
        let below = below.map_or_else(String::new, |below| below.manifest.digest.to_string());
        let key = KeyBuilder::new("runtime needs", SCHEMA)
            .field("base image", base.identity.as_str())
            .field("architecture", self.plan.arch().machine())
            .field("below", below)
            .field("needs", needs)
            .field("tool", env!("OMNIBUILD_PACKAGE_CODE"))
            .finish()
            .digest;
        let kept = self.store.record::<Option<Layer>>(&key);
        let is_there = |layer: &Option<Layer>| {
            let layer = layer.as_ref();
            layer.is_none_or(|layer| self.store.has(&layer.descriptor))
        };
        if let Some(layer) = kept.filter(is_there) {
            if let Some(layer) = &layer {
                self.apply(layer, before).await?;
            }
            return Ok(layer);
        }
        self.stage.message("installing what the packages need");
        let exec =
            Exec::new(["/bin/sh", "/omnibuild/install_needs.sh"]).arg(self.plan.family.to_string());
        self.run(exec.env("clean", "yes")).await?;
        self.settle(clock).await?;
        let after = self.snapshot(before, clock).await?;
        let store = self.store.clone();
        let old = std::mem::take(before);
        let (layer, after) = in_background(move || {
            let changes = changes(&after, &old);
            let layer = layer::write(&store, "distribution", &after, &changes, clock)?;
            store.put_record(&key, &layer)?;
            Ok((layer, after))
        })
        .await?;
        *before = after;
        Ok(layer)
    }

    async fn run(&self, exec: Exec) -> Result<()> {
        // For programs that write down when they ran (SOURCE_DATE_EPOCH specification).
        let exec = exec.env("SOURCE_DATE_EPOCH", self.image.epoch.to_string());
        self.container.run(&exec).await
    }

    /// Takes the clock's times out of the package manager's database.
    async fn settle(&self, clock: Clock) -> Result<()> {
        let exec = Exec::new(["/bin/sh", "/omnibuild/settle_database.sh"])
            .arg(self.plan.family.to_string())
            .arg(clock.started.to_string())
            .arg(clock.instead.to_string())
            .arg(&self.plan.bundle.prefix);
        self.run(exec).await
    }

    /// What is in the container; what is of the bootstrap has the time that it has in the layers below, and
    /// accounts have their days.
    async fn snapshot(&self, below: &Root, clock: Clock) -> Result<Root> {
        let archive = self.container.export().await?;
        let instead = bootstrapped(below);
        let days = accounts::days(below)?;
        in_background(move || {
            let mut root = of_container(archive)?;
            if let (Some(made), Some(instead)) = (bootstrapped(&root), instead) {
                root.replace_time(made, instead);
            }
            accounts::settle(&mut root, &days, clock.instead)?;
            Ok(root)
        })
        .await
    }

    /// Brings a layer into the container.
    async fn apply(&self, layer: &Layer, before: &mut Root) -> Result<()> {
        let (archive, mut gone) = tokio::task::block_in_place(|| {
            let plain = layer::unpacked(self.store, layer)?;
            let to_apply = layer::to_apply(&plain)?;
            before.add_archive(plain, is_left_out)?;
            Ok::<_, Error>(to_apply)
        })?;
        gone.extend(regions(before));
        if !gone.is_empty() {
            self.container
                .run(&Exec::new(["rm", "-rf", "--"]).args(gone))
                .await?;
        }
        self.container.upload("/", &archive).await
    }

    async fn upload(&self, request: &Request<'_>, packages: &[&Built], needs: &str) -> Result<()> {
        let mut archive = ArchiveWriter::new(0)?;
        for script in SCRIPTS {
            archive.bytes(&format!("omnibuild/{script}"), 0o755, &step_script(script))?;
        }
        archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &self.context.ca_bundle()?)?;
        archive.bytes("omnibuild/needs", 0o644, needs.as_bytes())?;
        for package in packages {
            let name = &package.artifact.file_name;
            let place = format!("omnibuild/packages/{name}");
            archive.file(&place, 0o644, &request.folder.join(name))?;
        }
        let archive = archive.finish()?;
        self.container.upload("/", &archive).await?;
        if self.image.lines.is_empty() {
            return Ok(());
        }
        let archive = tokio::task::block_in_place(|| lines::archive(self.image))?;
        self.container.upload("/", &archive).await
    }
}
