//! Makes a distribution's root filesystem from its package mirror, where no registry has an image.
//!
//! How is data of the platform; knows no distribution, no mirror, and no container engine. Packages
//! are always checked against the distribution's keys: there is no way to turn that off.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::digest::Digest;
use crate::error::{CommandFailed, Error, Kind, Result};
use crate::fsutil;
use crate::platform::{Arch, Bootstrap, BootstrapTool as Tool, Keyring, checked_mirror};

/// How many of the tool's last lines an error keeps.
const LAST_LINES: usize = 30;

/// No keyring or package database is longer than this, in bytes.
const LONGEST_MEMBER: u64 = 64 << 20;

impl Bootstrap {
    /// The command that writes the root filesystem as a tar to its standard output.
    ///
    /// It has the packages that are essential, apt, and for a mirror over https the certificates.
    /// Its sources.list(5) names the archives of the `mirror`, or those that the tool takes without
    /// one (release, updates and security), and no keyring: the image trusts its own keys.
    ///
    /// # Errors
    /// [`Kind::Config`] for a mirror or a table that can't be written into sources.list.
    pub fn command(&self, arch: Arch, mirror: Option<&str>, keyring: &Path) -> Result<Vec<String>> {
        for (name, words) in [
            ("suite", std::slice::from_ref(&self.suite)),
            ("components", self.components.as_slice()),
            ("first", self.first.as_slice()),
        ] {
            let may_be_empty = name == "first";
            if words.is_empty() && !may_be_empty || !words.iter().all(|word| is_word(word)) {
                return Err(Error::new(
                    Kind::Config,
                    format!("`bootstrap.{name}` has something else than names: {words:?}"),
                ));
            }
        }
        let mut argv = self.common();
        argv.extend([
            "--variant=apt".to_owned(),
            format!("--architectures={}", arch.debian()),
            format!("--components={}", self.components.join(",")),
            format!("--keyring={}", keyring.display()),
            // Otherwise the path of this machine's keyring gets into the image's sources.list.
            "--skip=check/signed-by".to_owned(),
            // This machine's, which the tool copies; engines bring their own.
            r#"--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf""#.to_owned(),
            // An installed system has it, and dpkg before 1.20 removes no package without it.
            r#"--customize-hook=touch "$1/var/lib/dpkg/available""#.to_owned(),
        ]);
        if !self.check_valid_until {
            argv.push(r#"--aptopt=Acquire::Check-Valid-Until "false""#.to_owned());
        }
        for package in &self.first {
            argv.push(format!(
                r#"--extract-hook=chroot "$1" sh -c "dpkg --force-depends --install /var/cache/apt/archives/{package}_*.deb""#
            ));
        }
        if mirror.is_some_and(|mirror| mirror.starts_with("https:")) {
            argv.push("--include=ca-certificates".to_owned());
        }
        argv.extend([self.suite.clone(), "-".to_owned()]);
        if let Some(mirror) = mirror {
            argv.extend(self.sources(mirror)?);
        }
        Ok(argv)
    }

    fn common(&self) -> Vec<String> {
        vec![self.tool.program().to_owned(), "--format=tar".to_owned()]
    }

    /// The lines of sources.list(5) for a mirror.
    fn sources(&self, mirror: &str) -> Result<Vec<String>> {
        let mirror = checked_mirror(mirror)?;
        let components = self.components.join(" ");
        let line = |archive: &String| {
            let archive = archive
                .replace("{mirror}", mirror)
                .replace("{suite}", &self.suite);
            let words: Vec<&str> = archive.split(' ').collect();
            match words[..] {
                [address, suite] if checked_mirror(address).is_ok() && is_word(suite) => {
                    Ok(format!("deb {archive} {components}"))
                }
                _ => Err(Error::new(
                    Kind::Config,
                    format!(
                        "`bootstrap.archives` has `{archive}`, which is not a mirror and a suite"
                    ),
                )
                .hint("write each as `{mirror} {suite}-updates`")),
            }
        };
        self.archives.iter().map(line).collect()
    }

    /// What to do when the tool is not installed.
    pub fn missing_tool_hint(&self) -> String {
        match self.tool {
            Tool::Mmdebstrap => "install it with `apt-get install mmdebstrap`".to_owned(),
        }
    }

    /// Makes the root filesystem and puts it at `output`, an uncompressed tar, at once; nothing is
    /// there when that fails. Every line that the tool prints goes to `log`. A keyring that has to
    /// be fetched is kept in the folder `cache`.
    ///
    /// Blocks the thread, for half a minute or so.
    ///
    /// # Errors
    /// [`Kind::Missing`] when the tool or the keyring is not there, [`Kind::Space`] when a disk is
    /// full, [`Kind::Config`] as in [`Self::command`], otherwise [`Kind::Network`].
    pub fn run(
        &self,
        arch: Arch,
        mirror: Option<&str>,
        cache: &Path,
        output: &Path,
        log: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let keyring = self.keyring(cache, log)?;
        // apt checks signatures as a user of its own, who may not look into a home folder.
        let readable = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .suffix(".gpg")
            .tempfile()?;
        fs_err::copy(&keyring, readable.path())?;
        let argv = self.command(arch, mirror, readable.path())?;
        self.execute(&argv, mirror, output, log)
            .map_err(|error| error.context(format_args!("can't bootstrap `{}`", self.suite)))
    }

    /// Whether the keys of the archive are on this machine, so that nothing has to be fetched first.
    pub fn has_keys(&self) -> bool {
        self.keyring.path.is_file()
    }

    /// Asks the mirror for its package lists, checks their signatures, and makes nothing. The error
    /// is the tool's last line.
    pub fn try_mirror(&self, arch: Arch, mirror: Option<&str>) -> Result<()> {
        let mut argv = self.command(arch, mirror, &self.keyring.path)?;
        argv.insert(1, "--simulate".to_owned());
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text
            .lines()
            .rfind(|line| line.starts_with("E:"))
            .unwrap_or("the mirror gave no package lists");
        Err(Error::new(Kind::Network, line.trim_start_matches("E: ")))
    }

    /// The file with the archive's keys.
    ///
    /// A machine of one distribution rarely has another's keys. The package with them is then taken
    /// from a suite that this machine has the keys of, so an unbroken chain of signatures leads
    /// from what is installed here to what is bootstrapped.
    fn keyring(&self, cache: &Path, log: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        let Keyring {
            path,
            package,
            suite,
        } = &self.keyring;
        if path.is_file() {
            return Ok(path.clone());
        }
        let missing = |error: Error| {
            error
                .context(format_args!(
                    "can't get the keys of `{}`, `{}`",
                    self.suite,
                    path.display()
                ))
                .hint(format!("install them with `apt-get install {package}`"))
        };
        let Some(suite) = suite else {
            return Err(missing(Error::new(Kind::Missing, "no such file")));
        };
        let name = path.file_name().unwrap_or(path.as_os_str());
        let kept = cache.join(name);
        if kept.is_file() {
            return Ok(kept);
        }
        if !is_word(suite) || !is_word(package) {
            return Err(missing(Error::new(
                Kind::Config,
                "`suite` or `package` is not a name",
            )));
        }
        let mut argv = self.common();
        argv.extend([
            "--variant=extract".to_owned(),
            format!("--include={package}"),
            suite.clone(),
            "-".to_owned(),
        ]);
        let tar = cache.join(format!("{package}.tar"));
        self.execute(&argv, None, &tar, log).map_err(missing)?;
        let keys = fs_err::File::open(&tar)
            .map_err(Error::from)
            .and_then(|tar| member(tar, path))
            .map_err(missing);
        fs_err::remove_file(&tar)?;
        fsutil::commit_bytes(&kept, &keys?)?;
        Ok(kept)
    }

    /// Runs the tool with its standard output going to `output`.
    fn execute(
        &self,
        argv: &[String],
        mirror: Option<&str>,
        output: &Path,
        log: &mut dyn FnMut(&str),
    ) -> Result<()> {
        fsutil::commit_file(output, |writer| {
            writer
                .flush()
                .map_err(|error| Error::io("write", output, &error))?;
            let file = writer
                .get_ref()
                .try_clone()
                .map_err(|error| Error::io("write", output, &error))?;
            let child = Command::new(&argv[0])
                .args(&argv[1..])
                // Its messages are looked at.
                .env("LC_ALL", "C.UTF-8")
                .stdin(Stdio::null())
                .stdout(file)
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| self.not_started(&error))?;
            let (status, last_lines) = Running(child).wait(log)?;
            if status.success() {
                return Ok(());
            }
            let error = failure(&last_lines, mirror, &self.keyring.path);
            Err(error.command(CommandFailed {
                argv: argv.to_vec(),
                status: status.code().map_or(-1, i64::from),
                last_lines: last_lines.into(),
                log: None,
            }))
        })
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let program = self.tool.program();
        if error.kind() == std::io::ErrorKind::NotFound {
            return Error::new(Kind::Missing, format!("`{program}` is not installed"))
                .hint(self.missing_tool_hint());
        }
        Error::new(Kind::Internal, format!("can't start `{program}`: {error}"))
    }
}

