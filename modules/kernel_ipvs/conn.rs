// SPDX-License-Identifier: GPL-2.0

//! Connections of IPVS.
//!
//! A connection is looked up under RCU and kept by a reference. Dropping the reference restarts the
//! connection's timer; IPVS frees it a grace period after the timer has ended it.
//!
//! C header: `include/net/ip_vs.h`, `struct ip_vs_conn`.

use core::ops::Deref;
use core::ptr::NonNull;
use kernel::types::Opaque;
use kernel_net::net::Net;
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Address, Family, Port, Protocol, Tuple};
use net_bindings as c;

/// A server that its service still has.
// CAST: One bit of a word.
pub(crate) const AVAILABLE: usize = c::IP_VS_DEST_CF_AVAILABLE as usize;

/// `struct ip_vs_conn`.
#[repr(transparent)]
pub struct Conn(Opaque<c::ip_vs_conn>);

// SAFETY: What is written after set-up is written under the connection's lock, or is a word that
// IPVS itself writes without one.
unsafe impl Sync for Conn {}

/// Whose packet moves the state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// From the real server.
    Reply,
}

/// What tells one virtual service of a namespace from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Not zero for a service by firewall mark; the protocol, address and port are zero then.
    pub fwmark: u32,
    /// TCP, UDP, ...
    pub protocol: Protocol,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The virtual address.
    pub vip: Address,
    /// The virtual port; zero for all.
    pub vport: Port,
}

impl ServiceKey {
    /// The service of a firewall mark.
    pub const fn of_fwmark(family: Family, fwmark: u32) -> Self {
        Self {
            fwmark,
            protocol: Protocol(0),
            family,
            vip: Address::UNSPECIFIED,
            vport: Port::new(0),
        }
    }
}

