//! The project's files that go into packages as they are: units, configuration, overlays, licences.
//!
//! Reads and hashes; what becomes of them is decided by `packages`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fs_err as fs;

use crate::config::{Config, PlatformTable};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::PlatformId;

/// Up to this many bytes a file is kept in memory, so that what was hashed is what is packed. Units,
/// scripts and manual pages are never larger.
const KEPT: u64 = 1 << 20;

/// A file of the project.
#[derive(Clone)]
pub struct ProjectFile {
    /// Its path, relative to the root.
    pub path: String,
    /// Where it is.
    pub place: Arc<PathBuf>,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of its content.
    pub digest: Digest,
    /// Whether its owner may run it.
    pub executable: bool,
    /// Its content, unless it is large.
    pub bytes: Option<Arc<[u8]>>,
}

/// A key is made of this, so it says what the content is and not where.
impl fmt::Debug for ProjectFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.path, self.digest)
    }
}

/// What stands in a folder of the project.
#[derive(Debug, Clone)]
pub enum FolderEntry {
    /// A folder.
    Folder,
    /// A symbolic link, and what it says.
    Link(String),
    /// A file.
    File(ProjectFile),
}

/// What stands at a path of an overlay.
#[derive(Debug, Clone)]
pub enum OverlayEntry {
    /// A file.
    File(ProjectFile),
    /// A symbolic link and what it says.
    Link(String),
}

/// What has been read.
#[derive(Debug, Clone, Default)]
pub struct ProjectFiles {
    /// The files that packages name, by path relative to the root.
    pub files: BTreeMap<String, ProjectFile>,
    /// What is in each overlay, by folder and by path below it.
    pub overlays: BTreeMap<String, BTreeMap<String, OverlayEntry>>,
    /// The platforms that overlays may name, where there are overlays.
    pub platforms: Vec<PlatformId>,
    /// The project's licence files.
    pub licenses: Vec<ProjectFile>,
}

impl ProjectFiles {
    /// Reads what the packages of a configuration name.
    pub fn read(config: &Config) -> Result<Self> {
        let mut read = Self {
            licenses: licenses(&config.root)?,
            ..Self::default()
        };
        for (name, package) in &config.packages {
            for source in package.contents.sources() {
                let source = source.as_str();
                if !read.files.contains_key(source) {
                    let file = file(&config.root, source).map_err(|error| {
                        let error = error.context(format!("packages.{name}"));
                        config.places.locate_text(source, error)
                    })?;
                    read.files.insert(source.to_owned(), file);
                }
            }
            for source in package.contents.script_sources() {
                if let Some(file) = read.files.get(source.as_str()) {
                    check_script(file)?;
                }
            }
            if let Some(folder) = &package.contents.overlay {
                let folder = folder.as_str();
                let entries = overlay(&config.root, folder).map_err(|error| {
                    let error = error.context(format!("packages.{name}.overlay"));
                    config.places.locate(error)
                })?;
                read.overlays.insert(folder.to_owned(), entries);
            }
        }
        if !read.overlays.is_empty() {
            let table = PlatformTable::load(&config.root)?;
            read.platforms = table.all().map(|platform| platform.id.clone()).collect();
        }
        Ok(read)
    }

    /// A file that was read.
    pub fn get(&self, source: &str) -> Result<&ProjectFile> {
        self.files
            .get(source)
            .ok_or_else(|| Error::new(Kind::Internal, format!("`{source}` was not read")))
    }
}

impl ProjectFile {
    /// The permission bits that it has where nobody says others: what its owner may do with it, whatever the
    /// umask of who checked it out.
    pub fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }

    /// The content as text.
    pub fn text(&self) -> Result<&str> {
        let refused = |what: &str| {
            Error::new(Kind::Config, format!("`{}` {what}", self.path))
                .hint("it is read as text, so it must be UTF-8 and below one MiB")
        };
        let bytes = self.bytes.as_deref().ok_or_else(|| refused("is large"))?;
        let text = std::str::from_utf8(bytes).map_err(|_no_text| refused("is not UTF-8"))?;
        if text.contains('\0') {
            return Err(refused("has a zero byte"));
        }
        Ok(text)
    }
}

