// SPDX-License-Identifier: GPL-2.0
//! The kernel's table of connections.

use std::ops::ControlFlow;

use ipvs_netlink::proc::{parse, Entry};
use ipvs_netlink::{Error, Protocol};

const HEADING: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

fn entries(table: &str) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    parse(table.as_bytes(), &mut |entry| {
        found.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[test]
fn both_families_and_an_engine() {
    let table = format!(
        "{HEADING}\
         TCP AC100001 F57C 0A0060CC 0050 C0A8E501 1F90 ESTABLISHED     899\n\
         UDP 20010000000000000000000000000001 0001 x\n",
    );
    assert!(entries(&table).is_err());
    let table = format!(
        "{HEADING}\
         TCP AC100001 F57C 0A0060CC 0050 C0A8E501 1F90 ESTABLISHED     899\n\
         UDP 2001:0000:0000:0000:0000:0000:0000:0001 0035 \
         2001:0000:0000:0000:0000:0000:0000:0201 13C4 \
         2001:0000:0000:0000:0000:0000:0000:0301 13C4 UDP              42 sip 1234@host\n\
         IP  AC100000 0000 00000007 0000 C0A8E501 0000 NONE            359\n"
    );
    let found = entries(&table).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].key.caddr.to_string(), "172.16.0.1");
    assert_eq!(found[0].key.cport, 62844);
    assert_eq!(found[0].rport, 8080);
    assert_eq!(found[0].state, "ESTABLISHED");
    assert_eq!(found[0].expires, 899);
    assert_eq!(found[0].engine, None);
    assert_eq!(found[1].key.vaddr.to_string(), "2001::201");
    let engine = ("sip".to_owned(), "1234@host".to_owned());
    assert_eq!(found[1].engine, Some(engine));
    assert_eq!(found[2].key.protocol, Protocol(0));
}

#[test]
fn a_line_that_is_cut_off_is_named() {
    let table = format!("{HEADING}TCP AC100001 F57C 0A0060CC\n");
    match entries(&table) {
        Err(Error::Proc { line, .. }) => assert_eq!(line, 2),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_table_has_a_heading_only() {
    assert_eq!(entries(HEADING).unwrap(), []);
    assert_eq!(entries("").unwrap(), []);
}

#[test]
fn a_reader_may_break_off() {
    let line = "TCP AC100001 F57C 0A0060CC 0050 C0A8E501 1F90 ESTABLISHED     899\n";
    let table = format!("{HEADING}{line}{line}what nobody reads\n");
    let mut seen = 0;
    let done = parse(table.as_bytes(), &mut |_| {
        seen += 1;
        if seen == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(done.is_ok());
    assert_eq!(seen, 2);
}
