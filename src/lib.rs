//! omnibuild: Python applications as native packages, built in containers.

pub mod archive;
pub mod config;
pub mod digest;
pub mod engine;
pub mod error;
pub mod fsutil;
pub mod interpreter;
pub mod plan;
pub mod platform;
pub mod report;
pub mod steps;
pub mod tree;
pub mod version;
