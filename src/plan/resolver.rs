//! How a resolver is asked: indexes, options of requirement files, locks of other tools, as data.
//!
//! Pure. Which of these a file may use is decided where the file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pep508_rs::PackageName as DistributionName;

use crate::digest::{Digest, KeyBuilder};
use crate::error::Result;
use crate::wheel::Policy;

use super::credentials::Credentials;
use super::pylock::{Place, Pylock};
use super::requirements::{LockFile, LockKind, OptionLine, without_credentials};
use super::roots::{Direct, Root};

/// How a resolver chooses files; the words are those of pip's requirement file format.
#[derive(Debug, Clone, Default)]
pub struct ResolverOptions {
    /// `--pre`: pre-releases will do.
    pub prereleases: bool,
    /// `--no-index`: nothing but `find_links`.
    pub no_index: bool,
    /// `--find-links`: further places of files.
    pub find_links: Vec<Place>,
    /// `--no-binary`: built from source.
    pub no_binary: Selection,
    /// `--only-binary`: never built.
    pub only_binary: Selection,
}

/// Which distributions an option is about.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `:all:`.
    pub all: bool,
    /// By name.
    pub names: BTreeSet<DistributionName>,
}

/// The lock of another tool.
#[derive(Debug, Clone)]
pub struct ForeignLock {
    /// Whose it is.
    pub kind: ForeignLockKind,
    /// Below the project.
    pub path: String,
    /// The lock and what its tool reads beside it, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Extras of the project that are wanted.
    pub extras: Vec<String>,
}

/// Whose lock it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignLockKind {
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
}

/// Package indexes (PEP 503); URLs may hold credentials, which go into no key.
#[derive(Debug, Clone, Default)]
pub struct Indexes {
    /// In place of the resolver's default.
    pub index_url: Option<String>,
    /// Further ones.
    pub extra_index_urls: Vec<String>,
    /// Who asks them, and others.
    pub credentials: Credentials,
}

/// The user's ssh-agent, lent to those that fetch and build. Decides nothing that is built, so it is in
/// no key.
#[derive(Debug, Clone)]
pub struct SshPlan {
    /// Where it listens; `None`: nobody said.
    pub socket: Option<PathBuf>,
    /// The file of the servers' keys (sshd(8)); `None`: no server is known.
    pub known_hosts: Option<PathBuf>,
}

/// What a set of wheels is to be.
#[derive(Debug, Clone, Default)]
pub struct SetRequest {
    /// What the set must satisfy.
    pub roots: Vec<Root>,
    /// What limits its versions.
    pub constraints: Vec<Root>,
    /// How files are chosen.
    pub options: ResolverOptions,
    /// Files of the project that are installed or looked through, by path below it.
    pub files: BTreeMap<String, PathBuf>,
    /// What these files are.
    pub archives: BTreeMap<String, Digest>,
    /// The lock that decides every file.
    pub lock: Option<Pylock>,
    /// Whether everything in the lock is to be installed, needed or not.
    pub whole_lock: bool,
    /// Whether every distribution must have a hash.
    pub requires_hashes: bool,
    /// What to do about things in wheels that are no defects.
    pub policy: Policy,
    /// The lock of another tool, which that tool has to export.
    pub foreign_lock: Option<ForeignLock>,
    /// The indexes.
    pub indexes: Indexes,
    /// The ssh-agent, when it is lent.
    pub ssh: Option<SshPlan>,
}

impl SetRequest {
    /// A netrc file for the git repositories that the project names.
    pub fn netrc(&self) -> String {
        let urls: BTreeSet<&str> = self.repositories().collect();
        self.indexes.credentials.netrc_of(urls.into_iter())
    }

    /// Whether the project names a git repository that is reached by ssh.
    pub fn names_ssh(&self) -> bool {
        let scheme = "ssh://";
        let foreign = self
            .foreign_lock
            .iter()
            .flat_map(|lock| lock.files.values());
        self.repositories().any(|url| url.starts_with(scheme))
            || foreign
                .map(|content| String::from_utf8_lossy(content))
                .any(|text| text.contains(scheme))
    }

    fn repositories(&self) -> impl Iterator<Item = &str> {
        let roots = self.roots.iter().chain(&self.constraints);
        let direct = roots.filter_map(|root| match &root.direct {
            Some(Direct::Commit { repository, .. }) => Some(repository),
            Some(Direct::Url { .. } | Direct::File { .. }) | None => None,
        });
        let locked = self.lock.iter().flat_map(|lock| &lock.packages);
        let locked = locked.filter_map(|package| Some(&package.commit.as_ref()?.repository));
        direct.chain(locked).map(String::as_str)
    }

