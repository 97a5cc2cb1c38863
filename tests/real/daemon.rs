//! The sample's daemon package over its life: installed, changed by an administrator, upgraded,
//! installed again, removed, purged, and put in another package's place.

use std::path::{Path, PathBuf};

use crate::support::engine::{Container, base_of};
use crate::support::platform::{self, Manager, Platform};
use crate::support::project::Project;

const OMNIBUS: &str = "acme-python-mytool";
const NODE: &str = "acme-mytool-node";
const CONFIGURATION: &str = "/etc/mytool/mytool.conf";
const CHANGE: &str = "# changed by the administrator";

#[test]
fn a_daemon_lives_on_debian() {
    for platform in platform::asked_of(&["debian-12"]) {
        platform::warm(platform);
        let life = Life::begin(platform);
        life.is_installed();
        let wanted = "/etc/systemd/system/multi-user.target.wants";
        let enabled = life.container.run(&["ls", wanted]);
        assert_eq!(enabled, "mytool-agent.service");
        life.upgrade();
        // What the new version says is beside what was kept.
        assert!(life.container.has("/etc/mytool/mytool.conf.dpkg-dist"));
        life.install_again(&["apt-get", "-q", "-y", "reinstall"]);

        let remove = ["apt-get", "-q", "-y", "remove", NODE];
        life.container.run(&remove);
        life.keeps(CONFIGURATION);
        assert!(life.container.has("/var/lib/mytool/note"));
        assert!(!life.container.has("/usr/sbin/mytool-agent"));

        life.container.remove(&[NODE]);
        for gone in ["/etc/mytool", "/var/lib/mytool", "/var/log/mytool", wanted] {
            assert!(!life.container.has(gone), "`{gone}` is left by the purge");
        }
        // Files of users may be anywhere, so users stay (Debian policy 9.2.2).
        life.container.run(&["getent", "passwd", "mytool"]);
    }
}

#[test]
fn a_daemon_lives_on_rocky() {
    for platform in platform::asked_of(&["rocky-9"]) {
        platform::warm(platform);
        let life = Life::begin(platform);
        life.is_installed();
        let presets = "/usr/lib/systemd/system-preset/50-acme-mytool-node.preset";
        let preset = life.container.run(&["cat", presets]);
        assert!(
            preset.starts_with("enable mytool-agent.service"),
            "{preset}"
        );
        life.upgrade();
        assert!(life.container.has("/etc/mytool/mytool.conf.rpmnew"));
        life.install_again(&["dnf", "-y", "--nogpgcheck", "reinstall"]);

        life.container.remove(&[NODE]);
        life.keeps("/etc/mytool/mytool.conf.rpmsave");
        assert!(!life.container.has(CONFIGURATION));
        assert!(life.container.has("/var/lib/mytool/note"));
        let empty = "/var/log/mytool";
        assert!(!life.container.has(empty), "`{empty}` is left, and empty");
        life.container.run(&["getent", "passwd", "mytool"]);
    }
}

#[test]
fn a_package_takes_the_place_of_an_earlier_one() {
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let now = build(&project, platform, "1.4.2");
        // Before 1.4 the daemon's package had another name.
        project.replace("pyproject.toml", "packages.node", "packages.server");
        without_relations(&project);
        project.commit();
        let earlier = build(&project, platform, "1.3.0");
        let server = "acme-mytool-server";
        let earlier =
            [&earlier[0], &place(&project, platform, server, "1.3.0")].map(PathBuf::clone);

        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        container.install(&[&earlier[0], &earlier[1]]);
        let note = "echo kept >/var/lib/mytool/note";
        container.run(&["sh", "-c", note]);
        container.install(&[&now[0], &now[1]]);
        assert!(!is_installed(&container, platform, server));
        let owner = [query(platform), &[CONFIGURATION]].concat();
        let owner = container.run(&owner);
        assert!(owner.starts_with(NODE), "{owner}");
        // Nor does what is left of the old one take the new one's state away.
        container.try_run(&["dpkg", "--purge", server]);
        assert_eq!(container.run(&["cat", "/var/lib/mytool/note"]), "kept");
        assert_eq!(
            container.run(&["stat", "-c", "%a %U:%G", CONFIGURATION]),
            "640 root:mytool"
        );
    }
}

