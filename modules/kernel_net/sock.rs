// SPDX-License-Identifier: GPL-2.0

//! Sockets of the inet families, and the functions of theirs that may be probed.
//!
//! The views are for the time of one call only. They read what needs no socket lock.
//!
//! C header: `include/net/sock.h`, `include/net/inet_common.h`, `include/net/tcp.h`.

use core::marker::PhantomData;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut, NonNull};
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

use crate::fprobe::{Function, Registers};
use crate::net::Net;
use crate::rcu::Guard;

/// A socket as the network stack sees it: `struct sock`.
#[repr(transparent)]
pub struct Sock(Opaque<kernel::bindings::sock>);

impl Sock {
    /// # Safety
    ///
    /// `sock` is a socket (not a request or time-wait minisocket) that is valid for all of `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(sock: *mut kernel::bindings::sock) -> &'a Self {
        // SAFETY: The contract; `Sock` is a transparent wrapper.
        unsafe { &*sock.cast() }
    }

    /// Where the socket lies in memory. Another socket may lie there later.
    #[inline]
    pub fn address(&self) -> usize {
        self.0.get().addr()
    }

    /// The number that no other socket has or will have; zero if nobody asked for it yet.
    pub fn cookie(&self) -> u64 {
        // SAFETY: A valid socket; the field is atomic.
        unsafe { c::kn_sock_cookie(self.0.get()) }
    }

    /// As [`cookie`](Self::cookie), but asks for the number if need be.
    pub fn make_cookie(&self) -> u64 {
        let mut cookie = [0u32; 2];
        // SAFETY: A valid socket, and room for two words. `__sock_gen_cookie` is not exported.
        unsafe { c::sock_diag_save_cookie(self.0.get(), cookie.as_mut_ptr()) };
        let [low, high] = cookie;
        u64::from(low) | u64::from(high) << 32
    }

    /// The other end, as packets have it. For a socket that is connected and no one else's yet.
    #[inline]
    pub fn peer(&self) -> Endpoint {
        let sock = self.0.get();
        // SAFETY: A valid socket, whose IPv6 address is 16 plain bytes in any view.
        let address = unsafe {
            match u32::from(c::kn_sock_family(sock)) {
                c::AF_INET6 => Ipv6Addr::from((*c::kn_sock_v6_daddr(sock)).in6_u.u6_addr8),
                _ => Ipv4Addr::from(c::kn_sock_daddr(sock).to_ne_bytes()).to_ipv6_mapped(),
            }
        };
        // SAFETY: A valid socket.
        let port = u16::from_be(unsafe { c::kn_sock_dport(sock) });
        Endpoint { address, port }
    }

    /// This end, as packets have it.
    pub fn local(&self) -> Endpoint {
        let sock = self.0.get();
        // SAFETY: As in `peer`.
        let address = unsafe {
            match u32::from(c::kn_sock_family(sock)) {
                c::AF_INET6 => Ipv6Addr::from((*c::kn_sock_v6_rcv_saddr(sock)).in6_u.u6_addr8),
                _ => Ipv4Addr::from(c::kn_sock_rcv_saddr(sock).to_ne_bytes()).to_ipv6_mapped(),
            }
        };
        // SAFETY: A valid socket.
        let port = unsafe { c::kn_sock_num(sock) };
        Endpoint { address, port }
    }

    /// The sequence number of the first byte that a child socket expects, which has got none yet.
    pub fn first_byte(&self) -> u32 {
        // SAFETY: A valid socket, by the contract of whoever made this view one of TCP.
        unsafe { c::kn_tcp_copied_seq(self.0.get()) }
    }

    /// Where the socket's namespace lies in memory.
    pub fn net_address(&self) -> usize {
        // SAFETY: A valid socket.
        unsafe { c::kn_sock_net(self.0.get()) }.addr()
    }

    /// The socket's namespace, unless it is about to go away.
    ///
    /// A namespace ends its users, and with them the [`PerNet`](crate::net::PerNet) data, a grace period
    /// after its last reference is gone (`cleanup_net()`). Only a socket of the kernel itself can get
    /// here so late.
    #[inline]
    pub fn live_net<'a>(&'a self, _guard: &'a Guard) -> Option<&'a Net> {
        // SAFETY: A valid socket, whose namespace has not been freed.
        let net = unsafe { c::kn_sock_live_net(self.0.get()).as_mut()? };
        // SAFETY: As above.
        Some(unsafe { Net::from_raw(net) })
    }
}

