//! Runtime images: made of the verified packages, pushed to a real registry, pulled back and run.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::support::engine::{self, Tested, tested};
use crate::support::platform::{self, Manager};
use crate::support::program::{self, Ran};
use crate::support::project::Project;
use crate::support::registry::Registry;

/// The sample's commands in one image, its daemons in another on top of it: which of them runs is said by
/// a variable.
const IMAGES: &str = r#"
official = "PLATFORM"

[images.core]
packages = ["cli"]
repositories = ["REGISTRY/acme/mytool-core"]
entrypoint = ["/usr/bin/mytool"]
command = ["selfcheck"]
official-tags = ["{version}", "{minor}", "latest"]
largest-size = "500M"

[images.cat]
from = "core"
packages = ["node"]
repositories = ["REGISTRY/acme/mytool-cat"]
environment = { WORKER = "control", LISTEN = "127.0.0.1:8400" }
entrypoint = ["/bin/sh", "-c", "case $WORKER in control) set -- --listen $LISTEN ;; esac; exec mytool-$WORKER \"$@\"", "mytool"]
user = "mytool"
ports = ["8400"]
volumes = ["/var/lib/mytool"]
labels = { "org.example.team" = "tools" }
health-check = { command = ["mytool", "selfcheck"], interval = "10s" }
dockerfile = [
    # A key that the package makes up when it is installed is nothing for an image.
    "RUN rm /var/lib/mytool/key",
    "COPY --chown=mytool:mytool --chmod=0640 conf/mytool.conf /srv/site.conf",
    "RUN mv /srv/site.conf /srv/own.conf",
    "COPY site conf/mytool.conf /srv/",
]
"#;

fn sample(platform: &str, registry: &str) -> Project {
    let project = Project::copy_of("mytool");
    let images = IMAGES
        .replace("PLATFORM", platform)
        .replace("REGISTRY", registry);
    project.write("omnibuild.toml", &images);
    project.write("site/www/index.html", "hello\n");
    project.write("site/run", "#!/bin/sh\necho ran\n");
    let run = project.root().join("site/run");
    fs_err::set_permissions(run, std::fs::Permissions::from_mode(0o700)).expect("it is there");
    project.commit();
    project
}

/// One of these tests at a time has what is kept of images: they remove it.
static KEPT: Mutex<()> = Mutex::new(());

/// Makes the images of a project from nothing, which have the digests that they had.
fn again_from_nothing(project: &Project, platform: &str) {
    let before = digests(project, platform);
    fs_err::remove_dir_all(program::cache().join("v1/images")).expect("images are kept there");
    let build = ["--sysbase", platform, "--verify"];
    project.run(&build).succeeded();
    assert_eq!(digests(project, platform), before);
}

/// A container of an image that is in the engine.
struct Runs(String);

impl Runs {
    fn start(words: &[&str]) -> Self {
        Self(
            engine::ask(&[&["run", "--detach"], words].concat())
                .trim()
                .to_owned(),
        )
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        engine::remove(&self.0);
    }
}

/// Gives the engine the image of a registry with this digest, under a name.
fn pull(registry: &Registry, image: &str, digest: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("image.tar");
    let file = file.to_str().expect("UTF-8");
    let source = format!("docker://{{}}/{image}@{digest}");
    registry.skopeo(&["copy", &source, &format!("docker-archive:{file}:{name}")]);
    engine::ask(&["load", "--input", file]);
}

