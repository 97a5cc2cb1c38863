//! Pushes against a registry that does what it is told, faults included. The real one is asked by
//! `tests/real/images.rs`.

use std::collections::BTreeMap;

use super::fake::{Fake, Fault};
use super::*;
use crate::oci::Manifest;
use crate::platform::Arch;

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
    assert_eq!(answer::wait_of("7"), Some(Duration::from_secs(7)));
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
    let date = then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let wait = answer::wait_of(&date).unwrap();
    assert!((80..=90).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(answer::wait_of("soon"), None);
    assert_eq!(answer::wait_of("Wed, 21 Oct 2015 07:28:00 GMT"), None);
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

/// An image of two layers in a fake: the second takes a file of the first away.
fn put_image(fake: &Fake, tag: &str) -> Manifest {
    let layer = |files: &[(&str, &str)]| {
        let mut writer = crate::archive::ArchiveWriter::new(7).unwrap();
        for (path, content) in files {
            writer.bytes(path, 0o644, content.as_bytes()).unwrap();
        }
        fs_err::read(writer.finish().unwrap()).unwrap()
    };
    let plain = [
        layer(&[("etc/stays", "1"), ("etc/goes", "1")]),
        layer(&[("etc/.wh.goes", ""), ("etc/new", "2")]),
    ];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain[0]).unwrap();
    let packed = [encoder.finish().unwrap(), plain[1].clone()];
    let diff_ids = plain.map(|layer| format!("sha256:{}", Digest::of(layer)));
    let config = serde_json::json!({
        "architecture": "amd64",
        "config": { "Env": ["LANG=C.UTF-8"], "Labels": { "a": "b" } },
        "rootfs": { "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    let mut state = fake.state.lock().unwrap();
    let mut put = |kind: &str, content: Vec<u8>| {
        let descriptor = Descriptor::of(kind, &content);
        state.blobs.insert(descriptor.digest.to_string(), content);
        descriptor
    };
    let config = put(crate::oci::CONFIG, config);
    let layers = packed.map(|layer| put(crate::oci::LAYER, layer)).to_vec();
    let manifest = Manifest::image(config, layers, BTreeMap::new());
    let bytes = crate::oci::bytes(&manifest).unwrap();
    let described = Descriptor::of(MANIFEST, &bytes);
    let index = Index::of_architectures([(Arch::Amd64, described.clone())], BTreeMap::new());
    let index = crate::oci::bytes(&index).unwrap();
    let digest = described.digest.to_string();
    state.manifests.insert(digest, (MANIFEST.to_owned(), bytes));
    let kind = "application/vnd.docker.distribution.manifest.list.v2+json".to_owned();
    state.manifests.insert(tag.to_owned(), (kind, index));
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_as_one_root_file_system() {
    let fake = Fake::start(&[("GET", Fault::Reset)]);
    put_image(&fake, "9");
    let registry = fake.registry();
    let image = registry.pull("9", Arch::Amd64).await.unwrap().unwrap();
    let mut files = BTreeMap::new();
    crate::archive::for_each_file(&image.root, |path, content| {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        files.insert(path.display().to_string(), text);
        Ok(())
    })
    .unwrap();
    let expected = [("etc/new", "2"), ("etc/stays", "1")];
    assert_eq!(
        files,
        expected
            .map(|(path, text)| (path.into(), text.into()))
            .into()
    );
    assert_eq!(image.config.environment["LANG"], "C.UTF-8");
    assert_eq!(image.config.labels["a"], "b");
    let index = registry.manifest("9").await.unwrap().unwrap();
    assert_eq!(image.digest, index.descriptor.digest);
    assert!(registry.pull("10", Arch::Amd64).await.unwrap().is_none());
    let error = registry.pull("9", Arch::Arm64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.message().contains("no image for arm64"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_is_said_to_be_is_no_image() {
    let fake = Fake::start(&[]);
    let manifest = put_image(&fake, "9");
    let registry = fake.registry();
    let layer = manifest.layers[1].digest.to_string();
    let altered = fake.state.lock().unwrap().blobs[&layer].clone();
    let put = |content: Vec<u8>| {
        fake.state
            .lock()
            .unwrap()
            .blobs
            .insert(layer.clone(), content)
    };
    let mut other = altered.clone();
    other[0] ^= 1;
    let longer = [altered.clone(), vec![0]].concat();
    for (content, message) in [
        (other, "is not what the digest says"),
        (longer, "is not what the digest says"),
        (altered[1..].to_vec(), "is not what the digest says"),
    ] {
        put(content);
        let error = registry.pull("9", Arch::Amd64).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "{error}");
        assert!(error.message().contains(message), "{error}");
    }
    fake.state.lock().unwrap().blobs.remove(&layer);
    let error = registry.pull("9", Arch::Amd64).await.unwrap_err();
    assert!(error.message().contains("is not there"), "{error}");
    let state = || fake.state.lock().unwrap();
    let index = state().manifests["9"].clone();
    for content in [&b"{}"[..], b"not JSON", b"{\"manifests\": 1}"] {
        let kind = INDEX.to_owned();
        state().manifests.insert("9".into(), (kind, content.into()));
        let error = registry.pull("9", Arch::Amd64).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
        assert!(
            error.message().contains("no image that can be read"),
            "{error}"
        );
    }
    state().manifests.insert("9".into(), index.clone());
    // A manifest that is another than the index says.
    let named = state()
        .manifests
        .keys()
        .find(|name| name.starts_with("sha256:"))
        .cloned();
    let (kind, content) = index;
    state().manifests.insert(named.unwrap(), (kind, content));
    let error = registry.pull("9", Arch::Amd64).await.unwrap_err();
    assert!(error.message().contains("is something else"), "{error}");
}
