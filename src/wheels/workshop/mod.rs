//! Where wheels are made: a builder container with a network.
//!
//! Chooses files at the indexes, fetches them, builds those that are sources, and puts the wheels
//! into the store after they were checked. What belongs to a set is not decided here. Credentials
//! of indexes go in as files; nothing but wheels comes out.

mod agent;
mod exporters;
mod pip;
mod tool;
mod uv;

pub(in crate::wheels) use self::tool::is_known_to_uv;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::archive::{self, ArchiveWriter};
use crate::context::{CA_BUNDLE_PATH, Context};
use crate::digest::Key;
use crate::engine::{Container, Exec};
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::SetRequest;
use crate::plan::pylock::{Place, Pylock};
use crate::plan::requirements::without_credentials;
use crate::plan::roots::Root;
use crate::wheel::{self, Policy};

use pep508_rs::PackageName;

use super::candidate::{Candidate, Source};
use super::closure::Need;
use super::diagnose::Clues;
use super::store::{Wheel, WheelStore};

/// The interpreter that runs the tools; `images/common/make-python` makes it.
const PYTHON: &str = "/usr/lib/omnibuild/python/bin/python";
/// Where the project's local files are.
const PROJECT: &str = "/omnibuild/project";
/// Where made wheels land.
const OUTPUT: &str = "/omnibuild/wheels";
/// The time in wheels made from source distributions: it may not depend on the project's commit,
/// or every commit would make other wheels. The earliest a zip archive can say.
const WHEEL_EPOCH: &str = "315532800";
/// The home folder of the tools, with what git has to know of servers.
const HOME: &str = "/omnibuild/home";

/// One distribution that is to be made.
pub(super) struct Item {
    /// Its name.
    pub(super) name: PackageName,
    /// What is asked of it.
    pub(super) need: Need,
    /// What it is to be made from, once that is chosen.
    pub(super) candidate: Option<Candidate>,
}

/// A made wheel, and the key of what was built.
pub(super) type Made = (PackageName, Wheel, Option<Key>);

/// What a resolver decided.
pub(super) enum Resolved {
    /// Which files are to be taken.
    Files(Pylock),
    /// The wheels themselves.
    Wheels(Vec<Made>),
}

/// A container that is ready to make wheels.
pub(super) struct Workshop<'a> {
    context: &'a Context<'a>,
    container: &'a Container<'a>,
    builder: &'a BuilderImage,
    request: &'a SetRequest,
    tool: Tool,
}

/// What chooses, fetches and builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// Chooses without fetching, and builds several at once.
    Uv,
    /// Of Pythons that uv does not know any more, and where the index has no uv: one after another.
    Pip,
}

