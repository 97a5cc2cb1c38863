//! The client library's errors as ours: what the engine could not do, why, and what to do.

use bollard::errors::Error as ClientError;

use crate::error::{Error, Kind};

/// Nobody answers.
pub(super) fn absent(address: &str, error: &ClientError) -> Error {
    let why = match error {
        ClientError::RequestTimeoutError => "no answer".to_owned(),
        ClientError::SocketNotFoundError(socket) => format!("there is no socket `{socket}`"),
        ClientError::UnsupportedURISchemeError { .. } => {
            return Error::new(
                Kind::Engine,
                format!("`{address}` is not the address of an engine"),
            )
            .hint(
                "write it as unix:///path, tcp://host:port, https://host:port or ssh://user@host",
            );
        }
        other => deepest(other),
    };
    Error::new(Kind::Engine, format!("no container engine answers at `{address}`: {why}"))
        .hint("start the engine (`systemctl start docker`, or `dockerd` as root), or install one (`apt-get install docker.io`)")
        .hint("name another one with --host or DOCKER_HOST; `omnibuild doctor` checks the rest")
}

/// The cause at the bottom: the outer layers say only that a request failed.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The engine could not do `what`.
pub(super) fn failed(what: &str, error: &ClientError) -> Error {
    let text = match error {
        ClientError::DockerResponseServerError { message, .. } => message.clone(),
        ClientError::DockerStreamError { error } => error.clone(),
        other => deepest(other),
    };
    let full = text.contains("no space left on device") || text.contains("disk quota exceeded");
    let kind = if full { Kind::Space } else { Kind::Engine };
    let failed = Error::new(kind, format!("the engine can't {what}: {}", text.trim()));
    if full {
        return failed.hint("make room where the engine keeps its images (`docker system df`, `docker system prune`)");
    }
    failed
}

/// The engine does not know the thing.
pub(super) fn is_not_found(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// A stream that ends in this way after its success record was whole (bollard's issue 560).
pub(super) fn is_spurious_end(error: &ClientError) -> bool {
    error.to_string().contains("bytes remaining on stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_of_the_engine_is_told_from_other_failures() {
        let error = ClientError::DockerStreamError {
            error: "write /x: no space left on device".into(),
        };
        let error = failed("build `x`", &error);
        assert_eq!(error.kind(), Kind::Space);
        assert!(error.hints()[0].contains("prune"));
    }
}
