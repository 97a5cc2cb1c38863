//! The lines of a Dockerfile that a runtime image may have: `RUN` and `COPY`, as Docker's reference has them.
//!
//! Reads words; looks at no file, runs nothing.

use crate::error::{Error, Kind, Result};
use crate::platform::checked_word;

use super::package::{FileMode, SourcePath};

checked_word!(
    /// A line of `dockerfile`.
    DockerfileLine,
    check
);

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// A command of `/bin/sh`.
    Run(String),
    /// Files of the project that go into the image.
    Copy(CopyLine),
}

/// `COPY [--chown=user:group] [--chmod=755] SOURCE... DESTINATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyLine {
    /// Files and folders of the project.
    pub sources: Vec<SourcePath>,
    /// An absolute path without `.` and `..`; it ends with `/` where it is said to be a folder.
    pub destination: String,
    /// `user[:group]`, names or numbers; `None`: root's.
    pub owner: Option<String>,
    /// Permission bits of all that is new.
    pub mode: Option<FileMode>,
}

/// Instructions that are none of ours, and what says the same.
const ELSEWHERE: [(&str, &str); 17] = [
    (
        "ADD",
        "`COPY` takes files of the project; fetch and unpack others by a `RUN` line",
    ),
    (
        "ARG",
        "there are no arguments of a build: write the value itself; `environment` has variables for containers",
    ),
    ("CMD", "the key `command` says it: a list of words"),
    (
        "ENTRYPOINT",
        "the key `entrypoint` says it: a list of words, the first an absolute path",
    ),
    (
        "ENV",
        "the key `environment` says it: `environment = { NAME = \"value\" }`",
    ),
    ("EXPOSE", "the key `ports` says it: `ports = [\"8080\"]`"),
    (
        "FROM",
        "the key `from` names another image of the project; without it the platform's base is below",
    ),
    (
        "HEALTHCHECK",
        "the key `health-check` says it: `health-check = { command = [\"mytool\", \"status\"] }`",
    ),
    (
        "LABEL",
        "the key `labels` says it: `labels = { \"org.example.team\" = \"tools\" }`",
    ),
    (
        "MAINTAINER",
        "each image has the project's maintainer as its label `org.opencontainers.image.authors`; `labels` may say another",
    ),
    (
        "ONBUILD",
        "an image of the project that is made from this one has `dockerfile` lines of its own",
    ),
    (
        "SHELL",
        "`RUN` is a command of /bin/sh, which may call another shell: `RUN bash -c '...'`",
    ),
    (
        "STOPSIGNAL",
        "the key `stop-signal` says it: `stop-signal = \"SIGINT\"`",
    ),
    (
        "USER",
        "the key `user` says who runs the container; lines run as root, and may change that: `RUN su mytool -s /bin/sh -c '...'`",
    ),
    (
        "VOLUME",
        "the key `volumes` says it: `volumes = [\"/var/lib/mytool\"]`",
    ),
    (
        "WORKDIR",
        "the key `working-directory` says where the container starts; lines run in `/`: begin with `cd`",
    ),
    (
        "#",
        "a comment is written outside of the text, as TOML has it",
    ),
];

/// What Docker would expand or take for another thing in a word of `COPY`.
const SPECIAL: [char; 8] = ['*', '?', '[', ']', '$', '\\', '"', '\''];

impl DockerfileLine {
    /// What it says.
    pub fn instruction(&self) -> Result<Instruction> {
        parse(self.as_str())
    }
}

fn check(text: &str) -> Result<()> {
    parse(text).map(drop)
}

fn bad(line: &str, why: &str) -> Error {
    Error::new(Kind::Config, format!("`{line}`: {why}"))
}

fn parse(text: &str) -> Result<Instruction> {
    let line = text.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if name.eq_ignore_ascii_case("RUN") {
        return run(line, rest);
    }
    if name.eq_ignore_ascii_case("COPY") {
        return copy(line, rest).map(Instruction::Copy);
    }
    let known = ELSEWHERE.iter().find(|(other, _)| {
        name.eq_ignore_ascii_case(other) || (*other == "#" && name.starts_with('#'))
    });
    let hint = known.map_or(
        "write `RUN` and a command, or `COPY SOURCE... DESTINATION`; the other keys of the image say the rest",
        |(_, hint)| hint,
    );
    Err(bad(line, "only `RUN` and `COPY` are taken here").hint(hint))
}

fn run(line: &str, command: &str) -> Result<Instruction> {
    if command.is_empty() || command.starts_with('[') || command.starts_with("--") {
        return Err(bad(line, "this is no command of a shell")
            .hint("write `RUN` and what /bin/sh is to run, without options"));
    }
    Ok(Instruction::Run(command.to_owned()))
}

