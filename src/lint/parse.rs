//! The lines of `lint.sh`: those of lintian and rpmlint, with a line before each folder's.
//!
//! Pure. A line that is not understood is an error, not a finding that is lost.

use crate::error::{Error, Kind, Result};
use crate::platform::Format;

use super::{Finding, Level};

/// Reads everything the script printed.
///
/// Fails with [`Kind::Internal`] when it did not come to its end, or a line is not of a known form.
pub fn parse(lines: &[String]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut current = None;
    let Some((last, lines)) = lines.split_last().filter(|(last, _)| *last == "end") else {
        return Err(Error::new(
            Kind::Internal,
            "the lint programs did not come to their end",
        )
        .hint("the log has what they printed"));
    };
    debug_assert_eq!(last, "end");
    for line in lines {
        if let Some(rest) = line.strip_prefix("folder: ") {
            current = rest.rsplit_once(' ').map(|(folder, tool)| {
                let format = if tool == "lintian" {
                    Format::Deb
                } else {
                    Format::Rpm
                };
                (folder.to_owned(), format)
            });
            continue;
        }
        let Some((folder, format)) = &current else {
            return Err(unknown(line));
        };
        let finding = match format {
            Format::Deb => lintian(line, folder)?,
            Format::Rpm => rpmlint(line, folder)?,
        };
        findings.extend(finding);
    }
    Ok(findings)
}

fn unknown(line: &str) -> Error {
    Error::new(
        Kind::Internal,
        format!("a line of the lint programs is not understood: `{line}`"),
    )
    .hint("report this as a defect of omnibuild, with the log")
}

fn level(letter: &str) -> Option<Level> {
    match letter {
        "E" => Some(Level::Error),
        "W" => Some(Level::Warning),
        "I" | "P" | "X" | "C" => Some(Level::Info),
        _ => None,
    }
}

/// `E: package: tag details [path]`; `N:` lines are remarks of lintian to its reader.
fn lintian(line: &str, folder: &str) -> Result<Option<Finding>> {
    if line.is_empty() || line.starts_with("N:") {
        return Ok(None);
    }
    let parts = line.split_once(": ").and_then(|(letter, rest)| {
        let (package, rest) = rest.split_once(": ")?;
        Some((level(letter)?, package, rest))
    });
    let (level, package, rest) = parts.ok_or_else(|| unknown(line))?;
    let (tag, details) = rest.split_once(' ').unwrap_or((rest, ""));
    let path = details
        .strip_suffix(']')
        .and_then(|details| details.rsplit_once('['))
        .map(|(_, path)| {
            path.rsplit_once(':')
                .filter(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit()))
                .map_or(path, |(path, _)| path)
        })
        .map(|path| format!("/{}", path.trim_matches('/')));
    Ok(Some(Finding {
        level,
        folder: folder.to_owned(),
        format: Format::Deb,
        package: package.split(' ').next().unwrap_or(package).to_owned(),
        tag: tag.to_owned(),
        details: details.to_owned(),
        path,
    }))
}

/// `package.architecture: E: tag details`; the first word of the details that is a path is the path. The
/// frame around the lines is skipped.
fn rpmlint(line: &str, folder: &str) -> Result<Option<Finding>> {
    let line = line.trim_end();
    let frame = ["rpmlint:", "configuration:", "checks:", "    /"];
    if line.is_empty()
        || line.contains("== rpmlint session")
        || line.contains("packages and") && line.contains("checked")
        || frame.iter().any(|start| line.starts_with(start))
    {
        return Ok(None);
    }
    let parts = line.split_once(": ").and_then(|(package, rest)| {
        let (letter, rest) = rest.split_once(": ")?;
        Some((package, level(letter)?, rest))
    });
    let (package, level, rest) = parts.ok_or_else(|| unknown(line))?;
    let (tag, details) = rest.split_once(' ').unwrap_or((rest, ""));
    let path = details.split(' ').find(|word| word.starts_with('/'));
    let name = package.rsplit_once('.').map_or(package, |(name, _)| name);
    Ok(Some(Finding {
        level,
        folder: folder.to_owned(),
        format: Format::Rpm,
        package: name.to_owned(),
        tag: tag.to_owned(),
        details: details.to_owned(),
        path: path.map(str::to_owned),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as lintian 2.116.3 and rpmlint 2.4.0 wrote them.
    const RECORDED: &str = "\
folder: debian-12 lintian
E: acme-python-mytool: dir-or-file-in-opt [opt/mytool/bin/]
E: acme-mytool-cli: no-copyright-file
E: acme-python-mytool: missing-dependency-on-libc needed by opt/mytool/lib/a.so and 2 others
W: acme-python-mytool: unusual-interpreter /opt/mytool/bin/python [opt/mytool/bin/idna]
P: acme-python-mytool: repeated-path-segment mytool [opt/mytool/share/mytool/]
W: acme-python-mytool: bad-whatis-entry [usr/share/man/man1/x.1.gz:12]
N: 0 hints overridden (0 errors)
folder: rocky-9 rpmlint
============================ rpmlint session starts ============================
rpmlint: 2.4.0
configuration:
    /usr/lib/python3/dist-packages/rpmlint/configdefaults.toml
checks: 26, packages: 3

acme-python-mytool.x86_64: E: wrong-script-interpreter /opt/mytool/bin/idna /opt/mytool/bin/python
acme-mytool-cli.noarch: W: requires-on-release acme-python-mytool = 1.4.2-1.el9
acme-mytool-cli.noarch: E: no-signature
 3 packages and 0 specfiles checked; 366 errors, 27 warnings, 366 badness; has taken 2.2 s \n\
end";

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn recorded_lines_are_read() {
        let found = parse(&lines(RECORDED)).unwrap();
        let short: Vec<String> = found
            .iter()
            .map(|it| {
                let path = it.path.as_deref().unwrap_or("-");
                format!(
                    "{} {} {} {} {path}",
                    it.level.word(),
                    it.folder,
                    it.package,
                    it.tag
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                "error debian-12 acme-python-mytool dir-or-file-in-opt /opt/mytool/bin",
                "error debian-12 acme-mytool-cli no-copyright-file -",
                "error debian-12 acme-python-mytool missing-dependency-on-libc -",
                "warning debian-12 acme-python-mytool unusual-interpreter /opt/mytool/bin/idna",
                "info debian-12 acme-python-mytool repeated-path-segment /opt/mytool/share/mytool",
                "warning debian-12 acme-python-mytool bad-whatis-entry /usr/share/man/man1/x.1.gz",
                "error rocky-9 acme-python-mytool wrong-script-interpreter /opt/mytool/bin/idna",
                "warning rocky-9 acme-mytool-cli requires-on-release -",
                "error rocky-9 acme-mytool-cli no-signature -",
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "folder: x lintian\nE: a: b c",
            "folder: x lintian\nsegmentation fault\nend",
            "folder: x rpmlint\nTraceback (most recent call last):\nend",
        ] {
            let error = parse(&lines(text)).unwrap_err();
            assert_eq!(error.kind(), Kind::Internal, "{text}");
        }
    }
}
