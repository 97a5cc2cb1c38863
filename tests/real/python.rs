//! `omnibuild python build`: an interpreter made from source, run where nothing of its build is.
//!
//! Compiling takes minutes, once: the program keeps the archive by what decides it.

use serde_json::Value;

use crate::support::engine::{self, Container};
use crate::support::platform;
use crate::support::project::Project;
use crate::support::python::result;

/// Where nobody expected it, with a blank.
const PLACE: &str = "/srv/some where";

/// Imports all of the standard library; prints what is not there, and what this Python says of itself.
const LOOK: &str = r#"
import importlib, os, ssl, sys, sysconfig, warnings
warnings.simplefilter("ignore")
missing = []
for name in sorted(sys.stdlib_module_names):
    if name in ("antigravity", "this"):
        continue
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print("missing:", *missing)
print("prefix:", sys.prefix, sys.exec_prefix, sys.base_prefix)
print("include:", os.path.isfile(sysconfig.get_config_h_filename()))
stale = [name for name, value in sysconfig.get_config_vars().items()
         if "python-build" in str(value) or str(value).startswith("/install")]
print("stale:", *stale)
print("certificates:", ssl.get_default_verify_paths().openssl_capath)
"#;

/// Other systems' modules, databases whose libraries are left out, and Tk.
const ABSENT: [&str; 18] = [
    "_dbm",
    "_gdbm",
    "_ios_support",
    "_overlapped",
    "_scproxy",
    "_tkinter",
    "_winapi",
    "_wmi",
    "idlelib",
    "msvcrt",
    "nt",
    "tkinter",
    "turtle",
    "turtledemo",
    "winreg",
    "winsound",
    "_android_support",
    "_osx_support",
];

#[test]
fn an_interpreter_runs_elsewhere_from_any_path_and_is_made_once() {
    let platform = platform::first_asked();
    let project = Project::without_history(&[]);
    let output = project.root().join("out");
    let output = output.to_str().expect("paths of tests are UTF-8");
    let build = [
        "python",
        "build",
        "3.13",
        "--json",
        "--platform",
        platform.id,
        "--output",
        output,
    ];
    let made = result(&project.run(&build).succeeded().stdout);
    let file = made["file"].as_str().expect("a path").to_owned();
    let table = made["table"].as_str().expect("lines of a table");
    for words in [format!("file://{file}"), made["sha256"].to_string()] {
        assert!(table.contains(&words), "{table}");
    }
    let container = Container::start(&engine::base_of(platform), platform.manager);
    container.put(file.as_ref(), "/packages/python.tar.gz");
    container.run(&["mkdir", "-p", PLACE]);
    container.run(&["tar", "-xzf", "/packages/python.tar.gz", "-C", PLACE]);
    let python = format!("{PLACE}/python/bin/python3");
    let said = container.run(&[&python, "-c", LOOK]);
    let line = |name: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no `{name}` in\n{said}"))
            .trim()
    };
    let unexpected: Vec<&str> = line("missing:")
        .split_whitespace()
        .filter(|name| !ABSENT.contains(name))
        .collect();
    assert!(unexpected.is_empty(), "{said}");
    let prefix = format!("{PLACE}/python");
    assert_eq!(line("prefix:"), [prefix.as_str(); 3].join(" "));
    assert_eq!(line("include:"), "True", "{said}");
    assert_eq!(line("stale:"), "", "{said}");
    assert_eq!(line("certificates:"), "/etc/ssl/certs", "{said}");
    // Its scripts find it, and a virtual environment that it makes works.
    container.run(&[&format!("{PLACE}/python/bin/pip3"), "--version"]);
    container.run(&[&python, "-m", "venv", "/srv/venv"]);
    container.run(&["/srv/venv/bin/pip", "--version"]);
    for name in ["openssl", "sqlite", "cpython"] {
        assert!(container.has(&format!("{PLACE}/python/licenses/LICENSE.{name}.txt")));
    }
    assert!(container.has(&format!("{PLACE}/python/licenses/components.json")));

    let again = result(&project.run(&build).succeeded().stdout);
    assert_eq!(
        (&again["reused"], &again["sha256"]),
        (&Value::Bool(true), &made["sha256"])
    );
    let old = [&build[..], &["--glibc", "2.3"]].concat();
    project.run(&old).ended_with(17);
}
