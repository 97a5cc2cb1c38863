//! Makes the layers of a bundle: from the store, or in a builder container without a network.
//!
//! Wheels are unpacked here, in Rust; the container only makes the skeleton with the platform's
//! own `venv` and compiles byte code with the platform's own Python.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{self, ArchiveWriter};
use crate::context::{Context, in_background};
use crate::digest::{Digest, Key, KeyBuilder};
use crate::engine::{Container, Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::report::{StageHandle, Unit};
use crate::steps::step_script;
use crate::text::counted;
use crate::wheel::WheelContents;
use crate::wheels::{Wheel, WheelStore};

use super::install::Target;
use super::layer::Layer;
use super::store::LayerStore;
use crate::interpreter::Interpreter;

/// Where the container is given sources and leaves byte code.
const LIST: &str = "/omnibuild/sources.txt";
const BYTECODE: &str = "/omnibuild/bytecode";

/// What a bundle is made of.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its final place.
    pub prefix: String,
    /// The distribution whose commands packages link, normalised.
    pub name: String,
    /// The dependencies.
    pub wheels: Vec<Wheel>,
    /// The project's own wheel.
    pub application: Option<Wheel>,
}

/// A virtualenv at its final place, as layers.
#[derive(Debug)]
pub struct Bundle {
    /// The final place.
    pub prefix: String,
    /// The distribution whose commands packages link, normalised.
    pub name: String,
    /// The skeleton, then one layer for each wheel.
    pub layers: Vec<Layer>,
    /// The wheels that are in it.
    pub wheels: Vec<Wheel>,
    /// What decided the project's own wheel, where there is one.
    pub application: Option<Key>,
    /// How many layers were not in the store.
    pub made: usize,
}

impl Bundle {
    /// Names of the programs in `bin`.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let bin = format!("{}/bin/", self.prefix.trim_start_matches('/'));
        self.layers.iter().flat_map(move |layer| {
            let bin = bin.clone();
            layer.manifest().entries.iter().filter_map(move |entry| {
                let name = entry.path.strip_prefix(&bin)?;
                (!name.contains('/')).then_some(name)
            })
        })
    }

    /// The commands among them that somebody may want to link: not the interpreter, and not what
    /// makes a virtualenv a shell's own (`activate`, `Activate.ps1`).
    pub fn linkable_commands(&self) -> impl Iterator<Item = &str> {
        self.commands().filter(|name| {
            let name = name.to_ascii_lowercase();
            !name.starts_with("python") && !name.starts_with("activate")
        })
    }

    /// The bundle with what decided the project's own wheel.
    #[must_use]
    pub fn of_application(mut self, key: Key) -> Self {
        self.application = Some(key);
        self
    }

    /// The console scripts of the distribution whose commands packages link, sorted.
    pub fn console_scripts(&self) -> &[String] {
        self.layers
            .iter()
            .filter_map(|layer| layer.manifest().distribution.as_ref())
            .find(|distribution| crate::plan::normalised_name(&distribution.name) == self.name)
            .map_or(&[], |distribution| distribution.console_scripts.as_slice())
    }
}

/// A wheel that has no layer yet.
struct Missing {
    number: usize,
    key: Digest,
    wheel: Wheel,
    requested: bool,
}

/// The bundle of a request. What has to be made is made in `shared`, an offline container of the
/// builder, or in a container of its own.
pub async fn bundle(
    context: &Context<'_>,
    stage: &StageHandle,
    builder: &BuilderImage,
    request: Request,
    shared: Option<&Container<'_>>,
) -> Result<Bundle> {
    let store = LayerStore::new(&context.caches.layers());
    let key = skeleton_key(&builder.interpreter, &request.prefix);
    let skeleton = store.get(&key.digest);
    let (mut layers, missing) = look_up(context, builder, &request);
    let made = missing.len() + usize::from(skeleton.is_none());
    let skeleton = if made == 0 {
        skeleton
    } else {
        let work = async |container: &Container<'_>| {
            make(
                context,
                stage,
                container,
                builder,
                &request,
                missing,
                &mut layers,
            )
            .await?;
            match skeleton {
                Some(skeleton) => Ok(Some(skeleton)),
                None => make_skeleton(context, container, builder, &request.prefix, &key)
                    .await
                    .map(Some),
            }
        };
        in_container(context, builder, shared, work).await?
    };
    let layers = skeleton
        .into_iter()
        .chain(layers.into_iter().flatten())
        .collect();
    let wheels = request.wheels.into_iter().chain(request.application);
    Ok(Bundle {
        prefix: request.prefix,
        name: request.name,
        layers,
        wheels: wheels.collect(),
        application: None,
        made,
    })
}

