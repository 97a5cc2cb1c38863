//! A cache of wheels that machines share, in an object store or a folder:
//!
//! ```text
//! <prefix>/v1/<scope>/wheels/<2 digits>/<sha256>/<file name>    a wheel
//! <prefix>/v1/<scope>/sets/<platform>/<key>.json                which wheels a key stands for
//! <prefix>/v1/<scope>/probe.txt                                 written by `omnibuild doctor`
//! ```
//!
//! A scope is what one kind of run writes: `main`, `pr-12`. A run reads its own first, then those it
//! lists, and writes to its own alone. So what a pull request writes is read by nobody who does not
//! list it. What a run *may* write is the server's matter: it gives credentials for a prefix.
//!
//! What comes from there is not trusted: a manifest is the key's own, sealed, and signed where a key
//! is given; a wheel gets a name in the store when its digest is right. Wheels are written before
//! the manifest that names them. Whatever goes wrong is a miss and a warning, never a failure.

mod connect;
mod fetch;
mod health;
mod layout;
mod manifest;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::digest::Digest;
use crate::error::Result;
use crate::platform::PlatformId;
use crate::report::Reporter;

use super::store::{WheelSet, WheelStore};

use self::connect::Place;
use self::health::{Health, Trouble};
use self::layout::Layout;
use self::manifest::SigningKey;
use self::upload::Queue;

/// A manifest of a thousand wheels has half a megabyte.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// A transfer that is slower, in bytes a second, is given up.
const SLOWEST: u64 = 100_000;

/// Where a remote cache is, and what this run may do there.
#[derive(Debug, Clone, Default)]
pub struct RemoteSettings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `https://host/path` or `file:///path`.
    pub address: String,
    /// Nothing is written.
    pub read_only: bool,
    /// Written to, and read first.
    pub scope: String,
    /// Read after it, in this order.
    pub read_scopes: Vec<String>,
    /// The file of the key that manifests are signed with.
    pub key_file: Option<PathBuf>,
    /// Variables such as `AWS_REGION`.
    pub access: BTreeMap<String, String>,
    /// Certificates to trust beside the system's, PEM.
    pub ca_bundle: Option<PathBuf>,
    /// Proxy variables.
    pub proxies: BTreeMap<String, String>,
    /// How long things may take.
    pub timing: Timing,
}

/// How long things may take: a server that does not answer costs seconds.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Until a connection is there.
    pub connect: Duration,
    /// Without a byte while something is read.
    pub silence: Duration,
    /// Until a part that is written is answered.
    pub writing: Duration,
    /// From the first try of a request to the last; longer than a silence, or there is but one.
    pub retries: Duration,
    /// Beyond the time that a transfer may take by its size.
    pub transfer: Duration,
    /// For what is still to be written at the end of a run.
    pub finish: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            silence: Duration::from_secs(8),
            writing: Duration::from_mins(1),
            retries: Duration::from_secs(12),
            transfer: Duration::from_secs(30),
            finish: Duration::from_mins(2),
        }
    }
}

impl Timing {
    fn transfer(&self, size: u64) -> Duration {
        self.transfer + Duration::from_secs(size / SLOWEST)
    }
}

/// The remote cache of a run.
pub struct Remote {
    inner: Arc<Inner>,
    queue: Queue,
}

struct Inner {
    reading: Arc<dyn ObjectStore>,
    writing: Arc<dyn ObjectStore>,
    layout: Layout,
    scope: String,
    read_scopes: Vec<String>,
    key: Option<SigningKey>,
    timing: Timing,
    health: Health,
    writes: AtomicBool,
}

/// What a run may do with a remote cache; an error is a sentence.
#[derive(Debug)]
pub struct Probe {
    /// Whether it can be read.
    pub read: Result<(), String>,
    /// Whether it can be written; `None`: it is not to be.
    pub write: Option<Result<(), String>>,
}

impl Remote {
    /// The remote cache at an address. Sends nothing; an error is one of configuration.
    pub fn open(settings: RemoteSettings, report: &Reporter) -> Result<Self> {
        let place = Place::open(&settings)?;
        let key = match &settings.key_file {
            Some(path) => Some(SigningKey::read(path, report)?),
            None => None,
        };
        let inner = Inner {
            reading: place.reading,
            writing: place.writing,
            layout: Layout::new(&place.prefix),
            scope: settings.scope,
            read_scopes: settings.read_scopes,
            key,
            timing: settings.timing,
            health: Health::new(report.clone()),
            writes: AtomicBool::new(!settings.read_only),
        };
        Ok(Self {
            inner: Arc::new(inner),
            queue: Queue::new(),
        })
    }

    /// The set of a key, put into the store with all its wheels. `None` when there is none that can
    /// be used; what was wrong is said.
    pub async fn get_set(
        &self,
        store: &WheelStore,
        platform: &PlatformId,
        key: &Digest,
    ) -> Option<WheelSet> {
        for scope in self.inner.scopes() {
            if self.inner.health.is_off() {
                return None;
            }
            match self.inner.fetch_set(store, scope, platform, key).await {
                Ok(set) => {
                    self.inner.health.answered();
                    return Some(set);
                }
                Err(trouble) => self.inner.health.trouble(&trouble, "read"),
            }
        }
        None
    }

    /// Has a set written, behind the build. Returns at once; see [`finish`](Self::finish).
    pub fn put_set(&self, store: &WheelStore, platform: &PlatformId, set: &WheelSet) {
        if !self.inner.may_not_write() && !self.inner.health.is_off() {
            self.queue.add(&self.inner, store, platform, set);
        }
    }

    /// Waits until what was put is written, but not for ever; says what is not.
    pub async fn finish(&self) {
        let left = self.queue.finish(self.inner.timing.finish).await;
        if left > 0 {
            let text = format!("sets of wheels that were not written to the remote cache: {left}");
            let hint = "a later build that makes them writes them; `omnibuild doctor` checks the remote cache";
            self.inner.health.warn(&text, Some(hint));
        }
    }

    /// Tries to read, and to write a small object if that is allowed.
    pub async fn probe(&self) -> Probe {
        let inner = &self.inner;
        let Some(path) = inner.layout.probe(&inner.scope) else {
            let text = || "the scope can't be a part of an object's name".to_owned();
            return Probe {
                read: Err(text()),
                write: None,
            };
        };
        let tried = |result: Result<(), object_store::Error>| match result {
            Ok(()) => Ok(()),
            Err(error) => match Trouble::of(&path, error) {
                Trouble::Missing => Ok(()),
                trouble => Err(trouble.text()),
            },
        };
        let read = tried(inner.reading.head(&path).await.map(drop));
        let write = if inner.may_not_write() {
            None
        } else {
            let content = PutPayload::from_static(b"`omnibuild doctor` has written this.\n");
            Some(tried(inner.writing.put(&path, content).await.map(drop)))
        };
        Probe { read, write }
    }
}

impl Inner {
    /// What is read, in order.
    fn scopes(&self) -> impl Iterator<Item = &str> {
        let others = self.read_scopes.iter().map(String::as_str);
        std::iter::once(self.scope.as_str()).chain(others)
    }

    fn may_not_write(&self) -> bool {
        !self.writes.load(Ordering::Acquire)
    }

    /// The server does not let this run write; once is enough to know.
    fn stop_writing(&self) {
        self.writes.store(false, Ordering::Release);
    }
}
