//! `omnibuild push`: what was built goes to registries.
//!
//! Nothing is sent before everything that was asked for is there and verified. Blobs go first, then
//! manifests by digest, then what is told of them and indexes of several architectures; tags move last.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};

use crate::cli::{BuildOptions, Common, Environment, PushOptions};
use crate::error::{Error, Kind, Result};
use crate::inventory::sbom;
use crate::oci::layout;
use crate::oci::{self, Descriptor, ImageStore, Index, Manifest};
use crate::plan::{Plan, PlatformPlan, RepositoryName};
use crate::registry::{Patience, Registry, Stored, Use};
use crate::report::{Reporter, human_size};
use crate::runtime::provenance;

use super::images::{Current, check_configured, kept, wanted};
use super::metadata::make_plan;
use super::{Project, Run};

/// How many blobs are under way at a time.
const AT_A_TIME: usize = 3;
/// What a bill of materials is, in words of the registry.
const SBOM_TYPE: &str = "application/vnd.cyclonedx+json";

/// Pushes the images that were built.
pub(super) async fn push(
    asked: &PushOptions,
    common: &Common,
    options: &BuildOptions,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let run = Run::new(common, &project, reporter)?;
    let work = async {
        let plan = make_plan(common, options, &project, &run, reporter).await?;
        push_planned(asked, common.dry_run, &project, &plan, reporter).await
    };
    let hint = "push again: what the registry has is not sent again";
    run.until_stopped(Some(hint), work).await
}

/// That there are images, and that each says where it goes.
pub(super) fn check(project: &Project) -> Result<()> {
    check_configured(project)?;
    let mut images = project.config.images.iter();
    match images.find(|(_, image)| image.repositories.is_empty()) {
        None => Ok(()),
        Some((name, _)) => Err(nowhere(name)),
    }
}

fn nowhere(name: &str) -> Error {
    let text = format!("images.{name}: nothing says where it is pushed");
    Error::new(Kind::Config, text).hint(format!(
        "add `repositories = [\"registry.example/team/{name}\"]` to [images.{name}]"
    ))
}

/// Where images of one name go, and which.
type Destination<'a> = (RepositoryName, Vec<&'a Current<'a>>);

async fn push_planned(
    asked: &PushOptions,
    is_dry: bool,
    project: &Project,
    plan: &Plan,
    reporter: &Reporter,
) -> Result<()> {
    check_configured(project)?;
    let (store, _held) = kept(project).await?;
    let platforms = chosen(asked, project, plan)?;
    let images = wanted(project, platforms, &asked.names).map_err(|error| {
        error.hint("nothing was pushed: all that was asked for goes, or nothing")
    })?;
    let destinations = destinations(&images)?;
    let mut done: Vec<&RepositoryName> = Vec::new();
    for (repository, images) in &destinations {
        if is_dry {
            for (tag, images) in tags(repository, images)? {
                let digests = images
                    .iter()
                    .map(|image| image.image.manifest.digest.to_string());
                let text = format!(
                    "would push {repository}:{tag}: {}",
                    digests.collect::<Vec<_>>().join(", ")
                );
                reporter.note(None, &text);
            }
            continue;
        }
        let network = &images[0].platform.network;
        let patience = Patience::default();
        let registry = Registry::open(repository, Use::Push, network, patience, reporter)?;
        let sending = Sending {
            project,
            store: &store,
            registry: &registry,
            repository,
            reporter,
            sibling: done.iter().find_map(|other| registry.sibling(other)),
        };
        sending.images(images).await?;
        done.push(repository);
    }
    Ok(())
}

/// The platforms whose images are asked for.
fn chosen<'a>(
    asked: &PushOptions,
    project: &Project,
    plan: &'a Plan,
) -> Result<Vec<&'a PlatformPlan>> {
    let all = plan
        .platforms
        .iter()
        .filter(|platform| !platform.images.is_empty());
    if !asked.official {
        return Ok(all.collect());
    }
    let Some(official) = &project.config.official else {
        return Err(Error::new(Kind::Config, "no platform is the official one")
            .hint("name it in omnibuild.toml: `official = \"debian-12\"`"));
    };
    let found: Vec<_> = all
        .filter(|platform| platform.id.platform() == official)
        .collect();
    if found.is_empty() {
        let text = format!(
            "the official platform, {official}, is not among those that were asked for, or has no images"
        );
        return Err(Error::new(Kind::Config, text)
            .hint("leave --sysbase out, and see that `platforms` has it"));
    }
    Ok(found)
}

/// Each repository with the images that go there.
fn destinations<'a>(images: &'a [Current<'a>]) -> Result<Vec<Destination<'a>>> {
    let mut destinations: BTreeMap<RepositoryName, Vec<&Current<'_>>> = BTreeMap::new();
    for image in images {
        if image.plan.repositories.is_empty() {
            return Err(nowhere(&image.plan.name));
        }
        for repository in &image.plan.repositories {
            destinations
                .entry(repository.clone())
                .or_default()
                .push(image);
        }
    }
    for (repository, images) in &destinations {
        tags(repository, images)?;
    }
    Ok(destinations.into_iter().collect())
}

/// The tags of a repository with what each stands for: one image, or one of each architecture.
fn tags<'a>(
    repository: &RepositoryName,
    images: &[&'a Current<'a>],
) -> Result<Vec<(String, Vec<&'a Current<'a>>)>> {
    let mut tags: Vec<(String, Vec<&Current<'_>>)> = Vec::new();
    for image in images {
        for tag in &image.plan.tags {
            let Some((_, there)) = tags.iter_mut().find(|(other, _)| other == tag) else {
                tags.push((tag.clone(), vec![image]));
                continue;
            };
            if let Some(other) = there
                .iter()
                .find(|other| other.platform.arch() == image.platform.arch())
            {
                let text = format!(
                    "{repository}:{tag} would stand for `{}` of {} and for `{}` of {}",
                    other.plan.name, other.platform.id, image.plan.name, image.platform.id
                );
                return Err(Error::new(Kind::Config, text).hint(
                    "let the templates in `tags` have `{platform}` in them, or give each image a repository of its own",
                ));
            }
            there.push(image);
        }
    }
    Ok(tags)
}

/// One repository's share of a push.
struct Sending<'a> {
    project: &'a Project,
    store: &'a ImageStore,
    registry: &'a Registry,
    repository: &'a RepositoryName,
    reporter: &'a Reporter,
    /// A repository of the same registry that may have the same blobs.
    sibling: Option<&'a str>,
}

