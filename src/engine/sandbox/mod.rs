//! The sandbox: containers without a daemon, of what the machine lets the user have: namespaces and
//! overlays, or whole trees and chroot(2) or proot(1).
//!
//! A container is a folder, and each command in it gets a root of its own over that folder, so
//! nothing has to be kept alive between two commands, and nothing of one outlives it. Works on this
//! machine alone; knows no registry.

mod build;
mod chroot;
mod defaults;
mod descendants;
mod dockerfile;
mod failure;
mod files;
mod filter;
mod helper;
mod limits;
mod loopback;
mod mapping;
mod process;
mod proot;
mod rights;
mod root;
mod store;
mod task;
mod unused;
mod user;
mod way;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use tokio::io::DuplexStream;

use self::limits::{Parents, Restrictions};
use self::store::{Change, ContainerRecord, Record, Store};
use self::task::{Action, Command};
use self::way::Way;
use super::session::{self, MACHINE_LABEL};
use super::{About, BuildSpec, Call, ContainerSpec, Content, Engine, Exec, Image, Network, Output};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::Lock;
use crate::oci::{ExecutionConfig, ImageLimits, PrunedImages};
use crate::platform::{Arch, ImageRef};

/// Where programs are, unless an image says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Acts as a helper process, when this is the word that starts one.
pub(super) fn act(word: &str) -> Option<ExitCode> {
    helper::act(word)
}

/// Removes images that nobody uses; `None` where there are none.
pub(super) async fn prune(
    folder: &Path,
    limits: ImageLimits,
    remove: bool,
) -> Result<Option<PrunedImages>> {
    unused::prune(folder, limits, remove).await
}

/// The sandbox with its store.
pub(super) struct Sandbox {
    store: Store,
    parents: Parents,
    /// Why it is no stronger one, where there are such.
    refused: Option<String>,
    started: AtomicU64,
    _in_use: Lock,
}

impl Sandbox {
    /// The sandbox whose images are in a folder; an error that says why when this machine has none.
    pub(super) async fn open(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let (store, refused) = strongest(&folder).await?;
        let in_use = unused::hold(&folder)?;
        store.sweep().await?;
        // Of before the machine's last start; no session's lock tells of those.
        let machine = session::machine();
        for (id, labels) in store.all()? {
            if labels.get(MACHINE_LABEL) != Some(&machine) {
                store.remove(&id).await?;
            }
        }
        Ok(Self {
            store,
            parents: Parents::find(),
            refused,
            started: AtomicU64::new(0),
            _in_use: in_use,
        })
    }

    /// Where its images and containers are, whatever folder it is called from.
    pub(super) fn address(&self) -> String {
        self.store.folder().display().to_string()
    }

    /// How it works here, why in no way that keeps more apart, and what this one doesn't.
    pub(super) fn describe(&self) -> String {
        let way = self.store.way();
        let refused = self.refused.as_ref();
        let refused = refused.map_or(String::new(), |refused| format!(", not by {refused}"));
        format!("by {}{refused}; {}", way.name(), self.limits())
    }

    /// What it keeps apart less well than an engine with a daemon does.
    fn limits(&self) -> String {
        let way = self.store.way();
        [&[way.limits()], &self.parents.weaknesses(way)[..]]
            .concat()
            .join("; ")
    }

    /// The same, unless there is nothing that would keep more apart.
    pub(super) fn weakness(&self) -> Option<String> {
        let weakness = || format!("the sandbox works {}", self.describe());
        self.refused.is_some().then(weakness)
    }

    /// Makes a layer of the files in an archive.
    async fn layer_of(&self, key: &Digest, archive: PathBuf) -> Result<()> {
        let change = Change {
            network: false,
            action: Action::Unpack {
                archive,
                folder: "/".to_owned(),
            },
        };
        let made = self.store.make_layer(key, &[], vec![change], &|_| {});
        made.await.map(|_| ())
    }

    fn find(&self, reference: &str) -> Result<Record> {
        self.store.find(reference).ok_or_else(|| {
            Error::new(
                Kind::Engine,
                format!("the sandbox has no image `{reference}`"),
            )
        })
    }
}

