//! A wheel as a file: its name, its members, RECORD and entry points, all checked.
//!
//! Reads one file and nothing else: it makes, keeps and installs none.

mod contents;
mod entry_points;
mod name;
pub mod record;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::contents::Archive;
pub use self::contents::{ALWAYS_FINE, LARGEST_RATIO, LARGEST_WHEEL, Member, WheelContents};
pub use self::entry_points::{EntryPoint, EntryPoints};
pub use self::name::{BuildTag, WheelName};
