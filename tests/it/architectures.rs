//! Platforms on several architectures: which are planned, under which names, and what is told of an
//! engine that can't make them.

use serde_json::{Value, json};

use crate::support::{TestProject, architectures};

/// Platform and architecture of each part of a plan, in its order.
#[track_caller]
fn planned(project: &TestProject, words: &[&str]) -> Vec<String> {
    let result = project.run(&[&["plan", "--json"], words].concat()).result();
    let text = |part: &Value, name: &str| part[name].as_str().unwrap().to_owned();
    let parts = result.as_array().unwrap().iter();
    parts
        .map(|part| format!("{} {}", text(part, "platform"), text(part, "architecture")))
        .collect()
}

#[test]
fn each_platform_is_planned_for_each_architecture() {
    let text = TestProject::new()
        .run(&["plan", "-s", "debian-12,rocky-9", "--arch", "amd64,arm64"])
        .success();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("  ") || line.starts_with("  ->"))
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        lines,
        [
            "mytool 1.4.2",
            "debian-12",
            "  -> python-mytool_1.4.2-1+deb12_amd64.deb",
            "  -> mytool-cli_1.4.2-1+deb12_all.deb",
            "debian-12/arm64",
            "  -> python-mytool_1.4.2-1+deb12_arm64.deb",
            "  -> mytool-cli_1.4.2-1+deb12_all.deb",
            "rocky-9",
            "  -> python-mytool-1.4.2-1.el9.x86_64.rpm",
            "  -> mytool-cli-1.4.2-1.el9.noarch.rpm",
            "rocky-9/arm64",
            "  -> python-mytool-1.4.2-1.el9.aarch64.rpm",
            "  -> mytool-cli-1.4.2-1.el9.noarch.rpm",
        ]
    );
}

#[test]
fn the_architecture_is_named_by_the_platform_the_command_line_its_table_or_the_project() {
    let (own, _) = architectures();
    let own = format!("debian-13 {own}");
    let project = TestProject::new();
    assert_eq!(planned(&project, &["-s", "debian-13"]), [own.as_str()]);
    let project = project.file(
        "omnibuild.toml",
        "platforms = [\"debian-12\", \"debian-13\"]\narchitectures = [\"arm64\"]\n\
         [platform.debian-13]\narchitectures = [\"amd64\", \"arm64\"]\n",
    );
    for (words, expected) in [
        (
            &[][..],
            &["debian-12 arm64", "debian-13 amd64", "debian-13 arm64"][..],
        ),
        (
            &["--arch", "x86_64"],
            &["debian-12 amd64", "debian-13 amd64"],
        ),
        (
            &["-s", "bookworm/amd64", "-s", "debian-12", "--arch", "arm64"],
            &["debian-12 amd64", "debian-12 arm64"],
        ),
        (&["-s", "debian-12/arm64,debian-12"], &["debian-12 arm64"]),
    ] {
        assert_eq!(planned(&project, words), expected, "{words:?}");
    }
}

#[test]
fn what_is_no_architecture_is_told_with_those_that_are() {
    let project = TestProject::new();
    let outcome = project.run(&["plan", "--arch", "vax"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("write `amd64` or `arm64`"),
        "{outcome:?}"
    );
    let failure = project.run(&["plan", "-s", "debian-12/vax"]).failure(8);
    assert!(failure.message.contains("`vax`"), "{failure:?}");
    for (text, place) in [
        ("architectures = []\n", "architectures: the list is empty"),
        (
            "[platform.debian-12]\narchitectures = []\n",
            "platform.debian-12.architectures: the list is empty",
        ),
        ("architectures = [\"vax\"]\n", "vax"),
    ] {
        let project = TestProject::new().file("omnibuild.toml", text);
        let failure = project.run(&["plan"]).failure(2);
        assert!(failure.message.contains(place), "{failure:?}");
    }
}

#[test]
fn nothing_of_one_architecture_decides_on_another() {
    let project = TestProject::new();
    let words = ["cache", "why", "--json", "-s", "debian-12"];
    let result = project.run(&[&words[..], &["--arch", "amd64,arm64"]].concat());
    let result = result.result();
    let of = |number: usize| (&result[number]["platform"], &result[number]["architecture"]);
    assert_eq!(of(0), (&json!("debian-12"), &json!("amd64")));
    assert_eq!(of(1), (&json!("debian-12"), &json!("arm64")));
}

#[test]
fn a_matrix_has_a_job_for_each_architecture() {
    let project = TestProject::new();
    let words = ["matrix", "-s", "debian-12", "--arch", "amd64,arm64"];
    let text = project.run(&words).success();
    let value: Value = serde_json::from_str(&text).unwrap();
    let job = |arch: &str| json!({"platform": "debian-12", "format": "deb", "python": "3.11", "architecture": arch});
    assert_eq!(value, json!({"include": [job("amd64"), job("arm64")]}));
    let text = project
        .run(&[&words[..], &["--format", "gitlab"]].concat())
        .success();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value[".omnibuild"]["parallel"]["matrix"],
        json!([
            {"PLATFORM": ["debian-12"], "ARCHITECTURE": ["amd64"]},
            {"PLATFORM": ["debian-12"], "ARCHITECTURE": ["arm64"]},
        ])
    );
}
