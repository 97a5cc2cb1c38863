//! Manifests that are signed: nobody without the key decides what a key of the cache stands for.

use std::os::unix::fs::PermissionsExt;

use omnibuild::wheels::remote::RemoteSettings;

use super::{Machine, Place, SECRET};

/// These settings with a key.
fn with_key(machine: &Machine, settings: RemoteSettings, key: &str) -> RemoteSettings {
    let path = machine.path("key");
    fs_err::write(&path, key).unwrap();
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    RemoteSettings {
        key_file: Some(path),
        ..settings
    }
}

fn other_key() -> String {
    SECRET.chars().rev().collect()
}

#[tokio::test]
async fn a_set_without_the_right_signature_is_a_miss_that_is_told() {
    for key in [None, Some(other_key())] {
        let place = Place::direct();
        let writer = Machine::new();
        let set = writer.make("a", &[100]);
        let settings = match &key {
            None => place.settings("main"),
            Some(key) => with_key(&writer, place.settings("main"), key),
        };
        writer.give(settings, &[&set]).await;

        let reader = Machine::new();
        let keyed = with_key(&reader, place.settings("main"), SECRET);
        assert_eq!(reader.take(keyed.clone(), &set).await, None);
        reader.assert_empty();
        let said = reader.said();
        assert!(said.contains("security: `test-"), "{said}");
        assert!(said.contains(set.key.digest.as_str()), "{said}");
        let what = if key.is_some() {
            "has a signature of another key"
        } else {
            "is not signed"
        };
        assert!(
            said.contains(what) && said.contains("find out who wrote it"),
            "{said}"
        );

        // Who makes the set then puts a signed one in its place.
        let set = reader.make("a", &[100]);
        reader.give(keyed.clone(), &[&set]).await;
        let third = Machine::new();
        let keyed = with_key(&third, place.settings("main"), SECRET);
        assert_eq!(third.take(keyed, &set).await, Some(set), "{}", third.said());
        assert_eq!(third.said(), "");
    }
}

#[tokio::test]
async fn who_has_no_key_reads_signed_sets_too() {
    let place = Place::direct();
    let writer = Machine::new();
    let set = writer.make("a", &[100]);
    writer
        .give(with_key(&writer, place.settings("main"), SECRET), &[&set])
        .await;
    let reader = Machine::new();
    assert_eq!(reader.take(place.settings("main"), &set).await, Some(set));
}

#[tokio::test]
async fn a_signed_set_is_of_its_key_alone() {
    let machine = Machine::new();
    let (one, other) = (machine.make("one", &[100]), machine.make("other", &[200]));
    let place = Place::folder(&machine.path("remote"));
    let keyed = with_key(&machine, place.settings("main"), SECRET);
    machine.give(keyed.clone(), &[&one, &other]).await;
    let path = |key: &str| machine.path(&format!("remote/v1/main/sets/debian-12/{key}.json"));
    fs_err::copy(
        path(one.key.digest.as_str()),
        path(other.key.digest.as_str()),
    )
    .unwrap();
    let reader = Machine::new();
    assert_eq!(reader.take(keyed.clone(), &other).await, None);
    assert!(reader.said().contains("security: "), "{}", reader.said());
    let unkeyed = Machine::new();
    assert_eq!(unkeyed.take(place.settings("main"), &other).await, None);
    assert!(unkeyed.said().contains("is damaged"), "{}", unkeyed.said());
    assert_eq!(reader.take(keyed, &one).await, Some(one));
}
