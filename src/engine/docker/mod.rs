//! The Docker API, through bollard: Docker from API 1.41 on, and Podman's compatible socket.
//!
//! The only file that names bollard. Its traps are met here: credentials in the wrong base64
//! alphabet, uploads that count as silence, exit codes that come as errors, names that differ.

mod address;
mod build;
mod choice;
mod connect;
mod container;
mod context;
mod conversation;
mod failure;
mod load;
mod make;
mod tls;
mod tunnel;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as ClientError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::SystemVersion;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, CreateImageOptions,
    DownloadFromContainerOptions, ListContainersOptions, RemoveContainerOptions,
    StartContainerOptions, TagImageOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{OnceCell, RwLock};

use crate::error::{Error, Kind, Result};
use crate::oci::{ExecutionConfig, WrittenExecution, variables};
use crate::platform::{Arch, ImageRef};

use self::address::Address;
pub(super) use self::choice::named;
use self::container::Input;
use self::failure::{absent, failed, is_ending, is_not_found, is_spurious_end};
use self::make::Make;
pub(super) use self::make::podman_at_rest;
use self::tunnel::Tunnel;
use super::{About, BuildSpec, Call, ContainerSpec, Engine, Exec, Image, Output};

/// How long a listing waits for containers that are being made.
const CREATION_LIMIT: Duration = Duration::from_secs(5);

/// A connection to an engine.
pub(super) struct Docker {
    client: bollard::Docker,
    address: Address,
    /// What it says of itself, once it was asked.
    version: OnceCell<SystemVersion>,
    /// Held for reading while the engine makes a container: one that is made for a stage that was
    /// stopped meanwhile is waited for before containers are listed, or a sweep would miss it.
    creating: Arc<RwLock<()>>,
    /// The standard input of every running container, by its id.
    inputs: Mutex<HashMap<String, Input>>,
    /// Keeps the tunnel of an `ssh://` address open.
    _tunnel: Option<Tunnel>,
}

impl Docker {
    fn inputs(&self) -> MutexGuard<'_, HashMap<String, Input>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it says of itself.
    async fn version(&self) -> Result<&SystemVersion> {
        let ask = async || self.client.version().await;
        let version = self.version.get_or_try_init(ask).await;
        version.map_err(|error| absent(&self.address, &error))
    }

    /// Who made it.
    async fn make(&self) -> Result<Make> {
        Ok(Make::of(self.version().await?))
    }

    /// Starts a container whose input is held until it is removed.
    async fn attach_and_start(&self, id: &str) -> std::result::Result<(), ClientError> {
        let options = AttachContainerOptions {
            stdin: true,
            stream: true,
            ..AttachContainerOptions::default()
        };
        let attached = self.client.attach_container(id, Some(options)).await?;
        self.inputs().insert(id.to_owned(), attached.input);
        let options = None::<StartContainerOptions>;
        self.client.start_container(id, options).await
    }

    async fn image_or_missing(&self, reference: &str) -> Result<Image> {
        self.image(reference).await?.ok_or_else(|| {
            Error::new(
                Kind::Engine,
                format!("the engine does not find the image `{reference}` it just made"),
            )
        })
    }
}

fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

async fn file_body(
    path: &Path,
) -> Result<impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + use<>> {
    let file = fs_err::tokio::File::open(path).await?;
    Ok(tokio_util::io::ReaderStream::with_capacity(file, 1 << 18))
}

