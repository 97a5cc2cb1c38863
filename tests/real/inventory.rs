//! What is told of a package, held against the package as it is installed.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Platform};
use crate::support::project::Project;

/// As `.ci/prerequisites` keeps what has the official schema of CycloneDX.
const SCHEMA_FOLDER: &str = "cyclonedx-11.12.0";

/// Holds standard input against the schema of CycloneDX 1.6, formats of texts too.
const VALIDATE: &str = "import sys\n\
    from cyclonedx.schema import SchemaVersion\n\
    from cyclonedx.validation.json import JsonStrictValidator\n\
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())\n\
    sys.exit(error and str(error.data))";

/// The distributions that Python finds in the bundle.
const DISTRIBUTIONS: &str = "import importlib.metadata as m\n\
    print('\\n'.join(d.metadata['Name'] + ' ' + d.version for d in m.distributions()))";

#[test]
fn the_bill_of_materials_lists_the_distributions_that_are_installed() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let stated = "[tool.omnibuild.licenses.distribution.idna]\n\
                      license = \"BSD-3-Clause\"\nreason = \"its LICENSE file\"\n\n";
        let before = "[tool.omnibuild.packages.cli]\n";
        project.replace("pyproject.toml", before, &format!("{stated}{before}"));
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
        let is_idna = |one: &&serde_json::Value| one["name"] == "idna";
        let idna = components.iter().find(is_idna).expect("requests needs it");
        let license = serde_json::json!({"id": "BSD-3-Clause", "acknowledgement": "concluded"});
        assert_eq!(idna["licenses"][0]["license"], license);
        assert_eq!(validated(&text), "");
        let untrue = text.replace("\"library\"", "\"book\"");
        assert!(validated(&untrue).contains("'book' is not one of"));

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
            assert_eq!(faults_of_statement(&statement), Vec::<String>::new());
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

/// What the official schema says against a bill of materials; nothing when it is good.
fn validated(text: &str) -> String {
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = caches.or_else(home).expect("HOME is set");
    let python = caches.join(format!("omnibuild-tests/{SCHEMA_FOLDER}/bin/python"));
    let mut child = Command::new(&python)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            let python = python.display();
            panic!("`{python}` can't be started ({error}): run .ci/prerequisites")
        });
    let mut input = child.stdin.take().expect("it is a pipe");
    input.write_all(text.as_bytes()).expect("it reads all");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stderr).expect("it prints text");
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

/// What is wrong with an in-toto Statement v1 whose predicate is SLSA Provenance v1, by the words of
/// both specifications: fields that must be there, their types, and digests of the right length.
fn faults_of_statement(statement: &serde_json::Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |good: bool, what: &str| {
        if !good {
            faults.push(what.to_owned());
        }
    };
    let known = |value: &serde_json::Value, names: &[&str]| {
        let fields = value.as_object();
        fields.is_some_and(|fields| fields.keys().all(|name| names.contains(&name.as_str())))
    };
    let top = ["_type", "subject", "predicateType", "predicate"];
    check(known(statement, &top), "a statement has other fields");
    check(
        statement["_type"] == "https://in-toto.io/Statement/v1",
        "_type",
    );
    check(
        statement["predicateType"] == "https://slsa.dev/provenance/v1",
        "predicateType",
    );
    let digests = |resource: &serde_json::Value| {
        resource["digest"].as_object().is_some_and(|digests| {
            !digests.is_empty()
                && digests.iter().all(|(algorithm, digest)| {
                    let length = if algorithm == "sha256" { 64 } else { 40 };
                    digest.as_str().is_some_and(|digest| {
                        digest.len() == length
                            && digest
                                .bytes()
                                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
                    })
                })
        })
    };
    let subjects = statement["subject"].as_array();
    check(
        subjects.is_some_and(|all| {
            !all.is_empty()
                && all
                    .iter()
                    .all(|one| one["name"].is_string() && digests(one))
        }),
        "subject",
    );
    let predicate = &statement["predicate"];
    check(
        known(predicate, &["buildDefinition", "runDetails"]),
        "a predicate has other fields",
    );
    let definition = &predicate["buildDefinition"];
    let names = [
        "buildType",
        "externalParameters",
        "internalParameters",
        "resolvedDependencies",
    ];
    check(known(definition, &names), "a definition has other fields");
    let is_uri = |value: &serde_json::Value| {
        let text = value.as_str().unwrap_or_default();
        text.split_once(':')
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
    };
    check(is_uri(&definition["buildType"]), "buildType");
    check(
        definition["externalParameters"].is_object(),
        "externalParameters",
    );
    let descriptor = [
        "uri",
        "digest",
        "name",
        "downloadLocation",
        "mediaType",
        "content",
        "annotations",
    ];
    let resources = definition["resolvedDependencies"].as_array();
    check(
        resources.is_some_and(|all| {
            let good = |one: &serde_json::Value| known(one, &descriptor) && digests(one);
            !all.is_empty() && all.iter().all(good)
        }),
        "resolvedDependencies",
    );
    let run = &predicate["runDetails"];
    check(
        known(run, &["builder", "metadata", "byproducts"]),
        "runDetails",
    );
    check(is_uri(&run["builder"]["id"]), "builder.id");
    faults
}

fn sha256(path: &Path) -> String {
    let printed = output("sha256sum", &[&path.to_string_lossy()]);
    printed.split(' ').next().unwrap_or_default().to_owned()
}

/// What a tool of this machine prints, which must succeed.
fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
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
