//! Maintainer scripts: checked words given to functions of `images/scripts/`, and the project's own
//! parts.
//!
//! Pure. A word is put between single quotes and can hold none: `config` checked it, and so does
//! [`quoted`].

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::config::package::daemon::User;
use crate::error::{Error, Kind, Result};
use crate::plan::contents::{Moment, Scripts};
use crate::platform::Family;

#[derive(rust_embed::Embed)]
#[folder = "images/scripts/"]
struct Functions;

/// What scripts have to do for a package.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The file in sysusers.d, when there are accounts.
    pub(super) sysusers: Option<String>,
    /// Groups, before users.
    pub(super) groups: Vec<String>,
    /// Users with all that is said of them.
    pub(super) users: Vec<(String, User)>,
    /// Path, owner and mode of what is not root's.
    pub(super) owned: Vec<(String, String, u32)>,
    /// The file in tmpfiles.d.
    pub(super) tmpfiles: Option<String>,
    /// Units.
    pub(super) units: Vec<UnitWork>,
    /// Whether a file of rsyslog's came.
    pub(super) rsyslog: bool,
    /// Whether a service of firewalld's came.
    pub(super) firewalld: bool,
    /// Folders that a purge removes.
    pub(super) state: Vec<String>,
    /// The project's own parts.
    pub(super) own: Vec<(Moment, String)>,
}

/// What is to be done about a unit.
#[derive(Debug)]
pub(super) struct UnitWork {
    /// Its name.
    pub(super) name: String,
    /// Whether it is enabled.
    pub(super) enable: bool,
    /// Whether it is started on the first installation.
    pub(super) start: bool,
    /// Whether an upgrade restarts it.
    pub(super) restart: bool,
    /// Whether it is a template, which is nothing by itself.
    pub(super) template: bool,
}

/// The scripts of a package; none for what has nothing to do.
pub(super) fn scripts(family: Family, work: &Work) -> Result<Scripts> {
    let made = match family {
        Family::Debian => debian(work)?,
        Family::Redhat => redhat(work)?,
    };
    Ok(made
        .into_iter()
        .filter_map(|(moment, script)| Some((moment, script.finish(family, moment, work)?)))
        .collect())
}

fn debian(work: &Work) -> Result<Vec<(Moment, Script)>> {
    let mut after = Script::default();
    let mut before_remove = Script::default();
    let mut after_remove = Script::default();

    let configure = "configure | abort-upgrade | abort-deconfigure | abort-remove";
    let mut first = Vec::new();
    if let Some(file) = &work.sysusers {
        after.needs("accounts");
        after.needs_groups(work);
        first.push(format!("if ! accounts_by_systemd {}; then", quoted(file)?));
        for line in account_lines(work)? {
            first.push(format!("    {line}"));
        }
        first.push("fi".to_owned());
    }
    for (path, owner, mode) in &work.owned {
        after.needs("owner");
        let (path, owner) = (quoted(path)?, quoted(owner)?);
        first.push(format!("set_owner {path} {owner} {mode:04o}"));
    }
    if let Some(file) = &work.tmpfiles {
        after.needs("tmpfiles");
        first.push(format!("create_temporary {}", quoted(file)?));
    }
    after.case(configure, &first);

    let mut last = Vec::new();
    if !work.units.is_empty() {
        after.needs("reload_systemd");
        last.push("reload_systemd".to_owned());
    }
    let mut on_upgrade = Vec::new();
    let mut on_install = Vec::new();
    for unit in work.units.iter().filter(|unit| !unit.template) {
        let name = quoted(&unit.name)?;
        let function = if unit.enable {
            "enable_unit"
        } else {
            "note_unit"
        };
        after.needs(function);
        last.push(format!("{function} {name}"));
        if unit.start {
            on_install.push(format!("    invoke_units start {name}"));
        }
        match (unit.restart, unit.start) {
            (true, true) => on_upgrade.push(format!("    invoke_units restart {name}")),
            (true, false) => on_upgrade.push(format!("    invoke_units try-restart {name}")),
            (false, true) => on_upgrade.push(format!("    invoke_units start {name}")),
            (false, false) => {}
        }
        before_remove.needs("invoke_units");
        before_remove
            .remove
            .push(format!("invoke_units stop {name}"));
        after_remove.needs("forget_unit");
        after_remove.purge.push(format!("forget_unit {name}"));
    }
    if !work.units.is_empty() {
        after_remove.needs("reload_systemd");
        after_remove.remove.push("reload_systemd".to_owned());
    }
    if !on_upgrade.is_empty() || !on_install.is_empty() {
        after.needs("invoke_units");
    }
    // The second argument is the version that was configured last.
    last.extend(either("[ -n \"$2\" ]", on_upgrade, on_install));
    if work.rsyslog {
        after.needs("invoke_units");
        last.push("invoke_units try-restart rsyslog.service".to_owned());
    }
    if work.firewalld {
        after.needs("reload_firewall");
        last.push("reload_firewall".to_owned());
    }
    after.last_case(configure, &last);
    for folder in &work.state {
        after_remove.needs("remove_state");
        let line = format!("remove_state {}", quoted(folder)?);
        after_remove.purge.push(line);
    }
    for script in [&mut before_remove, &mut after_remove] {
        let (remove, purge) = (
            std::mem::take(&mut script.remove),
            std::mem::take(&mut script.purge),
        );
        script.last_case("remove", &remove);
        script.last_case("purge", &purge);
    }
    Ok(vec![
        (Moment::BeforeInstall, Script::default()),
        (Moment::AfterInstall, after),
        (Moment::BeforeRemove, before_remove),
        (Moment::AfterRemove, after_remove),
    ])
}

