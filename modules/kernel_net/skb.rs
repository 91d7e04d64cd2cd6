// SPDX-License-Identifier: GPL-2.0

//! A packet on its way through the IP layer.
//!
//! `data` points at the network header, as in all netfilter hooks of the inet families. Whatever is
//! to be read must be linear, whatever is to be written must be ours alone: the methods that hand
//! out bytes see to it, and hand out slices, so that a lying length field finds no way past them.
//! Softirq or process context.
//!
//! C header: `include/linux/skbuff.h`.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;
use nat::{ChecksumState, Family};
use net_bindings as c;

use crate::net::Net;

// CAST: A small number.
const PACKET_HOST: u8 = c::PACKET_HOST as u8;

const CHECKSUM_NONE: u8 = 0;
const CHECKSUM_COMPLETE: u8 = 2;
const CHECKSUM_PARTIAL: u8 = 3;

// CAST: One bit of 32.
const GSO_FRAGLIST: u32 = c::SKB_GSO_FRAGLIST as u32;

/// Segments with the same IPv4 identification: IPv6 has none.
// CAST: Bits of 32.
const FIXED_IDS: u32 = c::SKB_GSO_TCP_FIXEDID as u32 | c::SKB_GSO_TCP_FIXEDID_INNER as u32;

// CAST: Numbers of 16 bits.
const ETH_P_IP: u16 = c::ETH_P_IP as u16;
const ETH_P_IPV6: u16 = c::ETH_P_IPV6 as u16;

/// Bytes of an Ethernet header.
const ETH_HLEN: usize = 14;

type Headers = c::sk_buff__bindgen_ty_4__bindgen_ty_2;

/// An `sk_buff` that the code running now may change.
///
/// # Invariants
///
/// `skb` is valid, its network header is at `data`, and nobody else uses its headers meanwhile
/// unless they are cloned.
#[repr(transparent)]
pub struct Packet<'a> {
    skb: NonNull<c::sk_buff>,
    _borrow: PhantomData<&'a mut c::sk_buff>,
}

