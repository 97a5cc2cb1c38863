//! One test per bad input: exit code, message with its place, what to do, and that nothing was
//! written.

mod images;
mod packages;
mod repository;

use crate::support::{Failure, TestProject};

/// Runs a command that must fail without changing anything.
#[track_caller]
fn refused(project: &TestProject, words: &[&str], code: i32) -> Failure {
    let before = project.tree();
    let failure = project.run(words).failure(code);
    assert_eq!(project.tree(), before, "{failure:?}");
    failure
}

/// The same for a plan and a build: what a plan refuses, a build refuses before it starts.
#[track_caller]
fn plan_and_build_refuse(project: &TestProject, code: i32) -> Failure {
    let build = refused(project, &["--sysbase", "debian-12"], code);
    let plan = refused(project, &["plan", "--sysbase", "debian-12"], code);
    assert_eq!(
        (plan.message, &plan.hints),
        (build.message.clone(), &build.hints)
    );
    build
}

#[test]
fn an_unknown_key_has_line_column_and_a_suggestion() {
    let project = TestProject::new().file("omnibuild.toml", "name = \"x\"\nverison = \"1\"\n");
    let failure = plan_and_build_refuse(&project, 2);
    let start = "[PROJECT]/omnibuild.toml:2:1: unknown field `verison`";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert_eq!(failure.hints, ["did you mean `version`?"]);
}

#[test]
fn an_unknown_key_of_a_nested_table_has_its_place_too() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[packages.cli]\n  linsk = { \"/usr/bin\" = [\"mytool\"] }\n",
    );
    let failure = plan_and_build_refuse(&project, 2);
    let start = "[PROJECT]/omnibuild.toml:2:3: unknown field `linsk`";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert_eq!(failure.hints, ["did you mean `links`?"]);
}

#[test]
fn an_unknown_key_in_pyproject_counts_its_lines_there() {
    let text = "[project]\nname = \"x\"\nversion = \"1\"\n\n[tool.omnibuild]\nnmae = \"y\"\n";
    let failure = plan_and_build_refuse(&TestProject::empty().file("pyproject.toml", text), 2);
    let start = "[PROJECT]/pyproject.toml:6:1: unknown field `nmae`";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert_eq!(failure.hints, ["did you mean `name`?"]);
}

#[test]
fn a_value_of_another_type_has_its_place() {
    let project = TestProject::new().file("omnibuild.toml", "platforms = \"debian-12\"\n");
    let failure = plan_and_build_refuse(&project, 2);
    let start = "[PROJECT]/omnibuild.toml:1:13: invalid type: string";
    assert!(failure.message.starts_with(start), "{failure:?}");
}

#[test]
fn text_that_is_no_toml_has_its_place() {
    let project = TestProject::empty().file("pyproject.toml", "[project]\nname =\n");
    let failure = plan_and_build_refuse(&project, 2);
    assert!(
        failure
            .message
            .starts_with("[PROJECT]/pyproject.toml:2:7: "),
        "{failure:?}"
    );
}

#[test]
fn a_configuration_that_is_no_text_or_no_file_is_refused() {
    let project = TestProject::new();
    fs_err::write(project.root().join("omnibuild.toml"), b"name = \"\xff\"\n").unwrap();
    let failure = plan_and_build_refuse(&project, 2);
    assert!(failure.message.contains("omnibuild.toml"), "{failure:?}");
    assert_eq!(
        failure.hints,
        ["save it as UTF-8: TOML has no other encoding"]
    );
    fs_err::remove_file(project.root().join("omnibuild.toml")).unwrap();
    fs_err::create_dir(project.root().join("omnibuild.toml")).unwrap();
    let failure = plan_and_build_refuse(&project, 2);
    assert!(failure.message.contains("omnibuild.toml"), "{failure:?}");
    assert!(failure.hints[0].contains("has to be a file"), "{failure:?}");
}

#[test]
fn a_project_that_is_a_file_is_refused() {
    let project = TestProject::new();
    let file = project.root().join("pyproject.toml");
    let failure = refused(&project, &["--project", file.to_str().unwrap(), "plan"], 2);
    assert_eq!(failure.message, "`[PROJECT]/pyproject.toml` is no folder");
    assert!(failure.hints[0].contains("--project"), "{failure:?}");
}

