//! What requirement files may say: every option and every place a requirement can come from,
//! allowed or refused, with the reason.
//!
//! Data first; pure. The same list, for users, is in `docs/configuration.md`.

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

use super::line::{is_place, named_url};
use super::text::without_credentials;
use super::{PipOption, Place, RequirementLine};

/// What becomes of an option.
enum Rule {
    /// It is handed on.
    Allowed,
    /// It is handed on when its URL is one of https.
    Https,
    /// It is handed on when it names a folder of the project, which travels, or a URL of https.
    FolderOrHttps,
    /// It stops the build: why, and what to do instead.
    Refused(&'static str, &'static str),
}

use Rule::{Allowed, FolderOrHttps, Https, Refused};

/// Every option that pip allows in a requirement file, but for `-r` and `-c`, which are followed,
/// and `-e`, which is a requirement.
const OPTIONS: [(&str, Rule); 16] = [
    ("--index-url", Https),
    ("--extra-index-url", Https),
    ("--no-index", Allowed),
    ("--find-links", FolderOrHttps),
    ("--no-binary", Allowed),
    ("--only-binary", Allowed),
    (
        "--prefer-binary",
        Refused(
            "which version it takes would depend on what was built where, and the resolver takes a wheel of the chosen version anyway",
            "write `--only-binary NAME` for distributions that must not be built",
        ),
    ),
    ("--require-hashes", Allowed),
    ("--pre", Allowed),
    ("--hash", Allowed),
    (
        "--all-releases",
        Refused(
            "not every resolver knows it",
            "write `--pre`, or pin the pre-release with `==`",
        ),
    ),
    (
        "--only-final",
        Refused(
            "not every resolver knows it",
            "leave it out: final releases are preferred anyway",
        ),
    ),
    (
        "--trusted-host",
        Refused(
            "it would switch the check of certificates off",
            "name your company's certificates in `ca-bundle`, or give --ca-bundle",
        ),
    ),
    (
        "--use-feature",
        Refused(
            "it changes how one version of pip works, and wheels are kept for longer",
            "leave it out",
        ),
    ),
    (
        "--global-option",
        Refused(
            "a wheel that was built with it would be served to those who build without",
            "build the wheel once, keep it below the project, and list the file",
        ),
    ),
    (
        "--config-settings",
        Refused(
            "a wheel that was built with them would be served to those who build without",
            "build the wheel once, keep it below the project, and list the file",
        ),
    ),
];

/// Checks an option, and says which folder of the project it names, if any.
pub(super) fn check_option(option: &PipOption) -> Result<Option<&str>> {
    let value = option.value.as_deref().unwrap_or_default();
    let rule = OPTIONS.iter().find(|(name, _)| *name == option.name);
    let Some((name, rule)) = rule else {
        return Err(Error::new(
            Kind::Internal,
            format!("`{}` has no rule", option.name),
        ));
    };
    no_variables(value)?;
    let secure = value.starts_with("https://") || is_loopback(value);
    match rule {
        Allowed => Ok(None),
        Https | FolderOrHttps if secure => Ok(None),
        FolderOrHttps if !value.contains("://") && !value.starts_with("file:") => Ok(Some(value)),
        Https | FolderOrHttps => Err(refuse(
            &option.text(),
            "its address is not one of https, so anybody on the way can change what it serves",
            "serve it over https; certificates of your own go into `ca-bundle`",
        )),
        Refused(why, instead) => Err(refuse(name, why, instead)),
    }
}

/// Where a requirement comes from, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// An index, by its name.
    Index,
    /// A commit of a git repository.
    Git,
    /// A file behind a URL, whose digest is known.
    Url,
    /// A file of this machine.
    Path(&'a str),
}

/// The place that a requirement comes from, when it is allowed.
pub(super) fn check_place<'a>(text: &'a str, options: &[PipOption]) -> Result<Origin<'a>> {
    no_variables(text)?;
    if text.starts_with("-e ") {
        return Err(refuse(
            text,
            "an editable installation points into a folder that the package would not hold",
            "list the project by name, or its wheel or source distribution by its file",
        ));
    }
    let Some(place) = place_of(text) else {
        return Ok(Origin::Index);
    };
    let scheme = place.split_once(':').map_or("", |(scheme, _)| scheme);
    if let Some(path) = place.strip_prefix("file:") {
        // `file:///x` and `file://localhost/x` (RFC 8089).
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.strip_prefix("localhost").unwrap_or(path);
        return Ok(Origin::Path(path.split('#').next().unwrap_or(path)));
    }
    match scheme {
        "git+https" | "git+ssh" if is_commit(revision(place)) => Ok(Origin::Git),
        "git+https" | "git+ssh" => Err(refuse(
            text,
            "it names no commit, and branches and tags move",
            "write the full hash of a commit behind `@`: `git+https://host/name.git@<40 hexadecimal digits>`",
        )),
        "http" | "https" if !hashes(text, options).is_empty() => Ok(Origin::Url),
        "http" | "https" => Err(refuse(
            text,
            "nothing says what the file behind the URL holds",
            "add `#sha256=<64 hexadecimal digits>` to the URL, or `--hash=sha256:…` behind it",
        )),
        _ if !place.contains("://") => Ok(Origin::Path(without_extras(place))),
        _ => Err(refuse(
            text,
            "requirements come from indexes, git over https or ssh, URLs with a digest, and files",
            "publish a wheel or source distribution of it, and list that",
        )),
    }
}