impl Packet<'_> {
    /// The packet of a hook or of a transmit function.
    ///
    /// # Safety
    ///
    /// `skb` is valid for as long as the packet is used, is the caller's to change, and its `data`
    /// points at the network header.
    pub unsafe fn from_raw(skb: *mut c::sk_buff) -> Self {
        // SAFETY: A valid pointer is not null.
        let skb = unsafe { NonNull::new_unchecked(skb) };
        // INVARIANT: The contract of this function.
        Self {
            skb,
            _borrow: PhantomData,
        }
    }

    /// The C object.
    pub fn as_ptr(&self) -> *mut c::sk_buff {
        self.skb.as_ptr()
    }

    fn skb(&self) -> &c::sk_buff {
        // SAFETY: By the invariant.
        unsafe { self.skb.as_ref() }
    }

    fn skb_mut(&mut self) -> &mut c::sk_buff {
        // SAFETY: By the invariant.
        unsafe { self.skb.as_mut() }
    }

    fn headers(&self) -> &Headers {
        // SAFETY: The group is a union of two views of the same fields.
        unsafe { self.skb().__bindgen_anon_4.headers.as_ref() }
    }

    fn headers_mut(&mut self) -> &mut Headers {
        // SAFETY: As in `headers`.
        unsafe { self.skb_mut().__bindgen_anon_4.headers.as_mut() }
    }

    /// Length in bytes from the network header on; of a GSO packet, all of it.
    #[expect(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        // CAST: A packet is far below 4 GiB.
        self.skb().len as usize
    }

    /// The family of the network header.
    #[inline]
    pub fn family(&self) -> Family {
        match self.linear().first() {
            Some(first) if first >> 4 == 6 => Family::V6,
            _ => Family::V4,
        }
    }

    /// Whether the link layer says that it is one of IP.
    pub fn is_ip(&self) -> bool {
        let protocol = u16::from_be(self.headers().protocol);
        protocol == ETH_P_IP || protocol == ETH_P_IPV6
    }

    /// The firewall mark.
    pub fn mark(&self) -> u32 {
        // SAFETY: Both views of the union are a word.
        unsafe { self.headers().__bindgen_anon_4.mark }
    }

    /// The type of service, or the traffic class.
    #[inline]
    pub fn dsfield(&self) -> u8 {
        match *self.linear() {
            [first, second, ..] if first >> 4 == 6 => (first << 4) | (second >> 4),
            [_, second, ..] => second,
            _ => 0,
        }
    }

    /// The bytes that are linear now; there may be more.
    #[inline]
    pub fn linear(&self) -> &[u8] {
        let len = self.skb().len.wrapping_sub(self.skb().data_len) as usize;
        // SAFETY: By the invariant `data` points at the linear part, `len - data_len` bytes long.
        unsafe { core::slice::from_raw_parts(self.skb().data, len) }
    }

    /// The first `len` bytes, made linear; `None` if the packet is shorter or memory is out.
    #[inline]
    pub fn read(&mut self, len: usize) -> Option<&[u8]> {
        if self.linear().len() < len {
            // CAST: A length beyond 4 GiB is refused, not cut.
            let wanted = u32::try_from(len).ok()?;
            // SAFETY: By the invariant.
            if !unsafe { c::kn_pskb_may_pull(self.as_ptr(), wanted) } {
                return None;
            }
        }
        self.linear().get(..len)
    }

    /// The first `len` bytes, linear and not shared with a clone.
    #[inline(always)]
    pub fn write(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.skb().cloned() != 0 || self.linear().len() < len {
            let wanted = u32::try_from(len).ok()?;
            // SAFETY: By the invariant.
            if unsafe { c::skb_ensure_writable(self.as_ptr(), wanted) } != 0 {
                return None;
            }
        }
        let data = self.skb().data;
        // SAFETY: `len` bytes are linear and in no clone, or the call has made them so.
        Some(unsafe { core::slice::from_raw_parts_mut(data, len) })
    }

    /// Makes room for so many bytes in front, in no clone; fails when memory is out.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, headroom: u32) -> Result {
        let skb = self.skb();
        let free = skb.data.addr().wrapping_sub(skb.head.addr());
        // CAST: Lossless on 64 bits.
        if skb.cloned() == 0 && free >= headroom as usize {
            return Ok(());
        }
        // SAFETY: By the invariant.
        to_result(unsafe { c::kn_skb_cow_head(self.as_ptr(), headroom) })
    }

    /// What the checksum field of the transport header holds. A checksum of the whole packet that
    /// the NIC has computed does not survive a translation and is forgotten.
    #[inline]
    pub fn prepare_checksum(&mut self) -> ChecksumState {
        match self.headers().ip_summed() {
            CHECKSUM_PARTIAL => ChecksumState::Partial,
            CHECKSUM_COMPLETE => {
                self.headers_mut().set_ip_summed(CHECKSUM_NONE);
                ChecksumState::Complete
            }
            _ => ChecksumState::Complete,
        }
    }

    /// Computes the checksum that the NIC was to complete, if it was.
    pub fn complete_checksum(&mut self) -> Result {
        if self.headers().ip_summed() != CHECKSUM_PARTIAL {
            return Ok(());
        }
        // SAFETY: By the invariant.
        to_result(unsafe { c::skb_checksum_help(self.as_ptr()) })
    }

    /// Leaves a transport checksum to the NIC: its field, `field` bytes behind the header at
    /// `transport`, holds the sum of the pseudo header.
    pub fn request_checksum(&mut self, transport: usize, field: usize) {
        // CAST: Offsets into headers.
        // SAFETY: By the invariant; the call checks the offsets.
        unsafe { c::kn_skb_request_checksum(self.as_ptr(), transport as u32, field as u32) };
    }

    fn shared_info(&self) -> &c::skb_shared_info {
        let skb = self.skb();
        // SAFETY: The shared info lies at `end`, an offset from `head` on 64-bit kernels.
        unsafe { &*skb.head.add(skb.end as usize).cast() }
    }

    fn shared_info_mut(&mut self) -> &mut c::skb_shared_info {
        let skb = self.skb();
        // SAFETY: As in `shared_info`; who replaces headers has made sure that they are not shared.
        unsafe { &mut *skb.head.add(skb.end as usize).cast() }
    }

    /// Whether this is one packet for many, to be segmented on the way out.
    pub fn is_gso(&self) -> bool {
        self.shared_info().gso_size != 0
    }

    /// Whether the stack has put the packet together from fragments: it may be fragmented again.
    #[inline]
    pub fn was_fragmented(&self, family: Family) -> bool {
        // SAFETY: By the invariant; in the IP layer the control block is the family's.
        unsafe { c::kn_skb_was_fragmented(self.as_ptr(), family == Family::V6) }
    }

    /// Puts an IPv4 datagram together of which this is a part: the whole of it with the last part,
    /// nothing before.
    pub fn reassemble(self, net: &Net) -> Option<Self> {
        // SAFETY: By the invariant, and the namespace is valid. Unless the call returns zero, the
        // packet is the queue's.
        if unsafe {
            c::ip_defrag(
                net.as_ptr(),
                self.as_ptr(),
                c::ip_defrag_users_IP_DEFRAG_VS_OUT,
            )
        } != 0
        {
            return None;
        }
        let mut whole = self;
        whole.allow_fragments();
        Some(whole)
    }

    /// Lets a packet be fragmented on its way out.
    pub fn allow_fragments(&mut self) {
        // SAFETY: By the invariant.
        unsafe { c::kn_skb_set_ignore_df(self.as_ptr()) };
    }

    /// Whether each of the packets on the wire is at most `mtu` bytes long.
    #[inline]
    pub fn fits(&self, mtu: u32) -> bool {
        if self.skb().len <= mtu {
            return true;
        }
        // SAFETY: By the invariant.
        self.is_gso() && unsafe { c::skb_gso_validate_network_len(self.as_ptr(), mtu) }
    }

    /// Whether a packet that a device hands over is one of the inet families, meant for this host, and
    /// for this device: of a tagged one, the VLAN's device is next to see it.
    #[inline]
    pub fn is_to_us(&self) -> bool {
        let headers = self.headers();
        let is_inet =
            headers.protocol == ETH_P_IP.to_be() || headers.protocol == ETH_P_IPV6.to_be();
        // SAFETY: All views of the union are words.
        let tag = unsafe { headers.__bindgen_anon_2.vlan_all };
        is_inet && headers.pkt_type() == PACKET_HOST && tag == 0
    }

    /// Whether its kind of frame says that it is of that family.
    #[inline]
    pub fn is_of(&self, family: Family) -> bool {
        let kind = match family {
            Family::V4 => ETH_P_IP,
            Family::V6 => ETH_P_IPV6,
        };
        self.headers().protocol == kind.to_be()
    }

    /// Whether a NIC has put the packet together in a way that cannot be undone (LRO): it must not be
    /// sent on.
    #[inline]
    pub fn is_merged_for_good(&self) -> bool {
        let shared = self.shared_info();
        self.skb().data_len != 0 && shared.gso_size != 0 && shared.gso_type == 0
    }

    /// Whether somebody else holds the packet, too.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.skb().users.refs.counter != 1
    }

    /// Says where the transport header is, and takes off what is behind the packet's end: what the IP
    /// layer does to what it receives. Fails when memory is out.
    #[inline(always)]
    pub fn settle(&mut self, transport: usize, len: usize) -> Result {
        let headers = self.headers_mut();
        // CAST: A network header is far below 64 KiB.
        headers.transport_header = headers.network_header.wrapping_add(transport as u16);
        if self.len() > len {
            // CAST: A packet is far below 4 GiB.
            // SAFETY: By the invariant.
            return to_result(unsafe { c::kn_pskb_trim_rcsum(self.as_ptr(), len as u32) });
        }
        Ok(())
    }

    /// Whether IPVS, or we, have handled the packet already.
    #[inline]
    pub fn is_ipvs(&self) -> bool {
        self.headers().ipvs_property() != 0
    }

    #[inline]
    pub(crate) fn mark_ipvs(&self) {
        // SAFETY: By the invariant the packet is ours to change.
        unsafe { (*self.as_ptr()).__bindgen_anon_4.headers.as_mut() }.set_ipvs_property(1);
    }

    /// Whether the packet came in over a device, and was not made by this host.
    #[inline]
    pub fn is_received(&self) -> bool {
        self.headers().skb_iif != 0
    }

    /// Whether routing has looked at the packet.
    pub fn has_route(&self) -> bool {
        // SAFETY: By the invariant.
        unsafe { c::kn_skb_has_route(self.as_ptr()) }
    }

    /// Replaces the network header, `old` bytes long, by one of the other family.
    ///
    /// The transport header stays as it is. Fails as [`replace`](Self::replace) does.
    pub fn replace_network(&mut self, old: usize, new: &[u8], family: Family) -> Result {
        self.replace(0, old, new)?;
        if self.is_gso() {
            let (from, to) = match family {
                Family::V4 => (c::SKB_GSO_TCPV6, c::SKB_GSO_TCPV4),
                Family::V6 => (c::SKB_GSO_TCPV4, c::SKB_GSO_TCPV6),
            };
            // CAST: Bits of 32.
            let (from, to) = (from as u32, to as u32);
            let shared = self.shared_info_mut();
            if shared.gso_type & from != 0 {
                shared.gso_type = shared.gso_type & !from & !FIXED_IDS | to;
            }
            // The header is another one than the sender's stack has vouched for.
            shared.gso_type |= c::SKB_GSO_DODGY as u32;
        }
        let start = self.headers().network_header;
        let headers = self.headers_mut();
        // CAST: A network header is far below 64 KiB.
        headers.transport_header = start.wrapping_add(new.len() as u16);
        headers.protocol = match family {
            Family::V4 => ETH_P_IP.to_be(),
            Family::V6 => ETH_P_IPV6.to_be(),
        };
        // The control block is the other family's from here on.
        self.skb_mut().cb = [0; 48];
        // SAFETY: By the invariant.
        unsafe { c::kn_skb_clear_hash(self.as_ptr()) };
        Ok(())
    }

    /// Lets the segments of a super-packet have the headers of the first, if they have headers of
    /// their own: what changes in the first, beyond addresses and ports, then changes in all. The
    /// headers are not shared with a clone.
    pub fn unite_headers(&mut self) {
        if self.shared_info().gso_type & GSO_FRAGLIST != 0 {
            self.shared_info_mut().gso_type &= !GSO_FRAGLIST;
        }
    }

    /// Replaces the `old` bytes at `at` by `new`; the headers before `at` move.
    ///
    /// The checksum fields are the caller's. Fails when memory is out or the bytes are not there;
    /// the packet is as it was then.
    pub fn replace(&mut self, at: usize, old: usize, new: &[u8]) -> Result {
        let end = at.checked_add(old).ok_or(EINVAL)?;
        self.write(end).ok_or(ENOMEM)?;
        self.unite_headers();
        let (grow, shrink) = (new.len().saturating_sub(old), old.saturating_sub(new.len()));
        // CAST: Option blocks are at most 40 bytes long.
        // SAFETY: By the invariant.
        to_result(unsafe { c::kn_skb_cow_head(self.as_ptr(), grow as u32) })?;
        let skb = self.skb_mut();
        // SAFETY: `cow_head` made room for `grow` bytes in front, and `shrink <= old` bytes are linear.
        unsafe {
            let to = skb.data.sub(grow).add(shrink);
            core::ptr::copy(skb.data, to, at);
            core::ptr::copy_nonoverlapping(new.as_ptr(), to.add(at), new.len());
            skb.data = to;
        }
        // CAST: As above; the difference of two header offsets.
        let (grow, shrink) = (grow as u32, shrink as u32);
        skb.len = skb.len.wrapping_add(grow).wrapping_sub(shrink);
        let partial = self.headers().ip_summed() == CHECKSUM_PARTIAL;
        let headers = self.headers_mut();
        // CAST: Less than the length of the headers.
        let place = headers.network_header.wrapping_add(at as u16);
        let moved = |offset: u16| match offset < place {
            true => offset.wrapping_sub(grow as u16).wrapping_add(shrink as u16),
            false => offset,
        };
        headers.transport_header = moved(headers.transport_header);
        if partial {
            // SAFETY: With CHECKSUM_PARTIAL the union holds start and offset.
            let sum = unsafe { &mut headers.__bindgen_anon_1.__bindgen_anon_1 };
            sum.csum_start = moved(sum.csum_start);
        }
        headers.network_header = headers
            .network_header
            .wrapping_sub(grow as u16)
            .wrapping_add(shrink as u16);
        Ok(())
    }

    /// Lets the Ethernet header follow the network header, which has moved `gap` bytes away from it: a
    /// bridge sends what is in front. The headers are not shared with a clone.
    pub fn bring_link_header(&mut self, gap: usize) {
        let skb = self.skb();
        let here = skb.data.addr().wrapping_sub(skb.head.addr());
        let headers = self.headers();
        let there = here.checked_sub(gap.saturating_add(ETH_HLEN));
        if there != Some(usize::from(headers.mac_header)) {
            // It has none.
            return;
        }
        // SAFETY: All of it is between the buffer's start and its data, as just compared.
        unsafe {
            let to = skb.data.sub(ETH_HLEN);
            core::ptr::copy(to.sub(gap), to, ETH_HLEN);
        }
        let headers = self.headers_mut();
        // CAST: Less than the offset of the network header.
        headers.mac_header = headers.mac_header.wrapping_add(gap as u16);
    }
}
