//! The main header: what the package is, what it provides and requires, and its files.
//!
//! Decides values only; their layout is `header`'s.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::error::Result;
use crate::package::{Moment, PackageSpec, Relations, check};
use crate::platform::{Arch, Codec};
use crate::tree::{EntryKind, Role, Tree};
use crate::version::NativeVersion;

use super::cpio::{self, Files};
use super::dependency::{self, Dependency};
use super::header::{Header, tag};

/// Where the package was built: a constant, since the machine's name is not content.
const BUILD_HOST: &str = "reproducible";

/// The rpm whose header layout this is; tools only want to see that it is version 4.
const RPM_VERSION: &str = "4.14.0";

/// The licence of a package that names none; rpm requires the tag.
const NO_LICENSE: &str = "Unknown";

/// The width of the lines of a description, as rpmlint wants it.
const WIDTH: usize = 79;

/// What runs maintainer scripts.
const SHELL: &str = "/bin/sh";

/// SHA-256 in the numbering of RFC 4880 section 9.4.
const SHA256: u32 = 8;

/// The architecture in RPM's words.
pub(super) fn architecture(spec: &PackageSpec) -> &'static str {
    spec.architecture.map_or("noarch", Arch::machine)
}

/// Everything that does not depend on the files, but for whether there are large ones.
pub(super) fn of(spec: &PackageSpec, time: u32, large: bool) -> Result<Header> {
    let mut header = Header::default();
    let version = &spec.version;
    check::version_part("version", &version.upstream, b".+~^_")?;
    check::version_part("release", &version.revision, b".+~^_")?;
    header.strings(tag::I18N_TABLE, ["C"]);
    header.string(tag::NAME, spec.name.as_str());
    header.string(tag::VERSION, &version.upstream);
    header.string(tag::RELEASE, &version.revision);
    header.int32s(tag::EPOCH, version.epoch);
    header.i18n_string(tag::SUMMARY, check::line("summary", &spec.summary)?);
    check::paragraphs("description", &spec.description)?;
    let description = spec.description.replace("\r\n", "\n");
    header.i18n_string(tag::DESCRIPTION, &wrapped(description.trim_matches('\n')));
    header.int32s(tag::BUILD_TIME, [time]);
    header.string(tag::BUILD_HOST, BUILD_HOST);
    if let Some(vendor) = &spec.vendor {
        header.string(tag::VENDOR, check::line("vendor", vendor)?);
    }
    let license = spec.license.as_deref().unwrap_or(NO_LICENSE);
    header.string(tag::LICENSE, check::line("license", license)?);
    header.string(tag::PACKAGER, check::line("maintainer", &spec.maintainer)?);
    header.i18n_string(tag::GROUP, "Unspecified");
    if let Some(homepage) = &spec.homepage {
        header.string(tag::URL, check::line("homepage", homepage)?);
    }
    header.string(tag::OS, "linux");
    header.string(tag::ARCH, architecture(spec));
    // A package without this tag is taken for a source package.
    let source = format!(
        "{}-{}-{}.src.rpm",
        spec.name, version.upstream, version.revision
    );
    header.string(tag::SOURCE_RPM, &source);
    header.string(tag::RPM_VERSION, RPM_VERSION);
    header.string(tag::PAYLOAD_FORMAT, "cpio");
    let codec = spec.compression.codec;
    let compressor = match codec {
        Codec::Gzip => "gzip",
        Codec::Xz => "xz",
        Codec::Zstd => "zstd",
    };
    header.string(tag::PAYLOAD_COMPRESSOR, compressor);
    header.string(tag::PAYLOAD_FLAGS, &spec.compression.level.to_string());
    header.string(tag::ENCODING, "utf-8");
    add_provides(&mut header, spec)?;
    add_requires(&mut header, spec, large)?;
    add_relations(&mut header, &spec.relations)?;
    add_scripts(&mut header, spec);
    add_changelog(&mut header, spec, time);
    Ok(header)
}

/// Long lines broken between words, since rpm shows a description as it stands; indented ones stay.
fn wrapped(description: &str) -> String {
    let mut lines = Vec::new();
    for line in description.lines() {
        if line.starts_with(' ') || line.chars().count() <= WIDTH {
            lines.push(line.to_owned());
            continue;
        }
        let mut broken = String::new();
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let width = broken.chars().count();
            if width > 0 && width + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut broken));
            } else if width > 0 {
                broken.push(' ');
            }
            broken.push_str(word);
        }
        lines.push(broken);
    }
    lines.join("\n")
}

/// `[epoch:]version-release`.
fn full_version(version: &NativeVersion) -> String {
    let epoch = version
        .epoch
        .map(|epoch| format!("{epoch}:"))
        .unwrap_or_default();
    format!("{epoch}{}-{}", version.upstream, version.revision)
}

