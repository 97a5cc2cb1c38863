//! An rpm repository as dnf and yum configure one: dnf.conf(5), "Repo options".

use crate::plan::{RepositoryPlan, Signed};

use super::{KEY_PATH, Manager};

/// dnf, or yum where it is older.
pub(super) struct Dnf;

impl Manager for Dnf {
    fn scripts(&self) -> &'static [&'static str] {
        &["repository_rpm.sh", "repository_rpm.py"]
    }

    fn source_name(&self) -> &'static str {
        "omnibuild.repo"
    }

    fn source(&self, repository: &RepositoryPlan, ca_bundle: Option<&str>) -> String {
        let metadata = match repository.signed {
            Signed::Metadata => format!("repo_gpgcheck=1\ngpgkey=file://{KEY_PATH}\n"),
            Signed::Packages | Signed::Nothing => "repo_gpgcheck=0\n".to_owned(),
        };
        // The script checks the packages: fetching them, neither does.
        let mut text = format!(
            "[omnibuild]\nname=omnibuild\nbaseurl={}\nenabled=1\ngpgcheck=0\n{metadata}skip_if_unavailable=0\n",
            repository.url
        );
        if let Some(path) = ca_bundle {
            text += &format!("sslcacert={path}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_is_checked_where_it_is_signed() {
        let mut repository = RepositoryPlan {
            url: "https://packages.acme.example/el$releasever".to_owned(),
            suite: String::new(),
            components: Vec::new(),
            key: Some("acme.asc".into()),
            signed: Signed::Packages,
        };
        let start = "[omnibuild]\nname=omnibuild\nbaseurl=https://packages.acme.example/el$releasever\n\
                     enabled=1\ngpgcheck=0\n";
        assert_eq!(
            Dnf.source(&repository, None),
            format!("{start}repo_gpgcheck=0\nskip_if_unavailable=0\n")
        );
        repository.signed = Signed::Metadata;
        assert_eq!(
            Dnf.source(&repository, Some("/ca.pem")),
            format!(
                "{start}repo_gpgcheck=1\ngpgkey=file:///omnibuild/repository/key.asc\n\
                 skip_if_unavailable=0\nsslcacert=/ca.pem\n"
            )
        );
    }
}
