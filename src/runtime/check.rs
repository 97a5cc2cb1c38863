//! That an image holds what it should: what packages have, what it runs, no more than it may.
//!
//! Looks at what was made; makes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::oci::layer::{self, Layer};
use crate::oci::root::{NodeKind, Root};
use crate::plan::{RunConfig, RuntimePlan};
use crate::report::human_size;

/// That it is no larger than it may be.
pub(super) fn size(image: &RuntimePlan, layers: &[Layer]) -> Result<()> {
    let size = layer::total(layers);
    let Some(most) = image.largest_size.filter(|most| size > *most) else {
        return Ok(());
    };
    let parts = layers
        .iter()
        .map(|layer| format!("{} {}", layer.purpose, human_size(layer.descriptor.size)));
    let text = format!(
        "images.{}: it has {}, and may have {} (`largest-size`): {}",
        image.name,
        human_size(size),
        human_size(most),
        parts.collect::<Vec<_>>().join(", ")
    );
    Err(Error::new(Kind::Policy, text)
        .hint("take out what is not needed (`python-without`, extras, packages of the distribution), or allow more"))
}

/// That what the image runs is there.
pub(super) fn programs(root: &Root, name: &str, run: &RunConfig, prefix: &str) -> Result<()> {
    let place = |key: &str| format!("images.{name}.{key}");
    if let Some(program) = run.entrypoint.iter().flatten().next() {
        let found = root.follow(program);
        let runs = found.is_some_and(|(_, node)| {
            matches!(node.kind, NodeKind::File { .. }) && node.mode & 0o111 != 0
        });
        if !runs {
            let text = format!(
                "{}: `{program}` is no program of the image",
                place("entrypoint")
            );
            return Err(Error::new(Kind::Config, text).hint(format!(
                "commands of the bundle are in {prefix}/bin, those that packages link in /usr/bin; `packages` says which packages are in it",
            )));
        }
    }
    for (file, name) in run.user.iter().flat_map(|text| {
        let mut parts = text.split(':');
        let user = parts.next().map(|user| ("etc/passwd", user.to_owned()));
        let group = parts.next().map(|group| ("etc/group", group.to_owned()));
        [user, group].into_iter().flatten()
    }) {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let list = root.text(Path::new(file)).unwrap_or_default();
        let is_known = list
            .lines()
            .any(|line| line.split(':').next() == Some(&name));
        if !is_number && !is_known {
            let text = format!("{}: `{name}` is not in /{file} of the image", place("user"));
            return Err(Error::new(Kind::Config, text).hint(
                "let one of its packages make the account (`users`, `groups`), or write a number",
            ));
        }
    }
    Ok(())
}

/// That what is installed is what the packages hold.
pub(super) fn contents(root: &Root, expected: &BTreeMap<String, Digest>) -> Result<()> {
    for (path, digest_of_package) in expected {
        let found = root.follow(path).map(|(_, node)| &node.kind);
        let same =
            matches!(found, Some(NodeKind::File { digest, .. }) if digest == digest_of_package);
        if !same {
            let what = if found.is_some() {
                "is another file than"
            } else {
                "is missing, and is in"
            };
            let text = format!("`{path}` of the image {what} the package");
            return Err(Error::new(Kind::Verify, text)
                .hint("a script of a package or a line of `dockerfile` changes it: let it leave the packages' files alone"));
        }
    }
    Ok(())
}
