//! Each thing that may not be shipped, seeded into a bundle that is otherwise sound.

use std::collections::BTreeSet;

use super::*;

const SCOPE: Scope<'static> = Scope {
    prefix: "/opt/x",
    interpreter: Some("/usr/bin/python3.11"),
    machine: "x86_64",
    commands: &["tool"],
};

const NOTHING: Facts = Facts {
    elf: None,
    damaged_elf: None,
    shebang: None,
    build_path: None,
    absolute_pth: None,
};

fn file<'a>(path: &'a str, mode: u32, facts: &'a Facts) -> Item<'a> {
    let kind = ItemKind::File { size: 9, facts };
    Item {
        path,
        mode,
        kind,
        origin: "a-1.whl",
    }
}

fn link<'a>(path: &'a str, target: &'a str) -> Item<'a> {
    Item {
        path,
        mode: 0o777,
        kind: ItemKind::Symlink(target),
        origin: "a-1.whl",
    }
}

fn script(line: &str) -> Facts {
    Facts {
        shebang: Some(line.to_owned()),
        ..NOTHING
    }
}

fn module() -> ElfFile {
    ElfFile {
        machine: "x86_64".to_owned(),
        class: 64,
        kind: ElfKind::Shared,
        ..ElfFile::default()
    }
}

fn elf(file: ElfFile) -> Facts {
    Facts {
        elf: Some(Box::new(file)),
        ..NOTHING
    }
}

/// What is said of one more item in a sound bundle.
fn seeded(item: Item<'_>) -> Vec<Finding> {
    let tool = script("/opt/x/bin/python");
    let good = elf(module());
    let items = [
        link("opt/x/bin/python", "python3"),
        link("opt/x/bin/python3", "/usr/bin/python3.11"),
        link("opt/x/lib64", "lib"),
        file("opt/x/bin/tool", 0o755, &tool),
        file("opt/x/lib/a.py", 0o644, &NOTHING),
        file("opt/x/lib/a.so", 0o755, &good),
        link("opt/x/lib/b.so", "./a.so"),
        link("opt/x/lib/deep", "../lib64/a.so"),
    ];
    audit(items.into_iter().chain([item]), SCOPE)
}

#[track_caller]
fn refused(item: Item<'_>, check: Check, words: &str) {
    let findings = seeded(item);
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!(
        (finding.check, finding.severity),
        (check, Severity::Refused),
        "{finding}"
    );
    assert_eq!(finding.path.trim_start_matches('/'), item.path);
    let text = finding.to_string();
    assert!(text.contains(words) && text.contains("a-1.whl"), "{text}");
}

#[track_caller]
fn told(item: Item<'_>, check: Check) {
    let findings = seeded(item);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (findings[0].check, findings[0].severity),
        (check, Severity::Warning)
    );
}

#[test]
fn a_sound_bundle_has_nothing_to_be_said_of() {
    assert_eq!(seeded(file("opt/x/lib/c.py", 0o644, &NOTHING)), []);
    // A meta-package: links into a bundle that is another's, and system scripts.
    assert_eq!(
        audit(
            [link("usr/bin/tool", "/opt/y/bin/tool")],
            Scope {
                commands: &[],
                ..SCOPE
            }
        ),
        []
    );
}

#[test]
fn permissions_that_give_rights_away() {
    refused(
        file("opt/x/bin/su", 0o4755, &NOTHING),
        Check::Setuid,
        "4755",
    );
    refused(
        file("opt/x/bin/sg", 0o2755, &NOTHING),
        Check::Setuid,
        "2755",
    );
    refused(
        file("opt/x/lib/w.py", 0o666, &NOTHING),
        Check::WorldWritable,
        "0666",
    );
    let folder = Item {
        kind: ItemKind::Directory,
        mode: 0o777,
        ..file("opt/x/tmp", 0, &NOTHING)
    };
    refused(folder, Check::WorldWritable, "everybody");
}

#[test]
fn what_is_no_file() {
    for what in ["socket", "device", "named pipe"] {
        let item = Item {
            kind: ItemKind::Special(what),
            ..file("opt/x/run/s", 0o600, &NOTHING)
        };
        refused(item, Check::SpecialFile, what);
    }
}

#[test]
fn links_that_lead_nowhere_or_out() {
    refused(
        link("opt/x/lib/n.so", "missing.so"),
        Check::DanglingLink,
        "missing.so",
    );
    refused(
        link("opt/x/lib/n.so", "/opt/x/missing.so"),
        Check::DanglingLink,
        "/opt/x/missing.so",
    );
    refused(
        link("opt/x/lib/n.so", "n.so"),
        Check::DanglingLink,
        "back to it",
    );
    refused(
        link("opt/x/lib/z", "/usr/share/zoneinfo"),
        Check::ForeignLink,
        "absolute path",
    );
    refused(
        link("opt/x/lib/z", "../../../etc/passwd"),
        Check::ForeignLink,
        "out of the bundle",
    );
    refused(
        link("opt/x/lib/python", "/usr/bin/python3.11"),
        Check::ForeignLink,
        "out of",
    );
    refused(
        link("opt/x/bin/python3.9", "/srv/python"),
        Check::ForeignLink,
        "/srv/python",
    );
    // Through a folder that is a link.
    refused(
        link("opt/x/lib/n", "../lib64/none"),
        Check::DanglingLink,
        "/opt/x/lib/none",
    );
}

