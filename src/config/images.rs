//! `[images.<name>]`: runtime images, what goes in and how they run.
//!
//! Checks words; makes no image. What an image may say is what the OCI image specification has
//! (config.md), and a health check, which Docker and Podman read beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::platform::{PlatformId, checked_word};
use crate::text;

use super::dockerfile::DockerfileLine;

checked_word!(
    /// The name of a repository in a registry: `host[:port]/path`, without a tag.
    RepositoryName,
    check_repository
);
checked_word!(
    /// A tag with places that the plan fills in: `{platform}-{version}`.
    TagTemplate,
    check_template
);
checked_word!(
    /// A port, `8080` or `8080/udp`.
    Port,
    check_port
);

/// What a template may have in braces.
const TEMPLATE_NAMES: [&str; 4] = ["platform", "version", "major", "minor"];
/// The tags of each image where nobody says which.
const TAGS: [&str; 1] = ["{platform}-{version}"];
/// The tags that the official platform's images have beside them.
const OFFICIAL_TAGS: [&str; 1] = ["{version}"];

/// `[images.<name>]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawImage {
    from: Option<String>,
    packages: Option<Vec<String>>,
    platforms: Option<Vec<PlatformId>>,
    repositories: Option<Vec<RepositoryName>>,
    tags: Option<Vec<TagTemplate>>,
    official_tags: Option<Vec<TagTemplate>>,
    environment: Option<BTreeMap<String, String>>,
    entrypoint: Option<Vec<String>>,
    command: Option<Vec<String>>,
    user: Option<String>,
    working_directory: Option<String>,
    ports: Option<BTreeSet<Port>>,
    volumes: Option<BTreeSet<String>>,
    stop_signal: Option<String>,
    health_check: Option<RawHealthCheck>,
    labels: Option<BTreeMap<String, String>>,
    dockerfile: Option<Vec<DockerfileLine>>,
    largest_size: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawHealthCheck {
    command: Vec<String>,
    interval: Option<String>,
    timeout: Option<String>,
    start_period: Option<String>,
    retries: Option<u32>,
}

/// A runtime image.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    /// The image of the project that it adds to; `None`: the platform's base.
    pub from: Option<String>,
    /// The meta-packages that go in, by their names in `packages`; `None`: all. With each comes what it
    /// needs.
    pub packages: Option<Vec<String>>,
    /// The platforms it is made from; `None`: all.
    pub platforms: Option<Vec<PlatformId>>,
    /// Where it is pushed.
    pub repositories: Vec<RepositoryName>,
    /// Its tags.
    pub tags: Vec<TagTemplate>,
    /// The tags that it has beside them where it is the official platform's.
    pub official_tags: Vec<TagTemplate>,
    /// How it runs.
    pub run: RunConfig,
    /// Labels and annotations, beside and over those that every image has.
    pub labels: BTreeMap<String, String>,
    /// What is done when the packages are installed, in this order.
    pub dockerfile: Vec<DockerfileLine>,
    /// The most bytes that its layers may have, compressed.
    pub largest_size: Option<u64>,
}

/// How an image runs: the part of its configuration that a container gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Variables and their defaults.
    pub environment: BTreeMap<String, String>,
    /// The words that a container's command begins with; `None`: the parent's.
    pub entrypoint: Option<Vec<String>>,
    /// The words after them, where who starts it gives none; `None`: the parent's.
    pub command: Option<Vec<String>>,
    /// `user[:group]`; `None`: the parent's, or root.
    pub user: Option<String>,
    /// Where its command starts.
    pub working_directory: Option<String>,
    /// Ports that it listens on.
    pub ports: BTreeSet<Port>,
    /// Folders whose content outlives a container.
    pub volumes: BTreeSet<String>,
    /// What ends it politely.
    pub stop_signal: Option<String>,
    /// How it is seen to be well.
    pub health_check: Option<HealthCheck>,
}

/// How a container is seen to be well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// A command that ends with 0.
    pub command: Vec<String>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// The longest that one may take.
    pub timeout: Option<Duration>,
    /// How long failures don't count after the start.
    pub start_period: Option<Duration>,
    /// How many failures in a row make it unwell.
    pub retries: Option<u32>,
}

