//! Wheels: the closure of a project's dependencies and the project's own, made once.
//!
//! Everything here runs in a builder; nothing here installs a wheel (that is the bundle's).

pub mod application;
mod diagnose;
pub mod resolve;
pub mod store;

pub use self::store::{Wheel, WheelSet, WheelStore};
