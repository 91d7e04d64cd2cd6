// SPDX-License-Identifier: GPL-2.0
//! What a request may look like, and what it may not.

use flow_abi::{counter, laddr, options, service, top};
use netlink::{Attributes, Fault, Refusal};
use proptest::prelude::*;

fn attribute(id: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(payload.len() + 4)
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(id.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn refusal(bytes: &[u8]) -> Refusal {
    Attributes::parse(bytes, &service::KINDS).unwrap_err()
}

#[test]
fn reads_numbers_of_both_byte_orders_and_bytes() {
    let mut bytes = attribute(service::PROTOCOL, &6u16.to_ne_bytes());
    bytes.extend(attribute(service::PORT, &80u16.to_be_bytes()));
    bytes.extend(attribute(service::ADDR, &[10, 0, 96, 204]));
    let set = Attributes::parse(&bytes, &service::KINDS).unwrap();
    assert_eq!(set.u16(service::PROTOCOL), Some(6));
    assert_eq!(set.be16(service::PORT), Some(80));
    assert_eq!(set.need(service::ADDR), Ok(&[10, 0, 96, 204][..]));
    assert_eq!(set.u32(service::FWMARK), None);
}

#[test]
fn follows_a_nest_with_the_kinds_of_its_set() {
    let inner = attribute(laddr::ADDR, &[192, 168, 229, 204]);
    let bytes = attribute(top::LADDR | 0x8000, &inner);
    let set = Attributes::parse(&bytes, &top::KINDS).unwrap();
    let nest = set.nest(top::LADDR).unwrap().unwrap();
    assert_eq!(nest.get(laddr::ADDR), Some(&[192, 168, 229, 204][..]));
    assert!(set.nest(top::SERVICE).unwrap().is_none());
}

#[test]
fn a_byte_is_one_long_and_a_flag_empty() {
    let toa = attribute(options::TOA, &[2]);
    let set = Attributes::parse(&toa, &options::KINDS).unwrap();
    assert_eq!(set.u8(options::TOA), Some(2));
    assert_eq!(set.u8(options::UOA), None);
    let flag = attribute(counter::DROP, &[]);
    let set = Attributes::parse(&flag, &counter::KINDS).unwrap();
    assert!(set.get(counter::DROP).is_some());
    for (bytes, kinds) in [
        (attribute(options::TOA, &[2, 0]), &options::KINDS[..]),
        (attribute(counter::DROP, &[1]), &counter::KINDS),
    ] {
        let refusal = Attributes::parse(&bytes, kinds).unwrap_err();
        assert_eq!(refusal.fault, Fault::Length);
    }
}

#[test]
fn refuses_what_the_spec_does_not_describe() {
    let port = attribute(service::PORT, &80u16.to_be_bytes());
    let fault = |fault, attribute| Refusal { fault, attribute };
    assert_eq!(refusal(&attribute(9, &[0; 4])), fault(Fault::Unknown, 9));
    assert_eq!(refusal(&attribute(0, &[0; 4])), fault(Fault::Unknown, 0));
    assert_eq!(
        refusal(&[port.clone(), port].concat()),
        fault(Fault::Twice, service::PORT)
    );
    assert_eq!(
        refusal(&attribute(service::PORT, &[0; 4])),
        fault(Fault::Length, service::PORT)
    );
    assert_eq!(
        refusal(&attribute(service::ADDR, &[0; 17])),
        fault(Fault::Length, service::ADDR)
    );
    assert_eq!(refusal(&[3, 0, 1, 0]), fault(Fault::Truncated, 1));
    assert_eq!(refusal(&[8, 0, 1, 0]), fault(Fault::Truncated, 1));
    assert_eq!(refusal(&[8, 0, 1]), fault(Fault::Truncated, 0));
    let set = Attributes::parse(&[], &service::KINDS).unwrap();
    assert_eq!(
        set.need(service::PORT),
        Err(fault(Fault::Missing, service::PORT))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        for kinds in [&top::KINDS[..], &service::KINDS] {
            if let Ok(set) = Attributes::parse(&bytes, kinds) {
                for id in 0..8 {
                    let _ = (set.u16(id), set.be16(id), set.u32(id), set.nest(id));
                }
            }
        }
    }
}
