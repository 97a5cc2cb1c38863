//! Builder images: reuse by content key, pull from where machines share them, or build from the platform's
//! Dockerfile.
//!
//! The key is made of the base's identity, the context and the system packages; never of the tag
//! or of the image's id.

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveWriter;
use crate::base::BaseImage;
use crate::context::Context;
use crate::digest::{Digest, Key, KeyBuilder};
use crate::engine::{BuildSpec, Exec, Network, with_container};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::interpreter::Interpreter;
use crate::plan::{PlatformPlan, PythonPlan};
use crate::platform::Archive;
use crate::python;
use crate::standalone::{self, IN_BUILDER, MemberKind, Part};
use crate::steps::step_script;

const SCHEMA: u32 = 1;
const KEY_LABEL: &str = "org.omnibuild.builder-key";

/// An image that wheels and bundles are made in.
#[derive(Debug, Clone)]
pub struct BuilderImage {
    /// What decided it.
    pub key: Key,
    /// The name to start containers from.
    pub tag: String,
    /// Its Python.
    pub interpreter: Interpreter,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a builder image came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The engine had it.
    Engine,
    /// Another machine pushed it.
    Registry,
    /// It was built.
    Built,
}

#[derive(Serialize, Deserialize)]
struct Record {
    schema: u32,
    key: Key,
    interpreter: Interpreter,
}

/// The key of a platform's builder.
pub fn key(plan: &PlatformPlan, base: &Digest) -> Key {
    let context = plan
        .image
        .context
        .iter()
        .map(|(name, bytes)| (name, Digest::of(bytes).to_string()));
    let key = KeyBuilder::new("builder", 1)
        .field("base image", base.as_str())
        .field("architecture", plan.arch().machine())
        .field("build-depends", plan.image.build_depends.join(" "))
        .fields("context ", context);
    let standalone = plan.python.standalone.iter();
    standalone
        .fold(key, |key, it| {
            key.field("python archive", it.digest.as_str())
        })
        .finish()
}

/// The builder image of a platform, pulled or built when the engine has none of this key.
pub async fn ensure(
    context: &Context<'_>,
    plan: &PlatformPlan,
    base: &BaseImage,
) -> Result<BuilderImage> {
    let key = key(plan, &base.identity);
    let tag = format!("omnibuild/builder:{}", key.digest.short());
    let image = context.engine.image(&tag).await?;
    let known = image.filter(|image| image.config.has_label(KEY_LABEL, key.digest.as_str()));
    let origin = match (known, &plan.image.repository) {
        (Some(_), _) => Origin::Engine,
        (None, Some(repository))
            if remote::fetch(context, plan, repository, &key, &tag).await? =>
        {
            Origin::Registry
        }
        (None, _) => {
            build(context, plan, base, &key, &tag).await?;
            Origin::Built
        }
    };
    if plan.image.name != tag {
        context.engine.tag(&tag, &plan.image.name).await?;
    }
    let interpreter =
        if let Some(interpreter) = recorded_interpreter(&context.caches.builders(), &key) {
            interpreter
        } else {
            let path = record_path(&context.caches.builders(), &key);
            let interpreter = ask_interpreter(context, plan, &tag).await?;
            let record = Record {
                schema: SCHEMA,
                key: key.clone(),
                interpreter,
            };
            fsutil::commit_json(&path, &record)?;
            record.interpreter
        };
    Ok(BuilderImage {
        key,
        tag,
        interpreter,
        origin,
    })
}

/// The interpreter of a builder that was made earlier.
pub fn recorded_interpreter(builders: &Path, key: &Key) -> Option<Interpreter> {
    let record: Record = fsutil::read_json(&record_path(builders, key))?;
    (record.schema == SCHEMA && record.key == *key).then_some(record.interpreter)
}

fn record_path(builders: &Path, key: &Key) -> PathBuf {
    builders.join(format!("{}.json", key.digest))
}

async fn build(
    context: &Context<'_>,
    plan: &PlatformPlan,
    base: &BaseImage,
    key: &Key,
    tag: &str,
) -> Result<()> {
    let mut archive = ArchiveWriter::new(0)?;
    for (name, bytes) in &plan.image.context {
        archive.bytes(name, 0o755, bytes)?;
    }
    // Always there, so that a Dockerfile can copy it; not in the key, since it decides nothing.
    archive.bytes("ca-bundle.pem", 0o644, &context.ca_bundle()?)?;
    if let Some(python) = python::ensure(context, &plan.python).await? {
        add_python(&mut archive, &python)?;
    }
    let archive = archive.finish()?;
    let mut args = context.network.proxies.clone();
    args.insert("BASE".to_owned(), base.reference.clone());
    args.insert(
        "BUILD_DEPENDS".to_owned(),
        plan.image.build_depends.join(" "),
    );
    let spec = BuildSpec {
        context: &archive,
        args,
        labels: BTreeMap::from([(KEY_LABEL.to_owned(), key.digest.to_string())]),
        tag,
        arch: plan.arch(),
        network: Network::Named(context.network.name.clone()),
    };
    let output = |line: &str| context.report.output_line(line);
    match context.engine.build(&spec, &output).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(context, plan, error)),
    }
}

