//! Fast tests: the real program without an engine and without a network, and the rules of the
//! source itself.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails the test that called it"
)]

mod architectures;
mod bad_input;
mod cache;
mod commands;
mod database;
mod diff;
mod engine_absent;
mod engine_fake;
mod hostile;
mod inventory;
mod key;
mod packing;
mod plan;
mod readback;
mod remote;
mod steps;
mod support;
mod tidy;
mod workflows;
