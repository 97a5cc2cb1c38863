//! `omnibuild matrix`, and the README's workflows that use it: they are YAML, every command in them
//! is one of the program, and the matrix has the shape that they read.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use clap::Parser;
use omnibuild::cli::Cli;
use serde_json::{Value, json};

use crate::support::{TestProject, architectures};

const README: &str = include_str!("../../README.md");
const GITHUB: &str = ".github/workflows/packages.yml";
const GITLAB: &str = ".gitlab-ci.yml";
const GITLAB_CHILD: &str = ".gitlab/packages.yml";
/// YAML to JSON; keys such as `on` stay what is written, not what YAML 1.1 makes of them.
const CONVERT: &str = "import sys, json, yaml; \
                       json.dump(yaml.load(sys.stdin, yaml.BaseLoader), sys.stdout)";

/// The workflows by the name of their file, parsed.
fn workflows() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for part in README.split("<!-- workflow: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```yaml\n").unwrap();
        let (text, _) = rest.split_once("\n```\n").unwrap();
        assert!(text.starts_with(&format!("# {name}\n")), "{name}");
        found.insert(name.to_owned(), parse(text));
    }
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        [GITHUB, GITLAB, GITLAB_CHILD]
    );
    found
}

fn parse(text: &str) -> Value {
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", CONVERT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "not YAML, or install python3-yaml:\n{text}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, into)),
        _ => {}
    }
}

/// The value at a path of names and numbers, which must be there.
#[track_caller]
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    let found = value.pointer(path);
    found.unwrap_or_else(|| panic!("nothing at {path} in {value}"))
}

fn project() -> TestProject {
    TestProject::new().file(
        "omnibuild.toml",
        "platforms = [\"debian-12\", \"rocky-9\"]\n",
    )
}

#[test]
fn the_matrix_names_the_platforms_that_a_build_would_build() {
    let (deb, _) = architectures();
    let project = project();
    let job = |platform: &str, format: &str, python: &str| json!({"platform": platform, "format": format, "python": python, "architecture": deb});
    let both = json!({"include": [job("debian-12", "deb", "3.11"), job("rocky-9", "rpm", "3.9")]});
    let one = json!({"include": [job("debian-12", "deb", "3.11")]});
    for (words, expected) in [
        (vec!["matrix"], &both),
        (vec!["matrix", "--json"], &both),
        (vec!["matrix", "--format", "github"], &both),
        (vec!["matrix", "--sysbase", "bookworm"], &one),
    ] {
        let text = project.run(&words).success();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            *expected,
            "{words:?}"
        );
    }
    let text = project.run(&["matrix", "--format", "gitlab"]).success();
    let matrix = json!([{"PLATFORM": ["debian-12", "rocky-9"], "ARCHITECTURE": [deb]}]);
    let expected = json!({".omnibuild": {"parallel": {"matrix": matrix}}});
    assert_eq!(parse(&text), expected);
    let living = TestProject::new().run(&["matrix"]).success();
    assert!(
        living.contains("ubuntu-24.04") && !living.contains("centos-7"),
        "{living}"
    );
}

#[test]
fn every_command_of_the_workflows_is_the_programs() {
    let mut commands = 0;
    for (name, workflow) in workflows() {
        let mut all = Vec::new();
        texts(&workflow, &mut all);
        let lines = all.iter().flat_map(|text| text.lines());
        for line in lines.filter(|line| line.trim_start().starts_with("omnibuild ")) {
            let command = line.split('>').next().unwrap();
            // What the service fills in is the name of a platform or an architecture, a word.
            let filled = command
                .replace("${{ matrix.platform }}", "debian-12")
                .replace("${{ matrix.architecture }}", "arm64")
                .replace("$PLATFORM", "debian-12")
                .replace("$ARCHITECTURE", "arm64");
            assert!(!filled.contains('$'), "{name}: {line}");
            if let Err(error) = Cli::try_parse_from(filled.split_whitespace()) {
                panic!("{name}: {line}\n{error}");
            }
            commands += 1;
        }
    }
    assert_eq!(commands, 4);
}

#[test]
fn the_workflows_read_what_the_matrix_says() {
    let workflows = workflows();
    let project = project();
    let github = &workflows[GITHUB];
    let matrix: Value =
        serde_json::from_str(&project.run(&["matrix", "--format", "github"]).success()).unwrap();
    let jobs = at(&matrix, "/include").as_array().unwrap();
    let mut all = Vec::new();
    texts(github, &mut all);
    let mut used = 0;
    for field in all
        .iter()
        .flat_map(|text| text.split("${{ matrix.").skip(1))
    {
        let field = field.split(" }}").next().unwrap();
        assert!(
            jobs.iter().all(|job| job[field].is_string()),
            "matrix.{field}"
        );
        used += 1;
    }
    assert!(used >= 3, "{used}");
    assert_eq!(
        at(github, "/jobs/build/strategy/matrix"),
        "${{ fromJSON(needs.platforms.outputs.matrix) }}"
    );
    assert_eq!(at(github, "/jobs/build/needs"), "platforms");
    assert_eq!(
        at(github, "/jobs/platforms/outputs/matrix"),
        "${{ steps.matrix.outputs.matrix }}"
    );
    assert_eq!(at(github, "/jobs/platforms/steps/1/id"), "matrix");

    let (parent, child) = (&workflows[GITLAB], &workflows[GITLAB_CHILD]);
    let hidden = parse(&project.run(&["matrix", "--format", "gitlab"]).success());
    let extended = at(child, "/build/extends").as_str().unwrap();
    assert!(
        hidden[extended]["parallel"]["matrix"][0]["PLATFORM"].is_array(),
        "{hidden}"
    );
    let script = at(parent, "/platforms/script/0").as_str().unwrap();
    let include = at(parent, "/packages/trigger/include");
    let file = at(include, "/0/artifact").as_str().unwrap();
    assert!(script.ends_with(&format!("> {file}")), "{script}");
    assert_eq!(at(parent, "/platforms/artifacts/paths/0"), file);
    assert_eq!(at(include, "/0/job"), "platforms");
    assert_eq!(at(include, "/1/local"), GITLAB_CHILD);
}
