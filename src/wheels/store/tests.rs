//! The store as its users see it: found while whole, never damaged, shared by many, in folders that
//! can't be written or vanish.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::digest::KeyBuilder;
use crate::fsutil;
use crate::platform::Arch;

fn platform() -> PlatformId {
    "debian-12".parse().unwrap()
}

fn target(arch: Arch) -> TargetId {
    TargetId::new(platform(), arch)
}

fn key(name: &str) -> Key {
    KeyBuilder::new("wheels", 1).field("name", name).finish()
}

/// Bytes that no archive would hold, the same each time.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// What a failed command would show.
fn names(folder: &Path) -> BTreeSet<String> {
    let files = fsutil::sorted_walk(folder).unwrap();
    files
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn the_latest_set_is_that_of_the_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    let key = KeyBuilder::new("wheels", 1)
        .field("architecture", Arch::Arm64.machine())
        .finish();
    store
        .put_set(&platform(), "p", key.clone(), Vec::new())
        .unwrap();
    let latest = |arch| store.latest(&target(arch), "p", "wheels");
    assert_eq!(latest(Arch::Arm64).map(|set| set.key), Some(key));
    assert!(latest(Arch::Amd64).is_none());
}

#[test]
fn a_set_is_found_while_its_wheels_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    let key = key("a");
    assert!(store.get(&platform(), &key.digest).unwrap().is_none());
    let wheel = store
        .put("x-1-py3-none-any.whl", &mut &b"content"[..])
        .unwrap();
    assert_eq!(
        (wheel.distribution(), wheel.version(), wheel.size),
        ("x", "1", 7)
    );
    let set = store
        .put_set(&platform(), "p", key.clone(), vec![wheel.clone()])
        .unwrap();
    assert_eq!(store.get(&platform(), &key.digest).unwrap(), Some(set));
    assert!(
        store
            .latest(&target(Arch::Amd64), "another", "wheels")
            .is_none()
    );
    assert_eq!(
        store
            .latest(&target(Arch::Amd64), "p", "wheels")
            .unwrap()
            .key,
        key
    );
    fs::write(store.path(&wheel), "short").unwrap();
    let why = store.get(&platform(), &key.digest).unwrap_err();
    assert!(why.contains("not whole"), "{why}");
    store
        .put("x-1-py3-none-any.whl", &mut &b"content"[..])
        .unwrap();
    assert!(
        store.get(&platform(), &key.digest).unwrap().is_some(),
        "mended by putting it again"
    );
}

#[test]
fn one_wheel_of_two_platforms_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    let put = || store.put("x-1-py3-none-any.whl", &mut &b"content"[..]);
    assert_eq!(put().unwrap(), put().unwrap());
    let files = names(folder.path());
    assert_eq!(files.len(), 2, "the wheel and CACHEDIR.TAG: {files:?}");
}

#[test]
fn wheels_compiled_here_are_told_from_portable_ones() {
    for (tags, compiled) in [
        ("py3-none-any", false),
        ("cp311-cp311-linux_x86_64", true),
        (
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            false,
        ),
        ("cp311-abi3-musllinux_1_2_aarch64", false),
    ] {
        let wheel = Wheel {
            file_name: format!("x-1-{tags}.whl"),
            digest: Digest::of("x"),
            size: 1,
            origin: None,
        };
        assert_eq!(wheel.is_compiled_here(), compiled, "{tags}");
    }
}

#[test]
fn a_name_that_leaves_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    for name in [
        "../x.whl", "/x.whl", "a/x.whl", ".whl", "x.zip", "x\0.whl", "a\\x.whl",
    ] {
        let error = store.put(name, &mut &b"x"[..]).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{name}");
    }
    assert_eq!(names(folder.path()), ["CACHEDIR.TAG".to_owned()].into());
}

#[test]
fn damage_is_put_aside_and_what_is_put_again_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    let name = "x-1-py3-none-any.whl";
    let wheel = store.put(name, &mut &b"content"[..]).unwrap();
    assert_eq!(store.verify(&wheel).unwrap(), store.path(&wheel));
    fs::write(store.path(&wheel), "CONTENT").unwrap();
    let error = store.verify(&wheel).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.message().contains(name), "{error}");
    assert!(!store.has(&wheel));
    let aside = format!("v1/damaged/{}-{name}", wheel.digest);
    assert_eq!(fs::read(folder.path().join(aside)).unwrap(), b"CONTENT");
    store.put(name, &mut &b"content"[..]).unwrap();
    store.verify(&wheel).unwrap();

    // A set likewise, by who puts it in again.
    let set = store
        .put_set(&platform(), "p", key("a"), vec![wheel])
        .unwrap();
    let place = store.set_path(&platform(), &set.key.digest);
    fs::write(&place, "{").unwrap();
    let why = store.get(&platform(), &set.key.digest).unwrap_err();
    assert!(why.contains("is damaged"), "{why}");
    store.put_made_set(&platform(), set.clone()).unwrap();
    assert_eq!(store.get(&platform(), &set.key.digest), Ok(Some(set)));
    assert_eq!(fs::read_dir(store.damaged_folder()).unwrap().count(), 2);
}

