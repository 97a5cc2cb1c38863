//! The top-level modules of the standard library, by version. Data; follows `sys.stdlib_module_names`.

/// A module that not every supported version has: the minor version of Python 3 that brought it,
/// and the first that had it no more. Distributions of these names are honest backports elsewhere.
const COMINGS_AND_GOINGS: [(&str, u32, u32); 27] = [
    ("aifc", 0, 13),
    ("asynchat", 0, 12),
    ("asyncore", 0, 12),
    ("audioop", 0, 13),
    ("cgi", 0, 13),
    ("cgitb", 0, 13),
    ("chunk", 0, 13),
    ("compression", 14, u32::MAX),
    ("contextvars", 7, u32::MAX),
    ("crypt", 0, 13),
    ("dataclasses", 7, u32::MAX),
    ("distutils", 0, 12),
    ("graphlib", 9, u32::MAX),
    ("imghdr", 0, 13),
    ("imp", 0, 12),
    ("lib2to3", 0, 13),
    ("mailcap", 0, 13),
    ("nntplib", 0, 13),
    ("pipes", 0, 13),
    ("smtpd", 0, 12),
    ("sndhdr", 0, 13),
    ("sunau", 0, 13),
    ("telnetlib", 0, 13),
    ("tomllib", 11, u32::MAX),
    ("uu", 0, 13),
    ("xdrlib", 0, 13),
    ("zoneinfo", 9, u32::MAX),
];

/// Modules that every Python from 3.5 on has.
const ALWAYS: &str = "abc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 \
    cProfile calendar cmath cmd code codecs codeop collections colorsys compileall concurrent \
    configparser contextlib copy copyreg csv ctypes curses datetime dbm decimal difflib dis doctest \
    email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions \
    ftplib functools gc genericpath getopt getpass gettext glob grp gzip hashlib heapq hmac html \
    http idlelib imaplib importlib inspect io ipaddress itertools json keyword linecache locale \
    logging lzma mailbox marshal math mimetypes mmap modulefinder multiprocessing netrc ntpath \
    nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform \
    plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data \
    pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select \
    selectors shelve shlex shutil signal site smtplib socket socketserver sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable sys \
    sysconfig syslog tabnanny tarfile tempfile termios textwrap this threading time timeit tkinter \
    token tokenize trace traceback tracemalloc tty turtle turtledemo types typing unicodedata \
    unittest urllib uuid venv warnings wave weakref webbrowser wsgiref xml xmlrpc zipapp zipfile \
    zipimport zlib";

/// Whether a version of Python has a module of this name. Of Python 2 nothing is known, and most
/// packages of this kind were backports for it.
pub(super) fn has_module(name: &str, (major, minor): (u32, u32)) -> bool {
    let moving = COMINGS_AND_GOINGS
        .iter()
        .find(|(module, _, _)| *module == name);
    major == 3
        && match moving {
            Some((_, since, until)) => (*since..*until).contains(&minor),
            None => ALWAYS.split_whitespace().any(|module| module == name),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_and_go() {
        assert!(has_module("json", (3, 6)) && !has_module("requests", (3, 11)));
        assert!(has_module("dataclasses", (3, 7)) && !has_module("dataclasses", (3, 6)));
        assert!(has_module("distutils", (3, 11)) && !has_module("distutils", (3, 12)));
        assert!(!has_module("enum", (2, 7)));
    }

    /// Python's own list is there from 3.10 on; names of other systems' modules aside.
    #[test]
    fn the_list_is_that_of_a_real_interpreter() {
        let ask = "import sys; print(sys.version_info[1], *sorted(sys.stdlib_module_names))";
        let output = std::process::Command::new("/usr/bin/python3")
            .args(["-c", ask])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_whitespace();
        let version = (3, words.next().unwrap().parse().unwrap());
        // Of other systems, or too odd to stand in anybody's way.
        let left_out = [
            "antigravity",
            "msilib",
            "msvcrt",
            "nis",
            "nt",
            "ossaudiodev",
            "spwd",
            "winreg",
            "winsound",
        ];
        let missed: Vec<&str> = words
            .filter(|name| !name.starts_with('_') && !left_out.contains(name))
            .filter(|name| !has_module(name, version))
            .collect();
        assert!(missed.is_empty(), "{missed:?}");
    }
}