#[test]
fn images_are_pushed_to_a_registry_pulled_and_run() {
    let Some(platform) = platform::asked_for("debian-12") else {
        return;
    };
    let _kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    platform::warm(platform);
    let registry = Registry::start();
    let project = sample(platform.id, registry.host());
    let with = |words: &[&str], credentials: &Path| -> Ran {
        let mut command = project.program(words);
        command.env("DOCKER_CONFIG", credentials);
        program::run(command)
    };
    let nobody = tempfile::tempdir().expect("a folder");
    let build = ["--sysbase", platform.id, "--verify"];

    // What is not built or verified is not pushed.
    let unbuilt = with(&["push"], nobody.path()).ended_with(9);
    unbuilt.said(&[
        "the packages are absent or out of date",
        "nothing was pushed",
    ]);
    project
        .run(&["--sysbase", platform.id, "--no-verify"])
        .succeeded()
        .said(&["the images are not made"]);
    let unverified = with(&["push"], nobody.path()).ended_with(9);
    unverified.said(&["have not passed verification"]);
    project.run(&build).succeeded().said(&["runtime: cat "]);
    project
        .run(&build)
        .succeeded()
        .said(&["runtime: reused: cat ", "everything"]);
    with(&["push"], nobody.path())
        .ended_with(6)
        .said(&["docker login"]);
    assert_eq!(registry.size(), 0);

    let credentials = registry.credentials();
    with(&["push", "--dry-run"], &credentials)
        .succeeded()
        .said(&[&format!(
            "would push {}/acme/mytool-core:latest",
            registry.host()
        )]);
    assert_eq!(registry.size(), 0);
    let pushed = with(&["push", "--official"], &credentials).succeeded();
    assert!(!pushed.stderr.contains("~~~>>>"), "{}", pushed.stderr);
    let first = registry.size();
    with(&["push"], &credentials)
        .succeeded()
        .said(&["mytool-cat:1.4.2 is sha256:"]);
    assert_eq!(registry.size(), first, "what is there is not sent again");
    let (helped, programs) = registry.helper();
    let mut command = project.program(&["push"]);
    let path = std::env::var("PATH").expect("a path");
    command
        .env("DOCKER_CONFIG", helped)
        .env("PATH", format!("{}:{path}", programs.display()));
    program::run(command)
        .succeeded()
        .said(&["mytool-cat:1.4.2 is sha256:"]);
    let digests = digests(&project, platform.id);
    for (tag, image) in [
        ("acme/mytool-core:debian-12-1.4.2", "core"),
        ("acme/mytool-core:1.4", "core"),
        ("acme/mytool-core:latest", "core"),
        ("acme/mytool-cat:1.4.2", "cat"),
    ] {
        let seen = registry.skopeo(&[
            "inspect",
            "--format",
            "{{.Digest}}",
            &format!("docker://{{}}/{tag}"),
        ]);
        assert_eq!(seen.trim(), digests[image], "{tag}");
    }
    let digest = digests["cat"].replace(':', "-");
    let told = registry.skopeo(&[
        "inspect",
        "--raw",
        &format!("docker://{{}}/acme/mytool-cat:{digest}"),
    ]);
    for kind in [
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
    ] {
        assert!(told.contains(kind), "{told}");
    }
    let statement = statement(&registry, &told, "acme/mytool-cat");
    let below = digests["core"].trim_start_matches("sha256:");
    let materials = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let is_below = |material: &Value| material["digest"]["sha256"] == below;
    assert!(
        materials
            .as_array()
            .is_some_and(|all| all.iter().any(is_below)),
        "{statement:#}"
    );
    let config = registry.skopeo(&["inspect", "--config", "docker://{}/acme/mytool-cat:1.4.2"]);
    for word in [
        "org.example.team",
        "org.opencontainers.image.revision",
        "8400/tcp",
        "WORKER=control",
    ] {
        assert!(config.contains(word), "{config}");
    }

    if tested() != Tested::Sandbox {
        runs(&registry, &digests);
    }
    second_release(&project, &with, &registry, first);
    another_registry(&project, &with, &registry);
}

/// The digests of a project's images by name.
fn digests(project: &Project, platform: &str) -> std::collections::BTreeMap<String, String> {
    let listed = project
        .run(&["image", "ls", "--sysbase", platform])
        .succeeded();
    let lines = listed.stdout.lines().skip(2).map(str::split_whitespace);
    lines
        .filter_map(|words| {
            let words: Vec<&str> = words.collect();
            Some(((*words.first()?).to_owned(), (*words.last()?).to_owned()))
        })
        .collect()
}

