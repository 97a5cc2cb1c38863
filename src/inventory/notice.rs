//! The texts of all licences of a bundle as one file, for those who have to hand them on.
//!
//! Pure. Each text stands once, under all distributions that it came with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::digest::Digest;

use super::{Inventory, License};

/// A line between two parts.
const RULE: &str =
    "--------------------------------------------------------------------------------";

/// The file; `license` is what is held to be the licence of a distribution, by its number.
pub fn notice(inventory: &Inventory, licenses: &[License]) -> String {
    let mut text = format!(
        "{} {} holds the following distributions.\n\n",
        inventory.name, inventory.version
    );
    let mut owners: BTreeMap<&Digest, Vec<String>> = BTreeMap::new();
    for (distribution, license) in inventory.distributions.iter().zip(licenses) {
        let title = distribution.title();
        let without = if distribution.license_files.is_empty() {
            " (came without a licence file)"
        } else {
            ""
        };
        writeln!(text, "{title}: {}{without}", license.as_str())
            .expect("a String takes everything");
        for file in &distribution.license_files {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let owners = owners.entry(&file.digest).or_default();
            owners.push(format!("{title} ({name})"));
        }
    }
    let mut parts: Vec<(Vec<String>, &Digest)> = owners
        .into_iter()
        .map(|(digest, owners)| (owners, digest))
        .collect();
    parts.sort();
    for (owners, digest) in parts {
        let content = inventory.texts.get(digest).map_or("", String::as_str);
        let content = content.replace("\r\n", "\n");
        let content = content.trim_matches(['\n', '\u{feff}']);
        write!(
            text,
            "\n{RULE}\n{}\n{RULE}\n\n{content}\n",
            owners.join("\n")
        )
        .expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::InstalledFile;
    use super::super::sbom::tests::example;
    use super::*;

    #[test]
    fn a_text_stands_once_under_all_who_have_it() {
        let mut inventory = example();
        let digest = Digest::of("text");
        inventory
            .texts
            .insert(digest.clone(), "\n  MIT\r\nfree\n\n".into());
        for (distribution, path) in inventory
            .distributions
            .iter_mut()
            .zip(["/a/LICENSE", "/b/COPYING"])
        {
            let digest = digest.clone();
            let path = path.to_owned();
            distribution
                .license_files
                .push(InstalledFile { path, digest });
        }
        let licenses: Vec<License> = inventory
            .distributions
            .iter()
            .map(|distribution| distribution.license.clone())
            .collect();
        insta::assert_snapshot!(notice(&inventory, &licenses), @r"
        my-tool 1.0+acme.1 holds the following distributions.

        My_Tool 1.0+acme.1: MIT OR Apache-2.0
        zope.interface 5.5.2: ZPL-2.1

        --------------------------------------------------------------------------------
        My_Tool 1.0+acme.1 (LICENSE)
        zope.interface 5.5.2 (COPYING)
        --------------------------------------------------------------------------------

          MIT
        free
        ");
    }
}