impl<'a> Workshop<'a> {
    /// Puts everything that making wheels needs into the container.
    pub(super) async fn open(
        context: &'a Context<'a>,
        container: &'a Container<'a>,
        builder: &'a BuilderImage,
        request: &'a SetRequest,
    ) -> Result<Self> {
        let mut archive = ArchiveWriter::new(0)?;
        for (name, path) in &request.files {
            archive.file(&format!("{}/{name}", &PROJECT[1..]), 0o644, path)?;
        }
        archive.folder(&PROJECT[1..])?;
        archive.folder(&OUTPUT[1..])?;
        archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &context.ca_bundle()?)?;
        archive.folder(&HOME[1..])?;
        archive.bytes(
            &format!("{}/.netrc", &HOME[1..]),
            0o600,
            request.netrc().as_bytes(),
        )?;
        if let Some(ssh) = &request.ssh {
            agent::configure(ssh, &mut archive)?;
        }
        pip::configure(request, &mut archive)?;
        uv::configure(request, &mut archive)?;
        container.upload("/", &archive.finish()?).await?;
        let mut workshop = Self {
            context,
            container,
            builder,
            request,
            tool: Tool::Pip,
        };
        if is_known_to_uv(&builder.interpreter) && workshop.bring_uv().await? {
            workshop.tool = Tool::Uv;
        } else {
            workshop.renew_pip().await?;
        }
        Ok(workshop)
    }

    /// Chooses a candidate for each item that has none. Without uv none is: pip chooses while it
    /// makes.
    pub(super) async fn choose(&self, items: &mut [Item]) -> Result<()> {
        match self.tool {
            Tool::Uv => self.choose_with_uv(items).await,
            Tool::Pip => Ok(()),
        }
    }

    /// Makes the items' wheels and puts them into the store.
    pub(super) async fn make(
        &self,
        items: &[Item],
        store: &WheelStore,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Made>> {
        match self.tool {
            Tool::Uv => self.make_with_uv(items, store, progress).await,
            Tool::Pip => self.make_with_pip(items, store, progress).await,
        }
    }

    /// Resolves everything at once.
    pub(super) async fn resolve(&self, store: &WheelStore) -> Result<Resolved> {
        match self.tool {
            Tool::Uv => Ok(Resolved::Files(self.resolve_with_uv().await?)),
            Tool::Pip => Ok(Resolved::Wheels(self.resolve_with_pip(store).await?)),
        }
    }

    /// Runs a command that makes wheels, explains its failure, and tells how many are done.
    async fn watch(&self, exec: &Exec, progress: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let done = AtomicU64::new(0);
        let watch = |line: &str| {
            let line = line.trim_start();
            if line.starts_with("Saved ") || line.starts_with("Created wheel for ") {
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        self.fetch(exec, &watch).await
    }

    /// What will tell the cause of a failure.
    fn clues(&self) -> Clues {
        let indexes = &self.request.indexes;
        let urls = indexes.index_url.iter().chain(&indexes.extra_index_urls);
        let sources = urls.filter_map(|url| {
            let source = indexes.credentials.source(url)?;
            Some((without_credentials(url), source.to_owned()))
        });
        Clues::of_indexes(sources.collect())
    }

    /// A root as a line of a requirement file.
    fn root_line(&self, root: &Root) -> String {
        let extras: Vec<&str> = root.extras.iter().map(AsRef::as_ref).collect();
        let extras = if extras.is_empty() {
            String::new()
        } else {
            format!("[{}]", extras.join(","))
        };
        let what = match &root.direct {
            Some(direct) => {
                let candidate = Candidate::direct(&root.name, direct);
                format!(" @ {}", self.reference(&candidate.source))
            }
            None => root.specifiers.to_string(),
        };
        let marker = root.marker.try_to_string();
        let marker = marker.map(|marker| format!(" ; {marker}"));
        format!("{}{extras}{what}{}", root.name, marker.unwrap_or_default())
    }

    /// What stands behind the `@` of a direct reference (PEP 508).
    fn reference(&self, source: &Source) -> String {
        match source {
            Source::Wheel(file) | Source::Sdist(file) => match &file.place {
                Place::Url(url) => format!(
                    "{}#sha256={}",
                    self.request.indexes.with_credentials(url),
                    file.digest
                ),
                Place::Project(path) => format!("file://{PROJECT}/{path}"),
            },
            // Never asked for: it is there.
            Source::Kept(wheel) => format!("{}#sha256={}", wheel.file_name, wheel.digest),
            Source::Commit(commit) => {
                let subfolder = commit.subfolder.as_ref();
                let subfolder = subfolder.map(|folder| format!("#subdirectory={folder}"));
                format!(
                    "git+{}@{}{}",
                    commit.repository,
                    commit.commit,
                    subfolder.unwrap_or_default()
                )
            }
        }
    }

    async fn upload_lines(&self, name: &str, lines: &[String]) -> Result<()> {
        let mut archive = ArchiveWriter::new(0)?;
        let text = lines.join("\n") + "\n";
        // URLs may hold credentials.
        archive.bytes(&format!("omnibuild/{name}"), 0o600, text.as_bytes())?;
        self.container.upload("/", &archive.finish()?).await
    }

    /// Puts the wheels below a folder into the store, each with the part of its path below it that
    /// comes first; every one is checked before anything else reads it.
    async fn collect(&self, folder: &str, store: &WheelStore) -> Result<Vec<(String, Wheel)>> {
        let archive = self.container.download(folder).await?;
        collect(
            self.context,
            self.builder,
            self.request.policy,
            store,
            &archive,
        )
    }
}

/// The environment in which the same source gives the same wheel.
fn reproducible(exec: Exec) -> Exec {
    exec.env("SOURCE_DATE_EPOCH", WHEEL_EPOCH)
        .env("HOME", HOME)
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONHASHSEED", "0")
        .env("ARFLAGS", "Dcr")
        // Paths of the build may not reach debug information.
        .env("CFLAGS", "-g0")
        .env("LDFLAGS", "-Wl,--build-id=none")
}

const POLICY_HINT: &str =
    "the table `[wheels]` of the configuration decides: \"allow\" says nothing, \"deny\" refuses";

/// Puts every wheel of an archive into the store, checked.
pub(in crate::wheels) fn collect(
    context: &Context<'_>,
    builder: &BuilderImage,
    policy: Policy,
    store: &WheelStore,
    archive: &Path,
) -> Result<Vec<(String, Wheel)>> {
    let mut wheels = Vec::new();
    archive::for_each_file(archive, |path, content| {
        let is_wheel = path.extension().is_some_and(|extension| extension == "whl");
        let mut parts = path.iter().rev().filter_map(|part| part.to_str());
        if let Some(name) = parts.next().filter(|_| is_wheel) {
            // Nothing is in the store that was not checked.
            let folder = tempfile::tempdir()?;
            let place = folder.path().join(name);
            std::io::copy(content, &mut fs_err::File::create(&place)?)?;
            let checked = wheel::check(&place, &builder.interpreter, &policy)?;
            for finding in &checked.warnings {
                context.report.warn(&finding.to_string(), Some(POLICY_HINT));
            }
            let wheel = store.put(name, &mut fs_err::File::open(&place)?)?;
            wheels.push((parts.next().unwrap_or_default().to_owned(), wheel));
        }
        Ok(())
    })?;
    if wheels.is_empty() {
        return Err(
            Error::new(Kind::Build, "making wheels ended well and made none")
                .hint("read the platform's log"),
        );
    }
    Ok(wheels)
}
