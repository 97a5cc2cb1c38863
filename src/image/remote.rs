//! Builder images that machines share: each is one layer in a repository of a registry, under a tag that is
//! its key. A machine that has none pulls instead of building.
//!
//! What a key stands for, who may push there decides. Trouble with the registry fails no build, and makes no
//! image that was not asked for.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::context::{Context, in_background};
use crate::digest::Key;
use crate::engine::{is_of_engine, with_container};
use crate::error::{Error, Kind, Result};
use crate::oci::layer::{self, Clock};
use crate::oci::root::Root;
use crate::oci::{self, ExecutionConfig, ImageStore, Manifest};
use crate::plan::{PlatformPlan, RepositoryName};
use crate::registry::{Patience, Registry, Stored, Use};

use super::{BuilderImage, KEY_LABEL};

/// The certificates that a builder image was built with are its machine's own.
const CERTIFICATES: &str = "usr/lib/omnibuild/ca-bundle.pem";

/// The tag of a builder image.
pub fn tag(plan: &PlatformPlan, key: &Key) -> String {
    format!("{}-{}", plan.id.stem(), key.digest)
}

/// Gives the engine the image of this key under a name, if the repository has it; says so or why not.
pub(super) async fn fetch(
    context: &Context<'_>,
    plan: &PlatformPlan,
    repository: &RepositoryName,
    key: &Key,
    name: &str,
) -> Result<bool> {
    let tag = tag(plan, key);
    // Building is always possible: nobody waits for long.
    let (patience, reporter) = (Patience::short(), context.report.reporter());
    let pulled = async {
        let registry = Registry::open(repository, Use::Pull, context.network, patience, reporter)?;
        let Some(image) = registry.pull(&tag, plan.arch()).await? else {
            return Ok(None);
        };
        if !image.config.has_label(KEY_LABEL, key.digest.as_str()) {
            let text = format!("`{repository}:{tag}` is not the image of its tag");
            return Err(Error::new(Kind::Damaged, text).hint(
                "remove that tag, and push the builder image again: `omnibuild push --builders`",
            ));
        }
        Ok(Some(image))
    };
    match pulled.await {
        Ok(Some(image)) => {
            let config = ExecutionConfig {
                labels: BTreeMap::from([(KEY_LABEL.to_owned(), key.digest.to_string())]),
                environment: image.config.environment,
            };
            let import = context
                .engine
                .import(&image.root, plan.arch(), name, &config);
            import.await?;
            Ok(true)
        }
        Ok(None) => {
            let line = format!("{repository} has no builder image `{tag}`");
            context.report.output_line(&line);
            Ok(false)
        }
        Err(error) => {
            let text = format!("the builder image can't be pulled: {}", error.message());
            let hint = error.hints().first().map(String::as_str);
            context.report.warn(&text, hint);
            Ok(false)
        }
    }
}

/// Puts a builder image into a repository, unless it is there; answers how many bytes were sent, or `None`.
///
/// # Errors
/// [`Kind::Publish`] when the registry does not take it.
pub async fn push(
    context: &Context<'_>,
    plan: &PlatformPlan,
    repository: &RepositoryName,
    builder: &BuilderImage,
) -> Result<Option<u64>> {
    let tag = tag(plan, &builder.key);
    let (patience, reporter) = (Patience::default(), context.report.reporter());
    let registry = Registry::open(repository, Use::Push, context.network, patience, reporter)?;
    if registry.manifest(&tag).await?.is_some() {
        return Ok(None);
    }
    let image = context.engine.image(&builder.tag).await?;
    let environment = image.map(|image| image.config.environment);
    let environment = environment.unwrap_or_default();
    let spec = context.offline(&builder.tag);
    let archive = with_container(context.engine, context.report, &spec, async |container| {
        container.export().await
    })
    .await?;
    let folder = tempfile::tempdir()?;
    let store = ImageStore::new(folder.path());
    let (key, arch) = (builder.key.clone(), plan.arch());
    let written = in_background({
        let store = store.clone();
        move || {
            let root = Root::of_archive(archive, is_left_out)?;
            write(&store, &root, &key, arch.debian(), &environment)
        }
    });
    let manifest = written.await?;
    let mut sent = 0;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let file = store.blob(blob.digest.digest());
        sent += registry.put_missing(blob, &file, None).await?;
    }
    let manifest = Stored::of(oci::MANIFEST, oci::bytes(&manifest)?);
    registry.put_manifest(&tag, &manifest).await?;
    Ok(Some(sent))
}

/// An image of one layer: the same for the same files.
fn write(
    store: &ImageStore,
    root: &Root,
    key: &Key,
    architecture: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Manifest> {
    // The folders that an engine puts something into have the time of their container.
    let newest = root.newest();
    let clock = Clock {
        started: newest.saturating_add(1),
        instead: newest,
        folders: None,
    };
    let layer = layer::write(store, "builder", root, &root.whole(), clock)?;
    let layer = layer.ok_or_else(|| Error::new(Kind::Engine, "the builder image is empty"))?;
    let labels = BTreeMap::from([(KEY_LABEL, key.digest.as_str())]);
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": oci::variables(environment), "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
    });
    let config = store.put(oci::CONFIG, &oci::bytes(&config)?)?;
    let layers = vec![layer.descriptor];
    Ok(Manifest::image(config, layers, BTreeMap::new()))
}

fn is_left_out(path: &Path) -> bool {
    is_of_engine(path) || path == Path::new(CERTIFICATES)
}
