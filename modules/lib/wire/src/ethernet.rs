// SPDX-License-Identifier: GPL-2.0

//! The Ethernet header, with one VLAN tag at most (IEEE 802.3, 802.1Q).

use crate::{be16, put, Family, Malformed};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;

const KIND: usize = 12;
const TAG: usize = 14;
const KIND_TAGGED: usize = 16;

/// Bits of a tag that say which VLAN.
const ID: u16 = 0x0fff;

/// The header of a frame that carries IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Bytes of the header, with the tag: where the network header starts.
    pub len: usize,
    /// The VLAN that the frame says it is in.
    pub vlan: Option<u16>,
    /// What it carries.
    pub family: Family,
}

impl Ethernet {
    /// Bytes of the header without a tag.
    pub const LEN: usize = 14;
    /// Bytes of the shortest frame, without what checks it: shorter ones are filled up.
    pub const MIN_FRAME: usize = 60;

    /// Reads a header; other frames than those of IP are malformed here.
    #[inline(always)]
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let kind = be16(frame, KIND).ok_or(Malformed)?;
        let (len, vlan, kind) = match kind {
            ETH_P_8021Q => {
                let tag = be16(frame, TAG).ok_or(Malformed)?;
                let kind = be16(frame, KIND_TAGGED).ok_or(Malformed)?;
                (KIND_TAGGED + 2, Some(tag & ID), kind)
            }
            kind => (Self::LEN, None, kind),
        };
        let family = match kind {
            ETH_P_IP => Family::V4,
            ETH_P_IPV6 => Family::V6,
            _ => return Err(Malformed),
        };
        Ok(Self { len, vlan, family })
    }

    /// The family that an untagged frame carries.
    #[inline(always)]
    pub fn untagged(frame: &[u8]) -> Option<Family> {
        let header: &[u8; Self::LEN] = frame.first_chunk()?;
        match be16(header, KIND)? {
            ETH_P_IP => Some(Family::V4),
            ETH_P_IPV6 => Some(Family::V6),
            _ => None,
        }
    }

    /// Puts a frame that has been read into another VLAN, if it has a tag. A tag is neither added nor
    /// taken away; its priority stays.
    #[inline(always)]
    pub fn retag(&self, frame: &mut [u8], vlan: Option<u16>) {
        if let (Some(_), Some(vlan), Some(tag)) = (self.vlan, vlan, be16(frame, TAG)) {
            put(frame, TAG, (tag & !ID | vlan & ID).to_be_bytes());
        }
    }
}
