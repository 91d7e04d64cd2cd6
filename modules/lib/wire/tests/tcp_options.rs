// SPDX-License-Identifier: GPL-2.0
//! Lists of TCP options: reading them, and changing them in place.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::tcp_options::{self as tcp, Options};
use wire::Delta;

/// What Linux sends in a SYN: MSS 1460, SACK permitted, time stamps, NOP, window scale 7.
const SYN: [u8; 20] = [
    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7,
];

#[test]
fn reads_what_linux_sends() {
    let kinds: Vec<_> = Options::new(&SYN)
        .map(|o| (o.kind, o.at, o.bytes.len()))
        .collect();
    assert_eq!(
        kinds,
        [(2, 0, 4), (4, 4, 2), (8, 6, 10), (1, 16, 1), (3, 17, 3)]
    );
    assert_eq!(tcp::mss(&SYN), Some(1460));
    assert_eq!(tcp::timestamps(&SYN), Some((7, 9)));
    assert!(tcp::well_formed(&SYN));
}

#[test]
fn stops_where_the_list_ends() {
    for (list, is_well_formed) in [
        (vec![], true),
        (vec![0, 2, 4, 5, 180], true),
        (vec![1, 0, 0, 0], true),
        (vec![1, 2], false),
        (vec![1, 2, 0, 5, 180], false),
        (vec![1, 2, 1, 5, 180], false),
        (vec![1, 2, 5, 5, 180], false),
        (vec![1, 2, 255, 5, 180], false),
    ] {
        let found: Vec<_> = Options::new(&list).map(|o| o.kind).collect();
        assert_eq!(
            found,
            vec![1; usize::from(list.first() == Some(&1))],
            "{list:?}"
        );
        assert_eq!(tcp::well_formed(&list), is_well_formed, "{list:?}");
        assert_eq!((tcp::mss(&list), tcp::timestamps(&list)), (None, None));
    }
}

#[test]
fn removes_time_stamps() {
    let mut list = SYN;
    let delta = tcp::remove_timestamps(&mut list);
    assert_eq!(
        list,
        [2, 4, 5, 180, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7]
    );
    assert_eq!(delta, Delta::between(&SYN, &list));
    assert_eq!(tcp::remove_timestamps(&mut list), Delta::NONE);
}

#[test]
fn removes_at_odd_offsets() {
    let mut list = [1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3, 7, 0, 0];
    let before = list;
    let delta = tcp::remove_timestamps(&mut list);
    assert_eq!(list, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7, 0, 0]);
    assert_eq!(delta, Delta::between(&before, &list));
}

#[test]
fn lowers_the_segment_size() {
    let lowered = |old: u16, by, floor| {
        let [high, low] = old.to_be_bytes();
        let mut list = [1, 2, 4, high, low, 1, 1, 0];
        let before = list;
        let delta = tcp::lower_mss(&mut list, by, floor);
        assert_eq!(delta, Delta::between(&before, &list));
        tcp::mss(&list).unwrap()
    };
    assert_eq!(lowered(1460, 8, 88), 1452);
    assert_eq!(lowered(1460, 20, 88), 1440);
    assert_eq!(lowered(90, 8, 88), 88);
    assert_eq!(
        lowered(80, 8, 88),
        80,
        "what is below the floor is not raised"
    );
    assert_eq!(lowered(4, 8, 0), 0);
}

#[test]
fn lowers_no_option_of_another_length() {
    let mut list = [2, 6, 5, 180, 0, 0, 2, 3, 5, 0];
    let before = list;
    assert_eq!(tcp::lower_mss(&mut list, 8, 88), Delta::NONE);
    assert_eq!(list, before);
    assert_eq!(tcp::mss(&list), None);
}

#[test]
fn treats_every_option_that_a_reader_may_take() {
    // The last of several counts for Linux, the first for others.
    let mut list = [2, 4, 5, 180, 2, 4, 5, 220];
    tcp::lower_mss(&mut list, 8, 88);
    assert_eq!(list, [2, 4, 5, 172, 2, 4, 5, 212]);
}

#[test]
fn shifts_sack_blocks_around_zero() {
    let mut list = [1, 1, 5, 10, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4];
    let before = list;
    let delta = tcp::shift_sack(&mut list, 2);
    assert_eq!(list, [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 6]);
    assert_eq!(delta, Delta::between(&before, &list));
}

