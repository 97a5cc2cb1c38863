//! What the kernel refuses, as an error.

use crate::error::{Error, Kind};

/// The kernel refused what the sandbox needs.
pub(super) fn failed(what: &str, error: impl Into<std::io::Error>) -> Error {
    let error = error.into();
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Space,
        _ => Kind::Engine,
    };
    Error::new(kind, format!("the sandbox can't {what}: {error}"))
}
