//! Secrets that a user has about, planted all at once: none is in anything that a run makes, keeps or
//! says, however it is packed or written there. And the same search finds what is planted on purpose.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::support::agent::Forge;
use crate::support::bucket::Bucket;
use crate::support::engine::{self, Tested};
use crate::support::index::{Index, of, sources};
use crate::support::keys;
use crate::support::onlooker::{Onlooker, Seen, unfold};
use crate::support::platform::{self, Platform};
use crate::support::program::{self, Ran, Running};
use crate::support::project::Project;
use crate::support::proxy::Proxy;
use crate::support::sandbox;
use crate::support::search::{Search, base64, percent_encoded};

/// What a build sees around it, in hexadecimal digits, as no masking knows them: the environment, but
/// for what it has to be told of the network, the command lines of all processes, and the files of the
/// program.
const LOOK: &str = r"
import os as _os, sys as _sys
def _look(proxies):
    seen = ['%s=%s' % it for it in _os.environ.items() if proxies or not it[0].lower().endswith('_proxy')]
    for place in _os.listdir('/proc'):
        try:
            seen.append(open('/proc/%s/cmdline' % place).read())
        except (IOError, OSError):
            pass
    text = '\n'.join(seen).encode().hex()
    for at in range(0, len(text), 1000):
        print('seen:', text[at:at + 1000 + 64])
    try:
        print('files:', ' '.join(sorted(_os.listdir('/omnibuild'))))
    except OSError as error:
        print('files:', error)
    _sys.stdout.flush()
";

/// How many scenes were set.
static SCENES: AtomicU32 = AtomicU32::new(0);

/// A user with secrets, a project, and caches that hold nothing but base images.
struct Scene {
    search: Arc<Search>,
    platform: Platform,
    project: Project,
    folder: tempfile::TempDir,
    version: String,
    /// Those that the sandbox had before.
    layers: BTreeSet<PathBuf>,
}

impl Scene {
    fn set(platform: Platform) -> Self {
        platform::warm(platform);
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let project = Project::copy_of("mytool");
        let folder = tempfile::Builder::new()
            .prefix("omnibuild-secrets-")
            .tempdir();
        let this = Self {
            search: Arc::new(Search::begin()),
            platform,
            project,
            folder: folder.expect("a temporary folder can be made"),
            layers: sandbox::layers(),
            // Two scenes of one second would take each other's image.
            version: format!(
                "9.{}.{}.{}",
                now.as_secs(),
                std::process::id(),
                SCENES.fetch_add(1, Ordering::Relaxed)
            ),
        };
        // A layer of this run's own that something was fetched for.
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
        let shipped = images.join(platform.id).join("Dockerfile");
        let shipped = fs_err::read_to_string(shipped).expect("it is there");
        let own = format!(
            "RUN echo {} >/made-by-a-test\nARG BUILD_DEPENDS=",
            this.version
        );
        let dockerfile = shipped.replace("ARG BUILD_DEPENDS=", &own);
        assert_ne!(dockerfile, shipped);
        let place = format!("images/{}/Dockerfile", platform.id);
        this.project.write(&place, &dockerfile);
        let head = "[tool.omnibuild]\nbuild-depends = { debian = [\"netbase\"], redhat = [\"openssh-clients\"] }\n";
        let deps = "requirements = [\"private.txt\"]\n";
        this.project.replace(
            "pyproject.toml",
            "[tool.omnibuild]\n",
            &format!("{head}{deps}"),
        );
        this.project.replace(
            "setup.py",
            "\nsetup",
            &format!("\n{LOOK}\n_look(True)\nsetup"),
        );
        let of_platform = format!("{}-", platform.id);
        this.keep("bases", |name| {
            name.starts_with(&of_platform) && Path::new(name).extension() == Some("json".as_ref())
        });
        this.keep("tools", |_| true);
        this
    }

