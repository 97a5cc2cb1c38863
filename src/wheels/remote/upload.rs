//! Sets to the remote cache, behind the build: wheels first, the manifest last.
//!
//! Writes to the run's own scope alone. Nothing here fails a build.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Kind};
use crate::platform::PlatformId;

use super::super::store::{Wheel, WheelSet, WheelStore};
use super::Inner;
use super::health::Trouble;
use super::manifest;

/// Wheels from this size on go in parts of this size.
const PART: usize = 8 << 20;
/// How many wheels go at a time.
const AT_A_TIME: usize = 2;
/// How many parts of a wheel.
const PARTS_AT_A_TIME: usize = 2;
/// What a server that knows no parts is sent: such content is held in memory.
const LARGEST_WHOLE: u64 = 64 << 20;

/// A set to be written.
struct Job {
    store: WheelStore,
    platform: PlatformId,
    set: WheelSet,
}

/// Sets that wait, and the task that writes them.
pub(super) struct Queue {
    running: Mutex<Option<(mpsc::UnboundedSender<Job>, JoinHandle<()>)>>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            running: Mutex::default(),
            waiting: Arc::default(),
        }
    }

    /// Adds a set; the first starts the task.
    pub(super) fn add(
        &self,
        inner: &Arc<Inner>,
        store: &WheelStore,
        platform: &PlatformId,
        set: &WheelSet,
    ) {
        let job = Job {
            store: store.clone(),
            platform: platform.clone(),
            set: set.clone(),
        };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, _) = running.get_or_insert_with(|| {
            let (sender, jobs) = mpsc::unbounded_channel();
            let work = work(Arc::clone(inner), jobs, Arc::clone(&self.waiting));
            (sender, tokio::spawn(work))
        });
        // The task ends when the sender is dropped, not before.
        drop(sender.send(job));
    }

    /// Waits until everything is written, or as long as it may take; answers how many sets are not.
    pub(super) async fn finish(&self, limit: std::time::Duration) -> usize {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((sender, mut task)) = running else {
            return 0;
        };
        drop(sender);
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
        self.waiting.load(Ordering::Acquire)
    }
}

async fn work(
    inner: Arc<Inner>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    waiting: Arc<AtomicUsize>,
) {
    // Sets have wheels in common.
    let mut there = BTreeSet::new();
    while let Some(job) = jobs.recv().await {
        if inner.health.is_off() || inner.may_not_write() {
            continue;
        }
        match inner.put(&job, &mut there).await {
            Ok(()) => {
                inner.health.answered();
                waiting.fetch_sub(1, Ordering::AcqRel);
            }
            Err(trouble) => {
                if trouble.is_refusal() {
                    inner.stop_writing();
                }
                inner.health.trouble(&trouble, "write");
            }
        }
    }
}

/// What is to be done about an object that may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// It is not there; who is faster wins.
    Create,
    /// What is there is of no use.
    Replace,
}

