//! Names and versions in file names of wheels, and when two are the same.
//!
//! Follows PEP 427, PEP 503 and PEP 440. Pure.

use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// A wheel's file name, `name-version[-build]-python-abi-platform.whl`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The distribution's name, as the file name writes it.
    pub name: String,
    /// The version, as the file name writes it.
    pub version: String,
    /// Which of several builds of one version it is.
    pub build: Option<BuildTag>,
    python: Vec<String>,
    abi: Vec<String>,
    platform: Vec<String>,
}

/// A build tag: digits and what follows them; higher ones win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildTag(u64, String);

impl WheelName {
    /// Takes a file name apart.
    pub fn parse(file_name: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::new(
                Kind::Conflict,
                format!(
                    "`{}` is not a wheel's file name: {what}",
                    file_name.escape_debug()
                ),
            )
            .hint("a wheel is named `name-version-python-abi-platform.whl`")
        };
        let stem = file_name
            .strip_suffix(".whl")
            .ok_or_else(|| wrong("it does not end with `.whl`"))?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, [python, abi, platform]) = match *parts.as_slice() {
            [name, version, python, abi, platform] => {
                (name, version, None, [python, abi, platform])
            }
            [name, version, build, python, abi, platform] => {
                let build = BuildTag::parse(build)
                    .ok_or_else(|| wrong("its build tag does not begin with a number"))?;
                (name, version, Some(build), [python, abi, platform])
            }
            _ => return Err(wrong("it has not five or six parts")),
        };
        let word = |text: &str| {
            let ends = |end: Option<char>| end.is_some_and(char::is_alphanumeric);
            ends(text.chars().next())
                && ends(text.chars().next_back())
                && text
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || "._+!".contains(letter))
        };
        if !word(name) || !word(version) {
            return Err(wrong(
                "its name or version has letters that they can't have",
            ));
        }
        let tags = |part: &str| -> Option<Vec<String>> {
            let tags = part.split('.');
            let good = |tag: &str| {
                !tag.is_empty()
                    && tag
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            tags.map(|tag| good(tag).then(|| tag.to_ascii_lowercase()))
                .collect()
        };
        let [Some(python), Some(abi), Some(platform)] = [python, abi, platform].map(tags) else {
            return Err(wrong("its tags are not letters, digits and `_`"));
        };
        Ok(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            build,
            python,
            abi,
            platform,
        })
    }

    /// Every `(python, abi, platform)` that the name stands for.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.python.iter().flat_map(move |python| {
            self.abi.iter().flat_map(move |abi| {
                let platforms = self.platform.iter();
                platforms.map(move |platform| (python.as_str(), abi.as_str(), platform.as_str()))
            })
        })
    }
}

impl BuildTag {
    fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        Some(Self(number.parse().ok()?, rest.to_owned()))
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
        let name = WheelName::parse("a_b-1.0+local.1-2x-py2.CP311-cp311-any.linux_x86_64.whl");
        let name = name.unwrap();
        assert_eq!(
            (name.name.as_str(), name.version.as_str()),
            ("a_b", "1.0+local.1")
        );
        assert_eq!(name.build, Some(BuildTag(2, "x".to_owned())));
        let tags: Vec<_> = name.tags().collect();
        assert_eq!(tags.len(), 4);
        assert_eq!(tags[3], ("cp311", "cp311", "linux_x86_64"));
        assert!(WheelName::parse("a-1.0-py3-none-any.whl").unwrap().build < name.build);
        assert!(BuildTag::parse("9") < BuildTag::parse("10"));
    }

    #[test]
    fn what_is_no_file_name_of_a_wheel_is_refused() {
        for (bad, why) in [
            ("a-1.0.whl", "five or six"),
            ("a-1.0-py3-none-any.zip", ".whl"),
            ("-1-py3-none-any.whl", "name or version"),
            ("a--py3-none-any.whl", "name or version"),
            ("../a-1-py3-none-any.whl", "name or version"),
            ("a b-1-py3-none-any.whl", "name or version"),
            ("a-1-x-py3-none-any.whl", "build tag"),
            ("a-b-c-1-2-3-4.whl", "five or six"),
            ("a-1-py3--any.whl", "tags"),
            ("a-1-py3-none-any..whl", "tags"),
        ] {
            let error = WheelName::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "{bad}");
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn names_and_versions_are_compared_as_pep_503_and_440_say() {
        assert!(same_name("Foo.Bar__baz", "foo-bar-baz") && !same_name("foobar", "foo-bar"));
        assert!(same_version("1.0", "1.0.0") && same_version("1.0+a_b", "1.0+a.b"));
        assert!(!same_version("1.0", "1.0.1") && same_version("2004d-odd", "2004d-odd"));
    }
}
