//! What a command in the sandbox may not do, though it is root there.
//!
//! The set is that which Docker gives by default.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::failure::failed;
use crate::error::Result;

/// What package managers and builds need.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// Gives up all other capabilities and the groups of who started the program, and that a program may have more than who starts it.
pub(super) fn give_up() -> Result<()> {
    let given_up = || {
        rustix::thread::set_thread_groups(&[])?;
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            if KEPT.contains(capability) {
                continue;
            }
            // In a container most are gone, and so may be the right to give up.
            match capability_is_in_bounding_set(capability) {
                Ok(true) => {}
                Ok(false) => continue,
                // The kernel knows none from here on.
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error),
            }
            remove_capability_from_bounding_set(capability)?;
        }
        let have = capabilities(None)?;
        let kept = CapabilitySets {
            effective: have.effective & KEPT,
            permitted: have.permitted & KEPT,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, kept)?;
        set_no_new_privs(true)
    };
    given_up().map_err(|error| failed("give up capabilities", error))
}
