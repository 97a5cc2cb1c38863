//! Sources: from a folder, from the cache, or from where the table says they are.
//!
//! Whoever sends them, they are used by their digest alone: what has another never gets a name in the
//! cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::download::Downloads;
use crate::error::{Error, Kind, Result};
use crate::plan::NetworkPlan;
use crate::plan::requirements::without_credentials;

use super::table::{Release, Source};

/// Where sources come from.
#[derive(Debug)]
pub struct Sources {
    /// A folder that has them all; then nothing is asked of a network.
    folder: Option<PathBuf>,
    cache: PathBuf,
    mirrors: Vec<String>,
    downloads: Option<Downloads>,
}

impl Sources {
    /// Those in a folder.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            cache: PathBuf::new(),
            mirrors: Vec::new(),
            downloads: None,
        }
    }

    /// Those of the network, kept in the folder `cache`; mirrors are asked in this order.
    ///
    /// # Errors
    /// [`Kind::Config`] for certificates or a proxy that can't be used.
    pub fn of_network(cache: PathBuf, mirrors: Vec<String>, network: &NetworkPlan) -> Result<Self> {
        Ok(Self {
            folder: None,
            cache,
            mirrors,
            downloads: Some(Downloads::new(network)?),
        })
    }

    /// Files with all sources of a release, by component; each is told before it is fetched.
    ///
    /// # Errors
    /// [`Kind::Missing`] when the folder has one not, [`Kind::Damaged`] when it is another file than the
    /// table names, [`Kind::Network`] when nobody who is asked has it.
    pub async fn fetch_all(
        &self,
        release: &Release,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<BTreeMap<String, PathBuf>> {
        let mut files = BTreeMap::new();
        for (name, source) in release.components() {
            tell(&format!("{name} {}", source.version));
            files.insert(name.to_owned(), self.fetch(source).await?);
        }
        Ok(files)
    }

    /// A file with one source.
    ///
    /// # Errors
    /// Those of [`Self::fetch_all`].
    async fn fetch(&self, source: &Source) -> Result<PathBuf> {
        if let Some(folder) = &self.folder {
            return of_folder(folder, source);
        }
        let kept = self.cache.join(source.sha256.as_str());
        if Digest::of_file(&kept).is_ok_and(|digest| digest == source.sha256) {
            return Ok(kept);
        }
        let Some(downloads) = &self.downloads else {
            return Err(Error::new(Kind::Internal, "sources without a network"));
        };
        let mut failures: Vec<Error> = Vec::new();
        for address in self.addresses(source) {
            match download(downloads, &address, source, &kept).await {
                Ok(()) => return Ok(kept),
                // A disk that is full is full for the next server, too.
                Err(error) if ![Kind::Network, Kind::Damaged].contains(&error.kind()) => {
                    return Err(error);
                }
                Err(error) => failures.push(error),
            }
        }
        Err(unavailable(source, &failures))
    }

    /// The addresses of a source, each once.
    fn addresses(&self, source: &Source) -> Vec<String> {
        let mut addresses: Vec<String> = Vec::new();
        for url in &source.urls {
            let some = if url.contains("{mirror}") {
                let of = |mirror: &String| url.replace("{mirror}", mirror.trim_end_matches('/'));
                self.mirrors.iter().map(of).collect()
            } else {
                vec![url.clone()]
            };
            for address in some {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        addresses
    }
}

/// A source in the user's folder.
fn of_folder(folder: &Path, source: &Source) -> Result<PathBuf> {
    let path = folder.join(&source.file);
    if !path.is_file() {
        let text = format!("there is no `{}`", path.display());
        return Err(Error::new(Kind::Missing, text).hint(format!(
            "put the file with the SHA-256 {} there; it is at {}",
            source.sha256,
            source.urls.join(" and ")
        )));
    }
    let digest = Digest::of_file(&path)?;
    if digest == source.sha256 {
        return Ok(path);
    }
    Err(wrong_digest(&path.display().to_string(), source, &digest)
        .hint("fetch it again; a source of another version needs another omnibuild"))
}

fn wrong_digest(place: &str, source: &Source, found: &Digest) -> Error {
    Error::new(
        Kind::Damaged,
        format!(
            "`{place}` is not {} {}: its SHA-256 is {found}, and {} was expected",
            source.file, source.version, source.sha256
        ),
    )
}

/// One error of all that was tried; wrong content weighs more than none.
fn unavailable(source: &Source, failures: &[Error]) -> Error {
    let damaged = failures.iter().any(|error| error.kind() == Kind::Damaged);
    let kind = if damaged {
        Kind::Damaged
    } else {
        Kind::Network
    };
    let error = Error::new(kind, format!("nobody has `{}`", source.file));
    let error = failures
        .iter()
        .fold(error, |error, failure| error.hint(failure.message()));
    error
        .hint("name a mirror of Debian that has sources: --mirror, OMNIBUILD_MIRROR")
        .hint(format!(
            "or put the file into a folder and name that: --sources FOLDER (SHA-256 {})",
            source.sha256
        ))
}

async fn download(
    downloads: &Downloads,
    address: &str,
    source: &Source,
    place: &Path,
) -> Result<()> {
    let folder = place.parent().unwrap_or(place);
    let (staged, digest) = downloads.get(address, folder).await?;
    if digest != source.sha256 {
        return Err(wrong_digest(&without_credentials(address), source, &digest));
    }
    staged.commit(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::PythonTable;
    use crate::download::tests::server;
    use crate::fsutil;

    fn source(content: &[u8], urls: &[&str]) -> Source {
        let table = PythonTable::shipped().unwrap();
        let mut source = table.find("3.13").unwrap().libraries["zlib"].clone();
        source.sha256 = Digest::of(content);
        source.file = "zlib.tar".to_owned();
        source.urls = urls.iter().map(|url| (*url).to_owned()).collect();
        source
    }

    #[tokio::test]
    async fn a_folder_has_the_source_another_file_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources::in_folder(folder.path().to_owned());
        let wanted = source(b"content", &["https://upstream.example/zlib.tar"]);
        let missing = sources.fetch(&wanted).await.unwrap_err();
        assert_eq!(missing.kind(), Kind::Missing);
        let hint = &missing.hints()[0];
        assert!(hint.contains(wanted.sha256.as_str()), "{hint}");
        assert!(hint.contains("https://upstream.example/zlib.tar"), "{hint}");
        fs_err::write(folder.path().join("zlib.tar"), "other").unwrap();
        let wrong = sources.fetch(&wanted).await.unwrap_err();
        assert_eq!(wrong.kind(), Kind::Damaged);
        for digest in [&wanted.sha256, &Digest::of("other")] {
            assert!(wrong.message().contains(digest.as_str()), "{wrong}");
        }
        fs_err::write(folder.path().join("zlib.tar"), "content").unwrap();
        let found = sources.fetch(&wanted).await.unwrap();
        assert_eq!(found, folder.path().join("zlib.tar"));
    }

    #[tokio::test]
    async fn wrong_content_gets_no_name_and_the_next_server_is_asked_once() {
        let cache = tempfile::tempdir().unwrap();
        let mirrors = vec![
            server(vec![(200, b"other")]),
            server(vec![(200, b"content")]),
        ];
        let network = NetworkPlan::default();
        let place = cache.path().join("sources");
        let sources = Sources::of_network(place.clone(), mirrors, &network).unwrap();
        let wanted = source(b"content", &["{mirror}/pool/zlib.tar"]);
        let path = sources.fetch(&wanted).await.unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"content");
        assert_eq!(fsutil::sorted_walk(&place).unwrap().len(), 1);
        // Both servers are gone: this one is from the cache.
        assert_eq!(sources.fetch(&wanted).await.unwrap(), path);
    }

    #[tokio::test]
    async fn when_nobody_has_it_everybody_who_was_asked_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let damaged = server(vec![(200, b"other")]);
        let wanted = source(
            b"content",
            &["{mirror}/zlib.tar", "http://127.0.0.1:1/zlib.tar"],
        );
        let place = cache.path().to_owned();
        let network = NetworkPlan::default();
        let sources = Sources::of_network(place, vec![damaged.clone()], &network).unwrap();
        let error = sources.fetch(&wanted).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        let hints = error.hints().join("\n");
        for word in [&damaged, "127.0.0.1:1", "--sources", "expected"] {
            assert!(hints.contains(word), "{hints}");
        }
        let sources = Sources::of_network(cache.path().to_owned(), Vec::new(), &network);
        let error = sources.unwrap().fetch(&wanted).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
    }
}
