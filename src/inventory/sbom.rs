//! The bill of materials: CycloneDX 1.6 (ECMA-424) as JSON.
//!
//! Its components are the distributions of the bundle, no more and no less, and the Python that it
//! brings with what is linked into it; what they stand on (the versions of Python and C library) are
//! properties of the application. It is a part of the package,
//! so it says nothing that two builds of the same thing could differ in: no address that a wheel was
//! fetched from, no time but the package's, and a serial number that is made of the content.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bundle::Layer;
use crate::bundle::store::LayerStore;
use crate::digest::{Digest, KeyBuilder};
use crate::error::{Error, Kind, Result};
use crate::plan::StatedLicense;

use super::license::{License, LicenseSource};
use super::{Distribution, Ecosystem, Inventory, Person};

/// The end of the names of such files; tools look for it.
pub const SUFFIX: &str = ".cdx.json";

/// Where it is in the omnibus package, an absolute path: `<prefix>/share/sbom/<name>.cdx.json`.
pub fn installed_path(inventory: &Inventory) -> String {
    let (prefix, name) = (&inventory.prefix, &inventory.name);
    format!("{prefix}/share/sbom/{name}{SUFFIX}")
}

/// The document of a bundle; the same bytes for the same inventory.
///
/// Fails with [`Kind::Config`] when the package's time is none that the format can express.
///
/// A licence that the configuration states of a distribution (`stated`, by normalised name) stands
/// as concluded, with the reason and what the metadata says beside it.
pub fn document(
    inventory: &Inventory,
    stated: &BTreeMap<String, StatedLicense>,
) -> Result<Vec<u8>> {
    let reference = format!("{}@{}", inventory.package, inventory.version);
    let mut bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(inventory.epoch)?,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{
                "type": "application",
                "name": "omnibuild",
                "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": inventory.name,
                "version": inventory.version,
                "properties": properties(&[
                    ("omnibuild:package", &inventory.package),
                    ("omnibuild:platform", inventory.platform.as_str()),
                    ("omnibuild:architecture", &inventory.architecture),
                    ("omnibuild:python", &inventory.python),
                    ("omnibuild:libc", &inventory.libc),
                    ("omnibuild:prefix", &inventory.prefix),
                ]),
            },
        },
        "components": inventory
            .distributions
            .iter()
            .map(|distribution| component(distribution, stated.get(&distribution.normalised_name())))
            .collect::<Vec<_>>(),
        "dependencies": dependencies(inventory, &reference),
    });
    let serial = serial_number(&Digest::of(bom.to_string()));
    bom["serialNumber"] = Value::String(serial);
    let mut bytes = serde_json::to_vec_pretty(&bom).map_err(std::io::Error::from)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The document as a layer of the bundle, kept like every other.
pub fn layer(store: &LayerStore, inventory: &Inventory, document: &[u8]) -> Result<Layer> {
    let path = installed_path(inventory);
    let key = KeyBuilder::new("bill of materials", 1)
        .field("path", &path)
        .field("content", Digest::of(document).as_str())
        .finish();
    match store.get(&key.digest) {
        Some(layer) => Ok(layer),
        None => store.put(&key.digest, "bill of materials", |writer| {
            writer.set_time(inventory.epoch);
            writer.add_file(&path, 0o644, &mut &*document, None)?;
            Ok(())
        }),
    }
}

/// The package URL of a distribution (purl, type `pypi`), or of the Python that it runs on (`generic`).
pub fn purl(distribution: &Distribution) -> String {
    let name = distribution.name.to_lowercase().replace('_', "-");
    let version = distribution.version.replace('!', "%21").replace('+', "%2B");
    match distribution.ecosystem {
        Ecosystem::Pypi => format!("pkg:pypi/{name}@{version}"),
        Ecosystem::Generic => format!("pkg:generic/{name}@{version}"),
    }
}

