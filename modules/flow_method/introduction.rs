// SPDX-License-Identifier: GPL-2.0

//! How a real server is told the client's address: set per service, kept by every flow from the
//! moment it is bound.

/// Which packets carry the client's address as a TCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ToaMode {
    /// None.
    Off = 0,
    /// From the end of the handshake until either end has acknowledged a byte of the other.
    Ack = 1,
    /// These, and the SYN (Alibaba's LVS).
    Syn = 2,
}

/// How datagrams carry the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UoaMode {
    /// Not at all.
    Off = 0,
    /// Behind a header of a protocol of its own.
    Opp = 1,
    /// As an IP option.
    Ipo = 2,
}

/// How a real server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Over TCP.
    pub toa: ToaMode,
    /// The kind of the TCP option.
    pub toa_kind: u8,
    /// Over UDP.
    pub uoa: UoaMode,
}

impl Default for Introduction {
    /// As DPVS does over TCP. Over UDP nothing, which a server without a module for it would lose.
    fn default() -> Self {
        Self {
            toa: ToaMode::Ack,
            toa_kind: wire::toa::KIND,
            uoa: UoaMode::Off,
        }
    }
}

impl ToaMode {
    /// The mode with this number.
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Off),
            1 => Some(Self::Ack),
            2 => Some(Self::Syn),
            _ => None,
        }
    }
}

impl UoaMode {
    /// The mode with this number.
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Off),
            1 => Some(Self::Opp),
            2 => Some(Self::Ipo),
            _ => None,
        }
    }
}
