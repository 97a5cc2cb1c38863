//! A checked wheel to a layer: where its files go, its scripts, its byte code, its RECORD.
//!
//! Follows "Binary distribution format" (PEP 427) and "Recording installed projects" (PEP 376,
//! PEP 627). A layer depends on the wheel, the interpreter, the prefix and the byte code only.
//! Runs nothing: byte code is compiled in the builder from what [`WheelContents::append_sources`]
//! packed, and picked up here. Sources in `bin` get none, because a script that is run is never
//! loaded from it; nor do sources outside the packages folder.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use fs_err as fs;

use crate::bundle::distribution::InstalledWheel;
use crate::bundle::layer::{LayerWriter, tar_header};
use crate::error::{Error, Kind, Result};
use crate::interpreter::Interpreter;
use crate::wheel::record::InstalledRecord;
use crate::wheel::{Archive, Member, WheelContents};

/// The longest first line of a script that is looked at.
const LONGEST_FIRST_LINE: u64 = 4096;
/// Files of the metadata folder that the installer writes, or that no longer hold (signatures of
/// the wheel's RECORD).
const NOT_COPIED: [&str; 5] = [
    "INSTALLER",
    "RECORD",
    "RECORD.jws",
    "RECORD.p7s",
    "REQUESTED",
];

/// Where and for what a wheel is installed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The interpreter of the bundle.
    pub interpreter: &'a Interpreter,
    /// The virtualenv's final absolute path.
    pub prefix: &'a str,
    /// Whether the user asked for it (the application), rather than it being a dependency.
    pub requested: bool,
    /// A folder that mirrors absolute paths and holds byte code where sources compile; `None`
    /// leaves byte code out.
    pub bytecode: Option<&'a Path>,
}

impl Target<'_> {
    fn prefix(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }

    fn site_packages(&self) -> String {
        self.interpreter.site_packages(self.prefix())
    }

    /// A path as RECORD writes it: relative to the packages folder.
    fn record_path(&self, path: &str) -> String {
        if let Some(inside) = below(path, &self.site_packages()) {
            return inside.to_owned();
        }
        // lib, pythonX.Y, site-packages.
        format!("../../../{}", below(path, self.prefix()).unwrap_or(path))
    }

    /// Whether byte code of a source would ever be loaded.
    fn is_importable(&self, path: &str) -> bool {
        is_source(path) && below(path, &self.site_packages()).is_some()
    }
}

/// The part of a path behind a folder.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Where the bytes of an installed file come from.
enum Source<'a> {
    /// As they are in the wheel.
    Member(&'a Member),
    /// A script of the wheel, whose first line may change.
    Script(&'a Member),
    /// Written here.
    Text(String),
}

/// What is installed at a path.
struct Placed<'a> {
    mode: u32,
    source: Source<'a>,
}

/// Files by absolute path.
type Placements<'a> = BTreeMap<String, Placed<'a>>;

/// Installs a wheel into a layer: opens and checks it, then [`WheelContents::write_layer`].
pub fn install_wheel(
    wheel: &Path,
    target: &Target<'_>,
    writer: &mut LayerWriter,
) -> Result<InstalledWheel> {
    WheelContents::open(wheel)?.write_layer(target, writer)
}

impl WheelContents {
    /// The absolute paths of the sources that need byte code, sorted.
    pub fn sources(&self, target: &Target<'_>) -> Result<Vec<String>> {
        let paths = self.placements(target)?.into_keys();
        Ok(paths.filter(|path| target.is_importable(path)).collect())
    }

    /// Packs the sources that need byte code, at their final paths relative to `/`.
    pub fn append_sources<W: Write>(
        &self,
        target: &Target<'_>,
        tar: &mut tar::Builder<W>,
    ) -> Result<()> {
        let mut archive = self.archive()?;
        for (path, placed) in self.placements(target)? {
            let Source::Member(member) = placed.source else {
                continue;
            };
            if target.is_importable(&path) {
                let mut header = tar_header(0o644, 0);
                header.set_size(member.size);
                let content = self.read(&mut archive, member)?;
                tar.append_data(&mut header, path.trim_start_matches('/'), content)?;
            }
        }
        Ok(())
    }

