//! Requirement files of pip, with the files they include, read into data.
//!
//! Follows pip's "Requirements File Format". Reads files of the project and nothing else: it
//! resolves nothing, and leaves environment variables (`${NAME}`) for pip.

mod line;
mod options;
mod text;

pub use self::line::parse_requirement;
pub use self::text::without_credentials;

use std::collections::BTreeSet;
use std::path::{Component, Path};

use fs_err as fs;
use pep508_rs::{PackageName, VersionOrUrl};

use crate::error::{Error, Kind, Result};

use self::line::parse_line;

/// One requirement file, not followed into its includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementFile {
    /// Relative to the project's root, with `/`.
    pub path: String,
    /// What its lines say, in their order; comments and blank lines say nothing.
    pub lines: Vec<Line>,
}

/// One thing that a line says. A line with two options gives two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1; of a continued line, its first.
    pub number: usize,
    /// What it says.
    pub content: Content,
}

/// What a line of a requirement file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something to install, or to hold back in a constraint file.
    Requirement {
        /// The requirement with its white space folded; `-e` and a place for an editable one.
        text: String,
        /// Its own options, such as `--hash`.
        options: Vec<PipOption>,
    },
    /// An option for the whole installation, such as `--index-url`.
    Option(PipOption),
    /// `-r` or `-c`: another file.
    Include {
        /// As it is written, relative to this file.
        path: String,
        /// What the lines of that file mean.
        role: Role,
    },
}

/// What the lines of a file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To be installed (`-r`).
    Requirements,
    /// Only limits versions (`-c`).
    Constraints,
}

/// An option of pip under its long name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipOption {
    /// With its dashes: `--index-url`.
    pub name: &'static str,
    /// `None` for switches.
    pub value: Option<String>,
}

impl PipOption {
    /// `--name` or `--name=value`.
    pub fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// A requirement or constraint and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementLine {
    /// The requirement with its white space folded, as pip takes it; may hold credentials.
    pub text: String,
    /// Its own options, such as `--hash`.
    pub options: Vec<PipOption>,
    /// The file, relative to the project's root.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// An option for the whole installation and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionLine {
    /// The option; may hold credentials.
    pub option: PipOption,
    /// The file, relative to the project's root.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// A requirement file with all that it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequirementSet {
    /// Path relative to the project's root and content of each file that pip will read, the one
    /// that was asked for first.
    pub files: Vec<(String, Vec<u8>)>,
    /// What is to be installed.
    pub requirements: Vec<RequirementLine>,
    /// Indexes, folders of wheels, and the other options for the whole installation.
    pub options: Vec<OptionLine>,
    /// What only limits versions.
    pub constraints: Vec<RequirementLine>,
}

/// Reads a requirement file of a project, and the files it includes.
///
/// `file` is relative to the root, or absolute and below it. Fails with [`Kind::Missing`] when a
/// file is absent, and with [`Kind::Config`] when a line is wrong, when files include each other
/// in a circle, and when a file lies outside of the project, also by a symbolic link.
pub fn read(project_root: &Path, file: &Path) -> Result<RequirementSet> {
    let inside = if file.is_absolute() {
        file.strip_prefix(project_root)
            .map_err(|_not_below| outside(&file.to_string_lossy()))?
    } else {
        file
    };
    let Some(name) = inside.to_str() else {
        return Err(Error::new(
            Kind::Config,
            format!(
                "the name of the requirement file `{}` is not UTF-8",
                file.display()
            ),
        ));
    };
    let path = below_root("", name).ok_or_else(|| outside(name))?;
    let mut reader = Reader {
        root: project_root,
        real_root: fs::canonicalize(project_root)?,
        set: RequirementSet::default(),
        seen: BTreeSet::new(),
    };
    let content = reader.content(&path)?;
    reader.visit(&path, content, Role::Requirements, &mut Vec::new())?;
    Ok(reader.set)
}

impl RequirementFile {
    /// Parses the content of one file. `path` is for messages and for what the lines say.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self> {
        let content = text::decode(content).map_err(|error| error.context(path))?;
        let mut lines = Vec::new();
        for (number, logical) in text::logical_lines(&content) {
            let contents = parse_line(&logical)
                .map_err(|error| error.context(format_args!("{path}:{number}")))?;
            lines.extend(contents.into_iter().map(|content| Line { number, content }));
        }
        Ok(Self {
            path: path.to_owned(),
            lines,
        })
    }
}

struct Reader<'a> {
    root: &'a Path,
    real_root: std::path::PathBuf,
    set: RequirementSet,
    seen: BTreeSet<(String, Role)>,
}

