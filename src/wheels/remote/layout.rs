//! Names of objects in a remote cache; drawn in `mod.rs`.
//!
//! Made by `Path::parse`, which keeps every character as it is. Knows no server.

use object_store::path::Path;

use crate::digest::Digest;
use crate::platform::PlatformId;

use super::super::store::Wheel;

/// Where objects are below an address.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    prefix: String,
}

impl Layout {
    /// Below this prefix, which may be empty.
    pub(super) fn new(prefix: &Path) -> Self {
        let mut prefix = prefix.to_string();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Self {
            prefix: format!("{prefix}v1"),
        }
    }

    /// The manifest of a key.
    pub(super) fn set(&self, scope: &str, platform: &PlatformId, key: &Digest) -> Option<Path> {
        self.path(scope, &format!("sets/{platform}/{key}.json"))
    }

    /// A wheel. None when it has a name that no object can have.
    pub(super) fn wheel(&self, scope: &str, wheel: &Wheel) -> Option<Path> {
        let digits = wheel.digest.as_str();
        let name = &wheel.file_name;
        self.path(scope, &format!("wheels/{}/{digits}/{name}", &digits[..2]))
    }

    /// What shows whether a scope can be read and written.
    pub(super) fn probe(&self, scope: &str) -> Option<Path> {
        self.path(scope, "probe.txt")
    }

    fn path(&self, scope: &str, rest: &str) -> Option<Path> {
        Path::parse(format!("{}/{scope}/{rest}", self.prefix)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_they_are() {
        let wheel = Wheel {
            file_name: "a-1.2+x~1%41#-py3-none-any.whl".to_owned(),
            digest: Digest::of("a"),
            size: 1,
            origin: None,
        };
        for (prefix, start) in [("", "v1/main/"), ("team/b", "team/b/v1/main/")] {
            let layout = Layout::new(&Path::parse(prefix).unwrap());
            let path = layout.wheel("main", &wheel).unwrap().to_string();
            assert!(path.starts_with(start), "{path}");
            assert!(path.ends_with(&wheel.file_name), "{path}");
        }
    }

    #[test]
    fn a_name_that_leaves_its_place_is_none() {
        let layout = Layout::new(&Path::parse("p").unwrap());
        let wheel = Wheel {
            file_name: "../x.whl".to_owned(),
            digest: Digest::of("a"),
            size: 1,
            origin: None,
        };
        assert_eq!(layout.wheel("main", &wheel), None);
    }
}
