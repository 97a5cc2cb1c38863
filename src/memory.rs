//! Large pages for what walks memory at random, which is what xz does for each byte it compresses.
//!
//! Its search trees are 90 MB, twenty thousand small pages; the processor remembers where a few
//! thousand are. On systems that give large pages to those who ask (`madvise`, see the kernel's
//! `transhuge.rst`), asking saves xz a fifth of its time. liblzma's memory is malloc's, and the only
//! way to have that ask without unsafe code is glibc's tunable, which is read when a program starts:
//! so the program replaces itself once. Changes no byte of what is made.

use std::os::unix::process::CommandExt;
use std::process::Command;

use fs_err as fs;

/// The kernel's setting: one of three words, the one in force in brackets.
const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// glibc's settings, since 2.35 with this one (its manual, "Memory Allocation Tunables").
const TUNABLES: &str = "GLIBC_TUNABLES";
const ASK: &str = "glibc.malloc.hugetlb";

/// Starts this program anew with large pages, when that is of use and its tunables (the variable
/// `GLIBC_TUNABLES`) don't say anything of them. Comes back when it did not: being slower is no error.
pub fn ask_for_large_pages(set: &str) {
    if !cfg!(target_env = "gnu") {
        return;
    }
    let setting = fs::read_to_string(SETTING).unwrap_or_default();
    let Some(tunables) = tunables(&setting, set) else {
        return;
    };
    let mut arguments = std::env::args_os();
    let Some(name) = arguments.next() else {
        return;
    };
    // Only comes back when it failed.
    let _error = Command::new("/proc/self/exe")
        .arg0(name)
        .args(arguments)
        .env(TUNABLES, tunables)
        .exec();
}

/// What the tunables have to be, when they have to be others.
fn tunables(setting: &str, set: &str) -> Option<String> {
    if !setting.contains("[madvise]") || set.contains(ASK) {
        return None;
    }
    let before = if set.is_empty() { "" } else { ":" };
    Some(format!("{set}{before}{ASK}=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_once_and_where_the_system_wants_to_be_asked() {
        let asks = "always [madvise] never\n";
        let first = tunables(asks, "");
        assert_eq!(first.as_deref(), Some("glibc.malloc.hugetlb=1"));
        assert_eq!(tunables(asks, &first.unwrap()), None);
        let other = tunables(asks, "glibc.malloc.check=3");
        assert_eq!(
            other.as_deref(),
            Some("glibc.malloc.check=3:glibc.malloc.hugetlb=1")
        );
        // What the user says stays.
        assert_eq!(tunables(asks, "glibc.malloc.hugetlb=0"), None);
        assert_eq!(tunables("[always] madvise never\n", ""), None);
        assert_eq!(tunables("always madvise [never]\n", ""), None);
        assert_eq!(tunables("", ""), None);
    }
}
