//! The project's own wheel, built by its own backend (PEP 517) without a network.
//!
//! What the backend needs is installed beside it as layers, like any bundle; the source goes in as
//! a tar stream and one wheel comes out.

use crate::archive::{self, ArchiveWriter};
use crate::context::Context;
use crate::digest::Key;
use crate::engine::{Container, Exec};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::metadata::ProjectMetadata;
use crate::plan::{ApplicationPlan, PlatformPlan};
use crate::steps::step_script;
use crate::wheel::WheelContents;

use super::diagnose::Clues;
use super::store::{WheelSet, WheelStore};
use super::workshop::collect;

/// Where the backend and what it needs are installed in the builder.
pub const BUILD_PREFIX: &str = "/omnibuild/build";
const SOURCE: &str = "/omnibuild/source";
const OUTPUT: &str = "/omnibuild/output";
/// `build_wheel.py`: the backend wants more.
const WANTS_MORE: i64 = 3;

/// What came of building.
pub enum Built {
    /// A set of one wheel.
    Wheel(WheelSet),
    /// The backend asked for these requirements (`get_requires_for_build_wheel`).
    Wants(Vec<String>),
}

/// The key of a project's wheel.
pub fn key(plan: &ApplicationPlan, builder: &Key, abi: &str, environment: &WheelSet) -> Key {
    let mut key = plan
        .key()
        .field("builder", builder.digest.as_str())
        .field("abi", abi);
    for wheel in &environment.wheels {
        key = key.field(
            format!("build with {}", wheel.file_name),
            wheel.digest.as_str(),
        );
    }
    key.finish()
}

/// Builds the wheel in a container that has the build environment.
pub async fn build(
    context: &Context<'_>,
    container: &Container<'_>,
    platform: &PlatformPlan,
    plan: &ApplicationPlan,
    builder: &BuilderImage,
    key: Key,
) -> Result<Built> {
    container.upload("/", &upload(plan)?).await?;
    let site = builder.interpreter.site_packages(BUILD_PREFIX);
    let mut exec = Exec::new([
        builder.interpreter.executable.as_str(),
        "/omnibuild/build_wheel.py",
        "/omnibuild/request.json",
    ])
    .env("PYTHONPATH", site)
    .env(
        "PATH",
        format!("{BUILD_PREFIX}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    )
    .env("SOURCE_DATE_EPOCH", plan.epoch.to_string())
    .env("LC_ALL", "C.UTF-8")
    .env("PYTHONHASHSEED", "0")
    .env("PYTHONDONTWRITEBYTECODE", "1")
    .env("CFLAGS", "-g0")
    .env("LDFLAGS", "-Wl,--build-id=none");
    if let Some(version) = &plan.scm_version {
        exec = exec
            .env("SETUPTOOLS_SCM_PRETEND_VERSION", version)
            .env("PBR_VERSION", version);
    }
    let clues = Clues::default();
    match container.watch(&exec, &|line| clues.see(line)).await {
        Ok(()) => {}
        Err(error)
            if error
                .failed_command()
                .is_some_and(|command| command.status == WANTS_MORE) =>
        {
            return Ok(Built::Wants(wanted(container).await?));
        }
        Err(error) => {
            let error = clues.explain(error).context("the project's own wheel");
            let kind = if error.kind() == Kind::Build {
                Kind::Wheel
            } else {
                error.kind()
            };
            return Err(error.of_kind(kind));
        }
    }
    let archive = container.download(OUTPUT).await?;
    let store = WheelStore::new(context.caches.wheels());
    let wheels: Vec<_> = collect(
        context,
        builder,
        platform.wheels.request.policy,
        &store,
        &archive,
    )?
    .into_iter()
    .map(|(_, wheel)| wheel)
    .collect();
    if wheels.len() != 1 {
        let names: Vec<&str> = wheels
            .iter()
            .map(|wheel| wheel.file_name.as_str())
            .collect();
        return Err(Error::new(
            Kind::Wheel,
            format!(
                "the project's backend made {} wheels: {}",
                names.len(),
                names.join(", ")
            ),
        )
        .hint("a build backend makes one (PEP 517): check its configuration"));
    }
    Ok(Built::Wheel(store.put_set(
        platform.id.platform(),
        &platform.bundle.name,
        key,
        wheels,
    )?))
}

fn upload(plan: &ApplicationPlan) -> Result<tempfile::TempPath> {
    let mut archive = ArchiveWriter::new(plan.epoch)?;
    archive.folder("omnibuild")?;
    archive.folder(&OUTPUT[1..])?;
    archive.bytes(
        "omnibuild/build_wheel.py",
        0o644,
        &step_script("build_wheel.py"),
    )?;
    let request = serde_json::json!({
        "source": SOURCE,
        "output": OUTPUT,
        "backend": plan.build_backend.as_deref().unwrap_or("setuptools.build_meta:__legacy__"),
        "backend_path": plan.backend_path,
    });
    archive.bytes(
        "omnibuild/request.json",
        0o644,
        request.to_string().as_bytes(),
    )?;
    for file in &plan.source.files {
        let name = format!("{}/{}", &SOURCE[1..], file.path);
        let mode = if file.executable { 0o755 } else { 0o644 };
        match &file.link {
            Some(target) => archive.link(&name, target)?,
            None => archive.file(&name, mode, &plan.source.root.join(&file.path))?,
        }
    }
    archive.finish()
}

async fn wanted(container: &Container<'_>) -> Result<Vec<String>> {
    let archive = container
        .download(&format!("{OUTPUT}/requires.json"))
        .await?;
    let mut requires = Vec::new();
    archive::for_each_file(&archive, |_, content| {
        requires = serde_json::from_reader(content).map_err(std::io::Error::from)?;
        Ok(())
    })?;
    Ok(requires)
}

/// Reads the core metadata and the console scripts of a wheel.
pub fn metadata(store: &WheelStore, set: &WheelSet) -> Result<ProjectMetadata> {
    let Some(wheel) = set.wheels.first() else {
        return Err(Error::new(Kind::Wheel, "the project made no wheel"));
    };
    let path = store.verify(wheel)?;
    let bad = |why: String| Error::new(Kind::Wheel, format!("`{}`: {why}", wheel.file_name));
    let distribution =
        python_pkginfo::Distribution::new(&path).map_err(|error| bad(error.to_string()))?;
    let core = distribution.metadata();
    let person = |name: &Option<String>, address: &Option<String>| match (name, address) {
        (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
        (None, Some(address)) => Some(address.clone()).filter(|address| address.contains('<')),
        _ => None,
    };
    let short = |text: &Option<String>| {
        text.clone()
            .filter(|text| !text.trim().is_empty() && !text.contains('\n') && text != "UNKNOWN")
    };
    Ok(ProjectMetadata {
        name: core.name.clone(),
        version: Some(core.version.clone()),
        summary: short(&core.summary),
        license: short(&core.license_expression).or_else(|| short(&core.license)),
        homepage: short(&core.home_page),
        maintainer: person(&core.maintainer, &core.maintainer_email)
            .or_else(|| person(&core.author, &core.author_email)),
        requires: core.requires_dist.clone(),
        commands: WheelContents::open(&path)?
            .entry_points
            .console
            .into_keys()
            .collect(),
    })
}
