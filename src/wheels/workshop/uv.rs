//! Choosing with uv, fetching and building several at once with `images/steps/make_wheels.py`.
//!
//! uv is asked for files, never for wheels: those are fetched by URL and digest, or built.

use pep508_rs::PackageName;

use crate::archive::{self, ArchiveWriter};
use crate::engine::Exec;
use crate::error::{Error, Kind, Result};
use crate::plan::SetRequest;
use crate::plan::pylock::{LockedFile, Place, Pylock};
use crate::plan::roots::Root;
use crate::steps::step_script;

use super::super::candidate::{Candidate, Source, choose};
use super::super::store::{Wheel, WheelStore};
use super::tool::UV;
use super::{Item, Made, OUTPUT, PROJECT, PYTHON, Workshop};

const CONFIGURATION: &str = "/omnibuild/uv.toml";
pub(super) const LOCK: &str = "/omnibuild/pylock.toml";
const REQUEST: &str = "/omnibuild/make_wheels.json";
/// `make_wheels.py`: a file is not what it should be.
const DIFFERENT: i64 = 4;

/// Puts uv's configuration into the archive: a file, since URLs may hold credentials.
pub(super) fn configure(request: &SetRequest, archive: &mut ArchiveWriter) -> Result<()> {
    let text = configuration(request);
    // Builds fetch what they need by it, each as a user of its own.
    archive.bytes(&CONFIGURATION[1..], 0o644, text.as_bytes())?;
    archive.bytes(
        "omnibuild/make_wheels.py",
        0o644,
        &step_script("make_wheels.py"),
    )
}

/// An extra index is asked before the default one, and a name is taken from the first that has it,
/// so that nobody else can publish under the name of a private distribution.
fn configuration(request: &SetRequest) -> String {
    let options = &request.options;
    let mut table = toml::Table::new();
    let mut indexes = Vec::new();
    let mut index = |url: &String, default: bool| {
        let mut index = toml::Table::new();
        index.insert("url".to_owned(), url.clone().into());
        index.insert("default".to_owned(), default.into());
        indexes.push(toml::Value::Table(index));
    };
    for url in &request.indexes.extra_index_urls {
        index(url, false);
    }
    if let Some(url) = &request.indexes.index_url {
        index(url, true);
    }
    table.insert("index".to_owned(), indexes.into());
    if options.no_index {
        table.insert("no-index".to_owned(), true.into());
    }
    if !options.find_links.is_empty() {
        let places = options.find_links.iter().map(|place| match place {
            Place::Url(url) => request.indexes.with_credentials(url),
            Place::Project(path) => format!("{PROJECT}/{path}"),
        });
        let places: Vec<toml::Value> = places.map(Into::into).collect();
        table.insert("find-links".to_owned(), places.into());
    }
    if options.prereleases {
        table.insert("prerelease".to_owned(), "allow".into());
    }
    table.to_string()
}