/// The store for the way that keeps most apart of those that this machine allows, and why it allows
/// none that keeps more.
async fn strongest(folder: &Path) -> Result<(Store, Option<String>)> {
    let (mut refused, mut advice) = (Vec::new(), Vec::new());
    let root = rustix::process::geteuid().is_root();
    for way in Way::strongest_first(root).iter().copied() {
        let store = Store::new(folder, way);
        let probe = async {
            match way {
                Way::UserNamespace => mapping::suits()?,
                Way::Proot => proot::suits(PATH)?,
                Way::Namespaces | Way::Trees => {}
            }
            store.make()?;
            store.probe().await
        };
        match probe.await {
            Ok(()) => {
                let refused = Some(refused.join(", ")).filter(|refused| !refused.is_empty());
                return Ok((store, refused));
            }
            Err(error) if error.kind() == Kind::Space => return Err(error),
            Err(error) => {
                refused.push(format!("{} ({})", way.name(), error.message()));
                advice.extend(error.hints().iter().cloned());
            }
        }
    }
    let refused = refused.join(", nor by ");
    let error = Error::new(
        Kind::Engine,
        format!("this machine allows no sandbox by {refused}"),
    );
    let error = advice.into_iter().fold(error, Error::hint);
    Err(error.hint("or run omnibuild as root, or use Docker or Podman"))
}

/// Whether the machine's network is shared. There is no other.
fn shares_network(network: &Network) -> Result<bool> {
    match network {
        Network::None => Ok(false),
        Network::Named(name) => match name.as_deref() {
            None | Some("host") => Ok(true),
            Some("none") => Ok(false),
            Some(name) => Err(Error::new(
                Kind::Config,
                format!("the sandbox has no network `{name}`"),
            )
            .hint("leave out --network: stages that need one have this machine's")),
        },
    }
}

/// The environment of a command: what each has, then these, the later before the earlier.
fn environment<const N: usize>(parts: [&BTreeMap<String, String>; N]) -> Vec<(String, String)> {
    let each = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("HOSTNAME", defaults::HOST_NAME),
    ];
    let each = each.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut all = BTreeMap::from(each);
    for part in parts {
        all.extend(part.clone());
    }
    all.into_iter().collect()
}

