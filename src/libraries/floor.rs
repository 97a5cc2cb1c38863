//! The C library that a bundle's files are held against: nothing in it may need a newer one.
//!
//! Pure.

/// The older one of the platform's, as its table says, and of its builder's (`glibc 2.36`): a builder
/// may be made of something newer than what the packages are for. What is no release changes every
/// day, and its table says what it was on one of them: there the builder's alone counts.
pub(super) fn floor(of_table: (u32, u32), is_release: bool, of_builder: &str) -> Option<Vec<u32>> {
    let of_builder = of_builder.strip_prefix("glibc ").and_then(super::numbers);
    let of_table = is_release.then(|| vec![of_table.0, of_table.1]);
    [of_builder, of_table].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::audit::{Check, Facts, Finding, Item, ItemKind};
    use crate::config::PlatformTable;
    use crate::libraries::resolve::{Machine, resolve};

    #[test]
    fn the_older_c_library_counts() {
        let floor = |table, is_release, builder| floor(table, is_release, builder);
        assert_eq!(floor((2, 17), true, "glibc 2.23"), Some(vec![2, 17]));
        assert_eq!(floor((2, 36), true, "glibc 2.9"), Some(vec![2, 9]));
        assert_eq!(floor((2, 43), false, "glibc 2.44"), Some(vec![2, 44]));
        assert_eq!(floor((2, 17), true, "unknown"), Some(vec![2, 17]));
        assert_eq!(floor((2, 17), false, "unknown"), None);
    }

    /// A module as a compiler makes it, which calls this function of the C library.
    fn module(folder: &Path, function: &str) -> Vec<u8> {
        let (source, module) = (folder.join("module.c"), folder.join("module.so"));
        let text = format!("void {function}(void);\nvoid call(void) {{ {function}(); }}\n");
        fs_err::write(&source, text).unwrap();
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-o"])
            .args([&module, &source])
            .arg("-lc")
            .status()
            .expect("a C compiler is there: apt-get install gcc libc6-dev");
        assert!(status.success(), "{function}");
        fs_err::read(module).unwrap()
    }

    /// What is found in a bundle with that module, for a platform of the table.
    fn found(platform: &str, builder: &str, function: &str) -> Vec<Finding> {
        let folder = tempfile::tempdir().unwrap();
        let content = module(folder.path(), function);
        let facts = Facts::read("module.so", &mut std::io::Cursor::new(content)).unwrap();
        let path = "opt/mytool/lib/module.so";
        let item = Item {
            path,
            mode: 0o755,
            kind: ItemKind::File {
                size: 1,
                facts: &facts,
            },
            origin: "module.whl",
        };
        let table = PlatformTable::load(folder.path()).unwrap();
        let platform = table.find(platform).unwrap();
        let machine = Machine {
            name: std::env::consts::ARCH,
            glibc: floor(platform.glibc, platform.end_of_life.is_some(), builder),
        };
        let (outside, findings) = resolve(&[item], &machine);
        assert!(outside.libraries.contains_key("libc.so.6"), "{outside:?}");
        findings
    }

    #[test]
    fn a_bundle_for_2_17_may_need_2_17_and_nothing_newer() {
        // Both came with that version, on every machine.
        let (of_2_17, of_2_18) = ("secure_getenv", "__cxa_thread_atexit_impl");
        for builder in ["glibc 2.17", "glibc 2.23", "glibc 2.36"] {
            assert_eq!(found("centos-7", builder, of_2_17), [], "{builder}");
            let findings = found("centos-7", builder, of_2_18);
            let [finding] = &findings[..] else {
                panic!("{builder}: {findings:?}");
            };
            assert_eq!(finding.check, Check::TooNew);
            assert_eq!(
                finding.to_string(),
                "`/opt/mytool/lib/module.so` of `module.whl` needs `GLIBC_2.18` of `libc.so.6` \
                 (for `__cxa_thread_atexit_impl`), and the platform has glibc 2.17 (too-new)"
            );
        }
        assert_eq!(found("debian-8", "glibc 2.19", of_2_18), []);
    }
}
