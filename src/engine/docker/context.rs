//! Contexts of Docker's client: engines with a name, kept below `~/.docker`, which the client library
//! does not read.
//!
//! ```text
//! config.json                             currentContext
//! contexts/meta/<sha256 of name>/meta.json    Endpoints.docker.Host
//! contexts/tls/<sha256 of name>/docker/       ca.pem, cert.pem, key.pem
//! ```
//!
//! Writes none of them.

use std::path::Path;

use serde_json::Value;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

use super::address::Address;

/// The one that is no context: what the environment says, or the usual socket.
const DEFAULT: &str = "default";

/// The context that `docker context use` chose.
pub(super) fn current(folder: &Path) -> Result<Option<String>> {
    let config = read(&folder.join("config.json"))?;
    let name = config
        .as_ref()
        .and_then(|config| config.get("currentContext"));
    let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
    Ok(name.map(str::to_owned))
}

/// The engine of a context; none for the default one. `source` is who names the context.
pub(super) fn find(folder: Option<&Path>, name: &str, source: &str) -> Result<Option<Address>> {
    if name == DEFAULT {
        return Ok(None);
    }
    let key = Digest::of(name);
    let meta = folder.map(|folder| folder.join("contexts/meta").join(key.as_str()));
    let meta = match &meta {
        Some(meta) => read(&meta.join("meta.json"))?,
        None => None,
    };
    let Some(meta) = meta else {
        return Err(Error::new(
            Kind::Engine,
            format!("there is no Docker context `{name}`, which {source} names"),
        )
        .hint("`docker context ls` lists those there are, `docker context create` makes one"));
    };
    let host = meta
        .pointer("/Endpoints/docker/Host")
        .and_then(Value::as_str);
    let host = host.filter(|host| !host.is_empty()).ok_or_else(|| {
        Error::new(
            Kind::Engine,
            format!("the Docker context `{name}`, which {source} names, has no engine"),
        )
        .hint(format!("`docker context inspect {name}` shows what it has"))
    })?;
    let certificates = folder
        .map(|folder| {
            folder
                .join("contexts/tls")
                .join(key.as_str())
                .join("docker")
        })
        .filter(|folder| folder.is_dir());
    Ok(Some(Address {
        url: host.to_owned(),
        source: Some(format!("the Docker context `{name}` ({source})")),
        certificates,
    }))
}

/// A file of JSON, where there is one.
fn read(path: &Path) -> Result<Option<Value>> {
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(Kind::Engine, format!("{}: {error}", path.display()))
            .hint("mend the file, or name the engine with --host or DOCKER_HOST")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    #[test]
    fn a_context_has_an_address_and_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(current(folder).unwrap(), None);
        write(&folder.join("config.json"), r#"{"currentContext":"far"}"#);
        assert_eq!(current(folder).unwrap().as_deref(), Some("far"));

        let error = find(Some(folder), "far", "currentContext").unwrap_err();
        assert_eq!(error.kind(), Kind::Engine);
        assert!(
            error
                .message()
                .contains("`far`, which currentContext names")
        );
        assert!(error.hints()[0].contains("docker context ls"));

        // As Docker's client writes it; the folder is what `sha256sum` says of `far`.
        let key = "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868";
        write(
            &folder.join("contexts/meta").join(key).join("meta.json"),
            r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far.example:2376","SkipTLSVerify":false}}}"#,
        );
        let found = find(Some(folder), "far", "DOCKER_CONTEXT")
            .unwrap()
            .unwrap();
        assert_eq!(found.url, "tcp://far.example:2376");
        assert_eq!(found.certificates, None);
        assert!(
            found
                .described()
                .contains("the Docker context `far` (DOCKER_CONTEXT)")
        );

        let tls = folder.join("contexts/tls").join(key).join("docker");
        write(&tls.join("ca.pem"), "");
        let found = find(Some(folder), "far", "DOCKER_CONTEXT")
            .unwrap()
            .unwrap();
        assert_eq!(found.certificates, Some(tls));
        assert_eq!(find(Some(folder), "default", "x").unwrap(), None);
    }

    #[test]
    fn files_that_are_no_json_are_named() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("config.json"), "{\n  nonsense");
        let error = current(folder.path()).unwrap_err();
        assert!(error.message().contains("config.json: "), "{error}");
        assert!(error.message().contains("line 2"), "{error}");
    }
}
