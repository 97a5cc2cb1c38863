//! Sets go from machine to machine, and only to who lists their scope.

use omnibuild::wheels::remote::RemoteSettings;

use super::relay::{Harm, Relay};
use super::{Machine, Place, server};

/// Both kinds of places behave alike.
fn places(folder: &Machine) -> [Place; 2] {
    [Place::direct(), Place::folder(&folder.path("remote/a b~c"))]
}

#[tokio::test]
async fn what_one_machine_makes_another_has() {
    let one = Machine::new();
    // The largest goes in parts.
    let set = one.make("a", &[0, 1, 5000, 8 << 20, (20 << 20) + 7]);
    for place in places(&one) {
        one.give(place.settings("main"), &[&set]).await;
        let other = Machine::new();
        let found = other.take(place.settings("main"), &set).await;
        assert_eq!(found.as_ref(), Some(&set), "{place:?}: {}", other.said());
        assert_eq!(one.said() + &other.said(), "");
        let unknown = other.make("b", &[1]);
        let empty = Machine::new();
        assert_eq!(empty.take(place.settings("main"), &unknown).await, None);
        assert_eq!(empty.said(), "", "a miss is no trouble");
    }
}

#[tokio::test]
async fn a_release_reads_nothing_that_a_pull_request_wrote() {
    let request = Machine::new();
    let (own, mains) = (request.make("own", &[10]), request.make("mains", &[20]));
    let pull_request = |place: &Place| RemoteSettings {
        read_scopes: vec!["main".to_owned()],
        ..place.settings("pr-12")
    };
    for place in places(&request) {
        request.give(pull_request(&place), &[&own]).await;
        let main = Machine::new();
        let set = main.make("mains", &[20]);
        main.give(place.settings("main"), &[&set]).await;

        let release = Machine::new();
        assert_eq!(release.take(place.settings("main"), &own).await, None);
        release.assert_empty();
        let other = Machine::new();
        assert_eq!(other.take(place.settings("pr-13"), &own).await, None);
        let again = Machine::new();
        assert_eq!(
            again.take(pull_request(&place), &own).await,
            Some(own.clone())
        );
        let found = again.take(pull_request(&place), &mains).await;
        assert_eq!(found, Some(set), "{}", again.said());
    }
}

#[tokio::test]
async fn wheels_that_are_there_are_neither_fetched_nor_written_again() {
    let relay = Relay::start(server::address(), |_| Harm::None);
    let place = Place::s3(&relay.url());
    let one = Machine::new();
    let set = one.make("a", &[100, 200, 300]);
    one.give(place.settings("main"), &[&set, &set]).await;
    let writes = |relay: &Relay| relay.seen().iter().filter(|each| each.writes()).count();
    assert_eq!(
        writes(&relay),
        4,
        "three wheels and a manifest: {:?}",
        relay.seen()
    );
    one.give(place.settings("main"), &[&set]).await;
    assert_eq!(writes(&relay), 4, "all was there: {:?}", relay.seen());

    let other = Machine::new();
    for (number, wheel) in set.wheels.iter().enumerate().take(2) {
        let content = super::content("a", number, usize::try_from(wheel.size).unwrap());
        other
            .store
            .put(&wheel.file_name, &mut &content[..])
            .unwrap();
    }
    let before = relay.seen().len();
    let found = other.take(place.settings("main"), &set).await;
    assert_eq!(found.as_ref(), Some(&set), "{}", other.said());
    let fetched: Vec<_> = relay.seen()[before..]
        .iter()
        .filter(|each| each.path.contains(".whl"))
        .cloned()
        .collect();
    assert_eq!(fetched.len(), 1, "{fetched:?}");
}

#[tokio::test]
async fn who_may_only_read_sends_no_write() {
    let relay = Relay::start(server::address(), |_| Harm::None);
    let place = Place::s3(&relay.url());
    let one = Machine::new();
    let set = one.make("a", &[100]);
    let read_only = RemoteSettings {
        read_only: true,
        ..place.settings("main")
    };
    one.give(read_only.clone(), &[&set]).await;
    assert_eq!(Machine::new().take(read_only.clone(), &set).await, None);
    let probe = one.remote(read_only).probe().await;
    assert!(probe.read.is_ok() && probe.write.is_none(), "{probe:?}");
    let seen = relay.seen();
    assert!(
        !seen.is_empty() && !seen.iter().any(super::relay::Request::writes),
        "{seen:?}"
    );
    // The same without the word does write.
    one.give(place.settings("main"), &[&set]).await;
    assert!(relay.seen().iter().any(super::relay::Request::writes));
}

#[tokio::test]
async fn many_machines_write_one_set_at_once() {
    let place = Place::direct();
    let machines: Vec<Machine> = (0..4).map(|_| Machine::new()).collect();
    let sets: Vec<_> = machines
        .iter()
        .map(|machine| machine.make("a", &[1000, 9 << 20]))
        .collect();
    let each = machines.iter().zip(&sets);
    let giving =
        each.map(async |(machine, set)| machine.give(place.settings("main"), &[set]).await);
    futures::future::join_all(giving).await;
    for machine in &machines {
        assert_eq!(machine.said(), "");
    }
    let reader = Machine::new();
    let found = reader.take(place.settings("main"), &sets[0]).await.unwrap();
    assert_eq!(found.wheels, sets[0].wheels);
}

#[tokio::test]
async fn a_proxy_is_asked_in_place_of_the_server() {
    let relay = Relay::start(server::address(), |_| Harm::None);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let place = Place::s3(&endpoint);
    let proxies = [("http_proxy".to_owned(), relay.url())];
    let settings = RemoteSettings {
        proxies: proxies.into(),
        ..place.settings("main")
    };
    let one = Machine::new();
    let set = one.make("a", &[100]);
    one.give(settings.clone(), &[&set]).await;
    let other = Machine::new();
    let found = other.take(settings.clone(), &set).await;
    assert_eq!(found, Some(set.clone()), "{}{}", one.said(), other.said());
    let seen = relay.seen();
    let through = |each: &super::relay::Request| each.path.starts_with(&endpoint);
    assert!(!seen.is_empty() && seen.iter().all(through), "{seen:?}");

    let mut excluded = settings;
    let no_proxy = ("no_proxy".to_owned(), "127.0.0.1".to_owned());
    excluded.proxies.extend([no_proxy]);
    assert_eq!(Machine::new().take(excluded, &set).await, None);
    assert_eq!(relay.seen(), seen, "it is asked for others only");
}
