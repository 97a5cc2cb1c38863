//! A package index (PEP 503) on this machine, with source distributions that are made on the spot:
//! what fails in a way that no distribution of the public index may be relied on to fail.
//!
//! Containers reach it through the machine's own network, so the engine must be on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::program;
use super::site::Site;

/// An index that answers until the tests end.
pub(crate) struct Index(Site);

impl Index {
    /// An index of these distributions, each of version 1.0: name and files, `setup.py` among them.
    pub(crate) fn serve(distributions: &[(&str, &[(&str, &str)])]) -> Self {
        let archives: BTreeMap<String, Vec<u8>> = distributions
            .iter()
            .map(|(name, files)| ((*name).to_owned(), source_distribution(name, files)))
            .collect();
        Self(Site::answering(move |path| {
            let name = path.trim_matches('/').rsplit('/').next()?;
            let archive = name
                .strip_suffix("-1.0.tar.gz")
                .and_then(|name| archives.get(name));
            if let Some(archive) = archive {
                return Some(("application/gzip", archive.clone()));
            }
            archives.get(name)?;
            let page = format!("<a href=\"/files/{name}-1.0.tar.gz\">{name}-1.0.tar.gz</a>");
            Some(("text/html", page.into_bytes()))
        }))
    }

    /// An index of all wheels that the tests' cache has, for those who say this in `Authorization`;
    /// beside them these distributions of version 1.0.
    pub(crate) fn of_kept_wheels(
        authorization: &str,
        distributions: &[(&str, &[(&str, &str)])],
    ) -> Self {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(program::cache().join("wheels/v1/wheels")) {
            let path = entry.expect("it can be read").into_path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.extension().is_some_and(|it| it == "whl") {
                files.insert(name, path);
            }
        }
        Self::of_files(authorization, files, distributions)
    }

    fn of_files(
        authorization: &str,
        files: BTreeMap<String, PathBuf>,
        distributions: &[(&str, &[(&str, &str)])],
    ) -> Self {
        let archives: BTreeMap<String, Vec<u8>> = distributions
            .iter()
            .map(|(name, files)| {
                (
                    format!("{name}-1.0.tar.gz"),
                    source_distribution(name, files),
                )
            })
            .collect();
        Self(Site::guarded(authorization.to_owned(), move |path| {
            let name = path.trim_matches('/').rsplit('/').next()?;
            if let Some(archive) = archives.get(name) {
                return Some(("application/gzip", archive.clone()));
            }
            if let Some(path) = files.get(name) {
                return Some(("application/zip", fs_err::read(path).ok()?));
            }
            let own = |file: &&String| {
                let (start, _) = file.split_once('-').unwrap_or_default();
                start.to_lowercase().replace(['_', '.'], "-") == name
            };
            let lines: Vec<String> = files
                .keys()
                .chain(archives.keys())
                .filter(own)
                .map(|file| format!("<a href=\"/files/{file}\">{file}</a>\n"))
                .collect();
            (!lines.is_empty()).then(|| ("text/html", lines.concat().into_bytes()))
        }))
    }

    /// An index of these distributions, each of version 1.0, for those who say this in `Authorization`.
    pub(crate) fn guarded(authorization: &str, distributions: &[(&str, &[(&str, &str)])]) -> Self {
        Self::of_files(authorization, BTreeMap::new(), distributions)
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.0.authority()
    }

    /// Its address, with what stands in front of the host.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("http://{user}{}/simple/", self.0.authority())
    }

    /// The line of a configuration that names it, beside the public index.
    pub(crate) fn configuration(&self) -> String {
        format!("extra-index-urls = [\"{}/simple/\"]\n", self.0.address())
    }

    /// Lets the program's containers use the machine's own network, where it is.
    pub(crate) fn reach_from(command: &mut Command) {
        for name in ["no_proxy", "NO_PROXY"] {
            let others = std::env::var(name).unwrap_or_default();
            command.env(name, format!("127.0.0.1,{others}").trim_end_matches(','));
        }
        command.env("OMNIBUILD_NETWORK", "host");
    }
}

pub(crate) fn source_distribution(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    let about = format!("Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n");
    for (path, text) in files.iter().copied().chain([("PKG-INFO", about.as_str())]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}-1.0/{path}");
        archive
            .append_data(&mut header, path, text.as_bytes())
            .expect("memory can be written");
    }
    let encoder = archive.into_inner().expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// A build backend that needs nothing but Python.
const BACKEND: &str = r"
import base64, hashlib, os, zipfile
INFO = 'NAME-1.0.dist-info/'
FILES = {
    'NAME.py': '',
    INFO + 'METADATA': 'Metadata-Version: 2.1\nName: NAME\nVersion: 1.0\n',
    INFO + 'WHEEL': 'Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
}
def line(name):
    digest = base64.urlsafe_b64encode(hashlib.sha256(FILES[name].encode()).digest()).decode().rstrip('=')
    return '%s,sha256=%s,%d\n' % (name, digest, len(FILES[name]))
def build_wheel(directory, settings=None, metadata=None):
    record = ''.join(map(line, FILES)) + INFO + 'RECORD,,\n'
    with zipfile.ZipFile(os.path.join(directory, 'NAME-1.0-py3-none-any.whl'), 'w') as wheel:
        for name, text in list(FILES.items()) + [(INFO + 'RECORD', record)]:
            wheel.writestr(name, text)
    return 'NAME-1.0-py3-none-any.whl'
";

/// The sources of a distribution of version 1.0 whose wheel is quickly built; the code in front runs then.
pub(crate) fn sources(name: &str, code: &str) -> [(&'static str, String); 2] {
    let pyproject = format!(
        "[project]\nname = \"{name}\"\nversion = \"1.0\"\n[build-system]\nrequires = []\n\
         build-backend = \"backend\"\nbackend-path = [\".\"]\n"
    );
    let backend = code.to_owned() + &BACKEND.replace("NAME", name);
    [("pyproject.toml", pyproject), ("backend.py", backend)]
}

/// Files as functions take them.
pub(crate) fn of<'a>(files: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect()
}
