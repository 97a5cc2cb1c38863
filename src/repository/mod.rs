//! Earlier versions of a platform's packages, out of an apt or dnf repository.
//!
//! The platform's own package manager asks the repository, in a container of its base image with a
//! configuration and a key of its own; which version is meant is decided here. What is signed with
//! another key, or with none where one was named, never leaves the container. Publishes nothing.

mod apt;
mod dnf;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::archive::{ArchiveWriter, for_each_file};
use crate::base::BaseImage;
use crate::context::{CA_BUNDLE_PATH, Context};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{Container, Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::plan::{PackagePlan, PlatformPlan, RepositoryPlan, Signed};
use crate::platform::{Family, Format};
use crate::steps::step_script;
use crate::version;

/// The word that stands for the repository in a command line.
const WORD: &str = "repository";
/// Where the key is in the container.
const KEY_PATH: &str = "/omnibuild/repository/key.asc";
const FETCHED: &str = "/omnibuild/repository/fetched";
/// How many versions an error names.
const NAMED_VERSIONS: usize = 5;

/// A package manager that asks a repository.
trait Manager {
    /// Its scripts; the first is started.
    fn scripts(&self) -> &'static [&'static str];
    /// The name of the file that names the repository.
    fn source_name(&self) -> &'static str;
    /// That file.
    fn source(&self, repository: &RepositoryPlan, ca_bundle: Option<&str>) -> String;
}

fn manager(family: Family) -> &'static dyn Manager {
    match family {
        Family::Debian => &apt::Apt,
        Family::Redhat => &dnf::Dnf,
    }
}

/// Which version of the packages is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The newest.
    Newest,
    /// The newest below this one.
    Below(String),
    /// This one: `1.4.2`, `1.4.2-1+deb12` or with its epoch.
    Exactly(String),
}

impl Wanted {
    /// What a word of the command line asks for: `repository`, which is `otherwise`, or
    /// `repository:VERSION`; `None` for every other word.
    pub fn parse(word: &str, otherwise: Self) -> Option<Self> {
        match word.strip_prefix(WORD)? {
            "" => Some(otherwise),
            rest => {
                let version = rest
                    .strip_prefix(':')
                    .filter(|version| !version.is_empty())?;
                Some(Self::Exactly(version.to_owned()))
            }
        }
    }

    fn takes(&self, format: Format, version: &str) -> bool {
        match self {
            Self::Newest => true,
            Self::Below(built) => version::compare(format, version, built).is_lt(),
            Self::Exactly(wanted) => {
                let bare = version.split_once(':').map_or(version, |(_, bare)| bare);
                let upstream = bare.rsplit_once('-').map_or(bare, |(upstream, _)| upstream);
                [version, bare, upstream].contains(&wanted.as_str())
            }
        }
    }
}

/// A version of a package that the repository has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    name: String,
    version: String,
}

/// Packages that were fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The folder they are in, and nothing else.
    pub folder: PathBuf,
    /// Their version, as the package manager writes it.
    pub version: String,
}

/// Fetches one version of a platform's packages into a folder below `place`, named by what is in it.
/// `None`: no version is below the one that was built. A version that was named or any at all, where
/// none is there, is an error of [`Kind::Missing`]; a repository that can't be read of
/// [`Kind::Network`]; a wrong signature of [`Kind::Verify`].
pub async fn fetch(
    context: &Context<'_>,
    plan: &PlatformPlan,
    repository: &RepositoryPlan,
    base: &BaseImage,
    wanted: &Wanted,
    place: &Path,
) -> Result<Option<Fetched>> {
    let manager = manager(plan.family);
    let archive = pack(context, plan, repository, manager)?;
    let start = manager.scripts().first().copied().unwrap_or_default();
    let exec = Exec::new(["/bin/sh".to_owned(), format!("/omnibuild/{start}")]);
    let found = with_container(
        context.engine,
        context.report,
        &context.online(&base.reference),
        async |container| {
            container.upload("/", &archive).await?;
            let said = ask(container, exec.clone().arg("list"), repository).await?;
            let listed = listed(&said, &plan.packages);
            let Some(version) = choose(plan, repository, &listed, wanted)? else {
                return Ok(None);
            };
            let of_version = listed.iter().filter(|one| one.version == version);
            let words = of_version.map(|one| format!("{}={}", one.name, one.version));
            ask(container, exec.clone().arg("fetch").args(words), repository).await?;
            Ok(Some((version, container.download(FETCHED).await?)))
        },
    )
    .await?;
    let Some((version, fetched)) = found else {
        return Ok(None);
    };
    Ok(Some(Fetched {
        folder: keep(&fetched, place)?,
        version,
    }))
}

