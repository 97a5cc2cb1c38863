//! What no package of either format may hold: text that would end a header's line, paths that are
//! not one plain path below `/`.
//!
//! Only looks; a writer calls it before it makes a file.

use crate::error::{Error, Kind, Result};

use crate::tree::{EntryKind, Tree, is_account_name};

/// The longest name of a file or folder in bytes: 255 less the nine of `.dpkg-new`, and of rpm's
/// `;` and eight digits, under which both unpack a file before they rename it.
const LONGEST_NAME: usize = 246;

/// A value that is one line of a header: not empty, no control characters.
pub(super) fn line<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Err(
            Error::new(Kind::Config, format!("the package's {field} is empty"))
                .hint(format!("give the {field} as one line of text")),
        );
    }
    refuse(field, text, char::is_control)?;
    Ok(text)
}

/// A value of several lines: no control characters but line ends and tabs.
pub(super) fn paragraphs(field: &str, text: &str) -> Result<()> {
    refuse(field, text, |character| {
        character.is_control() && !"\r\n\t".contains(character)
    })
}

fn refuse(field: &str, text: &str, bad: impl Fn(char) -> bool) -> Result<()> {
    let Some(character) = text.chars().find(|character| bad(*character)) else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Config,
        format!(
            "the package's {field} has the control character {}",
            character.escape_default()
        ),
    )
    .hint(format!(
        "write the {field} without line breaks and other control characters"
    )))
}

/// A part of a version: letters, digits and `extra`.
pub(super) fn version_part(field: &str, text: &str, extra: &[u8]) -> Result<()> {
    let good = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte));
    if good {
        return Ok(());
    }
    let marks: Vec<String> = extra
        .iter()
        .map(|mark| format!("`{}`", char::from(*mark)))
        .collect();
    Err(Error::new(
        Kind::Version,
        format!("`{}` can't be a package's {field}", text.escape_default()),
    )
    .hint(format!(
        "a {field} is letters, digits and {}",
        marks.join(", ")
    )))
}

/// Every path is plain and every parent that is named is a folder.
pub(super) fn tree(tree: &Tree) -> Result<()> {
    for (path, entry) in tree.iter() {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(malformed(
                path,
                &entry.origin,
                "is not a plain path below `/`",
            ));
        }
        if path.split('/').any(|part| part.len() > LONGEST_NAME) {
            let what = format!("has a name of more than {LONGEST_NAME} bytes");
            return Err(malformed(path, &entry.origin, &what));
        }
        if path.contains(['\n', '\0']) {
            return Err(malformed(
                path,
                &entry.origin,
                "has a line break or a zero byte",
            ));
        }
        if let EntryKind::Symlink(target) = &entry.kind
            && (target.is_empty() || target.contains(['\n', '\0']))
        {
            return Err(malformed(
                path,
                &entry.origin,
                "is a link that says nothing or has a line break",
            ));
        }
        if let EntryKind::HardLink(target) = &entry.kind {
            let file = tree.get(target).map(|target| &target.kind);
            if !matches!(file, Some(EntryKind::File { .. })) {
                let what =
                    format!("is a hard link to `/{target}`, which is no file of the package");
                return Err(malformed(path, &entry.origin, &what));
            }
        }
        for name in [&entry.owner.user, &entry.owner.group] {
            if !is_account_name(name) {
                let what = format!(
                    "belongs to `{}`, which can't be a name",
                    name.escape_debug()
                );
                return Err(malformed(path, &entry.origin, &what));
            }
        }
        let parent = parents(path).find_map(|parent| tree.get(parent));
        if let Some(parent) = parent
            && !matches!(parent.kind, EntryKind::Directory)
        {
            let what = format!("lies below what is no folder, of `{}`", parent.origin);
            return Err(malformed(path, &entry.origin, &what));
        }
    }
    Ok(())
}

