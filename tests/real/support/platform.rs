//! The platforms that are asked for, and what is known of them here: written down a second time,
//! so that a wrong value in the shipped table is seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::engine::{self, Tested};
use super::program;
use super::project::Project;

/// What a platform's packages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) id: &'static str,
    /// End of the packages' revision.
    pub(crate) suffix: &'static str,
    pub(crate) manager: Manager,
    /// What the omnibus package needs to get exactly the Python minor it was built for.
    pub(crate) python: &'static str,
}

/// A family of package managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    Apt,
    Yum,
}

/// Every shipped platform that can be had without a registry; the RPM ones on their stand-ins, with the stand-ins' Python.
const PLATFORMS: [Platform; 12] = [
    apt("debian-11", "+deb11", "python3.9"),
    apt("debian-12", "+deb12", "python3.11"),
    apt("debian-13", "+deb13", "python3.13"),
    apt("debian-sid", "+sid", "python3.14"),
    apt("ubuntu-16.04", "+ubuntu16.04", "python3.5"),
    apt("ubuntu-18.04", "+ubuntu18.04", "python3.6"),
    apt("ubuntu-20.04", "+ubuntu20.04", "python3.8"),
    apt("ubuntu-22.04", "+ubuntu22.04", "python3.10"),
    apt("ubuntu-24.04", "+ubuntu24.04", "python3.12"),
    apt("ubuntu-26.04", "+ubuntu26.04", "python3.14"),
    yum("centos-7", ".el7", "python(abi) = 3.5"),
    yum("rocky-9", ".el9", "python(abi) = 3.11"),
];

const fn apt(id: &'static str, suffix: &'static str, python: &'static str) -> Platform {
    Platform {
        id,
        suffix,
        manager: Manager::Apt,
        python,
    }
}

const fn yum(id: &'static str, suffix: &'static str, python: &'static str) -> Platform {
    Platform {
        id,
        suffix,
        manager: Manager::Yum,
        python,
    }
}

impl Platform {
    /// The platform with this name.
    pub(crate) fn named(id: &str) -> Self {
        PLATFORMS
            .into_iter()
            .find(|platform| platform.id == id)
            .unwrap_or_else(|| panic!("OMNIBUILD_TEST_PLATFORMS: there is no platform `{id}`"))
    }

    /// Whether it is tested on a root filesystem of the tests' own; fails with advice when there is no
    /// file with that.
    pub(crate) fn is_stand_in_of_a_file(&self) -> bool {
        let release = stand_in(self.id);
        release.inspect(|release| must_have_archive(release));
        release.is_some()
    }

    /// The file name of a package for the machine's architecture, or for every one.
    pub(crate) fn file_name(&self, package: &str, version: &str, anywhere: bool) -> String {
        let machine = std::env::consts::ARCH;
        let debian = match machine {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => panic!("no packages are made on `{other}`"),
        };
        let suffix = self.suffix;
        match (self.manager, anywhere) {
            (Manager::Apt, true) => format!("{package}_{version}-1{suffix}_all.deb"),
            (Manager::Apt, false) => format!("{package}_{version}-1{suffix}_{debian}.deb"),
            (Manager::Yum, true) => format!("{package}-{version}-1{suffix}.noarch.rpm"),
            (Manager::Yum, false) => format!("{package}-{version}-1{suffix}.{machine}.rpm"),
        }
    }
}

/// The platforms that are asked for; the engine answers, and the stand-ins are there.
pub(crate) fn asked() -> Vec<Platform> {
    let words = std::env::var("OMNIBUILD_TEST_PLATFORMS").unwrap_or_default();
    let mut asked: Vec<Platform> = match words.trim() {
        "" => vec![Platform::named("debian-12")],
        "all" => PLATFORMS.to_vec(),
        list => list
            .split(',')
            .map(|word| Platform::named(word.trim()))
            .collect(),
    };
    asked.dedup();
    engine::must_answer();
    for platform in &asked {
        if let Some(release) = stand_in(platform.id) {
            match engine::tested() {
                Tested::Docker => engine::must_have(
                    &format!("omnibuild-standin:{release}"),
                    &format!("make it: `tests/standin/image {release}`"),
                ),
                Tested::Podman | Tested::Sandbox => must_have_archive(release),
            }
        }
    }
    asked
}

/// All platforms when all are asked for; otherwise says that they are not.
pub(crate) fn every() -> Vec<Platform> {
    let asked = asked();
    if asked.len() < PLATFORMS.len() {
        not_asked("every platform");
        return Vec::new();
    }
    asked
}

