//! Who may import whom: the table of the architecture, held against every `use` and path.

use std::collections::BTreeSet;

use super::source::{Source, sources};

/// Rooms of a layer, lowest first, and the lower rooms that each may name. Words name only words
/// that stand before them, stages only stages before them, and of those only types.
const WORDS: [&str; 18] = [
    "error",
    "memory",
    "digest",
    "fsutil",
    "platform",
    "archive",
    "interpreter",
    "standalone",
    "steps",
    "elf",
    "text",
    "audit",
    "lint",
    "tree",
    "signing",
    "wheel",
    "version",
    "oci",
];
/// The reporter is a word too, and the last: it tells of all others.
const REPORT: &str = "report";
const FACTS: &str = "config";
const DECISION: &str = "plan";
/// `context` is what a stage is given: engine, caches, reporter; `python` gets archives for it.
const PORTS: [&str; 5] = ["engine", "context", "download", "python", "registry"];
const STAGES: [&str; 12] = [
    "base",
    "image",
    "cpython",
    "wheels",
    "bundle",
    "inventory",
    "libraries",
    "package",
    "repository",
    "verify",
    "runtime",
    "publish",
];
/// What a project's folder remembers of its builds; only the pipeline asks it.
const RECORDS: &str = "state";
const ORDER: &str = "pipeline";
const EDGE: [&str; 2] = ["cli", "main"];

/// Arrows against the table that were decided, with the reason. One that is not needed any more
/// fails the test.
const DECIDED: [(&str, &str, &str); 5] = [
    (
        "cli",
        "config",
        "the command line's values win over the files: it makes config's `Overrides`",
    ),
    (
        "context",
        "wheels",
        "a stage is given the remote cache of wheels (types only)",
    ),
    (
        "main",
        "engine",
        "the sandbox's helper processes are this program, before it reads the command line",
    ),
    (
        "main",
        "memory",
        "the program may have to start anew before anything else runs",
    ),
    (
        "pipeline",
        "cli",
        "a command is given what was parsed, as plain data",
    ),
];

#[test]
fn every_room_has_its_layer() {
    let known: BTreeSet<&str> = WORDS
        .into_iter()
        .chain([REPORT, FACTS, DECISION, RECORDS, ORDER])
        .chain(PORTS)
        .chain(STAGES)
        .chain(EDGE)
        .collect();
    for source in sources().iter().filter(|source| source.room() != "lib") {
        assert!(
            known.contains(source.room()),
            "{}: give the room a layer in this table",
            source.path
        );
    }
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut against = Vec::new();
    let mut needed = BTreeSet::new();
    let mut arrows = 0;
    for source in sources() {
        for path in source.paths() {
            let (from, to) = (
                source.room().to_owned(),
                path.first().cloned().unwrap_or_default(),
            );
            if from == to || to.is_empty() || from == "lib" {
                continue;
            }
            arrows += 1;
            if may_name(&from, &to, &path) {
                continue;
            }
            if decided(&from, &to, &path) {
                needed.insert((from, to));
            } else {
                against.push(format!("{}: {}", source.path, path.join("::")));
            }
        }
    }
    assert!(
        arrows > 100,
        "only {arrows} arrows: the imports are not found any more"
    );
    assert!(
        against.is_empty(),
        "imports against the table:\n{}",
        against.join("\n")
    );
    for (from, to, _) in DECIDED {
        let arrow = (from.to_owned(), to.to_owned());
        assert!(
            needed.contains(&arrow),
            "{from} names {to} no more: take the arrow out of DECIDED"
        );
    }
}

fn decided(from: &str, to: &str, path: &[String]) -> bool {
    let listed = DECIDED
        .iter()
        .any(|(one, other, _)| *one == from && *other == to);
    listed && (from != "context" || is_type(path))
}