/// All that goes into the container.
fn pack(
    context: &Context<'_>,
    plan: &PlatformPlan,
    repository: &RepositoryPlan,
    manager: &dyn Manager,
) -> Result<tempfile::TempPath> {
    let mut archive = ArchiveWriter::new(0)?;
    for script in manager.scripts() {
        archive.bytes(&format!("omnibuild/{script}"), 0o755, &step_script(script))?;
    }
    let certificates = context.ca_bundle()?;
    archive.bytes(&CA_BUNDLE_PATH[1..], 0o644, &certificates)?;
    let ca_bundle = (!certificates.is_empty()).then_some(CA_BUNDLE_PATH);
    let source = manager.source(repository, ca_bundle);
    let name = format!("omnibuild/repository/sources/{}", manager.source_name());
    archive.bytes(&name, 0o644, source.as_bytes())?;
    let mut names = String::new();
    for package in &plan.packages {
        writeln!(names, "{}", package.name).map_err(std::io::Error::other)?;
    }
    archive.bytes("omnibuild/repository/names", 0o644, names.as_bytes())?;
    if let Some(key) = &repository.key {
        archive.bytes(&KEY_PATH[1..], 0o644, &fs_err::read(key)?)?;
    }
    if repository.signed == Signed::Packages {
        archive.bytes("omnibuild/repository/signed-packages", 0o644, b"")?;
    }
    archive.finish()
}

/// Runs a script; answers what it said.
async fn ask(
    container: &Container<'_>,
    exec: Exec,
    repository: &RepositoryPlan,
) -> Result<Vec<String>> {
    let said = Mutex::new(Vec::new());
    let watch = |line: &str| {
        if let Some(line) = line.strip_prefix("repository: ") {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(line.to_owned());
        }
    };
    let ended = container.watch(&exec, &watch).await;
    let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    match ended {
        Ok(()) => Ok(said),
        Err(error) => Err(explain(error, &said, repository)),
    }
}

/// Why a script failed, by its last word.
fn explain(error: Error, said: &[String], repository: &RepositoryPlan) -> Error {
    let Some(command) = error.failed_command().cloned() else {
        return error;
    };
    let (word, why) = said
        .last()
        .and_then(|line| line.split_once(' '))
        .unwrap_or(("fault", "the package manager failed"));
    let what = repository.describe();
    let error = if word == "untrusted" {
        Error::new(
            Kind::Verify,
            format!("the repository `{what}` is not signed with the key that is configured: {why}"),
        )
        .hint("name its public key in `key` of `[verify.repository]`; rpm repositories sign packages (`signed = \"packages\"`), their metadata (`\"metadata\"`), or nothing")
    } else {
        Error::new(
            Kind::Network,
            format!("the repository `{what}` can't be read: {why}"),
        )
        .hint("check `[verify.repository]`, the network, the proxy variables and --ca-bundle; the log has what the package manager said")
    };
    error.command(command)
}

