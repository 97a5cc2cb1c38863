//! One run: its engine, connected when first needed, its session, and the remote cache.
//!
//! A run that needs no container needs no engine, and one that needs no wheel asks no remote cache.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::cli::Common;
use crate::config::{EngineKind, Engines, RemoteConfig};
use crate::context::Caches;
use crate::digest::Digest;
use crate::engine::{self, Configured, Engine, Session};
use crate::error::Result;
use crate::platform::Arch;
use crate::report::Reporter;
use crate::wheels::Remote;
use crate::wheels::remote::{RemoteSettings, Timing};

use super::shared::SharedBundles;
use super::{Project, host_architecture};

/// The engine, session and remote cache of a run.
pub struct Run {
    kind: EngineKind,
    host: Option<String>,
    engines: Engines,
    reporter: Reporter,
    caches: Caches,
    remote: Option<Remote>,
    connected: OnceCell<(Arc<dyn Engine>, Session)>,
    shared: SharedBundles,
}

impl Run {
    /// A run on the engine that the command line names, or on the default one.
    pub fn new(common: &Common, project: &Project, reporter: &Reporter) -> Result<Self> {
        let config = &project.config;
        let remote = config.remote.as_ref().map(|remote| {
            let proxies = config.proxies.clone().into_iter();
            let settings = remote_settings(remote, config.ca_bundle.clone(), proxies);
            Remote::open(settings, reporter)
        });
        Ok(Self {
            remote: remote.transpose()?,
            ..Self::without_wheels(common, &config.engines, project.caches.clone(), reporter)
        })
    }

    /// A run that needs no wheel, and so no remote cache.
    pub fn without_wheels(
        common: &Common,
        engines: &Engines,
        caches: Caches,
        reporter: &Reporter,
    ) -> Self {
        Self {
            kind: common.engine,
            host: common.host.clone(),
            engines: engines.clone(),
            reporter: reporter.clone(),
            caches,
            remote: None,
            connected: OnceCell::new(),
            shared: SharedBundles::default(),
        }
    }

    /// The bundles that several platforms take.
    pub(super) fn shared(&self) -> &SharedBundles {
        &self.shared
    }

    /// The engine and the session; the first call connects and removes what dead sessions left.
    pub async fn engine(&self) -> Result<&(Arc<dyn Engine>, Session)> {
        self.connected
            .get_or_try_init(|| async {
                let arch = host_architecture()?;
                let connected = engine::connect(engine::Choice {
                    kind: self.kind,
                    address: self.host.as_deref(),
                    configured: configured(&self.engines, arch),
                    arch,
                    store: &self.caches.sandbox(),
                })
                .await?;
                if let Some(why) = &connected.why {
                    self.reporter.note(None, why);
                }
                let engine = connected.engine;
                // What one engine has says nothing of the sessions that left containers on another.
                let place = Digest::of(&connected.address);
                let place = self.caches.sessions().join(place.short());
                let session = Session::begin(&place)?;
                session.sweep_dead(engine.as_ref()).await?;
                Ok((engine, session))
            })
            .await
    }

    /// The remote cache, where there is one.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Waits for what is on its way to the remote cache.
    pub async fn finish(&self) {
        if let Some(remote) = &self.remote {
            remote.finish().await;
        }
    }

    /// Removes every container of this run; called at its end, whatever that is.
    pub async fn sweep(&self) -> Result<()> {
        match self.connected.get() {
            Some((engine, session)) => session.sweep(engine.as_ref()).await,
            None => Ok(()),
        }
    }
}

/// What the configuration says of the engine of an architecture.
pub(super) fn configured(engines: &Engines, arch: Arch) -> Option<Configured<'_>> {
    let (place, value) = engines.of(arch)?;
    Some(Configured { place, value })
}

/// What the configuration says, as the remote cache wants it.
pub(super) fn remote_settings(
    config: &RemoteConfig,
    ca_bundle: Option<PathBuf>,
    proxies: impl Iterator<Item = (String, String)>,
) -> RemoteSettings {
    RemoteSettings {
        address: config.address.clone(),
        read_only: config.read_only,
        scope: config.scope.clone(),
        read_scopes: config.read_scopes.clone(),
        key_file: config.key_file.clone(),
        access: config.access.variables().clone(),
        ca_bundle,
        proxies: proxies.collect(),
        timing: Timing::default(),
    }
}
