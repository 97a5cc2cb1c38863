//! The code whose digest is in the keys of what is kept: all that makes it, as the imports tell.

use std::collections::BTreeSet;

use super::source::{Source, read, repository, sources};

/// Rooms that decide no byte of a layer or a segment: what they say is in the keys by value, or they
/// only ask, tell and keep.
const BY_VALUE: [&str; 13] = [
    "bundle", "context", "engine", "error", "fsutil", "image", "plan", "platform", "python",
    "report", "signing", "version", "wheels",
];

/// The list of a digest, as the build script wrote it.
fn listed(paths: &'static str) -> Vec<&'static str> {
    let paths: Vec<&str> = paths.split(' ').collect();
    for path in &paths {
        assert!(repository().join(path).exists(), "there is no {path}");
    }
    paths
}

/// Rooms that code of the list names and that are not in it.
fn forgotten(listed: &[&str]) -> BTreeSet<String> {
    let covers = |path: &str| {
        listed
            .iter()
            .any(|one| path == *one || path.starts_with(&format!("{one}/")))
    };
    let sources = sources();
    let rooms: BTreeSet<&str> = sources
        .iter()
        .filter(|source| covers(&source.path))
        .map(Source::room)
        .collect();
    assert!(rooms.len() > 3, "{rooms:?}");
    sources
        .iter()
        .filter(|source| covers(&source.path))
        .flat_map(Source::paths)
        .filter_map(|path| path.into_iter().next())
        .filter(|room| !rooms.contains(room.as_str()) && !BY_VALUE.contains(&room.as_str()))
        .collect()
}

#[test]
fn what_makes_layers_and_segments_is_in_their_keys() {
    for (paths, room) in [
        (env!("OMNIBUILD_LAYER_CODE_PATHS"), "src/bundle"),
        (env!("OMNIBUILD_SEGMENT_CODE_PATHS"), "src/package"),
    ] {
        let listed = listed(paths);
        assert!(listed.contains(&room), "{paths}");
        assert_eq!(forgotten(&listed), BTreeSet::new(), "{paths}");
    }
    let packages = listed(env!("OMNIBUILD_PACKAGE_CODE_PATHS"));
    assert!(packages.contains(&"src") && packages.contains(&"images"));
}

#[test]
fn each_digest_of_code_is_in_a_key_and_none_in_those_of_wheels() {
    let used =
        |path: &str, name: &str| read(path).contains(&format!("env!(\"OMNIBUILD_{name}_CODE\")"));
    assert!(used("src/plan/mod.rs", "PACKAGE"));
    assert!(used("src/bundle/assemble.rs", "LAYER"));
    assert!(used("src/package/segment.rs", "SEGMENT"));
    assert!(used("src/cpython/mod.rs", "PYTHON"));
    for source in sources().iter().filter(|source| source.room() == "wheels") {
        assert!(!source.text.contains("_CODE\")"), "{}", source.path);
    }
}
