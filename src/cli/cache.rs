//! `omnibuild cache`: its words and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::values::{duration, size};

/// What can be done with the cache of wheels. Only `why` needs a project, and none an engine.
#[derive(Debug, Clone, Subcommand)]
pub enum CacheCommand {
    /// List the sets of wheels: whose, when they were made and used, how large.
    Ls,
    /// Say how much space wheels take, by platform; those that platforms share are told apart.
    Du,
    /// Read everything and put aside what is damaged; exit code 15 when something was.
    Verify,
    /// Remove what is old or too much, the least recently used first; nothing that a build reads.
    ///
    /// Without a limit only wheels that belong to no set, what belongs to no image, and what killed runs
    /// left. Images are those of the sandbox, and runtime images; the limits hold for each kind. While builds
    /// use the cache it removes nothing: exit code 16.
    Prune {
        /// Remove sets and images that were not used for so long: 30d, 12h, 2w.
        #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
        older: Option<Duration>,
        /// Remove sets until the wheels take no more than so much: 5G, 500M.
        #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
        max_size: Option<u64>,
        /// Remove images until they take no more than so much: 20G.
        #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
        max_images: Option<u64>,
    },
    /// Remove everything, images too; nothing while builds use it (exit code 16).
    Clear,
    /// Write the sets of some platforms with their wheels into one file.
    ///
    /// The platforms are those of --sysbase, else those the project lists, else (and with --all) all.
    Export {
        /// A tar archive; compressed by Zstandard when its name ends with .zst.
        file: PathBuf,
    },
    /// Put what such a file holds into the cache, if every part of it is sound.
    ///
    /// With --sysbase only what those platforms need. What a file says a key stands for is believed:
    /// import only files from who may decide what you ship.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Say what a build of a platform would find, and which field made the miss.
    Why {
        /// The platforms; with none those of --sysbase, else the project's.
        platform: Vec<String>,
    },
}
