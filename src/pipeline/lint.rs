//! `omnibuild lint`: lintian and rpmlint over finished packages, in a container of their own image.
//!
//! Named files need no project: one that is there has its say about overrides and the network. The
//! image is made once from debian-12's base ([`tool`]); the programs run without a network. What they found is judged by [`lint`](crate::lint).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::archive::ArchiveWriter;
use crate::cli::{Common, Environment, LintLevel};
use crate::config::{AnyFolder, PlatformTable};
use crate::context::Context;
use crate::engine::{Exec, Limits, with_container};
use crate::error::{Error, Kind, Result};
use crate::lint::{self, Judged, Level, Policy};
use crate::package::read::format_of;
use crate::report::{Outcome, Reporter, Stage, listing, one_line};
use crate::text::counted;

use super::{Project, Run, host_architecture, tool};

/// The platform that the image of the lint programs is made from.
const TOOL_PLATFORM: &str = "debian-12";
/// What stands in a platform's place in messages and logs.
const NAME: &str = "lint";

/// Where the packages are in the container.
const PACKAGES: &str = "omnibuild/packages";

/// Packages by the name of their folder.
type Folders = BTreeMap<String, Vec<PathBuf>>;

/// What the command is told by the project that it runs in, if it runs in one.
struct Settings {
    policy: Policy,
    /// Whether a key is configured that signs packages.
    signs: bool,
    tool: tool::Settings,
}

impl Settings {
    fn read(common: &Common, environment: &Environment, reporter: &Reporter) -> Result<Self> {
        let root = &common.project;
        let mut folder = AnyFolder::read(root)?;
        let signing = common.overrides(environment).signing;
        Ok(Self {
            signs: folder.signing(root, signing)?.is_some(),
            policy: std::mem::take(&mut folder.lint),
            tool: tool::Settings::read(common, environment, reporter, &folder, NAME)?,
        })
    }
}

/// Prints what is found, and fails with [`Kind::Lint`] when something is as bad as `fail_on`.
pub(super) async fn lint(
    common: &Common,
    files: &[PathBuf],
    fail_on: LintLevel,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let settings = Settings::read(common, environment, reporter)?;
    let folders = if files.is_empty() {
        last_built(&Project::load(common, environment, reporter)?, common)?
    } else {
        named(files, &settings.tool.table)?
    };
    if common.dry_run {
        for path in folders.values().flatten() {
            reporter.note(None, &format!("would look at {}", path.display()));
        }
        return Ok(());
    }
    let tool = &settings.tool;
    let run = Run::without_wheels(common, &tool.engines, tool.caches.clone(), reporter);
    let work = look(tool, &run, reporter, &folders);
    let findings = lint::parse(&run.until_stopped(None, work).await?)?;
    let bundle = findings.iter().any(|it| {
        it.path
            .as_deref()
            .is_some_and(|path| path.starts_with("/opt/"))
    });
    let judged = lint::judge(&settings.policy, findings, bundle, settings.signs)?;
    reporter.print_result("lint", &text(&judged, &folders), &judged)?;
    let level = match fail_on {
        LintLevel::Error => Level::Error,
        LintLevel::Warning => Level::Warning,
        LintLevel::Info => Level::Info,
    };
    match judged.count(level) {
        0 => Ok(()),
        count => Err(Error::new(Kind::Lint, format!("{count} findings in the packages"))
            .hint("`lintian-explain-tags TAG` and `rpmlint --explain TAG` say what a tag means; correct the package, or override the tag with a reason in [lint]")),
    }
}

/// The packages of the last build of each platform that was asked for.
fn last_built(project: &Project, common: &Common) -> Result<Folders> {
    let mut folders = Folders::new();
    for target in project.targets(common, false)? {
        let id = target.id();
        let Some(record) = project.state.build(&id) else {
            continue;
        };
        let folder = project.state.packages(&target.platform.id);
        let files = record
            .packages
            .iter()
            .map(|package| folder.join(&package.artifact.file_name));
        folders.insert(id.stem(), files.collect());
    }
    if folders.is_empty() {
        return Err(
            Error::new(Kind::Missing, "there are no packages to look at")
                .hint("build them first, or name package files"),
        );
    }
    Ok(folders)
}

/// The packages that were named, by the platform that their version tells, else the folder they are
/// in; of folders of one name the second is `name-2`, so that no package takes another's place.
fn named(files: &[PathBuf], table: &PlatformTable) -> Result<Folders> {
    let mut by_place: BTreeMap<(PathBuf, String), BTreeSet<PathBuf>> = BTreeMap::new();
    for file in files {
        if !file.exists() {
            let text = format!("there is no file `{}`", file.display());
            return Err(Error::new(Kind::Missing, text)
                .hint("name package files; without any, those of the last build are looked at"));
        }
        let format = format_of(file)?;
        if file.extension().and_then(|end| end.to_str()) != Some(format.to_string().as_str()) {
            let text = format!("`{}` is a {format} package by another name", file.display());
            return Err(Error::new(Kind::Config, text).hint(format!(
                "rename it: lintian and rpmlint go by the ending .{format}"
            )));
        }
        let path = std::path::absolute(file)?;
        let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let label = platform_of(&name, table).unwrap_or_else(|| label(&parent));
        by_place.entry((parent, label)).or_default().insert(path);
    }
    let mut folders = Folders::new();
    for ((_, label), files) in by_place {
        let numbered = (2..).map(|number| format!("{label}-{number}"));
        let mut labels = std::iter::once(label.clone()).chain(numbered);
        if let Some(free) = labels.find(|label| !folders.contains_key(label)) {
            folders.insert(free, files.into_iter().collect());
        }
    }
    Ok(folders)
}

