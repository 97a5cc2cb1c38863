//! The key of a platform's wheels: a thousand changes of what it is made from, each of which must
//! make another key, or must not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use omnibuild::config::{Config, Overrides, PlatformTable};
use omnibuild::digest::{Digest, Key, KeyBuilder};
use omnibuild::plan::inputs::Inputs;
use omnibuild::plan::metadata::ProjectMetadata;
use omnibuild::plan::project_files::ProjectFiles;
use omnibuild::plan::{self, Target, requirements};
use omnibuild::platform::Arch;
use omnibuild::wheels::resolve;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

const CASES: u32 = 1000;

/// One requirement, in parts, so that each part can change.
#[derive(Debug, Clone)]
struct Requirement {
    name: String,
    extras: Vec<&'static str>,
    version: u32,
    marker: Option<&'static str>,
    hash: u32,
}

/// Everything that a key may be made from.
#[derive(Debug, Clone)]
struct World {
    requirements: Vec<Requirement>,
    hashed: bool,
    included: u32,
    constraint: u32,
    index: u32,
    configured_index: u32,
    options: Vec<&'static str>,
    local_wheel: u32,
    find_links: u32,
    declared: u32,
    abi: &'static str,
    builder: u32,
    arch: Arch,
    platform: &'static str,
    style: Style,
}

/// How it is written down, which may not matter.
#[derive(Debug, Clone, Default)]
struct Style {
    comments: bool,
    blank_lines: bool,
    crlf: bool,
    byte_order_mark: bool,
    wide: bool,
    reversed: bool,
    doubled: bool,
    respelled: bool,
    moved: bool,
    credentials: bool,
    continued: bool,
}

