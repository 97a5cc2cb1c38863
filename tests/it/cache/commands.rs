//! Listing, caring, carrying: what each command says and what it leaves.

use omnibuild::wheels::store::WheelStore;

use super::{assert_whole, fill, wheels_of};
use crate::support::TestProject;

#[test]
fn an_empty_cache_stays_as_it_is() {
    let project = TestProject::empty();
    let before = project.tree();
    let listing = project.run(&["cache", "ls", "--json"]).result();
    assert_eq!(listing, serde_json::json!([]));
    let total = project.run(&["cache", "du", "--json"]).result();
    assert_eq!(total[1]["bytes"], 0, "{total}");
    for words in [
        &["cache", "verify"][..],
        &["cache", "prune", "--older", "1d"],
        &["cache", "clear"],
    ] {
        let text = project.run(words).success();
        assert!(text.contains("0 wheels"), "{words:?}: {text}");
    }
    let failure = project.run(&["cache", "export", "out.tar"]).failure(9);
    assert!(failure.message.contains("has no set"), "{failure:?}");
    assert_eq!(project.tree(), before);
}

#[test]
fn sets_are_listed_with_platform_project_and_size() {
    let project = TestProject::empty();
    let store = fill(&wheels_of(&project));
    let key = &store.survey().unwrap().sets[0].set.key.digest.clone();
    let text = project.run(&["cache", "ls"]).success();
    let row = text.lines().find(|line| line.starts_with("debian-12"));
    let row = row.unwrap_or_else(|| panic!("{text}"));
    for part in ["mytool", "wheels", key.short(), "UTC", "3.5 kB"] {
        assert!(row.contains(part), "`{part}` is not in `{row}`");
    }
    let listing = project
        .run(&["cache", "ls", "--json", "--sysbase", "ubuntu-24.04"])
        .result();
    assert_eq!(listing.as_array().unwrap().len(), 1, "{listing}");
    assert_eq!(listing[0]["platform"], "ubuntu-24.04");
    assert_eq!(
        (&listing[0]["wheels"], &listing[0]["bytes"]),
        (&2.into(), &3500.into())
    );
}

#[test]
fn space_is_told_by_platform_and_once_in_total() {
    let project = TestProject::empty();
    let store = fill(&wheels_of(&project));
    let orphan = store.put("alone-1-py3-none-any.whl", &mut &b"x"[..]);
    assert_eq!(orphan.unwrap().size, 1);
    let used = project.run(&["cache", "du", "--json"]).result();
    let row = |what: &str| {
        let row = used
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["what"] == what);
        let row = row.unwrap_or_else(|| panic!("no {what} in {used}"));
        [
            "sets",
            "wheels",
            "portable_bytes",
            "compiled_bytes",
            "bytes",
        ]
        .map(|name| row[name].as_u64().unwrap())
    };
    assert_eq!(row("debian-12"), [1, 2, 3000, 500, 3500]);
    assert_eq!(row("ubuntu-24.04"), [1, 2, 3000, 500, 3500]);
    assert_eq!(row("in no set"), [0, 1, 1, 0, 1]);
    assert_eq!(row("total"), [2, 4, 3001, 1000, 4001]);
    let text = project.run(&["cache", "du"]).success();
    assert!(text.contains("shared portable"), "{text}");
}

#[test]
fn the_folder_is_the_one_that_is_named() {
    let project = TestProject::empty().file("omnibuild.toml", "wheel-dir = \"kept\"\n");
    let here = fill(&project.root().join("kept"));
    let listing = |words: &[&str]| {
        let words = [&["cache", "ls", "--json"], words].concat();
        project.run(&words).result().as_array().unwrap().len()
    };
    assert_eq!(listing(&[]), 2);
    assert_eq!(listing(&["--wheel-dir", "elsewhere"]), 0);
    drop(
        project
            .run(&["cache", "clear", "--wheel-dir", "elsewhere"])
            .success(),
    );
    assert_whole(&here, 2, 3, "another folder was cleared");
}

#[test]
fn damage_is_found_named_and_put_aside() {
    let project = TestProject::empty();
    let store = fill(&wheels_of(&project));
    let set = store.survey().unwrap().sets[0].clone();
    let path = store.path(&set.set.wheels[0]);
    let text = project.run(&["cache", "verify"]).success();
    assert!(
        text.contains("3 wheels") && text.contains("0 damaged"),
        "{text}"
    );
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[100] ^= 1;
    fs_err::write(&path, bytes).unwrap();

    let before = project.tree();
    let outcome = project.run(&["cache", "verify", "--dry-run"]);
    assert!(outcome.stderr.contains("is damaged"), "{outcome:?}");
    drop(outcome.failure(15));
    assert_eq!(project.tree(), before, "a dry run changed something");

    let outcome = project.run(&["cache", "verify"]);
    let name = &set.set.wheels[0].file_name;
    assert!(outcome.stderr.contains(name.as_str()), "{outcome:?}");
    assert!(outcome.stderr.contains("put aside"), "{outcome:?}");
    drop(outcome.failure(15));
    assert!(!path.exists());
    assert!(matches!(
        store.get(&set.platform, &set.set.key.digest),
        Ok(None)
    ));
    // The set that misses it goes too, so the next look is clean.
    let found = project.run(&["cache", "verify", "--json"]);
    assert_eq!(found.code, Some(0), "{found:?}");
}