/// A child process that does not outlive this value.
struct Running(Child);

impl Running {
    /// Passes each line of its standard error on; its status and last lines.
    fn wait(mut self, log: &mut dyn FnMut(&str)) -> Result<(ExitStatus, VecDeque<String>)> {
        let failed = |error: std::io::Error| {
            Error::new(
                Kind::Internal,
                format!("can't follow the bootstrap: {error}"),
            )
        };
        let mut last_lines = VecDeque::with_capacity(LAST_LINES);
        let mut errors = BufReader::new(self.0.stderr.take().expect("it was asked to be piped"));
        let mut bytes = Vec::new();
        while errors.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end();
            log(line);
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(line.to_owned());
            bytes.clear();
        }
        Ok((self.0.wait().map_err(failed)?, last_lines))
    }
}

impl Drop for Running {
    /// Ends the process when it has not ended; it gets five seconds to remove its own temporary
    /// folder, which a kill would leave behind.
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let id = i32::try_from(self.0.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id
            && rustix::process::kill_process(id, rustix::process::Signal::TERM).is_ok()
        {
            for _ in 0..50 {
                std::thread::sleep(Duration::from_millis(100));
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
            }
        }
        // It may have ended in between: then there is nothing to kill, and nothing to report.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the last lines of the tool mean.
fn failure(last_lines: &VecDeque<String>, mirror: Option<&str>, keyring: &Path) -> Error {
    let has = |texts: &[&str]| {
        last_lines
            .iter()
            .any(|line| texts.iter().any(|text| line.contains(text)))
    };
    // apt's own errors come before the tool's, and say more.
    let reason = last_lines
        .iter()
        .find(|line| line.starts_with("E: "))
        .or(last_lines.back())
        .map_or("it said nothing", |line| line.trim_start_matches("E: "));
    let place = mirror.map_or("the tool's default mirror".to_owned(), |mirror| {
        format!("`{mirror}`")
    });
    let error = Error::new(Kind::Network, format!("from {place}: {reason}"));
    if has(&["No space left on device"]) {
        return error
            .of_kind(Kind::Space)
            .hint("make room in the folder for temporary files and in the cache");
    }
    if has(&["unable to pick chroot mode"]) {
        return error.of_kind(Kind::Missing).hint(
            "as root: `apt-get install fakechroot`, or give this user ranges in /etc/subuid and /etc/subgid",
        );
    }
    // A base of another architecture: its packages are configured in it.
    if has(&[
        "for foreign architecture support",
        "can neither be executed natively",
    ]) {
        return error.of_kind(Kind::Missing).hint(
            "a base is bootstrapped on this machine, whatever the engine's is: `apt-get install arch-test \
             qemu-user-static binfmt-support`, or have a registry with the platform's image reachable",
        );
    }
    if has(&[
        "NO_PUBKEY",
        "is not signed",
        "EXPKEYSIG",
        "BADSIG",
        "invalid signature",
    ]) {
        return error.hint(format!(
            "the archive must be signed by a key of `{}`: update that file, or take another mirror",
            keyring.display()
        ));
    }
    if has(&[
        "Failed to fetch",
        "does not have a Release file",
        "Could not resolve",
        "Could not connect",
    ]) {
        return error.hint(
            "name a mirror that this machine reaches and that has the suite: `mirror =` in the \
             configuration, or OMNIBUILD_MIRROR",
        );
    }
    error
}

/// Whether a text is a name of an archive's vocabulary, and can't be taken for an option.
fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._+/".contains(&byte))
}

/// The content of one file of a tar.
fn member(tar: impl Read, path: &Path) -> Result<Vec<u8>> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?;
        if name.strip_prefix("./").unwrap_or(&name) == relative
            && entry.header().entry_type().is_file()
        {
            let mut content = Vec::new();
            entry.take(LONGEST_MEMBER).read_to_end(&mut content)?;
            return Ok(content);
        }
    }
    Err(Error::new(
        Kind::Missing,
        format!("no `{}` in the archive", path.display()),
    ))
}

