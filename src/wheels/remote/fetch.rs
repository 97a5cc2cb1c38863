//! Wheels from the remote cache into the store: streamed, checked, named last.
//!
//! Reads objects; writes through [`WheelStore::put_known`] alone.

use std::io::Read;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{GetResult, ObjectStoreExt};
use tokio::sync::mpsc;

use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::platform::PlatformId;

use super::super::store::{Wheel, WheelSet, WheelStore};
use super::health::Trouble;
use super::manifest::{self, Unsound};
use super::{Inner, LARGEST_MANIFEST};

/// How many wheels come at a time.
const AT_A_TIME: usize = 8;
/// Pieces that wait for the disk.
const AHEAD: usize = 4;

impl Inner {
    /// The set of a key in a scope, with its wheels in the store.
    pub(super) async fn fetch_set(
        &self,
        store: &WheelStore,
        scope: &str,
        platform: &PlatformId,
        key: &Digest,
    ) -> Result<WheelSet, Trouble> {
        let path = self
            .layout
            .set(scope, platform, key)
            .ok_or(Trouble::Missing)?;
        let set = self.manifest(&path, platform, key).await?;
        let mut coming = futures::stream::iter(set.wheels.iter().filter(|wheel| !store.has(wheel)))
            .map(|wheel| self.fetch_wheel(store, scope, wheel))
            .buffer_unordered(AT_A_TIME);
        while let Some(fetched) = coming.next().await {
            if let Err(trouble) = fetched {
                // Whatever its wheels lack, the manifest promises what is not there.
                self.health.condemn(&path);
                return Err(trouble);
            }
        }
        drop(coming);
        let put = store.put_made_set(platform, set);
        put.map_err(Trouble::Local)
    }

    /// The set in a manifest.
    pub(super) async fn manifest(
        &self,
        path: &Path,
        platform: &PlatformId,
        key: &Digest,
    ) -> Result<WheelSet, Trouble> {
        let of = |error| Trouble::of(path, error);
        let found = self.reading.get(path).await.map_err(of)?;
        if found.meta.size > LARGEST_MANIFEST {
            let what = format!("it has {} bytes", found.meta.size);
            return Err(Trouble::Damaged(path.clone(), what));
        }
        let bytes = found.bytes().await.map_err(of)?;
        self.health.answered();
        manifest::open(&bytes, platform, key, self.key.as_ref()).map_err(|unsound| match unsound {
            Unsound::Damaged => {
                Trouble::Damaged(path.clone(), "it is not what was written".to_owned())
            }
            Unsound::NotSigned => Trouble::Security(path.clone(), "is not signed"),
            Unsound::WrongSignature => {
                Trouble::Security(path.clone(), "has a signature of another key or content")
            }
        })
    }

    /// A wheel from the scope of its set, else from any other that is read.
    async fn fetch_wheel(
        &self,
        store: &WheelStore,
        scope: &str,
        wheel: &Wheel,
    ) -> Result<(), Trouble> {
        let others = self.scopes().filter(|other| *other != scope);
        let mut first = None;
        for scope in std::iter::once(scope).chain(others) {
            let Some(path) = self.layout.wheel(scope, wheel) else {
                continue;
            };
            let limit = self.timing.transfer(wheel.size);
            let fetched = tokio::time::timeout(limit, self.stream(store, &path, wheel)).await;
            match fetched.unwrap_or_else(|_| Err(Trouble::Slow(path.clone()))) {
                Ok(()) => return Ok(()),
                Err(Trouble::Missing) => {
                    let missing = Trouble::Damaged(path, "it is not there".to_owned());
                    first.get_or_insert(missing);
                }
                Err(trouble @ (Trouble::Local(_) | Trouble::Slow(_))) => return Err(trouble),
                Err(trouble) => {
                    first.get_or_insert(trouble);
                }
            }
        }
        Err(first.unwrap_or(Trouble::Missing))
    }

    /// The content of an object into the store, if it is the wheel's.
    async fn stream(&self, store: &WheelStore, path: &Path, wheel: &Wheel) -> Result<(), Trouble> {
        let body = self.body(path, wheel).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let put = tokio::task::spawn_blocking({
            let (store, wheel) = (store.clone(), wheel.clone());
            move || {
                let mut content = Incoming {
                    receiver,
                    piece: Bytes::new(),
                    missing: wheel.size,
                };
                store.put_known(&wheel.file_name, &wheel.digest, &mut content)
            }
        });
        let sent = send(path, body, sender).await;
        let put = put.await.unwrap_or_else(|error| {
            let text = format!("a wheel could not be written: {error}");
            Err(Error::new(Kind::Internal, text))
        });
        sent?;
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::Damaged => {
                Err(Trouble::Damaged(path.clone(), error.message().to_owned()))
            }
            Err(error) => Err(Trouble::Local(error)),
        }
    }

    /// An object's content, which goes on by itself where a body ends too soon and the server tells
    /// versions apart (`ETag`).
    async fn body(&self, path: &Path, wheel: &Wheel) -> Result<GetResult, Trouble> {
        let result = self.reading.get(path).await;
        let result = result.map_err(|error| Trouble::of(path, error))?;
        self.health.answered();
        if result.meta.size != wheel.size {
            let what = format!("it has {} bytes, not {}", result.meta.size, wheel.size);
            return Err(Trouble::Damaged(path.clone(), what));
        }
        Ok(result)
    }
}

/// Sends the pieces of an object.
async fn send(path: &Path, body: GetResult, sender: mpsc::Sender<Bytes>) -> Result<(), Trouble> {
    let mut body = body.into_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Trouble::of(path, error))?;
        if sender.send(piece).await.is_err() {
            // The store has failed, and says why.
            break;
        }
    }
    Ok(())
}

/// Pieces as a reader for a thread that may block. An end before all came is an error: it must not
/// look like the end of the content.
struct Incoming {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
    missing: u64,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None if self.missing == 0 => return Ok(0),
                None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.missing = self.missing.saturating_sub(count as u64);
        Ok(count)
    }
}
