//! The same for what packages are to hold.

use super::plan_and_build_refuse;
use crate::support::TestProject;

#[test]
fn two_packages_that_link_one_command_are_refused() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[packages.cli]\nlinks = { \"/usr/bin\" = [\"mytool\"] }\n\
         [packages.node]\nlinks = { \"/usr/bin\" = [\"mytool\"] }\n",
    );
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:4:1: packages.node.links: `/usr/bin/mytool` is linked by both `mytool-cli` and `mytool-node`"
    );
    assert_eq!(failure.hints.len(), 1);
}

#[test]
fn a_link_outside_of_the_path_is_refused() {
    let project = TestProject::new().file(
        "omnibuild.toml",
        "[packages.cli]\nlinks = { \"/usr/lib\" = [\"mytool\"] }\n",
    );
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:2:1: packages.cli.links: `/usr/lib` is not a folder to link into"
    );
    assert!(failure.hints[0].contains("/usr/sbin"), "{failure:?}");
}

#[test]
fn what_names_no_package_has_its_place() {
    for (text, start) in [
        (
            "[packages.node.relations.debian]\nprovides = [\"Metrics Agent\"]\n",
            "[PROJECT]/omnibuild.toml:2:12: `Metrics Agent` does not name a package",
        ),
        (
            "[relations.debian]\nconflicts = [\"old | older\"]\n",
            "[PROJECT]/omnibuild.toml:2:13: `old | older` does not name a package",
        ),
        (
            "[packages.node]\ndepends = { debian = [\"libc6\", \"libpq5 >= 15\"] }\n",
            "[PROJECT]/omnibuild.toml:2:32: packages.node.depends.debian[1]: `libpq5 >= 15`",
        ),
    ] {
        let failure = plan_and_build_refuse(&TestProject::new().file("omnibuild.toml", text), 2);
        assert!(failure.message.starts_with(start), "{failure:?}");
    }
}

#[test]
fn a_unit_as_a_user_that_nobody_declares_has_the_place_of_both() {
    let table = "[packages.node.units.\"a.service\"]\nsource = \"a.service\"\n";
    let unit = "[Service]\nExecStart=/opt/mytool/bin/mytool\nUser=metrics\n";
    let project = TestProject::new()
        .file("omnibuild.toml", table)
        .file("a.service", unit);
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:22: packages.node: units.\"a.service\": `a.service`:3: `User=metrics`, and nobody brings `metrics`"
    );
    let declared = format!("{table}[packages.node.users.metrics]\n");
    let project = project.file("omnibuild.toml", &declared);
    drop(project.run(&["plan", "-s", "debian-12"]).success());
    // A package of the distribution may bring it, which only the verification can tell.
    let needed = format!("{table}[packages.node.depends]\ndebian = [\"metrics-server\"]\n");
    let project = project.file("omnibuild.toml", &needed);
    drop(project.run(&["plan", "-s", "debian-12"]).success());
}

#[test]
fn a_link_that_is_nearly_a_command_of_the_project_is_told() {
    let link = |name: &str| {
        let text = format!("[packages.cli]\nlinks = {{ \"/usr/bin\" = [\"{name}\"] }}\n");
        let project = TestProject::new().file("omnibuild.toml", &text);
        let outcome = project.run(&["plan", "-s", "debian-12"]);
        let said = outcome.stderr.clone();
        drop(outcome.success());
        said
    };
    let said = link("mytol");
    assert!(
        said.contains("`mytool-cli` links `mytol`, which is none of")
            && said.contains("did you mean `mytool`?"),
        "{said}"
    );
    let said = link("gunicorn");
    assert!(said.contains("a requirement has to bring it"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(link("mytool"), "");
}

#[test]
fn an_extra_that_the_project_does_not_have_is_refused() {
    let project = TestProject::new().file("omnibuild.toml", "extras = [\"nope\"]\n");
    let failure = plan_and_build_refuse(&project, 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:1:11: extras[0]: the project has no extra `nope`"
    );
    assert_eq!(failure.hints.len(), 1);
}

#[test]
fn names_that_no_package_can_have_are_told_of_their_key() {
    for (text, start) in [
        (
            "vendor = \"Acme Inc.\"\n",
            "[PROJECT]/omnibuild.toml:1:1: vendor: `Acme Inc.` can't be the beginning of a package's name",
        ),
        (
            "name = \"my tool\"\n",
            "[PROJECT]/omnibuild.toml:1:1: name: `my tool` is not a name",
        ),
        (
            "name = \"python\"\n[packages.python]\n",
            "[PROJECT]/omnibuild.toml:2:11: packages.python: the package would be named `python-python`",
        ),
        (
            "[packages.\"My Node\"]\n",
            "[PROJECT]/omnibuild.toml:1:11: packages.My Node: not a name for a package",
        ),
    ] {
        let failure = plan_and_build_refuse(&TestProject::new().file("omnibuild.toml", text), 2);
        assert!(failure.message.starts_with(start), "{failure:?}");
    }
}
