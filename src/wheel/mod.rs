//! A wheel as a file: its name and tags, its frame and members, RECORD and entry points, all checked.
//!
//! Reads one file and nothing else: it makes, keeps and installs none.

mod check;
mod contents;
mod entry_points;
mod framing;
mod layout;
mod name;
mod policy;
pub mod record;
mod standard_library;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
mod time;

pub use self::check::{Checked, check};
pub(crate) use self::contents::Archive;
pub use self::contents::{ALWAYS_FINE, LARGEST_RATIO, LARGEST_WHEEL, Member, WheelContents};
pub use self::entry_points::{EntryPoint, EntryPoints};
pub use self::name::{BuildTag, WheelName};
pub use self::policy::{Class, Decision, Finding, Policy};
pub(crate) use self::time::latest as latest_time;