impl ImageConfig {
    /// What the tables say, checked, and held against the packages there are.
    pub(super) fn check_all(
        raw: BTreeMap<String, RawImage>,
        packages: &BTreeSet<&String>,
    ) -> Result<BTreeMap<String, Self>> {
        let images: BTreeMap<String, Self> = raw
            .into_iter()
            .map(|(name, raw)| {
                let image = Self::check(&name, raw, packages)
                    .map_err(|error| error.context(format!("images.{name}")))?;
                Ok((name, image))
            })
            .collect::<Result<_>>()?;
        for name in images.keys() {
            check_chain(&images, name).map_err(|error| error.context(format!("images.{name}")))?;
        }
        Ok(images)
    }

    fn check(name: &str, raw: RawImage, known: &BTreeSet<&String>) -> Result<Self> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(letters) {
            return Err(bad("not a name for an image")
                .hint("use lower-case letters, digits and `-`, such as `core`"));
        }
        for package in raw.packages.iter().flatten() {
            if !known.contains(package) {
                let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
                return Err(
                    bad(format!("packages: there is no `{package}`")).hint(format!(
                        "name tables of `[packages]`: {}; what they need comes with them",
                        known.join(", ")
                    )),
                );
            }
        }
        let run = RunConfig {
            environment: raw.environment.unwrap_or_default(),
            entrypoint: raw.entrypoint,
            command: raw.command,
            user: raw.user,
            working_directory: raw.working_directory,
            ports: raw.ports.unwrap_or_default(),
            volumes: raw.volumes.unwrap_or_default(),
            stop_signal: raw.stop_signal,
            health_check: raw.health_check.map(HealthCheck::check).transpose()?,
        };
        run.check()?;
        let largest_size = raw.largest_size.map(|text| {
            text::size(&text).ok_or_else(|| {
                bad(format!("largest-size: `{text}` is no size"))
                    .hint("write a whole number and a unit, such as \"200M\"")
            })
        });
        let templates = |names: &[&str]| -> Vec<TagTemplate> {
            let words = names
                .iter()
                .map(|name| TagTemplate::try_from((*name).to_owned()));
            words.filter_map(Result::ok).collect()
        };
        Ok(Self {
            from: raw.from,
            packages: raw.packages,
            platforms: raw.platforms,
            repositories: raw.repositories.unwrap_or_default(),
            tags: raw.tags.unwrap_or_else(|| templates(&TAGS)),
            official_tags: raw
                .official_tags
                .unwrap_or_else(|| templates(&OFFICIAL_TAGS)),
            run,
            labels: raw.labels.unwrap_or_default(),
            dockerfile: raw.dockerfile.unwrap_or_default(),
            largest_size: largest_size.transpose()?,
        })
    }

    /// Whether it is made from a platform.
    pub fn is_for(&self, platform: &PlatformId) -> bool {
        let named = self.platforms.as_ref();
        named.is_none_or(|platforms| platforms.contains(platform))
    }
}

