//! The words of a package's contents: paths, accounts, units, modes.
//!
//! Each is checked when it is read, so an error has the line and column of the word. Many of them
//! reach maintainer scripts and headers, so none can hold what a shell, rpm or systemd would expand.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::checked_word;

checked_word!(
    /// Where a file is installed: an absolute path.
    InstallPath,
    check_install_path
);
checked_word!(
    /// A file or a folder of the project, relative to its root.
    SourcePath,
    check_source_path
);
checked_word!(
    /// The name of a user or a group.
    AccountName,
    check_account_name
);
checked_word!(
    /// The name of a systemd unit, `mytool.service`.
    UnitName,
    check_unit_name
);
checked_word!(
    /// The name of a command, without a path.
    CommandName,
    check_command_name
);
checked_word!(
    /// One line of text that stands in a file of colon-separated fields: a user's real name.
    RealName,
    check_real_name
);

/// Permission bits, written as octal digits in a string: `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(u32);

impl FileMode {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for FileMode {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let digits = (3..=4).contains(&text.len());
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if digits && !text.starts_with('+') => Ok(Self(bits)),
            _ => Err(refused(
                &text,
                "is not a mode",
                "write three or four octal digits in quotes, such as \"0640\"",
            )),
        }
    }
}

/// Folders that a package does not install into, and why.
const NO_PLACES: [(&str, &str); 19] = [
    (
        "/usr/local",
        "it is the administrator's (FHS 4.9): install below /usr",
    ),
    ("/home", "it is the users'"),
    ("/root", "it is the administrator's home"),
    ("/tmp", "it is emptied: let tmpfiles make what is needed"),
    (
        "/var/tmp",
        "it is emptied: let tmpfiles make what is needed",
    ),
    (
        "/run",
        "it is empty after each start: use `RuntimeDirectory=` in the unit, or tmpfiles",
    ),
    (
        "/var/run",
        "it is empty after each start: use `RuntimeDirectory=` in the unit, or tmpfiles",
    ),
    ("/var/lock", "it is empty after each start: use tmpfiles"),
    ("/proc", "it is the kernel's"),
    ("/sys", "it is the kernel's"),
    ("/dev", "it is the kernel's"),
    ("/boot", "it is the boot loader's"),
    ("/mnt", "it is the administrator's"),
    ("/media", "it is for removable media"),
    (
        "/bin",
        "it is a link to /usr/bin on most platforms: write /usr/bin",
    ),
    (
        "/sbin",
        "it is a link to /usr/sbin on most platforms: write /usr/sbin",
    ),
    (
        "/lib",
        "it is a link to /usr/lib on most platforms: write /usr/lib",
    ),
    (
        "/lib64",
        "it is a link to /usr/lib64 on most platforms: write /usr/lib64",
    ),
    ("/var/lib/dpkg", "it is the package manager's"),
];

fn check_install_path(text: &str) -> Result<()> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._+-:@=,~".contains(&byte))
    };
    let good = text
        .strip_prefix('/')
        .is_some_and(|rest| rest.contains('/') && rest.split('/').all(plain));
    if !good {
        return Err(refused(
            text,
            "is not a path to install at",
            "write an absolute path of two or more plain names, of letters, digits and `._+-:@=,~`, such as \"/etc/mytool/mytool.conf\"",
        ));
    }
    let no_place = NO_PLACES.iter().find(|(folder, _)| {
        text.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match no_place {
        Some((folder, why)) => Err(refused(
            text,
            &format!("is below `{folder}`, where no package installs"),
            why,
        )),
        None => Ok(()),
    }
}

fn check_source_path(text: &str) -> Result<()> {
    let good = !text.contains(|character: char| character.is_control() || character == '\\')
        && crate::tree::is_plain_path(text);
    if good {
        return Ok(());
    }
    Err(refused(
        text,
        "is not a path in the project",
        "write it relative to the project's folder, without `..`, such as \"packaging/mytool.service\"",
    ))
}

fn check_account_name(text: &str) -> Result<()> {
    if crate::tree::is_account_name(text) {
        return Ok(());
    }
    Err(refused(
        text,
        "is not the name of a user or a group",
        "use at most 31 of a-z, 0-9, `_` and `-`, the first a letter or `_`",
    ))
}

/// The kinds of units that a package brings (systemd.unit(5)).
const UNIT_KINDS: [&str; 8] = [
    "service",
    "socket",
    "timer",
    "path",
    "target",
    "mount",
    "automount",
    "slice",
];

fn check_unit_name(text: &str) -> Result<()> {
    let good = text.rsplit_once('.').is_some_and(|(name, kind)| {
        UNIT_KINDS.contains(&kind)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":_.@-".contains(&byte))
    });
    if good {
        return Ok(());
    }
    Err(refused(
        text,
        "is not the name of a systemd unit",
        &format!(
            "write it as \"mytool.service\"; kinds are {}",
            UNIT_KINDS.join(", ")
        ),
    ))
}

