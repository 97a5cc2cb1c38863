//! What every root has besides its image, in whatever way it is made: devices, their links, the files that
//! name hosts (compare the default devices and links of the OCI runtime specification).
//!
//! Mounts nothing.

use std::path::Path;

use fs_err as fs;

use crate::error::{Error, Kind, Result};

/// What the machine is called inside.
pub(super) const HOST_NAME: &str = "omnibuild";

/// What commands may rely on, with the machine's own behind it.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
pub(super) const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// The files that name hosts.
pub(super) const NAMES: [&str; 2] = ["hosts", "resolv.conf"];

/// What is in one of [`NAMES`], read of the machine's.
pub(super) fn text_of_names(name: &str, network: bool) -> String {
    let path = Path::new("/etc").join(name);
    let of_machine = network.then(|| fs::read_to_string(path).ok());
    let of_machine = of_machine.flatten().unwrap_or_default();
    if name != NAMES[0] {
        return of_machine;
    }
    format!(
        "127.0.0.1 localhost {HOST_NAME}\n::1 localhost ip6-localhost ip6-loopback\n{of_machine}"
    )
}

/// A folder of the root, made when it is missing.
pub(super) fn folder(name: &'static str) -> Result<&'static Path> {
    let path = Path::new(name);
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => Ok(path),
        Ok(_) => Err(Error::new(
            Kind::Engine,
            format!("`/{name}` of the image is not a folder"),
        )),
        Err(_) => {
            fs::create_dir(path)?;
            Ok(path)
        }
    }
}