fn copy(line: &str, rest: &str) -> Result<CopyLine> {
    let (mut owner, mut mode, mut rest) = (None, None, rest);
    while rest.starts_with("--") {
        let (option, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        match option.split_once('=') {
            Some(("--chown", value)) if is_owner(value) => owner = Some(value.to_owned()),
            Some(("--chown", value)) => {
                return Err(bad(line, &format!("`{value}` is no owner"))
                    .hint("write `--chown=user:group`, names that the image has or numbers"));
            }
            Some(("--chmod", value)) => {
                let read = FileMode::try_from(value.to_owned());
                mode = Some(read.map_err(|_other| {
                    bad(line, &format!("`{value}` is no mode"))
                        .hint("write three or four octal digits, such as `--chmod=0640`")
                })?);
            }
            _ => {
                return Err(bad(line, &format!("`{option}` is not taken here"))
                    .hint("`COPY` has `--chown=user:group` and `--chmod=755`"));
            }
        }
    }
    let mut words = words(line, rest)?;
    let destination = words.pop().unwrap_or_default();
    if words.is_empty() {
        return Err(bad(line, "it names no source and destination").hint(
            "write `COPY SOURCE... DESTINATION`, such as `COPY conf/site.conf /etc/mytool/`",
        ));
    }
    if words.len() > 1 && !destination.ends_with('/') {
        return Err(
            bad(line, "several sources, and the destination is no folder")
                .hint(format!("let it end with `/`: `{destination}/`")),
        );
    }
    let sources = words.iter().map(|word| source(line, word));
    Ok(CopyLine {
        sources: sources.collect::<Result<_>>()?,
        destination: absolute(line, &destination)?,
        owner,
        mode,
    })
}

/// The words of a line, separated by blanks or as a list in JSON.
fn words(line: &str, rest: &str) -> Result<Vec<String>> {
    let words: Vec<String> = if rest.starts_with('[') {
        serde_json::from_str(rest).map_err(|error| {
            bad(line, &format!("it is no list of words: {error}"))
                .hint("write `COPY [\"a file\", \"/srv/\"]`, or words without blanks in them")
        })?
    } else {
        rest.split_whitespace().map(str::to_owned).collect()
    };
    for word in &words {
        if word.contains(SPECIAL) || word.starts_with("<<") || word.contains(char::is_control) {
            return Err(bad(line, &format!("`{word}` is no plain name")).hint(
                "patterns, variables and here-documents are not expanded: name files or their folder; a name with a blank stands in a list, \
                 `COPY [\"a file\", \"/srv/\"]`",
            ));
        }
    }
    Ok(words)
}

fn source(line: &str, word: &str) -> Result<SourcePath> {
    let plain = word.strip_prefix("./").unwrap_or(word);
    let plain = plain.trim_end_matches('/');
    if plain.is_empty() || plain == "." {
        return Err(bad(line, "a source is the whole project, or none").hint(
            "name files and folders of it: what the project installs comes in by its packages",
        ));
    }
    SourcePath::try_from(plain.to_owned()).map_err(|error| error.context(format!("`{line}`")))
}

/// A destination from `/` on.
fn absolute(line: &str, word: &str) -> Result<String> {
    let mut path = String::new();
    for part in word.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return Err(bad(line, &format!("`{word}` leads upwards"))
                .hint("write the path in the image, from `/` on"));
        }
        path = path + "/" + part;
    }
    let is_folder = path.is_empty() || word.ends_with('/') || word.ends_with("/.");
    Ok(if is_folder { path + "/" } else { path })
}

/// `user[:group]`.
fn is_owner(text: &str) -> bool {
    let mut parts = text.split(':');
    let name = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        !part.is_empty() && !part.starts_with('-') && part.bytes().all(letter)
    };
    parts.clone().count() <= 2 && parts.all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(text: &str) -> CopyLine {
        match parse(text).unwrap() {
            Instruction::Copy(line) => line,
            Instruction::Run(_) => panic!("{text}"),
        }
    }

    #[test]
    fn lines_say_what_docker_says_of_them() {
        assert_eq!(
            parse("run  echo a  b ").unwrap(),
            Instruction::Run("echo a  b".to_owned())
        );
        let line = copied("COPY --chown=mytool:0 --chmod=0750 ./conf/ a.txt srv//x/./");
        let sources: Vec<&str> = line.sources.iter().map(SourcePath::as_str).collect();
        assert_eq!(sources, ["conf", "a.txt"]);
        assert_eq!(line.destination, "/srv/x/");
        assert_eq!(line.owner.as_deref(), Some("mytool:0"));
        assert_eq!(line.mode.map(FileMode::bits), Some(0o750));
        for (text, destination) in [
            ("COPY a b", "/b"),
            ("COPY a /", "/"),
            ("COPY a .", "/"),
            ("copy [\"a b\", \"/c d\"]", "/c d"),
            ("COPY a /x/.", "/x/"),
        ] {
            assert_eq!(copied(text).destination, destination, "{text}");
        }
    }

    #[test]
    fn what_no_line_may_say_is_told_with_what_to_write() {
        for (text, message, hint) in [
            ("RUN", "no command of a shell", "/bin/sh"),
            ("RUN [\"a\"]", "no command of a shell", "/bin/sh"),
            ("COPY", "no source", "COPY SOURCE"),
            ("COPY a", "no source", "COPY SOURCE"),
            ("COPY a b /c", "several sources", "`/c/`"),
            ("COPY ../a /b", "../a", ""),
            ("COPY /etc/passwd /b", "/etc/passwd", ""),
            ("COPY . /b", "whole project", "by its packages"),
            ("COPY a /b/../c", "leads upwards", "from `/` on"),
            ("COPY *.conf /b/", "no plain name", "patterns"),
            ("COPY $A /b/", "no plain name", "variables"),
            ("COPY <<EOF /b", "no plain name", "here-documents"),
            ("COPY [\"a\", 1]", "no list of words", "COPY ["),
            ("COPY --from=x a /b", "`--from=x`", "--chown"),
            ("COPY --chown=a:b:c a /b", "no owner", "user:group"),
            ("COPY --chown= a /b", "no owner", "user:group"),
            ("COPY --chmod=u+x a /b", "no mode", "octal"),
            ("# why", "only `RUN` and `COPY`", "comment"),
            ("WHAT x", "only `RUN` and `COPY`", "the other keys"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
            assert!(error.hints().join(" ").contains(hint), "{text}: {error:?}");
        }
        for (name, hint) in ELSEWHERE {
            let error = parse(&format!("{name} x")).unwrap_err();
            assert_eq!(error.hints(), [hint], "{name}");
        }
    }
}
