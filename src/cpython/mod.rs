//! A Python of one's own: a relocatable CPython, made from source in a container of a platform.
//!
//! What it is made of is data (`pythons.toml`), how is a script (`images/python/build.sh`). The archive
//! has the layout `install_only` of python-build-standalone, is kept by what decides it, and is the same
//! bytes when it is made again. Knows no command line, no configuration, and no order of stages.

mod fetch;
mod mirrors;
mod pack;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveWriter;
use crate::context::{Context, in_background};
use crate::digest::{Digest, Key, KeyBuilder};
use crate::engine::{Exec, with_container};
use crate::error::Result;
use crate::fsutil::{self, Lock};
use crate::platform::Arch;
use crate::report::StageHandle;

pub use self::fetch::Sources;
pub use self::mirrors::of_this_machine;
pub use self::pack::{Glibc, Packed};
pub use self::table::{PythonTable, Release, Source};

/// Where everything is in the container; the script says so, too.
const ROOT: &str = "python-build";
const SCHEMA: u32 = 1;

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Request {
    /// The interpreter and what it is made of.
    pub release: Release,
    /// The architecture.
    pub arch: Arch,
    /// Whether the compiler is led by a profile: slow to build, quicker to run.
    pub optimised: bool,
    /// The image to build in.
    pub image: String,
    /// What decided that image.
    pub builder: Digest,
    /// The files that the build is told by, by name: the script, patches.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// An archive in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Archive {
    schema: u32,
    key: Key,
    /// Its name, as python-build-standalone has it.
    pub file_name: String,
    /// What is in it.
    pub packed: Packed,
}

impl Archive {
    /// Where it is in the cache.
    pub fn path(&self, pythons: &Path) -> PathBuf {
        folder(pythons, &self.key).join(&self.file_name)
    }
}

impl Request {
    /// What decides the archive.
    pub fn key(&self) -> Key {
        let digest = |bytes: &Vec<u8>| Digest::of(bytes).to_string();
        let files = self.files.iter().map(|(name, bytes)| (name, digest(bytes)));
        let sources = self.release.components();
        let sources = sources.map(|(name, source)| (name, source.sha256.as_str()));
        KeyBuilder::new("python", 1)
            .field("builder", self.builder.as_str())
            .field("architecture", self.arch.machine())
            .field("kind", self.kind())
            .field("time", self.release.time.to_string())
            .field("packing", env!("OMNIBUILD_PYTHON_CODE"))
            .fields("file ", files)
            .fields("source ", sources)
            .finish()
    }

    /// The name of the archive.
    pub fn file_name(&self) -> String {
        format!(
            "cpython-{}-{}-unknown-linux-gnu-install_only.tar.gz",
            self.release.python.version,
            self.arch.machine()
        )
    }

    fn kind(&self) -> &'static str {
        if self.optimised { "optimised" } else { "plain" }
    }
}

fn folder(pythons: &Path, key: &Key) -> PathBuf {
    pythons.join(key.digest.as_str())
}

/// The archive that an earlier run made of this, as long as it is what was put there.
pub fn kept(pythons: &Path, key: &Key) -> Option<Archive> {
    let archive: Archive = fsutil::read_json(&folder(pythons, key).join("record.json"))?;
    let same = archive.schema == SCHEMA && archive.key == *key;
    let digest = Digest::of_file(&archive.path(pythons)).ok()?;
    (same && digest == archive.packed.sha256).then_some(archive)
}

/// The archive, from the cache or made now; whether it was there.
///
/// # Errors
/// Those of [`Sources::fetch_all`]; [`Kind::Build`](crate::error::Kind::Build) when the script fails;
/// [`Kind::Audit`](crate::error::Kind::Audit) when what came out would not run elsewhere.
pub async fn ensure(
    context: &Context<'_>,
    stage: &StageHandle,
    request: &Request,
    sources: &Sources,
) -> Result<(Archive, bool)> {
    let pythons = context.caches.interpreters();
    let key = request.key();
    let lock = pythons.join(format!("{}.lock", key.digest));
    // Two runs at once build once.
    let _lock = in_background(move || Lock::exclusive(&lock)).await?;
    if let Some(archive) = kept(&pythons, &key) {
        return Ok((archive, true));
    }
    let tell = |what: &str| stage.message(&format!("fetching {what}"));
    let files = sources.fetch_all(&request.release, &tell).await?;
    stage.message("compiling, which takes minutes");
    let upload = context_archive(request, &files)?;
    let tree = compile(context, request, &upload).await?;
    stage.message("packing");
    let request = request.clone();
    let made = in_background(move || {
        let place = folder(&pythons, &key);
        if place.is_dir() {
            // Damaged, or the record is of another schema.
            fsutil::remove_tree(&place)?;
        }
        fsutil::commit_folder(&place, |folder| {
            let file_name = request.file_name();
            let components = request.release.components_json()?;
            let added = BTreeMap::from([("python/licenses/components.json", components)]);
            let packing = pack::Content {
                tree: &tree,
                added: &added,
                time: request.release.time,
                arch: request.arch,
            };
            let mut file = fs_err::File::create(folder.join(&file_name))?;
            let archive = Archive {
                schema: SCHEMA,
                packed: pack::pack(&packing, &mut file)?,
                key,
                file_name,
            };
            fsutil::commit_json(&folder.join("record.json"), &archive)?;
            Ok(archive)
        })
    });
    Ok((made.await?, false))
}

