//! Commands that a distribution declares in `entry_points.txt`, and the scripts made from them.
//!
//! Follows PyPA's "Entry points specification", read the way `importlib.metadata` reads it. Pure.

use std::collections::BTreeMap;

/// What a command calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The module to import, dotted.
    pub module: String,
    /// The function in it, possibly an attribute of a class, dotted.
    pub attribute: String,
}

impl EntryPoint {
    /// Reads `module:attribute [extras]`; the extras are of no use to a script and dropped.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let reference = match text.split_once('[') {
            Some((reference, extras)) if extras.trim_end().ends_with(']') => reference,
            Some(_) => return Err("is not `module:function [extras]`"),
            None => text,
        };
        let Some((module, attribute)) = reference.split_once(':') else {
            return Err("names no function to call");
        };
        let (module, attribute) = (module.trim(), attribute.trim());
        // Both become part of a Python program.
        if !is_dotted_name(module) || !is_dotted_name(attribute) {
            return Err("is not `module:function [extras]`");
        }
        Ok(Self {
            module: module.to_owned(),
            attribute: attribute.to_owned(),
        })
    }

    /// The text of the script, as distlib writes it for pip.
    pub fn script(&self, shebang: &str) -> String {
        let Self { module, attribute } = self;
        let import = attribute.split('.').next().unwrap_or(attribute);
        format!(
            "{shebang}\n\
             # -*- coding: utf-8 -*-\n\
             import re\n\
             import sys\n\
             from {module} import {import}\n\
             if __name__ == '__main__':\n    \
                 sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    \
                 sys.exit({attribute}())\n"
        )
    }
}

/// The commands of a distribution by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryPoints {
    /// Those of the group `console_scripts`.
    pub console: BTreeMap<String, EntryPoint>,
    /// Those of the group `gui_scripts`.
    pub gui: BTreeMap<String, EntryPoint>,
}

impl EntryPoints {
    /// Reads `entry_points.txt`. The error names the line and says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut this = Self::default();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                section = rest.trim_end_matches(']').trim();
                continue;
            }
            if !matches!(section, "console_scripts" | "gui_scripts") {
                continue;
            }
            let Some((name, reference)) = line.split_once('=') else {
                return Err(format!(
                    "`{}` is not `name = module:function`",
                    line.escape_debug()
                ));
            };
            let name = name.trim();
            check_name(name)?;
            let entry_point = EntryPoint::parse(reference)
                .map_err(|what| format!("the entry point `{name}` {what}"))?;
            if this.console.contains_key(name) || this.gui.contains_key(name) {
                return Err(format!("the entry point `{name}` is declared twice"));
            }
            let group = if section == "gui_scripts" {
                &mut this.gui
            } else {
                &mut this.console
            };
            group.insert(name.to_owned(), entry_point);
        }
        Ok(this)
    }

    /// All commands with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &EntryPoint)> {
        self.console.iter().chain(&self.gui)
    }

    /// Whether a script of this name is made from an entry point.
    pub fn contains(&self, name: &str) -> bool {
        self.console.contains_key(name) || self.gui.contains_key(name)
    }
}

/// The name becomes a file name in `bin`.
fn check_name(name: &str) -> Result<(), String> {
    let bad = name.is_empty()
        || matches!(name, "." | "..")
        || name.len() > 255
        || name
            .chars()
            .any(|letter| letter.is_control() || matches!(letter, '/' | '\\'));
    if bad {
        return Err(format!(
            "the entry point `{}` can't be a file name",
            name.escape_debug()
        ));
    }
    Ok(())
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_are_read_and_extras_are_tolerated() {
        let text = "[console_scripts]\n  # comment\n  tool = pkg.cli : main\nx=pkg:App.run [fast, y]\n\
                    [other.group]\nwhatever = no module at all\n[gui_scripts]\nwin = pkg:gui\n";
        let found = EntryPoints::parse(text).unwrap();
        let all: Vec<String> = found
            .iter()
            .map(|(name, point)| format!("{name} {} {}", point.module, point.attribute))
            .collect();
        assert_eq!(all, ["tool pkg.cli main", "x pkg App.run", "win pkg gui"]);
    }

    #[test]
    fn hostile_commands_are_refused() {
        let cases = [
            ("../evil = a:b", "file name"),
            ("a/b = a:b", "file name"),
            ("a\u{1}b = a:b", "file name"),
            (".. = a:b", "file name"),
            (" = a:b", "file name"),
            ("x = a", "no function"),
            ("x = a:b();import os", "module:function"),
            ("x = a;b:c", "module:function"),
            ("x = a:b [", "module:function"),
            ("x = a:1b", "module:function"),
            ("x", "name = module:function"),
            ("x = a:b\nx = a:c", "twice"),
            ("x = a:b\n[gui_scripts]\nx = a:c", "twice"),
        ];
        for (line, expected) in cases {
            let error = EntryPoints::parse(&format!("[console_scripts]\n{line}\n")).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_script_imports_the_first_part_and_calls_the_whole() {
        let point = EntryPoint::parse("pkg.cli:App.run").unwrap();
        let expected = "#!/opt/x/bin/python\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\
                        from pkg.cli import App\nif __name__ == '__main__':\n    \
                        sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    \
                        sys.exit(App.run())\n";
        assert_eq!(point.script("#!/opt/x/bin/python"), expected);
    }
}
