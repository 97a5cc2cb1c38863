//! omnibuild: Python applications as native packages, built in containers.

pub mod archive;
pub mod base;
pub mod bundle;
pub mod config;
pub mod context;
pub mod digest;
pub mod engine;
pub mod error;
pub mod fsutil;
pub mod image;
pub mod interpreter;
pub mod package;
pub mod plan;
pub mod platform;
pub mod report;
pub mod state;
pub mod steps;
pub mod tree;
pub mod verify;
pub mod version;
pub mod wheels;
