//! Pushes against a registry that does what it is told, faults included. The real one is asked by
//! `tests/real/images.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::platform::Arch;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
enum Fault {
    /// A status, and when to come again.
    Status(u16, Option<&'static str>),
    /// The line breaks.
    Reset,
    /// The registry says that it has something else.
    OtherDigest,
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// What goes wrong with the next requests of a method.
    faults: VecDeque<(&'static str, Fault)>,
    /// What was asked, `METHOD path`.
    asked: Vec<String>,
}

/// A registry on loopback, until the tests end.
struct Fake {
    host: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    fn start(faults: &[(&'static str, Fault)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State {
            faults: faults.iter().cloned().collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { host, state }
    }

    fn registry(&self) -> Registry {
        let patience = Patience {
            waits: vec![Duration::ZERO; 3],
            longest: Duration::from_millis(20),
        };
        let name = format!("{}/team/tool", self.host).parse().unwrap();
        Registry::open(&name, Use::Push, &NetworkPlan::default(), patience).unwrap()
    }

    fn asked(&self, method: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .asked
            .iter()
            .filter(|line| line.starts_with(method))
            .count()
    }
}

/// One request, then the line is closed.
fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    let mut kind = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        if let Some(value) = header.strip_prefix("content-type: ") {
            value.clone_into(&mut kind);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut state = state.lock().unwrap();
    state.asked.push(format!("{method} {target}"));
    let fault = state
        .faults
        .front()
        .filter(|(of, _)| *of == method)
        .map(|(_, fault)| fault.clone());
    if fault.is_some() {
        state.faults.pop_front();
    }
    let mut answer = |status: u16, headers: &[String], body: &[u8]| {
        let mut head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        for header in headers {
            head += &format!("{header}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).ok()?;
        if method != "HEAD" {
            stream.write_all(body).ok()?;
        }
        Some(())
    };
    match fault {
        Some(Fault::Reset) => return None,
        Some(Fault::Status(status, wait)) => {
            let wait = wait.map(|wait| format!("Retry-After: {wait}"));
            let told = br#"{"errors":[{"code":"TOLD","message":"no, not now"}]}"#;
            return answer(status, wait.as_slice(), told);
        }
        Some(Fault::OtherDigest) => {
            let other = format!("Docker-Content-Digest: sha256:{}", Digest::of("other"));
            return answer(201, &[other], b"");
        }
        None => {}
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let name = path.rsplit('/').next()?.to_owned();
    match method.as_str() {
        "POST" => answer(
            202,
            &["Location: /v2/team/tool/blobs/uploads/one?state=x".to_owned()],
            b"",
        ),
        "PUT" if path.contains("/uploads/") => {
            let digest = query.rsplit("digest=").next()?.replace("%3A", ":");
            assert!(query.starts_with("state=x&"), "{query}");
            assert_eq!(digest, format!("sha256:{}", Digest::of(&body)));
            state.blobs.insert(digest, body);
            answer(201, &[], b"")
        }
        "PUT" => {
            let digest = format!("sha256:{}", Digest::of(&body));
            state
                .manifests
                .insert(digest.clone(), (kind.clone(), body.clone()));
            state.manifests.insert(name, (kind, body));
            answer(201, &[format!("Docker-Content-Digest: {digest}")], b"")
        }
        _ if path.contains("/blobs/") => match state.blobs.get(&name) {
            Some(blob) => answer(200, &[], blob),
            None => answer(404, &[], b""),
        },
        _ => match state.manifests.get(&name) {
            Some((kind, content)) => answer(200, &[format!("Content-Type: {kind}")], content),
            None => answer(404, &[], b""),
        },
    }
}

fn blob() -> (tempfile::NamedTempFile, Descriptor) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"content").unwrap();
    (file, Descriptor::of(crate::oci::LAYER, b"content"))
}

#[tokio::test]
async fn what_passes_is_borne() {
    let fake = Fake::start(&[
        ("HEAD", Fault::Status(500, None)),
        ("HEAD", Fault::Reset),
        ("POST", Fault::Status(429, Some("0"))),
        ("PUT", Fault::Reset),
        ("PUT", Fault::Status(503, Some("3600"))),
    ]);
    let registry = fake.registry();
    let (file, blob) = blob();
    assert!(!registry.has_blob(&blob).await.unwrap());
    assert!(registry.put_blob(&blob, file.path(), None).await.unwrap());
    assert!(registry.has_blob(&blob).await.unwrap());
    // Each try begins an upload of its own.
    assert_eq!(fake.asked("POST"), 4);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_left() {
    let fake = Fake::start(&vec![("HEAD", Fault::Status(502, None)); 9]);
    let error = fake.registry().has_blob(&blob().1).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Publish);
    assert!(error.message().contains("502"), "{error}");
    assert!(error.hints()[0].contains("tried 4 times"), "{error:?}");
    assert_eq!(fake.asked("HEAD"), 4);
}

#[tokio::test]
async fn what_is_refused_is_told_at_once() {
    for (status, message, hint) in [
        (401, "does not let us in", "docker login"),
        (403, "may not be written to `team/tool`", "right to push"),
        (
            404,
            "there is no repository `team/tool`",
            "correct the name",
        ),
        (400, "TOLD no, not now", "documentation"),
    ] {
        let fake = Fake::start(&vec![("PUT", Fault::Status(status, None)); 9]);
        let error = fake
            .registry()
            .put_manifest("1", &Stored::of(MANIFEST, b"{}".to_vec()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Publish, "{status}");
        assert!(error.message().contains(message), "{status}: {error}");
        assert!(
            error.hints().join(" ").contains(hint),
            "{status}: {error:?}"
        );
        assert_eq!(fake.asked("PUT"), 1, "{status}");
    }
}

#[tokio::test]
async fn another_digest_is_an_error() {
    let fake = Fake::start(&[("PUT", Fault::OtherDigest)]);
    let (file, blob) = blob();
    let error = fake
        .registry()
        .put_blob(&blob, file.path(), None)
        .await
        .unwrap_err();
    assert!(
        error
            .message()
            .contains(&format!("sha256:{}", Digest::of("other"))),
        "{error}"
    );
    let fake = Fake::start(&[("PUT", Fault::OtherDigest)]);
    let error = fake
        .registry()
        .put_manifest("1", &Stored::of(MANIFEST, b"{}".to_vec()))
        .await
        .unwrap_err();
    assert!(error.hints()[0].contains("no tag was moved"), "{error:?}");
}

#[tokio::test]
async fn what_is_about_an_image_is_listed_once_under_its_digest() {
    let fake = Fake::start(&[]);
    let registry = fake.registry();
    let subject = Descriptor::of(MANIFEST, b"{}");
    for content in [&b"one"[..], b"two", b"two"] {
        let artifact = Descriptor {
            artifact_type: Some("application/x".to_owned()),
            ..Descriptor::of(MANIFEST, content)
        };
        registry.refer(&subject, artifact).await.unwrap();
    }
    let tag = subject.digest.to_string().replace(':', "-");
    let listed = registry.manifest(&tag).await.unwrap().unwrap();
    assert_eq!(listed.descriptor.media_type, INDEX);
    let index: Index = serde_json::from_slice(&listed.content).unwrap();
    assert_eq!(index.manifests.len(), 1);
    assert_eq!(*index.manifests[0].digest.digest(), Digest::of("two"));
}

#[test]
fn a_server_may_say_when_to_come_again() {
    assert_eq!(wait_of("7"), Some(Duration::from_secs(7)));
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
    let date = then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let wait = wait_of(&date).unwrap();
    assert!((80..=90).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(wait_of("soon"), None);
    assert_eq!(wait_of("Wed, 21 Oct 2015 07:28:00 GMT"), None);
}

#[test]
fn only_loopback_is_spoken_to_in_the_open() {
    for host in [
        "localhost",
        "localhost:5000",
        "127.0.0.1:5000",
        "[::1]:5000",
    ] {
        assert_eq!(scheme(host), "http", "{host}");
    }
    for host in ["registry.example", "10.0.0.1:5000", "localhost.example"] {
        assert_eq!(scheme(host), "https", "{host}");
    }
}

#[tokio::test]
async fn an_index_of_two_architectures_is_put_and_read() {
    let fake = Fake::start(&[]);
    let registry = fake.registry();
    let images = [Arch::Amd64, Arch::Arm64].map(|arch| (arch, arch.debian().as_bytes()));
    for (_, manifest) in images {
        let digest = format!("sha256:{}", Digest::of(manifest));
        registry
            .put_manifest(&digest, &Stored::of(MANIFEST, manifest.to_vec()))
            .await
            .unwrap();
    }
    let described = images.map(|(arch, manifest)| (arch, Descriptor::of(MANIFEST, manifest)));
    let index = Index::of_architectures(described, BTreeMap::new());
    let content = crate::oci::bytes(&index).unwrap();
    let index = Stored::of(INDEX, content);
    registry.put_manifest("1.4", &index).await.unwrap();
    let there = registry.manifest("1.4").await.unwrap().unwrap();
    assert_eq!(there.descriptor.media_type, INDEX);
    let read: Index = serde_json::from_slice(&there.content).unwrap();
    for image in read.manifests {
        let found = registry.manifest(&image.digest.to_string()).await.unwrap();
        assert_eq!(found.unwrap().descriptor.digest, image.digest);
    }
}
