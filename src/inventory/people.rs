//! People in core metadata: `Author`, `Author-email` and their kin.
//!
//! Pure. The addresses are those of a mail header (RFC 5322), one or several.

use serde::{Deserialize, Serialize};

use crate::text::single_spaced;

/// Somebody who made or looks after a distribution; one of both is said at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
}

/// The people of a name field and an address field.
pub(super) fn people(names: Option<&str>, addresses: Option<&str>) -> Vec<Person> {
    let name = names.map(single_spaced).filter(|name| !name.is_empty());
    let mut people: Vec<Person> = addresses
        .into_iter()
        .flat_map(split_addresses)
        .filter_map(|text| person(&text))
        .collect();
    match (name, people.as_mut_slice()) {
        (None, _) => {}
        (Some(name), []) => people.push(Person {
            name: Some(name),
            email: None,
        }),
        // A bare address is that of the one who is named.
        (Some(name), [only]) if only.name.is_none() => only.name = Some(name),
        (Some(name), _) => {
            let known = people
                .iter()
                .any(|person| person.name.as_ref() == Some(&name));
            if !known {
                people.insert(
                    0,
                    Person {
                        name: Some(name),
                        email: None,
                    },
                );
            }
        }
    }
    people
}

/// Splits at commas, but for those in quotes.
fn split_addresses(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            letter => {
                if let Some(part) = parts.last_mut() {
                    part.push(letter);
                }
            }
        }
    }
    parts
}

/// `Name <address>`, `<address>` or `address`.
fn person(text: &str) -> Option<Person> {
    let (name, address) = match text.split_once('<') {
        Some((name, address)) => (name, address.trim_end().trim_end_matches('>')),
        None if text.contains('@') => ("", text),
        None => (text, ""),
    };
    let said = |text: &str| Some(single_spaced(text)).filter(|text| !text.is_empty());
    let person = Person {
        name: said(name),
        email: said(address),
    };
    (person.name.is_some() || person.email.is_some()).then_some(person)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let check = |names, addresses, expected: &[(Option<&str>, Option<&str>)]| {
            let found = people(names, addresses);
            let found: Vec<_> = found
                .iter()
                .map(|person| (person.name.as_deref(), person.email.as_deref()))
                .collect();
            assert_eq!(found, expected);
        };
        check(None, None, &[]);
        check(Some("  "), Some(""), &[]);
        check(Some("Ann"), None, &[(Some("Ann"), None)]);
        check(
            Some("Ann"),
            Some("ann@a.example"),
            &[(Some("Ann"), Some("ann@a.example"))],
        );
        check(
            None,
            Some("\"Smith, Ann\" <ann@a.example>, bob@b.example"),
            &[
                (Some("Smith, Ann"), Some("ann@a.example")),
                (None, Some("bob@b.example")),
            ],
        );
        check(
            Some("The Team"),
            Some("Ann <ann@a.example>"),
            &[
                (Some("The Team"), None),
                (Some("Ann"), Some("ann@a.example")),
            ],
        );
    }
}
