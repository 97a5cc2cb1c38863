//! How packages are named in relations, in the words of each family (Debian policy 7.1; the RPM
//! documentation, "Dependencies").
//!
//! Checks the form; whether there is such a package nobody here knows.

use crate::error::{Error, Result};
use crate::platform::{Family, checked_word};

use super::words;

checked_word!(
    /// One package of Debian, or several of which one is enough: `a (>= 1) | b`.
    DebianAlternatives,
    check_alternatives
);
checked_word!(
    /// One package of Debian: `a (<< 2)`.
    DebianRelation,
    check_debian
);
checked_word!(
    /// What a package of Debian provides: `a`, `a (= 2)`.
    DebianProvision,
    check_provision
);
checked_word!(
    /// One entry of an RPM tag: `a >= 1`, `/usr/bin/a`, `(a or b)`.
    RpmRelation,
    check_rpm
);

const DEBIAN_OPERATORS: [&str; 5] = ["<<", "<=", "=", ">=", ">>"];
const RPM_OPERATORS: [&str; 6] = ["<", "<=", "=", "==", ">=", ">"];

/// Checks `depends` of a family; `key` is that of the list.
pub fn check_depends(family: Family, key: &str, list: &[String]) -> Result<()> {
    let check = match family {
        Family::Debian => check_alternatives,
        Family::Redhat => check_rpm,
    };
    for (number, text) in list.iter().enumerate() {
        check(text).map_err(|error| error.context(format!("{key}[{number}]")))?;
    }
    Ok(())
}

fn check_alternatives(text: &str) -> Result<()> {
    text.split('|').try_for_each(|one| {
        debian(one.trim()).map(|_| ()).ok_or_else(|| {
            refused(
                text,
                "write one package an entry, such as \"libpq5 (>= 15)\" or \"a | b\"",
            )
        })
    })
}

fn check_debian(text: &str) -> Result<()> {
    debian(text).map(|_| ()).ok_or_else(|| {
        refused(
            text,
            "write one package an entry, in small letters and without alternatives, such as \"old-agent (<< 2)\"",
        )
    })
}

fn check_provision(text: &str) -> Result<()> {
    debian(text)
        .filter(|operator| matches!(*operator, "" | "="))
        .map(|_| ())
        .ok_or_else(|| {
            refused(
                text,
                "write one name an entry, in small letters, such as \"metrics-agent\" or \"metrics-agent (= 2)\"",
            )
        })
}

/// The operator of a relation, empty where no version is named; `None` for what is no relation.
fn debian(text: &str) -> Option<&str> {
    let name_end = text
        .find(|character: char| {
            !(character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || "+-.".contains(character))
        })
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let good = name.len() >= 2 && name.starts_with(|first: char| first.is_ascii_alphanumeric());
    // `:any` and `:<architecture>`.
    let rest = match rest.strip_prefix(':') {
        Some(rest) => {
            let known =
                |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
            let end = rest.find(|it| !known(it)).unwrap_or(rest.len());
            rest.get(end..).filter(|_| end > 0)?
        }
        None => rest,
    };
    let rest = rest.trim();
    if !good || rest.is_empty() {
        return good.then_some("");
    }
    let inside = rest.strip_prefix('(')?.strip_suffix(')')?.trim();
    let version_start = inside.find(|it: char| !"<=>".contains(it))?;
    let (operator, version) = inside.split_at(version_start);
    let version = version.trim();
    let good = DEBIAN_OPERATORS.contains(&operator)
        && version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte));
    good.then_some(operator)
}

fn check_rpm(text: &str) -> Result<()> {
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || " .+-_~^:()<>=/[]".contains(character)
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = |name: &str| !name.contains(['<', '=', '>']) && !name.starts_with('-');
    let good = text.chars().all(allowed)
        && match words.as_slice() {
            // A rich dependency is rpm's to understand.
            [first, ..] if first.starts_with('(') => text.trim_end().ends_with(')'),
            [name] => plain(name),
            [name, operator, _version] => plain(name) && RPM_OPERATORS.contains(operator),
            _ => false,
        };
    if good {
        return Ok(());
    }
    Err(refused(
        text,
        "write one package an entry, such as \"libpq\" or \"libpq >= 15\", with blanks around the operator",
    ))
}

fn refused(text: &str, hint: &str) -> Error {
    words::refused(text, "does not name a package", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(check: fn(&str) -> Result<()>, good: &[&str], bad: &[&str]) {
        for text in good {
            check(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for text in bad
            .iter()
            .chain(&["", " ", "a\nb", "%{x}", "$x", "a;b", "`a`", "a, b"])
        {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debian_names_are_those_of_policy() {
        let one = [
            "metrics-agent",
            "libstdc++6",
            "a1 (>= 1:2~x-1)",
            "python3:any (<< 3.12)",
            "libc6(>=2.36)",
        ];
        let none = [
            "Metrics Agent",
            "metrics agent",
            "a",
            "a1 >= 2",
            "a1 (> 2)",
            "a1 (>= )",
            "-x1",
            "a1:",
        ];
        check(check_debian, &one, &[&none[..], &["a1 | b1"]].concat());
        check(
            check_alternatives,
            &[&one[..], &["a1 | b1 (>= 2)"]].concat(),
            &[&none[..], &["a1 |"]].concat(),
        );
        check(
            check_provision,
            &["metrics-agent", "a1 (= 2)"],
            &[&none[..], &["a1 (>= 2)"]].concat(),
        );
    }

    #[test]
    fn rpm_names_are_words() {
        check(
            check_rpm,
            &[
                "Metrics",
                "python(abi) = 3.9",
                "libz.so.1()(64bit)",
                "(a or b)",
                "/usr/bin/x",
                "a >= 1:2~x^y",
            ],
            &[
                "Metrics Agent",
                "a>=1",
                "a => 1",
                "a >= 1 2",
                "a (>= 1)",
                "(a or b",
            ],
        );
    }

    #[test]
    fn a_dependency_has_its_number() {
        let list = ["good".to_owned(), "not one".to_owned()];
        for family in [Family::Debian, Family::Redhat] {
            let error = check_depends(family, "depends.x", &list).unwrap_err();
            assert!(
                error.message().starts_with("depends.x[1]: `not one`"),
                "{error}"
            );
        }
    }
}
