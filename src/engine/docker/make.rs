//! Who made the engine, by what it says of itself: Podman's answers are not Docker's everywhere.
//!
//! Speaks to none.

use bollard::models::SystemVersion;

use super::address::set;

/// What Podman calls itself among its components.
const PODMAN: &str = "Podman Engine";

/// Whose engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Docker,
    Podman,
}

impl Make {
    /// Of an engine that says this of itself.
    pub(super) fn of(version: &SystemVersion) -> Self {
        let mut components = version.components.iter().flatten();
        if components.any(|component| component.name == PODMAN) {
            Self::Podman
        } else {
            Self::Docker
        }
    }

    /// As it calls itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Docker => "Docker Engine",
            Self::Podman => PODMAN,
        }
    }

    /// Whether the digests under an image's names are of registries. Podman gives one to each image, those
    /// that it built and imported too, and as time is in it, the same content has another each time.
    pub(super) fn digests_are_of_registries(self) -> bool {
        match self {
            Self::Docker => true,
            Self::Podman => false,
        }
    }
}

/// What to do where Podman is installed and nobody listens for it.
pub(in crate::engine) fn podman_at_rest() -> Option<String> {
    let path = set("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("podman"));
    places.any(|program| program.is_file()).then(|| {
        let (start, serve) = if rustix::process::getuid().is_root() {
            ("systemctl", " unix:///run/podman/podman.sock")
        } else {
            ("systemctl --user", "")
        };
        format!("Podman is installed, and its service does not answer: `{start} start podman.socket`, or `podman system service --time=0{serve}`, starts it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_told_by_its_components() {
        let said = |name: &str| -> SystemVersion {
            let text = format!(
                r#"{{"Components":[{{"Name":"{name}","Version":"1"}},{{"Name":"Conmon","Version":"2"}}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(Make::of(&said("Podman Engine")), Make::Podman);
        assert_eq!(Make::of(&said("Engine")), Make::Docker);
        assert_eq!(Make::of(&SystemVersion::default()), Make::Docker);
    }
}