/// Reads a file that must be a plain one, inside of the project.
pub(super) fn file(root: &Path, path: &str) -> Result<ProjectFile> {
    let there = root.join(path);
    let metadata = fs::metadata(&there).map_err(|error| {
        let (kind, what) = if error.kind() == std::io::ErrorKind::NotFound {
            (Kind::Missing, "does not exist".to_owned())
        } else {
            (Kind::Config, format!("can't be read: {error}"))
        };
        Error::new(kind, format!("`{path}` {what}"))
            .hint(format!("it is looked for in `{}`", root.display()))
    })?;
    let real = inside(root, path).map_err(|error| {
        error.hint("put the file into the project: packages are made of nothing else")
    })?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a device, a pipe or a socket"
        };
        return Err(
            Error::new(Kind::Config, format!("`{path}` is {what}")).hint("name a plain file")
        );
    }
    let mut bytes = Vec::new();
    let (digest, size, kept) = if metadata.len() <= KEPT {
        fs::File::open(&real)?
            .take(KEPT + 1)
            .read_to_end(&mut bytes)?;
        let size = bytes.len() as u64;
        (Digest::of(&bytes), size, Some(Arc::from(bytes)))
    } else {
        let mut file = fs::File::open(&real)?;
        let (digest, size) = Digest::of_reader(&mut file)?;
        (digest, size, None)
    };
    Ok(ProjectFile {
        path: path.to_owned(),
        place: Arc::new(real),
        size,
        digest,
        executable: metadata.permissions().mode() & 0o100 != 0,
        bytes: kept,
    })
}

/// Where a path of the project is, which may lead through links, but not out of the project.
pub(super) fn inside(root: &Path, path: &str) -> Result<PathBuf> {
    let real = fs::canonicalize(root.join(path))?;
    if real.starts_with(root) {
        return Ok(real);
    }
    let text = format!("`{path}` leads out of the project, to `{}`", real.display());
    Err(Error::new(Kind::Config, text))
}

/// Everything in an overlay's folder, by path below it.
fn overlay(root: &Path, folder: &str) -> Result<BTreeMap<String, OverlayEntry>> {
    let there = root.join(folder);
    if !there.is_dir() {
        return Err(Error::new(Kind::Config, format!("`{folder}` is no folder")).hint(
            "an overlay holds the folders generic, family, distribution, release and architecture",
        ));
    }
    let entries = content(root, folder)?.into_iter();
    let entries = entries.filter_map(|(path, entry)| {
        let entry = match entry {
            FolderEntry::Folder => return None,
            FolderEntry::Link(target) => OverlayEntry::Link(target),
            FolderEntry::File(file) => OverlayEntry::File(file),
        };
        Some((path, entry))
    });
    Ok(entries.collect())
}

/// Everything in a folder of the project, by path below it.
pub(super) fn content(root: &Path, folder: &str) -> Result<BTreeMap<String, FolderEntry>> {
    let there = root.join(folder);
    let mut entries = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&there)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|error| Error::new(Kind::Config, error.to_string()))?;
        let below = entry.path().strip_prefix(&there).unwrap_or(entry.path());
        let below = below.to_str().ok_or_else(|| {
            Error::new(
                Kind::Config,
                format!("`{}` is not UTF-8", entry.path().display()),
            )
            .hint("rename the file")
        })?;
        let made = if entry.path_is_symlink() {
            FolderEntry::Link(link_target(entry.path())?)
        } else if entry.file_type().is_dir() {
            FolderEntry::Folder
        } else {
            FolderEntry::File(file(root, &format!("{folder}/{below}"))?)
        };
        entries.insert(below.to_owned(), made);
    }
    Ok(entries)
}

/// What a symbolic link says. Packages hold UTF-8 only, and another target would be another link.
pub(super) fn link_target(link: &Path) -> Result<String> {
    let target = fs::read_link(link)?.into_os_string().into_string();
    target.map_err(|target| {
        let (link, target) = (link.display(), target.as_encoded_bytes().escape_ascii());
        let message = format!("the link `{link}` leads to `{target}`, which is not UTF-8");
        Error::new(Kind::Config, message)
            .hint("rename what it leads to: packages can only hold UTF-8 names")
    })
}

/// The licence files in the project's folder.
fn licenses(root: &Path) -> Result<Vec<ProjectFile>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_license(&name) && entry.file_type()?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    names.iter().map(|name| file(root, name)).collect()
}

/// Whether a file has one of the names that setuptools looks for (`LICENSE`, `COPYING`, …, in any
/// case), alone, as a text (`LICENSE.txt`) or of a licence that it names (`LICENSE-MIT`,
/// `COPYING.LESSER`). Anything longer may be a program or a key.
fn is_license(name: &str) -> bool {
    let upper = name.to_uppercase();
    let text = [".TXT", ".MD", ".RST"]
        .iter()
        .find_map(|extension| upper.strip_suffix(extension))
        .unwrap_or(&upper);
    let stems = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS"];
    let Some(of) = stems.iter().find_map(|stem| text.strip_prefix(stem)) else {
        return false;
    };
    if of.is_empty() {
        return true;
    }
    // The identifier as it is written: the list distinguishes cases, projects don't.
    let identifier = of.strip_prefix(['-', '.']).unwrap_or_default();
    let known = |name: &str| name.eq_ignore_ascii_case(identifier);
    let common = ["APACHE", "BSD", "GPL", "LESSER", "LGPL", "PSF"];
    common.into_iter().any(known) || spdx::identifiers::LICENSES.iter().any(|it| known(it.name))
}

