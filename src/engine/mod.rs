//! What omnibuild asks of a container engine, in its own words.
//!
//! No host path is ever mounted: files go in and out as tar streams, so an engine on another machine
//! works too. Nothing outside of an engine's folder knows which client library or engine is behind the
//! trait.

mod connect;
mod container;
mod docker;
mod emulation;
mod lines;
mod sandbox;
pub mod session;
mod starved;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::DuplexStream;

use crate::digest::Digest;
use crate::error::Result;
use crate::oci::{ExecutionConfig, ImageLimits, PrunedImages};
use crate::platform::{Arch, ImageRef};

pub use self::connect::{Choice, Configured, Connected, connect};
pub use self::container::{Container, MOUNT_POINTS, is_of_engine, with_container};
pub use self::emulation::must_run;
pub use self::session::Session;

/// Takes each line that a command or a build prints.
pub type Output<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A future of an engine call.
pub type Call<'a, T> = BoxFuture<'a, Result<T>>;

/// What an engine says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// `Docker Engine` or `Podman Engine`, as it calls itself, or `Sandbox`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The API version that was negotiated, where there is an API.
    pub api_version: Option<String>,
    /// The architecture its containers have without emulation.
    pub arch: Option<Arch>,
    /// Where it listens, or the folder that it keeps images in.
    pub address: String,
    /// What it keeps apart less well than others do.
    pub limits: Option<String>,
    /// Variables by which a process with another environment finds the same engine.
    pub variables: Vec<(&'static str, String)>,
}

/// An image that the engine has.
#[derive(Debug, Clone)]
pub struct Image {
    /// The engine's own id; good for starting containers, never part of a key.
    pub id: String,
    /// Digests under which registries know it (`name@sha256:…`).
    pub registry_digests: Vec<String>,
    /// Digests of its layers, the lowest first.
    pub layers: Vec<String>,
    /// The architecture that it says it is of; `None` where nothing is said.
    pub arch: Option<Arch>,
    /// What it says of itself.
    pub config: ExecutionConfig,
}

/// An image to build.
#[derive(Debug)]
pub struct BuildSpec<'a> {
    /// A tar archive with the context; the Dockerfile is `Dockerfile` in it.
    pub context: &'a Path,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Its first name.
    pub tag: &'a str,
    /// `--platform`.
    pub arch: Arch,
    /// The network that `RUN` steps see.
    pub network: Network,
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// None but loopback.
    None,
    /// The engine's default, or the one with this name (`host`, a user's network).
    Named(Option<String>),
}

/// As many processes and threads has a container where nobody says how many: enough for a compiler on every
/// core of a large machine; a fork bomb ends there.
pub const DEFAULT_PROCESSES: u32 = 16_384;

/// What a container may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes; the machine's when nobody says.
    pub memory: Option<u64>,
    /// Processes and threads; [`DEFAULT_PROCESSES`] when nobody says, and where the sandbox has root's rights
    /// no limit.
    pub processes: Option<u32>,
}

/// A container to start. It idles until it is removed; commands run in it by [`Container::exec`].
#[derive(Debug)]
pub struct ContainerSpec<'a> {
    /// An image id or reference.
    pub image: &'a str,
    /// The network.
    pub network: Network,
    /// Environment of every command, as who may inspect the container sees it.
    pub env: BTreeMap<String, String>,
    /// Environment of every command that the container does not have by itself, so that no description
    /// of it has it either: a proxy's address may hold a password.
    pub of_commands: BTreeMap<String, String>,
    /// Labels; the session's is among them.
    pub labels: BTreeMap<String, String>,
    /// What it may take.
    pub limits: Limits,
    /// What it has over its image.
    pub content: Option<Content<'a>>,
}

/// Files that a container has from its start, below folders that its image has not. An engine that
/// can keeps them unpacked for the next container that has the same.
#[derive(Clone)]
pub struct Content<'a> {
    /// The digest of all that decides them.
    pub key: Digest,
    /// Makes a tar archive of them, where the engine needs it.
    pub archive: &'a (dyn Fn() -> Result<tempfile::TempPath> + Send + Sync),
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Content").field(&self.key).finish()
    }
}

/// A command to run in a container: words, never a shell string.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// The command.
    pub argv: Vec<String>,
    /// Additional environment.
    pub env: BTreeMap<String, String>,
    /// Working directory; the image's when empty.
    pub cwd: String,
}

