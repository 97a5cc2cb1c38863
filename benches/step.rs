//! What the start of a step costs: a command that does nothing, in a container that is there, and in one
//! that is started and removed for it; the sandbox and Docker by turns. Prints figures and judges
//! none.
//!
//! `cargo bench --bench step -- IMAGE`, where both have the image, such as the builder image that
//! `omnibuild --verbose` names. The sandbox's folder is that of the user's cache, unless
//! `OMNIBUILD_SANDBOX_DIR` names another.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use omnibuild::engine::{self, Choice, ContainerSpec, Engine, Exec, Limits, Network, Session};
use omnibuild::error::Result;
use omnibuild::platform::EngineKind;

const ROUNDS: usize = 50;
/// Of which the first may have to read programs from the disk.
const WARMING: usize = 5;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let first = words.next();
    // The sandbox's helper processes are this program.
    if let Some(code) = first.as_deref().and_then(engine::act_as_helper) {
        return code;
    }
    let image = first
        .into_iter()
        .chain(words)
        .find(|word| !word.starts_with('-'));
    let Some(image) = image else {
        println!("no image is named, so no step was started: `cargo bench --bench step -- IMAGE`");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for network in [Network::None, Network::Named(Some("host".to_owned()))] {
        match runtime.block_on(compare(&image, &network)) {
            Ok(table) => println!(
                "{network:?}, milliseconds of {ROUNDS} rounds: least, median, most\n{table}"
            ),
            Err(error) => {
                println!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

async fn compare(image: &str, network: &Network) -> Result<String> {
    let store = store();
    let mut engines = Vec::new();
    for kind in [EngineKind::Sandbox, EngineKind::Docker] {
        let choice = Choice {
            kind,
            address: None,
            configured: None,
            is_for_other_machine: false,
            store: &store,
        };
        engines.push((kind, engine::connect(choice).await?.engine));
    }
    let folder = tempfile::tempdir()?;
    let session = Session::begin(folder.path())?;
    let spec = ContainerSpec {
        image,
        network: network.clone(),
        env: BTreeMap::new(),
        of_commands: BTreeMap::new(),
        labels: session.labels(),
        limits: Limits::default(),
        content: None,
    };
    let mut times: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for round in 0..WARMING + ROUNDS {
        for (kind, engine) in &engines {
            let (warm, whole) = step(engine.as_ref(), &spec).await?;
            if round >= WARMING {
                let mut keep = |what: &str, time| {
                    let name = format!("{what}, {kind:?}");
                    times.entry(name).or_default().push(time);
                };
                keep("command", warm);
                keep("container and command", whole);
            }
        }
    }
    let lines = times.into_iter().map(|(name, mut times)| {
        times.sort();
        let of = |at: usize| times[at].as_secs_f64() * 1000.0;
        let last = times.len() - 1;
        format!(
            "  {name:<32} {:>7.1} {:>7.1} {:>7.1}\n",
            of(0),
            of(last / 2),
            of(last)
        )
    });
    Ok(lines.collect())
}

/// A container is started, runs a command that does nothing, and is removed: the command's time, and
/// that of all.
async fn step(engine: &dyn Engine, spec: &ContainerSpec<'_>) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let id = engine.start(spec).await?;
    let started = Instant::now();
    let status = engine
        .exec(&id, &Exec::new(["/bin/true"]), None, &|_| {})
        .await?;
    let command = started.elapsed();
    engine.remove(&id).await?;
    assert_eq!(status, 0, "`true` of the image");
    Ok((command, begun.elapsed()))
}

/// The store of the user's cache.
fn store() -> PathBuf {
    let folders = directories::ProjectDirs::from("", "", "omnibuild").expect("a home folder");
    folders.cache_dir().join(Path::new("v1/sandbox"))
}
