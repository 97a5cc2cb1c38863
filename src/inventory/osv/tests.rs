//! Databases in every form, what they say of versions, and what is wrong with them.

use std::io::Write;

use super::super::sbom::tests::distribution;
use super::super::{License, LicenseSource};
use super::*;
use crate::error::Kind;

fn findings(record: &str, name: &str, version: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.json");
    fs_err::write(&path, record).unwrap();
    let license = License::expression("MIT", LicenseSource::Field);
    let distribution = distribution(name, version, license);
    let names = BTreeSet::from([distribution.normalised_name()]);
    Advisories::read(&path, &names).unwrap().of(&distribution)
}

fn record(affected: &str) -> String {
    format!(
        "{{\"id\": \"PYSEC-1\", \"unknown\": 1, \"affected\": [{{\"package\": \
         {{\"ecosystem\": \"PyPI\", \"name\": \"My.Lib\"}}, {affected}}}]}}"
    )
}

fn events(events: &str) -> String {
    record(&format!(
        "\"ranges\": [{{\"type\": \"ECOSYSTEM\", \"events\": [{events}]}}]"
    ))
}

fn is_hit(record: &str, version: &str) -> bool {
    !findings(record, "my_lib", version).is_empty()
}

#[test]
fn ranges_are_evaluated_in_the_order_of_pep_440() {
    let range = events("{\"fixed\": \"1.10\"}, {\"introduced\": \"1.2\"}");
    for (version, expected) in [
        ("1.1", false),
        ("1.2rc1", false),
        ("1.2", true),
        ("1.9", true),
        ("1.10rc1", true),
        ("1.10", false),
        ("1.10+acme", false),
        ("1.9+acme", true),
        ("1!1.5", false),
    ] {
        assert_eq!(is_hit(&range, version), expected, "{version}");
    }
    let all = events("{\"introduced\": \"0\"}");
    assert!(is_hit(&all, "0.dev0") && is_hit(&all, "99"));
    let last = events("{\"introduced\": \"0\"}, {\"last_affected\": \"2.0\"}");
    assert!(is_hit(&last, "2.0") && !is_hit(&last, "2.0.1"));
    let twice = events(
        "{\"introduced\": \"0\"}, {\"fixed\": \"1.5\"}, {\"introduced\": \"2\"}, {\"fixed\": \"2.5\"}",
    );
    let hits = ["1.4", "1.5", "2.4", "2.5"].map(|version| is_hit(&twice, version));
    assert_eq!(hits, [true, false, true, false]);
    let found = findings(&twice, "my-lib", "1.4");
    assert_eq!(found[0].fixed, ["1.5", "2.5"]);
    let limit = events("{\"introduced\": \"0\"}, {\"limit\": \"3\"}");
    assert!(is_hit(&limit, "2") && !is_hit(&limit, "3"));
}

#[test]
fn listed_versions_hit_and_others_do_not() {
    let listed = record("\"versions\": [\"1.0.0\", \"old-one\"]");
    assert!(is_hit(&listed, "1.0") && !is_hit(&listed, "1.1"));
    let with_commits = record(
        "\"ranges\": [{\"type\": \"GIT\", \"events\": [{\"introduced\": \"0\"}]}], \"versions\": [\"1.0\"]",
    );
    assert!(is_hit(&with_commits, "1.0") && !is_hit(&with_commits, "1.1"));
    let all = events("{\"introduced\": \"0\"}");
    assert!(findings(&all, "other", "1.0").is_empty());
    assert!(!is_hit(&all.replace("PyPI", "npm"), "1.0"));
    let withdrawn = all.replace("\"unknown\": 1", "\"withdrawn\": \"2024-01-01T00:00:00Z\"");
    assert!(!is_hit(&withdrawn, "1.0"));
}

