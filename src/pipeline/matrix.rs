//! `omnibuild matrix`: the platforms as a matrix of jobs, in the words of a CI service.
//!
//! Reads the project, builds nothing. The README's workflows use what this prints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::{Common, Environment, MatrixFormat};
use crate::error::Result;
use crate::plan::Target;
use crate::platform::{Arch, PlatformId};
use crate::report::Reporter;

use super::Project;

/// Prints the matrix, and nothing else, on one line.
pub fn matrix(
    common: &Common,
    format: MatrixFormat,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<()> {
    let project = Project::load(common, environment, reporter)?;
    let targets = project.targets(common, false)?;
    let value = match format {
        MatrixFormat::Github => github(&targets),
        MatrixFormat::Gitlab => gitlab(&targets),
    };
    reporter.print_document("matrix", &value)
}

/// What `strategy.matrix` takes.
fn github(targets: &[Target<'_>]) -> Value {
    let job = |target: &Target<'_>| {
        json!({
            "platform": target.platform.id,
            "format": target.platform.format,
            "python": target.platform.python,
            "architecture": target.arch,
        })
    };
    json!({ "include": targets.iter().map(job).collect::<Vec<_>>() })
}

/// A hidden job that others extend, since `parallel` can't be filled in while a pipeline runs: a
/// child pipeline includes it. JSON is YAML too.
fn gitlab(targets: &[Target<'_>]) -> Value {
    let mut by_arch: BTreeMap<Arch, Vec<&PlatformId>> = BTreeMap::new();
    for target in targets {
        let platforms = by_arch.entry(target.arch).or_default();
        platforms.push(&target.platform.id);
    }
    let part = |(arch, platforms)| json!({ "PLATFORM": platforms, "ARCHITECTURE": [arch] });
    let matrix: Vec<Value> = by_arch.into_iter().map(part).collect();
    json!({ ".omnibuild": { "parallel": { "matrix": matrix } } })
}