/// Adds a standalone Python, where `images/common/make-python` looks for it.
fn add_python(archive: &mut ArchiveWriter, python: &standalone::Archive) -> Result<()> {
    let without = BTreeSet::from([Part::Idle, Part::Tests, Part::Tk]);
    let folder = format!(
        "common/{}",
        IN_BUILDER.rsplit('/').next().unwrap_or_default()
    );
    python.read(IN_BUILDER, |member, content| {
        if member.part.is_some_and(|part| without.contains(&part)) {
            return Ok(());
        }
        let path = format!("{folder}/{}", member.path);
        match &member.kind {
            MemberKind::Link(target) => archive.link(&path, target),
            MemberKind::File { size, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                archive.stream(&path, mode, *size, content)
            }
        }
    })
}

/// The engine says only which `RUN` failed; the cause stands in its output.
fn explain(context: &Context<'_>, plan: &PlatformPlan, error: Error) -> Error {
    let last_lines = context.report.last_lines();
    let unreachable = [
        "Could not resolve",
        "Temporary failure resolving",
        "Could not connect",
        "Connection refused",
        "Failed to fetch",
        "Cannot find a valid baseurl",
        "Failed to download metadata",
    ];
    let absent = [
        "Unable to locate package",
        "No match for argument",
        "no repository has the package",
    ];
    let seen = |words: &[&str]| {
        last_lines
            .iter()
            .any(|line| words.iter().any(|word| line.contains(word)))
    };
    let error = error
        .context("builder image")
        .command(crate::error::CommandFailed {
            argv: vec![
                "RUN".to_owned(),
                "(in the platform's Dockerfile)".to_owned(),
            ],
            status: 1,
            last_lines: last_lines.clone(),
            log: Some(context.report.log_path().to_owned()),
        });
    if seen(&unreachable) && plan.image.context.contains_key(Archive::FILE) {
        let mirror = plan.base.mirror.as_deref().unwrap_or("its archive");
        return error.of_kind(Kind::Network).hint(format!(
            "{} left its mirrors, and its archive `{mirror}` can't be reached from a container: name one that can, \
             `mirror =` in `[platform.{}]` of the configuration or OMNIBUILD_MIRROR",
            plan.id, plan.id
        ));
    }
    // What the dynamic linker says: version `GLIBC_2.34' not found.
    if plan.python.standalone.is_some() && seen(&["version `GLIBC_"]) {
        return error.of_kind(Kind::Platform).hint(format!(
            "the archive of Python {} needs a newer C library than {} has: name one in `[python.archive]` of platforms.toml \
             that was built on an older platform (`omnibuild python build` says what one needs)",
            plan.python.minor, plan.id
        ));
    }
    if seen(&absent) {
        return error.hint("a system package does not exist on this platform: correct `build-depends` in its `[platform.…]` table");
    }
    if seen(&unreachable) {
        return error
            .of_kind(Kind::Network)
            .hint("the distribution's mirror can't be reached from a container: check the network, the proxy variables, --network and --ca-bundle");
    }
    error
}

/// The interpreter of a builder.
fn program(python: &PythonPlan) -> String {
    match python.standalone {
        None => format!("python{}", python.minor),
        Some(_) => format!("{IN_BUILDER}/bin/python{}", python.minor),
    }
}

/// Runs the Python to see what it is; an interpreter of another minor version than the
/// plan's would make packages that depend on the wrong one.
async fn ask_interpreter(
    context: &Context<'_>,
    plan: &PlatformPlan,
    tag: &str,
) -> Result<Interpreter> {
    let interpreter = with_container(context.engine, context.report, &context.offline(tag), async |container| {
        let mut archive = ArchiveWriter::new(0)?;
        archive.bytes("omnibuild/interpreter.py", 0o644, &step_script("interpreter.py"))?;
        container.upload("/", &archive.finish()?).await?;
        let python = program(&plan.python);
        let lines = container.capture(&Exec::new([python.as_str(), "/omnibuild/interpreter.py"])).await?;
        Interpreter::parse(&lines.join("\n"))
    })
    .await
    .map_err(|error| {
        error.hint(format!(
            "the builder must have `{}`: check `python` in platforms.toml and the platform's Dockerfile",
            program(&plan.python)
        ))
    })?;
    Ok(interpreter)
}
