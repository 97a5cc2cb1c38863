//! Users and programs, found in files: those of a container, when called inside of its root.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The numbers of `user` or `user:group` in a root; `None` for its own.
pub(super) fn find(root: &Path, name: &str) -> Result<Option<(u32, u32)>> {
    if matches!(name, "" | "root" | "0") {
        return Ok(None);
    }
    let (user, group) = match name.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (name, None),
    };
    let known = line(&root.join("etc/passwd"), 0, user);
    let number = |field: usize| {
        known
            .as_ref()
            .and_then(|line| line.get(field)?.parse().ok())
    };
    let absent = || Error::new(Kind::Build, format!("the image has no user `{name}`"));
    let user = user.parse().ok().or_else(|| number(2)).ok_or_else(absent)?;
    let group = match group {
        None => number(3).unwrap_or(0),
        Some(group) => {
            let known = line(&root.join("etc/group"), 0, group);
            let number = known.and_then(|line| line.get(2)?.parse().ok());
            group.parse().ok().or(number).ok_or_else(absent)?
        }
    };
    Ok(Some((user, group)))
}

/// The line of passwd(5) or group(5) with this text in a field; the first field is that of the name.
pub(super) fn line(file: &Path, field: usize, text: &str) -> Option<Vec<String>> {
    let wanted = text;
    let text = fs_err::read_to_string(file).ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    let line = lines.find(|line| line.clone().nth(field) == Some(wanted))?;
    Some(line.map(str::to_owned).collect())
}

/// Where a program is by the `PATH` of the command, which is not that of this process.
pub(super) fn program(name: &str, path: &str) -> PathBuf {
    if name.contains('/') {
        return name.into();
    }
    let mut places = path.split(':').map(|folder| Path::new(folder).join(name));
    // A name that is nowhere fails as what it is.
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| Path::new("/nowhere").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_no_file_and_root_is_nobody_else() {
        let find = |name| find(Path::new("/"), name);
        assert_eq!(find("").unwrap(), None);
        assert_eq!(find("root").unwrap(), None);
        assert_eq!(find("1234:5").unwrap(), Some((1234, 5)));
        assert_eq!(find("nobody of this name").unwrap_err().kind(), Kind::Build);
    }

    #[test]
    fn a_program_is_found_in_the_folders_in_their_order() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        fs_err::write(two.path().join("tool"), "").unwrap();
        let path = format!("{}:{}", one.path().display(), two.path().display());
        assert_eq!(program("tool", &path), two.path().join("tool"));
        assert_eq!(program("/bin/tool", &path), Path::new("/bin/tool"));
        assert!(!program("other", &path).exists());
    }
}