fn may_name(from: &str, to: &str, path: &[String]) -> bool {
    let place = |rooms: &[&str], name: &str| rooms.iter().position(|room| *room == name);
    let word = place(&WORDS, to).is_some() || to == REPORT;
    if let Some(own) = place(&WORDS, from) {
        return place(&WORDS, to).is_some_and(|other| other < own);
    }
    match from {
        REPORT | FACTS => word,
        DECISION => word || to == FACTS,
        RECORDS => word || to == DECISION || (STAGES.contains(&to) && is_type(path)),
        ORDER => {
            word || [FACTS, DECISION, RECORDS].contains(&to)
                || PORTS.contains(&to)
                || STAGES.contains(&to)
        }
        _ if EDGE.contains(&from) => {
            [ORDER, REPORT, "error", "text"].contains(&to) || (from == "main" && to == "cli")
        }
        "engine" => word,
        "context" => word || to == "engine" || to == DECISION,
        "download" => word || to == DECISION,
        "registry" => word || to == "download" || to == DECISION,
        "python" => word || ["context", "download", DECISION].contains(&to),
        _ => {
            let own = place(&STAGES, from).unwrap_or_else(|| panic!("{from} has no layer"));
            let earlier = place(&STAGES, to).is_some_and(|other| other < own && is_type(path));
            word || earlier || PORTS.contains(&to) || to == DECISION
        }
    }
}

/// Whether a path leads to a type: functions and modules begin with a small letter, constants have
/// none.
fn is_type(path: &[String]) -> bool {
    let name = path
        .iter()
        .skip(1)
        .find(|part| part.starts_with(char::is_uppercase));
    name.is_some_and(|name| name.contains(char::is_lowercase))
}

#[test]
fn packages_never_name_the_engine() {
    let named = names(&["package"], |path| {
        path[0] == "engine" || path[0] == "context"
    });
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn nobody_names_a_format_or_an_engine_from_outside_of_its_folder() {
    let children = [
        ["package", "deb"],
        ["package", "rpm"],
        ["engine", "docker"],
        ["engine", "sandbox"],
    ];
    for child in children {
        let place = format!("src/{}/{}", child[0], child[1]);
        let exists = sources()
            .iter()
            .any(|source| source.path.starts_with(&place));
        assert!(exists, "there is no {place}: keep this list right");
        let named: Vec<String> = sources()
            .iter()
            .filter(|source| source.room() != child[0])
            .flat_map(|source| named_by(source, |path| path.len() > 1 && path[..2] == child))
            .collect();
        assert!(named.is_empty(), "{named:?}");
    }
}

#[test]
fn the_decision_waits_for_nothing_and_decides_without_reading() {
    for source in sources().iter().filter(|source| source.room() == DECISION) {
        let code = source.code();
        for word in ["async ", ".await", "tokio"] {
            assert!(!code.contains(word), "{} names `{word}`", source.path);
        }
        let reads = [
            "src/plan/copied_files.rs",
            "src/plan/credentials.rs",
            "src/plan/inputs.rs",
            "src/plan/project_files.rs",
            "src/plan/requirements/read.rs",
            "src/plan/source.rs",
        ]
        .contains(&source.path.as_str());
        let io = ["fs_err", "std::fs", "Command::new", "SystemTime", "::now("];
        let found: Vec<&str> = io.into_iter().filter(|word| code.contains(word)).collect();
        assert!(reads || found.is_empty(), "{} names {found:?}", source.path);
    }
}

/// Paths that files of these rooms name.
fn names(rooms: &[&str], wanted: impl Fn(&[String]) -> bool + Copy) -> Vec<String> {
    let sources = sources();
    let inside: Vec<&Source> = sources
        .iter()
        .filter(|source| rooms.contains(&source.room()))
        .collect();
    assert!(!inside.is_empty(), "no file in {rooms:?}");
    inside
        .into_iter()
        .flat_map(|source| named_by(source, wanted))
        .collect()
}

fn named_by(source: &Source, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let paths = source.paths();
    let paths = paths.iter().filter(|path| !path.is_empty() && wanted(path));
    paths
        .map(|path| format!("{}: {}", source.path, path.join("::")))
        .collect()
}
