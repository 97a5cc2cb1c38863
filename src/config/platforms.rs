//! `platforms.toml`: every platform as data, and the Dockerfiles beside it.
//!
//! The shipped table and images are compiled in; a project's own `platforms.toml` overrides single
//! fields or adds platforms, and its `images/<id>/` replaces or adds folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::{
    Archive, Bootstrap, Codec, Family, Format, FurtherPython, ImageRef, PlatformId,
};
use crate::signing::KeyRules;

use super::pythons::{Pythons, RawPythons};
use super::toml_error;

/// The file in a project's folder with platforms of its own.
pub const OWN_TABLE: &str = "platforms.toml";

const SHIPPED: &str = include_str!("../../platforms.toml");

#[derive(rust_embed::Embed)]
#[folder = "images/"]
struct ShippedImages;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    schema: Option<u32>,
    #[serde(default)]
    aliases: BTreeMap<String, PlatformId>,
    #[serde(default)]
    platform: BTreeMap<PlatformId, RawPlatform>,
    #[serde(default)]
    python: RawPythons,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPlatform {
    title: Option<String>,
    family: Option<Family>,
    format: Option<Format>,
    /// A date, or `none`.
    end_of_life: Option<toml::Value>,
    image: Option<ImageRef>,
    python: Option<String>,
    python_depends: Option<Vec<String>>,
    default_python: Option<String>,
    pythons: Option<BTreeMap<String, FurtherPython>>,
    glibc: Option<String>,
    suffix: Option<String>,
    unit_folder: Option<String>,
    codec: Option<Codec>,
    signing_keys: Option<KeyRules>,
    largest_file: Option<u64>,
    /// Take everything that is not said here from this platform, its Dockerfile too.
    like: Option<PlatformId>,
    bootstrap: Option<Bootstrap>,
    archive: Option<Archive>,
    rootfs: Option<PathBuf>,
}

/// A distribution release that packages are built for.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Its name.
    pub id: PlatformId,
    /// Its name for people.
    pub title: String,
    /// Whose tools and package names it has.
    pub family: Family,
    /// The format of its packages.
    pub format: Format,
    /// The last day of free public support; `None`: it is no release, and has none.
    pub end_of_life: Option<jiff::civil::Date>,
    /// Its base image.
    pub image: ImageRef,
    /// The minor version of its system Python, such as `3.11`; `None`: none that bundles can use.
    pub python: Option<String>,
    /// What a package must depend on to get exactly that Python.
    pub python_depends: Vec<String>,
    /// The minor version of the Python of one's own that bundles get where the project doesn't say
    /// which, because the system's is dead; `None`: the system's is used.
    pub default_python: Option<String>,
    /// The Pythons that it has beside that, by minor version.
    pub pythons: BTreeMap<String, FurtherPython>,
    /// The version of its C library: what a bundle needs may not be newer.
    pub glibc: (u32, u32),
    /// What distinguishes its packages' versions, such as `+deb12` or `.el9`.
    pub suffix: String,
    /// Where its packages put systemd units.
    pub unit_folder: String,
    /// What its oldest package tool reads fastest.
    pub codec: Codec,
    /// Which signatures its package manager can check.
    pub signing_keys: KeyRules,
    /// The length in bytes of the largest file that its package manager unpacks; `None`: any.
    pub largest_file: Option<u64>,
    /// How to make the base image where no registry answers.
    pub bootstrap: Option<Bootstrap>,
    /// Where its packages are, when they left its mirrors.
    pub archive: Option<Archive>,
    /// A tar archive of a root filesystem that is the base image, instead of `image`.
    pub rootfs: Option<PathBuf>,
    /// The folder of its Dockerfile below `images/`.
    pub image_folder: PlatformId,
}

