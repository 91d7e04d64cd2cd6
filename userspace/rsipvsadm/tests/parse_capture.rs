// SPDX-License-Identifier: GPL-2.0
//! Command lines of capture.

use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::failure::Failure;
use rsipvsadm::plan::{self, Capture};
use xdp_loader::Filter;

fn capture(line: &str) -> Result<Capture, Failure> {
    match cli::parse(line.split_whitespace().map(Into::into))? {
        Parsed::Capture(args) => plan::capture(&args),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn wishes_are_read() {
    let all = Capture {
        interface: "eth0".to_owned(),
        filter: Filter::default(),
        count: None,
        file: None,
    };
    assert_eq!(capture("x capture eth0"), Ok(all.clone()));
    let some = Capture {
        filter: Filter::parse(&["tcp", "port", "80"]).unwrap(),
        count: Some(5),
        file: Some("a.pcap".into()),
        ..all
    };
    for line in [
        "-c 5 -w a.pcap eth0 tcp port 80",
        "eth0 tcp and port 80 --count 5 --write=a.pcap",
    ] {
        assert_eq!(
            capture(&format!("x capture {line}")),
            Ok(some.clone()),
            "{line}"
        );
    }
}

#[test]
fn nonsense_is_named() {
    for (line, said) in [
        ("", "<INTERFACE> is missing; see rsipvsadm capture --help"),
        (
            "eth0 -c none",
            "--count: none is not a number from 1 to 18446744073709551615",
        ),
        (
            "eth0 -c 0",
            "--count: 0 is not a number from 1 to 18446744073709551615",
        ),
        ("eth0 port http", "FILTER: http: not a port's number"),
        (
            "eth0 --bogus",
            "there is no option --bogus; see rsipvsadm --help",
        ),
    ] {
        let failure = capture(&format!("x capture {line}")).unwrap_err();
        assert_eq!(failure, Failure::usage(said), "{line}");
    }
}
