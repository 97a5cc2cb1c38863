//! Recognises why making wheels failed, and says what to do about it.
//!
//! Looks only at what the commands printed.

mod ssh;

use std::sync::Mutex;

use crate::error::{Error, Kind};

pub(super) use self::ssh::Agent;

/// Headers whose absence stops a compiler, and the packages that have them: Debian, Red Hat.
const HEADERS: [(&str, &str, &str); 22] = [
    ("Python.h", "python3-dev", "python3-devel"),
    ("ffi.h", "libffi-dev", "libffi-devel"),
    ("openssl/", "libssl-dev", "openssl-devel"),
    ("libpq-fe.h", "libpq-dev", "postgresql-devel"),
    ("pg_config", "libpq-dev", "postgresql-devel"),
    ("mysql.h", "libmariadb-dev", "mariadb-connector-c-devel"),
    (
        "mysql_config",
        "libmariadb-dev",
        "mariadb-connector-c-devel",
    ),
    (
        "libxml/",
        "libxml2-dev libxslt1-dev",
        "libxml2-devel libxslt-devel",
    ),
    ("xmlsec", "libxmlsec1-dev", "xmlsec1-devel"),
    ("lber.h", "libldap-dev libsasl2-dev", "openldap-devel"),
    ("ldap.h", "libldap-dev", "openldap-devel"),
    ("sasl/", "libsasl2-dev", "cyrus-sasl-devel"),
    ("yaml.h", "libyaml-dev", "libyaml-devel"),
    ("zlib.h", "zlib1g-dev", "zlib-devel"),
    ("jpeglib.h", "libjpeg-dev", "libjpeg-turbo-devel"),
    ("curl/curl.h", "libcurl4-openssl-dev", "libcurl-devel"),
    ("krb5", "libkrb5-dev", "krb5-devel"),
    ("gssapi", "libkrb5-dev", "krb5-devel"),
    ("sqlite3.h", "libsqlite3-dev", "sqlite-devel"),
    ("bzlib.h", "libbz2-dev", "bzip2-devel"),
    ("lzma.h", "liblzma-dev", "xz-devel"),
    ("snappy", "libsnappy-dev", "snappy-devel"),
];

/// How many telling lines are kept: of each build the first ones are the cause, and others that run at
/// the same time may do without what they can't compile.
const MOST_CLUES: usize = 64;

/// Telling lines of a long output, which may be far above its last ones.
#[derive(Debug, Default)]
pub(super) struct Clues {
    lines: Mutex<Vec<String>>,
    /// Indexes, and where their credentials were said.
    sources: Vec<(String, String)>,
}

/// What says that an index takes no credentials, or others.
const REFUSALS: [&str; 4] = [
    "401 Unauthorized",
    "403 Forbidden",
    "Credentials not correct",
    "HTTP Error 401",
];

impl Clues {
    /// For work that asks indexes; of each where its credentials were said.
    pub(super) fn of_indexes(sources: Vec<(String, String)>) -> Self {
        Self {
            sources,
            ..Self::default()
        }
    }

    /// Keeps a line that tells a cause.
    pub(super) fn see(&self, line: &str) {
        let telling = [
            "fatal error:",
            " error: ",
            "error: command",
            "Error: ",
            "Name or service not known",
            "Temporary failure in name resolution",
            "CERTIFICATE_VERIFY_FAILED",
            "No space left on device",
        ];
        // pip's own, which say only that something above went wrong.
        let empty = [
            "subprocess-exited",
            "metadata-generation-failed",
            "legacy-install",
            "Failed to build ",
        ];
        let is_telling = telling
            .iter()
            .chain(&REFUSALS)
            .chain(&ssh::TELLING)
            .any(|words| line.contains(words))
            && !empty.iter().any(|words| line.contains(words));
        if is_telling
            && let Ok(mut lines) = self.lines.lock()
            && lines.len() < MOST_CLUES
        {
            lines.push(line.trim().to_owned());
        }
    }

    /// The same error with its kind and hints, as far as the cause is known.
    pub(super) fn explain(self, error: Error) -> Error {
        self.explain_with(error, &Agent::NotLent)
    }

    /// The same of a command that could ask an agent.
    pub(super) fn explain_with(self, error: Error, agent: &Agent) -> Error {
        let lines = self.lines.into_inner().unwrap_or_default();
        explain(error, lines, &self.sources, agent)
    }
}