impl Platform {
    /// Adds the file that names the archive of a platform that left its mirrors to the files of a build
    /// context; answers the mirror, which is that archive where none is named.
    ///
    /// # Errors
    /// [`Kind::Config`] for a mirror that can't stand in such files.
    pub fn add_archive(
        &self,
        mirror: Option<String>,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<Option<String>> {
        let Some(archive) = &self.archive else {
            return Ok(mirror);
        };
        let text = archive.file(mirror.as_deref())?;
        files.insert(Archive::FILE.to_owned(), text.into_bytes());
        Ok(mirror.or_else(|| Some(archive.mirror.clone())))
    }

    /// Whether it is a release that is supported on a day. What is no release is built only when it
    /// is named.
    pub fn is_living(&self, today: jiff::civil::Date) -> bool {
        self.end_of_life.is_some_and(|day| day >= today)
    }

    /// Its last day of support, when a day is after it.
    pub fn ended(&self, today: jiff::civil::Date) -> Option<jiff::civil::Date> {
        self.end_of_life.filter(|day| *day < today)
    }
}

/// All platforms that are known.
#[derive(Debug)]
pub struct PlatformTable {
    aliases: BTreeMap<String, PlatformId>,
    platforms: BTreeMap<PlatformId, Platform>,
    pythons: Pythons,
    project_images: std::path::PathBuf,
}

impl PlatformTable {
    /// The shipped platforms, with those of the project's `platforms.toml` over them.
    pub fn load(project_root: &Path) -> Result<Self> {
        let path = project_root.join(OWN_TABLE);
        let own = if path.is_file() {
            Some(fs::read_to_string(&path)?)
        } else {
            None
        };
        Self::with(project_root, own.as_deref())
    }

