//! Sizes, durations, command lines and foreign text, written for people.
//!
//! Pure functions: nothing here prints or knows an event.

use std::time::Duration;

use crate::error::Error;

use super::redact::Redactor;

/// A size in decimal units: `512 B`, `18.2 MB`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Rounded at each unit from the bytes themselves, so 999,950 is 1.0 MB and not 1000.0 kB.
    let mut divisor: u128 = 1000;
    for unit in UNITS {
        let tenths = (u128::from(bytes) * 10 + divisor / 2) / divisor;
        if tenths < 10_000 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        divisor *= 1000;
    }
    format!("{bytes} B")
}

/// A duration: `19.2 s`, `2 min 03 s`, `1 h 02 min`.
pub fn human_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let tenths = (milliseconds + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (milliseconds + 500) / 1000;
    if seconds < 3600 {
        return format!("{} min {:02} s", seconds / 60, seconds % 60);
    }
    let minutes = (seconds + 30) / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// A running clock: `0:14`, `12:03`, `1:00:00`.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A command line on one line that a shell reads back as the same words (POSIX quoting; the
/// `$'…'` form of POSIX.1-2024 for words with control characters).
pub fn quote_command<'a>(argv: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = argv.into_iter().map(quote_word).collect();
    words.join(" ")
}

