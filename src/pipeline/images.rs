//! Runtime images: made after the verification of their packages, listed, saved, given to the engine.
//!
//! An image is found again by what decides it, so nothing is recorded of it in the project.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::{self, BaseImage};
use crate::cli::{BuildOptions, Common, Environment, ImageCommand, ImageFormat};
use crate::context::in_background;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, Lock};
use crate::oci::layout::{self, Named};
use crate::oci::{ContentDigest, ImageStore};
use crate::package::Artifact;
use crate::package::read::{self, FileKind};
use crate::plan::{Plan, PlatformPlan, RuntimePlan};
use crate::report::{Outcome, Reporter, Stage, human_size};
use crate::runtime::{self, RuntimeImage};
use crate::verify::Verified;

use super::metadata::make_plan;
use super::stages::{PlatformBuild, up_to_date};
use super::verify::verified;
use super::{Project, Run, host_architecture};

impl PlatformBuild<'_> {
    /// The images of a platform from its verified packages: those that are kept, and the others made.
    /// Answers whether all were there.
    pub(super) async fn images(
        &self,
        plan: &PlatformPlan,
        base: &BaseImage,
        verified: &Verified,
    ) -> Result<bool> {
        if plan.images.is_empty() {
            return Ok(true);
        }
        let stage = self.report.stage(Stage::Runtime);
        let (store, _held) = kept(self.project).await?;
        let mut there: BTreeMap<&String, RuntimeImage> = BTreeMap::new();
        let mut reused = true;
        for image in &plan.images {
            let below = image.from.as_ref().and_then(|from| there.get(from));
            let (key, kept) = look(&store, plan, base, image, verified, below)?;
            let made = if let Some(kept) = kept {
                kept
            } else {
                reused = false;
                let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
                let context = self.context(plan, engine.as_ref(), session);
                // The engine may have lost it since.
                let (base, _) = base::ensure(&context, &stage, &plan.base, false).await?;
                let request = runtime::Request {
                    verified,
                    folder: &self.project.state.packages(plan.id.platform()),
                    contents: &contents,
                    below,
                    key,
                };
                runtime::make(&context, &stage, plan, &base, image, &request).await?
            };
            there.insert(&image.name, made);
        }
        let told = there.iter().map(|(name, image)| {
            let digest = image.manifest.digest.digest().short();
            format!("{name} {digest}, {}", human_size(image.size()))
        });
        let told = told.collect::<Vec<_>>().join("; ");
        if reused {
            stage.reused(&told);
        } else {
            stage.finished(&told);
        }
        Ok(reused)
    }
}

/// What is kept of images; nobody removes it while the lock is held.
pub(super) async fn kept(project: &Project) -> Result<(ImageStore, Lock)> {
    let store = ImageStore::new(&project.caches.images());
    in_background(move || {
        let held = store.hold()?;
        Ok((store, held))
    })
    .await
}

/// The key of an image, and the image if it is kept.
fn look(
    store: &ImageStore,
    plan: &PlatformPlan,
    base: &BaseImage,
    image: &RuntimePlan,
    verified: &Verified,
    below: Option<&RuntimeImage>,
) -> Result<(Digest, Option<RuntimeImage>)> {
    let key = runtime::key(plan, &base.identity, image, verified, below)?;
    let kept = RuntimeImage::recall(store, &key, image)?;
    Ok((key, kept))
}

/// The plain files that packages hold, with the digests of their content.
fn contents(packages: &[PathBuf]) -> Result<BTreeMap<String, Digest>> {
    let mut contents = BTreeMap::new();
    for path in packages {
        let package = read::read(path)?;
        for file in package.files {
            let is_file = matches!(file.kind, FileKind::File | FileKind::HardLink(_));
            let digest = file
                .digest
                .as_deref()
                .and_then(|text| text.strip_prefix("sha256:"));
            if let Some(digest) = digest.filter(|_| is_file && !file.marks.contains(&"ghost")) {
                contents.insert(file.path, digest.parse()?);
            }
        }
    }
    Ok(contents)
}

