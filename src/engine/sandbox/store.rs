//! Images, layers and containers as folders of this machine.
//!
//! ```text
//! layers/<key>/upper/        what a step changed, as the kernel's overlay keeps it; never written again
//! user-layers/<key>/upper/   the same of a user who is not root, whose numbers of owners are others
//! trees/<key>/upper/         the whole root of an image, where the machine allows no overlay
//! proot-trees/<key>/upper/   the same of a user who can't give files to others
//! images/<digest>.json       which layers, environment, labels
//! names/<name>               the digest of the image that has the name
//! containers/<id>/lock       held by the helper that works in it
//! containers/<id>/container.json
//! containers/<id>/upper, work, root
//! lock                       shared by who uses the store, alone for who removes unused images
//! ```
//!
//! A layer is committed when its step has succeeded, an image after its layers, a name after its image:
//! after a kill there is less, and nothing half. Knows of no process but by locks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use tokio::io::DuplexStream;

use super::failure::no_room;
use super::limits::Restrictions;
use super::process::{converse, perform};
use super::proot;
use super::task::{Action, Task};
use super::way::Way;
use crate::digest::Digest;
use crate::engine::{Image, Output};
use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, StagedFolder, TEMPORARY_PREFIX};
use crate::oci::ExecutionConfig;

const SCHEMA: u32 = 1;

/// What a task's folder has in it.
pub(super) const PARTS: [&str; 3] = ["upper", "work", "root"];

/// What an image is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    schema: u32,
    /// Keys of its layers, the lowest first.
    pub(super) layers: Vec<Digest>,
    /// Variables of every command.
    pub(super) env: BTreeMap<String, String>,
    /// Where commands run; empty: `/`.
    pub(super) cwd: String,
    /// Who runs them; empty: root.
    pub(super) user: String,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
}

impl Record {
    /// An image of one layer.
    pub(super) fn of_layer(layer: Digest, config: &ExecutionConfig) -> Self {
        Self {
            schema: SCHEMA,
            layers: vec![layer],
            env: config.environment.clone(),
            cwd: String::new(),
            user: String::new(),
            labels: config.labels.clone(),
        }
    }

    fn id(&self) -> Result<Digest> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        Ok(Digest::of(bytes))
    }

    /// As the trait has it.
    pub(super) fn image(&self) -> Result<Image> {
        Ok(Image {
            id: self.id()?.to_string(),
            registry_digests: Vec::new(),
            layers: self.layers.iter().map(ToString::to_string).collect(),
            arch: None,
            config: ExecutionConfig {
                labels: self.labels.clone(),
                environment: self.env.clone(),
            },
        })
    }
}

/// What a container is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ContainerRecord {
    /// What it was started from.
    pub(super) image: Record,
    /// More variables of every command.
    pub(super) env: BTreeMap<String, String>,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
    /// Whether it has the machine's network.
    pub(super) network: bool,
    /// What its commands may take. Earlier versions wrote none.
    #[serde(default)]
    pub(super) restrictions: Restrictions,
}

/// One of the changes that make a layer.
pub(super) struct Change {
    /// Whether it has the machine's network.
    pub(super) network: bool,
    /// What is done.
    pub(super) action: Action,
}

/// The folder of images and containers.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
    way: Way,
}

impl Store {
    /// The store in a folder, for tasks that get their roots in this way.
    pub(super) fn new(folder: &Path, way: Way) -> Self {
        Self {
            folder: folder.to_owned(),
            way,
        }
    }

    /// How its tasks get their roots.
    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// Makes the folder, for its owner alone: layers hold programs that run as root for whoever
    /// starts them.
    pub(super) fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let owner = std::fs::Permissions::from_mode(0o700);
        Ok(fs::set_permissions(&self.folder, owner)?)
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn layers(&self) -> PathBuf {
        self.folder.join(self.way.layers())
    }

    fn containers(&self) -> PathBuf {
        self.folder.join("containers")
    }

    /// The folder of a container.
    fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    fn named(&self, name: &str) -> PathBuf {
        // No name has a `%`.
        let file = full_name(name).replace('/', "%2F");
        self.folder.join("names").join(file)
    }

