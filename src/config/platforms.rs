//! `platforms.toml`: every platform as data, and the Dockerfiles beside it.
//!
//! The shipped table and images are compiled in; a project's own `platforms.toml` overrides single
//! fields or adds platforms, and its `images/<id>/` replaces or adds folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::{Bootstrap, Codec, Family, Format, ImageRef, PlatformId};
use crate::signing::KeyRules;

use super::toml_error;

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
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPlatform {
    title: Option<String>,
    family: Option<Family>,
    format: Option<Format>,
    end_of_life: Option<toml::value::Datetime>,
    image: Option<ImageRef>,
    python: Option<String>,
    python_depends: Option<Vec<String>>,
    default_python: Option<String>,
    glibc: Option<String>,
    suffix: Option<String>,
    unit_folder: Option<String>,
    codec: Option<Codec>,
    signing_keys: Option<KeyRules>,
    largest_file: Option<u64>,
    /// Take everything that is not said here from this platform, its Dockerfile too.
    like: Option<PlatformId>,
    bootstrap: Option<Bootstrap>,
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
    /// The last day of free public support.
    pub end_of_life: jiff::civil::Date,
    /// Its base image.
    pub image: ImageRef,
    /// The minor version of its system Python, such as `3.11`; `None`: none that bundles can use.
    pub python: Option<String>,
    /// What a package must depend on to get exactly that Python.
    pub python_depends: Vec<String>,
    /// The minor version of the Python of one's own that bundles get where the project doesn't say
    /// which, because the system's is dead; `None`: the system's is used.
    pub default_python: Option<String>,
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
    /// A tar archive of a root filesystem that is the base image, instead of `image`.
    pub rootfs: Option<PathBuf>,
    /// The folder of its Dockerfile below `images/`.
    pub image_folder: PlatformId,
}

impl Platform {
    /// Whether it is still supported on a day.
    pub fn is_living(&self, today: jiff::civil::Date) -> bool {
        self.end_of_life >= today
    }
}

/// All platforms that are known.
#[derive(Debug)]
pub struct PlatformTable {
    aliases: BTreeMap<String, PlatformId>,
    platforms: BTreeMap<PlatformId, Platform>,
    project_images: std::path::PathBuf,
}

impl PlatformTable {
    /// The shipped platforms, with those of the project's `platforms.toml` over them.
    pub fn load(project_root: &Path) -> Result<Self> {
        let mut table: RawTable =
            toml_error::parse(Path::new("platforms.toml (shipped)"), SHIPPED)?;
        let path = project_root.join("platforms.toml");
        if path.is_file() {
            let own: RawTable = toml_error::parse(&path, &fs::read_to_string(&path)?)?;
            if own.schema.is_some_and(|schema| schema != 1) {
                return Err(Error::new(
                    Kind::Config,
                    format!("{}: only `schema = 1` is known", path.display()),
                )
                .hint("use the omnibuild that knows that schema"));
            }
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
            project_images: project_root.join("images"),
        })
    }

    /// Every platform, sorted by name.
    pub fn all(&self) -> impl Iterator<Item = &Platform> {
        self.platforms.values()
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
            glibc: self.glibc.or(under.glibc),
            suffix: self.suffix.or(under.suffix),
            unit_folder: self.unit_folder.or(under.unit_folder),
            codec: self.codec.or(under.codec),
            signing_keys: self.signing_keys.or(under.signing_keys),
            largest_file: self.largest_file.or(under.largest_file),
            like: self.like.or(under.like),
            bootstrap: self.bootstrap.or(under.bootstrap),
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
    let end_of_life = raw
        .end_of_life
        .and_then(|datetime| datetime.date)
        .ok_or_else(|| missing("end-of-life"))?;
    let end_of_life = jiff::civil::Date::new(
        i16::try_from(end_of_life.year).unwrap_or(i16::MAX),
        i8::try_from(end_of_life.month).unwrap_or(12),
        i8::try_from(end_of_life.day).unwrap_or(28),
    )
    .map_err(|error| {
        Error::new(
            Kind::Config,
            format!("platforms.toml: platform.{id}.end-of-life: {error}"),
        )
    })?;
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
        glibc,
        suffix: raw.suffix.ok_or_else(|| missing("suffix"))?,
        unit_folder: unit_folder(id, raw.unit_folder)?,
        codec: raw.codec.ok_or_else(|| missing("codec"))?,
        signing_keys: raw.signing_keys.unwrap_or_default(),
        largest_file: raw.largest_file,
        bootstrap: raw.bootstrap,
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
