//! The one way to put something where another run or a user can see it, and advisory locks.
//!
//! Nothing else in the crate renames: a file or folder is made under a temporary name beside its
//! place, synced, renamed, and the folder synced, so a reader sees the old, the new, or nothing.

mod abandoned;
mod lock;
mod tree;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, Result};

pub use self::abandoned::abandoned_folders;
pub use self::lock::Lock;
pub use self::tree::{copy_tree, remove_tree};

/// Prefix of temporary names. What a killed run left behind carries it, until somebody makes another
/// in the same folder.
pub const TEMPORARY_PREFIX: &str = ".omnibuild-tmp-";

/// A file that is being written under a temporary name, with mode 0644. It gets a name that others
/// look for by [`commit`](Self::commit); without that it is gone, also after a kill: it is locked
/// while its program lives, and who next makes one in the folder removes those that are not.
#[derive(Debug)]
#[must_use = "a file that is not committed is removed"]
pub struct Staged {
    writer: BufWriter<std::fs::File>,
    path: tempfile::TempPath,
}

impl Staged {
    /// An empty one in a folder of the file system it will stay on; makes the folder.
    pub fn create(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        let begin = || {
            let file = builder(0o644).tempfile_in(folder)?;
            Ok(file.into_parts())
        };
        let temporary = abandoned::make(folder, begin);
        let (file, path) =
            temporary.map_err(|error| Error::io("make a temporary file in", folder, &error))?;
        let writer = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { writer, path })
    }

    /// Where its bytes go.
    pub fn writer(&mut self) -> &mut BufWriter<std::fs::File> {
        &mut self.writer
    }

    /// Puts it at `path` at once, in place of what was there, so that it stays after a power loss.
    pub fn commit(self, path: &Path) -> Result<()> {
        let file = self
            .writer
            .into_inner()
            .map_err(|error| Error::io("write", path, error.error()))?;
        file.sync_all()
            .map_err(|error| Error::io("sync", path, &error))?;
        let folder = parent(path);
        let changed = make_folders(folder)?;
        self.path
            .persist(path)
            .map_err(|error| Error::io("put in place", path, &error.error))?;
        // All at once: after the first there is little left for the others.
        sync_folder(folder)?;
        changed.iter().try_for_each(|folder| sync_folder(folder))
    }
}

/// Writes a file and puts it at `path` at once, with mode 0644; makes the parent folders.
pub fn commit_file<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<std::fs::File>) -> Result<T>,
) -> Result<T> {
    let mut staged = Staged::create(parent(path))?;
    let value = write(staged.writer())?;
    staged.commit(path)?;
    Ok(value)
}

/// Writes bytes and puts them at `path` at once.
pub fn commit_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    commit_file(path, |writer| {
        writer
            .write_all(bytes)
            .map_err(|error| Error::io("write", path, &error))
    })
}

/// Writes a value as JSON and puts it at `path` at once.
pub fn commit_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?;
    text.push(b'\n');
    commit_bytes(path, &text)
}

/// Fills a folder and puts it at `path` at once. When another run was faster with the same
/// content-addressed folder, theirs stays and ours is dropped.
pub fn commit_folder<T>(path: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let folder = parent(path);
    let staged = StagedFolder::create(folder)?;
    let value = fill(staged.path())?;
    for entry in walkdir::WalkDir::new(staged.path()) {
        let entry = entry.map_err(std::io::Error::from)?;
        if entry.file_type().is_file() {
            fs::File::open(entry.path())?.sync_all()?;
        } else if entry.file_type().is_dir() {
            sync_folder(entry.path())?;
        }
    }
    staged.put(path)?;
    sync_folder(folder)?;
    Ok(value)
}

/// A folder that is filled under a temporary name by whoever is told where it is; like [`Staged`] gone
/// without [`commit`](Self::commit) or [`put`](Self::put), also after a kill.
#[must_use = "a folder that is not committed is removed"]
pub struct StagedFolder(Staging);

impl StagedFolder {
    /// An empty one in a folder of the file system it will stay on; makes the folder.
    pub fn create(above: &Path) -> Result<Self> {
        Ok(Self(Staging::create(above, 0o755)?))
    }

    /// Where it is until it has its name.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts it at `path` at once, to stay after a power loss. When another run was faster with the
    /// same content-addressed folder, theirs stays and ours is dropped.
    pub fn commit(self, path: &Path) -> Result<()> {
        let folder = fs::File::open(self.path())?;
        // One call for all files: a root file system has ten thousands of them, some of which, such
        // as devices, can't be opened.
        rustix::fs::syncfs(&folder).map_err(|error| Error::io("sync", path, &error.into()))?;
        self.put(path)?;
        sync_folder(parent(path))
    }

