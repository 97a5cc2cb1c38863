//! An apt repository as deb822 sources of apt: sources.list(5).

use crate::plan::{RepositoryPlan, Signed};

use super::{KEY_PATH, Manager};

/// apt.
pub(super) struct Apt;

impl Manager for Apt {
    fn scripts(&self) -> &'static [&'static str] {
        &["repository_apt.sh"]
    }

    fn source_name(&self) -> &'static str {
        "omnibuild.sources"
    }

    fn source(&self, repository: &RepositoryPlan, _ca_bundle: Option<&str>) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {}\n",
            repository.url, repository.suite
        );
        if !repository.components.is_empty() {
            text += &format!("Components: {}\n", repository.components.join(" "));
        }
        text += &match repository.signed {
            Signed::Metadata | Signed::Packages => format!("Signed-By: {KEY_PATH}\n"),
            Signed::Nothing => "Trusted: yes\n".to_owned(),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_trusts_one_key_or_says_that_it_trusts() {
        let mut repository = RepositoryPlan {
            url: "https://packages.acme.example/debian".to_owned(),
            suite: "{codename}".to_owned(),
            components: vec!["main".to_owned(), "extra".to_owned()],
            key: Some("acme.asc".into()),
            signed: Signed::Metadata,
        };
        assert_eq!(
            Apt.source(&repository, None),
            "Types: deb\nURIs: https://packages.acme.example/debian\nSuites: {codename}\n\
             Components: main extra\nSigned-By: /omnibuild/repository/key.asc\n"
        );
        repository.suite = "./".to_owned();
        repository.components.clear();
        repository.signed = Signed::Nothing;
        assert_eq!(
            Apt.source(&repository, None),
            "Types: deb\nURIs: https://packages.acme.example/debian\nSuites: ./\nTrusted: yes\n"
        );
    }
}
