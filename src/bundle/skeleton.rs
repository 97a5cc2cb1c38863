//! What a bundle is before any distribution is in it: a virtualenv of the platform's Python, or a
//! standalone Python at the bundle's prefix.
//!
//! The virtualenv is made by the platform's own `venv`; for Python 2.7, which has none, by
//! `images/steps/make_environment.py`. A standalone Python is its archive's files, with
//! byte code, and a `pyvenv.cfg` that names the prefix itself as its home: then its `site` treats it as
//! a virtualenv (PEP 405), which has no packages of users.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::archive::{self, ArchiveWriter};
use crate::context::{Context, in_background};
use crate::digest::{Key, KeyBuilder};
use crate::engine::{Container, Exec};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::interpreter::Interpreter;
use crate::plan::StandalonePlan;
use crate::python;
use crate::report::{StageHandle, human_size};
use crate::standalone::{MemberKind, Sizes};
use crate::steps::step_script;

use super::Request;
use super::bytecode::{self, Sources};
use super::install::{Target, add_bytecode};
use super::layer::Layer;
use super::store::LayerStore;

/// The key of a bundle's skeleton.
pub(super) fn key(interpreter: &Interpreter, request: &Request) -> Key {
    let key = KeyBuilder::new("skeleton", 5)
        .field("code", env!("OMNIBUILD_LAYER_CODE"))
        .field("prefix", &request.prefix)
        .field("version", &interpreter.version);
    match &request.python.standalone {
        None => key.field("executable", &interpreter.executable),
        Some(standalone) => standalone.add_to(key),
    }
    .finish()
}

/// Makes a bundle's skeleton.
pub(super) async fn make(
    context: &Context<'_>,
    stage: &StageHandle,
    container: &Container<'_>,
    builder: &BuilderImage,
    request: &Request,
    key: &Key,
) -> Result<Layer> {
    match &request.python.standalone {
        None => virtualenv(context, container, builder, &request.prefix, key).await,
        Some(plan) => {
            stage.message("placing the bundle's own Python");
            standalone(context, container, builder, request, plan, key).await
        }
    }
}

/// A standalone Python at the prefix.
async fn standalone(
    context: &Context<'_>,
    container: &Container<'_>,
    builder: &BuilderImage,
    request: &Request,
    plan: &StandalonePlan,
    key: &Key,
) -> Result<Layer> {
    let Some(archive) = python::ensure(context, &request.python).await? else {
        return Err(Error::new(
            Kind::Internal,
            "a standalone Python has no archive",
        ));
    };
    let prefix = request.prefix.trim_end_matches('/').to_owned();
    let sources = in_background({
        let (archive, prefix, plan) = (archive.clone(), prefix.clone(), plan.clone());
        move || {
            let mut sources = Sources::new()?;
            archive.read(&prefix, |member, content| {
                let is_left_out = member.part.is_some_and(|part| plan.without.contains(&part));
                if let (MemberKind::File { size, .. }, true) =
                    (&member.kind, member.is_source() && !is_left_out)
                {
                    let path = format!("{prefix}/{}", member.path);
                    let inside = path.trim_start_matches('/');
                    sources.archive().stream(inside, 0o644, *size, content)?;
                    sources.name(&path);
                }
                Ok(())
            })?;
            sources.finish()
        }
    })
    .await?;
    let compiled = bytecode::compile(container, &builder.interpreter, &sources).await?;
    let store = LayerStore::new(&context.caches.layers());
    let (digest, interpreter) = (key.digest.clone(), builder.interpreter.clone());
    let without = plan.without.clone();
    let (layer, sizes) = in_background(move || {
        let folder = bytecode::unpack(&compiled)?;
        let target = Target {
            interpreter: &interpreter,
            prefix: &prefix,
            requested: false,
            bytecode: Some(folder.path()),
        };
        let mut sizes = Sizes::default();
        let origin = format!("Python {}", interpreter.version);
        let layer = store.put(&digest, &origin, |writer| {
            archive.read(&prefix, |member, content| {
                if !sizes.count(member, &without) {
                    return Ok(());
                }
                let path = format!("{prefix}/{}", member.path);
                match &member.kind {
                    MemberKind::Link(said) => writer.add_symlink(&path, said)?,
                    MemberKind::File { executable, .. } => {
                        let mode = if *executable { 0o755 } else { 0o644 };
                        writer.add_file(&path, mode, content, None)?;
                        if member.is_source() {
                            add_bytecode(&target, &path, writer)?;
                        }
                    }
                }
                Ok(())
            })?;
            let home = format!(
                "home = {prefix}/bin\ninclude-system-site-packages = false\nversion = {}\n",
                interpreter.version
            );
            let path = format!("{prefix}/pyvenv.cfg");
            writer.add_file(&path, 0o644, &mut home.as_bytes(), None)?;
            Ok(())
        })?;
        Ok((layer, sizes))
    })
    .await?;
    let left_out: Vec<String> = sizes
        .left_out
        .iter()
        .map(|(part, bytes)| format!("{part} {}", human_size(*bytes)))
        .collect();
    context.report.note(&format!(
        "Python {} of the bundle: {}{}",
        builder.interpreter.version,
        human_size(sizes.shipped),
        if left_out.is_empty() {
            String::new()
        } else {
            format!(", left out: {}", left_out.join(", "))
        }
    ));
    Ok(layer)
}

