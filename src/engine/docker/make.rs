//! Who made the engine, by what it says of itself: Podman's answers are not Docker's everywhere.
//!
//! Speaks to none.

use std::collections::BTreeMap;

use bollard::errors::Error as ClientError;
use bollard::models::SystemVersion;
use serde::Deserialize;

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

/// A container in a list, without what is not asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    labels: Option<BTreeMap<String, String>>,
}

/// The ids and labels of an answer that the client does not understand: Podman says of a container that
/// has just ended that it is `stopped`, which is no state of Docker's, and one such makes the whole list
/// unreadable, whoever it belongs to. `None` when that is not what is wrong.
pub(super) fn listed(error: &ClientError) -> Option<Vec<(String, BTreeMap<String, String>)>> {
    let ClientError::JsonDataError { contents, .. } = error else {
        return None;
    };
    let list: Vec<Listed> = serde_json::from_str(contents).ok()?;
    let pair = |container: Listed| (container.id, container.labels.unwrap_or_default());
    Some(list.into_iter().map(pair).collect())
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
    fn a_container_in_a_state_of_podmans_own_hides_no_other() {
        let contents = r#"[
            {"Id":"a","State":"stopped","Labels":{"org.omnibuild.run":"1"},"Names":["/x"]},
            {"Id":"b","State":"running","Labels":null},
            {"Id":"c","State":"exited"}
        ]"#;
        let list = serde_json::from_str::<Vec<bollard::models::ContainerSummary>>(contents);
        let message = list.unwrap_err().to_string();
        assert!(message.contains("unknown variant `stopped`"), "{message}");
        let error = |contents: &str| ClientError::JsonDataError {
            message: message.clone(),
            contents: contents.to_owned(),
            column: 1,
        };
        let label = BTreeMap::from([("org.omnibuild.run".to_owned(), "1".to_owned())]);
        let without = |id: &str| (id.to_owned(), BTreeMap::new());
        assert_eq!(
            listed(&error(contents)),
            Some(vec![("a".to_owned(), label), without("b"), without("c")])
        );
        assert_eq!(listed(&error("{}")), None);
        assert_eq!(listed(&ClientError::RequestTimeoutError), None);
    }

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