fn explain(
    error: Error,
    mut lines: Vec<String>,
    sources: &[(String, String)],
    agent: &Agent,
) -> Error {
    let Some(command) = error.failed_command() else {
        return error;
    };
    // The engine knows better than the output that there was not enough memory.
    if error.kind() == Kind::Space {
        return error;
    }
    lines.extend(command.last_lines.iter().cloned());
    let find = |words: &str| lines.iter().find(|line| line.contains(words)).cloned();
    if find("No space left on device").is_some() {
        return retitle(
            &error,
            Kind::Space,
            "the disk is full where the engine keeps its containers".to_owned(),
        )
        .hint("make room there (`docker system df`, `docker system prune`)");
    }
    if let Some(explained) = ssh::explain(&lines, agent) {
        return explained.command(command.clone());
    }
    for words in [
        "Temporary failure in name resolution",
        "Name or service not known",
        "Connection refused",
        "Network is unreachable",
        "CERTIFICATE_VERIFY_FAILED",
        "Max retries exceeded",
        "timed out",
    ] {
        if let Some(line) = find(words) {
            let error = retitle(
                &error,
                Kind::Network,
                format!("the package index can't be reached: {}", line.trim()),
            );
            return if words == "CERTIFICATE_VERIFY_FAILED" {
                error.hint("a proxy or private index has its own certificate authority: name its certificates in --ca-bundle or SSL_CERT_FILE")
            } else {
                error.hint("check the network, the proxy variables, `index-url` and --network; `omnibuild doctor` tries the index")
            };
        }
    }
    if let Some(line) = REFUSALS.into_iter().find_map(find) {
        let error = retitle(
            &error,
            Kind::Network,
            format!(
                "an index lets nobody in without the right credentials: {}",
                line.trim()
            ),
        );
        let error = sources.iter().fold(error, |error, (index, source)| {
            error.hint(format!("those of `{index}` are from {source}"))
        });
        return error.hint("say who asks in ~/.netrc (`machine HOST login NAME password PASSWORD`), in a file named by `[index] token-file`, in the keyring, or in PIP_INDEX_URL");
    }
    if let Some(line) = find("No matching distribution found for ") {
        let requirement = line
            .rsplit("found for ")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        return retitle(&error, Kind::Resolve, format!("no distribution satisfies `{requirement}`"))
            .hint("the index has no such version for this platform's Python: correct the name or the pin, or name the index that has it in `index-url`");
    }
    if find("No solution found").is_some() {
        return unsolvable(&error, &lines);
    }
    if let Some(line) = find("it can't be fetched: ") {
        let what = line.trim_start_matches("error: ").to_owned();
        return retitle(&error, Kind::Network, what)
            .hint("the index names the file and does not serve it: check the index and its credentials, or take another version");
    }
    if let Some(line) = find("ResolutionImpossible").or_else(|| find("conflicting dependencies")) {
        return retitle(
            &error,
            Kind::Resolve,
            format!("the requirements contradict each other: {}", line.trim()),
        )
        .hint("loosen one of the pins that the log names");
    }
    if find("Invalid requirement").is_some() {
        return error
            .of_kind(Kind::Resolve)
            .hint("correct the requirement that the last lines name");
    }
    not_built(error, &lines)
}

/// uv says why in one paragraph behind `cause:`.
fn unsolvable(error: &Error, lines: &[String]) -> Error {
    let words: Vec<&str> = lines
        .iter()
        .skip_while(|line| !line.contains("cause: Because "))
        .take_while(|line| !line.contains("hint:") && !line.contains("error: "))
        .map(|line| {
            line.split_once("cause: ")
                .map_or(line.as_str(), |(_, why)| why)
                .trim()
        })
        .collect();
    let why = match words.join(" ") {
        why if why.is_empty() => lines
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty() && !line.contains("No solution found"))
            .collect::<Vec<_>>()
            .join(" "),
        why => why,
    };
    // Whose own requirements for building it were being resolved.
    let built = lines
        .iter()
        .find_map(|line| Some(line.split_once(": building its wheel ended")?.0))
        .map(|name| format!("building `{}`: ", name.trim_start_matches("error: ")))
        .unwrap_or_default();
    let absent = why
        .split_once("there is no version of ")
        .and_then(|(_, rest)| rest.split_once(" and you require"))
        .or_else(|| {
            let (_, rest) = why.split_once(" was not found in ")?;
            rest.split_once("you require ")?.1.split_once(", we can")
        });
    match absent {
        Some((requirement, _)) if !requirement.contains(' ') => retitle(
            error,
            Kind::Resolve,
            format!("{built}no distribution satisfies `{requirement}`"),
        )
        .hint("the index has no such version for this platform's Python: correct the name or the pin, or name the index that has it in `index-url`"),
        _ => retitle(
            error,
            Kind::Resolve,
            format!("{built}the requirements contradict each other: {why}"),
        )
        .hint("loosen one of the pins that are named"),
    }
}

