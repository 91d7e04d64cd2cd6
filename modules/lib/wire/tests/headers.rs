// SPDX-License-Identifier: GPL-2.0
//! Header views: what they read, and what they refuse.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::icmp::{self, Icmp};
use wire::{icmp6, Fragment, Ipv4, Ipv6, Malformed, Sctp, Tcp, Udp};

const IPV4: [u8; 20] = [
    0x45, 0x10, 0x00, 0x54, 0x12, 0x34, 0x40, 0x00, 0x3f, 0x06, 0xaa, 0xbb, 172, 16, 0, 1, 10, 0,
    96, 204,
];

#[test]
fn reads_an_ipv4_header() {
    let ip = Ipv4::parse(&IPV4).unwrap();
    assert_eq!(
        (ip.header_len(), ip.total_len(), ip.tos(), ip.id()),
        (20, 84, 0x10, 0x1234)
    );
    assert_eq!((ip.ttl(), ip.protocol()), (63, 6));
    assert_eq!(ip.addresses(), ([172, 16, 0, 1], [10, 0, 96, 204]));
    assert!(ip.dont_fragment() && !ip.is_fragment() && !ip.is_later_fragment());
    assert!(ip.rest().is_empty());
}

#[test]
fn tells_first_fragments_from_later_ones() {
    let fragment = |high, low| {
        let mut bytes = IPV4;
        (bytes[6], bytes[7]) = (high, low);
        let ip = Ipv4::parse(&bytes).map(|ip| (ip.is_fragment(), ip.is_later_fragment()));
        ip.unwrap()
    };
    assert_eq!(fragment(0x00, 0x00), (false, false));
    assert_eq!(fragment(0x20, 0x00), (true, false));
    assert_eq!(fragment(0x20, 0x01), (true, true));
    assert_eq!(fragment(0x00, 0x01), (true, true));
    assert_eq!(fragment(0x1f, 0x00), (true, true));
}

#[test]
fn reads_what_is_said_of_a_fragment() {
    let fragment = |high, low| {
        let mut bytes = IPV4;
        (bytes[6], bytes[7]) = (high, low);
        Ipv4::parse(&bytes).unwrap().fragment()
    };
    let part = |offset, more| {
        Some(Fragment {
            id: 0x1234,
            offset,
            more,
        })
    };
    assert_eq!(fragment(0x40, 0x00), None);
    assert_eq!(fragment(0x20, 0x00), part(0, true));
    assert_eq!(fragment(0x3f, 0xff), part(0x1fff, true));
    assert_eq!(fragment(0x00, 0xb9), part(185, false));
}

#[test]
fn finds_ipv4_options() {
    let mut bytes = [IPV4.as_slice(), &[7, 7, 4, 0, 0, 0, 0, 0], b"payload"].concat();
    assert!(Ipv4::parse(&bytes).unwrap().options().is_empty());
    bytes[0] = 0x47;
    assert_eq!(
        Ipv4::parse(&bytes).unwrap().options(),
        [7, 7, 4, 0, 0, 0, 0, 0]
    );
    let cut = Ipv4::parse_fixed(&bytes[..23]).unwrap();
    assert_eq!(cut.options(), [7, 7, 4]);
}

#[test]
fn refuses_ipv4_headers_that_lie() {
    let with = |at: usize, value: u8| {
        let mut bytes = IPV4;
        bytes[at] = value;
        Ipv4::parse(&bytes).err()
    };
    assert_eq!(with(0, 0x65), Some(Malformed), "another version");
    assert_eq!(with(0, 0x44), Some(Malformed), "shorter than a header");
    assert_eq!(with(0, 0x46), Some(Malformed), "options that are not there");
    assert_eq!(
        with(3, 19),
        Some(Malformed),
        "a total length within the header"
    );
    assert_eq!(with(3, 20), None);
    for len in 0..20 {
        assert!(Ipv4::parse_fixed(&IPV4[..len]).is_err());
    }
}

#[test]
fn reads_an_ipv4_header_whose_options_are_not_there_yet() {
    let mut bytes = IPV4;
    bytes[0] = 0x4f;
    assert_eq!(Ipv4::parse_fixed(&bytes).unwrap().header_len(), 60);
    assert!(Ipv4::parse(&bytes).is_err());
}

#[test]
fn reads_an_ipv6_header() {
    let mut bytes = [0; 44];
    bytes[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 4, 17, 64]);
    bytes[8..24].copy_from_slice(&[1; 16]);
    bytes[24..40].copy_from_slice(&[2; 16]);
    let ip = Ipv6::parse(&bytes).unwrap();
    assert_eq!(
        (ip.total_len(), ip.next_header(), ip.hop_limit()),
        (44, 17, 64)
    );
    assert_eq!(ip.addresses(), ([1; 16], [2; 16]));
    assert_eq!((ip.rest(), ip.traffic_class()), (&[0; 4][..], 0));
    assert!(Ipv6::parse(&bytes[..39]).is_err());
    (bytes[0], bytes[1]) = (0x6b, 0x8f);
    assert_eq!(Ipv6::parse(&bytes).unwrap().traffic_class(), 0xb8);
    bytes[0] = 0x45;
    assert!(Ipv6::parse(&bytes).is_err());
}

