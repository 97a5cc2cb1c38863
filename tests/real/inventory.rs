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

#[test]
fn a_statement_of_provenance_is_about_the_very_file_and_names_its_wheels() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        project.run(&["--sysbase", platform.id]).succeeded();
        let packages = project.packages(platform.id);
        assert_eq!(packages.len(), 3);
        for name in &packages {
            let package = project.package(platform, name);
            let text = beside(&project, platform, &package, ".intoto.jsonl");
            assert_eq!(text.lines().count(), 1);
            let statement: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            let subject = &statement["subject"][0];
            assert_eq!(subject["name"], name.as_str());
            assert_eq!(subject["digest"]["sha256"], sha256(&package));
            let definition = &statement["predicate"]["buildDefinition"];
            assert_eq!(definition["externalParameters"]["platform"], platform.id);
            let configuration = &definition["externalParameters"]["configuration"];
            assert_eq!(
                configuration["pyproject.toml"]["sha256"],
                sha256(&project.root().join("pyproject.toml"))
            );
            let made_from = definition["resolvedDependencies"]
                .as_array()
                .expect("a list");
            let wheels = made_from
                .iter()
                .filter(|one| one["annotations"].is_null())
                .count();
            assert_eq!(wheels, 8, "{text}");
            for one in ["source", "commit"] {
                assert!(made_from.iter().any(|resource| resource["name"] == one));
            }
        }
        // What is missing comes back, and a document that no build has written is left alone.
        let statement = format!("{}.intoto.jsonl", packages[0]);
        let folder = project.root().join("packages").join(platform.id);
        fs_err::remove_file(folder.join(&statement)).expect("it was there");
        fs_err::write(folder.join("old.deb.cdx.json"), "{}").expect("a file");
        let before = project.artifacts(platform.id);
        project.run(&["--sysbase", platform.id]).succeeded();
        let after = project.artifacts(platform.id);
        assert!(!before.contains(&statement) && after.contains(&statement));
        assert!(after.contains(&"old.deb.cdx.json".to_owned()), "{after:?}");
    }
}

#[test]
fn an_rpm_provides_its_distributions_as_bundled_and_nothing_else_but_itself() {
    let Some(platform) = platform::asked_for("rocky-9") else {
        return;
    };
    platform::warm(platform);
    let project = Project::copy_of("mytool");
    project.run(&["--sysbase", platform.id]).succeeded();
    let name = platform.file_name("acme-python-mytool", "1.4.2", false);
    let package = project.package(platform, &name);
    let listed = output("rpm", &["-qp", "--provides", &package.to_string_lossy()]);
    let (bundled, own): (Vec<&str>, Vec<&str>) = listed
        .lines()
        .partition(|line| line.starts_with("bundled(python3dist("));
    assert_eq!(bundled.len(), 8, "{listed}");
    assert!(
        bundled.contains(&"bundled(python3dist(mytool)) = 1.4.2"),
        "{listed}"
    );
    assert!(
        own.len() == 2
            && own
                .iter()
                .all(|line| line.starts_with("acme-python-mytool")),
        "{listed}"
    );
}

fn sha256(path: &Path) -> String {
    let printed = output("sha256sum", &[&path.to_string_lossy()]);
    printed.split(' ').next().unwrap_or_default().to_owned()
}

/// What a tool of this machine prints, which must succeed.
fn output(program: &str, words: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    assert!(output.status.success(), "{program} {words:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The file beside a package that has its name and a suffix.
fn beside(project: &Project, platform: Platform, package: &Path, suffix: &str) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    let path = project.package(platform, &format!("{name}{suffix}"));
    fs_err::read_to_string(path).expect("it can be read")
}