/// Everything that the container is given.
fn context_archive(
    request: &Request,
    sources: &BTreeMap<String, PathBuf>,
) -> Result<tempfile::TempPath> {
    let mut archive = ArchiveWriter::new(request.release.time)?;
    archive.folder(ROOT)?;
    archive.folder(&format!("{ROOT}/sources"))?;
    for (name, path) in sources {
        archive.file(&format!("{ROOT}/sources/{name}"), 0o644, path)?;
    }
    for (name, bytes) in &request.files {
        archive.bytes(&format!("{ROOT}/{name}"), 0o644, bytes)?;
    }
    let line = |(name, source): (&str, &Source)| format!("{name} {}", source.license_file);
    let mut lines: Vec<String> = request.release.components().map(line).collect();
    lines.push(String::new());
    let lines = lines.join("\n");
    archive.bytes(&format!("{ROOT}/licenses"), 0o644, lines.as_bytes())?;
    archive.finish()
}

/// Runs the script; answers a tar archive of the folder `python`.
async fn compile(
    context: &Context<'_>,
    request: &Request,
    upload: &Path,
) -> Result<tempfile::TempPath> {
    let exec = Exec::new(["sh", "/python-build/build.sh"])
        .arg(&request.release.minor)
        .arg(request.kind())
        .env("SOURCE_DATE_EPOCH", request.release.time.to_string());
    let spec = context.offline(&request.image);
    with_container(context.engine, context.report, &spec, async |container| {
        container.upload("/", upload).await?;
        container.run(&exec).await?;
        container
            .download(&format!("/{ROOT}/output/python"))
            .await
    })
    .await
    .map_err(|error| {
        error
            .context(format!("building CPython {}", request.release.python.version))
            .hint("the log has all that the compilers said; a platform whose compiler is older than gcc 4.9 can't build this Python")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let table = PythonTable::shipped().unwrap();
        Request {
            release: table.find("3.13").unwrap(),
            arch: Arch::Amd64,
            optimised: true,
            image: "omnibuild/python:1".to_owned(),
            builder: Digest::of("builder"),
            files: BTreeMap::from([("build.sh".to_owned(), b"true\n".to_vec())]),
        }
    }

    #[test]
    fn the_key_depends_on_all_that_decides_the_bytes_and_on_no_tag() {
        let same = Request {
            image: "elsewhere:2".to_owned(),
            ..request()
        };
        assert_eq!(same.key(), request().key());
        let mut patched = request();
        patched.files.insert("zlib-x.patch".to_owned(), Vec::new());
        let mut newer = request();
        newer.release.python.sha256 = Digest::of("newer");
        let others = [
            Request {
                optimised: false,
                ..request()
            },
            Request {
                arch: Arch::Arm64,
                ..request()
            },
            Request {
                builder: Digest::of("another"),
                ..request()
            },
            patched,
            newer,
        ];
        for other in others {
            assert_ne!(other.key(), request().key(), "{other:?}");
        }
    }

    #[test]
    fn an_archive_that_is_not_what_was_put_there_is_made_again() {
        let cache = tempfile::tempdir().unwrap();
        let key = request().key();
        assert!(kept(cache.path(), &key).is_none());
        let archive = Archive {
            schema: SCHEMA,
            key: key.clone(),
            file_name: request().file_name(),
            packed: Packed {
                sha256: Digest::of("archive"),
                size: 7,
                unpacked: 70,
                files: 1,
                glibc: "2.17".parse().unwrap(),
            },
        };
        let place = archive.path(cache.path());
        fsutil::commit_bytes(&place, b"archive").unwrap();
        fsutil::commit_json(&place.with_file_name("record.json"), &archive).unwrap();
        assert!(kept(cache.path(), &key).is_some());
        fs_err::write(&place, "damaged").unwrap();
        assert!(kept(cache.path(), &key).is_none());
    }
}
