//! From the output of `git describe` to a PEP 440 version.
//!
//! Reads text only; never runs git.

use pep440_rs::{LocalSegment, Version};

use crate::error::{Error, Kind, Result};

use super::PythonVersion;

/// The version that `git describe --tags --long --dirty` tells.
///
/// The tag may have a prefix, such as `v1.4.2`, `release-1.4.2`, `mytool-v1.4.2`, `mytool/1.4.2`.
///
/// | describe                     | version                             |
/// |------------------------------|-------------------------------------|
/// | `v1.4.2-0-gabc1234`          | `1.4.2`                             |
/// | `v1.4.2-0-gabc1234-dirty`    | `1.4.2+dirty`                       |
/// | `v1.4.2-3-gabc1234`          | `1.4.2.post1.dev3+gabc1234`         |
/// | `v1.4.2-3-gabc1234-dirty`    | `1.4.2.post1.dev3+gabc1234.dirty`   |
/// | `v1.4.3rc1-3-gabc1234`       | `1.4.3rc1.post1.dev3+gabc1234`      |
/// | `v1.4.2.post1-3-gabc1234`    | `1.4.2.post2.dev3+gabc1234`         |
/// | `v1.4.3.dev5-3-gabc1234`     | `1.4.3.dev5+3.gabc1234`             |
///
/// A development release of the next post-release (setuptools-scm calls it `no-guess-dev`) is the
/// only form that is newer than the tag and older than whatever is released next: `1.4.2.post3`
/// would be newer than a `1.4.2.post1`, and `1.4.3.dev3` newer than `1.4.2.1`. Between two
/// development releases only a local version has room.
///
/// Fails with [`Kind::Version`] when the text has another form, or its tag holds no version.
pub fn from_git_describe(describe: &str) -> Result<PythonVersion> {
    let described = describe.trim();
    let (clean, dirty) = match described.strip_suffix("-dirty") {
        Some(clean) => (clean, true),
        None => (described, false),
    };
    let (tag, distance, commit) = split(clean).ok_or_else(|| unknown_form(described))?;
    let Some(tagged) = version_of_tag(tag) else {
        return Err(Error::new(
            Kind::Version,
            format!("`git describe` found the tag `{tag}`, which holds no PEP 440 version"),
        )
        .hint("tag releases as `v1.4.2`, or set the version in the project"));
    };
    let mut local = tagged.local().to_vec();
    let mut version = tagged.without_local();
    if distance > 0 {
        if version.dev().is_some() {
            local.push(LocalSegment::Number(distance));
        } else {
            let post = version.post().map_or(1, |post| post.saturating_add(1));
            version = version.with_post(Some(post)).with_dev(Some(distance));
        }
        local.push(LocalSegment::String(commit.to_owned()));
    }
    if dirty {
        local.push(LocalSegment::String("dirty".to_owned()));
    }
    Ok(PythonVersion::from(version.with_local(local)))
}

/// Tag, distance and commit of `<tag>-<distance>-g<commit>`.
fn split(clean: &str) -> Option<(&str, u64, &str)> {
    let (rest, commit) = clean.rsplit_once('-')?;
    let (tag, distance) = rest.rsplit_once('-')?;
    let hexadecimal = commit.strip_prefix('g')?;
    let good = hexadecimal.len() >= 4
        && hexadecimal
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && distance.bytes().all(|byte| byte.is_ascii_digit());
    if !good {
        return None;
    }
    Some((tag, distance.parse().ok()?, commit))
}

fn unknown_form(described: &str) -> Error {
    Error::new(
        Kind::Version,
        format!(
            "`{described}` is not what `git describe --tags --long --dirty` prints: \
             `<tag>-<distance>-g<commit>[-dirty]`"
        ),
    )
    .hint("tag a release, such as `git tag v1.0.0`; in a shallow clone run `git fetch --tags --unshallow`")
}

