//! How a package says which Python distributions it carries inside: `bundled(python3dist(x)) = v`.
//!
//! Pure. Names and versions are spelled as RPM's own Python generators spell them
//! (`pythondistdeps.py`, `pythonbundles.py`), so that one query finds Fedora's packages and these:
//! `rpm -qa --whatprovides 'bundled(python3dist(urllib3))'`. Nothing else may depend on such a
//! name, so the caret in it asks for no newer rpm.

use pep440_rs::{PrereleaseKind, Version};

use crate::plan::normalised_name;

/// The capability of a distribution.
pub(super) fn capability(name: &str, version: &str) -> String {
    let name = normalised_name(name);
    match version.parse::<Version>() {
        Ok(version) => format!("bundled(python3dist({name})) = {}", spelled(&version)),
        Err(_no_version) => format!("bundled(python3dist({name}))"),
    }
}

/// `1.0rc1` is `1~rc1`, `1.0.dev2` is `1~~dev2`, `1.0.post1` is `1^post1`; local parts are left out.
fn spelled(version: &Version) -> String {
    let release = version.release();
    let used = release
        .iter()
        .rposition(|number| *number != 0)
        .map_or(1, |last| last + 1);
    let numbers: Vec<String> = release[..used].iter().map(ToString::to_string).collect();
    let epoch = match version.epoch() {
        0 => String::new(),
        epoch => format!("{epoch}:"),
    };
    // The generators take the first of these that there is, and so is it here.
    let suffix = match (version.pre(), version.dev(), version.post()) {
        (Some(pre), _, _) => {
            let kind = match pre.kind {
                PrereleaseKind::Alpha => "a",
                PrereleaseKind::Beta => "b",
                PrereleaseKind::Rc => "rc",
            };
            format!("~{kind}{}", pre.number)
        }
        (None, Some(dev), _) => format!("~~dev{dev}"),
        (None, None, Some(post)) => format!("^post{post}"),
        (None, None, None) => String::new(),
    };
    format!("{epoch}{}{suffix}", numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is what `pythonbundles.py` makes of such a pin.
    #[test]
    fn capabilities_are_those_of_the_python_generators() {
        for (name, version, expected) in [
            (
                "Foo_Bar.baz",
                "1.2.3",
                "bundled(python3dist(foo-bar-baz)) = 1.2.3",
            ),
            ("x", "2.0.0", "bundled(python3dist(x)) = 2"),
            ("x", "0", "bundled(python3dist(x)) = 0"),
            ("x", "0.0", "bundled(python3dist(x)) = 0"),
            ("x", "2024.8.30", "bundled(python3dist(x)) = 2024.8.30"),
            ("x", "1.0rc1", "bundled(python3dist(x)) = 1~rc1"),
            ("x", "1.0a2.dev3", "bundled(python3dist(x)) = 1~a2"),
            ("x", "1.10.dev3", "bundled(python3dist(x)) = 1.10~~dev3"),
            ("x", "1.1.post4", "bundled(python3dist(x)) = 1.1^post4"),
            ("x", "1!2.0", "bundled(python3dist(x)) = 1:2"),
            ("x", "1.0+local.1", "bundled(python3dist(x)) = 1"),
            ("x", "what", "bundled(python3dist(x))"),
        ] {
            assert_eq!(capability(name, version), expected);
        }
    }
}
