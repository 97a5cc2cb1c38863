//! What every stage of one platform is given: the engine, the caches, the reporter.
//!
//! No stage reaches for anything else, and none knows the order of the stages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::{ContainerSpec, Engine, Limits, Network, Session};
use crate::error::{Error, Kind, Result};
use crate::plan::NetworkPlan;
use crate::report::PlatformReporter;
use crate::wheels::Remote;

/// Where things are kept between runs, drawn from `root` (the user's cache folder):
///
/// ```text
/// v1/bases/<platform>-<arch>.json .tar    which base image a platform has, and a bootstrapped one
/// v1/builders/<key>.json                  the interpreter of a builder image
/// v1/layers/<2 digits>/<key>/             installed wheels with byte code
/// v1/libraries/<key>.json                which packages of a builder have the libraries of a bundle
/// v1/segments/<2 digits>/<key>            compressed parts of packages
/// v1/interpreters/<key>/                  interpreters that were made from source
/// v1/sources/<sha256>                     what they were made of
/// v1/tools/<name>-<release>-<machine>     a program that works in builders
/// v1/pythons/<digest>.tar                an archive of a standalone Python, compressed as it came
/// v1/images/blobs/ records/               layers, configurations and manifests of runtime images
/// v1/sandbox/                             images and containers of the sandbox engine
/// v1/sessions/<session>.lock              who is alive
/// v1/logs/<name>.log                      what was printed by commands that belong to no project
/// ```
#[derive(Debug, Clone)]
pub struct Caches {
    root: PathBuf,
    wheels: PathBuf,
}

impl Caches {
    /// Caches below the user's cache folder, and the folder of wheels.
    pub fn new(root: &Path, wheels: PathBuf) -> Self {
        Self {
            root: root.join("v1"),
            wheels,
        }
    }

    /// Base images.
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Builder images.
    pub fn builders(&self) -> PathBuf {
        self.root.join("builders")
    }

    /// Layers.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Which packages have which libraries.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("libraries")
    }

    /// Compressed parts of packages.
    pub fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    /// Interpreters that were made from source.
    pub fn interpreters(&self) -> PathBuf {
        self.root.join("interpreters")
    }

    /// What they were made of.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// Programs that work in builders.
    pub fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// Archives of standalone Pythons.
    pub fn pythons(&self) -> PathBuf {
        self.root.join("pythons")
    }

    /// Runtime images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Images and containers of the sandbox engine.
    pub fn sandbox(&self) -> PathBuf {
        self.root.join("sandbox")
    }

    /// Sessions.
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Logs of no project.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Wheels; shared with other machines by copying the folder.
    pub fn wheels(&self) -> &Path {
        &self.wheels
    }
}

/// The surroundings of a platform's stages.
pub struct Context<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// This run.
    pub session: &'a Session,
    /// The caches.
    pub caches: &'a Caches,
    /// The cache of wheels that machines share, where there is one.
    pub remote: Option<&'a Remote>,
    /// Takes progress and output.
    pub report: &'a PlatformReporter,
    /// How to reach the network.
    pub network: &'a NetworkPlan,
    /// What each container may take.
    pub limits: Limits,
}

/// Where the certificates are in a container.
pub const CA_BUNDLE_PATH: &str = "/omnibuild/ca-bundle.pem";

impl Context<'_> {
    /// A container without a network.
    pub fn offline<'i>(&self, image: &'i str) -> ContainerSpec<'i> {
        ContainerSpec {
            image,
            network: Network::None,
            env: BTreeMap::new(),
            of_commands: BTreeMap::new(),
            labels: self.session.labels(),
            limits: self.limits,
            content: None,
        }
    }

    /// A container with a network, behind the user's proxies. Certificates are uploaded by the
    /// stage, to [`CA_BUNDLE_PATH`].
    pub fn online<'i>(&self, image: &'i str) -> ContainerSpec<'i> {
        let mut env = BTreeMap::new();
        if self.network.ca_bundle.is_some() {
            for name in [
                "SSL_CERT_FILE",
                "PIP_CERT",
                "REQUESTS_CA_BUNDLE",
                "CURL_CA_BUNDLE",
                "GIT_SSL_CAINFO",
            ] {
                env.insert(name.to_owned(), CA_BUNDLE_PATH.to_owned());
            }
        }
        ContainerSpec {
            image,
            network: Network::Named(self.network.name.clone()),
            env,
            of_commands: self.network.proxies.clone(),
            labels: self.session.labels(),
            limits: self.limits,
            content: None,
        }
    }

    /// The bytes of the user's certificates; none when there are none.
    pub fn ca_bundle(&self) -> Result<Vec<u8>> {
        match &self.network.ca_bundle {
            Some(path) => Ok(fs_err::read(path)?),
            None => Ok(Vec::new()),
        }
    }
}

/// Runs what only computes, reads or writes beside the other platforms' work.
pub async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Kind::Internal, error.to_string()))?
}