/// Itself, also with the architecture, for those who need it in one.
fn add_provides(header: &mut Header, spec: &PackageSpec) -> Result<()> {
    let version = full_version(&spec.version);
    let mut provides = vec![Dependency::exact(spec.name.to_string(), &version)];
    if let Some(architecture) = spec.architecture {
        // The names that rpm's own `%{?_isa}` gives.
        let isa = match architecture {
            Arch::Amd64 => "x86-64",
            Arch::Arm64 => "aarch-64",
        };
        provides.push(Dependency::exact(format!("{}({isa})", spec.name), &version));
    }
    for provided in &spec.relations.provides {
        provides.push(Dependency::parse(provided)?);
    }
    let tags = [tag::PROVIDE_NAME, tag::PROVIDE_VERSION, tag::PROVIDE_FLAGS];
    add_dependencies(header, tags, &provides);
    Ok(())
}

/// One dependency of each kind is three tags: names, versions, flags.
fn add_dependencies<'a>(
    header: &mut Header,
    [name, version, flags]: [u32; 3],
    dependencies: impl IntoIterator<Item = &'a Dependency> + Copy,
) {
    let all = || dependencies.into_iter();
    header.strings(name, all().map(|dependency| &dependency.name));
    header.strings(version, all().map(|dependency| &dependency.version));
    header.int32s(flags, all().map(|dependency| dependency.flags));
}

/// How it stands to other packages, apart from what it provides and requires.
fn add_relations(header: &mut Header, relations: &Relations) -> Result<()> {
    let kinds = [
        (
            &relations.conflicts,
            [
                tag::CONFLICT_NAME,
                tag::CONFLICT_VERSION,
                tag::CONFLICT_FLAGS,
            ],
        ),
        (
            &relations.obsoletes,
            [
                tag::OBSOLETE_NAME,
                tag::OBSOLETE_VERSION,
                tag::OBSOLETE_FLAGS,
            ],
        ),
        (
            &relations.recommends,
            [
                tag::RECOMMEND_NAME,
                tag::RECOMMEND_VERSION,
                tag::RECOMMEND_FLAGS,
            ],
        ),
        (
            &relations.suggests,
            [tag::SUGGEST_NAME, tag::SUGGEST_VERSION, tag::SUGGEST_FLAGS],
        ),
    ];
    for (texts, tags) in kinds {
        let parsed: Result<BTreeSet<Dependency>> =
            texts.iter().map(|text| Dependency::parse(text)).collect();
        add_dependencies(header, tags, &parsed?);
    }
    Ok(())
}

/// What a moment is to rpm: the tags of the script and of what runs it, and the sense of what the
/// script needs.
fn script_tags(moment: Moment) -> (u32, u32, u32) {
    match moment {
        Moment::BeforeInstall => (tag::PRE_IN, tag::PRE_IN_PROGRAM, dependency::SCRIPT_PRE),
        Moment::AfterInstall => (tag::POST_IN, tag::POST_IN_PROGRAM, dependency::SCRIPT_POST),
        Moment::BeforeRemove => (tag::PRE_UN, tag::PRE_UN_PROGRAM, dependency::SCRIPT_PRE_UN),
        Moment::AfterRemove => (
            tag::POST_UN,
            tag::POST_UN_PROGRAM,
            dependency::SCRIPT_POST_UN,
        ),
        Moment::AfterTransaction => (
            tag::POST_TRANSACTION,
            tag::POST_TRANSACTION_PROGRAM,
            dependency::POST_TRANSACTION,
        ),
    }
}

fn add_scripts(header: &mut Header, spec: &PackageSpec) {
    for (moment, text) in &spec.scripts {
        let (script, program, _) = script_tags(*moment);
        header.string(script, text);
        header.string(program, SHELL);
    }
}

/// One entry, of this version. rpm's tools take the day, at noon in UTC.
fn add_changelog(header: &mut Header, spec: &PackageSpec, time: u32) {
    const DAY: u32 = 86_400;
    header.int32s(
        tag::CHANGELOG_TIME,
        [(time - time % DAY).saturating_add(DAY / 2)],
    );
    let version = full_version(&spec.version);
    let who = format!("{} - {version}", spec.maintainer.trim());
    header.strings(tag::CHANGELOG_NAME, [who]);
    let text = format!("- Release {}.", spec.version.upstream);
    header.strings(tag::CHANGELOG_TEXT, [text]);
}

/// What it depends on and the features of rpm that it uses, each once, sorted.
fn add_requires(header: &mut Header, spec: &PackageSpec, large: bool) -> Result<()> {
    let mut requires = BTreeSet::new();
    for needed in &spec.depends {
        requires.insert(Dependency::parse(needed)?);
    }
    for needed in &spec.relations.pre_depends {
        let mut needed = Dependency::parse(needed)?;
        needed.flags |= dependency::SCRIPT_PRE;
        requires.insert(needed);
    }
    for moment in spec.scripts.keys() {
        let (_, _, sense) = script_tags(*moment);
        requires.insert(Dependency::interpreter(SHELL, sense));
    }
    let version_has = |mark: char, requires: &BTreeSet<Dependency>| {
        full_version(&spec.version).contains(mark)
            || requires.iter().any(|needed| needed.version.contains(mark))
    };
    let features = [
        ("CompressedFileNames", "3.0.4-1", true),
        ("PayloadFilesHavePrefix", "4.0-1", true),
        ("FileDigests", "4.6.0-1", true),
        ("TildeInVersions", "4.10.0-1", version_has('~', &requires)),
        (
            "RichDependencies",
            "4.12.0-1",
            requires.iter().any(|it| it.name.starts_with('(')),
        ),
        ("LargeFiles", "4.12.0-1", large),
        ("CaretInVersions", "4.15.0-1", version_has('^', &requires)),
        ("PayloadIsXz", "5.2-1", spec.compression.codec == Codec::Xz),
        (
            "PayloadIsZstd",
            "5.4.18-1",
            spec.compression.codec == Codec::Zstd,
        ),
    ];
    for (name, version, _) in features.into_iter().filter(|(_, _, used)| *used) {
        requires.insert(Dependency::feature(name, version));
    }
    let tags = [tag::REQUIRE_NAME, tag::REQUIRE_VERSION, tag::REQUIRE_FLAGS];
    add_dependencies(header, tags, &requires);
    Ok(())
}

