//! Folders, owners and modes of others, as the plan refuses them and the scripts leave them alone.

use super::*;

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
