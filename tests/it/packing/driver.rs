//! Writes the packages of a platform as a build does that has the bundle, and the record of them: in
//! this process, or in one of its own, which strace can end at any call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use omnibuild::bundle::store::LayerStore;
use omnibuild::bundle::{Bundle, Layer};
use omnibuild::config::{Config, Overrides, PlatformTable};
use omnibuild::digest::Digest;
use omnibuild::error::Result;
use omnibuild::package::{Built, SegmentStore, assemble};
use omnibuild::plan::inputs::Inputs;
use omnibuild::plan::metadata::ProjectMetadata;
use omnibuild::plan::project_files::ProjectFiles;
use omnibuild::plan::{self, PlatformPlan, Target};
use omnibuild::platform::Arch;
use omnibuild::report::{Mode, Reporter, Settings};
use omnibuild::state::State;

use crate::support::EPOCH;

/// Names what to write, in the environment of the process that does.
const ORDER: &str = "OMNIBUILD_TEST_PACKING";

/// The full name of the test that writes.
const TEST: &str = "packing::driver::the_packages_of_a_platform_are_written";

/// What is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) version: &'static str,
    /// Decides what the application's file holds.
    pub(super) seed: u64,
}

/// The build that is disturbed.
pub(super) const WANTED: Build = Build {
    version: "1.4.2",
    seed: 1,
};

/// A build of the same version from another source.
pub(super) const OTHER: Build = Build {
    version: "1.4.2",
    seed: 2,
};

/// A build of an earlier version.
pub(super) const EARLIER: Build = Build {
    version: "1.4.1",
    seed: 3,
};

