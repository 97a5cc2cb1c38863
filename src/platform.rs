//! Validated words of the field: platform, architecture, family, format, package name, image.
//!
//! A value of these types has been checked; nothing here reads a file or knows a distribution.

mod target;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

pub use self::target::{Arch, TargetId};

/// A string type whose values are checked when they are made.
macro_rules! checked_word {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(into = "String")]
        pub struct $name(String);

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                let word = Self::try_from(text);
                word.map_err(|error| serde::de::Error::custom(error.with_hints()))
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::error::Error;

            fn try_from(text: String) -> $crate::error::Result<Self> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;

            fn from_str(text: &str) -> $crate::error::Result<Self> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

pub(crate) use checked_word;

checked_word!(
    /// The name of a platform: distribution and release, such as `debian-12`.
    PlatformId,
    check_platform_id
);
checked_word!(
    /// The name of a binary package (Debian policy 5.6.1; RPM takes these names too).
    PackageName,
    check_package_name
);
checked_word!(
    /// A reference to a container image: `[host/]name[:tag][@digest]`.
    ImageRef,
    check_image_ref
);

fn check_platform_id(text: &str) -> Result<()> {
    let good = !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
        })
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.contains("..");
    if good {
        return Ok(());
    }
    Err(
        Error::new(Kind::Config, format!("`{text}` is not a platform name")).hint(
            "a platform name is lower-case letters, digits, `.` and `-`, such as `debian-12`",
        ),
    )
}

fn check_package_name(text: &str) -> Result<()> {
    let good = text.len() >= 2
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        })
        && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if good {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("`{text}` is not a package name"))
        .hint("Debian policy 5.6.1: at least two of a-z, 0-9, `+`, `-`, `.`, the first a letter or digit"))
}

fn check_image_ref(text: &str) -> Result<()> {
    let good = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte))
        && !text.starts_with(['-', '/', ':', '@']);
    if good {
        return Ok(());
    }
    Err(
        Error::new(Kind::Config, format!("`{text}` is not an image reference"))
            .hint("write it as `name:tag`, `host/name:tag` or `name@sha256:…`"),
    )
}

/// A family of distributions: who decides package names and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian, Ubuntu and those made from them.
    Debian,
    /// Red Hat, CentOS, Rocky, Alma, Fedora, Amazon.
    Redhat,
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debian => "debian",
            Self::Redhat => "redhat",
        })
    }
}

/// The format of a package file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Debian binary package, deb(5).
    Deb,
    /// RPM package, version 4 of the format.
    Rpm,
}

impl Format {
    /// Whether it is usual to sign each package: rpm checks them, apt checks repositories.
    pub fn signs_packages(self) -> bool {
        match self {
            Self::Deb => false,
            Self::Rpm => true,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        })
    }
}

/// How a package's content is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// gzip, RFC 1952: every package manager reads it.
    Gzip,
    /// xz: small and slow.
    Xz,
    /// Zstandard, RFC 8878: fast; dpkg 1.21.18 and rpm 4.14 or newer read it.
    Zstd,
}

impl Codec {
    /// The usual ending of a compressed file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Xz => "xz",
            Self::Zstd => "zst",
        }
    }
}

/// What makes containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineKind {
    /// Docker or Podman where one answers, else the sandbox.
    #[default]
    Auto,
    /// Docker, or what speaks its API.
    Docker,
    /// Podman, through its Docker API.
    Podman,
    /// The kernel's namespaces, without a daemon.
    Sandbox,
}

/// The schemes of engines' addresses, as `DOCKER_HOST` has them.
pub const ENGINE_SCHEMES: [&str; 5] = ["unix://", "tcp://", "http://", "https://", "ssh://"];

/// Whom packages are made for, which decides how much time their compression may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// For tests: made fast.
    Fast,
    /// What the platform's table says, at the level of the best trade.
    #[default]
    Standard,
    /// For releases: small.
    Small,
}

