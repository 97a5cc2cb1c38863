//! Earlier versions out of an apt and an rpm repository: an upgrade is verified from one, versions
//! are compared with one, and nothing is taken from one that somebody else signed.

use std::path::Path;
use std::process::Command;

use crate::support::index::Index;
use crate::support::keys;
use crate::support::platform::{self, Manager, Platform};
use crate::support::program::{self, Ran};
use crate::support::project::Project;
use crate::support::site::Site;

#[test]
fn an_earlier_version_comes_from_a_repository_that_is_signed_and_from_no_other() {
    for platform in platform::asked_of(&["debian-12", "rocky-9", "centos-7"]) {
        platform::warm(platform);
        let [ours, others] = [(); 2].map(|()| {
            let home = tempfile::tempdir().expect("a temporary folder can be made");
            keys::make(home.path());
            home
        });
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        publish(
            platform,
            &release(platform, "1.0", ours.path()),
            folder.path(),
            ours.path(),
        );
        let site = Site::serve(folder.path());

        let project = release(platform, "1.1", ours.path());
        for (home, name) in [(&ours, "acme.asc"), (&others, "other.asc")] {
            let key = fs_err::read_to_string(home.path().join("public.asc"));
            project.write(name, &key.expect("it was made"));
        }
        let built = project.package(platform, &package(platform, "1.1.0"));
        let built = built.to_str().expect("it is UTF-8");

        configure(&project, platform, &site.address(), "acme.asc");
        let upgraded = run(&project, platform, &["verify"]).succeeded();
        upgraded.said(&["upgraded"]);
        let record = project.root().join("packages").join(platform.id);
        let record = fs_err::read_to_string(record.join("verification.json")).expect("a record");
        let digest = sha256(&folder.path().join(package(platform, "1.0.0")));
        for part in [&site.address(), "version 1.0.0-1", &digest, "python-cowsay"] {
            assert!(record.contains(part), "no `{part}` in {record}");
        }

        let words = ["diff", "repository:1.0.0", built, "--json"];
        let compared = run(&project, platform, &words).succeeded();
        compared.said(&["1.0.0-1", "1.1.0-1", "Talks as a cow of 1.1"]);
        run(
            &project,
            platform,
            &["diff", "repository:0.9", "repository"],
        )
        .ended_with(9)
        .said(&["has no version `0.9`", "its newest: 1.0.0-1"]);

        configure(&project, platform, &site.address(), "other.asc");
        run(&project, platform, &["diff", "repository", built])
            .ended_with(5)
            .said(&["is not signed with the key that is configured"]);
        configure(&project, platform, "http://127.0.0.1:1", "acme.asc");
        run(&project, platform, &["verify", "--previous", "repository"])
            .ended_with(13)
            .said(&["http://127.0.0.1:1", "can't be read"]);
    }
}

/// The omnibus package's file.
fn package(platform: Platform, version: &str) -> String {
    platform.file_name("python-cowsay", version, false)
}

/// A project, built in this version and signed where packages are.
fn release(platform: Platform, version: &str, home: &Path) -> Project {
    let secret = home.join("secret.asc");
    let project = Project::of(&[
        ("omnibuild.toml", &configuration(version, &secret)),
        ("pins.txt", "cowsay==6.1\n"),
    ]);
    run(&project, platform, &[]).succeeded();
    project
}

fn configuration(version: &str, secret: &Path) -> String {
    format!(
        "name = \"cowsay\"\nversion = \"{version}\"\nsummary = \"Talks as a cow of {version}\"\n\
         requirements = [\"pins.txt\"]\n[signing]\nkey-file = \"{}\"\n",
        secret.display()
    )
}

/// Names the repository.
fn configure(project: &Project, platform: Platform, address: &str, key: &str) {
    let (family, more) = match platform.manager {
        Manager::Apt => (
            "debian",
            "suite = \"{codename}\"\ncomponents = [\"main\"]\n",
        ),
        Manager::Yum => ("redhat", ""),
    };
    let before =
        fs_err::read_to_string(project.root().join("omnibuild.toml")).expect("it is there");
    let before = before.split("[verify").next().unwrap_or_default();
    project.write(
        "omnibuild.toml",
        &format!(
            "{before}[verify.repository.{family}]\nurl = \"{address}\"\nkey = \"{key}\"\n{more}"
        ),
    );
}

/// Runs the program on a platform, with the machine's own network.
fn run(project: &Project, platform: Platform, words: &[&str]) -> Ran {
    let mut command = project.program(&["--sysbase", platform.id]);
    command.args(words);
    Index::reach_from(&mut command);
    program::run(command)
}

/// Makes a signed repository of a project's packages in a folder.
fn publish(platform: Platform, project: &Project, folder: &Path, home: &Path) {
    for name in project.packages(platform.id) {
        let from = project.package(platform, &name);
        fs_err::copy(from, folder.join(name)).expect("a package can be copied");
    }
    let inside = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(words).current_dir(folder).output();
        let output = output
            .unwrap_or_else(|error| panic!("{program}: {error}\nhint: run `.ci/prerequisites`"));
        assert!(output.status.success(), "{program}: {output:?}");
        String::from_utf8(output.stdout).expect("it prints text")
    };
    match platform.manager {
        Manager::Yum => drop(inside("createrepo_c", &["--quiet", "."])),
        Manager::Apt => {
            let machine = inside("dpkg", &["--print-architecture"]);
            let machine = machine.trim();
            let lists = format!("main/binary-{machine}/Packages");
            let suite = folder.join("dists/bookworm");
            let text = inside("dpkg-scanpackages", &["--multiversion", "."]);
            let path = suite.join(&lists);
            fs_err::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
            fs_err::write(&path, &text).expect("it can be written");
            let date = inside("date", &["--utc", "--rfc-email"]);
            let (digest, size) = (sha256(&path), text.len());
            let release = format!(
                "Suite: bookworm\nComponents: main\nArchitectures: {machine}\nDate: {date}SHA256:\n {digest} {size} {lists}\n"
            );
            fs_err::write(suite.join("Release"), release).expect("it can be written");
            let place = |name| suite.join(name).to_str().expect("it is UTF-8").to_owned();
            let (signed, plain) = (place("InRelease"), place("Release"));
            keys::gpg(home, &["--output", &signed, "--clearsign", &plain]);
            keys::stop(home);
        }
    }
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output();
    let text = String::from_utf8(output.expect("coreutils are there").stdout);
    let text = text.expect("it prints text");
    text.split(' ').next().unwrap_or_default().to_owned()
}
