//! The program as somebody else runs it, somewhere else and at another time: everything that may
//! differ between two builds of the same source differs from a plain run.
//!
//! What the containers are given is changed on the way to the engine; the product's images are used as
//! they are. Needs root, to be somebody else, and an engine at a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{self, PROXIES, Ran};
use super::project::Project;
use super::tap::engine_socket;

/// The fifteen that differ, and how a shell sees each. What carries them:
///
/// | variation | carried by |
/// |---|---|
/// | time | `elsewhere.c` before the C library, in the program and in containers |
/// | time zone | `TZ` |
/// | locale | `LANG`, `LC_ALL` |
/// | umask | the shell's own |
/// | name of the user | `USER`, `LOGNAME` |
/// | number of the user | `setpriv`: a user in the engine's group, who owns the copy and the caches |
/// | home | `HOME`, a new folder |
/// | name of the host | `unshare --uts` and `hostname`; containers have a new one always |
/// | kernel | `elsewhere.c` before the C library, in the program and in containers |
/// | path of the build | a copy of the project in a folder with blanks in its name |
/// | path of the program | a copy of it, found by another `PATH` |
/// | order of files | the copy lies on a file system in memory, made in the opposite order of names |
/// | permissions and times of files | the copy's are for their owner alone, and of now |
/// | number of processors | `taskset`; `CpusetCpus` of the containers |
/// | addresses in memory | `setarch --addr-no-randomize` |
pub(crate) const VARIATIONS: [(&str, &str); 15] = [
    ("time", "date -u +%F"),
    ("time zone", "date +%z"),
    ("locale", "echo \"$LANG $LC_ALL\""),
    ("umask", "umask"),
    ("name of the user", "echo \"$USER $LOGNAME\""),
    ("number of the user", "id -u; id -G"),
    ("home", "echo \"$HOME\""),
    ("name of the host", "uname -n"),
    ("kernel", "uname -r"),
    ("path of the build", "pwd"),
    ("path of the program", "command -v omnibuild"),
    ("order of files", "find . -name '*.py' -o -name '*.toml'"),
    (
        "permissions and times of files",
        "stat -c '%a %Y' pyproject.toml",
    ),
    ("number of processors", "nproc"),
    ("addresses in memory", "cat /proc/self/personality"),
];

/// Nobody that the machine knows.
const USER: u32 = 47_110;

/// How far the clock is ahead, in seconds. Of the program: 20 days. Of containers without a network:
/// 400 days, another year. Of those with one: 25 hours, as certificates must hold.
const PROGRAM_AHEAD: u64 = 20 * 86_400;
pub(crate) const OFFLINE_AHEAD: u64 = 400 * 86_400;
const ONLINE_AHEAD: u64 = 25 * 3600;

/// What `elsewhere.c` says of the kernel.
pub(crate) const KERNEL: &str = "3.10.0-elsewhere";

/// How to reach the network is no variation.
const NETWORK: [&str; 4] = [
    "SSL_CERT_FILE",
    "OMNIBUILD_MIRROR",
    "OMNIBUILD_NETWORK",
    "PIP_INDEX_URL",
];

/// Where containers find the library.
const PRELOADED: &str = "/usr/lib/elsewhere.so";

/// Another place, with caches of its own, which hold nothing but what is known of bases and builders.
pub(crate) struct Elsewhere {
    folder: tempfile::TempDir,
    /// The project, in memory: there the order of files is that of their making.
    project: tempfile::TempDir,
}

