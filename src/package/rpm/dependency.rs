//! Dependencies in rpm's own words, parsed: `name`, `name >= version`, `/path`, `(rich expression)`.
//!
//! Pure.

use crate::error::{Error, Kind, Result};
use crate::package::check;

/// `RPMSENSE_LESS`.
pub(super) const LESS: u32 = 1 << 1;
/// `RPMSENSE_GREATER`.
pub(super) const GREATER: u32 = 1 << 2;
/// `RPMSENSE_EQUAL`.
pub(super) const EQUAL: u32 = 1 << 3;
/// `RPMSENSE_RPMLIB`: a feature of rpm itself.
const RPMLIB: u32 = 1 << 24;
/// `RPMSENSE_INTERP`: runs a script.
pub(super) const INTERPRETER: u32 = 1 << 8;
/// `RPMSENSE_SCRIPT_PRE`: needed by the script that runs before installation.
pub(super) const SCRIPT_PRE: u32 = 1 << 9;
/// `RPMSENSE_SCRIPT_POST`.
pub(super) const SCRIPT_POST: u32 = 1 << 10;
/// `RPMSENSE_SCRIPT_PREUN`.
pub(super) const SCRIPT_PRE_UN: u32 = 1 << 11;
/// `RPMSENSE_SCRIPT_POSTUN`.
pub(super) const SCRIPT_POST_UN: u32 = 1 << 12;
/// `RPMSENSE_POSTTRANS`.
pub(super) const POST_TRANSACTION: u32 = 1 << 5;

/// A name, and which versions of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dependency {
    /// A package, a path, or anything that a package provides.
    pub(super) name: String,
    /// `[epoch:]version[-release]`, or empty.
    pub(super) version: String,
    /// How the version is compared.
    pub(super) flags: u32,
}

impl Dependency {
    /// Reads a dependency as it would stand after `Requires:` in a spec file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = check::line("dependency", text)?;
        if text.starts_with('(') {
            return Ok(Self {
                name: text.to_owned(),
                version: String::new(),
                flags: 0,
            });
        }
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let parsed = match words.as_slice() {
            [name] => Some((*name, 0, "")),
            [name, operator, version] => sense(operator).map(|flags| (*name, flags, *version)),
            _ => None,
        };
        match parsed {
            Some((name, flags, version)) if !name.contains(['<', '=', '>', ',']) => {
                Ok(Self { name: name.to_owned(), version: version.to_owned(), flags })
            }
            _ => Err(Error::new(Kind::Config, format!("`{text}` is not an rpm dependency"))
                .hint("write one dependency as `name`, `/path` or `name >= version`, with spaces around the operator")),
        }
    }

    /// A feature that the reader's rpm must have.
    pub(super) fn feature(name: &str, version: &str) -> Self {
        let name = format!("rpmlib({name})");
        Self {
            name,
            version: version.to_owned(),
            flags: RPMLIB | LESS | EQUAL,
        }
    }

    /// What runs a script of the package.
    pub(super) fn interpreter(name: &str, script: u32) -> Self {
        Self {
            name: name.to_owned(),
            version: String::new(),
            flags: INTERPRETER | script,
        }
    }

    /// Exactly this version.
    pub(super) fn exact(name: String, version: &str) -> Self {
        Self {
            name,
            version: version.to_owned(),
            flags: EQUAL,
        }
    }
}

fn sense(operator: &str) -> Option<u32> {
    match operator {
        "<" => Some(LESS),
        "<=" => Some(LESS | EQUAL),
        "=" | "==" => Some(EQUAL),
        ">=" => Some(GREATER | EQUAL),
        ">" => Some(GREATER),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_spec_file_are_understood() {
        let check = |text: &str, name: &str, flags: u32, version: &str| {
            let expect = Dependency {
                name: name.to_owned(),
                version: version.to_owned(),
                flags,
            };
            assert_eq!(Dependency::parse(text).unwrap(), expect);
        };
        check("openssl-libs", "openssl-libs", 0, "");
        check("/usr/bin/python3", "/usr/bin/python3", 0, "");
        check("python(abi) = 3.9", "python(abi)", EQUAL, "3.9");
        check("glibc  >=  2.17-1", "glibc", GREATER | EQUAL, "2.17-1");
        check("x < 1:2", "x", LESS, "1:2");
        check("libz.so.1()(64bit)", "libz.so.1()(64bit)", 0, "");
        check("(a or b)", "(a or b)", 0, "");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "a b",
            "a >=",
            "a>=1",
            "a => 1",
            "a >= 1 2",
            "a, b",
            "a\nb",
            "libc6 (>= 2)",
        ] {
            assert_eq!(
                Dependency::parse(bad).unwrap_err().kind(),
                Kind::Config,
                "{bad:?}"
            );
        }
    }
}
