//! A standalone Python: CPython as one relocatable folder, which a bundle may bring with it.
//!
//! Reads archives in the `install_only` layout of python-build-standalone: one top folder `python/`
//! with `bin`, `lib`, `include`. Decides which of it a bundle ships, and which parts of the standard
//! library a project leaves out. Reads nothing but the archive, runs nothing; where archives come from
//! is the matter of others.

mod part;
mod sysconfig;

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;

pub use self::part::Part;
use crate::archive;
use crate::error::{Error, Kind, Result};

/// Where builders have it.
pub const IN_BUILDER: &str = "/usr/lib/omnibuild/standalone";

/// The top folder of an archive.
const TOP: &str = "python";
/// The largest text of build settings that is read, in bytes; CPython's has 50 kB.
const LONGEST_SETTINGS: u64 = 4 << 20;

/// An archive whose digest was checked.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The file.
    pub path: PathBuf,
    /// The minor version of Python in it, such as `3.13`.
    pub minor: String,
}

/// An entry of the archive below its top folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path below the prefix, such as `lib/python3.13/os.py`.
    pub path: String,
    /// What it is.
    pub kind: MemberKind,
    /// The part of Python that it belongs to, where that can be left out.
    pub part: Option<Part>,
}

/// The kinds of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A file: its length in bytes, and whether it may be run.
    File {
        /// Length in bytes, as it is given to the reader.
        size: u64,
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A symbolic link, and what it says.
    Link(String),
}

impl Member {
    /// Whether it is a source that the interpreter imports.
    pub fn is_source(&self) -> bool {
        matches!(self.kind, MemberKind::File { .. })
            && self.path.starts_with("lib/")
            && Path::new(&self.path).extension() == Some("py".as_ref())
    }
}

impl Archive {
    /// Calls `each` with every file and link that a Python at `prefix` has: not the byte code, since
    /// it is made anew; not the distributions that came along (pip), since a bundle has those that it
    /// asks for; no program but the interpreter. What its build settings say of the place and the
    /// compilers of its maker is written anew for `prefix` and the compilers `cc` and `c++`.
    ///
    /// Fails with [`Kind::Build`] for an archive that is damaged, or has another layout.
    pub fn read(
        &self,
        prefix: &str,
        mut each: impl FnMut(&Member, &mut dyn Read) -> Result<()>,
    ) -> Result<()> {
        let file = BufReader::new(fs::File::open(&self.path)?);
        let stream = archive::decoded(file).map_err(|error| self.bad(error))?;
        let mut entries = tar::Archive::new(stream);
        let library = format!("lib/python{}", self.minor);
        let mut has_interpreter = false;
        for entry in entries.entries().map_err(|error| self.bad(error))? {
            let mut entry = entry.map_err(|error| self.bad(error))?;
            let path = self.inside(&entry.path().map_err(|error| self.bad(error))?)?;
            let kind = match entry.header().entry_type() {
                tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
                tar::EntryType::Symlink => {
                    let target = entry.link_name().map_err(|error| self.bad(error))?;
                    let target = target.as_deref().and_then(Path::to_str);
                    MemberKind::Link(self.link(&path, target)?)
                }
                tar::EntryType::Regular => MemberKind::File {
                    size: entry.size(),
                    executable: entry.header().mode().map_err(|error| self.bad(error))? & 0o100
                        != 0,
                },
                _ => {
                    return Err(self.bad(format!("`{path}` is no file, folder or symbolic link")));
                }
            };
            if !is_shipped(&path, &self.minor) {
                continue;
            }
            has_interpreter |= path == format!("bin/python{}", self.minor);
            let mut member = Member {
                part: part::of(&path, &self.minor),
                path,
                kind,
            };
            if member.is_source()
                && let MemberKind::File { executable, .. } = &mut member.kind
            {
                // CPython installs some modules as programs, with the interpreter of another machine in
                // their first line.
                *executable = false;
            }
            if sysconfig::is_settings(&member.path, &library) {
                let mut text = String::new();
                let read = (&mut entry)
                    .take(LONGEST_SETTINGS)
                    .read_to_string(&mut text);
                read.map_err(|error| self.bad(error))?;
                let text = sysconfig::placed(&text, prefix);
                if let MemberKind::File { size, .. } = &mut member.kind {
                    *size = text.len() as u64;
                }
                each(&member, &mut text.as_bytes())?;
            } else {
                each(&member, &mut entry)?;
            }
        }
        if !has_interpreter {
            return Err(self.bad(format!(
                "it has no `{TOP}/bin/python{}`: it is another version, or another layout than `install_only`",
                self.minor
            )));
        }
        Ok(())
    }

    /// The path below the top folder.
    fn inside(&self, path: &Path) -> Result<String> {
        let safe = archive::safe_path(path)
            .map_err(|_outside| self.bad(format!("an entry `{}` leads out", path.display())))?;
        let mut parts = safe.components();
        let top = parts.next().map(std::path::Component::as_os_str);
        if top != Some(TOP.as_ref()) {
            return Err(self.bad(format!("`{}` is not below `{TOP}/`", safe.display())));
        }
        parts
            .as_path()
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| self.bad(format!("the name of `{}` is not UTF-8", safe.display())))
    }

    /// What a link says, when it stays inside.
    fn link(&self, path: &str, target: Option<&str>) -> Result<String> {
        let mut depth = path.matches('/').count();
        let stays = |target: &&str| {
            !target.starts_with('/')
                && !target.is_empty()
                && target.split('/').all(|part| match part {
                    ".." => depth.checked_sub(1).map(|less| depth = less).is_some(),
                    "." | "" => true,
                    _ => {
                        depth += 1;
                        true
                    }
                })
        };
        match target.filter(stays) {
            Some(target) => Ok(target.to_owned()),
            None => Err(self.bad(format!("the symbolic link `{path}` leads out of it"))),
        }
    }

    fn bad(&self, why: impl std::fmt::Display) -> Error {
        Error::new(
            Kind::Build,
            format!(
                "the archive of Python {} (`{}`): {why}",
                self.minor,
                self.path.display()
            ),
        )
        .hint("name an archive in the `install_only` layout of python-build-standalone in `[python]` of platforms.toml, or make one with `omnibuild python build`")
    }
}

/// Whether a bundle may have it at all.
fn is_shipped(path: &str, minor: &str) -> bool {
    if path.split('/').any(|part| part == "__pycache__") {
        return false;
    }
    if let Some(program) = path.strip_prefix("bin/") {
        let numbered = program.strip_prefix("python").unwrap_or("?");
        return numbered.is_empty() || numbered == "3" || numbered == minor;
    }
    !path.starts_with(&format!("lib/python{minor}/site-packages/"))
}

/// What leaving parts out saves: bytes shipped, and bytes of each part that is left out.
#[derive(Debug, Default, Clone)]
pub struct Sizes {
    /// Of the files that are shipped.
    pub shipped: u64,
    /// Of those left out, by part.
    pub left_out: std::collections::BTreeMap<Part, u64>,
}

impl Sizes {
    /// Counts a member; whether it is shipped.
    pub fn count(&mut self, member: &Member, without: &BTreeSet<Part>) -> bool {
        let size = match member.kind {
            MemberKind::File { size, .. } => size,
            MemberKind::Link(_) => 0,
        };
        match member.part.filter(|part| without.contains(part)) {
            Some(part) => *self.left_out.entry(part).or_default() += size,
            None => self.shipped += size,
        }
        member.part.is_none_or(|part| !without.contains(&part))
    }
}

#[cfg(test)]
mod tests;
