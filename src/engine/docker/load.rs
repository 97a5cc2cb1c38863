//! Images of another architecture than the engine's, from a root file system. `image import` of Docker
//! 20.10 records the engine's own whatever it is told, so they come as archives of images, which say it
//! themselves.

use std::path::Path;

use bollard::errors::Error as ClientError;
use bollard::query_parameters::ImportImageOptions;
use futures::StreamExt;
use serde_json::json;
use tempfile::TempPath;

use crate::archive::{ArchiveWriter, decoded};
use crate::digest::Digest;
use crate::engine::Image;
use crate::error::{Error, Kind, Result};
use crate::oci::{ExecutionConfig, variables};
use crate::platform::Arch;

use super::failure::{failed_again, is_of_the_store, is_spurious_end};
use super::{Docker, file_body};

const LAYER: &str = "layer.tar";
const CONFIG: &str = "config.json";

impl Docker {
    /// Takes images out of an archive; once more, when the engine's store of images failed.
    pub(super) async fn load_archive(&self, archive: &Path, action: &str) -> Result<()> {
        let mut loaded = self.try_to_load(archive).await?;
        if loaded.as_ref().is_err_and(is_of_the_store) {
            loaded = self.try_to_load(archive).await?;
        }
        loaded.map_err(|error| failed_again(action, &error))
    }

    async fn try_to_load(&self, archive: &Path) -> Result<std::result::Result<(), ClientError>> {
        let body = bollard::body_try_stream(file_body(archive).await?);
        let options = ImportImageOptions {
            quiet: true,
            ..ImportImageOptions::default()
        };
        let mut stream = self.client.import_image(options, body, None);
        while let Some(step) = stream.next().await {
            match step {
                Ok(_) => {}
                Err(error) if is_spurious_end(&error) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Makes an image of an architecture from a root file system.
    pub(super) async fn load_root(
        &self,
        root: &Path,
        arch: Arch,
        tag: &str,
        config: &ExecutionConfig,
    ) -> Result<Image> {
        let archive = tokio::task::block_in_place(|| archive(root, arch, tag, config))?;
        self.load_archive(&archive, &format!("load `{tag}`"))
            .await?;
        let image = self.image_or_missing(tag).await?;
        if image.arch.is_some_and(|said| said != arch) {
            let text = format!("the engine took `{tag}` for an image of its own architecture");
            return Err(Error::new(Kind::Engine, text).hint("upgrade the engine"));
        }
        Ok(image)
    }
}

/// An archive of one image (Docker image specification 1.2).
fn archive(root: &Path, arch: Arch, tag: &str, config: &ExecutionConfig) -> Result<TempPath> {
    let file = std::io::BufReader::new(fs_err::File::open(root)?);
    // Of what is in it: a layer may come compressed.
    let (digest, _) = Digest::of_reader(&mut decoded(file)?)?;
    let config = json!({
        "architecture": arch.debian(),
        "os": "linux",
        "config": {"Labels": config.labels, "Env": variables(&config.environment)},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = json!([{"Config": CONFIG, "RepoTags": [tag], "Layers": [LAYER]}]);
    let mut archive = ArchiveWriter::new(0)?;
    archive.bytes(CONFIG, 0o644, config.to_string().as_bytes())?;
    archive.bytes("manifest.json", 0o644, manifest.to_string().as_bytes())?;
    archive.file(LAYER, 0o644, root)?;
    archive.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_archive_says_the_architecture_and_what_its_layer_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.tar.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, b"root").unwrap();
        fs_err::write(&root, encoder.finish().unwrap()).unwrap();
        let config = ExecutionConfig {
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            environment: BTreeMap::from([("C".to_owned(), "d e".to_owned())]),
        };
        let archive = archive(&root, Arch::Arm64, "omnibuild/x:1", &config).unwrap();
        let mut files = BTreeMap::new();
        crate::archive::for_each_file(&archive, |path, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            files.insert(path.display().to_string(), bytes);
            Ok(())
        })
        .unwrap();
        assert_eq!(files[LAYER], fs_err::read(&root).unwrap());
        let read = |name: &str| serde_json::from_slice::<serde_json::Value>(&files[name]).unwrap();
        let config = read(CONFIG);
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["config"]["Labels"]["a"], "b");
        assert_eq!(config["config"]["Env"], json!(["C=d e"]));
        let digest = format!("sha256:{}", Digest::of("root"));
        assert_eq!(config["rootfs"]["diff_ids"], json!([digest]));
        assert_eq!(
            read("manifest.json")[0]["RepoTags"],
            json!(["omnibuild/x:1"])
        );
    }
}