/// A change and its name; the number says where.
type Change<T> = (&'static str, fn(&mut T, Index));

/// What matters: each changes a world into one of another key.
const DECIDING: [Change<World>; 18] = [
    ("pin", |world, at| one(world, at).version += 1),
    ("hash", |world, at| {
        world.hashed = true;
        one(world, at).hash += 1;
    }),
    ("marker", |world, at| {
        let marker = &mut one(world, at).marker;
        *marker = match marker {
            Some(_) => None,
            None => Some("python_version < '3.99'"),
        };
    }),
    ("extra", |world, at| one(world, at).extras.push("more")),
    ("name", |world, at| one(world, at).name.push('x')),
    ("requirement more", |world, at| {
        let mut more = one(world, at).clone();
        more.name.push_str("-more");
        world.requirements.push(more);
    }),
    ("requirement less", |world, at| {
        drop(
            world
                .requirements
                .remove(at.index(world.requirements.len())),
        );
    }),
    ("included file", |world, _| world.included += 1),
    ("constraint", |world, _| world.constraint += 1),
    ("index", |world, _| world.index += 1),
    ("configured index", |world, _| world.configured_index += 1),
    ("option", |world, _| {
        if world.options.pop().is_none() {
            world.options.push("--pre");
        }
    }),
    ("local wheel", |world, _| world.local_wheel += 1),
    ("folder of wheels", |world, _| world.find_links += 1),
    ("project's own", |world, _| world.declared += 1),
    ("ABI", |world, _| world.abi = "cp311d"),
    ("builder", |world, _| world.builder += 1),
    ("architecture or platform", |world, at| {
        if at.index(2) == 0 {
            world.arch = Arch::Arm64;
        } else {
            world.platform = "debian-13";
        }
    }),
];

/// What does not.
const NEUTRAL: [Change<Style>; 11] = [
    ("comments", |style, _| style.comments = true),
    ("blank lines", |style, _| style.blank_lines = true),
    ("CRLF", |style, _| style.crlf = true),
    ("byte order mark", |style, _| style.byte_order_mark = true),
    ("white space", |style, _| style.wide = true),
    ("order", |style, _| style.reversed = true),
    ("doubled lines", |style, _| style.doubled = true),
    ("spelling of names", |style, _| style.respelled = true),
    ("lines in an included file", |style, _| style.moved = true),
    ("credentials", |style, _| style.credentials = true),
    ("continued lines", |style, _| style.continued = true),
];

fn one(world: &mut World, at: Index) -> &mut Requirement {
    let count = world.requirements.len();
    &mut world.requirements[at.index(count)]
}

fn digest(number: u32) -> Digest {
    Digest::of(number.to_string())
}

impl World {
    fn line(&self, requirement: &Requirement) -> String {
        let Requirement {
            name,
            extras,
            version,
            marker,
            hash,
        } = requirement;
        let style = &self.style;
        let space = if style.wide { " \t " } else { "" };
        let (mut name, mut extras) = (name.clone(), extras.clone());
        if style.respelled {
            name = name.to_uppercase().replace('-', "__.");
            extras.reverse();
        }
        let extras = if extras.is_empty() {
            String::new()
        } else {
            format!("[{}]", extras.join(&format!(",{space}")))
        };
        let mut line = format!("{name}{extras}{space}=={space}1.{version}");
        if let Some(marker) = marker {
            line = format!("{line} ; {space}{marker}");
        }
        if self.hashed {
            let before = if style.continued { " \\\n   " } else { " " };
            line = format!("{line}{before}--hash=sha256:{}", digest(*hash));
        }
        line
    }

    /// The files of the project.
    fn files(&self) -> BTreeMap<String, String> {
        let style = &self.style;
        let user = if style.credentials { "me:secret@" } else { "" };
        let url = digest(7);
        let mut lines: Vec<String> = self
            .requirements
            .iter()
            .map(|requirement| self.line(requirement))
            .collect();
        let local = format!("--hash=sha256:{}", digest(self.local_wheel));
        let local = if self.hashed { local } else { String::new() };
        lines.push(format!("./vendor/local-1-py3-none-any.whl {local}"));
        lines.push(format!(
            "direct @ https://{user}host.example/d.zip#sha256={url}"
        ));
        lines.push("--find-links=wheels".to_owned());
        lines.push(format!(
            "--index-url https://{user}index{}.example/simple",
            self.index
        ));
        lines.extend(self.options.iter().map(|option| (*option).to_owned()));
        lines.push("-r sub/included.txt".to_owned());
        if style.reversed {
            lines.reverse();
        }
        if style.doubled {
            lines.extend(lines.clone());
        }
        let mut moved = Vec::new();
        if style.moved {
            moved = lines
                .iter()
                .filter(|line| !line.starts_with('-'))
                .cloned()
                .collect();
            lines.retain(|line| line.starts_with('-'));
            lines.push("-r moved.txt".to_owned());
        }
        let included = Requirement {
            name: "included".to_owned(),
            extras: Vec::new(),
            version: self.included,
            marker: None,
            hash: 1,
        };
        BTreeMap::from([
            ("requirements.txt".to_owned(), self.text(&lines)),
            ("moved.txt".to_owned(), self.text(&moved)),
            (
                "sub/included.txt".to_owned(),
                self.text(&[self.line(&included)]),
            ),
            (
                "constraints.txt".to_owned(),
                self.text(&[format!("held<{}", self.constraint)]),
            ),
            (
                "vendor/local-1-py3-none-any.whl".to_owned(),
                self.local_wheel.to_string(),
            ),
            (
                "wheels/found-1-py3-none-any.whl".to_owned(),
                self.find_links.to_string(),
            ),
            (
                "omnibuild.toml".to_owned(),
                format!(
                    "name = \"web\"\nversion = \"1\"\nrequirements = [\"requirements.txt\"]\n\
                     constraints = [\"constraints.txt\"]\n\
                     extra-index-urls = [\"https://{user}extra{}.example/simple\"]\n",
                    self.configured_index
                ),
            ),
        ])
    }

    fn text(&self, lines: &[String]) -> String {
        let style = &self.style;
        let mut text = String::new();
        if style.byte_order_mark {
            text.push('\u{feff}');
        }
        for (number, line) in lines.iter().enumerate() {
            if style.blank_lines {
                text.push_str("\n   \n");
            }
            if style.comments {
                text.push_str(&format!("  # comment {number}\n{line}   # why\n"));
            } else {
                text.push_str(&format!("{line}\n"));
            }
        }
        if style.crlf {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    }

    /// The key, by the functions that a build uses.
    fn key(&self, table: &PlatformTable) -> Key {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in self.files() {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let config = Config::load(folder.path(), Overrides::default()).unwrap();
        let names = config.requirements.iter().chain(&config.constraints);
        let read = |name: &String| {
            let set = requirements::read(&config.root, Path::new(name)).unwrap();
            (name.clone(), set)
        };
        let inputs = Inputs {
            credentials: omnibuild::plan::credentials::Credentials::default(),
            source: None,
            git_describe: None,
            commit: None,
            epoch: 0,
            requirement_files: names.map(read).collect(),
            lock_files: BTreeMap::new(),
            locks: BTreeMap::new(),
            signing_key: None,
            files: ProjectFiles::default(),
            copied: BTreeMap::new(),
        };
        let metadata = ProjectMetadata {
            requires: vec![format!("declared>={}", self.declared)],
            ..ProjectMetadata::default()
        };
        let platform = table.find(self.platform).unwrap();
        let target = Target {
            platform,
            arch: self.arch,
            context: table.context(platform).unwrap(),
            pythons: table.pythons(),
        };
        let plan = plan::plan(&config, &inputs, Some(&metadata), vec![target]).unwrap();
        let builder = KeyBuilder::new("builder", 1).field("number", self.builder.to_string());
        resolve::key(&plan.platforms[0], &builder.finish(), self.abi)
    }
}

fn requirement() -> impl Strategy<Value = Requirement> {
    (
        "[a-z]{2,5}(-[a-z]{2,4})?",
        prop::sample::subsequence(vec!["fast", "tls"], 0..=2),
        1..50_u32,
        prop::option::of(select(vec![
            "python_version >= '3.6'",
            "os_name == 'posix'",
        ])),
        1..50_u32,
    )
        .prop_map(|(name, extras, version, marker, hash)| Requirement {
            name,
            extras,
            version,
            marker,
            hash,
        })
}

fn world() -> impl Strategy<Value = World> {
    let options = vec!["--pre", "--no-binary=:all:"];
    (
        prop::collection::vec(requirement(), 1..6),
        any::<bool>(),
        prop::sample::subsequence(options, 0..=2),
        prop::array::uniform5(1..100_u32),
    )
        .prop_map(|(mut requirements, hashed, options, numbers)| {
            let mut names = BTreeSet::new();
            requirements.retain(|requirement| names.insert(requirement.name.clone()));
            World {
                requirements,
                hashed,
                options,
                included: numbers[0],
                constraint: numbers[1],
                index: numbers[2],
                configured_index: numbers[3],
                local_wheel: numbers[4],
                find_links: 1,
                declared: 1,
                abi: "cp311",
                builder: 1,
                arch: Arch::Amd64,
                platform: "debian-12",
                style: Style::default(),
            }
        })
}

#[test]
fn a_thousand_changes_make_another_key_exactly_when_they_matter() {
    let nowhere = tempfile::tempdir().unwrap();
    let table = PlatformTable::load(nowhere.path()).unwrap();
    let seen = RefCell::new(BTreeMap::<&str, u32>::new());
    let strategy = (
        world(),
        any::<Index>(),
        any::<Index>(),
        prop::collection::vec(any::<Index>(), 1..4),
        any::<bool>(),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    };
    let outcome = TestRunner::new(config).run(&strategy, |(before, what, at, styles, decides)| {
        let mut after = before.clone();
        let count = |name| *seen.borrow_mut().entry(name).or_default() += 1;
        let mut done = Vec::new();
        for style in &styles {
            let (name, change) = style.get(&NEUTRAL);
            change(&mut after.style, at);
            count(name);
            done.push(*name);
        }
        if decides {
            let (name, change) = what.get(&DECIDING);
            change(&mut after, at);
            count(name);
            done.push(name);
        }
        let (one, other) = (before.key(&table), after.key(&table));
        let text = format!("{:?}", other.fields);
        prop_assert!(!text.contains("secret"), "{}", text);
        let changes = other.changes_since(&one);
        prop_assert_eq!(
            one.digest != other.digest,
            decides,
            "{:?}: {:?}",
            done,
            changes
        );
        prop_assert_eq!(changes.is_empty(), !decides, "{:?}", done);
        Ok(())
    });
    outcome.unwrap();
    let kinds = DECIDING.len() + NEUTRAL.len();
    assert_eq!(
        seen.borrow().len(),
        kinds,
        "not every kind of change came up: {seen:?}"
    );
}
