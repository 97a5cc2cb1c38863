//! Resolves a closure of requirements in the builder and makes a wheel of each distribution.
//!
//! The resolver is the builder's pip: what it decides is what users of the platform would get.
//! Credentials of indexes go in as a file; nothing but the wheels comes out.

use std::collections::BTreeMap;
use std::path::Path;

use crate::archive::{self, ArchiveWriter};
use crate::context::{CA_BUNDLE_PATH, Context};
use crate::digest::{Key, KeyBuilder};
use crate::engine::{Container, Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::{Indexes, PlatformPlan};
use crate::report::{StageHandle, Unit};

use super::diagnose::Clues;
use super::store::{WheelSet, WheelStore};

/// The interpreter that runs pip; `images/common/make-python` makes it.
const PYTHON: &str = "/usr/lib/omnibuild/python/bin/python";
/// The time in wheels made from source distributions: it may not depend on the project's commit,
/// or every commit would make other wheels. The earliest a zip archive can say.
const WHEEL_EPOCH: &str = "315532800";

/// What to resolve.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Requirement lines (PEP 508).
    pub lines: Vec<String>,
    /// Files by path below the project.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Names among `files`.
    pub requirements: Vec<String>,
    /// Names among `files`.
    pub constraints: Vec<String>,
    /// The indexes.
    pub indexes: Indexes,
}

/// The key of a platform's closure of dependencies.
pub fn key(plan: &PlatformPlan, builder: &Key, abi: &str) -> Key {
    plan.wheels
        .key
        .clone()
        .field("builder", builder.digest.as_str())
        .field("abi", abi)
        .finish()
}

/// The key of what building the project needs.
fn build_requires_key(request: &Request, builder: &Key, abi: &str) -> Key {
    let key = KeyBuilder::new("build requires", 1);
    request
        .indexes
        .add_to(key)
        .fields("requires ", request.lines.iter().map(|line| (line, "")))
        .field("builder", builder.digest.as_str())
        .field("abi", abi)
        .finish()
}

/// The closure of a platform's dependencies: from the cache, or made now. Says which.
pub async fn ensure(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
) -> Result<(WheelSet, bool)> {
    let key = key(plan, &builder.key, &builder.interpreter.abi);
    let request = Request {
        lines: plan.wheels.declared.clone(),
        files: plan.wheels.files.clone(),
        requirements: plan.wheels.requirements.clone(),
        constraints: plan.wheels.constraints.clone(),
        indexes: plan.wheels.indexes.clone(),
    };
    ensure_key(context, stage, plan, builder, key, &request).await
}

/// What building the project needs (`[build-system] requires` and what its backend asks for).
pub async fn ensure_build_requires(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    requires: &[String],
) -> Result<WheelSet> {
    let mut lines = requires.to_vec();
    lines.sort();
    lines.dedup();
    let request = Request {
        lines,
        indexes: plan.wheels.indexes.clone(),
        ..Request::default()
    };
    let key = build_requires_key(&request, &builder.key, &builder.interpreter.abi);
    Ok(ensure_key(context, stage, plan, builder, key, &request)
        .await?
        .0)
}

async fn ensure_key(
    context: &Context<'_>,
    stage: &StageHandle,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    key: Key,
    request: &Request,
) -> Result<(WheelSet, bool)> {
    let store = WheelStore::new(context.caches.wheels());
    match store.get(&plan.id, &key.digest) {
        Ok(Some(set)) => return Ok((set, true)),
        Ok(None) => {}
        Err(damage) => context
            .report
            .warn(&format!("the wheel cache: {damage}; making it again"), None),
    }
    if request.lines.is_empty() && request.requirements.is_empty() {
        return Ok((
            store.put_set(&plan.id, &plan.bundle.name, key, Vec::new())?,
            false,
        ));
    }
    let archive = with_container(
        context.engine,
        context.report,
        &context.online(&builder.tag),
        async |container| {
            container.upload("/", &upload(context, request)?).await?;
            prepare_pip(container, builder).await?;
            make(stage, container, builder, request).await?;
            container.download("/omnibuild/wheels").await
        },
    )
    .await?;
    let wheels = collect(&store, &archive)?;
    Ok((
        store.put_set(&plan.id, &plan.bundle.name, key, wheels)?,
        false,
    ))
}

fn upload(context: &Context<'_>, request: &Request) -> Result<tempfile::TempPath> {
    let mut archive = ArchiveWriter::new(0)?;
    for (name, bytes) in &request.files {
        archive.bytes(&format!("omnibuild/project/{name}"), 0o644, bytes)?;
    }
    archive.bytes(
        "omnibuild/requirements.txt",
        0o644,
        (request.lines.join("\n") + "\n").as_bytes(),
    )?;
    archive.bytes(
        "omnibuild/pip.conf",
        0o600,
        pip_configuration(&request.indexes).as_bytes(),
    )?;
    archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &context.ca_bundle()?)?;
    archive.folder("omnibuild/wheels")?;
    archive.folder("omnibuild/project")?;
    archive.finish()
}

