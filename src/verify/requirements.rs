//! What `pip check` asks: does every installed distribution have what it requires, in a version
//! that will do?
//!
//! The facts are those of the installed bundle, as its own Python reads them; the bundle has no pip.
//! Like pip it looks at no extras. Pure.

use std::collections::BTreeMap;

use pep508_rs::VersionOrUrl;
use serde::{Deserialize, Serialize};

use crate::interpreter::Interpreter;
use crate::plan::normalised_name;
use crate::plan::requirements::parse_requirement;

/// An installed distribution, from its METADATA.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Installed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) requires: Vec<String>,
}

/// What is missing or of a wrong version, one sentence each.
pub(super) fn unsatisfied(installed: &[Installed], interpreter: &Interpreter) -> Vec<String> {
    let markers = match interpreter.markers() {
        Ok(markers) => markers,
        Err(error) => return vec![error.to_string()],
    };
    let there: BTreeMap<String, &Installed> = installed
        .iter()
        .map(|distribution| (normalised_name(&distribution.name), distribution))
        .collect();
    let mut faults = Vec::new();
    for distribution in installed {
        for line in &distribution.requires {
            // What can't be read was a warning when the wheel was chosen.
            let Ok(requirement) = parse_requirement(line) else {
                continue;
            };
            if !requirement.evaluate_markers(&markers, &[]) {
                continue;
            }
            let of = format!("`{} {}`", distribution.name, distribution.version);
            let Some(found) = there.get(&normalised_name(requirement.name.as_ref())) else {
                faults.push(format!(
                    "{of} requires `{line}`, which is not in the bundle"
                ));
                continue;
            };
            let Some(VersionOrUrl::VersionSpecifier(specifiers)) = &requirement.version_or_url
            else {
                continue;
            };
            let fits = found
                .version
                .parse()
                .is_ok_and(|version| specifiers.contains(&version));
            if !fits {
                faults.push(format!(
                    "{of} requires `{line}`, and the bundle has {} {}",
                    found.name, found.version
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(name: &str, version: &str, requires: &[&str]) -> Installed {
        Installed {
            name: name.to_owned(),
            version: version.to_owned(),
            requires: requires.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn what_pip_check_finds_is_found() {
        let bundle = [
            installed(
                "app",
                "1",
                &[
                    "Absent>=2",
                    "old_one>=2",
                    "fine.dist (~=1.4)",
                    "winonly; sys_platform == 'win32'",
                    "extra-thing; extra == 'more'",
                    "by-url @ https://files.example/by_url-1-py3-none-any.whl",
                    "candidate>=1",
                ],
            ),
            installed("Old.One", "1.9", &[]),
            installed("fine-dist", "1.4.2", &[]),
            installed("by-url", "1", &[]),
            installed("candidate", "1.1rc1", &[]),
        ];
        let interpreter = crate::interpreter::tests::debian_12();
        let faults = unsatisfied(&bundle, &interpreter);
        assert_eq!(
            faults,
            [
                "`app 1` requires `Absent>=2`, which is not in the bundle",
                "`app 1` requires `old_one>=2`, and the bundle has Old.One 1.9",
            ]
        );
    }
}
