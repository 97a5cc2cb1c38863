//! Builds an image from a Dockerfile: one layer for each `RUN` and `COPY`, kept under a key of all
//! that decides it; where layers are whole trees, one for all of them.
//!
//! A layer that is there is not made again, whoever asked for it first.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::dockerfile::{Instruction, Step, expand, parse, refused};
use super::failure::no_room;
use super::store::{Change, Record, Store};
use super::task::{Action, Command};
use super::{environment, shares_network};
use crate::archive::{self, ArchiveWriter};
use crate::digest::{Digest, KeyBuilder};
use crate::engine::{BuildSpec, Image, Output};
use crate::error::{Error, Kind, Result};

/// Arguments that no Dockerfile has to declare, and that decide nothing: how to reach the network.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// A build on its way through the Dockerfile.
struct Building<'a> {
    store: &'a Store,
    spec: &'a BuildSpec<'a>,
    context: &'a Path,
    /// Arguments that were declared so far.
    args: BTreeMap<String, String>,
    image: Option<Record>,
    /// How many of the image's layers are there.
    made: usize,
    /// What makes the others.
    pending: Vec<Pending>,
}

/// A step that is to be made.
struct Pending {
    line: usize,
    text: String,
    change: Change,
    /// What the change unpacks, for as long as it takes.
    archive: Option<tempfile::TempPath>,
}

/// Builds an image and keeps it under the name that was asked for.
pub(super) async fn build(
    store: &Store,
    spec: &BuildSpec<'_>,
    output: Output<'_>,
) -> Result<Image> {
    let folder = tempfile::tempdir()?;
    unpack(spec.context, folder.path())?;
    let text = fs_err::read_to_string(folder.path().join("Dockerfile"))?;
    let steps = parse(&text)?;
    let mut building = Building {
        store,
        spec,
        context: folder.path(),
        args: BTreeMap::new(),
        image: None,
        made: 0,
        pending: Vec::new(),
    };
    for (number, step) in steps.iter().enumerate() {
        output(&format!(
            "Step {}/{} : {}",
            number + 1,
            steps.len(),
            step.text
        ));
        building.step(step, output).await?;
    }
    building.make(output).await?;
    let mut image = building.image.ok_or_else(|| {
        refused(
            steps.last().map_or(1, |step| step.line),
            "there is no `FROM`",
        )
    })?;
    image.labels.extend(spec.labels.clone());
    store.keep(&image, spec.tag)
}

/// What commands print whose file system has no room, as the C library says it.
const NO_SPACE: &str = "No space left on device";

