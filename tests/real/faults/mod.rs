//! Packages with faults: verification finds every one and names it.
//!
//! The sample project's packages are taken apart, given faults, and put together again by the
//! distributions' own tools; the record of the build is told their new digests, as if they had been
//! built like that. Faults that don't hide each other share packages and so a verification; each
//! must be among the faults that are told.

mod list;
mod rewrite;
mod unpacked;

use std::path::Path;

use self::list::FAULTS;
use self::rewrite::{rewrite_deb, rewrite_rpm};
use self::unpacked::Unpacked;
use crate::support::platform::{self, Manager, Platform};
use crate::support::project::Project;

/// How many verifications run at a time.
const AT_ONCE: usize = 2;

/// A fault: its name, which package has it, how it gets in, and what verification says of it.
struct Fault {
    name: &'static str,
    package: &'static str,
    inject: fn(&mut Unpacked<'_>),
    said: &'static [&'static str],
    /// Whose packages it is in.
    group: Group,
    rpm: Rpm,
}

/// Faults of a group share packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// What can be seen before anything is removed.
    Content,
    /// What scripts do to the disk, and what would hide others of the first group.
    Effects,
    /// It stops the verification, or hides all others.
    Alone,
}

/// How an rpm differs.
#[derive(Debug, Clone, Copy)]
enum Rpm {
    Same,
    /// Something else is said.
    Says(&'static [&'static str]),
    /// It can't be, and why.
    Not(&'static str),
}

const OMNIBUS: &str = "acme-python-mytool";
const META: &str = "acme-mytool-cli";

#[test]
fn every_fault_in_a_deb_is_found_and_named() {
    if let Some(platform) = platform::asked_for("debian-12") {
        find_all(platform);
    }
}

#[test]
fn every_fault_in_an_rpm_is_found_and_named() {
    if let Some(platform) = platform::asked_for("rocky-9") {
        find_all(platform);
    }
}

fn find_all(platform: Platform) {
    platform::warm(platform);
    let sound = Project::copy_of("mytool");
    sound.run(&["--sysbase", platform.id]).succeeded();
    let possible = FAULTS
        .iter()
        .filter(|fault| match (platform.manager, fault.rpm) {
            (Manager::Yum, Rpm::Not(why)) => {
                not_possible(fault, why);
                false
            }
            (Manager::Apt | Manager::Yum, _) => true,
        });
    let mut batches: Vec<Vec<&Fault>> = vec![Vec::new(), Vec::new()];
    for fault in possible {
        match fault.group {
            Group::Content => batches[0].push(fault),
            Group::Effects => batches[1].push(fault),
            Group::Alone => batches.push(vec![fault]),
        }
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(faults) = batches.get(number) else {
                        break;
                    };
                    let found = find(&sound, platform, faults);
                    let mut missed = missed.lock().expect("no thread has panicked");
                    missed.extend(found);
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no thread has panicked");
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

#[expect(clippy::print_stdout, reason = "what is not tested is said")]
fn not_possible(fault: &Fault, why: &str) {
    println!("{}: not in an rpm: {why}", fault.name);
}

#[test]
fn what_the_audit_allows_is_no_fault_of_the_packages() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let project = Project::of(&[
        (
            "pyproject.toml",
            "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
             [project]\nname = \"knows\"\nversion = \"1.0\"\n\
             [tool.setuptools]\npy-modules = [\"knows\"]\n\
             [[tool.omnibuild.audit.allow]]\npath = \"/opt/knows/lib/**/knows.py\"\n\
             check = \"build-path\"\nreason = \"it asks whether it is built\"\n\
             [tool.omnibuild.packages.conf.files.\"/var/spool/knows/in\"]\n\
             source = \"in\"\nmode = \"0666\"\n",
        ),
        ("knows.py", "WHERE = '/omnibuild/build/knows'\n"),
        ("in", ""),
    ]);
    let build = ["--sysbase", platform.id, "--verify"];
    project.run(&build).succeeded();
    let record = project.package(platform, "verification.json");
    let record = fs_err::read_to_string(record).expect("there is a record");
    assert!(record.contains("allowed: `/opt/knows/lib/"), "{record}");

    // Of a package that is allowed less, the same is a fault.
    project.replace("pyproject.toml", "build-path", "setuid");
    project.commit();
    project
        .run(&build)
        .ended_with(17)
        .said(&["names `/omnibuild/build/knows`"]);
}

/// Verifies a twin of the sound project whose packages have the faults; answers what was missed.
fn find(sound: &Project, platform: Platform, faults: &[&Fault]) -> Vec<String> {
    let project = sound.twin();
    let folder = project.root().join("packages").join(platform.id);
    for package in [OMNIBUS, META] {
        let own: Vec<&Fault> = (faults.iter().copied())
            .filter(|fault| fault.package == package)
            .collect();
        if own.is_empty() {
            continue;
        }
        let name = (project.packages(platform.id).into_iter())
            .find(|name| {
                let rest = name.strip_prefix(package).unwrap_or_default();
                rest.starts_with('_') || rest.starts_with("-1.4.2")
            })
            .expect("the package was built");
        let path = folder.join(&name);
        let depends = match platform.manager {
            Manager::Apt => rewrite_deb(&path, &own),
            Manager::Yum => rewrite_rpm(&path, &own),
        };
        tell_the_record(&project, platform.id, package, &path, depends);
    }
    let run = project.run(&["verify", "--sysbase", platform.id]);
    let names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
    if run.status.code() != Some(5) {
        return vec![format!(
            "{names:?}: {:?}\n{}",
            run.status.code(),
            run.stderr
        )];
    }
    let said = project.log(platform.id);
    let told: Vec<&str> = (said.lines())
        .filter(|line| line.starts_with("verify: fault ") || line.starts_with("refused: "))
        .collect();
    let mut missed = Vec::new();
    for fault in faults {
        let words = match (platform.manager, fault.rpm) {
            (Manager::Yum, Rpm::Says(words)) => words,
            (Manager::Apt | Manager::Yum, _) => fault.said,
        };
        if !told
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)))
        {
            missed.push(format!("{}: not told:\n{}", fault.name, told.join("\n")));
        }
    }
    missed
}

/// The record of the build says of the package what it is now.
fn tell_the_record(
    project: &Project,
    platform: &str,
    package: &str,
    path: &Path,
    depends: Option<&str>,
) {
    let place = project
        .root()
        .join(format!(".omnibuild/state/{platform}.json"));
    let text = fs_err::read(&place).expect("there is a record");
    let mut record: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    let digest = omnibuild::digest::Digest::of_file(path).expect("a package");
    let size = fs_err::metadata(path).expect("a package").len();
    let packages = record["packages"].as_array_mut().expect("packages");
    let built = packages
        .iter_mut()
        .find(|built| built["name"] == package)
        .expect("the package is in the record");
    built["artifact"]["digest"] = digest.as_str().into();
    built["artifact"]["size"] = size.into();
    if depends == Some("") {
        built["depends"] = serde_json::json!([]);
    }
    fs_err::write(place, record.to_string()).expect("the record can be written");
}