/// An image of a platform that is up to date.
pub(super) struct Current<'a> {
    pub(super) platform: &'a PlatformPlan,
    pub(super) plan: &'a RuntimePlan,
    pub(super) image: RuntimeImage,
    pub(super) base: BaseImage,
    /// The manifest of the image that it is made on.
    pub(super) below: Option<ContentDigest>,
    /// The packages of the build, and the files that tell of them.
    pub(super) packages: Vec<Artifact>,
    pub(super) documents: Vec<String>,
}

/// The images of a platform, when its packages are what the plan wants, have passed verification, and the
/// images were made of them.
fn current<'a>(project: &Project, plan: &'a PlatformPlan) -> Result<Vec<Current<'a>>> {
    let missing = |what: &str| {
        let text = format!("{}: {what}", plan.id);
        let hint = format!("build first: `omnibuild --sysbase {}`", plan.id);
        Error::new(Kind::Missing, text).hint(hint)
    };
    let (base, record) = up_to_date(project, plan)
        .ok_or_else(|| missing("the packages are absent or out of date"))?;
    let verified = verified(project, plan, &base, &record)
        .ok_or_else(|| missing("the packages have not passed verification"))?;
    let store = ImageStore::new(&project.caches.images());
    let mut there: Vec<Current<'a>> = Vec::new();
    for image in &plan.images {
        let below = there
            .iter()
            .find(|other| image.from.as_ref() == Some(&other.plan.name));
        let below = below.map(|below| &below.image);
        let (_, kept) = look(&store, plan, &base, image, &verified, below)?;
        let found =
            kept.ok_or_else(|| missing(&format!("the image `{}` was not made", image.name)))?;
        let below = below.map(|below| below.manifest.digest.clone());
        there.push(Current {
            platform: plan,
            plan: image,
            image: found,
            base: base.clone(),
            below,
            packages: record
                .packages
                .iter()
                .map(|built| built.artifact.clone())
                .collect(),
            documents: record
                .documents
                .iter()
                .map(|it| it.file_name.clone())
                .collect(),
        });
    }
    Ok(there)
}

/// Its names on this machine: its repository's, or the project's where it is pushed nowhere.
fn names(project: &str, current: &Current<'_>) -> Vec<String> {
    let repositories = current
        .plan
        .repositories
        .iter()
        .map(|name| name.as_str().to_owned());
    let mut repositories: Vec<String> = repositories.collect();
    if repositories.is_empty() {
        repositories.push(format!("{project}-{}", current.plan.name));
    }
    let tags = &current.plan.tags;
    let each = |repository: &String| -> Vec<String> {
        tags.iter()
            .map(|tag| format!("{repository}:{tag}"))
            .collect()
    };
    repositories.iter().flat_map(each).collect()
}

/// `omnibuild image`.
pub(super) async fn execute(
    command: ImageCommand,
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    check_configured(&project)?;
    let run = Run::new(common, &project, reporter)?;
    let work = async {
        let plan = make_plan(common, options, &project, &run, reporter).await?;
        match command {
            ImageCommand::Ls => {
                list(&project, &plan, reporter);
                Ok(())
            }
            ImageCommand::Save {
                file,
                names,
                format,
            } => {
                let (store, _held) = kept(&project).await?;
                let wanted = wanted(&project, &plan.platforms, &names)?;
                let told = file.clone();
                let name = plan.name.clone();
                let images = named(&name, &wanted);
                if common.dry_run {
                    let text = format!("would write {} to {}", listed(&images), told.display());
                    reporter.note(None, &text);
                    return Ok(());
                }
                let count = listed(&images);
                in_background(move || save(&store, &images, format, &file)).await?;
                reporter.note(None, &format!("{count} written to {}", told.display()));
                Ok(())
            }
            ImageCommand::Load { names } => {
                let (store, _held) = kept(&project).await?;
                let mut wanted = wanted(&project, &plan.platforms, &names)?;
                // Of several architectures the engine runs its own.
                let own = host_architecture()?;
                wanted.retain(|image| image.platform.arch() == own);
                let Some(first) = wanted.first() else {
                    let text = format!("there is no image for {}", own.debian());
                    return Err(Error::new(Kind::Missing, text).hint("name platforms: --sysbase"));
                };
                let id = first.platform.id.clone();
                let images = named(&plan.name, &wanted);
                if common.dry_run {
                    reporter.note(None, &format!("would load {}", listed(&images)));
                    return Ok(());
                }
                let told = listed(&images);
                let all_names: Vec<String> = images
                    .iter()
                    .flat_map(|image| image.names.clone())
                    .collect();
                let archive = in_background(move || {
                    let mut file = tempfile::NamedTempFile::new()?;
                    layout::write_docker_archive(&store, &images, &mut file)?;
                    file.flush()?;
                    Ok(file.into_temp_path())
                })
                .await?;
                let report = reporter.platform(&id, &project.state.log(&id))?;
                let (engine, _) = run.engine(own, &report).await?;
                let loaded = load(engine.as_ref(), &archive, &all_names).await;
                report.finish(match &loaded {
                    Ok(()) => Outcome::Checked,
                    Err(error) => Outcome::of_error(error),
                });
                loaded?;
                reporter.note(None, &format!("loaded {told}"));
                Ok(())
            }
        }
    };
    run.until_stopped(None, work).await
}

