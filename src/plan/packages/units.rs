//! systemd units of the project: what can be told from their text before they are installed.
//!
//! Pure.

use crate::config::package::daemon::Unit;
use crate::error::{Error, Kind, Result};
use crate::plan::project_files::ProjectFile;
use crate::platform::Family;

use super::scripts::UnitWork;

/// What a unit's text says.
#[derive(Debug)]
pub(super) struct UnitText {
    /// The sections, by name.
    sections: Vec<String>,
    /// The programs that it runs: line, path.
    programs: Vec<(usize, String)>,
    /// Users and groups that it runs as: line, key, name.
    accounts: Vec<(usize, &'static str, String)>,
    /// Whether systemd makes its user when it starts.
    dynamic_user: bool,
}

/// Keys that name users and groups (systemd.exec(5), systemd.socket(5)).
const ACCOUNT_KEYS: [&str; 5] = [
    "User",
    "Group",
    "SupplementaryGroups",
    "SocketUser",
    "SocketGroup",
];

impl UnitText {
    fn read(text: &str) -> Self {
        let mut read = Self {
            sections: Vec::new(),
            programs: Vec::new(),
            accounts: Vec::new(),
            dynamic_user: false,
        };
        let mut continued = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            let begins = !continued;
            continued = line.ends_with('\\');
            if !begins || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                read.sections.push(section.to_owned());
            } else if let Some((key, value)) = line.split_once('=') {
                read.assignment(number, key.trim(), value.trim());
            }
        }
        read
    }

    fn assignment(&mut self, line: usize, key: &str, value: &str) {
        if key.starts_with("Exec") {
            // systemd.service(5), "Special executable prefixes".
            let value = value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
            if let Some(program) = value.split_whitespace().next() {
                let program = program.trim_matches(['"', '\'']);
                self.programs.push((line, program.to_owned()));
            }
        } else if key == "DynamicUser" {
            self.dynamic_user = matches!(value, "yes" | "true" | "on" | "1");
        } else if let Some(key) = ACCOUNT_KEYS.into_iter().find(|known| *known == key) {
            let names = value.split_whitespace();
            // Numbers are no names, and what `%i` is nobody knows before it starts.
            let names = names.filter(|name| {
                !name.contains('%') && !name.bytes().all(|byte| byte.is_ascii_digit())
            });
            self.accounts
                .extend(names.map(|name| (line, key, name.to_owned())));
        }
    }

    fn has(&self, section: &str) -> bool {
        self.sections.iter().any(|there| there == section)
    }
}

/// What is known of the programs that a unit may run, and of whom it may run as.
pub(super) struct Known<'a> {
    /// The prefix of the bundle.
    pub(super) prefix: &'a str,
    /// The links and files of this package.
    pub(super) own: &'a dyn Fn(&str) -> bool,
    /// The other package of this build that links a path.
    pub(super) others: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a user or group is there, or may be.
    pub(super) account: &'a dyn Fn(&str) -> bool,
}

