//! The sample project's packages, as they are planned for several platforms.

#[cfg(test)]
mod folders;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Config, Overrides, PlatformTable};
use crate::error::{Error, Kind, Result};
use crate::plan::contents::{Moment, PlannedContent};
use crate::plan::inputs::Inputs;
use crate::plan::metadata::ProjectMetadata;
use crate::plan::{self, Dependency, PackagePlan, PlatformPlan, Target};
use crate::platform::Arch;
use crate::tree::Role;

/// Plans the project in a folder for a platform.
fn planned(root: &Path, platform: &str) -> Result<PlatformPlan> {
    let config = Config::load(root, Overrides::default())?;
    let inputs = Inputs::read(&config, Some("1704164645"))?;
    let metadata = ProjectMetadata::from_pyproject(&config.pyproject);
    let table = PlatformTable::load(root)?;
    let platform = table.find(platform)?;
    let target = Target {
        platform,
        arch: Arch::Amd64,
        context: BTreeMap::new(),
        pythons: table.pythons(),
    };
    let plan = plan::plan(&config, &inputs, metadata.as_ref(), vec![target])?;
    Ok(plan.platforms.into_iter().next().unwrap())
}

fn sample(platform: &str) -> Vec<PackagePlan> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/mytool");
    planned(&root, platform).unwrap().packages
}

fn listing(package: &PackagePlan) -> Vec<String> {
    let line = |entry: &crate::plan::contents::PlannedEntry| {
        let (mode, owner, path) = (entry.mode, &entry.owner, &entry.path);
        let kind = match (&entry.content, entry.role) {
            (PlannedContent::Directory, _) => "folder",
            (_, Role::Configuration) => "config",
            (_, Role::License) => "license",
            (_, Role::Documentation) => "document",
            (_, Role::Plain) => "file",
        };
        format!("{path} {mode:04o} {}:{} {kind}", owner.user, owner.group)
    };
    package.entries.iter().map(line).collect()
}

#[test]
fn a_daemon_of_debian_has_everything_in_its_place() {
    let packages = sample("debian-12");
    let node = &packages[2];
    assert_eq!(
        listing(node),
        [
            "/etc/default/mytool-agent 0644 root:root config",
            "/etc/logrotate.d/acme-mytool-node 0644 root:root config",
            "/etc/mytool 0755 root:root folder",
            "/etc/mytool/mytool.conf 0640 root:mytool config",
            "/etc/mytool/units.conf 0644 root:root config",
            "/etc/rsyslog.d/acme-mytool-node.conf 0644 root:root config",
            "/etc/ufw/applications.d/acme-mytool-node 0644 root:root config",
            "/lib/systemd/system/mytool-agent.service 0644 root:root file",
            "/lib/systemd/system/mytool-control.service 0644 root:root file",
            "/usr/lib/firewalld/services/mytool.xml 0644 root:root file",
            "/usr/lib/sysusers.d/acme-mytool-node.conf 0644 root:root file",
            "/usr/lib/tmpfiles.d/acme-mytool-node.conf 0644 root:root file",
            "/usr/share/doc/acme-mytool-node 0755 root:root folder",
            "/usr/share/doc/acme-mytool-node/changelog.Debian.gz 0644 root:root document",
            "/usr/share/doc/acme-mytool-node/copyright 0644 root:root document",
            "/usr/share/man/man8/mytool-agent.8.gz 0644 root:root document",
            "/usr/share/man/man8/mytool-control.8.gz 0644 root:root document",
            "/var/lib/mytool 0750 mytool:mytool folder",
            "/var/log/mytool 0750 mytool:adm folder",
        ]
    );
    assert!(
        node.depends
            .contains(&Dependency::Native("passwd".to_owned()))
    );
    assert_eq!(node.relations.replaces, ["acme-mytool-server (<< 1.4)"]);
    assert_eq!(node.runs, ["mytool-agent"]);
    assert_eq!(
        listing(&packages[0]).first().unwrap(),
        "/usr/share/doc/acme-python-mytool 0755 root:root folder"
    );
    assert!(packages[0].scripts.is_empty() && packages[1].scripts.is_empty());
}

