//! Which wheels an interpreter takes, and which of several it likes best.
//!
//! Follows PyPA's "Platform compatibility tags" (PEP 425, 600 and 656) in the order of the
//! reference implementation, `packaging.tags`, which is pip's. Pure.

use std::cmp::Reverse;

use crate::interpreter::Interpreter;

use super::name::{BuildTag, WheelName};

/// How well a wheel fits an interpreter: the least is the best.
///
/// First the tag, most specific first, and between wheels of equal tags the higher build number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    tag: TagRank,
    build: Reverse<Option<BuildTag>>,
}

/// The place of a tag in the interpreter's list: its pair of Python and ABI, then its platform.
type TagRank = (usize, usize);

/// The oldest glibc that has manylinux tags, by machine (PEP 600: what `manylinux1` was on x86,
/// `manylinux2014` elsewhere).
const OLDEST_GLIBC_X86: u32 = 5;
const OLDEST_GLIBC: u32 = 17;

/// The names that some versions of glibc had before PEP 600.
const LEGACY_NAMES: [(u32, &str); 3] = [
    (17, "manylinux2014"),
    (12, "manylinux2010"),
    (5, "manylinux1"),
];

/// Whether an interpreter takes a wheel of this name.
pub fn supports(name: &WheelName, interpreter: &Interpreter) -> bool {
    rank(name, interpreter).is_some()
}

/// Whether one of the platform tags of this name is the interpreter's or `any`, whatever the Python
/// and the ABI.
pub(super) fn is_of_platform(name: &WheelName, interpreter: &Interpreter) -> bool {
    let platforms = platforms(interpreter);
    name.tags().any(|(_, _, platform)| {
        platform == "any" || platforms.iter().any(|known| known == platform)
    })
}

/// How well a wheel of this name fits; `None` when the interpreter does not take it.
pub fn rank(name: &WheelName, interpreter: &Interpreter) -> Option<Rank> {
    let (pairs, platforms) = (pairs(interpreter), platforms(interpreter));
    let of_tag = |(python, abi, platform): (&str, &str, &str)| {
        let any = platform == "any";
        let pair = pairs
            .iter()
            .position(|pair| pair.any == any && pair.python == python && pair.abi == abi)?;
        let place = if any {
            0
        } else {
            platforms.iter().position(|known| known == platform)?
        };
        Some((pair, place))
    };
    Some(Rank {
        tag: name.tags().filter_map(of_tag).min()?,
        build: Reverse(name.build.clone()),
    })
}

/// A Python tag with an ABI tag, and whether they go with `any` or with the machine's platforms.
struct Pair {
    python: String,
    abi: String,
    any: bool,
}

/// The pairs of an interpreter, most specific first.
fn pairs(interpreter: &Interpreter) -> Vec<Pair> {
    let (major, minor) = interpreter.numbers().unwrap_or_default();
    let digits = format!("{major}{minor}");
    let mut pairs = Vec::new();
    let mut add = |python: String, abi: &str, any: bool| {
        pairs.push(Pair {
            python,
            abi: abi.to_owned(),
            any,
        });
    };
    let is_cpython = interpreter.implementation == "cpython";
    let short_name = match interpreter.implementation.as_str() {
        "cpython" => "cp",
        "pypy" => "pp",
        other => other,
    };
    let own = format!("{short_name}{digits}");
    let free_threaded = (major, minor) >= (3, 13)
        && interpreter
            .abi
            .trim_start_matches(&own)
            .trim_end_matches('d')
            .ends_with('t');
    // PEP 384, and PEP 803 for the free-threaded build, whose objects have another layout.
    let stable_abi = (is_cpython && (major, minor) >= (3, 2)).then_some(if free_threaded {
        "abi3t"
    } else {
        "abi3"
    });
    add(own.clone(), &interpreter.abi, false);
    // From 3.8 on a debug build loads the extension modules of a release build.
    if is_cpython
        && (major, minor) >= (3, 8)
        && let Some(release) = interpreter.abi.strip_suffix('d')
    {
        add(own.clone(), release, false);
    }
    if let Some(stable_abi) = stable_abi {
        add(own.clone(), stable_abi, false);
    }
    add(own.clone(), "none", false);
    if let Some(stable_abi) = stable_abi {
        for earlier in (2..minor).rev() {
            add(format!("cp{major}{earlier}"), stable_abi, false);
        }
    }
    let mut generic = vec![format!("py{digits}"), format!("py{major}")];
    generic.extend((0..minor).rev().map(|minor| format!("py{major}{minor}")));
    for python in &generic {
        add(python.clone(), "none", false);
    }
    let portable = if short_name == "pp" {
        format!("pp{major}")
    } else {
        own
    };
    add(portable, "none", true);
    for python in generic {
        add(python, "none", true);
    }
    pairs
}

