//! Which engine built and verified the sample, for whom and where: what a test saw, in a file that the
//! README's table is held against.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What ran.
pub(crate) struct Row<'a> {
    pub(crate) engine: &'a str,
    pub(crate) who: &'a str,
    pub(crate) place: &'a str,
    pub(crate) platform: &'a str,
    /// The function that saw it.
    pub(crate) test: &'a str,
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/engines.tsv")
}

/// To be called at the end of a test. What the file doesn't have yet is written to it where
/// `OMNIBUILD_TEST_RECORD` is set, and fails otherwise.
pub(crate) fn ran(row: &Row<'_>) {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let line = [row.engine, row.who, row.place, row.platform, row.test].join("\t");
    let text = fs_err::read_to_string(file()).expect("the file is there");
    if text.lines().any(|known| known == line) {
        return;
    }
    assert!(
        std::env::var_os("OMNIBUILD_TEST_RECORD").is_some(),
        "this ran, and {} does not say so: set OMNIBUILD_TEST_RECORD and run it again",
        file().display()
    );
    let mut lines: Vec<&str> = text.lines().chain([line.as_str()]).collect();
    lines.sort_unstable();
    fs_err::write(file(), lines.join("\n") + "\n").expect("the file can be written");
}
