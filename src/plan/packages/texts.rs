//! What no text of a package may say: what rpm would take for a macro, and what would end a line of a
//! header.
//!
//! Pure. The one place where all texts are looked at, each with the key that said it. They are the same
//! for deb and rpm, so that a project learns of it whatever it builds first.

use crate::error::{Error, Kind, Result};
use crate::plan::{Dependency, PackagePlan};

/// How macros begin (rpm-macros(7)): tools expand them in what they take from a header.
const MACROS: [&str; 3] = ["%{", "%(", "%["];

/// Looks at the vendor, which is the beginning of every name too.
pub(super) fn check_vendor(vendor: Option<&String>) -> Result<()> {
    vendor.map_or(Ok(()), |text| check_line("vendor", text))
}

/// Looks at the texts of the omnibus package.
pub(super) fn check_omnibus(package: &PackagePlan) -> Result<()> {
    let lines = [
        ("maintainer", Some(&package.maintainer)),
        ("url", package.homepage.as_ref()),
        ("license", package.license.as_ref()),
    ];
    for (key, text) in lines {
        text.map_or(Ok(()), |text| check_line(key, text))?;
    }
    check_own("", package)
}

/// Looks at those that a meta-package has of its own; `key` is its table's.
pub(super) fn check_meta(key: &str, package: &PackagePlan) -> Result<()> {
    let table = format!("packages.{key}.");
    for link in super::links(package) {
        check_line(&format!("{table}links"), &link)?;
    }
    check_own(&table, package)
}

fn check_own(table: &str, package: &PackagePlan) -> Result<()> {
    check_line(&format!("{table}summary"), &package.summary)?;
    let description = format!("{table}description");
    check(&description, &package.description, |character| {
        character.is_control() && !"\r\n\t".contains(character)
    })?;
    for dependency in &package.depends {
        if let Dependency::Native(text) = dependency {
            check_line(&format!("{table}depends"), text)?;
        }
    }
    Ok(())
}

fn check_line(key: &str, text: &str) -> Result<()> {
    check(key, text, char::is_control)
}

fn check(key: &str, text: &str, bad: impl Fn(char) -> bool) -> Result<()> {
    let shown = text.escape_debug();
    if let Some(macro_start) = MACROS.iter().find(|start| text.contains(**start)) {
        return Err(Error::new(
            Kind::Config,
            format!("{key}: `{shown}` has `{macro_start}`, which rpm takes for a macro"),
        )
        .hint("put something between `%` and the bracket")
        .hint(OTHERWISE));
    }
    if let Some(character) = text.chars().find(|character| bad(*character)) {
        return Err(Error::new(
            Kind::Config,
            format!(
                "{key}: `{shown}` has the control character U+{:04X}",
                u32::from(character)
            ),
        )
        .hint("leave it out: it would end the field, or be shown to nobody")
        .hint(OTHERWISE));
    }
    Ok(())
}

/// Where a text may come from that is in no configuration.
const OTHERWISE: &str = "if it is not in the configuration, it is the project's metadata: say it there, or in the configuration instead";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_and_control_characters_are_refused_and_their_key_named() {
        for bad in [
            "%{lua:x}",
            "a %(id) b",
            "%[1+1]",
            "a\nb",
            "a\u{1b}[1m",
            "a\0",
        ] {
            let error = check_line("summary", bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            let message = error.message();
            assert!(message.starts_with("summary: `"), "{message}");
            assert!(!message.contains(char::is_control), "{message}");
        }
        for good in ["", "100 %", "50% {x}", "größe", "%%", "a % (b)"] {
            check_line("summary", good).unwrap();
        }
    }
}
