//! Whole requirement files with their includes, in folders.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::Kind;

use super::*;

/// A digest, and another.
const ONE: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, content).unwrap();
        }
        Self(folder)
    }

    fn read(&self) -> Result<RequirementSet> {
        read(self.0.path(), Path::new("requirements.txt"))
    }
}

fn canonical(content: &str) -> Vec<String> {
    Project::new(&[("requirements.txt", content)])
        .read()
        .unwrap()
        .canonical()
}

fn texts(lines: &[RequirementLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

const PINNED: &str = "\
# made by a lock tool\n\
amqp==2.4.2\n\
Beaker==1.12.1\n\
bottle-swagger-2==2.0.9\n\
repoze.lru==0.7\n\
setuptools_cython==0.2.1  # build only\n\
Flask-RESTful==0.3.6 ; python_version >= \"3\"\n";

#[test]
fn a_pinned_list_is_read_line_by_line() {
    let set = Project::new(&[("requirements.txt", PINNED)])
        .read()
        .unwrap();
    assert_eq!(
        set.files,
        [("requirements.txt".to_owned(), PINNED.as_bytes().to_vec())]
    );
    assert_eq!(set.requirements.len(), 6);
    assert_eq!(set.requirements[0].line, 2);
    assert_eq!(
        set.pinned_version("flask.restful").as_deref(),
        Some("0.3.6")
    );
    assert_eq!(set.pinned_version("Repoze_LRU").as_deref(), Some("0.7"));
    assert_eq!(set.pinned_version("flask"), None);
    assert_eq!(set.pinned_version("not a name"), None);
}

#[test]
fn a_pin_is_told_from_a_range_and_from_two_pins() {
    let set = Project::new(&[
        ("requirements.txt", "a==1.*\nb>=1\nc==1 ; python_version < '3'\nc==2 ; python_version >= '3'\nd\ne===1.0\nf==1\nf==1\n-c c.txt\ng @ https://h/g.zip#sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("c.txt", "d==4\nf==9"),
    ])
    .read()
    .unwrap();
    let pins = ["a", "b", "c", "d", "e", "f", "g"].map(|name| set.pinned_version(name));
    let expected = [None, None, None, Some("4"), Some("1.0"), Some("1"), None];
    assert_eq!(pins, expected.map(|pin| pin.map(str::to_owned)));
}

#[test]
fn includes_are_followed_from_the_file_that_names_them() {
    let project = Project::new(&[
        (
            "requirements.txt",
            "-r requirements/base.txt\n--requirement=requirements/test.txt\nown",
        ),
        ("requirements/base.txt", "-c ../constraints.txt\nbase==1"),
        ("requirements/test.txt", "-rbase.txt\ntest"),
        ("constraints.txt", "base==1\n-r more.txt"),
        ("more.txt", "more\n--pre"),
    ]);
    let set = project.read().unwrap();
    let files: Vec<&str> = set.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        files,
        [
            "requirements.txt",
            "requirements/base.txt",
            "constraints.txt",
            "more.txt",
            "requirements/test.txt"
        ]
    );
    assert_eq!(texts(&set.requirements), ["more", "base==1", "test", "own"]);
    assert_eq!(texts(&set.constraints), ["base==1"]);
    assert_eq!(
        (set.options[0].file.as_str(), set.options[0].line),
        ("more.txt", 2)
    );
    let absolute = read(
        project.0.path(),
        &project.0.path().join("requirements/base.txt"),
    )
    .unwrap();
    assert_eq!(absolute.files[0].0, "requirements/base.txt");
}

#[test]
fn a_circle_is_named() {
    let error = Project::new(&[
        ("requirements.txt", "-r a/b.txt"),
        ("a/b.txt", "x\n-c ./../requirements.txt"),
    ])
    .read()
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(
        error
            .message()
            .contains("requirements.txt -> a/b.txt -> requirements.txt"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named_with_the_line_that_wants_it() {
    let error = Project::new(&[
        ("requirements.txt", "-r a/b.txt"),
        ("a/b.txt", "x\n\n-c gone.txt"),
    ])
    .read()
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert_eq!(
        error.message(),
        "a/b.txt:3: requirement file `a/gone.txt` does not exist"
    );
    let error = Project::new(&[]).read().unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert!(error.message().contains("`requirements.txt`"), "{error}");
}

#[test]
fn nothing_outside_of_the_project_is_read() {
    let outer = Project::new(&[
        ("secret.txt", "secret"),
        ("project/a.txt", "-r ../secret.txt"),
        ("project/deep/b.txt", "\n-r ../../secret.txt"),
        ("project/c.txt", "-r /etc/hostname"),
        ("project/d.txt", "-r link.txt"),
        ("project/e.txt", "-r deep/../deep/../fine.txt"),
        ("project/fine.txt", "fine"),
    ]);
    let root = outer.0.path().join("project");
    fs::os::unix::fs::symlink(outer.0.path().join("secret.txt"), root.join("link.txt")).unwrap();
    fs::os::unix::fs::symlink("fine.txt", root.join("inner.txt")).unwrap();
    for (file, place) in [
        ("a.txt", "a.txt:1"),
        ("deep/b.txt", "deep/b.txt:2"),
        ("c.txt", "c.txt:1"),
        ("d.txt", "d.txt:1"),
    ] {
        let error = read(&root, Path::new(file)).unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.message().contains(place), "{error}");
        assert!(error.message().contains("outside"), "{error}");
    }
    for outside in [
        PathBuf::from("../secret.txt"),
        outer.0.path().join("secret.txt"),
        PathBuf::from(".."),
    ] {
        assert_eq!(read(&root, &outside).unwrap_err().kind(), Kind::Config);
    }
    assert_eq!(
        read(&root, Path::new("deep")).unwrap_err().kind(),
        Kind::Config
    );
    for inside in ["e.txt", "inner.txt"] {
        assert_eq!(
            texts(&read(&root, Path::new(inside)).unwrap().requirements),
            ["fine"]
        );
    }
}

#[test]
fn a_wrong_line_is_named_with_its_file_and_number() {
    let error = Project::new(&[
        ("requirements.txt", "fine\n-r a.txt"),
        ("a.txt", "# comment\nx \\\n  ==1\nfoo=1.0\n"),
    ])
    .read()
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().starts_with("a.txt:4: `foo=1.0`"), "{error}");
}

#[test]
fn canonical_lines_know_only_what_matters() {
    let lines = canonical(PINNED);
    assert!(lines.is_sorted());
    let mut reordered: Vec<&str> = PINNED.lines().collect();
    reordered.reverse();
    let reordered = reordered.join("\r\n\r\n  # another comment\r\n");
    assert_eq!(
        canonical(&format!("\u{feff}{reordered}\r\namqp==2.4.2")),
        lines
    );
    assert_eq!(
        canonical(&format!("A_b==1.0 \\\n  --hash={ONE} \\\n  --hash={OTHER}")),
        canonical(&format!("a-b == 1.0 --hash {OTHER}  --hash {ONE}"))
    );
    assert_eq!(canonical("x[b, A]>=1,<2"), canonical("X [a,b] < 2, >= 1"));
    for other in [
        "amqp==2.4.3",
        "-c requirements2.txt",
        "--pre",
        "-i https://host/",
    ] {
        let project = Project::new(&[
            ("requirements.txt", &PINNED.replace("amqp==2.4.2", other)),
            ("requirements2.txt", "amqp==2.4.2"),
        ]);
        assert_ne!(project.read().unwrap().canonical(), lines, "{other}");
    }
}

#[test]
fn canonical_lines_hold_no_credentials_and_place_relative_folders() {
    let digest = ONE.replace(':', "=");
    let with = |user: &str| {
        let project = Project::new(&[
            (
                "requirements.txt",
                &format!(
                    "-i https://{user}host/simple\nx @ https://{user}h/x.zip#{digest}\n-r sub/a.txt\n-f wheels"
                ),
            ),
            (
                "sub/a.txt",
                &format!(
                    "-f wheels\ngit+https://{user}h/y@{}#egg=y\n-c c.txt",
                    &OTHER[7..47]
                ),
            ),
            ("sub/c.txt", "z<3"),
            ("wheels/a-1-py3-none-any.whl", "one"),
            ("wheels/README", "no archive"),
            ("sub/wheels/b-1.tar.gz", "other"),
        ]);
        let set = project.read().unwrap();
        let addresses: Vec<String> = set.addresses().map(str::to_owned).collect();
        (set.canonical(), addresses)
    };
    let (one, other) = (Digest::of("one"), Digest::of("other"));
    let (lines, addresses) = with("me:secret@");
    assert_eq!(
        lines,
        [
            "--find-links=sub/wheels".to_owned(),
            "--find-links=wheels".to_owned(),
            "--index-url=https://host/simple".to_owned(),
            format!("archive sub/wheels/b-1.tar.gz sha256:{other}"),
            format!("archive wheels/a-1-py3-none-any.whl sha256:{one}"),
            "constraint z<3".to_owned(),
            format!("git+https://h/y@{}#egg=y", &OTHER[7..47]),
            format!("x @ https://h/x.zip#{digest}"),
        ]
    );
    assert_eq!(lines, with("").0);
    assert_eq!(
        addresses
            .iter()
            .filter(|address| address.starts_with("me:secret@"))
            .count(),
        3
    );
}

#[test]
fn files_of_the_project_travel_and_their_content_decides() {
    let wheel = "vendor/x-1-py3-none-any.whl";
    let project = |content: &str| {
        let project = Project::new(&[(wheel, content), ("requirements.txt", "")]);
        let root = fs::canonicalize(project.0.path()).unwrap();
        let lines = format!(
            "./{wheel}[fast] ; python_version > '3'\nx @ file://{}/{wheel}\n",
            root.display()
        );
        fs::write(root.join("requirements.txt"), lines).unwrap();
        project
    };
    let (one, same, other) = (project("one"), project("one"), project("other"));
    let set = one.read().unwrap();
    let places: Vec<&Place> = set.requirements.iter().map(|line| &line.place).collect();
    let place = Place::File(wheel.to_owned());
    assert_eq!(places, [&place, &place]);
    assert_eq!(set.archives.get(wheel), Some(&Digest::of("one")));
    // They may be large: their content is in no memory.
    assert_eq!(set.files.len(), 1);
    assert_eq!(set.canonical(), same.read().unwrap().canonical());
    assert_ne!(set.canonical(), other.read().unwrap().canonical());
    let text = set.canonical().join("\n");
    assert!(
        text.contains(&format!("file {wheel} [fast]; python_version > '3'")),
        "{text}"
    );
}

#[test]
fn places_outside_and_folders_are_refused_with_their_line() {
    for (line, kind, word) in [
        ("../x-1.whl", Kind::Config, "outside"),
        ("/srv/x-1.whl", Kind::Config, "outside"),
        ("x @ file:///srv/x-1.whl", Kind::Config, "outside"),
        ("./gone-1.whl", Kind::Missing, "does not exist"),
        ("./link-1.whl", Kind::Config, "outside"),
        (".", Kind::Config, "the project itself"),
        (".[dev]", Kind::Config, "the project itself"),
        ("./sub", Kind::Config, "by its path"),
        ("sub/notes.txt", Kind::Config, "by its path"),
        ("-f ../wheels", Kind::Config, "outside"),
        ("-f sub/notes.txt", Kind::Config, "not a folder"),
        (
            "-f sub/odd",
            Kind::Config,
            "`sub/odd/x-1.whl` is not a file",
        ),
        ("-e ./sub", Kind::Config, "editable"),
        (
            "git+https://me:secret@h/x@main",
            Kind::Config,
            "branches and tags move",
        ),
    ] {
        let project = Project::new(&[
            ("requirements.txt", "-r sub/a.txt"),
            ("sub/a.txt", ""),
            ("sub/notes.txt", "x"),
            ("sub/odd/x-1.whl/in", "x"),
        ]);
        fs::os::unix::fs::symlink("/etc/hostname", project.0.path().join("link-1.whl")).unwrap();
        // A folder is looked for beside the file that names it.
        let line = line
            .replace("-f ../", "-f ../../")
            .replace("-f sub/", "-f ");
        fs::write(
            project.0.path().join("sub/a.txt"),
            format!("# first\n{line}\n"),
        )
        .unwrap();
        let error = project.read().unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert!(error.message().starts_with("sub/a.txt:2: "), "{error}");
        let said = format!("{} {}", error.message(), error.hints().join(" "));
        assert!(
            said.contains(word) && !said.contains("secret"),
            "{line}: {said}"
        );
    }
}

#[test]
fn with_one_hash_everything_is_pinned_and_has_one() {
    let read = |text: &str| Project::new(&[("requirements.txt", text)]).read();
    let hashed = format!("a==1 --hash={ONE}\n");
    let set = read(&format!("{hashed}b==2 --hash={ONE} --hash={OTHER}\n")).unwrap();
    assert!(set.requires_hashes() && set.requirements[1].hashes.len() == 2);
    assert!(!read("a==1\nb").unwrap().requires_hashes());
    let commit = &OTHER[7..47];
    for (text, place, why) in [
        (
            format!("{hashed}b==2\n"),
            "requirements.txt:2",
            "it has no hash, and requirements.txt:1 has one",
        ),
        (
            format!("{hashed}b>=2 --hash={ONE}\n"),
            "requirements.txt:2",
            "it is not pinned",
        ),
        (
            format!("{hashed}b==2.* --hash={ONE}\n"),
            "requirements.txt:2",
            "it is not pinned",
        ),
        (
            format!("{hashed}git+https://h/x@{commit}\n"),
            "requirements.txt:2",
            "a repository has no hash",
        ),
        (
            "\n--require-hashes\na==1\n".to_owned(),
            "requirements.txt:3",
            "says `--require-hashes`",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().starts_with(place), "{error}");
        assert!(error.message().contains(why), "{error}");
    }
    let local = |hash: &str| {
        let text = format!("{hashed}./x-1.whl{hash}\n");
        Project::new(&[("requirements.txt", &text), ("x-1.whl", "")]).read()
    };
    assert!(local(&format!(" --hash={ONE}")).is_ok());
    let error = local("").unwrap_err();
    assert!(error.message().contains("it has no hash"), "{error}");
    let error = local(&format!(" --hash={OTHER}")).unwrap_err();
    for digest in [ONE, OTHER] {
        assert!(error.message().contains(&digest[7..]), "{error}");
    }
    let url = format!("{hashed}x @ https://h/x.zip#{}\n", ONE.replace(':', "="));
    assert!(read(&url).is_ok());
}

#[test]
fn a_lock_file_is_told_from_a_requirement_file() {
    let project = Project::new(&[
        ("uv.lock", "version = 1\n"),
        ("pyproject.toml", "# of uv\n"),
        ("requirements.txt", "a\n"),
        ("alone/uv.lock", "version = 1\n"),
        ("alone/pylock.toml", "lock-version = \"1.0\"\n"),
    ]);
    let lock = |name| read_lock(project.0.path(), Path::new(name));
    let found = lock("uv.lock").unwrap().unwrap();
    assert_eq!((found.kind, found.path.as_str()), (LockKind::Uv, "uv.lock"));
    assert_eq!(found.project.as_deref(), Some(&b"# of uv\n"[..]));
    assert_eq!(lock("alone/uv.lock").unwrap_err().kind(), Kind::Missing);
    assert!(
        lock("alone/pylock.toml")
            .unwrap()
            .unwrap()
            .project
            .is_none()
    );
    assert!(lock("requirements.txt").unwrap().is_none());
    assert_eq!(lock("poetry.lock").unwrap_err().kind(), Kind::Missing);
    assert_eq!(lock("../uv.lock").unwrap_err().kind(), Kind::Config);
}

proptest::proptest! {
    #[test]
    fn no_content_stops_the_reader(
        content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
        text in "([a-z=<>~!@;#'\"${}\\[\\](),. \\\\/:\\-\n\r\t\u{e9}\u{2003}]|-r|--hash=|python_version|\\$\\{A\\}){0,24}",
    ) {
        // Whether it is an error is its own matter; a panic fails the test.
        drop(RequirementFile::parse("a", &content));
        drop(RequirementFile::parse("a", text.as_bytes()));
    }
}
