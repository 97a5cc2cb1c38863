//! The sample's packages for every platform of the table, whether a system of it can be had or not,
//! read back by the real tools of their format and by our own reader, which must say the same.
//!
//! What they are installed on is another matter (`tests/real/matrix.rs`); here a package is what stands
//! in its file. A tool that is missing fails the test.

mod deb;
#[path = "../../real/support/keys.rs"]
mod keys;
mod rpm;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use omnibuild::bundle::Bundle;
use omnibuild::bundle::store::LayerStore;
use omnibuild::config::{Config, Overrides, Platform, PlatformTable};
use omnibuild::digest::Digest;
use omnibuild::package::read::{self, FileKind, Package};
use omnibuild::package::{Built, SegmentStore, assemble};
use omnibuild::plan::inputs::Inputs;
use omnibuild::plan::metadata::ProjectMetadata;
use omnibuild::plan::{self, Dependency, PackageContent, PlatformPlan, SigningPlan, Target};
use omnibuild::platform::{Arch, Format};
use omnibuild::signing::SigningKey;

use crate::support::EPOCH;

/// What a file of a package is, in the words of both sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    path: String,
    /// As `ls -l` writes it: `drwxr-xr-x`.
    mode: String,
    owner: String,
    size: u64,
    /// What a symbolic link says.
    target: String,
}

/// What a tool says of a package.
#[derive(Debug, Default)]
struct Said {
    /// Name, version, architecture and the descriptive fields, by the words of our reader.
    fields: BTreeMap<String, String>,
    relations: BTreeMap<String, BTreeSet<String>>,
    scripts: BTreeMap<String, String>,
    files: BTreeSet<Line>,
    /// SHA-256 of what the tool unpacks, by path.
    contents: BTreeMap<String, String>,
}

/// What a format's own tools do with a package.
trait Tools {
    /// Reads a package file; `folder` is empty and its own.
    fn say(&self, path: &Path, folder: &Path) -> Said;
    /// Checks the form of the file, and its signature by the keys in `keys`.
    fn check(&self, path: &Path, platform: &Platform, keys: &Path, folder: &Path);
    /// A dependency on this C library or a newer one.
    fn floor(&self, glibc: (u32, u32)) -> String;
    /// The end of each package's file name.
    fn ending(&self, platform: &Platform, is_bundle: bool) -> String;
}

fn tools(format: Format) -> &'static dyn Tools {
    match format {
        Format::Deb => &deb::Dpkg,
        Format::Rpm => &rpm::Rpm,
    }
}

/// Runs a tool, which must succeed; answers what it printed.
fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program} can't be started ({error}): install it, or run .ci/prerequisites")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    output.stdout
}

fn text<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    String::from_utf8(run(program, arguments)).unwrap()
}

/// The sample, and what its packages are written from.
struct Sample {
    table: PlatformTable,
    config: Config,
    inputs: Inputs,
    metadata: Option<ProjectMetadata>,
    folder: tempfile::TempDir,
}

