//! The system calls that no command in the sandbox gets, whatever it is there.
//!
//! The set is that which Docker's default profile of seccomp(2) refuses who has the capabilities of
//! [`super::rights`], as calls to refuse and not, as there, as calls to let through: what Linux has
//! gained since is unknown to a command, which has to do without on older kernels anyway. Calls of
//! another architecture than this program's (32 bits on a machine of 64) end the process.
//!
//! Who makes roots is not filtered: mounts are made before.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use super::failure::failed;
use super::way::Way;
use crate::error::{Error, Kind, Result};

/// What changes the machine or mounts, tells of it, has keys and memory that aren't the container's, or
/// parts of the kernel that are known for their mistakes.
const REFUSED: [i64; 51] = [
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// The same that only this architecture has.
#[cfg(target_arch = "x86_64")]
const OF_ARCHITECTURE: [i64; 6] = [
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_ARCHITECTURE: [i64; 0] = [];

/// What reaches into other processes. Where those of the machine are among them, it is refused as well.
const OF_OTHERS: [i64; 3] = [
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
];

/// New namespaces, each by one flag of clone(2).
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];
/// The execution domains of personality(2) that a command may have: Linux, `UNAME26`, 32 bits and these
/// together; the last asks for the present one.
const PERSONALITIES: [u64; 5] = [0, 0x2_0000, 0x8, 0x2_0008, 0xffff_ffff];

/// `mseal` of Linux 6.10. Its number is the same on every architecture, as all since 424 are. Above are
/// newer calls, and those of x32.
const NEWEST: i64 = 462;
/// Keeps its flags in memory, where no filter sees them; the C library does without it.
const UNKNOWN: [i64; 1] = [libc::SYS_clone3];
/// `fchmodat2` of Linux 6.6.
const FCHMODAT2: i64 = 452;
/// What PRoot 5.1 does not know, so that paths in it would be the machine's; the C library does without them.
const UNKNOWN_TO_PROOT: [i64; 5] = [
    libc::SYS_faccessat2,
    FCHMODAT2,
    libc::SYS_openat2,
    libc::SYS_renameat2,
    libc::SYS_statx,
];

/// Lets this process, and whoever it becomes or starts, make no system call but those of a container.
pub(super) fn apply(way: Way) -> Result<()> {
    let refused = refused(way).map_err(|error| {
        // Nothing of it is the machine's or the user's.
        Error::new(
            Kind::Internal,
            format!("the filter of system calls: {error}"),
        )
    })?;
    for program in [refused, unknown(way)] {
        apply_filter(&program)
            .map_err(|error| failed("filter system calls", std::io::Error::other(error)))?;
    }
    Ok(())
}

/// Answers EPERM to what a command may not have.
fn refused(way: Way) -> std::result::Result<BpfProgram, BackendError> {
    let of_others: &[i64] = match way {
        // PRoot itself works by them.
        Way::Namespaces | Way::UserNamespace | Way::Proot => &[],
        Way::Trees => &OF_OTHERS,
    };
    let always = REFUSED.iter().chain(&OF_ARCHITECTURE).chain(of_others);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.map(|call| (*call, Vec::new())).collect();
    let first = |operator, value| {
        // The kernel looks at these 32 bits of it, too.
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value)
    };
    let flags = NAMESPACES.iter().map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        SeccompRule::new(vec![first(SeccompCmpOp::MaskedEq(flag), flag)?])
    });
    rules.insert(
        libc::SYS_clone,
        flags.collect::<std::result::Result<_, _>>()?,
    );
    let others = PERSONALITIES.map(|known| first(SeccompCmpOp::Ne, known));
    let others = others.into_iter().collect::<std::result::Result<_, _>>()?;
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(others)?]);
    let machines = u64::from(libc::AF_VSOCK.cast_unsigned());
    let machines = SeccompRule::new(vec![first(SeccompCmpOp::Eq, machines)?])?;
    rules.insert(libc::SYS_socket, vec![machines]);
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// Answers ENOSYS, as a kernel without them does, to calls that are newer than these lists, or to be done
/// without.
fn unknown(way: Way) -> BpfProgram {
    let of_way: &[i64] = match way {
        Way::Namespaces | Way::UserNamespace | Way::Trees => &[],
        Way::Proot => &UNKNOWN_TO_PROOT,
    };
    // Comparisons with ranges the library has for arguments alone.
    let step = |code: u32, value: u32, jump: u8| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf: jump,
        k: value,
    };
    let answer = |action| step(libc::BPF_RET | libc::BPF_K, action, 0);
    let refuse_if = |comparison, call: i64| {
        let call = u32::try_from(call).unwrap_or(u32::MAX);
        [
            step(libc::BPF_JMP | comparison | libc::BPF_K, call, 1),
            answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        ]
    };
    // The number stands first in what a filter is given.
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    let calls = UNKNOWN.iter().chain(of_way);
    let calls = calls.map(|call| refuse_if(libc::BPF_JEQ, *call));
    program.extend(calls.flatten());
    program.extend(refuse_if(libc::BPF_JGT, NEWEST));
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
    const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    const NOT_THERE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

    #[cfg(target_arch = "x86_64")]
    const OWN: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const OWN: u32 = 0xc000_00b7;
    /// The same machines with 32 bits.
    #[cfg(target_arch = "x86_64")]
    const FOREIGN: u32 = 0x4000_0003;
    #[cfg(target_arch = "aarch64")]
    const FOREIGN: u32 = 0x4000_0028;

    /// What the kernel makes of a program, for a call on an architecture with a first argument.
    fn run(program: &[sock_filter], arch: u32, call: i64, argument: u64) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            let test = |holds| usize::from(if holds { step.jt } else { step.jf });
            match u32::from(step.code) {
                0x20 => {
                    value = match step.k {
                        0 => u32::try_from(call).unwrap(),
                        4 => arch,
                        16 => u32::try_from(argument & 0xffff_ffff).unwrap(),
                        20 => u32::try_from(argument >> 32).unwrap(),
                        other => panic!("looks at {other}"),
                    }
                }
                0x05 => at += usize::try_from(step.k).unwrap(),
                0x15 => at += test(value == step.k),
                0x25 => at += test(value > step.k),
                0x54 => value &= step.k,
                0x06 => return step.k,
                other => panic!("{other:#x}"),
            }
        }
    }

    /// The stricter of both answers.
    fn answer(way: Way, arch: u32, call: i64, argument: u64) -> u32 {
        let programs = [refused(way).unwrap(), unknown(way)];
        let answers = programs.map(|program| run(&program, arch, call, argument));
        answers
            .into_iter()
            .min_by_key(|answer| answer.cast_signed())
            .unwrap()
    }

    #[test]
    fn what_changes_the_machine_is_refused_and_what_builds_do_is_not() {
        for (call, argument, expected) in [
            (libc::SYS_mount, 0, NOT_PERMITTED),
            (libc::SYS_umount2, 0, NOT_PERMITTED),
            (libc::SYS_vhangup, 0, NOT_PERMITTED),
            (libc::SYS_unshare, 0, NOT_PERMITTED),
            (libc::SYS_clone, 0x1000_0011, NOT_PERMITTED),
            (libc::SYS_clone, 0x0002_0000, NOT_PERMITTED),
            // As fork(3) and pthread_create(3) have it.
            (libc::SYS_clone, 0x0120_0011, ALLOWED),
            (libc::SYS_clone, 0x003d_0f00, ALLOWED),
            (libc::SYS_clone3, 0, NOT_THERE),
            (libc::SYS_personality, 0xffff_ffff, ALLOWED),
            (libc::SYS_personality, 0x8, ALLOWED),
            (libc::SYS_personality, 0x0004_0000, NOT_PERMITTED),
            (libc::SYS_socket, 1, ALLOWED),
            (libc::SYS_socket, 40, NOT_PERMITTED),
            (libc::SYS_read, 0, ALLOWED),
            (libc::SYS_execve, 0, ALLOWED),
            (libc::SYS_chroot, 0, ALLOWED),
            (libc::SYS_mknodat, 0, ALLOWED),
            (libc::SYS_fchownat, 0, ALLOWED),
            (NEWEST, 0, ALLOWED),
            (NEWEST + 1, 0, NOT_THERE),
            // x32: the number of getpid(2) with the bit of its own.
            (0x4000_0027, 0, NOT_THERE),
        ] {
            let is = answer(Way::Namespaces, OWN, call, argument);
            assert_eq!(is, expected, "{call} of {argument:#x}: {is:#x}");
            assert_eq!(answer(Way::Namespaces, FOREIGN, call, argument), KILLED);
        }
    }

    #[test]
    fn what_proot_does_not_know_is_not_there_for_it() {
        for call in UNKNOWN_TO_PROOT {
            assert_eq!(answer(Way::Proot, OWN, call, 0), NOT_THERE, "{call}");
            assert_eq!(answer(Way::Namespaces, OWN, call, 0), ALLOWED, "{call}");
        }
        assert_eq!(answer(Way::Proot, OWN, libc::SYS_ptrace, 0), ALLOWED);
    }

    #[test]
    fn other_processes_are_out_of_reach_where_they_are_the_machines() {
        for call in OF_OTHERS {
            for (way, expected) in [
                (Way::Namespaces, ALLOWED),
                (Way::UserNamespace, ALLOWED),
                (Way::Trees, NOT_PERMITTED),
            ] {
                assert_eq!(answer(way, OWN, call, 0), expected, "{call} {way:?}");
            }
        }
    }

    #[test]
    fn the_kernel_takes_the_filter_and_programs_run_under_it() {
        // A filter is its thread's, and of what that starts.
        let work = || {
            apply(Way::Namespaces).unwrap();
            let threads = std::thread::spawn(|| 1).join().unwrap();
            let status = |words: &[&str]| {
                let (program, words) = words.split_first().unwrap();
                let output = Command::new(program).args(words).output().unwrap();
                let text = [output.stdout, output.stderr].concat();
                (output.status.success(), String::from_utf8(text).unwrap())
            };
            let own = status(&["grep", "^Seccomp:", "/proc/self/status"]);
            let space = status(&["unshare", "--user", "true"]);
            (threads, own, space)
        };
        let (threads, own, space) = std::thread::spawn(work).join().unwrap();
        assert_eq!(threads, 1);
        assert_eq!(own, (true, "Seccomp:\t2\n".to_owned()));
        assert!(
            !space.0 && space.1.contains("Operation not permitted"),
            "{space:?}"
        );
    }
}
