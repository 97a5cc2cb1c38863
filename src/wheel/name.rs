//! Names and versions in file names of wheels, and when two are the same.
//!
//! Follows PEP 427, PEP 503 and PEP 440. Pure.

use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// Name and version in a wheel's file name: `name-version[-build]-python-abi-platform.whl`.
pub(crate) fn parse_file_name(file_name: &str) -> Result<(String, String)> {
    let parts: Vec<&str> = file_name
        .strip_suffix(".whl")
        .unwrap_or_default()
        .split('-')
        .collect();
    match parts.as_slice() {
        [name, version, .., _, _, _] if matches!(parts.len(), 5 | 6) && !name.is_empty() => {
            Ok(((*name).to_owned(), (*version).to_owned()))
        }
        _ => Err(Error::new(
            Kind::Conflict,
            format!("`{file_name}` is not a wheel's file name"),
        )
        .hint("a wheel is named `name-version-python-abi-platform.whl`")),
    }
}

/// Whether two names are one distribution's (PEP 503).
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    let normal = |name: &str| {
        let parts: Vec<&str> = name
            .split(['-', '_', '.'])
            .filter(|part| !part.is_empty())
            .collect();
        parts.join("-").to_ascii_lowercase()
    };
    normal(one) == normal(other)
}

/// Whether two versions are one (PEP 440); the file name writes `_` for `-`.
pub(crate) fn same_version(one: &str, other: &str) -> bool {
    let (one, other) = (one.replace('_', "-"), other.replace('_', "-"));
    match (
        pep440_rs::Version::from_str(&one),
        pep440_rs::Version::from_str(&other),
    ) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_taken_apart() {
        let good = [
            ("a-1.0-py3-none-any.whl", "a", "1.0"),
            (
                "a_b-1.0+local.1-2-cp311-cp311-linux_x86_64.whl",
                "a_b",
                "1.0+local.1",
            ),
        ];
        for (file_name, name, version) in good {
            assert_eq!(
                parse_file_name(file_name).unwrap(),
                (name.to_owned(), version.to_owned())
            );
        }
        for bad in [
            "a-1.0.whl",
            "a-1.0-py3-none-any.zip",
            "-1-py3-none-any.whl",
            "a-b-c-1-2-3-4.whl",
        ] {
            assert_eq!(
                parse_file_name(bad).unwrap_err().kind(),
                Kind::Conflict,
                "{bad}"
            );
        }
    }

    #[test]
    fn names_and_versions_are_compared_as_pep_503_and_440_say() {
        assert!(same_name("Foo.Bar__baz", "foo-bar-baz") && !same_name("foobar", "foo-bar"));
        assert!(same_version("1.0", "1.0.0") && same_version("1.0+a_b", "1.0+a.b"));
        assert!(!same_version("1.0", "1.0.1") && same_version("2004d-odd", "2004d-odd"));
    }
}
