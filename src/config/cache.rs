//! `[cache]`: the remote cache of wheels, as the files, the command line and the environment say.
//!
//! Checks words and addresses; connects to nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// The scope that nobody has to name: what the main branch makes.
const DEFAULT_SCOPE: &str = "main";
/// Longer ones are no names.
const LONGEST_SCOPE: usize = 64;
/// What an address may begin with.
const SCHEMES: [&str; 4] = ["s3://", "gs://", "https://", "file:///"];
/// Variables whose values are secrets.
const SECRETS: [&str; 4] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
];

/// `[cache]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawCache {
    remote: Option<String>,
    read_only: Option<bool>,
    scope: Option<String>,
    read_scopes: Option<Vec<String>>,
    key_file: Option<PathBuf>,
}

impl RawCache {
    /// These values, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            remote: self.remote.or(under.remote),
            read_only: self.read_only.or(under.read_only),
            scope: self.scope.or(under.scope),
            read_scopes: self.read_scopes.or(under.read_scopes),
            key_file: self.key_file.or(under.key_file),
        }
    }
}

/// What the command line and the environment say of the remote cache.
#[derive(Debug, Clone, Default)]
pub struct CacheOverrides {
    /// `--cache-remote`; an empty one turns the remote cache off.
    pub remote: Option<String>,
    /// `--cache-read-only`.
    pub read_only: bool,
    /// `--cache-scope`.
    pub scope: Option<String>,
    /// `OMNIBUILD_CACHE_KEY_FILE`.
    pub key_file: Option<PathBuf>,
    /// The usual variables of object stores.
    pub access: Access,
}

/// Variables that say how to get at an object store. Their values are not printed.
#[derive(Clone, Default)]
pub struct Access(BTreeMap<String, String>);

impl Access {
    /// These variables.
    pub fn new(variables: BTreeMap<String, String>) -> Self {
        Self(variables)
    }

    /// All of them.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// What may appear in no output.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = |name: &&str| self.0.get(*name);
        SECRETS.iter().filter_map(secret).map(String::as_str)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// The remote cache, checked.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub address: String,
    /// Whether nothing is written to it.
    pub read_only: bool,
    /// The scope that is written to, and read first.
    pub scope: String,
    /// Scopes that are read after it, in this order.
    pub read_scopes: Vec<String>,
    /// The file of the key that manifests are signed with.
    pub key_file: Option<PathBuf>,
    /// How to get at it.
    pub access: Access,
}

impl RemoteConfig {
    /// Checks what was said; `None` when no remote cache is named.
    pub(super) fn check(
        root: &Path,
        raw: RawCache,
        overrides: CacheOverrides,
    ) -> Result<Option<Self>> {
        let address = overrides.remote.or(raw.remote);
        let Some(address) = address.filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        check_address(&address)?;
        let scope = overrides.scope.or(raw.scope);
        let scope = scope.unwrap_or_else(|| DEFAULT_SCOPE.to_owned());
        let mut read_scopes = raw.read_scopes.unwrap_or_default();
        read_scopes
            .iter()
            .try_for_each(|scope| check_scope(scope))?;
        check_scope(&scope)?;
        read_scopes.retain(|other| *other != scope);
        Ok(Some(Self {
            address,
            read_only: overrides.read_only || raw.read_only.unwrap_or_default(),
            scope,
            read_scopes,
            key_file: overrides
                .key_file
                .or(raw.key_file.map(|path| root.join(path))),
            access: overrides.access,
        }))
    }
}

fn check_address(address: &str) -> Result<()> {
    let rest = SCHEMES
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    if rest.is_some_and(|rest| !rest.trim_matches('/').is_empty()) {
        return Ok(());
    }
    // The address may hold a password, so it is not repeated.
    Err(Error::new(
        Kind::Config,
        "cache.remote: this is no address of a remote cache",
    )
    .hint(
        "write `s3://bucket/prefix`, `gs://bucket/prefix`, `https://host/path` or `file:///path`",
    ))
}

fn check_scope(scope: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = scope.len() <= LONGEST_SCOPE
        && scope.bytes().all(plain)
        && scope.starts_with(|first: char| first.is_ascii_alphanumeric());
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("cache.scope: `{scope}` is not a name for a scope"),
    )
    .hint("use letters, digits, `.`, `_` and `-`, such as `main` or `pr-12`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, overrides: CacheOverrides) -> Result<Option<RemoteConfig>> {
        RemoteConfig::check(Path::new("/p"), toml::from_str(text).unwrap(), overrides)
    }

    #[test]
    fn defaults_and_overrides() {
        assert!(check("", CacheOverrides::default()).unwrap().is_none());
        let text = "remote = \"s3://b/p\"\nread-scopes = [\"main\"]\nkey-file = \"k\"";
        let config = check(text, CacheOverrides::default()).unwrap().unwrap();
        assert_eq!(config.scope, "main");
        assert!(config.read_scopes.is_empty() && !config.read_only);
        assert_eq!(config.key_file.unwrap(), Path::new("/p/k"));
        let overrides = CacheOverrides {
            remote: Some("file:///x".to_owned()),
            read_only: true,
            scope: Some("pr-12".to_owned()),
            ..CacheOverrides::default()
        };
        let config = check(text, overrides).unwrap().unwrap();
        assert_eq!(
            (config.address.as_str(), config.read_only),
            ("file:///x", true)
        );
        assert_eq!(
            (config.scope.as_str(), config.read_scopes),
            ("pr-12", vec!["main".to_owned()])
        );
        let off = CacheOverrides {
            remote: Some(String::new()),
            ..CacheOverrides::default()
        };
        assert!(check(text, off).unwrap().is_none());
    }

    #[test]
    fn addresses_and_scopes_are_refused_without_being_repeated() {
        for bad in [
            "http://x/y",
            "s3://",
            "file://x",
            "ftp://a:s3cret@x/y",
            "bucket",
        ] {
            let error = check(&format!("remote = \"{bad}\""), CacheOverrides::default());
            let error = error.unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(!error.message().contains("s3cret"), "{error}");
        }
        for bad in ["", "..", "a/b", "pr 12", "-x", &"x".repeat(65)] {
            let text = format!("remote = \"s3://b/p\"\nscope = \"{bad}\"");
            assert!(check(&text, CacheOverrides::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_value_of_a_variable_is_printed() {
        let variables = [("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_REGION", "eu")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let access = Access::new(variables.into());
        assert!(!format!("{access:?}").contains("hunter2"));
        assert_eq!(access.secrets().collect::<Vec<_>>(), ["hunter2"]);
    }
}
