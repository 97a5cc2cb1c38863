//! The client library's errors as ours: what the engine could not do, why, and what to do.

use bollard::errors::Error as ClientError;

use crate::error::{Error, Kind};

use super::address::Address;
use super::make::podman_at_rest;

/// Nobody answers.
pub(super) fn absent(address: &Address, error: &ClientError) -> Error {
    let why = match error {
        ClientError::RequestTimeoutError => "no answer".to_owned(),
        ClientError::SocketNotFoundError(socket) => format!("there is no socket `{socket}`"),
        ClientError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        other => deepest(other),
    };
    let message = format!(
        "no container engine answers at {}: {why}",
        address.described()
    );
    let absent = Error::new(Kind::Engine, message);
    let absent = match advice_on_tls(address, &why) {
        Some(advice) => return absent.hint(advice),
        None if address.is_local() => match podman_at_rest() {
            Some(advice) if address.source.is_none() => absent.hint(advice),
            _ => absent,
        }
        .hint("start the engine (`systemctl start docker`, or `dockerd` as root), or install one (`apt-get install docker.io`)"),
        None => absent.hint(format!(
            "`docker --host {} version` asks it too: is it started, does it listen there, may one get there from here?",
            address.url
        )),
    };
    absent.hint("name another one with --host or DOCKER_HOST; `omnibuild doctor` checks the rest")
}

/// How the client library (hyper) and the kernel say that the other side closed a connection.
const CLOSED: [&str; 4] = [
    "connection was not ready",
    "connection closed before message completed",
    "Connection reset by peer",
    "Broken pipe",
];

/// What to do about a handshake that failed, by what the TLS library (rustls) and the engine say.
fn advice_on_tls(address: &Address, why: &str) -> Option<String> {
    let Some(folder) = &address.certificates else {
        return why.contains("HTTP request to an HTTPS server").then(|| {
            "it speaks TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem".to_owned()
        });
    };
    let folder = folder.display();
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["UnknownIssuer", "BadSignature"]) {
        Some(format!(
            "`{folder}/ca.pem` did not sign the engine's certificate: put the CA there that did"
        ))
    } else if has(&["not valid for name", "NotValidForName"]) {
        Some("name the engine in its address as its certificate does, or have a certificate made for this name".to_owned())
    } else if has(&["Expired", "NotValidYet"]) {
        Some("have a new certificate made for the engine, or set this machine's clock".to_owned())
    } else if has(&[
        "CertificateRequired",
        "BadCertificate",
        "UnknownCA",
        "DecryptError",
        "HandshakeFailure",
    ]) {
        Some(format!(
            "the engine wants a client's certificate that its own CA signed: put cert.pem and key.pem into `{folder}`"
        ))
    } else if has(&CLOSED) {
        // It says so too late where the connection is gone before the client has read it (TLS 1.3).
        Some(format!(
            "the engine closed the connection without an answer, as one does that wants a client's certificate which its own CA signed: put cert.pem and key.pem into `{folder}`"
        ))
    } else if has(&["InvalidContentType", "corrupt message"]) {
        Some("it does not speak TLS there: ask its port for TLS, or unset DOCKER_TLS_VERIFY and write tcp:// (which anyone on the way can read and change)".to_owned())
    } else {
        None
    }
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
        return failed.hint("make room where the engine keeps its images (`docker system df`, `docker system prune`; Podman has the same)");
    }
    failed
}

/// What engines say when their store of images failed them, and not what they were to do: Docker's own
/// (a cached layer that has gone), containerd's, and Podman's while several images are made at once.
const OF_THE_STORE: [&str; 5] = [
    "layer does not exist",
    "failed to export image",
    "failed to get layer",
    "unexpected EOF",
    "closed pipe",
];

/// Whether the engine's store of images failed, so that the same may succeed when it is asked again.
pub(super) fn is_of_the_store(error: &ClientError) -> bool {
    let text = match error {
        ClientError::DockerResponseServerError { message, .. } => message,
        ClientError::DockerStreamError { error } => error,
        _ => return false,
    };
    OF_THE_STORE.iter().any(|said| text.contains(said))
}

/// The engine could not do `what`, when it was asked once more where its store had failed, either.
pub(super) fn failed_again(what: &str, error: &ClientError) -> Error {
    let failed = failed(what, error);
    if failed.kind() != Kind::Space && is_of_the_store(error) {
        return failed.hint("this is of the engine's own store, twice now: restart the engine, and remove what it has cached (`docker builder prune`; `podman image prune`)");
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

/// Podman found a container running, and could not kill it any more (its `define.ErrCtrStateInvalid`).
pub(super) fn is_ending(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::DockerResponseServerError { status_code: 500, message }
            if message.contains("container state improper")
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
    fn an_engine_that_hangs_up_may_want_a_certificate() {
        let mut address = Address {
            url: "tcp://127.0.0.1:2376".to_owned(),
            source: None,
            certificates: Some("/certificates".into()),
        };
        for why in CLOSED {
            let advice = advice_on_tls(&address, why).unwrap();
            assert!(
                advice.contains("put cert.pem and key.pem into `/certificates`"),
                "{advice}"
            );
        }
        assert_eq!(advice_on_tls(&address, "no answer"), None);
        address.certificates = None;
        assert_eq!(advice_on_tls(&address, CLOSED[0]), None);
    }

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
