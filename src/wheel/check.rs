//! The pre-flight: everything about a wheel that is decided before anything uses it.
//!
//! Writes nothing, and reports nothing: what is to be said comes back as data.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::interpreter::Interpreter;

use super::contents::WheelContents;
use super::name::WheelName;
use super::policy::{Class, Decision, Finding, Policy};
use super::tags;

/// A wheel that may be used.
#[derive(Debug)]
pub struct Checked {
    /// What is in it.
    pub contents: WheelContents,
    /// What its user should know: findings that the policy answers with a warning.
    pub warnings: Vec<Finding>,
}

/// Checks a wheel from end to end, for an interpreter and a policy.
///
/// Fails with [`Kind::Conflict`], naming wheel and member, when the wheel is malformed (see
/// [`WheelContents::open`]), when its tags are not the interpreter's or those in it are another
/// machine's, and when the policy denies something in it.
pub fn check(path: &Path, interpreter: &Interpreter, policy: &Policy) -> Result<Checked> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    if !tags::supports(&WheelName::parse(&file_name)?, interpreter) {
        return Err(foreign(
            interpreter,
            &format!("wheel `{file_name}` has no tag"),
        ));
    }
    let contents = WheelContents::open(path)?;
    let renamed = check_tags(&contents, interpreter)?;
    let mut warnings = Vec::new();
    for finding in renamed.into_iter().chain(contents.findings(interpreter)) {
        match policy.decision(finding.class) {
            Decision::Allow => {}
            Decision::Warn => warnings.push(finding),
            Decision::Deny => return Err(denied(&finding)),
        }
    }
    Ok(Checked { contents, warnings })
}

/// What the wheel says of itself, held against the interpreter. Wheels that say no tag are judged by
/// their file name.
///
/// For the Python and the ABI the file name decides, as it does for pip: builders that make one wheel
/// for the stable ABI rename it and leave WHEEL as it was. So that is a finding. No builder renames a
/// wheel to another machine or C library, and there it holds what it held before: an error.
fn check_tags(contents: &WheelContents, interpreter: &Interpreter) -> Result<Option<Finding>> {
    let member = format!("{}/WHEEL", contents.dist_info);
    let mut own = Vec::new();
    for tag in &contents.tags {
        let name = WheelName::parse(&format!("x-0-{tag}.whl")).map_err(|_not_a_tag| {
            let what = format!("says `Tag: {}`, which is no tag", tag.escape_debug());
            contents.refuse(&member, what)
        })?;
        own.push(name);
    }
    if own.is_empty() || own.iter().any(|name| tags::supports(name, interpreter)) {
        return Ok(None);
    }
    let (wheel, said) = (contents.file_name(), contents.tags.join("`, `"));
    let what = format!("says `{said}`, of which none is a tag");
    if !own
        .iter()
        .any(|name| tags::is_of_platform(name, interpreter))
    {
        let what = format!("wheel `{wheel}`: `{member}` {what}");
        return Err(foreign(interpreter, &what));
    }
    let python = describe(interpreter);
    Ok(Some(Finding {
        class: Class::Tags,
        wheel: wheel.to_owned(),
        member,
        what: format!("{what} of {python}; the file name has one, and it decides"),
    }))
}

fn foreign(interpreter: &Interpreter, what: &str) -> Error {
    let python = describe(interpreter);
    Error::new(Kind::Conflict, format!("{what} of {python}"))
    .hint("take the wheel that was made for this Python and machine, or its source; renaming one does not change what is in it")
}

/// What of an interpreter tags are about.
fn describe(interpreter: &Interpreter) -> String {
    let Interpreter {
        version,
        abi,
        machine,
        libc,
        ..
    } = interpreter;
    format!("Python {version} (ABI {abi}, {machine}, {libc})")
}

fn denied(finding: &Finding) -> Error {
    let key = finding.class.key();
    Error::new(Kind::Conflict, finding.to_string())
        .hint(format!("the configuration denies it: `[wheels] {key} = \"deny\"`"))
        .hint(format!("look at the file; when it is what you want, set `{key}` to \"warn\" or \"allow\", or take the distribution out"))
}
