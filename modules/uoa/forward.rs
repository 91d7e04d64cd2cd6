// SPDX-License-Identifier: GPL-2.0

//! Datagrams for guests whose kernels know nothing of protocol 248: the header comes off on the way.
//!
//! `net.ipv4.uoa.forward` names the interfaces towards such guests. What leaves by one of them, routed
//! or from port to port of a bridge, is behind all rules, which see the wire. Its client is remembered
//! in the namespace that forwards, the only one that can. An IP option stays, as nobody minds it, and
//! an address that went ahead goes no further. Softirq, under RCU; settings in process context.

use kernel::alloc::KVec;
use kernel::prelude::*;
use kernel_net::net::{Net, PerNet};
use kernel_net::netfilter::{Entry, ForwardHook, Hooks, Passage, Verdict, NAME};
use kernel_net::rcu::{Guard, RcuBox, Snapshot};
use kernel_net::skb::Packet;
use kernel_net::switch::Switch;
use kernel_net::sysctl::{self, Text};
use nat::{Family, Protocol};
use wire::{prefix, uoa, Ipv4, Ipv6};

use crate::inbound;
use crate::namespace::Namespace;
use crate::stats::Event;

/// Bytes of an IPv4 header without options.
const IPV4_LEN: usize = 20;

/// Names that the setting may have: a packet with an address is compared with each.
const MOST: usize = 32;

/// The interfaces of one namespace, and the hooks that are there if there are any.
#[pin_data]
pub(crate) struct Forwarding {
    current: Snapshot<Interfaces>,
    #[pin]
    hooks: Switch<Hooks>,
}

struct Interfaces {
    patterns: KVec<Pattern>,
    text: KVec<u8>,
}

/// A name, or how names begin.
struct Pattern {
    bytes: [u8; NAME],
    len: usize,
}

impl Pattern {
    fn parse(word: &[u8]) -> Option<Self> {
        // A name is compared with the zero behind it, a beginning without.
        let (word, len) = match word {
            [beginning @ .., b'*'] => (beginning, beginning.len()),
            _ => (word, word.len().checked_add(1)?),
        };
        let mut bytes = [0; NAME];
        bytes.get_mut(..word.len())?.copy_from_slice(word);
        let is_sane = word
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"/:*".contains(byte));
        (is_sane && word.len() < NAME).then_some(Self { bytes, len })
    }

    fn fits(&self, name: &[u8; NAME]) -> bool {
        name.get(..self.len) == self.bytes.get(..self.len)
    }
}

impl Forwarding {
    pub(crate) fn new(net: &Net) -> impl PinInit<Self> + use<> {
        let hooks = Switch::new(net);
        pin_init!(Self {
            current: Snapshot::empty(),
            hooks <- hooks,
        })
    }

    /// Takes the hooks away; nobody writes the setting any more.
    pub(crate) fn close(&self) {
        self.hooks.off();
    }

    fn is_towards_guests(&self, out: &[u8; NAME], guard: &Guard) -> bool {
        let interfaces = self.current.read(guard);
        // BOUND: `MOST`.
        interfaces.is_some_and(|interfaces| interfaces.patterns.iter().any(|it| it.fits(out)))
    }
}

impl Text for Forwarding {
    fn write(&self, text: &[u8]) -> Result {
        if prefix::words(text).next().is_none() {
            self.hooks.off();
            self.current.replace(None);
            return Ok(());
        }
        let mut patterns = KVec::with_capacity(MOST, GFP_KERNEL)?;
        // BOUND: The length of the text.
        for word in prefix::words(text) {
            let pattern = Pattern::parse(word).ok_or(EINVAL)?;
            patterns.push_within_capacity(pattern).map_err(|_| E2BIG)?;
        }
        let text = sysctl::line(prefix::words(text), text.len())?;
        let interfaces = RcuBox::new(Interfaces { patterns, text }, GFP_KERNEL)?;
        self.current.replace(Some(interfaces));
        // SAFETY: `close` switches it off before the namespace goes away; the data stay for an RCU grace
        // period longer.
        unsafe {
            self.hooks.on(|net| {
                Hooks::register(
                    net,
                    [
                        Entry::forward::<Forwarded>(Passage::Routed(Family::V4), self),
                        Entry::forward::<Forwarded>(Passage::Routed(Family::V6), self),
                        Entry::forward::<Forwarded>(Passage::Bridged, self),
                    ],
                )
            })
        }
    }

