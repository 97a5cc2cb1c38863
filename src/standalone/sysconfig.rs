//! The build settings that a Python keeps for whoever compiles for it (`sysconfig`).
//!
//! They name the folder and the compilers of the machine that it was made on. python-build-standalone
//! installs into `/install` and compiles with clang or a cross compiler, none of which is there later.
//! Pure.

/// Where python-build-standalone, and `omnibuild python build`, install.
const INSTALL: &str = "/install";

/// Whether a path below the prefix is that of the settings, `library` being the standard library's.
pub(super) fn is_settings(path: &str, library: &str) -> bool {
    let name = path
        .strip_prefix(library)
        .and_then(|it| it.strip_prefix('/'));
    name.is_some_and(|name| {
        name.starts_with("_sysconfigdata_")
            && !name.contains('/')
            && name.strip_suffix(".py").is_some()
    })
}

/// The settings for a Python at `prefix`, compiled for with `cc` and `c++`.
pub(super) fn placed(text: &str, prefix: &str) -> String {
    let mut placed = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(is_border).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        placed.push_str(&word_placed(word, prefix));
        let border = more.chars().next().map_or(0, char::len_utf8);
        placed.push_str(&more[..border]);
        rest = &more[border..];
    }
    placed
}

/// What stands between the words of a command or a Python literal.
fn is_border(character: char) -> bool {
    character.is_whitespace() || "'\"=:,()".contains(character)
}

fn word_placed(word: &str, prefix: &str) -> String {
    let flag = ["-I", "-L"].iter().find(|flag| word.starts_with(**flag));
    let (flag, path) = word.split_at(flag.map_or(0, |flag| flag.len()));
    if let Some(inside) = path.strip_prefix(INSTALL)
        && (inside.is_empty() || inside.starts_with('/'))
    {
        return format!("{flag}{prefix}{inside}");
    }
    let name = word.rsplit('/').next().unwrap_or(word);
    let tool = match name {
        "clang" | "musl-clang" => "cc",
        "clang++" => "c++",
        "llvm-ar" => "ar",
        _ => match name.split_once("-linux-gnu") {
            // `/usr/bin/aarch64-linux-gnu-gcc`, `x86_64-linux-gnu-gcc-ar`.
            Some((machine, tool)) if !machine.contains('-') => {
                match tool.trim_start_matches("eabihf").trim_start_matches("eabi") {
                    "-gcc" | "-clang" => "cc",
                    "-g++" | "-clang++" => "c++",
                    "-ar" | "-gcc-ar" => "ar",
                    _ => word,
                }
            }
            _ => word,
        },
    };
    tool.to_owned()
}
