//! The shared libraries that a bundle needs: found inside, or turned into dependencies on the
//! platform's packages.
//!
//! [`resolve`] looks every need up as the dynamic linker would; what is left is asked of the builder,
//! where the package manager knows who has which library (`images/steps/find_libraries.py`). Its
//! answer is kept under the builder and the question, so that only a new need starts a container.
//! How a library is written as a dependency is the format's own matter.

mod answer;
mod dpkg;
mod floor;
mod resolve;
mod rpm;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveWriter;
use crate::audit::{Finding, Item};
use crate::bundle::Bundle;
use crate::context::Context;
use crate::digest::{Digest, Key, KeyBuilder};
use crate::engine::{Exec, with_container};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::image::BuilderImage;
use crate::plan::PlatformPlan;
use crate::platform::Format;
use crate::steps::step_script;

use self::answer::{Answer, Found, Question};
use self::floor::floor;
use self::resolve::{Machine, Outside, resolve};

const SCHEMA: u32 = 1;
const SCRIPT: &str = "find_libraries.py";

/// What came of a bundle's needs.
#[derive(Debug, Default)]
pub struct Libraries {
    /// The dependencies in the words of the format, sorted.
    pub depends: Vec<String>,
    /// Why: one for each library that comes from outside.
    pub reasons: Vec<Reason>,
    /// What is missing or too old.
    pub findings: Vec<Finding>,
    /// Whether the builder had to be asked.
    pub asked: bool,
}

/// Why a package is depended on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The library.
    pub library: String,
    /// The platform's package that has it.
    pub package: String,
    /// The first file that needs it, from `/` on.
    pub file: String,
    /// Who brought that file.
    pub origin: String,
    /// How many files need it.
    pub files: usize,
}

/// How a package manager speaks of libraries.
trait Manager {
    /// Its name, as the script knows it.
    fn name(&self) -> &'static str;

    /// Whether symbols decide anything.
    fn wants_symbols(&self) -> bool;

    /// The dependencies that stand for the libraries that were found.
    fn depends(&self, outside: &Outside, found: &BTreeMap<String, Found>) -> Result<Vec<String>>;
}

fn manager(format: Format) -> &'static dyn Manager {
    match format {
        Format::Deb => &dpkg::Dpkg,
        Format::Rpm => &rpm::Rpm,
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    schema: u32,
    key: Key,
    answer: Answer,
}

/// What a bundle needs of its platform.
pub async fn ensure(
    context: &Context<'_>,
    plan: &PlatformPlan,
    builder: &BuilderImage,
    bundle: &Bundle,
) -> Result<Libraries> {
    let machine = Machine {
        name: plan.arch().machine(),
        glibc: floor(plan.glibc, plan.is_release, &builder.interpreter.libc),
    };
    let items: Vec<Item<'_>> = bundle.items().collect();
    let (outside, findings) = resolve(&items, &machine);
    let manager = manager(plan.format);
    let question = Question::new(manager.name(), &outside, manager.wants_symbols());
    let (answer, asked) = answer(context, builder, &question).await?;
    let mut libraries = judge(&outside, &answer, findings);
    libraries.depends = manager.depends(&outside, &answer.libraries)?;
    libraries.asked = asked;
    Ok(libraries)
}

/// The kept answer, or the builder's.
async fn answer(
    context: &Context<'_>,
    builder: &BuilderImage,
    question: &Question,
) -> Result<(Answer, bool)> {
    if question.libraries.is_empty() {
        return Ok((Answer::default(), false));
    }
    let text = serde_json::to_vec(question).map_err(std::io::Error::from)?;
    let script = step_script(SCRIPT);
    let key = KeyBuilder::new("libraries", 1)
        .field("builder", builder.key.digest.as_str())
        .field("question", Digest::of(&text).as_str())
        .field("script", Digest::of(&script).as_str())
        .finish();
    let path = context
        .caches
        .libraries()
        .join(format!("{}.json", key.digest));
    let kept: Option<Record> = fsutil::read_json(&path);
    if let Some(record) = kept.filter(|record| record.schema == SCHEMA && record.key == key) {
        return Ok((record.answer, false));
    }
    let answer = with_container(
        context.engine,
        context.report,
        &context.offline(&builder.tag),
        async |container| {
            let mut archive = ArchiveWriter::new(0)?;
            archive.bytes(&format!("omnibuild/{SCRIPT}"), 0o644, &script)?;
            archive.bytes("omnibuild/libraries.json", 0o644, &text)?;
            container.upload("/", &archive.finish()?).await?;
            let exec = Exec::new([
                builder.interpreter.executable.clone(),
                format!("/omnibuild/{SCRIPT}"),
                "/omnibuild/libraries.json".to_owned(),
            ]);
            let lines = container.capture(&exec).await?;
            Answer::parse(&lines.concat())
        },
    )
    .await
    .map_err(|error| error.context("the builder's libraries"))?;
    let record = Record {
        schema: SCHEMA,
        key,
        answer,
    };
    fsutil::commit_json(&path, &record)?;
    Ok((record.answer, true))
}

/// Holds what is wanted against what was found.
fn judge(outside: &Outside, answer: &Answer, mut findings: Vec<Finding>) -> Libraries {
    let mut reasons = Vec::new();
    for (library, wanted) in &outside.libraries {
        let Some(found) = answer.libraries.get(library) else {
            // Another wheel's copy may be loaded first.
            if !wanted.elsewhere {
                findings.extend(wanted.missing(library));
            }
            continue;
        };
        for node in &found.lacks {
            findings.extend(wanted.lacking(library, node));
        }
        if let Some(user) = wanted.users.first() {
            reasons.push(Reason {
                library: library.clone(),
                package: found.package.clone(),
                file: format!("/{}", user.path),
                origin: user.origin.clone(),
                files: wanted.users.len(),
            });
        }
    }
    Libraries {
        reasons,
        findings,
        ..Libraries::default()
    }
}

impl Answer {
    fn parse(text: &str) -> Result<Self> {
        let answer: Self = serde_json::from_str(text).map_err(|error| {
            Error::new(
                Kind::Build,
                format!("the builder's answer about libraries is malformed: {error}"),
            )
        })?;
        if answer.schema != SCHEMA {
            return Err(Error::new(
                Kind::Build,
                format!(
                    "the builder's answer about libraries has schema {}",
                    answer.schema
                ),
            ));
        }
        Ok(answer)
    }
}

/// The computed dependencies that the configured ones do not speak of already: a configured one
/// decides about its package.
pub fn beside(configured: &[String], computed: &[String]) -> Vec<String> {
    let known: Vec<&str> = configured
        .iter()
        .flat_map(|text| packages_of(text))
        .collect();
    computed
        .iter()
        .filter(|text| !packages_of(text).any(|name| known.contains(&name)))
        .cloned()
        .collect()
}

/// `2.36` as numbers.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// The names in a dependency of either format: `libpq5 (>= 9)`, `a | b`, `libpq.so.5()(64bit)`.
fn packages_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('|').map(|alternative| {
        let name = alternative.split_whitespace().next().unwrap_or_default();
        let end = ["(<", "(>", "(="]
            .iter()
            .filter_map(|mark| name.find(mark))
            .min();
        &name[..end.unwrap_or(name.len())]
    })
}

#[cfg(test)]
mod tests;