/// The layers of a request's wheels alone, without a skeleton: a build environment.
pub async fn layers(
    context: &Context<'_>,
    stage: &StageHandle,
    builder: &BuilderImage,
    request: &Request,
    shared: Option<&Container<'_>>,
) -> Result<Vec<Layer>> {
    let (mut layers, missing) = look_up(context, builder, request);
    if !missing.is_empty() {
        let work = async |container: &Container<'_>| {
            make(
                context,
                stage,
                container,
                builder,
                request,
                missing,
                &mut layers,
            )
            .await
        };
        in_container(context, builder, shared, work).await?;
    }
    Ok(layers.into_iter().flatten().collect())
}

/// Runs work in the container that is there, or in one for this work.
async fn in_container<T>(
    context: &Context<'_>,
    builder: &BuilderImage,
    shared: Option<&Container<'_>>,
    work: impl AsyncFnOnce(&Container<'_>) -> Result<T>,
) -> Result<T> {
    match shared {
        Some(container) => work(container).await,
        None => {
            with_container(
                context.engine,
                context.report,
                &context.offline(&builder.tag),
                work,
            )
            .await
        }
    }
}

fn layer_key(interpreter: &Interpreter, prefix: &str, wheel: &Wheel, requested: bool) -> Key {
    KeyBuilder::new("layer", 3)
        .field("code", env!("OMNIBUILD_LAYER_CODE"))
        .field("wheel", wheel.digest.as_str())
        .field("file name", &wheel.file_name)
        .field("prefix", prefix)
        .field("python", &interpreter.major_minor)
        .field("abi", &interpreter.abi)
        .field(
            "byte code",
            format!("{} {:?}", interpreter.magic, interpreter.cache_tag),
        )
        .field("requested", requested.to_string())
        .finish()
}

fn skeleton_key(interpreter: &Interpreter, prefix: &str) -> Key {
    KeyBuilder::new("skeleton", 5)
        .field("code", env!("OMNIBUILD_LAYER_CODE"))
        .field("prefix", prefix)
        .field("executable", &interpreter.executable)
        .field("version", &interpreter.version)
        .finish()
}

/// The layers that are in the store, and the wheels that have none.
fn look_up(
    context: &Context<'_>,
    builder: &BuilderImage,
    request: &Request,
) -> (Vec<Option<Layer>>, Vec<Missing>) {
    let store = LayerStore::new(&context.caches.layers());
    let mut missing = Vec::new();
    let dependencies = request.wheels.iter().map(|wheel| (wheel, false));
    let all = dependencies.chain(request.application.iter().map(|wheel| (wheel, true)));
    let layers = all
        .enumerate()
        .map(|(number, (wheel, requested))| {
            let key = layer_key(&builder.interpreter, &request.prefix, wheel, requested).digest;
            let layer = store.get(&key);
            if layer.is_none() {
                missing.push(Missing {
                    number,
                    key,
                    wheel: wheel.clone(),
                    requested,
                });
            }
            layer
        })
        .collect();
    (layers, missing)
}

/// Makes the missing layers: their sources go in, byte code comes out, once for all of them.
async fn make(
    context: &Context<'_>,
    stage: &StageHandle,
    container: &Container<'_>,
    builder: &BuilderImage,
    request: &Request,
    missing: Vec<Missing>,
    layers: &mut [Option<Layer>],
) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    stage.message(&format!(
        "compiling {} to byte code",
        counted(missing.len(), "wheel")
    ));
    let interpreter = Arc::new(builder.interpreter.clone());
    let prefix = request.prefix.clone();
    let (opened, sources) = in_background({
        let (interpreter, prefix) = (Arc::clone(&interpreter), prefix.clone());
        let wheels = WheelStore::new(context.caches.wheels());
        move || open_and_pack(&wheels, missing, &interpreter, &prefix)
    })
    .await?;
    container.upload("/", &sources).await?;
    let exec = Exec::new([
        interpreter.executable.as_str(),
        "-I",
        "/omnibuild/compile_bytecode.py",
        LIST,
        BYTECODE,
    ]);
    container
        .run(&exec)
        .await
        .map_err(|error| error.context("byte code"))?;
    let compiled = container.download(BYTECODE).await?;
    let store = LayerStore::new(&context.caches.layers());
    let total = opened.len() as u64;
    let made = in_background(move || {
        let folder = tempfile::tempdir()?;
        unpack(&compiled, folder.path())?;
        let mut made = Vec::new();
        for (missing, contents) in opened {
            let target = Target {
                interpreter: &interpreter,
                prefix: &prefix,
                requested: missing.requested,
                bytecode: Some(folder.path()),
            };
            let layer = store.put(&missing.key, &missing.wheel.file_name, |writer| {
                let distribution = contents.write_layer(&target, writer)?;
                writer.set_distribution(distribution);
                Ok(())
            })?;
            made.push((missing.number, layer));
        }
        Ok(made)
    })
    .await?;
    for (number, layer) in made {
        layers[number] = Some(layer);
    }
    stage.progress(total, total, Unit::Wheels);
    Ok(())
}

