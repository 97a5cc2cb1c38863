//! One run: its engine, connected when first needed, and its session.
//!
//! A run that needs no container needs no engine.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::context::Caches;
use crate::engine::{self, Engine, Session};
use crate::error::Result;

/// The engine and session of a run.
pub struct Run {
    host: Option<String>,
    caches: Caches,
    connected: OnceCell<(Arc<dyn Engine>, Session)>,
}

impl Run {
    /// A run on the engine at an address, or on the default one.
    pub fn new(host: Option<String>, caches: Caches) -> Self {
        Self {
            host,
            caches,
            connected: OnceCell::new(),
        }
    }

    /// The engine and the session; the first call connects and removes what dead sessions left.
    pub async fn engine(&self) -> Result<&(Arc<dyn Engine>, Session)> {
        self.connected
            .get_or_try_init(|| async {
                let engine = engine::connect(self.host.as_deref()).await?;
                let session = Session::begin(&self.caches.sessions())?;
                session.sweep_dead(engine.as_ref()).await?;
                Ok((engine, session))
            })
            .await
    }

    /// Removes every container of this run; called at its end, whatever that is.
    pub async fn sweep(&self) -> Result<()> {
        match self.connected.get() {
            Some((engine, session)) => session.sweep(engine.as_ref()).await,
            None => Ok(()),
        }
    }
}