/// What newer `venv`s make and no package ships: a note to git that nothing here is committed (3.13), and
/// one more link to the interpreter, for fun, whose name older tools stumble over (3.14).
const NOT_SHIPPED: [&str; 2] = [".gitignore", "bin/𝜋thon"];

/// What makes the environment of a Python that has no `venv`.
const WITHOUT_VENV: &str = "make_environment.py";

/// The virtualenv without any distribution, made by the platform's own `venv`, or by a step for Python 2.7.
async fn virtualenv(
    context: &Context<'_>,
    container: &Container<'_>,
    builder: &BuilderImage,
    prefix: &str,
    key: &Key,
) -> Result<Layer> {
    let interpreter = &builder.interpreter;
    let exec = Exec::new([interpreter.executable.as_str()]);
    let (exec, hint) = if interpreter.has_venv() {
        let words = [
            "-m",
            "venv",
            "--without-pip",
            "--clear",
            "--symlinks",
            prefix,
        ];
        let hint = "the builder needs the standard library's `venv` (Debian: python3-venv)";
        (exec.args(words), hint)
    } else {
        let script = format!("/omnibuild/{WITHOUT_VENV}");
        let mut archive = ArchiveWriter::new(0)?;
        archive.bytes(&script[1..], 0o644, &step_script(WITHOUT_VENV))?;
        container.upload("/", &archive.finish()?).await?;
        let words = interpreter.isolated().iter().copied();
        let hint = "the builder needs a C compiler and the shared library of this Python: check `build-depends` in `pythons` of the platform's table";
        (exec.args(words).arg(script).arg(prefix), hint)
    };
    let run = container.run(&exec).await;
    run.map_err(|error| error.context("virtualenv").hint(hint))?;
    let archive = container.download(prefix).await?;
    let store = LayerStore::new(&context.caches.layers());
    let root = prefix
        .trim_start_matches('/')
        .rsplit_once('/')
        .map_or("", |(root, _)| root)
        .to_owned();
    let digest = key.digest.clone();
    let time_offset = interpreter.bytecode_time_offset();
    in_background(move || {
        store.put(&digest, "skeleton", |writer| {
            let mut entries =
                tar::Archive::new(std::io::BufReader::new(fs_err::File::open(&archive)?));
            for entry in entries.entries()? {
                let mut entry = entry?;
                let path = archive::safe_path(&entry.path()?)?;
                let inside: PathBuf = path.components().skip(1).collect();
                if NOT_SHIPPED.iter().any(|name| inside == Path::new(name)) {
                    continue;
                }
                let path = format!("{root}/{}", in_utf8(&path)?);
                match entry.header().entry_type() {
                    tar::EntryType::Directory => writer.add_directory(&path, 0o755)?,
                    tar::EntryType::Symlink => {
                        let target = entry.link_name()?.unwrap_or_default();
                        writer.add_symlink(&path, in_utf8(&target)?)?;
                    }
                    _ => {
                        let mode = if entry.header().mode()? & 0o100 == 0 {
                            0o644
                        } else {
                            0o755
                        };
                        let is_bytecode = inside.extension().is_some_and(|it| it == "pyc");
                        let time = is_bytecode.then_some(time_offset);
                        writer.add_file(&path, mode, &mut entry, time)?;
                    }
                }
            }
            Ok(())
        })
    })
    .await
}

/// A name or a link's target in a virtualenv, which a package has byte for byte.
fn in_utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let path = path.as_os_str().as_bytes().escape_ascii();
        Error::new(
            Kind::Build,
            format!("`{path}` in the virtualenv is not UTF-8"),
        )
        .hint("the builder's Python made it: give its files and the interpreter names in UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_byte_for_byte_or_refused() {
        assert_eq!(in_utf8(Path::new("lib/café")).unwrap(), "lib/café");
        let other = Path::new(std::ffi::OsStr::from_bytes(b"lib/caf\xe9"));
        let error = in_utf8(other).unwrap_err();
        assert_eq!(error.kind(), Kind::Build);
        assert!(error.message().contains(r"`lib/caf\xe9`"), "{error}");
    }
}