impl Workshop<'_> {
    /// Asks the indexes for a file of each item that has none, all at once.
    pub(super) async fn choose_with_uv(&self, items: &mut [Item]) -> Result<()> {
        let lines: Vec<String> = items
            .iter()
            .filter(|item| item.candidate.is_none())
            .map(|item| format!("{}{}", item.name, item.need.text()))
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        self.upload_lines("wanted.txt", &lines).await?;
        let exec = self.compile(&["--no-deps", "/omnibuild/wanted.txt"]);
        let lock = self.locked(&exec).await?;
        for item in items.iter_mut().filter(|item| item.candidate.is_none()) {
            let package = lock
                .packages
                .iter()
                .find(|package| package.name == item.name);
            let package = package.ok_or_else(|| {
                Error::new(
                    Kind::Resolve,
                    format!("the resolver left `{}` out", item.name),
                )
            })?;
            item.candidate = Some(choose(
                package,
                self.builder,
                &self.request.options,
                &item.need.hashes,
            )?);
        }
        Ok(())
    }

    /// Resolves all roots with their dependencies.
    pub(super) async fn resolve_with_uv(&self) -> Result<Pylock> {
        let text = |roots: &[Root]| -> Vec<String> {
            roots.iter().map(|root| self.root_line(root)).collect()
        };
        self.upload_lines("roots.txt", &text(&self.request.roots))
            .await?;
        self.upload_lines("constraints.txt", &text(&self.request.constraints))
            .await?;
        let exec = self.compile(&[
            "/omnibuild/roots.txt",
            "--constraints",
            "/omnibuild/constraints.txt",
        ]);
        self.locked(&exec).await
    }

    /// Fetches and builds, several at once.
    pub(super) async fn make_with_uv(
        &self,
        items: &[Item],
        store: &WheelStore,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Made>> {
        let candidates: Vec<(&PackageName, &Candidate)> = items
            .iter()
            .filter_map(|item| Some((&item.name, item.candidate.as_ref()?)))
            .collect();
        let wanted: Vec<serde_json::Value> = candidates
            .iter()
            .map(|(_, candidate)| self.wanted(candidate))
            .collect();
        let request = serde_json::json!({
            "output": OUTPUT,
            "build": "/omnibuild/build",
            "python": PYTHON,
            "uv": [UV, "--config-file", CONFIGURATION],
            "jobs": std::thread::available_parallelism().map_or(1, usize::from),
            "wanted": wanted,
        });
        let mut archive = ArchiveWriter::new(0)?;
        archive.bytes(&REQUEST[1..], 0o600, request.to_string().as_bytes())?;
        self.container.upload("/", &archive.finish()?).await?;
        let exec = environment(Exec::new([PYTHON, "/omnibuild/make_wheels.py", REQUEST]));
        self.watch(&exec, progress).await.map_err(different)?;
        let wheels = self.collect(OUTPUT, store).await?;
        self.container
            .run(&Exec::new(["rm", "-rf", OUTPUT]))
            .await?;
        let made = |(number, (name, candidate)): (usize, &(&PackageName, &Candidate))| {
            let number = number.to_string();
            let found = wheels.iter().find(|(folder, _)| *folder == number);
            let (_, wheel) = found.ok_or_else(|| {
                Error::new(
                    Kind::Wheel,
                    format!("building `{}` made no wheel", candidate.title()),
                )
            })?;
            check(candidate, wheel)?;
            let wheel = Wheel {
                origin: candidate.origin(),
                ..wheel.clone()
            };
            let key = candidate.build_key(self.builder, self.request);
            Ok(((*name).clone(), wheel, key))
        };
        candidates.iter().enumerate().map(made).collect()
    }

    fn wanted(&self, candidate: &Candidate) -> serde_json::Value {
        let folder = candidate.title().replace(' ', "-");
        let with_place = |file: &LockedFile| {
            let mut value = serde_json::json!({
                "name": candidate.title(),
                "file": file.name,
                "sha256": file.digest.as_str(),
            });
            match &file.place {
                Place::Url(url) => value["url"] = self.request.indexes.with_credentials(url).into(),
                Place::Project(path) => value["path"] = format!("{PROJECT}/{path}").into(),
            }
            value
        };
        match &candidate.source {
            Source::Wheel(file) => with_place(file),
            Source::Sdist(file) => {
                let mut value = with_place(file);
                value["folder"] = folder.into();
                value
            }
            // Never asked for: it is there.
            Source::Kept(wheel) => serde_json::json!({ "file": wheel.file_name }),
            Source::Commit(commit) => serde_json::json!({
                "name": candidate.title(),
                "folder": folder,
                "git": commit.repository,
                "commit": commit.commit,
                "subfolder": commit.subfolder,
            }),
        }
    }

    pub(super) fn compile(&self, words: &[&str]) -> Exec {
        let mut exec = uv(&["pip", "compile", "--quiet", "--no-header"])
            .args([
                "--format",
                "pylock.toml",
                "--python",
                PYTHON,
                "--output-file",
                LOCK,
            ])
            .args(words.iter().copied());
        for (name, selection) in [
            ("--no-binary", &self.request.options.no_binary),
            ("--only-binary", &self.request.options.only_binary),
        ] {
            for value in selection.words() {
                exec = exec.args([name.to_owned(), value]);
            }
        }
        exec
    }

    /// Runs a command that writes a lock, and reads that.
    pub(super) async fn locked(&self, exec: &Exec) -> Result<Pylock> {
        // What an earlier round chose is no preference.
        self.container.run(&Exec::new(["rm", "-f", LOCK])).await?;
        self.fetch(exec, &|_| {}).await?;
        let archive = self.container.download(LOCK).await?;
        let mut text = String::new();
        archive::for_each_file(&archive, |_, content| {
            content.read_to_string(&mut text)?;
            Ok(())
        })?;
        let mut lock = Pylock::parse("the resolver's answer", &text)?;
        for package in &mut lock.packages {
            let files = package.wheels.iter_mut().chain(&mut package.sdist);
            files.for_each(|file| file.place = below_project(&file.place));
        }
        Ok(lock)
    }
}

