//! Makes the layers of a bundle: from the store, or in a builder container without a network.
//!
//! Wheels are unpacked here, in Rust; the container only makes the skeleton with the platform's own
//! `venv`, where the bundle brings no Python, and compiles byte code with the bundle's Python.

use std::sync::Arc;

use crate::context::{Context, in_background};
use crate::digest::{Digest, Key, KeyBuilder};
use crate::engine::{Container, with_container};
use crate::error::Result;
use crate::image::BuilderImage;
use crate::plan::PythonPlan;
use crate::report::{StageHandle, Unit};
use crate::text::counted;
use crate::wheel::WheelContents;
use crate::wheels::{Wheel, WheelStore};

use super::bytecode::{self, Sources};
use super::install::Target;
use super::layer::Layer;
use super::skeleton;
use super::store::LayerStore;
use crate::interpreter::Interpreter;

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
    /// The Python that it runs on.
    pub python: PythonPlan,
}

/// A virtualenv at its final place, as layers.
#[derive(Debug, Clone)]
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
    let key = skeleton::key(&builder.interpreter, &request);
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
                None => skeleton::make(context, stage, container, builder, &request, &key)
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
    KeyBuilder::new("layer", 4)
        .field("code", env!("OMNIBUILD_LAYER_CODE"))
        .field("wheel", wheel.digest.as_str())
        .field("file name", &wheel.file_name)
        .field("prefix", prefix)
        // Not the minor alone: compilers of one give other bytes for the same source, such as 2.7.11 and 2.7.17.
        .field("python", &interpreter.version)
        .field("abi", &interpreter.abi)
        .field(
            "byte code",
            format!("{} {:?}", interpreter.magic, interpreter.cache_tag),
        )
        .field("requested", requested.to_string())
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
    let compiled = bytecode::compile(container, &interpreter, &sources).await?;
    let store = LayerStore::new(&context.caches.layers());
    let total = opened.len() as u64;
    let made = in_background(move || {
        let folder = bytecode::unpack(&compiled)?;
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
    let mut sources = Sources::new()?;
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
            sources.name(&source);
        }
        contents.append_sources(&target, sources.archive().builder())?;
        opened.push((missing, contents));
    }
    Ok((opened, sources.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::tests::debian_12;

    #[test]
    fn a_layer_is_of_one_release_of_an_interpreter() {
        let wheel = Wheel {
            file_name: "a-1-py3-none-any.whl".to_owned(),
            digest: Digest::of("a"),
            size: 1,
            origin: None,
        };
        let key = |interpreter: &Interpreter| layer_key(interpreter, "/opt/x", &wheel, false);
        let mut newer = debian_12();
        "3.11.15".clone_into(&mut newer.version);
        assert_eq!(key(&debian_12()), key(&debian_12()));
        assert_ne!(key(&debian_12()), key(&newer));
    }
}
