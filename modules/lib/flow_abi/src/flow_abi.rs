// SPDX-License-Identifier: GPL-2.0
// Generated from userspace/specs/ip_vs_flow.yaml by userspace/specs/generate; do not edit.
//! Numbers of the generic netlink family IPVS_FLOW.
//!
//! What the engine of FullNAT adds to the stock family IPVS: local addresses and options of virtual
//! services, connections with their local tuple, counters, aliases for real servers that have an
//! IPv6 address behind a virtual address of IPv4, and the interfaces whose packets pass the IP
//! layer by.
//!
//! Virtual services, real servers, time-outs and the sync daemon are managed through the stock
//! family. All state is per network namespace. Integers are in the byte order of the host unless
//! they are said to be big-endian. A refusal carries a sentence in the extended acknowledgement.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

/// Name by which the family is found.
pub const FAMILY_NAME: &str = "IPVS_FLOW";
/// Version of the family.
pub const VERSION: u8 = 1;

/// What the payload of an attribute is; the kernel's policies and user space's codec follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such attribute.
    Unspec,
    /// Nothing: being there is what it says.
    Flag,
    /// Unsigned 8 bits.
    U8,
    /// Unsigned 16 bits in the byte order of the host.
    U16,
    /// Unsigned 16 bits in network order.
    Be16,
    /// Unsigned 32 bits in the byte order of the host.
    U32,
    /// Unsigned 64 bits in the byte order of the host, not necessarily aligned.
    U64,
    /// Bytes, at least and at most so many.
    Binary(u16, u16),
    /// Text that ends with a zero byte.
    String,
    /// Attributes of another set, whose kinds these are.
    Nest(&'static [Kind]),
}

/// Commands of the family.
pub mod command {
    /// Give a service one more local address. EEXIST if it has it already, ESRCH if there is no
    /// such service, EINVAL or EAFNOSUPPORT if the address cannot serve it.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const LADDR_NEW: u8 = 1;
    /// Take a local address away from a service: without laddr all of the service and its options,
    /// without service those of all services of the namespace. ENOENT if the address is not there.
    /// Connections that use the address live on.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const LADDR_DEL: u8 = 2;
    /// List local addresses, one message each, of one service or of all.
    pub const LADDR_GET: u8 = 3;
    /// List FullNAT connections, one message each: all, or the one that has exactly the given
    /// protocol, client and virtual address and port, or exactly the given protocol, real and local
    /// address and port. Local and real address are 4 or 16 bytes by their own family.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const CONN_GET: u8 = 4;
    /// List the counters, one message each.
    pub const COUNTER_GET: u8 = 5;
    /// Change options of a service, those that the request holds. ESRCH if there is no such
    /// service, EINVAL if a value has no meaning.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const SERVICE_SET: u8 = 6;
    /// List options, one message per service, of one service or of all that have any.
    pub const SERVICE_GET: u8 = 7;
    /// Let an alias stand for a real server. Nothing happens if it does so already; EEXIST if it
    /// stands for another one.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const ALIAS_NEW: u8 = 8;
    /// Take an alias away, given by its address alone. ENOENT if it is not there. Connections that
    /// go by it live on.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const ALIAS_DEL: u8 = 9;
    /// List aliases, one message each.
    pub const ALIAS_GET: u8 = 10;
    /// List interfaces, one message each, behind one with ifindex 0 that holds what is asked for
    /// all of them.
    pub const INTERFACE_GET: u8 = 11;
    /// Ask for the fast path of an interface, or of all, which takes back what was asked for single
    /// ones. The request holds ifindex and configured. ENODEV if there is no such interface,
    /// EOPNOTSUPP if it cannot have what is asked for.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const INTERFACE_SET: u8 = 12;
    /// The highest command id.
    pub const MAX: u8 = 12;
}

/// What a message holds. Every request and reply is made of these nests.
pub mod top {
    use super::Kind;

