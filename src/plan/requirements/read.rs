//! Reads requirement files with their includes, and the files of the project that they name.
//!
//! Reads nothing outside of the project, also not by a symbolic link.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

use super::line::is_archive;
use super::policy::{self, Origin};
use super::{
    Content, Line, LockFile, LockKind, OptionLine, PipOption, Place, RequirementFile,
    RequirementLine, RequirementSet, Role,
};

/// Reads a requirement file of a project, and the files it includes.
///
/// `file` is relative to the root, or absolute and below it. Fails with [`Kind::Missing`] when a
/// file is absent, and with [`Kind::Config`] when a line is wrong, when files include each other
/// in a circle, and when a file lies outside of the project, also by a symbolic link.
pub fn read(project_root: &Path, file: &Path) -> Result<RequirementSet> {
    let (mut reader, path) = Reader::new(project_root, file)?;
    let content = reader.content(&path)?;
    reader.visit(&path, content, Role::Requirements, &mut Vec::new())?;
    reader.set.check_hash_mode()?;
    Ok(reader.set)
}

/// Reads a lock file of another tool; `None` when the name is not one of a lock file.
pub fn read_lock(project_root: &Path, file: &Path) -> Result<Option<LockFile>> {
    let (reader, path) = Reader::new(project_root, file)?;
    let Some(kind) = LockKind::of(&path) else {
        return Ok(None);
    };
    let content = reader.content(&path)?;
    let mut lock = LockFile::parse(kind, &path, content)?;
    if kind != LockKind::Pylock {
        let project = below_root(&path, "pyproject.toml").unwrap_or_default();
        let content = reader.content(&project).map_err(|error| {
            error.hint("the tool that wrote the lock has to export it, and reads this file too")
        })?;
        lock.project = Some(content);
    }
    Ok(Some(lock))
}

impl<'a> Reader<'a> {
    /// A reader, and the path of its first file relative to the root.
    fn new(project_root: &'a Path, file: &Path) -> Result<(Self, String)> {
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
        let reader = Self {
            root: project_root,
            real_root: fs::canonicalize(project_root)?,
            set: RequirementSet::default(),
            seen: BTreeSet::new(),
        };
        Ok((reader, path))
    }
}

struct Reader<'a> {
    root: &'a Path,
    real_root: PathBuf,
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
                    let at = format!("{path}:{number}");
                    let place = self
                        .requirement(&text, &options)
                        .map_err(|error| error.context(&at))?;
                    let line = RequirementLine {
                        hashes: policy::hashes(&text, &options),
                        text,
                        options,
                        file: path.to_owned(),
                        line: number,
                        place,
                    };
                    match role {
                        Role::Requirements => self.set.requirements.push(line),
                        Role::Constraints => self.set.constraints.push(line),
                    }
                }
                Content::Option(option) => {
                    self.option(path, &option)
                        .map_err(|error| error.context(format_args!("{path}:{number}")))?;
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

    /// Checks a requirement; a file of the project that it names is digested.
    fn requirement(&mut self, text: &str, options: &[PipOption]) -> Result<Place> {
        for option in options {
            policy::check_option(option)?;
        }
        policy::check_hashes(text, options)?;
        Ok(match policy::check_place(text, options)? {
            Origin::Index => Place::Index,
            Origin::Git => Place::Git,
            Origin::Url => Place::Url,
            Origin::Path(path) => {
                let inside = self.inside(path).ok_or_else(|| outside(path))?;
                let real = self.real(&inside)?;
                if !real.is_file() || !is_archive(&inside) {
                    return Err(policy::refuse(
                        text,
                        "only a wheel or source distribution is taken by its path: of a folder nothing says what it holds",
                        "build a wheel of it once, keep it below the project, and list the file; the project itself is always built",
                    ));
                }
                let hashes = policy::hashes(text, options);
                let digest = self.archive(&inside)?;
                if !hashes.is_empty() && !hashes.contains(&digest) {
                    return Err(Error::new(
                        Kind::Config,
                        format!(
                            "`{inside}` has the SHA-256 {digest}, and the line says {}",
                            hashes[0]
                        ),
                    )
                    .hint(
                        "put the file back that was meant, or write the new hash into the line",
                    ));
                }
                Place::File(inside)
            }
        })
    }

    /// Checks an option; the wheels and source distributions of a folder that it names are
    /// digested.
    fn option(&mut self, file: &str, option: &PipOption) -> Result<()> {
        let Some(folder) = policy::check_option(option)? else {
            return Ok(());
        };
        // pip looks beside the file that names the folder.
        let inside = below_root(file, folder).ok_or_else(|| outside(folder))?;
        if !self.real(&inside)?.is_dir() {
            return Err(policy::refuse(
                &option.text(),
                "it is not a folder",
                "name the folder with the wheels, relative to the file that names it",
            ));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(&inside))? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        for name in names.iter().filter(|name| is_archive(name)) {
            self.archive(&format!("{inside}/{name}"))?;
        }
        Ok(())
    }

    /// Digests a wheel or source distribution of the project, once. It may be large, so nobody
    /// holds it.
    fn archive(&mut self, path: &str) -> Result<Digest> {
        if let Some(digest) = self.set.archives.get(path) {
            return Ok(digest.clone());
        }
        if !self.real(path)?.is_file() {
            return Err(Error::new(
                Kind::Config,
                format!("`{path}` is not a file, and is named like a wheel or source distribution"),
            )
            .hint("move or rename it"));
        }
        let digest = Digest::of_file(&self.root.join(path))?;
        self.set.archives.insert(path.to_owned(), digest.clone());
        Ok(digest)
    }

    /// A path as pip means it in a requirement: relative to where it runs, the project's root.
    fn inside(&self, path: &str) -> Option<String> {
        let roots = [self.root, self.real_root.as_path()];
        let absolute = roots
            .iter()
            .find_map(|root| Path::new(path).strip_prefix(root).ok());
        match absolute {
            Some(inside) => below_root("", inside.to_str()?),
            // The root itself is no file, and the place where that is said has its name.
            None if Path::new(path)
                .components()
                .all(|part| part == Component::CurDir) =>
            {
                Some(".".to_owned())
            }
            None => below_root("", path),
        }
    }

    /// Where a file of the project lies; links may not lead out of it.
    fn real(&self, path: &str) -> Result<PathBuf> {
        let real = match fs::canonicalize(self.root.join(path)) {
            Ok(real) => real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing(path));
            }
            Err(error) => return Err(error.into()),
        };
        if real.starts_with(&self.real_root) {
            Ok(real)
        } else {
            Err(outside(path))
        }
    }

    fn content(&self, path: &str) -> Result<Vec<u8>> {
        if !self.real(path)?.is_file() {
            return Err(Error::new(
                Kind::Config,
                format!("requirement file `{path}` is not a file"),
            ));
        }
        Ok(fs::read(self.root.join(path))?)
    }
}

fn missing(path: &str) -> Error {
    if is_archive(path) {
        return Error::new(Kind::Missing, format!("`{path}` does not exist")).hint(
            "put the file there, or correct its name; it is relative to the project's folder",
        );
    }
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
pub(super) fn below_root(including: &str, wanted: &str) -> Option<String> {
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
