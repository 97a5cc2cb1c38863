//! `omnibuild platforms` and `platforms add`: what packages can be made for, until when it is supported,
//! and how a project adds another.
//!
//! Asks no engine. Of a project's files it only ever adds to `platforms.toml`, whose text stays as it is.

use fs_err as fs;

use crate::cli::Common;
use crate::config::{OWN_TABLE, Platform, PlatformTable};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::plan::Target;
use crate::platform::{Bootstrap, PlatformId};
use crate::report::Reporter;

const COLUMNS: [&str; 9] = [
    "platform",
    "name",
    "end of life",
    "support",
    "python",
    "default python",
    "glibc",
    "format",
    "aliases",
];

/// Prints the platforms.
pub(super) fn list(common: &Common, reporter: &Reporter) -> Result<()> {
    let today = super::today();
    let table = PlatformTable::load(&common.project)?;
    let rows: Vec<Vec<String>> = table
        .all()
        .map(|platform| {
            let aliases: Vec<&str> = table
                .aliases()
                .iter()
                .filter(|(_, id)| **id == platform.id)
                .map(|(alias, _)| alias.as_str())
                .collect();
            let support = match platform.end_of_life {
                None => "no release",
                Some(day) if day < today => "past its end of life",
                Some(_) => "living",
            };
            let end = platform.end_of_life;
            let (major, minor) = platform.glibc;
            let default = platform.default_python.as_deref();
            vec![
                platform.id.to_string(),
                platform.title.clone(),
                end.map_or_else(|| "none".to_owned(), |day| day.to_string()),
                support.to_owned(),
                platform.python.clone().unwrap_or_default(),
                default.unwrap_or("system").to_owned(),
                format!("{major}.{minor}"),
                platform.format.to_string(),
                aliases.join(", "),
            ]
        })
        .collect();
    let ended = table
        .all()
        .filter(|platform| platform.ended(today).is_some());
    let ended: Vec<&str> = ended.map(|platform| platform.id.as_str()).collect();
    if !ended.is_empty() {
        let text = format!("past their end of life: {}", ended.join(", "));
        let hint =
            "nobody mends them for free: they are built only when they are named, or with --all";
        reporter.warn(None, &text, Some(hint));
    }
    reporter.print_listing("platforms", &COLUMNS, &rows);
    Ok(())
}