impl Channel {
    /// How packages are compressed on a platform whose table has this codec.
    ///
    /// The levels were measured on 108 MB of installed Python packages. gzip above 6 doubles the time
    /// for less than one percent. Zstandard at 3 takes a third of the time of 9 for 16 % more bytes.
    /// Who asks for small packages gets xz, which every dpkg since 1.15.6 and every rpm since 4.6
    /// reads, at the native tools' level: a third smaller than gzip and than Zstandard at 3 for some
    /// fifty times the latter's processor time; above 6 the time grows and the size hardly shrinks.
    pub fn compression(self, codec: Codec) -> Compression {
        let (codec, level) = match (self, codec) {
            (Self::Fast, Codec::Gzip) => (Codec::Gzip, 1),
            (Self::Standard, Codec::Gzip) => (Codec::Gzip, 6),
            (Self::Fast, Codec::Zstd) => (Codec::Zstd, 1),
            (Self::Standard, Codec::Zstd) => (Codec::Zstd, 3),
            (Self::Fast, Codec::Xz) => (Codec::Xz, 1),
            (Self::Standard, Codec::Xz) | (Self::Small, Codec::Gzip | Codec::Xz | Codec::Zstd) => {
                (Codec::Xz, 6)
            }
        };
        Compression { codec, level }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fast => "fast",
            Self::Standard => "standard",
            Self::Small => "small",
        })
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "fast" => Ok(Self::Fast),
            "standard" => Ok(Self::Standard),
            "small" => Ok(Self::Small),
            other => Err(format!(
                "`{}` is no channel: fast, standard, small",
                other.escape_debug()
            )),
        }
    }
}

/// A codec and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// As the codec counts: gzip 1 to 9, xz 0 to 9, Zstandard 1 to 19.
    pub level: u32,
}

/// How a root filesystem is made: the table `bootstrap` of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bootstrap {
    /// The program that does it.
    pub tool: BootstrapTool,
    /// The release, as the mirror names it: `bookworm`.
    pub suite: String,
    /// The parts of the archive: `main`.
    pub components: Vec<String>,
    /// A line `{mirror} {suite}` for each entry of sources.list(5) when a mirror is given.
    pub archives: Vec<String>,
    /// Packages that are configured before all others: scripts of essential ones want them, and no
    /// dependency says so.
    #[serde(default)]
    pub first: Vec<String>,
    /// Whether the archive's Release files count no more when their time is over (`Valid-Until`).
    #[serde(default = "yes")]
    pub check_valid_until: bool,
    /// The keys that the archive is signed with.
    pub keyring: Keyring,
}

fn yes() -> bool {
    true
}

/// A Python that a distribution has beside its usual one: an entry of the table `pythons` of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FurtherPython {
    /// What a package must depend on to get exactly that Python with its whole standard library.
    pub depends: Vec<String>,
    /// The packages that the builder needs of it: the interpreter, its headers, and `virtualenv` where
    /// it has no `venv` of its own.
    pub build_depends: Vec<String>,
}

impl FurtherPython {
    /// The name, in a build context, of the file that [`Self::file`] is the text of.
    pub const FILE: &str = "common/further-python";

    /// What `images/common/make-python` is told: the interpreter, then the packages, each a line.
    pub fn file(&self, minor: &str) -> String {
        let packages = self.build_depends.iter();
        let packages = packages.map(|package| format!("{package}\n"));
        format!("python{minor}\n{}", packages.collect::<String>())
    }
}

/// Where the packages are of a distribution that left its mirrors: the table `archive` of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Archive {
    /// Its address; a project may name another mirror.
    pub mirror: String,
    /// Lines of sources.list(5) that replace the base image's: `deb {mirror} jessie main`.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Addresses in the base image's yum.repos.d that the mirror takes the place of.
    #[serde(default)]
    pub replaces: Vec<String>,
}

impl Archive {
    /// The name, in a build context, of the file that [`Self::file`] is the text of.
    pub const FILE: &str = "archive";