impl Reader<'_> {
    /// `open` are the files whose lines are being read, outermost first.
    fn visit(
        &mut self,
        path: &str,
        content: Vec<u8>,
        role: Role,
        open: &mut Vec<String>,
    ) -> Result<()> {
        if open.iter().any(|file| file == path) {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "requirement files include each other: {} -> {path}",
                    open.join(" -> ")
                ),
            )
            .hint("take one of these includes out"));
        }
        if !self.seen.insert((path.to_owned(), role)) {
            return Ok(());
        }
        let file = RequirementFile::parse(path, &content)?;
        if self.set.files.iter().all(|(known, _)| known != path) {
            self.set.files.push((path.to_owned(), content));
        }
        open.push(path.to_owned());
        for Line { number, content } in file.lines {
            match content {
                Content::Requirement { text, options } => {
                    let line = RequirementLine {
                        text,
                        options,
                        file: path.to_owned(),
                        line: number,
                    };
                    match role {
                        Role::Requirements => self.set.requirements.push(line),
                        Role::Constraints => self.set.constraints.push(line),
                    }
                }
                Content::Option(option) => {
                    self.set.options.push(OptionLine {
                        option,
                        file: path.to_owned(),
                        line: number,
                    });
                }
                Content::Include { path: wanted, role } => {
                    let at = format!("{path}:{number}");
                    let included =
                        below_root(path, &wanted).ok_or_else(|| outside(&wanted).context(&at))?;
                    let content = self
                        .content(&included)
                        .map_err(|error| error.context(&at))?;
                    self.visit(&included, content, role, open)?;
                }
            }
        }
        open.pop();
        Ok(())
    }

    fn content(&self, path: &str) -> Result<Vec<u8>> {
        let place = self.root.join(path);
        let real = match fs::canonicalize(&place) {
            Ok(real) => real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing(path));
            }
            Err(error) => return Err(error.into()),
        };
        if !real.starts_with(&self.real_root) {
            return Err(outside(path));
        }
        if !real.is_file() {
            return Err(Error::new(
                Kind::Config,
                format!("requirement file `{path}` is not a file"),
            ));
        }
        Ok(fs::read(&place)?)
    }
}

fn missing(path: &str) -> Error {
    let error = Error::new(
        Kind::Missing,
        format!("requirement file `{path}` does not exist"),
    );
    if path.contains("${") {
        return error.hint("environment variables are not replaced in the names of included files");
    }
    error.hint("make the file, or correct its name; it is relative to the file that includes it")
}

fn outside(path: &str) -> Error {
    Error::new(Kind::Config, format!("requirement file `{path}` lies outside of the project"))
        .hint("keep requirement files below the project's folder and name them relative to the including file")
}

/// `wanted` as `including` means it, relative to the root; `None` when that is not below the root.
fn below_root(including: &str, wanted: &str) -> Option<String> {
    let folder = including.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for component in Path::new(wanted).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

impl RequirementSet {
    /// What is asked of pip as sorted lines without doubles, for keys: comments, order, white
    /// space, line ends, and which file a line stands in make no difference. Without credentials.
    pub fn canonical(&self) -> Vec<String> {
        let requirements = self.requirements.iter().map(RequirementLine::canonical);
        let constraints = self
            .constraints
            .iter()
            .map(|line| format!("constraint {}", line.canonical()));
        let options = self.options.iter().map(OptionLine::canonical);
        let lines: BTreeSet<String> = requirements
            .chain(constraints)
            .chain(options)
            .map(|line| text::without_credentials(&line))
            .collect();
        lines.into_iter().collect()
    }

    /// The version that a requirement `name==version`, or else such a constraint, pins. Names are
    /// compared by PEP 503. `None` also when there are several that differ.
    pub fn pinned_version(&self, name: &str) -> Option<String> {
        let name: PackageName = name.parse().ok()?;
        [&self.requirements, &self.constraints]
            .into_iter()
            .find_map(|lines| {
                let mut pins = lines.iter().filter_map(|line| pin(&line.text, &name));
                let first = pins.next()?;
                pins.all(|pin| pin == first).then_some(first)
            })
    }
}

impl RequirementLine {
    fn canonical(&self) -> String {
        let mut options: Vec<String> = self.options.iter().map(PipOption::text).collect();
        options.sort_unstable();
        options.dedup();
        std::iter::once(self.text.clone())
            .chain(options)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl OptionLine {
    /// pip looks for a relative folder beside the file that names it, so two files don't mean the
    /// same folder by the same word.
    fn canonical(&self) -> String {
        match &self.option.value {
            Some(value) if self.option.name == "--find-links" && !value.contains(':') => {
                let folder = below_root(&self.file, value).unwrap_or_else(|| value.clone());
                format!("{}={folder}", self.option.name)
            }
            _ => self.option.text(),
        }
    }
}

fn pin(text: &str, name: &PackageName) -> Option<String> {
    let requirement = parse_requirement(text).ok()?;
    let Some(VersionOrUrl::VersionSpecifier(specifiers)) = requirement.version_or_url else {
        return None;
    };
    specifiers
        .iter()
        .find(|specifier| {
            requirement.name == *name
                && matches!(
                    specifier.operator(),
                    pep440_rs::Operator::Equal | pep440_rs::Operator::ExactEqual
                )
        })
        .map(|specifier| specifier.version().to_string())
}

#[cfg(test)]
mod tests;
