// SPDX-License-Identifier: GPL-2.0

//! Addresses of both families in one type.

use core::net::IpAddr;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// An IPv4 or IPv6 address in network order; which of the two, its context knows.
///
/// Laid out like the kernel's `union nf_inet_addr`.
///
/// # Invariants
///
/// Behind an IPv4 address there are twelve zero bytes, so that equal addresses have equal bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(4))]
pub struct Address {
    octets: [u8; 16],
}

impl Address {
    /// 0.0.0.0 or ::.
    pub const UNSPECIFIED: Address = Address { octets: [0; 16] };

    /// An IPv4 address.
    #[inline]
    pub const fn from_v4(v4: [u8; 4]) -> Self {
        // As numbers, which compilers move in one piece. CAST: Lossless; zeroes behind.
        let octets = (u32::from_le_bytes(v4) as u128).to_le_bytes();
        Self { octets }
    }

    /// The 16 bytes of a `union nf_inet_addr`.
    #[inline]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self { octets }
    }

    /// An address of 4 or 16 bytes, and its family by its length.
    pub fn of_bytes(bytes: &[u8]) -> Option<(Self, Family)> {
        if let Ok(v4) = bytes.try_into() {
            return Some((Self::from_v4(v4), Family::V4));
        }
        bytes
            .try_into()
            .ok()
            .map(|v6| (Self::from_octets(v6), Family::V6))
    }

    /// All 16 bytes.
    #[inline]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.octets
    }

    /// The IPv4 address.
    #[inline]
    pub const fn v4(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.octets;
        [a, b, c, d]
    }

    /// The bytes that count in that family.
    #[inline]
    pub fn bytes(&self, family: Family) -> &[u8] {
        match family {
            Family::V4 => self.octets.first_chunk::<4>().map_or(&[], |v4| v4),
            Family::V6 => &self.octets,
        }
    }

    /// Whether the address can be one host's: not unspecified, loopback, multicast or broadcast.
    pub fn is_unicast(&self, family: Family) -> bool {
        match (family, self.octets) {
            (Family::V4, [first, ..]) => !matches!(first, 0 | 127 | 224..=255),
            (Family::V6, [0xff, ..]) => false,
            (Family::V6, _) => {
                let address = core::net::Ipv6Addr::from(self.octets);
                !address.is_unspecified() && !address.is_loopback()
            }
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_v4(v4.octets()),
            IpAddr::V6(v6) => Self::from_octets(v6.octets()),
        }
    }
}
