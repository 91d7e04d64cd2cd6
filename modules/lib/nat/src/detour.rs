// SPDX-License-Identifier: GPL-2.0

//! Which packets may take the short way, past the IP layer, and why the others may not.
//!
//! The short way is for packets that need nothing but their translation, which is most of them. All that
//! begins, ends, asks or explains something goes the long way, which knows the whole story.

use wire::{checksum, Family, Ipv6, Tcp};

use crate::{Headers, Protocol, Unfit};

macro_rules! detours {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a packet goes the long way.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Detour {
            $($(#[$doc])* $variant,)*
        }

        impl Detour {
            /// All of them.
            pub const ALL: &[Detour] = &[$(Detour::$variant,)*];

            /// The name user space sees.
            pub const fn name(self) -> &'static core::ffi::CStr {
                match self {
                    $(Detour::$variant => $name,)*
                }
            }
        }
    };
}

detours! {
    /// It belongs to no flow, or starts one.
    NoFlow = c"no-flow",
    /// Its headers contradict each other.
    Malformed = c"malformed",
    /// Its headers are not in one piece.
    Scattered = c"scattered",
    /// A part of a datagram.
    Fragment = c"fragment",
    /// ICMP or ICMPv6: an error may be about a flow.
    Icmp = c"icmp",
    /// Neither TCP nor UDP.
    Protocol = c"protocol",
    /// It has IP options or extension headers, or is a client's segment with TCP options.
    Options = c"options",
    /// Its time to live, or hop limit, ends here.
    Hops = c"ttl",
    /// It asks for another class of service than the usual.
    Class = c"class",
    /// A segment that begins or ends a connection, or acknowledges nothing.
    Flags = c"flags",
    /// The client has yet to be introduced to the server.
    Introduction = c"introduction",
    /// The server sees other sequence numbers or time stamps than the client sends.
    Shifted = c"shifted",
    /// The connection is not established, or not any more.
    State = c"state",
    /// The service has no such server any more.
    NoServer = c"no-server",
    /// IPVS is to hear of the flow again: once or twice a second.
    Refresh = c"refresh",
    /// No way to the receiver is known, or it has changed.
    NoHop = c"no-hop",
    /// XDP: the neighbour's address is not known yet, or the way out takes no frames of XDP.
    NoWay = c"no-way",
    /// Larger than the way out.
    TooBig = c"too-big",
    /// The way out leads over another family than this attach point can change to.
    Family = c"family",
    /// Somebody else holds the packet, too, or memory is out.
    Shared = c"shared",
}

impl Detour {
    /// The same. Compilers take the path to this for the unlikely one, and keep what belongs to it out
    /// of the way of packets that pass: two instructions for every reason that does not apply.
    #[cold]
    #[inline(never)]
    pub fn taken(self) -> Self {
        self
    }
}

impl From<Unfit> for Detour {
    fn from(why: Unfit) -> Self {
        match why {
            Unfit::Needs(_) => Self::Scattered,
            Unfit::Malformed => Self::Malformed,
            Unfit::Fragment => Self::Fragment,
            Unfit::Icmp => Self::Icmp,
            Unfit::Foreign => Self::Protocol,
        }
    }
}

/// What a packet that may take the short way says beyond its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A segment that acknowledges what comes before this number.
    Segment(u32),
    /// A datagram.
    Datagram,
}

impl Plain {
    /// Whether the packet that begins with these bytes and has these headers may take the short way, as
    /// far as its headers tell. What a client says in TCP options is looked at on the long way.
    #[inline(always)]
    pub fn of(packet: &[u8], headers: &Headers, from_client: bool) -> Result<Self, Detour> {
        let (len, class) = match headers.tuple.family {
            Family::V4 => {
                let fixed: &[u8; MIN_V4] = packet.first_chunk().ok_or(Detour::Malformed)?;
                let &[_, tos, ..] = fixed;
                if headers.transport == MIN_V4 && !holds(fixed) {
                    return Err(Detour::Malformed.taken());
                }
                (MIN_V4, tos)
            }
            Family::V6 => {
                let [first, second] = packet.first_chunk().ok_or(Detour::Malformed)?;
                (Ipv6::LEN, (first << 4) | (second >> 4))
            }
        };
        if headers.transport != len {
            return Err(Detour::Options.taken());
        }
        if headers.hops <= 1 {
            return Err(Detour::Hops.taken());
        }
        // The lower two bits are the congestion's.
        if class >> 2 != 0 {
            return Err(Detour::Class.taken());
        }
        match headers.tuple.protocol {
            Protocol::UDP => Ok(Self::Datagram),
            Protocol::TCP => {
                let header = packet.get(len..).and_then(<[u8]>::first_chunk);
                let header: &[u8; Tcp::MIN] = header.ok_or(Detour::Malformed)?;
                let segment = Tcp::parse_fixed(header).map_err(|_| Detour::Malformed)?;
                if !segment.flags().is_midstream() {
                    return Err(Detour::Flags.taken());
                }
                if from_client && segment.header_len() != Tcp::MIN {
                    return Err(Detour::Options.taken());
                }
                Ok(Self::Segment(segment.ack()))
            }
            _ => Err(Detour::Protocol.taken()),
        }
    }
}

/// Bytes of an IPv4 header without options.
const MIN_V4: usize = 20;

/// Whether the checksum of an IPv4 header without options holds: what the stack would check, nobody
/// else does on the short way.
#[inline]
fn holds(header: &[u8; MIN_V4]) -> bool {
    checksum::is_right(header)
}
