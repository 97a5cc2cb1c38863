//! Packages with faults: verification finds every one and names it.
//!
//! The sample project's packages are taken apart, given faults, and put together again by the
//! distributions' own tools; the record of the build is told their new digests, as if they had been
//! built like that. Faults that don't hide each other share packages and so a verification; each
//! must be among the faults that are told.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::platform::{self, Manager, Platform};
use crate::support::project::Project;

/// How many verifications run at a time.
const AT_ONCE: usize = 2;

/// The content of a package on disk: its files, and for a deb the folder `DEBIAN` beside them.
struct Unpacked<'a> {
    root: &'a Path,
    /// Scripts by the name that debs have for them.
    scripts: BTreeMap<&'static str, String>,
    /// In place of what the package needs; `None`: as it was.
    depends: Option<&'static str>,
}

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

const FAULTS: [Fault; 23] = [
    Fault {
        name: "a missing library",
        package: OMNIBUS,
        inject: |it| it.module_without_its_library(),
        said: &[
            "`import mytool._needy`",
            "libabsent.so: cannot open shared object file",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a broken import",
        package: OMNIBUS,
        inject: |it| it.append(&it.site("mytool/__init__.py"), "import nothing_there\n"),
        said: &["`import mytool`", "nothing_there"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "another architecture",
        package: OMNIBUS,
        inject: |it| it.patch_extension(b"\x7fELF\x02", b"\x7fELF\x01"),
        said: &["`import mytool._speedups`", "ELF"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an absent dependency",
        package: OMNIBUS,
        inject: |it| it.depends = Some(""),
        said: &["the bundle has no interpreter"],
        group: Group::Alone,
        rpm: Rpm::Not("the stand-in's package manager needs the same Python"),
    },
    Fault {
        name: "a dependency that does not exist",
        package: OMNIBUS,
        inject: |it| it.depends = Some("no-such-package"),
        said: &["can't install the packages", "no-such-package"],
        group: Group::Alone,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that is left after removal",
        package: OMNIBUS,
        inject: |it| {
            it.script(
                "postinst",
                "mkdir -p /var/lib/mytool-cli && : >/var/lib/mytool-cli/left",
            );
        },
        said: &[
            "after removal: ",
            "left /var/lib/mytool-cli left /var/lib/mytool-cli/left",
        ],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a path of the builder",
        package: OMNIBUS,
        inject: |it| it.append("opt/mytool/bin/mytool", "# /omnibuild/build/bin/python\n"),
        said: &["`/opt/mytool/bin/mytool` holds a path of the builder"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an interpreter that is not there",
        package: OMNIBUS,
        inject: |it| {
            it.replace(
                "opt/mytool/bin/mytool",
                "/opt/mytool/bin/python",
                "/opt/mytool/bin/snake",
            );
        },
        said: &["`/opt/mytool/bin/mytool` is run by `/opt/mytool/bin/snake`, which is missing"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an entry point that leads nowhere",
        package: OMNIBUS,
        inject: |it| {
            it.append(
                &it.site("mytool-1.4.2.dist-info/entry_points.txt"),
                "\n[gui_scripts]\nmytool-window = mytool.absent:main\n",
            );
        },
        said: &["the entry point `mytool-window` of `mytool` leads to `mytool.absent:main`"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an unsatisfied requirement",
        package: OMNIBUS,
        inject: |it| {
            it.replace(
                &it.site("mytool-1.4.2.dist-info/METADATA"),
                "Name: mytool\n",
                "Name: mytool\nRequires-Dist: click>=99\n",
            );
        },
        said: &["`mytool 1.4.2` requires `click>=99`, and the bundle has click"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that is missing on disk",
        package: META,
        inject: |it| it.script("postinst", "rm -f /usr/share/man/man1/mytool.1.gz"),
        said: &["missing on disk: /usr/share/man/man1/mytool.1.gz"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that no package has",
        package: OMNIBUS,
        inject: |it| it.script("postinst", ": >/opt/mytool/bin/more"),
        said: &["on disk and in no package: /opt/mytool/bin/more"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file with another digest",
        package: OMNIBUS,
        inject: |it| it.script("postinst", "echo '# more' >>/opt/mytool/pyvenv.cfg"),
        said: &[
            "the package manager finds files altered",
            "/opt/mytool/pyvenv.cfg",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "configuration that is overwritten",
        package: META,
        inject: |it| it.add("etc/mytool.conf", 0o644, "listen = 1\n"),
        said: &["overwrites `/etc/mytool.conf`, which an administrator has changed"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a script after installation that fails",
        package: META,
        inject: |it| it.script("postinst", "exit 3"),
        said: &["can't install the packages", "acme-mytool-cli"],
        group: Group::Alone,
        rpm: Rpm::Says(&["a script of a package fails"]),
    },
    Fault {
        name: "a script before removal that fails",
        package: META,
        inject: |it| it.script("prerm", "[ \"$1\" != remove ] && [ \"$1\" != 0 ]"),
        said: &["the package manager can't remove the packages"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a setuid program",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/bin/mytool", 0o4755),
        said: &["`/opt/mytool/bin/mytool` is setuid or setgid (4755)"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that everybody may change",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/pyvenv.cfg", 0o666),
        said: &["`/opt/mytool/pyvenv.cfg` is world-writable (0666)"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a daemon without its user",
        package: META,
        inject: |it| {
            it.add(
                "usr/lib/systemd/system/mytool-user.service",
                0o644,
                "[Service]\nUser=mytoold\nExecStart=/usr/bin/mytool load\n",
            );
        },
        said: &["runs as `mytoold`, a user that nothing makes"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a unit whose command is not there",
        package: META,
        inject: |it| {
            it.add(
                "usr/lib/systemd/system/mytool.service",
                0o644,
                "[Service]\nExecStart=-/usr/sbin/mytoold --run\n",
            );
        },
        said: &["starts `/usr/sbin/mytoold`, which does not exist"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a link that leads nowhere",
        package: META,
        inject: |it| it.link("usr/bin/mytool-old", "/opt/mytool/bin/mytool-old"),
        said: &[
            "`/usr/bin/mytool-old` is a link to `/opt/mytool/bin/mytool-old`, which does not exist",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file of another package",
        package: META,
        inject: |it| it.add("usr/bin/env", 0o755, "#!/bin/sh\n"),
        said: &["can't install the packages", "/usr/bin/env"],
        group: Group::Alone,
        rpm: Rpm::Same,
    },
    Fault {
        name: "byte code of another Python",
        package: OMNIBUS,
        inject: |it| it.patch_bytecode(),
        said: &["byte code of another Python than", "measure.cpython-"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
];

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

/// The package with the faults in it, before it is put together again.
fn inject<'r>(root: &'r Path, faults: &[&Fault]) -> Unpacked<'r> {
    let mut unpacked = Unpacked {
        root,
        scripts: BTreeMap::new(),
        depends: None,
    };
    for fault in faults {
        (fault.inject)(&mut unpacked);
    }
    unpacked
}

/// Takes a deb apart, lets the faults in, and puts it together; answers what it needs now.
fn rewrite_deb(path: &Path, faults: &[&Fault]) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("package");
    tool(Command::new("dpkg-deb").arg("-R").arg(path).arg(&root));
    let unpacked = inject(&root, faults);
    let control = root.join("DEBIAN/control");
    for (name, text) in &unpacked.scripts {
        let place = root.join("DEBIAN").join(name);
        fs_err::write(&place, format!("#!/bin/sh\nset -e\n{text}")).expect("a script");
        set_mode(&place, 0o755);
    }
    if let Some(depends) = unpacked.depends {
        let text = fs_err::read_to_string(&control).expect("a control file");
        let lines = text.lines().filter(|line| !line.starts_with("Depends:"));
        let mut text = lines.fold(String::new(), |text, line| text + line + "\n");
        if !depends.is_empty() {
            text += &format!("Depends: {depends}\n");
        }
        fs_err::write(&control, text).expect("a control file");
    }
    let sums = "cd \"$1\" && find . -path ./DEBIAN -prune -o -type f -print0 | xargs -0 -r md5sum | sed 's, \\./, ,' >DEBIAN/md5sums";
    tool(Command::new("sh").args(["-c", sums, "sh"]).arg(&root));
    let build = ["-Zgzip", "-z1", "--root-owner-group", "-b"];
    tool(Command::new("dpkg-deb").args(build).arg(&root).arg(path));
    unpacked.depends
}

/// The same for an rpm, by rpmbuild.
fn rewrite_rpm(path: &Path, faults: &[&Fault]) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("package");
    fs_err::create_dir(&root).expect("a folder");
    let unpack = "cd \"$2\" && rpm2cpio \"$1\" | cpio --quiet -idm";
    tool(
        Command::new("sh")
            .args(["-c", unpack, "sh"])
            .arg(path)
            .arg(&root),
    );
    let ask = |words: &[&str]| tool(Command::new("rpm").arg("-qp").args(words).arg(path));
    let owned = ask(&["-l"]);
    let unpacked = inject(&root, faults);

    let mut files = String::new();
    for entry in walkdir::WalkDir::new(&root)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.expect("the package can be read");
        let name = entry.path().strip_prefix(&root).expect("it is below");
        let name = format!("/{}", name.display());
        if !entry.file_type().is_dir() {
            files += &format!("\"{name}\"\n");
        } else if owned.lines().any(|line| line == name) {
            files += &format!("%dir \"{name}\"\n");
        }
    }
    let list = folder.path().join("files");
    fs_err::write(&list, files).expect("a list of files");
    let head = "Name: %{NAME}\nVersion: %{VERSION}\nRelease: %{RELEASE}\nSummary: %{SUMMARY}\n\
                License: %{LICENSE}\nAutoReqProv: no\n";
    let mut spec = ask(&["--qf", head]);
    match unpacked.depends {
        None => {
            for need in ask(&["--requires"]).lines() {
                if !need.starts_with("rpmlib(") {
                    spec += &format!("Requires: {need}\n");
                }
            }
        }
        Some("") => {}
        Some(need) => spec += &format!("Requires: {need}\n"),
    }
    spec += "\n%description\nIt has a fault.\n";
    for (name, text) in &unpacked.scripts {
        let section = match *name {
            "postinst" => "%post",
            "prerm" => "%preun",
            other => panic!("{other} has no counterpart"),
        };
        spec += &format!("\n{section}\nset -e\n{text}");
    }
    spec += &format!("\n%files -f {}\n%defattr(-,root,root,-)\n", list.display());
    let place = folder.path().join("package.spec");
    fs_err::write(&place, spec).expect("a spec file");
    let arch = ask(&["--qf", "%{ARCH}"]);
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--noclean", "--target", &arch]);
    build.arg("--buildroot").arg(&root);
    let top = folder.path().display();
    for definition in [
        format!("_topdir {top}"),
        format!("_rpmdir {top}"),
        "_rpmfilename faulty.rpm".to_owned(),
        "_binary_payload w1.gzdio".to_owned(),
        "_build_id_links none".to_owned(),
        "debug_package %{nil}".to_owned(),
        "__spec_install_pre %{nil}".to_owned(),
        "__spec_install_post %{nil}".to_owned(),
        "_missing_build_ids_terminate_build 0".to_owned(),
    ] {
        build.arg("--define").arg(definition);
    }
    tool(build.arg(place));
    fs_err::copy(folder.path().join("faulty.rpm"), path).expect("a package");
    unpacked.depends
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

impl Unpacked<'_> {
    /// The path of a file in site-packages.
    fn site(&self, file: &str) -> String {
        let lib = self.root.join("opt/mytool/lib");
        let python = fs_err::read_dir(lib)
            .expect("the bundle has libraries")
            .map(|entry| entry.expect("it can be read").file_name())
            .find(|name| name.to_string_lossy().starts_with("python3"))
            .expect("of a Python");
        format!(
            "opt/mytool/lib/{}/site-packages/{file}",
            python.to_string_lossy()
        )
    }

    fn add(&self, path: &str, mode: u32, text: &str) {
        let place = self.root.join(path);
        fs_err::create_dir_all(place.parent().expect("it is below")).expect("a folder");
        fs_err::write(&place, text).expect("a file");
        set_mode(&place, mode);
    }

    fn append(&self, path: &str, text: &str) {
        let place = self.root.join(path);
        let old = fs_err::read_to_string(&place).expect("it is there");
        fs_err::write(place, old + text).expect("it can be written");
    }

    fn replace(&self, path: &str, old: &str, new: &str) {
        let place = self.root.join(path);
        let text = fs_err::read_to_string(&place).expect("it is there");
        assert!(text.contains(old), "`{path}` has no `{old}`");
        fs_err::write(place, text.replace(old, new)).expect("it can be written");
    }

    fn link(&self, path: &str, target: &str) {
        let place = self.root.join(path);
        fs_err::os::unix::fs::symlink(target, place).expect("a link");
    }

    fn mode(&self, path: &str, mode: u32) {
        set_mode(&self.root.join(path), mode);
    }

    fn script(&mut self, name: &'static str, text: &'static str) {
        let script = self.scripts.entry(name).or_default();
        *script += &format!("{text}\n");
    }

    /// The first file below site-packages whose name has these parts.
    fn named(&self, start: &str, end: &str) -> PathBuf {
        walkdir::WalkDir::new(self.root.join("opt/mytool/lib"))
            .into_iter()
            .map(|entry| entry.expect("the package can be read"))
            .find(|entry| {
                let name = entry.file_name().to_string_lossy();
                entry.path().to_string_lossy().contains("/mytool/")
                    && entry.file_type().is_file()
                    && name.starts_with(start)
                    && name.ends_with(end)
            })
            .unwrap_or_else(|| panic!("there is no {start}…{end}"))
            .into_path()
    }

    /// Puts bytes in place of as many in the compiled module.
    fn patch_extension(&self, old: &[u8], new: &[u8]) {
        let path = self.named("_speedups", ".so");
        let mut bytes = fs_err::read(&path).expect("it can be read");
        let place = bytes
            .windows(old.len())
            .position(|window| window == old)
            .expect("the module has these bytes");
        bytes[place..place + new.len()].copy_from_slice(new);
        fs_err::write(path, bytes).expect("it can be written");
    }

    /// A compiled module, linked with a library that is not shipped.
    fn module_without_its_library(&self) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("x.c");
        fs_err::write(&source, "int x(void) { return 1; }\n").expect("a file");
        let library = folder.path().join("libabsent.so");
        let shared = ["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"];
        tool(Command::new("cc").args(shared).arg(&library).arg(&source));
        let module = self.site("mytool/_needy.abi3.so");
        let mut link = Command::new("cc");
        link.args(shared).arg(self.root.join(module)).arg(&source);
        tool(link.arg("-L").arg(folder.path()).arg("-labsent"));
        self.append(
            &self.site("mytool-1.4.2.dist-info/RECORD"),
            "mytool/_needy.abi3.so,,\n",
        );
    }

    fn patch_bytecode(&self) {
        let path = self.named("measure.", ".pyc");
        let mut bytes = fs_err::read(&path).expect("it can be read");
        bytes[0] ^= 1;
        fs_err::write(path, bytes).expect("it can be written");
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Runs a tool; answers what it printed.
fn tool(command: &mut Command) -> String {
    let output = command
        .output()
        .expect("the distribution's tools are there");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