/// Checks a unit; answers what scripts have to do about it, and the commands of the bundle it runs.
pub(super) fn check(
    family: Family,
    name: &str,
    unit: &Unit,
    file: &ProjectFile,
    known: &Known<'_>,
) -> Result<(UnitWork, Vec<String>)> {
    let text = UnitText::read(file.text()?);
    let refused = |what: String, hint: &str| {
        Err(Error::new(
            Kind::Config,
            format!("units.\"{name}\": `{}`{what}", file.path),
        )
        .hint(hint))
    };
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let template = stem.ends_with('@');
    if kind == "service" && !text.has("Service") {
        return refused(
            ": a service without a section [Service]".to_owned(),
            "see systemd.service(5)",
        );
    }
    let installable = text.has("Install");
    if unit.enable == Some(true) && !installable {
        return refused(
            ": `enable = true`, but there is no section [Install], so nothing would be enabled"
                .to_owned(),
            "add `[Install]` with `WantedBy=multi-user.target`, or leave `enable` out",
        );
    }
    if template && (unit.enable == Some(true) || unit.start == Some(true)) {
        return refused(
            ": a template can't be enabled or started without an instance".to_owned(),
            "leave `enable` and `start` out, or do it for an instance in a script of your own",
        );
    }
    let mut commands = Vec::new();
    for (line, program) in &text.programs {
        if !program.starts_with('/') {
            return refused(
                format!(":{line}: runs `{program}` without a path"),
                "write the whole path: older versions of systemd insist on it",
            );
        }
        let of_bundle = program.strip_prefix(known.prefix);
        if let Some(command) = of_bundle.and_then(|rest| rest.strip_prefix("/bin/")) {
            commands.push(command.to_owned());
        } else if !(known.own)(program)
            && let Some(other) = (known.others)(program)
        {
            return refused(
                format!(":{line}: runs `{program}`, which is in `{other}`, another package"),
                &format!(
                    "run `{}/bin/…`, which is always there, or link the command in this package",
                    known.prefix
                ),
            );
        }
    }
    let unknown = text
        .accounts
        .iter()
        .find(|(_, _, name)| !text.dynamic_user && !(known.account)(name));
    if let Some((line, key, account)) = unknown {
        return refused(
            format!(":{line}: `{key}={account}`, and nobody brings `{account}`"),
            "declare it in `users` or `groups` of the package, or name the package that brings it in `depends`",
        );
    }
    // Debian enables and starts what it installs; elsewhere that is for the administrator.
    let by_family = match family {
        Family::Debian => installable && !template,
        Family::Redhat => false,
    };
    let work = UnitWork {
        name: name.to_owned(),
        enable: unit.enable.unwrap_or(by_family),
        start: unit.start.unwrap_or(by_family),
        restart: unit.restart,
        template,
    };
    Ok((work, commands))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn file(text: &str) -> ProjectFile {
        ProjectFile {
            path: "x.service".to_owned(),
            place: std::sync::Arc::default(),
            size: text.len() as u64,
            digest: Digest::of(text),
            executable: false,
            bytes: Some(text.as_bytes().into()),
        }
    }

    fn checked(
        family: Family,
        name: &str,
        options: &str,
        text: &str,
    ) -> Result<(UnitWork, Vec<String>)> {
        let unit: Unit = toml::from_str(&format!("source = \"x\"\n{options}")).unwrap();
        let known = Known {
            prefix: "/opt/mytool",
            own: &|path| path == "/usr/sbin/own",
            others: &|path| (path == "/usr/bin/other").then(|| "acme-cli".to_owned()),
            account: &|name| name == "mytool",
        };
        check(family, name, &unit, &file(text), &known)
    }

    const SERVICE: &str =
        "[Service]\nExecStart=/opt/mytool/bin/agent \\\n  ExecStart=x\n[Install]\nWantedBy=x\n";

    #[test]
    fn families_have_defaults_of_their_own() {
        let (debian, commands) = checked(Family::Debian, "a.service", "", SERVICE).unwrap();
        assert!(debian.enable && debian.start && debian.restart);
        assert_eq!(commands, ["agent"]);
        let (redhat, _) = checked(Family::Redhat, "a.service", "", SERVICE).unwrap();
        assert!(!redhat.enable && !redhat.start && redhat.restart);
        let (by_timer, _) = checked(Family::Debian, "a.service", "", "[Service]\n").unwrap();
        assert!(!by_timer.enable && !by_timer.start);
    }

    #[test]
    fn what_can_not_work_is_refused() {
        let service = |line: &str| format!("[Service]\n{line}\n");
        for (name, options, text, said) in [
            ("a.service", "", "[Unit]\n".to_owned(), "[Service]"),
            ("a.service", "enable = true", service(""), "[Install]"),
            (
                "a@.service",
                "enable = true",
                SERVICE.to_owned(),
                "template",
            ),
            (
                "a.service",
                "",
                service("ExecStart=agent"),
                ":2: runs `agent`",
            ),
            (
                "a.service",
                "",
                service("ExecStartPre=-/usr/bin/other x"),
                "acme-cli",
            ),
            (
                "a.service",
                "",
                service("User=mytol"),
                ":2: `User=mytol`, and nobody brings `mytol`",
            ),
            (
                "a.service",
                "",
                service("SupplementaryGroups=mytool others"),
                "brings `others`",
            ),
        ] {
            let error = checked(Family::Debian, name, options, &text).unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
        for accounts in [
            "User=mytool",
            "User=1000",
            "User=%i",
            "DynamicUser=yes\nUser=x",
        ] {
            checked(Family::Debian, "a.service", "", &service(accounts)).unwrap();
        }
        let fine = service("ExecStart=/usr/sbin/own\nExecReload=!/bin/kill -HUP $MAINPID");
        checked(Family::Debian, "a.service", "", &fine).unwrap();
    }
}
