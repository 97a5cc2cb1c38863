//! `omnibuild image` and `omnibuild push`: their words and options.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with runtime images. Builds make them.
#[derive(Debug, Clone, Subcommand)]
pub enum ImageCommand {
    /// List the project's images: size, tags, digest.
    Ls,
    /// Write images that were built into one file.
    Save {
        /// The file, a tar archive.
        file: PathBuf,
        /// The images by name; with none all. The platforms are those of --sysbase, else the project's.
        names: Vec<String>,
        /// An OCI image layout, or what `docker load` reads.
        #[arg(long, value_enum, default_value_t)]
        format: ImageFormat,
    },
    /// Give images that were built to Docker or Podman, to run them.
    Load {
        /// The images by name; with none all.
        names: Vec<String>,
    },
}

/// How images are written to a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// An OCI image layout, which skopeo, podman and containerd read.
    #[default]
    Oci,
    /// What `docker load` reads.
    Docker,
}

/// Options of `omnibuild push`.
#[derive(Debug, Clone, Default, Args)]
pub struct PushOptions {
    /// The images by name; with none all.
    pub names: Vec<String>,
    /// The images of the official platform alone.
    #[arg(long)]
    pub official: bool,
    /// The builder images instead, to where `builder-repository` says; those that are missing are made.
    #[arg(long, conflicts_with_all = ["names", "official"])]
    pub builders: bool,
}