/// `RPMFILE_CONFIG`, `RPMFILE_NOREPLACE`, `RPMFILE_DOC`, `RPMFILE_LICENSE`.
fn file_flags(role: Role) -> u32 {
    match role {
        Role::Plain => 0,
        Role::Configuration => 1 | 1 << 4,
        Role::Documentation => 1 << 1,
        Role::License => 1 << 7,
    }
}

/// One value of each array for each file, in the order of the paths, as rpm looks them up.
pub(super) fn add_files(header: &mut Header, tree: &Tree, files: &Files, time: u32) {
    header.size(tag::SIZE, tag::LONG_SIZE, tree.installed_size());
    if tree.is_empty() {
        return;
    }
    let split = |path: &'_ str| path.rfind('/').map_or(0, |slash| slash + 1);
    let folders: BTreeSet<&str> = tree.iter().map(|(path, _)| &path[..split(path)]).collect();
    let folders: Vec<&str> = folders.into_iter().collect();
    let folder_of = |path: &str| {
        let found = folders.binary_search(&&path[..split(path)]);
        found
            .ok()
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(0)
    };
    let entries = || tree.iter().map(|(_, entry)| tree.resolve(entry));
    let same = |value: u32| std::iter::repeat_n(value, tree.len());

    header.strings(
        tag::DIR_NAMES,
        folders.iter().map(|folder| format!("/{folder}")),
    );
    header.strings(
        tag::BASE_NAMES,
        tree.iter().map(|(path, _)| &path[split(path)..]),
    );
    header.int32s(
        tag::DIR_INDEXES,
        tree.iter().map(|(path, _)| folder_of(path)),
    );
    let sizes: Vec<u64> = entries().map(cpio::size).collect();
    let short = sizes.iter().map(|size| u32::try_from(*size).ok());
    match short.collect::<Option<Vec<u32>>>().filter(|_| !files.large) {
        Some(sizes) => header.int32s(tag::FILE_SIZES, sizes),
        None => header.int64s(tag::LONG_FILE_SIZES, sizes),
    }
    // The type bits are the upper four of sixteen.
    let modes = entries().map(|entry| u16::try_from(cpio::mode(entry)).unwrap_or(u16::MAX));
    header.int16s(tag::FILE_MODES, modes);
    header.int16s(tag::FILE_RDEVS, std::iter::repeat_n(0, tree.len()));
    let times = entries().map(|entry| cpio::time(entry, time));
    header.int32s(tag::FILE_MTIMES, times);
    header.strings(tag::FILE_DIGESTS, &files.digests);
    header.int32s(tag::FILE_DIGEST_ALGORITHM, [SHA256]);
    let targets = entries().map(|entry| match &entry.kind {
        EntryKind::Symlink(target) => target.as_str(),
        EntryKind::Directory | EntryKind::File { .. } | EntryKind::HardLink(_) => "",
    });
    header.strings(tag::FILE_LINK_TOS, targets);
    header.int32s(
        tag::FILE_FLAGS,
        entries().map(|entry| file_flags(entry.role)),
    );
    header.strings(
        tag::FILE_USER_NAME,
        entries().map(|entry| &entry.owner.user),
    );
    header.strings(
        tag::FILE_GROUP_NAME,
        entries().map(|entry| &entry.owner.group),
    );
    // Everything is verified.
    header.int32s(tag::FILE_VERIFY_FLAGS, same(u32::MAX));
    header.int32s(tag::FILE_DEVICES, same(1));
    header.int32s(tag::FILE_INODES, files.inodes.iter().copied());
    header.strings(tag::FILE_LANGS, entries().map(|_| ""));
}

/// The digest of the compressed payload.
pub(super) fn add_payload(header: &mut Header, digest: &Digest) {
    header.strings(tag::PAYLOAD_DIGEST, [digest.as_str()]);
    header.int32s(tag::PAYLOAD_DIGEST_ALGORITHM, [SHA256]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_of_a_description_are_broken_between_words() {
        let long = format!("{} end", "word ".repeat(20).trim_end());
        let text = wrapped(&format!("short\n\n  {long}\n{long}"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["short", "", &format!("  {long}")]);
        assert!(lines[3..].iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(lines[3..].join(" "), long);
    }
}
