//! What of a container's root file system is part of no image: what an engine makes for itself in each
//! container, what package managers only remember for speed, and logs.
//!
//! Says so by path and kind alone; no content is looked at.

use std::ffi::OsStr;
use std::path::Path;

use tempfile::TempPath;

use crate::engine::{MOUNT_POINTS, is_of_engine};
use crate::error::Result;
use crate::oci::root::{Changes, NodeKind, Root};

/// What we put into each container.
const OURS: &str = "omnibuild";
/// Folders whose content is of no image.
const NO_CONTENT: [&str; 9] = [
    "tmp",
    "var/tmp",
    "root/.cache",
    "var/lib/apt/lists",
    "var/cache/apt",
    "var/cache/dnf",
    "var/cache/libdnf5",
    "var/cache/yum",
    "var/cache/zypp",
];
/// Files that differ each time they are written and that nobody needs: logs, locks, caches, what was
/// before, and what package managers remember of their own runs.
const REMEMBERED: [&str; 22] = [
    "run",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/dnf/history.sqlite",
    "var/lib/dnf/history.sqlite-shm",
    "var/lib/dnf/history.sqlite-wal",
    "var/lib/dpkg/available-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/rpm/.rpm.lock",
    "var/lib/yum/history",
    "var/lib/yum/rpmdb-indexes",
    "var/lib/yum/uuid",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
];

/// Where yum notes things of each package, and which of them tell of the machine, and of when and where it was
/// fetched.
const NOTES: &str = "var/lib/yum/yumdb";
const NOTES_OF_A_RUN: [&str; 4] = [
    "from_repo_revision",
    "from_repo_timestamp",
    "origin_url",
    "var_uuid",
];

/// What Berkeley DB keeps of rpm's database between two programs. Beside a database of another layer it would be
/// taken for what is in that.
const REGIONS: [&str; 5] = [
    "var/lib/rpm/__db.001",
    "var/lib/rpm/__db.002",
    "var/lib/rpm/__db.003",
    "var/lib/rpm/__db.004",
    "var/lib/rpm/__db.005",
];
/// What they are of.
const BERKELEY: &str = "var/lib/rpm/Packages";

/// A folder whose files are logs.
const LOGS: &str = "var/log";

/// Whether a path is in no image.
pub(super) fn is_left_out(path: &Path) -> bool {
    is_of_engine(path)
        || path.starts_with(OURS)
        || REGIONS.iter().any(|region| path == Path::new(region))
        || NO_CONTENT
            .iter()
            .any(|folder| path.starts_with(folder) && path != Path::new(folder))
}

/// What has to be removed from a container with this root before a layer is put over it: absolute paths, which may be
/// absent.
pub(super) fn regions(root: &Root) -> Vec<String> {
    if root.nodes.contains_key(Path::new(BERKELEY)) {
        REGIONS.iter().map(|region| format!("/{region}")).collect()
    } else {
        Vec::new()
    }
}

/// Whether what is put at a path is in no image that was not there before.
pub(super) fn is_in_no_image(path: &Path) -> bool {
    is_left_out(path) || path.starts_with(LOGS) || is_remembered(path)
}

fn is_remembered(path: &Path) -> bool {
    let is_of_a_run = |name| NOTES_OF_A_RUN.iter().any(|own| name == OsStr::new(own));
    REMEMBERED.iter().any(|own| path.starts_with(own))
        || (path.starts_with(NOTES) && path.file_name().is_some_and(is_of_a_run))
}

/// What an archive of a container's root file system has of an image. Of a folder that something is mounted
/// at, engines show other permissions.
pub(super) fn of_container(archive: TempPath) -> Result<Root> {
    let mut root = Root::of_archive(archive, is_left_out)?;
    for place in MOUNT_POINTS {
        if let Some(node) = root.nodes.get_mut(Path::new(place)) {
            node.mode = 0o755;
        }
    }
    Ok(root)
}

/// What an installation changed.
pub(super) fn changes(after: &Root, before: &Root) -> Changes {
    after.changes_since(before, |path, kind| {
        let is_log = path.starts_with(LOGS) && matches!(kind, Some(NodeKind::File { .. }));
        is_log || is_remembered(path)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::archive::ArchiveWriter;

    fn root(fill: impl FnOnce(&mut ArchiveWriter)) -> Root {
        let mut writer = ArchiveWriter::new(7).unwrap();
        fill(&mut writer);
        Root::of_archive(writer.finish().unwrap(), is_left_out).unwrap()
    }

    fn names(paths: &BTreeSet<PathBuf>) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn what_changed_is_found_and_what_is_remembered_is_not() {
        let before = root(|writer| {
            writer.folder("etc").unwrap();
            writer.bytes("etc/stays", 0o644, b"a").unwrap();
            writer.bytes("etc/changes", 0o644, b"a").unwrap();
            writer.bytes("etc/resolv.conf", 0o644, b"a").unwrap();
            writer.folder("old/deep").unwrap();
            writer.bytes("old/deep/file", 0o644, b"a").unwrap();
            writer.folder("var/log").unwrap();
            writer.bytes("var/lib/rpm/__db.001", 0o644, b"a").unwrap();
        });
        let after = root(|writer| {
            writer.folder("etc").unwrap();
            writer.bytes("etc/stays", 0o644, b"a").unwrap();
            writer.bytes("etc/changes", 0o600, b"a").unwrap();
            writer.folder("opt").unwrap();
            writer.bytes("opt/new", 0o644, b"a").unwrap();
            writer.folder("var/log").unwrap();
            writer.bytes("var/log/apt.log", 0o644, b"a").unwrap();
            writer.bytes("omnibuild/x", 0o644, b"a").unwrap();
            writer.bytes("var/cache/apt/x.bin", 0o644, b"a").unwrap();
            for name in ["from_repo_revision", "var_uuid", "reason"] {
                let path = format!("var/lib/yum/yumdb/a/b-c/{name}");
                writer.bytes(&path, 0o644, b"a").unwrap();
            }
        });
        let found = changes(&after, &before);
        assert_eq!(
            names(&found.put),
            [
                "etc/changes",
                "opt",
                "opt/new",
                "var/lib/yum/yumdb/a/b-c/reason"
            ]
        );
        assert_eq!(names(&found.removed), ["old/deep"]);
        let base = names(&before.whole().put).join(" ");
        assert!(
            base.contains("etc/stays") && !base.contains("__db"),
            "{base}"
        );
        assert!(changes(&after, &after).put.is_empty());
    }
}
