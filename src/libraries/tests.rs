//! Bundles put together by hand, answers of builders, and the tools of Debian and rpm themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::answer::Template;
use super::resolve::{User, Wanted};
use super::*;
use crate::audit::{Check, Facts, ItemKind};
use crate::elf::{ElfFile, ElfKind, Symbol};

fn machine(name: &str) -> Machine<'_> {
    Machine {
        name,
        glibc: Some(vec![2, 36]),
    }
}

/// A module that is linked with these libraries.
fn module(needed: &[&str]) -> ElfFile {
    ElfFile {
        machine: "x86_64".to_owned(),
        class: 64,
        kind: ElfKind::Shared,
        needed: needed.iter().map(|name| (*name).to_owned()).collect(),
        ..ElfFile::default()
    }
}

fn with_nodes(mut file: ElfFile, library: &str, nodes: &[&str]) -> ElfFile {
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    file.versions.insert(library.to_owned(), nodes);
    file
}

/// Resolves files given as path, wheel and content; links as path and target.
fn resolved(files: &[(&str, &str, ElfFile)], links: &[(&str, &str)]) -> (Outside, Vec<Finding>) {
    let facts: Vec<Facts> = files
        .iter()
        .map(|(_, _, file)| Facts {
            elf: Some(Box::new(file.clone())),
            ..Facts::default()
        })
        .collect();
    let files = files
        .iter()
        .zip(&facts)
        .map(|((path, origin, _), facts)| Item {
            path,
            mode: 0o644,
            kind: ItemKind::File { size: 1, facts },
            origin,
        });
    let links = links.iter().map(|(path, target)| Item {
        path,
        mode: 0o777,
        kind: ItemKind::Symlink(target),
        origin: "skeleton",
    });
    let items: Vec<Item<'_>> = files.chain(links).collect();
    resolve(&items, &machine("x86_64"))
}

fn names(outside: &Outside) -> Vec<&str> {
    outside.libraries.keys().map(String::as_str).collect()
}

#[test]
fn a_library_is_found_in_the_files_own_folders_through_links() {
    let private = ElfFile {
        runpath: vec!["$ORIGIN/../a.libs".to_owned()],
        ..module(&["libjpeg-0123abcd.so.62.3.0", "libc.so.6"])
    };
    let through_link = ElfFile {
        rpath: vec!["/opt/x/lib64/a.libs".to_owned()],
        ..module(&["libjpeg-0123abcd.so.62.3.0"])
    };
    let (outside, findings) = resolved(
        &[
            ("opt/x/lib/a/m.so", "a.whl", private),
            ("opt/x/lib/b/m.so", "b.whl", through_link),
            (
                "opt/x/lib/a.libs/libjpeg-0123abcd.so.62.3.0",
                "a.whl",
                module(&["libc.so.6"]),
            ),
        ],
        &[("opt/x/lib64", "lib")],
    );
    assert_eq!(findings, []);
    assert_eq!(names(&outside), ["libc.so.6"]);
    assert_eq!(outside.libraries["libc.so.6"].users.len(), 2);
}

#[test]
fn a_private_copy_that_is_not_there_names_file_and_wheel() {
    let lost = module(&["libpq-1234abcd.so.5.14"]);
    let (outside, findings) = resolved(&[("opt/x/lib/p/_psycopg.so", "psycopg2.whl", lost)], &[]);
    assert!(outside.libraries.is_empty());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].check, Check::MissingLibrary);
    let text = findings[0].to_string();
    for word in [
        "/opt/x/lib/p/_psycopg.so",
        "psycopg2.whl",
        "libpq-1234abcd.so.5.14",
    ] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_library_of_the_same_wheel_counts_and_anothers_only_when_the_platform_has_none() {
    let torch = ("opt/x/lib/t/libcore.so.2", "t.whl", module(&[]));
    let own = ("opt/x/lib/t/m.so", "t.whl", module(&["libcore.so.2"]));
    let (outside, _) = resolved(&[torch.clone(), own], &[]);
    assert!(outside.libraries.is_empty());
    let other = ("opt/x/lib/o/m.so", "o.whl", module(&["libcore.so.2"]));
    let (outside, findings) = resolved(&[torch, other], &[]);
    assert!(outside.libraries["libcore.so.2"].elsewhere);
    assert_eq!(judge(&outside, &Answer::default(), findings).findings, []);
}

