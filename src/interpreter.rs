//! The interpreter of a bundle, as `images/steps/interpreter.py` describes it.
//!
//! Pure; runs nothing.

use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// The version of the JSON object this reads.
const SCHEMA: u32 = 1;

/// The longest `#!` line that every supported kernel reads, without its newline. Linux before 5.1
/// cuts the line at 127 bytes and runs what is left.
pub const LONGEST_SHEBANG: usize = 127;

/// Facts about a Python interpreter that decide what a bundle for it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interpreter {
    schema: u32,
    /// The whole version, such as `3.11.2`.
    pub version: String,
    /// `3.11`.
    pub major_minor: String,
    /// `cpython`, `pypy`.
    pub implementation: String,
    /// The tag in the names of byte code files (PEP 3147), such as `cpython-311`; absent before
    /// Python 3.2.
    pub cache_tag: Option<String>,
    /// The ABI tag of wheels with extension modules (PEP 425), such as `cp311`, `cp37m`, `cp27mu`.
    pub abi: String,
    /// The first four bytes of byte code files, as hexadecimal digits.
    pub magic: String,
    /// The interpreter's absolute path, such as `/usr/bin/python3.11`.
    pub executable: String,
    /// The machine it was built for, such as `x86_64`.
    pub machine: String,
    /// The C library and its version, such as `glibc 2.36`.
    pub libc: String,
}

impl Interpreter {
    /// Reads what the step printed.
    pub fn parse(json: &str) -> Result<Self> {
        let this: Self = serde_json::from_str(json).map_err(|error| {
            Error::new(
                Kind::Build,
                format!("the interpreter's facts are malformed: {error}"),
            )
        })?;
        let version = this.numbers();
        if this.schema != SCHEMA || version.is_none() || this.magic_bytes().is_none() {
            return Err(Error::new(
                Kind::Build,
                format!(
                    "the facts of interpreter `{}` are malformed",
                    this.executable
                ),
            ));
        }
        if !this.executable.starts_with('/') {
            return Err(Error::new(
                Kind::Build,
                format!(
                    "the interpreter `{}` is not an absolute path",
                    this.executable
                ),
            )
            .hint("install a Python interpreter in the builder image"));
        }
        Ok(this)
    }

