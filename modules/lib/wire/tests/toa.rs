// SPDX-License-Identifier: GPL-2.0
//! TOA and UOA: the layouts other systems send, and where the director puts the address.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::tcp_options::{Options, END, NOP, TIMESTAMPS};
use wire::toa::{self, Placement, Refusal, Toa};
use wire::uoa::{self, Opp};
use wire::{Address, Delta, Family};

fn v4(kind: u8) -> Toa {
    let address = Address::from_v4([203, 0, 113, 7]);
    Toa {
        kind,
        family: Family::V4,
        address,
        port: 51234,
    }
}

fn v6(kind: u8) -> Toa {
    let address = "2001:db8::1".parse::<std::net::IpAddr>().unwrap().into();
    Toa {
        kind,
        family: Family::V6,
        address,
        port: 51234,
    }
}

fn hex(text: &str) -> Vec<u8> {
    text.split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

const V6_TAIL: &str = "C8 22 20 01 0D B8 00 00 00 00 00 00 00 00 00 00 00 01";

#[test]
fn encodes_and_decodes_what_other_systems_send() {
    let vectors = [
        (v4(254), hex("FE 08 C8 22 CB 00 71 07")),
        (v6(254), hex(&format!("FE 14 {V6_TAIL}"))),
        (v6(253), hex(&format!("FD 14 {V6_TAIL}"))),
        (v4(200), hex("C8 08 C8 22 CB 00 71 07")),
        (v4(uoa::OPTION), hex("1F 08 C8 22 CB 00 71 07")),
        (v6(uoa::OPTION), hex(&format!("1F 14 {V6_TAIL}"))),
    ];
    for (toa, bytes) in vectors {
        assert_eq!(toa.len(), bytes.len());
        assert_eq!(toa.encode()[..toa.len()], bytes);
        assert_eq!(Toa::decode(&bytes), Some(toa));
    }
}

#[test]
fn encodes_and_decodes_the_private_header() {
    let vectors = [
        (v4(uoa::OPTION), hex("10 11 00 0C 1F 08 C8 22 CB 00 71 07")),
        (
            v6(uoa::OPTION),
            hex(&format!("20 11 00 18 1F 14 {V6_TAIL}")),
        ),
    ];
    for (client, mut bytes) in vectors {
        let opp = Opp {
            client,
            protocol: 17,
        };
        assert_eq!(opp.encode()[..opp.len()], bytes);
        bytes.extend(b"datagram");
        assert_eq!(Opp::decode(&bytes), Some(opp));
        for len in 0..opp.len() {
            assert_eq!(Opp::decode(&bytes[..len]), None);
        }
    }
}

#[test]
fn refuses_a_private_header_that_contradicts_itself() {
    let good = hex("10 11 00 0C 1F 08 C8 22 CB 00 71 07");
    for (at, value) in [
        (0, 0x20),
        (0, 0x30),
        (2, 1),
        (3, 11),
        (3, 13),
        (4, 254),
        (5, 7),
    ] {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(Opp::decode(&bad), None, "byte {at} is {value}");
    }
}

#[test]
fn decodes_no_option_of_another_length() {
    assert_eq!(Toa::decode(&hex("FE 04 F9 89")), None);
    assert_eq!(Toa::decode(&hex("FE 0A F9 89 00 00 00 00 00 00")), None);
    assert_eq!(Toa::decode(&hex("FE 14 C8 22 CB 00 71 07")), None);
    assert_eq!(Toa::decode(&[]), None);
}

#[test]
fn finds_the_first_of_several() {
    let mut list = vec![NOP, 2, 4, 5, 180];
    list.extend(&v4(253).encode()[..8]);
    list.extend(&v4(254).encode()[..8]);
    assert_eq!(Toa::find(&list, &toa::KINDS), Some(v4(253)));
    assert_eq!(Toa::find(&list, &[254]), Some(v4(254)));
    assert_eq!(Toa::find(&list, &[200]), None);
}

#[test]
fn finds_nothing_behind_the_end_of_the_list() {
    for end in [vec![END], vec![5, 0], vec![5, 1], vec![5, 255]] {
        let list = [&end[..], &v4(254).encode()[..8]].concat();
        assert_eq!(Toa::find(&list, &toa::KINDS), None);
        assert!(!toa::has_forged(&list));
    }
}

#[test]
fn overwrites_what_a_client_made_up() {
    let mut list = [&[NOP, 2, 4, 5, 180][..], &v4(200).encode()[..8], &[3, 3, 7]].concat();
    let before = list.clone();
    let (count, delta) = toa::remove_forged(&mut list);
    assert_eq!(count, 1);
    assert_eq!(list, [1, 2, 4, 5, 180, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7]);
    assert_eq!(delta, Delta::between(&before, &list));
    assert_eq!(toa::remove_forged(&mut list), (0, Delta::NONE));
}

fn placed(old: &[u8], room: usize) -> Result<Placement, Refusal> {
    toa::place(&v4(254), old, room)
}

fn with_address(rest: &[u8]) -> Vec<u8> {
    [&v4(254).encode()[..8], rest].concat()
}

#[test]
fn goes_in_front_of_no_options() {
    assert_eq!(placed(&[], 8).unwrap().options(), with_address(&[]));
}

#[test]
fn goes_in_front_of_other_options_byte_for_byte() {
    let old = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(placed(&old, 8).unwrap().options(), with_address(&old));
    assert_eq!(toa::place(&v6(254), &old, 20).unwrap().options().len(), 32);
}

#[test]
fn takes_the_place_of_what_a_client_made_up() {
    let old = with_address(&[]);
    let placement = toa::place(&v4(254), &old, 0).unwrap();
    assert_eq!((placement.forged, placement.pruned), (1, 0));
    assert_eq!(placement.options(), old);
}

#[test]
fn pads_with_the_end_of_the_list() {
    let mut old = v4(200).encode()[..8].to_vec();
    old.extend([4, 2, NOP, NOP]);
    let placement = placed(&old, 8).unwrap();
    assert_eq!(placement.options(), with_address(&[4, 2, NOP, NOP]));
    let mut full = vec![NOP; 40];
    full[20..30].copy_from_slice(&[TIMESTAMPS, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    let placement = placed(&full, 0).unwrap();
    let expected = with_address(&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, END, END]);
    assert_eq!(placement.options(), expected);
    assert_eq!(placement.pruned, 0);
}

/// Time stamps and three SACK blocks: as full as a header gets.
fn full() -> Vec<u8> {
    let mut old = vec![
        NOP, NOP, TIMESTAMPS, 10, 1, 2, 3, 4, 5, 6, 7, 8, NOP, NOP, 5, 26,
    ];
    old.extend(1..=24);
    old
}

#[test]
fn leaves_out_sack_blocks_but_no_time_stamps_from_a_full_header() {
    let placement = placed(&full(), 0).unwrap();
    assert_eq!(
        placement.options(),
        with_address(&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, END, END])
    );
    assert_eq!(placement.pruned, 1);
    // Without NOPs it is 36 bytes long: 8 bytes more are too many.
    assert_eq!(
        toa::place(&v6(254), &full(), 0).unwrap().options().len(),
        32
    );
}

#[test]
fn leaves_out_from_the_front_and_no_more_than_it_must() {
    let old = [7, 6, 0, 0, 0, 0, 6, 6, 0, 0, 0, 0];
    let placement = placed(&old, 4).unwrap();
    assert_eq!(placement.pruned, 1);
    assert_eq!(
        placement.options(),
        with_address(&[6, 6, 0, 0, 0, 0, END, END])
    );
}

#[test]
fn is_refused_when_the_packet_may_not_grow() {
    let timestamps = [NOP, NOP, TIMESTAMPS, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(placed(&timestamps, 7), Err(Refusal::TooLong));
    assert_eq!(placed(&[], 7), Err(Refusal::TooLong));
    assert_eq!(placed(&[], 0), Err(Refusal::TooLong));
}

#[test]
fn is_refused_when_the_header_is_full_of_what_must_stay() {
    let mut old = Vec::new();
    for _ in 0..4 {
        old.extend([TIMESTAMPS, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
    assert_eq!(placed(&old, 100), Err(Refusal::HeaderFull));
}

/// What Linux sends in a SYN: MSS, SACK permitted, time stamps, NOP, window scale.
const LINUX_SYN: [u8; 20] = [
    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
];

#[test]
fn a_syn_of_linux_has_room_for_either_family() {
    for toa in [v4(200), v4(253), v6(253)] {
        let placement = toa::place_in_syn(&toa, &LINUX_SYN, 20).unwrap();
        assert_eq!(
            placement.options(),
            [&toa.encode()[..toa.len()], &LINUX_SYN].concat()
        );
    }
}

#[test]
fn a_syn_loses_nops_and_strangers_but_nothing_it_is_for() {
    // MPTCP's MP_CAPABLE and a stranger: 20 + 12 + 4 bytes.
    let capable = [30, 12, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let old = [&LINUX_SYN[..], &[77, 4, 0, 0], &capable].concat();
    let placement = toa::place_in_syn(&v4(254), &old, 20).unwrap();
    assert_eq!(placement.pruned, 1);
    let mut expected = with_address(&LINUX_SYN[..16]);
    expected.extend([3, 3, 7]);
    expected.extend(capable);
    expected.extend([END]);
    assert_eq!(placement.options(), expected);
    // There is no room for 20 bytes more, whatever may be left out.
    assert_eq!(
        toa::place_in_syn(&v6(254), &old, 20),
        Err(Refusal::HeaderFull)
    );
    // In the middle of a connection only time stamps count.
    let later = toa::place(&v6(254), &old, 20).unwrap();
    assert_eq!(meaning(later.options())[1..], [LINUX_SYN[6..16].to_vec()]);
}

#[test]
fn a_fast_open_cookie_stays() {
    let old = [
        &[34, 18][..],
        &[7; 16],
        &[2, 4, 5, 180, 77, 4, 0, 0, NOP, NOP],
    ]
    .concat();
    let placement = toa::place_in_syn(&v4(254), &old, 4).unwrap();
    assert_eq!((placement.pruned, placement.options().len()), (1, 32));
    // What claims to be one and is longer is none.
    let old = [&[34, 20][..], &[7; 18], &[2, 4, 5, 180]].concat();
    assert_eq!(
        toa::place_in_syn(&v4(254), &old, 4)
            .unwrap()
            .options()
            .len(),
        12
    );
}

#[test]
fn knows_what_it_may_be_told_to_send() {
    for kind in 0..=255 {
        assert_eq!(toa::is_sendable(kind), [254, 253, 200].contains(&kind));
        if toa::is_sendable(kind) {
            assert!(
                toa::has_forged(&v4(kind).encode()[..8]),
                "ours, from a client, is forged"
            );
        }
    }
}

/// Options that mean something, among them addresses a client made up, and lists that end badly.
fn option() -> impl Strategy<Value = Vec<u8>> {
    let of = |kind: u8, len: usize| {
        vec(any::<u8>(), len - 2..=len - 2)
            .prop_map(move |data| [&[kind, len as u8][..], &data].concat())
    };
    prop_oneof![
        4 => Just(vec![NOP]),
        1 => Just(vec![END]),
        2 => of(2, 4),
        2 => of(3, 3),
        2 => of(4, 2),
        2 => of(8, 10),
        2 => of(5, 10),
        1 => of(5, 18),
        2 => of(254, 8),
        1 => of(253, 20),
        1 => of(254, 4),
        1 => of(253, 6),
        1 => of(200, 8),
        1 => of(252, 20),
        1 => of(30, 12),
        1 => of(34, 10),
        1 => of(34, 20),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(kind, len)| vec![kind, len]),
    ]
}

fn list() -> impl Strategy<Value = Vec<u8>> {
    vec(option(), 0..14).prop_map(|options| {
        let mut list = options.concat();
        list.truncate(40);
        list.resize(list.len().next_multiple_of(4), NOP);
        list
    })
}

/// The options as a reader sees them, NOPs aside.
fn meaning(list: &[u8]) -> Vec<Vec<u8>> {
    Options::new(list)
        .filter(|o| o.kind != NOP)
        .map(|o| o.bytes.to_vec())
        .collect()
}

fn is_made_up(option: &[u8]) -> bool {
    option[0] == 254 || (toa::KINDS.contains(&option[0]) && [8, 20].contains(&option.len()))
}

/// What should come out, in the plainest words: the shortest prefix of what may go is left out.
fn model(toa: &Toa, old: &[u8], room: usize, syn: bool) -> Option<Vec<Vec<u8>>> {
    let limit = 40.min(old.len() + room);
    let address = toa.encode()[..toa.len()].to_vec();
    let kept: Vec<_> = meaning(old)
        .into_iter()
        .filter(|o| !is_made_up(o))
        .collect();
    let may_go = |option: &Vec<u8>| match (option[0], option.len()) {
        (TIMESTAMPS, 10) => false,
        (2, 4) | (3, 3) | (4, 2) | (30, _) | (34, 0..=18) => !syn,
        _ => true,
    };
    let can_go = kept.iter().filter(|o| may_go(o)).count();
    (0..=can_go).find_map(|prune| {
        let mut list = vec![address.clone()];
        let mut left = prune;
        for option in &kept {
            if left > 0 && may_go(option) {
                left -= 1;
            } else {
                list.push(option.clone());
            }
        }
        (list.concat().len().next_multiple_of(4) <= limit).then_some(list)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn places_the_address_as_the_model_does(
        old in list(),
        room in 0usize..24,
        six in any::<bool>(),
        syn in any::<bool>(),
    ) {
        let toa = if six { v6(253) } else { v4(200) };
        let place = if syn { toa::place_in_syn } else { toa::place };
        match (place(&toa, &old, room), model(&toa, &old, room, syn)) {
            (Ok(placement), Some(expected)) => {
                let new = placement.options();
                prop_assert_eq!(meaning(new), expected);
                prop_assert!(new.len() % 4 == 0 && new.len() <= 40.min(old.len() + room));
                let made_up = meaning(&old).iter().filter(|o| is_made_up(o)).count();
                prop_assert_eq!(placement.forged, made_up);
                prop_assert_eq!(
                    meaning(new).len() + placement.forged + placement.pruned,
                    meaning(&old).len() + 1
                );
                // The only address a receiver of any kind can find is ours.
                prop_assert_eq!(Toa::find(new, &toa::KINDS), Some(toa));
                prop_assert_eq!(Options::new(new).filter(|o| is_made_up(o.bytes)).count(), 1);
                if made_up == 0 && toa.len() <= room && old.len() + toa.len() <= 40 {
                    prop_assert_eq!(new, [&toa.encode()[..toa.len()], &old].concat());
                }
            }
            (Err(reason), None) => {
                let reason_of_model = match model(&toa, &old, 40, syn) {
                    Some(_) => Refusal::TooLong,
                    None => Refusal::HeaderFull,
                };
                prop_assert_eq!(reason, reason_of_model);
            }
            (placed, expected) => prop_assert!(false, "{:?} but {:?}", placed, expected),
        }
    }

    #[test]
    fn leaves_nothing_made_up_behind(mut list in list()) {
        let before = list.clone();
        let (count, delta) = toa::remove_forged(&mut list);
        let (bad, good): (Vec<_>, Vec<_>) = meaning(&before).into_iter().partition(|o| is_made_up(o));
        prop_assert_eq!(count, bad.len());
        prop_assert_eq!(meaning(&list), good);
        prop_assert_eq!(list.len(), before.len());
        prop_assert_eq!(delta, Delta::between(&before, &list));
        prop_assert!(!toa::has_forged(&list));
    }

    #[test]
    fn survives_any_bytes(mut bytes in vec(any::<u8>(), 0..60), room in 0usize..50) {
        let _ = toa::place(&v6(254), &bytes, room);
        let _ = toa::place_in_syn(&v6(254), &bytes, room);
        let _ = toa::remove_forged(&mut bytes);
        let _ = Toa::decode(&bytes);
        if let Some(opp) = Opp::decode(&bytes) {
            prop_assert_eq!(&opp.encode()[5..opp.len()], &bytes[5..opp.len()]);
        }
    }
}
