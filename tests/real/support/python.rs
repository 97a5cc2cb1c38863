//! A Python that packages bring, made from source once and kept by the program.

use std::sync::OnceLock;

use serde_json::Value;

use super::platform::{Manager, Platform};
use super::project::Project;

/// The lines of platforms.toml that name it: made on the one of these platforms with apt that has the
/// oldest C library.
pub(crate) fn table(platforms: &[Platform]) -> String {
    static TABLE: OnceLock<String> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            let is_apt = |platform: &&Platform| platform.manager == Manager::Apt;
            let is_oldest = |platform: &&Platform| platform.id == "ubuntu-16.04";
            let mut oldest = platforms.iter().filter(is_oldest);
            let found = oldest.next().or_else(|| platforms.iter().find(is_apt));
            let platform = found.unwrap_or(&platforms[0]);
            let project = Project::without_history(&[]);
            let output = project.root().join("out");
            let output = output.to_str().expect("paths of tests are UTF-8");
            let words = ["python", "build", "3.13", "--json"];
            let place = ["--platform", platform.id, "--output", output];
            let made = project.run(&[&words[..], &place].concat()).succeeded();
            let result = result(&made.stdout);
            // The tests' project goes; the program keeps the same file in its cache.
            let file = result["file"].as_str().expect("a path");
            let kept = std::env::temp_dir().join(format!(
                "omnibuild-test-python-{}.tar.gz",
                result["sha256"].as_str().expect("a digest")
            ));
            fs_err::copy(file, &kept).expect("there is room for it");
            format!(
                "\n[python.archive.\"3.13\"]\namd64 = {{ path = \"{}\", sha256 = {} }}\n",
                kept.display(),
                result["sha256"]
            )
        })
        .clone()
}

/// The result among the events of a run.
pub(crate) fn result(events: &str) -> Value {
    let events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut results = events.filter(|event| event["event"] == "python");
    results.next().expect("a result")["result"].clone()
}
