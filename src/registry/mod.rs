//! A repository of a container registry (OCI distribution specification): blobs and manifests go there.
//!
//! A client of our own: the published one keeps back what a busy server says of when to come again
//! (`Retry-After`). Believes no server: content is asked for by digest, and what a server says it has is
//! compared. What is refused for good is told with what to do; what may pass is tried again.

mod access;
mod answer;
#[cfg(test)]
mod fake;
mod image;
mod patience;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Body, Client, Method, Response, StatusCode, Url};

use crate::digest::{Digest, DigestWriter};
use crate::download;
use crate::error::{Error, Kind, Result};
use crate::oci::{ContentDigest, Descriptor, INDEX, Index, MANIFEST};
use crate::plan::{NetworkPlan, RepositoryName};
use crate::report::Reporter;

use self::access::Access;
use self::answer::passing;

pub use self::image::PulledImage;
pub use self::patience::Patience;

/// A small question takes no longer.
const LONGEST: Duration = Duration::from_mins(1);
/// A line that carries less than so many bytes in a second carries nothing.
const SLOWEST: u64 = 50_000;
/// No manifest is longer, in bytes (distribution specification, "at least 4 megabytes").
const LARGEST_MANIFEST: usize = 4 << 20;
/// What Docker called a manifest and an index before there was a specification.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// What a server says it has.
const DIGEST: &str = "docker-content-digest";
/// That a server knows of manifests that are about others.
const SUBJECT: &str = "oci-subject";
/// Where Docker looks for the certificates of a registry.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// A repository.
pub struct Registry {
    client: Client,
    host: String,
    base: String,
    name: String,
    used: Use,
    access: Access,
    patience: Patience,
}

/// Why one try came to nothing.
enum Failure {
    /// Another may do better, after this time if the server said one.
    Passing(String, Option<Duration>),
    /// No other will.
    Final(Error),
}

/// A manifest or an index with its bytes.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Stored {
    /// Of bytes that are here.
    pub fn of(media_type: &str, content: Vec<u8>) -> Self {
        Self {
            descriptor: Descriptor::of(media_type, &content),
            content,
        }
    }
}

/// What is done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Something is put there.
    Push,
    /// Something is read from there, maybe without credentials.
    Pull,
}

impl Registry {
    /// A repository, with the credentials that Docker or Podman would use, which the reporter takes out of all
    /// that is said.
    ///
    /// # Errors
    /// [`Kind::Config`] for certificates or proxies that can't be used; [`Kind::Publish`] when credentials
    /// are configured and can't be had.
    pub fn open(
        repository: &RepositoryName,
        used: Use,
        network: &NetworkPlan,
        patience: Patience,
        reporter: &Reporter,
    ) -> Result<Self> {
        let (host, name) = repository.as_str().split_once('/').unwrap_or_default();
        let certificates = certificates_of(host);
        let access = Access::of(host, used)?;
        if let Some(secret) = access.secret() {
            reporter.redact(secret);
        }
        Ok(Self {
            client: download::client(network, &certificates, None)?,
            base: format!("{}://{host}", scheme(host)),
            host: host.to_owned(),
            name: name.to_owned(),
            used,
            access,
            patience,
        })
    }