fn redhat(work: &Work) -> Result<Vec<(Moment, Script)>> {
    let mut before = Script::default();
    let mut after = Script::default();
    let mut before_remove = Script::default();
    let mut after_remove = Script::default();
    if work.sysusers.is_some() {
        before.needs("accounts");
        before.needs_groups(work);
        before.first = account_lines(work)?;
    }
    if let Some(file) = &work.tmpfiles {
        after.needs("tmpfiles");
        after
            .first
            .push(format!("create_temporary {}", quoted(file)?));
    }
    let names = |wanted: &dyn Fn(&UnitWork) -> bool| -> Result<Option<String>> {
        let units = work.units.iter().filter(|unit| !unit.template);
        let names: Result<Vec<String>> = units
            .filter(|unit| wanted(unit))
            .map(|unit| quoted(&unit.name))
            .collect();
        Ok(Some(names?.join(" ")).filter(|names| !names.is_empty()))
    };
    if !work.units.is_empty() {
        after.needs("reload_systemd");
        after.last.push("reload_systemd".to_owned());
        after_remove.needs("reload_systemd");
        after_remove.last.push("reload_systemd".to_owned());
    }
    let mut on_install = Vec::new();
    if let Some(names) = names(&|_| true)? {
        after.needs("preset_units");
        on_install.push(format!("    preset_units {names}"));
        before_remove.needs("remove_units");
        let gone = vec![format!("    remove_units {names}")];
        before_remove
            .last
            .extend(either("[ \"$1\" -eq 0 ]", gone, Vec::new()));
    }
    if let Some(names) = names(&|unit| unit.start)? {
        after.needs("invoke_units");
        on_install.push(format!("    invoke_units start {names}"));
    }
    after
        .last
        .extend(either("[ \"$1\" -eq 1 ]", on_install, Vec::new()));
    if let Some(names) = names(&|unit| unit.restart)? {
        after_remove.needs("invoke_units");
        let again = vec![format!("    invoke_units try-restart {names}")];
        after_remove
            .last
            .extend(either("[ \"$1\" -ge 1 ]", again, Vec::new()));
    }
    if work.rsyslog {
        after.needs("invoke_units");
        after
            .last
            .push("invoke_units try-restart rsyslog.service".to_owned());
    }
    if work.firewalld {
        after.needs("reload_firewall");
        after.last.push("reload_firewall".to_owned());
    }
    Ok(vec![
        (Moment::BeforeInstall, before),
        (Moment::AfterInstall, after),
        (Moment::BeforeRemove, before_remove),
        (Moment::AfterRemove, after_remove),
        (Moment::AfterTransaction, Script::default()),
    ])
}

/// The calls that make groups and users.
fn account_lines(work: &Work) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for group in &work.groups {
        lines.push(format!("create_group {}", quoted(group)?));
    }
    for (name, user) in &work.users {
        let name = quoted(name)?;
        let home = user
            .home
            .as_ref()
            .map_or("/nonexistent", |home| home.as_str());
        let shell = user.shell.as_ref().map_or(NO_LOGIN, |shell| shell.as_str());
        let real = user.real_name.as_ref().map_or("", |real| real.as_str());
        let (home, shell, real) = (quoted(home)?, quoted(shell)?, quoted(real)?);
        lines.push(format!("create_user {name} {home} {shell} {real}"));
        for group in &user.groups {
            lines.push(format!("join_group {name} {}", quoted(group.as_str())?));
        }
    }
    Ok(lines)
}