impl Conn {
    /// # Safety
    ///
    /// `conn` is valid for the life time the caller chooses.
    pub(crate) unsafe fn from_raw<'a>(conn: *mut c::ip_vs_conn) -> &'a Self {
        // SAFETY: The contract; `Conn` is a transparent wrapper.
        unsafe { &*conn.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut c::ip_vs_conn {
        self.0.get()
    }

    /// The fields that do not change after set-up.
    fn fixed(&self) -> &c::ip_vs_conn {
        // SAFETY: The object is valid. Only fields that set-up wrote are read through this.
        unsafe { &*self.0.get() }
    }

    /// The family of the client's side.
    pub fn family(&self) -> Family {
        family(self.fixed().af)
    }

    /// The client's tuple: cip:cport to vip:vport.
    pub fn client_tuple(&self) -> Tuple {
        let conn = self.fixed();
        Tuple {
            family: self.family(),
            // CAST: IPVS keeps the protocol in 16 bits; it has eight.
            protocol: Protocol(conn.protocol as u8),
            source: address(&conn.caddr),
            destination: address(&conn.vaddr),
            source_port: Port::from_be_bytes(conn.cport.to_ne_bytes()),
            destination_port: Port::from_be_bytes(conn.vport.to_ne_bytes()),
        }
    }

    /// The real server.
    pub fn server(&self) -> (Address, Port) {
        let conn = self.fixed();
        (
            address(&conn.daddr),
            Port::from_be_bytes(conn.dport.to_ne_bytes()),
        )
    }

    /// The forwarding method: 0 to 4 are IPVS's own.
    pub fn method(&self) -> u32 {
        self.flags() & c::IP_VS_CONN_F_FWD_MASK
    }

    /// Whether the connection lives for one packet only (`ops`), in no table.
    pub fn is_one_packet(&self) -> bool {
        self.flags() & c::IP_VS_CONN_F_ONE_PACKET != 0
    }

    /// `cp->flags`.
    pub fn flags(&self) -> u32 {
        // SAFETY: The object is valid; the field is volatile in C, too.
        unsafe { (&raw const (*self.as_ptr()).flags).read_volatile() }
    }

    /// `cp->state`: a number of the protocol's own.
    #[inline]
    pub fn state(&self) -> u16 {
        // SAFETY: The object is valid; the field is volatile in C, too.
        unsafe { (&raw const (*self.as_ptr()).state).read_volatile() }
    }

    /// Seconds until the timer would end the connection.
    pub fn expires_in(&self) -> u32 {
        // SAFETY: The object is valid; a torn read of a word cannot happen.
        let expires = unsafe { (&raw const (*self.as_ptr()).timer.expires).read_volatile() };
        let left = expires.wrapping_sub(kernel_net::time::jiffies());
        // CAST: IPVS's time-outs are far below 2^31 jiffies; what is past reads as zero.
        if left > i32::MAX as usize {
            0
        } else {
            (left / c::CONFIG_HZ as usize) as u32
        }
    }

    /// Whether the timer is about to end the connection: its time is up, or IPVS has said so.
    pub fn is_due(&self) -> bool {
        // SAFETY: As in `expires_in`.
        let expires = unsafe { (&raw const (*self.as_ptr()).timer.expires).read_volatile() };
        // CAST: The sign of the difference is the order.
        (expires.wrapping_sub(kernel_net::time::jiffies()) as isize) <= 0
    }

    /// The service the connection was scheduled by.
    pub fn service(&self, _guard: &rcu::Guard) -> Option<ServiceKey> {
        // SAFETY: The object is valid. The server is set once, and freed after the connection.
        let dest = unsafe { (&raw const (*self.as_ptr()).dest).read_volatile().as_ref() }?;
        if dest.vfwmark != 0 {
            return Some(ServiceKey::of_fwmark(self.family(), dest.vfwmark));
        }
        Some(ServiceKey {
            fwmark: 0,
            // CAST: As in `client_tuple`.
            protocol: Protocol(dest.protocol as u8),
            family: self.family(),
            vip: address(&dest.vaddr),
            vport: Port::from_be_bytes(dest.vport.to_ne_bytes()),
        })
    }

    /// Moves the state by a packet, as IPVS does for its own methods.
    pub fn advance(&self, direction: Direction, packet: &Packet<'_>, transport: usize) {
        let conn = self.fixed();
        // SAFETY: The connection's namespace is valid; the protocol is registered, since IPVS made
        // a connection of it.
        unsafe {
            let data = c::ip_vs_proto_data_get(conn.ipvs, conn.protocol);
            let Some(transition) = data.as_ref().and_then(|d| (*d.pp).state_transition) else {
                return;
            };
            let direction = match direction {
                Direction::Request => c::IP_VS_DIR_INPUT,
                Direction::Reply => c::IP_VS_DIR_OUTPUT,
            };
            // CAST: An enum of two; an offset into a header.
            transition(
                self.as_ptr(),
                direction as i32,
                packet.as_ptr(),
                data,
                transport as u32,
            );
        }
    }

    /// Whether the service still has the server the connection goes to.
    pub fn has_server(&self, _guard: &rcu::Guard) -> bool {
        // SAFETY: The object is valid. The server is set once, and freed after the connection.
        let dest = unsafe { (&raw const (*self.as_ptr()).dest).read_volatile().as_ref() };
        dest.is_some_and(|dest| {
            // SAFETY: The server is valid; IPVS, too, reads the flags without a lock.
            let flags = unsafe { (&raw const dest.cflags).read_volatile() };
            flags & AVAILABLE != 0
        })
    }

    /// Whether both ends have agreed on the connection; of UDP, any.
    #[inline]
    pub fn is_established(&self) -> bool {
        // CAST: As in `client_tuple`.
        self.is_established_as(Protocol(self.fixed().protocol as u8))
    }

    /// The same where the protocol is known.
    #[inline(always)]
    pub fn is_established_as(&self, protocol: Protocol) -> bool {
        let state = || u32::from(self.state());
        match protocol {
            Protocol::TCP => state() == c::IP_VS_TCP_S_ESTABLISHED,
            Protocol::SCTP => state() == c::ip_vs_sctp_states_IP_VS_SCTP_S_ESTABLISHED,
            _ => true,
        }
    }

    /// Lets an established connection, of UDP any, end after so many seconds without packets, if that
    /// is not zero; to be said again after each packet that moved the state. The timer starts when
    /// the reference to the connection is dropped.
    #[inline]
    pub fn limit_silence(&self, seconds: u32) {
        if seconds == 0 {
            return;
        }
        if self.is_established() {
            // CAST: Lossless on 64 bits.
            let ticks = (seconds as usize).saturating_mul(c::CONFIG_HZ as usize);
            // SAFETY: The object is valid; IPVS, too, writes the word without a lock.
            unsafe { (&raw mut (*self.as_ptr()).timeout).write_volatile(ticks) };
        }
    }

    /// Lets the timer end the connection with the next tick, if nobody holds it then.
    pub fn expire_now(&self) {
        // SAFETY: The object is valid. The time-out is a word that IPVS, too, writes without a
        // lock; `mod_timer_pending()` does not revive a timer that has ended.
        unsafe {
            (&raw mut (*self.as_ptr()).timeout).write_volatile(0);
            c::kn_expire_timer_now(&raw mut (*self.as_ptr()).timer);
        }
    }

    /// The namespace.
    pub fn net(&self) -> &Net {
        // SAFETY: A connection ends before its namespace does.
        unsafe { Net::from_raw((*self.fixed().ipvs).net) }
    }

    /// A handle for data that is bound to this connection.
    pub fn handle(&self) -> ConnHandle {
        ConnHandle(NonNull::from(self).cast())
    }
}

/// An address family by its number.
pub(crate) fn family(number: impl Into<u32>) -> Family {
    if number.into() == c::AF_INET6 {
        Family::V6
    } else {
        Family::V4
    }
}

/// The address in a `union nf_inet_addr`.
pub(crate) fn address(from: &c::nf_inet_addr) -> Address {
    // SAFETY: All views of the union are 16 bytes, all of them initialised: IPVS clears what an
    // IPv4 address leaves.
    Address::from_octets(unsafe { core::mem::transmute_copy::<c::nf_inet_addr, [u8; 16]>(from) })
}

/// A counted reference to a connection.
///
/// # Invariants
///
/// The reference is this value's own.
pub struct ConnRef(NonNull<c::ip_vs_conn>);

impl ConnRef {
    /// # Safety
    ///
    /// The caller gives a reference away.
    pub(crate) unsafe fn from_raw(conn: NonNull<c::ip_vs_conn>) -> Self {
        // INVARIANT: The contract.
        Self(conn)
    }
}

impl Deref for ConnRef {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        // SAFETY: By the invariant the connection stays as long as the reference.
        unsafe { Conn::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for ConnRef {
    fn drop(&mut self) {
        // SAFETY: By the invariant the reference is ours to give back.
        unsafe { c::ip_vs_conn_put(self.0.as_ptr()) };
    }
}

/// Names the connection from data that is bound to it.
///
/// # Invariants
///
/// Only lies in data that [`Forwarding`](crate::Forwarding) bound to this connection. Such data is
/// unlinked before IPVS frees the connection, and both wait for a grace period: who reaches the
/// handle under RCU may look at the connection.
#[derive(Clone, Copy)]
pub struct ConnHandle(NonNull<c::ip_vs_conn>);

// SAFETY: A handle is a name; what it leads to is `Sync`.
unsafe impl Send for ConnHandle {}
// SAFETY: As above.
unsafe impl Sync for ConnHandle {}

impl ConnHandle {
    /// A reference, unless the connection is ending.
    #[inline]
    pub fn get(self, _guard: &rcu::Guard) -> Option<ConnRef> {
        // SAFETY: By the invariant the connection is there while the guard lives.
        unsafe { c::kn_refcount_inc_not_zero(&raw mut (*self.0.as_ptr()).refcnt) }
            .then_some(ConnRef(self.0))
    }

    /// The connection, to look at.
    #[inline]
    pub fn peek<'a>(self, _guard: &'a rcu::Guard) -> &'a Conn {
        // SAFETY: By the invariant the connection is there while the guard lives.
        unsafe { Conn::from_raw(self.0.as_ptr()) }
    }
}
