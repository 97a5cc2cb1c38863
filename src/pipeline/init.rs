//! `omnibuild init`, `completions` and `man`: text that the tool writes for people and shells.

use std::path::Path;

use clap::CommandFactory;

use crate::cli::{Cli, Common};
use crate::config::PyProject;
use crate::config::project::{OWN_FILE, PYPROJECT};
use crate::error::{Error, Kind, Result};
use crate::fsutil;
use crate::report::Reporter;

/// Writes a commented `omnibuild.toml` for the project; one that is there stays.
pub fn init(common: &Common, reporter: &Reporter) -> Result<()> {
    let root = &common.project;
    let path = root.join(OWN_FILE);
    if path.exists() {
        return Err(Error::new(
            Kind::Config,
            format!("`{}` is there already", path.display()),
        )
        .hint("edit it, or remove it and run `omnibuild init` again"));
    }
    let text = configuration(root)?;
    if common.dry_run {
        return reporter.print_result(
            "init",
            &text,
            &serde_json::json!({ "file": path, "text": text }),
        );
    }
    fsutil::commit_bytes(&path, text.as_bytes())?;
    reporter.note(
        None,
        &format!(
            "wrote `{}`; every line in it is optional or says what it found",
            path.display()
        ),
    );
    Ok(())
}

/// The name of a folder as that of a distribution: what is in no such name becomes `-`.
fn name_of_folder(folder: &str) -> String {
    let plain: String = folder
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it } else { '-' })
        .collect();
    let name = crate::plan::normalised_name(plain.trim_matches('-'));
    if name.is_empty() {
        "mytool".to_owned()
    } else {
        name
    }
}

fn configuration(root: &Path) -> Result<String> {
    let project = PyProject::read(root)?.project.unwrap_or_default();
    let folder_name = std::path::absolute(root)?
        .file_name()
        .map(|name| name_of_folder(&name.to_string_lossy()))
        .unwrap_or_default();
    let has_source = project.name.is_some()
        || ["setup.py", "setup.cfg", PYPROJECT]
            .iter()
            .any(|name| root.join(name).is_file());
    let lists: Vec<&str> = [
        "requirements.txt",
        "requirements/base.txt",
        "requirements/production.txt",
    ]
    .into_iter()
    .filter(|name| root.join(name).is_file())
    .collect();
    let commands: Vec<String> = project
        .scripts
        .iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let name = project.name.unwrap_or(folder_name);
    let needs_list = !has_source || !lists.is_empty();
    let comment = |needed: bool| if needed { "" } else { "# " };
    let list = if lists.is_empty() {
        "\"requirements.txt\"".to_owned()
    } else {
        lists
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let quoted: Vec<String> = commands.iter().map(|name| format!("\"{name}\"")).collect();
    let links = if quoted.is_empty() {
        format!("\"{name}\"")
    } else {
        quoted.join(", ")
    };
    Ok(format!(
        r#"# What omnibuild makes of this project. Every key may also stand in pyproject.toml, below
# [tool.omnibuild]; this file wins. Lines that begin with # show the default or an example.

{name_comment}name = "{name}"
# version = "1.2.3"                # default: the project's own, else `git describe`
# vendor = "acme"                  # packages are named acme-python-{name}, acme-{name}-cli
# prefix = "/opt/{name}"
# maintainer = "Acme Operations <operations@acme.example>"
# license = "Apache-2.0"
# url = "https://acme.example/{name}"

# What is installed beside the project and what it requires.
{list_comment}requirements = [{list}]
# constraints = ["constraints.txt"]
# extras = ["postgresql"]

# Which platforms to build when the command line names none; `omnibuild platforms` lists them.
platforms = ["debian-12"]

# System packages to compile with, and to run with.
# build-depends = {{ debian = ["libpq-dev"], redhat = ["postgresql-devel"] }}
# depends = {{ debian = ["libpq5"], redhat = ["libpq"] }}

# Meta-packages: which commands are linked where. Without any table there is one, `cli`, with
# every console script of the project.
# [packages.cli]
# links = {{ "/usr/bin" = [{links}] }}
# depends = {{ debian = ["openssh-client"], redhat = ["openssh-clients"] }}

# What one platform has of its own.
# [platform.debian-12]
# build-depends = ["libpq-dev", "libxml2-dev"]
"#,
        name_comment = comment(!has_source),
        list_comment = comment(needs_list),
    ))
}

/// Prints the completions of a shell.
pub fn completions(shell: clap_complete::Shell, reporter: &Reporter) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "omnibuild", &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    reporter.print_result(
        "completions",
        text.trim_end(),
        &serde_json::json!({ "text": text }),
    )
}

/// Writes a manual page for the program and each command.
pub fn manual(folder: &Path, dry_run: bool, reporter: &Reporter) -> Result<()> {
    let program = Cli::command();
    let mut pages = vec![(
        "omnibuild.1".to_owned(),
        clap_mangen::Man::new(program.clone()),
    )];
    for command in program.get_subcommands() {
        let name = format!("omnibuild-{}", command.get_name());
        let page = clap_mangen::Man::new(command.clone()).title(name.clone());
        pages.push((format!("{name}.1"), page));
    }
    for (name, page) in pages {
        let path = folder.join(name);
        if dry_run {
            reporter.note(None, &format!("would write `{}`", path.display()));
            continue;
        }
        let mut text = Vec::new();
        page.render(&mut text)?;
        fsutil::commit_bytes(&path, &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_has_a_name() {
        for (folder, name) in [
            ("My App (2)", "my-app-2"),
            (".x_y", "x-y"),
            ("größe", "gr-e"),
            ("...", "mytool"),
        ] {
            assert_eq!(name_of_folder(folder), name, "{folder}");
        }
    }
    use crate::config::{Config, Overrides};

    #[test]
    fn what_init_writes_is_a_good_configuration() {
        for files in [
            &["pyproject.toml"][..],
            &["requirements.txt"],
            &["setup.py", "requirements.txt"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            for name in files {
                let text = if *name == "pyproject.toml" {
                    "[project]\nname = \"x\"\nversion = \"1\"\n"
                } else {
                    ""
                };
                fs_err::write(folder.path().join(name), text).unwrap();
            }
            let text = configuration(folder.path()).unwrap();
            fs_err::write(folder.path().join(OWN_FILE), &text).unwrap();
            let config = Config::load(folder.path(), Overrides::default()).unwrap();
            assert_eq!(config.platforms, ["debian-12"]);
            // Every example must be right when it is uncommented, too.
            let uncommented: String = text
                .lines()
                .map(|line| match line.strip_prefix("# ") {
                    Some(rest) if rest.contains(" = ") || rest.starts_with("[p") => {
                        format!("{rest}\n")
                    }
                    Some(_) => String::new(),
                    None => format!("{line}\n"),
                })
                .collect();
            fs_err::write(folder.path().join(OWN_FILE), &uncommented).unwrap();
            Config::load(folder.path(), Overrides::default())
                .unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
        }
    }
}
