//! Projects of others on every platform, over the whole life of their packages: httpie, and a service
//! with 68 pins. The sample's is in `sample.rs`.
//!
//! Only when every platform is asked for: they are large, and what they show of one platform the
//! sample shows too.

use crate::support::platform::{self, Platform};
use crate::support::project::Project;
use crate::support::python;

/// A project, and where it can't be built.
pub(crate) struct Subject {
    pub(crate) project: Project,
    /// The version before.
    earlier: &'static str,
    impossible: &'static [Impossible],
}

/// A platform whose Python the requirements were not made for, and what is said of it.
struct Impossible {
    platform: &'static str,
    exit_code: i32,
    said: &'static str,
}

const HTTPIE: &str = "\
name = \"httpie\"
version = \"3.2.4\"
vendor = \"acme\"
maintainer = \"Acme <ops@acme.example>\"
license = \"BSD-3-Clause\"
summary = \"A command-line client for web services\"
requirements = [\"requirements.txt\"]
python = \"system\"
";

const PINS: &str = "\
name = \"canopsis\"
version = \"1.0\"
vendor = \"acme\"
maintainer = \"Acme <ops@acme.example>\"
license = \"AGPL-3.0-only\"
summary = \"Supervision of everything\"
requirements = [\"requirements.txt\"]
python = \"system\"
";

const WITHOUT_HTTPIE: [Impossible; 3] = [
    without_httpie("centos-7"),
    without_httpie("ubuntu-16.04"),
    without_httpie("ubuntu-18.04"),
];

const WITHOUT_PINS: [Impossible; 7] = [
    without_dnspython("centos-7"),
    without_dnspython("ubuntu-16.04"),
    Impossible {
        platform: "ubuntu-18.04",
        exit_code: 10,
        said: "no distribution satisfies `pymongo==4.3.2`",
    },
    without_greenlet("debian-sid"),
    without_greenlet("debian-13"),
    without_greenlet("ubuntu-24.04"),
    without_greenlet("ubuntu-26.04"),
];

/// The pinned dnspython is not for Python 3.5.
const fn without_dnspython(platform: &'static str) -> Impossible {
    Impossible {
        platform,
        exit_code: 10,
        said: "no distribution satisfies `dnspython==2.2.1`",
    }
}

/// httpie since 3.0 is not for Python 3.6.
const fn without_httpie(platform: &'static str) -> Impossible {
    Impossible {
        platform,
        exit_code: 10,
        said: "no distribution satisfies `httpie==3.2.4`",
    }
}

/// The pinned greenlet can't be compiled since Python 3.12.
const fn without_greenlet(platform: &'static str) -> Impossible {
    Impossible {
        platform,
        exit_code: 11,
        said: "the wheel of `greenlet 2.0.1` can't be built",
    }
}

/// The pins were made for Python 3.7.
const SKIPPED: [(&str, &str); 12] = [
    ("amqp", "inspect.formatargspec is gone since Python 3.11"),
    ("vine", "inspect.formatargspec is gone since Python 3.11"),
    ("bottle", "inspect.getargspec is gone since Python 3.11"),
    (
        "bottle_swagger",
        "inspect.getargspec is gone since Python 3.11",
    ),
    ("flask", COLLECTIONS),
    ("flask_restful", COLLECTIONS),
    ("montydb", COLLECTIONS),
    ("requests", COLLECTIONS),
    ("urllib3", COLLECTIONS),
    ("validictory", COLLECTIONS),
    ("mock", "needs setuptools, which it does not require"),
    (
        "swagger_spec_validator",
        "needs setuptools, which it does not require",
    ),
];
const COLLECTIONS: &str = "the names of collections.abc are not in collections since Python 3.10";

#[test]
fn httpie_on_every_platform() {
    life(&httpie(), &platform::every());
}

/// The systems' own Python of half of them could never run it.
#[test]
fn httpie_with_its_python_on_every_platform() {
    let platforms = platform::every();
    if platforms.is_empty() {
        return;
    }
    let ids: Vec<String> = platforms
        .iter()
        .map(|it| format!("\"{}\"", it.id))
        .collect();
    let own = format!("python = \"3.13\"\nplatforms = [{}]", ids.join(", "));
    let project = httpie().project;
    project.replace("omnibuild.toml", "python = \"system\"", &own);
    project.write(
        "platforms.toml",
        &(platform::table() + &python::table(&platforms)),
    );
    project.commit();
    let subject = Subject {
        project,
        earlier: "3.2.3",
        impossible: &[],
    };
    life(&subject, &platforms);
}

#[test]
fn the_last_httpie_for_python_3_5() {
    let mut platforms = platform::every();
    platforms.retain(|platform| platform.id == "centos-7");
    life(&httpie_for_python_3_5(), &platforms);
}

#[test]
fn sixty_eight_pins_on_every_platform() {
    life(&pins(), &platform::every());
}

/// A list of one requirement.
pub(crate) fn httpie() -> Subject {
    let requirements = ("requirements.txt", "httpie==3.2.4\n");
    Subject {
        project: Project::of(&[("omnibuild.toml", HTTPIE), requirements]),
        earlier: "3.2.3",
        impossible: &WITHOUT_HTTPIE,
    }
}

/// One that has no compiled module. It needs setuptools, and does not say so.
pub(crate) fn httpie_for_python_3_5() -> Subject {
    let configuration = HTTPIE.replace("3.2.4", "1.0.3");
    let requirements = "httpie==1.0.3\nsetuptools==50.3.2\n";
    Subject {
        project: Project::of(&[
            ("omnibuild.toml", &configuration),
            ("requirements.txt", requirements),
        ]),
        earlier: "1.0.2",
        impossible: &[],
    }
}

/// 68 requirements, nine of them compiled.
pub(crate) fn pins() -> Subject {
    let skipped = SKIPPED.map(|(module, why)| format!("{module} = \"{why}\"\n"));
    let configuration = format!("{PINS}\n[verify.skip-imports]\n{}", skipped.concat());
    let pins = include_str!("../../benches/pins.txt");
    Subject {
        project: Project::of(&[
            ("omnibuild.toml", &configuration),
            ("requirements.txt", pins),
        ]),
        earlier: "0.9",
        impossible: &WITHOUT_PINS,
    }
}

impl Subject {
    /// The project that the other tests have, which can be built everywhere.
    pub(crate) fn sample() -> Self {
        Self {
            project: Project::copy_of("mytool"),
            earlier: "1.4.1",
            impossible: &[],
        }
    }

    /// Whether it can be built on a platform.
    pub(crate) fn is_possible_on(&self, platform: Platform) -> bool {
        self.is_impossible(platform).is_none()
    }

    fn is_impossible(&self, platform: Platform) -> Option<&Impossible> {
        let mut impossible = self.impossible.iter();
        impossible.find(|it| it.platform == platform.id)
    }
}

/// Builds an earlier version and this one, and verifies this one with the upgrade from that; what can't
/// be built says why.
fn life(subject: &Subject, platforms: &[Platform]) {
    let project = &subject.project;
    for platform in platforms {
        let build = [
            "--sysbase",
            platform.id,
            "--no-verify",
            "--tag",
            subject.earlier,
        ];
        let run = project.run(&build);
        if let Some(why) = subject.is_impossible(*platform) {
            run.ended_with(why.exit_code).said(&[why.said]);
            assert_eq!(project.packages(platform.id), Vec::<String>::new());
            continue;
        }
        run.succeeded();
        let build = ["--sysbase", platform.id, "--verify"];
        let run = project.run(&build).succeeded();
        run.said(&["modules imported, upgraded, removed"]);
        check_record(project, *platform, subject.earlier);
    }
}

/// The record beside the packages says that all was done.
pub(crate) fn check_record(project: &Project, platform: Platform, earlier: &str) {
    let path = project.package(platform, "verification.json");
    let text = fs_err::read(path).expect("verification leaves a record");
    let file: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    let records = file["records"].as_array().expect("records");
    let record = &records.last().expect("a record")["record"];
    let previous = record["previous"].as_array().expect("previous packages");
    assert!(!previous.is_empty(), "{record}");
    for artifact in previous {
        let name = artifact["file_name"].as_str().expect("a name");
        assert!(name.contains(earlier), "{name}");
    }
    let checks = record["checks"].as_array().expect("checks");
    for name in [
        "install",
        "files",
        "commands",
        "imports",
        "requirements",
        "reinstall",
        "remove",
        "install again",
        "upgrade",
    ] {
        let check = checks.iter().find(|check| check["name"] == name);
        let result = check.map(|check| &check["result"]);
        assert_eq!(result, Some(&"passed".into()), "{name}: {record}");
    }
}