#[test]
fn packages_that_conflict_are_not_installed_together() {
    const RIVAL: &str = r#"
name = "rival"
version = "2.0.0"
requirements = ["r.txt"]
[packages.node]
files."/etc/rival/rival.conf" = { source = "rival.conf" }
[packages.node.relations.debian]
provides = ["mytool-daemon"]
conflicts = ["mytool-daemon"]
[packages.node.relations.redhat]
conflicts = ["mytool-daemon"]
"#;
    for platform in platform::asked_of(&["debian-12", "rocky-9"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let ours = build(&project, platform, "1.4.2");
        let rival = Project::of(&[
            ("omnibuild.toml", RIVAL),
            ("r.txt", "idna==3.10\n"),
            ("rival.conf", "x = 1\n"),
        ]);
        rival.run(&["--sysbase", platform.id]).succeeded();
        let theirs = [("python-rival", false), ("rival-node", true)]
            .map(|(name, anywhere)| platform.file_name(name, "2.0.0", anywhere))
            .map(|name| rival.package(platform, &name));
        let both: Vec<&Path> = ours.iter().chain(&theirs).map(AsRef::as_ref).collect();

        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        let (succeeded, said) = container.try_install(&both);
        assert!(!succeeded, "{said}");
        assert!(said.to_lowercase().contains("conflict"), "{said}");
        assert!(!is_installed(&container, platform, NODE));
        container.install(&[&theirs[0], &theirs[1]]);
        assert!(is_installed(&container, platform, "rival-node"));
    }
}

/// A machine on which the daemon is installed, and its next version.
struct Life {
    container: Container,
    next: [PathBuf; 2],
    _project: Project,
}

impl Life {
    /// Installs it.
    fn begin(platform: Platform) -> Self {
        let project = Project::copy_of("mytool");
        let first = build(&project, platform, "1.4.2");
        project.replace("conf/mytool.conf", "interval = 5", "interval = 6");
        project.commit();
        let next = build(&project, platform, "1.4.3");
        let container = Container::start(&base_of(platform), platform.manager);
        container.update();
        container.install(&[&first[0], &first[1]]);
        Self {
            container,
            next,
            _project: project,
        }
    }

    /// Account, owners and modes are as they were configured.
    fn is_installed(&self) {
        let account = self.container.run(&["getent", "passwd", "mytool"]);
        assert!(
            account.ends_with(":mytool daemons:/var/lib/mytool:/usr/sbin/nologin"),
            "{account}"
        );
        self.container.run(&["getent", "group", "mytool"]);
        self.has_owners();
        let key = ["stat", "-c", "%a %U %s", "/var/lib/mytool/key"];
        assert_eq!(self.container.run(&key), "600 mytool 32");
    }

    fn has_owners(&self) {
        for (path, expected) in [
            ("/etc/mytool", "755 root:root"),
            (CONFIGURATION, "640 root:mytool"),
            ("/var/lib/mytool", "750 mytool:mytool"),
            ("/var/log/mytool", "750 mytool:adm"),
        ] {
            let stat = self.container.run(&["stat", "-c", "%a %U:%G", path]);
            assert_eq!(stat, expected, "{path}");
        }
    }

    /// The administrator changes the configuration, the daemon leaves state, a new version comes.
    fn upgrade(&self) {
        let change = format!("echo '{CHANGE}' >>{CONFIGURATION}; echo kept >/var/lib/mytool/note");
        self.container.run(&["sh", "-c", &change]);
        let key = self.container.run(&["cat", "/var/lib/mytool/key"]);
        self.container.install(&[&self.next[0], &self.next[1]]);
        assert!(
            self.container
                .installed_version(NODE)
                .starts_with("1.4.3-1")
        );
        self.keeps(CONFIGURATION);
        self.has_owners();
        assert_eq!(self.container.run(&["cat", "/var/lib/mytool/note"]), "kept");
        assert_eq!(self.container.run(&["cat", "/var/lib/mytool/key"]), key);
    }

    /// The same version once more: a damaged file is mended, a changed one kept.
    fn install_again(&self, command: &[&str]) {
        let page = "/usr/share/man/man8/mytool-agent.8.gz";
        self.container.run(&["rm", page]);
        let places = self.next.iter().map(|path| {
            let name = path.file_name().expect("a package has a name");
            format!("/packages/{}", name.to_string_lossy())
        });
        let places: Vec<String> = places.collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        self.container.run(&[command, &places].concat());
        assert!(self.container.has(page));
        self.keeps(CONFIGURATION);
        self.has_owners();
    }

    /// The file has the administrator's change.
    fn keeps(&self, path: &str) {
        let text = self.container.run(&["cat", path]);
        assert!(text.ends_with(CHANGE), "{path}: {text}");
    }
}

/// Builds a version; answers the omnibus package and the daemon's, which need not be there.
fn build(project: &Project, platform: Platform, version: &str) -> [PathBuf; 2] {
    project
        .run(&["--sysbase", platform.id, "--tag", version])
        .succeeded();
    let omnibus = platform.file_name(OMNIBUS, version, false);
    [
        project.package(platform, &omnibus),
        place(project, platform, NODE, version),
    ]
}

fn place(project: &Project, platform: Platform, name: &str, version: &str) -> PathBuf {
    project.package(platform, &platform.file_name(name, version, true))
}

/// Leaves out what the sample says of its predecessor.
fn without_relations(project: &Project) {
    let path = project.root().join("pyproject.toml");
    let text = fs_err::read_to_string(&path).expect("it can be read");
    let (before, _) = text
        .split_once("[tool.omnibuild.packages.server.relations.debian]")
        .expect("the relations are last");
    project.write("pyproject.toml", before);
}

/// The command that says which package a file is of.
fn query(platform: Platform) -> &'static [&'static str] {
    match platform.manager {
        Manager::Apt => &["dpkg", "-S"],
        Manager::Yum => &["rpm", "-qf"],
    }
}

fn is_installed(container: &Container, platform: Platform, name: &str) -> bool {
    match platform.manager {
        Manager::Apt => {
            let state = ["dpkg-query", "-W", "-f", "${db:Status-Status}", name];
            container.try_run(&state) == (true, "installed".to_owned())
        }
        Manager::Yum => container.try_run(&["rpm", "-q", name]).0,
    }
}