impl Engine for Sandbox {
    fn about(&self) -> Call<'_, About> {
        async {
            Ok(About {
                name: "Sandbox".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                api_version: None,
                arch: Arch::of_this_machine(),
                address: self.address(),
                limits: Some(self.limits()),
                variables: vec![
                    ("OMNIBUILD_ENGINE", "sandbox".to_owned()),
                    ("OMNIBUILD_SANDBOX_DIR", self.address()),
                ],
            })
        }
        .boxed()
    }

    fn image<'a>(&'a self, reference: &'a str) -> Call<'a, Option<Image>> {
        async move {
            let found = self.store.find(reference);
            found.map(|record| record.image()).transpose()
        }
        .boxed()
    }

    fn asks_registries(&self) -> bool {
        false
    }

    fn pull<'a>(
        &'a self,
        reference: &'a ImageRef,
        _arch: Arch,
        _output: Output<'a>,
    ) -> Call<'a, Image> {
        async move {
            Err(Error::new(
                Kind::Network,
                format!("can't pull `{reference}`: the sandbox asks no registry"),
            )
            .hint("use Docker or Podman for images that only a registry has"))
        }
        .boxed()
    }

    fn import<'a>(
        &'a self,
        root: &'a Path,
        _arch: Arch,
        tag: &'a str,
        config: &'a ExecutionConfig,
    ) -> Call<'a, Image> {
        async move {
            let path = root.to_owned();
            let layer = tokio::task::spawn_blocking(move || Digest::of_file(&path))
                .await
                .map_err(|error| Error::new(Kind::Internal, error.to_string()))??;
            if !self.store.has_layer(&layer) {
                let made = self.layer_of(&layer, std::path::absolute(root)?).await;
                made.map_err(|error| error.context(format!("can't import `{tag}`")))?;
            }
            self.store.keep(&Record::of_layer(layer, config), tag)
        }
        .boxed()
    }

    fn build<'a>(&'a self, spec: &'a BuildSpec<'a>, output: Output<'a>) -> Call<'a, Image> {
        async move {
            build::build(&self.store, spec, output)
                .await
                .map_err(|error| error.context(format!("can't build `{}`", spec.tag)))
        }
        .boxed()
    }

    fn load<'a>(&'a self, _archive: &'a Path) -> Call<'a, ()> {
        let error = Error::new(Kind::Engine, "the sandbox runs no images of others")
            .hint(
                "`omnibuild image save FILE` writes them to a file, `omnibuild push` to a registry",
            )
            .hint("or name an engine: --engine docker");
        async { Err(error) }.boxed()
    }

    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> Call<'a, ()> {
        async move {
            let record = self.find(image)?;
            self.store.keep(&record, name).map(|_| ())
        }
        .boxed()
    }

    fn keep<'a>(&'a self, content: &'a Content<'a>) -> Call<'a, bool> {
        async move {
            if self.store.way().keeps_whole_trees() {
                return Ok(false);
            }
            // An image too, so that it stays as long as it is of use.
            let name = format!("omnibuild/content:{}", content.key);
            if self.store.find(&name).is_none() {
                let archive = tokio::task::block_in_place(content.archive)?;
                let made = self.layer_of(&content.key, archive.to_path_buf()).await;
                made.map_err(|error| error.context("can't unpack what a container is given"))?;
                let image = Record::of_layer(content.key.clone(), &ExecutionConfig::default());
                self.store.keep(&image, &name)?;
            }
            Ok(true)
        }
        .boxed()
    }

    fn start<'a>(&'a self, spec: &'a ContainerSpec<'a>) -> Call<'a, String> {
        async move {
            let mut image = self.find(spec.image)?;
            if let Some(content) = &spec.content
                && !self.store.way().keeps_whole_trees()
            {
                image.layers.push(content.key.clone());
            }
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now = now.unwrap_or_default().as_nanos();
            let id = format!("{}-{now}-{number}", std::process::id());
            let record = ContainerRecord {
                image,
                env: spec.env.clone(),
                labels: spec.labels.clone(),
                network: shares_network(&spec.network)?,
                restrictions: Restrictions::of(&self.parents, self.store.way(), &id, spec.limits),
            };
            self.store.start(&id, &record).await?;
            Ok(id)
        }
        .boxed()
    }

    fn upload<'a>(&'a self, id: &'a str, folder: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let action = Action::Unpack {
                archive: std::path::absolute(archive)?,
                folder: folder.to_owned(),
            };
            let unpacked = self.store.work(id, |_| action, None, &|_| {}).await;
            unpacked
                .map(|_| ())
                .map_err(|error| error.context(format!("can't unpack files into `{folder}`")))
        }
        .boxed()
    }

    fn download<'a>(&'a self, id: &'a str, path: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let action = Action::Pack {
                path: path.to_owned(),
                archive: std::path::absolute(archive)?,
            };
            let packed = self.store.work(id, |_| action, None, &|_| {}).await;
            packed
                .map(|_| ())
                .map_err(|error| error.context(format!("can't read `{path}`")))
        }
        .boxed()
    }

    fn export<'a>(&'a self, id: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let action = Action::Export {
                archive: std::path::absolute(archive)?,
            };
            let packed = self.store.work(id, |_| action, None, &|_| {}).await;
            packed
                .map(|_| ())
                .map_err(|error| error.context("can't read a container's files"))
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        exec: &'a Exec,
        stream: Option<DuplexStream>,
        output: Output<'a>,
    ) -> Call<'a, i64> {
        async move {
            let converses = stream.is_some();
            let action = |container: &ContainerRecord| {
                let image = &container.image;
                let cwd = if exec.cwd.is_empty() {
                    &image.cwd
                } else {
                    &exec.cwd
                };
                Action::Run(Command {
                    argv: exec.argv.clone(),
                    env: environment([&image.env, &container.env, &exec.env]),
                    cwd: cwd.clone(),
                    user: image.user.clone(),
                    converses,
                })
            };
            self.store.work(id, action, stream, output).await
        }
        .boxed()
    }

    fn memory_counts<'a>(&'a self, id: &'a str) -> Call<'a, Vec<String>> {
        async move { Ok(self.store.container_record(id)?.restrictions.counts()) }.boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> Call<'a, ()> {
        self.store.remove(id).boxed()
    }

    fn containers<'a>(
        &'a self,
        label: &'a str,
    ) -> Call<'a, Vec<(String, BTreeMap<String, String>)>> {
        async move {
            let mut all = self.store.all()?;
            all.retain(|(_, labels)| labels.contains_key(label));
            Ok(all)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_network_is_shared_or_none() {
        let named = |name: &str| shares_network(&Network::Named(Some(name.to_owned())));
        assert!(shares_network(&Network::Named(None)).unwrap());
        assert!(named("host").unwrap());
        assert!(!named("none").unwrap());
        assert!(!shares_network(&Network::None).unwrap());
        assert_eq!(named("bridge").unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn a_command_has_the_last_of_each_variable_and_a_path() {
        let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let all = environment([&of("A", "1"), &of("A", "2"), &of("HOME", "/srv")]);
        let value = |name: &str| {
            let mut found = all.iter().filter(|(own, _)| own == name);
            found.next().map(|(_, value)| value.as_str())
        };
        assert_eq!((value("A"), value("HOME")), (Some("2"), Some("/srv")));
        assert_eq!(value("PATH"), Some(PATH));
    }
}
