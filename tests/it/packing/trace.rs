//! What strace writes down, read.

use std::collections::BTreeMap;
use std::path::Path;

/// A system call of the thread that writes packages.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    /// Which of the thread's calls of this name it is, from 1.
    pub(super) number: usize,
    /// As strace writes it.
    pub(super) text: String,
}

impl Call {
    /// Whether it is one of these, or its kin: `rename` is `renameat`, too, where there is no other.
    pub(super) fn is(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.name.starts_with(kind))
    }

    /// Whether it puts a file that was made in a folder of its own beside the packages.
    pub(super) fn publishes(&self, packages: &Path) -> bool {
        let mut paths = self.text.split('"').skip(1).step_by(2);
        let above =
            |path: Option<&str>| path.and_then(|path| Some(Path::new(path).parent()?.to_owned()));
        let (from, to) = (above(paths.next()), above(paths.next()));
        self.is(&["rename"]) && to.as_deref() == Some(packages) && from.as_deref() != Some(packages)
    }
}

/// The calls of a trace of several threads (`-f -y`) that the one thread makes which names
/// `packages`: those that name anything below `root`, from the first that names `packages`.
pub(super) fn calls(trace: &str, root: &Path, packages: &Path) -> Vec<Call> {
    let (root, packages) = (root.to_str().unwrap(), packages.to_str().unwrap());
    let thread = |line: &&str| line.split_once(' ').map(|(id, _)| id.to_owned());
    let first = trace.lines().find(|line| line.contains(packages));
    let first = first.unwrap_or_else(|| panic!("nothing is in `{packages}`:\n{trace}"));
    let writer = thread(&first);
    let others = trace.lines().filter(|line| thread(line) != writer);
    let strays: Vec<&str> = others.filter(|line| line.contains(packages)).collect();
    assert!(strays.is_empty(), "another thread writes too: {strays:?}");

    let mut counts = BTreeMap::new();
    let mut calls: Vec<Call> = trace
        .lines()
        .filter(|line| thread(line) == writer)
        .filter_map(|line| {
            let text = line.split_once(' ')?.1.trim_start();
            // Not `<... resumed>`, `+++ exited +++`, `--- SIGCHLD ---`.
            let name = text.split_once('(')?.0;
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                .then_some((name, text))
        })
        .map(|(name, text)| {
            let count = counts.entry(name).or_insert(0);
            *count += 1;
            Call {
                name: name.to_owned(),
                number: *count,
                text: text.to_owned(),
            }
        })
        .collect();
    let begin = calls.iter().position(|call| call.text.contains(packages));
    let calls = calls.split_off(begin.unwrap());
    calls
        .into_iter()
        .filter(|call| call.text.contains(root))
        .collect()
}