/// Lets the shell read a part of a maintainer script, without running it.
fn check_script(script: &ProjectFile) -> Result<()> {
    let text = script.text()?;
    let first = text.lines().next().unwrap_or_default();
    if let Some(program) = first.strip_prefix("#!")
        && !["/bin/sh", "/usr/bin/sh"].contains(&program.trim().trim_end_matches(" -e"))
    {
        return Err(Error::new(
            Kind::Config,
            format!(
                "`{}`:1: a maintainer script for `{}`",
                script.path,
                program.trim()
            ),
        )
        .hint("write it for /bin/sh (POSIX): it becomes a part of the package's script"));
    }
    // Where there is no shell, the package manager's will find it.
    let Ok(output) = Command::new("/bin/sh")
        .arg("-n")
        .arg(script.place.as_path())
        .output()
    else {
        return Ok(());
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(
        Kind::Config,
        format!(
            "`{}` is not a shell script: {}",
            script.path,
            said.lines().next().unwrap_or_default()
        ),
    )
    .hint("check it with `sh -n`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_the_project_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::write(root.join("plain"), "x").unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        fs_err::os::unix::fs::symlink("plain", root.join("inside")).unwrap();
        fs_err::os::unix::fs::symlink("/etc/passwd", root.join("outside")).unwrap();
        fs_err::os::unix::fs::symlink("/dev/zero", root.join("device")).unwrap();
        let made = Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status()
            .unwrap();
        assert!(made.success());
        assert_eq!(file(&root, "plain").unwrap().size, 1);
        assert_eq!(
            file(&root, "inside").unwrap().digest,
            file(&root, "plain").unwrap().digest
        );
        for (name, said) in [
            ("folder", "a folder"),
            ("outside", "leads out of the project"),
            ("device", "leads out of the project"),
            ("pipe", "a device, a pipe"),
        ] {
            let error = file(&root, name).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.message().contains(said), "{error}");
        }
        assert_eq!(file(&root, "absent").unwrap_err().kind(), Kind::Missing);
    }

    #[test]
    fn a_link_or_a_name_that_is_no_utf8_is_refused_and_not_changed() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let etc = root.join("o/generic/etc");
        fs::create_dir_all(&etc).unwrap();
        let link = |target: &[u8]| {
            let link = etc.join("link");
            drop(fs::remove_file(&link));
            fs_err::os::unix::fs::symlink(OsStr::from_bytes(target), &link).unwrap();
            overlay(&root, "o")
        };
        let entries = link("größe %x \\ ".as_bytes()).unwrap();
        let OverlayEntry::Link(target) = &entries["generic/etc/link"] else {
            panic!("no link");
        };
        assert_eq!(target, "größe %x \\ ");
        let error = link(b"caf\xe9").unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        for said in ["generic/etc/link", "caf\\xe9", "not UTF-8"] {
            assert!(error.message().contains(said), "{error}");
        }
        fs::remove_file(etc.join("link")).unwrap();
        fs::write(etc.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        assert_eq!(overlay(&root, "o").unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn licenses_are_told_from_what_is_named_like_them() {
        for name in [
            "LICENSE",
            "License.txt",
            "LICENCE.md",
            "COPYING.rst",
            "COPYING.LESSER",
            "LICENSE-MIT",
            "LICENSE.Apache-2.0",
            "LICENSE-APACHE.txt",
            "NOTICE",
            "AUTHORS.rst",
        ] {
            assert!(is_license(name), "{name}");
        }
        for name in [
            "license.key",
            "license_server.py",
            "LICENSE-server",
            "LICENSES",
            "copying.c",
            "NOTICE.html",
            "license-",
            "LICENSE..txt",
            "README",
        ] {
            assert!(!is_license(name), "{name}");
        }
    }

    #[test]
    fn scripts_that_are_none_are_refused_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let check = |text: &str| {
            fs::write(root.join("x.sh"), text).unwrap();
            check_script(&file(&root, "x.sh").unwrap())
        };
        check("#!/bin/sh\nset -e\necho x\n").unwrap();
        check("echo x\n").unwrap();
        for (text, said) in [
            ("#!/bin/bash\necho\n", "/bin/bash"),
            ("if true; then\n", "is not a shell script"),
            ("echo \"x\n", "is not a shell script"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
    }
}
