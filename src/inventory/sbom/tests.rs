//! The document as a whole, what its schema asks for, and its digits.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{InstalledFile, License, LicenseSource};
use super::*;

pub(crate) fn distribution(name: &str, version: &str, license: License) -> Distribution {
    Distribution {
        ecosystem: crate::inventory::Ecosystem::Pypi,
        name: name.into(),
        version: version.into(),
        summary: None,
        homepage: None,
        authors: Vec::new(),
        maintainers: Vec::new(),
        wheel: format!("{name}-{version}-py3-none-any.whl"),
        digest: Digest::of(name),
        license,
        license_files: Vec::new(),
        sboms: Vec::new(),
        depends: Vec::new(),
    }
}

/// Two distributions, of which one has everything.
pub(crate) fn example() -> Inventory {
    let mut full = distribution(
        "My_Tool",
        "1.0+acme.1",
        License::expression("MIT OR Apache-2.0", LicenseSource::Expression),
    );
    let person = |name: &str, email: &str| Person {
        name: Some(name.into()),
        email: Some(email.into()),
    };
    full.summary = Some("a tool of größe".into());
    full.homepage = Some("https://tool.example/".into());
    full.authors = vec![person("Ann", "ann@a.example"), person("Bob", "nobody")];
    full.maintainers = vec![person("Cecil", "cecil@c.example")];
    full.depends = vec!["zope-interface".into()];
    full.sboms = vec![InstalledFile {
        path: "/opt/my-tool/lib/x.dist-info/sboms/a b.cdx.json".into(),
        digest: Digest::of("sbom"),
    }];
    let plain = distribution(
        "zope.interface",
        "5.5.2",
        License::expression("ZPL-2.1", LicenseSource::Field),
    );
    Inventory {
        schema: super::super::SCHEMA,
        name: "my-tool".into(),
        version: "1.0+acme.1".into(),
        package: "acme-python-my-tool".into(),
        platform: "debian-12".parse().unwrap(),
        architecture: "x86_64".into(),
        python: "3.11.2".into(),
        libc: "glibc 2.36".into(),
        prefix: "/opt/my-tool".into(),
        epoch: 1_704_164_645,
        roots: vec!["my-tool".into()],
        distributions: vec![full, plain],
        texts: BTreeMap::new(),
    }
}

fn parsed(inventory: &Inventory) -> Value {
    serde_json::from_slice(&document(inventory, &BTreeMap::new()).unwrap()).unwrap()
}

#[test]
fn the_document_is_this() {
    let text = String::from_utf8(document(&example(), &BTreeMap::new()).unwrap()).unwrap();
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "<version>"));
}

#[test]
fn the_same_inventory_gives_the_same_bytes_and_another_one_another_serial_number() {
    assert_eq!(
        document(&example(), &BTreeMap::new()).unwrap(),
        document(&example(), &BTreeMap::new()).unwrap()
    );
    let mut other = example();
    other.distributions[1].digest = Digest::of("another wheel");
    let (one, other) = (parsed(&example()), parsed(&other));
    assert_ne!(one["serialNumber"], other["serialNumber"]);
}

#[test]
fn every_reference_leads_to_a_component_and_is_named_once() {
    let bom = parsed(&example());
    let mut known: BTreeSet<&str> = bom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["bom-ref"].as_str().unwrap())
        .collect();
    assert_eq!(known.len(), 2);
    known.insert(bom["metadata"]["component"]["bom-ref"].as_str().unwrap());
    let edges = bom["dependencies"].as_array().unwrap();
    let from: BTreeSet<&str> = edges
        .iter()
        .map(|edge| edge["ref"].as_str().unwrap())
        .collect();
    assert_eq!((from.len(), &from), (edges.len(), &known));
    let to: Vec<&str> = edges
        .iter()
        .flat_map(|edge| edge["dependsOn"].as_array().unwrap())
        .map(|purl| purl.as_str().unwrap())
        .collect();
    assert_eq!(
        to,
        [
            "pkg:pypi/my-tool@1.0%2Bacme.1",
            "pkg:pypi/zope.interface@5.5.2"
        ]
    );
}

#[test]
fn a_licence_that_somebody_states_is_concluded_and_the_declared_one_still_told() {
    let stated = StatedLicense {
        license: "ZPL-2.1 AND MIT".into(),
        reason: "its LICENSE file".into(),
    };
    let stated = BTreeMap::from([("zope-interface".to_owned(), stated)]);
    let bytes = document(&example(), &stated).unwrap();
    let bom: Value = serde_json::from_slice(&bytes).unwrap();
    let component = &bom["components"][1];
    assert_eq!(
        component["licenses"],
        json!([{"expression": "ZPL-2.1 AND MIT", "acknowledgement": "concluded"}])
    );
    let properties: BTreeMap<&str, &str> = component["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap()))
        .collect();
    for (name, value) in [
        ("omnibuild:license-source", "configuration"),
        ("omnibuild:license-reason", "its LICENSE file"),
        ("omnibuild:license-declared", "ZPL-2.1"),
    ] {
        assert_eq!(properties.get(name), Some(&value), "{name}");
    }
    let other = &bom["components"][0]["licenses"][0];
    assert_eq!(other["acknowledgement"], "declared");
}

#[test]
fn a_serial_number_is_a_uuid_of_version_8() {
    for text in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let serial = serial_number(&Digest::of(text));
        let uuid = serial.strip_prefix("urn:uuid:").unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{serial}");
        assert_eq!(&uuid[14..15], "8");
        assert!("89ab".contains(&uuid[19..20]), "{serial}");
    }
}

#[test]
fn a_time_that_nobody_can_write_is_refused() {
    let mut late = example();
    late.epoch = u64::MAX;
    assert_eq!(
        document(&late, &BTreeMap::new()).unwrap_err().kind(),
        Kind::Config
    );
    late.epoch = 0;
    assert_eq!(
        parsed(&late)["metadata"]["timestamp"],
        "1970-01-01T00:00:00Z"
    );
}
