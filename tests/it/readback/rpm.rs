//! Rpms in the eyes of rpm, rpmkeys, rpm2cpio and cpio.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use omnibuild::config::Platform;
use omnibuild::fsutil::sorted_walk;
use omnibuild::platform::Codec;
use omnibuild::signing::KeyRules;

use super::{Line, Said, Tools, keys, sha256, text};

pub(super) struct Rpm;

/// The descriptive fields, by the words of our reader, and rpm's tags.
const FIELDS: [(&str, &str); 14] = [
    ("Name", "NAME"),
    ("Version", "EVR"),
    ("Architecture", "ARCH"),
    ("Summary", "SUMMARY"),
    ("Description", "DESCRIPTION"),
    ("Vendor", "VENDOR"),
    ("License", "LICENSE"),
    ("Packager", "PACKAGER"),
    ("Group", "GROUP"),
    ("URL", "URL"),
    ("SourceRPM", "SOURCERPM"),
    ("BuildHost", "BUILDHOST"),
    ("BuildTime", "BUILDTIME"),
    ("RPMVersion", "RPMVERSION"),
];

const RELATIONS: [(&str, &str); 5] = [
    ("Provides", "--provides"),
    ("Requires", "--requires"),
    ("Conflicts", "--conflicts"),
    ("Obsoletes", "--obsoletes"),
    ("Recommends", "--recommends"),
];

const SCRIPTS: [(&str, &str); 5] = [
    ("%pre", "PREIN"),
    ("%post", "POSTIN"),
    ("%preun", "PREUN"),
    ("%postun", "POSTUN"),
    ("%posttrans", "POSTTRANS"),
];

/// What rpm says of a package file.
fn query(path: &Path, words: &[&str]) -> String {
    let start = ["-qp".as_ref(), "--nosignature".as_ref(), path.as_os_str()];
    let words = words.iter().map(AsRef::as_ref);
    text("rpm", &start.into_iter().chain(words).collect::<Vec<_>>())
}

/// A tag's value; `None`: there is none.
fn tag(path: &Path, name: &str) -> Option<String> {
    let format = format!("%|{name}?{{+%{{{name}}}}}:{{}}|");
    let value = query(path, &["--qf", &format]);
    value.strip_prefix('+').map(|value| value.trim().to_owned())
}

impl Tools for Rpm {
    fn say(&self, path: &Path, folder: &Path) -> Said {
        let mut said = Said::default();
        for (name, of_rpm) in FIELDS {
            if let Some(value) = tag(path, of_rpm) {
                said.fields.insert(name.to_owned(), value);
            }
        }
        for (name, option) in RELATIONS {
            let text = query(path, &[option]);
            let list: BTreeSet<String> = text.lines().map(|line| line.trim().to_owned()).collect();
            if !list.is_empty() {
                said.relations.insert(name.to_owned(), list);
            }
        }
        for (name, of_rpm) in SCRIPTS {
            if let Some(script) = tag(path, of_rpm) {
                said.scripts.insert(name.to_owned(), script);
            }
        }
        // `rpm -qpi` is what people read.
        let information = query(path, &["-i"]);
        for name in ["Name", "Version", "Release", "Summary"] {
            let named = |line: &str| line.split(':').next().is_some_and(|it| it.trim() == name);
            assert!(information.lines().any(named), "{information}");
        }
        said.files = listed(path);
        unpack(path, folder);
        for inside in sorted_walk(folder).unwrap() {
            let file = folder.join(&inside);
            if file.symlink_metadata().unwrap().is_file() {
                let digest = sha256(&fs_err::read(&file).unwrap());
                said.contents
                    .insert(format!("/{}", inside.display()), digest);
            }
        }
        said
    }

    /// What of rpm it asks for, and whose signature it has.
    fn check(&self, path: &Path, platform: &Platform, keyring: &Path, folder: &Path) {
        let compressor = match platform.codec {
            Codec::Gzip => "gzip",
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
        };
        assert_eq!(tag(path, "PAYLOADCOMPRESSOR").as_deref(), Some(compressor));
        let needs = query(path, &["--requires"]);
        let of_zstd = needs.contains("rpmlib(PayloadIsZstd)");
        assert_eq!(of_zstd, platform.codec == Codec::Zstd, "{needs}");
        let database = format!("--dbpath={}", folder.join("rpmdb").display());
        let public = keyring.join("public.asc");
        text(
            "rpmkeys",
            &[&database, "--import", public.to_str().unwrap()],
        );
        let said = text("rpmkeys", &[&database, "-Kv", path.to_str().unwrap()]);
        let signature = "Header V4 RSA/SHA256 Signature, key ID ";
        let signed = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(signature));
        let signed = signed.unwrap_or_else(|| panic!("{}: {said}", path.display()));
        let (key, state) = signed.split_once(": ").unwrap();
        assert_eq!(state, "OK", "{said}");
        assert!(!said.contains("NOT") && !said.contains("BAD"), "{said}");
        let listing = keys::gpg(keyring, &["--with-colons", "--list-keys"]);
        keys::stop(keyring);
        let of_kind = |kind: &str| {
            let line = listing.lines().find(|line| line.starts_with(kind));
            let id = line.and_then(|line| line.split(':').nth(4)).unwrap();
            id.to_lowercase().ends_with(key)
        };
        let by_primary = platform.signing_keys == KeyRules::RsaPrimary;
        assert_eq!(of_kind("pub:"), by_primary, "{said}");
        assert_eq!(of_kind("sub:"), !by_primary, "{said}");
    }

    fn floor(&self, (major, minor): (u32, u32)) -> String {
        format!("libc.so.6(GLIBC_{major}.{minor})(64bit)")
    }

    fn ending(&self, platform: &Platform, is_bundle: bool) -> String {
        let architecture = if is_bundle { "x86_64" } else { "noarch" };
        format!("{}.{architecture}.rpm", platform.suffix)
    }
}

/// What the header says of the files, and `rpm -qpl`.
fn listed(path: &Path) -> BTreeSet<Line> {
    let format = "[%{FILENAMES}\t%{FILEMODES:perms}\t%{FILEUSERNAME}/%{FILEGROUPNAME}\t%{FILESIZES}\t%{FILELINKTOS}\n]";
    let lines: BTreeSet<Line> = query(path, &["--qf", format])
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split('\t').collect();
            let [path, mode, owner, size, target] = words[..] else {
                panic!("{line}");
            };
            // The length of a folder or of a link is the file system's matter.
            let size = if mode.starts_with('-') { size } else { "0" };
            Line {
                path: path.to_owned(),
                mode: mode.to_owned(),
                owner: owner.to_owned(),
                size: size.parse().unwrap(),
                target: target.to_owned(),
            }
        })
        .collect();
    let names = query(path, &["-l"]);
    let names: BTreeSet<&str> = names.lines().collect();
    assert_eq!(
        lines
            .iter()
            .map(|line| line.path.as_str())
            .collect::<BTreeSet<_>>(),
        names
    );
    lines
}

/// Unpacks a package into a folder.
fn unpack(path: &Path, folder: &Path) {
    let missing = "rpm2cpio and cpio are there: run .ci/prerequisites";
    let mut first = Command::new("rpm2cpio")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect(missing);
    let second = Command::new("cpio")
        .args(["-idm", "--quiet", "--no-absolute-filenames"])
        .stdin(first.stdout.take().unwrap())
        .current_dir(folder)
        .status()
        .expect(missing);
    assert!(
        first.wait().unwrap().success() && second.success(),
        "{}",
        path.display()
    );
}