/// A digest of what a root filesystem's tar has installed: names, versions and architectures of
/// dpkg(1)'s database. Two filesystems with the same packages have the same digest, though their
/// bytes differ.
///
/// # Errors
/// [`Kind::Missing`] when the tar has no such database, [`Kind::Internal`] when it is empty.
pub fn content_digest(tar: impl Read) -> Result<Digest> {
    let status = member(tar, Path::new("/var/lib/dpkg/status"))?;
    let status = String::from_utf8_lossy(&status);
    let installed: BTreeSet<String> = status.split("\n\n").filter_map(installed).collect();
    if installed.is_empty() {
        return Err(Error::new(
            Kind::Internal,
            "the root filesystem has no package installed",
        ));
    }
    Ok(Digest::of(installed.into_iter().collect::<String>()))
}

/// `name version architecture` of a paragraph of dpkg's database, when the package is installed.
fn installed(paragraph: &str) -> Option<String> {
    let field = |name: &str| {
        paragraph
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let state = field("Status")?.split(' ').next_back()?;
    (state == "installed")
        .then(|| {
            Some(format!(
                "{} {} {}\n",
                field("Package")?,
                field("Version")?,
                field("Architecture")?
            ))
        })
        .flatten()
}

#[cfg(test)]
mod tests;