/// The images below one lead to a base, and are made from all its platforms.
fn check_chain(images: &BTreeMap<String, ImageConfig>, name: &str) -> Result<()> {
    let mut seen = BTreeSet::from([name]);
    let mut above = &images[name];
    while let Some(from) = &above.from {
        let Some(image) = images.get(from) else {
            let known: Vec<&str> = images.keys().map(String::as_str).collect();
            return Err(bad(format!("from: there is no image `{from}`")).hint(format!(
                "name another of the project's images ({}), or leave it out: then it begins with the platform's base",
                known.join(", ")
            )));
        };
        if !seen.insert(from) {
            return Err(bad(format!("from: `{from}` is made from this one"))
                .hint("begin one of them with the platform's base: leave its `from` out"));
        }
        let missing = match (&image.platforms, &above.platforms) {
            (None, _) => None,
            (Some(of), None) => Some(format!(
                "`{from}` is for {} alone",
                of.iter()
                    .map(PlatformId::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            (Some(of), Some(wanted)) => wanted
                .iter()
                .find(|platform| !of.contains(platform))
                .map(|platform| format!("`{from}` is not made from {platform}")),
        };
        if let Some(text) = missing {
            return Err(bad(format!("from: {text}"))
                .hint("let both have the same `platforms`, or this one fewer"));
        }
        above = image;
    }
    Ok(())
}

impl RunConfig {
    fn check(&self) -> Result<()> {
        for (name, value) in &self.environment {
            let good = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.is_empty()
                && !name.starts_with(|first: char| first.is_ascii_digit());
            if !good {
                return Err(
                    bad(format!("environment: `{name}` is not a name of a variable"))
                        .hint("use letters, digits and `_`"),
                );
            }
            if value.contains(char::is_control) {
                return Err(
                    bad(format!("environment.{name}: it holds a control character"))
                        .hint("write one line without tabs"),
                );
            }
        }
        for (key, words) in [("entrypoint", &self.entrypoint), ("command", &self.command)] {
            let words = words.iter().flatten();
            if words.clone().any(|word| word.contains('\0')) {
                return Err(bad(format!("{key}: a word holds a NUL")).hint("take it out"));
            }
        }
        if let Some(first) = self.entrypoint.iter().flatten().next()
            && !first.starts_with('/')
        {
            return Err(bad(format!("entrypoint: `{first}` is no absolute path"))
                .hint("name the program by its path, such as \"/opt/mytool/bin/mytool\": then it is seen to be there when the image is made"));
        }
        for path in self.volumes.iter().chain(&self.working_directory) {
            if !path.starts_with('/') || path.contains(char::is_control) {
                return Err(bad(format!("`{path}` is no absolute path"))
                    .hint("write the path in the container, from `/` on"));
            }
        }
        let word = |text: &String| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:+".contains(&byte);
            !text.is_empty() && text.bytes().all(good)
        };
        if let Some(user) = self.user.as_ref().filter(|user| !word(user)) {
            return Err(bad(format!("user: `{user}`"))
                .hint("write a name or a number: \"mytool\", \"999:999\""));
        }
        if let Some(signal) = self.stop_signal.as_ref().filter(|text| !is_signal(text)) {
            return Err(bad(format!("stop-signal: `{signal}` is no signal"))
                .hint("write a name as `kill -l` has it, or a number: \"SIGTERM\", \"SIGRTMIN+3\", \"15\""));
        }
        Ok(())
    }
}

/// `SIGTERM`, `SIGRTMIN+3` or a number (image-spec, config.md, `StopSignal`).
fn is_signal(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    match text.strip_prefix("SIG") {
        Some(name) => {
            let (name, more) = name.split_once(['+', '-']).unwrap_or((name, "0"));
            !name.is_empty() && name.bytes().all(letter) && more.parse::<u8>().is_ok()
        }
        // signal(7): there are 64.
        None => text
            .parse::<u8>()
            .is_ok_and(|number| (1..=64).contains(&number)),
    }
}

impl HealthCheck {
    fn check(raw: RawHealthCheck) -> Result<Self> {
        if raw.command.first().is_none_or(String::is_empty) {
            return Err(bad("health-check.command: it is empty")
                .hint("write a command as a list of words, such as `[\"mytool\", \"status\"]`"));
        }
        let time = |key: &str, text: Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
            let time = text::with_unit(&text, &units).map(Duration::from_millis);
            // Docker takes none that is shorter.
            match time.filter(|time| *time >= Duration::from_millis(1)) {
                Some(time) => Ok(Some(time)),
                None => Err(bad(format!("health-check.{key}: `{text}` is no time"))
                    .hint("write a whole number and ms, s, m or h, such as \"30s\"")),
            }
        };
        Ok(Self {
            command: raw.command,
            interval: time("interval", raw.interval)?,
            timeout: time("timeout", raw.timeout)?,
            start_period: time("start-period", raw.start_period)?,
            retries: raw.retries,
        })
    }
}

fn bad(text: impl Into<String>) -> Error {
    Error::new(Kind::Config, text.into())
}

fn check_repository(text: &str) -> Result<()> {
    let hint = "write the registry and the path in it, such as `registry.example/team/mytool`; tags have a key of their own";
    let Some((host, path)) = text.split_once('/') else {
        return Err(bad(format!("`{text}` names no registry")).hint(hint));
    };
    let host_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_host = host.contains(['.', ':']) || host == "localhost";
    if !is_host || !host.bytes().all(host_letter) {
        return Err(bad(format!("`{text}`: `{host}` is no registry")).hint(hint));
    }
    // The grammar of the OCI distribution specification.
    let good = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        part.bytes()
            .all(|byte| letter(byte) || b"._-".contains(&byte))
            && part.bytes().next().is_some_and(letter)
            && part.bytes().last().is_some_and(letter)
    };
    if path.split('/').all(good) {
        Ok(())
    } else {
        Err(bad(format!(
            "`{text}`: `{path}` is not the name of a repository"
        ))
        .hint(hint))
    }
}