#[test]
fn limits_decide_what_stays() {
    let project = TestProject::empty();
    let store = fill(&wheels_of(&project));
    let before = project.tree();
    let would = project.run(&["cache", "prune", "--max-size", "3.5k"]);
    assert_eq!(would.code, Some(2), "{would:?}");
    let prune = ["cache", "prune", "--max-size", "3500", "--json"];
    let would = project.run(&[&prune[..], &["--dry-run"]].concat()).result();
    assert_eq!(project.tree(), before, "a dry run changed something");
    let pruned = project.run(&prune).result();
    assert_eq!(pruned, would);
    assert_eq!((&pruned["sets"], &pruned["wheels"]), (&1.into(), &1.into()));
    assert_whole(&store, 1, 2, "pruned");
    drop(project.run(&["cache", "prune", "--older", "30d"]).success());
    assert_whole(&store, 1, 2, "nothing is that old");
    let text = project.run(&["cache", "clear"]).success();
    assert!(text.starts_with("removed 1 set, 2 wheels"), "{text}");
    assert_whole(&store, 0, 0, "cleared");
}

#[test]
fn one_file_carries_what_the_platforms_need() {
    for file in ["cache.tar", "cache.tar.zst"] {
        let (from, to) = (TestProject::empty(), TestProject::empty());
        fill(&wheels_of(&from));
        let export = ["cache", "export", file, "--sysbase", "bookworm", "--json"];
        let would = from.run(&[&export[..], &["--dry-run"]].concat()).result();
        assert!(!from.root().join(file).exists());
        let written = from.run(&export).result();
        assert_eq!(written, would);
        assert_eq!(
            written,
            serde_json::json!({"sets": 1, "wheels": 2, "bytes": 3500})
        );
        let bytes = fs_err::read(from.root().join(file)).unwrap();
        assert_eq!(
            bytes.starts_with(b"omnibuild-wheels.json"),
            file == "cache.tar"
        );

        let path = from.root().join(file);
        let import = ["cache", "import", path.to_str().unwrap(), "--json"];
        let before = to.tree();
        let would = to.run(&[&import[..], &["--dry-run"]].concat()).result();
        assert_eq!(to.tree(), before, "a dry run changed something");
        assert_eq!(to.run(&import).result(), would);
        assert_eq!(would, written);
        let store = WheelStore::new(&wheels_of(&to));
        assert_whole(&store, 1, 2, file);
        // From another store with the same sets, on another machine, later: the same bytes.
        drop(to.run(&["cache", "export", file]).success());
        assert!(
            fs_err::read(to.root().join(file)).unwrap() == bytes,
            "{file} differs"
        );
    }
}

#[test]
fn an_import_takes_only_the_platforms_that_are_named() {
    let (from, to) = (TestProject::empty(), TestProject::empty());
    fill(&wheels_of(&from));
    drop(from.run(&["cache", "export", "all.tar"]).success());
    let path = from.root().join("all.tar");
    let words = ["cache", "import", path.to_str().unwrap(), "-s", "noble"];
    let text = to.run(&words).success();
    assert!(text.starts_with("put in 1 set, 2 wheels"), "{text}");
    let sets = WheelStore::new(&wheels_of(&to)).survey().unwrap().sets;
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].platform.as_str(), "ubuntu-24.04");
    let said = to
        .run(&["cache", "import", "nowhere.tar"])
        .failure(9)
        .hints
        .concat();
    assert!(said.contains("`omnibuild cache export FILE`"), "{said}");
    drop(
        to.run(&["cache", "import", "all.tar", "-s", "nonesuch"])
            .failure(8),
    );
}

#[test]
fn why_says_what_a_build_would_find() {
    let project = TestProject::new();
    let before = project.tree();
    let text = project.run(&["cache", "why", "debian-12"]).success();
    assert_eq!(text, "debian-12: make: there is no builder yet\n");
    let list = ["cache", "why", "bookworm", "noble", "--json"];
    let answers = project.run(&list).result();
    assert_eq!(answers[1]["platform"], "ubuntu-24.04");
    assert_eq!(answers[1]["hit"], false);
    assert_eq!(project.tree(), before);
    drop(project.run(&["cache", "why", "nonesuch"]).failure(8));
}
