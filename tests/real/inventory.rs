//! What is told of a package, held against the package as it is installed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Platform};
use crate::support::project::Project;

/// The distributions that Python finds in the bundle.
const DISTRIBUTIONS: &str = "import importlib.metadata as m\n\
    print('\\n'.join(d.metadata['Name'] + ' ' + d.version for d in m.distributions()))";

#[test]
fn the_bill_of_materials_lists_the_distributions_that_are_installed() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        project.run(&["--sysbase", platform.id]).succeeded();
        let package = project.package(
            platform,
            &platform.file_name("acme-python-mytool", "1.4.2", false),
        );
        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        container.install(&[package.as_path()]);

        let python = container.run(&["/opt/mytool/bin/python", "-c", DISTRIBUTIONS]);
        let installed: BTreeSet<String> = python.lines().map(str::to_owned).collect();
        assert!(installed.contains("mytool 1.4.2"), "{installed:?}");
        let text = beside(&project, platform, &package, ".cdx.json");
        let bom: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let components = bom["components"].as_array().expect("a list");
        let listed: BTreeSet<String> = components
            .iter()
            .map(|component| {
                let field = |name: &str| component[name].as_str().expect("a text").to_owned();
                format!("{} {}", field("name"), field("version"))
            })
            .collect();
        assert_eq!(listed, installed);
        assert_eq!(listed.len(), components.len());

        let inside = container.run(&["cat", "/opt/mytool/share/sbom/mytool.cdx.json"]);
        assert_eq!(inside, text.trim());
    }
}

/// The file beside a package that has its name and a suffix.
fn beside(project: &Project, platform: Platform, package: &Path, suffix: &str) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    let path = project.package(platform, &format!("{name}{suffix}"));
    fs_err::read_to_string(path).expect("it can be read")
}
