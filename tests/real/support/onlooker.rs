//! Looks on while the program runs: at the command lines of all processes, at the environment of those
//! in containers, and at what the engine says of containers.
//!
//! It looks again and again, so what is there for less than the time of a look may be missed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::engine::{Tested, ask, client, containers_of, tested};
use super::sandbox;
use super::search::Search;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// The engine is asked less often: its client is slow.
const LOOKS: usize = 8;

/// What looks on; it stops with its scope.
pub(crate) struct Onlooker {
    end: Sender<()>,
    thread: Option<JoinHandle<Seen>>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Where something was that must not be there.
    pub(crate) found: BTreeSet<String>,
    /// How many environments of processes in containers were read.
    pub(crate) environments: usize,
    /// How many descriptions of containers.
    pub(crate) descriptions: usize,
}

impl Onlooker {
    /// Begins to look at what a program with this process id does.
    pub(crate) fn begin(search: Arc<Search>, process: u32) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || look_on(&search, process, &ended));
        Self {
            end,
            thread: Some(thread),
        }
    }

    /// Stops; answers what was seen.
    pub(crate) fn end(mut self) -> Seen {
        self.end.send(()).expect("it still looks");
        let thread = self.thread.take().expect("it was not ended before");
        thread.join().expect("it looks without a failure")
    }
}

fn look_on(search: &Search, process: u32, ended: &Receiver<()>) -> Seen {
    let own = namespace(Path::new("/proc/self"));
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    let mut looks = 0;
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PAUSE) {
        looks += 1;
        for entry in fs_err::read_dir("/proc").expect("a Linux").flatten() {
            let path = entry.path();
            // A process may be gone before it is read.
            let line = fs_err::read(path.join("cmdline")).unwrap_or_default();
            if search.is_in(&line) {
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                seen.found.insert(format!("the command line `{line}`"));
            }
            let space = namespace(&path);
            if space.is_empty() || space == own {
                continue;
            }
            let environment = fs_err::read(path.join("environ")).unwrap_or_default();
            seen.environments += usize::from(!environment.is_empty());
            for variable in environment.split(|byte| *byte == 0) {
                if search.is_in(variable) {
                    let text = String::from_utf8_lossy(variable);
                    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
                    let program = String::from_utf8_lossy(program);
                    seen.found
                        .insert(format!("the environment of `{program}`: {text}"));
                }
            }
        }
        let containers = match looks % LOOKS {
            1 => containers_of(process),
            _ => Vec::new(),
        };
        for id in containers {
            // As a service describes it, it does not change.
            let known = tested() != Tested::Sandbox && !known.insert(id.clone());
            let Some(text) = Some(id).filter(|_| !known).and_then(|id| describe(&id)) else {
                continue;
            };
            seen.descriptions += 1;
            for line in text.lines().filter(|line| search.is_in(line.as_bytes())) {
                let line = line.trim();
                seen.found
                    .insert(format!("the engine's description: {line}"));
            }
        }
    }
    seen
}

/// The mount namespace of a process; empty when it is gone.
fn namespace(process: &Path) -> String {
    let link = fs_err::read_link(process.join("ns/mnt"));
    link.map(|link| link.display().to_string())
        .unwrap_or_default()
}

/// All that the engine knows of a container; `None` when that is gone.
fn describe(id: &str) -> Option<String> {
    match tested() {
        Tested::Docker | Tested::Podman => {
            let output = client(&["inspect", id]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(text)
        }
        Tested::Sandbox => {
            let folder = sandbox::store().join("containers").join(id);
            let entries = fs_err::read_dir(folder).ok()?.flatten();
            let files = entries.filter_map(|entry| fs_err::read_to_string(entry.path()).ok());
            Some(files.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The layers of an image that another one has not, with what the image says of itself and of how it
/// was made: folders, the first of which is given.
pub(crate) fn unfold(image: &str, other: &str, folder: &Path) -> Vec<PathBuf> {
    match tested() {
        Tested::Docker | Tested::Podman => {
            let history = ask(&["history", "--no-trunc", image]);
            fs_err::write(folder.join("history"), history).expect("a file");
            let description = ask(&["image", "inspect", image]);
            fs_err::write(folder.join("description"), description).expect("a file");
            let archive = folder.join("archive");
            ask(&["save", "--output", &archive.display().to_string(), image]);
            unfold_archive(&archive, &layers(other), folder);
            fs_err::remove_file(archive).expect("it is there");
            vec![folder.to_owned()]
        }
        Tested::Sandbox => {
            let (record, trees) = sandbox::image(image);
            let (_, others) = sandbox::image(other);
            fs_err::write(folder.join("description"), record).expect("a file");
            let new = trees.into_iter().filter(|tree| !others.contains(tree));
            let all: Vec<_> = [folder.to_owned()].into_iter().chain(new).collect();
            assert!(all.len() > 1, "no layer is new: {others:?}");
            all
        }
    }
}

fn layers(image: &str) -> Vec<String> {
    let text = ask(&[
        "image",
        "inspect",
        "--format",
        "{{json .RootFS.Layers}}",
        image,
    ]);
    serde_json::from_str(&text).expect("it is JSON")
}

/// Files of `docker save` but for known layers.
fn unfold_archive(archive: &Path, known: &[String], folder: &Path) {
    let open = || tar::Archive::new(fs_err::File::open(archive).expect("it was written"));
    let read = |wanted: &dyn Fn(&str) -> bool| {
        let mut found = Vec::new();
        for entry in open().entries().expect("it is an archive") {
            let mut entry = entry.expect("it is an archive");
            let name = entry.path().expect("it has a name").display().to_string();
            if wanted(&name) {
                let place = folder.join(name.replace('/', "-"));
                entry.unpack(&place).expect("it can be written");
                found.push(place);
            }
        }
        found
    };
    let json = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(path).expect("a file")).expect("it is JSON")
    };
    let manifest = json(&read(&|name| name == "manifest.json")[0]);
    let configuration = manifest[0]["Config"]
        .as_str()
        .expect("it names one")
        .to_owned();
    let configuration = json(&read(&|name| name == configuration)[0]);
    let digests = configuration["rootfs"]["diff_ids"]
        .as_array()
        .expect("layers");
    let files = manifest[0]["Layers"].as_array().expect("layers");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = digests.iter().map(text).zip(files.iter().map(text));
    let old: Vec<String> = pairs
        .filter(|(digest, _)| known.contains(digest))
        .map(|(_, file)| file)
        .collect();
    assert!(old.len() < files.len(), "no layer is new: {digests:?}");
    let read = read(&|name| !old.iter().any(|file| file == name));
    assert!(!read.is_empty());
}