fn component(distribution: &Distribution, stated: Option<&StatedLicense>) -> Value {
    let purl = purl(distribution);
    let concluded =
        stated.map(|stated| License::expression(&stated.license, LicenseSource::Override));
    let license = concluded.as_ref().unwrap_or(&distribution.license);
    let mut remarks = Vec::new();
    if !distribution.wheel.is_empty() {
        remarks.push(("omnibuild:wheel", distribution.wheel.as_str()));
    }
    remarks.push(("omnibuild:license-source", license.source.word()));
    if let Some(stated) = stated {
        remarks.push(("omnibuild:license-reason", &stated.reason));
        let declared = distribution.license.text.as_deref();
        remarks.extend(declared.map(|text| ("omnibuild:license-declared", text)));
    }
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": distribution.name,
        "version": distribution.version,
        "hashes": [{"alg": "SHA-256", "content": distribution.digest}],
        "purl": purl,
        "properties": properties(&remarks),
    });
    if let Some(summary) = &distribution.summary {
        component["description"] = json!(summary);
    }
    if !distribution.authors.is_empty() {
        let authors = distribution.authors.iter().map(contact);
        component["authors"] = authors.collect();
    }
    if let Some(supplier) = distribution.maintainers.first() {
        let contacts: Vec<Value> = distribution.maintainers.iter().map(contact).collect();
        let mut organisation = json!({"contact": contacts});
        if let Some(name) = &supplier.name {
            organisation["name"] = json!(name);
        }
        component["supplier"] = organisation;
    }
    if let Some(licenses) = licenses(license) {
        component["licenses"] = licenses;
    }
    let website = distribution.homepage.iter();
    let website = website.map(|url| json!({"type": "website", "url": url}));
    let own = distribution.sboms.iter().map(|file| {
        json!({
            "type": "bom",
            "url": file_address(&file.path),
            "comment": "came with the distribution (PEP 770)",
            "hashes": [{"alg": "SHA-256", "content": file.digest}],
        })
    });
    let references: Vec<Value> = website.chain(own).collect();
    if !references.is_empty() {
        component["externalReferences"] = json!(references);
    }
    component
}

fn licenses(license: &License) -> Option<Value> {
    let text = license.text.as_deref()?;
    let said = match license.source {
        LicenseSource::Override => "concluded",
        _ => "declared",
    };
    Some(if !license.is_expression {
        json!([{"license": {"name": text, "acknowledgement": said}}])
    } else if spdx::license_id(text).is_some() {
        json!([{"license": {"id": text, "acknowledgement": said}}])
    } else {
        json!([{"expression": text, "acknowledgement": said}])
    })
}

fn contact(person: &Person) -> Value {
    let mut contact = json!({});
    if let Some(name) = &person.name {
        contact["name"] = json!(name);
    }
    // The schema wants an address there, and metadata may hold anything.
    let email = person.email.as_deref().filter(|text| is_mail_address(text));
    if let Some(email) = email {
        contact["email"] = json!(email);
    }
    contact
}

fn is_mail_address(text: &str) -> bool {
    let good = |part: &str| {
        let known =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        !part.is_empty()
            && part.bytes().all(known)
            && !part.starts_with('.')
            && !part.ends_with('.')
    };
    text.split_once('@')
        .is_some_and(|(local, domain)| good(local) && good(domain) && !text.contains(".."))
}

fn properties(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

fn dependencies(inventory: &Inventory, reference: &str) -> Value {
    let purls = |names: &[String]| -> Vec<String> {
        let distributions = inventory.distributions.iter();
        let mut purls: Vec<String> = distributions
            .filter(|distribution| names.contains(&distribution.normalised_name()))
            .map(purl)
            .collect();
        purls.sort();
        purls
    };
    let mut edges = vec![json!({"ref": reference, "dependsOn": purls(&inventory.roots)})];
    edges.extend(inventory.distributions.iter().map(|distribution| {
        json!({"ref": purl(distribution), "dependsOn": purls(&distribution.depends)})
    }));
    Value::Array(edges)
}

/// A path as an address, RFC 8089.
fn file_address(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+".contains(&byte);
    let mut address = "file://".to_owned();
    for byte in path.bytes() {
        if plain(byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address
}

/// A UUID of version 8 (RFC 9562), whose bits are the writer's: here those of a digest.
fn serial_number(digest: &Digest) -> String {
    let digits = digest.as_str();
    // Of the digit that has the variant, two bits are fixed.
    let variant = match digits.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}

/// Seconds since 1970 as RFC 3339 writes them.
fn timestamp(epoch: u64) -> Result<String> {
    let time = i64::try_from(epoch)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string()).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("the time {epoch} is too late for a bill of materials"),
        )
        .hint("set SOURCE_DATE_EPOCH to a time before the year 10000")
    })
}

#[cfg(test)]
pub(super) mod tests;
