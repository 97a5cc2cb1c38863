//! Files: first lines, commands, paths of the builder, and what an ELF file says of itself.

use crate::elf::ElfFile;
use crate::interpreter::LONGEST_SHEBANG;

use super::links::is_below;
use super::{Audit, Check, Facts, Item, ItemKind, is_loadable};

/// Folders of a system's programs that a first line may name.
const SYSTEM_PROGRAMS: [&str; 5] = [
    "/bin/",
    "/usr/bin/",
    "/usr/local/bin/",
    "/sbin/",
    "/usr/sbin/",
];
/// Folders that only root makes, so that nobody else can put a library there.
const ROOTS_FOLDERS: [&str; 5] = ["/usr", "/lib", "/lib64", "/lib32", "/opt"];

impl Audit<'_> {
    pub(super) fn content(&mut self, item: &Item<'_>, size: u64, facts: &Facts) {
        if let Some(path) = &facts.build_path {
            let what = format!("names `{path}`, a path of the builder");
            self.found(Check::BuildPath, item, what);
        }
        if let Some(folder) = &facts.absolute_pth
            && !self.is_inside(folder)
        {
            let what = format!("adds `{folder}` to Python's path, which is not in the bundle");
            self.found(Check::BuildPath, item, what);
        }
        let command = self.command(item);
        if command.is_some() && size == 0 {
            self.found(Check::EntryPoint, item, "is an empty command".to_owned());
        }
        let is_program = facts.shebang.is_some() || command.is_some_and(|known| known);
        if command.is_some() && is_program && size > 0 && item.mode & 0o111 == 0 {
            let what = format!(
                "is a command with the mode {:04o}: nobody can run it",
                item.mode & 0o7777
            );
            self.found(Check::EntryPoint, item, what);
        }
        if let Some(line) = &facts.shebang {
            self.shebang(item, line, command.is_some());
        }
        if let Some(reason) = &facts.damaged_elf {
            let name = item.path.rsplit('/').next().unwrap_or_default();
            let library = name.strip_suffix(".so").is_some() || name.contains(".so.");
            let finding = self.found(
                Check::DamagedElf,
                item,
                format!("is an ELF file that can't be read: {reason}"),
            );
            if !library && command.is_none() {
                *finding = finding.clone().warning();
            }
        }
        if let Some(file) = &facts.elf {
            self.elf(item, file);
        }
    }

    /// Whether a file lies directly in `bin`: `Some(true)` for one that must be a command.
    fn command(&self, item: &Item<'_>) -> Option<bool> {
        let path = item.path.trim_start_matches('/');
        let name = path.strip_prefix(self.prefix())?.strip_prefix("/bin/")?;
        (!name.contains('/')).then(|| self.scope.commands.contains(&name))
    }

    /// Commands that nothing stands for.
    pub(super) fn absent_commands(&mut self) {
        for command in self.scope.commands {
            let path = format!("{}/bin/{command}", self.prefix());
            if !self.has(&path) {
                let item = Item {
                    path: &path,
                    mode: 0,
                    kind: ItemKind::Directory,
                    origin: "the bundle",
                };
                self.found(
                    Check::EntryPoint,
                    &item,
                    "is a command that is not there".to_owned(),
                );
            }
        }
    }

    /// A command must have a first line that every kernel runs; elsewhere it is only told.
    fn shebang(&mut self, item: &Item<'_>, line: &str, is_command: bool) {
        let program = line.split_whitespace().next().unwrap_or_default();
        let known = SYSTEM_PROGRAMS
            .iter()
            .any(|folder| program.starts_with(folder))
            || (self.is_inside(program) && self.has(program.trim_start_matches('/')));
        // `#!` stands before it.
        let length = line.len() + 2;
        let what = if length > LONGEST_SHEBANG {
            format!(
                "begins with a line of {length} bytes, and kernels before 5.1 read only {LONGEST_SHEBANG}"
            )
        } else if program.is_empty() {
            "begins with a line that names no program".to_owned()
        } else if !known && (is_command || item.mode & 0o111 != 0) {
            format!(
                "is run by `{program}`, which is neither in the bundle nor a program of the platform"
            )
        } else {
            return;
        };
        let finding = self.found(Check::Shebang, item, what);
        if !is_command {
            *finding = finding.clone().warning();
        }
    }

    fn elf(&mut self, item: &Item<'_>, file: &ElfFile) {
        let loadable = is_loadable(item.path, item.mode, file);
        if !file.runs_on(self.scope.machine) {
            let what = format!(
                "is {}, and the package is for {}",
                file.describe_machine(),
                self.scope.machine
            );
            let finding = self.found(Check::ForeignMachine, item, what);
            if !loadable {
                *finding = finding.clone().warning();
            }
            return;
        }
        if !loadable {
            return;
        }
        if let Some(musl) = file.musl() {
            let what = format!("is linked with musl (`{musl}`), and the platform has glibc");
            self.found(Check::Musl, item, what);
        }
        for folder in file.search_path() {
            let own = ["$ORIGIN", "${ORIGIN}"]
                .iter()
                .any(|own| is_below(folder, own));
            if own || self.is_inside(folder) {
                continue;
            }
            let by_root = ROOTS_FOLDERS.iter().any(|root| is_below(folder, root));
            let what = format!("looks for libraries in `{folder}`, which is not in the bundle");
            let finding = self.found(Check::LibraryPath, item, what);
            if by_root {
                *finding = finding.clone().warning();
            }
        }
    }

    /// Whether an absolute path is one of the bundle.
    fn is_inside(&self, path: &str) -> bool {
        path.strip_prefix('/')
            .is_some_and(|path| is_below(path, self.prefix()))
    }
}
