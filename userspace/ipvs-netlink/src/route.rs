// SPDX-License-Identifier: GPL-2.0
//! Where the kernel would send a packet, by rtnetlink; nothing is sent.

use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::{Action, Error, Object};
use crate::rtnetlink::Message;
use crate::socket::{Question, Socket, Subject};
use crate::wire::attr::{each, family_of, Attributes, WireError};

/// Length of struct rtmsg.
const HEADER: usize = 12;
/// Where in it the kind of the route is.
const KIND: usize = 7;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is for this machine.
    Local,
    /// It goes out, over this gateway or to a neighbour.
    Out(Option<IpAddr>),
    /// It goes nowhere: there is no route, or one that says so.
    Nowhere,
}

/// Which packet is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its destination.
    pub to: IpAddr,
    /// Its source, if that is an address of this machine.
    pub from: Option<IpAddr>,
    /// Its firewall mark.
    pub mark: u32,
}

/// Asks the kernel.
///
/// # Errors
///
/// [`Error::Refused`] if the kernel does not answer, [`Error::Malformed`] if it answers nonsense.
pub fn lookup(query: &Query) -> Result<Way, Error> {
    let subject = Subject::new(Action::Read, Object::Route(query.to));
    let request = Message {
        kind: libc::RTM_GETROUTE,
        bytes: question(query),
    };
    let answers = match Socket::open(NETLINK_ROUTE)?.ask(Question::Do, 0, &request, &subject) {
        // EINVAL is what a black hole looks like, and a source that is not ours.
        Err(error)
            if matches!(
                error.errno(),
                Some(NET | HOST | libc::EACCES | libc::EINVAL)
            ) =>
        {
            return Ok(Way::Nowhere)
        }
        other => other?,
    };
    let answer = answers
        .iter()
        .find(|answer| answer.kind == libc::RTM_NEWROUTE)
        .ok_or_else(|| Error::NoAnswer(subject.object.to_string()))?;
    way(&answer.bytes).map_err(|error| subject.malformed(error))
}

const NET: i32 = libc::ENETUNREACH;
const HOST: i32 = libc::EHOSTUNREACH;

/// struct rtmsg and what the packet has.
fn question(query: &Query) -> Vec<u8> {
    let length = |addr: &IpAddr| if addr.is_ipv4() { 32 } else { 128 };
    // CAST: address families fit a byte.
    let family = family_of(&query.to) as u8;
    let mut bytes = vec![0; HEADER];
    bytes[..3].copy_from_slice(&[
        family,
        length(&query.to),
        query.from.as_ref().map_or(0, length),
    ]);
    let mut attributes = Attributes::new();
    attributes.address(libc::RTA_DST, &query.to);
    if let Some(from) = &query.from {
        attributes.address(libc::RTA_SRC, from);
    }
    if query.mark != 0 {
        attributes.u32(libc::RTA_MARK, query.mark);
    }
    bytes.extend(attributes.to_bytes());
    bytes
}

fn way(answer: &[u8]) -> Result<Way, WireError> {
    let (header, rest) = answer
        .split_at_checked(HEADER)
        .ok_or(WireError::CutOff("a route"))?;
    match header[KIND] {
        libc::RTN_LOCAL => return Ok(Way::Local),
        libc::RTN_UNICAST => {}
        _ => return Ok(Way::Nowhere),
    }
    let mut gateway = None;
    for attribute in each(rest, "a route") {
        let attribute = attribute?;
        if attribute.id == libc::RTA_GATEWAY {
            gateway = Some(attribute.address("gateway")?);
        }
    }
    Ok(Way::Out(gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u8, attributes: &Attributes) -> Vec<u8> {
        let mut bytes = vec![2, 32, 0, 0, 254, 0, 0, kind, 0, 0, 0, 0];
        bytes.extend(attributes.to_bytes());
        bytes
    }

    #[test]
    fn questions_are_what_ip_route_get_sends() {
        let query = Query {
            to: "10.0.96.204".parse().unwrap(),
            from: None,
            mark: 7,
        };
        let mut wanted = vec![2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        wanted.extend([8, 0, 1, 0, 10, 0, 96, 204]);
        wanted.extend([8, 0, 16, 0, 7, 0, 0, 0]);
        if cfg!(target_endian = "little") {
            assert_eq!(question(&query), wanted);
        }
    }

    #[test]
    fn the_kind_of_a_route_says_what_becomes_of_the_packet() {
        let none = Attributes::new();
        assert_eq!(way(&answer(2, &none)), Ok(Way::Local));
        assert_eq!(way(&answer(1, &none)), Ok(Way::Out(None)));
        assert_eq!(way(&answer(7, &none)), Ok(Way::Nowhere));
        let gateway = "192.168.229.254".parse().unwrap();
        let mut with = Attributes::new();
        with.address(libc::RTA_GATEWAY, &gateway);
        assert_eq!(way(&answer(1, &with)), Ok(Way::Out(Some(gateway))));
    }

    #[test]
    fn damaged_answers_are_errors() {
        let mut with = Attributes::new();
        with.address(libc::RTA_GATEWAY, &"192.168.229.254".parse().unwrap());
        let whole = answer(1, &with);
        for end in 0..whole.len() {
            assert!(way(&whole[..end]).is_err() || end == HEADER, "{end}");
        }
    }
}