fn quote_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for character in word.chars() {
        match character {
            '\\' => quoted.push_str(r"\\"),
            '\'' => quoted.push_str(r"\'"),
            '\n' => quoted.push_str(r"\n"),
            '\r' => quoted.push_str(r"\r"),
            '\t' => quoted.push_str(r"\t"),
            // Three octal digits can't swallow the character behind them, `\xHH` could.
            control if control.is_control() => {
                let mut buffer = [0; 4];
                let bytes = control.encode_utf8(&mut buffer).bytes();
                quoted.extend(bytes.map(|byte| format!("\\{byte:03o}")));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// Foreign text on one line without terminal control: escape sequences go, of a line that was
/// overwritten by carriage returns the last state stays, line ends and tabs become spaces.
pub fn one_line(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    let lines: Vec<&str> = text
        .split('\n')
        .map(|line| {
            let line = line.trim_end_matches('\r');
            line.rsplit('\r').next().unwrap_or(line)
        })
        .collect();
    without_control(&lines.join(" "))
}

fn without_control(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape_sequence(&mut characters),
            '\t' => clean.push(' '),
            control if control.is_control() => {}
            other => clean.push(other),
        }
    }
    clean
}

/// Skips what follows ESC in ECMA-48: a control sequence up to its final byte, a control string up
/// to BEL or ST, or one character.
fn skip_escape_sequence(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            characters.find(|character| ('@'..='~').contains(character));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = characters.next() {
                if character == '\u{7}' {
                    break;
                }
                if character == '\u{1b}' {
                    characters.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some('(' | ')' | '#' | '%' | ' ') => {
            characters.next();
        }
        _ => {}
    }
}

/// A colour of the terminal (ECMA-48 select graphic rendition).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Bold,
    Dim,
}

/// Colours a text when colours are wanted. The text must say the same without.
pub(super) fn coloured(text: &str, colour: Colour, wanted: bool) -> String {
    if !wanted {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => "1;31",
        Colour::Green => "32",
        Colour::Yellow => "1;33",
        Colour::Cyan => "36",
        Colour::Bold => "1",
        Colour::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// An error as its reader sees it: message, failed command with its last lines, log, hints.
/// `place` is the platform it belongs to. The words of the command are redacted here, since quotation
/// may take a secret apart.
pub(super) fn render_error(
    place: Option<&str>,
    error: &Error,
    redactor: &Redactor,
    colours: bool,
) -> String {
    let mut lines = vec![headline(
        "error",
        Colour::Red,
        place,
        error.message(),
        colours,
    )];
    if let Some(command) = error.failed_command() {
        let argv: Vec<_> = command
            .argv
            .iter()
            .map(|word| redactor.apply(word))
            .collect();
        let argv = quote_command(argv.iter().map(AsRef::as_ref));
        lines.push(format!(
            "  command: {argv} (exit status {})",
            command.status
        ));
        lines.extend(command.last_lines.iter().map(|line| {
            format!("    {}", coloured(&one_line(line), Colour::Dim, colours))
                .trim_end()
                .to_owned()
        }));
        if let Some(log) = &command.log {
            lines.push(format!("  log: {}", log.display()));
        }
    }
    if !error.hints().is_empty() {
        lines.push(String::new());
        lines.extend(error.hints().iter().map(|hint| render_hint(hint, colours)));
    }
    lines.join("\n")
}

/// `error: place: message`; more lines of the message are indented.
pub(super) fn headline(
    word: &str,
    colour: Colour,
    place: Option<&str>,
    message: &str,
    colours: bool,
) -> String {
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    let message: Vec<String> = message.lines().map(one_line).collect();
    format!(
        "{} {place}{}",
        coloured(&format!("{word}:"), colour, colours),
        message.join("\n  ")
    )
}

/// `hint: text`.
pub(super) fn render_hint(hint: &str, colours: bool) -> String {
    format!(
        "{} {}",
        coloured("hint:", Colour::Cyan, colours),
        one_line(hint)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CommandFailed, Kind};

    #[test]
    fn sizes_are_decimal_and_never_a_thousand() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (18_200_000, "18.2 MB"),
            (4_250_000_000, "4.3 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(human_size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn durations_never_show_sixty() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (19_200, "19.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 00 s"),
            (123_400, "2 min 03 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 00 min"),
            (3_720_000, "1 h 02 min"),
        ] {
            assert_eq!(
                human_duration(Duration::from_millis(milliseconds)),
                text,
                "{milliseconds}"
            );
        }
        assert_eq!(clock(Duration::from_secs(14)), "0:14");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }

    #[test]
    fn a_shell_reads_a_quoted_command_back() {
        let words = [
            "a b",
            "it's",
            "",
            "$HOME",
            "-x=1",
            "new\nline\u{1}7 \\ '",
            "ünï",
            "~",
            "*",
        ];
        let script = format!("printf '%s\\0' {}", quote_command(words));
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}");
        let expected: String = words.iter().flat_map(|word| [word, "\0"]).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert_eq!(quote_command(words).lines().count(), 1);
    }

    #[test]
    fn foreign_text_can_not_control_the_terminal() {
        for (text, clean) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\y", "xy"),
            ("10%\r50%\r100%\r\n", "100%"),
            ("a\tb\u{8}\u{9b}2J", "a b2J"),
            ("one\ntwo", "one two"),
            ("cut off \u{1b}[", "cut off "),
        ] {
            assert_eq!(one_line(text), clean, "{text:?}");
        }
    }

    #[test]
    fn an_error_says_what_ran_what_it_printed_and_what_to_do() {
        let error = Error::new(
            Kind::Wheel,
            "can't build the wheel of `greenlet`\nsee below",
        )
        .hint("install `gcc` in the Dockerfile")
        .hint("or pin a version that has a wheel")
        .command(CommandFailed {
            argv: vec!["pip".into(), "wheel".into(), "a b".into()],
            status: 1,
            last_lines: vec!["gcc: \u{1b}[1mnot found".into(), String::new()],
            log: Some("logs/debian-12.log".into()),
        });
        assert_eq!(
            render_error(Some("debian-12"), &error, &Redactor::default(), false),
            "error: debian-12: can't build the wheel of `greenlet`\n  see below\n  \
             command: pip wheel 'a b' (exit status 1)\n    gcc: not found\n\n  \
             log: logs/debian-12.log\n\n\
             hint: install `gcc` in the Dockerfile\n\
             hint: or pin a version that has a wheel"
        );
        let plain = Error::new(Kind::Config, "no project here");
        assert_eq!(
            render_error(None, &plain, &Redactor::default(), false),
            "error: no project here"
        );
        assert_eq!(
            render_error(None, &plain, &Redactor::default(), true),
            "\u{1b}[1;31merror:\u{1b}[0m no project here"
        );
    }
}
