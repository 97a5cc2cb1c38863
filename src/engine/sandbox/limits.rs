//! What a container may take of memory and processes: by control groups of its own (cgroups(7)), of either
//! version, where this program may make them; else by limits of each process (setrlimit(2)).
//!
//! Decides which, and makes and removes groups. Starts nothing: the helper inside goes into a group
//! before it is the command, and what that starts is there as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rustix::fs::Access;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::failure::failed;
use super::way::Way;
use crate::engine::{DEFAULT_PROCESSES, Limits};
use crate::error::{Error, Result};

/// Who is in a group; a process that writes `0` is from then on.
const MEMBERS: &str = "cgroup.procs";
/// Where the kernel counts whom it ended for a group's memory, in version 1 and 2.
const COUNTS: [&str; 2] = ["memory.oom_control", "memory.events"];
/// What a group of version 2 hands down to those below it.
const DOWN: &str = "cgroup.subtree_control";
/// What ends all in a group at once, since Linux 5.14 and in version 2.
const END: &str = "cgroup.kill";

/// A process that has ended stays a member until the kernel has put it away.
const LAST_MEMBER_TRIES: u32 = 200;
const LAST_MEMBER_PAUSE: Duration = Duration::from_millis(10);

/// What the groups of a hierarchy limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hierarchy {
    /// Version 2: both.
    Unified,
    /// Version 1.
    Memory,
    /// Version 1.
    Processes,
}

impl Hierarchy {
    fn limits_memory(self) -> bool {
        match self {
            Self::Unified | Self::Memory => true,
            Self::Processes => false,
        }
    }

    fn limits_processes(self) -> bool {
        match self {
            Self::Unified | Self::Processes => true,
            Self::Memory => false,
        }
    }

    /// What is written to which files of a group; files that a kernel may be without come with `false`.
    fn settings(self, memory: Option<u64>, processes: Option<u32>) -> Vec<Setting> {
        let setting = |file: &str, value: u64, always| Setting {
            file: file.to_owned(),
            value: value.to_string(),
            always,
        };
        // As much swap again, as Docker lets a container have.
        let of_memory = memory.map(|bytes| match self {
            Self::Unified => vec![
                setting("memory.max", bytes, true),
                setting("memory.swap.max", bytes, false),
            ],
            Self::Memory => vec![
                setting("memory.limit_in_bytes", bytes, true),
                setting(
                    "memory.memsw.limit_in_bytes",
                    bytes.saturating_mul(2),
                    false,
                ),
            ],
            Self::Processes => Vec::new(),
        });
        let of_processes = processes.filter(|_| self.limits_processes());
        let of_processes = of_processes.map(|count| setting("pids.max", u64::from(count), true));
        of_memory
            .into_iter()
            .flatten()
            .chain(of_processes)
            .collect()
    }
}

/// The folders in which this program may make groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Parents(Vec<(Hierarchy, PathBuf)>);

impl Parents {
    /// Looks for them.
    pub(super) fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let candidates = candidates(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let mut found: Vec<(Hierarchy, PathBuf)> = Vec::new();
        for (hierarchy, folder) in candidates {
            let news = found.iter().all(|(other, _)| *other != hierarchy);
            if news && is_usable(hierarchy, &folder) {
                found.push((hierarchy, folder));
            }
        }
        Self(found)
    }

    fn of(&self, limits: impl Fn(Hierarchy) -> bool) -> bool {
        self.0.iter().any(|(hierarchy, _)| limits(*hierarchy))
    }

    /// What is not limited, or not for all of a container together.
    pub(super) fn weaknesses(&self, way: Way) -> Vec<&'static str> {
        let memory = "memory is limited for each process and not for all together";
        let memory = (!self.of(Hierarchy::limits_memory)).then_some(memory);
        let processes = match (way, self.of(Hierarchy::limits_processes)) {
            (Way::UserNamespace, _) => None,
            (Way::Namespaces | Way::Trees | Way::Proot, true) => {
                Some("processes have no limit but that of `[build] processes`")
            }
            (Way::Namespaces | Way::Trees | Way::Proot, false) => Some("processes have no limit"),
        };
        memory.into_iter().chain(processes).collect()
    }
}

