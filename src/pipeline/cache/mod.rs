//! `omnibuild cache`: the wheels that are kept, listed, cared for, carried elsewhere; and the images
//! that are kept, removed.
//!
//! Needs no engine, and but for `why` no project: only the folders that wheels and images are in.

mod care;
mod list;
mod transfer;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::{BuildOptions, CacheCommand, Common, Environment};
use crate::config::{AnyFolder, PlatformTable};
use crate::context::Caches;
use crate::error::Result;
use crate::oci::{ImageLimits, ImageStore};
use crate::platform::PlatformId;
use crate::report::Reporter;
use crate::wheels::WheelStore;
use crate::wheels::store::{InUse, Limits};

use super::forecast;

/// Does what the command line says.
pub async fn execute(
    command: CacheCommand,
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let cache = Cache::open(common, environment, reporter)?;
    match command {
        CacheCommand::Ls => list::ls(&cache),
        CacheCommand::Du => list::du(&cache),
        CacheCommand::Verify => care::verify(&cache).await,
        CacheCommand::Prune {
            older,
            max_size,
            max_images,
        } => {
            let images = ImageLimits {
                older,
                max_size: max_images,
            };
            care::prune(&cache, Limits { older, max_size }, images).await
        }
        CacheCommand::Clear => care::clear(&cache).await,
        CacheCommand::Export { file } => transfer::export(&cache, &file).await,
        CacheCommand::Import { file } => transfer::import(&cache, &file).await,
        CacheCommand::Why { platform } => {
            let mut common = common.clone();
            if !platform.is_empty() {
                common.sysbase = platform;
            }
            forecast::why(&common, options, environment, reporter)
        }
    }
}

/// The store, and how its commands were called.
struct Cache<'a> {
    store: WheelStore,
    /// Where the sandbox's images are; none where a cache has no place.
    sandbox: Option<PathBuf>,
    /// The runtime images.
    images: Option<ImageStore>,
    common: &'a Common,
    /// The platforms that the project's files list, when there are any.
    listed: Vec<String>,
    reporter: &'a Reporter,
}

impl<'a> Cache<'a> {
    fn open(common: &'a Common, environment: &Environment, reporter: &'a Reporter) -> Result<Self> {
        let folder = AnyFolder::read(&common.project)?;
        let said = common.overrides(environment).wheel_dir.or(folder.wheel_dir);
        let wheels = match said {
            Some(said) => said,
            None => super::wheel_folder(None, &common.project, &super::cache_folder(environment)?),
        };
        let caches = environment.cache.as_ref();
        let caches = caches.map(|cache| Caches::new(cache, wheels.clone()));
        Ok(Self {
            sandbox: caches.as_ref().map(Caches::sandbox),
            images: caches.map(|caches| ImageStore::new(&caches.images())),
            store: WheelStore::new(&wheels),
            common,
            listed: folder.platforms,
            reporter,
        })
    }

    /// The platforms that were named.
    fn named(&self) -> Result<BTreeSet<PlatformId>> {
        self.known(self.common.platforms())
    }

    /// The platforms that were named, else those that the project lists; empty for all.
    fn wanted(&self) -> Result<BTreeSet<PlatformId>> {
        if self.common.all {
            return Ok(BTreeSet::new());
        }
        let named = self.named()?;
        if named.is_empty() {
            return self.known(self.listed.iter().map(String::as_str).collect());
        }
        Ok(named)
    }

    fn known(&self, names: Vec<&str>) -> Result<BTreeSet<PlatformId>> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let table = PlatformTable::load(&self.common.project)?;
        let ids = names
            .into_iter()
            .map(|name| Ok(table.find(name)?.id.clone()));
        ids.collect()
    }

    /// Nobody prunes while this is held.
    async fn hold(&self) -> Result<InUse> {
        let waits = |holder: &str| {
            let text = format!("waiting for {holder}, which has the wheel cache alone");
            self.reporter.note(None, &text);
        };
        self.store.hold(waits).await
    }
}
