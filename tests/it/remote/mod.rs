//! The remote cache against a real S3 server and a folder: who reads what, what goes wrong, and that
//! it is never more than a miss.

mod credentials;
mod faults;
mod https;
mod program;
mod relay;
mod scopes;
mod server;
mod signed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use omnibuild::digest::KeyBuilder;
use omnibuild::platform::PlatformId;
use omnibuild::report::{Reporter, Stream};
use omnibuild::wheels::remote::{RemoteSettings, Timing};
use omnibuild::wheels::{Remote, WheelSet, WheelStore};

/// What must be in no output.
const SECRET: &str = "hunter2-is-the-secret-of-this-test";

fn platform() -> PlatformId {
    "debian-12".parse().unwrap()
}

/// Where a remote cache is.
#[derive(Debug, Clone)]
struct Place {
    address: String,
    access: BTreeMap<String, String>,
}

impl Place {
    /// A prefix of its own in the bucket, through this endpoint.
    fn s3(endpoint: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let access = [
            ("AWS_ACCESS_KEY_ID", "tester"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        let access = access.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            address: format!("s3://cache/test-{number}/a~b"),
            access: access.into(),
        }
    }

    /// Straight at the server.
    fn direct() -> Self {
        Self::s3(&format!("http://{}", server::address()))
    }

    /// The same place through another endpoint.
    fn through(&self, endpoint: &str) -> Self {
        let mut this = self.clone();
        this.access
            .insert("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned());
        this
    }

    /// A folder, which need not be there.
    fn folder(path: &Path) -> Self {
        Self {
            address: format!("file://{}", path.display()),
            access: BTreeMap::new(),
        }
    }

    fn settings(&self, scope: &str) -> RemoteSettings {
        RemoteSettings {
            address: self.address.clone(),
            scope: scope.to_owned(),
            access: self.access.clone(),
            timing: Timing {
                silence: Duration::from_secs(10),
                retries: Duration::from_secs(30),
                finish: Duration::from_mins(1),
                ..Timing::default()
            },
            ..RemoteSettings::default()
        }
    }
}

/// A machine with a store of its own.
struct Machine {
    folder: tempfile::TempDir,
    store: WheelStore,
    report: Reporter,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = WheelStore::new(&folder.path().join("wheels"));
        Self {
            folder,
            store,
            report: Reporter::hidden(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn remote(&self, settings: RemoteSettings) -> Remote {
        Remote::open(settings, &self.report).unwrap()
    }

    /// Makes a set of wheels of these sizes; the name decides the key.
    fn make(&self, name: &str, sizes: &[usize]) -> WheelSet {
        let wheels = sizes.iter().enumerate().map(|(number, size)| {
            let file = format!("{name}{number}-1.0+x~1-py3-none-any.whl");
            self.store
                .put(&file, &mut &content(name, number, *size)[..])
        });
        let wheels = wheels.collect::<Result<_, _>>().unwrap();
        let key = KeyBuilder::new("wheels", 2).field("name", name).finish();
        self.store.put_set(&platform(), name, key, wheels).unwrap()
    }

    /// Writes sets to a remote cache, to the end.
    async fn give(&self, settings: RemoteSettings, sets: &[&WheelSet]) {
        let remote = self.remote(settings);
        for set in sets {
            remote.put_set(&self.store, &platform(), set);
        }
        remote.finish().await;
    }

    /// Asks a remote cache for a set; what comes is whole.
    async fn take(&self, settings: RemoteSettings, set: &WheelSet) -> Option<WheelSet> {
        self.ask(&self.remote(settings), set).await
    }

    async fn ask(&self, remote: &Remote, set: &WheelSet) -> Option<WheelSet> {
        let found = remote
            .get_set(&self.store, &platform(), &set.key.digest)
            .await;
        let stored = self.store.get(&platform(), &set.key.digest);
        assert_eq!(stored, Ok(found.clone()), "the store has what was answered");
        for wheel in found.iter().flat_map(|set| &set.wheels) {
            self.store.verify(wheel).unwrap();
        }
        found
    }

    /// What was said, with no secret in it.
    fn said(&self) -> String {
        let lines = self.report.recorded(Stream::Progress).join("\n");
        assert!(!lines.contains(SECRET), "{lines}");
        lines
    }

    /// No wheel and no set has a name, and nothing is half written.
    fn assert_empty(&self) {
        let folder = self.path("wheels");
        let names = omnibuild::fsutil::sorted_walk(&folder).unwrap_or_default();
        let left = |name: &PathBuf| {
            let top = name.iter().nth(1).and_then(|part| part.to_str());
            ["wheels", "sets", "tmp"].contains(&top.unwrap_or_default())
        };
        assert_eq!(
            names.iter().filter(|name| left(name)).collect::<Vec<_>>(),
            Vec::<&PathBuf>::new()
        );
    }
}

/// Content that differs by name and number, and does not repeat.
fn content(name: &str, number: usize, size: usize) -> Vec<u8> {
    let seed = omnibuild::digest::Digest::of(format!("{name} {number}"));
    let seed = u64::from_str_radix(&seed.as_str()[..16], 16).unwrap();
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
