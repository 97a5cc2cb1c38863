//! An engine that says what engines say when their store of images fails them; no real one does so when
//! it is asked to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::engine::Network;
use crate::engine::docker::address::Address;
use crate::error::Kind;
use crate::platform::{Arch, EngineKind};

use super::*;

const LOST: &str = r#"{"errorDetail":{"message":"failed to export image: layer does not exist"},"error":"failed to export image: layer does not exist"}"#;
const MADE: &str = r#"{"stream":"Successfully built 1\n"}"#;
const WRONG: &str = r#"{"errorDetail":{"message":"The command '/bin/false' returned a non-zero code: 1"},"error":"it failed"}"#;

/// Reads a request to its end; its first line.
async fn request(stream: &mut BufReader<UnixStream>) -> String {
    let (mut first, mut length, mut is_chunked) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        is_chunked |= lower.starts_with("transfer-encoding: chunked");
        if line.trim().is_empty() {
            break;
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    while is_chunked {
        let mut size = String::new();
        stream.read_line(&mut size).await.unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        is_chunked = size > 0;
    }
    first
}

/// An engine whose builds and loads end so, one after the other; whether each was to use what is cached.
async fn serve(
    listener: UnixListener,
    answers: &'static [&'static str],
    seen: Arc<Mutex<Vec<bool>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        let line = request(&mut stream).await;
        let body = if line.contains("/build?") || line.contains("/images/load?") {
            let mut seen = seen.lock().unwrap();
            seen.push(!line.contains("nocache=true"));
            answers[seen.len() - 1]
        } else if line.contains("/images/") {
            r#"{"Id":"sha256:1"}"#
        } else {
            r#"{"ApiVersion":"1.41","Version":"20.10"}"#
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.ok();
    }
}

/// What comes of work with such an engine and a file, and whether what it asked was to use what is cached.
async fn with_engine<T>(
    answers: &'static [&'static str],
    work: impl AsyncFnOnce(Docker, &Path) -> T,
) -> (T, Vec<bool>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let seen = Arc::default();
    let listener = UnixListener::bind(&socket).unwrap();
    let engine = tokio::spawn(serve(listener, answers, Arc::clone(&seen)));
    let address = Address {
        url: format!("unix://{}", socket.display()),
        source: None,
        certificates: None,
    };
    let docker = Docker::connect(EngineKind::Auto, Some(address));
    let docker = docker.await.unwrap();
    let file = folder.path().join("file.tar");
    fs_err::write(&file, "content").unwrap();
    let result = work(docker, &file).await;
    engine.abort();
    let seen = seen.lock().unwrap().clone();
    (result, seen)
}

/// What becomes of an image, whether the builds used what is cached, and what was said.
async fn made(builds: &'static [&'static str]) -> (Result<Image>, Vec<bool>, String) {
    let said = Mutex::new(String::new());
    let output = |line: &str| *said.lock().unwrap() += line;
    let made = with_engine(builds, async |docker, context| {
        docker.make_image(&spec(context), &output).await
    });
    let (image, seen) = made.await;
    (image, seen, said.into_inner().unwrap())
}

fn spec(context: &Path) -> BuildSpec<'_> {
    BuildSpec {
        context,
        args: BTreeMap::new(),
        labels: BTreeMap::new(),
        tag: "omnibuild/builder:1",
        arch: Arch::Amd64,
        network: Network::Named(None),
    }
}

#[tokio::test]
async fn an_image_that_the_store_lost_is_made_once_more_from_nothing() {
    let (image, cached, said) = made(&[LOST, MADE]).await;
    assert_eq!(image.unwrap().id, "sha256:1");
    assert_eq!(cached, [true, false]);
    assert!(said.contains("layer does not exist"), "{said}");
    assert!(said.contains("once more"), "{said}");
}

#[tokio::test]
async fn an_image_that_is_lost_twice_is_a_failure_of_the_engine() {
    let (image, cached, _) = made(&[LOST, LOST]).await;
    let error = image.unwrap_err();
    assert_eq!(error.kind(), Kind::Engine);
    assert!(error.message().contains("layer does not exist"), "{error}");
    assert!(error.hints()[0].contains("restart the engine"), "{error}");
    assert_eq!(cached, [true, false]);
}

#[tokio::test]
async fn a_command_that_fails_is_not_run_again() {
    let (image, cached, _) = made(&[WRONG, MADE]).await;
    assert_eq!(image.unwrap_err().kind(), Kind::Build);
    assert_eq!(cached, [true]);
}

#[tokio::test]
async fn images_that_the_store_lost_are_loaded_once_more() {
    let load = async |docker: Docker, archive: &Path| docker.load_archive(archive, "load").await;
    let (loaded, asked) = with_engine(&[LOST, MADE], load).await;
    loaded.unwrap();
    assert_eq!(asked.len(), 2);
    let (loaded, asked) = with_engine(&[LOST, LOST], load).await;
    let error = loaded.unwrap_err();
    assert_eq!(error.kind(), Kind::Engine);
    assert!(error.hints()[0].contains("restart the engine"), "{error}");
    assert_eq!(asked.len(), 2);
    let (loaded, asked) = with_engine(&[WRONG, MADE], load).await;
    assert_eq!(loaded.unwrap_err().kind(), Kind::Engine);
    assert_eq!(asked.len(), 1);
}
