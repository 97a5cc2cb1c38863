//! `omnibuild python build`: a Python of one's own, made from source in a container of a platform.
//!
//! Needs no project. The compilers' image is made from the platform's base and kept by its content
//! ([`tool`]); what is built there is [`cpython`](crate::cpython)'s.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::cli::{Common, Environment, PythonCommand, PythonOptions};
use crate::config::{AnyFolder, Platform, PlatformTable};
use crate::context::Context;
use crate::cpython::{self, Archive, Glibc, PythonTable, Release, Request, Sources};
use crate::engine::Limits;
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::platform::{Arch, TargetId};
use crate::report::{Outcome, Reporter, Stage, human_size};

use super::{Run, host_architecture, tool};

/// What stands in a platform's place in messages and logs, and what the image is called.
const NAME: &str = "python";

/// Files of the image's folder that the image is not made of: the build is told by them.
const OF_THE_BUILD: [&str; 3] = [".sh", ".py", ".patch"];

/// Does what the command line says.
pub(super) async fn execute(
    command: &PythonCommand,
    common: &Common,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let PythonCommand::Build(options) = command;
    build(options, common, environment, reporter).await
}

/// What was made, as programs read it.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a Path,
    version: &'a str,
    platform: &'a str,
    arch: &'a str,
    reused: bool,
    size: u64,
    unpacked: u64,
    sha256: &'a str,
    glibc: Glibc,
    table: &'a str,
}

async fn build(
    options: &PythonOptions,
    common: &Common,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let release = PythonTable::shipped()?.find(&options.version)?;
    let arch = architecture(&common.arch)?;
    let limit: Option<Glibc> = options.glibc.as_deref().map(str::parse).transpose()?;
    let folder = AnyFolder::read(&common.project)?;
    let settings = tool::Settings::read(common, environment, reporter, &folder, NAME)?;
    let platform = settings.table.find(&options.platform)?;
    if common.dry_run {
        let text = format!(
            "would build CPython {} for {} in a container of {}",
            release.python.version,
            arch.debian(),
            platform.id
        );
        reporter.note(None, &text);
        return Ok(());
    }
    let sources = if let Some(folder) = &options.sources {
        let sources = Sources::in_folder(folder.clone());
        // What is missing there is said before anything is made.
        sources.fetch_all(&release, &|_| {}).await?;
        sources
    } else {
        let own = cpython::of_this_machine();
        let mirrors = settings.mirror.iter().cloned().chain(own).collect();
        Sources::of_network(settings.caches.sources(), mirrors, &settings.network)?
    };
    let run = Run::without_wheels(common, &settings.engines, settings.caches.clone(), reporter);
    let wanted = Wanted {
        platform,
        release: &release,
        arch,
        optimised: options.optimize,
        sources: &sources,
    };
    let hint = "run the same command again: sources that came are kept";
    let work = make(&wanted, &settings, &run, reporter);
    let (archive, reused) = run.until_stopped(Some(hint), work).await?;
    let packed = &archive.packed;
    if limit.is_some_and(|limit| packed.glibc > limit) {
        return Err(too_new(&archive, options));
    }
    let file = std::path::absolute(options.output.join(&archive.file_name))?;
    put(&archive.path(&settings.caches.interpreters()), &file)?;
    let table = table_lines(&release, arch, &file, &archive);
    let answer = Answer {
        file: &file,
        version: &release.python.version,
        platform: platform.id.as_str(),
        arch: arch.debian(),
        reused,
        size: packed.size,
        unpacked: packed.unpacked,
        sha256: packed.sha256.as_str(),
        glibc: packed.glibc,
        table: &table,
    };
    reporter.print_result(NAME, &text(&answer), &answer)
}

/// The architecture of the archive: this machine's, where none is named.
fn architecture(named: &[Arch]) -> Result<Arch> {
    match named {
        [] => host_architecture(),
        [arch] => Ok(*arch),
        _ => Err(
            Error::new(Kind::Config, "--arch: an archive is of one architecture")
                .hint("run the command once for each"),
        ),
    }
}

/// What is asked for, once it is checked.
struct Wanted<'a> {
    platform: &'a Platform,
    release: &'a Release,
    arch: Arch,
    optimised: bool,
    sources: &'a Sources,
}