/// A file, since URLs may hold credentials and the environment of a process is no secret.
fn pip_configuration(indexes: &Indexes) -> String {
    let mut text = "[global]\nno-input = true\ndisable-pip-version-check = true\n".to_owned();
    if let Some(url) = &indexes.index_url {
        text.push_str(&format!("index-url = {url}\n"));
    }
    if !indexes.extra_index_urls.is_empty() {
        text.push_str(&format!(
            "extra-index-url = {}\n",
            indexes.extra_index_urls.join("\n    ")
        ));
    }
    text
}

fn pip(words: &[&str]) -> Exec {
    Exec::new([PYTHON, "-m", "pip"])
        .args(words.iter().copied())
        // Lives as long as the container: every source distribution is built with the same tools.
        .args(["--cache-dir", "/omnibuild/pip-cache"])
        .env("PIP_CONFIG_FILE", "/omnibuild/pip.conf")
        .env("SOURCE_DATE_EPOCH", WHEEL_EPOCH)
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONHASHSEED", "0")
        .env("ARFLAGS", "Dcr")
        // pip builds in a folder with a random name: it may not reach debug information.
        .env("CFLAGS", "-g0")
        .env("LDFLAGS", "-Wl,--build-id=none")
        .cwd("/omnibuild/project")
}

/// Pythons that are past their end of life came with a pip that today's index does not serve.
async fn prepare_pip(container: &Container<'_>, builder: &BuilderImage) -> Result<()> {
    // The last that run on it; `pip wheel` builds with the two others.
    let newest = match builder.interpreter.major_minor.as_str() {
        "2.7" | "3.5" => ["pip<21", "setuptools<51", "wheel<0.38"],
        "3.6" => ["pip<22", "setuptools<60", "wheel<0.38"],
        _ => return Ok(()),
    };
    let exec = pip(&["install", "--upgrade"]).args(newest);
    let clues = Clues::default();
    let result = container.watch(&exec, &|line| clues.see(line)).await;
    result.map_err(|error| {
        clues
            .explain(error)
            .context("the newest pip for this Python")
            .hint("a pip this old may know an index that is gone: name today's in `index-url` or PIP_INDEX_URL")
    })
}

async fn make(
    stage: &StageHandle,
    container: &Container<'_>,
    builder: &BuilderImage,
    request: &Request,
) -> Result<()> {
    let mut exec = pip(&["wheel", "--use-pep517", "--wheel-dir", "/omnibuild/wheels"])
        .args(["--requirement", "/omnibuild/requirements.txt"]);
    for name in &request.requirements {
        exec = exec.args(["--requirement", name]);
    }
    for name in &request.constraints {
        exec = exec.args(["--constraint", name]);
    }
    let progress = std::sync::Mutex::new(Progress::default());
    let clues = Clues::default();
    let watch = |line: &str| {
        clues.see(line);
        if let Ok(mut progress) = progress.lock()
            && progress.see(line)
        {
            stage.progress(progress.done, progress.found, Unit::Wheels);
        }
    };
    let result = container.watch(&exec, &watch).await;
    result.map_err(|error| {
        clues
            .explain(error)
            .context(format!("wheels for Python {}", builder.interpreter.version))
    })
}

/// What pip has told of its work.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    found: u64,
    done: u64,
}

impl Progress {
    fn see(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        if line.starts_with("Collecting ") {
            self.found += 1;
        } else if line.starts_with("Saved ") || line.starts_with("Created wheel for ") {
            self.done += 1;
        } else {
            return false;
        }
        self.found = self.found.max(self.done);
        true
    }
}

/// Puts every wheel of an archive into the store.
pub(super) fn collect(store: &WheelStore, archive: &Path) -> Result<Vec<super::Wheel>> {
    let mut wheels = Vec::new();
    archive::for_each_file(archive, |path, content| {
        let is_wheel = path.extension().is_some_and(|extension| extension == "whl");
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| is_wheel)
        {
            wheels.push(store.put(name, content)?);
        }
        Ok(())
    })?;
    if wheels.is_empty() {
        return Err(Error::new(Kind::Build, "pip ended well and made no wheel")
            .hint("read the platform's log; a requirement may have a marker that excludes this platform"));
    }
    Ok(wheels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_follows_what_pip_prints() {
        let mut progress = Progress::default();
        for line in [
            "Collecting a",
            "  Downloading a.whl",
            "Collecting b",
            "Saved ./a.whl",
        ] {
            progress.see(line);
        }
        assert_eq!(progress, Progress { found: 2, done: 1 });
    }

    #[test]
    fn credentials_of_an_index_are_in_the_file_only() {
        let indexes = Indexes {
            index_url: Some("https://user:secret@index.example/simple".to_owned()),
            extra_index_urls: vec![
                "https://one.example".to_owned(),
                "https://two.example".to_owned(),
            ],
        };
        let text = pip_configuration(&indexes);
        assert!(text.contains("index-url = https://user:secret@index.example/simple\n"));
        assert!(text.contains("extra-index-url = https://one.example\n    https://two.example\n"));
        assert!(!format!("{:?}", pip(&["wheel"])).contains("secret"));
    }
}