    fn record(&self, id: &str) -> PathBuf {
        self.folder.join("images").join(format!("{id}.json"))
    }

    /// The image with this name or id, if the layers that make its root are there.
    pub(super) fn find(&self, reference: &str) -> Option<Record> {
        let id = fs::read_to_string(self.named(reference)).ok();
        let id = id.unwrap_or_else(|| reference.to_owned());
        // A reference that is no id may not leave the folder.
        let id: Digest = id.trim().parse().ok()?;
        let record: Record = fsutil::read_json(&self.record(id.as_str()))?;
        let needed = self.way.needed(&record.layers);
        if record.schema != SCHEMA || !needed.iter().all(|layer| self.has_layer(layer)) {
            return None;
        }
        // Its time says when it was last of use. Where it can't be set, it is older than it looks.
        fsutil::mark_used(&self.record(id.as_str()));
        Some(record)
    }

    /// Keeps an image under a name.
    pub(super) fn keep(&self, record: &Record, name: &str) -> Result<Image> {
        let image = record.image()?;
        fsutil::commit_json(&self.record(&image.id), record)?;
        fsutil::commit_bytes(&self.named(name), image.id.as_bytes())?;
        Ok(image)
    }

    /// Whether a layer was made.
    pub(super) fn has_layer(&self, key: &Digest) -> bool {
        self.layers().join(key.as_str()).join("upper").is_dir()
    }

    /// The trees of the layers that a root is made of, relative to the store.
    fn trees(&self, layers: &[Digest]) -> Vec<PathBuf> {
        let folder = Path::new(self.way.layers());
        let tree = |key: &Digest| folder.join(key.as_str()).join("upper");
        self.way.needed(layers).iter().map(tree).collect()
    }

    /// Makes the layer of some changes upon others and keeps it when all succeed; answers the number of
    /// the first that did not, and its status.
    pub(super) async fn make_layer(
        &self,
        key: &Digest,
        below: &[Digest],
        changes: Vec<Change>,
        output: Output<'_>,
    ) -> Result<Option<(usize, i64)>> {
        let staged = StagedFolder::create(&self.layers())?;
        prepare(staged.path())?;
        let folder = self.relative(staged.path())?;
        let made = self.change(&folder, below, changes, output).await;
        let made = made.map_err(|error| match error.kind() {
            Kind::Space => no_room(error.message()),
            _ => error,
        });
        if !matches!(made, Ok(None)) {
            let cleared = self.clear(staged.path(), &PARTS).await;
            return made.and_then(|failed| cleared.map(|()| failed));
        }
        self.clear(staged.path(), &["work", "root"]).await?;
        let place = self.layers().join(key.as_str());
        tokio::task::block_in_place(|| staged.commit(&place))?;
        Ok(None)
    }

    async fn change(
        &self,
        folder: &Path,
        below: &[Digest],
        changes: Vec<Change>,
        output: Output<'_>,
    ) -> Result<Option<(usize, i64)>> {
        let task = |action| self.task(folder.to_owned(), self.trees(below), action);
        self.fill(&task(Action::Fill)).await?;
        for (number, change) in changes.into_iter().enumerate() {
            let task = Task {
                network: change.network,
                ..task(change.action)
            };
            let status = perform(&task, output).await?;
            if status != 0 {
                return Ok(Some((number, status)));
            }
        }
        Ok(None)
    }

    /// Something to do in a folder of the store, without a network and with nobody else there.
    fn task(&self, folder: PathBuf, below: Vec<PathBuf>, action: Action) -> Task {
        Task {
            store: self.folder.clone(),
            lock: None,
            way: self.way,
            below,
            folder,
            network: false,
            restrictions: Restrictions::default(),
            action,
        }
    }