    /// Writes the installed distribution, and says in the layer what it is.
    pub fn write_layer(
        &self,
        target: &Target<'_>,
        writer: &mut LayerWriter,
    ) -> Result<InstalledWheel> {
        let mut archive = self.archive()?;
        let mut record = InstalledRecord::default();
        let (mut sources, mut not_compiled) = (Vec::new(), Vec::new());
        for (path, placed) in self.placements(target)? {
            let mut content = self.content(&mut archive, target, placed.source)?;
            let (digest, size) = writer.add_file(&path, placed.mode, &mut content, None)?;
            record.add(&target.record_path(&path), &digest, size);
            drop(content);
            if is_source(&path) {
                if target.is_importable(&path) {
                    match add_bytecode(target, &path, writer)? {
                        Bytecode::Added(path) => record.add_unchecked(&target.record_path(&path)),
                        Bytecode::DoesNotCompile => not_compiled.push(path.clone()),
                        Bytecode::NotWanted => {}
                    }
                }
                sources.push(path);
            }
        }
        let record_path = format!("{}/{}/RECORD", target.site_packages(), self.dist_info);
        record.add_unchecked(&target.record_path(&record_path));
        writer.add_file(&record_path, 0o644, &mut record.finish().as_slice(), None)?;
        let installed = InstalledWheel {
            name: self.name.clone(),
            version: self.version.clone(),
            console_scripts: self.entry_points.console.keys().cloned().collect(),
            sources,
            not_compiled,
        };
        writer.set_distribution(installed.clone());
        if let Some(time) = crate::wheel::latest_time(&archive, &self.members) {
            writer.set_time(time);
        }
        Ok(installed)
    }