fn check_template(text: &str) -> Result<()> {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(bad(format!("`{text}`: a `{{` without its `}}`"))
                .hint("write `{platform}`, `{version}`"));
        };
        if !TEMPLATE_NAMES.contains(&name) {
            return Err(
                bad(format!("`{text}`: there is no `{{{name}}}`")).hint(format!(
                    "what can stand in braces: {}",
                    TEMPLATE_NAMES.join(", ")
                )),
            );
        }
        plain = plain + before + "x";
        rest = after;
    }
    plain += rest;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = plain
        .bytes()
        .all(|byte| letter(byte) || b".-".contains(&byte))
        && plain.bytes().next().is_some_and(letter);
    if good {
        Ok(())
    } else {
        Err(bad(format!("`{text}` is not a tag")).hint(
            "a tag has letters, digits, `_`, `.` and `-`, and begins with none of the last two",
        ))
    }
}

fn check_port(text: &str) -> Result<()> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let good = number.parse::<u16>().is_ok_and(|number| number > 0)
        && matches!(protocol, "tcp" | "udp" | "sctp");
    if good {
        return Ok(());
    }
    Err(bad(format!("`{text}` is no port")).hint("write \"8080\" or \"53/udp\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<BTreeMap<String, ImageConfig>> {
        let raw: BTreeMap<String, RawImage> =
            toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        let packages = ["cli".to_owned(), "node".to_owned()];
        ImageConfig::check_all(raw, &packages.iter().collect())
    }

    #[test]
    fn an_image_says_how_it_runs() {
        let images = check(
            "[core]\nplatforms = ['debian-12']\npackages = ['node']\nports = ['8080', '53/udp']\n\
             entrypoint = ['/opt/x/bin/x']\nuser = 'x:x'\nlargest-size = '200M'\n\
             stop-signal = 'SIGRTMIN+3'\nworking-directory = '/srv'\n\
             dockerfile = ['RUN  echo one two']\n\
             health-check = { command = ['true'], interval = '30s' }\n\
             [cat]\nfrom = 'core'\nplatforms = ['debian-12']\n",
        )
        .unwrap();
        let core = &images["core"];
        assert_eq!(core.dockerfile[0].as_str(), "RUN  echo one two");
        assert_eq!(core.largest_size, Some(200_000_000));
        let health = core.run.health_check.as_ref().unwrap();
        assert_eq!(health.interval, Some(Duration::from_secs(30)));
        assert_eq!(core.tags[0].as_str(), "{platform}-{version}");
        assert!(core.is_for(&"debian-12".parse().unwrap()));
        assert!(!core.is_for(&"debian-13".parse().unwrap()));
    }

    #[test]
    fn what_can_be_no_image_is_told_with_what_to_write() {
        for (text, message) in [
            ("[Core]", "images.Core: not a name"),
            ("[a]\npackages = ['x']", "there is no `x`"),
            ("[a]\nfrom = 'b'", "there is no image `b`"),
            ("[a]\nfrom = 'b'\n[b]\nfrom = 'a'", "is made from this one"),
            (
                "[a]\nfrom = 'b'\n[b]\nplatforms = ['debian-12']",
                "is for debian-12 alone",
            ),
            ("[a]\nports = ['0']", "`0` is no port"),
            ("[a]\ntags = ['{what}']", "there is no `{what}`"),
            ("[a]\ntags = ['a b']", "is not a tag"),
            ("[a]\ntags = ['-a']", "is not a tag"),
            ("[a]\nrepositories = ['mytool']", "names no registry"),
            ("[a]\nrepositories = ['team/mytool']", "is no registry"),
            (
                "[a]\nrepositories = ['r.example/Team']",
                "is not the name of a repository",
            ),
            ("[a]\ndockerfile = ['USER a']", "`USER a`"),
            ("[a]\ndockerfile = ['RUN']", "no command of a shell"),
            ("[a]\nenvironment = { '1A' = '' }", "`1A`"),
            ("[a]\nenvironment = { A = \"a\\nb\" }", "control character"),
            ("[a]\nentrypoint = ['mytool']", "absolute path"),
            ("[a]\nvolumes = ['var']", "absolute path"),
            ("[a]\nuser = 'a b'", "user: `a b`"),
            (
                "[a]\nworking-directory = 'srv'",
                "`srv` is no absolute path",
            ),
            ("[a]\nstop-signal = 'TERM'", "`TERM` is no signal"),
            ("[a]\nstop-signal = 'SIGRTMIN+x'", "is no signal"),
            ("[a]\nstop-signal = '65'", "is no signal"),
            (
                "[a]\nhealth-check = { command = [] }",
                "health-check.command",
            ),
            (
                "[a]\nhealth-check = { command = ['x'], timeout = '1' }",
                "timeout: `1`",
            ),
            ("[a]\nlargest-size = 'big'", "largest-size"),
        ] {
            let error = check(text).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains(message), "{text}: {shown}");
        }
    }
}