impl Sample {
    fn new() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/mytool");
        let config = Config::load(&project, Overrides::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        fs_err::create_dir(&keys).unwrap();
        keys::make(&keys);
        Self {
            table: PlatformTable::load(&project).unwrap(),
            inputs: Inputs::read(&config, Some(EPOCH)).unwrap(),
            metadata: ProjectMetadata::from_pyproject(&config.pyproject),
            config,
            folder,
        }
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// The plan for a platform, with the key, and with what a build finds that the bundle needs.
    fn plan(&self, platform: &Platform, arch: Arch) -> PlatformPlan {
        let target = Target {
            platform,
            arch,
            context: BTreeMap::new(),
            pythons: self.table.pythons(),
        };
        let plan = plan::plan(
            &self.config,
            &self.inputs,
            self.metadata.as_ref(),
            vec![target],
        );
        let mut plan = plan.unwrap().platforms.remove(0);
        plan.signing = Some(SigningPlan {
            key: SigningKey::File {
                path: self.keys().join("secret.asc"),
                passphrase_file: None,
            },
            rules: platform.signing_keys,
            identity: String::new(),
        });
        for package in &mut plan.packages {
            if matches!(package.content, PackageContent::Bundle) {
                let floor = tools(plan.format).floor(platform.glibc);
                package.depends.push(Dependency::Native(floor));
            }
        }
        plan
    }

    /// A bundle with the sample's commands and a module of some length.
    fn bundle(&self, plan: &PlatformPlan) -> Bundle {
        let prefix = &plan.bundle.prefix;
        let store = LayerStore::new(&self.folder.path().join("layers"));
        let python = format!("/usr/bin/python{}", plan.python.minor);
        let digest = Digest::of(&python);
        let layer = store.put(&digest, "sample", |writer| {
            writer.add_directory(&format!("{prefix}/lib"), 0o755)?;
            writer.add_symlink(&format!("{prefix}/bin/python"), &python)?;
            for command in ["mytool", "mytool-control", "mytool-agent"] {
                let text = format!("#!{prefix}/bin/python\nimport mytool\n");
                let path = format!("{prefix}/bin/{command}");
                writer.add_file(&path, 0o755, &mut text.as_bytes(), None)?;
            }
            let module = "value = 'größe'\n".repeat(20_000);
            let path = format!("{prefix}/lib/mytool.py");
            writer.add_file(&path, 0o644, &mut module.as_bytes(), None)?;
            Ok(())
        });
        Bundle {
            prefix: prefix.clone(),
            name: plan.bundle.name.clone(),
            layers: vec![layer.unwrap()],
            wheels: Vec::new(),
            application: None,
            made: 0,
        }
    }

    fn write(&self, plan: &PlatformPlan) -> (PathBuf, Vec<Built>) {
        let packages = self
            .folder
            .path()
            .join("packages")
            .join(plan.id.platform().as_str());
        let segments = SegmentStore::new(&self.folder.path().join("segments"));
        let built = assemble::write(plan, &self.bundle(plan), &segments, &packages).unwrap();
        (packages, built)
    }
}

/// What our reader says, in the same form.
fn ours(package: &Package) -> Said {
    let mut fields = package.fields.clone();
    fields.insert("Name".to_owned(), package.name.clone());
    fields.insert("Version".to_owned(), package.full_version());
    fields.insert("Architecture".to_owned(), package.architecture.clone());
    let relations = package.relations.iter();
    let scripts = package.scripts.iter();
    Said {
        fields,
        relations: relations
            .map(|(name, list)| (name.clone(), list.iter().cloned().collect()))
            .collect(),
        scripts: scripts
            .map(|(name, script)| (name.clone(), script.text.trim().to_owned()))
            .collect(),
        files: package.files.iter().map(line).collect(),
        contents: package
            .files
            .iter()
            .filter_map(|file| {
                let digest = file.digest.as_ref()?.strip_prefix("sha256:")?;
                Some((file.path.clone(), digest.to_owned()))
            })
            .collect(),
    }
}

fn line(file: &read::File) -> Line {
    let (letter, target) = match &file.kind {
        FileKind::Directory => ('d', ""),
        FileKind::Symlink(target) => ('l', target.as_str()),
        _ => ('-', ""),
    };
    let bits = "rwxrwxrwx".chars().enumerate();
    let bits = bits.map(|(place, letter)| match file.mode >> (8 - place) & 1 {
        0 => '-',
        _ => letter,
    });
    Line {
        path: file.path.clone(),
        mode: std::iter::once(letter).chain(bits).collect(),
        owner: format!("{}/{}", file.owner, file.group),
        size: file.size,
        target: target.to_owned(),
    }
}

/// The digest of a file that a tool unpacked.
fn sha256(content: &[u8]) -> String {
    Digest::of(content).to_string()
}

/// Writes the packages for a platform and holds them against its tools.
fn read_back(sample: &Sample, platform: &Platform, arch: Arch) {
    let id = &platform.id;
    let plan = sample.plan(platform, arch);
    let tools = tools(platform.format);
    let (folder, built) = sample.write(&plan);
    assert_eq!(built.len(), 3, "{id}");
    let mut scripts = 0;
    for (package, planned) in built.iter().zip(&plan.packages) {
        let name = &package.artifact.file_name;
        let what = format!("{id}: {name}");
        let is_bundle = matches!(planned.content, PackageContent::Bundle);
        assert!(name.ends_with(&tools.ending(platform, is_bundle)), "{what}");
        let path = folder.join(name);
        let read = read::read(&path).unwrap();
        assert_eq!(read.problems, Vec::<String>::new(), "{what}");
        let codec = plan.packages[0].compression.codec;
        assert_eq!(codec, platform.codec, "{what}");
        assert_eq!(read.compression, Some(codec), "{what}");
        let (own, scratch) = (ours(&read), tempfile::tempdir().unwrap());
        let said = tools.say(&path, scratch.path());
        assert_eq!(own.fields, said.fields, "{what}");
        assert_eq!(own.relations, said.relations, "{what}");
        assert_eq!(own.scripts, said.scripts, "{what}");
        scripts += said.scripts.len();
        assert_eq!(own.files, said.files, "{what}");
        assert_eq!(own.contents, said.contents, "{what}");
        let needs: BTreeSet<&String> = said.relations.values().flatten().collect();
        for wanted in platform
            .python_depends
            .iter()
            .chain([&tools.floor(platform.glibc)])
        {
            assert_eq!(needs.contains(wanted), is_bundle, "{what}: {wanted}");
        }
        let has_files = said.files.iter().any(|line| line.size > 0);
        assert!(has_files, "{what}");
        tools.check(&path, platform, &sample.keys(), scratch.path());
    }
    // Those of the daemons.
    assert!(scripts >= 3, "{id}: {scripts}");
}

#[test]
fn the_samples_packages_for_every_platform_are_what_their_own_tools_read() {
    let sample = Sample::new();
    let mut formats = BTreeMap::new();
    for platform in sample.table.all() {
        read_back(&sample, platform, Arch::Amd64);
        *formats.entry(platform.format.to_string()).or_insert(0) += 1;
    }
    // The table's: a format that nobody has any more would pass in silence.
    assert!(formats["deb"] >= 13 && formats["rpm"] >= 11, "{formats:?}");
}
