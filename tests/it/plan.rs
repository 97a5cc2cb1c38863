//! `omnibuild plan` and `--dry-run`: what would be done, in words and as JSON, with nothing
//! changed.

use std::collections::BTreeSet;

use crate::support::{TestProject, architectures};

/// The platforms of a plan, in its order.
#[track_caller]
fn platforms(project: &TestProject, words: &[&str]) -> Vec<String> {
    let result = project.run(&[&["plan", "--json"], words].concat()).result();
    let forecasts = result.as_array().unwrap_or_else(|| panic!("{result}"));
    forecasts
        .iter()
        .map(|forecast| forecast["platform"].as_str().unwrap().to_owned())
        .collect()
}

/// The files of the first platform of a plan.
#[track_caller]
fn files(project: &TestProject, words: &[&str]) -> Vec<String> {
    let result = project.run(&[&["plan", "--json"], words].concat()).result();
    let files = result[0]["files"]
        .as_array()
        .unwrap_or_else(|| panic!("{result}"));
    files
        .iter()
        .map(|file| file.as_str().unwrap().to_owned())
        .collect()
}

/// The platforms that `omnibuild platforms` lists, with `living` or not.
fn listed(project: &TestProject) -> Vec<(String, bool)> {
    let result = project.run(&["platforms", "--json"]).result();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    result
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "platform"), text(row, "support") == "living"))
        .collect()
}

#[test]
fn a_project_table_alone_is_planned_without_configuration() {
    let (deb, rpm) = architectures();
    let text = TestProject::new()
        .run(&["plan", "--sysbase", "debian-12,rocky-9"])
        .success();
    let expected = format!(
        "\
mytool 1.4.2

debian-12
  base      get: `debian:12` is pulled, else bootstrapped
  image     build: there is no base yet
  wheels    make: there is no builder yet
  packages  write: this platform was not built before
  -> python-mytool_1.4.2-1+deb12_{deb}.deb
  -> mytool-cli_1.4.2-1+deb12_all.deb

rocky-9
  base      get: `rockylinux/rockylinux:9` is pulled
  image     build: there is no base yet
  wheels    make: there is no builder yet
  packages  write: this platform was not built before
  -> python-mytool-1.4.2-1.el9.{rpm}.rpm
  -> mytool-cli-1.4.2-1.el9.noarch.rpm
"
    );
    assert_eq!(text, expected);
}

#[test]
fn what_may_have_no_commands_is_planned_with_the_condition() {
    let text = TestProject::empty()
        .file(
            "omnibuild.toml",
            "name = \"idna\"\nrequirements = [\"r.txt\"]\n",
        )
        .file("r.txt", "idna==3.10\n")
        .run(&["plan", "--sysbase", "debian-12"])
        .success();
    let line = "  -> idna-cli_3.10.0-1+deb12_all.deb (if there are commands)\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_plan_is_the_same_as_json() {
    let (deb, _) = architectures();
    let result = TestProject::new()
        .run(&["plan", "--json", "--sysbase", "debian-12"])
        .result();
    let step = |stage: &str, action: &str, why: &str| serde_json::json!({ "stage": stage, "action": action, "why": why });
    assert_eq!(
        result,
        serde_json::json!([{
            "platform": "debian-12",
            "architecture": deb,
            "up_to_date": false,
            "steps": [
                step("base", "get", "`debian:12` is pulled, else bootstrapped"),
                step("image", "build", "there is no base yet"),
                step("wheels", "make", "there is no builder yet"),
                step("packages", "write", "this platform was not built before"),
            ],
            "files": [
                format!("python-mytool_1.4.2-1+deb12_{deb}.deb"),
                "mytool-cli_1.4.2-1+deb12_all.deb",
            ],
            "files_for_commands": [],
        }])
    );
}

#[test]
fn platforms_are_named_by_commas_repetition_alias_and_only_once() {
    let project = TestProject::new();
    assert_eq!(
        platforms(&project, &["-s", "rocky-9,debian-12"]),
        ["rocky-9", "debian-12"]
    );
    assert_eq!(
        platforms(&project, &["-s", "rocky-9", "-s", "debian-12"]),
        ["rocky-9", "debian-12"]
    );
    assert_eq!(
        platforms(&project, &["-s", "debian-12,bookworm, debian-12,"]),
        ["debian-12"]
    );
}

#[test]
fn ubuntu_is_the_newest_release_with_long_term_support() {
    let project = TestProject::new();
    let newest = listed(&project)
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| id.starts_with("ubuntu-") && id.ends_with(".04"))
        .max()
        .unwrap();
    assert_eq!(platforms(&project, &["-s", "ubuntu"]), [newest]);
}

