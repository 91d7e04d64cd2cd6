// SPDX-License-Identifier: GPL-2.0
// Generated from userspace/specs/ip_vs_flow.yaml by userspace/specs/generate; do not edit.
//! Numbers of the generic netlink family IPVS_FLOW.
//!
//! What the engine of FullNAT adds to the stock family IPVS: local addresses of virtual services,
//! connections with their local tuple, and counters.
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
    /// Take a local address away from a service: without laddr all of the service, without service
    /// all of the namespace. ENOENT if the address is not there. Connections that use the address
    /// live on.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const LADDR_DEL: u8 = 2;
    /// List local addresses, one message each, of one service or of all.
    pub const LADDR_GET: u8 = 3;
    /// List FullNAT connections, one message each: all, or the one that has exactly the given
    /// protocol, client and virtual address and port.
    ///
    /// Needs CAP_NET_ADMIN in the user namespace of the network namespace.
    pub const CONN_GET: u8 = 4;
    /// List the counters, one message each.
    pub const COUNTER_GET: u8 = 5;
    /// The highest command id.
    pub const MAX: u8 = 5;
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
    /// The highest attribute id of the set.
    pub const MAX: u16 = 4;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 5] = [
        Kind::Unspec,
        Kind::Nest(&super::service::KINDS),
        Kind::Nest(&super::laddr::KINDS),
        Kind::Nest(&super::conn::KINDS),
        Kind::Nest(&super::counter::KINDS),
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
    /// The highest attribute id of the set.
    pub const MAX: u16 = 6;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 7] = [
        Kind::Unspec,
        Kind::Binary(4, 16),
        Kind::U32,
        Kind::U64,
        Kind::U64,
        Kind::U16,
        Kind::U16,
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
    /// Local address.
    pub const LADDR: u16 = 7;
    /// Local port.
    pub const LPORT: u16 = 8;
    /// Address of the real server.
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
    /// The highest attribute id of the set.
    pub const MAX: u16 = 2;
    /// What each attribute holds, by id.
    pub const KINDS: [Kind; 3] = [Kind::Unspec, Kind::String, Kind::U64];
}