    /// Copies what the tests' cache has in a folder.
    fn keep(&self, folder: &str, wanted: impl Fn(&str) -> bool) {
        let place = format!("v1/{folder}");
        for entry in fs_err::read_dir(program::cache().join(&place)).expect("it is filled") {
            let entry = entry.expect("it can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            if wanted(&name) {
                self.copy(&entry.path(), &format!("cache/{place}/{name}"));
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self, from: &Path, name: &str) {
        let place = self.path(name);
        fs_err::create_dir_all(place.parent().expect("it is below")).expect("a folder");
        fs_err::copy(from, place).expect("a copy");
    }

    /// Writes a file that nobody else may read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let place = self.path(name);
        fs_err::create_dir_all(place.parent().expect("it is below")).expect("a folder");
        fs_err::write(&place, text).expect("a file");
        set_mode(&place, 0o600);
        place
    }

    /// The program in the project, with the user's folders.
    fn program(&self) -> Command {
        let id = self.platform.id;
        let words = ["--sysbase", id, "--tag", &self.version, "-vvv", "--verify"];
        let mut command = self.project.program(&words);
        command
            .env("OMNIBUILD_CACHE_DIR", self.path("cache"))
            .env("HOME", self.path("home"));
        if engine::tested() == Tested::Sandbox {
            command.env("OMNIBUILD_SANDBOX_DIR", sandbox::store());
        }
        command
    }

    fn run(&self, command: Command) -> (Ran, Seen) {
        let running = Running::start(command);
        let onlooker = Onlooker::begin(Arc::clone(&self.search), running.id());
        let ran = running.finish();
        (ran, onlooker.end())
    }

    /// Where the mark is of all that the run made, kept or said.
    fn finds(&self, ran: &Ran) -> Vec<String> {
        fs_err::write(self.path("stdout"), &ran.stdout).expect("a file");
        fs_err::write(self.path("stderr"), &ran.stderr).expect("a file");
        let image = |version: &str| format!("omnibuild/mytool:{}-{version}", self.platform.id);
        let folder = self.path("image");
        fs_err::create_dir(&folder).expect("a folder");
        let mut roots = unfold(&image(&self.version), &image("1.4.2"), &folder);
        roots.extend(["cache", "stdout", "stderr"].map(|name| self.path(name)));
        if engine::tested() == Tested::Sandbox {
            assert_eq!(engine::containers_of(ran.process), Vec::<String>::new());
            roots.extend(sandbox::layers().difference(&self.layers).cloned());
            fs_err::write(folder.join("records"), sandbox::records()).expect("a file");
        }
        roots.extend([".omnibuild", "packages"].map(|name| self.project.root().join(name)));
        let roots: Vec<&Path> = roots.iter().map(AsRef::as_ref).collect();
        self.search.find(&roots)
    }
}

fn set_mode(path: &Path, mode: u32) {
    let rights = std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(path, rights).expect("it is ours");
}

impl Drop for Scene {
    fn drop(&mut self) {
        if engine::tested() == Tested::Docker {
            let name = format!("omnibuild/mytool:{}-{}", self.platform.id, self.version);
            let format = "{{range .RepoTags}}{{.}} {{end}}";
            let names = engine::client(&["image", "inspect", "--format", format, &name]);
            for name in String::from_utf8_lossy(&names.stdout).split_whitespace() {
                engine::client(&["image", "rm", name]);
            }
        }
    }
}

#[test]
fn secrets_of_the_user_are_in_nothing_that_is_made_kept_or_said() {
    for platform in platform::one_of_each_manager() {
        plant_and_search(platform);
    }
}

fn plant_and_search(platform: Platform) {
    let scene = Scene::set(platform);
    let secret = |name: &str| scene.search.secret(name);
    let basic = |user: &str, secret: &str| {
        format!("Basic {}", base64(format!("{user}:{secret}").as_bytes()))
    };

    // 1: a token in the address of an index.
    let token = secret("token");
    let setup = format!(
        "{LOOK}\n_look(False)\nfrom setuptools import setup\nsetup(name='inhouse', version='1.0')\n"
    );
    let index = Index::of_kept_wheels(
        &basic("__token__", &token),
        &[("inhouse", &[("setup.py", &setup)])],
    );
    // 2 to 4: a file with a token, the password of a host, one of the keyring.
    let others = ["oftoken", "ofnetrc", "ofkeyring"].map(|name| {
        let user = if name == "oftoken" {
            "__token__"
        } else {
            "jane"
        };
        let authorization = basic(user, &secret(name));
        Index::guarded(&authorization, &[(name, &of(&sources(name, "")))])
    });
    let [of_token_file, of_netrc, of_keyring] = &others;
    // 5: a key of ssh, which an agent has.
    let forge = Forge::with_key_of(&scene.search.key());
    let of_agent = forge.publish("ofagent", &of(&sources("ofagent", "")));
    let private = format!("inhouse==1.0\noftoken\nofnetrc\nofkeyring\n{of_agent}\n");
    scene.project.write("private.txt", &private);
    let token_file = scene.write("token-file", &secret("oftoken"));
    let netrc = format!(
        "machine localhost login jane password {}\n",
        secret("ofnetrc")
    );
    scene.write("home/.netrc", &netrc);
    let keyring = scene.write("keyring-file", &secret("ofkeyring"));
    let program = format!(
        "#!/bin/sh\ntest \"$1\" = get && cat {}\n",
        keyring.display()
    );
    let program = scene.write("bin/keyring", &program);
    set_mode(&program, 0o755);
    let table = format!(
        "extra-index-urls = [\"{}\", \"{}\", \"{}\"]\n[tool.omnibuild.index]\nkeyring-provider = \"subprocess\"\n\
         token-files = {{ \"{}\" = \"{}\" }}\n\n[tool.omnibuild.packages.cli]\n",
        of_token_file.address(""),
        of_netrc.address("").replace("127.0.0.1", "localhost"),
        of_keyring.address("jane@"),
        of_token_file.authority(),
        token_file.display(),
    );
    scene
        .project
        .replace("pyproject.toml", "[tool.omnibuild.packages.cli]\n", &table);
    // 6: the key of the remote cache.
    let bucket = Bucket::serve();
    // 7: the password of the proxy.
    let password = secret("proxy");
    let proxy = Proxy::start(basic("jane", &password));
    // 8: the passphrase of the key that signs.
    let home = scene.path("gnupg");
    fs_err::create_dir(&home).expect("a folder");
    let passphrase = secret("passphrase");
    keys::make_with_passphrase(&home, &passphrase);
    let passphrase = scene.write("passphrase", &format!("{passphrase}\n"));
    // 9: where the project came from.
    let origin = format!(
        "https://jane:{}@git.example/mytool.git",
        percent_encoded(&secret("origin"))
    );
    let added = Command::new("git")
        .current_dir(scene.project.root())
        .args(["remote", "add", "origin", &origin])
        .status();
    assert!(added.is_ok_and(|status| status.success()));
    // 10: a registry.
    let registry = base64(format!("jane:{}", secret("registry")).as_bytes());
    let auths = format!("{{\"auths\": {{\"registry.example\": {{\"auth\": \"{registry}\"}}}}}}");
    scene.write("home/.docker/config.json", &auths);
    scene.project.commit();

    let mut command = scene.program();
    forge.lend(&mut command, &scene.path("home"));
    let address = format!(
        "http://jane:{}@{}",
        percent_encoded(&password),
        proxy.authority()
    );
    for name in program::PROXIES
        .iter()
        .filter(|name| !name.to_lowercase().starts_with("no"))
    {
        command.env(name, &address);
    }
    command
        .env(
            "PIP_INDEX_URL",
            index.address(&format!("__token__:{}@", percent_encoded(&token))),
        )
        .env("OMNIBUILD_CACHE_REMOTE", "s3://cache/team")
        .env("AWS_ENDPOINT_URL", bucket.address())
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "tester")
        .env("AWS_SECRET_ACCESS_KEY", secret("bucket"))
        .env("OMNIBUILD_SIGNING_KEY_FILE", home.join("secret.asc"))
        .env("OMNIBUILD_SIGNING_PASSPHRASE_FILE", &passphrase)
        .env(
            "PATH",
            format!(
                "{}:{}",
                scene.path("bin").display(),
                std::env::var("PATH").unwrap_or_default()
            ),
        )
        .env("DOCKER_CONFIG", scene.path("home/.docker"))
        // 11: whatever else is in the environment.
        .env("DEPLOY_TOKEN", secret("environment"));
    let (ran, mut seen) = scene.run(command);
    let ran = ran.succeeded().said(&["3 packages", "verify: installed"]);