#[test]
fn an_empty_sysbase_means_every_living_platform_and_all_means_all() {
    let project = TestProject::new();
    let listed = listed(&project);
    let living: Vec<String> = listed
        .iter()
        .filter(|(_, living)| *living)
        .map(|(id, _)| id.clone())
        .collect();
    let all: Vec<String> = listed.into_iter().map(|(id, _)| id).collect();
    // CentOS 7 ended in 2024, and debian-12 is there long after this was written.
    assert!(
        living.len() < all.len() && !living.is_empty(),
        "{living:?} of {all:?}"
    );
    assert_eq!(platforms(&project, &[]), living);
    assert_eq!(platforms(&project, &["--all"]), all);
    let empty = TestProject::new().env("SYSBASE", "");
    assert_eq!(platforms(&empty, &[]), living);
    let named = TestProject::new().env("SYSBASE", "centos-7,debian-12");
    assert_eq!(platforms(&named, &[]), ["centos-7", "debian-12"]);
    assert_eq!(platforms(&named, &["-s", "rocky-9"]), ["rocky-9"]);
}

#[test]
fn the_projects_own_list_is_the_default() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "platforms = [\"centos-7\", \"bookworm\"]\n",
    );
    assert_eq!(platforms(&project, &[]), ["centos-7", "debian-12"]);
    assert_eq!(platforms(&project, &["-s", "rocky-9"]), ["rocky-9"]);
    assert!(platforms(&project, &["--all"]).len() > 2);
}

#[test]
fn the_own_file_wins_over_pyproject_key_by_key() {
    let (deb, _) = architectures();
    let pyproject = "[project]\nname = \"mytool\"\nversion = \"1.4.2\"\n\
                     [tool.omnibuild]\nvendor = \"acme\"\nname = \"other\"\n";
    let project = TestProject::empty()
        .file("pyproject.toml", pyproject)
        .file("omnibuild.toml", "name = \"flocker\"\n");
    // Nothing that is installed is named `flocker`, so there are no commands to link.
    assert_eq!(
        files(&project, &["-s", "debian-12"]),
        [format!("acme-python-flocker_1.4.2-1+deb12_{deb}.deb")]
    );
}

#[test]
fn every_table_of_packages_is_a_package_of_its_own() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "vendor = \"acme\"\n[packages.cli]\nlinks = { \"/usr/bin\" = [\"mytool\"] }\n\
         [packages.node]\nlinks = { \"/usr/sbin\" = [\"mytool-agent\"] }\n",
    );
    let files = files(&project, &["-s", "rocky-9"]);
    assert_eq!(files.len(), 3);
    assert_eq!(
        files[1..],
        [
            "acme-mytool-cli-1.4.2-1.el9.noarch.rpm",
            "acme-mytool-node-1.4.2-1.el9.noarch.rpm"
        ]
    );
}

#[test]
fn a_platforms_table_changes_that_platform_alone() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[platform.debian-12]\nimage = \"registry.example/debian:12\"\n",
    );
    let result = project
        .run(&["plan", "--json", "-s", "debian-12,debian-13"])
        .result();
    assert_eq!(
        result[0]["steps"][0]["why"],
        "`registry.example/debian:12` is pulled, else bootstrapped"
    );
    assert_eq!(
        result[1]["steps"][0]["why"],
        "`debian:13` is pulled, else bootstrapped"
    );
}

#[test]
fn a_platforms_own_requirements_are_read_in_place_of_the_projects() {
    let project = TestProject::empty()
        .file(
            "omnibuild.toml",
            "name = \"web\"\nrequirements = [\"new.txt\"]\n\
             [platform.centos-7]\nrequirements = [\"old.txt\"]\n",
        )
        .file("new.txt", "web==2.0\n");
    let failure = project.run(&["plan", "-s", "centos-7"]).failure(9);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:4:17: requirement file `old.txt` does not exist"
    );
}

#[test]
fn a_bare_list_has_the_version_that_it_pins() {
    let (deb, _) = architectures();
    let project = TestProject::empty()
        .file(
            "omnibuild.toml",
            "name = \"httpie\"\nrequirements = [\"reqs.txt\"]\n",
        )
        .file("reqs.txt", "-r pins.txt\n")
        .file(
            "pins.txt",
            "# tools\nHTTPie==3.2.4 ; python_version >= '3.7'\nrequests==2.32.3\n",
        );
    assert_eq!(
        files(&project, &["-s", "debian-12"])[0],
        format!("python-httpie_3.2.4-1+deb12_{deb}.deb")
    );
}

