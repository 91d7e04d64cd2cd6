// SPDX-License-Identifier: GPL-2.0

//! A message to user space in the making.
//!
//! C header: `include/net/netlink.h`.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use net_bindings as c;

/// A message that attributes are added to.
///
/// # Invariants
///
/// `skb` is a netlink buffer, `header` the message's header in it.
pub struct Message<'a> {
    skb: *mut c::sk_buff,
    header: NonNull<ffi::c_void>,
    _buffer: PhantomData<&'a mut c::sk_buff>,
}

impl Message<'_> {
    /// Starts a message that answers the request `info`; `None` if there is no room for its header.
    ///
    /// # Safety
    ///
    /// `skb` is a netlink buffer that the caller fills and that outlives the message.
    pub(super) unsafe fn start(
        skb: *mut c::sk_buff,
        info: &c::genl_info,
        command: u8,
    ) -> Option<Self> {
        // CAST: A flag of 16 bits.
        let flags = c::NLM_F_MULTI as i32;
        // SAFETY: The contract; generic netlink keeps the family as long as its requests.
        let header = NonNull::new(unsafe {
            c::genlmsg_put(
                skb,
                info.snd_portid,
                info.snd_seq,
                info.family,
                flags,
                command,
            )
        })?;
        // INVARIANT: Put into the buffer just now.
        Some(Self {
            skb,
            header,
            _buffer: PhantomData,
        })
    }

    /// Closes the message, or takes it back.
    pub(super) fn end(self, complete: bool) {
        // SAFETY: By the invariant.
        unsafe {
            if complete {
                c::kn_genlmsg_end(self.skb, self.header.as_ptr());
            } else {
                c::kn_genlmsg_cancel(self.skb, self.header.as_ptr());
            }
        }
    }

    /// Adds bytes.
    pub fn bytes(&mut self, id: u16, payload: &[u8]) -> Result {
        let len = i32::try_from(payload.len())?;
        // SAFETY: By the invariant; the payload is copied, if there is room for all of it.
        to_result(unsafe { c::nla_put(self.skb, i32::from(id), len, payload.as_ptr().cast()) })
    }

    /// Adds a number in the host's order.
    pub fn u8(&mut self, id: u16, value: u8) -> Result {
        self.bytes(id, &[value])
    }

    /// Adds nothing but the fact that it is there.
    pub fn flag(&mut self, id: u16) -> Result {
        self.bytes(id, &[])
    }

    /// Adds a number in the host's order.
    pub fn u16(&mut self, id: u16, value: u16) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Adds a number in the host's order.
    pub fn u32(&mut self, id: u16, value: u32) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Adds a number in the host's order, not necessarily aligned.
    pub fn u64(&mut self, id: u16, value: u64) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Adds text with a zero byte behind it.
    pub fn text(&mut self, id: u16, value: &CStr) -> Result {
        self.bytes(id, value.to_bytes_with_nul())
    }

    /// Adds an attribute that holds the attributes `fill` adds.
    pub fn nest(&mut self, id: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        // SAFETY: By the invariant.
        let start = unsafe { c::kn_nla_nest_start(self.skb, i32::from(id)) };
        if start.is_null() {
            return Err(EMSGSIZE);
        }
        fill(self)?;
        // SAFETY: `start` lies in the buffer.
        unsafe { c::kn_nla_nest_end(self.skb, start) };
        Ok(())
    }
}