    /// The name of a repository in this registry, when it is another of its.
    pub fn sibling<'a>(&self, other: &'a RepositoryName) -> Option<&'a str> {
        let (host, name) = other.as_str().split_once('/')?;
        (host == self.host && name != self.name).then_some(name)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.name)
    }

    /// Whether a blob is there.
    pub async fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        let url = self.url(&format!("blobs/{}", blob.digest));
        self.again(&format!("look for {}", blob.digest), async || {
            let answer = self
                .send(Method::HEAD, &url, HeaderMap::new(), Transfer::Question)
                .await?;
            Ok(answer.is_some())
        })
        .await
    }

    /// Sends a blob that is not there; answers how many bytes went.
    pub async fn put_missing(
        &self,
        blob: &Descriptor,
        file: &std::path::Path,
        from: Option<&str>,
    ) -> Result<u64> {
        let went = !self.has_blob(blob).await? && self.put_blob(blob, file, from).await?;
        Ok(if went { blob.size } else { 0 })
    }

    /// Sends a blob; answers `false` where the registry took it over from another of its repositories.
    pub async fn put_blob(
        &self,
        blob: &Descriptor,
        file: &std::path::Path,
        from: Option<&str>,
    ) -> Result<bool> {
        let digest = &blob.digest;
        let query = from.map_or_else(String::new, |from| format!("?mount={digest}&from={from}"));
        let start = self.url(&format!("blobs/uploads/{query}"));
        self.again(&format!("send {digest}"), async || {
            let answer = self
                .send(Method::POST, &start, HeaderMap::new(), Transfer::Nothing)
                .await?;
            let answer = answer.ok_or_else(|| Failure::Final(self.not_found("take an upload")))?;
            if answer.status() == StatusCode::CREATED {
                return Ok(false);
            }
            let target = self.upload_address(&answer, digest)?;
            let upload = Transfer::File(file, blob.size);
            let answer = self
                .send(Method::PUT, target.as_str(), HeaderMap::new(), upload)
                .await?;
            let Some(answer) = answer else {
                // Uploads end when a server is started anew.
                return Err(Failure::Passing("the upload is gone".to_owned(), None));
            };
            self.compare(&answer, digest.digest(), &digest.to_string())?;
            Ok(true)
        })
        .await
    }

    fn upload_address(
        &self,
        answer: &Response,
        digest: &ContentDigest,
    ) -> std::result::Result<Url, Failure> {
        let place = answer
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let target = place.and_then(|place| answer.url().join(place).ok());
        let mut target = target.ok_or_else(|| {
            let text = format!("{}: it does not say where an upload goes", self.host);
            Failure::Final(Error::new(Kind::Publish, text).hint("this is no registry of the OCI distribution specification: check the name of the repository"))
        })?;
        target
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        Ok(target)
    }

    /// Puts a manifest under a tag, or under its digest; compares what the registry then has. Answers
    /// whether the registry lists it by its subject.
    pub async fn put_manifest(&self, reference: &str, manifest: &Stored) -> Result<bool> {
        let Stored {
            descriptor,
            content,
        } = manifest;
        let digest = descriptor.digest.digest();
        let url = self.url(&format!("manifests/{reference}"));
        let lists = self
            .again(&format!("put `{reference}`"), async || {
                let mut headers = HeaderMap::new();
                if let Ok(value) = descriptor.media_type.parse() {
                    headers.insert(CONTENT_TYPE, value);
                }
                let upload = Transfer::Bytes(content);
                let answer = self.send(Method::PUT, &url, headers, upload).await?;
                let answer = answer.ok_or_else(|| {
                    Failure::Final(self.not_found(&format!("take `{reference}`")))
                })?;
                self.compare(&answer, digest, reference)?;
                Ok(answer.headers().contains_key(SUBJECT))
            })
            .await?;
        let stored = self.manifest(reference).await?;
        if stored.is_none_or(|stored| stored.descriptor.digest.digest() != digest) {
            let text = format!("{}: `{reference}` is not what was sent to it", self.host);
            return Err(Error::new(Kind::Publish, text)
                .hint("somebody else pushes the same tag, or the registry alters what it is sent: push again, by one at a time"));
        }
        Ok(lists)
    }

    /// The content of a blob in a temporary file; `None`: there is none.
    ///
    /// # Errors
    /// [`Kind::Publish`] when it can't be read, or is not what its digest says.
    pub async fn blob(&self, blob: &Descriptor) -> Result<Option<tempfile::TempPath>> {
        let url = self.url(&format!("blobs/{}", blob.digest));
        self.again(&format!("read {}", blob.digest), async || {
            let awaited = Transfer::Awaited(blob.size);
            let answer = self.send(Method::GET, &url, HeaderMap::new(), awaited);
            let Some(mut answer) = answer.await? else {
                return Ok(None);
            };
            let written = |error: std::io::Error| Failure::Final(error.into());
            let (file, path) = tempfile::NamedTempFile::new()
                .map_err(written)?
                .into_parts();
            let mut writer = DigestWriter::new(std::io::BufWriter::new(file));
            let mut length = 0;
            while let Some(piece) = answer.chunk().await.map_err(passing)? {
                length += piece.len() as u64;
                if length > blob.size {
                    break;
                }
                writer.write_all(&piece).map_err(written)?;
            }
            writer.flush().map_err(written)?;
            if length != blob.size || writer.finish().0 != *blob.digest.digest() {
                // A line may break without a word.
                let why = "what it sends is not what the digest says";
                return Err(Failure::Passing(why.to_owned(), None));
            }
            Ok(Some(path))
        })
        .await
    }

    /// The manifest or index under a tag or digest; `None`: there is none. What is not the content of its
    /// digest is none.
    pub async fn manifest(&self, reference: &str) -> Result<Option<Stored>> {
        let url = self.url(&format!("manifests/{reference}"));
        self.again(&format!("read `{reference}`"), async || {
            let mut headers = HeaderMap::new();
            let known = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
            if let Ok(value) = known.parse() {
                headers.insert(ACCEPT, value);
            }
            let Some(mut answer) = self
                .send(Method::GET, &url, headers, Transfer::Question)
                .await?
            else {
                return Ok(None);
            };
            let media_type = answer.headers().get(CONTENT_TYPE);
            let media_type = media_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or(MANIFEST)
                .to_owned();
            let mut content = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(passing)? {
                content.extend_from_slice(&piece);
                if content.len() > LARGEST_MANIFEST {
                    let text = format!(
                        "{}: `{reference}` has more than {LARGEST_MANIFEST} bytes",
                        self.host
                    );
                    return Err(Failure::Final(Error::new(Kind::Publish, text)));
                }
            }
            Ok(Some(Stored::of(&media_type, content)))
        })
        .await
    }

    /// Lists a manifest under the digest of what it is about, where the registry does not do so by itself
    /// (distribution specification, referrers tag schema).
    pub async fn refer(&self, subject: &Descriptor, artifact: Descriptor) -> Result<()> {
        let tag = subject.digest.to_string().replace(':', "-");
        let there = self.manifest(&tag).await?;
        let listed = there.and_then(|there| serde_json::from_slice::<Index>(&there.content).ok());
        let mut manifests = listed.map_or_else(Vec::new, |index| index.manifests);
        if manifests.contains(&artifact) {
            return Ok(());
        }
        // The release's own is there once.
        manifests.retain(|other| {
            other.artifact_type != artifact.artifact_type
                || other.annotations != artifact.annotations
        });
        manifests.push(artifact);
        let index = Index::new(manifests, std::collections::BTreeMap::new());
        let index = Stored::of(INDEX, crate::oci::bytes(&index)?);
        self.put_manifest(&tag, &index).await?;
        Ok(())
    }

    /// What a server says that it has is what was sent.
    fn compare(
        &self,
        answer: &Response,
        digest: &Digest,
        what: &str,
    ) -> std::result::Result<(), Failure> {
        let said = answer
            .headers()
            .get(DIGEST)
            .and_then(|value| value.to_str().ok());
        match said {
            Some(said) if said != ContentDigest::from(digest.clone()).to_string() => {
                let text = format!(
                    "{}: it has `{what}` as {said}, not as sha256:{digest}",
                    self.host
                );
                Err(Failure::Final(Error::new(Kind::Publish, text).hint(
                    "the registry, or a proxy before it, alters what it is sent: no tag was moved to it",
                )))
            }
            _ => Ok(()),
        }
    }

    /// Tries again what may pass.
    async fn again<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let mut waits = self.patience.waits.iter();
        loop {
            let (why, asked) = match attempt().await {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(why, asked)) => (why, asked),
            };
            let Some(wait) = waits.next() else {
                let text = format!("{}: can't {what}: {why}", self.host);
                return Err(Error::new(Kind::Publish, text).hint(format!(
                    "it was tried {} times; push again later: what is there is not sent again",
                    self.patience.waits.len() + 1
                )));
            };
            let wait = asked.map_or(*wait, |asked| asked.min(self.patience.longest));
            tokio::time::sleep(wait).await;
        }
    }

    /// One request with its authorization; `None`: there is no such thing.
    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        transfer: Transfer<'_>,
    ) -> std::result::Result<Option<Response>, Failure> {
        let mut is_renewed = false;
        loop {
            let mut request = self
                .client
                .request(method.clone(), url)
                .headers(headers.clone());
            let mut limit = LONGEST;
            request = match &transfer {
                Transfer::Question => request,
                Transfer::Awaited(size) => {
                    limit += Duration::from_secs(size / SLOWEST);
                    request
                }
                Transfer::Nothing => request.header(CONTENT_LENGTH, 0),
                Transfer::Bytes(bytes) => request.body(bytes.to_vec()),
                Transfer::File(path, size) => {
                    limit += Duration::from_secs(size / SLOWEST);
                    let file = fs_err::tokio::File::open(path).await;
                    let file = file.map_err(|error| Failure::Final(error.into()))?;
                    let stream = tokio_util::io::ReaderStream::with_capacity(file, 1 << 18);
                    request
                        .header(CONTENT_LENGTH, *size)
                        .header(CONTENT_TYPE, "application/octet-stream")
                        .body(Body::wrap_stream(stream))
                }
            };
            // A place for uploads may be another server's.
            if Url::parse(url).is_ok_and(|url| url.as_str().starts_with(&format!("{}/", self.base)))
                && let Some(value) = self.access.authorization()
            {
                request = request.header(reqwest::header::AUTHORIZATION, value);
            }
            let answer = request.timeout(limit).send().await.map_err(passing)?;
            let status = answer.status();
            if status == StatusCode::UNAUTHORIZED && !is_renewed {
                is_renewed = true;
                let renewed = self.access.renew(&self.client, &answer, &self.name).await;
                if renewed.map_err(|refused| self.judge_access(refused))? {
                    continue;
                }
            }
            return self.judge(answer).await;
        }
    }
}

/// What goes with a request, or comes with its answer.
enum Transfer<'a> {
    /// Little.
    Question,
    /// The answer has so many bytes.
    Awaited(u64),
    /// A body without content.
    Nothing,
    Bytes(&'a [u8]),
    /// A file of this length.
    File(&'a std::path::Path, u64),
}

/// Loopback speaks plain HTTP, as it does for Docker: there is nobody between.
fn scheme(host: &str) -> &'static str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = name == "localhost" || name.starts_with("127.") || name == "[::1]";
    if is_loopback { "http" } else { "https" }
}

/// The certificates that Docker trusts for a registry.
fn certificates_of(host: &str) -> Vec<PathBuf> {
    let folder = std::path::Path::new(CERTIFICATES).join(host);
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| path.extension().is_some_and(|end| end == "crt"))
        .collect()
}
