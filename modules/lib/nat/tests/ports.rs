// SPDX-License-Identifier: GPL-2.0
//! Pools of ports, to the last port and against a naive model.

use nat::{
    Allocation, LastUse, NotAllocated, Port, PortError, PortPool, Record, Records, CHUNK, REST,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// Memory of which there may be too little.
struct Memory {
    chunks: BTreeMap<usize, Box<[Record; CHUNK]>>,
    left: usize,
}

impl Memory {
    fn of(chunks: usize) -> Self {
        Self {
            chunks: BTreeMap::new(),
            left: chunks,
        }
    }
}

impl Records for Memory {
    fn chunk(&mut self, index: usize) -> Option<&mut [Record; CHUNK]> {
        assert!(index < 64);
        if let Entry::Vacant(place) = self.chunks.entry(index) {
            self.left = self.left.checked_sub(1)?;
            place.insert(Box::new([Record::default(); CHUNK]));
        }
        self.chunks.get_mut(&index).map(|chunk| &mut **chunk)
    }
}

const LAST: LastUse = LastUse { end_seq: 4711 };

#[test]
fn a_record_is_eight_bytes() {
    assert_eq!(size_of::<Record>(), 8);
}

#[test]
fn hands_out_every_port_once_then_none() {
    for (min, max, seed) in [
        (1025, 65535, 40000),
        (1, 65535, 0),
        (7, 7, 9),
        (0, 3, 65535),
    ] {
        let (mut pool, mut memory) = (PortPool::new(min, max, seed), Memory::of(64));
        let expected: BTreeSet<u16> = (min.max(1)..=max).collect();
        let got: Vec<u16> = expected
            .iter()
            .map(|_| pool.allocate(&mut memory, 0).unwrap().port.number())
            .collect();
        assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(pool.allocate(&mut memory, 0), Err(PortError::Exhausted));
        assert_eq!(
            (pool.in_use(), pool.size()),
            (expected.len() as u32, expected.len() as u32)
        );

        // One comes back: it is the one to be had, with its past.
        let port = Port::new(got[got.len() / 2]);
        pool.release(&mut memory, port, Some(LAST), 5).unwrap();
        let again = Allocation {
            port,
            last: Some(LAST),
        };
        assert_eq!(pool.allocate(&mut memory, 5), Ok(again));
        assert_eq!(pool.allocate(&mut memory, 5), Err(PortError::Exhausted));
    }
}

#[test]
fn begins_where_the_seed_says() {
    let first = |seed| {
        PortPool::new(100, 109, seed)
            .allocate(&mut Memory::of(1), 0)
            .unwrap()
            .port
    };
    assert_eq!(
        (first(0), first(3), first(10), first(65535)),
        (
            Port::new(100),
            Port::new(103),
            Port::new(100),
            Port::new(105)
        )
    );
}

#[test]
fn prefers_rested_then_new_then_resting() {
    let (mut pool, mut memory) = (PortPool::new(10, 13, 0), Memory::of(1));
    for port in [10, 11] {
        assert_eq!(pool.allocate(&mut memory, 0).unwrap().port, Port::new(port));
    }
    pool.release(&mut memory, Port::new(10), Some(LAST), 100)
        .unwrap();
    let mut take = |now| pool.allocate(&mut memory, now).map(|a| (a.port, a.last));
    assert_eq!(
        take(100 + REST - 1),
        Ok((Port::new(12), None)),
        "new before resting"
    );
    assert_eq!(
        take(100 + REST),
        Ok((Port::new(10), None)),
        "rested before new, and forgotten"
    );
    assert_eq!(take(100 + REST), Ok((Port::new(13), None)));
    assert_eq!(take(100 + REST), Err(PortError::Exhausted));
}

#[test]
fn hands_back_in_the_order_of_release() {
    let (mut pool, mut memory) = (PortPool::new(10, 14, 0), Memory::of(1));
    for _ in 0..5 {
        pool.allocate(&mut memory, 0).unwrap();
    }
    for port in [12, 10, 14, 11, 13] {
        pool.release(&mut memory, Port::new(port), None, 1).unwrap();
    }
    for port in [12, 10, 14, 11, 13] {
        assert_eq!(pool.allocate(&mut memory, 2).unwrap().port, Port::new(port));
    }
}

#[test]
fn a_port_comes_back_once() {
    let (mut pool, mut memory) = (PortPool::new(10, 20, 0), Memory::of(1));
    let release = |pool: &mut PortPool, memory: &mut Memory, port| {
        pool.release(memory, Port::new(port), None, 0)
    };
    assert_eq!(
        release(&mut pool, &mut memory, 10),
        Err(NotAllocated),
        "never handed out"
    );
    let port = pool.allocate(&mut memory, 0).unwrap().port.number();
    assert_eq!(release(&mut pool, &mut memory, port), Ok(()));
    assert_eq!(release(&mut pool, &mut memory, port), Err(NotAllocated));
    assert_eq!(release(&mut pool, &mut memory, 0), Err(NotAllocated));
    assert_eq!(release(&mut pool, &mut memory, 9999), Err(NotAllocated));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_number_zero_is_remembered_too() {
    let (mut pool, mut memory) = (PortPool::new(10, 10, 0), Memory::of(1));
    let port = pool.allocate(&mut memory, 0).unwrap().port;
    pool.release(&mut memory, port, Some(LastUse { end_seq: 0 }), 0)
        .unwrap();
    let last = pool.allocate(&mut memory, 0).unwrap().last;
    assert_eq!(last, Some(LastUse { end_seq: 1 }), "one beyond is as good");
}

#[test]
fn the_clock_may_wrap() {
    let (mut pool, mut memory) = (PortPool::new(10, 10, 0), Memory::of(1));
    let port = pool.allocate(&mut memory, 65530).unwrap().port;
    pool.release(&mut memory, port, Some(LAST), 65530).unwrap();
    assert!(!pool.is_at_rest(&mut memory, 5));
    assert!(pool.is_at_rest(&mut memory, 65530u16.wrapping_add(REST)));
    // 18 hours later to the second the past is believed to be recent: a shift that was not needed.
    let mut copy = pool;
    assert_eq!(copy.allocate(&mut memory, 65530).unwrap().last, Some(LAST));
}

#[test]
fn is_at_rest_when_nothing_is_used_or_remembered() {
    let (mut pool, mut memory) = (PortPool::new(10, 20, 0), Memory::of(1));
    assert!(pool.is_at_rest(&mut memory, 0));
    let port = pool.allocate(&mut memory, 0).unwrap().port;
    assert!(!pool.is_at_rest(&mut memory, 1000));
    pool.release(&mut memory, port, None, 1000).unwrap();
    assert!(!pool.is_at_rest(&mut memory, 1000 + REST - 1));
    assert!(pool.is_at_rest(&mut memory, 1000 + REST));
}

#[test]
fn without_memory_it_makes_do_with_the_ports_it_knows() {
    assert_eq!(
        PortPool::new(1, 99, 0).allocate(&mut Memory::of(0), 0),
        Err(PortError::NoMemory)
    );
    // One chunk holds the ports up to 1023.
    let (mut pool, mut memory) = (PortPool::new(1000, 3000, 0), Memory::of(1));
    for _ in 1000..1024 {
        pool.allocate(&mut memory, 0).unwrap();
    }
    assert_eq!(pool.allocate(&mut memory, 0), Err(PortError::NoMemory));
    pool.release(&mut memory, Port::new(1007), Some(LAST), 0)
        .unwrap();
    let again = Allocation {
        port: Port::new(1007),
        last: Some(LAST),
    };
    assert_eq!(pool.allocate(&mut memory, 0), Ok(again));
    assert_eq!(pool.allocate(&mut memory, 0), Err(PortError::NoMemory));
    memory.left = 1;
    assert_eq!(
        pool.allocate(&mut memory, 0).unwrap().port,
        Port::new(1024),
        "there is memory again"
    );
}

#[test]
fn a_server_with_few_connections_costs_one_chunk() {
    let (mut pool, mut memory) = (PortPool::new(1025, 65535, 0), Memory::of(64));
    for n in 0..20_000u32 {
        let port = pool.allocate(&mut memory, (n / 10) as u16).unwrap().port;
        pool.release(&mut memory, port, None, (n / 10) as u16)
            .unwrap();
    }
    assert!(memory.chunks.len() <= 2, "{} chunks", memory.chunks.len());
}

#[test]
fn a_new_range_holds_at_once() {
    let (mut pool, mut memory) = (PortPool::new(10, 19, 4), Memory::of(1));
    let used: Vec<Port> = (0..6)
        .map(|_| pool.allocate(&mut memory, 0).unwrap().port)
        .collect();
    for &port in &used[..3] {
        pool.release(&mut memory, port, Some(LAST), 0).unwrap();
    }
    // 14, 15, 16 rest; 17, 18, 19 are in use; 10 to 13 are new.
    pool.set_range(15, 24);
    assert_eq!((pool.size(), pool.in_use()), (10, 3));
    let got: BTreeSet<u16> = (0..7)
        .map(|_| pool.allocate(&mut memory, 0).unwrap().port.number())
        .collect();
    assert_eq!(got, [15, 16, 20, 21, 22, 23, 24].into());
    assert_eq!(pool.allocate(&mut memory, 0), Err(PortError::Exhausted));
    pool.set_range(23, 24);
    assert_eq!(pool.release(&mut memory, Port::new(17), None, 0), Ok(()));
    assert_eq!(
        pool.allocate(&mut memory, 0),
        Err(PortError::Exhausted),
        "17 is out of range"
    );
    assert_eq!(
        pool.release(&mut memory, Port::new(17), None, 0),
        Err(NotAllocated)
    );
    pool.set_range(10, 24);
    let got: HashSet<u16> = (0..6)
        .map(|_| pool.allocate(&mut memory, 0).unwrap().port.number())
        .collect();
    assert_eq!(got, [10, 11, 12, 13, 14, 17].into());
    assert_eq!(pool.allocate(&mut memory, 0), Err(PortError::Exhausted));
}

/// What may happen to a pool.
#[derive(Clone, Debug)]
enum Step {
    Allocate,
    /// Gives back one of those in use, or tries to with one that is not.
    Release(usize, Option<u32>),
    Wait(u16),
    Range(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![4 => 0u16..3, 1 => Just(REST - 1), 1 => Just(REST)];
    prop_oneof![
        10 => Just(Step::Allocate),
        8 => (any::<usize>(), any::<Option<u32>>()).prop_map(|(n, seq)| Step::Release(n, seq)),
        6 => wait.prop_map(Step::Wait),
        1 => (1010u16..1040, 0u16..30).prop_map(|(min, more)| Step::Range(min, min + more)),
    ]
}

/// The same rules with sets and queues that may take their time.
struct Model {
    min: u16,
    max: u16,
    used: BTreeSet<u16>,
    resting: VecDeque<(u16, Option<u32>, u32)>,
}

impl Model {
    /// The ports that may come next, and what is known of them; empty if there is none. Ports that
    /// have come to the front and are out of range are as good as new.
    fn candidates(&mut self, now: u32) -> Vec<(u16, Option<u32>)> {
        let range = self.min..=self.max;
        while self
            .resting
            .front()
            .is_some_and(|(port, ..)| !range.contains(port))
        {
            self.resting.pop_front();
        }
        let head = self.resting.front();
        if let Some(&(port, _, freed)) = head {
            if now - freed >= u32::from(REST) {
                return vec![(port, None)];
            }
        }
        let new: Vec<_> = range
            .filter(|port| !self.used.contains(port) && self.resting.iter().all(|r| r.0 != *port))
            .map(|port| (port, None))
            .collect();
        match head {
            Some(&(port, last, _)) if new.is_empty() => vec![(port, last.map(|seq| seq.max(1)))],
            _ => new,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn behaves_as_the_model(
        steps in vec(step(), 1..300),
        (min, more) in (1015u16..1030, 0u16..12),
        (seed, start) in (any::<u16>(), any::<u16>()),
    ) {
        let mut memory = Memory::of(64);
        let mut pool = PortPool::new(min, min + more, seed);
        let mut model =
            Model { min, max: min + more, used: BTreeSet::new(), resting: VecDeque::new() };
        let mut now = 0u32;
        for step in steps {
            let clock = start.wrapping_add(now as u16);
            match step {
                Step::Wait(seconds) => now += u32::from(seconds),
                Step::Range(min, max) => {
                    pool.set_range(min, max);
                    (model.min, model.max) = (min, max);
                }
                Step::Allocate => {
                    let candidates = model.candidates(now);
                    match pool.allocate(&mut memory, clock) {
                        Ok(Allocation { port, last }) => {
                            let port = port.number();
                            let got = (port, last.map(|last| last.end_seq));
                            prop_assert!(candidates.contains(&got), "{got:?} of {candidates:?}");
                            model.resting.retain(|resting| resting.0 != port);
                            model.used.insert(port);
                        }
                        Err(reason) => {
                            prop_assert_eq!(reason, PortError::Exhausted);
                            prop_assert_eq!(candidates, vec![]);
                        }
                    }
                }
                Step::Release(n, seq) => {
                    let port = match model.used.len() {
                        0 => model.min,
                        len => *model.used.iter().nth(n % (len + 1)).unwrap_or(&model.min),
                    };
                    let last = seq.map(|end_seq| LastUse { end_seq });
                    let outcome = pool.release(&mut memory, Port::new(port), last, clock);
                    prop_assert_eq!(outcome.is_ok(), model.used.remove(&port));
                    if outcome.is_ok() && (model.min..=model.max).contains(&port) {
                        model.resting.push_back((port, seq, now));
                    }
                }
            }
            prop_assert_eq!(pool.in_use() as usize, model.used.len());
        }
    }
}
