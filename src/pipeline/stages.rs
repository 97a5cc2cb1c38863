//! The stages of one platform: each asks the room that does it for its part of the plan.
//!
//! Knows what a stage is given; in which order they come is `platform.rs`'s.

use std::path::Path;
use std::sync::Arc;

use crate::base::{self, BaseImage};
use crate::bundle::{self, Bundle, assemble, content};
use crate::cli::BuildOptions;
use crate::context::{Context, in_background};
use crate::digest::Digest;
use crate::engine::{Container, ContainerSpec, Content, with_container};
use crate::error::{Error, Kind, Result};
use crate::image::{self, BuilderImage, Origin};
use crate::package::{self, Built, SegmentStore};
use crate::plan::metadata::ProjectMetadata;
use crate::plan::pylock::Pylock;
use crate::plan::{ApplicationPlan, PlatformPlan};
use crate::platform::TargetId;
use crate::report::{Outcome, PlatformReporter, Reporter, Stage, StageHandle, SummaryFile};
use crate::state::BuildRecord;
use crate::text::counted;
use crate::wheels::application::{self, BUILD_PREFIX};
use crate::wheels::store::InUse;
use crate::wheels::{WheelSet, WheelStore, resolve};

use super::{Project, Run};

/// How often a backend may ask for more requirements: once for what it needs, once for what that
/// makes it need.
const BACKEND_ROUNDS: usize = 3;

/// How often wheels that are found damaged are made again.
const DAMAGE_ROUNDS: usize = 3;

/// What came of a platform.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) reused: Vec<String>,
    pub(super) files: Vec<SummaryFile>,
}

