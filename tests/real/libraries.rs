//! Dependencies that ELF files have: right in the package's words, enough in a clean container, and
//! nothing of a wheel's private libraries in sight.

use std::path::Path;

use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Manager, Platform};
use crate::support::project::Project;

/// cffi is linked with the platform's libffi, Pillow with copies in `pillow.libs`, and psycopg2,
/// where the platform has PostgreSQL's library, with that.
fn project() -> Project {
    Project::of(&[
        (
            "omnibuild.toml",
            "name = \"linked\"\nversion = \"1.0\"\nrequirements = [\"pins.txt\"]\n\
             [platform.debian-12]\nbuild-depends = [\"libpq-dev\"]\nrequirements = [\"debian.txt\"]\n",
        ),
        (
            "pins.txt",
            "--no-binary cffi\ncffi==1.17.1\npycparser==2.22\npillow==11.0.0\n",
        ),
        (
            "debian.txt",
            "-r pins.txt\n--no-binary psycopg2\npsycopg2==2.9.9\n",
        ),
    ])
}

#[test]
fn what_modules_are_linked_with_is_depended_on() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = project();
        let build = ["--sysbase", platform.id, "--no-verify"];
        project
            .run(&build)
            .succeeded()
            .said(&["libraries of the platform: "]);
        let log = project.log(platform.id);
        assert!(log.contains("-> libffi.so.8 -> libffi8"), "{log}");

        // What the image for verifications has installed.
        let record = fs_err::read_to_string(
            (project.root()).join(format!(".omnibuild/state/{}.json", platform.id)),
        );
        let record: serde_json::Value =
            serde_json::from_str(&record.expect("there is a record")).expect("it is JSON");
        let recorded = record["packages"][0]["depends"].to_string();

        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        let file = platform.file_name("python-linked", "1.0.0", false);
        container.install(&[project.package(platform, &file).as_path()]);
        container.run(&[
            "/opt/linked/bin/python",
            "-c",
            "import _cffi_backend, PIL._imaging",
        ]);
        let needs = container.needs("python-linked");
        let expected: &[&str] = match platform.manager {
            Manager::Apt => &["libffi8 (>= 3.4)", "libpq5 (>= 10~~)", "libc6 (>= 2."],
            Manager::Yum => &[
                "libffi.so.8()(64bit)",
                "libc.so.6(GLIBC_2.",
                "rtld(GNU_HASH)",
            ],
        };
        for word in expected {
            assert!(needs.contains(word), "{word} in\n{needs}");
            assert!(recorded.contains(word), "{word} in\n{recorded}");
        }
        if matches!(platform.manager, Manager::Apt) {
            container.run(&["/opt/linked/bin/python", "-c", "import psycopg2"]);
        }
        offers_nothing_private(&container, platform, &needs);

        // Another version needs no more than before: nobody is asked again.
        project.replace("omnibuild.toml", "version = \"1.0\"", "version = \"1.1\"");
        project.commit();
        project.run(&build).succeeded();
        let log = project.log(platform.id);
        assert!(
            log.contains("-> libffi.so.8 -> libffi8") && !log.contains("find_libraries.py"),
            "{log}"
        );
    }
}

/// The copies in `pillow.libs` are neither needed from outside nor offered.
fn offers_nothing_private(container: &Container, platform: Platform, needs: &str) {
    let folder = container.run(&["find", "/opt/linked", "-name", "pillow.libs"]);
    let copies = container.run(&["ls", &folder]);
    assert!(
        copies.lines().any(|name| name.starts_with("libjpeg-")),
        "{copies}"
    );
    let provides = match platform.manager {
        Manager::Apt => container.run(&["dpkg-query", "-W", "-f", "${Provides}", "python-linked"]),
        Manager::Yum => container.run(&["rpm", "-q", "--provides", "python-linked"]),
    };
    for name in copies.lines() {
        assert!(!provides.contains(name) && !needs.contains(name), "{name}");
    }
    assert!(!provides.contains(".so"), "{provides}");
    if matches!(platform.manager, Manager::Apt) {
        for file in ["shlibs", "symbols", "triggers"] {
            let path = format!("/var/lib/dpkg/info/python-linked.{file}");
            assert!(!container.has(&path), "{}", Path::new(&path).display());
        }
    }
}

#[test]
fn a_library_that_the_platform_has_not_is_named_with_its_file_and_wheel() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::of(&[
        (
            "setup.py",
            concat!(
                "from setuptools import setup, Extension\n",
                "setup(name='lost', version='1.0', ext_modules=[Extension('lost', ['lost.c'],\n",
                "    extra_link_args=['-Wl,-rpath,/home/builder/lib', '-Wl,--no-as-needed',\n",
                "                     '-L.', '-l:libnobody.so.9'])])\n",
            ),
        ),
        (
            "pyproject.toml",
            "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
        ),
        // The library is there while the project is built, and nowhere later.
        (
            "backend.py",
            concat!(
                "import subprocess\nfrom setuptools.build_meta import *\nfrom setuptools import build_meta\n",
                "def build_wheel(*words, **more):\n",
                "    subprocess.check_call(['gcc', '-shared', '-Wl,-soname,libnobody.so.9', '-o',\n",
                "                           'libnobody.so.9', '-x', 'c', '/dev/null'])\n",
                "    return build_meta.build_wheel(*words, **more)\n",
            ),
        ),
        (
            "lost.c",
            "#include <Python.h>\nPyMODINIT_FUNC PyInit_lost(void) { return NULL; }\n",
        ),
    ]);
    let run = project
        .run(&["--sysbase", platform.id, "--no-verify"])
        .ended_with(17);
    run.said(&[
        "needs `libnobody.so.9`",
        "(missing-library)",
        "`/home/builder/lib`",
        "(library-path)",
        "lost-1.0-",
        "site-packages/lost.",
        "build-depends",
    ]);
    assert!(project.packages(platform.id).is_empty());
}