    fn read<'a>(&'a self, guard: &'a Guard) -> &'a [u8] {
        self.current
            .read(guard)
            .map_or(&[], |interfaces| &interfaces.text)
    }
}

/// FORWARD, of the IP layer and of bridges.
struct Forwarded;

impl ForwardHook for Forwarded {
    type Data = Forwarding;

    #[inline]
    fn packet(
        net: &Net,
        forwarding: &Forwarding,
        packet: Packet<'_>,
        out: &[u8; NAME],
        guard: &Guard,
    ) -> Verdict {
        let is_of_interest = match *packet.linear() {
            [0x45, _, _, _, _, _, _, _, _, protocol, ..] => protocol == uoa::OPP_PROTOCOL,
            [version, _, _, _, _, _, _, _, _, protocol, ..] if version >> 4 == 4 => {
                protocol == uoa::OPP_PROTOCOL || protocol == Protocol::UDP.0
            }
            [_, _, _, _, _, _, next, ..] => next == uoa::OPP_PROTOCOL,
            _ => false,
        };
        if !is_of_interest || packet.is_gso() || !forwarding.is_towards_guests(out, guard) {
            return Verdict::Accept;
        }
        match Namespace::of(net) {
            Some(namespace) => forward(namespace, packet, guard),
            None => Verdict::Accept,
        }
    }
}

fn forward(namespace: &Namespace, mut packet: Packet<'_>, guard: &Guard) -> Verdict {
    let Some(Network {
        at,
        protocol,
        total,
    }) = network(&mut packet)
    else {
        return Verdict::Accept;
    };
    if protocol == Protocol::UDP.0 {
        return match inbound::headers(&mut packet) {
            Some(headers) => inbound::options(namespace, &packet, &headers, guard),
            None => Verdict::Accept,
        };
    }
    // A bridge has not looked at any length.
    let read = inbound::read(&mut packet, at);
    let whole = read.filter(|(headers, _)| (headers.total_len..=packet.len()).contains(&total));
    let Some((headers, announcement)) = whole else {
        namespace.count(Event::Malformed);
        return Verdict::Drop;
    };
    namespace.learn(&headers.tuple, announcement.client, guard);
    if announcement.client.is_some() && inbound::is_empty(&headers) {
        namespace.count(Event::Alone);
        return Verdict::Drop;
    }
    match take_out(&mut packet, at, announcement.len) {
        Some(()) => {
            namespace.count(Event::TakenOff);
            Verdict::Accept
        }
        None => {
            namespace.count(Event::NoMemory);
            Verdict::Drop
        }
    }
}

/// What a network header says: how long it is, what is behind it, and how long the packet is.
struct Network {
    at: usize,
    protocol: u8,
    total: usize,
}

/// Nothing of fragments, in which there is no telling what is whole: a director sends none.
fn network(packet: &mut Packet<'_>) -> Option<Network> {
    if packet.family() == Family::V6 {
        let ip = Ipv6::parse(packet.read(Ipv6::LEN)?).ok()?;
        return Some(Network {
            at: Ipv6::LEN,
            protocol: ip.next_header(),
            total: ip.total_len(),
        });
    }
    let ip = Ipv4::parse_fixed(packet.read(IPV4_LEN)?).ok()?;
    let whole = Network {
        at: ip.header_len(),
        protocol: ip.protocol(),
        total: ip.total_len().into(),
    };
    (!ip.is_fragment()).then_some(whole)
}

/// Takes the header out, and brings the headers in front in order.
fn take_out(packet: &mut Packet<'_>, at: usize, len: usize) -> Option<()> {
    packet.replace(at, len, &[]).ok()?;
    packet.bring_link_header(len);
    packet.prepare_checksum();
    let total = uoa::taken_out(packet.write(at)?, len)?;
    packet.settle(at, total).ok()
}