const PYPROJECT: &str = "\
[project]
name = \"mytool\"
version = \"VERSION\"
description = \"a sample\"
authors = [{ name = \"Ann Example\", email = \"ann@example.org\" }]
dependencies = [\"click\"]

[tool.omnibuild]
channel = \"fast\"

[tool.omnibuild.packages.cli]
links = { \"/usr/bin\" = [\"mytool\"] }

[tool.omnibuild.packages.node]
links = { \"/usr/sbin\" = [\"mytool-agent\"] }
";

/// Writes the packages of a build for a platform, and the record of them, below a folder: what a
/// project remembers, the layers, the segments.
pub(super) fn write(root: &Path, platform: &str, build: Build) -> Result<Vec<Built>> {
    let plan = planned(root, platform, build)?;
    let bundle = bundle(root, &plan, build)?;
    let state = State::new(root);
    let segments = SegmentStore::new(&root.join("segments"));
    let packages = assemble::write(
        &plan,
        &bundle,
        &segments,
        &state.packages(plan.id.platform()),
    )?;
    let base = Digest::of(build.seed.to_string());
    let key = plan.key(&base, &base);
    state.put_build(&plan.id, key, packages.clone(), Vec::new())?;
    Ok(packages)
}

fn planned(root: &Path, platform: &str, build: Build) -> Result<PlatformPlan> {
    // Beside what is looked at.
    let project = root.with_extension(build.version);
    fs_err::create_dir_all(&project)?;
    let text = PYPROJECT.replace("VERSION", build.version);
    fs_err::write(project.join("pyproject.toml"), text)?;
    let config = Config::load(&project, Overrides::default())?;
    let metadata = ProjectMetadata::from_pyproject(&config.pyproject);
    let inputs = Inputs {
        credentials: omnibuild::plan::credentials::Credentials::default(),
        source: None,
        git_describe: None,
        commit: None,
        epoch: EPOCH.parse().unwrap(),
        requirement_files: BTreeMap::new(),
        lock_files: BTreeMap::new(),
        locks: BTreeMap::new(),
        signing_key: None,
        files: ProjectFiles::default(),
        copied: BTreeMap::new(),
    };
    let table = PlatformTable::load(&project)?;
    let target = Target {
        platform: table.find(platform)?,
        arch: Arch::Amd64,
        context: BTreeMap::new(),
        pythons: table.pythons(),
    };
    let plan = plan::plan(&config, &inputs, metadata.as_ref(), vec![target])?;
    Ok(plan.platforms.into_iter().next().unwrap())
}

/// A layer that all builds have, and one of their own.
fn bundle(root: &Path, plan: &PlatformPlan, build: Build) -> Result<Bundle> {
    let prefix = &plan.bundle.prefix;
    let store = LayerStore::new(&root.with_extension("layers"));
    let library = layer(&store, "library", || {
        vec![(format!("{prefix}/lib/library"), noise(7, 400_000))]
    })?;
    let application = layer(&store, &format!("application {build:?}"), || {
        let program = |name| {
            let text = format!("#!/bin/sh\nexec {prefix}/{name}\n");
            (format!("{prefix}/bin/{name}"), text.into_bytes())
        };
        let own = noise(build.seed, 150_000);
        let own = (format!("{prefix}/lib/application"), own);
        vec![program("mytool"), program("mytool-agent"), own]
    })?;
    Ok(Bundle {
        prefix: prefix.clone(),
        name: plan.bundle.name.clone(),
        layers: vec![library, application],
        wheels: Vec::new(),
        application: None,
        made: 0,
    })
}

/// The layer of this name; its files are made when it is.
fn layer(
    store: &LayerStore,
    name: &str,
    files: impl FnOnce() -> Vec<(String, Vec<u8>)>,
) -> Result<Layer> {
    let digest = Digest::of(name);
    if let Some(layer) = store.get(&digest) {
        return Ok(layer);
    }
    store.put(&digest, name, |writer| {
        for (path, bytes) in files() {
            writer.add_file(&path, 0o755, &mut &bytes[..], None)?;
        }
        Ok(())
    })
}

/// Bytes that do not get smaller (xorshift64*), so that a package is written in several steps.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let numbers = std::iter::successors(Some(seed), |number| {
        let number = number ^ (number >> 12);
        let number = number ^ (number << 25);
        Some(number ^ (number >> 27))
    });
    numbers
        .flat_map(|number| number.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes())
        .take(length)
        .collect()
}

/// A process that writes the packages of [`WANTED`] and ends as the program does: with the code of
/// the error, which it prints.
pub(super) fn process(root: &Path, platform: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", TEST, "--test-threads=1", "--nocapture"])
        .env(ORDER, format!("{platform} {}", root.display()));
    command
}

/// More calls of a kind than the test harness makes on its own thread.
const CALLS_OF_THE_HARNESS: usize = 64;

/// Writes the packages that the environment asks for; without, those of a platform of either format.
#[test]
fn the_packages_of_a_platform_are_written() {
    let Some(order) = std::env::var_os(ORDER) else {
        for platform in ["debian-12", "rocky-9"] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            let built = write(&root, platform, WANTED).unwrap();
            assert_eq!(built.len(), 3);
            for package in built {
                let artifact = package.artifact;
                let path = root.join("packages").join(platform);
                let digest = Digest::of_file(&path.join(artifact.file_name)).unwrap();
                assert_eq!(digest, artifact.digest);
            }
        }
        return;
    };
    // strace counts the calls of each thread apart. So that a number means one of this thread's, not
    // one of the harness's, the first are spent.
    for _ in 0..CALLS_OF_THE_HARNESS {
        fs_err::write("/dev/null", "x").unwrap();
    }
    let order = order.into_string().unwrap();
    let (platform, root) = order.split_once(' ').unwrap();
    if let Err(error) = write(&PathBuf::from(root), platform, WANTED) {
        end_with(&error);
    }
}

#[expect(clippy::exit, reason = "a test can choose no exit code otherwise")]
fn end_with(error: &omnibuild::error::Error) -> ! {
    let reporter = Reporter::with_settings(Settings {
        mode: Mode::Plain,
        verbose: 0,
        colours: false,
        width: None,
    });
    reporter.print_error(None, error);
    std::process::exit(error.kind().exit_code().into())
}