impl Done {
    /// No package was made or looked at.
    pub(super) fn only(outcome: Outcome) -> Self {
        Self {
            outcome,
            reused: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Nothing had to be done: the packages of this record are those that are wanted.
    pub(super) fn up_to_date(record: &BuildRecord) -> Self {
        Self {
            outcome: Outcome::UpToDate,
            reused: vec!["everything".to_owned()],
            files: record.packages.iter().map(file_of).collect(),
        }
    }
}

/// The identity of the base that a platform's bundle is made on, when somebody has found it.
pub(super) fn builder_base(project: &Project, plan: &PlatformPlan) -> Option<Digest> {
    let base = base::recorded(&project.caches.bases(), &plan.bundled_by().base)?;
    Some(base.identity)
}

/// Whether the last build of a platform is still what the plan wants.
pub(super) fn up_to_date(
    project: &Project,
    plan: &PlatformPlan,
) -> Option<(BaseImage, BuildRecord)> {
    let base = base::recorded(&project.caches.bases(), &plan.base)?;
    let record = project.state.build(&plan.id)?;
    let builder_base = builder_base(project, plan)?;
    let good = record.key == plan.key(&base.identity, &builder_base)
        && project.state.holds(&plan.id, &record);
    good.then_some((base, record))
}

/// Ends a stage that either was there already, which is noted, or was made.
fn settle(stage: StageHandle, name: &str, there: bool, text: &str, reused: &mut Vec<String>) {
    if there {
        reused.push(name.to_owned());
        stage.reused(text);
    } else {
        stage.finished(text);
    }
}

/// One platform's way through the stages.
pub(super) struct PlatformBuild<'a> {
    pub(super) project: &'a Project,
    pub(super) run: &'a Run,
    pub(super) options: &'a BuildOptions,
    pub(super) report: PlatformReporter,
}

impl<'a> PlatformBuild<'a> {
    /// Begins to tell of a platform, in a log of its own.
    pub(super) fn begin(
        project: &'a Project,
        run: &'a Run,
        options: &'a BuildOptions,
        reporter: &Reporter,
        target: &TargetId,
        log: &Path,
    ) -> Result<Self> {
        Ok(Self {
            project,
            run,
            options,
            report: reporter.platform(target, log)?,
        })
    }
}

impl PlatformBuild<'_> {
    pub(super) fn context<'c>(
        &'c self,
        plan: &'c PlatformPlan,
        engine: &'c dyn crate::engine::Engine,
        session: &'c crate::engine::Session,
    ) -> Context<'c> {
        Context {
            engine,
            session,
            caches: &self.project.caches,
            remote: self.run.remote(),
            report: &self.report,
            network: &plan.network,
            limits: crate::engine::Limits {
                memory: self.project.config.build.memory,
                processes: self.project.config.build.processes,
            },
        }
    }

    /// Nobody prunes wheels while this is held.
    pub(super) async fn hold_wheels(&self) -> Result<InUse> {
        let waits = |holder: &str| {
            self.report.note(&format!(
                "waiting for {holder}, which has the wheel cache alone"
            ));
        };
        let store = WheelStore::new(self.project.caches.wheels());
        store.hold(waits).await
    }

    /// A damaged wheel is put aside by who finds it, so the same work once more finds it missing and
    /// makes it again. Three times: the dependencies', the build environment's and the project's own
    /// are looked at one after another.
    pub(super) async fn again_when_damaged<T>(
        &self,
        mut work: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        for _ in 0..DAMAGE_ROUNDS {
            match work().await {
                Err(error) if error.kind() == Kind::Damaged => {
                    let text = format!("the wheel cache: {}; making it again", error.message());
                    self.report.warn(&text, None);
                }
                result => return result,
            }
        }
        work().await
    }

    pub(super) async fn base(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        reused: &mut Vec<String>,
    ) -> Result<BaseImage> {
        let stage = self.report.stage(Stage::Base);
        let (base, there) =
            base::ensure(context, &stage, &plan.base, self.options.refresh_base).await?;
        settle(stage, "base", there, &base.describe(), reused);
        Ok(base)
    }

    pub(super) async fn image(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        base: &BaseImage,
        reused: &mut Vec<String>,
    ) -> Result<BuilderImage> {
        let stage = self.report.stage(Stage::Image);
        let builder = image::ensure(context, plan, base).await?;
        let pulled = match (builder.origin, &plan.image.repository) {
            (Origin::Registry, Some(repository)) => format!(", pulled from {repository}"),
            _ => String::new(),
        };
        let text = format!(
            "{} with Python {}{pulled}",
            builder.tag, builder.interpreter.version
        );
        let there = builder.origin == Origin::Engine;
        settle(stage, "image", there, &text, reused);
        Ok(builder)
    }

    pub(super) async fn wheels(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        builder: &BuilderImage,
        reused: &mut Vec<String>,
    ) -> Result<WheelSet> {
        let stage = self.report.stage(Stage::Wheels);
        reused.retain(|name| name != "wheels");
        let ensured = resolve::ensure(context, &stage, plan, builder).await?;
        WheelStore::new(context.caches.wheels()).touch(plan.id.platform(), &ensured.set);
        let text = counted(ensured.set.wheels.len(), "wheel");
        match ensured.made {
            None => {
                reused.push("wheels".to_owned());
                stage.reused(&text);
            }
            Some(made) => stage.finished(&format!(
                "{text}, {} fetched, {} built",
                made.fetched, made.built
            )),
        }
        Ok(ensured.set)
    }

    pub(super) async fn bundle(
        &self,
        context: &Context<'_>,
        plan: &PlatformPlan,
        builder: &BuilderImage,
        wheels: WheelSet,
    ) -> Result<Bundle> {
        let stage = self.report.stage(Stage::Bundle);
        let request = |application: Option<WheelSet>| bundle::Request {
            prefix: plan.bundle.prefix.clone(),
            name: plan.bundle.distribution.clone(),
            wheels: wheels.wheels.clone(),
            application: application.and_then(|set| set.wheels.into_iter().next()),
            python: plan.python.clone(),
        };
        let made = match &plan.application {
            None => assemble::bundle(context, &stage, builder, request(None), None).await?,
            Some(application) => {
                let rest = async |set: WheelSet, container: Option<&Container<'_>>| {
                    let key = set.key.clone();
                    let request = request(Some(set));
                    let bundle =
                        assemble::bundle(context, &stage, builder, request, container).await?;
                    Ok(bundle.of_application(key))
                };
                self.with_application(context, &stage, plan, application, builder, rest)
                    .await?
            }
        };
        stage.finished(&format!(
            "{}, {} made",
            counted(made.layers.len(), "layer"),
            made.made
        ));
        Ok(made)
    }

    /// Gives `next` the project's own wheel: kept from an earlier build of the same source, or
    /// built in an offline container, which `next` may go on with.
    async fn with_application<T>(
        &self,
        context: &Context<'_>,
        stage: &StageHandle,
        plan: &PlatformPlan,
        application: &ApplicationPlan,
        builder: &BuilderImage,
        next: impl AsyncFn(WheelSet, Option<&Container<'_>>) -> Result<T>,
    ) -> Result<T> {
        let store = WheelStore::new(context.caches.wheels());
        let mut requires = application.build_requires.clone();
        // What the backend asked for on an earlier build of this project.
        requires.extend(self.project.state.backend_requires());
        for _ in 0..BACKEND_ROUNDS {
            let environment =
                resolve::ensure_build_requires(context, stage, plan, builder, &requires).await?;
            store.touch(plan.id.platform(), &environment);
            let key = application::key(
                application,
                &builder.key,
                &builder.interpreter.abi,
                &environment,
            );
            if let Ok(Some(set)) = store.get(plan.id.platform(), &key.digest) {
                store.touch(plan.id.platform(), &set);
                return next(set, None).await;
            }
            let waits = |holder: &str| {
                let text = format!("waiting for {holder}, which builds the project's wheel");
                self.report.note(&text);
            };
            let lock = store.lock(&key.digest, waits).await?;
            // Another run may have made it meanwhile.
            if let Ok(Some(set)) = store.get(plan.id.platform(), &key.digest) {
                drop(lock);
                return next(set, None).await;
            }
            stage.message("building the project's own wheel");
            let environment = bundle::Request {
                prefix: BUILD_PREFIX.to_owned(),
                name: "build environment".to_owned(),
                wheels: environment.wheels,
                application: None,
                python: plan.python.clone(),
            };
            let layers = assemble::layers(context, stage, builder, &environment, None).await?;
            let archive = || content::archive(&layers);
            let work = async |container: &Container<'_>| {
                let built =
                    application::build(context, container, plan, application, builder, key).await?;
                drop(lock);
                match built {
                    application::Built::Wheel(set) => Ok(Ok(next(set, Some(container)).await?)),
                    application::Built::Wants(more) => Ok(Err(more)),
                }
            };
            let spec = ContainerSpec {
                content: (!layers.is_empty()).then(|| Content {
                    key: content::key(&layers),
                    archive: &archive,
                }),
                ..context.offline(&builder.tag)
            };
            match with_container(context.engine, context.report, &spec, work).await? {
                Ok(value) => return Ok(value),
                Err(more) => {
                    self.project.state.put_backend_requires(&more)?;
                    requires.extend(more);
                }
            }
        }
        Err(Error::new(
            Kind::Wheel,
            "the project's backend asks for more requirements each time it gets them",
        )
        .hint("list what it needs in `[build-system] requires`"))
    }

    pub(super) async fn packages(&self, plan: &PlatformPlan, bundle: Bundle) -> Result<Vec<Built>> {
        let stage = self.report.stage(Stage::Package);
        let folder = self.project.state.packages(plan.id.platform());
        let segments = SegmentStore::new(&self.project.caches.segments());
        let store = segments.clone();
        let owned = Arc::new(plan.clone());
        let ending = if plan.signing.is_some() {
            ", signed"
        } else {
            ""
        };
        let packages =
            in_background(move || package::assemble::write(&owned, &bundle, &segments, &folder))
                .await?;
        if let Some(error) = store.trouble() {
            let text = format!("compressed parts are not kept: {}", error.message());
            let hint =
                "the packages are whole; make room in the cache's folder, or have it writable";
            self.report.warn(&text, Some(hint));
        }
        let bytes: u64 = packages.iter().map(|package| package.artifact.size).sum();
        stage.finished(&format!(
            "{}, {}{ending}",
            counted(packages.len(), "package"),
            crate::report::human_size(bytes)
        ));
        Ok(packages)
    }

    /// Base, image, wheels; answers what the wheels are made from. Without `upgrade` what an
    /// earlier lock or build chose stays where it will do.
    pub(super) async fn lock(&self, plan: &PlatformPlan, upgrade: bool) -> Result<Pylock> {
        // What is locked is what the bundle is made of, and that is chosen where it is made.
        let plan = plan.bundled_by();
        let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
        let context = self.context(plan, engine.as_ref(), session);
        let _in_use = self.hold_wheels().await?;
        let mut reused = Vec::new();
        let base = self.base(&context, plan, &mut reused).await?;
        let builder = self.image(&context, plan, &base, &mut reused).await?;
        let stage = self.report.stage(Stage::Wheels);
        let lock = resolve::lock(&context, &stage, plan, &builder, upgrade).await?;
        stage.finished(&counted(lock.packages.len(), "distribution"));
        Ok(lock)
    }

    /// Builds the project's wheel on this platform, to read its metadata.
    pub(super) async fn learn_metadata(&self, plan: &PlatformPlan) -> Result<ProjectMetadata> {
        let Some(application) = &plan.application else {
            return Err(Error::new(
                Kind::Internal,
                "metadata of no project was asked for",
            ));
        };
        let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
        let context = self.context(plan, engine.as_ref(), session);
        let _in_use = self.hold_wheels().await?;
        let mut reused = Vec::new();
        let base = self.base(&context, plan, &mut reused).await?;
        let builder = self.image(&context, plan, &base, &mut reused).await?;
        let stage = self.report.stage(Stage::Wheels);
        let store = WheelStore::new(context.caches.wheels());
        let read = async |set: WheelSet, container: Option<&Container<'_>>| {
            let metadata = application::metadata(&store, &set)?;
            if container.is_some() {
                // The container is there, and the build will want the layer next.
                let request = bundle::Request {
                    prefix: self.project.prefix(&metadata),
                    name: metadata.name.clone(),
                    wheels: Vec::new(),
                    application: set.wheels.into_iter().next(),
                    python: plan.python.clone(),
                };
                assemble::layers(&context, &stage, &builder, &request, container).await?;
            }
            Ok(metadata)
        };
        let metadata = self
            .again_when_damaged(async || {
                self.with_application(&context, &stage, plan, application, &builder, &read)
                    .await
            })
            .await?;
        stage.finished(&format!(
            "the project is {} {}",
            metadata.name,
            metadata.version.as_deref().unwrap_or("?")
        ));
        self.report.finish(Outcome::Planned);
        Ok(metadata)
    }
}

/// That the packages can be signed.
pub(super) async fn check_signer(plan: &PlatformPlan) -> Result<()> {
    if plan.signing.is_none() {
        return Ok(());
    }
    let plan = plan.clone();
    in_background(move || package::assemble::signer(&plan).map(drop)).await
}

pub(super) fn file_of(package: &Built) -> SummaryFile {
    let artifact = &package.artifact;
    SummaryFile {
        name: artifact.file_name.clone(),
        size: artifact.size,
        digest: artifact.digest.clone(),
    }
}
