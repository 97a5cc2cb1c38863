//! Differences as people read them.
//!
//! Pure.

use crate::package::compare::{Change, Comparison, Fate, FileChange};
use crate::report::{human_size, listing};

use super::Pair;

/// So many files, or lines of a script, are shown unless everything is asked for.
const SHOWN: usize = 30;

/// All pairs, one below the other; `all` leaves nothing out.
pub(super) fn render(pairs: &[Pair], all: bool) -> String {
    let parts: Vec<String> = pairs.iter().map(|pair| one(pair, all)).collect();
    parts.join("\n\n")
}

fn one(pair: &Pair, all: bool) -> String {
    match pair {
        Pair::Added {
            package, version, ..
        } => clean(&format!("{package} {version}: added")),
        Pair::Removed {
            package, version, ..
        } => clean(&format!("{package} {version}: removed")),
        Pair::Identical {
            package,
            version,
            digest,
        } => {
            let digest = digest.short();
            clean(&format!("{package} {version}: identical (sha256 {digest})"))
        }
        Pair::Compared { comparison, bytes } => {
            let mut text = compared(comparison, all);
            if !bytes.is_empty() {
                text.push_str("\n\n  the packages say and install the same; other bytes:");
                for difference in limited(bytes, all) {
                    text.push_str(&format!("\n    {}", clean(&difference.to_string())));
                }
                text.push_str(&rest(bytes.len(), all));
            }
            text
        }
    }
}

fn compared(found: &Comparison, all: bool) -> String {
    let (old, new) = (&found.old, &found.new);
    let mark = if found.downgraded {
        " (downgraded)"
    } else {
        ""
    };
    let head = format!("{} {} → {}{mark}", found.package, old.version, new.version);
    let mut text = clean(&head);
    let rows = [
        ("package", old.size, new.size),
        ("installed", old.installed_size, new.installed_size),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(what, old, new)| vec![what.to_owned(), sized(old), sized(new), growth(old, new)])
        .collect();
    section(
        &mut text,
        &listing(&["size", "old", "new", "change"], &rows, None),
    );
    if !found.distributions.is_empty() {
        let rows: Vec<Vec<String>> = found
            .distributions
            .iter()
            .map(|it| {
                let change = match (&it.old, &it.new) {
                    (None, _) => "added",
                    (_, None) => "removed",
                    _ if it.downgraded => "downgraded",
                    _ => "changed",
                };
                vec![
                    one_line(&it.name),
                    shown(it.old.as_ref()),
                    shown(it.new.as_ref()),
                    change.to_owned(),
                ]
            })
            .collect();
        section(
            &mut text,
            &listing(&["distribution", "old", "new", "change"], &rows, None),
        );
    }
    for relation in &found.relations {
        let removed = relation
            .removed
            .iter()
            .map(|it| format!("  - {}", clean(it)));
        let added = relation.added.iter().map(|it| format!("  + {}", clean(it)));
        let lines = removed.chain(added);
        let lines: Vec<String> = lines.collect();
        section(
            &mut text,
            &format!("{}\n{}", clean(&relation.name), lines.join("\n")),
        );
    }
    for script in &found.scripts {
        let lines = limited(&script.difference, all)
            .iter()
            .map(|line| format!("  {}", clean(line)));
        let lines: Vec<String> = lines.collect();
        let head = format!("{}: {}", clean(&script.name), word(script.fate));
        section(
            &mut text,
            &format!(
                "{head}\n{}{}",
                lines.join("\n"),
                rest(script.difference.len(), all)
            ),
        );
    }
    if !found.fields.is_empty() {
        let lines: Vec<String> = found
            .fields
            .iter()
            .map(|change| format!("  {}", changed(change)))
            .collect();
        section(&mut text, &format!("fields\n{}", lines.join("\n")));
    }
    files(&mut text, found, all);
    if found.is_empty() && old.version != new.version {
        text.push_str("\n\n  nothing else differs");
    }
    text
}

/// A part, indented below the headline.
fn section(text: &mut String, part: &str) {
    text.push('\n');
    for line in part.lines() {
        let line = format!("\n  {line}");
        text.push_str(line.trim_end_matches(' '));
    }
}

