//! An authority of a test's own, with certificates for an engine behind TLS and its clients.

use std::path::{Path, PathBuf};

use super::daemon::tool;

/// Nothing that a system's configuration of OpenSSL adds.
const CONFIGURATION: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// A CA, and a folder of a client's files.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// Makes one, with a certificate of a server on loopback and one of a client.
    pub(crate) fn make() -> Self {
        Self::of_server("127.0.0.1")
    }

    /// The same with a certificate of a server at another address.
    pub(crate) fn of_server(address: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let this = Self { folder };
        fs_err::write(this.path("openssl.cnf"), CONFIGURATION).expect("a file");
        fs_err::create_dir(this.client()).expect("a folder");
        this.sign("ca", "ca", &["basicConstraints=critical,CA:TRUE"]);
        let leaf = "basicConstraints=critical,CA:FALSE";
        let server = [
            leaf,
            &format!("subjectAltName=IP:{address}"),
            "extendedKeyUsage=serverAuth",
        ];
        this.sign("server", "server", &server);
        this.sign(
            "client/cert",
            "client/key",
            &[leaf, "extendedKeyUsage=clientAuth"],
        );
        fs_err::copy(this.path("ca.pem"), this.client().join("ca.pem")).expect("a copy");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's certificate and its key.
    pub(crate) fn server(&self) -> (PathBuf, PathBuf) {
        (self.path("server.pem"), self.path("server-key.pem"))
    }

    /// The folder of `ca.pem`, `cert.pem` and `key.pem`.
    pub(crate) fn client(&self) -> PathBuf {
        self.path("client")
    }

    /// How an engine is told of them.
    pub(crate) fn options(&self, port: u16) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        vec![
            "--tlsverify".to_owned(),
            format!("--tlscacert={}", path("ca.pem")),
            format!("--tlscert={}", path("server.pem")),
            format!("--tlskey={}", path("server-key.pem")),
            format!("--host=tcp://127.0.0.1:{port}"),
        ]
    }

    /// Makes a key and a certificate, signed by the CA once there is one.
    fn sign(&self, name: &str, key: &str, extensions: &[&str]) {
        let path = |name: &str| self.path(name).display().to_string();
        let key = if key.ends_with("key") {
            path(&format!("{key}.pem"))
        } else {
            path(&format!("{key}-key.pem"))
        };
        let (certificate, subject) = (path(&format!("{name}.pem")), format!("/CN=test {name}"));
        let subject = subject.replace("client/cert", "client");
        let configuration = path("openssl.cnf");
        let mut words = vec![
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-config",
            &configuration,
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        for extension in extensions {
            words.extend(["-addext", extension]);
        }
        let (authority, authority_key) = (path("ca.pem"), path("ca-key.pem"));
        if Path::new(&authority).exists() {
            words.extend(["-CA", &authority, "-CAkey", &authority_key]);
        }
        tool("openssl", &words);
    }
}