    /// Takes a lock that stands among the requirements: everything in it is installed.
    pub(super) fn add_lock(&mut self, lock: &LockFile, extras: &[String]) -> Result<()> {
        self.whole_lock = true;
        let kind = match lock.kind {
            LockKind::Pylock => {
                self.lock = Some(Pylock::parse(&lock.path, &lock.text)?);
                return Ok(());
            }
            LockKind::Uv => ForeignLockKind::Uv,
            LockKind::Poetry => ForeignLockKind::Poetry,
        };
        let name = lock.path.rsplit('/').next().unwrap_or(&lock.path);
        let mut files = BTreeMap::from([(name.to_owned(), lock.text.clone().into_bytes())]);
        let project = lock.project.iter().cloned();
        files.extend(project.map(|text| ("pyproject.toml".to_owned(), text)));
        self.foreign_lock = Some(ForeignLock {
            kind,
            path: lock.path.clone(),
            files,
            extras: extras.to_vec(),
        });
        Ok(())
    }
}

impl Indexes {
    /// Adds the indexes, without credentials, to what decides a set of wheels.
    pub fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        let extra = self.extra_index_urls.iter().enumerate();
        let fields = self
            .index_url
            .iter()
            .map(|url| ("index".to_owned(), url))
            .chain(extra.map(|(number, url)| (format!("extra index {number}"), url)))
            .map(|(name, url)| (name, without_credentials(url)));
        key.fields("", fields)
    }

    /// The indexes with their credentials.
    pub(super) fn complete(&mut self) {
        let urls = self.index_url.iter_mut().chain(&mut self.extra_index_urls);
        for url in urls {
            *url = self.credentials.complete(url);
        }
    }

    /// The URL of a file with the credentials of the index on the same server, if that has any, else
    /// with those that are known of the server.
    pub fn with_credentials(&self, url: &str) -> String {
        let parts = |url: &str| {
            let (scheme, rest) = url.split_once("://")?;
            let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, server) = match authority.rsplit_once('@') {
                Some((user, server)) => (Some(user.to_owned()), server),
                None => (None, authority),
            };
            Some((format!("{scheme}://{server}"), user))
        };
        let Some((server, None)) = parts(url) else {
            return url.to_owned();
        };
        let user = self
            .index_url
            .iter()
            .chain(&self.extra_index_urls)
            .filter_map(|index| parts(index))
            .find_map(|(of, user)| user.filter(|_| of == server));
        match (user, url.split_once("://")) {
            (Some(user), Some((scheme, rest))) => format!("{scheme}://{user}@{rest}"),
            _ => self.credentials.complete(url),
        }
    }
}

impl Selection {
    /// Whether the option is about this distribution.
    pub fn matches(&self, name: &DistributionName) -> bool {
        self.all || self.names.contains(name)
    }

    /// The option's values, as pip and uv take them.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let all = self.all.then(|| ":all:".to_owned());
        all.into_iter()
            .chain(self.names.iter().map(ToString::to_string))
    }

    /// Adds a value: `:all:`, `:none:`, which takes back what stood before, or a comma list.
    pub fn add(&mut self, value: &str) {
        for word in value.split(',') {
            match word.trim() {
                ":all:" => self.all = true,
                ":none:" => *self = Self::default(),
                name => self.names.extend(name.parse::<DistributionName>()),
            }
        }
    }
}

impl ResolverOptions {
    /// Takes an option of a requirement file; those for indexes change these.
    pub fn add(&mut self, line: &OptionLine, indexes: &mut Indexes) {
        let value = line.option.value.as_deref().unwrap_or_default();
        match line.option.name {
            "--index-url" => indexes.index_url = Some(value.to_owned()),
            "--extra-index-url" => indexes.extra_index_urls.push(value.to_owned()),
            "--pre" => self.prereleases = true,
            "--no-index" => self.no_index = true,
            "--no-binary" => self.no_binary.add(value),
            "--only-binary" => self.only_binary.add(value),
            "--find-links" => self.find_links.push(match line.folder() {
                Some(folder) => Place::Project(folder),
                None => Place::Url(value.to_owned()),
            }),
            _ => {}
        }
    }

    /// The options as words of pip, but for `--find-links`, whose addresses may hold a password.
    pub fn for_pip(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.prereleases {
            words.push("--pre".to_owned());
        }
        if self.no_index {
            words.push("--no-index".to_owned());
        }
        for (name, selection) in [
            ("--no-binary", &self.no_binary),
            ("--only-binary", &self.only_binary),
        ] {
            for value in selection.words() {
                words.extend([name.to_owned(), value]);
            }
        }
        words
    }
}
