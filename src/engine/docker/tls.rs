//! Certificates of an engine behind TLS, in the files that Docker's client has for them.
//!
//! Opens no connection.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Kind, Result};

/// The files of one engine, looked into: what the client library can't read it leaves out without
/// a word.
pub(super) struct Certificates {
    /// Who signs the engine's certificate.
    pub(super) ca: PathBuf,
    /// The client's own; need not be there.
    pub(super) cert: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// Those of a folder.
    pub(super) fn in_folder(folder: &Path) -> Result<Self> {
        let this = Self {
            ca: folder.join("ca.pem"),
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        certificates(&this.ca)?;
        match (this.cert.exists(), this.key.exists()) {
            (false, false) => {}
            (true, true) => {
                certificates(&this.cert)?;
                PrivateKeyDer::from_pem_file(&this.key)
                    .map_err(|error| unusable(&this.key, "key", &error.to_string()))?;
            }
            (true, false) => return Err(unusable(&this.key, "key", "there is none")),
            (false, true) => return Err(unusable(&this.cert, "certificate", "there is none")),
        }
        Ok(this)
    }
}

fn certificates(path: &Path) -> Result<()> {
    let bytes = fs_err::read(path)
        .map_err(|error| unusable(path, "certificate", &error.kind().to_string()))?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err(unusable(path, "certificate", "there is none in it")),
        Err(error) => Err(unusable(path, "certificate", &error.to_string())),
    }
}

fn unusable(path: &Path, what: &str, why: &str) -> Error {
    Error::new(
        Kind::Engine,
        format!("can't use the {what} `{}`: {why}", path.display()),
    )
    .hint("TLS wants ca.pem, and for engines that ask for it cert.pem and key.pem, in DOCKER_CERT_PATH, else in ~/.docker, or in the Docker context")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_or_hold_nothing_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, why: &str| {
            let error = Certificates::in_folder(folder.path()).err().unwrap();
            assert_eq!(error.kind(), Kind::Engine);
            assert!(error.message().contains(name), "{error}");
            assert!(error.message().contains(why), "{error}");
            assert!(error.hints()[0].contains("DOCKER_CERT_PATH"));
        };
        refused("ca.pem", "not found");
        let ca = folder.path().join("ca.pem");
        fs_err::write(&ca, "nonsense").unwrap();
        refused("ca.pem", "none in it");
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs_err::write(&ca, pem).unwrap();
        assert!(Certificates::in_folder(folder.path()).is_ok());
        fs_err::write(folder.path().join("cert.pem"), pem).unwrap();
        refused("key.pem", "there is none");
        fs_err::write(folder.path().join("key.pem"), "nonsense").unwrap();
        refused("key.pem", "");
    }
}