    /// What `images/common/use-archive` is told: the entries, with this mirror or the archive's own.
    ///
    /// # Errors
    /// [`Kind::Config`] for a mirror that can't stand in such files.
    pub fn file(&self, mirror: Option<&str>) -> Result<String> {
        let mirror = checked_mirror(mirror.unwrap_or(&self.mirror))?;
        let sources = self.sources.iter();
        let lines = sources.map(|line| format!("{}\n", line.replace("{mirror}", mirror)));
        let replaced = self.replaces.iter();
        let replaced = replaced.map(|address| format!("replace {address} {mirror}\n"));
        Ok(lines.chain(replaced).collect())
    }
}

/// A mirror's address that can stand in sources.list(5), without a slash at its end.
///
/// # Errors
/// [`Kind::Config`] for what is no address, would bring options, or has a password.
pub fn checked_mirror(mirror: &str) -> Result<&str> {
    let bad = |reason: &str| Error::new(Kind::Config, format!("the mirror {reason}"));
    let known = ["http://", "https://", "file:/"];
    if !known.iter().any(|scheme| mirror.starts_with(scheme)) {
        return Err(
            bad("is not an address that begins with `http://`, `https://` or `file:/`")
                .hint("write `mirror = \"https://mirror.example/debian\"`"),
        );
    }
    if !mirror
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"[]\"'\\|".contains(&byte))
    {
        return Err(bad(
            "has a space or another character that an address can't have",
        ));
    }
    // It would be in the image and in the list of processes. The message must not have it either.
    if mirror.contains('@') {
        return Err(bad(
            "has a user name or a password in its address, which would get into images",
        )
        .hint(
            "leave them out and put them into a file of /etc/apt/auth.conf.d, apt_auth.conf(5)",
        ));
    }
    Ok(mirror.trim_end_matches('/'))
}

/// A program that makes root filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootstrapTool {
    /// mmdebstrap(1), for Debian and what is made from it; needs no root where users have
    /// subordinate ids.
    Mmdebstrap,
}

impl BootstrapTool {
    /// The program's name, looked up in `PATH`.
    pub fn program(self) -> &'static str {
        match self {
            Self::Mmdebstrap => "mmdebstrap",
        }
    }
}

/// Keys that an archive is signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keyring {
    /// The file, an OpenPGP keyring, on this machine.
    pub path: PathBuf,
    /// The package that has the file.
    pub package: String,
    /// The suite of the tool's default mirror to take the package from when the file is not
    /// there; absent: the package must be installed.
    pub suite: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["debian-12", "ubuntu-24.04", "centos-7"] {
            assert!(good.parse::<PlatformId>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "Debian", "a b", "-a", "a..b"] {
            assert!(bad.parse::<PlatformId>().is_err(), "{bad}");
        }
        assert!("acme-python-mytool".parse::<PackageName>().is_ok());
        for bad in ["a", "Acme", "-x", "a_b", "a\nb"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        assert!("debian:12".parse::<ImageRef>().is_ok());
        assert!("--privileged".parse::<ImageRef>().is_err());
    }

    #[test]
    fn an_archive_is_at_its_own_address_or_at_a_mirror() {
        let archive = Archive {
            mirror: "http://archive.example/debian".into(),
            sources: vec!["deb [trusted=yes] {mirror} jessie main".into()],
            replaces: vec!["http://mirror.example".into()],
        };
        assert_eq!(
            archive.file(None).unwrap(),
            "deb [trusted=yes] http://archive.example/debian jessie main\n\
             replace http://mirror.example http://archive.example/debian\n"
        );
        let mirrored = archive.file(Some("https://own.example/old/")).unwrap();
        assert!(
            mirrored.contains(" https://own.example/old jessie "),
            "{mirrored}"
        );
        for bad in [
            "own.example",
            "http://a b",
            "http://a|b",
            "http://a\nb",
            "http://u:p@a/",
        ] {
            let error = archive.file(Some(bad)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{bad}");
            assert!(!error.message().contains("u:p"), "{error}");
        }
    }
}
