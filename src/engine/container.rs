//! A running container as stages have it: files in and out, commands; removed when the work is over.
//!
//! Knows no engine but by the trait.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::io::DuplexStream;

use super::{ContainerSpec, Engine, Exec, Output, starved};
use crate::error::{Error, Kind, Result};
use crate::report::{PlatformReporter, human_size};

/// What engines put into each container.
const OF_ENGINES: [&str; 6] = [
    ".dockerenv",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "run/.containerenv",
];
/// Where engines mount something in each container.
pub const MOUNT_POINTS: [&str; 3] = ["dev", "proc", "sys"];

/// Whether a path of a container, without a slash in front, is its engine's and of no image.
pub fn is_of_engine(path: &Path) -> bool {
    OF_ENGINES.iter().any(|own| path.starts_with(own))
        || MOUNT_POINTS
            .iter()
            .any(|folder| path.starts_with(folder) && path != Path::new(folder))
}

/// The status of a command that SIGKILL ended, as a shell has it.
const KILLED: i64 = 128 + 9;

/// A running container, inside [`with_container`].
pub struct Container<'a> {
    engine: &'a dyn Engine,
    report: &'a PlatformReporter,
    id: String,
    /// The memory that it may take, in bytes.
    memory: Option<u64>,
    of_commands: &'a BTreeMap<String, String>,
}

impl Container<'_> {
    /// Unpacks a tar archive into a folder of the container.
    pub async fn upload(&self, folder: &str, archive: &Path) -> Result<()> {
        self.engine.upload(&self.id, folder, archive).await
    }

    /// Writes a file or folder of the container to a temporary tar archive here.
    pub async fn download(&self, path: &str) -> Result<tempfile::TempPath> {
        let archive = tempfile::NamedTempFile::new()?.into_temp_path();
        self.engine.download(&self.id, path, &archive).await?;
        Ok(archive)
    }

    /// Writes its root file system to a temporary tar archive here.
    pub async fn export(&self) -> Result<tempfile::TempPath> {
        let archive = tempfile::NamedTempFile::new()?.into_temp_path();
        self.engine.export(&self.id, &archive).await?;
        Ok(archive)
    }

    /// Runs a command; a status other than 0 is an error of [`Kind::Build`] with the last lines, or of
    /// [`Kind::Space`] where the container's memory was used up.
    pub async fn run(&self, exec: &Exec) -> Result<()> {
        self.watch(exec, &|_| {}).await
    }

    /// Runs a command and shows each line that it prints to `watch`, too.
    pub async fn watch(&self, exec: &Exec, watch: Output<'_>) -> Result<()> {
        self.talk(exec, None, watch).await
    }

    /// The same of a command that talks with somebody here: its standard input and output are `stream`,
    /// and what it prints is what goes to standard error.
    pub async fn converse(
        &self,
        exec: &Exec,
        stream: DuplexStream,
        watch: Output<'_>,
    ) -> Result<()> {
        self.talk(exec, Some(stream), watch).await
    }

    async fn talk(
        &self,
        exec: &Exec,
        stream: Option<DuplexStream>,
        watch: Output<'_>,
    ) -> Result<()> {
        let lines = self.report.command(&exec.argv);
        let mut whole = exec.clone();
        whole.env.clone_from(self.of_commands);
        whole.env.extend(exec.env.clone());
        let output = |line: &str| {
            lines.line(line);
            watch(line);
        };
        let status = self.engine.exec(&self.id, &whole, stream, &output).await?;
        if status == 0 {
            return Ok(());
        }
        let program = exec.argv.first().map_or("", String::as_str);
        let ended = format!("`{program}` ended with status {status}");
        let failed = match self.memory {
            Some(memory) if starved::was_starved(self.engine, &self.id).await => Error::new(
                Kind::Space,
                format!(
                    "{ended}: the {} of memory that `[build] memory` allows were used up, and the kernel killed who wanted more",
                    human_size(memory)
                ),
            )
            .hint("allow more, `memory` under `[build]` in the configuration, or build what takes less"),
            None if status == KILLED => Error::new(Kind::Build, ended)
                .hint("something killed it; where the machine is out of memory, the kernel's log says so"),
            _ => Error::new(Kind::Build, ended),
        };
        Err(failed.command(lines.failed(status)))
    }

    /// Runs a command and answers what it printed, line by line.
    pub async fn capture(&self, exec: &Exec) -> Result<Vec<String>> {
        let lines = std::sync::Mutex::new(Vec::new());
        let keep = |line: &str| {
            if let Ok(mut lines) = lines.lock() {
                lines.push(line.to_owned());
            }
        };
        self.watch(exec, &keep).await?;
        Ok(lines.into_inner().unwrap_or_default())
    }
}

/// Runs `work` in a container that is removed afterwards, whatever happens to the work. When the
/// future is dropped (Ctrl-C), the session's sweep removes it.
pub async fn with_container<T>(
    engine: &dyn Engine,
    report: &PlatformReporter,
    spec: &ContainerSpec<'_>,
    work: impl AsyncFnOnce(&Container<'_>) -> Result<T>,
) -> Result<T> {
    let missing = match &spec.content {
        Some(content) => (!engine.keep(content).await?).then_some(content),
        None => None,
    };
    let id = engine.start(spec).await?;
    let container = Container {
        engine,
        report,
        id,
        memory: spec.limits.memory,
        of_commands: &spec.of_commands,
    };
    let work = async {
        if let Some(content) = missing {
            let archive = tokio::task::block_in_place(content.archive)?;
            container.upload("/", &archive).await?;
        }
        work(&container).await
    };
    let result = work.await;
    let removed = engine.remove(&container.id).await;
    let value = result?;
    removed?;
    Ok(value)
}
