//! The invariants of the architecture, held against the source text.
//!
//! A rule that no file can break any more is a rule that is not tested, so each test also fails
//! when what it looks for is found nowhere.

mod engines;
mod imports;
mod keys;
mod source;

use omnibuild::error::Kind;

use self::source::{Source, files, matches, read, repository, sources, without_tests};

/// The longest file, in lines, not counting its tests.
const CEILING: usize = 500;

/// Asserts that these words stand in the code of the allowed files, and nowhere else.
#[track_caller]
fn only_in(words: &[&str], allowed: impl Fn(&Source) -> bool) {
    let sources = sources();
    let mut found = false;
    for source in &sources {
        let code = source.code();
        for (number, line) in code.lines().enumerate() {
            let Some(word) = words.iter().find(|word| names(line, word)) else {
                continue;
            };
            assert!(
                allowed(source),
                "{}:{}: `{word}` may not stand here",
                source.path,
                number + 1
            );
            found = true;
        }
    }
    assert!(found, "{words:?} stand nowhere: the rule tests nothing");
}

/// Whether a line names a word, not only a longer one that ends with it.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn one_file_names_the_engines_client_library() {
    only_in(&["bollard"], |source| {
        source.path.starts_with("src/engine/docker/")
    });
}

#[test]
fn only_the_reporter_prints() {
    let words = [
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "io::stderr",
        "dbg!",
    ];
    let prints = |source: &Source| source.room() == "report" || source.room() == "main";
    only_in(&words, prints);
    // The sandbox's helper gives a command its own standard output to read from, too.
    only_in(&["io::stdout"], |source| {
        prints(source) || source.path == "src/engine/sandbox/helper.rs"
    });
}

#[test]
fn the_environment_is_read_in_two_rooms() {
    let words = [
        "env::var",
        "env::vars",
        "env::var_os",
        "env::set_var",
        "env::remove_var",
    ];
    only_in(&words, |source| {
        source.room() == "cli" || source.room() == "engine"
    });
}

#[test]
fn files_are_renamed_by_the_commit_primitive_alone() {
    only_in(
        &["rename(", ".persist(", "persist_noclobber(", "hard_link("],
        |source| source.room() == "fsutil",
    );
}

#[test]
fn names_of_objects_are_taken_as_they_are() {
    // `Path::from` rewrites `~`, which stands in versions; clippy can't forbid a trait's function.
    let remote = |source: &&Source| source.path.starts_with("src/wheels/remote/");
    let sources = sources();
    let parsed = |source: &Source| source.code().contains("Path::parse(");
    assert!(sources.iter().filter(remote).any(parsed));
    for source in sources.iter().filter(remote) {
        for word in ["Path::from(", "Path::from_iter(", "Path::default("] {
            assert!(
                !names(&source.code(), word),
                "{} names `{word}`",
                source.path
            );
        }
    }
}

#[test]
fn containers_are_started_where_they_are_removed() {
    only_in(&["engine.start("], |source| {
        source.path == "src/engine/container.rs"
    });
    only_in(&["create_container("], |source| {
        source.path.starts_with("src/engine/docker/")
    });
}

#[test]
fn no_host_folder_is_mounted() {
    // Volumes that a runtime image declares are mounted by who runs it.
    let of_images = ["src/config/images.rs", "src/runtime/config.rs"];
    for source in sources() {
        if of_images.contains(&source.path.as_str()) {
            continue;
        }
        for word in ["binds:", "mounts:", "volumes:"] {
            assert!(
                !names(&source.code(), word),
                "{} names `{word}`",
                source.path
            );
        }
    }
}

#[test]
fn no_command_is_a_shells_string() {
    let shells = ["\"sh\"", "\"bash\"", "\"/bin/sh\"", "\"/bin/bash\""];
    // `RUN` is a shell's string, says the language of Dockerfiles.
    let reader = "src/engine/sandbox/dockerfile.rs";
    assert!(sources().iter().any(|source| source.path == reader));
    for source in sources() {
        if source.path == reader {
            continue;
        }
        let code = source.code();
        let shell = shells.iter().any(|shell| code.contains(shell));
        assert!(
            !(shell && code.contains("\"-c\"")),
            "{} runs a shell's string",
            source.path
        );
    }
}

#[test]
fn a_match_on_a_format_or_family_has_no_wildcard() {
    let mut seen = 0;
    for source in sources() {
        for body in matches(&source.code()) {
            let words = ["Format::", "Family::", "Codec::", "BootstrapTool::"];
            if words.iter().any(|word| body.contains(word)) {
                seen += 1;
                assert!(
                    !names(&body, "_ =>"),
                    "{}: a wildcard in\n{body}",
                    source.path
                );
            }
        }
    }
    assert!(seen > 0, "no match on a format is found any more");
}

