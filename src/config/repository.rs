//! `[verify.repository.<family or platform>]`: an apt or dnf repository with earlier versions.
//!
//! What stands here becomes a line of a file that a package manager reads, so only letters that mean
//! nothing to it are taken. What a family needs of it is decided by the plan.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// Stands for the platform's name in an address or suite.
pub const PLATFORM: &str = "{platform}";
/// Stands for `VERSION_CODENAME` of os-release(5).
const CODENAME: &str = "{codename}";

/// What stands before a public key of OpenPGP (RFC 9580, section 6.2).
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A repository as it stands in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRepository {
    url: String,
    suite: Option<String>,
    components: Option<Vec<String>>,
    key: Option<PathBuf>,
    signed: Option<Signed>,
}

/// What of a repository is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    /// Its metadata, which has the digests of the packages: `InRelease`, `repomd.xml.asc`.
    Metadata,
    /// Each package (rpm).
    Packages,
    /// Nothing.
    Nothing,
}

/// A repository, checked as far as its family does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// Its address; empty: there is none for this platform.
    pub url: String,
    /// The suite (apt).
    pub suite: Option<String>,
    /// The components of the suite (apt).
    pub components: Vec<String>,
    /// The file of the public key, armored.
    pub key: Option<PathBuf>,
    /// What is signed, where that was said.
    pub signed: Option<Signed>,
}

impl RepositoryConfig {
    /// What a table of the project in `root` says, checked; `place` is the table's name.
    pub(super) fn check(root: &Path, place: &str, raw: RawRepository) -> Result<Self> {
        let key = raw.key.map(|path| root.join(path));
        let unsigned = raw.signed == Some(Signed::Nothing);
        if !raw.url.is_empty() {
            check_url(place, &raw.url, unsigned)?;
            match (&key, unsigned) {
                (Some(path), false) => check_key(place, path)?,
                (None, true) => {}
                (None, false) => {
                    return Err(wrong(place, "key", "the repository has none")
                        .hint("export the public key it is signed with into a file (`gpg --armor --export`) and name it: `key = \"keys/acme.asc\"`")
                        .hint("a repository that nobody signs is read with `signed = \"nothing\"`"));
                }
                (Some(_), true) => {
                    return Err(wrong(place, "key", "nothing is checked with it")
                        .hint("take out `key`, or `signed = \"nothing\"`"));
                }
            }
        }
        if let Some(suite) = &raw.suite {
            check_word(place, "suite", suite)?;
        }
        let components = raw.components.unwrap_or_default();
        for component in &components {
            check_word(place, "components", component)?;
        }
        Ok(Self {
            url: raw.url,
            suite: raw.suite,
            components,
            key,
            signed: raw.signed,
        })
    }
}

fn wrong(place: &str, key: &str, what: &str) -> Error {
    Error::new(Kind::Config, format!("{place}.{key}: {what}"))
}

/// The text without what stands for other words.
fn without_placeholders(text: &str) -> String {
    text.replace(PLATFORM, "platform")
        .replace(CODENAME, "codename")
}

/// An address that packages may come from. It is not repeated: it may hold a password.
fn check_url(place: &str, url: &str, unsigned: bool) -> Result<()> {
    let plain = without_placeholders(url);
    let known =
        |letter: char| letter.is_ascii_alphanumeric() || "-._~:/%+,=&?!$[]@".contains(letter);
    let (scheme, rest) = plain.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if !["http", "https"].contains(&scheme) || authority.is_empty() || !plain.chars().all(known) {
        return Err(wrong(place, "url", "this is no address of a repository")
            .hint("write it as `https://packages.acme.example/debian`; `{platform}` and (apt) `{codename}` stand for those words, and dnf knows `$releasever` and `$basearch`"));
    }
    if authority.contains('@') {
        return Err(wrong(place, "url", "it holds a name or password")
            .hint("an address is written to logs and records: name a repository that can be read without one"));
    }
    let host = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_else(|| authority.split(':').next().unwrap_or_default());
    let here = ["localhost", "127.0.0.1", "::1"].contains(&host);
    if unsigned && scheme == "http" && !here {
        return Err(
            wrong(place, "url", "nothing says who wrote what it answers")
                .hint("what nobody signed is taken over https, or from this machine"),
        );
    }
    Ok(())
}

