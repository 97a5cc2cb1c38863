//! The days in the lists of passwords (shadow(5)): of an account without a password the third field is the day
//! on which a package, or who bootstrapped the base, made it.
//!
//! Settled in what was read of a container, so that no tool of the platform is asked; the container keeps its own.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::oci::root::Root;

/// The list, and what it was before.
const LISTS: [&str; 2] = ["etc/shadow", "etc/shadow-"];
/// In seconds.
const DAY: u64 = 86_400;

/// The days of accounts, by their names.
pub(super) type Days = BTreeMap<String, String>;

/// The days of the accounts without a password.
pub(super) fn days(root: &Root) -> Result<Days> {
    let Some(text) = read(root, LISTS[0])? else {
        return Ok(Days::new());
    };
    let known = text.lines().filter_map(|line| {
        let account = Account::of(line)?;
        Some((account.name.to_owned(), account.day.to_owned()))
    });
    Ok(known.collect())
}

/// Gives accounts without a password the days that they had, and new ones that of a time, in seconds since 1970.
pub(super) fn settle(root: &mut Root, had: &Days, time: u64) -> Result<()> {
    // Day 0 would ask for another password; none says that nobody knows (shadow(5)).
    let new = match time / DAY {
        0 => String::new(),
        day => day.to_string(),
    };
    for list in LISTS {
        let Some(text) = read(root, list)? else {
            continue;
        };
        let settled: String = text
            .split_inclusive('\n')
            .map(|line| match Account::of(line) {
                Some(account) => account.line_with(had.get(account.name).unwrap_or(&new)),
                None => line.to_owned(),
            })
            .collect();
        if settled != text {
            root.replace_content(Path::new(list), settled.as_bytes())?;
        }
    }
    Ok(())
}

/// A list; `None` where there is none, or one that is no text.
fn read(root: &Root, list: &str) -> Result<Option<String>> {
    let list = Path::new(list);
    if !root.is_file(list) {
        return Ok(None);
    }
    let text = root.text(list)?;
    // What is no UTF-8 could not be written again.
    Ok((!text.contains('\u{fffd}')).then_some(text))
}

/// The line of an account that has no password, and a day.
struct Account<'a> {
    name: &'a str,
    password: &'a str,
    day: &'a str,
    /// What comes after the day, with its colon.
    rest: &'a str,
}

impl<'a> Account<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (name, more) = line.split_once(':')?;
        let (password, more) = more.split_once(':')?;
        let end = more.find(':')?;
        let (day, rest) = more.split_at(end);
        let has_none = password.starts_with(['!', '*']);
        // Neither nobody's day nor one that asks for another password is of a clock.
        let is_day = day.parse::<u64>().is_ok_and(|day| day > 0);
        (has_none && is_day).then_some(Self {
            name,
            password,
            day,
            rest,
        })
    }

    fn line_with(&self, day: &str) -> String {
        format!("{}:{}:{day}{}", self.name, self.password, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveWriter;
    use crate::oci::ImageStore;
    use crate::oci::layer::{self, Clock};

    fn root(time: u64, text: &str) -> Root {
        let mut writer = ArchiveWriter::new(time).unwrap();
        writer.folder("etc").unwrap();
        for list in LISTS {
            writer.bytes(list, 0o640, text.as_bytes()).unwrap();
        }
        Root::of_archive(writer.finish().unwrap(), |_| false).unwrap()
    }

    fn text(root: &Root) -> String {
        root.text(Path::new(LISTS[0])).unwrap()
    }

    #[test]
    fn days_of_accounts_without_a_password_are_settled_and_no_others() {
        let mut list = root(
            7,
            "root:*:20779:0:99999:7:::\nold:!:20779:0::::\nme:$y$x:20779:0:99999:7:::\n\
             never:!::0:::::\nnow:!:0:0:::::\nodd\n",
        );
        let had = Days::from([("old".to_owned(), "20000".to_owned())]);
        settle(&mut list, &had, 20_455 * DAY + 5).unwrap();
        let settled = "root:*:20455:0:99999:7:::\nold:!:20000:0::::\nme:$y$x:20779:0:99999:7:::\n\
                       never:!::0:::::\nnow:!:0:0:::::\nodd\n";
        assert_eq!(text(&list), settled);
        assert_eq!(list.text(Path::new(LISTS[1])).unwrap(), settled);
        let known = days(&list).unwrap();
        assert_eq!(known["old"], "20000");
        assert_eq!(known.len(), 2, "{known:?}");
        let mut early = root(7, "a:*:5:::::::\n");
        settle(&mut early, &Days::new(), 5).unwrap();
        assert_eq!(text(&early), "a:*::::::::\n");
    }

    #[test]
    fn on_another_day_the_layers_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(folder.path());
        let clock = Clock {
            started: 1000,
            instead: 900,
            folders: Some(900),
        };
        let base_of = |day: u64| {
            let mut base = root(7, &format!("root:*:{day}:0:99999:7:::\n"));
            settle(&mut base, &Days::new(), 19_000 * DAY).unwrap();
            base
        };
        let layers = |day: u64, kept: Option<&layer::Layer>| {
            // The base of a container is of its own day, whenever the kept one was read.
            let before = match kept {
                None => base_of(day),
                Some(kept) => {
                    let mut root = Root::default();
                    let archive = layer::unpacked(&store, kept).unwrap();
                    root.add_archive(archive, |_| false).unwrap();
                    root
                }
            };
            let base = layer::write(&store, "base", &before, &before.whole(), clock).unwrap();
            let list = format!("root:*:{day}:0:99999:7:::\nmytool:!:{}::::::\n", day + 1);
            let mut after = root(2000, &list);
            settle(&mut after, &days(&before).unwrap(), 20_455 * DAY).unwrap();
            let changes = after.changes_since(&before, |_, _| false);
            let added = layer::write(&store, "application", &after, &changes, clock).unwrap();
            // Nobody was made: nothing of the list is in a layer.
            let mut same = root(7, &format!("root:*:{day}:0:99999:7:::\n"));
            settle(&mut same, &days(&before).unwrap(), 20_455 * DAY).unwrap();
            assert!(same.changes_since(&before, |_, _| false).put.is_empty());
            (base.unwrap(), added.unwrap())
        };
        let first = layers(20_779, None);
        assert_eq!(layers(20_800, None), first);
        assert_eq!(layers(20_801, Some(&first.0)), first);
    }
}