/// The versions of planned packages in what a script said. It is not trusted: a version becomes a
/// word of a command.
fn listed(said: &[String], packages: &[PackagePlan]) -> Vec<Listed> {
    let known = |letter: char| letter.is_ascii_alphanumeric() || ".+~:^_-".contains(letter);
    let versions = said.iter().filter_map(|line| {
        let (name, version) = line.strip_prefix("version ")?.split_once(' ')?;
        let planned = packages.iter().any(|package| package.name.as_str() == name);
        (planned && !version.is_empty() && version.chars().all(known)).then(|| Listed {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    });
    versions.collect()
}

/// The version that is wanted, by the omnibus package; `None` where none is below another.
fn choose(
    plan: &PlatformPlan,
    repository: &RepositoryPlan,
    listed: &[Listed],
    wanted: &Wanted,
) -> Result<Option<String>> {
    let Some(omnibus) = plan.packages.first() else {
        return Ok(None);
    };
    let all: Vec<&str> = listed
        .iter()
        .filter(|one| one.name == omnibus.name.as_str())
        .map(|one| one.version.as_str())
        .collect();
    let suffix = omnibus.version.revision.strip_prefix('1');
    let suffix = suffix.unwrap_or_default();
    if let Some(version) = newest(plan.format, suffix, &all, wanted) {
        return Ok(Some(version.to_owned()));
    }
    let (what, name) = (repository.describe(), &omnibus.name);
    let error = match wanted {
        Wanted::Below(_) => return Ok(None),
        Wanted::Newest => format!("the repository `{what}` has no package `{name}`"),
        Wanted::Exactly(version) => {
            format!("the repository `{what}` has no version `{version}` of `{name}`")
        }
    };
    let error = Error::new(Kind::Missing, error);
    if all.is_empty() {
        return Err(error.hint("check the address, the suite and the components in `[verify.repository]`, and the name of the package"));
    }
    let mut there = all;
    there.sort_by(|one, two| version::compare(plan.format, two, one));
    there.dedup();
    there.truncate(NAMED_VERSIONS);
    Err(error.hint(format!("its newest: {}", there.join(", "))))
}

/// The newest of the versions that are wanted. A repository may serve several platforms: where one
/// of them ends with the platform's suffix, only those count.
fn newest<'v>(
    format: Format,
    suffix: &str,
    versions: &[&'v str],
    wanted: &Wanted,
) -> Option<&'v str> {
    let mut versions: Vec<&str> = versions.to_vec();
    versions.retain(|version| wanted.takes(format, version));
    if versions.iter().any(|version| version.ends_with(suffix)) {
        versions.retain(|version| version.ends_with(suffix));
    }
    versions
        .into_iter()
        .max_by(|one, two| version::compare(format, one, two))
}

/// Puts the packages of an archive into a folder below `place`, named by their digests.
fn keep(archive: &Path, place: &Path) -> Result<PathBuf> {
    let mut digests = Vec::new();
    for_each_file(archive, |path, content| {
        let (digest, _) = Digest::of_reader(content)?;
        digests.push((file_name(path), digest.to_string()));
        Ok(())
    })?;
    digests.sort();
    let key = KeyBuilder::new("packages of a repository", 1)
        .fields("package ", digests)
        .finish();
    let folder = place.join(key.digest.short());
    if !folder.is_dir() {
        fsutil::commit_folder(&folder, |staging| {
            for_each_file(archive, |path, content| {
                let mut file = fs_err::File::create(staging.join(file_name(path)))?;
                std::io::copy(content, &mut file)?;
                Ok(())
            })
        })?;
    }
    Ok(folder)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_command_line_names_the_repository_or_a_version_in_it() {
        let parse = |word| Wanted::parse(word, Wanted::Newest);
        assert_eq!(parse("repository"), Some(Wanted::Newest));
        let exactly = Wanted::Exactly("1:1.0-1+deb12".to_owned());
        assert_eq!(parse("repository:1:1.0-1+deb12"), Some(exactly));
        for other in [
            "repository:",
            "repository/",
            "./repository",
            "repositories",
            "1.0",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_below_the_one_that_was_built_is_the_earlier_one() {
        let versions = [
            "1.0-1+deb12",
            "1.10-1+deb12",
            "1.9-1+deb12",
            "1.10~rc1-1+deb12",
        ];
        let find = |wanted: Wanted| newest(Format::Deb, "+deb12", &versions, &wanted);
        let below = |version: &str| find(Wanted::Below(version.to_owned()));
        assert_eq!(find(Wanted::Newest), Some("1.10-1+deb12"));
        assert_eq!(below("1.11-1+deb12"), Some("1.10-1+deb12"));
        assert_eq!(below("1.10-1+deb12"), Some("1.10~rc1-1+deb12"));
        assert_eq!(below("1.0-1+deb12"), None);
        let exactly = |version: &str| find(Wanted::Exactly(version.to_owned()));
        assert_eq!(exactly("1.9"), Some("1.9-1+deb12"));
        assert_eq!(exactly("1.9-1+deb12"), Some("1.9-1+deb12"));
        assert_eq!(exactly("1"), None);
    }

    #[test]
    fn the_platforms_own_packages_come_first() {
        let versions = ["2:1.0-1.el7", "2:1.0-1.el9", "1.9-1", "2:1.1-1.el7"];
        let find = |suffix| newest(Format::Rpm, suffix, &versions, &Wanted::Newest);
        assert_eq!(find(".el9"), Some("2:1.0-1.el9"));
        assert_eq!(find(".el8"), Some("2:1.1-1.el7"));
    }

    #[test]
    fn what_a_script_says_is_told_by_kind() {
        let repository = RepositoryPlan {
            url: "https://a.example".to_owned(),
            suite: "s".to_owned(),
            components: vec!["main".to_owned()],
            key: None,
            signed: Signed::Nothing,
        };
        let failed = || {
            let command = crate::error::CommandFailed {
                argv: Vec::new(),
                status: 1,
                last_lines: Vec::new(),
                log: None,
            };
            Error::new(Kind::Build, "failed").command(command)
        };
        for (said, kind, message) in [
            (
                "untrusted NO_PUBKEY",
                Kind::Verify,
                "`https://a.example s main` is not signed",
            ),
            (
                "fault connection refused",
                Kind::Network,
                "can't be read: connection refused",
            ),
        ] {
            let error = explain(failed(), &[said.to_owned()], &repository);
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains(message), "{error}");
        }
        assert_eq!(explain(failed(), &[], &repository).kind(), Kind::Network);
    }

    #[test]
    fn packages_are_kept_by_what_they_are() {
        let place = tempfile::tempdir().unwrap();
        let kept = |content: &[u8]| {
            let mut archive = ArchiveWriter::new(0).unwrap();
            archive.bytes("fetched/a.deb", 0o644, content).unwrap();
            keep(&archive.finish().unwrap(), place.path()).unwrap()
        };
        let (one, two) = (kept(b"1"), kept(b"2"));
        assert_ne!(one, two);
        assert_eq!(kept(b"1"), one);
        assert_eq!(fs_err::read(two.join("a.deb")).unwrap(), b"2");
    }
}
