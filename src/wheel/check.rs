//! The pre-flight: everything about a wheel that is decided before anything uses it.
//!
//! Writes nothing, and reports nothing: what is to be said comes back as data.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::interpreter::Interpreter;

use super::contents::WheelContents;
use super::name::WheelName;
use super::policy::{Decision, Finding, Policy};
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
/// [`WheelContents::open`]), when its tags are not the interpreter's, and when the policy denies
/// something in it.
pub fn check(path: &Path, interpreter: &Interpreter, policy: &Policy) -> Result<Checked> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    if !tags::supports(&WheelName::parse(&file_name)?, interpreter) {
        return Err(foreign(
            interpreter,
            &format!("wheel `{file_name}` has no tag"),
        ));
    }
    let contents = WheelContents::open(path)?;
    check_tags(&contents, interpreter)?;
    let mut warnings = Vec::new();
    for finding in contents.findings(interpreter) {
        match policy.decision(finding.class) {
            Decision::Allow => {}
            Decision::Warn => warnings.push(finding),
            Decision::Deny => return Err(denied(&finding)),
        }
    }
    Ok(Checked { contents, warnings })
}

/// What the wheel says of itself must fit as well as its file name: a renamed wheel holds what it
/// held before. Wheels that say no tag are judged by their file name.
fn check_tags(contents: &WheelContents, interpreter: &Interpreter) -> Result<()> {
    let member = format!("{}/WHEEL", contents.dist_info);
    let mut own = Vec::new();
    for tag in &contents.tags {
        let name = WheelName::parse(&format!("x-0-{tag}.whl")).map_err(|_not_a_tag| {
            let what = format!("says `Tag: {}`, which is no tag", tag.escape_debug());
            contents.refuse(&member, what)
        })?;
        own.push(name);
    }
    let mut all = own.iter().flat_map(WheelName::tags).peekable();
    if all.peek().is_none() || tags::rank_tags(all, interpreter).is_some() {
        return Ok(());
    }
    let (wheel, own) = (contents.file_name(), contents.tags.join("`, `"));
    Err(foreign(
        interpreter,
        &format!("wheel `{wheel}`: `{member}` says `{own}`, of which none is a tag"),
    ))
}

fn foreign(interpreter: &Interpreter, what: &str) -> Error {
    let Interpreter {
        version,
        abi,
        machine,
        libc,
        ..
    } = interpreter;
    Error::new(
        Kind::Conflict,
        format!("{what} of Python {version} (ABI {abi}, {machine}, {libc})"),
    )
    .hint("take the wheel that was made for this Python and machine, or its source; renaming one does not change what is in it")
}

fn denied(finding: &Finding) -> Error {
    let key = finding.class.key();
    Error::new(Kind::Conflict, finding.to_string())
        .hint(format!("the configuration denies it: `[wheels] {key} = \"deny\"`"))
        .hint(format!("look at the file; when it is what you want, set `{key}` to \"warn\" or \"allow\", or take the distribution out"))
}
