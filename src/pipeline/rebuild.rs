//! `omnibuild verify --rebuild`: the packages are built again under other circumstances, by this
//! program as a process of its own, and compared byte by byte.
//!
//! What is varied: the time, the project's folder and the time, permissions and order of the files in
//! it, time zone, locale, user's name and home, umask, number of processors, host name, and the
//! caches, of which only bases, builders, Pythons and (unless they too are to be made again) wheels are taken
//! along. The clock can't be set, so the time is merely a later one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::cli::{Common, Environment, Rebuild};
use crate::config::SigningConfig;
use crate::context::in_background;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::package::Artifact;
use crate::package::read::explain_difference;
use crate::plan::PlatformPlan;
use crate::plan::source::NOT_SOURCE;
use crate::report::{Outcome, Stage, StageHandle};
use crate::signing::SigningKey;
use crate::steps::step_script;

use super::stages::{Done, PlatformBuild, file_of, up_to_date};

/// Always varied; the script says what else.
const VARIED: &str =
    "time, folder, order and permissions of files, time zone, locale, user, home, caches";
/// How many differences of a package an error names.
const NAMED_DIFFERENCES: usize = 5;

impl PlatformBuild<'_> {
    /// Builds a platform's packages again and compares.
    pub(super) async fn rebuild(
        &self,
        common: &Common,
        environment: &Environment,
        what: Rebuild,
        plan: &PlatformPlan,
    ) -> Result<Done> {
        let Some((_, record)) = up_to_date(self.project, plan) else {
            return Err(
                Error::new(Kind::Verify, "the packages are absent or out of date").hint(format!(
                    "build them first: `omnibuild --sysbase {}`",
                    plan.id
                )),
            );
        };
        let stage = self.report.stage(Stage::Verify);
        let folder = tempfile::Builder::new()
            .prefix("omnibuild again, elsewhere ")
            .tempdir()?;
        let project = self.copy(folder.path()).await?;
        let varied = self
            .build_again(
                (common, environment),
                what,
                plan,
                &stage,
                folder.path(),
                &project,
            )
            .await?;
        let (here, there) = (
            self.project.state.packages(plan.id.platform()),
            project.join("packages").join(plan.id.platform().as_str()),
        );
        let artifacts = record.packages.iter().map(|built| built.artifact.clone());
        let artifacts: Vec<Artifact> = artifacts.chain(record.documents.clone()).collect();
        let number = artifacts.len();
        let differences = in_background(move || compare(&artifacts, &here, &there)).await?;
        if !differences.is_empty() {
            return Err(Error::new(
                Kind::Verify,
                format!(
                    "built again, {} of {number} files differ:\n  {}",
                    differences.len(),
                    differences.join("\n  ")
                ),
            )
            .hint("what the project's own build writes (times, folders, random names) is in its hands: SOURCE_DATE_EPOCH tells it the time"));
        }
        stage.finished(&format!(
            "built again, {number} files, all with the same bytes (varied: {VARIED}{varied})"
        ));
        Ok(Done {
            outcome: Outcome::Checked,
            reused: Vec::new(),
            files: record.packages.iter().map(file_of).collect(),
        })
    }

    /// A copy of the project, of what is known of bases and builders, and of archives of Pythons.
    async fn copy(&self, folder: &Path) -> Result<PathBuf> {
        let root = self.project.config.root.clone();
        let (target, caches) = (folder.join("files"), self.project.caches.clone());
        let records = folder.join("cache/v1");
        in_background(move || {
            // A project may be a folder of a larger repository, whose tags are its version.
            let top = root
                .ancestors()
                .find(|folder| folder.join(".git").exists())
                .unwrap_or(&root);
            copy_shuffled(top, &target)?;
            for from in [caches.bases(), caches.builders(), caches.pythons()] {
                let to = records.join(from.file_name().unwrap_or_default());
                fs_err::create_dir_all(&to)?;
                for entry in fs_err::read_dir(&from)? {
                    let path = entry?.path();
                    if path.extension().is_some_and(|end| end == "json") {
                        fs_err::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
                    }
                }
            }
            Ok(target.join(root.strip_prefix(top).unwrap_or(Path::new(""))))
        })
        .await
    }

    /// Runs this program in the copy; answers what the script varied.
    async fn build_again(
        &self,
        (common, environment): (&Common, &Environment),
        what: Rebuild,
        plan: &PlatformPlan,
        stage: &StageHandle,
        folder: &Path,
        project: &Path,
    ) -> Result<String> {
        let (engine, _) = self.run.engine(plan.arch(), &self.report).await?;
        stage.message("building again under other circumstances");
        let script = folder.join("rebuild.sh");
        fs_err::write(&script, step_script("rebuild.sh"))?;
        let mut command = Command::new("/bin/sh");
        command.arg(script).arg(std::env::current_exe()?);
        command.args(["build", "--sysbase", plan.id.as_str(), "--project"]);
        command.arg(project);
        command.args(options(common));
        let config = &self.project.config;
        let wheels = match what {
            Rebuild::Packages => self.project.caches.wheels().to_owned(),
            Rebuild::Wheels => folder.join("wheels"),
        };
        // By the environment, where an address may hold a password.
        for (name, value) in [
            ("PIP_INDEX_URL", &config.index_url),
            ("OMNIBUILD_MIRROR", &config.mirror),
            ("OMNIBUILD_NETWORK", &config.network),
        ] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        if let Some(bundle) = &config.ca_bundle {
            command.env("SSL_CERT_FILE", bundle);
        }
        command
            .envs(kept(environment, config.signing.as_ref()))
            .envs(engine.about().await?.variables)
            .env("OMNIBUILD_CACHE_DIR", folder.join("cache"))
            .env("OMNIBUILD_CACHE_REMOTE", "")
            .env("OMNIBUILD_NO_VERIFY", "1")
            .env("WHEEL_DIR", wheels)
            .env("TZ", "Pacific/Chatham")
            .env("LANG", "tr_TR.UTF-8")
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("USER", "somebody")
            .env("LOGNAME", "somebody")
            .env("HOME", folder.join("home"))
            .env("CI", "yes")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let words = ["omnibuild", "build", "--sysbase", plan.id.as_str()];
        let output = self.report.command(&words.map(str::to_owned));
        let mut child = command.spawn()?;
        let (mut lines, mut errors) = match (child.stdout.take(), child.stderr.take()) {
            (Some(lines), Some(errors)) => (
                BufReader::new(lines).lines(),
                BufReader::new(errors).lines(),
            ),
            _ => return Err(Error::new(Kind::Internal, "a child without its streams")),
        };
        let mut varied = String::new();
        let results = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(name) = line.strip_prefix("varied: ") {
                    varied.push_str(", ");
                    varied.push_str(name);
                }
                output.line(&line);
            }
            Ok::<(), std::io::Error>(())
        };
        let progress = async {
            while let Some(line) = errors.next_line().await? {
                output.line(&line);
            }
            Ok::<(), std::io::Error>(())
        };
        tokio::try_join!(results, progress)?;
        let status = child.wait().await?;
        if status.success() {
            return Ok(varied);
        }
        let status = status.code().map_or(-1, i64::from);
        Err(Error::new(Kind::Verify, "the second build failed").command(output.failed(status)))
    }
}

