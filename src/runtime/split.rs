//! What of an installation changes with each release, and what does not.
//!
//! A file in the wrong part costs bytes on the way to a registry and nothing else: what is installed is
//! decided by then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::oci::root::{Changes, NodeKind, Root};

/// Where the bill of materials is, below the prefix: it names the release.
const OF_RELEASES: &str = "share/sbom";

/// Parts changes into those of dependencies and those of the release: what is outside of the prefix, and
/// what the distribution of this name (normalised) has recorded as its own (PEP 376).
pub(super) fn split(
    root: &Root,
    changes: Changes,
    prefix: &str,
    distribution: &str,
) -> Result<(Changes, Changes)> {
    let prefix = Path::new(prefix.trim_start_matches('/'));
    let own = own_files(root, &changes, prefix, distribution)?;
    let is_directory = |path: &PathBuf| {
        root.nodes
            .get(path)
            .is_some_and(|node| node.kind == NodeKind::Directory)
    };
    let (folders, files): (BTreeSet<_>, BTreeSet<_>) =
        changes.put.into_iter().partition(is_directory);
    let is_dependency = |path: &PathBuf| {
        path.starts_with(prefix)
            && !path.starts_with(prefix.join(OF_RELEASES))
            && !own.contains(path)
            && !source_of(path).is_some_and(|source| own.contains(&source))
    };
    let (mut dependencies, mut application): (BTreeSet<_>, BTreeSet<_>) =
        files.into_iter().partition(is_dependency);
    let above: BTreeSet<PathBuf> = dependencies
        .iter()
        .flat_map(|path| {
            path.ancestors()
                .skip(1)
                .map(Path::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    for folder in folders {
        // A folder that only the release has anything in comes with it.
        if above.contains(&folder) {
            dependencies.insert(folder);
        } else {
            application.insert(folder);
        }
    }
    let of = |put, removed| Changes { put, removed };
    Ok((
        of(dependencies, BTreeSet::new()),
        of(application, changes.removed),
    ))
}

/// The files of the distribution, as its RECORD lists them.
fn own_files(
    root: &Root,
    changes: &Changes,
    prefix: &Path,
    distribution: &str,
) -> Result<BTreeSet<PathBuf>> {
    let mut own = BTreeSet::new();
    for record in &changes.put {
        let Some(folder) = record.parent() else {
            continue;
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let named = name
            .strip_suffix(".dist-info")
            .and_then(|name| name.split_once('-'));
        let is_own = record.starts_with(prefix)
            && record.file_name().is_some_and(|name| name == "RECORD")
            && named.is_some_and(|(name, _)| crate::plan::normalised_name(name) == distribution);
        let Some(site_packages) = folder.parent().filter(|_| is_own) else {
            continue;
        };
        let text = root.text(record)?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        for line in reader.records().filter_map(std::result::Result::ok) {
            let listed = line.get(0).unwrap_or_default();
            own.insert(joined(site_packages, listed));
        }
        // Files that an installer adds are not in every RECORD.
        own.extend(
            changes
                .put
                .iter()
                .filter(|path| path.starts_with(folder))
                .cloned(),
        );
    }
    Ok(own)
}

/// `a/b` and `../c` as `a/c`.
fn joined(folder: &Path, listed: &str) -> PathBuf {
    let mut path = folder.to_owned();
    for part in listed.split('/') {
        match part {
            ".." => {
                path.pop();
            }
            "." | "" => {}
            name => path.push(name),
        }
    }
    path
}

/// The source of byte code: `a/b.py` of `a/__pycache__/b.cpython-311.pyc` (PEP 3147).
fn source_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let name = path.file_name()?.to_str()?.strip_suffix(".pyc")?;
    if folder.file_name()? != "__pycache__" {
        return Some(path.with_extension("py"));
    }
    let module = name.split('.').next()?;
    Some(folder.parent()?.join(format!("{module}.py")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveWriter;

    #[test]
    fn a_release_has_its_own_files_and_all_outside_of_the_prefix() {
        let site = "opt/x/lib/python3.11/site-packages";
        let mut writer = ArchiveWriter::new(7).unwrap();
        let record =
            "my_tool/__init__.py,,\nmy_tool-1.dist-info/RECORD,,\n../../../bin/my-tool,,\n";
        for (path, content) in [
            (format!("{site}/my_tool/__init__.py"), ""),
            (
                format!("{site}/my_tool/__pycache__/__init__.cpython-311.pyc"),
                "",
            ),
            (format!("{site}/my_tool-1.dist-info/RECORD"), record),
            (format!("{site}/my_tool-1.dist-info/INSTALLER"), ""),
            (format!("{site}/other/__init__.py"), ""),
            (
                format!("{site}/other/__pycache__/__init__.cpython-311.pyc"),
                "",
            ),
            (
                format!("{site}/other-2.dist-info/RECORD"),
                "other/__init__.py,,\n",
            ),
            ("opt/x/bin/my-tool".to_owned(), ""),
            ("opt/x/bin/python".to_owned(), ""),
            ("opt/x/share/sbom/x.cdx.json".to_owned(), ""),
            ("var/lib/dpkg/status".to_owned(), ""),
        ] {
            writer.bytes(&path, 0o644, content.as_bytes()).unwrap();
        }
        for folder in [format!("{site}/my_tool"), format!("{site}/other")] {
            writer.folder(&folder).unwrap();
        }
        let root = Root::of_archive(writer.finish().unwrap(), |_| false).unwrap();
        let (dependencies, application) = split(&root, root.whole(), "/opt/x", "my-tool").unwrap();
        let names = |changes: &Changes| -> Vec<String> {
            let paths = changes.put.iter().map(|path| path.display().to_string());
            paths.map(|path| path.replace(site, "S")).collect()
        };
        assert_eq!(
            names(&dependencies),
            [
                "opt/x/bin/python",
                "S/other",
                "S/other/__init__.py",
                "S/other/__pycache__/__init__.cpython-311.pyc",
                "S/other-2.dist-info/RECORD",
            ]
        );
        assert_eq!(
            names(&application),
            [
                "opt/x/bin/my-tool",
                "S/my_tool",
                "S/my_tool/__init__.py",
                "S/my_tool/__pycache__/__init__.cpython-311.pyc",
                "S/my_tool-1.dist-info/INSTALLER",
                "S/my_tool-1.dist-info/RECORD",
                "opt/x/share/sbom/x.cdx.json",
                "var/lib/dpkg/status",
            ]
        );
    }
}