impl Building<'_> {
    async fn step(&mut self, step: &Step, output: Output<'_>) -> Result<()> {
        let refuse = |why: String| refused(step.line, &why);
        let variables = self.variables();
        let expanded = |text: &str| expand(text, &variables).map_err(refuse);
        let all = |pairs: &[(String, String)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(name, value)| Ok((name.clone(), expanded(value)?)));
            pairs.collect::<Result<Vec<_>>>()
        };
        match &step.instruction {
            Instruction::From(reference) => {
                let reference = expanded(reference)?;
                if self.image.is_some() {
                    return Err(refused(step.line, "only one stage is known here"));
                }
                let image = self.store.find(&reference).ok_or_else(|| {
                    refuse(format!("the sandbox has no image `{reference}`")).of_kind(Kind::Engine)
                })?;
                // Arguments before it are for it alone.
                self.args.clear();
                self.made = image.layers.len();
                self.image = Some(image);
            }
            Instruction::Arg(name, default) => {
                let default = default.as_deref().map(expanded).transpose()?;
                if let Some(value) = self.spec.args.get(name).cloned().or(default) {
                    self.args.insert(name.clone(), value);
                }
            }
            Instruction::Run(argv) => self.run(step, argv, output).await?,
            Instruction::Copy(sources, target) => {
                let sources = sources.iter().map(|source| expanded(source));
                let sources = sources.collect::<Result<Vec<_>>>()?;
                self.copy(step, &sources, &expanded(target)?, output)
                    .await?;
            }
            Instruction::Env(pairs) => self.image_mut(step)?.env.extend(all(pairs)?),
            Instruction::Label(pairs) => self.image_mut(step)?.labels.extend(all(pairs)?),
            Instruction::Workdir(folder) => {
                let image = self.image_mut(step)?;
                image.cwd = below(&image.cwd, &expanded(folder)?);
            }
            Instruction::User(user) => self.image_mut(step)?.user = expanded(user)?,
        }
        Ok(())
    }

    /// What `$NAME` means; the environment wins over arguments.
    fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.args.clone();
        if let Some(image) = &self.image {
            variables.extend(image.env.clone());
        }
        variables
    }

    fn image(&self, step: &Step) -> Result<&Record> {
        self.image.as_ref().ok_or_else(|| no_image(step))
    }

    fn image_mut(&mut self, step: &Step) -> Result<&mut Record> {
        self.image.as_mut().ok_or_else(|| no_image(step))
    }

    async fn run(&mut self, step: &Step, argv: &[String], output: Output<'_>) -> Result<()> {
        let image = self.image(step)?;
        let env = environment([&self.args, &image.env]);
        let network = shares_network(&self.spec.network)?;
        let key = KeyBuilder::new("sandbox layer", 1)
            .field("layers", chain(&image.layers))
            .field("command", format!("{argv:?}"))
            .field("environment", format!("{env:?}"))
            .field("folder", &image.cwd)
            .field("user", &image.user)
            .field("network", network.to_string())
            .finish()
            .digest;
        let proxies = self.spec.args.clone().into_iter();
        let proxies = proxies.filter(|(name, _)| PROXIES.contains(&name.as_str()));
        let action = Action::Run(Command {
            argv: argv.to_vec(),
            env: environment([&proxies.collect(), &self.args, &image.env]),
            cwd: image.cwd.clone(),
            user: image.user.clone(),
            converses: false,
        });
        let change = Change { network, action };
        self.layer(step, key, change, None, output).await
    }

    async fn copy(
        &mut self,
        step: &Step,
        sources: &[String],
        target: &str,
        output: Output<'_>,
    ) -> Result<()> {
        let image = self.image(step)?;
        let entries = self.sources(step, sources, &below(&image.cwd, target))?;
        let mut archive = ArchiveWriter::new(0)?;
        let mut content = String::new();
        for (place, source) in &entries {
            let mode = fs_err::metadata(source)?.permissions().mode() & 0o7777;
            let place = place.trim_start_matches('/');
            archive.file(place, mode, source)?;
            content += &format!("{mode:o} {} {place}\n", Digest::of_file(source)?);
        }
        let archive = archive.finish()?;
        let key = KeyBuilder::new("sandbox layer", 1)
            .field("layers", chain(&image.layers))
            .field("copied", content)
            .finish()
            .digest;
        let action = Action::Unpack {
            archive: archive.to_path_buf(),
            folder: "/".to_owned(),
        };
        let change = Change {
            network: false,
            action,
        };
        self.layer(step, key, change, Some(archive), output).await
    }

    /// The files that are copied, by where they go.
    fn sources(
        &self,
        step: &Step,
        sources: &[String],
        target: &str,
    ) -> Result<BTreeMap<String, std::path::PathBuf>> {
        let into = target.ends_with('/') || sources.len() > 1;
        let target = target.trim_end_matches('/');
        let mut entries = BTreeMap::new();
        for source in sources {
            let path = archive::safe_path(Path::new(source.trim_start_matches('/')))?;
            let path = self.context.join(path);
            if path.is_dir() {
                for file in crate::fsutil::sorted_walk(&path)? {
                    entries.insert(format!("{target}/{}", file.display()), path.join(file));
                }
            } else if path.is_file() {
                let name = path.file_name().unwrap_or_default().display();
                let place = if into {
                    format!("{target}/{name}")
                } else {
                    target.to_owned()
                };
                entries.insert(place, path);
            } else {
                let why = format!("the context has no `{source}`");
                return Err(refused(step.line, &why).of_kind(Kind::Missing));
            }
        }
        Ok(entries)
    }

    /// Puts a layer onto the image, and makes it, unless it is there or can wait.
    async fn layer(
        &mut self,
        step: &Step,
        key: Digest,
        change: Change,
        archive: Option<tempfile::TempPath>,
        output: Output<'_>,
    ) -> Result<()> {
        let is_there = self.store.has_layer(&key);
        let image = self.image_mut(step)?;
        image.layers.push(key);
        if is_there {
            self.made = image.layers.len();
            // A whole tree has all that was done before.
            self.pending.clear();
            output(" ---> Using cache");
            return Ok(());
        }
        self.pending.push(Pending {
            line: step.line,
            text: step.text.clone(),
            change,
            archive,
        });
        if self.store.way().keeps_whole_trees() {
            return Ok(());
        }
        self.make(output).await
    }

    /// Makes the topmost layer, of all that is pending.
    async fn make(&mut self, output: Output<'_>) -> Result<()> {
        let Some(image) = &self.image else {
            return Ok(());
        };
        let (Some(key), false) = (image.layers.last(), self.pending.is_empty()) else {
            return Ok(());
        };
        let below = &image.layers[..self.made];
        let (mut steps, mut changes, mut archives) = (Vec::new(), Vec::new(), Vec::new());
        for pending in self.pending.drain(..) {
            steps.push((pending.line, pending.text));
            changes.push(pending.change);
            archives.push(pending.archive);
        }
        let is_full = AtomicBool::new(false);
        let watched = |line: &str| {
            if line.contains(NO_SPACE) {
                is_full.store(true, Ordering::Relaxed);
            }
            output(line);
        };
        let made = self.store.make_layer(key, below, changes, &watched).await?;
        if let Some((number, status)) = made {
            let (line, text) = &steps[number];
            let failed = format!("Dockerfile:{line}: `{text}` ended with status {status}");
            if is_full.into_inner() {
                return Err(no_room(format!("{failed}: {NO_SPACE}")));
            }
            return Err(Error::new(Kind::Build, failed));
        }
        self.made = image.layers.len();
        Ok(())
    }
}

