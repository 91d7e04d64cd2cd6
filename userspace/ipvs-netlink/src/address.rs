// SPDX-License-Identifier: GPL-2.0
//! Addresses of interfaces, by rtnetlink: just enough to put a local address somewhere.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::{Action, Error, Object};
use crate::rtnetlink::Message;
use crate::socket::{Question, Socket, Subject};
use crate::wire::attr::{family_of, Attributes};

/// IFA_F_NODAD: no detection of duplicates.
const NO_DETECTION: u8 = 0x02;

/// Gives an interface this address with a full-length prefix; it may have it already.
///
/// # Errors
///
/// [`Error::Refused`] if there is no such interface or the kernel does not want the address.
pub fn add(addr: &IpAddr, interface: &str) -> Result<(), Error> {
    match change(
        libc::RTM_NEWADDR,
        NLM_F_CREATE | NLM_F_EXCL,
        Action::Add,
        addr,
        interface,
    ) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Takes the address with its full-length prefix away from an interface; it may be gone already.
///
/// # Errors
///
/// [`Error::Refused`] if there is no such interface.
pub fn delete(addr: &IpAddr, interface: &str) -> Result<(), Error> {
    match change(libc::RTM_DELADDR, 0, Action::Delete, addr, interface) {
        Err(error) if error.errno() == Some(libc::EADDRNOTAVAIL) => Ok(()),
        other => other,
    }
}

fn change(
    kind: u16,
    flags: u16,
    action: Action,
    addr: &IpAddr,
    interface: &str,
) -> Result<(), Error> {
    let object = Object::InterfaceAddress(*addr, interface.to_owned());
    let subject = Subject::new(action, object);
    let mut socket = Socket::open(NETLINK_ROUTE)?;
    let index = index(&mut socket, interface, &subject)?;
    let request = Message {
        kind,
        bytes: address_message(addr, index),
    };
    socket
        .ask(Question::Do, flags, &request, &subject)
        .map(drop)
}

/// struct ifaddrmsg and the address.
fn address_message(addr: &IpAddr, index: u32) -> Vec<u8> {
    let prefix = if addr.is_ipv4() { 32 } else { 128 };
    // CAST: address families fit a byte.
    let family = family_of(addr) as u8;
    // An address that waits for nobody to object (RFC 4862, 5.4) is no use for the first second, and
    // a standby director may well have it, too.
    let flags = if addr.is_ipv4() { 0 } else { NO_DETECTION };
    let mut bytes = vec![family, prefix, flags, libc::RT_SCOPE_UNIVERSE];
    bytes.extend(index.to_ne_bytes());
    let mut attributes = Attributes::new();
    attributes
        .address(libc::IFA_LOCAL, addr)
        .address(libc::IFA_ADDRESS, addr);
    bytes.extend(attributes.to_bytes());
    bytes
}

/// The number of an interface.
///
/// Asked over netlink: /sys shows the namespace it was mounted in, not the caller's.
fn index(socket: &mut Socket, interface: &str, subject: &Subject) -> Result<u32, Error> {
    let mut attributes = Attributes::new();
    attributes.text(libc::IFLA_IFNAME, interface);
    // struct ifinfomsg, all zero: any interface of that name.
    let mut bytes = vec![0; 16];
    bytes.extend(attributes.to_bytes());
    let request = Message {
        kind: libc::RTM_GETLINK,
        bytes,
    };
    let answers = socket.ask(Question::Do, 0, &request, subject)?;
    answers
        .iter()
        .find(|answer| answer.kind == libc::RTM_NEWLINK)
        .and_then(|answer| answer.bytes.get(4..8)?.try_into().ok())
        .map(u32::from_ne_bytes)
        .ok_or_else(|| Error::NoAnswer(subject.object.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_message_is_what_ip_addr_add_sends() {
        let addr: IpAddr = "192.168.229.204".parse().unwrap();
        let mut wanted = vec![2, 32, 0, 0, 7, 0, 0, 0];
        wanted.extend([8, 0, 2, 0, 192, 168, 229, 204]);
        wanted.extend([8, 0, 1, 0, 192, 168, 229, 204]);
        if cfg!(target_endian = "little") {
            assert_eq!(address_message(&addr, 7), wanted);
            let addr = "2001:db8::204".parse().unwrap();
            assert_eq!(address_message(&addr, 7)[..4], [10, 128, 2, 0]);
        }
    }
}
