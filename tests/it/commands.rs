//! The smaller commands: platforms, completions, manual pages, init, doctor.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use omnibuild::error::Kind;

use crate::support::{NO_ENGINE, PYPROJECT, TestProject};

/// Names of the commands that users see.
fn command_names() -> Vec<String> {
    let program = omnibuild::cli::Cli::command();
    let names: Vec<String> = program
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert!(names.contains(&"plan".to_owned()), "{names:?}");
    names
}

#[test]
fn platforms_are_listed_with_the_end_of_their_support() {
    let project = TestProject::new();
    let text = project.run(&["platforms"]).success();
    let row = |id: &str| {
        text.lines()
            .find(|line| line.starts_with(id))
            .unwrap()
            .to_owned()
    };
    assert!(
        row("centos-7").contains("2024-06-30   past its end of life"),
        "{text}"
    );
    assert!(row("debian-12").contains("2028-06-30"), "{text}");
    let result = project.run(&["platforms", "--json"]).result();
    let rows = result.as_array().unwrap();
    assert_eq!(rows.len(), text.lines().count() - 2, "{text}");
    for row in rows {
        let date = row["end of life"].as_str().unwrap();
        assert!(date.parse::<jiff::civil::Date>().is_ok(), "{row}");
    }
}

#[test]
fn platforms_need_no_project() {
    let here = TestProject::empty().run(&["platforms"]).success();
    assert_eq!(here, TestProject::new().run(&["platforms"]).success());
}

#[test]
fn completions_name_every_command() {
    let project = TestProject::empty();
    for shell in ["bash", "zsh", "fish"] {
        let text = project.run(&["completions", shell]).success();
        for name in command_names() {
            assert!(text.contains(&name), "{shell} does not complete {name}");
        }
        assert!(
            text.contains("sysbase") && text.contains("fail-fast"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_written_for_the_program_and_every_command() {
    let project = TestProject::empty();
    drop(project.run(&["man", "share/man1"]).success());
    let folder = project.root().join("share/man1");
    let written: BTreeSet<String> = fs_err::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: BTreeSet<String> = command_names()
        .iter()
        .map(|name| format!("omnibuild-{name}.1"))
        .collect();
    expected.insert("omnibuild.1".to_owned());
    assert_eq!(written, expected);
    for name in written {
        let page = fs_err::read_to_string(folder.join(&name)).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH NAME"), "{name}");
    }
}

#[test]
fn the_manual_has_every_exit_code() {
    let text = TestProject::empty().run(&["--help"]).success();
    for kind in Kind::ALL {
        let line = format!("{:>3}  {}", kind.exit_code(), kind.meaning());
        assert!(text.contains(&line), "`{line}` is not in:\n{text}");
    }
}

#[test]
fn the_file_of_init_is_a_configuration_that_plans() {
    let with_source = TestProject::new();
    let with_list = TestProject::empty().file("requirements.txt", "project==1.0\n");
    for project in [with_source, with_list] {
        let outcome = project.run(&["init"]);
        assert!(
            outcome.stderr.contains("wrote `./omnibuild.toml`"),
            "{outcome:?}"
        );
        drop(outcome.success());
        let text = project.run(&["plan"]).success();
        assert!(text.contains("\ndebian-12\n"), "{text}");
    }
}

#[test]
fn init_says_the_projects_own_names() {
    let project = TestProject::empty().file("pyproject.toml", PYPROJECT);
    drop(project.run(&["init"]).success());
    let text = fs_err::read_to_string(project.root().join("omnibuild.toml")).unwrap();
    assert!(text.contains("# name = \"mytool\"\n"), "{text}");
    assert!(
        text.contains("links = { \"/usr/bin\" = [\"mytool\"] }"),
        "{text}"
    );
}

#[test]
fn doctor_without_an_engine_says_what_to_do() {
    // Without programs of this machine: what it finds must not depend on them, and the index is
    // asked through Python.
    let project = TestProject::new();
    let nowhere = project.path("tmp");
    let project = project.env("PATH", nowhere);
    let before = project.tree();
    let outcome = project.run(&["doctor", "--json"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let objects: Vec<serde_json::Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let rows = objects[0]["result"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["check"].as_str().unwrap())
        .collect();
    for name in [
        "engine",
        "cache",
        "project",
        "bootstrap",
        "mirror",
        "certificates",
        "index",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let engine = rows.iter().find(|row| row["check"] == "engine").unwrap();
    assert_eq!(engine["result"], "bad");
    assert!(
        engine["found"].as_str().unwrap().contains(NO_ENGINE),
        "{engine}"
    );
    assert!(
        engine["what to do"]
            .as_str()
            .unwrap()
            .contains("start the engine"),
        "{engine}"
    );
    let bootstrap = rows.iter().find(|row| row["check"] == "bootstrap").unwrap();
    assert!(
        bootstrap["what to do"]
            .as_str()
            .unwrap()
            .contains("install mmdebstrap"),
        "{bootstrap}"
    );
    assert_eq!(objects[1]["message"], "not in order: engine");
    assert_eq!(project.tree(), before);
    let text = project.run(&["doctor"]);
    assert!(text.stdout.contains("start the engine"), "{text:?}");
    assert_eq!(
        text.failure(3).hints,
        ["the table says what to do about each"]
    );
}

#[test]
fn the_version_is_the_packages() {
    let text = TestProject::empty().run(&["--version"]).success();
    assert_eq!(text, format!("omnibuild {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn named_packages_are_looked_at_in_any_folder() {
    let project = TestProject::empty().file("acme_1-1+deb12_all.deb", "!<arch>\n");
    let before = project.tree();
    let outcome = project.run(&["lint", "--dry-run", "acme_1-1+deb12_all.deb"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let said = outcome.stdout + &outcome.stderr;
    assert!(said.contains("would look at "), "{said}");
    // What can't be reached here is the engine, and no project is missed.
    let outcome = project.run(&["lint", "acme_1-1+deb12_all.deb"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let project_tree = |tree: BTreeMap<String, _>| -> Vec<String> {
        let names = tree.into_keys();
        names.filter(|name| name.starts_with("project")).collect()
    };
    assert_eq!(project_tree(project.tree()), project_tree(before));
    let said = project.run(&["lint", "nowhere.deb"]).failure(9).message;
    assert!(said.contains("there is no file `nowhere.deb`"), "{said}");
    // Those of the last build are a project's.
    let outcome = project.run(&["lint"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
}