/// The platform whose suffix a package's version ends with, as the file's name has it:
/// `name_version_architecture.deb`, `name-version-release.architecture.rpm`.
fn platform_of(file_name: &str, table: &PlatformTable) -> Option<String> {
    let (version, _architecture) = match file_name.strip_suffix(".deb") {
        Some(deb) => deb.rsplit_once('_')?,
        None => file_name.strip_suffix(".rpm")?.rsplit_once('.')?,
    };
    table
        .all()
        .filter(|platform| !platform.suffix.is_empty() && version.ends_with(&platform.suffix))
        .max_by_key(|platform| platform.suffix.len())
        .map(|platform| platform.id.to_string())
}

/// A folder's name in words that a shell's pattern finds.
fn label(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.replace(
        |letter: char| !(letter.is_ascii_alphanumeric() || ".-_".contains(letter)),
        "_",
    );
    match plain.strip_prefix(['.', '-']) {
        Some(rest) => format!("_{rest}"),
        None if plain.is_empty() => "packages".to_owned(),
        None => plain,
    }
}

/// Runs the programs and answers what they printed.
async fn look(
    settings: &tool::Settings,
    run: &Run,
    reporter: &Reporter,
    folders: &Folders,
) -> Result<Vec<String>> {
    let platform = settings.table.find(TOOL_PLATFORM)?;
    let arch = host_architecture()?;
    let report = reporter.platform(&NAME.parse()?, &settings.log)?;
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
        let (mirror, files) = (settings.mirror.clone(), tool_files());
        let image = tool::image(&context, platform, mirror, arch, NAME, &files).await?;
        let stage = report.stage(Stage::Lint);
        let mut archive = ArchiveWriter::new(0)?;
        for (folder, files) in folders {
            for file in files {
                let name = file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                archive.file(&format!("{PACKAGES}/{folder}/{name}"), 0o644, file)?;
            }
        }
        let archive = archive.finish()?;
        let exec = Exec::new(["sh", "/usr/lib/omnibuild/lint.sh"]).env("LC_ALL", "C.UTF-8");
        let lines = with_container(
            engine.as_ref(),
            &report,
            &context.offline(&image.tag),
            async |container| {
                container.upload("/", &archive).await?;
                container.capture(&exec).await
            },
        )
        .await?;
        stage.finished(&format!(
            "{} looked at",
            counted(folders.values().flatten().count(), "package")
        ));
        Ok(lines)
    };
    let result = work.await;
    report.finish(match &result {
        Ok(_) => Outcome::Checked,
        Err(error) => Outcome::of_error(error),
    });
    result
}

/// What the image is made of. Overrides are judged here, so they are not in it.
fn tool_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = PlatformTable::shipped("lint");
    files.remove("overrides.toml");
    files
}

fn text(judged: &Judged, folders: &Folders) -> String {
    let rows: Vec<Vec<String>> = judged
        .findings
        .iter()
        .map(|it| {
            [
                it.level.word(),
                &it.folder,
                &it.package,
                &it.tag,
                &it.details,
            ]
            .map(one_line)
            .to_vec()
        })
        .collect();
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(listing(
            &["level", "from", "package", "tag", "details"],
            &rows,
            None,
        ));
    }
    for unused in &judged.unused {
        let path = unused
            .path
            .as_deref()
            .map(|path| format!(" at `{path}`"))
            .unwrap_or_default();
        parts.push(format!(
            "warning: the override of `{}`{path} matches nothing ({})",
            unused.tag, unused.reason
        ));
    }
    let overridden: usize = judged.overridden.iter().map(|it| it.count).sum();
    parts.push(format!(
        "{}: {}; {overridden} overridden by {} (--json has them)",
        counted(folders.values().flatten().count(), "package"),
        counted(judged.findings.len(), "finding"),
        counted(judged.overridden.len(), "reason"),
    ));
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_one_name_are_all_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, b"!<arch>\n").unwrap();
            path
        };
        let files = [
            "a/debian-12/x.deb",
            "b/debian-12/x.deb",
            "b/debian-12/y.deb",
            ".c/x.deb",
        ]
        .map(put);
        let again = [&files[..], &files[..1]].concat();
        let table = PlatformTable::load(root.path()).unwrap();
        let folders = named(&again, &table).unwrap();
        let labels: Vec<&str> = folders.keys().map(String::as_str).collect();
        assert_eq!(labels, ["_c", "debian-12", "debian-12-2"]);
        let found: BTreeSet<PathBuf> = folders.values().flatten().cloned().collect();
        assert_eq!(found, BTreeSet::from(files));
        let numbers: Vec<usize> = folders.values().map(Vec::len).collect();
        assert_eq!(numbers, [1, 1, 2]);
        let error = named(&[put("d/x.bin")], &table).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
    }

    #[test]
    fn a_version_tells_the_platform() {
        let folder = tempfile::tempdir().unwrap();
        let table = PlatformTable::load(folder.path()).unwrap();
        for (name, platform) in [
            ("acme_1.4.2-1+deb12_all.deb", Some("debian-12")),
            ("acme_1.4.2-1+ubuntu24.04_amd64.deb", Some("ubuntu-24.04")),
            ("acme-1.4.2-1.el9.x86_64.rpm", Some("rocky-9")),
            ("acme_1.4.2-1_all.deb", None),
            ("acme.deb", None),
        ] {
            assert_eq!(platform_of(name, &table).as_deref(), platform, "{name}");
        }
    }
}
