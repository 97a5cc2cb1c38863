//! `omnibuild python`: its words and options.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with a Python of one's own.
#[derive(Debug, Clone, Subcommand)]
pub enum PythonCommand {
    /// Make a relocatable CPython from source, in a container of a platform.
    ///
    /// The archive has the layout `install_only` of python-build-standalone and runs on every system
    /// whose glibc is as new as the platform's: build it on the oldest one. It is kept in the cache by
    /// what decides it, so asking again for the same is quick.
    Build(PythonOptions),
}

/// Options of `omnibuild python build`.
#[derive(Debug, Clone, Args)]
pub struct PythonOptions {
    /// The version: `3.13`, or the whole one.
    pub version: String,
    /// The platform to build on, by name or alias.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: String,
    /// Where the archive goes.
    #[arg(long, short = 'o', value_name = "FOLDER", default_value = ".")]
    pub output: PathBuf,
    /// A folder that has all sources; then nothing is asked of a network for them.
    #[arg(long, value_name = "FOLDER")]
    pub sources: Option<PathBuf>,
    /// Let a profile of CPython's own tests lead the compiler: several times as long to build, faster to run.
    #[arg(long)]
    pub optimize: bool,
    /// Refuse an archive that needs a newer glibc, such as `2.17`.
    #[arg(long, value_name = "VERSION")]
    pub glibc: Option<String>,
}