/// The longest end of the tag that is a version and starts where a word starts.
fn version_of_tag(tag: &str) -> Option<Version> {
    let starts = tag
        .match_indices(['-', '_', '/'])
        .map(|(place, _)| place + 1);
    std::iter::once(0).chain(starts).find_map(|start| {
        let end = tag.get(start..)?;
        let end = end.strip_prefix(['v', 'V']).unwrap_or(end);
        end.starts_with(|first: char| first.is_ascii_digit())
            .then(|| end.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Format;
    use crate::version::native;

    #[test]
    fn tags_distances_and_changes_become_versions() {
        for (describe, version) in [
            ("v1.4.2-0-gabc1234", "1.4.2"),
            ("1.4.2-0-gabc1234\n", "1.4.2"),
            ("v1.4.2-0-gabc1234-dirty", "1.4.2+dirty"),
            ("1.4.2-3-gabc1234-dirty", "1.4.2.post1.dev3+gabc1234.dirty"),
            ("release-1.4.2-12-gabc1234", "1.4.2.post1.dev12+gabc1234"),
            ("my-tool2-v1.4.2-0-gabc1234", "1.4.2"),
            ("2fa-1.4.2-0-gabc1234", "1.4.2"),
            ("mytool/v1.4-0-gabc1234", "1.4"),
            ("mytool_1.4-0-gabc1234", "1.4"),
            (
                "v1.4.3-rc1-2-g0123456789abcdef",
                "1.4.3rc1.post1.dev2+g0123456789abcdef",
            ),
            ("v1.4.2.post1-3-gabc1234", "1.4.2.post2.dev3+gabc1234"),
            ("v1.4.3.dev5-3-gabc1234", "1.4.3.dev5+3.gabc1234"),
            (
                "1!2.0+acme.1-1-gabc1234",
                "1!2.0.post1.dev1+acme.1.gabc1234",
            ),
        ] {
            assert_eq!(
                from_git_describe(describe).unwrap().to_string(),
                version,
                "{describe}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "abc1234",
            "abc1234-dirty",
            "v1.4.2",
            "v1.4.2-x-gabc1234",
            "v1.4.2-0-abc1234",
            "v1.4.2-0-gxyz1234",
            "nightly-0-gabc1234",
            "v1.x-0-gabc1234",
            "v1.4.2-+1-gabc1234",
        ] {
            let error = from_git_describe(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Version);
            assert!(!error.hints().is_empty(), "{bad}");
        }
    }

    #[test]
    fn work_after_a_tag_is_newer_than_the_tag_and_older_than_any_next_release() {
        let parse = |text: &str| PythonVersion::parse(text, "here").unwrap();
        for (tag, next) in [
            (
                "1.4.2",
                vec!["1.4.2.post1", "1.4.2.0.1", "1.4.3.dev0", "1.4.3a1", "1.5"],
            ),
            (
                "1.4.3rc1",
                vec!["1.4.3rc1.post1", "1.4.3rc2.dev1", "1.4.3rc2", "1.4.3"],
            ),
            ("1.4.2.post1", vec!["1.4.2.post2", "1.4.3.dev0"]),
            ("1.4.3.dev5", vec!["1.4.3.dev6", "1.4.3a1"]),
        ] {
            let versions: Vec<_> = [
                "-0-gabc1234",
                "-0-gabc1234-dirty",
                "-3-gabc1234",
                "-3-gabc1234-dirty",
                "-11-g0000001",
            ]
            .map(|end| from_git_describe(&format!("v{tag}{end}")).unwrap())
            .to_vec();
            assert_eq!(versions[0], parse(tag));
            assert!(
                versions.is_sorted_by(|older, newer| older < newer),
                "{versions:?}"
            );
            for next in next {
                assert!(versions[4] < parse(next), "{} {next}", versions[4]);
            }
            for version in &versions {
                native(version, Format::Deb, "").unwrap();
                native(version, Format::Rpm, "").unwrap();
            }
        }
    }
}