/// The platform tags of an interpreter, most specific first.
fn platforms(interpreter: &Interpreter) -> Vec<String> {
    let machine = &interpreter.machine;
    let mut platforms = Vec::new();
    match libc(&interpreter.libc) {
        Some(("glibc", 2, newest)) => {
            let oldest = if matches!(machine.as_str(), "x86_64" | "i686") {
                OLDEST_GLIBC_X86
            } else {
                OLDEST_GLIBC
            };
            for minor in (oldest..=newest).rev() {
                platforms.push(format!("manylinux_2_{minor}_{machine}"));
                let legacy = LEGACY_NAMES.iter().find(|(of, _)| *of == minor);
                platforms.extend(legacy.map(|(_, name)| format!("{name}_{machine}")));
            }
        }
        Some(("musl", major, newest)) => {
            let versions = (0..=newest).rev();
            platforms.extend(versions.map(|minor| format!("musllinux_{major}_{minor}_{machine}")));
        }
        _ => {}
    }
    platforms.push(format!("linux_{machine}"));
    platforms
}

/// Name and version of a C library written as `glibc 2.36`.
fn libc(text: &str) -> Option<(&str, u32, u32)> {
    let (name, version) = text.split_once(' ')?;
    let mut numbers = version.split('.').map(str::parse);
    Some((name, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::interpreter::tests::debian_12;

    use super::*;

    fn interpreter(python: &str, abi: &str, machine: &str, libc: &str) -> Interpreter {
        let mut interpreter = debian_12();
        python.clone_into(&mut interpreter.major_minor);
        abi.clone_into(&mut interpreter.abi);
        machine.clone_into(&mut interpreter.machine);
        libc.clone_into(&mut interpreter.libc);
        interpreter
    }

    /// All tags of an interpreter, best first.
    fn all(interpreter: &Interpreter) -> Vec<String> {
        let mut tags = Vec::new();
        for Pair { python, abi, any } in pairs(interpreter) {
            if any {
                tags.push(format!("{python}-{abi}-any"));
                continue;
            }
            let platforms = platforms(interpreter);
            tags.extend(
                platforms
                    .iter()
                    .map(|platform| format!("{python}-{abi}-{platform}")),
            );
        }
        tags
    }

    fn best<'a>(names: &[&'a str], interpreter: &Interpreter) -> Option<&'a str> {
        let ranks = names.iter().filter_map(|file_name| {
            let name = WheelName::parse(file_name).unwrap();
            Some((rank(&name, interpreter)?, *file_name))
        });
        ranks.min().map(|(_, file_name)| file_name)
    }

    /// Numbers and digests are of what `packaging` 26.3 makes of the same facts
    /// (`cpython_tags`, then `compatible_tags`), a tag a line.
    #[test]
    fn tags_and_their_order_are_those_of_the_reference() {
        for (python, abi, machine, libc, count, digest) in REFERENCE {
            let tags = all(&interpreter(python, abi, machine, libc));
            let text = tags.join("\n");
            assert_eq!(
                (tags.len(), Digest::of(&text).as_str()),
                (count, digest),
                "Python {python} {abi} {machine} {libc}:\n{text}"
            );
        }
    }

    const REFERENCE: [(&str, &str, &str, &str, usize, &str); 6] = [
        (
            "3.11",
            "cp311",
            "x86_64",
            "glibc 2.36",
            914,
            "383ffd2beb764fa9054698434f944b99ad76427d82d57c95382f2b5df9c80b33",
        ),
        (
            "3.6",
            "cp36m",
            "x86_64",
            "glibc 2.17",
            264,
            "e1f39ff637e725adee2e939f62af6565cac7eea7275f00507d9f5fc7726b6d84",
        ),
        (
            "2.7",
            "cp27mu",
            "x86_64",
            "glibc 2.23",
            263,
            "c4f96159576b322377f15209142d55e91e852f6020a6c8a7961200d4a811cb5e",
        ),
        (
            "3.13",
            "cp313t",
            "x86_64",
            "glibc 2.41",
            1205,
            "e7c4e01a83307facd81d8f1bda4aa73be070c34b0de1ecb1903089b9eca52ad6",
        ),
        (
            "3.14",
            "cp314",
            "aarch64",
            "glibc 2.43",
            916,
            "74f90ac500f4110053893a74baddcfda7c3641396a802c21f43c40f6f5094d5d",
        ),
        (
            "3.12",
            "cp312",
            "x86_64",
            "musl 1.2",
            123,
            "3a76d8d82692e240ac450d80dc131de4a1abe5bfca4d60950f9ffceb5d3947dd",
        ),
    ];

    #[test]
    fn the_most_specific_wheel_is_the_best() {
        let order = [
            "a-1-cp311-cp311-manylinux_2_36_x86_64.whl",
            "a-1-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
            "a-1-cp311-cp311-manylinux1_x86_64.whl",
            "a-1-cp311-cp311-linux_x86_64.whl",
            "a-1-cp311-abi3-linux_x86_64.whl",
            "a-1-cp311-none-manylinux2014_x86_64.whl",
            "a-1-cp310-abi3-manylinux2014_x86_64.whl",
            "a-1-cp37-abi3-manylinux2014_x86_64.whl",
            "a-1-py3-none-manylinux2014_x86_64.whl",
            "a-1-cp311-none-any.whl",
            "a-1-py311-none-any.whl",
            "a-1-py2.py3-none-any.whl",
            "a-1-py30-none-any.whl",
        ];
        for at in 0..order.len() {
            let mut rest = order[at..].to_vec();
            rest.reverse();
            assert_eq!(best(&rest, &debian_12()), Some(order[at]));
        }
    }

    #[test]
    fn wheels_of_others_are_not_taken() {
        for file_name in [
            "a-1-cp310-cp310-manylinux2014_x86_64.whl",
            "a-1-cp312-abi3-manylinux2014_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_37_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_4_x86_64.whl",
            "a-1-cp311-cp311-manylinux2014_aarch64.whl",
            "a-1-cp311-cp311-musllinux_1_1_x86_64.whl",
            "a-1-cp311-cp311-macosx_11_0_arm64.whl",
            "a-1-cp311-cp311-win_amd64.whl",
            "a-1-cp311-cp311t-linux_x86_64.whl",
            "a-1-cp311-cp311d-linux_x86_64.whl",
            "a-1-pp311-pypy311_pp73-linux_x86_64.whl",
            "a-1-py2-none-any.whl",
            "a-1-py312-none-any.whl",
            "a-1-cp311-cp311-any.whl",
            "a-1-py3-abi3-any.whl",
        ] {
            let name = WheelName::parse(file_name).unwrap();
            assert!(!supports(&name, &debian_12()), "{file_name}");
        }
    }

    #[test]
    fn other_interpreters_take_their_own() {
        let cases = [
            (
                ("2.7", "cp27mu", "x86_64", "glibc 2.23"),
                "py2.py3-none-any",
                "py3-none-any",
            ),
            (
                ("2.7", "cp27mu", "x86_64", "glibc 2.23"),
                "cp27-cp27mu-manylinux1_x86_64",
                "cp27-cp27m-manylinux1_x86_64",
            ),
            (
                ("2.7", "cp27mu", "x86_64", "glibc 2.23"),
                "cp27-none-any",
                "cp27-abi3-linux_x86_64",
            ),
            (
                ("3.6", "cp36m", "x86_64", "glibc 2.17"),
                "cp36-cp36m-manylinux2014_x86_64",
                "cp36-cp36m-manylinux_2_18_x86_64",
            ),
            (
                ("3.13", "cp313t", "x86_64", "glibc 2.41"),
                "cp313-cp313t-linux_x86_64",
                "cp313-abi3-linux_x86_64",
            ),
            (
                ("3.13", "cp313td", "x86_64", "glibc 2.41"),
                "cp313-cp313t-linux_x86_64",
                "cp39-abi3-linux_x86_64",
            ),
            (
                ("3.11", "cp311d", "x86_64", "glibc 2.36"),
                "cp311-cp311-linux_x86_64",
                "cp310-cp310-linux_x86_64",
            ),
            (
                ("3.12", "cp312", "aarch64", "glibc 2.39"),
                "cp312-cp312-manylinux2014_aarch64",
                "cp312-cp312-manylinux2010_aarch64",
            ),
            (
                ("3.12", "cp312", "x86_64", "musl 1.2"),
                "cp312-cp312-musllinux_1_1_x86_64",
                "cp312-cp312-manylinux1_x86_64",
            ),
            (
                ("3.12", "cp312", "x86_64", "musl"),
                "cp312-cp312-linux_x86_64",
                "cp312-cp312-musllinux_1_1_x86_64",
            ),
        ];
        for ((python, abi, machine, libc), taken, refused) in cases {
            let interpreter = interpreter(python, abi, machine, libc);
            for (tag, expected) in [(taken, true), (refused, false)] {
                let name = WheelName::parse(&format!("a-1-{tag}.whl")).unwrap();
                assert_eq!(supports(&name, &interpreter), expected, "{python}: {tag}");
            }
        }
        let mut pypy = interpreter("3.9", "pypy39_pp73", "x86_64", "glibc 2.36");
        "pypy".clone_into(&mut pypy.implementation);
        for tag in [
            "pp39-pypy39_pp73-manylinux2014_x86_64",
            "pp3-none-any",
            "py3-none-any",
        ] {
            let name = WheelName::parse(&format!("a-1-{tag}.whl")).unwrap();
            assert!(supports(&name, &pypy), "{tag}");
        }
        let name = WheelName::parse("a-1-cp37-abi3-linux_x86_64.whl").unwrap();
        assert!(!supports(&name, &pypy));
    }
}