fn check_command_name(text: &str) -> Result<()> {
    let good = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    if good {
        return Ok(());
    }
    Err(refused(
        text,
        "is not the name of a command",
        "write the command's name without a path, of letters, digits and `._+-`",
    ))
}

fn check_real_name(text: &str) -> Result<()> {
    let good = !text.trim().is_empty()
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || " .,-_()/+@".contains(character));
    if good {
        return Ok(());
    }
    Err(refused(
        text,
        "can't be a user's real name",
        "use letters, digits, spaces and `.,-_()/+@`",
    ))
}

/// The error about a word, with what is wrong with it and what to write.
pub(super) fn refused(text: &str, what: &str, hint: &str) -> Error {
    // Serde keeps the message alone, so the advice is a part of it.
    Error::new(
        Kind::Config,
        format!("`{}` {what}: {hint}", text.escape_debug()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::str::FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text}");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text}");
        }
    }

    #[test]
    fn paths_that_a_shell_or_rpm_would_expand_are_refused() {
        check::<InstallPath>(
            &["/etc/mytool/a.conf", "/usr/lib/x@.service", "/var/lib/x"],
            &[
                "",
                "/",
                "/etc",
                "etc/x",
                "/etc/../x",
                "/etc//x",
                "/etc/x/",
                "/etc/$(id)",
                "/etc/%{x}",
                "/etc/a b",
                "/etc/a'b",
                "/etc/a\nb",
                "/usr/local/x",
                "/run/x",
                "/lib/x",
                "/tmp/x",
            ],
        );
        check::<InstallPath>(&["/library/x/y", "/runner/x"], &["/var/run/x"]);
    }

    #[test]
    fn a_source_is_inside_of_the_project() {
        check::<SourcePath>(
            &["a", "a/b.c", "größe/x y"],
            &["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\nb"],
        );
    }

    #[test]
    fn names_that_reach_scripts_are_names() {
        check::<AccountName>(
            &["mytool", "_x", "a-1"],
            &["", "Root", "a;b", "-a", "a b", "$(x)", &"a".repeat(32)],
        );
        check::<UnitName>(
            &["a.service", "a@.service", "a-b.timer", "a.b.socket"],
            &[
                "a",
                "a.conf",
                "../a.service",
                "a b.service",
                "-a.service",
                "$(a).service",
                ".service",
            ],
        );
        check::<CommandName>(&["a", "a-b.c"], &["", "a/b", "-a", "a b", "`a`"]);
        check::<RealName>(
            &["My tool, daemon"],
            &["", "a:b", "a\nb", "$(x)", "a'b", "%{x}"],
        );
    }

    #[test]
    fn a_mode_is_octal() {
        let mode = |text: &str| FileMode::try_from(text.to_owned()).map(FileMode::bits);
        assert_eq!(mode("0640").unwrap(), 0o640);
        assert_eq!(mode("4755").unwrap(), 0o4755);
        for bad in ["", "64", "0o640", "888", "10000", "+640", "rw-r"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }
}