    /// Decides where everything goes, RECORD and byte code apart.
    fn placements(&self, target: &Target<'_>) -> Result<Placements<'_>> {
        let mut placements = Placements::new();
        for member in &self.members {
            let Some((path, is_script)) = self.destination(target, &member.name)? else {
                continue;
            };
            let mode = if is_script || member.executable {
                0o755
            } else {
                0o644
            };
            let source = if is_script {
                Source::Script(member)
            } else {
                Source::Member(member)
            };
            if placements
                .insert(path.clone(), Placed { mode, source })
                .is_some()
            {
                return Err(self.refuse(&member.name, format!("is a second file for `{path}`")));
            }
        }
        self.place_scripts(target, &mut placements)?;
        let dist_info = format!("{}/{}", target.site_packages(), self.dist_info);
        let mut text = |name: &str, text: &str| {
            let source = Source::Text(text.to_owned());
            placements.insert(
                format!("{dist_info}/{name}"),
                Placed {
                    mode: 0o644,
                    source,
                },
            );
        };
        // PEP 376: what installed it; empty when the user asked for it.
        text("INSTALLER", "omnibuild\n");
        if target.requested {
            text("REQUESTED", "");
        }
        drop_old_bytecode(&mut placements);
        self.check_parents(&placements)?;
        Ok(placements)
    }

    /// Where a member goes, and whether it is a script; `None` for what is not copied.
    fn destination(&self, target: &Target<'_>, name: &str) -> Result<Option<(String, bool)>> {
        let site_packages = target.site_packages();
        let (folder, rest) = name.split_once('/').unwrap_or(("", name));
        if folder == self.dist_info && NOT_COPIED.contains(&rest) {
            return Ok(None);
        }
        if folder.strip_suffix(".data").is_none() {
            return Ok(Some((format!("{site_packages}/{name}"), false)));
        }
        let Some((scheme, path)) = rest.split_once('/') else {
            return Err(self.refuse(name, "is in no scheme of the `.data` folder"));
        };
        let prefix = target.prefix();
        let place = match scheme {
            "purelib" | "platlib" => site_packages,
            "headers" => {
                let library = target.interpreter.library_folder();
                format!("{prefix}/include/site/{library}/{}", self.name)
            }
            // An entry point of the same name is what the wheel's author means: build tools used
            // to pack a script for each as well.
            "scripts" if self.entry_points.contains(path) => return Ok(None),
            "scripts" => format!("{prefix}/bin"),
            "data" => prefix.to_owned(),
            other => {
                let what = format!("is in the unknown scheme `{}`", other.escape_debug());
                return Err(self.refuse(name, what));
            }
        };
        Ok(Some((format!("{place}/{path}"), scheme == "scripts")))
    }

    fn place_scripts(&self, target: &Target<'_>, placements: &mut Placements<'_>) -> Result<()> {
        let shebang = Interpreter::shebang(target.prefix(), "")?;
        for (name, entry_point) in self.entry_points.iter() {
            let path = format!("{}/bin/{name}", target.prefix());
            let source = Source::Text(entry_point.script(&shebang));
            if placements
                .insert(
                    path.clone(),
                    Placed {
                        mode: 0o755,
                        source,
                    },
                )
                .is_some()
            {
                let what = format!("is a second file for `{path}`");
                return Err(self.refuse(&format!("entry point {name}"), what));
            }
        }
        Ok(())
    }

    /// No file may be where another needs a folder.
    fn check_parents(&self, placements: &Placements<'_>) -> Result<()> {
        for path in placements.keys() {
            let parents = path.match_indices('/').map(|(slash, _)| &path[..slash]);
            for parent in parents {
                if placements.contains_key(parent) {
                    let what = format!("is below `{parent}`, which is a file");
                    return Err(self.refuse(path, what));
                }
            }
        }
        Ok(())
    }

    fn content<'a>(
        &self,
        archive: &'a mut Archive,
        target: &Target<'_>,
        source: Source<'_>,
    ) -> Result<Box<dyn Read + 'a>> {
        Ok(match source {
            Source::Text(text) => Box::new(io::Cursor::new(text)),
            Source::Member(member) => Box::new(self.read(archive, member)?),
            Source::Script(member) => {
                let mut rest = self.read(archive, member)?;
                let mut head = Vec::new();
                (&mut rest)
                    .take(LONGEST_FIRST_LINE)
                    .read_to_end(&mut head)?;
                if let Some(rewritten) = with_shebang(&head, target.prefix())
                    .map_err(|error| error.context(format!("`{}`", member.name)))?
                {
                    head = rewritten;
                }
                Box::new(io::Cursor::new(head).chain(rest))
            }
        })
    }
}

/// Adds the byte code of a source, where there is some, with the source's time left open.
pub(super) fn add_bytecode(
    target: &Target<'_>,
    source: &str,
    writer: &mut LayerWriter,
) -> Result<Bytecode> {
    let Some(folder) = target.bytecode else {
        return Ok(Bytecode::NotWanted);
    };
    let path = target.interpreter.bytecode_path(source);
    let mut file = match fs::File::open(folder.join(path.trim_start_matches('/'))) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Bytecode::DoesNotCompile);
        }
        Err(error) => return Err(error.into()),
    };
    let offset = target.interpreter.bytecode_time_offset();
    let mut head = Vec::new();
    (&mut file).take(offset + 4).read_to_end(&mut head)?;
    // PEP 552: no flags mean that the source's time and size follow.
    let mut expected = target
        .interpreter
        .magic_bytes()
        .unwrap_or_default()
        .to_vec();
    expected.resize(usize::try_from(offset + 4).unwrap_or_default(), 0);
    if head != expected {
        return Err(Error::new(
            Kind::Build,
            format!(
                "the byte code of `{source}` is not that of {}",
                target.interpreter.version
            ),
        )
        .hint("the builder image has another interpreter than its description: build it anew"));
    }
    writer.add_file(&path, 0o644, &mut head.as_slice().chain(file), Some(offset))?;
    Ok(Bytecode::Added(path))
}