    /// Makes a root and says what the machine has against it.
    pub(super) async fn probe(&self) -> Result<()> {
        let staged = StagedFolder::create(&self.layers())?;
        prepare(staged.path())?;
        fs::create_dir(staged.path().join("below"))?;
        let folder = self.relative(staged.path())?;
        let below = vec![folder.join("below")];
        let task = self.task(folder, below, Action::Probe);
        let probed = perform(&task, &|_| {}).await;
        let cleared = self.clear(staged.path(), &PARTS).await;
        probed.and(cleared)
    }

    /// Removes parts of a task's folder, by whoever may.
    pub(super) async fn clear(&self, folder: &Path, parts: &[&str]) -> Result<()> {
        let parts: Vec<PathBuf> = parts.iter().map(|part| folder.join(part)).collect();
        match self.way {
            Way::Namespaces | Way::Trees => {
                let work = move || parts.iter().try_for_each(|part| fsutil::remove_tree(part));
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|error| Error::new(Kind::Internal, error.to_string()))?
            }
            Way::Proot => {
                let work = move || parts.iter().try_for_each(|part| proot::remove(part));
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|error| Error::new(Kind::Internal, error.to_string()))?
            }
            Way::UserNamespace => {
                let parts = parts.iter().map(|part| self.relative(part));
                let remove = Action::Remove(parts.collect::<Result<_>>()?);
                let task = self.task(self.relative(folder)?, Vec::new(), remove);
                perform(&task, &|_| {}).await.map(|_| ())
            }
        }
    }

    /// Removes what killed runs left half made, where that takes more than to be its owner.
    pub(super) async fn sweep(&self) -> Result<()> {
        match self.way {
            // Whoever makes the next does it.
            Way::Namespaces | Way::Trees => return Ok(()),
            Way::UserNamespace | Way::Proot => {}
        }
        for above in [self.layers(), self.containers()] {
            for folder in fsutil::abandoned_folders(&above) {
                self.clear(&folder, &PARTS).await?;
            }
        }
        Ok(())
    }

    fn relative(&self, path: &Path) -> Result<PathBuf> {
        let relative = path.strip_prefix(&self.folder);
        relative.map(Path::to_owned).map_err(|_outside| {
            let text = format!("`{}` is not in the store", path.display());
            Error::new(Kind::Internal, text)
        })
    }

    /// Makes the tree of a task, where one is made before it is worked in.
    async fn fill(&self, task: &Task) -> Result<()> {
        match self.way {
            Way::Namespaces | Way::UserNamespace => Ok(()),
            Way::Trees | Way::Proot => perform(task, &|_| {}).await.map(|_| ()),
        }
    }

    /// Makes the folder of a container.
    pub(super) async fn start(&self, id: &str, record: &ContainerRecord) -> Result<()> {
        let staged = StagedFolder::create(&self.containers())?;
        prepare(staged.path())?;
        fs::write(staged.path().join("lock"), "")?;
        let json = serde_json::to_vec(record).map_err(std::io::Error::from)?;
        fs::write(staged.path().join("container.json"), json)?;
        let below = self.trees(&record.image.layers);
        let task = self.task(self.relative(staged.path())?, below, Action::Fill);
        self.fill(&task).await?;
        staged.put(&self.container(id))
    }

    /// Does something in a container; one thing after the other. A stream is a command's standard input
    /// and output.
    pub(super) async fn work(
        &self,
        id: &str,
        action: impl FnOnce(&ContainerRecord) -> Action,
        stream: Option<DuplexStream>,
        output: Output<'_>,
    ) -> Result<i64> {
        let folder = Path::new("containers").join(id);
        let record = self.container_record(id)?;
        let below = self.trees(&record.image.layers);
        let task = Task {
            lock: Some(folder.join("lock")),
            network: record.network,
            restrictions: record.restrictions.clone(),
            ..self.task(folder, below, action(&record))
        };
        match stream {
            Some(stream) => converse(&task, stream, output).await,
            None => perform(&task, output).await,
        }
    }

    /// What a container is.
    pub(super) fn container_record(&self, id: &str) -> Result<ContainerRecord> {
        let path = self.container(id).join("container.json");
        fsutil::read_json(&path)
            .ok_or_else(|| Error::new(Kind::Engine, format!("there is no container `{id}`")))
    }

    /// Waits until nothing runs in a container any more and removes it; one that is gone is no error.
    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        let folder = self.container(id);
        let lock = match fs::File::open(folder.join("lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // One without a record has none; nor has anybody worked in it.
        let record = self.container_record(id).ok();
        let path = folder.clone();
        let work = move || {
            let locked = lock.file().lock();
            locked.map_err(|error| Error::io("lock", &path, &error))?;
            record.map_or(Ok(()), |record| record.restrictions.remove())?;
            Ok::<_, Error>(lock)
        };
        let locked = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let _lock = locked?;
        // The record last: without it nobody would know whose the rest is.
        self.clear(&folder, &PARTS).await?;
        fsutil::remove_tree(&folder)
    }

    /// Every container with its labels.
    pub(super) fn all(&self) -> Result<Vec<(String, BTreeMap<String, String>)>> {
        let entries = match fs::read_dir(self.containers()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let record = self.container(&name).join("container.json");
            if !name.starts_with(TEMPORARY_PREFIX)
                && let Some(record) = fsutil::read_json::<ContainerRecord>(&record)
            {
                all.push((name, record.labels));
            }
        }
        Ok(all)
    }
}

