//! `omnibuild licenses` and `vulnerabilities` over the record of a build, without an engine.

use omnibuild::digest::Digest;
use serde_json::json;

use crate::support::TestProject;

/// A project with such a configuration, built on debian-12 as its record says.
fn built(configuration: &str) -> TestProject {
    let text = Digest::of("text");
    let distribution = |name: &str, version: &str, license: serde_json::Value| {
        json!({
            "name": name, "version": version, "summary": null, "homepage": null,
            "authors": [], "maintainers": [],
            "wheel": format!("{name}-{version}-py3-none-any.whl"), "digest": text,
            "license": license,
            "license_files": [{"path": format!("/opt/mytool/{name}/LICENSE"), "digest": text}],
            "sboms": [], "depends": [],
        })
    };
    let known = |text: &str| json!({"text": text, "is_expression": true, "source": "expression"});
    let vague = json!({"text": "BSD", "is_expression": false, "source": "field"});
    let record = json!({
        "schema": 1, "name": "mytool", "version": "1.4.2", "package": "python-mytool",
        "platform": "debian-12", "architecture": "x86_64", "python": "3.11.2",
        "libc": "glibc 2.36", "prefix": "/opt/mytool", "epoch": 1_700_000_000,
        "roots": ["mytool"],
        "distributions": [
            distribution("mytool", "1.4.2", known("MIT OR GPL-3.0-only")),
            distribution("Vague.Lib", "2.0", vague),
        ],
        "texts": {text.as_str(): "Do what you like.\n"},
    });
    TestProject::new()
        .file(
            "omnibuild.toml",
            &format!("platforms = [\"debian-12\"]\n{configuration}"),
        )
        .file(
            ".omnibuild/state/inventory/debian-12.json",
            &record.to_string(),
        )
}

#[test]
fn licences_are_listed_with_who_says_them() {
    let project = built("");
    let text = project.run(&["licenses"]).success();
    for words in [
        "mytool        1.4.2",
        "MIT OR GPL-3.0-only",
        "License field",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let result = project.run(&["licenses", "--json"]).result();
    assert_eq!(result[1]["license"], "BSD");
    assert_eq!(result[1]["files"][0], "/opt/mytool/Vague.Lib/LICENSE");
    let notice = project.run(&["licenses", "--format", "notice"]).success();
    assert!(
        notice.contains("mytool 1.4.2 (LICENSE)\nVague.Lib 2.0 (LICENSE)"),
        "{notice}"
    );
    assert_eq!(notice.matches("Do what you like.").count(), 1);
}

#[test]
fn licences_against_the_rules_are_named_until_somebody_states_what_is_right() {
    let rules = "[licenses]\nallow = [\"MIT\"]\n";
    let failure = built(rules).run(&["licenses"]).failure(19);
    assert!(
        failure
            .message
            .ends_with("Vague.Lib 2.0 (BSD: not allowed, and no SPDX expression)"),
        "{}",
        failure.message
    );
    let stated = "[licenses.distribution.vague_lib]\nlicense = \"MIT\"\nreason = \"its file\"\n";
    let text = built(&format!("{rules}{stated}"))
        .run(&["licenses"])
        .success();
    assert!(text.contains("configuration"), "{text}");
    let denied = "[licenses]\ndeny = [\"bsd\"]\n";
    let failure = built(denied).run(&["licenses"]).failure(19);
    assert!(
        failure.message.contains("BSD: denied"),
        "{}",
        failure.message
    );
}

#[test]
fn what_was_not_built_has_no_inventory() {
    for words in [
        &["licenses"][..],
        &["vulnerabilities", "--database", "x.json"],
    ] {
        let failure = TestProject::new()
            .file("omnibuild.toml", "platforms = [\"debian-12\"]\n")
            .run(words)
            .failure(9);
        assert!(failure.message.contains("nothing was built for debian-12"));
        let failure = built("")
            .run(&[words, &["--sysbase", "debian-13"]].concat())
            .failure(9);
        assert!(failure.message.contains("debian-13"), "{}", failure.message);
    }
}

#[test]
fn what_was_not_built_is_told_beside_what_was() {
    let platforms = "platforms = [\"debian-12\", \"debian-13\"]\n";
    let project = built("").file("omnibuild.toml", platforms);
    let outcome = project.run(&["licenses"]);
    let told = "nothing was built for debian-13";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert!(outcome.success().contains("Vague.Lib"));
}

const ADVISORY: &str = "{\"id\": \"PYSEC-1\", \"aliases\": [\"CVE-1\"], \"affected\": [{\"package\": \
    {\"ecosystem\": \"PyPI\", \"name\": \"vague_lib\"}, \"ranges\": [{\"type\": \"ECOSYSTEM\", \
    \"events\": [{\"introduced\": \"0\"}, {\"fixed\": \"2.1\"}]}]}]}";

#[test]
fn a_known_vulnerability_is_a_hit_until_it_is_ignored() {
    let look = ["vulnerabilities", "--database", "database.json"];
    let with = |configuration: &str| built(configuration).file("database.json", ADVISORY);
    let outcome = with("").run(&look);
    assert!(
        outcome.stdout.contains("PYSEC-1 CVE-1"),
        "{}",
        outcome.stdout
    );
    let failure = outcome.failure(19);
    assert!(
        failure.message.ends_with("Vague.Lib 2.0 (PYSEC-1)"),
        "{}",
        failure.message
    );
    let ignored = |until: &str| {
        let entry = "[[vulnerabilities.ignore]]\nid = \"CVE-1\"\nreason = \"never called\"\n";
        with(&format!("{entry}until = {until}\n"))
    };
    let text = ignored("9999-12-31").run(&look).success();
    assert!(text.contains("ignored: never called"), "{text}");
    let outcome = ignored("2001-01-01").run(&look);
    let warning = "`CVE-1` was ignored until 2001-01-01: never called";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    drop(outcome.failure(19));
    let other = ADVISORY.replace("\"fixed\": \"2.1\"", "\"fixed\": \"1.0\"");
    let outcome = ignored("9999-12-31")
        .file("database.json", &other)
        .run(&look);
    let warning = "`CVE-1` is ignored, and nothing has it";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    drop(outcome.success());
}

#[test]
fn a_malformed_database_is_refused_with_its_place() {
    let project = built("").file("database/a.json", ADVISORY);
    let project = project.file("database/b.json", "{\n  \"id\": 5\n}");
    let failure = project
        .run(&["vulnerabilities", "--database", "database"])
        .failure(2);
    assert!(
        failure.message.starts_with("database/b.json:2:"),
        "{}",
        failure.message
    );
    let failure = project
        .run(&["vulnerabilities", "--database", "absent"])
        .failure(9);
    assert!(failure.message.contains("absent"), "{}", failure.message);
}