/// What became of a source's byte code.
pub(super) enum Bytecode {
    Added(String),
    DoesNotCompile,
    NotWanted,
}

/// Byte code that came with its source was made by another interpreter, or for another time.
fn drop_old_bytecode(placements: &mut Placements<'_>) {
    let old: Vec<String> = placements
        .keys()
        .filter(|path| source_of(path).is_some_and(|source| placements.contains_key(&source)))
        .cloned()
        .collect();
    for path in old {
        placements.remove(&path);
    }
}

/// Whether a path is that of a Python source.
fn is_source(path: &str) -> bool {
    path.strip_suffix(".py").is_some()
}

/// The source that a path would be the byte code of, both in `__pycache__` and beside it.
fn source_of(path: &str) -> Option<String> {
    let stem = path
        .strip_suffix(".pyc")
        .or_else(|| path.strip_suffix(".pyo"))?;
    let (folder, name) = stem.rsplit_once('/')?;
    match folder.strip_suffix("/__pycache__") {
        Some(folder) => {
            // `a.cpython-311` or `a.cpython-311.opt-1` (PEP 488).
            let (name, last) = name.rsplit_once('.')?;
            let name = if last.starts_with("opt-") {
                name.rsplit_once('.')?.0
            } else {
                name
            };
            Some(format!("{folder}/{name}.py"))
        }
        None => Some(format!("{stem}.py")),
    }
}

