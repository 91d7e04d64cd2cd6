// SPDX-License-Identifier: GPL-2.0
//! Shifted time stamps.

use nat::TimestampShift;
use proptest::prelude::*;
use wire::{checksum, tcp_options, Delta, Tcp};

/// A segment with a flag byte and options.
fn segment(flags: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 80, 0xc8, 0x22, 1, 2, 3, 4, 5, 6, 7, 8];
    bytes.extend([
        (5 + options.len() as u8 / 4) << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    bytes.extend(options);
    bytes
}

fn stamps(value: u32, echo: u32) -> Vec<u8> {
    let mut options = vec![1, 1, 8, 10];
    options.extend(value.to_be_bytes());
    options.extend(echo.to_be_bytes());
    options
}

fn read(segment: &[u8]) -> (u32, u32) {
    tcp_options::timestamps(&segment[20..]).unwrap()
}

#[test]
fn the_server_sees_the_directors_clock() {
    let shift = TimestampShift::choose(0xffff_fff0, 1000);
    let mut syn = segment(0x02, &stamps(0xffff_fff0, 0));
    shift.shift_request(&mut syn).unwrap();
    assert_eq!(read(&syn), (1000, 0));
    // A hundred ticks later, in the middle of the connection.
    let mut data = segment(0x10, &stamps(0xffff_fff0u32.wrapping_add(100), 77));
    shift.shift_request(&mut data).unwrap();
    assert_eq!(
        read(&data),
        (1100, 77),
        "the server's own stamp comes back as it was"
    );
}

#[test]
fn the_client_gets_its_own_stamp_back() {
    let shift = TimestampShift::choose(5, 1000);
    let mut answer = segment(0x12, &stamps(77, 1000));
    shift.shift_reply(&mut answer).unwrap();
    assert_eq!(read(&answer), (77, 5));
}

#[test]
fn an_echo_that_says_nothing_is_left_alone() {
    let mut reset = segment(0x04, &stamps(77, 0));
    let before = reset.clone();
    assert_eq!(TimestampShift(9).shift_reply(&mut reset), Ok(Delta::NONE));
    assert_eq!(reset, before);
}

#[test]
fn segments_without_stamps_and_headers_that_lie_are_left_alone() {
    for options in [&[][..], &[2, 4, 5, 180], &[8, 4, 0, 0]] {
        let mut bytes = segment(0x10, options);
        let before = bytes.clone();
        assert_eq!(TimestampShift(9).shift_request(&mut bytes), Ok(Delta::NONE));
        assert_eq!(TimestampShift(9).shift_reply(&mut bytes), Ok(Delta::NONE));
        assert_eq!(bytes, before);
    }
    let mut lying = segment(0x10, &stamps(1, 2));
    lying[12] = 0xf0;
    assert!(TimestampShift(9).shift_request(&mut lying).is_err());
    assert!(TimestampShift(9).shift_reply(&mut lying).is_err());
}

/// One connection after the other on one port: when each begins, for how long it lasts, where the
/// client's clock stands then, and by how many ticks in 100 ms it goes on, a hundred at most.
fn connections() -> impl Strategy<Value = Vec<(u32, u32, u32, u32)>> {
    let one = (0u32..100_000, 0u32..1_000_000, any::<u32>(), 0u32..=100);
    proptest::collection::vec(one, 1..20)
}

proptest! {
    #[test]
    fn what_a_port_shows_the_server_never_goes_back(start in any::<u32>(), list in connections()) {
        let mut now = start;
        let mut seen: Option<u32> = None;
        for (pause, length, tsval, pace) in list {
            now = now.wrapping_add(pause);
            let shift = TimestampShift::choose(tsval, now);
            for elapsed in [0, length / 2, length] {
                let ticks = (u64::from(elapsed) * u64::from(pace) / 100) as u32;
                let mut bytes = segment(0x10, &stamps(tsval.wrapping_add(ticks), 0));
                shift.shift_request(&mut bytes).unwrap();
                let stamp = read(&bytes).0;
                prop_assert!(seen.is_none_or(|seen| stamp.wrapping_sub(seen) < 1 << 31));
                seen = Some(stamp);
            }
            now = now.wrapping_add(length);
        }
    }

    #[test]
    fn the_checksum_follows(
        stamp in any::<(u32, u32)>(),
        shift in any::<u32>(),
        sack in any::<[u8; 8]>(),
        has_sack in any::<bool>(),
    ) {
        let mut options = stamps(stamp.0, stamp.1);
        if has_sack {
            options.extend([1, 1, 5, 10]);
            options.extend(sack);
        }
        let before = segment(0x10, &options);
        let mut bytes = before.clone();
        let delta = TimestampShift(shift).shift_request(&mut bytes).unwrap();
        prop_assert_eq!(delta.apply(checksum::of(&before)), checksum::of(&bytes));
        prop_assert_eq!(read(&bytes), (stamp.0.wrapping_add(shift), stamp.1));
        let between = bytes.clone();
        let delta = TimestampShift(shift).shift_reply(&mut bytes).unwrap();
        prop_assert_eq!(delta.apply(checksum::of(&between)), checksum::of(&bytes));
        prop_assert_eq!(read(&bytes), (stamp.0.wrapping_add(shift), stamp.1.wrapping_sub(shift)));
        prop_assert!(Tcp::parse(&bytes).is_ok());
    }
}