    /// Puts it at `path` at once; a power loss may take it away again.
    pub fn put(self, path: &Path) -> Result<()> {
        match fs::rename(self.path(), path) {
            // The guard would remove a folder that is gone: it is in its place now.
            Ok(()) => drop(self.0.folder.keep()),
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Fills a folder beside the files that are to be, then puts each of its files into `folder`. What
/// fails before the last step, which is renames alone, leaves the earlier files as they were; what
/// ends it leaves the first files new and the others as they were, each whole.
pub fn commit_files<T>(folder: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let staging = Staging::create(folder, 0o700)?;
    let value = fill(staging.path())?;
    let mut names = Vec::new();
    for entry in fs::read_dir(staging.path())? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in &names {
        fs::File::open(staging.path().join(name))?.sync_all()?;
    }
    for name in &names {
        fs::rename(staging.path().join(name), folder.join(name))?;
    }
    sync_folder(folder)?;
    Ok(value)
}

fn builder(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    builder.prefix(TEMPORARY_PREFIX).permissions(permissions);
    builder
}

/// A folder under a temporary name; gone at the end of its scope, and locked like a
/// [`Staged`] file.
struct Staging {
    folder: tempfile::TempDir,
    _lock: std::fs::File,
}

impl Staging {
    /// An empty one in `above`, which it makes.
    fn create(above: &Path, mode: u32) -> Result<Self> {
        make_folder(above)?;
        let begin = || {
            let folder = builder(mode).tempdir_in(above)?;
            let (handle, _) = fs::File::open(folder.path())?.into_parts();
            Ok((handle, folder))
        };
        let temporary = abandoned::make(above, begin);
        let (lock, folder) =
            temporary.map_err(|error| Error::io("make a temporary folder in", above, &error))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Renames a file that nobody reads under its old name any more; one that is not there is no error.
/// Makes the folder it goes to.
pub fn set_aside(path: &Path, aside: &Path) -> Result<()> {
    make_folder(parent(aside))?;
    match fs::rename(path, aside) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file the present as its time, from which others see that it is used. A file of somebody else's
/// keeps its own.
pub fn mark_used(path: &Path) {
    let file = fs::File::open(path);
    drop(file.map(|file| file.set_modified(std::time::SystemTime::now())));
}

/// Reads a JSON record; `None` when it is absent or not readable as this type (then it is remade).
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a folder and those above it, to stay after a power loss.
fn make_folder(folder: &Path) -> Result<()> {
    let changed = make_folders(folder)?;
    changed.iter().try_for_each(|folder| sync_folder(folder))
}

/// Makes a folder and those above it. Answers those that it made folders in, lowest first: until
/// they are synced a power loss forgets what is in the new ones, synced or not.
fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_dir() {
        return Ok(Vec::new());
    }
    let above = parent(folder);
    let mut changed = if above == folder {
        Vec::new()
    } else {
        make_folders(above)?
    };
    match fs::create_dir(folder) {
        Ok(()) => changed.insert(0, above.to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    Ok(changed)
}

fn sync_folder(folder: &Path) -> Result<()> {
    Ok(fs::File::open(folder)?.sync_all()?)
}

/// Every plain file and link below a folder, sorted by name, relative to it.
pub fn sorted_walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(folder)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.map_err(std::io::Error::from)?;
        if !entry.file_type().is_dir() {
            let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            paths.push(relative.to_owned());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        commit_bytes(&path, b"old").unwrap();
        let failed = commit_file(&path, |writer| {
            writer.write_all(b"half").unwrap();
            Err::<(), _>(Error::new(Kind::Build, "stopped"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(
            sorted_walk(folder.path()).unwrap(),
            [PathBuf::from("record")]
        );
    }

    #[test]
    fn a_committed_file_can_be_read_by_all() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/record");
        commit_bytes(&path, b"x").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }

    #[test]
    fn the_first_of_two_equal_folders_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        for content in ["first", "second"] {
            commit_folder(&path, |place| Ok(fs::write(place.join("data"), content)?)).unwrap();
        }
        assert_eq!(fs::read_to_string(path.join("data")).unwrap(), "first");
        assert_eq!(
            sorted_walk(folder.path()).unwrap(),
            [PathBuf::from("entry/data")]
        );
    }
}
