//! Making wheels with the builder's pip: for Pythons that uv does not know, and to get uv.
//!
//! pip says what it chose only when it is done, and makes one wheel after another.

use crate::archive::ArchiveWriter;
use crate::engine::Exec;
use crate::error::Result;
use crate::plan::pylock::Place;
use crate::plan::roots::Root;
use crate::plan::{Indexes, SetRequest};

use super::super::candidate::Candidate;
use super::super::store::{Wheel, WheelStore};
use super::{Item, Made, OUTPUT, PROJECT, PYTHON, Workshop};

const CONFIGURATION: &str = "/omnibuild/pip.conf";

/// Puts pip's configuration into the archive: a file, since URLs may hold credentials and the
/// environment of a process is no secret.
pub(super) fn configure(request: &SetRequest, archive: &mut ArchiveWriter) -> Result<()> {
    let text = configuration(&request.indexes, &request.options.find_links);
    archive.bytes(&CONFIGURATION[1..], 0o600, text.as_bytes())
}

fn configuration(indexes: &Indexes, find_links: &[Place]) -> String {
    let mut text = "[global]\nno-input = true\ndisable-pip-version-check = true\n".to_owned();
    if let Some(url) = &indexes.index_url {
        text.push_str(&format!("index-url = {url}\n"));
    }
    if !indexes.extra_index_urls.is_empty() {
        text.push_str(&format!(
            "extra-index-url = {}\n",
            indexes.extra_index_urls.join("\n    ")
        ));
    }
    if !find_links.is_empty() {
        let places = find_links.iter().map(|place| match place {
            Place::Url(url) => indexes.with_credentials(url),
            Place::Project(path) => path.clone(),
        });
        let places: Vec<String> = places.collect();
        text.push_str(&format!("find-links = {}\n", places.join("\n    ")));
    }
    text
}

/// A command of pip.
pub(super) fn pip(words: &[&str]) -> Exec {
    let exec = Exec::new([PYTHON, "-m", "pip"])
        .args(words.iter().copied())
        // Lives as long as the container: every source distribution is built with the same tools.
        .args(["--cache-dir", "/omnibuild/pip-cache"])
        .env("PIP_CONFIG_FILE", CONFIGURATION);
    super::reproducible(exec).cwd(PROJECT)
}

impl Workshop<'_> {
    /// Pythons that are past their end of life came with a pip that today's index does not serve.
    pub(super) async fn renew_pip(&self) -> Result<()> {
        // The last that run on it; `pip wheel` builds with the two others. With a lower bound, since pip calls
        // what is there the newest when no index answers.
        let newest = match self.builder.interpreter.major_minor.as_str() {
            "2.7" => ["pip>=20,<21", "setuptools<45", "wheel<0.38"],
            "3.5" => ["pip>=20,<21", "setuptools<51", "wheel<0.38"],
            "3.6" => ["pip>=21,<22", "setuptools<60", "wheel<0.38"],
            _ => return Ok(()),
        };
        let exec = pip(&["install", "--upgrade"]).args(newest);
        let clues = self.clues();
        let result = self.container.watch(&exec, &|line| clues.see(line)).await;
        result.map_err(|error| {
            clues
                .explain(error)
                .context("the newest pip for this Python")
                .hint("a pip this old may know an index that is gone: name today's in `index-url` or PIP_INDEX_URL")
        })
    }

    /// Makes these wheels and no others.
    pub(super) async fn make_with_pip(
        &self,
        items: &[Item],
        store: &WheelStore,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Made>> {
        let lines: Vec<String> = items.iter().map(|item| self.line(item)).collect();
        self.upload_lines("wanted.txt", &lines).await?;
        let folder = format!("{OUTPUT}/made");
        let exec = pip(&["wheel", "--use-pep517", "--no-deps", "--wheel-dir", &folder])
            .args(self.request.options.for_pip())
            .args(["--requirement", "/omnibuild/wanted.txt"]);
        self.watch_pip(&exec, progress).await?;
        let wheels = self.collect(&folder, store).await?;
        let of = |item: &Item| {
            let found = wheels.iter().find(|(_, wheel)| {
                wheel
                    .distribution()
                    .parse()
                    .is_ok_and(|name: pep508_rs::PackageName| name == item.name)
            });
            let (_, wheel) = found?;
            let candidate = item.candidate.as_ref();
            let key =
                candidate.and_then(|candidate| candidate.build_key(self.builder, self.request));
            let wheel = Wheel {
                origin: candidate.and_then(Candidate::origin),
                ..wheel.clone()
            };
            Some((item.name.clone(), wheel, key))
        };
        Ok(items.iter().filter_map(of).collect())
    }

    /// Resolves and makes everything; what was made is the answer.
    pub(super) async fn resolve_with_pip(&self, store: &WheelStore) -> Result<Vec<Made>> {
        let text = |roots: &[Root]| {
            roots
                .iter()
                .map(|root| self.root_line(root))
                .collect::<Vec<_>>()
        };
        self.upload_lines("roots.txt", &text(&self.request.roots))
            .await?;
        self.upload_lines("constraints.txt", &text(&self.request.constraints))
            .await?;
        let folder = format!("{OUTPUT}/resolved");
        let exec = pip(&["wheel", "--use-pep517", "--wheel-dir", &folder])
            .args(self.request.options.for_pip())
            .args(["--requirement", "/omnibuild/roots.txt"])
            .args(["--constraint", "/omnibuild/constraints.txt"]);
        self.watch_pip(&exec, &|_| {}).await?;
        let wheels = self.collect(&folder, store).await?;
        Ok(wheels
            .into_iter()
            .filter_map(|(_, wheel)| Some((wheel.distribution().parse().ok()?, wheel, None)))
            .collect())
    }

    async fn watch_pip(&self, exec: &Exec, progress: &(dyn Fn(u64) + Sync)) -> Result<()> {
        self.watch(exec, progress).await.map_err(|error| {
            error.context(format!(
                "wheels for Python {}",
                self.builder.interpreter.version
            ))
        })
    }

    /// The item as a line of a requirement file.
    fn line(&self, item: &Item) -> String {
        let Some(candidate) = &item.candidate else {
            let hashes: Vec<String> = item
                .need
                .hashes
                .iter()
                .map(|digest| format!(" --hash=sha256:{digest}"))
                .collect();
            return format!("{}{}{}", item.name, item.need.text(), hashes.concat());
        };
        format!("{} @ {}", item.name, self.reference(&candidate.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_an_index_are_in_the_file_only() {
        let indexes = Indexes {
            index_url: Some("https://user:secret@index.example/simple".to_owned()),
            extra_index_urls: vec![
                "https://one.example".to_owned(),
                "https://two.example".to_owned(),
            ],
            ..Indexes::default()
        };
        let links = Place::Url("https://index.example/files/".to_owned());
        let text = configuration(&indexes, &[links]);
        assert!(text.contains("find-links = https://user:secret@index.example/files/\n"));
        assert!(text.contains("index-url = https://user:secret@index.example/simple\n"));
        assert!(text.contains("extra-index-url = https://one.example\n    https://two.example\n"));
        assert!(!format!("{:?}", pip(&["wheel"])).contains("secret"));
    }
}
