//! What the cache of wheels costs: a lookup of a large set, and a lock that goes from a killed run
//! to the next. Prints figures and judges none.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use omnibuild::digest::{Digest, KeyBuilder};
use omnibuild::platform::PlatformId;
use omnibuild::wheels::WheelStore;

const WHEELS: usize = 500;
const LOOKUPS: u32 = 200;
const HAND_OVERS: usize = 30;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    look_up(folder.path());
    hand_over(folder.path());
}

fn look_up(folder: &Path) {
    let store = WheelStore::new(folder);
    let platform: PlatformId = "debian-12".parse().expect("it is a platform's name");
    let key = KeyBuilder::new("wheels", 1).finish();
    let wheels = (0..WHEELS)
        .map(|number| {
            let name = format!("distribution_{number}-1.0-py3-none-any.whl");
            let wheel = store.put(&name, &mut name.as_bytes());
            wheel.expect("the store can be written")
        })
        .collect();
    store
        .put_set(&platform, "bench", key.clone(), wheels)
        .expect("the store can be written");
    let (started, cpu) = (Instant::now(), cpu_time());
    for _ in 0..LOOKUPS {
        let set = store.get(&platform, &key.digest).expect("it is whole");
        assert_eq!(set.map(|set| set.wheels.len()), Some(WHEELS));
    }
    println!(
        "lookup of a set of {WHEELS} wheels: {:.2} ms of CPU, {:.2} ms",
        milliseconds(cpu_time().saturating_sub(cpu) / LOOKUPS),
        milliseconds(started.elapsed() / LOOKUPS),
    );
}

fn hand_over(folder: &Path) {
    let store = WheelStore::new(folder);
    let key = Digest::of("key");
    let path = folder.join("v1/locks").join(format!("{key}.lock"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    let mut times: Vec<Duration> = (0..HAND_OVERS)
        .map(|_| {
            // The lock's folder and file are there from here on.
            drop(runtime.block_on(store.lock(&key, |_| {})));
            let mut holder = Command::new("flock")
                .args(["--no-fork", "--exclusive"])
                .arg(&path)
                .arg("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("util-linux is installed");
            let mut input = holder.stdin.take().expect("it has one");
            input.write_all(b"held\n").expect("it reads");
            let mut output = BufReader::new(holder.stdout.take().expect("it has one"));
            output.read_line(&mut String::new()).expect("it answers");
            let (waits, waiting) = mpsc::channel();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    waiting.recv().expect("somebody waits");
                    holder.kill().expect("it can be killed");
                    holder.wait().expect("it ends")
                });
                let mut killed = Instant::now();
                let told = |_: &str| {
                    killed = Instant::now();
                    waits.send(()).expect("somebody kills");
                };
                let lock = runtime.block_on(store.lock(&key, told));
                let took = killed.elapsed();
                drop(lock.expect("it can be had"));
                took
            })
        })
        .collect();
    times.sort();
    println!(
        "lock from a killed run to the next: {:.2} ms (median of {HAND_OVERS}), {:.2} ms at most",
        milliseconds(times[HAND_OVERS / 2]),
        milliseconds(times[HAND_OVERS - 1]),
    );
}

/// What this process has used so far: user and system time, of the 14th and 15th field of `stat`.
fn cpu_time() -> Duration {
    const TICKS_A_SECOND: u32 = 100;
    let text = fs_err::read_to_string("/proc/self/stat").expect("this is Linux");
    let (_, fields) = text.rsplit_once(')').expect("a name in brackets");
    let ticks: u32 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    Duration::from_secs(1) * ticks / TICKS_A_SECOND
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
