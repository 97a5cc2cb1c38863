//! Wheels for tests, good and bad.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::wheel::record::tests::line;

/// Builds a wheel that is good unless told otherwise.
#[derive(Clone)]
pub(crate) struct WheelBuilder {
    stem: String,
    files: Vec<File>,
    metadata: String,
    wheel: String,
    without: Vec<String>,
    record_with: Option<fn(String) -> String>,
}

#[derive(Clone)]
struct File {
    name: String,
    mode: u32,
    content: Vec<u8>,
    listed: bool,
    method: CompressionMethod,
}

impl WheelBuilder {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            stem: format!("{name}-{version}"),
            files: Vec::new(),
            metadata: format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            wheel: "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
            without: Vec::new(),
            record_with: None,
        }
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.file_of_mode(name, 0o100_644, content)
    }

    pub(crate) fn executable(self, name: &str, content: &[u8]) -> Self {
        self.file_of_mode(name, 0o100_755, content)
    }

    pub(crate) fn file_of_mode(mut self, name: &str, mode: u32, content: &[u8]) -> Self {
        let method = CompressionMethod::Deflated;
        let (name, content) = (name.to_owned(), content.to_owned());
        self.files.push(File {
            name,
            mode,
            content,
            listed: true,
            method,
        });
        self
    }

    /// A file without compression.
    pub(crate) fn stored(self, name: &str, content: &[u8]) -> Self {
        let mut this = self.file(name, content);
        this.last().method = CompressionMethod::Stored;
        this
    }

    /// A file that RECORD does not list.
    pub(crate) fn unlisted(self, name: &str, content: &[u8]) -> Self {
        let mut this = self.file(name, content);
        this.last().listed = false;
        this
    }

    /// A folder, whose name ends with a slash.
    pub(crate) fn folder(self, name: &str) -> Self {
        let mut this = self.file_of_mode(name, 0o040_755, b"");
        this.last().listed = false;
        this
    }

    fn last(&mut self) -> &mut File {
        self.files.last_mut().unwrap()
    }

    pub(crate) fn entry_points(self, text: &str) -> Self {
        let name = format!("{}.dist-info/entry_points.txt", self.stem);
        self.file(&name, text.as_bytes())
    }

    pub(crate) fn metadata(mut self, text: &str) -> Self {
        text.clone_into(&mut self.metadata);
        self
    }

    pub(crate) fn wheel(mut self, text: &str) -> Self {
        text.clone_into(&mut self.wheel);
        self
    }

    /// Leaves a metadata file out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// Changes RECORD.
    pub(crate) fn record_with(mut self, change: fn(String) -> String) -> Self {
        self.record_with = Some(change);
        self
    }

    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}-py3-none-any.whl", self.stem));
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        let mut this = self.clone();
        for (name, text) in [("METADATA", &self.metadata), ("WHEEL", &self.wheel)] {
            if !self.without.iter().any(|without| without == name) {
                this = this.file(&format!("{}.dist-info/{name}", self.stem), text.as_bytes());
            }
        }
        let listed = this.files.iter().filter(|file| file.listed);
        let mut record: String = listed
            .map(|file| line(&format!("\"{}\"", file.name), &file.content))
            .collect();
        if !self.without.iter().any(|without| without == "RECORD") {
            let name = format!("{}.dist-info/RECORD", self.stem);
            record = format!("{record}{name},,\n").replace('"', "");
            record = self
                .record_with
                .map_or(record.clone(), |change| change(record));
            this = this.file(&name, record.as_bytes());
        }
        for file in &this.files {
            let options = SimpleFileOptions::default().compression_method(file.method);
            if file.mode & 0o170_000 == 0o120_000 {
                let target = String::from_utf8(file.content.clone()).unwrap();
                archive
                    .add_symlink(file.name.as_str(), target, options)
                    .unwrap();
                continue;
            }
            archive
                .start_file(file.name.as_str(), options.unix_permissions(0o644))
                .unwrap();
            archive.write_all(&file.content).unwrap();
        }
        archive.finish().unwrap();
        // The library writes plain files and links only, so other modes are put in afterwards.
        let mut bytes = fs::read(&path).unwrap();
        for file in &this.files {
            let header = central_header(&bytes, &file.name);
            bytes[header + 40..header + 42]
                .copy_from_slice(&u16::try_from(file.mode).unwrap().to_le_bytes());
        }
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Where the central directory's header of a member begins.
pub(crate) fn central_header(bytes: &[u8], name: &str) -> usize {
    (0..bytes.len())
        .find(|at| {
            let rest = &bytes[*at..];
            rest.starts_with(b"PK\x01\x02")
                && rest
                    .get(46..)
                    .is_some_and(|rest| rest.starts_with(name.as_bytes()))
        })
        .unwrap()
}

/// Replaces bytes by as many others; returns how often.
pub(crate) fn replace_bytes(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    assert_eq!(from.len(), to.len());
    let mut count = 0;
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            count += 1;
        }
    }
    count
}
