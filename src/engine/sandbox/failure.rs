//! What the kernel refuses, as an error.

use crate::error::{Error, Kind};

/// The kernel refused what the sandbox needs.
pub(super) fn failed(what: &str, error: impl Into<std::io::Error>) -> Error {
    let error = error.into();
    let text = format!("the sandbox can't {what}: {error}");
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => no_room(text),
        _ => Error::new(Kind::Engine, text),
    }
}

/// The file system with the images is full.
pub(super) fn no_room(text: impl Into<String>) -> Error {
    Error::new(Kind::Space, text).hint(
        "make room where the sandbox keeps its images (`omnibuild cache prune`; OMNIBUILD_SANDBOX_DIR names another place)",
    )
}