#[test]
fn paths_of_the_builder() {
    let facts = Facts {
        build_path: Some("/omnibuild/project".to_owned()),
        ..NOTHING
    };
    refused(
        file("opt/x/lib/direct_url.json", 0o644, &facts),
        Check::BuildPath,
        "/omnibuild/project",
    );
    let facts = Facts {
        absolute_pth: Some("/srv/lib".to_owned()),
        ..NOTHING
    };
    refused(
        file("opt/x/lib/a.pth", 0o644, &facts),
        Check::BuildPath,
        "/srv/lib",
    );
    let inside = Facts {
        absolute_pth: Some("/opt/x/lib".to_owned()),
        ..NOTHING
    };
    assert_eq!(seeded(file("opt/x/lib/a.pth", 0o644, &inside)), []);
}

#[test]
fn commands_that_can_not_be_run() {
    let good = script("/opt/x/bin/python -E");
    refused(
        file("opt/x/bin/more", 0o644, &good),
        Check::EntryPoint,
        "0644",
    );
    let empty = Item {
        kind: ItemKind::File {
            size: 0,
            facts: &NOTHING,
        },
        ..file("opt/x/bin/more", 0o755, &NOTHING)
    };
    refused(empty, Check::EntryPoint, "empty");
    // `activate` is read by a shell, not run.
    assert_eq!(seeded(file("opt/x/bin/activate", 0o644, &NOTHING)), []);
    let absent = audit([], SCOPE);
    assert!(
        absent.len() == 1 && absent[0].to_string().contains("/opt/x/bin/tool"),
        "{absent:?}"
    );
}

#[test]
fn first_lines_that_nothing_runs() {
    refused(
        file("opt/x/bin/s", 0o755, &script("/home/me/venv/bin/python")),
        Check::Shebang,
        "/home/me",
    );
    refused(
        file("opt/x/bin/s", 0o755, &script("/opt/x/bin/perl")),
        Check::Shebang,
        "/opt/x/bin/perl",
    );
    let long = format!("/opt/x/bin/python {}", "-".repeat(120));
    refused(
        file("opt/x/bin/s", 0o755, &script(&long)),
        Check::Shebang,
        "127",
    );
    told(
        file("opt/x/lib/s.py", 0o755, &script("/home/me/venv/bin/python")),
        Check::Shebang,
    );
    for line in [
        "/usr/bin/env python3",
        "/bin/sh",
        " /bin/sh",
        "/opt/x/bin/python3",
    ] {
        assert_eq!(
            seeded(file("opt/x/bin/s", 0o755, &script(line))),
            [],
            "{line}"
        );
    }
    // Nobody runs it.
    assert_eq!(
        seeded(file("opt/x/lib/s.py", 0o644, &script("/home/me/python"))),
        []
    );
}

#[test]
fn modules_for_others() {
    let arm = elf(ElfFile {
        machine: "aarch64".to_owned(),
        ..module()
    });
    refused(
        file("opt/x/lib/m.so", 0o644, &arm),
        Check::ForeignMachine,
        "aarch64",
    );
    let old = elf(ElfFile {
        machine: "i386".to_owned(),
        class: 32,
        ..module()
    });
    refused(
        file("opt/x/lib/m.so.1", 0o644, &old),
        Check::ForeignMachine,
        "a 32-bit file for i386",
    );
    told(
        file("opt/x/lib/tests/sample.bin", 0o644, &arm),
        Check::ForeignMachine,
    );
    let musl = elf(ElfFile {
        needed: vec!["libc.musl-x86_64.so.1".to_owned()],
        ..module()
    });
    refused(file("opt/x/lib/m.so", 0o644, &musl), Check::Musl, "musl");
    let damaged = Facts {
        damaged_elf: Some("it ends early".to_owned()),
        ..NOTHING
    };
    refused(
        file("opt/x/lib/m.so", 0o644, &damaged),
        Check::DamagedElf,
        "it ends early",
    );
    told(file("opt/x/lib/m.bin", 0o644, &damaged), Check::DamagedElf);
}

#[test]
fn folders_for_libraries_that_anybody_might_make() {
    let with = |folder: &str| {
        elf(ElfFile {
            runpath: vec![folder.to_owned()],
            ..module()
        })
    };
    for folder in [
        "/omnibuild/build/lib",
        "/home/ci/lib",
        "/tmp",
        "lib",
        "$LIB",
    ] {
        refused(
            file("opt/x/lib/m.so", 0o644, &with(folder)),
            Check::LibraryPath,
            folder,
        );
    }
    for folder in ["$ORIGIN", "$ORIGIN/../a.libs", "${ORIGIN}/x", "/opt/x/lib"] {
        assert_eq!(
            seeded(file("opt/x/lib/m.so", 0o644, &with(folder))),
            [],
            "{folder}"
        );
    }
    told(
        file("opt/x/lib/m.so", 0o644, &with("/usr/local/lib")),
        Check::LibraryPath,
    );
}

#[test]
fn every_check_has_its_key_and_its_row_in_the_documentation() {
    let manual = include_str!("../../docs/configuration.md");
    let mut keys = BTreeSet::new();
    for check in Check::ALL {
        let written = serde_json::to_value(check).unwrap();
        assert_eq!(written.as_str(), Some(check.key()));
        assert!(
            manual.contains(&format!("| `{}` |", check.key())),
            "{check} has no row"
        );
        assert!(keys.insert(check.key()));
    }
}
