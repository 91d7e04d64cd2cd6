// SPDX-License-Identifier: GPL-2.0

//! Where packets go next: a route, and the neighbour on it.
//!
//! A [`NextHop`] never changes. When the kernel has second thoughts about its route, or its neighbour is
//! no more, it is dead for ever: packets take the hook path again, which looks the route up and finds,
//! or makes, another one. Address resolution, failing and moving neighbours stay the kernel's business,
//! since it sends by the neighbour itself and not by a frozen link header.
//!
//! Softirq, under RCU, unless said otherwise. Readers write no shared memory.
//!
//! Kernel counterpart: `ip_finish_output2()`; `struct nf_flow_route`.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kernel::prelude::*;
use nat::{Address, Family, Tuple};
use net_bindings as c;

use crate::device::Device;
use crate::net::Net;
use crate::netfilter::Verdict;
use crate::rcu::{self, Guard, RcuBox};
use crate::rcu_arc::{RcuArc, RcuSlot};
use crate::route::Route;
use crate::skb::Packet;
use crate::table::{Entry, Key, Link, Table};
use crate::{time, GFP_PACKET};

/// A route and the neighbour that packets are handed to.
///
/// # Invariants
///
/// - `route` has a reference of its own, and `place` is of it.
/// - While `is_held`, there is a reference to `place.neigh`, and this value lets go of it. Who has seen it
///   held, under RCU, may use the neighbour until the end of the section.
/// - What is held and shared lies in a [`NextHops`], where [`NextHops::forget`] finds it.
pub struct NextHop {
    route: Route,
    /// What helpers want of it. A null neighbour: the stack must do more than hand packets to one. Its link is
    /// as XDP sends to it, and does not change while the neighbour is held.
    place: c::kn_hop,
    is_held: AtomicBool,
    /// Bytes that the link's header may take in front of a packet.
    headroom: u32,
    /// Whether the neighbour belongs to the other family: IPv4 by way of an IPv6 gateway (RFC 8950).
    is_foreign: bool,
}

// SAFETY: Routes and neighbours belong to no thread; all else never changes.
unsafe impl Send for NextHop {}
// SAFETY: As above.
unsafe impl Sync for NextHop {}

impl NextHop {
    /// Of a route to that address.
    fn new(route: &Route, to: &Address) -> Self {
        let route = route.to_counted();
        let dst = route.as_ptr();
        let (v4, is_v6) = (to.v4(), route.family() == Family::V6);
        let key = if is_v6 {
            to.octets().as_ptr()
        } else {
            v4.as_ptr()
        };
        // SAFETY: The route is valid, and under RCU its device. The lookup reads as many bytes of the
        // address as its family has, and gives a reference or null.
        let (cookie, neighbour, headroom, is_foreign, link) = unsafe {
            let neighbour = match c::kn_dst_is_plain(dst, is_v6) {
                true => c::kn_dst_neigh_lookup(dst, key.cast()),
                false => core::ptr::null_mut(),
            };
            let is_foreign = !neighbour.is_null() && c::kn_neigh_is_v6(neighbour) != is_v6;
            let (headroom, link) = match neighbour.is_null() {
                true => (0, c::kn_link::default()),
                false => (c::kn_neigh_headroom(neighbour), c::kn_neigh_link(neighbour)),
            };
            (
                c::kn_dst_cookie(dst, is_v6),
                neighbour,
                headroom,
                is_foreign,
                link,
            )
        };
        // INVARIANT: The references are those just taken.
        Self {
            route,
            place: c::kn_hop {
                dst,
                neigh: neighbour,
                link,
                cookie,
                v6: is_v6,
            },
            is_held: AtomicBool::new(!neighbour.is_null()),
            headroom,
            is_foreign,
        }
    }

    /// The largest packet in bytes that gets through.
    #[inline]
    pub fn mtu(&self) -> u32 {
        self.route.mtu()
    }

    /// Whether the route is as good as when it was found.
    #[inline]
    fn has_route(&self) -> bool {
        // SAFETY: By the invariant.
        !unsafe { c::kn_dst_check(self.route.as_ptr(), self.place.cookie) }.is_null()
    }

    /// Whether the neighbour may be used in the RCU section of the guard.
    #[inline(always)]
    pub(crate) fn is_held(&self, _guard: &Guard) -> bool {
        // ORDERING: Acquire pairs with the swap in `forget`.
        self.is_held.load(Ordering::Acquire)
    }