#[test]
fn a_daemon_of_red_hat_has_everything_in_its_place() {
    let node = &sample("rocky-9")[2];
    assert_eq!(
        listing(node),
        [
            "/etc/logrotate.d 0755 root:root folder",
            "/etc/logrotate.d/acme-mytool-node 0644 root:root config",
            "/etc/mytool 0755 root:root folder",
            "/etc/mytool/mytool.conf 0640 root:mytool config",
            "/etc/mytool/units.conf 0644 root:root config",
            "/etc/rsyslog.d 0755 root:root folder",
            "/etc/rsyslog.d/acme-mytool-node.conf 0644 root:root config",
            "/etc/sysconfig/mytool-agent 0644 root:root config",
            "/usr/lib/firewalld 0755 root:root folder",
            "/usr/lib/firewalld/services 0755 root:root folder",
            "/usr/lib/firewalld/services/mytool.xml 0644 root:root file",
            "/usr/lib/systemd/system-preset/50-acme-mytool-node.preset 0644 root:root file",
            "/usr/lib/systemd/system/mytool-agent.service 0644 root:root file",
            "/usr/lib/systemd/system/mytool-control.service 0644 root:root file",
            "/usr/lib/sysusers.d/acme-mytool-node.conf 0644 root:root file",
            "/usr/lib/tmpfiles.d/acme-mytool-node.conf 0644 root:root file",
            "/usr/share/licenses/acme-mytool-node 0755 root:root folder",
            "/usr/share/licenses/acme-mytool-node/LICENSE 0644 root:root license",
            "/usr/share/man/man8/mytool-agent.8.gz 0644 root:root document",
            "/usr/share/man/man8/mytool-control.8.gz 0644 root:root document",
            "/var/lib/mytool 0750 mytool:mytool folder",
            "/var/log/mytool 0750 mytool:adm folder",
        ]
    );
    assert_eq!(node.relations.obsoletes, ["acme-mytool-server < 1.4"]);
    let text = |path: &str| {
        let entry = node.entries.iter().find(|entry| entry.path.contains(path));
        match &entry.unwrap().content {
            PlannedContent::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        text("preset"),
        "enable mytool-agent.service\ndisable mytool-control.service\n"
    );
    assert_eq!(
        text("sysusers"),
        "u mytool - \"mytool daemons\" /var/lib/mytool\n"
    );
}

#[test]
fn the_scripts_are_those_of_the_families() {
    let mut all = String::new();
    for platform in ["debian-12", "rocky-9"] {
        for (moment, text) in &sample(platform)[2].scripts {
            all.push_str(&format!("=== {platform} {moment:?}\n{text}"));
        }
    }
    insta::assert_snapshot!(all);
}

/// Read by the machine's shell, which on Debian takes little more than POSIX has; not run.
#[test]
fn the_scripts_are_read_by_the_shell() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let mut read = 0;
    for platform in ["debian-12", "rocky-9"] {
        for (moment, text) in &sample(platform)[2].scripts {
            let path = folder.path().join(format!("{platform}-{moment:?}.sh"));
            fs_err::write(&path, text).unwrap();
            let output = Command::new("/bin/sh")
                .arg("-n")
                .arg(&path)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}\n{text}");
            read += 1;
        }
    }
    assert_eq!(read, 7);
}

/// A project whose package `node` has these lines, and these files; `-> x` is a link.
fn with(lines: &str, files: &[(&str, &str)]) -> Result<PlatformPlan> {
    let text = format!(
        "name = \"x\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\n[packages.cli]\nlinks = {{ \"/usr/bin\" = [\"tool\"] }}\n[packages.node]\n{lines}\n"
    );
    let own = [("omnibuild.toml", text.as_str()), ("r.txt", "y==1\n")];
    of_files(&[&own, files].concat())
}

fn of_files(files: &[(&str, &str)]) -> Result<PlatformPlan> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => fs_err::os::unix::fs::symlink(target, path).unwrap(),
            None => fs_err::write(path, text).unwrap(),
        }
    }
    planned(folder.path(), "debian-12")
}

fn refused(lines: &str, files: &[(&str, &str)]) -> Error {
    let error = with(lines, files).unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
    error
}

