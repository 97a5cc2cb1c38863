//! The parts of a Python that a bundle can do without, and which file belongs to which.
//!
//! Follows the way that distributions split CPython (Debian: `-dev`, `-venv`, `idle`, `tk`, `testsuite`).

use std::fmt;

use serde::Deserialize;

/// A part of Python that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What compiles extension modules: headers, static libraries, pkg-config files, manual pages.
    Development,
    /// `ensurepip`, with the pip that `venv` installs.
    Ensurepip,
    /// IDLE, the editor.
    Idle,
    /// The tests of the standard library.
    Tests,
    /// `tkinter` and what it stands on, and `turtle`.
    Tk,
}

impl Part {
    /// What is left out where a project says nothing: what no program imports.
    pub const USUAL: [Self; 4] = [Self::Development, Self::Ensurepip, Self::Idle, Self::Tests];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Ensurepip => "ensurepip",
            Self::Idle => "idle",
            Self::Tests => "tests",
            Self::Tk => "tk",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The part that a path below the prefix belongs to; `None`: it is always shipped.
pub(super) fn of(path: &str, minor: &str) -> Option<Part> {
    let library = format!("lib/python{minor}/");
    if let Some(module) = path.strip_prefix(&library) {
        return of_library(module);
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let development = ["include/", "lib/pkgconfig/", "share/man/"];
    if development.iter().any(|folder| path.starts_with(folder))
        || (path.starts_with("lib/") && name.strip_suffix(".a").is_some())
    {
        return Some(Part::Development);
    }
    // Tcl and Tk lie beside Python's library, each with its version in its name.
    let tcl = [
        "libtcl", "libtk", "tcl", "tk", "itcl", "thread", "tdbc", "Tix",
    ];
    let inside = path.strip_prefix("lib/").unwrap_or_default();
    tcl.iter()
        .any(|start| {
            inside
                .strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .then_some(Part::Tk)
}

/// The same for a path below the folder of the standard library.
fn of_library(module: &str) -> Option<Part> {
    let mut parts = module.split('/');
    let top = parts.next().unwrap_or_default();
    let file = module.rsplit('/').next().unwrap_or_default();
    let folders = || module.split('/').rev().skip(1);
    match top {
        "ensurepip" => return Some(Part::Ensurepip),
        "idlelib" => return Some(Part::Idle),
        "tkinter" | "turtledemo" | "turtle.py" => return Some(Part::Tk),
        "test" => return Some(Part::Tests),
        "lib-dynload" => {
            let name = file.split('.').next().unwrap_or_default();
            let tests = [
                "_test",
                "_xxtestfuzz",
                "_ctypes_test",
                "xxlimited",
                "xxsubtype",
            ];
            return if name == "_tkinter" {
                Some(Part::Tk)
            } else if tests.iter().any(|start| name.starts_with(start)) {
                Some(Part::Tests)
            } else {
                None
            };
        }
        _ if top.starts_with("config-") => return Some(Part::Development),
        _ => {}
    }
    folders()
        .any(|folder| folder == "tests" || folder == "test")
        .then_some(Part::Tests)
}
