//! Wheels: the closure of a project's dependencies and the project's own, made once.
//!
//! Everything here runs in a builder; nothing here installs a wheel (that is the bundle's).

pub mod application;
mod candidate;
mod closure;
mod diagnose;
mod making;
mod metadata;
pub mod remote;
pub mod resolve;
pub mod store;
mod workshop;

pub use self::remote::Remote;
pub use self::store::{Wheel, WheelSet, WheelStore};