#[test]
fn slips_are_named_with_their_line() {
    for (lines, said) in [
        (
            "files.\"/etc/$(id)\" = { source = \"a\" }",
            "omnibuild.toml:7:7",
        ),
        (
            "files.\"/etc/x/y\" = { source = \"../a\" }",
            "omnibuild.toml:7:",
        ),
        (
            "files.\"/etc/x/y\" = { source = \"a\", mode = \"9\" }",
            "omnibuild.toml:7:",
        ),
        ("users.\"a;b\" = {}", "omnibuild.toml:7:7"),
        (
            "units.\"a.conf\" = { source = \"a\" }",
            "omnibuild.toml:7:7",
        ),
        (
            "relations.debian.provides = [\"a, b\"]",
            "omnibuild.toml:7:",
        ),
        (
            "relations.redhat.breaks = [\"a\"]",
            "unknown field `breaks`",
        ),
        (
            "relations.debian.provides = [\"%{x}\"]",
            "omnibuild.toml:7:",
        ),
        ("man = [\"/etc/passwd\"]", "omnibuild.toml:7:"),
        ("users.u.real-name = \"$(id)\"", "omnibuild.toml:7:"),
    ] {
        let error = refused(lines, &[]);
        assert!(error.message().contains(said), "{lines}: {error}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let service = "[Service]\nExecStart=/usr/bin/tool\n";
    for (lines, files, said) in [
        ("man = [\"a\"]", vec![("a", "")], "name"),
        (
            "files.\"/etc/x/y\" = { source = \"a\", owner = \"tom\" }",
            vec![("a", "")],
            "nobody brings the user `tom`",
        ),
        (
            "files.\"/usr/share/x/y\" = { source = \"a\", config = true }",
            vec![("a", "")],
            "not below /etc",
        ),
        (
            "files.\"/etc/logrotate.d/x-node\" = { source = \"a\" }\nlogrotate = \"a\"",
            vec![("a", "")],
            "comes from both",
        ),
        (
            "files.\"/usr/bin/tool\" = { source = \"a\" }",
            vec![("a", "")],
            "/usr/bin/tool",
        ),
        (
            "files.\"/opt/x/y\" = { source = \"a\" }",
            vec![("a", "")],
            "in the bundle's folder",
        ),
        ("files.\"/etc/x/y\" = {}", vec![], "no `source`"),
        (
            "overlay = \"o\"\nfiles.\"/etc/x/y\" = {}",
            vec![("o/generic/etc/x/z", "")],
            "no folder of an overlay brings it",
        ),
        (
            "overlay = \"o\"",
            vec![("o/distribution/debain/etc/x/z", "")],
            "`debain` is no distribution of any platform",
        ),
        (
            "overlay = \"o\"",
            vec![("o/generic/etc/x/z", "-> a"), ("o/generic/etc/x/b", "")],
            "nothing is at `/etc/x/a`",
        ),
        (
            "overlay = \"o\"",
            vec![
                ("o/generic/etc/x/z", "-> ../x/y"),
                ("o/generic/etc/x/y", "-> z"),
            ],
            "leads back to it",
        ),
        (
            "summary = \"%{lua:x}\"",
            vec![],
            "packages.node.summary: `%{lua:x}` has `%{`",
        ),
        (
            "description = \"a %(id)\"",
            vec![],
            "packages.node.description",
        ),
        (
            "depends.debian = [\"a%[1]\"]",
            vec![],
            "packages.node.depends",
        ),
        (
            "links.\"/usr/bin\" = [\"%{x}\"]",
            vec![],
            "packages.node.links",
        ),
        (
            "summary = \"a\\u001bb\"",
            vec![],
            "control character U+001B",
        ),
        (
            "directories.\"/etc/cron.d\" = {}",
            vec![],
            "the distribution's",
        ),
        (
            "units.\"a.service\" = { source = \"a\" }",
            vec![("a", service)],
            "another package",
        ),
        (
            "overlay = \"o\"",
            vec![("o/etc/x", "")],
            "no level of an overlay",
        ),
        (
            "scripts.debian.postinst = \"a\"",
            vec![("a", "if\n")],
            "not a shell script",
        ),
    ] {
        let error = refused(lines, &files);
        assert!(error.message().contains(said), "{lines}: {error}");
    }
}

#[test]
fn links_that_may_lead_somewhere_stay() {
    for files in [
        vec![("o/generic/etc/x/z", "-> y"), ("o/generic/etc/x/y", "")],
        vec![("o/generic/etc/x/z", "-> /usr/share/zoneinfo/UTC")],
        vec![("o/generic/etc/x/z", "-> /opt/x/bin/y")],
        vec![("o/generic/etc/x/z", "-> /var/lib/x/later")],
        vec![("o/generic/etc/x/z", "-> /usr/bin/tool")],
    ] {
        with("overlay = \"o\"\ndirectories.\"/var/lib/x\" = {}", &files).unwrap();
    }
}

#[test]
fn every_text_of_the_omnibus_package_is_looked_at() {
    for key in [
        "summary",
        "description",
        "vendor",
        "maintainer",
        "url",
        "license",
    ] {
        let text = format!(
            "name = \"x\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\n{key} = \"https://x/%(id)\"\n"
        );
        let error = of_files(&[("omnibuild.toml", &text), ("r.txt", "y==1\n")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let said = format!("omnibuild.toml:4:1: {key}: `");
        assert!(error.message().contains(&said), "{error}");
    }
}

#[test]
fn a_list_without_its_own_distribution_has_no_commands() {
    let plan = |requirements: &str| {
        let text = "name = \"x\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\n";
        let plan = of_files(&[("omnibuild.toml", text), ("r.txt", requirements)])?;
        let names = plan.packages.iter().map(|package| package.name.to_string());
        Ok::<_, Error>(names.collect::<Vec<_>>())
    };
    assert_eq!(plan("y==1\n").unwrap(), ["python-x"]);
    assert_eq!(plan("X==1\n").unwrap(), ["python-x", "x-cli"]);
    let error = plan("# nothing yet\n").unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(
        error.message().contains("`r.txt` says no requirement"),
        "{error}"
    );
}

#[test]
fn a_changed_file_changes_the_key() {
    let key = |text: &str| {
        let lines = "files.\"/etc/x/y\" = { source = \"a\" }";
        let plan = with(lines, &[("a", text)]).unwrap();
        let base = crate::digest::Digest::of("base");
        plan.key(&base, &base).digest
    };
    assert_eq!(key("one"), key("one"));
    assert_ne!(key("one"), key("two"));
}

#[test]
fn a_project_s_script_ends_only_itself() {
    let plan = with("scripts.debian.postinst = \"a\"", &[("a", "exit 0\n")]).unwrap();
    let text = &plan.packages[2].scripts[&Moment::AfterInstall];
    assert!(
        text.contains("project() (\nexit 0\n)\nproject \"$@\"\n"),
        "{text}"
    );
}
