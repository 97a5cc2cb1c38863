//! What a sound wheel may bring that its user may not want: data about it, and the user's decision.
//!
//! Nothing here is a defect: honest distributions do each of it. Pure; who collects wheels reports.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::interpreter::Interpreter;

use super::contents::WheelContents;
use super::layout::in_data;
use super::name::same_name;
use super::standard_library::has_module;

/// What to do about something that a wheel brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Say nothing.
    Allow,
    /// Say it, and go on.
    #[default]
    Warn,
    /// Refuse the wheel.
    Deny,
}

/// The decision for each class: the table `wheels` of a configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Files that run or add folders at each start of Python.
    pub start_up: Decision,
    /// Modules with the name of one of the standard library's.
    pub standard_library: Decision,
    /// Packages of pip, setuptools or wheel in another distribution.
    pub installers: Decision,
    /// Tags in WHEEL of another Python or ABI than the file name says.
    pub tags: Decision,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// `*.pth`, `sitecustomize`, `usercustomize`.
    StartUp,
    /// A name of the standard library.
    StandardLibrary,
    /// A package of an installer.
    Installers,
    /// WHEEL says another Python or ABI than the file name.
    Tags,
}

impl Class {
    /// Its key in the table `wheels`.
    pub fn key(self) -> &'static str {
        match self {
            Self::StartUp => "start-up",
            Self::StandardLibrary => "standard-library",
            Self::Installers => "installers",
            Self::Tags => "tags",
        }
    }
}

/// Something that a wheel brings and its user may not want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub class: Class,
    /// The wheel's file name.
    pub wheel: String,
    /// The first member that shows it.
    pub member: String,
    /// What the member does.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wheel, member) = (&self.wheel, self.member.escape_debug());
        write!(formatter, "wheel `{wheel}`: `{member}` {}", self.what)
    }
}

/// Import packages of installers and the distributions that they belong to.
const INSTALLERS: [(&str, &str); 5] = [
    ("_distutils_hack", "setuptools"),
    ("pip", "pip"),
    ("pkg_resources", "setuptools"),
    ("setuptools", "setuptools"),
    ("wheel", "wheel"),
];

/// Start-up files that everybody has and nobody wonders about.
const WELL_KNOWN: [(&str, &str); 1] = [("setuptools", "distutils-precedence.pth")];

impl Policy {
    /// The decision about a class.
    pub fn decision(&self, class: Class) -> Decision {
        match class {
            Class::StartUp => self.start_up,
            Class::StandardLibrary => self.standard_library,
            Class::Installers => self.installers,
            Class::Tags => self.tags,
        }
    }

    /// The classes that wheels are refused for.
    pub fn denied(&self) -> impl Iterator<Item = Class> {
        [
            Class::StartUp,
            Class::StandardLibrary,
            Class::Installers,
            Class::Tags,
        ]
        .into_iter()
        .filter(|class| self.decision(*class) == Decision::Deny)
    }
}

impl WheelContents {
    /// What it brings that its user may not want: one finding for each module or start-up file. What
    /// its tags say is no part of it.
    pub fn findings(&self, interpreter: &Interpreter) -> Vec<Finding> {
        let version = interpreter.numbers().unwrap_or_default();
        let mut findings: Vec<Finding> = Vec::new();
        let mut modules: Vec<&str> = Vec::new();
        for member in &self.members {
            let Some(path) = import_path(&member.name) else {
                continue;
            };
            let module = module_of(path);
            if modules.contains(&module) {
                continue;
            }
            let Some((class, what)) = self.judge(path, module, version) else {
                continue;
            };
            modules.push(module);
            findings.push(Finding {
                class,
                wheel: self.file_name().to_owned(),
                member: member.name.clone(),
                what,
            });
        }
        findings
    }

    fn judge(&self, path: &str, module: &str, version: (u32, u32)) -> Option<(Class, String)> {
        if module == path {
            let well_known = WELL_KNOWN
                .iter()
                .any(|(name, file)| same_name(name, &self.name) && *file == path);
            let what = "is read at each start of Python, and may run code or add folders";
            return (!well_known).then(|| (Class::StartUp, what.to_owned()));
        }
        if matches!(module, "sitecustomize" | "usercustomize") {
            let what = "is run at each start of Python";
            return Some((Class::StartUp, what.to_owned()));
        }
        if let Some((_, owner)) = INSTALLERS.iter().find(|(package, _)| *package == module) {
            let what = format!("is of the package `{module}`, which belongs to `{owner}`");
            return (!same_name(owner, &self.name)).then_some((Class::Installers, what));
        }
        let what = || {
            let (major, minor) = version;
            format!("has the name of the module `{module}` of Python {major}.{minor} itself")
        };
        has_module(module, version).then(|| (Class::StandardLibrary, what()))
    }
}

/// The path of a member below the folder that Python imports from, when it goes there.
fn import_path(name: &str) -> Option<&str> {
    let Some((_, rest)) = in_data(name) else {
        let folder = name.split('/').next().unwrap_or(name);
        return folder.strip_suffix(".dist-info").is_none().then_some(name);
    };
    let (scheme, path) = rest.split_once('/')?;
    match scheme {
        "purelib" | "platlib" => Some(path),
        // The prefix itself: `lib/python3.11/site-packages/` below it is the same folder.
        "data" => path
            .split_once("/site-packages/")
            .filter(|(library, _)| library.starts_with("lib"))
            .map(|(_, path)| path),
        _ => None,
    }
}

/// The top-level module that a path belongs to; empty when Python imports nothing from it. A
/// start-up file is its own.
fn module_of(path: &str) -> &str {
    let ending = Path::new(path)
        .extension()
        .and_then(|ending| ending.to_str());
    match (path.split_once('/'), ending) {
        (Some((package, _)), Some("py" | "pyc" | "so")) => package,
        (None, Some("py" | "pyc" | "so")) => path.split('.').next().unwrap_or_default(),
        (None, Some("pth")) => path,
        _ => "",
    }
}
