//! Servers and networks that fail: a miss and a warning, nothing wrong in the store, and no waiting.

use std::net::TcpListener;
use std::time::Duration;

use omnibuild::wheels::remote::{RemoteSettings, Timing};

use super::relay::{Harm, Relay, Request};
use super::{Machine, Place, server};

/// A place with a set in it.
async fn filled(sizes: &[usize]) -> (Place, omnibuild::wheels::WheelSet) {
    let machine = Machine::new();
    let set = machine.make("a", sizes);
    let place = Place::direct();
    machine.give(place.settings("main"), &[&set]).await;
    assert_eq!(machine.said(), "");
    (place, set)
}

/// Silence is a failure at once, for servers that are not asked for more than they have.
fn impatient(settings: RemoteSettings) -> RemoteSettings {
    let timing = Timing {
        silence: Duration::from_millis(300),
        retries: Duration::from_secs(2),
        ..settings.timing
    };
    RemoteSettings { timing, ..settings }
}

fn is_wheel(request: &Request) -> bool {
    request.path.contains(".whl")
}

#[tokio::test]
async fn whatever_fails_once_is_tried_again() {
    let (place, set) = filled(&[3000, 500_000]).await;
    for harm in [Harm::Reset, Harm::Status(503), Harm::Short, Harm::Stall] {
        let timing = Timing {
            silence: Duration::from_secs(1),
            ..place.settings("main").timing
        };
        // The first request is for the manifest, the others for wheels.
        for number in 0..3 {
            let relay = Relay::start(server::address(), move |request| {
                if request.number == number {
                    harm
                } else {
                    Harm::None
                }
            });
            let machine = Machine::new();
            let through = place.through(&relay.url());
            let settings = RemoteSettings {
                timing: timing.clone(),
                ..through.settings("main")
            };
            let found = machine.take(settings, &set).await;
            assert_eq!(
                found.as_ref(),
                Some(&set),
                "{harm:?} {number}: {}",
                machine.said()
            );
            assert!(relay.seen().len() > 3, "{harm:?} {number} has done no harm");
            assert_eq!(machine.said(), "", "{harm:?} {number}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_always_is_a_miss_and_leaves_nothing() {
    let (place, set) = filled(&[3000, 500_000]).await;
    for harm in [
        Harm::Reset,
        Harm::Status(503),
        Harm::Status(500),
        Harm::Short,
        Harm::Stall,
    ] {
        let relay = Relay::start(server::address(), move |request| {
            if is_wheel(request) { harm } else { Harm::None }
        });
        let machine = Machine::new();
        let through = place.through(&relay.url());
        assert_eq!(
            machine
                .take(impatient(through.settings("main")), &set)
                .await,
            None,
            "{harm:?}"
        );
        assert!(
            machine.said().contains("the remote cache"),
            "{harm:?}: {}",
            machine.said()
        );
        let whole = |wheel| machine.store.has(wheel) && machine.store.verify(wheel).is_ok();
        let named = set
            .wheels
            .iter()
            .filter(|wheel| machine.store.has(wheel))
            .count();
        assert_eq!(
            named,
            set.wheels.iter().filter(|wheel| whole(wheel)).count()
        );
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_given_up() {
    let (place, set) = filled(&[3000]).await;
    let relay = Relay::start(server::address(), move |request| {
        if is_wheel(request) {
            Harm::Stall
        } else {
            Harm::None
        }
    });
    let through = place.through(&relay.url());
    let settings = through.settings("main");
    let timing = Timing {
        transfer: Duration::from_millis(500),
        ..settings.timing.clone()
    };
    let machine = Machine::new();
    let settings = RemoteSettings { timing, ..settings };
    assert_eq!(machine.take(settings, &set).await, None);
    let said = machine.said();
    assert!(
        said.contains("no end in the time that it may take"),
        "{said}"
    );
}

#[tokio::test]
async fn content_that_is_another_gets_no_name_and_is_replaced() {
    let machine = Machine::new();
    let set = machine.make("a", &[3000]);
    let place = Place::folder(&machine.path("remote"));
    machine.give(place.settings("main"), &[&set]).await;
    let digits = set.wheels[0].digest.as_str();
    let name = &set.wheels[0].file_name;
    let wheel = machine.path(&format!(
        "remote/v1/main/wheels/{}/{digits}/{name}",
        &digits[..2]
    ));
    let good = fs_err::read(&wheel).unwrap();
    let mut changed = good.clone();
    changed[1500] ^= 1;
    for bad in [
        &changed[..],
        &good[..2999],
        &[&good[..], b"x"].concat(),
        b"",
    ] {
        fs_err::write(&wheel, bad).unwrap();
        let reader = Machine::new();
        let remote = reader.remote(place.settings("main"));
        assert_eq!(reader.ask(&remote, &set).await, None);
        reader.assert_empty();
        assert!(reader.said().contains("is damaged"), "{}", reader.said());
        let made = reader.make("a", &[3000]);
        remote.put_set(&reader.store, &super::platform(), &made);
        remote.finish().await;
        assert_eq!(fs_err::read(&wheel).unwrap(), good);
        assert!(
            Machine::new()
                .take(place.settings("main"), &set)
                .await
                .is_some()
        );
    }
    // One that is gone.
    fs_err::remove_file(&wheel).unwrap();
    let reader = Machine::new();
    assert_eq!(reader.take(place.settings("main"), &set).await, None);
    assert!(
        reader.said().contains("it is not there"),
        "{}",
        reader.said()
    );
}

#[tokio::test]
async fn a_body_that_was_changed_on_its_way_gets_no_name() {
    let (place, set) = filled(&[3000]).await;
    for of_wheels in [true, false] {
        let relay = Relay::start(server::address(), move |request| {
            if is_wheel(request) == of_wheels {
                Harm::Change
            } else {
                Harm::None
            }
        });
        let machine = Machine::new();
        let through = place.through(&relay.url());
        assert_eq!(machine.take(through.settings("main"), &set).await, None);
        machine.assert_empty();
        assert!(machine.said().contains("is damaged"), "{}", machine.said());
    }
}

#[tokio::test]
async fn an_upload_that_is_killed_leaves_no_object_and_no_manifest() {
    // 20 MB are three parts: killed in each, at the beginning and at the end of all.
    for (size, killed) in [
        (20 << 20, "partNumber=1"),
        (20 << 20, "partNumber=3"),
        (20 << 20, "uploads"),
        (5000, ".whl"),
    ] {
        let relay = Relay::start(server::address(), move |request| {
            if request.writes() && request.path.contains(killed) && request.method != "DELETE" {
                Harm::HalfTaken
            } else {
                Harm::None
            }
        });
        let place = Place::s3(&relay.url());
        let machine = Machine::new();
        let set = machine.make("a", &[size, 100]);
        machine.give(place.settings("main"), &[&set]).await;
        let said = machine.said();
        assert!(
            said.contains("can't write") && said.contains("not written to the remote cache: 1"),
            "{killed}: {said}"
        );
        let manifest = |each: &Request| each.writes() && each.path.contains("/sets/");
        assert!(
            !relay.seen().iter().any(manifest),
            "{killed}: {:?}",
            relay.seen()
        );
        let direct = place.through(&format!("http://{}", server::address()));
        let reader = Machine::new();
        assert_eq!(reader.take(direct.settings("main"), &set).await, None);
        assert_eq!(reader.said(), "", "a plain miss");
        // The next run writes all of it.
        machine.give(direct.settings("main"), &[&set]).await;
        assert!(
            reader.take(direct.settings("main"), &set).await.is_some(),
            "{}",
            reader.said()
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_left_alone_after_one_failure() {
    // Somebody who accepts and never answers, and nobody at all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closed.local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let place = Place::s3(&format!("http://{address}"));
        let machine = Machine::new();
        let set = machine.make("a", &[100]);
        let remote = machine.remote(impatient(place.settings("main")));
        let reader = Machine::new();
        for _ in 0..20 {
            assert_eq!(reader.ask(&remote, &set).await, None);
        }
        remote.put_set(&machine.store, &super::platform(), &set);
        remote.finish().await;
        let said = machine.said();
        assert_eq!(said.matches("left alone in this run").count(), 1, "{said}");
        assert_eq!(said.matches("can't").count(), 1, "{said}");
    }
    silent.set_nonblocking(true).unwrap();
    let tries = silent.incoming().take_while(Result::is_ok).count();
    assert!(
        (1..=5).contains(&tries),
        "{tries} connections for one question"
    );
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone() {
    let relay = Relay::start(server::address(), |_| Harm::Status(500));
    let place = Place::s3(&relay.url());
    let machine = Machine::new();
    let set = machine.make("a", &[100]);
    let remote = machine.remote(place.settings("main"));
    let reader = Machine::new();
    for _ in 0..3 {
        assert_eq!(reader.ask(&remote, &set).await, None);
    }
    let seen = relay.seen().len();
    for _ in 0..10 {
        assert_eq!(reader.ask(&remote, &set).await, None);
    }
    assert_eq!(relay.seen().len(), seen, "it was asked again");
    assert!(
        machine.said().contains("left alone in this run"),
        "{}",
        machine.said()
    );
}

#[tokio::test]
async fn who_is_not_let_in_is_told_once() {
    for status in [401, 403] {
        let relay = Relay::start(server::address(), move |_| Harm::Status(status));
        let place = Place::s3(&relay.url());
        let machine = Machine::new();
        let (one, other) = (machine.make("a", &[100]), machine.make("b", &[100]));
        let remote = machine.remote(place.settings("main"));
        let reader = Machine::new();
        assert_eq!(reader.ask(&remote, &one).await, None);
        assert_eq!(reader.ask(&remote, &other).await, None);
        for set in [&one, &other] {
            remote.put_set(&machine.store, &super::platform(), set);
        }
        remote.finish().await;
        let said = machine.said();
        assert_eq!(said.matches("does not let this run").count(), 1, "{said}");
        assert!(said.contains("check the credentials"), "{said}");
        let probe = remote.probe().await;
        assert!(probe.read.is_err(), "{probe:?}");
    }
}

#[tokio::test]
async fn a_run_does_not_wait_for_ever_for_what_it_writes() {
    // The server takes the upload and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::s3(&format!("http://{}", silent.local_addr().unwrap()));
    let machine = Machine::new();
    let set = machine.make("a", &[100]);
    let settings = RemoteSettings {
        timing: Timing {
            finish: Duration::from_millis(50),
            ..Timing::default()
        },
        ..place.settings("main")
    };
    machine.give(settings, &[&set]).await;
    let said = machine.said();
    assert!(
        said.contains("not written to the remote cache: 1"),
        "{said}"
    );
}
