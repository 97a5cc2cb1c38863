//! A file of certificates, looked at before anything starts: in a container it would fail late,
//! with a message about some host.
//!
//! Checks no certificate; whoever connects does.

use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Refuses a file that is not there, or is no PEM file with certificates.
pub(super) fn check(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Err(Error::new(
            Kind::Missing,
            format!("ca-bundle: there is no file `{}`", path.display()),
        )
        .hint("name a PEM file with certificates in --ca-bundle, SSL_CERT_FILE or `ca-bundle`"));
    }
    let bytes = fs_err::read(path).map_err(|error| Error::from(error).of_kind(Kind::Config))?;
    let mark = b"CERTIFICATE-----";
    if bytes.windows(mark.len()).any(|window| window == mark) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("ca-bundle: there is no certificate in `{}`", path.display()),
    )
    .hint("name a PEM file: its certificates stand between `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`"))
}