/// The connections that were accepted in a namespace since it came into being (`PassiveOpens`).
pub fn passive_opens(net: &Net) -> u64 {
    // SAFETY: A valid namespace has TCP's counters.
    unsafe { c::kn_tcp_passive_opens(net.as_ptr()) }
}

/// An address and a port; an IPv4 address is in its mapped form, `::ffff:a.b.c.d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: Ipv6Addr,
    /// The port.
    pub port: u16,
}

impl kernel::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.address.to_ipv4_mapped() {
            Some(address) => write!(f, "{address}:{}", self.port),
            None => write!(f, "[{}]:{}", self.address, self.port),
        }
    }
}

/// A received TCP segment at the transport layer.
pub struct Segment<'a> {
    skb: &'a c::sk_buff,
}

/// Bytes of the fixed part of the TCP header.
const FIXED: usize = 20;

impl Segment<'_> {
    /// # Safety
    ///
    /// `tcp_v4_rcv()` or `tcp_v6_rcv()` has let the packet pass: they make all of the headers linear,
    /// and drop segments whose data offset is below the fixed header's.
    #[inline]
    unsafe fn from_raw<'a>(skb: *const c::sk_buff) -> Segment<'a> {
        // SAFETY: The contract.
        let skb = unsafe { &*skb };
        Segment { skb }
    }

    #[inline]
    fn header(&self) -> &[u8; FIXED] {
        // SAFETY: By the contract of `from_raw`.
        unsafe { &*c::kn_tcp_header(self.skb).cast() }
    }

    /// The bytes of the TCP options, as many as the header says.
    #[inline]
    pub fn options(&self) -> &[u8] {
        let [.., offset, _, _, _, _, _, _, _] = self.header();
        let length = usize::from(offset >> 4).wrapping_mul(4);
        // SAFETY: By the contract of `from_raw`.
        unsafe {
            let options = c::kn_tcp_header(self.skb).add(FIXED);
            core::slice::from_raw_parts(options, length.saturating_sub(FIXED))
        }
    }

    /// The sequence number.
    pub fn sequence(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = *self.header();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Source and destination.
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        // SAFETY: The group is a union of two views of the same fields.
        let headers = unsafe { self.skb.__bindgen_anon_4.headers.as_ref() };
        // SAFETY: By the contract of `from_raw` the network header is there.
        let network = unsafe { c::kn_network_header(self.skb) };
        // CAST: An EtherType has 16 bits.
        let (source, destination) = if headers.protocol == (c::ETH_P_IPV6 as u16).to_be() {
            // SAFETY: The addresses are the last 32 bytes of the fixed header's 40.
            let [source, destination] = unsafe { *network.add(8).cast::<[[u8; 16]; 2]>() };
            (Ipv6Addr::from(source), Ipv6Addr::from(destination))
        } else {
            // SAFETY: The addresses are the last 8 bytes of the fixed header's 20.
            let [source, destination] = unsafe { *network.add(12).cast::<[[u8; 4]; 2]>() };
            let mapped = |address| Ipv4Addr::from(address).to_ipv6_mapped();
            (mapped(source), mapped(destination))
        };
        let [a, b, c, d, ..] = *self.header();
        let end = |address, port| Endpoint { address, port };
        (
            end(source, u16::from_be_bytes([a, b])),
            end(destination, u16::from_be_bytes([c, d])),
        )
    }
}

/// The address of a socket as a program is about to be told it: `struct sockaddr`.
///
/// # Invariants
///
/// `name` was filled by `inet_getname()` or `inet6_getname()`, and is valid for all of `'a`.
pub struct Name<'a> {
    name: NonNull<c::sockaddr>,
    _borrow: PhantomData<&'a mut c::sockaddr>,
}