fn not_built(error: Error, lines: &[String]) -> Error {
    let behind = |words: &str| {
        lines
            .iter()
            .find_map(|line| Some(line.split_once(words)?.1.trim()))
    };
    let named = lines
        .iter()
        .find_map(|line| Some(line.split_once(": building its wheel ended")?.0))
        .map(|name| name.trim_start_matches("error: "))
        .or_else(|| behind("Failed building wheel for "))
        .or_else(|| behind("Failed to build "));
    let metadata = lines.iter().any(|line| {
        line.contains("metadata-generation-failed") || line.contains("subprocess-exited-with-error")
    });
    // Where several are built at once, each line begins with the name of its build.
    let prefix = named.map(|name| format!("{name}: ")).unwrap_or_default();
    let own: Vec<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect();
    let lines = if own.is_empty() { lines } else { &own };
    let cause = lines.iter().find(|line| {
        [" error: ", "error: command", "Error: "]
            .iter()
            .any(|words| line.contains(words))
            && !line.contains("Failed to build ")
    });
    let what = match (&named, metadata) {
        (Some(name), _) => format!("the wheel of `{name}` can't be built"),
        (None, true) => "a source distribution can't be prepared".to_owned(),
        (None, false) => return error,
    };
    let what = match cause {
        Some(cause) => format!("{what}: {}", cause.trim()),
        None => what,
    };
    let mut error = retitle(&error, Kind::Wheel, what);
    let blamed: Vec<&(&str, &str, &str)> = HEADERS
        .iter()
        .filter(|(header, _, _)| {
            lines.iter().any(|line| {
                line.contains(header)
                    && (line.contains("No such file") || line.contains("not found"))
            })
        })
        .collect();
    for (header, debian, redhat) in &blamed {
        error = error.hint(format!(
            "`{header}` is missing in the builder: add `build-depends = {{ debian = [{}], redhat = [{}] }}`",
            quoted(debian),
            quoted(redhat)
        ));
    }
    if blamed.is_empty() {
        error = error.hint("the last lines name the cause: take a version that supports this platform's Python, or add what is missing to `build-depends`");
    }
    error
}

fn quoted(packages: &str) -> String {
    packages
        .split(' ')
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

fn retitle(error: &Error, kind: Kind, message: String) -> Error {
    match error.failed_command() {
        Some(command) => Error::new(kind, message).command(command.clone()),
        None => Error::new(kind, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandFailed;

    fn explained(lines: &[&str]) -> Error {
        let last_lines = lines.iter().map(|&line| line.to_owned()).collect();
        let command = CommandFailed {
            argv: vec!["pip".into()],
            status: 1,
            last_lines,
            log: None,
        };
        explain(
            Error::new(Kind::Build, "`pip` ended with status 1").command(command),
            Vec::new(),
            &[],
            &Agent::NotLent,
        )
    }

    #[test]
    fn causes_are_told_apart() {
        let cases: [(&[&str], Kind, &str); 6] = [
            (
                &["ERROR: No matching distribution found for nosuch==1"],
                Kind::Resolve,
                "`nosuch==1`",
            ),
            (
                &[
                    "psycopg2.h:1: fatal error: libpq-fe.h: No such file or directory",
                    "  ERROR: Failed building wheel for psycopg2",
                ],
                Kind::Wheel,
                "`psycopg2`",
            ),
            (
                &["OSError: [Errno 28] No space left on device"],
                Kind::Space,
                "disk",
            ),
            (
                &["[SSL: CERTIFICATE_VERIFY_FAILED] x"],
                Kind::Network,
                "index",
            ),
            (
                &["ERROR: ResolutionImpossible: for help"],
                Kind::Resolve,
                "contradict",
            ),
            (&["something else"], Kind::Build, "status 1"),
        ];
        for (lines, kind, words) in cases {
            let error = explained(lines);
            assert_eq!(error.kind(), kind, "{lines:?}");
            assert!(error.message().contains(words), "{lines:?}: {error}");
            assert!(error.failed_command().is_some());
        }
    }

    #[test]
    fn a_cause_far_above_the_last_lines_is_told() {
        let clues = Clues::default();
        clues.see("      src/greenlet.hpp:143:9: error: `_PyCFrame` does not name a type");
        clues.see("  error: subprocess-exited-with-error");
        let command = CommandFailed {
            argv: vec!["pip".into()],
            status: 1,
            last_lines: vec!["ERROR: Failed to build greenlet".to_owned()],
            log: None,
        };
        let error = clues.explain(Error::new(Kind::Build, "failed").command(command));
        assert_eq!(error.kind(), Kind::Wheel);
        assert!(error.message().contains("greenlet"), "{error}");
        assert!(error.message().contains("does not name a type"), "{error}");
    }

    #[test]
    fn the_cause_is_of_the_build_that_failed() {
        let error = explained(&[
            "msgpack 1.0.0: a.c:1: fatal error: longintrepr.h: No such file or directory",
            "greenlet 2.0.1: b.hpp:2: error: `_PyCFrame` does not name a type",
            "error: greenlet 2.0.1: building its wheel ended with status 1",
        ]);
        assert_eq!(
            error.message(),
            "the wheel of `greenlet 2.0.1` can't be built: b.hpp:2: error: `_PyCFrame` does not name a type"
        );
    }

    #[test]
    fn a_missing_header_names_the_packages_that_have_it() {
        let error = explained(&[
            "x.c:1:10: fatal error: libpq-fe.h: No such file or directory",
            "ERROR: Failed building wheel for psycopg2",
        ]);
        assert!(
            error.hints()[0].contains("libpq-dev") && error.hints()[0].contains("postgresql-devel")
        );
    }
}
