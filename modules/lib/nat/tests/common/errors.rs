// SPDX-License-Identifier: GPL-2.0
//! ICMP errors of both families about packets of a flow.

use nat::icmp::{translate, Addressee, NotTranslated, LOOK_AT};
use nat::{Address, Family, Port, Protocol, SequenceShift, Tuple};

use super::network::{Network, PLAIN};
use super::*;

/// An error with this ICMP header, whose checksum is filled in.
pub(crate) fn error(
    from: Address,
    to: Address,
    family: Family,
    ip: &Network,
    icmp: [u8; 8],
    quote: &[u8],
) -> Vec<u8> {
    let mut message = [&icmp[..], quote].concat();
    let (number, pseudo) = match family {
        Family::V4 => (1, vec![]),
        Family::V6 => {
            let len = (message.len() as u32).to_be_bytes();
            let addresses = [&from.octets()[..], to.octets()].concat();
            (58, [&addresses[..], &len, &[0, 0, 0, 58]].concat())
        }
    };
    let check = checksum(&[&pseudo, &message]);
    message[2..4].copy_from_slice(&check);
    let mut bytes = ip.header(family, &from, &to, number, message.len());
    bytes.extend(message);
    bytes
}

/// The first bytes of a packet, `cut` of them behind the network header.
pub(crate) fn quote(tuple: &Tuple, ip: &Network, rest: &Rest, cut: usize) -> Vec<u8> {
    let segment = transport(tuple, rest, false);
    let mut bytes = ip.header(
        tuple.family,
        &tuple.source,
        &tuple.destination,
        tuple.protocol.0,
        segment.len(),
    );
    bytes.extend(&segment[..cut.min(segment.len())]);
    bytes
}

pub(crate) fn addressee(sent: Tuple) -> Addressee {
    Addressee {
        sent,
        shift: SequenceShift::NONE,
        mtu: 1500,
        identification: 0x1234,
    }
}

/// What goes out when the error comes in, of which the director sees its first bytes.
pub(crate) fn passed_on(error: &[u8], to: &Addressee) -> Result<Vec<u8>, NotTranslated> {
    let leading = &error[..error.len().min(LOOK_AT)];
    let new = translate(leading, to)?;
    Ok([new.bytes(), &error[new.replaced..]].concat())
}

pub(crate) fn tuple(
    family: Family,
    protocol: Protocol,
    source: Address,
    from: u16,
    destination: Address,
    to: u16,
) -> Tuple {
    Tuple {
        family,
        protocol,
        source_port: Port::new(from),
        destination_port: Port::new(to),
        source,
        destination,
    }
}

pub(crate) fn v6(text: &str) -> Address {
    text.parse::<std::net::IpAddr>().unwrap().into()
}

/// A client's packet to the VIP and what the server gets, in these families.
pub(crate) fn flow(client: Family, server: Family, protocol: Protocol) -> (Tuple, Tuple) {
    let sent = match client {
        Family::V4 => tuple(
            client,
            protocol,
            v4(172, 16, 0, 1),
            51234,
            v4(10, 0, 96, 204),
            80,
        ),
        Family::V6 => tuple(
            client,
            protocol,
            v6("2001:db8::10"),
            51234,
            v6("2001:db8:1::cc"),
            80,
        ),
    };
    let translated = match server {
        Family::V4 => tuple(
            server,
            protocol,
            v4(192, 168, 229, 204),
            1025,
            v4(192, 168, 229, 1),
            8080,
        ),
        Family::V6 => tuple(server, protocol, v6("fd00::204"), 1025, v6("fd00::1"), 8080),
    };
    (sent, translated)
}

pub(crate) fn router(family: Family) -> Address {
    match family {
        Family::V4 => v4(192, 168, 229, 254),
        Family::V6 => v6("fd00::fe"),
    }
}

/// What the ICMP header of an error becomes for an addressee of the other family; the error quotes a
/// packet of `len` bytes.
pub(crate) fn across_sized(
    from: Family,
    header: [u8; 8],
    mtu: u32,
    len: usize,
) -> Result<[u8; 8], NotTranslated> {
    let to = match from {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let (sent, quoted) = flow(to, from, Protocol::UDP);
    let rest = Rest {
        payload: vec![7; len],
        ..plain()
    };
    let error = error(
        router(from),
        quoted.source,
        from,
        &PLAIN,
        header,
        &quote(&quoted, &PLAIN, &rest, 40),
    );
    let new = passed_on(
        &error,
        &Addressee {
            mtu,
            ..addressee(sent)
        },
    )?;
    let at = match to {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    let mut header: [u8; 8] = new[at..at + 8].try_into().unwrap();
    (header[2], header[3]) = (0, 0);
    Ok(header)
}

pub(crate) fn across(from: Family, kind: u8, code: u8, rest: [u8; 4]) -> Option<[u8; 6]> {
    let [a, b, c, d] = rest;
    match across_sized(from, [kind, code, 0, 0, a, b, c, d], 65535, 100) {
        Ok([kind, code, 0, 0, a, b, c, d]) => Some([kind, code, a, b, c, d]),
        Err(NotTranslated::NoEquivalent) => None,
        other => panic!("{other:?}"),
    }
}

/// What hexadecimal digits say.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