/// The URL or path of a requirement that has one, without its marker.
fn place_of(text: &str) -> Option<&str> {
    let whole = if is_place(text) {
        text
    } else {
        named_url(text)?.1
    };
    Some(whole.split(" ;").next().unwrap_or(whole).trim_end())
}

/// Requirements from a folder have extras behind the path: `./x.whl[fast]`.
fn without_extras(path: &str) -> &str {
    match path.rsplit_once('[') {
        Some((path, extras)) if extras.ends_with(']') => path,
        _ => path,
    }
}

/// What stands behind the last `@` of a repository's path.
fn revision(url: &str) -> &str {
    let url = url.split(['#', '?']).next().unwrap_or(url);
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    path.and_then(|(_, path)| path.rsplit_once('@'))
        .map_or("", |(_, revision)| revision)
}

/// A whole hash of SHA-1 or SHA-256, which is what names a commit of git for good.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The files that a requirement may be, by SHA-256: its options, and the fragment of its URL.
pub(super) fn hashes(text: &str, options: &[PipOption]) -> Vec<Digest> {
    let values = options
        .iter()
        .filter(|option| option.name == "--hash")
        .filter_map(|option| option.value.as_deref()?.strip_prefix("sha256:"));
    let (_, fragment) = place_of(text)
        .unwrap_or_default()
        .split_once('#')
        .unwrap_or_default();
    let in_url = fragment
        .split('&')
        .filter_map(|part| part.strip_prefix("sha256="));
    let mut hashes: Vec<Digest> = values
        .chain(in_url)
        .filter_map(|digits| digits.to_ascii_lowercase().parse().ok())
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Checks the hashes of a requirement: their form, and that the digest that wheels are kept by is
/// among them.
pub(super) fn check_hashes(text: &str, options: &[PipOption]) -> Result<()> {
    let mut has_any = false;
    for option in options.iter().filter(|option| option.name == "--hash") {
        has_any = true;
        let value = option.value.as_deref().unwrap_or_default();
        let (kind, digits) = value.split_once(':').unwrap_or((value, ""));
        let length = match kind {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => {
                return Err(refuse(
                    &option.text(),
                    "two files can be made that have the same hash of this kind",
                    "write `--hash=sha256:…`; the tool that made the file can",
                ));
            }
        };
        if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse(
                &option.text(),
                &format!("a hash of this kind has {length} hexadecimal digits"),
                "copy the whole hash",
            ));
        }
    }
    if has_any && hashes(text, options).is_empty() {
        return Err(refuse(
            text,
            "none of its hashes is of SHA-256, which wheels are kept by",
            "add `--hash=sha256:…` for each file",
        ));
    }
    Ok(())
}

/// In a file where anything has a hash, everything has, and is pinned: pip's rule, since one
/// requirement that is not checked can bring anything.
pub(super) fn check_hash_mode(lines: &[RequirementLine], because: &str) -> Result<()> {
    for line in lines {
        let wrong = match (&line.place, line.hashes.is_empty()) {
            (Place::Index | Place::File(_), true) => {
                Some(("it has no hash", "add `--hash=sha256:…` to it"))
            }
            (Place::Index, false) if !line.is_pinned() => {
                Some(("it is not pinned", "pin it with `==`"))
            }
            (Place::Git, _) => Some((
                "a repository has no hash",
                "list an archive of it by URL, with its hash",
            )),
            _ => None,
        };
        if let Some((why, instead)) = wrong {
            let error = refuse(&line.text, &format!("{why}, and {because}"), instead);
            return Err(error
                .hint("or take all hashes out: with some, a requirement that has none could bring anything")
                .context(format_args!("{}:{}", line.file, line.line)));
        }
    }
    Ok(())
}

/// Values of the environment would decide what is built, and nothing would tell two builds apart.
fn no_variables(text: &str) -> Result<()> {
    let Some((_, after)) = text.split_once("${") else {
        return Ok(());
    };
    if !after.contains('}') {
        return Ok(());
    }
    Err(refuse(
        text,
        "variables of the environment are not replaced: builds would differ and look alike",
        "write the value; an index with a password is best named in PIP_INDEX_URL or `index-url`",
    ))
}