/// Checks each wheel and packs what the container compiles.
fn open_and_pack(
    wheels: &WheelStore,
    missing: Vec<Missing>,
    interpreter: &Interpreter,
    prefix: &str,
) -> Result<(Vec<(Missing, WheelContents)>, tempfile::TempPath)> {
    let paths = wheels.verify_all(missing.iter().map(|missing| &missing.wheel))?;
    let mut archive = ArchiveWriter::new(0)?;
    let mut list = String::new();
    let mut opened = Vec::new();
    for (missing, path) in missing.into_iter().zip(paths) {
        let contents = WheelContents::open(&path)?;
        let target = Target {
            interpreter,
            prefix,
            requested: missing.requested,
            bytecode: None,
        };
        for source in contents.sources(&target)? {
            list.push_str(&source);
            list.push('\n');
        }
        contents.append_sources(&target, archive.builder())?;
        opened.push((missing, contents));
    }
    archive.folder(&BYTECODE[1..])?;
    archive.bytes(
        "omnibuild/compile_bytecode.py",
        0o644,
        &step_script("compile_bytecode.py"),
    )?;
    archive.bytes(&LIST[1..], 0o644, list.as_bytes())?;
    Ok((opened, archive.finish()?))
}

/// Unpacks the byte code; the archive's top folder is that of the container.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    archive::for_each_file(archive, |path, content| {
        let inside: PathBuf = path.components().skip(1).collect();
        let place = folder.join(inside);
        if let Some(parent) = place.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut file = fs_err::File::create(&place)?;
        std::io::copy(content, &mut file)?;
        Ok(())
    })
}

/// What newer `venv`s make and no package ships: a note to git that nothing here is committed (3.13), and
/// one more link to the interpreter, for fun, whose name older tools stumble over (3.14).
const NOT_SHIPPED: [&str; 2] = [".gitignore", "bin/𝜋thon"];

/// The virtualenv without any distribution, made by the platform's own `venv`.
async fn make_skeleton(
    context: &Context<'_>,
    container: &Container<'_>,
    builder: &BuilderImage,
    prefix: &str,
    key: &Key,
) -> Result<Layer> {
    let exec = Exec::new([
        builder.interpreter.executable.as_str(),
        "-m",
        "venv",
        "--without-pip",
        "--clear",
        "--symlinks",
        prefix,
    ]);
    container.run(&exec).await.map_err(|error| {
        error
            .context("virtualenv")
            .hint("the builder needs the standard library's `venv` (Debian: python3-venv)")
    })?;
    let archive = container.download(prefix).await?;
    let store = LayerStore::new(&context.caches.layers());
    let root = prefix
        .trim_start_matches('/')
        .rsplit_once('/')
        .map_or("", |(root, _)| root)
        .to_owned();
    let digest = key.digest.clone();
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
                        writer.add_file(&path, mode, &mut entry, None)?;
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

    #[test]
    fn unpacking_drops_the_top_folder() {
        let mut writer = ArchiveWriter::new(0).unwrap();
        writer
            .bytes("bytecode/opt/x/a.pyc", 0o644, b"code")
            .unwrap();
        let archive = writer.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        unpack(&archive, folder.path()).unwrap();
        assert_eq!(
            fs_err::read(folder.path().join("opt/x/a.pyc")).unwrap(),
            b"code"
        );
    }
}
