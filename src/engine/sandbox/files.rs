//! Tar archives into and out of a container. Called inside of its root, so that no link in it leads
//! to a file of the machine.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::error::{Error, Kind, Result};

/// What the sandbox has its own of in each root: it is no part of a layer.
const OWN: [&str; 5] = ["dev", "proc", "sys", "etc/hosts", "etc/resolv.conf"];

/// The attribute of a program's file capabilities (capabilities(7)).
const CAPABILITIES: &str = "security.capability";

/// Who owns the files of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// Who the archive says.
    Kept,
    /// The user who runs this, as nobody else can; archives say root.
    Ours,
}

/// Unpacks an archive, which may be compressed, into a folder, with owners, modes, times and extended attributes. Devices are
/// left out, and what the sandbox has its own of.
pub(super) fn unpack(archive: fs_err::File, folder: &str) -> Result<()> {
    let folder = Path::new(folder);
    unpack_as(Owners::Kept, archive, folder, folder)
}

/// The same into the folder `place`, which is `inside` for who is in the root. Extended attributes that decide
/// anything take the same rights as owners.
pub(super) fn unpack_as(
    owners: Owners,
    archive: fs_err::File,
    inside: &Path,
    place: &Path,
) -> Result<()> {
    fs_err::create_dir_all(place)?;
    let reader = archive::decoded(BufReader::with_capacity(1 << 18, archive))?;
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(owners == Owners::Kept);
    archive.set_preserve_mtime(true);
    archive.set_unpack_xattrs(owners == Owners::Kept);
    archive.set_overwrite(true);
    let mut folders = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside.join(entry.path()?);
        if OWN
            .iter()
            .any(|own| path.starts_with(Path::new("/").join(own)))
        {
            continue;
        }
        match entry.header().entry_type() {
            // Their times would change again while they are filled.
            tar::EntryType::Directory => folders.push(entry),
            tar::EntryType::Regular
            | tar::EntryType::Continuous
            | tar::EntryType::Link
            | tar::EntryType::Symlink => put(&mut entry, place)?,
            _ => {}
        }
    }
    folders.sort_by(|one, two| two.path_bytes().cmp(&one.path_bytes()));
    folders.iter_mut().try_for_each(|entry| put(entry, place))
}

fn put(entry: &mut tar::Entry<'_, impl std::io::Read>, folder: &Path) -> Result<()> {
    let path = entry.path()?.into_owned();
    match entry.unpack_in(folder) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(
            Kind::Internal,
            format!("an archive has an entry `{}` outside of it", path.display()),
        )),
        Err(error) => {
            // The error says only that it could not; the causes below say why.
            let mut text = error.to_string();
            let mut cause = error.get_ref().and_then(|error| error.source());
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            let error = std::io::Error::new(error.kind(), text);
            Err(Error::io("unpack", &path, &error))
        }
    }
}

/// Writes a file or folder to an archive, under its last name.
pub(super) fn pack(path: &str, archive: fs_err::File) -> Result<()> {
    pack_as(Owners::Kept, Path::new(path), archive)
}

/// The same for a path of the machine.
pub(super) fn pack_as(owners: Owners, path: &Path, archive: fs_err::File) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 18, archive));
    // GNU's sparse entries are not for everybody's tar.
    builder.sparse(false);
    builder.follow_symlinks(false);
    match owners {
        Owners::Kept if fs_err::symlink_metadata(path)?.is_dir() => {
            builder.append_dir_all(name, path)?;
        }
        Owners::Kept => builder.append_path_with_name(path, name)?,
        Owners::Ours => {
            for entry in walkdir::WalkDir::new(path) {
                let entry = entry.map_err(std::io::Error::from)?;
                append_as_root(&mut builder, &entry, path, Path::new(name))?;
            }
        }
    }
    Ok(builder.into_inner()?.flush()?)
}

/// Writes all of a root to an archive, but what is mounted in it and what the sandbox has its own of.
pub(super) fn pack_root(owners: Owners, root: &Path, archive: fs_err::File) -> Result<()> {
    let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 18, archive));
    builder.sparse(false);
    let entries = walkdir::WalkDir::new(root)
        .min_depth(1)
        .same_file_system(true)
        .sort_by_file_name()
        .into_iter();
    let is_own = |entry: &walkdir::DirEntry| {
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        OWN.iter()
            .any(|own| path.starts_with(own) && path != Path::new(own))
    };
    let mut first: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    for entry in entries.filter_entry(|entry| !is_own(entry)) {
        let entry = entry.map_err(std::io::Error::from)?;
        let data = entry.metadata().map_err(std::io::Error::from)?;
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if data.is_file() && data.nlink() > 1 {
            let file = (data.dev(), data.ino());
            if let Some(other) = first.get(&file) {
                let mut header = tar::Header::new_gnu();
                header.set_metadata(&data);
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                builder.append_link(&mut header, name, other)?;
                continue;
            }
            first.insert(file, name.to_owned());
        }
        if data.is_file() {
            let mut value = vec![0; 256];
            let read = rustix::fs::lgetxattr(entry.path(), CAPABILITIES, &mut value);
            if let Ok(length) = read {
                value.truncate(length);
                let attributes = BTreeMap::from([(CAPABILITIES.to_owned(), value)]);
                archive::append_attributes(&mut builder, &attributes)?;
            }
        }
        append(&mut builder, &entry, &data, name, owners)?;
    }
    Ok(builder.into_inner()?.flush()?)
}

