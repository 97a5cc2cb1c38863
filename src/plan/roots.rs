//! What a set of wheels starts from: requirements with their markers, files and hashes, as data.
//!
//! Pure. Says what is asked for; which distributions answer it is the wheels stage's.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::{Operator, VersionSpecifier, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerTree, PackageName, Requirement, VersionOrUrl};

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

use super::pylock::{self, LockedPackage};
use super::requirements::{self, Place as LinePlace, RequirementLine};

/// A requirement that a set must satisfy, or a constraint that it must keep to.
#[derive(Debug, Clone)]
pub struct Root {
    /// The distribution.
    pub name: PackageName,
    /// Its extras.
    pub extras: Vec<ExtraName>,
    /// The versions that will do; empty: any.
    pub specifiers: VersionSpecifiers,
    /// The one file or commit that will do.
    pub direct: Option<Direct>,
    /// Where it holds.
    pub marker: MarkerTree,
    /// The files that will do (`--hash`); empty: any.
    pub hashes: BTreeSet<Digest>,
    /// Where it stands: `requirements.txt:3`, `the project`.
    pub place: String,
}

/// A distribution that is named by its place in place of a version (PEP 508, direct references).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direct {
    /// A file on a server.
    Url {
        /// May hold credentials.
        url: String,
        /// What it must be.
        digest: Digest,
    },
    /// A file of the project.
    File {
        /// Below the project, with `/`.
        path: String,
        /// What it is.
        digest: Digest,
    },
    /// A commit of a git repository.
    Commit {
        /// The repository; may hold credentials.
        repository: String,
        /// The whole hash.
        commit: String,
        /// The folder in it that holds the project.
        subfolder: Option<String>,
    },
}

impl Root {
    /// A requirement as PEP 508 writes it.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        let requirement = requirements::parse_requirement(text).map_err(|reason| {
            Error::new(
                Kind::Config,
                format!("{place}: `{text}` is not a requirement: {reason}"),
            )
        })?;
        Self::from_requirement(requirement, place)
    }

    /// A parsed requirement. A direct reference must say what it refers to: a file by its digest.
    pub fn from_requirement(requirement: Requirement, place: &str) -> Result<Self> {
        let (specifiers, direct) = match requirement.version_or_url {
            None => (VersionSpecifiers::empty(), None),
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => (specifiers, None),
            Some(VersionOrUrl::Url(url)) => {
                let text = url.given().unwrap_or(url.as_str());
                let direct = Direct::parse(text).ok_or_else(|| {
                    let shown = requirements::without_credentials(text);
                    Error::new(
                        Kind::Config,
                        format!("{place}: what `{shown}` holds can change"),
                    )
                    .hint("add `#sha256=…` with the digest of the file, or `@` with the whole hash of the commit")
                })?;
                (VersionSpecifiers::empty(), Some(direct))
            }
        };
        Ok(Self {
            name: requirement.name,
            extras: requirement.extras,
            specifiers,
            direct,
            marker: requirement.marker,
            hashes: BTreeSet::new(),
            place: place.to_owned(),
        })
    }

    /// A line of a requirement file as data. `archives` are the files of the project, by path.
    pub fn of_line(line: &RequirementLine, archives: &BTreeMap<String, Digest>) -> Result<Self> {
        let place = format!("{}:{}", line.file, line.line);
        let mut root = match &line.place {
            LinePlace::File(path) => Self::of_file(line, path, archives, &place)?,
            LinePlace::Index | LinePlace::Git | LinePlace::Url => Self::of_text(line, &place)?,
        };
        root.hashes = line.hashes.iter().cloned().collect();
        Ok(root)
    }

    /// A requirement by name; a URL without a name has that of its file.
    fn of_text(line: &RequirementLine, place: &str) -> Result<Self> {
        let digest = match (&line.place, line.hashes.first()) {
            (LinePlace::Url, Some(digest)) if !line.text.contains("sha256=") => {
                // A fragment that names the distribution has room for more.
                let joint = if line.text.contains('#') { '&' } else { '#' };
                format!("{joint}sha256={digest}")
            }
            _ => String::new(),
        };
        let (text, marker) = apart(&line.text);
        let named = text.contains(" @ ") || line.place == LinePlace::Index;
        if named {
            return Self::parse(&format!("{text}{digest}{marker}"), place);
        }
        let name = name_of_place(text).ok_or_else(|| unnamed(text, place))?;
        Self::parse(&format!("{name} @ {text}{digest}{marker}"), place)
    }

    fn of_file(
        line: &RequirementLine,
        path: &str,
        archives: &BTreeMap<String, Digest>,
        place: &str,
    ) -> Result<Self> {
        let digest = archives.get(path).cloned().ok_or_else(|| {
            Error::new(Kind::Missing, format!("{place}: `{path}` does not exist"))
                .hint("put the file there, or correct the path")
        })?;
        let (text, marker) = apart(&line.text);
        let name = match text.split_once('@') {
            Some((name, _)) if !name.contains('/') => name.trim().to_owned(),
            _ => name_of_place(path).ok_or_else(|| unnamed(path, place))?,
        };
        let extras = text.rfind('[').filter(|_| text.ends_with(']'));
        let extras = extras.map_or("", |start| &text[start..]);
        let mut root = Self::parse(&format!("{name}{extras}{marker}"), place)?;
        root.direct = Some(Direct::File {
            path: path.to_owned(),
            digest,
        });
        Ok(root)
    }

    /// A locked distribution as a requirement of nothing else.
    pub fn of_locked(package: &LockedPackage) -> Self {
        let version = package
            .version
            .clone()
            .map(VersionSpecifier::equals_version);
        Self {
            name: package.name.clone(),
            extras: Vec::new(),
            specifiers: version.into_iter().collect(),
            direct: None,
            marker: package.marker.clone(),
            hashes: BTreeSet::new(),
            place: "the lock".to_owned(),
        }
    }

    /// Whether it lets only one version through.
    pub fn is_pinned(&self) -> bool {
        self.direct.is_some()
            || self.specifiers.iter().any(|specifier| {
                matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)
            })
    }
}