#[test]
fn files_are_not_longer_than_the_ceiling() {
    let mut long = Vec::new();
    for source in sources() {
        long.push((
            source.path.clone(),
            without_tests(&source.text).lines().count(),
        ));
    }
    for path in files(&["tests", "benches"], ".rs") {
        long.push((path.clone(), read(&path).lines().count()));
    }
    long.retain(|(_, lines)| *lines > CEILING);
    assert!(long.is_empty(), "longer than {CEILING} lines: {long:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in files(&["src", "tests", "benches"], ".rs") {
        assert!(
            read(&path).starts_with("//! "),
            "{path} has no `//!` header"
        );
    }
}

#[test]
fn every_test_file_is_named_by_its_binary() {
    for binary in ["tests/it", "tests/real"] {
        let main = read(&format!("{binary}/main.rs"));
        let entries = fs_err::read_dir(repository().join(binary)).unwrap();
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let module = match name.strip_suffix(".rs") {
                Some("main") => continue,
                Some(module) => module.to_owned(),
                None if entry.path().join("mod.rs").is_file() => name,
                None => continue,
            };
            let declared = main
                .lines()
                .any(|line| line.ends_with(&format!("mod {module};")));
            assert!(declared, "{binary}/{module} is not in its main.rs");
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    let attribute = format!("#[{}", "ignore");
    for path in files(&["src", "tests"], ".rs") {
        assert!(
            !read(&path).contains(&attribute),
            "{path} switches a test off"
        );
    }
}

#[test]
fn every_platform_has_an_image_and_every_image_a_platform() {
    let table: toml::Table = read("platforms.toml").parse().unwrap();
    let platforms = table["platform"].as_table().unwrap();
    assert!(platforms.len() >= 7);
    for (id, fields) in platforms {
        let folder = fields
            .get("like")
            .map_or(id.as_str(), |like| like.as_str().unwrap());
        let path = repository().join("images").join(folder).join("Dockerfile");
        assert!(path.is_file(), "{id} has no images/{folder}/Dockerfile");
    }
    for path in files(&["images"], "/Dockerfile") {
        let folder = path.split('/').nth(1).unwrap();
        // An image of tools belongs to none.
        assert!(
            platforms.contains_key(folder) || ["lint", "python"].contains(&folder),
            "{path} belongs to no platform"
        );
    }
}

#[test]
fn the_readme_lists_every_platform() {
    let readme = read("README.md");
    let table: toml::Table = read("platforms.toml").parse().unwrap();
    for id in table["platform"].as_table().unwrap().keys() {
        assert!(readme.contains(id), "README.md does not name {id}");
    }
}

#[test]
fn the_readme_lists_every_exit_code() {
    let readme = read("README.md");
    for kind in Kind::ALL {
        let code = kind.exit_code().to_string();
        let row = |line: &str| {
            line.split('|')
                .any(|cell| cell.trim().trim_matches('`') == code)
        };
        assert!(
            readme.lines().any(row),
            "README.md has no row for exit code {code} ({kind:?})"
        );
    }
}

#[test]
fn no_host_of_a_registry_or_mirror_is_named() {
    // In two halves: this file is looked at, too.
    let hosts = [
        ("docker", ".io"),
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("archive.ubuntu", ".com"),
        ("security.ubuntu", ".com"),
        ("quay", ".io"),
        ("ghcr", ".io"),
        ("gcr", ".io"),
        ("mcr.microsoft", ".com"),
        ("vault.centos", ".org"),
        ("mirrorlist.centos", ".org"),
        ("dl.rockylinux", ".org"),
        ("repo.almalinux", ".org"),
        ("fedoraproject", ".org"),
        ("crates", ".io"),
    ];
    let hosts = hosts.map(|(name, ending)| format!("{name}{ending}"));
    let mut paths = files(&["src", "images", "tests", ".ci", "benches"], "");
    paths.extend(["platforms.toml", "pythons.toml", "Makefile", "Cargo.toml"].map(str::to_owned));
    for path in paths {
        let Ok(text) = fs_err::read_to_string(repository().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for host in &hosts {
                // Debian's package of the engine is called like its registry.
                let package = *host == hosts[0]
                    && (path == ".ci/prerequisites" || line.contains("apt-get install"));
                // Where a distribution went that left its mirrors is data.
                let archive = path == "platforms.toml" && line.starts_with("mirror = ");
                assert!(
                    package || archive || !line.contains(host),
                    "{path}:{}: names `{host}`",
                    number + 1
                );
            }
        }
    }
}

#[test]
fn words_are_told_from_longer_words() {
    assert!(names("x = println!(\"\")", "println!") && !names("eprintln!(\"\")", "println!"));
}