/// Appends what lies below `path` under the same place below `name`.
fn append_as_root(
    builder: &mut tar::Builder<impl Write>,
    entry: &walkdir::DirEntry,
    path: &Path,
    name: &Path,
) -> Result<()> {
    let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
    let name = if entry.depth() == 0 {
        name.to_owned()
    } else {
        name.join(below)
    };
    let data = entry.metadata().map_err(std::io::Error::from)?;
    append(builder, entry, &data, &name, Owners::Ours)
}

fn append(
    builder: &mut tar::Builder<impl Write>,
    entry: &walkdir::DirEntry,
    data: &std::fs::Metadata,
    name: &Path,
    owners: Owners,
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_metadata(data);
    if owners == Owners::Ours {
        header.set_uid(0);
        header.set_gid(0);
    }
    if data.is_symlink() {
        builder.append_link(&mut header, name, fs_err::read_link(entry.path())?)?;
    } else if data.is_dir() {
        builder.append_data(&mut header, name, std::io::empty())?;
    } else if data.is_file() {
        let file = fs_err::File::open(entry.path())?;
        builder.append_data(&mut header, name, file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_over_what_is_there() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs_err::create_dir_all(path("from/tree/deep")).unwrap();
        fs_err::write(path("from/tree/deep/script"), "new").unwrap();
        let mode = std::fs::Permissions::from_mode(0o750);
        fs_err::set_permissions(path("from/tree/deep/script"), mode).unwrap();
        fs_err::os::unix::fs::symlink("deep/script", path("from/tree/link")).unwrap();
        let archive = fs_err::File::create(path("archive")).unwrap();
        pack(path("from/tree").to_str().unwrap(), archive).unwrap();

        fs_err::create_dir_all(path("to/tree/deep")).unwrap();
        fs_err::write(path("to/tree/deep/script"), "older and longer").unwrap();
        fs_err::write(path("to/tree/stays"), "").unwrap();
        let archive = fs_err::File::open(path("archive")).unwrap();
        unpack(archive, path("to").to_str().unwrap()).unwrap();
        assert_eq!(fs_err::read(path("to/tree/link")).unwrap(), b"new");
        let mode = fs_err::metadata(path("to/tree/deep/script"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0o750);
        assert!(path("to/tree/stays").exists());
    }

    #[test]
    fn what_nobody_else_can_own_is_packed_as_roots() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs_err::create_dir_all(path("tree/deep")).unwrap();
        fs_err::write(path("tree/deep/file"), "text").unwrap();
        fs_err::os::unix::fs::symlink("deep/file", path("tree/link")).unwrap();
        let archive = fs_err::File::create(path("archive")).unwrap();
        pack_as(Owners::Ours, &path("tree"), archive).unwrap();
        let mut archive = tar::Archive::new(fs_err::File::open(path("archive")).unwrap());
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.header().uid().unwrap(), 0);
            assert_eq!(entry.header().gid().unwrap(), 0);
            names.push(entry.path().unwrap().display().to_string());
        }
        names.sort();
        assert_eq!(names, ["tree", "tree/deep", "tree/deep/file", "tree/link"]);
        let archive = fs_err::File::open(path("archive")).unwrap();
        let place = path("place");
        unpack_as(Owners::Ours, archive, Path::new("/"), &place).unwrap();
        assert_eq!(fs_err::read(place.join("tree/link")).unwrap(), b"text");
    }

    #[test]
    fn an_entry_that_leaves_the_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("archive");
        let mut builder = tar::Builder::new(fs_err::File::create(&file).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.as_gnu_mut().unwrap().name[..4].copy_from_slice(b"../x");
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        builder.finish().unwrap();
        let place = folder.path().join("place");
        let archive = fs_err::File::open(&file).unwrap();
        assert!(unpack(archive, place.to_str().unwrap()).is_err());
        assert!(!folder.path().join("x").exists());
    }
}