fn no_image(step: &Step) -> Error {
    refused(step.line, "there is no `FROM` before it")
}

fn chain(layers: &[Digest]) -> String {
    let layers: Vec<&str> = layers.iter().map(Digest::as_str).collect();
    layers.join(" ")
}

/// A path as the working directory has it.
fn below(cwd: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    format!("{}/{path}", cwd.trim_end_matches('/'))
}

/// Unpacks the plain files of a context with their modes.
fn unpack(context: &Path, folder: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(std::io::BufReader::new(fs_err::File::open(context)?));
    archive.set_preserve_permissions(true);
    Ok(archive.unpack(folder)?)
}

#[cfg(test)]
mod tests {
    use super::super::way::Way;
    use super::*;
    use crate::engine::Network;
    use crate::oci::ExecutionConfig;
    use crate::platform::Arch;

    /// Builds with the layers that are there; answers the image's, or the error.
    async fn layers(
        store: &Store,
        files: &[(&str, &str)],
        args: &[(&str, &str)],
    ) -> Result<Record> {
        let mut context = ArchiveWriter::new(0).unwrap();
        for (name, text) in files {
            context.bytes(name, 0o644, text.as_bytes()).unwrap();
        }
        let context = context.finish().unwrap();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let spec = BuildSpec {
            context: &context,
            args: args.iter().map(pair).collect(),
            labels: BTreeMap::new(),
            tag: "made",
            arch: Arch::Amd64,
            network: Network::None,
        };
        build(store, &spec, &|_| {}).await?;
        Ok(store.find("made").unwrap())
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), Way::Namespaces);
        let layer = Digest::of("base");
        let tree = folder.path().join("layers").join(layer.as_str());
        fs_err::create_dir_all(tree.join("upper")).unwrap();
        let record = Record::of_layer(layer, &ExecutionConfig::default());
        store.keep(&record, "base").unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn what_makes_no_layer_changes_the_image() {
        let (_folder, store) = store();
        let text = "ARG BASE\nFROM ${BASE}\nARG A=1\nENV B=${A}2 C=3\nWORKDIR /srv\nWORKDIR x\nUSER me\nLABEL l=$C\n";
        let made = layers(&store, &[("Dockerfile", text)], &[("BASE", "base")])
            .await
            .unwrap();
        assert_eq!(made.env["B"], "12");
        assert_eq!((made.cwd.as_str(), made.user.as_str()), ("/srv/x", "me"));
        assert_eq!(made.labels["l"], "3");
        assert_eq!(made.layers.len(), 1);
    }

    #[tokio::test]
    async fn faults_of_a_dockerfile_name_their_line() {
        let (_folder, store) = store();
        for (text, line, kind) in [
            ("FROM other\n", "Dockerfile:1: ", Kind::Engine),
            (
                "FROM base\nCOPY absent /x\n",
                "Dockerfile:2: ",
                Kind::Missing,
            ),
            ("FROM base\n\nFROM base\n", "Dockerfile:3: ", Kind::Config),
            ("RUN true\n", "Dockerfile:1: ", Kind::Config),
            ("# nothing\n", "Dockerfile:1: ", Kind::Config),
        ] {
            let error = layers(&store, &[("Dockerfile", text)], &[])
                .await
                .unwrap_err();
            assert!(error.message().starts_with(line), "{text}: {error}");
            assert_eq!(error.kind(), kind, "{text}");
        }
    }
}