/// A word of a suite or component (Debian policy has no grammar; this is what archives use).
fn check_word(place: &str, key: &str, word: &str) -> Result<()> {
    let plain = without_placeholders(word);
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-._+~/".contains(letter);
    let parts_are_names = !plain.split('/').any(|part| part == "..");
    if !plain.is_empty() && !plain.starts_with('-') && plain.chars().all(known) && parts_are_names {
        return Ok(());
    }
    let what = format!("`{}` is no name of one", word.escape_debug());
    Err(wrong(place, key, &what)
        .hint("write it as in sources.list(5), such as `bookworm`, `{codename}` or `main`"))
}

fn check_key(place: &str, path: &Path) -> Result<()> {
    if !path.is_file() {
        let what = format!("there is no file `{}`", path.display());
        return Err(wrong(place, "key", &what).of_kind(Kind::Missing).hint(
            "export the public key that the repository is signed with: `gpg --armor --export KEY`",
        ));
    }
    let bytes = fs_err::read(path).map_err(|error| Error::from(error).of_kind(Kind::Config))?;
    if bytes.windows(ARMOR.len()).any(|window| window == ARMOR) {
        return Ok(());
    }
    let what = format!("`{}` holds no armored public key", path.display());
    Err(wrong(place, "key", &what).hint("make one with `gpg --armor --export KEY`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<RepositoryConfig> {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("acme.asc"), ARMOR).unwrap();
        fs_err::write(folder.path().join("bad.asc"), b"PRIVATE").unwrap();
        RepositoryConfig::check(folder.path(), "at", toml::from_str(text).unwrap())
    }

    #[test]
    fn addresses_of_both_families_are_taken() {
        for url in [
            "https://packages.acme.example/{platform}",
            "http://packages.acme.example:8080/el$releasever/$basearch/",
            "http://[::1]:80/a",
        ] {
            let config = check(&format!("url = \"{url}\"\nkey = \"acme.asc\"\n")).unwrap();
            assert_eq!(config.url, url);
        }
        check("url = \"\"").unwrap();
        for url in [
            "https://a.example/",
            "http://127.0.0.1:80/",
            "http://[::1]:8/",
        ] {
            check(&format!("url = \"{url}\"\nsigned = \"nothing\"")).unwrap();
        }
    }

    #[test]
    fn what_could_be_another_line_or_option_is_refused() {
        let key = "key = \"acme.asc\"";
        for (text, message) in [
            ("url = \"packages.acme.example\"", "at.url: this is no"),
            ("url = \"ftp://a.example/\"", "at.url: this is no"),
            ("url = \"file:///srv\"", "at.url: this is no"),
            ("url = \"https:///x\"", "at.url: this is no"),
            ("url = \"https://a.example/ b\"", "at.url: this is no"),
            (
                "url = \"https://a.example/\\nTrusted: yes\"",
                "at.url: this is no",
            ),
            (
                "url = \"https://a.example/{release}\"",
                "at.url: this is no",
            ),
            ("url = \"https://a.example/é\"", "at.url: this is no"),
            ("url = \"https://u:p@a.example/\"", "at.url: it holds"),
            ("url = \"https://a.example\"\nsuite = \"\"", "at.suite: ``"),
            (
                "url = \"https://a.example\"\nsuite = \"a\\nTrusted: yes\"",
                "at.suite: `a\\n",
            ),
            (
                "url = \"https://a.example\"\nsuite = \"../a\"",
                "at.suite: `../a`",
            ),
            (
                "url = \"https://a.example\"\ncomponents = [\"main [trusted=yes]\"]",
                "at.components: `main [",
            ),
            (
                "url = \"https://a.example\"\ncomponents = [\"-o\"]",
                "at.components: `-o`",
            ),
        ] {
            let error = check(&format!("{text}\n{key}\n")).unwrap_err();
            assert!(error.message().starts_with(message), "{text}: {error}");
            assert!(!error.hints().is_empty(), "{text}");
            assert!(!error.message().contains("u:p"), "{error}");
        }
    }

    #[test]
    fn who_signs_is_always_said() {
        let url = "url = \"http://a.example/\"";
        for (text, message) in [
            ("", "at.key: the repository has none"),
            ("key = \"none.asc\"", "at.key: there is no file"),
            ("key = \"bad.asc\"", "holds no armored public key"),
            ("signed = \"nothing\"", "at.url: nothing says who"),
            ("key = \"acme.asc\"\nsigned = \"nothing\"", "at."),
        ] {
            let error = check(&format!("{url}\n{text}\n")).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
        }
    }
}
