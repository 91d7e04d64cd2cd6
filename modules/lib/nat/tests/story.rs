// SPDX-License-Identifier: GPL-2.0
//! What is remembered of a connection: retransmitted and new SYNs, when a client is introduced, what a
//! server's TIME_WAIT holds, and the numbers of the RSTs that end it.

use nat::{after, LastUse, Plain, Resets, SequenceShift, Story, TimestampShift};
use proptest::prelude::*;

/// A connection in the middle: the client began with `isn`, the server's first byte is 5001.
fn established(isn: u32) -> Story {
    let story = Story::default();
    story.begin(isn, None);
    story.server_acknowledged(isn.wrapping_add(1));
    story.server_answered(5001, true);
    story.client_acknowledged(5001);
    story
}

/// The client closes after ten bytes, then the server.
fn close(story: &Story, isn: u32) {
    story.client_closed();
    let end = story.sequence_shift().to_server(isn).wrapping_add(12);
    story.server_acknowledged(end);
    story.server_closed();
}

#[test]
fn takes_28_bytes() {
    assert_eq!(std::mem::size_of::<Story>(), 28);
}

#[test]
fn a_connection_without_a_past_needs_nothing_but_its_translation() {
    let story = Story::default();
    story.begin(1000, None);
    assert!(story.is_plain() && !story.is_shifted());
    assert_eq!(story.sequence_shift(), SequenceShift::NONE);
    assert_eq!(story.timestamp_shift(), TimestampShift::NONE);
    assert_eq!((story.last_use(), story.resets()), (None, None));
}

#[test]
fn a_retransmitted_syn_keeps_its_shift() {
    let story = Story::default();
    story.begin(1000, Some(LastUse { end_seq: 70_000 }));
    let shift = story.sequence_shift();
    assert_ne!(shift, SequenceShift::NONE);
    assert!(!story.is_plain() && story.is_shifted());
    for _ in 0..3 {
        assert!(!story.begins_anew(1000));
        assert_eq!(story.sequence_shift(), shift);
    }
    story.server_answered(5001, true);
    assert!(!story.begins_anew(1000), "the SYN-ACK got lost");
    assert_eq!(story.sequence_shift(), shift);
}

#[test]
fn a_client_that_gave_up_and_comes_back_is_shifted_beyond_its_first_try() {
    let story = Story::default();
    story.begin(1000, Some(LastUse { end_seq: 70_000 }));
    let first = story.sequence_shift().to_server(1000);
    assert!(story.begins_anew(900));
    assert!(after(story.sequence_shift().to_server(900), first));
}

#[test]
fn a_syn_in_the_middle_of_a_connection_changes_nothing() {
    let story = established(1000);
    assert!(!story.begins_anew(500));
    story.client_closed();
    assert!(!story.begins_anew(500), "the server may have more to say");
    let story = established(1000);
    story.server_closed();
    assert!(!story.begins_anew(500), "the client may have more to say");
    assert_eq!(story.sequence_shift(), SequenceShift::NONE);
}

#[test]
fn a_new_syn_on_a_closed_connection_starts_beyond_what_time_wait_remembers() {
    let story = established(1000);
    close(&story, 1000);
    assert_eq!(story.last_use(), Some(LastUse { end_seq: 1012 }));
    assert!(!story.begins_anew(1000), "a retransmission out of the past");
    // One that the server takes as it is.
    assert!(story.begins_anew(2000));
    assert_eq!(story.sequence_shift(), SequenceShift::NONE);
    // One that it would refuse.
    story.server_answered(7001, true);
    story.server_acknowledged(2001);
    close(&story, 2000);
    assert!(story.begins_anew(1500));
    assert!(after(story.sequence_shift().to_server(1500), 2012));
    // The client's next retransmission is one.
    let shift = story.sequence_shift();
    assert!(!story.begins_anew(1500));
    assert_eq!(story.sequence_shift(), shift);
}

#[test]
fn a_server_that_resets_is_done() {
    let story = established(1000);
    story.server_reset();
    assert!(story.begins_anew(999));
}

#[test]
fn a_new_connection_is_introduced_like_the_first() {
    let story = established(1000);
    assert!(story.introduces_client(5001));
    assert!(!story.introduces_client(5002));
    assert!(!story.introduces_client(5001), "once past, it stays past");
    close(&story, 1000);
    assert!(story.begins_anew(2000));
    assert!(
        !story.introduces_client(9001),
        "the server has not answered"
    );
    story.server_answered(9001, true);
    assert!(story.introduces_client(9001));
}

#[test]
fn a_client_is_introduced_until_it_has_seen_the_servers_first_byte() {
    let story = Story::default();
    story.begin(1000, None);
    story.server_answered(u32::MAX, true);
    assert!(story.introduces_client(u32::MAX));
    assert!(!story.introduces_client(u32::MAX - 1), "before the SYN-ACK");
    assert!(story.introduces_client(u32::MAX));
    assert!(!story.is_plain());
    assert!(!story.introduces_client(5));
    assert!(story.is_plain());
    // A duplicate of the SYN-ACK starts nothing that the client's next segment does not end.
    story.server_answered(u32::MAX, true);
    assert!(!story.introduces_client(6));
    assert!(story.is_plain());
}