/// Addresses that never leave the machine.
fn is_loopback(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

pub(super) fn refuse(text: &str, why: &str, instead: &str) -> Error {
    let text = without_credentials(text);
    Error::new(Kind::Config, format!("`{text}` is not allowed: {why}")).hint(instead)
}

#[cfg(test)]
mod tests {
    use super::super::line::parse_line;
    use super::super::{Content, options};
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The verdict about a line: where it comes from, or why not and what to do.
    fn verdict(text: &str) -> Result<String> {
        let text = text.replace("COMMIT", COMMIT).replace("DIGEST", DIGEST);
        match parse_line(&text).unwrap().remove(0) {
            Content::Requirement { text, options } => {
                for option in &options {
                    check_option(option)?;
                }
                check_hashes(&text, &options)?;
                check_place(&text, &options).map(|origin| format!("{origin:?}"))
            }
            Content::Option(option) => {
                check_option(&option).map(|folder| folder.unwrap_or("fine").to_owned())
            }
            Content::Include { .. } => panic!("{text}"),
        }
    }

    #[test]
    fn every_option_has_a_rule() {
        for name in options::names() {
            let elsewhere = ["--requirement", "--constraint", "--editable"].contains(&name);
            let has_rule = OPTIONS.iter().any(|(known, _)| *known == name);
            assert!(has_rule != elsewhere, "{name}");
        }
    }

    #[test]
    fn what_is_allowed_has_a_place() {
        for (line, place) in [
            ("flask==1 ; python_version > '3'", "Index"),
            ("flask==1 --hash=sha256:DIGEST", "Index"),
            ("-i https://me:secret@host/simple", "fine"),
            ("-i http://127.0.0.1:8080/simple", "fine"),
            ("--extra-index-url https://host/simple", "fine"),
            ("--no-index", "fine"),
            ("--pre", "fine"),
            ("--require-hashes", "fine"),
            ("--no-binary :all:", "fine"),
            ("--only-binary=:all:", "fine"),
            ("-f https://host/wheels", "fine"),
            ("-f wheels", "wheels"),
            ("x @ git+https://host/x.git@COMMIT", "Git"),
            ("git+ssh://git@host/x.git@COMMIT#egg=x", "Git"),
            ("x @ https://host/x.zip#sha256=DIGEST", "Url"),
            (
                "x @ https://host/x.zip#egg=x&sha256=DIGEST ; os_name == 'posix'",
                "Url",
            ),
            ("https://host/x.whl --hash=sha256:DIGEST", "Url"),
            ("./x.whl[fast]", "Path(\"./x.whl\")"),
            ("x @ file:///srv/x.whl", "Path(\"/srv/x.whl\")"),
            ("file://localhost/srv/x.whl#egg=x", "Path(\"/srv/x.whl\")"),
        ] {
            assert_eq!(verdict(line).unwrap(), place, "{line}");
        }
    }

    #[test]
    fn what_is_refused_has_a_reason_and_a_way_out() {
        for (line, why, instead) in [
            ("-e ./x", "editable", "by its file"),
            ("-e git+https://host/x@COMMIT#egg=x", "editable", "by name"),
            ("x @ git+https://host/x.git", "no commit", "full hash"),
            ("x @ git+https://host/x.git@main", "tags move", "full hash"),
            ("x @ git+https://host/x.git@v1.0", "tags move", "full hash"),
            (
                "x @ git+https://host/x.git@0123abc",
                "no commit",
                "full hash",
            ),
            (
                "x @ git+https://me:secret@host/x.git",
                "no commit",
                "full hash",
            ),
            ("git+file:///srv/x@COMMIT", "come from", "publish"),
            ("git+http://host/x@COMMIT", "come from", "publish"),
            ("hg+https://host/x@COMMIT", "come from", "publish"),
            ("svn+https://host/x@1", "come from", "publish"),
            ("ftp://host/x.whl", "come from", "publish"),
            ("x @ https://host/x.whl", "nothing says", "#sha256="),
            (
                "https://me:secret@host/x.whl#md5=1",
                "nothing says",
                "#sha256=",
            ),
            (
                "x @ https://host/x.whl#sha256=12",
                "nothing says",
                "#sha256=",
            ),
            ("-i http://host/simple", "https", "ca-bundle"),
            (
                "-i https://${USER}:${TOKEN}@host/simple",
                "variables",
                "PIP_INDEX_URL",
            ),
            ("x==${VERSION}", "variables", "write the value"),
            ("-f http://host/wheels", "https", "ca-bundle"),
            ("-f file:///srv/wheels", "https", "ca-bundle"),
            ("--trusted-host host", "certificates", "ca-bundle"),
            (
                "--use-feature fast-deps",
                "one version of pip",
                "leave it out",
            ),
            (
                "x --global-option=--fast",
                "served to those",
                "list the file",
            ),
            (
                "x --config-settings=a=b",
                "served to those",
                "list the file",
            ),
            ("--all-releases x", "resolver", "--pre"),
            ("--only-final x", "resolver", "leave it out"),
            ("x==1 --hash=md5:1", "same hash", "sha256"),
            ("x==1 --hash=sha1:1", "same hash", "sha256"),
            ("x==1 --hash=sha256:12", "64 hexadecimal", "whole"),
            ("x==1 --hash=sha512:DIGESTDIGEST", "SHA-256", "sha256"),
        ] {
            let error = verdict(line).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{line}");
            assert!(error.message().contains(why), "{line}: {error}");
            assert!(
                error.hints()[0].contains(instead),
                "{line}: {:?}",
                error.hints()
            );
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