/// A platform when it is asked for; otherwise says that it is not.
pub(crate) fn asked_for(id: &str) -> Option<Platform> {
    let platform = Platform::named(id);
    if asked().contains(&platform) {
        return Some(platform);
    }
    not_asked(id);
    None
}

/// Those of these platforms that are asked for; otherwise says that none is.
pub(crate) fn asked_of(ids: &[&str]) -> Vec<Platform> {
    let mut asked = asked();
    asked.retain(|platform| ids.contains(&platform.id));
    if asked.is_empty() {
        not_asked(&ids.join(", "));
    }
    asked
}

/// Makes the bases and builders of platforms; answers the platforms as `--sysbase` takes them.
pub(crate) fn warm_all(platforms: &[Platform]) -> String {
    for platform in platforms {
        warm(*platform);
    }
    let ids: Vec<&str> = platforms.iter().map(|platform| platform.id).collect();
    ids.join(",")
}

/// The first that is asked for of each family, for what depends on the format of packages.
pub(crate) fn one_of_each_manager() -> Vec<Platform> {
    let is_apt = |platform: &Platform| platform.manager == Manager::Apt;
    let (apt, yum): (Vec<_>, Vec<_>) = asked().into_iter().partition(is_apt);
    let first = [apt.first().copied(), yum.first().copied()];
    first.into_iter().flatten().collect()
}

/// The platform for what does not depend on the platform: the first that is asked for.
pub(crate) fn first_asked() -> Platform {
    asked()[0]
}

#[expect(clippy::print_stdout, reason = "a test that does nothing says so")]
fn not_asked(what: &str) {
    println!("{what}: not asked for: set OMNIBUILD_TEST_PLATFORMS");
}

fn stand_in(id: &str) -> Option<&'static str> {
    match id {
        "rocky-9" => Some("el9"),
        "centos-7" => Some("el7"),
        _ => None,
    }
}

/// Fails with advice when there is no root filesystem of a stand-in.
fn must_have_archive(release: &str) {
    assert!(
        stand_in_archive(release).is_file(),
        "there is no root filesystem of {release}\nhint: make it: `tests/standin/image --rootfs {release}`"
    );
}

/// Where `tests/standin/image --rootfs` puts a stand-in.
fn stand_in_archive(release: &str) -> PathBuf {
    program::user_caches().join(format!("omnibuild-tests/standin-{release}.tar"))
}

/// The project's platforms.toml: RPM platforms are their stand-ins, an image or a file.
pub(crate) fn table() -> String {
    let table = include_str!("../../standin/platforms.toml").to_owned();
    match engine::tested() {
        Tested::Docker => table,
        Tested::Podman | Tested::Sandbox => with_files(&table, stand_in_archive),
    }
}

/// The same with the files of the stand-ins that are there, in a folder: for those who may not look
/// into the home folder that they are in.
pub(crate) fn table_of_files(folder: &Path) -> String {
    with_files(include_str!("../../standin/platforms.toml"), |release| {
        let file = stand_in_archive(release);
        let place = folder.join(release);
        if file.is_file() {
            let file = fs_err::canonicalize(file).expect("it is there");
            drop(fs_err::remove_file(&place));
            let linked = fs_err::hard_link(&file, &place);
            linked
                .or_else(|_| fs_err::copy(&file, &place).map(drop))
                .expect("a copy");
        }
        place
    })
}

fn with_files(table: &str, file: impl Fn(&str) -> PathBuf) -> String {
    ["el9", "el7"]
        .into_iter()
        .fold(table.to_owned(), |table, release| {
            let image = format!("image = \"omnibuild-standin:{release}\"");
            let file = file(release).display().to_string();
            table.replace(&image, &format!("rootfs = {file:?}"))
        })
}

/// Makes sure, once for all tests, that the cache has the platform's base, builder and the sample
/// project's wheels: tests that run side by side don't make them side by side.
pub(crate) fn warm(platform: Platform) {
    static WARM: Mutex<BTreeMap<&str, Arc<Mutex<bool>>>> = Mutex::new(BTreeMap::new());
    let place = {
        let mut all = WARM.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(platform.id).or_default())
    };
    let mut is_warm = place.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_warm {
        Project::copy_of("mytool")
            .run(&["--sysbase", platform.id])
            .succeeded();
        *is_warm = true;
    }
}
