//! Packages that bring their Python: one bundle for all platforms, and hosts whose Python goes away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::matrix::check_record;
use crate::support::disk;
use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Manager, Platform};
use crate::support::project::Project;
use crate::support::python;

const OMNIBUS: &str = "acme-python-mytool";

/// The sample, with a Python of its own, for these platforms.
fn bringing_python(platforms: &[Platform]) -> Project {
    let project = Project::copy_of("mytool");
    let ids: Vec<String> = platforms
        .iter()
        .map(|it| format!("\"{}\"", it.id))
        .collect();
    project.replace(
        "pyproject.toml",
        "platforms = [\"debian-12\"]\npython = \"system\"",
        &format!("platforms = [{}]\npython = \"3.13\"", ids.join(", ")),
    );
    project.write(
        "platforms.toml",
        &(platform::table() + &python::table(platforms)),
    );
    project.commit();
    project
}

/// What a package installs below the bundle's folder, by path, with its bytes; what is about the package
/// itself (its bill of materials) is left out.
fn bundle_of(package: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("sh");
    if package.extension() == Some("deb".as_ref()) {
        command.args(["-ec", "dpkg-deb -x \"$1\" \"$2\""]);
    } else {
        command.args(["-ec", "cd \"$2\" && rpm2cpio \"$1\" | cpio --quiet -idm"]);
    }
    let unpacked = command
        .arg("unpack")
        .arg(package)
        .arg(folder.path())
        .status();
    assert!(
        unpacked.expect("sh runs").success(),
        "{}",
        package.display()
    );
    let root = folder.path().join("opt/mytool");
    disk::files_below(&root)
        .into_iter()
        .filter(|path| !path.is_symlink())
        .map(|path| {
            let content = fs_err::read(&path).expect("it can be read");
            let inside = path.strip_prefix(&root).expect("below").to_owned();
            (inside, content)
        })
        .filter(|(path, _)| !path.starts_with("share/sbom"))
        .collect()
}

#[test]
fn one_bundle_with_its_python_is_packed_for_every_platform() {
    let platforms = platform::asked();
    let ids = platform::warm_all(&platforms);
    let project = bringing_python(&platforms);
    let earlier = ["--sysbase", &ids, "--no-verify", "--tag", "1.4.1"];
    let first = project.run(&earlier).succeeded();
    let times = first.stderr.matches(": bundle: ").count();
    assert_eq!(times, 1, "made once:\n{}", first.stderr);
    let run = project.run(&["--sysbase", &ids, "--verify"]).succeeded();
    let maker = run
        .stderr
        .lines()
        .find_map(|line| line.split_once("the bundle is made on "))
        .map(|(_, maker)| maker.trim().to_owned());
    assert_eq!(maker.is_some(), platforms.len() > 1, "{}", run.stderr);
    for platform in &platforms {
        check_record(&project, *platform, "1.4.1");
    }

    // On a machine without any Python it runs, and nothing of it needs one.
    for platform in &platforms {
        let container = Container::start(&base_of(*platform), platform.manager);
        container.update();
        let names = [OMNIBUS, "acme-mytool-cli"];
        let files = [
            project.package(*platform, &platform.file_name(names[0], "1.4.2", false)),
            project.package(*platform, &platform.file_name(names[1], "1.4.2", true)),
        ];
        container.install(&[&files[0], &files[1]]);
        let needs = container.needs(OMNIBUS);
        assert!(!needs.contains("python"), "{needs}");
        assert_eq!(container.run(&["mytool", "--version"]), "mytool 1.4.2");
        assert_eq!(container.run(&["mytool", "selfcheck"]), "ok");
        assert!(container.has("/opt/mytool/lib/python3.13/LICENSE.txt"));
        if platform.manager == Manager::Apt {
            let install = [
                "apt-get",
                "-q",
                "-y",
                "install",
                "--no-install-recommends",
                "python3",
            ];
            container.run(
                &[
                    &install[..],
                    &["-o", "Acquire::https::CAInfo=/ca-bundle.pem"],
                ]
                .concat(),
            );
            container.run(&["apt-get", "-q", "-y", "purge", "--autoremove", "python3"]);
            assert!(!container.try_run(&["python3", "--version"]).0);
            assert_eq!(container.run(&["mytool", "selfcheck"]), "ok");
        }
        container.remove(&names);
        assert!(!container.has("/opt/mytool"), "something is left");
    }

    let bundles: Vec<BTreeMap<PathBuf, Vec<u8>>> = platforms
        .iter()
        .map(|platform| {
            let name = platform.file_name(OMNIBUS, "1.4.2", false);
            bundle_of(&project.package(*platform, &name))
        })
        .collect();
    assert!(bundles[0].len() > 1000, "{}", bundles[0].len());
    assert!(bundles.iter().all(|bundle| *bundle == bundles[0]));

    // Nothing is done twice, whichever is asked for alone.
    for platform in &platforms {
        project
            .run(&["--sysbase", platform.id, "--verify"])
            .succeeded()
            .said(&["up to date"]);
    }
    let licenses = project
        .run(&["licenses", "--sysbase", platforms[0].id])
        .succeeded();
    for part in ["cpython", "openssl", "sqlite"] {
        assert!(licenses.stdout.contains(part), "{}", licenses.stdout);
    }
}

#[test]
fn a_package_for_the_systems_python_is_refused_on_another_release() {
    let Some(other) = platform::asked_for("debian-13") else {
        return;
    };
    let debian_12 = Platform::named("debian-12");
    platform::warm(debian_12);
    let project = Project::copy_of("mytool");
    project
        .run(&["--sysbase", debian_12.id, "--no-verify"])
        .succeeded();
    let file = project.package(debian_12, &debian_12.file_name(OMNIBUS, "1.4.2", false));
    platform::warm(other);
    let container = Container::start(&base_of(other), other.manager);
    container.update();
    let (succeeded, said) = container.try_install(&[&file]);
    assert!(!succeeded, "{said}");
    assert!(
        said.contains(OMNIBUS) && said.contains("python3.11"),
        "{said}"
    );
}