/// The archive, from the cache or built.
async fn make(
    wanted: &Wanted<'_>,
    settings: &tool::Settings,
    run: &Run,
    reporter: &Reporter,
) -> Result<(Archive, bool)> {
    let Wanted {
        platform,
        release,
        arch,
        ..
    } = *wanted;
    let target = TargetId::new(platform.id.clone(), wanted.arch);
    let report = reporter.platform(&target, &settings.log)?;
    let (engine, session) = run.engine(arch, &report).await?;
    let context = Context {
        engine: engine.as_ref(),
        session,
        caches: &settings.caches,
        remote: None,
        report: &report,
        network: &settings.network,
        limits: Limits::default(),
    };
    let work = async {
        let (told, tools) = files();
        let mirror = settings.mirror.clone();
        let image = tool::image(&context, platform, mirror, arch, NAME, &tools).await?;
        let stage = report.stage(Stage::Python);
        let request = Request {
            release: release.clone(),
            arch,
            optimised: wanted.optimised,
            image: image.tag,
            builder: image.key,
            files: told,
        };
        let (archive, there) = cpython::ensure(&context, &stage, &request, wanted.sources).await?;
        let what = format!("CPython {} ({})", release.python.version, archive.file_name);
        if there {
            stage.reused(&what);
        } else {
            stage.finished(&what);
        }
        Ok((archive, there))
    };
    let result = work.await;
    report.finish(match &result {
        Ok((_, true)) => Outcome::UpToDate,
        Ok((_, false)) => Outcome::Built,
        Err(error) => Outcome::of_error(error),
    });
    result
}

/// The files that the build is told by, and those that its image is made of.
fn files() -> (BTreeMap<String, Vec<u8>>, BTreeMap<String, Vec<u8>>) {
    let told = |name: &String| {
        !name.starts_with("common/") && OF_THE_BUILD.iter().any(|end| name.ends_with(end))
    };
    PlatformTable::shipped(NAME)
        .into_iter()
        .partition(|(name, _)| told(name))
}

/// Puts a copy of the archive where the user wants it.
fn put(kept: &Path, place: &Path) -> Result<()> {
    let mut source = fs_err::File::open(kept)?;
    fsutil::commit_file(place, |writer| {
        std::io::copy(&mut source, writer).map_err(|error| Error::io("write", place, &error))
    })?;
    Ok(())
}

fn too_new(archive: &Archive, options: &PythonOptions) -> Error {
    let text = format!(
        "this Python needs glibc {}, and --glibc allows {} at most",
        archive.packed.glibc,
        options.glibc.as_deref().unwrap_or_default()
    );
    Error::new(Kind::Audit, text).hint(
        "build it on an older platform: symbols are those of the glibc that it is linked with",
    )
}

/// What to write into platforms.toml to have it used.
fn table_lines(release: &Release, arch: Arch, file: &Path, archive: &Archive) -> String {
    // The address of a file; a blank and other characters have to be written as numbers in it.
    let address = reqwest::Url::from_file_path(file)
        .map_or_else(|()| file.display().to_string(), |url| url.to_string());
    format!(
        "[python.archive.\"{}\"]\n{} = {{ url = \"{address}\", sha256 = \"{}\" }}",
        release.minor,
        arch.debian(),
        archive.packed.sha256
    )
}

fn text(answer: &Answer<'_>) -> String {
    format!(
        "{}\n  {}, unpacked {}, SHA-256 {}\n  needs glibc {} or newer, and nothing else\n\n\
         To have it used, write into platforms.toml:\n\n{}",
        answer.file.display(),
        human_size(answer.size),
        human_size(answer.unpacked),
        answer.sha256,
        answer.glibc,
        answer.table
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_script_makes_no_new_image_and_the_dockerfile_is_in_no_build() {
        let (told, tools) = files();
        let names: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["build.sh", "openssl-certificates.patch", "relocate.py"]
        );
        for name in [
            "Dockerfile",
            "archive",
            "install-tools",
            "common/install-debian",
        ] {
            assert!(tools.contains_key(name), "{:?}", tools.keys());
        }
    }

    #[test]
    fn an_archive_is_of_the_one_architecture_that_is_named_or_of_this_machines() {
        let own = host_architecture().unwrap();
        assert_eq!(architecture(&[]).unwrap(), own);
        assert_eq!(architecture(&[Arch::Arm64]).unwrap(), Arch::Arm64);
        let error = architecture(&[Arch::Amd64, Arch::Arm64]).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(!error.hints().is_empty());
    }
}