#[test]
fn a_project_whose_backend_decides_has_an_incomplete_plan() {
    let text = "[build-system]\nrequires = [\"setuptools\"]\n\
                [project]\nname = \"mytool\"\ndynamic = [\"version\"]\n";
    let project = TestProject::empty().file("pyproject.toml", text);
    let result = project
        .run(&["plan", "--json", "-s", "debian-12,centos-7"])
        .result();
    assert_eq!(
        result,
        serde_json::json!({ "complete": false, "platforms": ["debian-12", "centos-7"] })
    );
    let text = project.run(&["plan", "-s", "debian-12"]).success();
    assert!(
        text.starts_with("debian-12: the project's build backend decides"),
        "{text}"
    );
    let legacy = TestProject::empty().file("setup.py", "from setuptools import setup\nsetup()\n");
    let result = legacy.run(&["plan", "--json", "-s", "debian-12"]).result();
    assert_eq!(result["complete"], false);
}

#[test]
fn a_tag_overrides_every_other_version() {
    let (deb, rpm) = architectures();
    let project = TestProject::new().file("omnibuild.toml", "version = \"9\"\n");
    assert_eq!(
        files(&project, &["-s", "debian-12"])[0],
        format!("python-mytool_9.0.0-1+deb12_{deb}.deb")
    );
    let words = ["-s", "debian-12", "--tag", "2.0rc1"];
    assert_eq!(
        files(&project, &words)[0],
        format!("python-mytool_2.0.0~rc1-1+deb12_{deb}.deb")
    );
    let words = ["-s", "rocky-9", "--tag", "2.0rc1"];
    assert_eq!(
        files(&project, &words)[0],
        format!("python-mytool-2.0.0~rc1-1.el9.{rpm}.rpm")
    );
}

#[test]
fn a_tagged_commit_is_the_version_of_a_list() {
    let (deb, _) = architectures();
    let project = TestProject::empty()
        .file(
            "omnibuild.toml",
            "name = \"web\"\nrequirements = [\"reqs.txt\"]\n",
        )
        .file("reqs.txt", "httpx==0.28.1\n");
    project.git(&["init", "--quiet"]);
    project.git(&["add", "--all"]);
    project.git(&["commit", "--quiet", "--message", "pins"]);
    project.git(&["tag", "--annotate", "v3.1.4", "--message", "release"]);
    assert_eq!(
        files(&project, &["-s", "debian-12"])[0],
        format!("python-web_3.1.4-1+deb12_{deb}.deb")
    );
    // A commit later the version sorts after the tag's.
    project.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    let later = files(&project, &["-s", "debian-12"]).remove(0);
    assert!(
        later.starts_with("python-web_3.1.") && !later.contains("_3.1.4-1"),
        "{later}"
    );
}

#[test]
fn a_projects_platform_is_planned_like_a_shipped_one() {
    let (deb, _) = architectures();
    let project = TestProject::new().file(
        "platforms.toml",
        "[platform.acme-1]\nlike = \"debian-12\"\nsuffix = \"+acme1\"\n",
    );
    assert_eq!(
        files(&project, &["-s", "acme-1"])[0],
        format!("python-mytool_1.4.2-1+acme1_{deb}.deb")
    );
}

#[test]
fn a_dry_run_changes_nothing_on_any_command() {
    let project = TestProject::new();
    let before = project.tree();
    assert!(before.contains_key("project/pyproject.toml"), "{before:?}");
    let commands: [&[&str]; 9] = [
        &["--dry-run", "-s", "debian-12"],
        &[
            "build",
            "--dry-run",
            "-s",
            "debian-12",
            "--no-verify",
            "--refresh-base",
        ],
        &["plan", "--dry-run", "--all"],
        &["verify", "--dry-run", "-s", "debian-12"],
        &["init", "--dry-run"],
        &["man", "--dry-run", "pages"],
        &["completions", "--dry-run", "bash"],
        &["platforms", "--dry-run"],
        &["--dry-run", "--failed"],
    ];
    let mut said = BTreeSet::new();
    for words in commands {
        let outcome = project.run(words);
        assert_eq!(outcome.code, Some(0), "{words:?}: {}", outcome.stderr);
        said.insert(outcome.stdout + &outcome.stderr);
        assert_eq!(project.tree(), before, "{words:?}");
    }
    assert!(!said.contains(""), "a dry run that says nothing");
}