#[test]
fn an_address_of_the_command_line_that_is_no_url_is_refused() {
    let project = TestProject::new();
    for (option, said) in [
        ("--index-url", "--index-url or PIP_INDEX_URL"),
        ("--mirror", "--mirror or OMNIBUILD_MIRROR"),
    ] {
        let failure = refused(
            &project,
            &["plan", "-s", "debian-12", option, "nonsense"],
            2,
        );
        assert_eq!(failure.message, format!("{said}: this is no URL"));
        assert!(failure.hints[0].contains("https://"), "{failure:?}");
    }
}

#[test]
fn an_unknown_key_of_a_platform_has_its_place() {
    let project =
        TestProject::new().file("platforms.toml", "[platform.debian-12]\npyton = \"3.11\"\n");
    let failure = plan_and_build_refuse(&project, 2);
    let start = "[PROJECT]/platforms.toml:2:1: unknown field `pyton`";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert_eq!(failure.hints, ["did you mean `python`?"]);
}

#[test]
fn an_unknown_family_is_answered_with_the_known_ones() {
    let project = TestProject::new().file("omnibuild.toml", "depends = { suse = [\"x\"] }\n");
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:13: unknown variant `suse`, expected `debian` or `redhat`"
    );
}

#[test]
fn an_unknown_platform_is_answered_with_the_nearest_and_all_known_ones() {
    let project = TestProject::new();
    for words in [
        ["--sysbase", "debain-12"].as_slice(),
        &["plan", "-s", "debian-12,debain-12"],
    ] {
        let failure = refused(&project, words, 8);
        assert_eq!(failure.message, "unknown platform `debain-12`");
        assert_eq!(failure.hints[0], "did you mean `debian-12`?");
        let listed: Vec<&str> = failure.hints[1]
            .strip_prefix("known platforms: ")
            .unwrap()
            .split(", ")
            .collect();
        for id in [
            "debian-11",
            "debian-12",
            "debian-13",
            "ubuntu-22.04",
            "rocky-9",
            "centos-7",
        ] {
            assert!(listed.contains(&id), "{id} is not in {listed:?}");
        }
    }
}

#[test]
fn an_unknown_platform_in_the_environment_or_the_configuration_is_the_same_error() {
    let by_variable = TestProject::new().env("SYSBASE", "vms-7");
    assert_eq!(
        refused(&by_variable, &["plan"], 8).message,
        "unknown platform `vms-7`"
    );
    let by_file = TestProject::new().file("omnibuild.toml", "platforms = [\"vms-7\"]\n");
    assert_eq!(
        refused(&by_file, &["plan"], 8).message,
        "[PROJECT]/omnibuild.toml:1:14: platforms[0]: unknown platform `vms-7`"
    );
}

#[test]
fn a_table_of_an_unknown_platform_is_refused() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[platform.debain-12]\nbuild-depends = [\"libpq-dev\"]\n",
    );
    let failure = plan_and_build_refuse(&project, 8);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:11: platform.debain-12: unknown platform `debain-12`"
    );
    assert_eq!(failure.hints[0], "did you mean `debian-12`?");
}

#[test]
fn a_table_under_an_alias_is_refused() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[platform.noble]\nbuild-depends = [\"libpq-dev\"]\n",
    );
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:11: platform.noble: `noble` is another name of `ubuntu-24.04`"
    );
    assert_eq!(failure.hints, ["write `[platform.\"ubuntu-24.04\"]`"]);
}

#[test]
fn a_missing_dockerfile_says_where_to_write_it() {
    let fields = "family = \"debian\"\nformat = \"deb\"\nend-of-life = 2099-01-01\nimage = \"x:1\"\n\
                  python = \"3.11\"\npython-depends = []\nsuffix = \"+new1\"\ncodec = \"gzip\"\nglibc = \"2.36\"\n";
    let project = TestProject::new().file("platforms.toml", &format!("[platform.new-1]\n{fields}"));
    let failure = refused(&project, &["--sysbase", "new-1"], 9);
    assert_eq!(failure.message, "platform `new-1` has no Dockerfile");
    assert!(
        failure.hints[0].starts_with("write `[PROJECT]/images/new-1/Dockerfile`"),
        "{failure:?}"
    );
    let project = project.file("images/new-1/Dockerfile", "ARG BASE\nFROM ${BASE}\n");
    drop(project.run(&["plan", "--sysbase", "new-1"]).success());
}

