//! The sample project's packages, as they are planned for several platforms.

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
            "name = \"x\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\n{key} = \"a %(id) b\"\n"
        );
        let error = of_files(&[("omnibuild.toml", &text), ("r.txt", "y==1\n")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let said = format!("{key}: `");
        assert!(error.message().starts_with(&said), "{error}");
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
        plan.key(&crate::digest::Digest::of("base")).digest
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

/// A project with a second package, `more`, of these lines.
fn with_more(lines: &str, more: &str) -> Result<PlatformPlan> {
    with(
        &format!("{lines}\n[packages.more]\n{more}"),
        &[("a", ""), ("b", "")],
    )
}

#[test]
fn a_purge_reaches_no_folder_that_is_kept_or_another_package_s() {
    let folder = |path: &str, purge: &str| {
        format!("directories.\"/var/lib/{path}\" = {{ purge = \"{purge}\" }}")
    };
    for (one, another) in [("x", "x"), ("x", "x/y"), ("x/y", "x")] {
        let error = with_more(&folder(one, "remove"), &folder(another, "remove")).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let said = error.message();
        assert!(said.contains("x-node") && said.contains("x-more"), "{said}");
        with_more(&folder(one, "keep"), &folder(another, "keep")).unwrap();
    }
    with_more(&folder("x", "keep"), &folder("x/y", "remove")).unwrap();
    with_more(&folder("x", "remove"), &folder("xy", "remove")).unwrap();
    assert!(with_more(&folder("x", "remove"), &folder("x/y", "keep")).is_err());
    let within = |purge: &str| format!("{}\n{}", folder("x", "remove"), folder("x/y", purge));
    with(&within("remove"), &[]).unwrap();
    let error = with(&within("keep"), &[]).unwrap_err();
    assert!(error.message().contains("`/var/lib/x/y`"), "{error}");
}

#[test]
fn nothing_is_given_to_a_user_where_a_user_may_write() {
    let daemon = "owner = \"daemon\"";
    let inside = format!("files.\"/var/lib/state/y\" = {{ source = \"a\", {daemon} }}");
    let folder = |said: &str| format!("directories.\"/var/lib/state\" = {{ {said} }}");
    for said in [
        daemon,
        "group = \"daemon\", mode = \"0775\"",
        "mode = \"1777\"",
    ] {
        for plan in [
            with_more(&format!("{}\n{inside}", folder(said)), "man = []"),
            with_more(&folder(said), &inside),
        ] {
            let error = plan.unwrap_err();
            assert!(error.message().contains("may write"), "{error}");
        }
    }
    for said in ["", "group = \"daemon\", mode = \"0750\""] {
        with_more(&folder(said), &inside).unwrap();
    }
    let of_root = inside.replace(daemon, "mode = \"0600\"");
    with_more(&folder(daemon), &of_root).unwrap();
}

/// Runs lines of shell after functions of Debian's scripts.
fn run_functions(names: &[&str], lines: &str, admin: &Path) {
    let mut script = "set -eu\n".to_owned();
    for name in names {
        let path = format!("images/scripts/debian/{name}.sh");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        script.push_str(&fs_err::read_to_string(path).unwrap());
    }
    script.push_str(lines);
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .env("DPKG_ADMINDIR", admin)
        .env("DPKG_MAINTSCRIPT_PACKAGE", "own")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A database of dpkg's with the file lists of packages.
fn database(lists: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("info")).unwrap();
    let mut status = String::new();
    for (name, list) in lists {
        status.push_str(&format!(
            "Package: {name}\nStatus: install ok installed\nMaintainer: x\nArchitecture: all\nVersion: 1\nDescription: x\n\n"
        ));
        fs_err::write(folder.path().join(format!("info/{name}.list")), list).unwrap();
    }
    fs_err::write(folder.path().join("status"), status).unwrap();
    folder
}

#[test]
fn a_purge_leaves_folders_of_other_packages() {
    let state = tempfile::tempdir().unwrap();
    let root = state.path().to_str().unwrap();
    for name in ["own", "shared", "above", "near"] {
        fs_err::create_dir_all(state.path().join(name).join("deep")).unwrap();
    }
    let own = format!("{root}/own\n{root}/shared\n{root}/above\n{root}/near\n");
    let other = format!("{root}/shared\n{root}/above/deep\n{root}/nearly\n");
    let admin = database(&[("own", &own), ("other", &other)]);
    let call = |name: &str| format!("remove_state '{root}/{name}'\n");
    let calls = ["own", "shared", "above", "near", "absent"].map(call);
    run_functions(&["remove_state"], &calls.concat(), admin.path());
    for (name, stays) in [
        ("own", false),
        ("shared", true),
        ("above", true),
        ("near", false),
    ] {
        assert_eq!(state.path().join(name).exists(), stays, "{name}");
    }
}

#[test]
fn owner_and_mode_of_what_a_link_leads_to_stay() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let admin = database(&[]);
    let secret = folder.path().join("secret");
    fs_err::write(&secret, "x").unwrap();
    fs_err::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    fs_err::os::unix::fs::symlink(&secret, folder.path().join("link")).unwrap();
    let root = folder.path().display();
    let mode = || fs_err::metadata(&secret).unwrap().permissions().mode() & 0o7777;
    let owner = "\"$(id -u):$(id -g)\"";
    let call = |name: &str| format!("set_owner '{root}/{name}' {owner} 0644\n");
    run_functions(
        &["owner"],
        &format!("{}{}", call("link"), call("absent")),
        admin.path(),
    );
    assert_eq!(mode(), 0o600);
    run_functions(&["owner"], &call("secret"), admin.path());
    assert_eq!(mode(), 0o644);
}

#[test]
fn a_project_s_script_is_what_it_was() {
    let own = "cat >x <<'END'\na\n\n\n\nb \nEND\n";
    let plan = with(
        "scripts.debian.postinst = \"own\"\nusers.tom = {}",
        &[("own", own)],
    )
    .unwrap();
    let text = &plan.packages[2].scripts[&Moment::AfterInstall];
    assert!(text.contains(&format!("project() (\n{own})\n")), "{text}");
    assert_eq!(text.replace(own, "").matches("\n\n\n").count(), 0);
    assert!(text.ends_with("\n\nexit 0\n"), "{text}");
}

#[test]
fn folders_of_others_are_not_taken() {
    let file = |path: &str| format!("files.\"{path}\" = {{ source = \"a\" }}\n");
    let lines = [
        file("/etc/audit/rules.d/x.rules"),
        file("/etc/x/deep/x.conf"),
        file("/usr/lib/other/x-node/x"),
        file("/var/lib/state/deep/file"),
        "directories.\"/var/lib/state\" = {}".to_owned(),
    ];
    let plan = with(&lines.concat(), &[("a", "")]).unwrap();
    let folders: Vec<&str> = plan.packages[2]
        .entries
        .iter()
        .filter(|entry| matches!(entry.content, PlannedContent::Directory))
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(
        folders,
        [
            "/etc/x",
            "/etc/x/deep",
            "/usr/lib/other/x-node",
            "/usr/share/doc/x-node",
            "/var/lib/state",
            "/var/lib/state/deep",
        ]
    );
}