/// No file is larger than the platform's package manager unpacks; `None`: it unpacks any.
pub(super) fn sizes(tree: &Tree, largest: Option<u64>) -> Result<()> {
    let Some(largest) = largest else {
        return Ok(());
    };
    for (path, entry) in tree.iter() {
        if let EntryKind::File { size, .. } = entry.kind
            && size > largest
        {
            let message = format!(
                "`/{}` of `{}` is {size} bytes, and the platform's package manager unpacks files of at most {largest}",
                path.escape_debug(),
                entry.origin
            );
            return Err(Error::new(Kind::Build, message)
                .hint("leave this platform out of `platforms`, split the file, or ship it apart from the package")
                .hint("`largest-file` in platforms.toml says what a platform's oldest package manager unpacks (rpm before 4.12: less than 4 GiB)"));
        }
    }
    Ok(())
}

fn malformed(path: &str, origin: &str, what: &str) -> Error {
    Error::new(
        Kind::Conflict,
        format!("`/{}` of `{origin}` {what}", path.escape_debug()),
    )
    .hint(format!(
        "no package format can hold such a path: leave it out of `{origin}`"
    ))
}

/// The folders above a path, the nearest first, without `/`.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rsplit_once('/').map(|(parent, _)| parent)
    })
    .skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Entry};

    fn entry(kind: EntryKind) -> Entry {
        Entry::new(0o644, kind, "a.whl".into())
    }

    fn file() -> Entry {
        entry(EntryKind::File {
            size: 0,
            content: Content::Bytes([].into()),
        })
    }

    #[test]
    fn a_line_can_not_carry_a_second_field() {
        for bad in ["a\nEssential: yes", "a\rb", "a\0b", "a\u{85}b", "", "  "] {
            let error = line("summary", bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{bad:?}");
            assert!(error.message().contains("summary"), "{error}");
        }
        assert_eq!(line("summary", " größe ").unwrap(), "größe");
    }

    #[test]
    fn paragraphs_may_have_line_ends_and_nothing_else() {
        paragraphs("description", "a\r\n\n\tb").unwrap();
        assert_eq!(
            paragraphs("description", "a\u{1b}[1m").unwrap_err().kind(),
            Kind::Config
        );
    }

    #[test]
    fn a_version_is_of_the_characters_of_its_format() {
        version_part("version", "1.0~rc1", b".~").unwrap();
        for bad in ["", "1 0", "../1", "1-0", "1\n"] {
            assert_eq!(
                version_part("version", bad, b".~").unwrap_err().kind(),
                Kind::Version
            );
        }
    }

    #[test]
    fn paths_that_leave_their_place_are_refused_and_their_origin_named() {
        let long = format!("opt/{}", "n".repeat(247));
        for bad in [
            "opt/../etc/x",
            "opt//x",
            "opt/./x",
            "..",
            "",
            "opt/a\nb",
            "opt/a\0b",
            &long,
        ] {
            let mut tree = Tree::default();
            tree.insert(bad, file()).unwrap();
            let error = super::tree(&tree).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "{bad:?}");
            assert!(error.message().contains("a.whl") && !error.message().contains('\n'));
        }
        let mut tree = Tree::default();
        tree.insert("opt/link", entry(EntryKind::Symlink("a\nb".into())))
            .unwrap();
        assert!(super::tree(&tree).is_err());
    }

    #[test]
    fn a_file_that_the_platform_does_not_unpack_is_refused_with_its_origin() {
        let mut tree = Tree::default();
        let content = Content::Bytes([].into());
        let kind = EntryKind::File { size: 11, content };
        tree.insert("opt/x", entry(kind)).unwrap();
        sizes(&tree, None).unwrap();
        sizes(&tree, Some(11)).unwrap();
        let error = sizes(&tree, Some(10)).unwrap_err();
        assert_eq!(error.kind(), Kind::Build);
        for said in ["/opt/x", "a.whl", "11 bytes", "at most 10"] {
            assert!(error.message().contains(said), "{error}");
        }
    }

    #[test]
    fn nothing_lies_below_a_file_or_a_link() {
        for above in [file(), entry(EntryKind::Symlink("lib".into()))] {
            let mut tree = Tree::default();
            tree.insert("opt/lib64", above).unwrap();
            tree.insert("opt/lib64/deep/x", file()).unwrap();
            assert_eq!(super::tree(&tree).unwrap_err().kind(), Kind::Conflict);
        }
    }
}