/// A requirement, and its marker with the ` ;` in front of it; empty without one.
fn apart(text: &str) -> (&str, &str) {
    text.split_at(text.find(" ;").unwrap_or(text.len()))
}

/// The distribution that a file's name says (PEP 427, PEP 625), or a repository's.
fn name_of_place(place: &str) -> Option<String> {
    let (path, fragment) = place.split_once('#').unwrap_or((place, ""));
    if let Some(name) = fragment
        .split('&')
        .find_map(|part| part.strip_prefix("egg="))
    {
        return Some(name.to_owned());
    }
    if place.starts_with("git+") {
        let (repository, _) = path.rsplit_once('@')?;
        let name = repository.trim_end_matches('/').rsplit('/').next()?;
        return Some(name.trim_end_matches(".git").to_owned());
    }
    let file = pylock::file_name(path);
    let name = if pylock::is_wheel(&file) {
        file.split('-').next()
    } else {
        file.rsplit_once('-').map(|(name, _)| name)
    };
    name.filter(|name| !name.is_empty()).map(str::to_owned)
}

fn unnamed(text: &str, place: &str) -> Error {
    let shown = requirements::without_credentials(text);
    Error::new(
        Kind::Config,
        format!("{place}: which distribution `{shown}` is can't be told from its name"),
    )
    .hint("write `name @` in front of it")
}

impl Direct {
    /// A URL with the digest of its file, or with the hash of a commit; `None` for one that
    /// doesn't say what it refers to.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, fragment) = text.split_once('#').unwrap_or((text, ""));
        let field = |name: &str| {
            fragment
                .split('&')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        if let Some(rest) = place.strip_prefix("git+") {
            let (repository, commit) = rest.rsplit_once('@')?;
            let whole = matches!(commit.len(), 40 | 64)
                && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            return whole.then(|| Self::Commit {
                repository: repository.to_owned(),
                commit: commit.to_ascii_lowercase(),
                subfolder: field("subdirectory").map(str::to_owned),
            });
        }
        let digest = field("sha256")?.to_ascii_lowercase().parse().ok()?;
        Some(Self::Url {
            url: place.to_owned(),
            digest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_behind_a_url_is_the_files() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let folder = tempfile::tempdir().unwrap();
        for (line, name) in [
            (
                format!("https://x.example/a-1.tar.gz --hash=sha256:{digest}"),
                "a",
            ),
            (
                format!("https://x.example/v1.zip#egg=b --hash=sha256:{digest}"),
                "b",
            ),
            (
                format!("https://x.example/v1.zip#egg=c&sha256={digest}"),
                "c",
            ),
            (
                format!("d @ https://x.example/v1.zip ; os_name == 'posix' --hash=sha256:{digest}"),
                "d",
            ),
        ] {
            fs_err::write(folder.path().join("r.txt"), &line).unwrap();
            let set = requirements::read(folder.path(), "r.txt".as_ref()).unwrap();
            let root = Root::of_line(&set.requirements[0], &set.archives).unwrap();
            assert_eq!(root.name.as_ref(), name, "{line}");
            let Some(Direct::Url { digest: found, .. }) = root.direct else {
                panic!("{line}: {:?}", root.direct);
            };
            assert_eq!(found.as_str(), digest, "{line}");
        }
    }

    #[test]
    fn a_direct_reference_says_what_it_refers_to() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let url = Direct::parse(&format!("https://x.example/a-1.tar.gz#sha256={digest}"));
        assert_eq!(
            url,
            Some(Direct::Url {
                url: "https://x.example/a-1.tar.gz".to_owned(),
                digest: digest.parse().unwrap(),
            })
        );
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let git = Direct::parse(&format!(
            "git+https://x.example/a.git@{commit}#egg=a&subdirectory=b"
        ));
        assert_eq!(
            git,
            Some(Direct::Commit {
                repository: "https://x.example/a.git".to_owned(),
                commit: commit.to_owned(),
                subfolder: Some("b".to_owned()),
            })
        );
        for moving in [
            "https://x.example/a-1.tar.gz",
            "https://x.example/a-1.tar.gz#md5=0",
            "git+https://x.example/a.git",
            "git+https://x.example/a.git@main",
        ] {
            assert_eq!(Direct::parse(moving), None, "{moving}");
            let error = Root::parse(&format!("a @ {moving}"), "r.txt:3").unwrap_err();
            assert!(error.message().starts_with("r.txt:3: "), "{error}");
            assert_eq!(error.kind(), Kind::Config);
        }
    }

    #[test]
    fn only_an_equal_sign_pins() {
        for (text, pinned) in [
            ("a==1", true),
            ("a===1", true),
            ("a~=1.0", false),
            ("a", false),
        ] {
            assert_eq!(
                Root::parse(text, "r").unwrap().is_pinned(),
                pinned,
                "{text}"
            );
        }
    }
}