/// What was pulled by digest does what the packages do, and has nothing that they have not.
fn runs(registry: &Registry, digests: &std::collections::BTreeMap<String, String>) {
    let name = |image: &str| format!("omnibuild-test/{image}:{}", std::process::id());
    for image in ["core", "cat"] {
        pull(
            registry,
            &format!("acme/mytool-{image}"),
            &digests[image],
            &name(image),
        );
    }
    let (core, cat) = (name("core"), name("cat"));
    assert_eq!(engine::ask(&["run", "--rm", &core]).trim(), "ok");
    assert_eq!(
        engine::ask(&["run", "--rm", &core, "checksum", ""]).trim(),
        "cbf29ce484222325"
    );
    let inside = "set -e; ! command -v gcc; ! command -v pip; test -z \"$(find /var/lib/apt/lists /var/cache/apt -mindepth 1)\"; \
                  test ! -e /omnibuild; dpkg --verify acme-python-mytool acme-mytool-cli; echo same";
    let looked = engine::ask(&[
        "run",
        "--rm",
        "--entrypoint",
        "/bin/sh",
        &core,
        "-c",
        inside,
    ]);
    assert_eq!(looked.trim(), "same");

    let web = Runs::start(&[&cat]);
    let question = "import time, urllib.request\nfor n in range(600):\n try: print(urllib.request.urlopen('http://127.0.0.1:8400/').read().decode()); break\n except OSError: time.sleep(.1)";
    let answer = engine::ask(&["exec", &web.0, "/opt/mytool/bin/python", "-c", question]);
    assert!(answer.contains("\"version\": \"1.4.2\""), "{answer}");
    assert_eq!(engine::ask(&["exec", &web.0, "id", "-un"]).trim(), "mytool");
    let copied = "set -e; cd /srv; stat -c '%n %U:%G %a' * www/*; /srv/run; cat www/index.html; cmp own.conf mytool.conf";
    assert_eq!(
        engine::ask(&["exec", &web.0, "sh", "-c", copied]),
        "mytool.conf root:root 644\nown.conf mytool:mytool 640\nrun root:root 755\nwww root:root 755\n\
         www/index.html root:root 644\nran\nhello"
    );
    // An account that a package made is of the commit's day, whatever day it is.
    let day = "sed -n 's/^mytool:[!*]*:\\([0-9]*\\):.*/\\1/p' /etc/shadow";
    let day = engine::ask(&["exec", "--user", "root", &web.0, "sh", "-c", day]);
    assert_eq!(day.trim(), "20455");
    let asked = engine::ask(&[
        "run",
        "--rm",
        "--env",
        "WORKER=agent",
        &cat,
        "--once",
        "http://127.0.0.1:1/",
    ]);
    assert!(asked.starts_with("http://127.0.0.1:1/: "), "{asked}");
    drop(web);
    engine::ask(&["image", "rm", &core, &cat]);
}

