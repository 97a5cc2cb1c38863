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
use crate::error::{Error, Kind, Result};
use crate::platform::Arch;
use crate::report::{PlatformReporter, Reporter};
use crate::wheels::Remote;
use crate::wheels::remote::{RemoteSettings, Timing};

use super::shared::{SameForAll, SharedBundles};
use super::{Project, host_architecture};

/// How many times as long a command takes that qemu emulates, as measured: the README's "Architectures".
const EMULATION_COST: u32 = 8;

/// An engine that answers, and this run's session on it.
struct Connection {
    engine: Arc<dyn Engine>,
    session: Session,
    /// What its containers have without emulation, where it says that.
    arch: Option<Arch>,
}

/// The engines, sessions and remote cache of a run.
pub struct Run {
    kind: EngineKind,
    host: Option<String>,
    engines: Engines,
    reporter: Reporter,
    caches: Caches,
    remote: Option<Remote>,
    /// The engine of this machine's architecture, and that of others where it is not the same.
    connected: [OnceCell<Connection>; 2],
    /// Whether the engine of each architecture will do.
    checked: [OnceCell<()>; 2],
    shared: SharedBundles,
    same_for_all: SameForAll,
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
            connected: Default::default(),
            checked: Default::default(),
            shared: SharedBundles::default(),
            same_for_all: SameForAll::default(),
        }
    }

    /// The bundles that several platforms take.
    pub(super) fn shared(&self) -> &SharedBundles {
        &self.shared
    }

    /// The packages that are the same for every architecture.
    pub(super) fn same_for_all(&self) -> &SameForAll {
        &self.same_for_all
    }

    /// The engine of an architecture and the session on it; the first call connects and removes what dead
    /// sessions left. Where it has to emulate, which takes many times as long, that is told once.
    pub async fn engine(
        &self,
        arch: Arch,
        report: &PlatformReporter,
    ) -> Result<(&Arc<dyn Engine>, &Session)> {
        let own = host_architecture()?;
        let is_shared = arch == own || self.engines.of(arch) == self.engines.of(own);
        let (cell, named_for) = if is_shared { (0, own) } else { (1, arch) };
        let connection = self.connected[cell]
            .get_or_try_init(|| self.connect(named_for, own))
            .await?;
        self.checked[usize::from(arch != own)]
            .get_or_try_init(|| self.check(connection, arch, report))
            .await?;
        Ok((&connection.engine, &connection.session))
    }

    async fn connect(&self, arch: Arch, own: Arch) -> Result<Connection> {
        let is_for_other_machine = arch != own && self.engines.own(arch).is_some();
        let kind = match self.kind {
            // One that is named is no sandbox.
            EngineKind::Sandbox if is_for_other_machine => EngineKind::Auto,
            kind => kind,
        };
        let connected = engine::connect(engine::Choice {
            kind,
            address: self.host.as_deref(),
            configured: configured(&self.engines, arch),
            is_for_other_machine,
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
        Ok(Connection {
            engine,
            session,
            arch: connected.arch,
        })
    }

    /// That an engine makes containers of an architecture, by itself or by emulation.
    async fn check(
        &self,
        connection: &Connection,
        arch: Arch,
        report: &PlatformReporter,
    ) -> Result<()> {
        let Some(own) = connection.arch.filter(|own| *own != arch) else {
            return Ok(());
        };
        let (engine, session) = (connection.engine.as_ref(), &connection.session);
        engine::must_run(engine, session, report, [own, arch]).await?;
        let (own, arch) = (own.debian(), arch.debian());
        let text = format!(
            "containers of {arch} are emulated on {own}: what runs in them takes about {EMULATION_COST} times as long"
        );
        let hint = format!("name an engine of {arch}: `{arch} = \"ssh://…\"` under `[engines]`");
        self.reporter.warn(None, &text, Some(&hint));
        Ok(())
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
    async fn sweep(&self) -> Result<()> {
        for connection in self.connected.iter().filter_map(OnceCell::get) {
            let engine = connection.engine.as_ref();
            connection.session.sweep(engine).await?;
        }
        Ok(())
    }

    /// Does the work of the run until it ends or the user stops it, which is an error with this hint, and
    /// sweeps.
    pub(super) fn until_stopped<'a, T: 'a>(
        &'a self,
        hint: Option<&'a str>,
        work: impl Future<Output = Result<T>> + 'a,
    ) -> impl Future<Output = Result<T>> + 'a {
        // The work of a whole run is too large to be moved about.
        let work = Box::pin(work);
        async move {
            let result = tokio::select! {
                result = work => result,
                () = stop_signal() => {
                    let stopped = Error::new(Kind::Interrupted, "stopped");
                    Err(hint.into_iter().fold(stopped, Error::hint))
                }
            };
            let swept = self.sweep().await;
            let value = result?;
            swept?;
            Ok(value)
        }
    }
}

/// Ctrl-C, or the polite signal of a supervisor.
pub(super) async fn stop_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
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