    /// The virtual service the message is about.
    pub const SERVICE: u16 = 1;
    /// One local address of the service.
    pub const LADDR: u16 = 2;
    /// One FullNAT connection, or the connection to look for.
    pub const CONN: u16 = 3;
    /// One counter.
    pub const COUNTER: u16 = 4;
    /// How FullNAT treats new connections of the service.
    pub const OPTIONS: u16 = 5;
    /// One alias of an IPv6 real server.
    pub const ALIAS: u16 = 6;
    /// One network interface, or what holds for all of them.
    pub const INTERFACE: u16 = 7;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 7;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 8] = [
        Kind::Unspec,
        Kind::Nest(&super::service::KINDS),
        Kind::Nest(&super::laddr::KINDS),
        Kind::Nest(&super::conn::KINDS),
        Kind::Nest(&super::counter::KINDS),
        Kind::Nest(&super::options::KINDS),
        Kind::Nest(&super::alias::KINDS),
        Kind::Nest(&super::interface::KINDS),
    ];
}

/// The name of a virtual service: family, protocol, address and port, or family and firewall mark.
/// The two forms exclude each other.
pub mod service {
    use super::Kind;

    /// Address family, AF_INET or AF_INET6.
    pub const FAMILY: u16 = 1;
    /// IP protocol number of the service.
    pub const PROTOCOL: u16 = 2;
    /// Virtual address, 4 or 16 bytes in network order.
    pub const ADDR: u16 = 3;
    /// Virtual port.
    pub const PORT: u16 = 4;
    /// Firewall mark that selects the packets of the service.
    pub const FWMARK: u16 = 5;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 5;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 6] = [
        Kind::Unspec,
        Kind::U16,
        Kind::U16,
        Kind::Binary(4, 16),
        Kind::Be16,
        Kind::U32,
    ];
}

/// A local address, which takes the place of the client's towards the real servers.
pub mod laddr {
    use super::Kind;

    /// The local address, 4 or 16 bytes in network order.
    pub const ADDR: u16 = 1;
    /// Connections bound to the address now.
    pub const CONNS: u16 = 2;
    /// How often a chosen port was taken and another one had to be tried.
    pub const CONFLICTS: u16 = 3;
    /// How often no port was left for a new connection.
    pub const FAILED: u16 = 4;
    /// First local port that connections of the address may use.
    pub const PORT_MIN: u16 = 5;
    /// Last local port that connections of the address may use.
    pub const PORT_MAX: u16 = 6;
    /// Ports left towards the server that has the fewest left; all of the range if no server was
    /// used yet.
    pub const FREE: u16 = 7;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 7;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 8] = [
        Kind::Unspec,
        Kind::Binary(4, 16),
        Kind::U32,
        Kind::U64,
        Kind::U64,
        Kind::U16,
        Kind::U16,
        Kind::U32,
    ];
}

/// A FullNAT connection. Client and virtual side are what the client sees, local and real side what
/// the real server sees.
pub mod conn {
    use super::Kind;

    /// Address family of the client side.
    pub const FAMILY: u16 = 1;
    /// IP protocol number.
    pub const PROTOCOL: u16 = 2;
    /// Client address.
    pub const CADDR: u16 = 3;
    /// Client port.
    pub const CPORT: u16 = 4;
    /// Virtual address.
    pub const VADDR: u16 = 5;
    /// Virtual port.
    pub const VPORT: u16 = 6;
    /// Local address, of the real server's family.
    pub const LADDR: u16 = 7;
    /// Local port.
    pub const LPORT: u16 = 8;
    /// Address of the real server by its own family, which may not be the client's.
    pub const RADDR: u16 = 9;
    /// Port of the real server.
    pub const RPORT: u16 = 10;
    /// State of the connection, by the number IPVS gives it for this protocol.
    pub const STATE: u16 = 11;
    /// Seconds until the timer IPVS runs for the connection fires.
    pub const EXPIRES: u16 = 12;
    /// Flags of the connection as IPVS keeps them (IP_VS_CONN_F_*).
    pub const FLAGS: u16 = 13;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 13;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 14] = [
        Kind::Unspec,
        Kind::U16,
        Kind::U16,
        Kind::Binary(4, 16),
        Kind::Be16,
        Kind::Binary(4, 16),
        Kind::Be16,
        Kind::Binary(4, 16),
        Kind::Be16,
        Kind::Binary(4, 16),
        Kind::Be16,
        Kind::U16,
        Kind::U32,
        Kind::U32,
    ];
}

/// A counter of the engine or of a forwarding method. Readers must not rely on a fixed list.
pub mod counter {
    use super::Kind;