/// What was said of the packages on the command line. The engine's address is in the environment.
fn options(common: &Common) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(tag) = &common.tag {
        options.extend(["--tag".to_owned(), tag.clone()]);
    }
    if let Some(channel) = common.channel {
        options.extend(["--channel".to_owned(), channel.to_string()]);
    }
    if common.no_sign {
        options.push("--no-sign".to_owned());
    }
    options
}

/// Where keys are, from a process in another folder and with another home. A key's path in a file of
/// the project may lead out of what is copied.
fn kept(
    environment: &Environment,
    signing: Option<&SigningConfig>,
) -> BTreeMap<&'static str, PathBuf> {
    let (file, passphrase) = match signing.map(|signing| &signing.key) {
        Some(SigningKey::File {
            path,
            passphrase_file,
        }) => (Some(path), passphrase_file.as_ref()),
        Some(SigningKey::Agent {
            passphrase_file, ..
        }) => (None, passphrase_file.as_ref()),
        Some(SigningKey::Command { .. }) | None => (None, None),
    };
    let usual = || Some(directories::BaseDirs::new()?.home_dir().join(".gnupg"));
    let folder = environment.gnupg_home.clone().or_else(usual);
    let folder = folder.filter(|folder| folder.is_dir());
    [
        ("OMNIBUILD_SIGNING_KEY_FILE", file),
        ("OMNIBUILD_SIGNING_PASSPHRASE_FILE", passphrase),
        ("GNUPGHOME", folder.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, path)| {
        let path = path?;
        Some((
            name,
            std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        ))
    })
    .collect()
}

