//! The record of a verification, beside the packages:
//!
//! ```text
//! packages/<platform>/verification.json    one record for each set of packages that is there
//! ```
//!
//! A record speaks of packages with certain digests and of no others. It carries a seal over its
//! own content, which finds damage and careless editing; it is no signature, and whoever can write
//! to the folder can forge it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;
use crate::fsutil;
use crate::package::{Artifact, Built};
use crate::platform::{Arch, PlatformId};

use super::Check;

/// Its name in the folder of a platform's packages.
pub const RECORD_FILE: &str = "verification.json";

const SCHEMA: u32 = 1;

/// A verification that found no fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The packages as they were.
    pub packages: Vec<Artifact>,
    /// Where they were verified.
    pub platform: PlatformId,
    /// On which architecture.
    pub arch: Arch,
    /// The identity of the base image.
    pub base: Digest,
    /// The digest of what was asked for: scripts, `[verify]`, links.
    pub asked: Digest,
    /// The version of omnibuild.
    pub tool: String,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The earlier packages that were upgraded from.
    pub previous: Vec<Artifact>,
    /// Where those came from; records of old say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_from: Option<String>,
    /// What was checked.
    pub checks: Vec<Check>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordFile {
    schema: u32,
    records: Vec<Sealed>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    seal: Digest,
    record: Record,
}

impl Record {
    fn seal(&self) -> Result<Digest> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        Ok(Digest::of(bytes))
    }

    fn is_about(&self, packages: &[Built]) -> bool {
        self.packages.len() == packages.len()
            && packages
                .iter()
                .all(|package| self.packages.contains(&package.artifact))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(RECORD_FILE)
}

fn read(folder: &Path) -> Vec<Sealed> {
    let file: Option<RecordFile> = fsutil::read_json(&path(folder));
    file.filter(|file| file.schema == SCHEMA)
        .map_or_else(Vec::new, |file| file.records)
}

/// Writes a record; those of packages that are gone, or that it is about too, go.
///
/// The architectures of a platform share the file, and packages that are the same for all of them.
pub(super) fn put(folder: &Path, record: Record) -> Result<()> {
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut records = read(folder);
    let same = |other: &Artifact| {
        let mut own = record.packages.iter();
        own.any(|artifact| artifact.file_name == other.file_name)
    };
    records.retain(|sealed| {
        let packages = &sealed.record.packages;
        let there = |artifact: &Artifact| folder.join(&artifact.file_name).is_file();
        let is_replaced = sealed.record.arch == record.arch && packages.iter().any(same);
        !is_replaced && packages.iter().all(there)
    });
    let seal = record.seal()?;
    records.push(Sealed { seal, record });
    let file = RecordFile {
        schema: SCHEMA,
        records,
    };
    fsutil::commit_json(&path(folder), &file)
}

/// The record of these packages: it is whole, and the files have the digests in it now.
pub(super) fn find(folder: &Path, packages: &[Built]) -> Option<Record> {
    let holds = |artifact: &Artifact| {
        Digest::of_file(&folder.join(&artifact.file_name))
            .is_ok_and(|digest| digest == artifact.digest)
    };
    read(folder)
        .into_iter()
        .filter(|sealed| sealed.record.seal().is_ok_and(|seal| seal == sealed.seal))
        .map(|sealed| sealed.record)
        .find(|record| record.is_about(packages) && record.packages.iter().all(holds))
}

#[cfg(test)]
mod tests {
    use super::super::CheckResult;
    use super::*;

    fn built(folder: &Path, name: &str, content: &str) -> Built {
        let file_name = format!("{name}_1_all.deb");
        fs_err::write(folder.join(&file_name), content).unwrap();
        Built {
            name: name.parse().unwrap(),
            artifact: Artifact {
                file_name,
                size: content.len() as u64,
                digest: Digest::of(content),
            },
            links: Vec::new(),
            depends: Vec::new(),
        }
    }

    fn record(packages: &[Built]) -> Record {
        Record {
            packages: packages
                .iter()
                .map(|package| package.artifact.clone())
                .collect(),
            platform: "debian-12".parse().unwrap(),
            arch: Arch::Amd64,
            base: Digest::of("base"),
            asked: Digest::of("asked"),
            tool: "0".to_owned(),
            time: 0,
            previous: Vec::new(),
            previous_from: None,
            checks: vec![Check {
                name: "install".to_owned(),
                result: CheckResult::Passed,
                notes: Vec::new(),
                milliseconds: 1,
            }],
        }
    }

    #[test]
    fn a_record_holds_for_what_was_verified_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (one, two) = (built(folder, "one", "1"), built(folder, "two", "2"));
        let both = [one.clone(), two.clone()];
        assert!(find(folder, &both).is_none());
        put(folder, record(&both)).unwrap();
        assert!(find(folder, &both).is_some());
        assert!(find(folder, &[two, one.clone()]).is_some());
        assert!(find(folder, &[one]).is_none());

        fs_err::write(folder.join("two_1_all.deb"), "tampered").unwrap();
        assert!(find(folder, &both).is_none());
        let other = [both[0].clone(), built(folder, "two", "tampered")];
        assert!(find(folder, &other).is_none());
        built(folder, "two", "2");
        assert!(find(folder, &both).is_some());
    }

    #[test]
    fn an_edited_record_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let packages = [built(folder, "one", "1")];
        put(folder, record(&packages)).unwrap();
        let text = fs_err::read_to_string(folder.join(RECORD_FILE)).unwrap();
        let other = Digest::of("tampered");
        for edited in [
            text.replace("debian-12", "debian-13"),
            text.replace(packages[0].artifact.digest.as_str(), other.as_str()),
            text.replace("\"schema\": 1", "\"schema\": 2")
                .replace("\"schema\":1", "\"schema\":2"),
            text.replace("\"time\"", "\"when\""),
            text[..text.len() / 2].to_owned(),
        ] {
            assert_ne!(edited, text);
            fs_err::write(folder.join(RECORD_FILE), &edited).unwrap();
            fs_err::write(folder.join("one_1_all.deb"), "1").unwrap();
            assert!(find(folder, &packages).is_none(), "{edited}");
        }
        fs_err::write(folder.join(RECORD_FILE), &text).unwrap();
        assert!(find(folder, &packages).is_some());
    }

    #[test]
    fn records_of_architectures_that_share_a_package_stay_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let shared = built(folder, "cli", "1");
        let amd64 = [built(folder, "amd64", "1"), shared.clone()];
        let arm64 = [built(folder, "arm64", "1"), shared];
        for _ in 0..2 {
            put(folder, record(&amd64)).unwrap();
            let of_arm64 = Record {
                arch: Arch::Arm64,
                ..record(&arm64)
            };
            put(folder, of_arm64).unwrap();
            assert!(find(folder, &amd64).is_some() && find(folder, &arm64).is_some());
        }
        assert_eq!(read(folder).len(), 2);
    }

    #[test]
    fn records_of_versions_stay_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (old, new) = ([built(folder, "old", "1")], [built(folder, "new", "2")]);
        put(folder, record(&old)).unwrap();
        put(folder, record(&new)).unwrap();
        assert!(find(folder, &old).is_some() && find(folder, &new).is_some());
        fs_err::remove_file(folder.join("old_1_all.deb")).unwrap();
        put(folder, record(&new)).unwrap();
        assert_eq!(read(folder).len(), 1);
    }
}