    /// Name of the counter.
    pub const NAME: u16 = 1;
    /// Sum over all CPUs since the namespace was created.
    pub const VALUE: u16 = 2;
    /// There if the counter is a reason to drop packets.
    pub const DROP: u16 = 3;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 3;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 4] = [Kind::Unspec, Kind::String, Kind::U64, Kind::Flag];
}

/// What FullNAT does with connections of one service. A request changes only what it holds, and
/// connections keep what was set when they began.
pub mod options {
    use super::Kind;

    /// Where TCP carries the client's address: 0 nowhere, 1 from the segment that ends the
    /// handshake until either end has acknowledged a byte of the other, 2 also in the SYN.
    pub const TOA: u16 = 1;
    /// Kind of the TCP option, 254, 200 or 253.
    pub const TOA_KIND: u16 = 2;
    /// How UDP carries the client's address: 0 not at all, 1 in a header of its own protocol
    /// between IP and UDP, 2 in an option of IP.
    pub const UOA: u16 = 3;
    /// Seconds after which established connections without packets end, of UDP all; 0 is IPVS's own
    /// time-out.
    pub const CONN_TIMEOUT: u16 = 4;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 4;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 5] = [Kind::Unspec, Kind::U8, Kind::U8, Kind::U8, Kind::U32];
}

/// IPVS keeps services and servers of one family together. A real server with an IPv6 address
/// behind a virtual address of IPv4 has this IPv4 name in IPVS, and packets go to the address.
pub mod alias {
    use super::Kind;

    /// The name in IPVS, within 240.0.0.0/4.
    pub const ADDR: u16 = 1;
    /// The address of the real server.
    pub const SERVER: u16 = 2;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 2;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 3] = [Kind::Unspec, Kind::Binary(4, 4), Kind::Binary(16, 16)];
}

/// A network interface and the way its packets take: packets of established flows may pass the IP
/// layer by, on a fast path, and all others go through the hooks of IPVS.
pub mod interface {
    use super::Kind;

    /// Number of the interface; 0 stands for all interfaces that nothing else was asked for, those
    /// of the future included.
    pub const IFINDEX: u16 = 1;
    /// Name of the interface.
    pub const NAME: u16 = 2;
    /// The fast path that the interface has now: 0 none, 1 where the driver hands packets to the
    /// stack, 2 in the driver (XDP).
    pub const MODE: u16 = 3;
    /// What was asked for: 0 what is best, as the engine finds, 1 no fast path, 2 where the driver
    /// hands packets to the stack, 3 in the driver (XDP).
    pub const CONFIGURED: u16 = 4;
    /// Packets that took the fast path, in the driver or behind it.
    pub const HITS: u16 = 5;
    /// Packets that belong to no flow.
    pub const MISSES: u16 = 6;
    /// Packets that took the long way for one reason; reasons without packets are left out.
    pub const DETOUR: u16 = 7;
    /// There if the driver of the interface can run XDP programs that redirect packets.
    pub const NATIVE_XDP: u16 = 8;
    /// Flows that packets of any interface may belong to; only with ifindex 0.
    pub const FLOWS: u16 = 9;
    /// Why the interface has no fast path; absent if it has one.
    pub const REASON: u16 = 10;
    /// Those of the hits that an XDP program has forwarded. The engine does not know whether there
    /// is one: mode is 1 with and without.
    pub const XDP_HITS: u16 = 11;
    /// Packets that the XDP program has left to what comes behind, for one reason; there they may
    /// still have taken the fast path.
    pub const XDP_DETOUR: u16 = 12;
    /// Frames that the XDP program has left to what comes behind because they belong to no flow.
    pub const XDP_MISSES: u16 = 13;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 13;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 14] = [
        Kind::Unspec,
        Kind::U32,
        Kind::String,
        Kind::U8,
        Kind::U8,
        Kind::U64,
        Kind::U64,
        Kind::Nest(&super::detour::KINDS),
        Kind::Flag,
        Kind::U32,
        Kind::String,
        Kind::U64,
        Kind::Nest(&super::detour::KINDS),
        Kind::U64,
    ];
}

/// A reason to take the long way. Readers must not rely on a fixed list.
pub mod detour {
    use super::Kind;

    /// Name of the reason.
    pub const NAME: u16 = 1;
    /// Packets that took the long way for it.
    pub const VALUE: u16 = 2;
    /// The highest attribute id of the set.
    pub const MAX: u16 = 2;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 3] = [Kind::Unspec, Kind::String, Kind::U64];
}
