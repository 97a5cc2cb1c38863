//! Images from Dockerfiles, by the engine's own builder; once more, from a clean state, when its store of
//! images failed.
//!
//! Decides nothing of what is in them.

use bollard::errors::Error as ClientError;
use bollard::query_parameters::BuildImageOptions;
use futures::StreamExt;

use crate::engine::lines::Lines;
use crate::engine::{BuildSpec, Image, Output};
use crate::error::{Error, Kind, Result};

use super::container::network_mode;
use super::failure::{failed_again, is_of_the_store, is_spurious_end};
use super::{Docker, file_body, hash_map};

/// Why an image was not made.
enum Failure {
    /// What the engine said.
    Said(ClientError),
    /// The context can't be read.
    Here(Error),
}

impl Docker {
    /// Makes it, and answers it as the engine has it then: a success that left no image is none.
    pub(super) async fn make_image(
        &self,
        spec: &BuildSpec<'_>,
        output: Output<'_>,
    ) -> Result<Image> {
        let mut made = self.try_to_make(spec, true, output).await;
        if let Err(Failure::Said(error)) = &made
            && is_of_the_store(error)
        {
            output(&format!(
                "the engine's store of images failed ({error}): `{}` is made once more, from nothing",
                spec.tag
            ));
            made = self.try_to_make(spec, false, output).await;
        }
        match made {
            Ok(()) => self.image_or_missing(spec.tag).await,
            Err(Failure::Here(error)) => Err(error),
            Err(Failure::Said(error)) => {
                let of_the_store = is_of_the_store(&error);
                let error = failed_again(&format!("build `{}`", spec.tag), &error);
                if of_the_store || error.kind() == Kind::Space {
                    return Err(error);
                }
                Err(error.of_kind(Kind::Build))
            }
        }
    }

    async fn try_to_make(
        &self,
        spec: &BuildSpec<'_>,
        is_cache_used: bool,
        output: Output<'_>,
    ) -> std::result::Result<(), Failure> {
        let options = BuildImageOptions {
            dockerfile: "Dockerfile".to_owned(),
            t: Some(spec.tag.to_owned()),
            buildargs: Some(hash_map(&spec.args)),
            labels: Some(hash_map(&spec.labels)),
            networkmode: network_mode(&spec.network),
            nocache: !is_cache_used,
            rm: true,
            forcerm: true,
            platform: format!("linux/{}", spec.arch.debian()),
            ..BuildImageOptions::default()
        };
        let body = file_body(spec.context).await.map_err(Failure::Here)?;
        let body = bollard::body_try_stream(body);
        let mut stream = self.client.build_image(options, None, Some(body));
        let mut lines = Lines::default();
        let mut made = Ok(());
        while let Some(step) = stream.next().await {
            match step {
                Ok(step) => {
                    if let Some(text) = step.stream.or(step.status) {
                        lines.push(text.as_bytes(), output);
                    }
                }
                Err(error) if is_spurious_end(&error) => {}
                Err(error) => {
                    made = Err(Failure::Said(error));
                    break;
                }
            }
        }
        lines.flush(output);
        made
    }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
