//! Two architectures in one run: the machine's own, and the other as qemu runs it. What comes out lies in
//! one folder, as if one machine had made it.

use std::collections::BTreeMap;

use omnibuild::package::read;
use serde_json::Value;

use crate::support::engine::{Tested, tested};
use crate::support::platform;
use crate::support::program;
use crate::support::project::Project;
use crate::support::registry::Registry;

/// The shipped one with as little as the sample needs: what is installed takes qemu minutes.
const DOCKERFILE: &str = "\
ARG BASE
FROM ${BASE}
COPY common/ /usr/lib/omnibuild/
COPY ca-bundle.pem /usr/lib/omnibuild/ca-bundle.pem
RUN sh /usr/lib/omnibuild/install-debian gcc libc6-dev python3.11-dev python3.11-venv python3-distutils \\
 && sh /usr/lib/omnibuild/make-python python3.11
";

const IMAGE: &str = "[images.core]
packages = [\"cli\"]
repositories = [\"REGISTRY/acme/mytool\"]
entrypoint = [\"/usr/bin/mytool\"]
tags = [\"{major}\"]
";

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

#[test]
#[expect(clippy::print_stdout, reason = "a test that does nothing says so")]
fn two_architectures_are_built_and_verified_in_one_run() {
    let Some(debian) = platform::asked_for("debian-12") else {
        return;
    };
    if tested() != Tested::Docker {
        println!("two architectures: seen with Docker");
        return;
    }
    let registry = Registry::start();
    let project = Project::copy_of("mytool");
    project.write("images/debian-12/Dockerfile", DOCKERFILE);
    let image = IMAGE.replace("REGISTRY", registry.host());
    project.write("omnibuild.toml", &image);
    project.replace(
        "pyproject.toml",
        "platforms = [\"debian-12\"]",
        "platforms = [\"debian-12\"]\narchitectures = [\"amd64\", \"arm64\"]",
    );
    project.commit();

    let run = project.run(&["--verify"]).succeeded();
    assert_eq!(
        run.stderr.matches("are emulated on").count(),
        1,
        "{}",
        run.stderr
    );
    let run = run.said(&[
        "debian-12: verify: installed",
        "debian-12/arm64: verify: installed",
    ]);
    drop(run);
    push(&project, &registry);
    assert_eq!(
        project.packages(debian.id),
        [
            "acme-mytool-cli_1.4.2-1+deb12_all.deb",
            "acme-mytool-node_1.4.2-1+deb12_all.deb",
            "acme-python-mytool_1.4.2-1+deb12_amd64.deb",
            "acme-python-mytool_1.4.2-1+deb12_arm64.deb",
        ]
    );
    let [amd64, arm64] = ARCHITECTURES.map(|arch| {
        let name = format!("acme-python-mytool_1.4.2-1+deb12_{arch}.deb");
        let path = project.package(debian, &name);
        let package = read::read(&path).expect("it is a package");
        assert_eq!(package.architecture, arch);
        for ending in ["cdx.json", "intoto.jsonl"] {
            let beside = project.package(debian, &format!("{name}.{ending}"));
            assert!(beside.is_file(), "{}", beside.display());
        }
        package
    });
    assert_eq!(amd64.full_version(), arm64.full_version());
    // One that an emulated compiler made, and one of a wheel.
    for (package, machine) in [(&amd64, "x86_64"), (&arm64, "aarch64")] {
        for name in ["mytool/_speedups", "markupsafe/_speedups"] {
            let end = format!("{name}.cpython-311-{machine}-linux-gnu.so");
            let found = package.files.iter().any(|file| file.path.ends_with(&end));
            assert!(found, "{machine}: {end}");
        }
    }
    check_records(&fs_err::read(project.package(debian, "verification.json")).expect("a record"));

    // Nothing is done twice, in whichever way it is asked for, and nothing asks an engine.
    for words in [&[][..], &["--arch", "arm64"], &["-s", "debian-12/amd64"]] {
        let again = project.run(words).succeeded();
        assert!(again.stdout.contains("up to date"), "{}", again.stdout);
        assert!(!again.stdout.contains("built"), "{}", again.stdout);
        assert!(!again.stderr.contains("emulated"), "{}", again.stderr);
    }
    project.run(&["verify", "--dry-run"]).succeeded().said(&[
        "debian-12: nothing to do: these packages passed before",
        "debian-12/arm64: nothing to do: these packages passed before",
    ]);
}

/// One tag stands for the images of both, which other tools find by architecture.
fn push(project: &Project, registry: &Registry) {
    let mut command = project.program(&["push"]);
    command.env("DOCKER_CONFIG", registry.credentials());
    program::run(command).succeeded();
    let name = "docker://{}/acme/mytool:1";
    let index = registry.skopeo(&["inspect", "--raw", name]);
    let index: Value = serde_json::from_str(&index).expect("an index");
    let manifests = index["manifests"].as_array().expect("manifests").iter();
    let of: Vec<(&str, &str)> = manifests
        .map(|it| (&it["platform"]["architecture"], &it["digest"]))
        .map(|(arch, digest)| (arch.as_str().expect("text"), digest.as_str().expect("text")))
        .collect();
    assert_eq!([of[0].0, of[1].0], ARCHITECTURES);
    for (arch, digest) in of {
        let by_digest = format!("docker://{{}}/acme/mytool@{digest}");
        let words = ["inspect", "--config", &by_digest];
        let config: Value = serde_json::from_str(&registry.skopeo(&words)).expect("JSON");
        assert_eq!(config["architecture"], arch);
    }
}

/// A record for each architecture, of its own package and of the same others.
fn check_records(text: &[u8]) {
    let file: Value = serde_json::from_slice(text).expect("it is JSON");
    let mut shared: Vec<BTreeMap<String, String>> = Vec::new();
    let mut archs = Vec::new();
    for sealed in file["records"].as_array().expect("records") {
        let record = &sealed["record"];
        archs.push(record["arch"].as_str().expect("an architecture").to_owned());
        let packages = record["packages"].as_array().expect("packages").iter();
        let text = |package: &Value, name: &str| package[name].as_str().expect("a text").to_owned();
        let packages =
            packages.map(|package| (text(package, "file_name"), text(package, "digest")));
        shared.push(
            packages
                .filter(|(name, _)| name.ends_with("_all.deb"))
                .collect(),
        );
    }
    archs.sort();
    assert_eq!(archs, ARCHITECTURES);
    assert_eq!(shared[0].len(), 2);
    assert_eq!(shared[0], shared[1], "one file stands for both");
}