    // Each was needed, or at least could be read.
    let (objects, signed) = bucket.seen();
    assert!(
        !objects.is_empty() && signed > 0,
        "the remote cache was not used"
    );
    assert!(proxy.used() > 0, "the proxy was not used");
    assert!(seen.environments > 0, "no process in a container was seen");
    assert!(seen.descriptions > 0, "no container was seen");
    let log = scene.project.log(scene.platform.id);
    assert!(log.matches("seen: ").count() > 1, "{log}");
    let files: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("files: "))
        .collect();
    assert!(files.len() >= 2, "{log}");

    let mut found = scene.finds(&ran);
    for (path, object) in &objects {
        if scene.search.is_in(object) || scene.search.is_in(path.as_bytes()) {
            found.push(format!("the remote cache: {path}"));
        }
    }
    // What fetches has to be told the way.
    seen.found.retain(|place| {
        let of_proxy = place.contains("_proxy=") || place.contains("_PROXY=");
        !(of_proxy && place.starts_with("the environment of"))
    });
    found.extend(seen.found);
    assert!(
        found.is_empty(),
        "secrets were found:\n{}",
        found.join("\n")
    );
}

#[test]
fn the_search_finds_what_is_planted_in_each_kind_of_place() {
    let scene = Scene::set(platform::first_asked());
    let mark = scene.search.secret("planted");
    // In the package, in Base64 behind a text that moves it; in a file that is compressed itself.
    let hidden = base64(format!("jane:{mark}").as_bytes());
    scene
        .project
        .write("src/mytool/data/hidden.json", &format!("\"{hidden}\"\n"));
    scene.project.write("private.txt", "idna\n");
    let place = format!("images/{}/Dockerfile", scene.platform.id);
    let planted = format!(
        "ENV PLANTED={mark}\nLABEL planted={mark}\nRUN echo {hidden} | gzip -c >/planted.gz\nARG BUILD_DEPENDS="
    );
    scene
        .project
        .replace(&place, "ARG BUILD_DEPENDS=", &planted);
    let running = format!(
        "import subprocess\nsubprocess.check_call(['sh', '-c', 'sleep 0.5 #{mark}'], env=dict(_os.environ, PLANTED='{mark}'))\n\
         print('printed {mark}')\nsetup"
    );
    scene
        .project
        .replace("setup.py", "_look(True)\nsetup", &running);
    scene.project.replace(
        "pyproject.toml",
        "Acme Operations\"",
        &format!(
            "Acme {}\"",
            scene.search.secret("x").replace(['/', '+', '%', '='], "")
        ),
    );
    scene.project.commit();
    let (ran, seen) = scene.run(scene.program());
    let ran = ran.succeeded();
    let mut found = scene.finds(&ran);
    found.extend(seen.found);
    for place in [
        // The package, its bill of materials, and what was kept for the next.
        "packages/",
        "content > ./opt/mytool",
        "cdx.json",
        "/cache/v1/layers/",
        "/cache/wheels/",
        ".omnibuild/logs/",
        "stderr",
        // The image.
        "description",
        "planted.gz",
        // While it ran.
        "the command line",
        "the environment of",
    ] {
        assert!(
            found.iter().any(|found| found.contains(place)),
            "nothing was found in `{place}`:\n{}",
            found.join("\n")
        );
    }
}