impl Sending<'_> {
    async fn images(&self, images: &[&Current<'_>]) -> Result<()> {
        let mut unmoved = Vec::new();
        for (tag, images) in tags(self.repository, images)? {
            let manifest = self.stands_for(&images)?;
            let digest = &manifest.descriptor.digest;
            let there = self.registry.manifest(&tag).await?;
            if there.is_some_and(|there| there.descriptor.digest == *digest) {
                self.note(&format!("{}:{tag} is {digest} already", self.repository));
            } else {
                unmoved.push((tag, manifest, images));
            }
        }
        let mut sent = BTreeSet::new();
        for (_, _, images) in &unmoved {
            for image in images {
                if sent.insert(image.image.manifest.digest.clone()) {
                    self.image(image).await?;
                }
            }
        }
        for (tag, manifest, _) in unmoved {
            let digest = manifest.descriptor.digest.to_string();
            if manifest.descriptor.media_type == oci::INDEX {
                self.registry.put_manifest(&digest, &manifest).await?;
            }
            self.registry.put_manifest(&tag, &manifest).await?;
            self.note(&format!("pushed {}:{tag} ({digest})", self.repository));
        }
        Ok(())
    }

    fn note(&self, text: &str) {
        self.reporter.note(None, text);
    }

    /// What a tag stands for: a manifest, or an index of one for each architecture.
    fn stands_for(&self, images: &[&Current<'_>]) -> Result<Stored> {
        if let [image] = images {
            return self.manifest(image);
        }
        let manifests = images.iter().map(|image| {
            let arch = image.platform.arch();
            (arch, image.image.manifest.clone())
        });
        let annotations = layout::manifest(self.store, &images[0].image.manifest)?.annotations;
        let index = Index::of_architectures(manifests, annotations);
        Ok(Stored::of(oci::INDEX, oci::bytes(&index)?))
    }

    fn manifest(&self, image: &Current<'_>) -> Result<Stored> {
        let path = self.store.blob(image.image.manifest.digest.digest());
        Ok(Stored::of(oci::MANIFEST, fs_err::read(path)?))
    }

    /// An image with all that it is made of, under its digest, and what is told of it.
    async fn image(&self, image: &Current<'_>) -> Result<()> {
        let made = &image.image;
        let layers = made.layers.iter().map(|layer| &layer.descriptor);
        let blobs: Vec<&Descriptor> = layers.chain([&made.config]).collect();
        let sent: Vec<u64> = futures::stream::iter(blobs.iter().map(|blob| self.blob(blob)))
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        let name = made.manifest.digest.to_string();
        let manifest = self.manifest(image)?;
        self.registry.put_manifest(&name, &manifest).await?;
        self.told(image).await?;
        let text = format!(
            "{} of {}: sent {} of {}",
            image.plan.name,
            image.platform.id,
            human_size(sent.iter().sum()),
            human_size(blobs.iter().map(|blob| blob.size).sum())
        );
        self.note(&text);
        Ok(())
    }

    /// Sends a blob that is not there; answers how many bytes went.
    async fn blob(&self, blob: &Descriptor) -> Result<u64> {
        let file = self.store.blob(blob.digest.digest());
        self.registry.put_missing(blob, &file, self.sibling).await
    }

    /// The bill of materials and the provenance, as manifests that name the image as their subject
    /// (distribution specification, referrers).
    async fn told(&self, image: &Current<'_>) -> Result<()> {
        let statement = provenance::statement(
            image.platform,
            &image.base,
            image.plan,
            &image.image,
            image.below.as_ref(),
            &image.packages,
        )?;
        let mut documents = vec![(
            provenance::MEDIA_TYPE,
            "provenance.intoto.json".to_owned(),
            statement,
        )];
        let folder = self.project.state.packages(image.platform.id.platform());
        for name in image
            .documents
            .iter()
            .filter(|name| name.ends_with(sbom::SUFFIX))
        {
            documents.push((SBOM_TYPE, name.clone(), fs_err::read(folder.join(name))?));
        }
        let empty = self.store.put(oci::EMPTY, oci::EMPTY_CONTENT)?;
        self.blob(&empty).await?;
        for (kind, name, content) in documents {
            let file = self.store.put(kind, &content)?;
            self.blob(&file).await?;
            let annotations = BTreeMap::from([("org.opencontainers.image.title".to_owned(), name)]);
            let subject = image.image.manifest.clone();
            let manifest = Manifest::artifact(kind, file, subject.clone(), annotations.clone());
            let manifest = Stored::of(oci::MANIFEST, oci::bytes(&manifest)?);
            let artifact = Descriptor {
                artifact_type: Some(kind.to_owned()),
                annotations,
                ..manifest.descriptor.clone()
            };
            let digest = artifact.digest.to_string();
            let is_listed = self.registry.put_manifest(&digest, &manifest).await?;
            if !is_listed {
                self.registry.refer(&subject, artifact).await?;
            }
        }
        Ok(())
    }
}
