// SPDX-License-Identifier: GPL-2.0
//! Packets the director writes itself: whole, with right checksums, and read back by the parsers.

mod common;

use common::*;
use nat::{Family, OwnPacket, Port, Protocol, Tuple};
use proptest::prelude::*;
use wire::toa::Toa;
use wire::uoa::{Form, Insertion, Opp, OPP_PROTOCOL};
use wire::{Ipv4, Ipv6, Tcp, Udp};

/// Checks the network header: where the transport header starts, its protocol, class and hops.
fn network(packet: &[u8], tuple: &Tuple) -> (usize, u8, u8, u8) {
    match tuple.family {
        Family::V4 => {
            let ip = Ipv4::parse(packet).unwrap();
            assert_eq!(usize::from(ip.total_len()), packet.len());
            assert_eq!(checksum(&[&packet[..ip.header_len()]]), [0, 0]);
            assert_eq!(ip.addresses(), (tuple.source.v4(), tuple.destination.v4()));
            (ip.header_len(), ip.protocol(), ip.tos(), ip.ttl())
        }
        Family::V6 => {
            let ip = Ipv6::parse(packet).unwrap();
            assert_eq!(ip.total_len(), packet.len());
            assert_eq!(
                ip.addresses(),
                (*tuple.source.octets(), *tuple.destination.octets())
            );
            let class = (packet[0] << 4) | (packet[1] >> 4);
            (40, ip.next_header(), class, ip.hop_limit())
        }
    }
}

fn sums_up(tuple: &Tuple, transport: &[u8]) -> bool {
    checksum(&[&pseudo(tuple, transport.len()), transport]) == [0, 0]
}

#[test]
fn a_reset_byte_by_byte() {
    let tuple = tcp(v4(192, 168, 0, 1), 1025, v4(10, 0, 0, 2), 80);
    let packet = OwnPacket::reset(&tuple, 0x0102_0304);
    assert_eq!(packet.bytes()[..10], [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    assert_eq!(packet.bytes()[12..20], [192, 168, 0, 1, 10, 0, 0, 2]);
    assert_eq!(
        packet.bytes()[20..36],
        [4, 1, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 4, 0, 0]
    );
    assert_eq!(packet.bytes().len(), 40);
}

/// A tuple of the other family than the client's or of the same.
fn any_tuple(protocol: Protocol) -> impl Strategy<Value = Tuple> {
    tuples().prop_map(move |(tuple, _)| Tuple { protocol, ..tuple })
}

proptest! {
    #[test]
    fn a_reset_is_a_packet(tuple in any_tuple(Protocol::TCP), sequence in any::<u32>()) {
        let packet = OwnPacket::reset(&tuple, sequence);
        let (at, protocol, class, hops) = network(packet.bytes(), &tuple);
        prop_assert_eq!((protocol, class, hops), (6, 0, 64));
        let tcp = Tcp::parse(&packet.bytes()[at..]).unwrap();
        prop_assert_eq!(tcp.ports(), (tuple.source_port.number(), tuple.destination_port.number()));
        prop_assert_eq!((tcp.seq(), tcp.ack()), (sequence, 0));
        prop_assert!(tcp.flags().rst() && !tcp.flags().ack() && !tcp.flags().syn());
        prop_assert_eq!(tcp.header_len(), packet.bytes().len() - at);
        prop_assert!(sums_up(&tuple, &packet.bytes()[at..]));
    }

    #[test]
    fn an_introduction_is_a_datagram_without_data(
        tuple in any_tuple(Protocol::UDP),
        client in any_tuple(Protocol::UDP),
        tos in any::<u8>(),
        hops in any::<u8>(),
        opp in any::<bool>(),
    ) {
        let opp = opp || tuple.family == Family::V6 || client.family == Family::V6;
        let mut like = common::packet(&tuple, &plain(), false);
        match tuple.family {
            Family::V4 => (like[1], like[8]) = (tos, hops),
            Family::V6 => (like[0], like[1], like[7]) = (0x60 | (tos >> 4), tos << 4, hops),
        }
        let toa = Toa {
            kind: 0,
            family: client.family,
            address: client.source,
            port: client.source_port.number(),
        };
        let form = if opp { Form::Opp } else { Form::Option };
        let insertion = Insertion::new(form, &toa);
        let packet = OwnPacket::introduction(&tuple, &insertion, &like).unwrap();
        let bytes = packet.bytes();
        let (mut at, protocol, class, ttl) = network(bytes, &tuple);
        prop_assert_eq!((class, ttl), (tos, hops));
        let told = if opp {
            prop_assert_eq!(protocol, OPP_PROTOCOL);
            let header = Opp::decode(&bytes[at..]).unwrap();
            prop_assert_eq!(header.protocol, 17);
            at += header.len();
            header.client
        } else {
            prop_assert_eq!((at, protocol), (28, 17));
            Toa::decode(&bytes[20..28]).unwrap()
        };
        prop_assert_eq!(told, Toa { kind: 31, ..toa });
        let udp = Udp::parse(&bytes[at..]).unwrap();
        prop_assert_eq!((udp.ports(), udp.len()), ((tuple.source_port.number(), tuple.destination_port.number()), 8));
        prop_assert_eq!(bytes.len(), at + 8);
        prop_assert_ne!(&bytes[at + 6..at + 8], &[0, 0]);
        prop_assert!(sums_up(&tuple, &bytes[at..]));
        // It is what an empty datagram of the flow would be, had it room.
        if let (Ok(inline), true) = (Insertion::place(form, &toa, &like, 99), tuple.family == Family::V4) {
            prop_assert_eq!(inline.bytes(), insertion.bytes());
        }
    }
}

#[test]
fn an_introduction_in_front_of_nothing_is_none() {
    let tuple = Tuple {
        protocol: Protocol::UDP,
        source_port: Port::new(1),
        ..tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10)
    };
    let toa = Toa {
        kind: 31,
        family: Family::V4,
        address: v4(1, 1, 1, 1),
        port: 1,
    };
    let insertion = Insertion::new(Form::Opp, &toa);
    assert!(OwnPacket::introduction(&tuple, &insertion, &[0x45, 0]).is_err());
}
