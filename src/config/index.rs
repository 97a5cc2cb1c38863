//! `[index]`: how indexes are told who asks, as the files, the command line and the environment say.
//!
//! Checks words; reads no file and asks nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

use super::texts::check_address;

/// `[index]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawIndex {
    token_file: Option<PathBuf>,
    token_files: Option<BTreeMap<String, PathBuf>>,
    keyring_provider: Option<String>,
}

/// What the environment says of it.
#[derive(Debug, Clone, Default)]
pub struct IndexOverrides {
    /// `OMNIBUILD_INDEX_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// `NETRC`.
    pub netrc: Option<PathBuf>,
    /// `~/.netrc`, which may not be there.
    pub default_netrc: Option<PathBuf>,
    /// `PIP_KEYRING_PROVIDER`.
    pub keyring_provider: Option<String>,
}

/// Where credentials of indexes are.
#[derive(Debug, Clone, Default)]
pub struct IndexConfig {
    /// The file with the token of `index-url`.
    pub token_file: Option<PathBuf>,
    /// Files with tokens, by `host` or `host:port`.
    pub token_files: BTreeMap<String, PathBuf>,
    /// A file as netrc(5) describes it.
    pub netrc: Option<PathBuf>,
    /// Whether the program `keyring` is asked.
    pub keyring: bool,
}

impl RawIndex {
    /// These values, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            token_file: self.token_file.or(under.token_file),
            token_files: self.token_files.or(under.token_files),
            keyring_provider: self.keyring_provider.or(under.keyring_provider),
        }
    }
}

impl IndexConfig {
    /// Checks what was said, and the addresses of the indexes.
    pub(super) fn check(
        root: &Path,
        raw: RawIndex,
        said: IndexOverrides,
        [url, said_url]: [Option<&str>; 2],
        extra: Option<&[String]>,
    ) -> Result<Self> {
        for (key, text) in [
            ("index-url", url),
            ("--index-url or PIP_INDEX_URL", said_url),
        ] {
            text.map_or(Ok(()), |text| check_address(key, text))?;
        }
        for (number, text) in extra.unwrap_or_default().iter().enumerate() {
            check_address(&format!("extra-index-urls[{number}]"), text)?;
        }
        let place = |path: PathBuf| root.join(path);
        let token_file = said.token_file.or(raw.token_file.map(place));
        if token_file.is_some() && url.is_none() && said_url.is_none() {
            return Err(Error::new(
                Kind::Config,
                "index.token-file: no index is named that it could be for",
            )
            .hint("name the index in `index-url`, or its host in `[index] token-files`"));
        }
        let provider = said.keyring_provider.or(raw.keyring_provider);
        let keyring = match provider.as_deref().unwrap_or("auto") {
            // pip's `auto` asks nobody where it may not ask the user.
            "auto" | "disabled" => false,
            "import" | "subprocess" => true,
            other => {
                return Err(Error::new(
                    Kind::Config,
                    format!("index.keyring-provider: there is no provider `{other}`"),
                )
                .hint("write `subprocess`, which runs the program `keyring`, or `disabled`"));
            }
        };
        let default_netrc = said.default_netrc.filter(|path| path.is_file());
        let files = raw.token_files.unwrap_or_default().into_iter();
        Ok(Self {
            token_file,
            token_files: files.map(|(host, path)| (host, place(path))).collect(),
            netrc: said.netrc.or(default_netrc),
            keyring,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, url: Option<&str>, said: IndexOverrides) -> Result<IndexConfig> {
        let raw = toml::from_str(text).unwrap();
        IndexConfig::check(Path::new("/p"), raw, said, [url, None], None)
    }

    #[test]
    fn files_are_the_projects_and_the_environment_wins() {
        let text = "token-file = \"token\"\nkeyring-provider = \"subprocess\"\n\
            [token-files]\n\"a.example:8443\" = \"/run/token\"\n";
        let url = Some("https://index.example/simple");
        let config = check(text, url, IndexOverrides::default()).unwrap();
        assert_eq!(config.token_file.unwrap(), Path::new("/p/token"));
        assert_eq!(
            config.token_files["a.example:8443"],
            Path::new("/run/token")
        );
        assert!(config.keyring);
        let said = IndexOverrides {
            token_file: Some("/t".into()),
            default_netrc: Some("/p/no such netrc".into()),
            keyring_provider: Some("auto".to_owned()),
            ..IndexOverrides::default()
        };
        let config = check(text, url, said).unwrap();
        assert_eq!(config.token_file.unwrap(), Path::new("/t"));
        assert!(!config.keyring && config.netrc.is_none());
    }

    #[test]
    fn a_token_is_for_an_index_and_a_provider_is_known() {
        for (text, words) in [
            ("token-file = \"token\"", "index.token-file: no index"),
            ("keyring-provider = \"gnome\"", "no provider `gnome`"),
        ] {
            let error = check(text, None, IndexOverrides::default()).unwrap_err();
            assert!(error.message().contains(words), "{error}");
            assert_eq!(error.kind(), Kind::Config);
        }
    }
}