impl Name<'_> {
    /// If the name says `old`, makes it say `new`. The name of an IPv4 socket has no room for an IPv6
    /// address.
    pub fn replace(mut self, old: &Endpoint, new: &Endpoint) -> bool {
        self.get() == Some(*old) && self.set(new)
    }

    fn get(&mut self) -> Option<Endpoint> {
        if let Some(name) = self.ipv4() {
            let address = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes()).to_ipv6_mapped();
            return Some(Endpoint {
                address,
                port: u16::from_be(name.sin_port),
            });
        }
        let name = self.ipv6()?;
        // SAFETY: All views of the union are plain bytes.
        let address = Ipv6Addr::from(unsafe { name.sin6_addr.in6_u.u6_addr8 });
        Some(Endpoint {
            address,
            port: u16::from_be(name.sin6_port),
        })
    }

    fn set(&mut self, endpoint: &Endpoint) -> bool {
        if let Some(name) = self.ipv4() {
            let Some(address) = endpoint.address.to_ipv4_mapped() else {
                return false;
            };
            name.sin_addr.s_addr = u32::from_ne_bytes(address.octets());
            name.sin_port = endpoint.port.to_be();
            return true;
        }
        let Some(name) = self.ipv6() else {
            return false;
        };
        name.sin6_addr.in6_u.u6_addr8 = endpoint.address.octets();
        name.sin6_port = endpoint.port.to_be();
        // Flow label and interface belong to the address that was there.
        name.sin6_flowinfo = 0;
        name.sin6_scope_id = 0;
        true
    }

    fn family(&self) -> u32 {
        // SAFETY: By the invariant.
        u32::from(unsafe { self.name.as_ref() }.sa_family)
    }

    fn ipv4(&mut self) -> Option<&mut c::sockaddr_in> {
        // SAFETY: By the invariant and the family, the name is a `sockaddr_in`.
        (self.family() == c::AF_INET).then(|| unsafe { self.name.cast().as_mut() })
    }

    fn ipv6(&mut self) -> Option<&mut c::sockaddr_in6> {
        // SAFETY: By the invariant and the family, the name is a `sockaddr_in6`.
        (self.family() == c::AF_INET6).then(|| unsafe { self.name.cast().as_mut() })
    }
}

/// The two families a socket can be of: each has its own copy of the probed functions.
pub trait Family: 'static {
    /// Answers a SYN.
    const SEND_SYNACK: &'static CStr;
    /// Tells a name.
    const GETNAME: &'static CStr;
}

/// Sockets of family `AF_INET`.
pub struct Ipv4;

impl Family for Ipv4 {
    const SEND_SYNACK: &'static CStr = c"tcp_v4_send_synack";
    const GETNAME: &'static CStr = c"inet_getname";
}

/// Sockets of family `AF_INET6`.
pub struct Ipv6;

impl Family for Ipv6 {
    const SEND_SYNACK: &'static CStr = c"tcp_v6_send_synack";
    const GETNAME: &'static CStr = c"inet6_getname";
}

/// A segment, and the socket it is for.
pub struct Arrival<'a> {
    /// Who gets it.
    pub sock: &'a Sock,
    /// The segment.
    pub segment: Segment<'a>,
}

/// `tcp_v4_send_synack()` or `tcp_v6_send_synack()`: a SYN is answered.
pub struct SendSynAck<F: Family>(PhantomData<F>);