/// Folders where groups may be made, the better first, by what the kernel says of mounts and of this
/// process's groups (proc(5)).
fn candidates(mount_table: &str, own: &str) -> Vec<(Hierarchy, PathBuf)> {
    let mut all = Vec::new();
    for line in mount_table.lines() {
        let Some((mount, kind)) = line.split_once(" - ") else {
            continue;
        };
        let mut mount = mount.split(' ').skip(3);
        let (Some(root), Some(place)) = (mount.next(), mount.next()) else {
            continue;
        };
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next(), kind.nth(1).unwrap_or_default());
        let has = |controller| options.split(',').any(|option| option == controller);
        match name {
            // Below the own group, so that its limits hold as well; a group with processes has none with
            // limits below, so it is one above mostly: of a user's session, of the machine's services.
            Some("cgroup2") => {
                let own = own.lines().find_map(|line| line.strip_prefix("0::"));
                let below = own.and_then(|own| Path::new(own).strip_prefix(root).ok());
                let below = below.unwrap_or(Path::new(""));
                let folders = below.ancestors().map(|below| Path::new(place).join(below));
                all.extend(folders.map(|folder| (Hierarchy::Unified, folder)));
            }
            // At the top, where Docker has its own.
            Some("cgroup") if has("memory") => all.push((Hierarchy::Memory, place.into())),
            Some("cgroup") if has("pids") => all.push((Hierarchy::Processes, place.into())),
            _ => {}
        }
    }
    all
}

/// Whether groups that limit can be made there, and this program's processes go into them.
fn is_usable(hierarchy: Hierarchy, folder: &Path) -> bool {
    let may = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
    if !may(folder) {
        return false;
    }
    match hierarchy {
        Hierarchy::Memory | Hierarchy::Processes => true,
        // Who moves a process has to be allowed to in the group that is above both of its places.
        Hierarchy::Unified => may(&folder.join(MEMBERS)) && hands_down(folder),
    }
}

/// Whether a group of version 2 lets those below it have the limits, or does so from now on.
fn hands_down(folder: &Path) -> bool {
    let has = |file| {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let names: Vec<&str> = text.split_whitespace().collect();
        ["memory", "pids"].iter().all(|name| names.contains(name))
    };
    has(DOWN)
        || has("cgroup.controllers") && set(folder, DOWN, "+memory +pids").is_ok() && has(DOWN)
}

