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

/// A socket as the network stack sees it: `struct sock`.
#[repr(transparent)]
pub struct Sock(Opaque<kernel::bindings::sock>);

impl Sock {
    /// # Safety
    ///
    /// `sock` is a socket (not a request or time-wait minisocket) that is valid for all of `'a`.
    pub(crate) unsafe fn from_raw<'a>(sock: *mut kernel::bindings::sock) -> &'a Self {
        // SAFETY: The contract; `Sock` is a transparent wrapper.
        unsafe { &*sock.cast() }
    }

    /// Where the socket lies in memory. Another socket may lie there later.
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

    /// The socket's namespace, unless it is about to go away.
    ///
    /// For RCU readers: a namespace ends its users, and with them the [`PerNet`](crate::net::PerNet)
    /// data, a grace period after its last reference is gone (`cleanup_net()`). Only a socket of the
    /// kernel itself can get here so late.
    pub fn live_net(&self) -> Option<&Net> {
        // SAFETY: A valid socket, whose namespace has not been freed.
        let net = unsafe { c::kn_sock_net(self.0.get()) };
        // SAFETY: As above.
        unsafe { c::kn_check_net(net).then(|| Net::from_raw(net)) }
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

/// A received TCP segment at the transport layer.
pub struct Segment<'a> {
    skb: &'a c::sk_buff,
}

impl Segment<'_> {
    /// Whether it came by the family's version of IP.
    pub fn came_by<F: Family>(&self) -> bool {
        // SAFETY: The group is a union of two views of the same fields.
        let headers = unsafe { self.skb.__bindgen_anon_4.headers.as_ref() };
        headers.protocol == F::ETHER_TYPE.to_be()
    }

    /// The bytes of the TCP options, as many as the header says.
    pub fn options(&self) -> &[u8] {
        const FIXED: usize = 20;
        // SAFETY: `tcp_v{4,6}_rcv()` has made the fixed header linear.
        let header = unsafe { c::kn_tcp_header(self.skb) };
        // SAFETY: As above; the data offset is the high half of byte 12.
        let length = usize::from(unsafe { header.add(12).read() } >> 4).wrapping_mul(4);
        // SAFETY: The same functions have dropped segments with a data offset below the fixed
        // header's, and made all of the header linear.
        unsafe { core::slice::from_raw_parts(header.add(FIXED), length.saturating_sub(FIXED)) }
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
    /// Tells the packets of its version of IP.
    const ETHER_TYPE: u16;
    /// Makes a child socket.
    const SYN_RECV_SOCK: &'static CStr;
    /// Tells a name.
    const GETNAME: &'static CStr;
}

/// Sockets of family `AF_INET`.
pub struct Ipv4;

impl Family for Ipv4 {
    // CAST: An EtherType has 16 bits.
    const ETHER_TYPE: u16 = c::ETH_P_IP as u16;
    const SYN_RECV_SOCK: &'static CStr = c"tcp_v4_syn_recv_sock";
    const GETNAME: &'static CStr = c"inet_getname";
}

/// Sockets of family `AF_INET6`. What comes to them by IPv4 goes through both families' functions.
pub struct Ipv6;

impl Family for Ipv6 {
    // CAST: As above.
    const ETHER_TYPE: u16 = c::ETH_P_IPV6 as u16;
    const SYN_RECV_SOCK: &'static CStr = c"tcp_v6_syn_recv_sock";
    const GETNAME: &'static CStr = c"inet6_getname";
}

/// `tcp_v4_syn_recv_sock()` or `tcp_v6_syn_recv_sock()`: a handshake becomes a child socket.
pub struct SynRecvSock<F: Family>(PhantomData<F>);

/// Arguments of [`SynRecvSock`].
pub struct Handshake<'a> {
    /// Who listens.
    pub listener: &'a Sock,
    /// What completes the handshake; with TCP Fast Open, what begins it.
    pub segment: Segment<'a>,
}

// SAFETY: The prototype is that of `syn_recv_sock` in `struct inet_connection_sock_af_ops`:
// `struct sock *(const struct sock *sk, struct sk_buff *skb, ...)`.
unsafe impl<F: Family> Function for SynRecvSock<F> {
    const SYMBOL: &'static CStr = F::SYN_RECV_SOCK;
    type Arguments<'a> = Handshake<'a>;
    type Kept = ();
    /// The child, locked and not yet in the accept queue. `None`: no memory, no route, no place.
    type Output<'a> = Option<&'a Sock>;

    unsafe fn arguments(registers: &Registers) -> (Handshake<'_>, ()) {
        let (sock, skb) = (registers.argument(0), registers.argument(1));
        // SAFETY: The caller of the function holds a listener.
        let listener = unsafe { Sock::from_raw(with_exposed_provenance_mut(sock)) };
        // SAFETY: It holds a segment, too.
        let skb = unsafe { &*with_exposed_provenance(skb) };
        let segment = Segment { skb };
        (Handshake { listener, segment }, ())
    }

    unsafe fn output(registers: &Registers, (): ()) -> Option<&Sock> {
        let child = NonNull::new(with_exposed_provenance_mut(registers.result()))?;
        // SAFETY: The function returns a socket with a reference for the caller.
        Some(unsafe { Sock::from_raw(child.as_ptr()) })
    }
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
        let socket = with_exposed_provenance(registers.argument(0));
        let name = with_exposed_provenance_mut(registers.argument(1));
        // CAST: An int in a register; the upper half is undefined.
        let peer = registers.argument(2) as u32 != 0;
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
        let sock = with_exposed_provenance_mut(registers.argument(0));
        // SAFETY: The function gets a socket that is not freed before it returns.
        (unsafe { Sock::from_raw(sock) }, ())
    }

    unsafe fn output(_: &Registers, (): ()) {}
}
