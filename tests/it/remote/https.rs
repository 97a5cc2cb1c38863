//! A plain HTTPS server: its certificate, its password, and what it can't do.

use std::collections::BTreeMap;

use omnibuild::wheels::remote::RemoteSettings;

use super::server::Server;
use super::{Machine, Place, SECRET};

/// A server whose certificate is of an authority in this machine's `authority.pem`.
fn start(machine: &Machine) -> (Server, RemoteSettings) {
    let authority = machine.path("authority.pem");
    let server = Server::start("https.py", &[authority.to_str().unwrap(), SECRET]);
    let place = Place {
        address: format!("https://tester:{SECRET}@{}/team/cache", server.address),
        access: BTreeMap::new(),
    };
    let settings = RemoteSettings {
        ca_bundle: Some(authority),
        ..place.settings("main")
    };
    (server, settings)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_ones_own_is_used() {
    let machine = Machine::new();
    let (_server, settings) = start(&machine);
    // The largest is larger than a part: this server knows none.
    let set = machine.make("a", &[0, 100, 9 << 20]);
    machine.give(settings.clone(), &[&set, &set]).await;
    let reader = Machine::new();
    let found = reader.take(settings, &set).await;
    assert_eq!(found, Some(set), "{}", reader.said());
    assert_eq!(machine.said() + &reader.said(), "");
}

#[tokio::test]
async fn an_unknown_authority_and_a_wrong_password_are_warnings() {
    let machine = Machine::new();
    let (_server, settings) = start(&machine);
    let set = machine.make("a", &[100]);
    machine.give(settings.clone(), &[&set]).await;
    let unknown = RemoteSettings {
        ca_bundle: None,
        ..settings.clone()
    };
    let wrong = RemoteSettings {
        address: settings.address.replace(SECRET, "wrong"),
        ..settings
    };
    for (settings, what) in [(unknown, "left alone"), (wrong, "does not let this run")] {
        let reader = Machine::new();
        // As the pipeline does with what stands in an address.
        reader.report.redact(SECRET);
        assert_eq!(reader.take(settings, &set).await, None);
        assert!(reader.said().contains(what), "{}", reader.said());
    }
}