#[test]
fn a_dry_verification_says_what_it_would_need() {
    let outcome = TestProject::new().run(&["verify", "--dry-run", "-s", "debian-12"]);
    assert_eq!(outcome.code, Some(0));
    let said = outcome.stdout + &outcome.stderr;
    assert!(said.contains("debian-12"), "{said}");
    assert!(said.contains("would have to be built first"), "{said}");
}

#[test]
fn a_dry_build_says_what_the_plan_says() {
    let project = TestProject::new();
    let plan = project.run(&["plan", "-s", "debian-12"]).success();
    assert_eq!(
        project.run(&["--dry-run", "-s", "debian-12"]).success(),
        plan
    );
}

#[test]
fn a_bundle_of_another_name_links_the_project_s_commands() {
    let (_, rpm) = architectures();
    let project = TestProject::new().file("omnibuild.toml", "name = \"watcher\"\n");
    assert_eq!(
        files(&project, &["-s", "rocky-9"]),
        [
            format!("python-watcher-1.4.2-1.el9.{rpm}.rpm"),
            "watcher-cli-1.4.2-1.el9.noarch.rpm".to_owned(),
        ]
    );
}

#[test]
fn a_python_of_the_platform_is_named_by_its_version() {
    let project = TestProject::new().file("omnibuild.toml", "python = \"system-2.7\"\n");
    project.run(&["plan", "-s", "ubuntu-18.04"]).success();
    let failure = project.run(&["plan", "-s", "debian-12"]).failure(8);
    assert!(
        failure
            .message
            .ends_with("1:1: python: debian-12 has no Python 2.7"),
        "{failure:?}"
    );
    assert_eq!(failure.hints[0], "it has `system-3.11`");
    let usual = project.file("omnibuild.toml", "python = \"system-3.11\"\n");
    usual.run(&["plan", "-s", "debian-12"]).success();
}

#[test]
fn one_bundle_is_made_on_the_oldest_platform_of_the_project() {
    let digest = "cefba034445d2875408d1fd4d5700ae6731563aeb54dcb39fd8164ab5c457533";
    let configuration =
        "platforms = [\"debian-12\", \"debian-11\", \"rocky-9\"]\npython = \"3.13\"\n";
    let archive = format!("{{ path = \"python.tar.gz\", sha256 = \"{digest}\" }}");
    let archives = format!("[python.archive.\"3.13\"]\namd64 = {archive}\narm64 = {archive}\n");
    let project = TestProject::new()
        .file("platforms.toml", &archives)
        .file("omnibuild.toml", configuration);
    let text = project
        .run(&["plan", "--sysbase", "debian-12,debian-11"])
        .success();
    let (newer, older) = text.split_once("\ndebian-11\n").unwrap();
    let python = format!(
        "python    bring: Python 3.13 of its own ({})",
        &digest[..12]
    );
    let share = "bundle    share: it is made on debian-11";
    assert!(newer.contains(share) && !older.contains("share"), "{text}");
    assert!(newer.contains(&python) && older.contains(&python), "{text}");

    // A platform that bundles something else makes its own.
    let other = format!("{configuration}[platform.rocky-9]\npython = \"system\"\n");
    let project = project.file("omnibuild.toml", &other);
    let text = project.run(&["plan", "--sysbase", "rocky-9"]).success();
    assert!(!text.contains("share") && !text.contains("bring"), "{text}");

    // One that is named makes it, if it can.
    let named = format!("made-on = \"rocky-9\"\n{configuration}");
    let project = project.file("omnibuild.toml", &named);
    let text = project.run(&["plan", "--sysbase", "debian-12"]).success();
    assert!(text.contains("share: it is made on rocky-9"), "{text}");
    let failure = project.run(&["plan", "--sysbase", "debian-11"]).failure(2);
    let said = "omnibuild.toml:1:1: made-on: rocky-9 has the C library 2.34, which is newer than 2.31 of debian-11";
    assert!(failure.message.contains(said), "{failure:?}");
}

#[test]
fn a_python_that_nobody_has_is_refused_with_those_that_are_known() {
    let project = TestProject::new().file("omnibuild.toml", "python = \"3.7\"\n");
    let failure = project.run(&["plan", "--sysbase", "debian-12"]).failure(2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:1: python: no archive of a standalone Python 3.7 is known"
    );
    let hints = failure.hints.join("\n");
    assert!(
        hints.contains("known are ") && hints.contains("3.13"),
        "{hints}"
    );
    assert!(hints.contains("[python.archive."), "{hints}");
}
