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
        let is_release = row["support"] != "no release";
        assert_eq!(
            date.parse::<jiff::civil::Date>().is_ok(),
            is_release,
            "{row}"
        );
        assert!(row["glibc"].as_str().unwrap().starts_with("2."), "{row}");
    }
    let find = |id: &str| rows.iter().find(|row| row["platform"] == id).unwrap();
    let xenial = find("ubuntu-16.04");
    assert_eq!(
        [
            &xenial["python"],
            &xenial["default python"],
            &xenial["glibc"]
        ],
        ["3.5", "3.13", "2.23"]
    );
    assert_eq!(find("debian-12")["default python"], "system");
    assert_eq!(find("debian-sid")["support"], "no release");
}

#[test]
fn what_is_past_its_end_of_life_is_warned_of() {
    let project = TestProject::new();
    let output = project.command(&["platforms"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("past their end of life: ") && said.contains("debian-8"),
        "{said}"
    );
    assert!(
        !said.contains("debian-12") && !said.contains("debian-sid"),
        "{said}"
    );
    // No engine answers; what is said before is enough.
    let build = |words: &[&str]| {
        let output = project.command(words).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let said = build(&["--sysbase", "centos-7,debian-12,centos-7"]);
    let warning = "CentOS 7 is past its end of life since 2024-06-30";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert_eq!(said.matches("end of life").count(), 1, "{said}");
    assert!(said.contains("rocky-9") || said.contains("move"), "{said}");
}

#[test]
fn a_platform_is_added_once_and_planned() {
    let own = "# ours\n[aliases]\nacme = \"acme-1\"   # kept\n\n[platform.acme-1]\nlike = \"debian-12\"\n";
    let project = TestProject::new().file("platforms.toml", own);
    let add = ["platforms", "add", "ubuntu-26.10", "--like", "ubuntu-26.04"];
    let before = project.tree();
    let dry = project.run(&[&add[..], &["--dry-run"]].concat()).success();
    assert!(dry.contains("[platform.\"ubuntu-26.10\"]"), "{dry}");
    assert_eq!(project.tree(), before);

    let output = project.command(&add).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for what in [
        "end-of-life",
        "python",
        "glibc",
        "suite",
        "images/ubuntu-26.10/Dockerfile",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let table = fs_err::read_to_string(project.root().join("platforms.toml")).unwrap();
    let added = table.strip_prefix(own).unwrap();
    for line in [
        "[platform.\"ubuntu-26.10\"]",
        "like = \"ubuntu-26.04\"",
        "title = \"Ubuntu 26.10\"",
        "image = \"ubuntu:26.10\"",
        "suffix = \"+ubuntu26.10\"",
        "[platform.\"ubuntu-26.10\".bootstrap]",
        "suite = \"NAME-OF-26.10\"",
    ] {
        assert!(
            added.lines().any(|it| it.starts_with(line)),
            "{line}: {added}"
        );
    }
    let dockerfile =
        fs_err::read_to_string(project.root().join("images/ubuntu-26.10/Dockerfile")).unwrap();
    assert!(
        dockerfile.starts_with("# Ubuntu 26.10: builder "),
        "{dockerfile}"
    );

    let plan = project.run(&["plan", "-s", "ubuntu-26.10,acme"]).success();
    let (deb, _) = crate::support::architectures();
    assert!(
        plan.contains(&format!("_1.4.2-1+ubuntu26.10_{deb}.deb")),
        "{plan}"
    );
    let before = project.tree();
    let failure = project.run(&add).failure(2);
    assert_eq!(
        failure.message,
        "there is a platform `ubuntu-26.10` already"
    );
    assert_eq!(project.tree(), before);
}

#[test]
fn what_is_like_none_or_has_no_good_name_is_not_added() {
    let project = TestProject::new().file("images/acme-2/Dockerfile", "FROM x\n");
    let before = project.tree();
    for (name, like, code, said) in [
        ("acme-1", "debain-12", 8, "unknown platform `debain-12`"),
        ("Acme 1", "debian-12", 2, "`Acme 1` is not a platform name"),
        (
            "bookworm",
            "debian-11",
            2,
            "there is a platform `bookworm` already",
        ),
        ("acme-2", "debian-12", 2, "Dockerfile` is there already"),
    ] {
        let failure = project
            .run(&["platforms", "add", name, "--like", like])
            .failure(code);
        assert!(failure.message.contains(said), "{failure:?}");
        assert!(!failure.hints.is_empty(), "{failure:?}");
    }
    assert_eq!(project.tree(), before);
}

#[test]
fn platforms_need_no_project() {
    let here = TestProject::empty().run(&["platforms"]).success();
    assert_eq!(here, TestProject::new().run(&["platforms"]).success());
}

#[test]
fn a_python_that_can_not_be_made_is_refused_before_anything_is_done() {
    let project = TestProject::empty();
    let build = |words: &[&str]| project.run(&[&["python", "build"], words].concat());
    let unknown = build(&["2.7", "--platform", "debian-12"]).failure(2);
    assert!(unknown.hints[0].contains("3.13"), "{unknown:?}");
    drop(build(&["3.13", "--platform", "nowhere-1"]).failure(8));
    let glibc = ["3.13", "--platform", "debian-12", "--glibc", "new"];
    assert!(build(&glibc).failure(2).hints[0].contains("`2.17`"));
    let folder = project.path("tmp").display().to_string();
    let sources = ["3.13", "--platform", "debian-12", "--sources", &folder];
    let missing = build(&sources).failure(9);
    // Which file it is, what it must be, and where it is to be had.
    for words in ["bzip2_1.0.8", "ab5a03176ee1", "https://"] {
        let said = [&missing.message, &missing.hints[0]];
        assert!(said.iter().any(|it| it.contains(words)), "{missing:?}");
    }
    let dry = build(&["3.13", "--platform", "debian-12", "--dry-run"]).success();
    assert_eq!(dry, "");
    assert!(project.tree().is_empty());
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