#[test]
fn damaged_files_do_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    for number in 0..80 {
        let name = format!("x-{number}-py3-none-any.whl");
        let wheel = store.put(&name, &mut name.as_bytes()).unwrap();
        fs::write(store.path(&wheel), "damaged").unwrap();
        assert!(store.verify(&wheel).is_err() && !store.has(&wheel));
    }
    assert_eq!(fs::read_dir(store.damaged_folder()).unwrap().count(), 64);
}

/// A store of three wheels and a set of them.
fn filled(folder: &Path) -> (WheelStore, WheelSet) {
    let store = WheelStore::new(folder);
    let put = |(number, length): (u64, usize)| {
        let name = format!("wheel{number}-1-py3-none-any.whl");
        store.put(&name, &mut &content(number, length)[..]).unwrap()
    };
    let wheels = [(0, 1), (1, 700), (2, 5000)].map(put).to_vec();
    let set = store.put_set(&platform(), "p", key("a"), wheels).unwrap();
    (store, set)
}

/// A flip of a bit, or a cut, at places spread evenly over a file.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Flip(usize),
    Cut(usize),
}

impl Fault {
    fn apply(self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Flip(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Self::Cut(length) => bytes.truncate(length),
        }
        bytes
    }

    /// So many flips and cuts of a file of this length; short files get all there are.
    fn of(length: usize, flips: usize, cuts: usize) -> Vec<Self> {
        let spread = |all: usize, wanted: usize| {
            let wanted = wanted.min(all);
            (0..wanted).map(move |number| number * all / wanted)
        };
        let flips = spread(length * 8, flips).map(Self::Flip);
        flips.chain(spread(length, cuts).map(Self::Cut)).collect()
    }
}

#[test]
fn a_thousand_flips_and_two_hundred_cuts_are_all_found_before_use() {
    let folder = tempfile::tempdir().unwrap();
    let (store, set) = filled(folder.path());
    let place = store.set_path(&platform(), &set.key.digest);
    let files: Vec<PathBuf> = set.wheels.iter().map(|wheel| store.path(wheel)).collect();
    let (mut flips, mut cuts, mut unnoticed) = (0, 0, 0);
    for path in files.iter().chain([&place]) {
        let bytes = fs::read(path).unwrap();
        for fault in Fault::of(bytes.len(), 340, 70) {
            match fault {
                Fault::Flip(_) => flips += 1,
                Fault::Cut(_) => cuts += 1,
            }
            let damaged = fault.apply(&bytes);
            fs::write(path, &damaged).unwrap();
            let what = format!("{} {fault:?}", path.display());
            let found = store.inspect(false).unwrap();
            match store.get(&platform(), &set.key.digest) {
                Err(why) => assert!(why.contains(path.to_str().unwrap()), "{what}: {why}"),
                Ok(got) => {
                    // What is said to be the set is the set, and a reader learns of damaged wheels.
                    assert_eq!(got.as_ref(), Some(&set), "{what}");
                    let broken: Vec<_> = set
                        .wheels
                        .iter()
                        .filter(|wheel| store.verify(wheel).is_err())
                        .map(|wheel| store.path(wheel))
                        .collect();
                    if *path == place {
                        unnoticed += 1;
                        assert_eq!(broken, Vec::<PathBuf>::new(), "{what}");
                    } else {
                        assert_eq!(broken, std::slice::from_ref(path), "{what}");
                        assert!(!path.exists(), "{what}");
                    }
                }
            }
            assert!(*path == place || !found.damaged.is_empty(), "{what}");
            fs::write(path, &bytes).unwrap();
        }
    }
    assert!(flips >= 1000 && cuts >= 200, "{flips} flips, {cuts} cuts");
    assert!(
        unnoticed <= 2,
        "{unnoticed} changes of a manifest mean nothing"
    );
    assert_eq!(store.inspect(true).unwrap().damaged, Vec::<String>::new());
}