    /// The same with this text as the project's `platforms.toml`.
    pub fn with(project_root: &Path, own: Option<&str>) -> Result<Self> {
        let mut table: RawTable =
            toml_error::parse(Path::new("platforms.toml (shipped)"), SHIPPED)?;
        let mut pythons = table.python.over(Pythons::default(), project_root)?;
        if let Some(text) = own {
            let path = project_root.join(OWN_TABLE);
            let own: RawTable = toml_error::parse(&path, text)?;
            if own.schema.is_some_and(|schema| schema != 1) {
                return Err(Error::new(
                    Kind::Config,
                    format!("{}: only `schema = 1` is known", path.display()),
                )
                .hint("use the omnibuild that knows that schema"));
            }
            pythons = own.python.over(pythons, project_root)?;
            table.aliases.extend(own.aliases);
            for (id, mut over) in own.platform {
                over.rootfs = over.rootfs.map(|file| project_root.join(file));
                let under = table.platform.remove(&id).unwrap_or_default();
                table.platform.insert(id, over.over(under));
            }
        }
        let platforms = table
            .platform
            .keys()
            .map(|id| Ok((id.clone(), check(id, &table.platform)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            aliases: table.aliases,
            platforms,
            pythons,
            project_images: project_root.join("images"),
        })
    }

    /// Every platform, sorted by name.
    pub fn all(&self) -> impl Iterator<Item = &Platform> {
        self.platforms.values()
    }

    /// The archives of standalone Pythons.
    pub fn pythons(&self) -> &Pythons {
        &self.pythons
    }

    /// Other names of platforms.
    pub fn aliases(&self) -> &BTreeMap<String, PlatformId> {
        &self.aliases
    }

    /// The platform with a name or an alias.
    pub fn find(&self, name: &str) -> Result<&Platform> {
        let id = self.aliases.get(name).map_or(name, PlatformId::as_str);
        if let Some(platform) = self
            .platforms
            .values()
            .find(|platform| platform.id.as_str() == id)
        {
            return Ok(platform);
        }
        let known: Vec<&str> = self
            .platforms
            .keys()
            .map(PlatformId::as_str)
            .chain(self.aliases.keys().map(String::as_str))
            .collect();
        let error = Error::new(Kind::Platform, format!("unknown platform `{name}`"));
        let error = match toml_error::nearest(name, known.iter().copied()) {
            Some(word) => error.hint(format!("did you mean `{word}`?")),
            None => error,
        };
        Err(error.hint(format!("known platforms: {}", known.join(", "))))
    }

    /// The files of an image of tools that is shipped, below `images/`: its folder's and `common/`.
    pub fn shipped(folder: &str) -> BTreeMap<String, Vec<u8>> {
        let prefix = format!("{folder}/");
        let inside = |name: &str| match name.strip_prefix(&prefix) {
            Some(rest) => Some(rest.to_owned()),
            None => name.starts_with("common/").then(|| name.to_owned()),
        };
        ShippedImages::iter()
            .filter_map(|name| {
                let file = ShippedImages::get(&name)?;
                Some((inside(&name)?, file.data.into_owned()))
            })
            .collect()
    }

    /// The files of a platform's build context below `images/`: its own folder at the top, and
    /// `common/`. The project's files win over the shipped ones.
    pub fn context(&self, platform: &Platform) -> Result<BTreeMap<String, Vec<u8>>> {
        let folder = platform.image_folder.as_str();
        let mut files = BTreeMap::new();
        for (prefix, place) in [
            (format!("{folder}/"), ""),
            // A platform that is like another may bring files of its own over the other's.
            (format!("{}/", platform.id), ""),
            ("common/".to_owned(), "common/"),
        ] {
            for name in ShippedImages::iter() {
                if let (Some(rest), Some(file)) =
                    (name.strip_prefix(&prefix), ShippedImages::get(&name))
                {
                    files.insert(format!("{place}{rest}"), file.data.into_owned());
                }
            }
            let own = self.project_images.join(&prefix);
            if own.is_dir() {
                for path in crate::fsutil::sorted_walk(&own)? {
                    let name = format!("{place}{}", path.display());
                    files.insert(name, fs::read(own.join(&path))?);
                }
            }
        }
        if !files.contains_key("Dockerfile") {
            return Err(Error::new(
                Kind::Missing,
                format!("platform `{}` has no Dockerfile", platform.id),
            )
            .hint(format!(
                "write `{}`, or say `like = \"…\"` in its table in platforms.toml",
                self.project_images
                    .join(folder)
                    .join("Dockerfile")
                    .display()
            )));
        }
        Ok(files)
    }
}

impl RawPlatform {
    /// These values, and where they are silent those of `under`.
    fn over(self, under: Self) -> Self {
        Self {
            title: self.title.or(under.title),
            family: self.family.or(under.family),
            format: self.format.or(under.format),
            end_of_life: self.end_of_life.or(under.end_of_life),
            image: self.image.or(under.image),
            python: self.python.or(under.python),
            python_depends: self.python_depends.or(under.python_depends),
            default_python: self.default_python.or(under.default_python),
            pythons: self.pythons.or(under.pythons),
            glibc: self.glibc.or(under.glibc),
            suffix: self.suffix.or(under.suffix),
            unit_folder: self.unit_folder.or(under.unit_folder),
            codec: self.codec.or(under.codec),
            signing_keys: self.signing_keys.or(under.signing_keys),
            largest_file: self.largest_file.or(under.largest_file),
            like: self.like.or(under.like),
            bootstrap: self.bootstrap.or(under.bootstrap),
            archive: self.archive.or(under.archive),
            rootfs: self.rootfs.or(under.rootfs),
        }
    }
}

/// Where the distribution's own packages have their units.
fn unit_folder(id: &PlatformId, named: Option<String>) -> Result<String> {
    const FOLDERS: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
    let folder = named.unwrap_or_else(|| FOLDERS[0].to_owned());
    if FOLDERS.contains(&folder.as_str()) {
        return Ok(folder);
    }
    Err(Error::new(
        Kind::Config,
        format!("platforms.toml: platform.{id}.unit-folder: systemd reads no units of packages in `{folder}`"),
    )
    .hint(format!("write one of {}", FOLDERS.join(", "))))
}

/// The last day of support; `None` for what says that it has none.
fn last_day(id: &PlatformId, value: &toml::Value) -> Result<Option<jiff::civil::Date>> {
    if value.as_str() == Some("none") {
        return Ok(None);
    }
    let date = value.as_datetime().and_then(|datetime| datetime.date);
    let date = date.and_then(|date| {
        let (year, month, day) = (
            date.year.try_into(),
            date.month.try_into(),
            date.day.try_into(),
        );
        jiff::civil::Date::new(year.ok()?, month.ok()?, day.ok()?).ok()
    });
    date.map(Some).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("platforms.toml: platform.{id}.end-of-life: `{value}` is not a date"),
        )
        .hint("write `end-of-life = 2030-06-30`, or \"none\" for what is no release and always goes on")
    })
}

/// An archive whose own address is good, and that has something to say.
fn checked(id: &PlatformId, archive: Archive) -> Result<Archive> {
    let place = |error: Error| error.context(format!("platforms.toml: platform.{id}.archive"));
    let text = archive.file(None).map_err(place)?;
    let is_entry = |line: &str| line.starts_with("deb ") || line.starts_with("replace ");
    if !text.is_empty() && text.lines().all(is_entry) {
        return Ok(archive);
    }
    Err(place(
        Error::new(Kind::Config, "nothing in it says what is where")
            .hint("write `sources = [\"deb {mirror} suite main\"]`, or `replaces = [\"http://…\"]` for what stands in yum.repos.d"),
    ))
}