impl Elsewhere {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        let builder = builder
            .prefix("omnibuild-elsewhere-")
            .permissions(std::fs::Permissions::from_mode(0o755));
        let this = Self {
            folder: builder.tempdir().expect("a temporary folder can be made"),
            project: builder
                .tempdir_in("/dev/shm")
                .expect("a temporary folder can be made in memory"),
        };
        for kind in ["bases", "builders"] {
            let (from, to) = (program::cache(), this.path("cache"));
            let [from, to] = [from, to].map(|cache| cache.join("v1").join(kind));
            copy_records(&from, &to);
        }
        for name in ["home", "tmp", "bin"] {
            fs_err::create_dir(this.path(name)).expect("a folder");
        }
        let program = env!("CARGO_BIN_EXE_omnibuild");
        fs_err::copy(program, this.path("bin/omnibuild")).expect("a copy of the program");
        this.compile();
        this.relay();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The library that goes before the C library.
    fn compile(&self) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/support/elsewhere.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(self.path("elsewhere.so"))
            .arg(source)
            .status();
        let compiled = status.is_ok_and(|status| status.success());
        assert!(compiled, "cc compiles no library: run `.ci/prerequisites`");
    }

    /// A socket before the engine's, for its group: Podman's is for its owner alone.
    fn relay(&self) {
        let path = self.path("engine.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let engine = engine_socket();
        let of_engine = fs_err::metadata(&engine).expect("the engine's socket");
        std::os::unix::fs::chown(&path, None, Some(of_engine.gid()))
            .expect("run this test as root");
        let mode = std::fs::Permissions::from_mode(0o660);
        fs_err::set_permissions(&path, mode).expect("its mode");
        let library = self.path("elsewhere.so");
        std::thread::spawn(move || {
            for program in listener.incoming().flatten() {
                let (engine, library) = (engine.clone(), library.clone());
                // A program that has gone is no failure of the relay.
                std::thread::spawn(move || serve(program, &engine, &library));
            }
        });
    }

    /// Puts a copy of a project in place of the one before.
    pub(crate) fn bring(&self, project: &Project) {
        let copy = self.project();
        if copy.exists() {
            fs_err::remove_dir_all(&copy).expect("the project before");
        }
        copy_reversed(project.root(), &copy);
        own(self.folder.path(), &self.path("engine.sock"));
        own(self.project.path(), &self.path("engine.sock"));
    }

    /// Where the copy is.
    pub(crate) fn project(&self) -> PathBuf {
        self.project.path().join("a project")
    }

    /// Runs the program in the copy.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        program::run(self.command(&[&["omnibuild"], words].concat()))
    }

    /// Fails for a variation that a shell in the copy sees as one in the project does.
    pub(crate) fn assert_other_than(&self, project: &Project) {
        for (name, script) in VARIATIONS {
            let words = ["sh", "-c", script];
            let mut plain = Command::new(words[0]);
            plain.args(&words[1..]).current_dir(project.root());
            let [here, there] = [plain, self.command(&words)].map(|mut command| {
                let output = command.output().expect("a shell can be run");
                String::from_utf8(output.stdout).expect("it prints text")
            });
            assert!(
                !there.is_empty() && here != there,
                "{name}: {here:?}, {there:?}"
            );
        }
    }

    /// A command in the copy, with everything that differs.
    fn command(&self, words: &[&str]) -> Command {
        let socket = self.path("engine.sock");
        let group = fs_err::metadata(&socket).expect("a socket").gid();
        let mut command = Command::new("unshare");
        command
            .args(["--uts", "/bin/sh", "-c"])
            .arg("hostname elsewhere && umask 077 && exec \"$@\"")
            .args([
                "sh",
                "setarch",
                std::env::consts::ARCH,
                "--addr-no-randomize",
            ])
            .args(["taskset", "--cpu-list", &last_processor()])
            .arg("setpriv")
            .args(["reuid", "regid"].map(|what| format!("--{what}={USER}")))
            .arg(format!("--groups={group}"))
            .arg("env")
            .arg(format!(
                "LD_PRELOAD={}",
                self.path("elsewhere.so").display()
            ))
            .args(words)
            .current_dir(self.project())
            .env_clear();
        for name in NETWORK.iter().chain(&PROXIES) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let path = std::env::var("PATH").expect("PATH is set");
        command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .env("ELSEWHERE_SECONDS", PROGRAM_AHEAD.to_string())
            .env("OMNIBUILD_CACHE_DIR", self.path("cache"))
            .env("OMNIBUILD_NO_VERIFY", "yes")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("TZ", "Pacific/Chatham")
            .env("LANG", "tr_TR.UTF-8")
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("USER", "somebody")
            .env("LOGNAME", "somebody")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// One request: the engine is told to close the connection behind its answer, unless the connection
/// becomes another kind.
fn serve(mut program: UnixStream, engine: &Path, library: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(program.try_clone()?);
    let (mut head, mut length, mut upgrade) = (Vec::new(), 0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let name = line.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        upgrade |= name.starts_with("upgrade:");
        if line.trim().is_empty() {
            break;
        }
        head.push(line);
    }
    if !upgrade {
        head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        head.push("Connection: close\r\n".to_owned());
    }
    let mut engine = UnixStream::connect(engine)?;
    if head[0].starts_with("POST ") && head[0].contains("/containers/create") {
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = moved(&body, library)?;
        head.retain(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        head.push(format!("Content-Length: {}\r\n", body.len()));
        write!(engine, "{}\r\n", head.concat())?;
        engine.write_all(&body)?;
    } else {
        write!(engine, "{}\r\n", head.concat())?;
    }
    let mut to_engine = engine.try_clone()?;
    std::thread::spawn(move || {
        std::io::copy(&mut reader, &mut to_engine).ok();
        to_engine.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut engine, &mut program)?;
    program.shutdown(Shutdown::Both)
}

/// The request for a container, elsewhere.
fn moved(body: &[u8], library: &Path) -> std::io::Result<Vec<u8>> {
    let mut body: serde_json::Value = serde_json::from_slice(body)?;
    let is_offline = body["HostConfig"]["NetworkMode"] == "none";
    let ahead = if is_offline {
        OFFLINE_AHEAD
    } else {
        ONLINE_AHEAD
    };
    let more = [
        format!("LD_PRELOAD={PRELOADED}"),
        format!("ELSEWHERE_SECONDS={ahead}"),
    ];
    let variables = body["Env"].as_array().cloned().unwrap_or_default();
    let variables = variables.into_iter().chain(more.map(Into::into));
    body["Env"] = variables.collect();
    body["HostConfig"]["Mounts"] = serde_json::json!([
        { "Type": "bind", "Source": library, "Target": PRELOADED, "ReadOnly": true }
    ]);
    body["HostConfig"]["CpusetCpus"] = last_processor().into();
    Ok(serde_json::to_vec(&body)?)
}

/// The last of the processors that these tests may use.
fn last_processor() -> String {
    let status = fs_err::read_to_string("/proc/self/status").expect("a Linux");
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let list = list.expect("there are processors").trim();
    list.rsplit([',', '-'])
        .next()
        .expect("there is one")
        .to_owned()
}

/// Copies what is committed, in the opposite order of names, for its owner alone.
fn copy_reversed(source: &Path, target: &Path) {
    let results = ["packages", ".omnibuild"];
    let entries = walkdir::WalkDir::new(source)
        .sort_by(|one, two| two.file_name().cmp(one.file_name()))
        .into_iter()
        .filter_entry(|entry| !results.iter().any(|name| entry.file_name() == *name));
    for entry in entries {
        let entry = entry.expect("the project can be read");
        let place = target.join(entry.path().strip_prefix(source).expect("it is below"));
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(place).expect("a folder");
        } else {
            let mode = entry
                .metadata()
                .expect("it can be read")
                .permissions()
                .mode()
                & 0o700;
            fs_err::copy(entry.path(), &place).expect("a copy");
            fs_err::set_permissions(place, std::fs::Permissions::from_mode(mode))
                .expect("its mode");
        }
    }
}

/// Gives everything in a folder to the user, but for one socket, which keeps its group.
fn own(folder: &Path, socket: &Path) {
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("the folder can be read");
        if entry.path() != socket {
            std::os::unix::fs::lchown(entry.path(), Some(USER), Some(USER))
                .expect("this test needs a user of another number: run it as root");
        }
    }
}

/// Which base and builder a platform has; the engine has the images.
fn copy_records(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a folder");
    let mut copied = 0;
    for entry in fs_err::read_dir(from).expect("there are records") {
        let path = entry.expect("the folder can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs_err::copy(&path, to.join(path.file_name().unwrap_or_default())).expect("a copy");
            copied += 1;
        }
    }
    assert!(copied > 0, "no records in {}", from.display());
}
