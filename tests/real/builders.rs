//! What machines share by a registry: bases and builder images, between engines.

use std::path::Path;

use crate::support::engine::{self, base_of};
use crate::support::platform;
use crate::support::program::{self, Ran};
use crate::support::project::Project;
use crate::support::registry::Registry;

/// Two layers more on a base, of which the second takes something of the first away, and that no other run
/// of this test has.
const BASE: &str = "FROM BASE\nENV OMNIBUILD_TEST=\"of the base\"\nRUN mkdir /etc/acme && touch /etc/acme/old\n\
                    RUN rm /etc/acme/old && echo NONCE > /etc/acme/new\n";

/// Images of a name in the engine are removed at the end.
struct Removed(Vec<String>);

impl Drop for Removed {
    fn drop(&mut self) {
        for image in &self.0 {
            engine::client(&["image", "rm", "--force", image]);
        }
    }
}

/// Puts a base into a registry that is another than any before.
fn push_base(registry: &Registry, base: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let nonce = format!("{}-{}", std::process::id(), registry.host());
    let text = BASE.replace("BASE", base).replace("NONCE", &nonce);
    fs_err::write(path("Dockerfile"), text).expect("a file");
    let here = format!("omnibuild-test/{}", name.replace([':', '/'], "-"));
    let _removed = Removed(vec![here.clone()]);
    engine::ask(&["build", "--tag", &here, &path("")]);
    engine::ask(&["save", "--output", &path("image.tar"), &here]);
    let archive = format!("docker-archive:{}", path("image.tar"));
    registry.skopeo_push(&archive, &format!("docker://{{}}/{name}"));
}

#[test]
fn builders_are_built_once_and_pulled_by_other_machines_and_engines() {
    let Some(platform) = platform::asked_for("debian-12") else {
        return;
    };
    if !engine::is_docker() {
        return;
    }
    platform::warm(platform);
    let registry = Registry::start();
    push_base(&registry, &base_of(platform), "acme/base:1");
    let project = Project::copy_of("mytool");
    let table = format!(
        "{}\n[platform.acme-1]\nlike = \"debian-12\"\nsuffix = \"+acme1\"\nimage = \"{}/acme/base:1\"\n",
        platform::table(),
        registry.host()
    );
    project.write("platforms.toml", &table);
    let sharing = format!(
        "[build]\nbuilder-repository = \"{}/acme/builders\"\n",
        registry.host()
    );
    project.write("omnibuild.toml", &sharing);
    project.commit();
    let run = |words: &[&str], credentials: &Path, cache: &Path| -> Ran {
        let mut command = project.program(&[words, &["--sysbase", "acme-1"]].concat());
        command
            .env("DOCKER_CONFIG", credentials)
            .env("OMNIBUILD_CACHE_DIR", cache);
        program::run(command)
    };
    let caches = tempfile::tempdir().expect("a folder");
    let (one, other) = (caches.path().join("one"), caches.path().join("other"));
    let credentials = registry.credentials();
    let nobody = tempfile::tempdir().expect("a folder");

    // The engine has no credentials for the base; the program has.
    let run_dry = run(&["push", "--builders", "--dry-run"], &credentials, &one);
    run_dry.succeeded().said(&["would look for the base image"]);
    let pushed = run(&["push", "--builders"], &credentials, &one)
        .succeeded()
        .said(&["acme-1: base: ", ", from its registry", "pushed "]);
    let words = pushed.stderr.split_whitespace();
    let mut images: Vec<String> = words
        .map(|word| word.trim_matches(['`', ',']))
        .filter(|word| {
            ["omnibuild/builder:", "omnibuild/base:acme"]
                .iter()
                .any(|name| word.starts_with(name))
        })
        .map(str::to_owned)
        .collect();
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 2, "{}", pushed.stderr);
    images.push("omnibuild/mytool:acme-1-1.4.2".to_owned());
    let _removed = Removed(images.clone());
    assert!(!pushed.stderr.contains("~~~>>>"), "{}", pushed.stderr);
    let size = registry.size();
    run(&["push", "--builders"], &credentials, &one)
        .succeeded()
        .said(&[" is there already"]);
    assert_eq!(registry.size(), size);
    run(&["--no-verify"], nobody.path(), &one).succeeded();
    let packages = project.packages("acme-1");
    let bytes = |project: &Project| -> Vec<Vec<u8>> {
        let folder = project.root().join("packages/acme-1");
        let read = |name: &String| fs_err::read(folder.join(name)).expect("it is there");
        packages.iter().map(read).collect()
    };
    let built = bytes(&project);

    // A machine with nothing but another engine.
    let sandbox = ["--engine", "sandbox", "--no-verify"];
    run(&sandbox, &credentials, &other).succeeded().said(&[
        "from its registry",
        ", pulled from ",
        "/acme/builders",
    ]);
    assert_eq!(bytes(&project), built);

    // One whose engine lost it; and one that may not read it.
    for (who, said) in [
        (credentials.as_path(), ", pulled from "),
        (nobody.path(), "the builder image can't be pulled"),
    ] {
        for image in &images[1..] {
            engine::ask(&["image", "rm", "--force", image]);
        }
        fs_err::remove_dir_all(project.root().join("packages")).expect("packages are there");
        run(&["--no-verify"], who, &one).succeeded().said(&[said]);
        assert_eq!(bytes(&project), built, "{said}");
    }
}
