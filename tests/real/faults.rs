//! Packages with one fault each: verification finds every one and names it.
//!
//! The sample project's packages are taken apart, given the fault, and put together again by the
//! distribution's own tools; the record of the build is told their new digests, as if they had been
//! built like that.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::platform;
use crate::support::project::Project;

/// How many verifications run at a time.
const AT_ONCE: usize = 3;

/// The content of a package on disk: its files, and for a deb the folder `DEBIAN` beside them.
struct Unpacked<'a> {
    root: &'a Path,
    /// Scripts by the name that debs have for them.
    scripts: Vec<(&'static str, &'static str)>,
    /// In place of what the package needs; `None`: as it was.
    depends: Option<&'static str>,
    /// Digests of the files are those from before the fault.
    stale_digests: bool,
}

/// A fault: its name, which package has it, how it gets in, and what verification says of it.
struct Fault {
    name: &'static str,
    package: &'static str,
    inject: fn(&mut Unpacked<'_>),
    said: &'static [&'static str],
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
    },
    Fault {
        name: "a broken import",
        package: OMNIBUS,
        inject: |it| it.append(&it.site("mytool/__init__.py"), "import nothing_there\n"),
        said: &["`import mytool`", "nothing_there"],
    },
    Fault {
        name: "another architecture",
        package: OMNIBUS,
        inject: |it| it.patch_extension(b"\x7fELF\x02", b"\x7fELF\x01"),
        said: &["`import mytool._speedups`", "ELF"],
    },
    Fault {
        name: "an absent dependency",
        package: OMNIBUS,
        inject: |it| it.depends = Some(""),
        said: &["the bundle has no interpreter"],
    },
    Fault {
        name: "a dependency that does not exist",
        package: OMNIBUS,
        inject: |it| it.depends = Some("no-such-package"),
        said: &["can't install the packages", "no-such-package"],
    },
    Fault {
        name: "a file that is left after removal",
        package: OMNIBUS,
        inject: |it| {
            it.script(
                "postinst",
                "mkdir -p /var/lib/mytool && : >/var/lib/mytool/left",
            );
        },
        said: &["after removal: left /var/lib/mytool left /var/lib/mytool/left"],
    },
    Fault {
        name: "a path of the builder",
        package: OMNIBUS,
        inject: |it| it.append("opt/mytool/bin/mytool", "# /omnibuild/build/bin/python\n"),
        said: &["`/opt/mytool/bin/mytool` holds a path of the builder"],
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
        said: &[
            "the interpreter of `/opt/mytool/bin/mytool` is missing",
            "/opt/mytool/bin/snake",
        ],
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
    },
    Fault {
        name: "a file that is missing on disk",
        package: OMNIBUS,
        inject: |it| it.script("postinst", "rm -f /opt/mytool/pyvenv.cfg"),
        said: &["missing on disk: /opt/mytool/pyvenv.cfg"],
    },
    Fault {
        name: "a file that no package has",
        package: OMNIBUS,
        inject: |it| it.script("postinst", ": >/opt/mytool/bin/more"),
        said: &["on disk and in no package: /opt/mytool/bin/more"],
    },
    Fault {
        name: "a file with another digest",
        package: OMNIBUS,
        inject: |it| {
            it.stale_digests = true;
            it.append("opt/mytool/pyvenv.cfg", "# more\n");
        },
        said: &[
            "the package manager finds files altered",
            "/opt/mytool/pyvenv.cfg",
        ],
    },
    Fault {
        name: "configuration that is overwritten",
        package: META,
        inject: |it| it.add("etc/mytool.conf", 0o644, "listen = 1\n"),
        said: &["overwrites `/etc/mytool.conf`, which an administrator has changed"],
    },
    Fault {
        name: "a script after installation that fails",
        package: META,
        inject: |it| it.script("postinst", "exit 3"),
        said: &["can't install the packages", "acme-mytool-cli"],
    },
    Fault {
        name: "a script before removal that fails",
        package: META,
        inject: |it| it.script("prerm", "[ \"$1\" != remove ]"),
        said: &["the package manager can't remove the packages"],
    },
    Fault {
        name: "a setuid program",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/bin/mytool", 0o4755),
        said: &["`/opt/mytool/bin/mytool` is setuid or setgid (4755)"],
    },
    Fault {
        name: "a file that everybody may change",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/pyvenv.cfg", 0o666),
        said: &["`/opt/mytool/pyvenv.cfg` is world-writable (0666)"],
    },
    Fault {
        name: "a daemon without its user",
        package: META,
        inject: |it| {
            it.add(
                "usr/lib/systemd/system/mytool.service",
                0o644,
                "[Service]\nUser=mytoold\nExecStart=/usr/bin/mytool load\n",
            );
        },
        said: &["runs as `mytoold`, a user that nothing makes"],
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
    },
    Fault {
        name: "a link that leads nowhere",
        package: META,
        inject: |it| it.link("usr/bin/mytool-old", "/opt/mytool/bin/mytool-old"),
        said: &[
            "the link `/usr/bin/mytool-old` leads to `/opt/mytool/bin/mytool-old`, which does not exist",
        ],
    },
    Fault {
        name: "a file of another package",
        package: META,
        inject: |it| it.add("usr/bin/env", 0o755, "#!/bin/sh\n"),
        said: &["can't install the packages", "/usr/bin/env"],
    },
    Fault {
        name: "byte code of another Python",
        package: OMNIBUS,
        inject: |it| it.patch_bytecode(),
        said: &["byte code of another Python than", "measure.cpython-"],
    },
];