#[test]
fn eight_racers_lose_and_damage_nothing() {
    const RACERS: usize = 8;
    const ROUNDS: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let barrier = Barrier::new(RACERS);
    let made = AtomicUsize::new(0);
    let race = |racer: usize| {
        // Each with file handles of its own, as processes have.
        let store = WheelStore::new(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for round in 0..ROUNDS {
            barrier.wait();
            // Without a lock: all put the same wheel, and each its own.
            let shared = format!("shared{round}-1-py3-none-any.whl");
            let same = store.put(&shared, &mut &content(round, 300)[..]).unwrap();
            let own = format!("own{round}x{racer}-1-py3-none-any.whl");
            let own = store.put(&own, &mut own.as_bytes()).unwrap();
            // Under the lock: the first makes the set, the others find it.
            let key = key(&round.to_string());
            let lock = runtime.block_on(store.lock(&key.digest, |_| {})).unwrap();
            let found = store.get(&platform(), &key.digest).unwrap();
            let set = found.unwrap_or_else(|| {
                made.fetch_add(1, Ordering::Relaxed);
                let wheels = vec![same.clone()];
                store.put_set(&platform(), "p", key, wheels).unwrap()
            });
            drop(lock);
            assert_eq!(set.wheels, std::slice::from_ref(&same));
            store.verify(&same).unwrap();
            store.verify(&own).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| scope.spawn(move || race(racer)))
            .collect();
        for racer in racers {
            racer.join().unwrap();
        }
    });
    let rounds = usize::try_from(ROUNDS).unwrap();
    assert_eq!(made.into_inner(), rounds, "each set was made once");
    let found = WheelStore::new(folder.path()).inspect(false).unwrap();
    assert_eq!((found.sets, found.wheels), (rounds, rounds * (RACERS + 1)));
    assert_eq!((found.damaged.len(), found.incomplete.len()), (0, 0));
    let temporary = WheelStore::new(folder.path()).temporary_folder();
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

#[test]
fn racers_that_find_damage_and_mend_it_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, set) = filled(folder.path());
    let wheel = &set.wheels[2];
    let bytes = content(2, 5000);
    let barrier = Barrier::new(4);
    let race = || {
        for _ in 0..50 {
            if barrier.wait().is_leader() {
                fs::write(store.path(wheel), "damaged").unwrap();
            }
            barrier.wait();
            // Whoever comes late finds what another has put in, and takes nothing of it away.
            if store.verify(wheel).is_err() {
                store.put(&wheel.file_name, &mut &bytes[..]).unwrap();
            }
            store.verify(wheel).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4).map(|_| scope.spawn(race)).collect();
        for racer in racers {
            racer.join().unwrap();
        }
    });
    assert_eq!(store.get(&platform(), &set.key.digest), Ok(Some(set)));
}

/// Content that ends in the middle.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let count = self.0.min(buffer.len());
        buffer[..count].fill(b'x');
        self.0 -= count;
        Ok(count)
    }
}

#[test]
fn a_wheel_that_could_not_be_written_to_its_end_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = WheelStore::new(folder.path());
    for length in [0, 1, 1 << 20] {
        let error = store
            .put("x-1-py3-none-any.whl", &mut Failing(length))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Space, "{error}");
        assert_eq!(names(folder.path()), ["CACHEDIR.TAG".to_owned()].into());
    }
}

/// Content whose reader removes a folder half-way.
struct Vanishing<'a> {
    folder: &'a Path,
    rest: &'a [u8],
}

impl Read for Vanishing<'_> {
    fn read(&mut self, mut buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.folder.exists() {
            fs::remove_dir_all(self.folder)?;
        }
        let count = self.rest.len().min(buffer.len()).min(100);
        buffer.write_all(&self.rest[..count])?;
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

#[test]
fn a_folder_that_vanishes_is_an_error_with_advice_or_made_again() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("wheels");
    let (store, set) = filled(&folder);
    let bytes = content(7, 500);
    let mut vanishing = Vanishing {
        folder: &folder,
        rest: &bytes,
    };
    let error = store
        .put("x-1-py3-none-any.whl", &mut vanishing)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error}");
    assert!(
        error.hints()[0].contains("run the command again"),
        "{error:?}"
    );
    assert_eq!(store.get(&platform(), &set.key.digest), Ok(None));
    assert!(store.latest(&target(Arch::Amd64), "p", "wheels").is_none());
    assert_eq!(store.survey().unwrap().sets.len(), 0);
    store.touch(&platform(), &set);
    let error = store.verify(&set.wheels[0]).unwrap_err();
    assert!(error.message().ends_with("is missing"), "{error}");
    // Gone once more, and the next one who puts something in makes it again.
    fs::remove_dir_all(&folder).unwrap();
    let wheel = store.put("x-1-py3-none-any.whl", &mut &bytes[..]).unwrap();
    store.verify(&wheel).unwrap();
}
