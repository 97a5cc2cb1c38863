//! The bundle: a virtualenv at its final path, as a list of layers.
//!
//! A layer (the skeleton, one per wheel, the application, extras) is a pure function of what it is
//! made from, the interpreter's ABI and the prefix, so it is made once and kept.

pub mod assemble;
mod bytecode;
pub mod content;
pub mod distribution;
pub mod install;
mod items;
pub mod layer;
mod skeleton;
pub mod store;

pub use self::assemble::{Bundle, Request};
pub use self::layer::Layer;