/// Says of each platform once that nobody supports it any more.
pub(super) fn warn_of_ended(targets: &[Target<'_>], reporter: &Reporter) {
    let today = super::today();
    for target in targets {
        let platform = target.platform;
        if let Some(day) = platform.ended(today) {
            let text = format!("{} is past its end of life since {day}", platform.title);
            let hint = "nobody mends its packages for free: move to a newer release, and take the platform \
                        out of `platforms` when no machine has it any more";
            reporter.warn(Some(&target.id()), &text, Some(hint));
        }
    }
}

/// Writes a table and a Dockerfile for a platform that is like another.
pub(super) fn add(common: &Common, name: &str, like: &str, reporter: &Reporter) -> Result<()> {
    let root = &common.project;
    let table = PlatformTable::load(root)?;
    let like = table.find(like)?;
    let id: PlatformId = name.parse()?;
    if table.find(name).is_ok() {
        return Err(
            Error::new(Kind::Config, format!("there is a platform `{id}` already")).hint(format!(
                "take another name, or change its table in `{}`",
                root.join(OWN_TABLE).display()
            )),
        );
    }
    let dockerfile = root.join("images").join(id.as_str()).join("Dockerfile");
    if dockerfile.exists() {
        return Err(Error::new(
            Kind::Config,
            format!("`{}` is there already", dockerfile.display()),
        )
        .hint("it is never overwritten: move it away, or take another name"));
    }
    let new = New::of(&id, like);
    let own = root.join(OWN_TABLE);
    let old = if own.is_file() {
        fs::read_to_string(&own)?
    } else {
        "schema = 1\n".to_owned()
    };
    let line_end = if old.is_empty() || old.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let added = new.table(like);
    let whole = format!("{old}{line_end}\n{added}");
    // What is written can be read, whatever stands in the file before it.
    PlatformTable::with(root, Some(&whole))?.find(name)?;
    let context = table.context(like)?;
    let text =
        String::from_utf8_lossy(&context["Dockerfile"]).replace(&heading(&like.title), &new.title);
    let value = serde_json::json!({
        "platform": id, "table": own, "dockerfile": dockerfile, "added": added, "check": new.checks(&dockerfile),
    });
    if common.dry_run {
        return reporter.print_result("platforms-add", &added, &value);
    }
    fsutil::commit_bytes(&dockerfile, text.as_bytes())?;
    fsutil::commit_bytes(&own, whole.as_bytes())?;
    let wrote = format!(
        "wrote `{}`, and `{id}` into `{}`",
        dockerfile.display(),
        own.display()
    );
    reporter.note(None, &wrote);
    for check in new.checks(&dockerfile) {
        reporter.note(None, &format!("check {check}"));
    }
    if common.json {
        return reporter.print_result("platforms-add", "", &value);
    }
    Ok(())
}

/// What a new platform says differently from the one that it is like.
struct New {
    id: PlatformId,
    title: String,
    image: String,
    suffix: String,
    bootstrap: Option<Bootstrap>,
    /// Whether it is another release of the same distribution.
    is_release: bool,
}

/// A title without what is a release's own: `Ubuntu 26.04 LTS (resolute)` is `Ubuntu 26.04`.
fn heading(title: &str) -> String {
    let title = title.split(" (").next().unwrap_or(title);
    title.trim_end_matches(" LTS").to_owned()
}

impl New {
    fn of(id: &PlatformId, like: &Platform) -> Self {
        let parts = |id: &PlatformId| {
            let (name, release) = id.as_str().rsplit_once('-')?;
            Some((name.to_owned(), release.to_owned()))
        };
        let both = parts(id).zip(parts(&like.id));
        let both = both.filter(|((new, _), (old, _))| new == old);
        let Some(((_, new), (_, old))) = both else {
            let word: String = id.as_str().split('-').collect();
            return Self {
                id: id.clone(),
                title: id.to_string(),
                image: like.image.to_string(),
                suffix: format!("{}{word}", like.suffix.get(..1).unwrap_or("+")),
                bootstrap: None,
                is_release: false,
            };
        };
        // The release's own name can't be known, and the old one's would give the old release.
        let bootstrap = like.bootstrap.clone().map(|bootstrap| Bootstrap {
            suite: format!("NAME-OF-{new}"),
            ..bootstrap
        });
        Self {
            id: id.clone(),
            title: heading(&like.title).replace(&old, &new),
            image: like.image.as_str().replace(&old, &new),
            suffix: like.suffix.replace(&old, &new),
            bootstrap,
            is_release: true,
        }
    }

    /// Its table, which ends with a line's end.
    fn table(&self, like: &Platform) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let key = quoted(self.id.as_str());
        let list = like.python_depends.iter().map(|word| quoted(word));
        let list = list.collect::<Vec<_>>().join(", ");
        let (major, minor) = like.glibc;
        let end = like.end_of_life;
        let end = end.map_or_else(|| quoted("none"), |day| day.to_string());
        let mut text = format!("[platform.{key}]\n");
        let mut put = |name: &str, value: &str| text += &format!("{name} = {value}\n");
        put("like", &quoted(like.image_folder.as_str()));
        put("title", &quoted(&self.title));
        put("end-of-life", &end);
        put("image", &quoted(&self.image));
        if let Some(python) = &like.python {
            put("python", &quoted(python));
            put("python-depends", &format!("[{list}]"));
        }
        put("glibc", &quoted(&format!("{major}.{minor}")));
        put("suffix", &quoted(&self.suffix));
        if let Some(Ok(toml::Value::Table(fields))) =
            self.bootstrap.as_ref().map(toml::Value::try_from)
        {
            text += &format!("\n[platform.{key}.bootstrap]\n");
            for (name, value) in fields {
                text += &format!("{name} = {value}\n");
            }
        }
        text
    }

    /// What somebody who knows the platform has to look at.
    fn checks(&self, dockerfile: &std::path::Path) -> Vec<String> {
        let mut checks = vec![
            "`end-of-life`: the last day of its free support".to_owned(),
            format!(
                "`image`: `{}` is what the registry has it under",
                self.image
            ),
            format!(
                "`suffix`: `{}` sorts above that of older releases",
                self.suffix
            ),
            "`python` and `python-depends`: its own Python, and what brings exactly that"
                .to_owned(),
            "`glibc`: what `ldd --version` says there".to_owned(),
            format!(
                "`{}`: names of packages with that Python",
                dockerfile.display()
            ),
        ];
        if self.bootstrap.is_some() {
            checks.push("`suite` in its `bootstrap`: the release's name on the mirror".to_owned());
        }
        if self.is_release {
            checks.push(
                "what the release changed: folders of units, compression (`codec`)".to_owned(),
            );
        }
        checks
    }
}
