//! The README's table of engines is what tests saw: each row of their record names the test that wrote
//! it.

use std::collections::BTreeMap;

use super::source::{files, read};

const RECORD: &str = "tests/real/engines.tsv";

#[test]
fn the_table_of_engines_is_what_tests_saw() {
    let mut rows: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
    let record = read(RECORD);
    for line in record.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [engine, who, place, platform, test] = fields[..] else {
            panic!("{RECORD}: {line}");
        };
        let mut tests = files(&["tests/real"], ".rs").into_iter();
        let function = format!("fn {test}()");
        assert!(
            tests.any(|path| read(&path).contains(&function)),
            "{RECORD} names `{test}`, which is no test"
        );
        rows.entry([engine, who, place]).or_default().push(platform);
    }
    assert!(!rows.is_empty(), "{RECORD} is empty");
    let mut table = "| engine | who | where | built and verified |\n|---|---|---|---|\n".to_owned();
    for ([engine, who, place], platforms) in rows {
        let platforms = platforms.join(", ");
        table += &format!("| {engine} | {who} | {place} | {platforms} |\n");
    }
    assert!(
        read("README.md").contains(&format!("\n\n{table}\n")),
        "the README's table is not this one:\n{table}"
    );
}