/// Makes what a task's folder has in it.
fn prepare(folder: &Path) -> Result<()> {
    for name in PARTS {
        let path = folder.join(name);
        fs::create_dir(&path)?;
        // The mode of a root, whatever the user's umask is.
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A name with its tag, as others would complete it.
fn full_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || name.contains('@') {
        return name.to_owned();
    }
    format!("{name}:latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), Way::Namespaces);
        (folder, store)
    }

    #[test]
    fn an_image_has_names_and_an_id_as_long_as_its_layers_are_there() {
        let (folder, store) = store();
        let layer = Digest::of("layer");
        let config = ExecutionConfig {
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..ExecutionConfig::default()
        };
        let record = Record::of_layer(layer.clone(), &config);
        let image = store.keep(&record, "registry:5000/tool").unwrap();
        assert!(store.find(&image.id).is_none());
        let tree = folder.path().join("layers").join(layer.as_str());
        fs::create_dir_all(tree.join("upper")).unwrap();
        for reference in ["registry:5000/tool", "registry:5000/tool:latest", &image.id] {
            let found = store.find(reference).unwrap().image().unwrap();
            assert_eq!((found.id, found.config), (image.id.clone(), config.clone()));
        }
        for reference in ["tool", "registry:5000/tool:other", "../images/x", ""] {
            assert!(store.find(reference).is_none(), "{reference}");
        }
    }

    #[test]
    fn an_image_of_whole_trees_needs_its_topmost_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::of_layer(Digest::of("base"), &ExecutionConfig::default());
        record.layers.push(Digest::of("top"));
        for (way, is_whole) in [(Way::Trees, true), (Way::Namespaces, false)] {
            let store = Store::new(folder.path(), way);
            store.keep(&record, "tool").unwrap();
            let top = store.layers().join(Digest::of("top").as_str());
            fs::create_dir_all(top.join("upper")).unwrap();
            assert_eq!(store.find("tool").is_some(), is_whole, "{way:?}");
            let trees = if is_whole { 1 } else { 2 };
            assert_eq!(store.trees(&record.layers).len(), trees, "{way:?}");
        }
    }

    #[tokio::test]
    async fn a_container_is_known_by_its_labels_until_it_is_removed() {
        let (_folder, store) = store();
        assert!(store.all().unwrap().is_empty());
        let labels = BTreeMap::from([("session".to_owned(), "1".to_owned())]);
        let record = ContainerRecord {
            image: Record::of_layer(Digest::of("layer"), &ExecutionConfig::default()),
            env: BTreeMap::new(),
            labels: labels.clone(),
            network: false,
            restrictions: Restrictions::default(),
        };
        store.start("one", &record).await.unwrap();
        assert_eq!(store.all().unwrap(), [("one".to_owned(), labels)]);
        for _ in 0..2 {
            store.remove("one").await.unwrap();
            assert!(store.all().unwrap().is_empty());
        }
    }
}
