//! Files for programs that look into a folder for them: log rotation, firewalls, manual pages, shells.
//!
//! Pure.

use std::path::Path;

use crate::config::package::SourcePath;
use crate::error::{Error, Kind, Result};
use crate::plan::contents::PlannedContent;
use crate::plan::project_files::ProjectFile;
use crate::platform::Family;
use crate::tree::Role;

use super::entries::Maker;

impl Maker<'_> {
    /// One of them, if it is configured; answers whether it is.
    fn drop_in(
        &mut self,
        source: Option<&SourcePath>,
        path: String,
        role: Role,
        key: &str,
    ) -> Result<bool> {
        let Some(source) = source else {
            return Ok(false);
        };
        let file = self.files.get(source.as_str())?.clone();
        file.text()?;
        self.plain(path, role, PlannedContent::File(file), key)?;
        Ok(true)
    }

    /// Files for programs that look into a folder for them.
    pub(super) fn drop_ins(&mut self) -> Result<()> {
        let contents = self.contents;
        let (package, family) = (self.package, self.platform.family);
        let file = format!("{package}.conf");
        let path = format!("/usr/lib/tmpfiles.d/{file}");
        if self.drop_in(contents.tmpfiles.as_ref(), path, Role::Plain, "tmpfiles")? {
            self.work.tmpfiles = Some(file.clone());
        }
        let config = Role::Configuration;
        let path = format!("/etc/logrotate.d/{package}");
        self.drop_in(contents.logrotate.as_ref(), path, config, "logrotate")?;
        let path = format!("/etc/rsyslog.d/{file}");
        self.work.rsyslog = self.drop_in(contents.rsyslog.as_ref(), path, config, "rsyslog")?;
        match family {
            Family::Debian => {
                let path = format!("/etc/ufw/applications.d/{package}");
                self.drop_in(contents.ufw.as_ref(), path, config, "ufw")?;
            }
            // No package of the family reads such profiles.
            Family::Redhat => {}
        }
        for source in &contents.firewalld {
            let file = self.files.get(source.as_str())?.clone();
            let name = file_name(&file.path);
            if Path::new(name).extension() != Some("xml".as_ref()) {
                return Err(misnamed(
                    &file,
                    "firewalld",
                    "the service's name and `.xml`, such as mytool.xml",
                ));
            }
            let path = format!("/usr/lib/firewalld/services/{name}");
            self.plain(path, Role::Plain, PlannedContent::File(file), "firewalld")?;
            self.work.firewalld = true;
        }
        Ok(())
    }

    pub(super) fn manual_pages(&mut self) -> Result<()> {
        for source in &self.contents.man {
            let file = self.files.get(source.as_str())?.clone();
            let name = file_name(&file.path).to_owned();
            let section = name.rsplit_once('.').and_then(|(page, section)| {
                let digit = section
                    .bytes()
                    .next()
                    .filter(|it| (b'1'..=b'9').contains(it))?;
                (!page.is_empty() && section.len() <= 4).then_some(char::from(digit))
            });
            let Some(section) = section else {
                return Err(misnamed(
                    &file,
                    "man",
                    "the page's name and section, such as mytool.1, uncompressed",
                ));
            };
            file.text()?;
            let path = format!("/usr/share/man/man{section}/{name}.gz");
            self.plain(
                path,
                Role::Documentation,
                PlannedContent::Compressed(file),
                "man",
            )?;
        }
        Ok(())
    }

    pub(super) fn completions(&mut self) -> Result<()> {
        let zsh_folder = match self.platform.family {
            Family::Debian => "/usr/share/zsh/vendor-completions",
            Family::Redhat => "/usr/share/zsh/site-functions",
        };
        for (command, shells) in &self.contents.completions {
            for (source, path) in [
                (
                    &shells.bash,
                    format!("/usr/share/bash-completion/completions/{command}"),
                ),
                (&shells.zsh, format!("{zsh_folder}/_{command}")),
                (
                    &shells.fish,
                    format!("/usr/share/fish/vendor_completions.d/{command}.fish"),
                ),
            ] {
                if let Some(source) = source {
                    let file = self.files.get(source.as_str())?.clone();
                    self.plain(path, Role::Plain, PlannedContent::File(file), "completions")?;
                }
            }
        }
        Ok(())
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn misnamed(file: &ProjectFile, key: &str, form: &str) -> Error {
    Error::new(
        Kind::Config,
        format!(
            "{key}: `{}` has not the name it is installed under",
            file.path
        ),
    )
    .hint(format!("name it {form}"))
}
