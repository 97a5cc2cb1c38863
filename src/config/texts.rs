//! What single texts of a project's configuration may say.
//!
//! Checks words; an error begins with the key.

use crate::error::{Error, Kind, Result};

/// What the bundle is named becomes a part of the packages' names and of paths.
pub(super) fn check_name(name: &str) -> Result<()> {
    let parsed: std::result::Result<pep508_rs::PackageName, _> = name.parse();
    // The parser takes an empty one.
    let parsed = parsed.ok().filter(|_| !name.is_empty());
    parsed.map(drop).ok_or_else(|| {
        let message = format!("name: `{}` is not a name", name.escape_debug());
        Error::new(Kind::Config, message).hint(
            "write it as the name of a distribution: letters, digits, `.`, `_` and `-`, such as `my-tool`",
        )
    })
}

/// Debian policy 5.6.2 wants an address; rpm's tools do where there is one.
pub(super) fn check_maintainer(maintainer: &str) -> Result<()> {
    let address = maintainer
        .trim()
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'));
    let good = address.is_some_and(|(name, address)| {
        !name.trim().is_empty() && address.contains('@') && !address.contains(char::is_whitespace)
    });
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!(
            "maintainer: `{}` is no name with an address",
            maintainer.escape_debug()
        ),
    )
    .hint("write it as `Acme Operations <operations@acme.example>`"))
}

/// A prefix is a folder of its own, which a package can own whole.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    let parts: Vec<&str> = prefix.trim_matches('/').split('/').collect();
    let good = prefix.starts_with('/')
        && parts.len() >= 2
        && parts.iter().all(|part| {
            !part.is_empty()
                && *part != "."
                && *part != ".."
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        });
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("prefix: `{prefix}` is not a folder for a bundle"),
    )
    .hint("write an absolute path of at least two plain names, such as `/opt/mytool`"))
}

/// What is named as a URL is one. It may hold a password, so it is not repeated.
pub(super) fn check_address(key: &str, text: &str) -> Result<()> {
    let good = text.split_once("://").is_some_and(|(scheme, rest)| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(known)
            && !rest.is_empty()
            && !text.contains(char::is_whitespace)
    });
    if good {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("{key}: this is no URL"))
        .hint("write it with its scheme, such as `https://host.example/path`"))
}