#[test]
fn a_client_is_introduced_until_the_server_has_seen_its_first_byte() {
    for (isn, last) in [
        (1000, None),
        (u32::MAX, None),
        (1000, Some(LastUse { end_seq: 5000 })),
    ] {
        let story = Story::default();
        story.begin(isn, last);
        let syn = story.sequence_shift().to_server(isn);
        story.server_acknowledged(syn.wrapping_add(1));
        story.server_answered(5001, true);
        assert!(story.introduces_client(5001));
        // As on the fast path.
        story.server_acknowledged(syn.wrapping_add(2));
        assert!(!story.introduces_client(5001), "its socket is there");
    }
}

#[test]
fn data_in_a_syn_do_not_end_the_introduction() {
    let story = Story::default();
    story.begin(1000, None);
    story.server_acknowledged(1021);
    story.server_answered(5001, true);
    assert!(story.introduces_client(5001));
    story.server_acknowledged(1041);
    assert!(story.introduces_client(5001));
    assert!(!story.introduces_client(5002));
    assert_eq!(story.passes(Plain::Segment(5002), true), Ok(()));
}

#[test]
fn nobody_is_introduced_where_that_is_off() {
    let story = Story::default();
    story.begin(1000, None);
    story.server_answered(5001, false);
    assert!(story.is_plain() && !story.introduces_client(5001));
}

#[test]
fn time_stamps_keep_the_shift_of_the_first_syn() {
    let story = Story::default();
    story.begin(1000, None);
    let shift = story.carry_timestamps(TimestampShift::choose(5, 100));
    assert_eq!(shift, TimestampShift(95));
    // A second later; the client's clock has moved as far.
    assert_eq!(
        story.carry_timestamps(TimestampShift::choose(1006, 1100)),
        shift
    );
    assert!(!story.is_plain() && story.is_shifted());
    story.server_answered(5001, false);
    assert_eq!(story.timestamp_shift(), shift);
    close(&story, 1000);
    assert!(story.begins_anew(2000));
    assert_eq!(story.timestamp_shift(), TimestampShift::NONE);
    assert_eq!(story.carry_timestamps(TimestampShift(7)), TimestampShift(7));
}

#[test]
fn what_a_client_claims_is_not_what_the_server_remembers() {
    let story = established(1000);
    // A FIN with a number far away: the server does not acknowledge it.
    story.client_closed();
    assert_eq!(story.last_use(), Some(LastUse { end_seq: 1001 }));
}

#[test]
fn old_acknowledgements_that_come_late_do_not_count() {
    let story = established(u32::MAX - 3);
    for ack in [5, u32::MAX, 4, 5] {
        story.server_acknowledged(ack);
    }
    assert_eq!(story.last_use(), Some(LastUse { end_seq: 5 }));
}

#[test]
fn resets_have_the_numbers_that_both_ends_expect() {
    let story = Story::default();
    story.begin(1000, Some(LastUse { end_seq: 70_000 }));
    let shift = story.sequence_shift();
    story.server_acknowledged(shift.to_server(1001));
    story.server_answered(5001, true);
    let resets = |to_client, to_server| {
        Some(Resets {
            to_client,
            to_server,
        })
    };
    assert_eq!(story.resets(), resets(5001, shift.to_server(1001)));
    story.server_acknowledged(shift.to_server(1101));
    story.client_acknowledged(5501);
    assert_eq!(story.resets(), resets(5501, shift.to_server(1101)));
    story.server_answered(5001, true);
    assert_eq!(
        story.resets(),
        resets(5501, shift.to_server(1101)),
        "a SYN-ACK once more"
    );
}

#[test]
fn so_many_datagrams_introduce_the_client() {
    let story = Story::default();
    assert!(!story.introduces());
    story.introduce(2);
    for _ in 0..2 {
        assert!(story.introduces());
        story.introduced();
    }
    assert!(!story.introduces());
    story.introduced();
    assert!(!story.introduces());
}

proptest! {
    /// Connection after connection on one port: what the server sees grows, whatever the clients
    /// choose, and nothing is shifted without need.
    #[test]
    fn a_port_goes_forward(numbers in proptest::collection::vec((any::<u32>(), 1u32..1 << 20), 1..20)) {
        let story = Story::default();
        let mut remembered = None;
        for (isn, length) in numbers {
            match remembered {
                None => story.begin(isn, None),
                Some(end_seq) if story.begins_anew(isn) => {
                    let seen = story.sequence_shift().to_server(isn);
                    prop_assert!(after(seen, end_seq));
                    prop_assert_eq!(story.sequence_shift() == SequenceShift::NONE, after(isn, end_seq));
                }
                // The same number twice running.
                Some(_) => continue,
            }
            story.server_answered(1, true);
            let end = story.sequence_shift().to_server(isn).wrapping_add(length);
            story.server_acknowledged(end);
            close(&story, isn.wrapping_add(length).wrapping_sub(12));
            remembered = Some(end);
            prop_assert_eq!(story.last_use(), Some(LastUse { end_seq: end }));
        }
    }
}