#[test]
fn an_index_takes_the_password_of_netrc_and_no_other() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let setup = "from setuptools import setup\nsetup(name='inhouse', version='1.0')\n";
    let authorization = format!("Basic {}", base64(b"jane:right one"));
    let index = Index::of_kept_wheels(&authorization, &[("inhouse", &[("setup.py", setup)])]);
    let configuration = format!(
        "name = \"guarded\"\nversion = \"1\"\nrequirements = [\"r.txt\"]\nindex-url = \"{}\"\n",
        index.address("")
    );
    let project = Project::of(&[("omnibuild.toml", &configuration), ("r.txt", "inhouse\n")]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let netrc = folder.path().join("netrc");
    let run = |password: Option<&str>, mode: u32| {
        let mut command = project.program(&["--sysbase", platform.id]);
        Index::reach_from(&mut command);
        command
            .env_remove("PIP_INDEX_URL")
            .arg("--wheel-dir")
            .arg(folder.path());
        if let Some(password) = password {
            let text = format!("machine 127.0.0.1 login jane password \"{password}\"\n");
            fs_err::write(&netrc, text).expect("a file");
            set_mode(&netrc, mode);
            command.env("NETRC", &netrc);
        }
        program::run(command)
    };
    run(None, 0)
        .ended_with(13)
        .said(&["without the right credentials", "in ~/.netrc"]);
    let source = format!("are from `{}`", netrc.display());
    run(Some("wrong one"), 0o600)
        .ended_with(13)
        .said(&["without the right", &source]);
    let warned = format!("others can read the passwords in `{}`", netrc.display());
    run(Some("right one"), 0o644)
        .succeeded()
        .said(&[&warned, "chmod 600"]);
}
