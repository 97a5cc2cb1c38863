//! `omnibuild cache`, with the real program: what it lists, keeps, carries, and survives.
//!
//! Stores are filled through the library; nothing here needs an engine or a network.

mod commands;
mod faults;
mod hostile;
mod sharing;

use std::path::Path;

use omnibuild::digest::KeyBuilder;
use omnibuild::platform::PlatformId;
use omnibuild::wheels::store::{Wheel, WheelStore};

use crate::support::TestProject;

/// Where the program keeps wheels when nothing is said.
fn wheels_of(project: &TestProject) -> std::path::PathBuf {
    project.path("cache").join("wheels")
}

/// Two platforms, each with a set: they share a portable wheel, and have one compiled for each.
fn fill(folder: &Path) -> WheelStore {
    let store = WheelStore::new(folder);
    let put = |name: &str, length: usize| -> Wheel {
        let bytes: Vec<u8> = name.bytes().cycle().take(length).collect();
        store.put(name, &mut &bytes[..]).unwrap()
    };
    for (platform, abi) in [("debian-12", "cp311"), ("ubuntu-24.04", "cp312")] {
        let shared = put("portable-1.0-py3-none-any.whl", 3000);
        let compiled = put(&format!("compiled-2.0-{abi}-{abi}-linux_x86_64.whl"), 500);
        let platform: PlatformId = platform.parse().unwrap();
        let key = KeyBuilder::new("wheels", 1).field("abi", abi).finish();
        store
            .put_set(&platform, "mytool", key, vec![shared, compiled])
            .unwrap();
    }
    store
}

/// Everything in a store is whole, and there is so much of it.
#[track_caller]
fn assert_whole(store: &WheelStore, sets: usize, wheels: usize, what: &str) {
    let found = store.inspect(false).unwrap();
    assert!(
        found.damaged.is_empty() && found.incomplete.is_empty(),
        "{what}: {found:?}"
    );
    assert_eq!((found.sets, found.wheels), (sets, wheels), "{what}");
}