#[test]
fn a_library_that_nobody_has_is_found_missing_for_each_file() {
    let module = module(&["libpq.so.5"]);
    let files = [
        ("opt/x/a.so", "a.whl", module.clone()),
        ("opt/x/b.so", "b.whl", module),
    ];
    let (outside, findings) = resolved(&files, &[]);
    let judged = judge(&outside, &Answer::default(), findings);
    let text: Vec<String> = judged.findings.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 2);
    assert!(
        text[1].contains("/opt/x/b.so")
            && text[1].contains("b.whl")
            && text[1].contains("libpq.so.5")
    );
}

#[test]
fn a_newer_glibc_than_the_platforms_is_refused_and_other_nodes_as_the_builder_says() {
    let new = with_nodes(
        module(&["libc.so.6"]),
        "libc.so.6",
        &["GLIBC_2.2.5", "GLIBC_2.38"],
    );
    let cxx = with_nodes(
        module(&["libstdc++.so.6"]),
        "libstdc++.so.6",
        &["GLIBCXX_3.4.99"],
    );
    let (outside, findings) = resolved(
        &[("opt/x/a.so", "a.whl", new), ("opt/x/c.so", "c.whl", cxx)],
        &[],
    );
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].check, Check::TooNew);
    assert!(findings[0].what.contains("GLIBC_2.38") && findings[0].what.contains("2.36"));
    let has = |lacks: &[&str]| Found {
        package: "p".to_owned(),
        lacks: lacks.iter().map(|node| (*node).to_owned()).collect(),
        ..Found::default()
    };
    let answer = Answer {
        schema: SCHEMA,
        libraries: BTreeMap::from([
            ("libc.so.6".to_owned(), has(&[])),
            ("libstdc++.so.6".to_owned(), has(&["GLIBCXX_3.4.99"])),
        ]),
    };
    let judged = judge(&outside, &answer, Vec::new());
    assert_eq!(judged.findings.len(), 1);
    assert!(judged.findings[0].to_string().contains("/opt/x/c.so"));
    assert_eq!(judged.reasons.len(), 2);
}

#[test]
fn what_can_not_be_loaded_needs_nothing() {
    let arm = ElfFile {
        machine: "aarch64".to_owned(),
        ..module(&["libarm.so.1"])
    };
    let musl = module(&["libc.musl-x86_64.so.1"]);
    let object = module(&["libnone.so.1"]);
    let files = [
        ("opt/x/a.so", "a.whl", arm),
        ("opt/x/b.so", "a.whl", musl),
        ("opt/x/sample.bin", "a.whl", object),
    ];
    let (outside, findings) = resolved(&files, &[]);
    assert_eq!((outside, findings), (Outside::default(), Vec::new()));
}

