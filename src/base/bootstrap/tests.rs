//! What bootstrapping promises, with the real tool but without a network, and with
//! `--features real-engine` also with one.

use super::*;
use crate::platform::PlatformId;
use std::collections::BTreeMap;

fn shipped() -> BTreeMap<PlatformId, Bootstrap> {
    let text = include_str!("../../../platforms.toml");
    let data: toml::Table = text.parse().unwrap();
    let platforms = data["platform"].as_table().unwrap();
    platforms
        .iter()
        .filter_map(|(name, platform)| {
            let table = platform.get("bootstrap")?.clone();
            Some((name.parse().unwrap(), table.try_into().unwrap()))
        })
        .collect()
}

fn of(platform: &str) -> Bootstrap {
    shipped().remove(&platform.parse().unwrap()).unwrap()
}

fn sources(platform: &str, mirror: &str) -> Vec<String> {
    let argv = of(platform)
        .command(Arch::Amd64, Some(mirror), Path::new("/keys.gpg"))
        .unwrap();
    let target = argv.iter().position(|word| word == "-").unwrap();
    argv[target + 1..].to_vec()
}

#[test]
fn every_table_that_is_shipped_makes_a_command() {
    let all = shipped();
    assert_eq!(all.len(), 11);
    for (platform, bootstrap) in all {
        let mirror = Some("https://mirror.example/archive");
        let argv = bootstrap
            .command(Arch::Arm64, mirror, Path::new("/keys.gpg"))
            .unwrap();
        assert!(
            argv.contains(&"--architectures=arm64".to_owned()),
            "{platform}: {argv:?}"
        );
        assert!(
            !argv.iter().any(|word| word.contains(['{', '}'])),
            "{platform}: {argv:?}"
        );
    }
}

#[test]
fn without_a_mirror_the_tool_takes_its_own() {
    let argv = of("debian-12")
        .command(Arch::Amd64, None, Path::new("/keys.gpg"))
        .unwrap();
    assert_eq!(argv[argv.len() - 2..], ["bookworm", "-"]);
    assert!(argv.contains(&"--keyring=/keys.gpg".to_owned()));
}

#[test]
fn a_mirror_has_updates_and_security_too() {
    assert_eq!(
        sources("debian-12", "http://mirror.example/debian/"),
        [
            "deb http://mirror.example/debian bookworm main",
            "deb http://mirror.example/debian bookworm-updates main",
            "deb http://mirror.example/debian-security bookworm-security main",
        ]
    );
    assert_eq!(
        sources("ubuntu-24.04", "http://mirror.example/ubuntu")[2],
        "deb http://mirror.example/ubuntu noble-security main universe"
    );
}

#[test]
fn a_mirror_can_neither_bring_options_nor_secrets() {
    for bad in [
        "mirror.example/debian",
        "http://mirror.example/debian bookworm main\ndeb http://other.example/",
        "http://mirror.example/ [trusted=yes]",
        "--hook-dir=/tmp",
    ] {
        let error = of("debian-12")
            .command(Arch::Amd64, Some(bad), Path::new("/k"))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{bad}");
    }
    let secret = "https://user:s3cret@mirror.example/debian";
    let error = of("debian-12")
        .command(Arch::Amd64, Some(secret), Path::new("/k"))
        .unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[test]
fn what_a_release_needs_besides_is_data() {
    let argv = |bootstrap: &Bootstrap| {
        let argv = bootstrap.command(Arch::Amd64, None, Path::new("/keys.gpg"));
        argv.unwrap().join("\n")
    };
    let plain = argv(&of("debian-12"));
    assert!(!plain.contains("Valid-Until") && !plain.contains("extract-hook"));
    let xenial = argv(&of("ubuntu-16.04"));
    assert!(
        xenial.contains("/archives/libpam-runtime_*.deb"),
        "{xenial}"
    );
    let mut still = of("debian-sid");
    still.check_valid_until = false;
    assert!(argv(&still).contains("--aptopt=Acquire::Check-Valid-Until \"false\""));
    still.first = vec!["a;reboot".to_owned()];
    let error = still
        .command(Arch::Amd64, None, Path::new("/k"))
        .unwrap_err();
    assert!(error.message().contains("bootstrap.first"), "{error}");
}

#[test]
fn words_of_the_table_are_no_options() {
    let mut bootstrap = of("debian-12");
    bootstrap.suite = "--setup-hook=reboot".to_owned();
    let error = bootstrap
        .command(Arch::Amd64, None, Path::new("/k"))
        .unwrap_err();
    assert!(error.message().contains("bootstrap.suite"), "{error}");
}

#[test]
fn unknown_fields_are_refused() {
    let text = "tool = 'mmdebstrap'\nsuite = 'x'\ncomponents = ['main']\narchives = []\n\
                keyring = { path = '/k', package = 'k' }\nmiror = 'x'";
    let error = toml::from_str::<Bootstrap>(text).unwrap_err();
    assert!(error.to_string().contains("miror"), "{error}");
}

/// A root filesystem with this package database.
fn tar_of(status: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("./etc/other", "x"), ("./var/lib/dpkg/status", status)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn paragraph(name: &str, state: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok {state}\nArchitecture: amd64\nVersion: {version}\n\
         Description: text\n Version: 9\nConffiles:\n /etc/x 1234\n\n"
    )
}

#[test]
fn the_digest_is_of_packages_and_versions_alone() {
    let digest = |parts: &[String]| content_digest(&tar_of(&parts.concat())[..]).unwrap();
    let (one, two) = (
        paragraph("a", "installed", "1"),
        paragraph("b", "installed", "2"),
    );
    let expected = digest(&[one.clone(), two.clone()]);
    assert_eq!(expected, digest(&[two.clone(), one.clone()]));
    let removed = paragraph("c", "config-files", "3");
    assert_eq!(expected, digest(&[one.clone(), removed, two.clone()]));
    assert_ne!(
        expected,
        digest(&[one.clone(), paragraph("b", "installed", "2.1")])
    );
    assert_ne!(expected, digest(std::slice::from_ref(&one)));
}

#[test]
fn a_root_filesystem_without_packages_has_no_digest() {
    assert_eq!(
        content_digest(&tar_of("")[..]).unwrap_err().kind(),
        Kind::Internal
    );
    let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
    assert_eq!(
        content_digest(&empty[..]).unwrap_err().kind(),
        Kind::Missing
    );
}

#[test]
fn a_mirror_that_has_nothing_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("images/rootfs.tar");
    let mirror = format!("file:{}/nothing", folder.path().display());
    let mut lines = Vec::new();
    let error = of("debian-12")
        .run(
            Arch::Amd64,
            Some(&mirror),
            folder.path(),
            &output,
            &mut |line| {
                lines.push(line.to_owned());
            },
        )
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error:?}");
    assert!(
        error.message().contains(&mirror) && error.message().contains("bookworm"),
        "{error}"
    );
    assert!(error.hints()[0].contains("OMNIBUILD_MIRROR"), "{error:?}");
    assert!(!lines.is_empty());
    assert_eq!(
        error.failed_command().unwrap().last_lines.last(),
        lines.last()
    );
    assert_eq!(
        fs_err::read_dir(output.parent().unwrap()).unwrap().count(),
        0
    );
}