/// The provenance among what a registry tells of an image.
fn statement(registry: &Registry, told: &str, repository: &str) -> Value {
    let told: Value = serde_json::from_str(told).expect("an index");
    let told = told["manifests"].as_array().expect("manifests");
    let is_statement = |told: &&Value| told["artifactType"] == "application/vnd.in-toto+json";
    let manifest = told.iter().find(is_statement).expect("provenance");
    let digest = manifest["digest"].as_str().expect("a digest");
    let place = tempfile::tempdir().expect("a temporary folder");
    registry.skopeo(&[
        "copy",
        &format!("docker://{{}}/{repository}@{digest}"),
        &format!("dir:{}", place.path().display()),
    ]);
    let manifest = fs_err::read_to_string(place.path().join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("a manifest");
    let blob = manifest["layers"][0]["digest"].as_str().expect("a blob");
    let blob = place.path().join(blob.trim_start_matches("sha256:"));
    let text = fs_err::read_to_string(blob).expect("it was copied");
    serde_json::from_str(&text).expect("a statement")
}

/// One changed line sends the application alone; and what is made anew from nothing has the same digests.
fn second_release(
    project: &Project,
    with: &dyn Fn(&[&str], &Path) -> Ran,
    registry: &Registry,
    first: u64,
) {
    project.replace("src/mytool/cli.py", "print(\"ok\")", "print(\"okay\")");
    project.replace(
        "pyproject.toml",
        "version = \"1.4.2\"",
        "version = \"1.4.3\"",
    );
    project.commit();
    project
        .run(&["--sysbase", "debian-12", "--verify"])
        .succeeded();
    let credentials = registry.credentials();
    with(&["push"], &credentials)
        .succeeded()
        .said(&["mytool-core:1.4.3 ("]);
    let more = registry.size() - first;
    assert!(more * 20 <= first, "{more} bytes more than {first}");

    again_from_nothing(project, "debian-12");
    let again = with(&["push"], &credentials).succeeded();
    assert!(!again.stderr.contains("pushed "), "{}", again.stderr);
}

/// An image goes to several registries; a push that is killed half-way is run again, and is as if it had not been.
fn another_registry(project: &Project, with: &dyn Fn(&[&str], &Path) -> Ran, registry: &Registry) {
    let other = Registry::start();
    let first = format!("\"{}/acme/mytool-core\"", registry.host());
    let second = format!("\"{}/mirror/mytool-core\"", other.host());
    project.replace("omnibuild.toml", &first, &format!("{first}, {second}"));
    project
        .run(&["--sysbase", "debian-12", "--verify"])
        .succeeded();
    let credentials = registry.credentials_of_both(&other);
    let mut child = project
        .program(&["push"])
        .env("DOCKER_CONFIG", &credentials)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be started");
    while other.size() == 0 && child.try_wait().expect("a child").is_none() {
        std::thread::yield_now();
    }
    child.kill().expect("it is ours");
    let ended = child.wait().expect("a child");
    assert_eq!(ended.signal(), Some(9), "it was done before: {ended}");
    with(&["push"], &credentials).succeeded().said(&["pushed "]);
    let seen = other.skopeo(&[
        "inspect",
        "--format",
        "{{.Digest}}",
        "docker://{}/mirror/mytool-core:1.4.3",
    ]);
    assert_eq!(seen.trim(), digests(project, "debian-12")["core"]);
    let again = with(&["push"], &credentials).succeeded();
    assert!(!again.stderr.contains("pushed "), "{}", again.stderr);
}

#[test]
fn an_image_is_saved_and_loaded_whatever_the_packages() {
    for platform in platform::asked_of(&["rocky-9", "centos-7"]) {
        let _kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        platform::warm(platform);
        let project = sample(platform.id, "registry.example");
        let mut images =
            fs_err::read_to_string(project.root().join("omnibuild.toml")).expect("it is there");
        images = images.replace("largest-size = \"500M\"", "largest-size = \"1M\"");
        project.write("omnibuild.toml", &images);
        let build = ["--sysbase", platform.id, "--verify"];
        project.run(&build).ended_with(19).said(&[
            "`largest-size`",
            "distribution ",
            "application ",
        ]);
        project.replace("omnibuild.toml", "\"1M\"", "\"2G\"");
        project.replace(
            "omnibuild.toml",
            "user = \"mytool\"",
            "user = \"nobody-knows\"",
        );
        project
            .run(&build)
            .ended_with(2)
            .said(&["images.cat.user: `nobody-knows`"]);
        project.replace("omnibuild.toml", "nobody-knows", "mytool");
        project.run(&build).succeeded();
        // One that is kept may be no larger, either.
        project.replace("omnibuild.toml", "\"2G\"", "\"1M\"");
        project.run(&build).ended_with(19).said(&["`largest-size`"]);
        project.replace("omnibuild.toml", "\"1M\"", "\"2G\"");
        project
            .run(&[
                "image",
                "save",
                "packages/images.tar",
                "core",
                "--sysbase",
                platform.id,
            ])
            .succeeded();
        let layout = project.root().join("packages/images.tar");
        let inspected = std::process::Command::new("skopeo")
            .args(["inspect", "--format", "{{.Digest}}"])
            .arg(format!("oci-archive:{}:1.4.2", layout.display()))
            .output()
            .expect("skopeo can be run: apt-get install skopeo");
        let digest = String::from_utf8_lossy(&inspected.stdout).trim().to_owned();
        assert_eq!(
            digest,
            digests(&project, platform.id)["core"],
            "{inspected:?}"
        );
        again_from_nothing(&project, platform.id);
        let load = ["image", "load", "core", "--sysbase", platform.id];
        if tested() == Tested::Sandbox {
            project
                .run(&load)
                .ended_with(3)
                .said(&["the sandbox runs no images"]);
            continue;
        }
        project.run(&load).succeeded();
        let name = "registry.example/acme/mytool-core:1.4.2";
        assert_eq!(engine::ask(&["run", "--rm", name]).trim(), "ok");
        if platform.manager == Manager::Yum {
            let ask = |argv: &[&str]| {
                let run = ["run", "--rm", "--user", "0", "--entrypoint"];
                engine::ask(&[&run[..], &[argv[0], name], &argv[1..]].concat())
            };
            // The database whose times were replaced is whole, and has the packages by every index.
            assert_eq!(ask(&["rpmdb", "--verifydb"]), "");
            let installed = ask(&["rpm", "--query", "--all", "--last"]);
            assert!(installed.contains("python-mytool-1.4.2"), "{installed}");
            let owner = ask(&["rpm", "--query", "--file", "/opt/mytool/bin/mytool"]);
            assert!(owner.contains("python-mytool-1.4.2"), "{owner}");
            let needed = ask(&["rpm", "--query", "--whatrequires", "acme-python-mytool"]);
            assert!(needed.contains("acme-mytool-cli-1.4.2"), "{needed}");
        }
        let tags = ["1.4.2", "1.4", "latest", &format!("{}-1.4.2", platform.id)];
        for tag in tags {
            engine::ask(&[
                "image",
                "rm",
                &format!("registry.example/acme/mytool-core:{tag}"),
            ]);
        }
    }
}