impl Exec {
    /// A command made of words.
    pub fn new<W: Into<String>>(argv: impl IntoIterator<Item = W>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Adds a word.
    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.argv.push(word.into());
        self
    }

    /// Adds words.
    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.argv.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.cwd = folder.into();
        self
    }
}

/// A container engine.
pub trait Engine: Send + Sync {
    /// Asks the engine who it is; fails quickly when none answers.
    fn about(&self) -> Call<'_, About>;
    /// The image with this id or name, if the engine has it.
    fn image<'a>(&'a self, reference: &'a str) -> Call<'a, Option<Image>>;
    /// Whether it can pull: bases are read from registries for one that can't.
    fn asks_registries(&self) -> bool {
        true
    }
    /// Pulls an image from its registry.
    fn pull<'a>(
        &'a self,
        reference: &'a ImageRef,
        arch: Arch,
        output: Output<'a>,
    ) -> Call<'a, Image>;
    /// Makes an image of a root file system of an architecture in a tar archive.
    fn import<'a>(
        &'a self,
        root: &'a Path,
        arch: Arch,
        tag: &'a str,
        config: &'a ExecutionConfig,
    ) -> Call<'a, Image>;
    /// Builds an image from a Dockerfile.
    fn build<'a>(&'a self, spec: &'a BuildSpec<'a>, output: Output<'a>) -> Call<'a, Image>;
    /// Takes images out of an archive as `docker save` writes it, for others to run.
    fn load<'a>(&'a self, archive: &'a Path) -> Call<'a, ()>;
    /// Gives an image another name.
    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> Call<'a, ()>;
    /// Unpacks content for containers to come, whose specification names it, and answers whether it
    /// did: an engine that does not gets it uploaded to each. Use [`with_container`].
    fn keep<'a>(&'a self, _content: &'a Content<'a>) -> Call<'a, bool> {
        async { Ok(false) }.boxed()
    }
    /// Creates and starts a container; answers its id. Use [`with_container`].
    fn start<'a>(&'a self, spec: &'a ContainerSpec<'a>) -> Call<'a, String>;
    /// Unpacks a tar archive into a folder of a container.
    fn upload<'a>(&'a self, id: &'a str, folder: &'a str, archive: &'a Path) -> Call<'a, ()>;
    /// Writes a file or folder of a container to a file here, as a tar archive.
    fn download<'a>(&'a self, id: &'a str, path: &'a str, archive: &'a Path) -> Call<'a, ()>;
    /// Writes the root file system of a container to a file here, as a tar archive: what is in its image and
    /// what was changed, nothing that is mounted.
    fn export<'a>(&'a self, id: &'a str, archive: &'a Path) -> Call<'a, ()>;
    /// Runs a command and answers its exit status. With a stream, what it writes to standard output
    /// goes there and not to `output`, and it reads what comes from there; else there is nothing to
    /// read.
    fn exec<'a>(
        &'a self,
        id: &'a str,
        exec: &'a Exec,
        stream: Option<DuplexStream>,
        output: Output<'a>,
    ) -> Call<'a, i64>;
    /// The lines in which the kernel counts whom it ended for a container's memory (cgroups(7)), as far as
    /// the engine lets them be seen.
    fn memory_counts<'a>(&'a self, id: &'a str) -> Call<'a, Vec<String>> {
        starved::counts_inside(self, id).boxed()
    }
    /// Kills and removes a container; one that is gone already is no error.
    fn remove<'a>(&'a self, id: &'a str) -> Call<'a, ()>;
    /// Ids and labels of all containers, running or not, that carry this label.
    fn containers<'a>(
        &'a self,
        label: &'a str,
    ) -> Call<'a, Vec<(String, BTreeMap<String, String>)>>;
}

/// Removes images of the sandbox that were not used for long or take too much, and what belongs to no
/// image; says what that is. Without `remove` it changes nothing. `None` where there are none.
///
/// # Errors
/// [`Kind::Busy`] while somebody uses them.
pub async fn prune_images(
    store: &Path,
    limits: ImageLimits,
    remove: bool,
) -> Result<Option<PrunedImages>> {
    sandbox::prune(&connect::sandbox_folder(store), limits, remove).await
}

/// Acts as a helper process of an engine, when this first word of the command line starts one. To be
/// asked before anything else is done.
pub fn act_as_helper(word: &str) -> Option<ExitCode> {
    sandbox::act(word)
}