/// Byte code and the records of distributions whose versions are shown already are counted, not listed.
fn files(text: &mut String, found: &Comparison, all: bool) {
    if found.files.is_empty() {
        return;
    }
    let count = |fate: Fate| found.files.iter().filter(|file| file.fate == fate).count();
    let (added, removed, changed) = (
        count(Fate::Added),
        count(Fate::Removed),
        count(Fate::Changed),
    );
    let mut part = format!("files: {added} added, {removed} removed, {changed} changed");
    let byte_code = |file: &&FileChange| {
        let path = file.path.as_str();
        path.strip_suffix(".pyc").is_some() || path.ends_with("/__pycache__")
    };
    let record =
        |file: &&FileChange| file.path.contains(".dist-info/") || file.path.ends_with(".dist-info");
    let listed: Vec<&FileChange> = found
        .files
        .iter()
        .filter(|file| all || !(byte_code(file) || record(file)))
        .collect();
    for file in limited(&listed, all) {
        part.push_str(&format!("\n{}", file_line(file)));
    }
    part.push_str(&rest(listed.len(), all));
    if !all {
        for (what, count) in [
            (
                "byte code files",
                found.files.iter().filter(byte_code).count(),
            ),
            (
                "files of .dist-info folders",
                found.files.iter().filter(record).count(),
            ),
        ] {
            if count > 0 {
                part.push_str(&format!("\n  and {count} {what} (--all lists them)"));
            }
        }
    }
    section(text, &part);
}

fn file_line(file: &FileChange) -> String {
    let mark = match file.fate {
        Fate::Added => '+',
        Fate::Removed => '-',
        Fate::Changed => '~',
    };
    let mut line = format!("  {mark} {}", one_line(&file.path));
    for change in &file.changes {
        line.push_str(&format!("\n      {}", changed(change)));
    }
    line
}

fn changed(change: &Change) -> String {
    format!(
        "{}: {} → {}",
        clean(&change.name),
        shown(change.old.as_ref()),
        shown(change.new.as_ref())
    )
}

fn shown(value: Option<&String>) -> String {
    value.map(String::as_str).map_or("–".to_owned(), one_line)
}

/// What a package says, without what a terminal obeys or what turns the order of letters around.
fn clean(text: &str) -> String {
    let obeyed = |letter: char| {
        letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(obeyed, " ")
}

/// A value on one line, long ones cut: a description has many.
fn one_line(text: &str) -> String {
    const WIDTH: usize = 120;
    let text = clean(text);
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Removed => "removed",
        Fate::Changed => "changed",
    }
}

fn limited<T>(list: &[T], all: bool) -> &[T] {
    if all {
        list
    } else {
        &list[..list.len().min(SHOWN)]
    }
}

fn rest(count: usize, all: bool) -> String {
    if all || count <= SHOWN {
        return String::new();
    }
    format!("\n  and {} more (--all lists them)", count - SHOWN)
}

fn sized(bytes: u64) -> String {
    format!("{} ({bytes})", human_size(bytes))
}

/// Bytes and percent, with the sign.
fn growth(old: u64, new: u64) -> String {
    let (sign, by) = if new >= old {
        ('+', new - old)
    } else {
        ('-', old - new)
    };
    if old == 0 {
        return format!("{sign}{}", human_size(by));
    }
    let tenths = (u128::from(by) * 1000 + u128::from(old) / 2) / u128::from(old);
    format!(
        "{sign}{}, {sign}{}.{} %",
        human_size(by),
        tenths / 10,
        tenths % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::compare::{DistributionChange, RelationChange, ScriptChange, Side};

    #[test]
    fn nothing_of_a_package_reaches_the_terminal_as_a_command() {
        const EVIL: &str = "a\u{1b}]0;b\u{7}\u{9b}31m\r\u{202e}";
        let evil = || EVIL.to_owned();
        let side = || Side {
            file: evil(),
            version: evil(),
            architecture: evil(),
            size: 1,
            installed_size: 1,
            compression: None,
        };
        let change = || Change {
            name: evil(),
            old: Some(evil()),
            new: None,
        };
        let comparison = Comparison {
            package: evil(),
            old: side(),
            new: side(),
            downgraded: false,
            distributions: vec![DistributionChange {
                name: evil(),
                old: Some(evil()),
                new: Some(evil()),
                downgraded: false,
            }],
            files: vec![FileChange {
                path: evil(),
                fate: Fate::Changed,
                changes: vec![change()],
            }],
            scripts: vec![ScriptChange {
                name: evil(),
                fate: Fate::Changed,
                difference: vec![evil()],
            }],
            relations: vec![RelationChange {
                name: evil(),
                removed: vec![evil()],
                added: vec![evil()],
            }],
            fields: vec![change()],
        };
        let alone = |package: String| Pair::Added {
            package,
            version: evil(),
            file: evil(),
        };
        let compared = Pair::Compared {
            comparison: Box::new(comparison),
            bytes: Vec::new(),
        };
        let text = render(&[alone(evil()), compared], true);
        let obeyed = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
        assert!(!text.contains(obeyed), "{text:?}");
        // Each place where it stood: two of what was added, and sixteen of what was compared.
        assert_eq!(text.matches("]0;b").count(), 18, "{text}");
    }
}