    /// Whether packets can be sent by it in the RCU section of the guard: the route is good, and the
    /// neighbour's address known.
    #[inline(always)]
    pub fn can_send(&self, guard: &Guard) -> bool {
        // SAFETY: By the invariant; held, and under RCU.
        self.is_held(guard) && unsafe { c::kn_hop_can_send(&self.place) }
    }

    /// Whether a new lookup would find no better.
    #[inline]
    fn is_current(&self) -> bool {
        // ORDERING: As in `is_held`.
        self.has_route()
            && (self.place.neigh.is_null()
                || self.is_held.load(Ordering::Acquire)
                    // SAFETY: Held, and under RCU.
                    && !unsafe { c::kn_neigh_is_dead(self.place.neigh) })
    }

    /// Whether it is the same as another one.
    fn is_like(&self, other: &Self) -> bool {
        let ours = (self.route.as_ptr(), self.place.neigh);
        ours == (other.route.as_ptr(), other.place.neigh) && self.is_current()
    }

    /// Spreads next hops over buckets.
    fn hash(&self) -> u32 {
        let (route, neighbour) = (self.route.as_ptr().addr(), self.place.neigh.addr());
        let mixed = (route ^ neighbour.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // CAST: The upper half.
        (mixed >> 32) as u32
    }

    /// Whether another neighbour to keep would be one too many: what is kept, the kernel cannot throw
    /// out of its table when it needs room. Gateways are few.
    fn is_too_many(&self) -> bool {
        if self.place.neigh.is_null() {
            return false;
        }
        let is_v6 = self.route.family() == Family::V6;
        // SAFETY: By the invariant; nobody has let go of the neighbour yet.
        unsafe {
            !c::kn_dst_has_gateway(self.route.as_ptr(), is_v6)
                && c::kn_neigh_is_crowded(self.place.neigh)
        }
    }

    /// Whether it leads out by that device.
    fn is_on(&self, device: &Device) -> bool {
        if !self.is_held.load(Ordering::Acquire) {
            return false;
        }
        // SAFETY: Held, and under RCU; a neighbour never changes its device.
        let ours = unsafe { c::kn_neigh_dev(self.place.neigh) };
        core::ptr::eq(ours, device.as_ptr())
    }

    /// What helpers want of it; valid in an RCU section in which it [is held](Self::is_held).
    #[inline]
    pub(crate) fn place(&self) -> &c::kn_hop {
        &self.place
    }

    /// Lets go of the neighbour, and of its device thereby. Readers may go on until a grace period has
    /// passed: so long the kernel keeps either.
    fn forget(&self) {
        // ORDERING: Release pairs with the loads above: who still sees it held began before.
        if self.is_held.swap(false, Ordering::AcqRel) {
            // SAFETY: By the invariant there is a reference, and the swap says that it is ours to give.
            unsafe { c::kn_neigh_release(self.place.neigh) };
        }
    }
}

impl Drop for NextHop {
    fn drop(&mut self) {
        self.forget();
    }
}

/// A next hop in the table. Dropped, it is dead even if packets still hold it.
struct Place {
    link: Link<Place>,
    hop: RcuArc<NextHop>,
}

impl Entry for Place {
    fn link(&self, _key: Key) -> &Link<Self> {
        &self.link
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hop.forget();
    }
}

/// Buckets of the table, as a power of two. Next hops are as many as gateways, servers and clients on
/// the own links, for every CPU that has routed to them.
const TABLE_BITS: u32 = 8;

/// The next hops of a namespace.
pub struct NextHops {
    table: Table<Place>,
    /// When all of the table was last searched for what nobody uses.
    reaped: AtomicUsize,
}

impl NextHops {
    /// None.
    pub const fn new() -> Self {
        Self {
            table: Table::empty(),
            reaped: AtomicUsize::new(0),
        }
    }

    /// Makes room for them. Process context.
    pub fn prepare(&self) -> Result {
        self.table.reserve(TABLE_BITS)
    }

    /// The one that `route` to that address stands for, unless memory is out or it would be one too
    /// many.
    fn of(&self, route: &Route, to: &Address, guard: &Guard) -> Option<RcuArc<NextHop>> {
        let hop = NextHop::new(route, to);
        let hash = hop.hash();
        let known = |place: &Place, _| place.hop.is_like(&hop);
        if let Some((place, _)) = self.table.find(hash, guard, known) {
            return Some(place.hop.clone());
        }
        self.reap_bucket(self.table.bucket_of(hash), guard);
        if hop.is_too_many() {
            self.reap(guard);
            return None;
        }
        let hop = RcuArc::new(hop, GFP_PACKET).ok()?;
        let place = Place {
            link: Link::new(),
            hop: hop.clone(),
        };
        let place = RcuBox::new(place, GFP_PACKET).ok()?;
        // If another CPU was quicker, the next packet finds what that one made.
        let same = |place: &Place| place.hop.is_like(&hop);
        self.table.insert(hash, place, same).ok()?;
        Some(hop)
    }