impl Engine for Docker {
    fn about(&self) -> Call<'_, About> {
        async {
            let version = self.version().await?;
            Ok(About {
                name: Make::of(version).name().to_owned(),
                version: version.version.clone().unwrap_or_default(),
                api_version: Some(self.client.client_version().to_string()),
                arch: version.arch.as_deref().and_then(Arch::from_any_name),
                address: self.address.url.clone(),
                limits: None,
                variables: self.address.variables(),
            })
        }
        .boxed()
    }

    fn image<'a>(&'a self, reference: &'a str) -> Call<'a, Option<Image>> {
        async move {
            let image = match self.client.inspect_image(reference).await {
                Ok(image) => image,
                Err(error) if is_not_found(&error) => return Ok(None),
                Err(error) => {
                    return Err(failed(&format!("look at the image `{reference}`"), &error));
                }
            };
            let mut digests = image.repo_digests.unwrap_or_default();
            if !digests.is_empty() && !self.make().await?.digests_are_of_registries() {
                digests.clear();
            }
            let config = image.config.unwrap_or_default();
            Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                registry_digests: digests,
                layers: image
                    .root_fs
                    .and_then(|root| root.layers)
                    .unwrap_or_default(),
                arch: image.architecture.as_deref().and_then(Arch::from_any_name),
                config: ExecutionConfig::from(WrittenExecution {
                    env: config.env,
                    labels: config.labels.map(|labels| labels.into_iter().collect()),
                }),
            }))
        }
        .boxed()
    }

    fn pull<'a>(
        &'a self,
        reference: &'a ImageRef,
        arch: Arch,
        output: Output<'a>,
    ) -> Call<'a, Image> {
        async move {
            let options = CreateImageOptions {
                from_image: Some(reference.to_string()),
                platform: format!("linux/{}", arch.debian()),
                ..CreateImageOptions::default()
            };
            let mut stream =
                self.client
                    .create_image(Some(options), None, None::<DockerCredentials>);
            while let Some(step) = stream.next().await {
                match step {
                    Ok(step) => {
                        if let Some(status) = step.status {
                            output(&status);
                        }
                    }
                    Err(error) if is_spurious_end(&error) => {}
                    Err(error) => {
                        return Err(
                            failed(&format!("pull `{reference}`"), &error).of_kind(Kind::Network)
                        );
                    }
                }
            }
            self.image_or_missing(reference.as_str()).await
        }
        .boxed()
    }

    fn import<'a>(
        &'a self,
        root: &'a Path,
        arch: Arch,
        tag: &'a str,
        config: &'a ExecutionConfig,
    ) -> Call<'a, Image> {
        async move {
            let is_foreign = self.arch().await?.is_some_and(|own| own != arch);
            // What an import is told is written like a Dockerfile: not every value can be.
            if is_foreign || !config.environment.is_empty() {
                return self.load_root(root, arch, tag, config).await;
            }
            let changes = config
                .labels
                .iter()
                .map(|(name, value)| format!("LABEL {name}={value}"))
                .collect();
            let options = CreateImageOptions {
                from_src: Some("-".to_owned()),
                repo: Some(tag.to_owned()),
                changes,
                ..CreateImageOptions::default()
            };
            let body = bollard::body_try_stream(file_body(root).await?);
            let mut stream = self.client.create_image(Some(options), Some(body), None);
            while let Some(step) = stream.next().await {
                match step {
                    Ok(_) => {}
                    Err(error) if is_spurious_end(&error) => {}
                    Err(error) => return Err(failed(&format!("import `{tag}`"), &error)),
                }
            }
            self.image_or_missing(tag).await
        }
        .boxed()
    }

    fn build<'a>(&'a self, spec: &'a BuildSpec<'a>, output: Output<'a>) -> Call<'a, Image> {
        self.make_image(spec, output).boxed()
    }

    fn load<'a>(&'a self, archive: &'a Path) -> Call<'a, ()> {
        self.load_archive(archive, "load images").boxed()
    }

    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> Call<'a, ()> {
        async move {
            let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
            let options = TagImageOptions {
                repo: Some(repository.to_owned()),
                tag: Some(tag.to_owned()),
            };
            let tagged = self.client.tag_image(image, Some(options)).await;
            tagged.map_err(|error| failed(&format!("tag `{name}`"), &error))
        }
        .boxed()
    }

    fn start<'a>(&'a self, spec: &'a ContainerSpec<'a>) -> Call<'a, String> {
        async move {
            let body = container::body(spec);
            let creating = Arc::clone(&self.creating).read_owned().await;
            let client = self.client.clone();
            // A task of its own is not dropped with the stage: the engine makes the container
            // whether or not its client still listens.
            let created = tokio::spawn(async move {
                let created = client
                    .create_container(None::<CreateContainerOptions>, body)
                    .await;
                drop(creating);
                created
            })
            .await
            .map_err(|error| Error::new(Kind::Internal, error.to_string()))?
            .map_err(|error| failed(&format!("create a container of `{}`", spec.image), &error))?;
            let started = self.attach_and_start(&created.id).await;
            if let Err(error) = started {
                self.remove(&created.id).await?;
                return Err(failed(
                    &format!("start a container of `{}`", spec.image),
                    &error,
                ));
            }
            Ok(created.id)
        }
        .boxed()
    }

    fn upload<'a>(&'a self, id: &'a str, folder: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let options = UploadToContainerOptions {
                path: folder.to_owned(),
                ..UploadToContainerOptions::default()
            };
            let body = bollard::body_try_stream(file_body(archive).await?);
            let sent = self
                .client
                .upload_to_container(id, Some(options), body)
                .await;
            sent.map_err(|error| failed(&format!("unpack files into `{folder}`"), &error))
        }
        .boxed()
    }

    fn download<'a>(&'a self, id: &'a str, path: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let options = DownloadFromContainerOptions {
                path: path.to_owned(),
            };
            let stream = self.client.download_from_container(id, Some(options));
            save(stream, archive, &format!("read `{path}`")).await
        }
        .boxed()
    }

    fn export<'a>(&'a self, id: &'a str, archive: &'a Path) -> Call<'a, ()> {
        async move {
            let stream = self.client.export_container(id);
            save(stream, archive, "read a container's files").await
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        exec: &'a Exec,
        stream: Option<DuplexStream>,
        output: Output<'a>,
    ) -> Call<'a, i64> {
        async move {
            let program = exec.argv.first().map_or("", String::as_str);
            let fail = |error: ClientError| failed(&format!("run `{program}`"), &error);
            let options = CreateExecOptions {
                attach_stdin: Some(stream.is_some()),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                env: Some(variables(&exec.env)),
                cmd: Some(exec.argv.clone()),
                working_dir: Some(exec.cwd.clone()).filter(|folder| !folder.is_empty()),
                ..CreateExecOptions::default()
            };
            let created = self.client.create_exec(id, options).await.map_err(fail)?;
            let started = self.client.start_exec(&created.id, None::<StartExecOptions>);
            let StartExecResults::Attached { output: chunks, input } = started.await.map_err(fail)?
            else {
                return Err(Error::new(Kind::Engine, "the engine detached a command"));
            };
            conversation::follow(chunks, input, stream, output).await.map_err(fail)?;
            let ended = self.client.inspect_exec(&created.id).await.map_err(fail)?;
            ended.exit_code.ok_or_else(|| {
                Error::new(Kind::Engine, format!("the engine lost `{program}` before it ended"))
                    .hint("the container may have been removed or the engine stopped: look at the engine's log")
            })
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> Call<'a, ()> {
        async move {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                ..RemoveContainerOptions::default()
            };
            let mut removed = self
                .client
                .remove_container(id, Some(options.clone()))
                .await;
            if removed.as_ref().is_err_and(is_ending) {
                removed = self.client.remove_container(id, Some(options)).await;
            }
            // Not earlier: a container ends with its input, and one that ends is hard to remove.
            drop(self.inputs().remove(id));
            match removed {
                // The last: another sweep is at it.
                Ok(())
                | Err(ClientError::DockerResponseServerError {
                    status_code: 404 | 409,
                    ..
                }) => Ok(()),
                Err(error) => Err(failed("remove a container", &error)),
            }
        }
        .boxed()
    }

    fn containers<'a>(
        &'a self,
        label: &'a str,
    ) -> Call<'a, Vec<(String, BTreeMap<String, String>)>> {
        async move {
            // An engine that does not answer at all must not hold up Ctrl-C: the next run removes
            // what it makes after that.
            let none_is_being_made = self.creating.write();
            drop(tokio::time::timeout(CREATION_LIMIT, none_is_being_made).await);
            let options = ListContainersOptions {
                all: true,
                filters: Some(HashMap::from([(
                    "label".to_owned(),
                    vec![label.to_owned()],
                )])),
                ..ListContainersOptions::default()
            };
            let containers = match self.client.list_containers(Some(options)).await {
                Ok(containers) => containers,
                Err(error) => {
                    return make::listed(&error).ok_or_else(|| failed("list containers", &error));
                }
            };
            Ok(containers
                .into_iter()
                .map(|container| {
                    let labels = container.labels.unwrap_or_default().into_iter().collect();
                    (container.id.unwrap_or_default(), labels)
                })
                .collect())
        }
        .boxed()
    }
}

/// Writes what the engine sends to a file.
async fn save(
    mut stream: impl Stream<Item = Result<Bytes, ClientError>> + Unpin,
    archive: &Path,
    action: &str,
) -> Result<()> {
    let mut file = fs_err::tokio::File::create(archive).await?;
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|error| failed(action, &error))?;
        file.write_all(&bytes).await?;
    }
    Ok(file.flush().await?)
}

#[cfg(test)]
mod tests {
    use crate::platform::EngineKind;

    use super::*;

    #[tokio::test]
    async fn an_absent_engine_is_an_error_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address {
            url: format!("unix://{}/none.sock", folder.path().display()),
            source: Some("DOCKER_HOST".to_owned()),
            certificates: None,
        };
        let error = Docker::connect(EngineKind::Auto, Some(address))
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Engine);
        assert!(
            error.message().contains(", named by DOCKER_HOST: "),
            "{error}"
        );
        assert!(error.message().contains("there is no socket"), "{error}");
        assert!(error.hints()[1].contains("doctor"));
    }
}
