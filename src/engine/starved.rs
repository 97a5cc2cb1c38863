//! Whether the kernel ended processes of a container because its memory was used up.
//!
//! Reads what the kernel counts for the container; changes nothing.

use std::sync::Mutex;

use super::{Engine, Exec};
use crate::error::Result;

/// Where the kernel counts, in its control groups of version 1 and 2 (cgroups(7)): `oom_kill 1`.
const COUNTS: [&str; 2] = [
    "/sys/fs/cgroup/memory/memory.oom_control",
    "/sys/fs/cgroup/memory.events",
];

/// Whether it did. `false` where the engine doesn't show it, or the container is gone.
pub(super) async fn was_starved(engine: &dyn Engine, id: &str) -> bool {
    let lines = engine.memory_counts(id).await;
    lines.is_ok_and(|lines| has_killed(&lines))
}

/// What the container itself sees of it.
pub(super) async fn counts_inside<E: Engine + ?Sized>(engine: &E, id: &str) -> Result<Vec<String>> {
    let lines = Mutex::new(Vec::new());
    let keep = |line: &str| {
        if let Ok(mut lines) = lines.lock() {
            lines.push(line.to_owned());
        }
    };
    // One of the files is missing always, which is a failure of `cat`.
    let read = Exec::new(["cat"]).args(COUNTS);
    engine.exec(id, &read, None, &keep).await?;
    Ok(lines.into_inner().unwrap_or_default())
}

fn has_killed(lines: &[String]) -> bool {
    let mut counts = lines
        .iter()
        .filter_map(|line| line.strip_prefix("oom_kill "));
    counts.any(|count| count.trim().parse::<u64>().is_ok_and(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_read_in_both_versions() {
        let first = ["oom_kill_disable 0", "under_oom 0", "oom_kill 2"];
        let second = ["low 0", "max 12", "oom 1", "oom_kill 1", "oom_group_kill 0"];
        let none = ["oom_kill_disable 0", "oom_kill 0", "cat: no such file"];
        for (lines, killed) in [(&first[..], true), (&second, true), (&none, false)] {
            let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(has_killed(&lines), killed, "{lines:?}");
        }
    }
}