#[test]
fn symbols_are_asked_for_of_the_library_that_may_have_them() {
    let mut file = with_nodes(
        module(&["libc.so.6", "libpq.so.5"]),
        "libc.so.6",
        &["GLIBC_2.14"],
    );
    let versioned = Some(("GLIBC_2.14".to_owned(), "libc.so.6".to_owned()));
    file.undefined.insert(Symbol {
        name: "memcpy".to_owned(),
        version: versioned,
    });
    file.undefined.insert(Symbol {
        name: "PQexec".to_owned(),
        version: None,
    });
    let (outside, _) = resolved(&[("opt/x/a.so", "a.whl", file)], &[]);
    let symbols = |name: &str| {
        outside.libraries[name]
            .symbols
            .iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(symbols("libc.so.6"), ["memcpy@GLIBC_2.14"]);
    assert_eq!(symbols("libpq.so.5"), ["PQexec"]);
}

#[test]
fn debian_gets_the_greatest_version_of_each_package() {
    let template = |text: &str, versions: &[&str], known: &[&str]| Template {
        text: text.to_owned(),
        versions: versions.iter().map(|text| (*text).to_owned()).collect(),
        known: known.iter().map(|text| (*text).to_owned()).collect(),
    };
    let has = |dependencies: Vec<Template>| Found {
        dependencies,
        ..Found::default()
    };
    let found = BTreeMap::from([
        (
            "libc.so.6".to_owned(),
            has(vec![
                template("libc6 #MINVER#", &["2.14", "2.2.5", "2.9"], &["2.2.5"]),
                template("libc6 (>> 2.36), libc6 (<< 2.37)", &[], &[]),
            ]),
        ),
        (
            "libm.so.6".to_owned(),
            has(vec![template("libc6 #MINVER#", &["2.29"], &["2.2.5"])]),
        ),
        (
            "libpq.so.5".to_owned(),
            has(vec![template("libpq5 #MINVER#", &[], &["9.0~", "10~~"])]),
        ),
        (
            "libold.so.1".to_owned(),
            has(vec![template("libold1 (>= 1:2.0)", &[], &[])]),
        ),
        (
            "libolder.so.1".to_owned(),
            has(vec![template("libold1", &[], &[])]),
        ),
        (
            "libany.so.1".to_owned(),
            has(vec![template("a1 | b1 (>= 2)", &[], &[])]),
        ),
    ]);
    let expected = [
        "a1 | b1 (>= 2)",
        "libc6 (<< 2.37)",
        "libc6 (>= 2.29)",
        "libc6 (>> 2.36)",
        "libold1 (>= 1:2.0)",
        "libpq5 (>= 9.0~)",
    ];
    assert_eq!(
        manager(Format::Deb)
            .depends(&Outside::default(), &found)
            .unwrap(),
        expected
    );
    let bad = BTreeMap::from([(
        "l".to_owned(),
        has(vec![template("l #MINVER#", &["a b"], &[])]),
    )]);
    assert!(
        manager(Format::Deb)
            .depends(&Outside::default(), &bad)
            .is_err()
    );
}

#[test]
fn rpm_gets_the_words_of_its_own_generator() {
    let file = with_nodes(
        module(&["libc.so.6", "libpq.so.5"]),
        "libc.so.6",
        &["GLIBC_2.14"],
    );
    let file = ElfFile {
        needs_gnu_hash: true,
        ..file
    };
    let (outside, _) = resolved(&[("opt/x/a.so", "a.whl", file)], &[]);
    let found = outside
        .libraries
        .keys()
        .map(|name| (name.clone(), Found::default()))
        .collect();
    assert_eq!(
        manager(Format::Rpm).depends(&outside, &found).unwrap(),
        [
            "libc.so.6()(64bit)",
            "libc.so.6(GLIBC_2.14)(64bit)",
            "libpq.so.5()(64bit)",
            "rtld(GNU_HASH)"
        ]
    );
}

#[test]
fn a_configured_dependency_decides_about_its_package() {
    let text = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let configured = text(&["libpq5 (>= 15)", "a | libssl3 (>= 3)", "python3.11"]);
    let computed = text(&["libc6 (>= 2.14)", "libpq5 (>= 9.0~)", "libssl3 (>= 3.0.0)"]);
    assert_eq!(beside(&configured, &computed), ["libc6 (>= 2.14)"]);
    let computed = text(&["libpq.so.5()(64bit)", "rtld(GNU_HASH)"]);
    assert_eq!(
        beside(&text(&["libpq", "libpq.so.5()(64bit)"]), &computed),
        ["rtld(GNU_HASH)"]
    );
}

/// A file of this machine, as if it were a bundle of its own.
fn of_this_machine(path: &str) -> (Outside, Vec<Finding>) {
    let mut content = fs_err::File::open(path).unwrap();
    let facts = Facts::read(path, &mut content).unwrap();
    let item = Item {
        path: path.trim_start_matches('/'),
        mode: 0o755,
        kind: ItemKind::File {
            size: 1,
            facts: &facts,
        },
        origin: "this machine",
    };
    let machine = Machine {
        name: std::env::consts::ARCH,
        glibc: None,
    };
    resolve(&[item], &machine)
}

/// What a tool prints, with what to install when it is not there.
fn tool(words: &[&str], package: &str) -> String {
    let output = Command::new(words[0])
        .args(&words[1..])
        .env("LC_ALL", "C")
        .output();
    let output =
        output.unwrap_or_else(|error| panic!("{}: {error}: apt-get install {package}", words[0]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn rpms_own_generator_says_the_same_of_real_files() {
    let python = fs_err::canonicalize("/usr/bin/python3").unwrap();
    let files = [
        "/bin/bash",
        "/usr/bin/dpkg",
        "/usr/bin/rpm",
        python.to_str().unwrap(),
    ];
    for path in files {
        let text = tool(&["/usr/lib/rpm/elfdeps", "--requires", path], "rpm");
        let expected: BTreeSet<&str> = text.lines().collect();
        let (outside, findings) = of_this_machine(path);
        assert_eq!(findings, []);
        let found = outside
            .libraries
            .keys()
            .map(|name| (name.clone(), Found::default()))
            .collect();
        let depends = manager(Format::Rpm).depends(&outside, &found).unwrap();
        let depends: BTreeSet<&str> = depends.iter().map(String::as_str).collect();
        assert!(!expected.is_empty());
        assert_eq!(depends, expected, "{path}");
    }
}

/// What the step and this machine's dpkg answer.
fn asked_here(outside: &Outside) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let question = folder.path().join("question.json");
    let text = serde_json::to_vec(&Question::new("dpkg", outside, true)).unwrap();
    fs_err::write(&question, text).unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/images/steps/find_libraries.py"
    );
    let text = tool(
        &["/usr/bin/python3", script, question.to_str().unwrap()],
        "python3",
    );
    Answer::parse(&text).unwrap()
}

#[test]
fn debians_own_generator_says_the_same_of_real_files() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("debian")).unwrap();
    let control = "Source: x\n\nPackage: x\nArchitecture: any\n";
    fs_err::write(folder.path().join("debian/control"), control).unwrap();
    let python = fs_err::canonicalize("/usr/bin/python3").unwrap();
    let files = [
        "/bin/bash",
        "/usr/bin/dpkg",
        "/usr/bin/rpm",
        python.to_str().unwrap(),
    ];
    for path in files {
        let output = Command::new("dpkg-shlibdeps")
            .args(["-O", path])
            .current_dir(folder.path())
            .output()
            .expect("dpkg-shlibdeps is there: apt-get install dpkg-dev");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = text
            .trim()
            .strip_prefix("shlibs:Depends=")
            .unwrap_or_else(|| {
                panic!("{path}: {}", String::from_utf8_lossy(&output.stderr));
            });
        let expected: BTreeSet<&str> = expected.split(", ").collect();
        let (outside, _) = of_this_machine(path);
        let answer = asked_here(&outside);
        let depends = manager(Format::Deb)
            .depends(&outside, &answer.libraries)
            .unwrap();
        let depends: BTreeSet<&str> = depends.iter().map(String::as_str).collect();
        assert_eq!(depends, expected, "{path}");
    }
}

#[test]
fn the_step_knows_what_nobody_has() {
    let (mut outside, _) = of_this_machine("/bin/bash");
    outside
        .libraries
        .insert("libnobody.so.9".to_owned(), Wanted::default());
    let user = User {
        path: "bin/bash".to_owned(),
        origin: "this machine".to_owned(),
    };
    let libc = outside.libraries.get_mut("libc.so.6").unwrap();
    libc.versions.insert("GLIBC_9.99".to_owned(), user);
    let answer = asked_here(&outside);
    assert!(!answer.libraries.contains_key("libnobody.so.9"));
    assert_eq!(answer.libraries["libc.so.6"].package, "libc6");
    assert_eq!(answer.libraries["libc.so.6"].lacks, ["GLIBC_9.99"]);
}