/// The beginning of a script with `#!python` or `#!pythonw` in its first line replaced, keeping
/// arguments; `None` when it has another first line.
fn with_shebang(head: &[u8], prefix: &str) -> Result<Option<Vec<u8>>> {
    let Some(rest) = head.strip_prefix(b"#!python") else {
        return Ok(None);
    };
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let line = String::from_utf8_lossy(&rest[..end]);
    // `pythonw`, `python3`, `python2.7`: the bundle has one interpreter.
    let arguments = line
        .trim_start_matches(|letter: char| !letter.is_whitespace())
        .trim();
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!(" {arguments}")
    };
    let mut text = Interpreter::shebang(prefix, &arguments)?.into_bytes();
    text.push(b'\n');
    text.extend(rest.get(end + 1..).unwrap_or_default());
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;
    use crate::bundle::layer::{Layer, LayerEntryKind};
    use crate::interpreter::tests::debian_12;
    use crate::wheel::testing::WheelBuilder;

    const PREFIX: &str = "/opt/example";
    const SITE: &str = "opt/example/lib/python3.11/site-packages";

    /// A wheel with something for every scheme.
    fn example(folder: &Path) -> WheelContents {
        let path = WheelBuilder::new("Ex.ample", "1.0")
            .file("ex/__init__.py", b"import ex.a\n")
            .file(
                "ex/a.py",
                b"def main():\n    return 7 if 'x' in {None, 'x'} else 0\n",
            )
            .file("ex/template.py", b"print 'two'\n")
            .file("ex/__pycache__/a.cpython-39.pyc", b"old")
            .file("ex/__pycache__/alone.cpython-39.pyc", b"kept")
            .executable("ex/tool.sh", b"#!/bin/sh\n")
            .file("Ex.ample-1.0.data/purelib/ex/pure.py", b"")
            .file("Ex.ample-1.0.data/platlib/ex/fast.so", b"ELF")
            .file("Ex.ample-1.0.data/headers/ex.h", b"#pragma once\n")
            .file(
                "Ex.ample-1.0.data/scripts/run",
                b"#!python -E\r\nimport ex\n",
            )
            .file("Ex.ample-1.0.data/scripts/win", b"#!pythonw\nimport ex\n")
            .file("Ex.ample-1.0.data/scripts/sh", b"#!/bin/sh\necho\n")
            .file("Ex.ample-1.0.data/scripts/command", b"#!python\nstale\n")
            .file("Ex.ample-1.0.data/data/share/man/ex.1", b".TH\n")
            .entry_points(
                "[console_scripts]\ncommand = ex.a:main [extra]\n[gui_scripts]\ng = ex:x\n",
            )
            .write(folder);
        WheelContents::open(&path).unwrap()
    }

    fn target<'a>(interpreter: &'a Interpreter, bytecode: Option<&'a Path>) -> Target<'a> {
        Target {
            interpreter,
            prefix: PREFIX,
            requested: true,
            bytecode,
        }
    }

    fn layer(wheel: &WheelContents, target: &Target<'_>, folder: &Path) -> Layer {
        fs::create_dir_all(folder).unwrap();
        let mut writer = LayerWriter::create(folder, wheel.file_name()).unwrap();
        wheel.write_layer(target, &mut writer).unwrap();
        writer.finish().unwrap();
        Layer::open(folder).unwrap()
    }

    fn unpack(layer: &Layer, place: &Path) {
        let mut archive = tar::Builder::new(Vec::new());
        layer.write_tar(&mut |_| true, 0, &mut archive).unwrap();
        tar::Archive::new(archive.into_inner().unwrap().as_slice())
            .unpack(place)
            .unwrap();
    }

    /// Compiles the sources of a wheel with a real interpreter, which sees them at `place`.
    fn compile(wheel: &WheelContents, target: &Target<'_>, place: &Path) -> String {
        let mut archive = tar::Builder::new(Vec::new());
        wheel.append_sources(target, &mut archive).unwrap();
        tar::Archive::new(archive.into_inner().unwrap().as_slice())
            .unpack(place)
            .unwrap();
        let list: Vec<String> = wheel
            .sources(target)
            .unwrap()
            .iter()
            .map(|source| format!("{}{source}\n", place.display()))
            .collect();
        fs::write(place.join("list"), list.concat()).unwrap();
        let status = Command::new("/usr/bin/python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/images/steps/compile_bytecode.py"
            ))
            .args([place.join("list"), place.join("out")])
            .status()
            .unwrap();
        assert!(status.success());
        fs::read_to_string(place.join("out/skipped.txt")).unwrap()
    }

    #[test]
    fn everything_goes_where_the_specification_says() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let layer = layer(
            &wheel,
            &target(&interpreter, None),
            &folder.path().join("layer"),
        );
        let found: Vec<String> = layer
            .manifest()
            .entries
            .iter()
            .map(|entry| format!("{:o} {}", entry.mode, entry.path.replace(SITE, "SITE")))
            .collect();
        let expected = [
            "755 opt/example/bin/command",
            "755 opt/example/bin/g",
            "755 opt/example/bin/run",
            "755 opt/example/bin/sh",
            "755 opt/example/bin/win",
            "644 opt/example/include/site/python3.11/Ex.ample/ex.h",
            "644 SITE/Ex.ample-1.0.dist-info/INSTALLER",
            "644 SITE/Ex.ample-1.0.dist-info/METADATA",
            "644 SITE/Ex.ample-1.0.dist-info/RECORD",
            "644 SITE/Ex.ample-1.0.dist-info/REQUESTED",
            "644 SITE/Ex.ample-1.0.dist-info/WHEEL",
            "644 SITE/Ex.ample-1.0.dist-info/entry_points.txt",
            "644 SITE/ex/__init__.py",
            "644 SITE/ex/__pycache__/alone.cpython-39.pyc",
            "644 SITE/ex/a.py",
            "644 SITE/ex/fast.so",
            "644 SITE/ex/pure.py",
            "644 SITE/ex/template.py",
            "755 SITE/ex/tool.sh",
            "644 opt/example/share/man/ex.1",
        ];
        assert_eq!(found, expected);
        let place = folder.path().join("place");
        unpack(&layer, &place);
        let script =
            |name: &str| fs::read_to_string(place.join("opt/example/bin").join(name)).unwrap();
        assert_eq!(script("run"), "#!/opt/example/bin/python -E\nimport ex\n");
        assert_eq!(script("win"), "#!/opt/example/bin/python\nimport ex\n");
        assert_eq!(script("sh"), "#!/bin/sh\necho\n");
        assert!(script("command").contains("from ex.a import main"));
        let distribution = layer.manifest().distribution.as_ref().unwrap();
        assert_eq!(distribution.console_scripts, ["command"]);
        assert_eq!(
            (distribution.name.as_str(), distribution.version.as_str()),
            ("Ex.ample", "1.0")
        );
    }

    #[test]
    fn byte_code_is_loaded_by_the_interpreter_and_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let build = folder.path().join("build");
        let skipped = compile(&wheel, &target(&interpreter, None), &build);
        assert!(
            skipped.ends_with("ex/template.py\tSyntaxError\n"),
            "{skipped}"
        );
        // The sources were compiled below `build` instead of at their final place.
        let mirror = folder
            .path()
            .join("build/out")
            .join(build.strip_prefix("/").unwrap());
        let with_bytecode = target(&interpreter, Some(&mirror));
        let layer = layer(&wheel, &with_bytecode, &folder.path().join("layer"));
        let distribution = layer.manifest().distribution.as_ref().unwrap();
        assert_eq!(
            distribution.not_compiled,
            [format!("/{SITE}/ex/template.py")]
        );

        // Written with one time for all, as a package does, byte code is used and not remade.
        let place = folder.path().join("place");
        let mut archive = tar::Builder::new(Vec::new());
        layer
            .write_tar(&mut |_| true, 1_600_000_000, &mut archive)
            .unwrap();
        tar::Archive::new(archive.into_inner().unwrap().as_slice())
            .unpack(&place)
            .unwrap();
        let site = place.join(SITE);
        let output = Command::new("/usr/bin/python3")
            .args(["-v", "-B", "-S", "-c", "import ex.a; print(ex.a.main())"])
            .env("PYTHONPATH", &site)
            .output()
            .unwrap();
        let trace = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.stdout, b"7\n", "{trace}");
        let matches = format!("matches {}", site.join("ex/a.py").display());
        assert!(trace.lines().any(|line| line.contains(&matches)), "{trace}");

        let record = fs::read_to_string(site.join("Ex.ample-1.0.dist-info/RECORD")).unwrap();
        let lines: Vec<&str> = record.lines().collect();
        assert!(lines.contains(&"ex/__pycache__/a.cpython-311.pyc,,"));
        assert!(!record.contains("template.cpython"));
        assert!(lines.contains(&"Ex.ample-1.0.dist-info/RECORD,,"));
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("../../../bin/command,sha256="))
        );
        assert!(lines.is_sorted());
        assert_eq!(lines.len(), layer.manifest().entries.len());
        for line in lines {
            let path = line.split(',').next().unwrap();
            assert!(site.join(path).exists(), "{path}");
        }
    }

    #[test]
    fn a_real_installer_agrees_with_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let layer = layer(
            &wheel,
            &target(&interpreter, None),
            &folder.path().join("layer"),
        );
        unpack(&layer, folder.path());
        let check = "import importlib.metadata as m, base64, hashlib, sys\n\
                     d = next(iter(m.distributions(path=[sys.argv[1]])))\n\
                     for f in d.files:\n  \
                       if f.hash:\n    \
                         found = hashlib.new(f.hash.mode, f.locate().read_bytes()).digest()\n    \
                         assert base64.urlsafe_b64encode(found).rstrip(b'=').decode() == f.hash.value, f\n\
                     print(d.metadata['Name'], len(d.files), d.read_text('INSTALLER'))\n";
        let output = Command::new("/usr/bin/python3")
            .args(["-c", check])
            .arg(folder.path().join(SITE))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "Ex.ample 20 omnibuild\n\n"
        );
    }

    #[test]
    fn a_layer_made_twice_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let mirrors = ["one", "two"].map(|name| {
            let build = folder.path().join(name).join("build");
            // The same final path for both: what is compiled lies at `build`, then moves.
            let shared = folder.path().join("shared");
            compile(&wheel, &target(&interpreter, None), &shared);
            fs::create_dir_all(build.parent().unwrap()).unwrap();
            fs::rename(&shared, &build).unwrap();
            build.join("out").join(shared.strip_prefix("/").unwrap())
        });
        for (mirror, name) in mirrors.iter().zip(["a", "b"]) {
            layer(
                &wheel,
                &target(&interpreter, Some(mirror)),
                &folder.path().join(name),
            );
        }
        for file in ["layer.json", "data"] {
            let one = fs::read(folder.path().join("a").join(file)).unwrap();
            assert_eq!(
                one,
                fs::read(folder.path().join("b").join(file)).unwrap(),
                "{file}"
            );
        }
    }

    #[test]
    fn byte_code_does_not_depend_on_order_or_company() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [
            // Its encoding makes the interpreter load a codec, whose names stay (they show in
            // byte code up to Python 3.10); being the
            // longest it comes first.
            (
                "codec.py",
                "# -*- coding: cp1252 -*-\nnothing = 'at some length, so that this file is the longest of all three files'\n",
            ),
            (
                "names.py",
                "def table(codec): return codec.encoding_table\n",
            ),
            (
                "sets.py",
                "def f(x): return x in {None, 'payload', '-', 'a b', 7}, x == '-'\n",
            ),
        ];
        let paths: Vec<String> = sources
            .iter()
            .map(|(name, text)| {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                path.display().to_string()
            })
            .collect();
        let compiled = |name: &str, paths: &[&str]| {
            let out = folder.path().join(format!("{name}.out"));
            let list = folder.path().join(format!("{name}.list"));
            fs::write(&list, paths.join("\n")).unwrap();
            let status = Command::new("/usr/bin/python3")
                .arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/images/steps/compile_bytecode.py"
                ))
                .args([list.as_path(), out.as_path(), Path::new("1")])
                .env("PYTHONHASHSEED", if name == "all" { "1" } else { "2" })
                .status()
                .unwrap();
            assert!(status.success());
            out.join(folder.path().strip_prefix("/").unwrap())
                .join("__pycache__")
        };
        let all: Vec<&str> = paths.iter().map(String::as_str).collect();
        let together = compiled("all", &all);
        for (path, (name, _)) in all.iter().zip(sources) {
            let alone = compiled(name, &[path]);
            let file = name.replace(".py", ".cpython-311.pyc");
            let (one, two) = (fs::read(together.join(&file)), fs::read(alone.join(&file)));
            assert!(one.unwrap() == two.unwrap(), "{name}");
        }
    }

    #[test]
    fn byte_code_does_not_depend_on_the_state_of_the_process() {
        // Other references to a constant, and the order of hash tables, which Python 3.11 would
        // hide if the step were not told that it does not.
        let check = "import marshal, sys, compile_bytecode as step\n\
                     step.SORTS_SETS = False\n\
                     source = b\"def f(x): return x in {None, 'a b', 'c', (1, None)}, (x, 'a b', (2.5, 'd'))\"\n\
                     def make(): return compile(source, 'name', 'exec', 0, True)\n\
                     plain, shared = make(), make()\n\
                     others = [part for code in shared.co_consts[:1] for part in code.co_consts]\n\
                     if 'naive' in sys.argv:\n  \
                       step.dump = lambda code, source: marshal.dumps(code)\n\
                     one, two = step.dump(plain, source), step.dump(shared, source)\n\
                     assert marshal.loads(one) == make()\n\
                     print(one == two, one.hex())\n";
        let run = |seed: &str, arguments: &[&str]| {
            let output = Command::new("/usr/bin/python3")
                .args(["-B", "-c", check])
                .args(arguments)
                .env(
                    "PYTHONPATH",
                    concat!(env!("CARGO_MANIFEST_DIR"), "/images/steps"),
                )
                .env("PYTHONHASHSEED", seed)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        let one = run("1", &[]);
        assert!(one.starts_with("True "), "{one}");
        for seed in ["2", "3", "4"] {
            assert_eq!(one, run(seed, &[]));
        }
        assert!(run("1", &["naive"]).starts_with("False "));
    }

    #[test]
    fn byte_code_of_another_interpreter_or_time_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let mirror = folder.path().join("mirror");
        let cache = mirror.join(SITE).join("ex/__pycache__");
        fs::create_dir_all(&cache).unwrap();
        let good = [&[0xa7, 0x0d, 0x0d, 0x0a][..], &[0; 12], b"code"].concat();
        let mut other = good.clone();
        other[0] = 0x61;
        let mut timed = good.clone();
        timed[8] = 1;
        for (bytes, fine) in [
            (&good[..], true),
            (&other, false),
            (&timed, false),
            (&good[..9], false),
        ] {
            fs::write(cache.join("a.cpython-311.pyc"), bytes).unwrap();
            let place = folder.path().join("layer");
            fs::create_dir_all(&place).unwrap();
            let mut writer = LayerWriter::create(&place, "x").unwrap();
            let written = wheel.write_layer(&target(&interpreter, Some(&mirror)), &mut writer);
            assert_eq!(
                written.as_ref().err().map(Error::kind),
                (!fine).then_some(Kind::Build)
            );
        }
    }

    #[test]
    fn the_time_field_of_byte_code_is_left_open() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let build = folder.path().join("build");
        compile(&wheel, &target(&interpreter, None), &build);
        let mirror = folder
            .path()
            .join("build/out")
            .join(build.strip_prefix("/").unwrap());
        let layer = layer(
            &wheel,
            &target(&interpreter, Some(&mirror)),
            &folder.path().join("layer"),
        );
        for entry in &layer.manifest().entries {
            let LayerEntryKind::File { time_field, .. } = &entry.kind else {
                continue;
            };
            let expected = entry.path.ends_with("cpython-311.pyc").then_some(8);
            assert_eq!(*time_field, expected, "{}", entry.path);
        }
    }

    #[test]
    fn files_that_get_in_each_others_way_are_refused() {
        let cases: [(&str, &str); 4] = [
            ("ample-1.0.data/purelib/a.py", "second file"),
            ("ample-1.0.data/purelib/a.py/b.py", "which is a file"),
            ("ample-1.0.data/nonsense/a.py", "unknown scheme"),
            ("ample-1.0.data/a.py", "no scheme"),
        ];
        let interpreter = debian_12();
        for (name, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let builder = WheelBuilder::new("ample", "1.0")
                .file("a.py", b"")
                .file(name, b"");
            let wheel = WheelContents::open(&builder.write(folder.path()));
            let sources = wheel.and_then(|wheel| wheel.sources(&target(&interpreter, None)));
            let error = sources.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.message().contains(expected), "{error}");
        }
    }

    #[test]
    fn only_the_application_is_requested() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        let dependency = Target {
            requested: false,
            ..target(&interpreter, None)
        };
        let layer = layer(&wheel, &dependency, &folder.path().join("layer"));
        assert!(
            !layer
                .manifest()
                .entries
                .iter()
                .any(|entry| entry.path.ends_with("REQUESTED"))
        );
    }

    #[test]
    fn scripts_can_be_executed_once_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = example(folder.path());
        let interpreter = debian_12();
        unpack(
            &layer(
                &wheel,
                &target(&interpreter, None),
                &folder.path().join("l"),
            ),
            folder.path(),
        );
        let metadata = fs::metadata(folder.path().join("opt/example/bin/sh")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
    }
}
