//! A registry of a test's own: Debian's, behind TLS with an authority of its own, with a password.
//!
//! On an address of an interface of its own, since engines and the program speak plain HTTP to loopback.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::certificates::Authority;
use super::daemon::tool;

/// Who may push, with a password that Docker's own tools have had trouble with (base64's `+` and `/`).
const USER: &str = "builder";
const PASSWORD: &str = "~~~>>>???+/=";
/// The same for htpasswd, by bcrypt.
const HASHED: &str = "builder:$2b$04$XdTIvriU0qLeTBV5UwgBNu0QYVrr1YEBgqO9eULb/ToEpkM1adsIW\n";
/// `USER:PASSWORD` by base64.
const ENCODED: &str = "YnVpbGRlcjp+fn4+Pj4/Pz8rLz0=";
/// Longer than it takes to start on a machine under load.
const LIMIT: Duration = Duration::from_mins(1);

/// A registry; it is gone at the end of its scope, with all that it has.
pub(crate) struct Registry {
    folder: tempfile::TempDir,
    authority: Authority,
    interface: String,
    host: String,
    child: Child,
}

impl Registry {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        // A name of an interface has fifteen characters at most; TEST-NET-3 nobody has (RFC 5737).
        let interface = format!("omniregis{port}");
        let address = format!("203.0.113.{}", port % 250 + 1);
        tool("ip", &["link", "add", &interface, "type", "bridge"]);
        tool(
            "ip",
            &[
                "address",
                "add",
                &format!("{address}/32"),
                "dev",
                &interface,
            ],
        );
        tool("ip", &["link", "set", &interface, "up"]);
        let authority = Authority::of_server(&address);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = |name: &str| folder.path().join(name);
        let host = format!("{address}:{port}");
        fs_err::write(path("htpasswd"), HASHED).expect("a file");
        let (certificate, key) = authority.server();
        let settings = format!(
            "version: 0.1\nlog: {{ level: warn }}\nstorage:\n  filesystem: {{ rootdirectory: {0}/data }}\n  delete: {{ enabled: true }}\n\
             auth: {{ htpasswd: {{ realm: test, path: {0}/htpasswd }} }}\n\
             http:\n  addr: {host}\n  tls: {{ certificate: {1}, key: {2} }}\n",
            folder.path().display(),
            certificate.display(),
            key.display()
        );
        fs_err::write(path("config.yml"), settings).expect("a file");
        let log = fs_err::File::create(path("log")).expect("a log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.into_parts().0)
            .spawn()
            .expect("docker-registry can be run: apt-get install docker-registry");
        let this = Self {
            folder,
            authority,
            interface,
            host,
            child,
        };
        write_credentials(&this.credentials(), &[&this.host]);
        fs_err::create_dir_all(this.certificates()).expect("a folder");
        fs_err::copy(
            this.authority.client().join("ca.pem"),
            this.certificates().join("ca.crt"),
        )
        .expect("Docker's folder of certificates can be written");
        let since = Instant::now();
        while TcpStream::connect(&this.host).is_err() {
            let log = fs_err::read_to_string(this.folder.path().join("log")).unwrap_or_default();
            assert!(
                since.elapsed() < LIMIT,
                "the registry does not start: {log}"
            );
            std::thread::yield_now();
        }
        this
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// A folder of Docker's configuration with the credentials.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.folder.path().join("docker")
    }

    /// The same with those of another registry, too.
    pub(crate) fn credentials_of_both(&self, other: &Self) -> PathBuf {
        let folder = self.folder.path().join("both");
        write_credentials(&folder, &[&self.host, &other.host]);
        folder
    }

    /// A folder of Docker's configuration that names a credential helper, and one with that program.
    pub(crate) fn helper(&self) -> (PathBuf, PathBuf) {
        let path = |name: &str| self.folder.path().join(name);
        let text = format!(
            "{{\"credHelpers\":{{\"{}\":\"omnibuild-test\"}}}}",
            self.host
        );
        fs_err::create_dir_all(path("helped")).expect("a folder");
        fs_err::write(path("helped/config.json"), text).expect("a file");
        // Asked by `get` and the host on its input (docker-credential-helpers).
        let program = format!(
            "#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {} ] || exit 1\nprintf '%s' '{{\"ServerURL\":\"x\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n",
            self.host
        );
        let place = path("bin/docker-credential-omnibuild-test");
        fs_err::create_dir_all(path("bin")).expect("a folder");
        fs_err::write(&place, program).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&place, mode).expect("a mode");
        (path("helped"), path("bin"))
    }

    /// Where Docker looks for its certificates, and the program.
    fn certificates(&self) -> PathBuf {
        PathBuf::from("/etc/docker/certs.d").join(&self.host)
    }

    /// Asks it by skopeo; `{}` in the words stands for its host. Answers what that prints.
    pub(crate) fn skopeo(&self, words: &[&str]) -> String {
        let creds = match words[0] {
            "copy" => ["--src-creds", "--src-cert-dir"],
            _ => ["--creds", "--cert-dir"],
        };
        let words = words.iter().map(|word| word.replace("{}", &self.host));
        let words: Vec<String> = words.collect();
        let output = Command::new("skopeo")
            .arg(&words[0])
            .args([creds[0], &format!("{USER}:{PASSWORD}"), creds[1]])
            .arg(self.certificates())
            .args(&words[1..])
            .output()
            .expect("skopeo can be run: apt-get install skopeo");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "skopeo {}: {told}",
            words.join(" ")
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Puts an image there by skopeo; `{}` in its name stands for the host.
    pub(crate) fn skopeo_push(&self, source: &str, name: &str) {
        let name = name.replace("{}", &self.host);
        let certificates = self.certificates().display().to_string();
        let creds = format!("{USER}:{PASSWORD}");
        let words = [
            "copy",
            "--dest-creds",
            &creds,
            "--dest-cert-dir",
            &certificates,
        ];
        tool("skopeo", &[&words[..], &[source, &name]].concat());
    }

    /// How many bytes of blobs it has.
    pub(crate) fn size(&self) -> u64 {
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs");
        let files = walkdir::WalkDir::new(blobs)
            .into_iter()
            .filter_map(Result::ok);
        let sizes = files.filter_map(|entry| entry.metadata().ok());
        sizes
            .filter(std::fs::Metadata::is_file)
            .map(|data| data.len())
            .sum()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs_err::remove_dir_all(self.certificates()));
        tool("ip", &["link", "delete", &self.interface]);
    }
}

/// Writes Docker's configuration with the user and password of these registries into a folder.
fn write_credentials(folder: &Path, hosts: &[&str]) {
    let auths = hosts
        .iter()
        .map(|host| format!("\"{host}\":{{\"auth\":\"{ENCODED}\"}}"));
    let auths = auths.collect::<Vec<_>>().join(",");
    let text = format!("{{\"auths\":{{{auths}}}}}");
    fs_err::create_dir_all(folder).expect("a folder");
    fs_err::write(folder.join("config.json"), text).expect("a file");
}