    /// The options that let nothing but the command line say what is imported.
    pub fn isolated(&self) -> &'static [&'static str] {
        // Python 2 has no `-I`, which also leaves the script's folder out.
        if self.numbers() >= Some((3, 4)) {
            &["-I"]
        } else {
            &["-E", "-s"]
        }
    }

    /// Whether its standard library has `venv` (PEP 405).
    pub fn has_venv(&self) -> bool {
        self.numbers() >= Some((3, 3))
    }

    /// Major and minor version as numbers.
    pub fn numbers(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.major_minor.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// What the markers of requirements are held against (PEP 508). The kernel's release and
    /// version are left empty: they are this machine's, not the platform's.
    pub fn markers(&self) -> Result<MarkerEnvironment> {
        let old = self.numbers() < Some((3, 0));
        // Distributions write `3.5.1+` when they took more than a release.
        let version = self.version.trim_end_matches('+');
        MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: if old { "" } else { &self.implementation },
            implementation_version: if old { "0" } else { version },
            os_name: "posix",
            platform_machine: &self.machine,
            platform_python_implementation: match self.implementation.as_str() {
                "cpython" => "CPython",
                "pypy" => "PyPy",
                other => other,
            },
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: version,
            python_version: &self.major_minor,
            sys_platform: if old { "linux2" } else { "linux" },
        })
        .map_err(|error| {
            Error::new(
                Kind::Build,
                format!("the interpreter's version is malformed: {error}"),
            )
        })
    }

    /// The first four bytes of byte code files.
    pub fn magic_bytes(&self) -> Option<[u8; 4]> {
        let number = u32::from_str_radix(&self.magic, 16).ok()?;
        (self.magic.len() == 8).then(|| number.to_be_bytes())
    }

    /// The folder of the standard library's name below `lib`: `python3.11`, `python3.13t` for the
    /// free-threaded build.
    pub fn library_folder(&self) -> String {
        let free_threaded = self.numbers() >= Some((3, 13)) && self.abi.ends_with('t');
        format!(
            "python{}{}",
            self.major_minor,
            if free_threaded { "t" } else { "" }
        )
    }

    /// Where a virtualenv at `prefix` keeps its packages, pure and compiled ones alike.
    pub fn site_packages(&self, prefix: &str) -> String {
        format!(
            "{}/lib/{}/site-packages",
            prefix.trim_end_matches('/'),
            self.library_folder()
        )
    }

    /// Offset of the source's modification time in a byte code file: 8 since Python 3.7 (PEP 552
    /// put flags in front of it), 4 before.
    pub fn bytecode_time_offset(&self) -> u64 {
        if self.numbers() >= Some((3, 7)) { 8 } else { 4 }
    }

    /// Where the byte code of a source lies (PEP 3147): `a/__pycache__/b.cpython-311.pyc` for
    /// `a/b.py`; `a/b.pyc` for an interpreter without a cache tag.
    pub fn bytecode_path(&self, source: &str) -> String {
        let Some(tag) = &self.cache_tag else {
            return format!("{source}c");
        };
        let (folder, name) = match source.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), source),
        };
        let stem = name.strip_suffix(".py").unwrap_or(name);
        format!("{folder}__pycache__/{stem}.{tag}.pyc")
    }

    /// The `#!` line, without newline, of a script in a virtualenv at `prefix`; `arguments` are
    /// what stood behind `#!python`.
    pub fn shebang(prefix: &str, arguments: &str) -> Result<String> {
        let line = format!("#!{}/bin/python{arguments}", prefix.trim_end_matches('/'));
        if line.len() > LONGEST_SHEBANG {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "`{line}` has {} bytes, and kernels before 5.1 read only {LONGEST_SHEBANG}",
                    line.len()
                ),
            )
            .hint("choose a shorter name for the bundle"));
        }
        Ok(line)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Command;

    use super::*;

    /// The facts of Debian 12's interpreter.
    pub(crate) fn debian_12() -> Interpreter {
        Interpreter::parse(
            r#"{"schema": 1, "version": "3.11.2", "major_minor": "3.11",
                "implementation": "cpython", "cache_tag": "cpython-311", "abi": "cp311",
                "magic": "a70d0d0a", "executable": "/usr/bin/python3.11", "machine": "x86_64",
                "libc": "glibc 2.36"}"#,
        )
        .unwrap()
    }

    fn of_version(major_minor: &str, abi: &str, cache_tag: Option<&str>) -> Interpreter {
        Interpreter {
            major_minor: major_minor.to_owned(),
            abi: abi.to_owned(),
            cache_tag: cache_tag.map(str::to_owned),
            ..debian_12()
        }
    }

    #[test]
    fn the_step_describes_a_real_interpreter() {
        let output = Command::new("/usr/bin/python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/images/steps/interpreter.py"
            ))
            .output()
            .unwrap();
        assert!(output.status.success());
        let real = Interpreter::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let ask = "import sys, importlib.util as u, sysconfig; \
                   print(u.cache_from_source('/a/b.py'), u.MAGIC_NUMBER.hex(), \
                   sysconfig.get_path('purelib', 'posix_prefix', {'base': '/opt/x'}))";
        let output = Command::new("/usr/bin/python3")
            .args(["-c", ask])
            .output()
            .unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let found = format!(
            "{} {} {}\n",
            real.bytecode_path("/a/b.py"),
            real.magic,
            real.site_packages("/opt/x")
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn byte_code_depends_on_the_version() {
        let cases = [
            (of_version("2.7", "cp27mu", None), 4, "/a/b.c.pyc"),
            (
                of_version("3.6", "cp36m", Some("cpython-36")),
                4,
                "/a/__pycache__/b.c.cpython-36.pyc",
            ),
            (
                of_version("3.7", "cp37m", Some("cpython-37")),
                8,
                "/a/__pycache__/b.c.cpython-37.pyc",
            ),
            (debian_12(), 8, "/a/__pycache__/b.c.cpython-311.pyc"),
        ];
        for (interpreter, offset, path) in cases {
            assert_eq!(interpreter.bytecode_time_offset(), offset);
            assert_eq!(interpreter.bytecode_path("/a/b.c.py"), path);
        }
    }

    #[test]
    fn markers_of_a_version_with_a_plus_are_those_of_the_release() {
        let mut interpreter = of_version("3.5", "cp35m", Some("cpython-35"));
        interpreter.version = "3.5.1+".to_owned();
        let environment = interpreter.markers().unwrap();
        let holds = |text: &str| {
            let marker: pep508_rs::MarkerTree = text.parse().unwrap();
            marker.evaluate(&environment, &[])
        };
        assert!(holds(
            "python_full_version == '3.5.1' and sys_platform == 'linux'"
        ));
        assert!(!holds("python_version >= '3.6'"));
    }

    #[test]
    fn the_free_threaded_build_has_its_own_folder() {
        let threaded = of_version("3.13", "cp313t", Some("cpython-313t"));
        assert_eq!(
            threaded.site_packages("/opt/x/"),
            "/opt/x/lib/python3.13t/site-packages"
        );
    }

    #[test]
    fn malformed_facts_are_refused() {
        let good = serde_json::to_value(debian_12()).unwrap();
        let changes = [
            ("schema", serde_json::json!(2)),
            ("magic", serde_json::json!("a70d")),
            ("major_minor", serde_json::json!("3")),
            ("executable", serde_json::json!("python3")),
        ];
        assert!(Interpreter::parse(&good.to_string()).is_ok());
        for (name, value) in changes {
            let mut facts = good.clone();
            facts[name] = value;
            assert!(Interpreter::parse(&facts.to_string()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_shebang_that_old_kernels_would_cut_is_refused() {
        let longest = format!(
            "/opt/{}",
            "x".repeat(LONGEST_SHEBANG - "#!/opt//bin/python".len())
        );
        assert_eq!(
            Interpreter::shebang(&longest, "").unwrap().len(),
            LONGEST_SHEBANG
        );
        assert_eq!(
            Interpreter::shebang(&longest, " -E").unwrap_err().kind(),
            Kind::Config
        );
    }
}