#[test]
fn what_is_not_understood_is_a_hit_that_says_so() {
    let strange = events("{\"introduced\": \"first\"}");
    let found = findings(&strange, "my-lib", "1.0");
    assert_eq!(found[0].doubt.as_deref(), Some("`first` is no version"));
    let both = events("{\"introduced\": \"0\", \"fixed\": \"1\"}");
    assert!(findings(&both, "my-lib", "1.0")[0].doubt.is_some());
    for silent in [
        "\"ranges\": [{\"type\": \"GIT\", \"events\": [{\"introduced\": \"0\"}]}], \"versions\": []",
        "\"ranges\": [{\"type\": \"ECOSYSTEM\", \"events\": []}]",
        "\"ranges\": [], \"versions\": []",
        "\"unknown\": 1",
    ] {
        let found = findings(&record(silent), "my-lib", "1.0");
        let doubts: Vec<_> = found.iter().map(|found| found.doubt.as_deref()).collect();
        assert_eq!(doubts, [Some("it names no versions")], "{silent}");
    }
}

#[test]
fn aliases_of_each_other_are_one_finding() {
    let one = events("{\"introduced\": \"0\"}").replace(
        "\"unknown\": 1",
        "\"aliases\": [\"CVE-1\"], \"database_specific\": {\"severity\": \"MODERATE\"}",
    );
    let two = events("{\"introduced\": \"0\"}, {\"fixed\": \"2\"}")
        .replace("PYSEC-1", "GHSA-1")
        .replace(
            "\"unknown\": 1",
            "\"aliases\": [\"CVE-1\"], \"summary\": \"bad\"",
        );
    let found = findings(&format!(" [{two}, {one}]"), "my-lib", "1.0");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].ids, ["PYSEC-1", "CVE-1", "GHSA-1"]);
    assert_eq!(
        (found[0].severity.as_str(), found[0].summary.as_deref()),
        ("medium", Some("bad"))
    );
    assert_eq!(found[0].fixed, ["2"]);
}

/// Writes a zip archive.
fn zip(path: &std::path::Path, members: &[(&str, &str)]) {
    let mut archive = zip::ZipWriter::new(fs_err::File::create(path).unwrap());
    for (name, text) in members {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn a_folder_and_an_archive_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let good = events("{\"introduced\": \"0\"}");
    fs_err::create_dir(folder.path().join("deep")).unwrap();
    fs_err::write(folder.path().join("deep/PYSEC-1.json"), &good).unwrap();
    fs_err::write(folder.path().join("README"), "no record").unwrap();
    let archive = folder.path().join("all.zip");
    zip(&archive, &[("PYSEC-1.json", &good), ("note.txt", "x")]);
    for path in [folder.path(), &archive] {
        let mut ids = Vec::new();
        database::each(path, &mut |advisory| ids.push(advisory.id)).unwrap();
        assert_eq!(ids, ["PYSEC-1"], "{}", path.display());
    }
}

#[test]
fn a_malformed_database_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let none: &mut dyn FnMut(Advisory) = &mut |_| {};
    for (text, place) in [
        ("", "x.json:1:0"),
        ("{\"id\": 1}", "x.json:1:8"),
        ("{\n \"summary\": \"no id\"}", "missing field `id`"),
        ("[{\"id\": \"a\"},\n 5]", "x.json:2:2"),
        ("[]", "holds no record"),
        ("PK\u{3}\u{4} and no archive", "x.json: no record"),
    ] {
        fs_err::write(&path, text).unwrap();
        let error = database::each(&path, none).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains(place), "{text}: {error}");
    }
    zip(&path, &[("a\n.json", "{")]);
    let error = database::each(&path, none).unwrap_err();
    assert!(error.message().contains("x.json: a\\n.json:1:1"), "{error}");
    let deep = "[".repeat(100_000);
    let deep = format!("{{\"id\": \"a\", \"database_specific\": {{\"severity\": {deep}");
    fs_err::write(&path, deep).unwrap();
    let error = database::each(&path, none).unwrap_err();
    assert!(error.message().contains("recursion limit"), "{error}");
    let error = database::each(&folder.path().join("absent"), none).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
}