#[test]
fn reads_a_tcp_header() {
    let bytes = [
        0xc8, 0x22, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x12, 0xff, 0xff, 0, 0, 0, 0, 2, 4,
        5, 0xb4, b'x',
    ];
    let tcp = Tcp::parse(&bytes).unwrap();
    assert_eq!(tcp.ports(), (51234, 80));
    assert_eq!(
        (tcp.seq(), tcp.ack(), tcp.header_len()),
        (0x0102_0304, 0x0506_0708, 24)
    );
    let flags = tcp.flags();
    assert!(flags.syn() && flags.ack() && !flags.fin() && !flags.rst());
    assert_eq!(tcp.options(), [2, 4, 5, 0xb4]);
    assert_eq!(tcp.offset_flags(60), [0xf0, 0x12]);
    assert_eq!(tcp.offset_flags(20), [0x50, 0x12]);
}

#[test]
fn refuses_tcp_headers_that_lie() {
    let with = |offset: u8, len: usize| {
        let mut bytes = [0; 60];
        bytes[Tcp::OFFSET_FLAGS] = offset << 4;
        Tcp::parse(&bytes[..len]).err()
    };
    for offset in 0..5 {
        assert_eq!(with(offset, 60), Some(Malformed));
    }
    assert_eq!(with(5, 19), Some(Malformed));
    assert_eq!(with(5, 20), None);
    assert_eq!(with(6, 23), Some(Malformed));
    assert_eq!(with(15, 60), None);
}

#[test]
fn reads_and_refuses_udp_headers() {
    let bytes = [0xc8, 0x22, 0, 53, 0, 8, 0, 0];
    let udp = Udp::parse(&bytes).unwrap();
    assert_eq!((udp.ports(), udp.len()), ((51234, 53), 8));
    assert!(Udp::parse(&bytes[..7]).is_err());
    assert!(Udp::parse(&[0, 1, 0, 2, 0, 7, 0, 0]).is_err());
}

#[test]
fn reads_an_sctp_header() {
    let bytes = [
        0xc8, 0x22, 0, 80, 1, 2, 3, 4, 0xaa, 0xbb, 0xcc, 0xdd, 1, 0, 0, 20,
    ];
    let sctp = Sctp::parse(&bytes).unwrap();
    assert_eq!((sctp.ports(), sctp.tag()), ((51234, 80), 0x0102_0304));
    assert_eq!(sctp.check(), [0xaa, 0xbb, 0xcc, 0xdd]);
    assert!(Sctp::parse(&bytes[..11]).is_err());
}

#[test]
fn reads_and_writes_an_icmp_header() {
    let bytes = [3, 4, 0xaa, 0xbb, 1, 2, 5, 0x78, b'x'];
    let header = Icmp::parse(&bytes).unwrap();
    assert_eq!(
        (header.kind, header.code, header.rest),
        (3, 4, [1, 2, 5, 0x78])
    );
    assert_eq!(header.encode([0xaa, 0xbb]), bytes[..8]);
    assert!(Icmp::parse(&bytes[..7]).is_err());
}

#[test]
fn knows_icmpv6_errors() {
    for kind in 0..=255 {
        assert_eq!(
            icmp6::is_error(kind),
            (1..=4).contains(&kind),
            "type {kind}"
        );
    }
}

#[test]
fn knows_icmp_errors() {
    for kind in 0..=255 {
        assert_eq!(
            icmp::is_error(kind),
            [3, 4, 11, 12].contains(&kind),
            "type {kind}"
        );
    }
}

proptest! {
    #[test]
    fn reads_no_byte_that_is_not_there(bytes in vec(any::<u8>(), 0..80)) {
        if let Ok(ip) = Ipv4::parse(&bytes) {
            prop_assert!(ip.header_len() >= 20 && ip.header_len() <= bytes.len());
            prop_assert!(usize::from(ip.total_len()) >= ip.header_len());
            prop_assert_eq!(ip.rest(), &bytes[ip.header_len()..]);
        }
        if let Ok(tcp) = Tcp::parse(&bytes) {
            prop_assert_eq!(tcp.options(), &bytes[20..tcp.header_len()]);
        }
        let _ = (Ipv6::parse(&bytes), Udp::parse(&bytes));
        let _ = (Icmp::parse(&bytes), Sctp::parse(&bytes));
    }
}
