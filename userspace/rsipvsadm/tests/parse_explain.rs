// SPDX-License-Identifier: GPL-2.0
//! Command lines of explain.

use std::net::SocketAddr;

use ipvs_netlink::Protocol;
use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::explain::Question;
use rsipvsadm::names::Numeric;
use rsipvsadm::plan;

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn questions_are_read_and_nonsense_is_named() {
    let ask = |line: &str| match cli::parse(line.split_whitespace().map(Into::into)) {
        Ok(Parsed::Explain(args)) => plan::question(&args, &Numeric),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(failure) => Err(failure),
    };
    let tcp = Question {
        protocol: Protocol::TCP,
        from: end("172.16.0.1:57090"),
        to: end("10.0.96.204:80"),
        mark: 0,
    };
    let plain = "x explain tcp 172.16.0.1:57090 10.0.96.204:80";
    assert_eq!(ask(plain), Ok((tcp, false)));
    for json in [
        "--json",
        "-o json",
        "--output json",
        "-f json",
        "--format=json",
    ] {
        assert_eq!(ask(&format!("{plain} {json}")), Ok((tcp, true)), "{json}");
    }
    let (found, _) = ask("x explain --mark 7 UDP [2001:db8::7]:5 [2001:db8::204]:53").unwrap();
    assert_eq!(found.protocol, Protocol::UDP);
    assert_eq!((found.to, found.mark), (end("[2001:db8::204]:53"), 7));
    for (line, said) in [
        (
            "icmp 1.2.3.4:1 1.2.3.5:2",
            "PROTO: icmp is none of tcp, udp, sctp",
        ),
        (
            "tcp 1.2.3.4 1.2.3.5:2",
            "SRC: 1.2.3.4 has no port (address:port)",
        ),
        (
            "tcp 1.2.3.4:1 1.2.3.5",
            "DST: 1.2.3.5 has no port (address:port)",
        ),
        (
            "tcp 1.2.3.4:1 [::1]:2",
            "1.2.3.4:1 and [::1]:2 are of different families; a packet is of one, as it arrives",
        ),
        (
            "tcp 1.2.3.4:1 1.2.3.5:2 --mark x",
            "--mark: x is not a number from 0 to 4294967295",
        ),
        (
            "tcp 1.2.3.4:1 1.2.3.5:2 -o xml",
            "--output: xml is neither text nor json",
        ),
        (
            "tcp 1.2.3.4:1",
            "<DST> is missing; see rsipvsadm explain --help",
        ),
        ("tcp 1.2.3.4:1 1.2.3.5:2 more", "more belongs to no option"),
        (
            "tcp 1.2.3.4:1 1.2.3.5:2 --bogus",
            "there is no option --bogus; see rsipvsadm --help",
        ),
    ] {
        let failure = ask(&format!("x explain {line}")).unwrap_err();
        assert_eq!(failure.to_string(), said, "{line}");
    }
}
