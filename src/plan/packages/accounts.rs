//! Users and groups of a package, and whose its entries may be.
//!
//! Pure.

use std::fmt::Write as _;

use crate::config::package::AccountName;
use crate::error::{Error, Kind, Result};
use crate::plan::contents::PlannedContent;
use crate::tree::{Owner, Role};

use super::entries::Maker;
use super::scripts::NO_LOGIN;

/// Users and groups that every platform has.
const COMMON_ACCOUNTS: [&str; 14] = [
    "root", "daemon", "bin", "sys", "adm", "mail", "lp", "games", "nobody", "disk", "tty", "users",
    "utmp", "kmem",
];

/// Users and groups that the packages every system has bring on some platforms (`base-passwd`,
/// `setup`, systemd). Units may run as them; files that are theirs must declare them.
const SYSTEM_ACCOUNTS: [&str; 24] = [
    "audio",
    "backup",
    "cdrom",
    "dialout",
    "ftp",
    "input",
    "kvm",
    "man",
    "news",
    "nogroup",
    "operator",
    "plugdev",
    "proxy",
    "render",
    "shadow",
    "src",
    "staff",
    "sudo",
    "systemd-journal",
    "systemd-network",
    "tape",
    "video",
    "wheel",
    "www-data",
];

impl Maker<'_> {
    /// Whether a unit may run as a user or a group.
    pub(super) fn has_account(&self, name: &str) -> bool {
        let contents = self.contents;
        let declared = contents.users.iter().any(|(user, said)| {
            user.as_str() == name || said.groups.iter().any(|group| group.as_str() == name)
        });
        declared
            || contents.groups.iter().any(|group| group.as_str() == name)
            || COMMON_ACCOUNTS.contains(&name)
            || SYSTEM_ACCOUNTS.contains(&name)
            || (self.foreign_account)(name)
    }

    /// `users` and `groups`: a file for systemd (sysusers.d(5)), and work for scripts.
    pub(super) fn accounts(&mut self) -> Result<()> {
        let contents = self.contents;
        if contents.users.is_empty() && contents.groups.is_empty() {
            return Ok(());
        }
        let joined = contents.users.values().flat_map(|user| &user.groups);
        let mut groups: Vec<&AccountName> = contents.groups.iter().chain(joined).collect();
        groups.retain(|group| !contents.users.contains_key(*group));
        groups.sort();
        groups.dedup();
        let mut text = String::new();
        for group in &groups {
            writeln!(text, "g {group} -").expect("a String takes everything");
        }
        for (name, user) in &contents.users {
            let real = user
                .real_name
                .as_ref()
                .map_or("-".to_owned(), |real| format!("\"{real}\""));
            let home = user.home.as_ref().map_or("-", |home| home.as_str());
            let shell = user.shell.as_ref().map_or(NO_LOGIN, |shell| shell.as_str());
            // Older systemds know no field for the shell; theirs is this one anyway.
            let shell = if shell == NO_LOGIN {
                String::new()
            } else {
                format!(" {shell}")
            };
            writeln!(text, "u {name} - {real} {home}{shell}").expect("a String takes everything");
            for group in &user.groups {
                writeln!(text, "m {name} {group}").expect("a String takes everything");
            }
        }
        let file = format!("{}.conf", self.package);
        let path = format!("/usr/lib/sysusers.d/{file}");
        self.plain(path, Role::Plain, PlannedContent::Text(text), "users")?;
        let users = contents.users.keys();
        self.work.groups = groups
            .into_iter()
            .chain(users)
            .map(ToString::to_string)
            .collect();
        self.work.users = contents
            .users
            .iter()
            .map(|(name, user)| (name.to_string(), user.clone()))
            .collect();
        self.work.sysusers = Some(file);
        Ok(())
    }

    /// Accounts that are not there when the package is installed would silently become root.
    pub(super) fn owner(
        &self,
        user: Option<&AccountName>,
        group: Option<&AccountName>,
    ) -> Result<Owner> {
        let contents = self.contents;
        let check = |name: &AccountName, is_group: bool| {
            let joined = contents.users.values().flat_map(|user| &user.groups);
            let known = COMMON_ACCOUNTS.contains(&name.as_str())
                || contents.users.contains_key(name)
                || (is_group && contents.groups.iter().chain(joined).any(|it| it == name));
            if known {
                return Ok(());
            }
            let (what, key) = if is_group {
                ("group", "groups")
            } else {
                ("user", "users")
            };
            Err(
                Error::new(Kind::Config, format!("nobody brings the {what} `{name}`")).hint(
                    format!(
                        "declare it in `{key}` of this package: it is made where it is not there"
                    ),
                ),
            )
        };
        user.map_or(Ok(()), |name| check(name, false))?;
        group.map_or(Ok(()), |name| check(name, true))?;
        let name = |name: Option<&AccountName>| name.map_or("root", AccountName::as_str).into();
        Ok(Owner {
            user: name(user),
            group: name(group),
        })
    }
}