#[test]
fn every_fault_in_a_deb_is_found_and_named() {
    let Some(platform) = platform::asked_for("debian-12") else {
        return;
    };
    platform::warm(platform);
    let sound = Project::copy_of("mytool");
    sound.run(&["--sysbase", platform.id]).succeeded();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(fault) = FAULTS.get(number) else {
                        break;
                    };
                    if let Err(why) = find(&sound, platform.id, fault) {
                        let mut missed = missed.lock().expect("no thread has panicked");
                        missed.push(format!("{}: {why}", fault.name));
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no thread has panicked");
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

/// Verifies a twin of the sound project whose package has the fault.
fn find(sound: &Project, platform: &str, fault: &Fault) -> Result<(), String> {
    let project = sound.twin();
    let folder = project.root().join("packages").join(platform);
    let name = project
        .packages(platform)
        .into_iter()
        .find(|name| name.starts_with(&format!("{}_", fault.package)))
        .expect("the package was built");
    let depends = rewrite(&folder.join(&name), fault);
    tell_the_record(
        &project,
        platform,
        fault.package,
        &folder.join(&name),
        depends,
    );
    let run = project.run(&["verify", "--sysbase", platform]);
    if run.status.code() != Some(5) {
        return Err(format!("status {:?}\n{}", run.status.code(), run.stderr));
    }
    // Messages are wrapped nowhere, and the whole of it is in the log.
    let said = project.log(platform);
    for word in fault.said {
        let named = said
            .lines()
            .any(|line| line.starts_with("verify: fault") && line.contains(word));
        let required = said.contains("== failed") && run.stderr.contains(word);
        if !named && !required {
            return Err(format!("`{word}` was not said:\n{}", run.stderr));
        }
    }
    Ok(())
}

/// Takes a deb apart, lets the fault in, and puts it together; answers what it needs now.
fn rewrite(path: &Path, fault: &Fault) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("package");
    tool(Command::new("dpkg-deb").arg("-R").arg(path).arg(&root));
    let mut unpacked = Unpacked {
        root: &root,
        scripts: Vec::new(),
        depends: None,
        stale_digests: false,
    };
    (fault.inject)(&mut unpacked);
    let control = root.join("DEBIAN/control");
    for (name, text) in &unpacked.scripts {
        let place = root.join("DEBIAN").join(name);
        fs_err::write(&place, format!("#!/bin/sh\nset -e\n{text}\n")).expect("a script");
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
    if !unpacked.stale_digests {
        let sums = "cd \"$1\" && find . -path ./DEBIAN -prune -o -type f -print0 | xargs -0 -r md5sum | sed 's, \\./, ,' >DEBIAN/md5sums";
        tool(Command::new("sh").args(["-c", sums, "sh"]).arg(&root));
    }
    let build = ["-Zgzip", "-z1", "--root-owner-group", "-b"];
    tool(Command::new("dpkg-deb").args(build).arg(&root).arg(path));
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
        self.scripts.push((name, text));
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

fn tool(command: &mut Command) {
    let output = command
        .output()
        .expect("the distribution's tools are there");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