    /// Lets go of a device, when it is unregistered. What packets still hold of it then is dead, and they
    /// find nothing new: its routes went before, and everybody has left their RCU section since
    /// (`unregister_netdevice_many_notify()`).
    pub fn forget(&self, device: &Device) {
        for bucket in 0..self.table.size() {
            let guard = rcu::read_lock();
            self.table.visit(bucket, &guard, |place| {
                if place.hop.is_on(device) {
                    self.remove(place);
                }
            });
        }
    }

    /// Frees what nobody uses, once per tick at most.
    fn reap(&self, guard: &Guard) {
        let now = time::jiffies();
        if self.reaped.swap(now, Ordering::Relaxed) == now {
            return;
        }
        for bucket in 0..self.table.size() {
            self.reap_bucket(bucket, guard);
        }
    }

    fn reap_bucket(&self, bucket: usize, guard: &Guard) {
        self.table.visit(bucket, guard, |place| {
            // Who takes it at this moment, finds it dead and takes another one next time.
            if place.hop.is_unique() || !place.hop.is_current() {
                self.remove(place);
            }
        });
    }

    fn remove(&self, place: &Place) {
        place.hop.forget();
        drop(self.table.remove(place.hop.hash(), place));
    }
}

impl Default for NextHops {
    fn default() -> Self {
        Self::new()
    }
}

/// The next hop of packets from one source to one destination, of the default class of service, found
/// once and kept until it is dead.
pub struct HopCache(RcuSlot<NextHop>);

/// Every flow has one.
const _: () = assert!(size_of::<HopCache>() == 8);

impl HopCache {
    /// An empty cache.
    pub const fn new() -> Self {
        Self(RcuSlot::empty())
    }

    /// The next hop as it was known last: whether packets can still be sent by it, it must be
    /// [asked](NextHop::can_send).
    #[inline(always)]
    pub fn known<'a>(&self, guard: &'a Guard) -> Option<&'a NextHop> {
        self.0.read(guard)
    }

    /// As [`Route::output`], for a packet that is sent under the same RCU section; looked up only if the
    /// cache has nothing better.
    #[inline]
    pub fn output(
        &self,
        net: &Net,
        hops: &NextHops,
        dsfield: u8,
        tuple: &Tuple,
        _packet: &Packet<'_>,
    ) -> Option<Route> {
        // What policies make of other classes is not kept. The lower bits are the congestion's.
        if dsfield >> 2 != 0 {
            return Route::output(net, dsfield, tuple);
        }
        // SAFETY: Who has a packet in hand is under RCU until it is sent.
        let guard = unsafe { rcu::held() };
        match self.0.read(guard) {
            Some(hop) if hop.is_current() => Some(hop.route.to_uncounted()),
            _ => self.look_up(net, hops, dsfield, tuple, guard),
        }
    }

    #[cold]
    fn look_up(
        &self,
        net: &Net,
        hops: &NextHops,
        dsfield: u8,
        tuple: &Tuple,
        guard: &Guard,
    ) -> Option<Route> {
        let route = Route::output(net, dsfield, tuple)?;
        if let Some(hop) = hops.of(&route, &tuple.destination, guard) {
            self.0.replace(Some(hop));
        }
        Some(route)
    }
}

impl Default for HopCache {
    fn default() -> Self {
        Self::new()
    }
}

impl Packet<'_> {
    /// Makes room for the header of the next hop's link; fails when memory is out.
    #[inline]
    pub fn make_room(&mut self, hop: &NextHop) -> Result {
        self.reserve(hop.headroom)
    }

    /// Hands the packet to the neighbour, past the IP layer's hooks: its headers are final, of the family
    /// the next hop was found for, and there is room in front. In this RCU section the next hop has said
    /// that it [can send](NextHop::can_send).
    #[inline]
    pub fn leave(self, hop: &NextHop) -> Verdict {
        self.mark_ipvs();
        // SAFETY: The packet is ours to send; the neighbour was held in this RCU section, and its device
        // stays until the end of it.
        unsafe { c::kn_neigh_send(hop.place.neigh, self.as_ptr(), hop.is_foreign) };
        Verdict::Stolen
    }
}