/// The minor version of a Python, `3.11`.
fn minor_version(id: &PlatformId, key: &str, text: String) -> Result<String> {
    if two_numbers(&text).is_some() {
        return Ok(text);
    }
    Err(Error::new(
        Kind::Config,
        format!("platforms.toml: platform.{id}.{key}: `{text}` is not a minor version of Python"),
    )
    .hint(format!("write it as `{key} = \"3.11\"`")))
}

/// The version of the C library, `2.36`.
fn glibc(id: &PlatformId, text: &str) -> Result<(u32, u32)> {
    two_numbers(text).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("platforms.toml: platform.{id}.glibc: `{text}` is not a version of the GNU C library"),
        )
        .hint("write two numbers, such as `glibc = \"2.36\"`: `ldd --version` on that platform says them")
    })
}

/// Two numbers with a dot between them, and nothing else.
fn two_numbers(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (first, second) = text.split_once('.')?;
    Some((number(first)?, number(second)?))
}

fn check(id: &PlatformId, table: &BTreeMap<PlatformId, RawPlatform>) -> Result<Platform> {
    let mut raw = table.get(id).cloned().unwrap_or_default();
    let mut image_folder = id.clone();
    if let Some(like) = raw.like.clone() {
        let Some(under) = table.get(&like).filter(|under| under.like.is_none()) else {
            return Err(Error::new(
                Kind::Platform,
                format!("platforms.toml: platform.{id}.like names `{like}`, which is no platform of its own"),
            )
            .hint("name a platform that has all its fields"));
        };
        raw = raw.over(under.clone());
        image_folder = like;
    }
    let missing = |key: &str| {
        Error::new(
            Kind::Config,
            format!("platforms.toml: platform.{id} has no `{key}`"),
        )
        .hint(format!(
            "add `{key} = …`, or `like = \"…\"` to take it from another platform"
        ))
    };
    let end_of_life = raw.end_of_life.as_ref();
    let end_of_life = end_of_life.ok_or_else(|| missing("end-of-life"))?;
    let end_of_life = last_day(id, end_of_life)?;
    let default_python = raw
        .default_python
        .map(|text| minor_version(id, "default-python", text))
        .transpose()?;
    let python = raw
        .python
        .map(|text| minor_version(id, "python", text))
        .transpose()?;
    if python.is_none() && default_python.is_none() {
        return Err(missing("python"));
    }
    if python.is_some() && raw.python_depends.is_none() {
        return Err(missing("python-depends"));
    }
    let pythons = raw.pythons.unwrap_or_default();
    for minor in pythons.keys() {
        minor_version(id, "pythons", minor.clone())?;
    }
    let glibc = glibc(id, &raw.glibc.ok_or_else(|| missing("glibc"))?)?;
    Ok(Platform {
        id: id.clone(),
        title: raw.title.unwrap_or_else(|| id.to_string()),
        family: raw.family.ok_or_else(|| missing("family"))?,
        format: raw.format.ok_or_else(|| missing("format"))?,
        end_of_life,
        image: raw.image.ok_or_else(|| missing("image"))?,
        python,
        python_depends: raw.python_depends.unwrap_or_default(),
        default_python,
        pythons,
        glibc,
        suffix: raw.suffix.ok_or_else(|| missing("suffix"))?,
        unit_folder: unit_folder(id, raw.unit_folder)?,
        codec: raw.codec.ok_or_else(|| missing("codec"))?,
        signing_keys: raw.signing_keys.unwrap_or_default(),
        largest_file: raw.largest_file,
        bootstrap: raw.bootstrap,
        archive: raw
            .archive
            .map(|archive| checked(id, archive))
            .transpose()?,
        rootfs: raw.rootfs,
        image_folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a platform must say but for its Python.
    const FIELDS: &str = "family = \"debian\"\nformat = \"deb\"\nend-of-life = 2099-01-01\nimage = \"x:1\"\n\
                          suffix = \"+n1\"\ncodec = \"gzip\"\nglibc = \"2.36\"\n";

    #[test]
    fn a_platform_has_a_python_of_its_own_or_one_that_is_brought() {
        let load = |more: &str| {
            let project = tempfile::tempdir().unwrap();
            let text = format!("[platform.new-1]\n{FIELDS}{more}");
            fs::write(project.path().join("platforms.toml"), text).unwrap();
            PlatformTable::load(project.path()).map(|table| table.find("new-1").unwrap().clone())
        };
        let brought = load("default-python = \"3.13\"\n").unwrap();
        assert_eq!((brought.python, brought.glibc), (None, (2, 36)));
        assert_eq!(brought.default_python.as_deref(), Some("3.13"));
        for (more, said) in [
            ("", "no `python`"),
            ("python = \"3.5\"\n", "no `python-depends`"),
            (
                "python = \"3\"\npython-depends = []\n",
                "`3` is not a minor version",
            ),
            ("default-python = \"system\"\n", "default-python: `system`"),
            ("default-python = \"3.13.1\"\n", "`3.13.1`"),
        ] {
            let error = load(more).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{more}");
            assert!(error.message().contains(said), "{more}: {error}");
        }
    }

    #[test]
    fn the_end_of_life_is_a_day_or_none() {
        let load = |value: &str| {
            let project = tempfile::tempdir().unwrap();
            let fields = FIELDS.replace("2099-01-01", value);
            let text = format!("[platform.new-1]\ndefault-python = \"3.13\"\n{fields}");
            fs::write(project.path().join("platforms.toml"), text).unwrap();
            PlatformTable::load(project.path()).map(|table| table.find("new-1").unwrap().clone())
        };
        let day = jiff::civil::date;
        let release = load("2020-06-30").unwrap();
        assert!(release.is_living(day(2020, 6, 30)) && !release.is_living(day(2020, 7, 1)));
        assert_eq!(release.ended(day(2020, 6, 30)), None);
        assert_eq!(release.ended(day(2020, 7, 1)), release.end_of_life);
        let rolling = load("\"none\"").unwrap();
        assert!(!rolling.is_living(day(2020, 1, 1)) && rolling.ended(day(2099, 1, 1)).is_none());
        for bad in ["\"never\"", "5", "12:00:00"] {
            let error = load(bad).unwrap_err();
            assert!(
                error.message().contains("platform.new-1.end-of-life"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn an_archive_says_what_is_where() {
        let load = |archive: &str| {
            let project = tempfile::tempdir().unwrap();
            let text = format!("[platform.new-1]\ndefault-python = \"3.13\"\n{FIELDS}{archive}");
            fs::write(project.path().join("platforms.toml"), text).unwrap();
            PlatformTable::load(project.path()).map(drop)
        };
        load("archive = { mirror = \"http://a\", sources = [\"deb {mirror} a main\"] }").unwrap();
        for bad in [
            "archive = { mirror = \"http://a\" }",
            "archive = { mirror = \"a\", sources = [\"deb {mirror} a main\"] }",
            "archive = { mirror = \"http://a\", sources = [\"{mirror} a main\"] }",
        ] {
            let error = load(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{bad}");
            assert!(
                error.to_string().contains("platform.new-1.archive"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn the_fields_of_every_shipped_platform_hold_together() {
        let nowhere = tempfile::tempdir().unwrap();
        let table = PlatformTable::load(nowhere.path()).unwrap();
        let mut suffixes = std::collections::BTreeSet::new();
        for platform in table.all() {
            let id = &platform.id;
            let of_rpm = platform.family == Family::Redhat;
            assert_eq!(of_rpm, platform.format == Format::Rpm, "{id}");
            assert!(
                platform.suffix.starts_with(if of_rpm { '.' } else { '+' }),
                "{id}"
            );
            // Those that are made to be the same have packages of the same names, too.
            let is_like = platform.image_folder != *id;
            assert!(is_like || suffixes.insert(platform.suffix.clone()), "{id}");
            let python = platform.python.as_deref().unwrap();
            let exact = if of_rpm {
                format!("python(abi) = {python}")
            } else {
                format!("python{python}")
            };
            assert!(platform.python_depends.contains(&exact), "{id}");
            for (minor, further) in &platform.pythons {
                assert_ne!(minor, python, "{id}");
                let exact = exact.replace(python, minor);
                assert!(further.depends.contains(&exact), "{id}");
                assert!(!further.build_depends.is_empty(), "{id}");
            }
            assert!(!of_rpm || platform.bootstrap.is_none(), "{id}");
            assert!(((2, 17)..(3, 0)).contains(&platform.glibc), "{id}");
            let files = table.context(platform).unwrap();
            let dockerfile = String::from_utf8_lossy(&files["Dockerfile"]);
            let installer = dockerfile
                .lines()
                .find(|line| line.contains("/install-"))
                .unwrap();
            let word = installer.split('/').next_back().unwrap();
            let word = word.split_whitespace().next().unwrap();
            assert!(
                files.contains_key(&format!("common/{word}")),
                "{id}: {word}"
            );
            let name = if of_rpm {
                "python3".to_owned()
            } else {
                format!("python{python}")
            };
            assert!(
                dockerfile.contains(&format!("make-python {name}\n")),
                "{id}"
            );
            assert_eq!(
                platform.archive.is_some(),
                dockerfile.contains("use-archive"),
                "{id}"
            );
            if let Some(archive) = &platform.archive {
                let before = dockerfile.find("use-archive").unwrap();
                assert!(before < dockerfile.find("/install-").unwrap(), "{id}");
                assert_eq!(archive.sources.is_empty(), of_rpm, "{id}");
                assert_eq!(archive.replaces.is_empty(), !of_rpm, "{id}");
            }
        }
    }

    #[test]
    fn a_version_of_the_c_library_is_two_numbers() {
        let id = "new-1".parse().unwrap();
        assert_eq!(glibc(&id, "2.17").unwrap(), (2, 17));
        for bad in [
            "",
            "2",
            "2.",
            ".17",
            "2.17.1",
            "+2.17",
            "2.x",
            "99999999999.1",
        ] {
            let error = glibc(&id, bad).unwrap_err();
            assert!(
                error.message().contains("platform.new-1.glibc"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn every_shipped_platform_is_whole_and_has_its_images() {
        let nowhere = tempfile::tempdir().unwrap();
        let table = PlatformTable::load(nowhere.path()).unwrap();
        assert!(table.all().count() >= 7);
        for platform in table.all() {
            let context = table.context(platform).unwrap();
            assert!(
                context.keys().any(|name| name.starts_with("common/")),
                "{}",
                platform.id
            );
        }
        for (alias, id) in table.aliases() {
            assert_eq!(table.find(alias).unwrap().id, *id);
        }
    }

    #[test]
    fn an_unknown_platform_is_answered_with_the_known_ones_and_the_nearest() {
        let nowhere = tempfile::tempdir().unwrap();
        let error = PlatformTable::load(nowhere.path())
            .unwrap()
            .find("debain-12")
            .map(|p| p.id.clone())
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Platform);
        assert_eq!(error.hints()[0], "did you mean `debian-12`?");
        assert!(error.hints()[1].contains("rocky-9"));
    }

    #[test]
    fn a_project_overrides_single_fields_and_adds_platforms() {
        let project = tempfile::tempdir().unwrap();
        fs::write(
            project.path().join("platforms.toml"),
            "[platform.debian-12]\nimage = \"mirror.example/debian:12\"\n\
             [platform.acme-1]\nlike = \"debian-12\"\nsuffix = \"+acme1\"\nrootfs = \"a.tar\"\n",
        )
        .unwrap();
        let table = PlatformTable::load(project.path()).unwrap();
        let debian = table.find("debian-12").unwrap();
        assert_eq!(debian.image.as_str(), "mirror.example/debian:12");
        let own = table.find("acme-1").unwrap();
        assert_eq!(
            (own.suffix.as_str(), &own.python),
            ("+acme1", &debian.python)
        );
        assert_eq!(own.rootfs, Some(project.path().join("a.tar")));
        let dockerfile = |table: &PlatformTable| table.context(own).unwrap()["Dockerfile"].clone();
        assert_eq!(
            dockerfile(&table),
            table.context(debian).unwrap()["Dockerfile"]
        );
        fs::create_dir_all(project.path().join("images/acme-1")).unwrap();
        fs::write(project.path().join("images/acme-1/Dockerfile"), "FROM x\n").unwrap();
        assert_eq!(dockerfile(&table), b"FROM x\n");
    }

    #[test]
    fn a_platform_without_a_dockerfile_says_where_to_write_it() {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join("platforms.toml");
        let fields = format!("{FIELDS}python = \"3.11\"\npython-depends = []\n");
        fs::write(&path, format!("[platform.new-1]\n{fields}")).unwrap();
        let table = PlatformTable::load(project.path()).unwrap();
        let error = table.context(table.find("new-1").unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Missing);
        assert!(error.hints()[0].contains("images/new-1/Dockerfile"));
    }
}
