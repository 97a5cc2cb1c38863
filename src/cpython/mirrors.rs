//! The mirrors that this machine's own package manager uses, from the files of apt (sources.list(5)).
//!
//! They have the sources of what we build, and whoever runs the machine chose them. Nothing is checked
//! here: what comes from a mirror is known by its digest. Knows no mirror by name.

use std::path::Path;

/// The mirrors of the release that this machine is, in the order of the files; none where there is no
/// apt.
pub fn of_this_machine() -> Vec<String> {
    below(Path::new("/"))
}

fn below(root: &Path) -> Vec<String> {
    let text = |path: &str| fs_err::read_to_string(root.join(path)).unwrap_or_default();
    let release = text("etc/os-release");
    let Some(suite) = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|suite| suite.trim_matches('"'))
    else {
        return Vec::new();
    };
    let mut mirrors = lines(&text("etc/apt/sources.list"), suite);
    let folder = root.join("etc/apt/sources.list.d");
    for name in crate::fsutil::sorted_walk(&folder).unwrap_or_default() {
        let content = text(&format!("etc/apt/sources.list.d/{}", name.display()));
        match name.extension().and_then(|end| end.to_str()) {
            Some("list") => mirrors.extend(lines(&content, suite)),
            Some("sources") => mirrors.extend(paragraphs(&content, suite)),
            Some(_) | None => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    mirrors.retain(|mirror| mirror.starts_with("http") && seen.insert(mirror.clone()));
    mirrors
}

/// Addresses of `deb [options] address suite component…`.
fn lines(text: &str, suite: &str) -> Vec<String> {
    let address = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let address = words.next()?;
        (words.next()? == suite).then(|| plain(address))
    };
    text.lines().filter_map(address).collect()
}

/// Addresses of paragraphs with `URIs:` and `Suites:`.
fn paragraphs(text: &str, suite: &str) -> Vec<String> {
    let mut mirrors = Vec::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let line = paragraph.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_whitespace()
        };
        if field("Suites:").any(|word| word == suite) && field("Enabled:").all(|it| it != "no") {
            mirrors.extend(field("URIs:").map(plain));
        }
    }
    mirrors
}

fn plain(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_of_the_machines_own_release_are_found_in_both_forms() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        assert!(below(root.path()).is_empty());
        put("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
        assert!(below(root.path()).is_empty());
        put(
            "etc/apt/sources.list",
            "# deb http://no.example bookworm main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian/ bookworm main\n\
             deb http://one.example/debian bookworm-updates main\n\
             deb file:/media/cdrom bookworm main\n\
             deb http://vendor.example/apt stable main\n",
        );
        put(
            "etc/apt/sources.list.d/debian.sources",
            "Types: deb\nURIs: http://two.example/debian http://one.example/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main\n\n\
             Types: deb\nURIs: http://security.example/debian-security\nSuites: bookworm-security\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.example\nSuites: bookworm\n",
        );
        let mirrors = ["http://one.example/debian", "http://two.example/debian"];
        assert_eq!(below(root.path()), mirrors);
    }
}
