//! What the environment says beside the options.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Access;

/// What the environment says beside the options.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<String>,
    /// Proxy variables that are set.
    pub proxies: BTreeMap<String, String>,
    /// `OMNIBUILD_PYTHON_MIRROR`: where archives of standalone Pythons lie.
    pub python_mirror: Option<String>,
    /// `NO_COLOR`: no colours, please.
    pub no_color: bool,
    /// `CI`: no terminal tricks.
    pub ci: bool,
    /// `GLIBC_TUNABLES`: settings of the C library.
    pub glibc_tunables: String,
    /// `OMNIBUILD_CACHE_DIR`, else the user's cache folder (`XDG_CACHE_HOME`).
    pub cache: Option<PathBuf>,
    /// `OMNIBUILD_CACHE_KEY_FILE`: the key that manifests in a remote cache are signed with.
    pub cache_key_file: Option<PathBuf>,
    /// `OMNIBUILD_SIGNING_KEY`: a key of gpg's agent that signs packages.
    pub signing_key: Option<String>,
    /// `OMNIBUILD_SIGNING_KEY_FILE`: the file of such a key.
    pub signing_key_file: Option<PathBuf>,
    /// `OMNIBUILD_SIGNING_PASSPHRASE_FILE`: the file of its passphrase.
    pub signing_passphrase_file: Option<PathBuf>,
    /// `GNUPGHOME`: gpg's keys and settings.
    pub gnupg_home: Option<PathBuf>,
    /// `OMNIBUILD_INDEX_TOKEN_FILE`: the file of the index's token.
    pub index_token_file: Option<PathBuf>,
    /// `NETRC`: the file of the passwords of hosts.
    pub netrc: Option<PathBuf>,
    /// `~/.netrc`: that file where nobody names one.
    pub default_netrc: Option<PathBuf>,
    /// `PIP_KEYRING_PROVIDER`: how a keyring is asked.
    pub keyring_provider: Option<String>,
    /// `SSH_AUTH_SOCK`: where the ssh-agent listens.
    pub ssh_agent: Option<PathBuf>,
    /// `~/.ssh/known_hosts`, where it is.
    pub known_hosts: Option<PathBuf>,
    /// `AWS_…` and `GOOGLE_…`: how to get at an object store.
    pub access: Access,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let at_home = |name: &str| set("HOME").map(|home| PathBuf::from(home).join(name));
        let mut proxies = BTreeMap::new();
        for name in ["http_proxy", "https_proxy", "no_proxy", "all_proxy"] {
            for name in [name.to_owned(), name.to_uppercase()] {
                if let Some(value) = set(&name) {
                    proxies.insert(name, value);
                }
            }
        }
        let cache = set("OMNIBUILD_CACHE_DIR").map(PathBuf::from).or_else(|| {
            let folders = directories::ProjectDirs::from("", "", "omnibuild")?;
            Some(folders.cache_dir().to_owned())
        });
        let access = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let of_store = name.starts_with("AWS_") || name.starts_with("GOOGLE_");
            let value = value.into_string().ok()?;
            (of_store && !value.is_empty()).then_some((name, value))
        });
        Self {
            source_date_epoch: set("SOURCE_DATE_EPOCH"),
            proxies,
            python_mirror: set("OMNIBUILD_PYTHON_MIRROR"),
            no_color: set("NO_COLOR").is_some(),
            ci: set("CI").is_some(),
            glibc_tunables: set("GLIBC_TUNABLES").unwrap_or_default(),
            cache,
            cache_key_file: set("OMNIBUILD_CACHE_KEY_FILE").map(PathBuf::from),
            signing_key: set("OMNIBUILD_SIGNING_KEY"),
            signing_key_file: set("OMNIBUILD_SIGNING_KEY_FILE").map(PathBuf::from),
            signing_passphrase_file: set("OMNIBUILD_SIGNING_PASSPHRASE_FILE").map(PathBuf::from),
            gnupg_home: set("GNUPGHOME").map(PathBuf::from),
            index_token_file: set("OMNIBUILD_INDEX_TOKEN_FILE").map(PathBuf::from),
            netrc: set("NETRC").map(PathBuf::from),
            default_netrc: at_home(".netrc"),
            ssh_agent: set("SSH_AUTH_SOCK").map(PathBuf::from),
            known_hosts: at_home(".ssh/known_hosts").filter(|path| path.is_file()),
            keyring_provider: set("PIP_KEYRING_PROVIDER"),
            access: Access::new(access.collect()),
        }
    }
}
