//! The source text as the rules see it: files, code without tests and comments, imported paths.
//!
//! Reads text, not syntax: it relies on the layout that rustfmt gives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use omnibuild::fsutil::sorted_walk;

/// A file of Rust source.
pub(super) struct Source {
    /// Below the repository, such as `src/engine/docker.rs`.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
    /// Whether it is compiled for tests only.
    pub(super) only_tests: bool,
}

pub(super) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &str) -> String {
    fs_err::read_to_string(repository().join(path)).unwrap()
}

/// Every file below these folders whose name ends so, with `/`, sorted.
pub(super) fn files(folders: &[&str], ending: &str) -> Vec<String> {
    let mut files = Vec::new();
    // Benchmarks are a folder that a source package may leave out.
    let there = |folder: &&&str| **folder != "benches" || repository().join(folder).is_dir();
    for folder in folders.iter().filter(there) {
        let names = sorted_walk(&repository().join(folder)).unwrap();
        let names = names
            .iter()
            .map(|name| format!("{folder}/{}", name.display()));
        files
            .extend(names.filter(|name| name.ends_with(ending) && !name.contains("/__pycache__/")));
    }
    assert!(
        !files.is_empty(),
        "no file in {folders:?} ends in `{ending}`"
    );
    files
}

/// The crate's own files.
pub(super) fn sources() -> Vec<Source> {
    let paths = files(&["src"], ".rs");
    let contents: Vec<String> = paths.iter().map(|path| read(path)).collect();
    let tests: BTreeSet<String> = paths
        .iter()
        .zip(&contents)
        .flat_map(|(path, text)| test_modules(path, text))
        .collect();
    assert!(
        !tests.is_empty(),
        "the declarations of test modules are not found any more"
    );
    paths
        .into_iter()
        .zip(contents)
        .map(|(path, text)| Source {
            only_tests: tests.contains(&path),
            path,
            text,
        })
        .collect()
}

/// Files that stand below a `#[cfg(test)]`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = module_folder(path);
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for pair in lines
        .windows(2)
        .filter(|pair| pair[0].trim() == "#[cfg(test)]")
    {
        let name = pair[1]
            .strip_suffix(';')
            .and_then(|line| line.rsplit_once("mod "));
        if let Some((_, name)) = name {
            found.push(format!("{folder}/{name}.rs"));
        }
    }
    found
}

/// Where the files of a file's modules lie.
fn module_folder(path: &str) -> String {
    let path = Path::new(path);
    let folder = path.parent().unwrap().display().to_string();
    match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => folder,
        name => format!("{folder}/{name}"),
    }
}

impl Source {
    /// The code that is shipped: without comments and without what is compiled for tests only.
    pub(super) fn code(&self) -> String {
        if self.only_tests {
            String::new()
        } else {
            without_comments(&without_tests(&self.text))
        }
    }

    /// The file's first level below the crate: `engine` for `src/engine/docker.rs`.
    pub(super) fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The module's path below the crate.
    fn module(&self) -> Vec<String> {
        let below = self
            .path
            .strip_prefix("src/")
            .unwrap()
            .trim_end_matches(".rs");
        let mut module: Vec<String> = below.split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        module
    }

    /// Every path below the crate that the code names, each whole: `crate::a::{b, c::D}` names
    /// `a::b` and `a::c::D`.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let code = self.code();
        let mut found = Vec::new();
        for (root, start) in [
            ("crate::", Vec::new()),
            ("omnibuild::", Vec::new()),
            ("super::", self.parent()),
        ] {
            for (at, _) in code.match_indices(root) {
                let word_before = code[..at].chars().next_back();
                if word_before
                    .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '/' | '.'))
                {
                    continue;
                }
                let mut start: Vec<String> = start.clone();
                let mut rest = &code[at + root.len()..];
                while let Some(after) = rest.strip_prefix("super::").filter(|_| root == "super::") {
                    start.pop();
                    rest = after;
                }
                tree(rest, &start, &mut found);
            }
        }
        found
    }

    fn parent(&self) -> Vec<String> {
        let mut module = self.module();
        module.pop();
        module
    }
}

/// Follows a path or a tree of `use` and adds each whole path; answers what stands behind it.
fn tree<'a>(text: &'a str, start: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = start.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                inside = tree(inside, &path, found).trim_start();
                inside = inside.strip_prefix(',').unwrap_or(inside).trim_start();
                if let Some(after) = inside.strip_prefix('}') {
                    return after;
                }
                assert!(!inside.is_empty(), "a `use` that does not end");
            }
        }
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if end == 0 {
            let end = rest.find([',', '}', ';', '\n']).unwrap_or(rest.len());
            found.push(path);
            return &rest[end..];
        }
        if &rest[..end] != "self" {
            path.push(rest[..end].to_owned());
        }
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix("::") {
            rest = after;
            continue;
        }
        found.push(path);
        return match rest.strip_prefix(" as ") {
            Some(renamed) => &renamed[renamed.find([',', '}', ';']).unwrap_or(0)..],
            None => rest,
        };
    }
}

/// The text without `#[cfg(test)]` modules; rustfmt ends them with a `}` in the first column.
pub(super) fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let module = |next: &&str| next.contains("mod ") && next.ends_with('{');
        if line == "#[cfg(test)]" && lines.peek().is_some_and(module) {
            for line in lines.by_ref() {
                if line == "}" {
                    break;
                }
            }
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// The text without lines that are comments and comments behind code.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if !trimmed.starts_with("//") {
            kept.push_str(line.rsplit_once(" // ").map_or(line, |(code, _)| code));
        }
        kept.push('\n');
    }
    kept
}

/// The bodies of all `match` expressions, each without what stands in braces inside it.
pub(super) fn matches(code: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    for (at, _) in code.match_indices("match ") {
        let Some(open) = code[at..].find('{') else {
            continue;
        };
        let mut depth = 0;
        let mut body = String::new();
        for character in code[at + open..].chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 => body.push(character),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        bodies.push(body);
    }
    bodies
}

#[test]
fn trees_of_use_are_followed_to_their_leaves() {
    let source = Source {
        path: "src/wheels/store.rs".to_owned(),
        text: "use crate::error::{Error, Kind as K, Result};\nuse crate::a::{self, b::{C, d}};\n\
               use super::resolve::collect;\nlet x = crate::plan::name(1);\n// crate::no::comment\n\
               #[cfg(test)]\nmod tests {\n    use crate::no::test;\n}\n"
            .to_owned(),
        only_tests: false,
    };
    let mut paths: Vec<String> = source.paths().iter().map(|path| path.join("::")).collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "a",
            "a::b::C",
            "a::b::d",
            "error::Error",
            "error::Kind",
            "error::Result",
            "plan::name",
            "wheels::resolve::collect",
        ]
    );
}

#[test]
fn a_match_is_seen_without_the_matches_inside() {
    let code = "match a {\n  Format::Deb => match b {\n _ => 1,\n },\n  Format::Rpm => 2,\n}\n";
    let bodies = matches(code);
    assert_eq!(bodies.len(), 2);
    assert!(!bodies[0].contains("_ =>") && bodies[1].contains("_ =>"));
}