#[test]
fn shifts_no_half_blocks() {
    let mut list = [5, 6, 0, 0, 0, 1, 5, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
    let before = list;
    assert_eq!(tcp::shift_sack(&mut list, 2), Delta::NONE);
    assert_eq!(list, before);
}

#[test]
fn shifts_time_stamps_where_segments_have_them() {
    let mut list = [1, 1, 8, 10, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4];
    let before = list;
    let delta = tcp::shift_timestamps(&mut list, 2, 3);
    assert_eq!(list, [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 7]);
    assert_eq!(delta, Delta::between(&before, &list));
}

#[test]
fn shifts_time_stamps_at_odd_offsets_and_every_one_of_them() {
    let mut list = [
        1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6, 8, 4, 9, 9, 0,
    ];
    let before = list;
    let delta = tcp::shift_timestamps(&mut list, 10, 0u32.wrapping_sub(1));
    let expected = [
        1, 8, 10, 0, 0, 0, 11, 0, 0, 0, 1, 8, 10, 0, 0, 0, 15, 0, 0, 0, 5, 8, 4, 9, 9, 0,
    ];
    assert_eq!(list, expected, "an option of another length stays");
    assert_eq!(delta, Delta::between(&before, &list));
}

#[test]
fn knows_the_list_of_ordinary_segments() {
    let list = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    assert!(tcp::is_timestamps_only(&list));
    for (at, value) in [(0, 0), (1, 8), (2, 254), (3, 8)] {
        let mut other = list;
        other[at] = value;
        assert!(!tcp::is_timestamps_only(&other));
    }
    assert!(!tcp::is_timestamps_only(&[&list[..], &[1]].concat()));
    assert!(!tcp::is_timestamps_only(&list[..11]));
    assert!(!tcp::is_timestamps_only(&[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn reads_any_bytes_to_an_end(bytes in vec(any::<u8>(), 0..64)) {
        let mut at = 0;
        for option in Options::new(&bytes) {
            prop_assert_eq!(option.at, at);
            prop_assert_eq!(option.bytes, &bytes[at..at + option.bytes.len()]);
            prop_assert!(option.kind != tcp::END && !option.bytes.is_empty());
            at += option.bytes.len();
        }
        prop_assert!(at <= bytes.len());
        prop_assert_eq!(tcp::well_formed(&bytes), at == bytes.len() || bytes[at] == tcp::END);
    }

    #[test]
    fn changes_of_any_bytes_keep_the_checksum(
        bytes in vec(any::<u8>(), 0..=40),
        by in any::<u32>(),
        kind in any::<u8>(),
    ) {
        type Change<'a> = &'a dyn Fn(&mut [u8]) -> Delta;
        let changes: [Change<'_>; 5] = [
            &|list| tcp::shift_timestamps(list, by, by.rotate_left(7)),
            &|list| tcp::remove(list, |k, _| k == kind).1,
            &tcp::remove_timestamps,
            &|list| tcp::lower_mss(list, by as u16, 64),
            &|list| tcp::shift_sack(list, by),
        ];
        for change in changes {
            let mut list = bytes.clone();
            let delta = change(&mut list);
            prop_assert_eq!(delta, Delta::between(&bytes, &list));
            prop_assert_eq!(list.len(), bytes.len());
            // What follows the end of the list stays as it is.
            let end: usize = Options::new(&bytes).map(|o| o.bytes.len()).sum();
            prop_assert_eq!(&list[end..], &bytes[end..]);
        }
    }

    #[test]
    fn shifted_blocks_shift_back(edges in vec(any::<u32>(), 2..=8), by in any::<u32>()) {
        let edges = &edges[..edges.len() & !1];
        let mut list = vec![1, 5, 2 + 4 * edges.len() as u8];
        list.extend(edges.iter().flat_map(|edge| edge.to_be_bytes()));
        let before = list.clone();
        tcp::shift_sack(&mut list, by);
        let expected: Vec<u8> =
            edges.iter().flat_map(|edge| edge.wrapping_add(by).to_be_bytes()).collect();
        prop_assert_eq!(&list[3..], expected);
        tcp::shift_sack(&mut list, by.wrapping_neg());
        prop_assert_eq!(list, before);
    }

    #[test]
    fn shifted_time_stamps_read_shifted(
        before in 0usize..4,
        stamps in any::<(u32, u32)>(),
        by in any::<(u32, u32)>(),
        behind in vec(Just(1u8), 0..3),
    ) {
        let mut list = vec![1; before];
        list.extend([8, 10]);
        list.extend(stamps.0.to_be_bytes());
        list.extend(stamps.1.to_be_bytes());
        list.extend(behind);
        tcp::shift_timestamps(&mut list, by.0, by.1);
        let expected = (stamps.0.wrapping_add(by.0), stamps.1.wrapping_add(by.1));
        prop_assert_eq!(tcp::timestamps(&list), Some(expected));
    }

    #[test]
    fn nothing_is_changed_in_a_list_that_no_header_holds(bytes in vec(Just(8u8), 41..80)) {
        let mut list = bytes.clone();
        prop_assert_eq!(tcp::remove(&mut list, |_, _| true), (0, Delta::NONE));
        prop_assert_eq!(list, bytes);
    }
}