/// The SYN, and who answers it.
pub enum Request<'a> {
    /// A listener does; there is no socket yet.
    Pending(Arrival<'a>),
    /// A child socket does, which was made from the SYN: TCP Fast Open. Nobody can accept it yet.
    Child(Arrival<'a>),
    /// The answer is sent again, and the SYN is gone.
    Repeated,
}

// SAFETY: The prototype is `int (const struct sock *sk, struct dst_entry *, struct flowi *,
// struct request_sock *, struct tcp_fastopen_cookie *, enum tcp_synack_type, struct sk_buff *syn)`.
unsafe impl<F: Family> Function for SendSynAck<F> {
    const SYMBOL: &'static CStr = F::SEND_SYNACK;
    type Arguments<'a> = Request<'a>;
    type Kept = ();
    type Output<'a> = ();

    unsafe fn arguments(registers: &Registers) -> (Request<'_>, ()) {
        let skb = with_exposed_provenance::<c::sk_buff>(registers.stack_argument(0));
        if skb.is_null() {
            return (Request::Repeated, ());
        }
        let [sock, _, _, _, _, kind] = registers.arguments();
        let sock = with_exposed_provenance_mut(sock);
        // SAFETY: By the prototype; both live until the function returns, and the SYN has passed TCP's
        // receive function.
        let arrival = unsafe {
            Arrival {
                sock: Sock::from_raw(sock),
                segment: Segment::from_raw(skb),
            }
        };
        // CAST: An enum in a register; the upper half is undefined.
        let request = match kind as u32 {
            c::tcp_synack_type_TCP_SYNACK_FASTOPEN => Request::Child(arrival),
            _ => Request::Pending(arrival),
        };
        (request, ())
    }

    unsafe fn output(_: &Registers, (): ()) {}
}

/// `tcp_child_process()`: a child socket, locked since it was made, gets the segment it was made from.
///
/// It may be in the accept queue already, but accept() waits for the lock.
pub struct ChildProcess;

// SAFETY: The prototype is `enum skb_drop_reason (struct sock *parent, struct sock *child,
// struct sk_buff *skb)`.
unsafe impl Function for ChildProcess {
    const SYMBOL: &'static CStr = c"tcp_child_process";
    /// The child and its segment.
    type Arguments<'a> = Arrival<'a>;
    type Kept = ();
    type Output<'a> = ();

    unsafe fn arguments(registers: &Registers) -> (Arrival<'_>, ()) {
        let [_, sock, skb, ..] = registers.arguments();
        let sock = with_exposed_provenance_mut(sock);
        let skb = with_exposed_provenance(skb);
        // SAFETY: By the prototype; both live until the function returns, and the segment has passed
        // TCP's receive function.
        let arrival = unsafe {
            Arrival {
                sock: Sock::from_raw(sock),
                segment: Segment::from_raw(skb),
            }
        };
        (arrival, ())
    }

    unsafe fn output(_: &Registers, (): ()) {}
}

/// `inet_getname()` or `inet6_getname()`: a program is told a socket's own or its peer's name.
pub struct Getname<F: Family>(PhantomData<F>);

/// Arguments of [`Getname`].
pub struct Question<'a> {
    /// Whose name is asked for.
    pub sock: &'a Sock,
    /// Whether it is the peer's: accept() and getpeername(), not getsockname().
    pub peer: bool,
}

// SAFETY: The prototype is that of `getname` in `struct proto_ops`:
// `int (struct socket *sock, struct sockaddr *uaddr, int peer)`.
unsafe impl<F: Family> Function for Getname<F> {
    const SYMBOL: &'static CStr = F::GETNAME;
    type Arguments<'a> = Question<'a>;
    type Kept = (*mut kernel::bindings::sock, *mut c::sockaddr);
    /// The socket and the name. `None`: there is none.
    type Output<'a> = (&'a Sock, Option<Name<'a>>);

    unsafe fn arguments(registers: &Registers) -> (Question<'_>, Self::Kept) {
        let [socket, name, peer, ..] = registers.arguments();
        let socket = with_exposed_provenance(socket);
        let name = with_exposed_provenance_mut(name);
        // CAST: An int in a register; the upper half is undefined.
        let peer = peer as u32 != 0;
        // SAFETY: The function gets a valid socket, and what it does first is to follow `sk`.
        let kept = unsafe { c::kn_socket_sk(socket) };
        // SAFETY: As above.
        let sock = unsafe { Sock::from_raw(kept) };
        (Question { sock, peer }, (kept, name))
    }

    unsafe fn output(registers: &Registers, (sock, name): Self::Kept) -> Self::Output<'_> {
        // SAFETY: The caller of the function holds the socket, and that holds `sk`.
        let sock = unsafe { Sock::from_raw(sock) };
        // CAST: As above. Negative is an error, all else the length of the name.
        let name = if (registers.result() as i32) < 0 {
            None
        } else {
            NonNull::new(name)
        };
        // INVARIANT: The function has succeeded, so it has filled the name.
        (
            sock,
            name.map(|name| Name {
                name,
                _borrow: PhantomData,
            }),
        )
    }
}

/// `inet_sock_destruct()`: the end of every socket of both families.
pub struct SockDestruct;

// SAFETY: The prototype is `void (struct sock *sk)`.
unsafe impl Function for SockDestruct {
    const SYMBOL: &'static CStr = c"inet_sock_destruct";
    type Arguments<'a> = &'a Sock;
    type Kept = ();
    type Output<'a> = ();

    unsafe fn arguments(registers: &Registers) -> (&Sock, ()) {
        let [sock, ..] = registers.arguments();
        let sock = with_exposed_provenance_mut(sock);
        // SAFETY: The function gets a socket that is not freed before it returns.
        (unsafe { Sock::from_raw(sock) }, ())
    }

    unsafe fn output(_: &Registers, (): ()) {}
}
