//! The files in which people keep passwords of hosts: netrc(5), as `ftp`, curl, git, pip and uv read it.
//!
//! Pure.

/// The password of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Its name; none: every host that no other entry names.
    pub(super) name: Option<String>,
    /// Who asks.
    pub(super) login: String,
    /// The password.
    pub(super) password: String,
}

/// The entries that have a password, or the number of the line that is none.
pub(super) fn parse(text: &str) -> Result<Vec<Machine>, usize> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut words = words(text).into_iter();
    while let Some((line, word)) = words.next() {
        let mut value = || words.next().map(|(_, word)| word).ok_or(line);
        match word.as_str() {
            "machine" => machines.push(entry(Some(value()?))),
            "default" => machines.push(entry(None)),
            "login" | "user" => machines.last_mut().ok_or(line)?.login = value()?,
            "password" => machines.last_mut().ok_or(line)?.password = value()?,
            "account" => drop(value()?),
            _ => return Err(line),
        }
    }
    machines.retain(|machine| !machine.password.is_empty());
    Ok(machines)
}

fn entry(name: Option<String>) -> Machine {
    Machine {
        name,
        login: String::new(),
        password: String::new(),
    }
}

/// Words with the numbers of their lines; what stands in macros is left out.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_macro = false;
    for (number, line) in text.lines().enumerate() {
        if in_macro {
            // It ends with an empty line.
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (word, after) = word(rest);
            if word == "macdef" {
                in_macro = true;
                break;
            }
            found.push((number + 1, word));
            rest = after.trim_start();
        }
    }
    found
}

/// The first word, which quotation marks may hold together, and what follows it.
fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quoted = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' => word.extend(letters.next().map(|(_, letter)| letter)),
            _ if letter.is_whitespace() && !quoted => return (word, &text[at..]),
            _ => word.push(letter),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_on_one_line_or_on_several() {
        let text = "# mine\nmachine a.example login jane password \"p #1\"\n\
            machine b.example\n  login bob # his\n  account x password p\\\"2\n\
            macdef init\nmachine c.example\npassword x\n\nmachine d.example login who\n\
            default login anonymous password p3\n";
        let entries = parse(text).unwrap();
        let entries: Vec<_> = entries
            .iter()
            .map(|it| (it.name.as_deref(), it.login.as_str(), it.password.as_str()))
            .collect();
        assert_eq!(
            entries,
            [
                (Some("a.example"), "jane", "p #1"),
                (Some("b.example"), "bob", "p\"2"),
                (None, "anonymous", "p3"),
            ]
        );
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, line) in [
            ("machine a login b password c\nhost d\n", 2),
            ("login a\n", 1),
            ("\nmachine a login\n", 2),
        ] {
            assert_eq!(parse(text), Err(line));
        }
    }
}