/// Where a file is, as the project knows it: uv tells of a container's folder.
fn below_project(place: &Place) -> Place {
    let folder = format!("{PROJECT}/");
    let text = place.text();
    let path = text.strip_prefix("file://").unwrap_or(text);
    // A relative path is meant from the folder of the lock.
    let inside = path.strip_prefix(&folder).or_else(|| {
        folder
            .strip_prefix("/omnibuild/")
            .and_then(|folder| path.strip_prefix(folder))
    });
    inside.map_or_else(|| place.clone(), |inside| Place::Project(inside.to_owned()))
}

/// A command of uv.
pub(super) fn uv(words: &[&str]) -> Exec {
    let exec = Exec::new([UV, "--config-file", CONFIGURATION]).args(words.iter().copied());
    environment(exec)
}

fn environment(exec: Exec) -> Exec {
    super::reproducible(exec)
        .env("UV_CACHE_DIR", "/omnibuild/uv-cache")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_NO_PROGRESS", "1")
        .cwd(PROJECT)
}

/// A fetched wheel is the one that was asked for; what a build made is a wheel of that name.
fn check(candidate: &Candidate, wheel: &Wheel) -> Result<()> {
    if let Source::Wheel(file) = &candidate.source
        && (file.digest != wheel.digest || file.name != wheel.file_name)
    {
        return Err(Error::new(
            Kind::Resolve,
            format!(
                "`{}` has sha256 {}, and {} was asked for",
                wheel.file_name, wheel.digest, file.digest
            ),
        )
        .hint(DIFFERENT_HINT));
    }
    let name: Option<PackageName> = wheel.distribution().parse().ok();
    if name.as_ref() != Some(&candidate.name) {
        return Err(Error::new(
            Kind::Conflict,
            format!("`{}` is no wheel of `{}`", wheel.file_name, candidate.name),
        )
        .hint("correct the name in the requirements"));
    }
    Ok(())
}

const DIFFERENT_HINT: &str = "the file is not the one that was locked, or the lock was edited: find out who changed which; restore the lock, or if the new file is to be trusted lock it with `omnibuild lock --upgrade`";

fn different(error: Error) -> Error {
    let Some(command) = error
        .failed_command()
        .filter(|command| command.status == DIFFERENT)
    else {
        return error;
    };
    let line = command
        .last_lines
        .iter()
        .rev()
        .find_map(|line| line.split_once("different digest: "));
    match line {
        Some((_, what)) => Error::new(Kind::Resolve, what.to_owned()).hint(DIFFERENT_HINT),
        None => error,
    }
}