impl Inner {
    async fn put(&self, job: &Job, there: &mut BTreeSet<Path>) -> Result<(), Trouble> {
        // Nobody prunes what is being read.
        let _in_use = job.store.hold(|_| {}).await.map_err(Trouble::Local)?;
        let mut wheels = Vec::new();
        for wheel in &job.set.wheels {
            let path = self.layout.wheel(&self.scope, wheel);
            let path = path.ok_or_else(|| unnameable(&wheel.file_name))?;
            if !there.contains(&path) {
                wheels.push((path, wheel.clone()));
            }
        }
        let mut going = futures::stream::iter(wheels)
            .map(|(path, wheel)| async move {
                self.put_wheel(&job.store, &path, &wheel).await?;
                Ok(path)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some(put) = going.next().await {
            there.insert(put?);
        }
        drop(going);
        self.put_manifest(&job.platform, &job.set).await
    }

    async fn put_wheel(
        &self,
        store: &WheelStore,
        path: &Path,
        wheel: &Wheel,
    ) -> Result<(), Trouble> {
        let Some(write) = self.what_to_do(path, wheel.size).await? else {
            return Ok(());
        };
        // Damage of this machine's disk does not spread.
        let checked = tokio::task::spawn_blocking({
            let (store, wheel) = (store.clone(), wheel.clone());
            move || store.verify(&wheel)
        });
        let file = checked
            .await
            .map_err(|error| stopped(&error))?
            .map_err(Trouble::Local)?;
        if wheel.size >= PART as u64 {
            match self.put_parts(path, &file).await {
                Err(Trouble::Server(_, object_store::Error::NotImplemented { .. })) => {
                    if wheel.size > LARGEST_WHOLE {
                        return Err(too_large(wheel));
                    }
                }
                put => return put,
            }
        }
        let content = fs_err::tokio::read(&file).await;
        let content = content.map_err(|error| Trouble::Local(error.into()))?;
        self.put_whole(path, content.into(), write).await
    }

    /// Whether an object has to be written, and how.
    async fn what_to_do(&self, path: &Path, size: u64) -> Result<Option<Write>, Trouble> {
        if self.health.is_unusable(path) {
            return Ok(Some(Write::Replace));
        }
        match self.reading.head(path).await {
            Ok(meta) if meta.size == size => Ok(None),
            Ok(_) => Ok(Some(Write::Replace)),
            Err(error) => match Trouble::of(path, error) {
                Trouble::Missing => Ok(Some(Write::Create)),
                // Who may not list learns nothing of what is not there.
                refusal if refusal.is_refusal() => Ok(Some(Write::Create)),
                trouble => Err(trouble),
            },
        }
    }

    async fn put_whole(
        &self,
        path: &Path,
        content: PutPayload,
        write: Write,
    ) -> Result<(), Trouble> {
        if write == Write::Create {
            let options = PutOptions::from(PutMode::Create);
            match self.writing.put_opts(path, content.clone(), options).await {
                Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                // A server without conditions: the same content again does no harm.
                Err(object_store::Error::NotImplemented { .. }) => {}
                Err(error) => return Err(Trouble::of(path, error)),
            }
        }
        let put = self.writing.put(path, content).await;
        put.map(drop).map_err(|error| Trouble::of(path, error))
    }

    /// A large file in parts: the object is there when all of them are.
    async fn put_parts(&self, path: &Path, file: &std::path::Path) -> Result<(), Trouble> {
        let of = |error| Trouble::of(path, error);
        let local = |error: std::io::Error| Trouble::Local(error.into());
        let mut file = fs_err::tokio::File::open(file).await.map_err(local)?;
        let upload = self.writing.put_multipart(path).await.map_err(of)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let sent = upload.wait_for_capacity(PARTS_AT_A_TIME).await.map_err(of);
            let count = match sent {
                Ok(()) => file.read(&mut buffer).await.map_err(local),
                Err(trouble) => Err(trouble),
            };
            match count {
                Ok(0) => break,
                Ok(count) => upload.write(&buffer[..count]),
                Err(trouble) => {
                    // What is left is invisible; a rule of the server removes it.
                    drop(upload.abort().await);
                    return Err(trouble);
                }
            }
        }
        upload.finish().await.map(drop).map_err(of)
    }

    async fn put_manifest(&self, platform: &PlatformId, set: &WheelSet) -> Result<(), Trouble> {
        let key = &set.key.digest;
        let path = self.layout.set(&self.scope, platform, key);
        let path = path.ok_or_else(|| unnameable(platform.as_str()))?;
        let bytes = manifest::seal(set, platform, self.key.as_ref()).map_err(Trouble::Local)?;
        let payload = PutPayload::from(bytes);
        if !self.health.is_unusable(&path) {
            match self.manifest(&path, platform, key).await {
                // Another build was faster.
                Ok(_) => return Ok(()),
                Err(Trouble::Missing) => {
                    return self.put_whole(&path, payload, Write::Create).await;
                }
                Err(trouble) if trouble.is_refusal() => {
                    return self.put_whole(&path, payload, Write::Create).await;
                }
                Err(Trouble::Damaged(..) | Trouble::Security(..)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        self.put_whole(&path, payload, Write::Replace).await
    }
}

fn unnameable(name: &str) -> Trouble {
    let text = format!("`{name}` can't be a part of an object's name");
    Trouble::Local(Error::new(Kind::Internal, text))
}

fn too_large(wheel: &Wheel) -> Trouble {
    let Wheel {
        file_name, size, ..
    } = wheel;
    let text = format!(
        "`{file_name}` has {size} bytes, and this kind of server takes no more than {LARGEST_WHOLE}"
    );
    Trouble::Local(Error::new(Kind::Network, text))
}

fn stopped(error: &tokio::task::JoinError) -> Trouble {
    let text = format!("a wheel could not be read: {error}");
    Trouble::Local(Error::new(Kind::Internal, text))
}