#[test]
fn an_archive_that_does_not_answer_is_named_with_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("rootfs.tar");
    // Nobody listens there.
    let mirror = "http://127.0.0.1:9/debian";
    let error = of("debian-10")
        .run(
            Arch::Amd64,
            Some(mirror),
            folder.path(),
            &output,
            &mut |_| (),
        )
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error:?}");
    assert!(error.message().contains(mirror), "{error}");
    let hint = &error.hints()[0];
    assert!(
        hint.contains("`mirror =`") && hint.contains("OMNIBUILD_MIRROR"),
        "{hint}"
    );
    assert!(!output.exists());
}

#[test]
fn a_keyring_that_is_not_there_says_which_package_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut bootstrap = of("debian-12");
    bootstrap.keyring.path = folder.path().join("absent.gpg");
    let output = folder.path().join("rootfs.tar");
    let error = bootstrap
        .run(Arch::Amd64, None, folder.path(), &output, &mut |_| ())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error:?}");
    assert!(
        error.hints()[0].contains("debian-archive-keyring"),
        "{error:?}"
    );
}

#[test]
fn a_tool_that_is_not_installed_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("rootfs.tar");
    let argv = [folder.path().join("absent").display().to_string()];
    let error = of("debian-12")
        .execute(&argv, None, &output, &mut |_| ())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error:?}");
    assert!(
        error.hints()[0].contains("apt-get install mmdebstrap"),
        "{error:?}"
    );
    assert!(!output.exists());
}

#[test]
fn a_child_ends_with_its_value() {
    let child = Command::new("sleep")
        .arg("1000")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = rustix::process::Pid::from_child(&child);
    drop(Running(child));
    assert!(rustix::process::test_kill_process(id).is_err());
}

#[test]
fn what_the_tool_said_decides_the_kind() {
    let of = |line: &str| failure(&VecDeque::from([line.to_owned()]), None, Path::new("/keys"));
    assert_eq!(
        of("dpkg: error: No space left on device").kind(),
        Kind::Space
    );
    let unsigned = of("E: The repository 'x InRelease' is not signed.");
    assert_eq!(unsigned.kind(), Kind::Network);
    assert!(unsigned.hints()[0].contains("/keys"));
    assert!(
        of("E: Failed to fetch x")
            .message()
            .contains("the tool's default mirror")
    );
}

/// Takes some minutes and a network: every platform, and that its packages can be updated.
#[cfg(feature = "real-engine")]
#[test]
fn every_platform_is_bootstrapped() {
    let folder = tempfile::tempdir().unwrap();
    for (platform, mut bootstrap) in shipped() {
        // In an archive that is no default of the tool, and on no mirror that tests have.
        if platform.as_str() == "debian-10" {
            continue;
        }
        // A mirror that tests have may stand still.
        bootstrap.check_valid_until = false;
        let output = folder.path().join("rootfs.tar");
        bootstrap
            .run(Arch::Amd64, None, folder.path(), &output, &mut |_| ())
            .unwrap();
        content_digest(fs_err::File::open(&output).unwrap()).unwrap();
        let file = |name: &str| {
            let content = member(fs_err::File::open(&output).unwrap(), Path::new(name));
            content.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let sources = file("/etc/apt/sources.list").unwrap();
        assert!(
            bootstrap.archives.len() == 1
                || sources.contains("-updates ") && sources.contains("-security "),
            "{platform}: {sources}"
        );
        assert!(!sources.contains("signed-by"), "{platform}: {sources}");
        assert_eq!(
            file("/etc/hostname").unwrap_err().kind(),
            Kind::Missing,
            "{platform}"
        );
    }
}