#[test]
fn a_missing_requirement_file_is_named() {
    let project = TestProject::new().file("omnibuild.toml", "requirements = [\"reqs.txt\"]\n");
    let failure = plan_and_build_refuse(&project, 9);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:17: requirement file `reqs.txt` does not exist"
    );
    assert_eq!(failure.hints.len(), 1);
}

#[test]
fn a_missing_included_file_is_named_with_the_line_that_includes_it() {
    let project = TestProject::new()
        .file(
            "omnibuild.toml",
            "requirements = [\"requirements/all.txt\"]\n",
        )
        .file("requirements/all.txt", "httpx\n-r base.txt\n");
    let failure = plan_and_build_refuse(&project, 9);
    assert_eq!(
        failure.message,
        "requirements/all.txt:2: requirement file `requirements/base.txt` does not exist"
    );
}

#[test]
fn a_wrong_requirement_line_has_its_file_and_line() {
    let project = TestProject::new()
        .file("omnibuild.toml", "requirements = [\"reqs.txt\"]\n")
        .file("reqs.txt", "httpx>=0.28\n\nfoo === = 1\n");
    let failure = plan_and_build_refuse(&project, 2);
    let start = "reqs.txt:3: `foo === = 1` is not a requirement";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert!(failure.hints[0].contains("`name==1.2.3`"), "{failure:?}");
}

#[test]
fn a_tag_that_is_no_version_is_refused() {
    let failure = refused(
        &TestProject::new(),
        &["-s", "debian-12", "--tag", "newest"],
        12,
    );
    assert!(
        failure
            .message
            .starts_with("--tag or `version`: `newest` is not a version"),
        "{failure:?}"
    );
    assert_eq!(
        failure.hints,
        ["write one exact version as numbers with dots, such as `1.4.2` or `1.4.2rc1`"]
    );
}

#[test]
fn a_project_version_that_is_none_is_refused() {
    let text = "[project]\nname = \"x\"\nversion = \"one\"\n";
    let failure = plan_and_build_refuse(&TestProject::empty().file("pyproject.toml", text), 12);
    let start = "the project's metadata: `one` is not a version";
    assert!(failure.message.starts_with(start), "{failure:?}");
}

#[test]
fn a_list_without_any_version_says_every_way_to_give_one() {
    let project = TestProject::empty()
        .file(
            "omnibuild.toml",
            "name = \"web\"\nrequirements = [\"reqs.txt\"]\n",
        )
        .file("reqs.txt", "httpx==0.28.1\n");
    let failure = plan_and_build_refuse(&project, 12);
    assert_eq!(failure.message, "nothing says the version of `web`");
    assert!(
        failure.hints[0].contains("--tag") && failure.hints[1].contains("`web==…`"),
        "{failure:?}"
    );
}

#[test]
fn a_garbage_epoch_is_refused() {
    for garbage in ["yesterday", "-1", "1.5"] {
        let project = TestProject::new().env("SOURCE_DATE_EPOCH", garbage);
        let failure = plan_and_build_refuse(&project, 2);
        let start = format!("SOURCE_DATE_EPOCH: `{garbage}` is no whole number");
        assert!(failure.message.starts_with(&start), "{failure:?}");
        assert!(
            failure.hints[0].contains("git log -1 --format=%ct"),
            "{failure:?}"
        );
    }
}

#[test]
fn an_empty_folder_has_nothing_to_package() {
    let failure = plan_and_build_refuse(&TestProject::empty(), 2);
    assert_eq!(
        failure.message,
        "there is nothing to package in `[PROJECT]`"
    );
    assert!(failure.hints[0].contains("pyproject.toml"), "{failure:?}");
    assert!(failure.hints[1].contains("omnibuild init"), "{failure:?}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let failure = refused(&TestProject::new(), &["plan", "--project", "elsewhere"], 2);
    assert!(failure.message.contains("`elsewhere`"), "{failure:?}");
}

#[test]
fn a_list_without_a_name_is_refused() {
    let project = TestProject::empty()
        .file("omnibuild.toml", "requirements = [\"reqs.txt\"]\n")
        .file("reqs.txt", "httpx==0.28.1\n");
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "a bare list of requirements needs a `name`"
    );
}

#[test]
fn a_prefix_that_others_own_is_refused() {
    for prefix in ["/opt", "opt/mytool", "/opt/../etc", "/opt/my tool"] {
        let project =
            TestProject::new().file("omnibuild.toml", &format!("prefix = \"{prefix}\"\n"));
        let failure = plan_and_build_refuse(&project, 2);
        assert_eq!(
            failure.message,
            format!(
                "[PROJECT]/omnibuild.toml:1:1: prefix: `{prefix}` is not a folder for a bundle"
            )
        );
        assert!(failure.hints[0].contains("/opt/mytool"), "{failure:?}");
    }
}

