//! What the server allows whom, by the policies of the manual.

use omnibuild::wheels::remote::RemoteSettings;

use super::{Machine, Place, server};

/// A place of the strict server as a user sees it.
fn place_of(place: &Place, user: &str) -> Place {
    let (id, key) = server::strict().users[user].clone();
    with_keys(place, id, key)
}

fn with_keys(place: &Place, id: String, key: String) -> Place {
    let mut place = place.through(&format!("http://{}", server::strict().address));
    place.access.insert("AWS_ACCESS_KEY_ID".to_owned(), id);
    place.access.insert("AWS_SECRET_ACCESS_KEY".to_owned(), key);
    place
}

#[tokio::test]
async fn a_pull_request_reads_main_and_writes_beside_it() {
    let place = Place::direct();
    let (release, request) = (
        place_of(&place, "release"),
        place_of(&place, "pull-request"),
    );
    let one = Machine::new();
    let mains = one.make("mains", &[100, 9 << 20]);
    one.give(release.settings("main"), &[&mains]).await;

    let other = Machine::new();
    let own = other.make("own", &[200]);
    let settings = RemoteSettings {
        read_scopes: vec!["main".to_owned()],
        ..request.settings("pr-12")
    };
    let found = other.take(settings.clone(), &mains).await;
    assert_eq!(found, Some(mains), "{}", other.said());
    other.give(settings.clone(), &[&own]).await;
    assert_eq!(Machine::new().take(settings, &own).await, Some(own.clone()));
    assert_eq!(one.said() + &other.said(), "");

    // One that says it is main, as a pull request's configuration may.
    other.give(request.settings("main"), &[&own]).await;
    let said = other.said();
    assert!(said.contains("does not let this run write"), "{said}");
    assert_eq!(
        Machine::new().take(release.settings("main"), &own).await,
        None
    );
    let probe = other.remote(request.settings("main")).probe().await;
    assert!(probe.read.is_ok() && probe.write.unwrap().is_err());
}

#[tokio::test]
async fn wrong_credentials_are_a_warning() {
    let place = Place::direct();
    let (id, key) = server::strict().users["release"].clone();
    let wrong = "another-secret-that-is-in-no-output".to_owned();
    for (id, key) in [(id, wrong), ("AKIAUNKNOWN".to_owned(), key)] {
        let place = with_keys(&place, id, key.clone());
        let machine = Machine::new();
        let set = machine.make("a", &[100]);
        let reader = Machine::new();
        assert_eq!(reader.take(place.settings("main"), &set).await, None);
        machine.give(place.settings("main"), &[&set]).await;
        for said in [reader.said(), machine.said()] {
            assert!(said.contains("does not let this run"), "{said}");
            assert!(!said.contains(&key), "{said}");
        }
    }
}
