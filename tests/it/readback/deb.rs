//! Debs in the eyes of dpkg-deb, ar and gpg.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use omnibuild::config::Platform;

use super::{Line, Said, Tools, keys, run, sha256, text};

pub(super) struct Dpkg;

/// The fields that name other packages.
const RELATIONS: [&str; 7] = [
    "Breaks",
    "Conflicts",
    "Depends",
    "Pre-Depends",
    "Provides",
    "Recommends",
    "Replaces",
];

/// What runs when a package comes and goes.
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

impl Tools for Dpkg {
    fn say(&self, path: &Path, _folder: &Path) -> Said {
        let mut said = Said::default();
        for (name, value) in fields(&text("dpkg-deb", &["-f".as_ref(), path.as_os_str()])) {
            if RELATIONS.contains(&name.as_str()) {
                let list = value.split(", ").map(str::to_owned);
                said.relations.insert(name, list.collect());
                continue;
            }
            let name = if name == "Package" {
                "Name".to_owned()
            } else {
                name
            };
            said.fields.insert(name, value);
        }
        let information = text("dpkg-deb", &["-I".as_ref(), path.as_os_str()]);
        for script in SCRIPTS {
            // `   1234 bytes,    42 lines   *  postinst             #!/bin/sh`
            let has = |line: &str| line.split_whitespace().any(|word| word == script);
            if information
                .lines()
                .any(|line| line.contains(" bytes,") && has(line))
            {
                let words = ["-I".as_ref(), path.as_os_str(), script.as_ref()];
                let script_text = text("dpkg-deb", &words).trim().to_owned();
                said.scripts.insert(script.to_owned(), script_text);
            }
        }
        said.files = listed(&text("dpkg-deb", &["-c".as_ref(), path.as_os_str()]));
        let archive = run("dpkg-deb", &["--fsys-tarfile".as_ref(), path.as_os_str()]);
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_owned();
                said.contents.insert(absolute(&name), sha256(&content));
            }
        }
        said
    }

    /// The members that dpkg of that time knows, and who signed them.
    fn check(&self, path: &Path, platform: &Platform, keyring: &Path, folder: &Path) {
        let data = format!("data.tar.{}", platform.codec.extension());
        let members = ["debian-binary", "control.tar.gz", &data];
        let listing = text("ar", &["t".as_ref(), path.as_os_str()]);
        let listing: Vec<&str> = listing.lines().collect();
        assert_eq!(
            listing,
            [&members[..], &["_gpgorigin"]].concat(),
            "{}",
            path.display()
        );
        let member = |name: &str| run("ar", &["p".as_ref(), path.as_os_str(), name.as_ref()]);
        assert_eq!(member("debian-binary"), b"2.0\n");
        let signature = folder.join("signature");
        fs_err::write(&signature, member("_gpgorigin")).unwrap();
        let content = folder.join("content");
        fs_err::write(&content, members.map(member).concat()).unwrap();
        let files = [&signature, &content].map(|file| file.to_str().unwrap());
        keys::gpg(keyring, &["--verify", files[0], files[1]]);
        keys::stop(keyring);
    }

    fn floor(&self, (major, minor): (u32, u32)) -> String {
        format!("libc6 (>= {major}.{minor})")
    }

    fn ending(&self, platform: &Platform, is_bundle: bool) -> String {
        let architecture = if is_bundle { "amd64" } else { "all" };
        format!("{}_{architecture}.deb", platform.suffix)
    }
}

/// The fields of a control file (deb822(5)).
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(more) = line.strip_prefix(' ') {
            let value = fields.get_mut(&last).unwrap();
            value.push('\n');
            value.push_str(more);
        } else {
            let (name, value) = line.split_once(": ").unwrap();
            name.clone_into(&mut last);
            fields.insert(last.clone(), value.to_owned());
        }
    }
    fields
}

/// The lines of `dpkg-deb -c`, which are tar's: `-rw-r--r-- root/root 12 2023-11-14 22:13 ./etc/x`.
fn listed(text: &str) -> BTreeSet<Line> {
    let lines = text.lines().map(|line| {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap().to_owned();
        let (mode, owner, size, _, _, path) = (word(), word(), word(), word(), word(), word());
        let target = line.split_once(" -> ").map_or("", |(_, target)| target);
        Line {
            path: absolute(&path),
            mode,
            owner,
            size: size.parse().unwrap(),
            target: target.to_owned(),
        }
    });
    // Every deb names the root itself.
    lines.filter(|line| line.path != "/").collect()
}

fn absolute(name: &str) -> String {
    let name = name.trim_start_matches("./").trim_end_matches('/');
    format!("/{name}")
}