/// What a container's processes are held to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Restrictions {
    groups: Vec<Group>,
    /// Bytes of memory of each process.
    memory: Option<u64>,
    /// Processes and threads of each user.
    processes: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Group {
    folder: PathBuf,
    settings: Vec<Setting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Setting {
    file: String,
    value: String,
    always: bool,
}

impl Restrictions {
    /// What holds a container to its limits. Makes nothing.
    pub(super) fn of(parents: &Parents, way: Way, id: &str, limits: Limits) -> Self {
        let group = |(hierarchy, folder): &(Hierarchy, PathBuf)| Group {
            folder: folder.join(format!("omnibuild-{id}")),
            settings: hierarchy.settings(limits.memory, limits.processes),
        };
        // To go into a group takes longer than all else before a command: who asks for no limit waits for
        // none.
        let mut groups: Vec<Group> = parents.0.iter().map(group).collect();
        groups.retain(|group| !group.settings.is_empty());
        let of_each = |is_held: bool| (!is_held).then_some(());
        let memory = of_each(parents.of(Hierarchy::limits_memory)).and(limits.memory);
        let processes = match way {
            // The kernel counts them for each namespace, and exempts the machine's root.
            Way::UserNamespace => Some(limits.processes.unwrap_or(DEFAULT_PROCESSES)),
            // Nor can the user's be told from those of the user's other work.
            Way::Namespaces | Way::Trees | Way::Proot => None,
        };
        Self {
            groups,
            memory,
            processes,
        }
    }

    /// Holds this process to them, and whoever it becomes or starts.
    pub(super) fn apply(&self) -> Result<()> {
        for group in &self.groups {
            match fs::create_dir(&group.folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            for setting in &group.settings {
                if setting.always || group.folder.join(&setting.file).exists() {
                    set(&group.folder, &setting.file, &setting.value)?;
                }
            }
            set(&group.folder, MEMBERS, "0")?;
        }
        let both = [
            (Resource::Data, self.memory),
            (Resource::Nproc, self.processes.map(u64::from)),
        ];
        for (resource, limit) in both {
            let Some(limit) = limit else { continue };
            let most = getrlimit(resource).maximum;
            let limit = Some(most.map_or(limit, |most| most.min(limit)));
            let both = Rlimit {
                current: limit,
                maximum: limit,
            };
            setrlimit(resource, both)
                .map_err(|error| failed("limit what a command takes", error))?;
        }
        Ok(())
    }

    /// The lines in which the kernel counts whom it ended for the container's memory.
    pub(super) fn counts(&self) -> Vec<String> {
        let folders = self.groups.iter().map(|group| &group.folder);
        let files = folders.flat_map(|folder| COUNTS.map(|name| folder.join(name)));
        let texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// Removes the groups, and ends who is left there.
    pub(super) fn remove(&self) -> Result<()> {
        self.groups
            .iter()
            .try_for_each(|group| remove(&group.folder))
    }
}

fn remove(folder: &Path) -> Result<()> {
    // A file that not every kernel has.
    drop(set(folder, END, "1"));
    let mut tries = 0;
    loop {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == std::io::ErrorKind::ResourceBusy
                    && tries < LAST_MEMBER_TRIES =>
            {
                tries += 1;
                std::thread::sleep(LAST_MEMBER_PAUSE);
            }
            removed => return Ok(removed?),
        }
    }
}

/// Writes to a file of a group, which is there.
fn set(folder: &Path, file: &str, value: &str) -> Result<()> {
    use std::io::Write;
    let path = folder.join(file);
    let mut file = fs::OpenOptions::new().write(true).open(&path)?;
    // One call: the kernel takes each for a value.
    file.write_all(value.as_bytes())
        .map_err(|error| Error::io("write", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 28 0:20 / /proc rw - proc proc rw
31 28 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 28 0:28 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
33 28 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
";

    fn limits(memory: Option<u64>, processes: Option<u32>) -> Limits {
        Limits { memory, processes }
    }

    #[test]
    fn groups_of_version_1_are_at_the_top_and_one_for_each_limit() {
        let found = candidates(MOUNTS, "4:memory:/user\n0::/\n");
        let place = |name: &str| Path::new("/sys/fs/cgroup").join(name);
        let expected = [
            (Hierarchy::Memory, place("memory")),
            (Hierarchy::Processes, place("pids")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn groups_of_version_2_are_below_the_own_or_the_next_above_it() {
        let folders = |root: &str, own: &str| {
            let mounts = format!("30 25 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
            let found = candidates(&mounts, &format!("0::{own}\n"));
            assert!(found.iter().all(|(found, _)| *found == Hierarchy::Unified));
            let folders = found.iter().map(|(_, folder)| folder.display().to_string());
            folders.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            folders("/", "/user.slice/one.scope"),
            "/sys/fs/cgroup/user.slice/one.scope /sys/fs/cgroup/user.slice /sys/fs/cgroup/"
        );
        assert_eq!(
            folders("/job", "/job/a"),
            "/sys/fs/cgroup/a /sys/fs/cgroup/"
        );
        assert_eq!(folders("/", "/"), "/sys/fs/cgroup/");
        assert_eq!(folders("/job", "/other"), "/sys/fs/cgroup/");
    }

    #[test]
    fn a_group_has_the_files_of_its_version() {
        let settings = |hierarchy: Hierarchy| {
            let settings = hierarchy.settings(Some(100), Some(7)).into_iter();
            let texts = settings.map(|setting| format!("{}={}", setting.file, setting.value));
            texts.collect::<Vec<_>>().join(" ")
        };
        for (hierarchy, expected) in [
            (
                Hierarchy::Unified,
                "memory.max=100 memory.swap.max=100 pids.max=7",
            ),
            (
                Hierarchy::Memory,
                "memory.limit_in_bytes=100 memory.memsw.limit_in_bytes=200",
            ),
            (Hierarchy::Processes, "pids.max=7"),
        ] {
            assert_eq!(settings(hierarchy), expected);
        }
    }

    #[test]
    fn a_group_of_version_2_has_to_hand_both_limits_down() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        let usable = || is_usable(Hierarchy::Unified, folder.path());
        assert!(!usable());
        write(MEMBERS, "");
        write("cgroup.controllers", "cpu memory\n");
        write("cgroup.subtree_control", "");
        assert!(!usable());
        write("cgroup.subtree_control", "cpu memory pids\n");
        assert!(usable());
        write("cgroup.subtree_control", "cpu\n");
        write("cgroup.controllers", "cpu memory pids\n");
        // The kernel would have understood.
        assert!(!usable());
        let asked = fs::read_to_string(folder.path().join("cgroup.subtree_control"));
        assert_eq!(asked.unwrap(), "+memory +pids");
    }

    #[test]
    fn who_may_make_no_group_is_limited_as_a_process() {
        let asked = limits(Some(1 << 20), Some(9));
        let none = Parents::default();
        let of = |parents: &Parents, way, limits| Restrictions::of(parents, way, "1", limits);
        let user = of(&none, Way::UserNamespace, asked);
        assert_eq!((user.memory, user.processes), (Some(1 << 20), Some(9)));
        let root = of(&none, Way::Trees, asked);
        assert_eq!((root.memory, root.processes), (Some(1 << 20), None));
        assert!(user.groups.is_empty() && root.groups.is_empty());
        let silent = of(&none, Way::UserNamespace, limits(None, None));
        assert_eq!(silent.processes, Some(DEFAULT_PROCESSES));

        let parents = Parents(vec![(Hierarchy::Unified, "/groups".into())]);
        let held = of(&parents, Way::Namespaces, asked);
        assert_eq!((held.memory, held.processes), (None, None));
        assert_eq!(held.groups[0].folder, Path::new("/groups/omnibuild-1"));
        let silent = of(&parents, Way::Namespaces, limits(None, None));
        assert!(silent.groups.is_empty());

        assert_eq!(none.weaknesses(Way::UserNamespace).len(), 1);
        assert_eq!(none.weaknesses(Way::Trees).len(), 2);
        assert_eq!(parents.weaknesses(Way::UserNamespace).len(), 0);
    }

    #[test]
    fn a_group_is_made_once_joined_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let parents = Parents(vec![(Hierarchy::Unified, folder.path().to_owned())]);
        let asked = limits(Some(1 << 30), None);
        let restrictions = Restrictions::of(&parents, Way::Namespaces, "1", asked);
        // Not a file system that makes the files of a group.
        assert!(restrictions.apply().is_err());
        let group = folder.path().join("omnibuild-1");
        for file in [MEMBERS, "memory.max"] {
            fs::write(group.join(file), "").unwrap();
        }
        restrictions.apply().unwrap();
        let read = |file: &str| fs::read_to_string(group.join(file)).unwrap();
        assert_eq!(read("memory.max"), "1073741824");
        assert_eq!(read(MEMBERS), "0");
        fs::write(group.join("memory.events"), "oom 1\noom_kill 2\n").unwrap();
        assert_eq!(restrictions.counts(), ["oom 1", "oom_kill 2"]);
        fs::remove_dir_all(&group).unwrap();
        fs::create_dir(&group).unwrap();
        for _ in 0..2 {
            restrictions.remove().unwrap();
            assert!(!group.exists());
        }
    }
}