/// The shell of who may not log in.
pub(super) const NO_LOGIN: &str = "/usr/sbin/nologin";

/// An `if` with what there is of its branches.
fn either(condition: &str, then: Vec<String>, otherwise: Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    match (then.is_empty(), otherwise.is_empty()) {
        (true, true) => return lines,
        (true, false) => {
            lines.push(format!("if ! {condition}; then"));
            lines.extend(otherwise);
        }
        (false, no_else) => {
            lines.push(format!("if {condition}; then"));
            lines.extend(then);
            if !no_else {
                lines.push("else".to_owned());
                lines.extend(otherwise);
            }
        }
    }
    lines.push("fi".to_owned());
    lines
}

/// A script on its way: the functions it calls, what comes before the project's part, what after.
#[derive(Debug, Default)]
struct Script {
    functions: BTreeSet<&'static str>,
    first: Vec<String>,
    last: Vec<String>,
    remove: Vec<String>,
    purge: Vec<String>,
}

impl Script {
    fn needs(&mut self, function: &'static str) {
        self.functions.insert(function);
    }

    /// What puts users into further groups, when one is to be.
    fn needs_groups(&mut self, work: &Work) {
        if work.users.iter().any(|(_, user)| !user.groups.is_empty()) {
            self.needs("groups");
        }
    }

    /// Lines that run when the first argument is one of these, before the project's part.
    fn case(&mut self, words: &str, lines: &[String]) {
        self.first.extend(in_case(words, lines));
    }

    /// The same after the project's part.
    fn last_case(&mut self, words: &str, lines: &[String]) {
        self.last.extend(in_case(words, lines));
    }

    /// The whole text, when there is anything to do.
    fn finish(self, family: Family, moment: Moment, work: &Work) -> Option<String> {
        let own = work.own.iter().find(|(when, _)| *when == moment);
        if self.first.is_empty() && self.last.is_empty() && own.is_none() {
            return None;
        }
        let mut text = match family {
            Family::Debian => "#!/bin/sh\nset -e\n".to_owned(),
            Family::Redhat => String::new(),
        };
        for function in &self.functions {
            let name = format!("{family}/{function}.sh");
            let file = Functions::get(&name).map(|file| file.data);
            let body = file.as_deref().map(String::from_utf8_lossy);
            write!(text, "\n{}", body.unwrap_or_default()).expect("a String takes everything");
        }
        for line in self.first {
            write!(text, "\n{line}").expect("a String takes everything");
        }
        let mut text = tidied(&text).trim_start().to_owned();
        let mut lines = Vec::new();
        if let Some((_, own)) = own {
            // In a subshell, so that its `exit` ends it alone and its names stay its own. Its text
            // is the project's: nothing is changed in it.
            let blank = if text.is_empty() { "" } else { "\n" };
            write!(
                text,
                "{blank}# The project's own part.\nproject() (\n{own})"
            )
            .expect("a String takes everything");
            lines.push("project \"$@\"".to_owned());
            // On Debian `set -e` sees to it, and would not inside of the part if this line did.
            let by_hand = match family {
                Family::Debian => None,
                Family::Redhat => Some("result=$?\n[ \"$result\" -eq 0 ] || exit \"$result\""),
            };
            lines.extend(by_hand.map(str::to_owned));
        }
        lines.extend(self.last);
        let mut rest = String::new();
        for line in lines {
            write!(rest, "\n{line}").expect("a String takes everything");
        }
        rest.push_str("\n\nexit 0\n");
        text.push_str(&tidied(&rest));
        Some(text.trim_start().to_owned())
    }
}

/// Text of ours without more than one blank line in a row.
fn tidied(text: &str) -> String {
    text.replace("\n\n\n", "\n\n")
}

fn in_case(words: &str, lines: &[String]) -> Vec<String> {
    if lines.is_empty() {
        return Vec::new();
    }
    let mut block = vec!["case \"$1\" in".to_owned(), format!("{words})")];
    block.extend(lines.iter().map(|line| format!("    {line}")));
    block.extend(["    ;;".to_owned(), "esac".to_owned()]);
    block
}

/// A word between single quotes. One that would leave them is refused, wherever it came from.
fn quoted(word: &str) -> Result<String> {
    let bad = |character: char| character.is_control() || "'\"`$\\%".contains(character);
    if word.contains(bad) {
        return Err(Error::new(
            Kind::Config,
            format!(
                "`{}` can't stand in a maintainer script",
                word.escape_debug()
            ),
        )
        .hint("use letters, digits and `._+-:@=,~/`"));
    }
    Ok(format!("'{word}'"))
}
