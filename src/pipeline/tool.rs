//! Images of tools: what a command needs that works in a container of its own, in any folder.
//!
//! Such a command wants no project: one that is there has its say about the network and the engine.
//! The image is made once from a platform's base and kept by its content, like a builder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::archive::ArchiveWriter;
use crate::base;
use crate::cli::{Common, Environment};
use crate::config::{AnyFolder, Engines, Platform, PlatformTable};
use crate::context::{Caches, Context};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{BuildSpec, Network};
use crate::error::Result;
use crate::plan::{BasePlan, NetworkPlan};
use crate::platform::Arch;
use crate::report::{Reporter, Stage};
use crate::state::State;

use super::{cache_folder, secret_of, wheel_folder};

/// What a command with a tool is told by the command line and by the folder that it runs in.
pub(super) struct Settings {
    pub(super) table: PlatformTable,
    pub(super) mirror: Option<String>,
    pub(super) network: NetworkPlan,
    pub(super) engines: Engines,
    pub(super) caches: Caches,
    pub(super) log: PathBuf,
}

impl Settings {
    /// Reads them; `name` stands in a platform's place in messages and logs.
    pub(super) fn read(
        common: &Common,
        environment: &Environment,
        reporter: &Reporter,
        folder: &AnyFolder,
        name: &str,
    ) -> Result<Self> {
        let root = &common.project;
        let overrides = common.overrides(environment);
        let mirror = overrides.mirror.or_else(|| folder.mirror.clone());
        let addresses = mirror.iter().chain(overrides.proxies.values());
        addresses
            .filter_map(|address| secret_of(address))
            .for_each(|secret| reporter.redact(secret));
        let cache = cache_folder(environment)?;
        let wheels = wheel_folder(folder.wheel_dir.clone(), root, &cache);
        let caches = Caches::new(&cache, wheels);
        // A folder in which nothing was built stays as it is.
        let log = if root.join(".omnibuild").is_dir() {
            State::new(root).log(&name.parse()?)
        } else {
            caches.logs().join(format!("{name}.log"))
        };
        Ok(Self {
            table: PlatformTable::load(root)?,
            mirror,
            network: NetworkPlan {
                name: overrides.network.or_else(|| folder.network.clone()),
                proxies: overrides.proxies,
                ca_bundle: overrides.ca_bundle.or_else(|| folder.ca_bundle.clone()),
            },
            engines: folder.engines.clone(),
            caches,
            log,
        })
    }
}

/// An image of tools.
pub(super) struct ToolImage {
    /// What to start containers from.
    pub(super) tag: String,
    /// What decided it.
    pub(super) key: Digest,
}

/// The image `name` of these files on the base of a platform, by its content: base, Dockerfile and what
/// it copies. Where the platform left its mirrors, its archive is among the files.
pub(super) async fn image(
    context: &Context<'_>,
    platform: &Platform,
    mirror: Option<String>,
    arch: Arch,
    name: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<ToolImage> {
    let mut files = files.clone();
    let mirror = platform.add_archive(mirror, &mut files)?;
    let base_plan = BasePlan {
        platform: platform.id.clone(),
        image: platform.image.clone(),
        bootstrap: platform.bootstrap.clone(),
        rootfs: platform.rootfs.clone(),
        mirror,
        arch,
    };
    let stage = context.report.stage(Stage::Base);
    let (base, there) = base::ensure(context, &stage, &base_plan, false).await?;
    if there {
        stage.reused(&base.describe());
    } else {
        stage.finished(&base.describe());
    }
    let digests = files
        .iter()
        .map(|(name, bytes)| (name, Digest::of(bytes).to_string()));
    let key = KeyBuilder::new(&format!("{name} image"), 1)
        .field("base image", base.identity.as_str())
        .field("architecture", arch.machine())
        .fields("context ", digests)
        .finish()
        .digest;
    let key_label = format!("org.omnibuild.{name}-key");
    let tag = format!("omnibuild/{name}:{}", key.short());
    let stage = context.report.stage(Stage::Image);
    let there = context.engine.image(&tag).await?;
    let label = |labels: &BTreeMap<String, String>| {
        labels.get(&key_label).map(String::as_str) == Some(key.as_str())
    };
    if there.is_some_and(|image| label(&image.config.labels)) {
        stage.reused(&tag);
        return Ok(ToolImage { tag, key });
    }
    let mut archive = ArchiveWriter::new(0)?;
    for (name, bytes) in &files {
        archive.bytes(name, 0o755, bytes)?;
    }
    archive.bytes("ca-bundle.pem", 0o644, &context.ca_bundle()?)?;
    let archive = archive.finish()?;
    let mut args = context.network.proxies.clone();
    args.insert("BASE".to_owned(), base.reference.clone());
    let spec = BuildSpec {
        context: &archive,
        args,
        labels: BTreeMap::from([(key_label.clone(), key.to_string())]),
        tag: &tag,
        arch,
        network: Network::Named(context.network.name.clone()),
    };
    let output = |line: &str| context.report.output_line(line);
    context.engine.build(&spec, &output).await.map_err(|error| {
        error
            .context(format_args!("the image of the {name} programs"))
            .hint(format!(
                "it is made from {} and installs packages: check the network, --mirror and --ca-bundle; the log has the rest",
                platform.id
            ))
    })?;
    stage.finished(&tag);
    Ok(ToolImage { tag, key })
}
