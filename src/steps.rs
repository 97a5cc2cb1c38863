//! The scripts that stages run inside containers, from `images/steps/`, compiled in.
//!
//! A room of its own, so that a stage gets its script without reaching into the configuration.

#[derive(rust_embed::Embed)]
#[folder = "images/steps/"]
struct Scripts;

/// A script by its file name.
pub fn step_script(name: &str) -> Vec<u8> {
    Scripts::get(name)
        .map(|file| file.data.into_owned())
        .unwrap_or_default()
}
