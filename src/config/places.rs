//! Where the keys of a configuration stand, for errors that are found after the files were read.
//!
//! An error that is about a key begins with it, as TOML writes it: `packages.node.links: …`,
//! `packages.node: files."/etc/x": …`, `vulnerabilities.ignore[0].until: …`. What is looked for
//! is that beginning, else the first path in the message that the files name. Decides nothing.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Error;

use super::toml_error::line_and_column;

/// The places of every key and text of a project's configuration.
#[derive(Debug, Clone, Default)]
pub struct Places {
    top: Node,
    /// The first place of each text, be it a key or a value.
    texts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// `<file>:<line>:<column>`.
    place: String,
    children: BTreeMap<String, Self>,
}

/// A file that is looked into.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Node {
    /// Takes a child; of one that is there already only what it lacks.
    fn take(&mut self, name: String, child: Self) {
        match self.children.get_mut(&name) {
            None => drop(self.children.insert(name, child)),
            Some(there) => {
                for (name, child) in child.children {
                    there.take(name, child);
                }
            }
        }
    }
}

impl Places {
    /// Adds what a file has below `table`; a key that is there already wins.
    pub(super) fn add(&mut self, path: &Path, text: &str, table: &[&str]) {
        let Ok(parsed) = DeTable::parse(text) else {
            return;
        };
        let mut found = parsed.get_ref();
        for name in table {
            match found.get(*name).map(Spanned::get_ref) {
                Some(DeValue::Table(inner)) => found = inner,
                _ => return,
            }
        }
        let file = File { path, text };
        for (key, value) in found {
            let name = key.get_ref().to_string();
            let node = self.node(&file, key.span().start, value);
            self.note(&name, &node.place);
            self.top.take(name, node);
        }
    }

    fn node(&mut self, file: &File<'_>, at: usize, value: &Spanned<DeValue<'_>>) -> Node {
        let (line, column) = line_and_column(file.text, at);
        let mut node = Node {
            place: format!("{}:{line}:{column}", file.path.display()),
            children: BTreeMap::new(),
        };
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let name = key.get_ref().to_string();
                    let child = self.node(file, key.span().start, value);
                    self.note(&name, &child.place);
                    node.children.insert(name, child);
                }
            }
            DeValue::Array(values) => {
                for (number, value) in values.iter().enumerate() {
                    let child = self.node(file, value.span().start, value);
                    node.children.insert(format!("[{number}]"), child);
                }
            }
            DeValue::String(text) => {
                let (line, column) = line_and_column(file.text, value.span().start);
                let place = format!("{}:{line}:{column}", file.path.display());
                self.note(text, &place);
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
        node
    }

    fn note(&mut self, text: &str, place: &str) {
        self.texts
            .entry(text.to_owned())
            .or_insert_with(|| place.to_owned());
    }

    /// Forgets a key that something stronger than the files has said.
    pub(super) fn forget(&mut self, key: &str) {
        self.top.children.remove(key);
    }

    /// The error with the place of the key it begins with, else of the first path in it that the
    /// files name; as it is when there is none.
    pub fn locate(&self, error: Error) -> Error {
        let message = error.message();
        let place = self.of_key(message).or_else(|| self.of_path(message));
        match place.map(str::to_owned) {
            Some(place) => error.context(place),
            None => error,
        }
    }

    /// The error with the place of a key, when the files have it.
    pub fn locate_key(&self, key: &str, error: Error) -> Error {
        match self.of_key(&format!("{key}:")) {
            Some(place) => error.context(place),
            None => error,
        }
    }

    /// The error with the place of a text of the files, when it stands there.
    pub fn locate_text(&self, text: &str, error: Error) -> Error {
        match self.texts.get(text) {
            Some(place) => error.context(place),
            None => error,
        }
    }

    fn of_key(&self, message: &str) -> Option<&str> {
        let mut node = &self.top;
        let mut rest = message;
        let mut found = None;
        loop {
            let next = node.children.iter().filter_map(|(name, child)| {
                let quoted = format!("\"{name}\"");
                let after = rest
                    .strip_prefix(name.as_str())
                    .or_else(|| rest.strip_prefix(&quoted))?;
                // At the beginning a word could be one of a sentence.
                let ends = after.starts_with([':', '.', '['])
                    || (found.is_some() && (after.is_empty() || after.starts_with(' ')));
                ends.then_some((name.len(), child, after))
            });
            let Some((_, child, after)) = next.max_by_key(|(length, ..)| *length) else {
                return found;
            };
            found = Some(child.place.as_str());
            node = child;
            rest = after
                .strip_prefix('.')
                .or_else(|| after.strip_prefix(": "))
                .unwrap_or(after);
        }
    }

    fn of_path(&self, message: &str) -> Option<&str> {
        let quoted = message.split('`').skip(1).step_by(2);
        quoted
            .filter(|word| word.contains('/'))
            .find_map(|word| self.texts.get(word))
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const OWN: &str = "\
name = \"x\"
[packages.node]
links = { \"/usr/bin\" = [\"a\"] }
[packages.node.files.\"/etc/x.d/y\"]
source = \"conf/y\"
[[vulnerabilities.ignore]]
id = \"CVE-1\"
[licenses.distribution.\"zope.interface\"]
license = \"?\"
";
    const PYPROJECT: &str = "[tool.omnibuild]\nname = \"y\"\nprefix = \"/opt\"\n";

    fn located(message: &str) -> String {
        let mut places = Places::default();
        places.add(Path::new("o.toml"), OWN, &[]);
        places.add(Path::new("p.toml"), PYPROJECT, &["tool", "omnibuild"]);
        let error = places.locate(Error::new(Kind::Config, message));
        let at = error.message().strip_suffix(message).unwrap();
        at.strip_suffix(": ").unwrap_or(at).to_owned()
    }

    #[test]
    fn an_error_has_the_place_of_the_deepest_key_it_begins_with() {
        for (message, place) in [
            ("name: `x` is short", "o.toml:1:1"),
            ("prefix: `/opt` is too short", "p.toml:3:1"),
            ("packages.node.links: `b` is no command", "o.toml:3:1"),
            (
                "packages.node: files.\"/etc/x.d/y\" has no owner",
                "o.toml:4:22",
            ),
            (
                "packages.node: files.\"/etc/x.d/y\".source: none",
                "o.toml:5:1",
            ),
            ("packages.node: units are wrong", "o.toml:2:11"),
            ("vulnerabilities.ignore[0].id is empty", "o.toml:7:1"),
            ("vulnerabilities.ignore[1].id is empty", "o.toml:6:19"),
            (
                "licenses.distribution.zope.interface.license: `?`",
                "o.toml:9:1",
            ),
            ("`/etc/x.d/y` is in both `a` and `b`", "o.toml:4:22"),
            ("`conf/y` does not exist", "o.toml:5:10"),
            ("name is a word of this sentence", ""),
            ("`x` is no path", ""),
            ("", ""),
        ] {
            assert_eq!(located(message), place, "{message}");
        }
    }

    #[test]
    fn what_the_command_line_says_has_no_place() {
        let mut places = Places::default();
        places.add(Path::new("o.toml"), OWN, &[]);
        places.forget("name");
        let error = places.locate(Error::new(Kind::Config, "name: x"));
        assert_eq!(error.message(), "name: x");
        let error = places.locate_key("name", error);
        assert_eq!(error.message(), "name: x");
        let error = places.locate_text("CVE-1", error);
        assert_eq!(error.message(), "o.toml:7:6: name: x");
    }
}
