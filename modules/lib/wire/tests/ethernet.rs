// SPDX-License-Identifier: GPL-2.0

//! Frames with and without a tag.

use wire::{Ethernet, Family, Malformed};

const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn frame(kind: &[u8]) -> Vec<u8> {
    [&A, &B, kind, &[0x45]].concat()
}

#[test]
fn a_frame_says_what_it_carries_and_where_that_starts() {
    let plain = Ethernet {
        len: 14,
        vlan: None,
        family: Family::V4,
    };
    assert_eq!(Ethernet::parse(&frame(&[8, 0])), Ok(plain));
    let tagged = Ethernet {
        len: 18,
        vlan: Some(0x123),
        family: Family::V6,
    };
    assert_eq!(
        Ethernet::parse(&frame(&[0x81, 0, 0xe1, 0x23, 0x86, 0xdd])),
        Ok(tagged)
    );
}

#[test]
fn other_frames_and_short_ones_are_refused() {
    for kind in [
        &[8, 6][..],
        // Two tags, and the tag of a provider.
        &[0x81, 0, 0, 1, 0x81, 0, 0, 2, 8, 0],
        &[0x88, 0xa8, 0, 1, 8, 0],
    ] {
        assert_eq!(Ethernet::parse(&frame(kind)), Err(Malformed), "{kind:x?}");
    }
    let whole = frame(&[0x81, 0, 0, 1, 8, 0]);
    for len in 0..18 {
        assert_eq!(Ethernet::parse(&whole[..len]), Err(Malformed), "{len}");
    }
}

#[test]
fn a_frame_gets_another_vlan_and_keeps_the_priority_of_its_tag() {
    let retagged = |kind: &[u8], vlan| {
        let mut frame = frame(kind);
        let link = Ethernet::parse(&frame).expect("a frame of IP");
        link.retag(&mut frame, vlan);
        frame
    };
    let tagged = &[0x81, 0, 0xe1, 0x23, 8, 0];
    let changed = &[0x81, 0, 0xef, 0xfe, 8, 0];
    assert_eq!(retagged(tagged, Some(0xffe)), frame(changed));
    // Neither is a tag taken off, nor is one put on.
    assert_eq!(retagged(tagged, None), frame(tagged));
    assert_eq!(retagged(&[8, 0], Some(0xffe)), frame(&[8, 0]));
}
