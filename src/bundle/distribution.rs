//! What a layer says about the Python distribution it holds.
//!
//! Data only; read back from kept layers, so the fields are an on-disk format.

use serde::{Deserialize, Serialize};

/// A distribution as installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledWheel {
    /// The name as its metadata writes it.
    pub name: String,
    /// The version as its metadata writes it.
    pub version: String,
    /// The names of the commands it puts into `bin` (`console_scripts`), sorted.
    pub console_scripts: Vec<String>,
    /// Absolute paths of its Python sources, sorted.
    pub sources: Vec<String>,
    /// Those of the sources that have no byte code because they don't compile, sorted.
    pub not_compiled: Vec<String>,
}