/// Copies a folder, without what tools wrote, so that its entries lie in another order on the disk,
/// with times of now and permissions for their owner alone.
fn copy_shuffled(source: &Path, target: &Path) -> Result<()> {
    let kept = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        name == ".git" || !entry.file_type().is_dir() || !NOT_SOURCE.contains(&name.as_ref())
    };
    let mut entries = Vec::new();
    for entry in walkdir::WalkDir::new(source).into_iter().filter_entry(kept) {
        entries.push(entry.map_err(std::io::Error::from)?);
    }
    // As good as random, and another order each time.
    let seed = tempfile::Builder::new().prefix("").tempdir()?;
    entries.sort_by_cached_key(|entry| {
        let path = entry.path().as_os_str().as_encoded_bytes();
        let seed = seed.path().as_os_str().as_encoded_bytes();
        Digest::of([seed, path].concat())
    });
    for entry in entries {
        let relative = entry.path().strip_prefix(source).unwrap_or(entry.path());
        let place = target.join(relative);
        if let Some(parent) = place.parent() {
            fs_err::create_dir_all(parent)?;
        }
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(&place)?;
        } else if entry.path_is_symlink() {
            fs_err::os::unix::fs::symlink(fs_err::read_link(entry.path())?, &place)?;
        } else if entry.file_type().is_file() {
            std::io::copy(
                &mut fs_err::File::open(entry.path())?,
                &mut fs_err::File::create(&place)?,
            )?;
            let mode = fs_err::metadata(entry.path())?.permissions().mode() & 0o700;
            fs_err::set_permissions(&place, std::fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// What differs, one sentence for each file.
fn compare(artifacts: &[Artifact], here: &Path, there: &Path) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for artifact in artifacts {
        let name = &artifact.file_name;
        let other = there.join(name);
        if !other.is_file() {
            differences.push(format!("{name}: the second build has none"));
            continue;
        }
        if Digest::of_file(&other)? == artifact.digest {
            continue;
        }
        // Documents beside packages are no packages.
        let explained = explain_difference(&here.join(name), &other).unwrap_or_default();
        let mut lines: Vec<String> = explained
            .iter()
            .take(NAMED_DIFFERENCES)
            .map(ToString::to_string)
            .collect();
        if explained.len() > NAMED_DIFFERENCES {
            lines.push(format!("and {} more", explained.len() - NAMED_DIFFERENCES));
        }
        if lines.is_empty() {
            lines.push("its bytes differ".to_owned());
        }
        differences.push(format!("{name}: {}", lines.join("; ")));
    }
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_source_and_nothing_that_tools_wrote() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = one.path();
        for folder in [
            "src/x",
            ".git/refs",
            "packages/debian-12",
            "src/__pycache__",
        ] {
            fs_err::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "src/x/a.py",
            ".git/HEAD",
            "packages/debian-12/x.deb",
            "src/packages",
        ] {
            fs_err::write(root.join(file), file).unwrap();
        }
        fs_err::os::unix::fs::symlink("x/a.py", root.join("src/link")).unwrap();
        let target = two.path().join("copy");
        copy_shuffled(root, &target).unwrap();
        let there = |path: &str| target.join(path).symlink_metadata().is_ok();
        assert!(
            [
                "src/x/a.py",
                ".git/HEAD",
                ".git/refs",
                "src/link",
                "src/packages"
            ]
            .map(there)
                == [true; 5]
        );
        assert!(["packages", "src/__pycache__"].map(there) == [false; 2]);
        let mode = target
            .join("src/x/a.py")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_said_and_where_keys_are_reaches_the_second_build() {
        use clap::Parser;
        let words = [
            "omnibuild",
            "--tag",
            "1.0",
            "--channel",
            "fast",
            "--no-sign",
        ];
        let common = crate::cli::Cli::parse_from(words).common;
        assert_eq!(options(&common), words[1..]);
        let home = tempfile::tempdir().unwrap();
        let environment = Environment {
            gnupg_home: Some(home.path().to_owned()),
            ..Environment::default()
        };
        let signing = SigningConfig {
            key: SigningKey::File {
                path: "keys/key.asc".into(),
                passphrase_file: Some("keys/pass".into()),
            },
            deb: false,
        };
        let kept = kept(&environment, Some(&signing));
        assert_eq!(kept["GNUPGHOME"], home.path());
        let paths = [
            "OMNIBUILD_SIGNING_KEY_FILE",
            "OMNIBUILD_SIGNING_PASSPHRASE_FILE",
        ];
        for (name, end) in paths.into_iter().zip(["keys/key.asc", "keys/pass"]) {
            assert!(
                kept[name].is_absolute() && kept[name].ends_with(end),
                "{kept:?}"
            );
        }
    }

    #[test]
    fn what_differs_is_named() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let artifact = |name: &str| Artifact {
            file_name: name.to_owned(),
            size: 1,
            digest: Digest::of("1"),
        };
        for (name, second) in [("same", "1"), ("other", "2")] {
            fs_err::write(one.path().join(name), "1").unwrap();
            fs_err::write(two.path().join(name), second).unwrap();
        }
        let artifacts = ["same", "other", "absent"].map(artifact);
        let differences = compare(&artifacts, one.path(), two.path()).unwrap();
        let expected = [
            "other: its bytes differ",
            "absent: the second build has none",
        ];
        assert_eq!(differences, expected);
    }
}
