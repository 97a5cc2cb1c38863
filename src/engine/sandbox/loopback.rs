//! Brings up loopback in a new network namespace, where it is down. Knows no other interface.

use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};

use super::failure::failed;
use crate::error::Result;

/// The message of rtnetlink(7) that sets `IFF_UP` of the first interface, which is loopback.
fn message() -> Vec<u8> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const LOOPBACK: i32 = 1;
    const IFF_UP: u32 = 1;
    let header = [
        &LENGTH.to_ne_bytes()[..],
        &RTM_NEWLINK.to_ne_bytes(),
        &NLM_F_REQUEST.to_ne_bytes(),
        // Sequence and port: nobody waits for an answer, which comes for failures alone.
        &[0; 8],
    ];
    let interface = [
        // Family, padding and type: any.
        &[0; 4][..],
        &LOOPBACK.to_ne_bytes(),
        &IFF_UP.to_ne_bytes(),
        &IFF_UP.to_ne_bytes(),
    ];
    [header.concat(), interface.concat()].concat()
}

/// Brings it up.
pub(super) fn raise() -> Result<()> {
    let raised = socket(AddressFamily::NETLINK, SocketType::RAW, None)
        .and_then(|socket| send(&socket, &message(), SendFlags::empty()));
    raised
        .map(|_| ())
        .map_err(|error| failed("bring up loopback", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_says() {
        assert_eq!(message().len(), 32);
    }
}