#[test]
fn a_system_package_that_is_no_name_is_refused() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "build-depends = { debian = [\"libpq-dev --purge\"] }\n",
    );
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:1: build-depends: `libpq-dev --purge` is not a package name"
    );
}

#[test]
fn a_ca_bundle_that_is_missing_is_refused_before_anything_starts() {
    let project = TestProject::new();
    let failure = refused(&project, &["-s", "debian-12", "--ca-bundle", "ca.pem"], 9);
    assert_eq!(
        failure.message,
        "ca-bundle: there is no file `[PROJECT]/ca.pem`"
    );
    assert!(failure.hints[0].contains("SSL_CERT_FILE"), "{failure:?}");
}

#[test]
fn a_ca_bundle_without_certificates_is_refused_before_anything_starts() {
    let project = TestProject::new()
        .file("ca.pem", "hello\n")
        .env("SSL_CERT_FILE", "ca.pem");
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "ca-bundle: there is no certificate in `[PROJECT]/ca.pem`"
    );
    assert!(
        failure.hints[0].contains("BEGIN CERTIFICATE"),
        "{failure:?}"
    );
}

#[test]
fn a_configuration_that_is_there_is_not_overwritten() {
    let project = TestProject::new();
    drop(project.run(&["init"]).success());
    let failure = refused(&project, &["init"], 2);
    assert_eq!(failure.message, "`./omnibuild.toml` is there already");
    assert_eq!(
        failure.hints,
        ["edit it, or remove it and run `omnibuild init` again"]
    );
}

#[test]
fn an_unknown_option_or_command_is_refused_with_the_usage() {
    for words in [
        ["--frobnicate"].as_slice(),
        &["frobnicate"],
        &["plan", "--jobs", "none"],
    ] {
        let project = TestProject::new();
        let before = project.tree();
        let outcome = project.run(words);
        assert!(outcome.stderr.contains("--help"), "{outcome:?}");
        drop(outcome.failure(2));
        assert_eq!(project.tree(), before);
    }
}

#[test]
fn nothing_that_failed_is_nothing_to_do() {
    let project = TestProject::new();
    let before = project.tree();
    for words in [["--failed"].as_slice(), &["build", "--failed"]] {
        let outcome = project.run(words);
        assert!(
            outcome.stderr.contains("there is nothing to do"),
            "{outcome:?}"
        );
        drop(outcome.success());
    }
    assert_eq!(project.tree(), before);
}

#[test]
fn an_error_is_an_object_with_json() {
    let outcome = TestProject::new().run(&["plan", "--json", "-s", "debain-12"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(8), ""));
    let error: serde_json::Value = serde_json::from_str(outcome.stdout.trim()).unwrap();
    assert_eq!(error["event"], "error");
    assert_eq!(error["exit_code"], 8);
    assert_eq!(error["hints"][0], "did you mean `debian-12`?");
}

#[test]
fn a_password_in_a_requirement_file_is_masked_wherever_it_stands() {
    let project = TestProject::new()
        .file(
            "omnibuild.toml",
            "requirements = [\"reqs.txt\"]\nplatforms = [\"hunter2hunter2\"]\n",
        )
        .file(
            "reqs.txt",
            "-i https://me:hunter2hunter2@index.example/simple\nhttpx\n",
        );
    let outcome = project.run(&["plan"]);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(!said.contains("hunter2"), "{said}");
    assert!(outcome.failure(8).message.contains("`***`"), "{said}");
}

#[test]
fn what_a_requirement_file_may_not_say_has_its_line_and_a_way_out() {
    let project = TestProject::new()
        .file("omnibuild.toml", "requirements = [\"reqs.txt\"]\n")
        .file("reqs.txt", "httpx\n-r more.txt\n")
        .file(
            "more.txt",
            "# ours\n-e git+https://me:s3cret@host.example/x.git@main\n",
        );
    let failure = project.run(&["plan"]).failure(2);
    let start = "more.txt:2: `-e git+https://host.example/x.git@main` is not allowed: ";
    assert!(failure.message.starts_with(start), "{failure:?}");
    assert!(failure.hints[0].contains("by its file"), "{failure:?}");
}