/// Gives images to an engine; a success that left one out is none.
async fn load(engine: &dyn Engine, archive: &Path, names: &[String]) -> Result<()> {
    engine.load(archive).await?;
    for name in names {
        if engine.image(name).await?.is_none() {
            let text = format!("the engine does not find the image `{name}` it just loaded");
            return Err(Error::new(Kind::Engine, text)
                .hint("restart the engine: its store of images is not whole; then load again"));
        }
    }
    Ok(())
}

/// That there are images at all.
pub(super) fn check_configured(project: &Project) -> Result<()> {
    if project.config.images.is_empty() {
        return Err(Error::new(Kind::Config, "the project has no images")
            .hint("say what goes in: `[images.NAME]` in omnibuild.toml, such as `[images.core]` with `packages = [\"cli\"]`"));
    }
    Ok(())
}

/// The images with these names, of these platforms; with no names all.
pub(super) fn wanted<'a>(
    project: &Project,
    platforms: impl IntoIterator<Item = &'a PlatformPlan>,
    names: &[String],
) -> Result<Vec<Current<'a>>> {
    for name in names {
        if !project.config.images.contains_key(name) {
            let known: Vec<&str> = project.config.images.keys().map(String::as_str).collect();
            return Err(
                Error::new(Kind::Config, format!("there is no image `{name}`"))
                    .hint(format!("the project has {}", known.join(", "))),
            );
        }
    }
    let mut wanted = Vec::new();
    for platform in platforms {
        wanted.extend(current(project, platform)?);
    }
    wanted.retain(|image| names.is_empty() || names.contains(&image.plan.name));
    Ok(wanted)
}

fn named(project: &str, images: &[Current<'_>]) -> Vec<Named> {
    let each = |current: &Current<'_>| Named {
        manifest: current.image.manifest.clone(),
        names: names(project, current),
    };
    images.iter().map(each).collect()
}

fn listed(images: &[Named]) -> String {
    let names: Vec<&str> = images
        .iter()
        .flat_map(|image| image.names.iter().map(String::as_str))
        .collect();
    names.join(", ")
}

fn save(store: &ImageStore, images: &[Named], format: ImageFormat, file: &Path) -> Result<()> {
    let file = std::path::absolute(file)?;
    fsutil::commit_file(&file, |output| match format {
        ImageFormat::Oci => layout::write_layout(store, images, output),
        ImageFormat::Docker => layout::write_docker_archive(store, images, output),
    })
}

fn list(project: &Project, plan: &Plan, reporter: &Reporter) {
    let mut rows = Vec::new();
    for platform in &plan.platforms {
        let found = current(project, platform);
        for image in &platform.images {
            let there = found
                .as_ref()
                .ok()
                .and_then(|found| found.iter().find(|current| current.plan.name == image.name));
            let (digest, size) = there.map_or_else(
                || ("not built".to_owned(), String::new()),
                |current| {
                    (
                        current.image.manifest.digest.to_string(),
                        human_size(current.image.size()),
                    )
                },
            );
            let tags = image.tags.join(" ");
            rows.push(vec![
                image.name.clone(),
                platform.id.to_string(),
                size,
                tags,
                digest,
            ]);
        }
    }
    reporter.print_listing(
        "images",
        &["image", "platform", "size", "tags", "digest"],
        &rows,
    );
}
