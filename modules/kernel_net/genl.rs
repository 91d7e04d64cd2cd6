// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family.
//!
//! Commands are functions over a request; what a request may hold is checked by the pure crate
//! `netlink` before the function sees it, and every refusal carries a sentence for the user.
//! Process context, no lock held: handlers take what they need.
//!
//! C header: `include/net/genetlink.h`.

mod message;

pub use message::Message;

use core::marker::PhantomData;
use flow_abi::Kind;
use kernel::alloc::{flags, KVec};
use kernel::error::{from_result, to_result};
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;
use netlink::{Attributes, Fault, Refusal};

use crate::net::Net;

/// One command.
pub struct Command {
    /// Its number.
    pub id: u8,
    /// Whether it needs CAP_NET_ADMIN.
    pub admin: bool,
    /// What it does.
    pub action: Action,
}

/// What a command does.
pub enum Action {
    /// Acts on one request; the answer is success or a refusal.
    Do(fn(&Request<'_>) -> Result),
    /// Lists something, one message each.
    Dump(fn(&Request<'_>, &mut Dump<'_>) -> Result),
}

/// A family: its name and what it can do.
pub trait Family: Sync + Sized + 'static {
    /// The name user space looks for, at most 15 bytes.
    const NAME: &'static str;
    /// The version of the family.
    const VERSION: u8;
    /// What a message may hold.
    const KINDS: &'static [Kind];
    /// The commands.
    const COMMANDS: &'static [Command];
}

/// A request of user space.
pub struct Request<'a> {
    /// The namespace it is about.
    pub net: &'a Net,
    /// What it says.
    pub attributes: Attributes<'a>,
    extack: *mut c::netlink_ext_ack,
}

impl Request<'_> {
    /// Refuses the request: an errno for programs, a sentence for people.
    pub fn refuse(&self, error: Error, sentence: &'static CStr) -> Error {
        // SAFETY: The acknowledgement, if there is one, lives as long as the request.
        if let Some(extack) = unsafe { self.extack.as_mut() } {
            extack._msg = sentence.as_char_ptr();
        }
        error
    }

    /// Refuses the request for what is wrong with an attribute.
    pub fn fault(&self, refusal: Refusal) -> Error {
        explain(self.extack, refusal)
    }
}

fn explain(extack: *mut c::netlink_ext_ack, refusal: Refusal) -> Error {
    let (error, sentence) = match refusal.fault {
        Fault::Truncated => (EINVAL, c"the request ends inside an attribute"),
        Fault::Unknown => (
            EINVAL,
            c"the request holds an attribute this kernel does not know",
        ),
        Fault::Twice => (EINVAL, c"the request holds an attribute twice"),
        Fault::Length => (ERANGE, c"an attribute of the request has the wrong length"),
        Fault::Missing => (EINVAL, c"an attribute is missing from the request"),
    };
    // SAFETY: The acknowledgement, if there is one, lives as long as the request.
    if let Some(extack) = unsafe { extack.as_mut() } {
        extack._msg = sentence.as_char_ptr();
        if refusal.fault == Fault::Missing {
            extack.miss_type = refusal.attribute;
        }
    }
    error
}

/// A listing in progress: messages go in until one does not fit any more.
pub struct Dump<'a> {
    skb: *mut c::sk_buff,
    callback: &'a mut c::netlink_callback,
    info: &'a c::genl_info,
}

impl Dump<'_> {
    /// What a dump keeps from one part to the next, in the words that netlink sets aside for it.
    fn kept(&mut self) -> &mut [usize; 2] {
        // SAFETY: The union is 48 bytes of plain words, zeroed by netlink at the start.
        unsafe { &mut *(&raw mut self.callback.__bindgen_anon_1).cast() }
    }

    /// Where the last part of the listing stopped: two numbers, zero at first.
    pub fn position(&mut self) -> (usize, usize) {
        let [outer, inner] = *self.kept();
        (outer, inner)
    }

    /// Remembers where to go on.
    pub fn stop_at(&mut self, outer: usize, inner: usize) {
        *self.kept() = [outer, inner];
    }

    /// Adds one message, filled by `fill`; false if it does not fit and is not there.
    pub fn message(&mut self, command: u8, fill: impl FnOnce(&mut Message<'_>) -> Result) -> bool {
        // SAFETY: Netlink passed the buffer and the request for the time of the dump.
        let Some(mut message) = (unsafe { Message::start(self.skb, self.info, command) }) else {
            return false;
        };
        let filled = fill(&mut message).is_ok();
        message.end(filled);
        filled
    }
}

/// A request comes in.
///
/// # Safety
///
/// Called by netlink, with the request and its parsed headers.
unsafe extern "C" fn doit<F: Family>(_skb: *mut c::sk_buff, info: *mut c::genl_info) -> i32 {
    from_result(|| {
        // SAFETY: Valid for the time of the call.
        let info = unsafe { &*info };
        // SAFETY: As above.
        let (request, action) = unsafe { request::<F>(info) }?;
        match action {
            Action::Do(act) => act(&request).map(|()| 0),
            Action::Dump(_) => Err(crate::errno::not_supported()),
        }
    })
}

/// The next part of a listing is wanted. Returns the bytes there are; none means the end.
///
/// # Safety
///
/// Called by netlink, with its buffer and its callback of a dump.
unsafe extern "C" fn dumpit<F: Family>(
    skb: *mut c::sk_buff,
    callback: *mut c::netlink_callback,
) -> i32 {
    from_result(|| {
        // SAFETY: Valid for the time of the call; `data` is what generic netlink put there.
        let (callback, info) = unsafe {
            (
                &mut *callback,
                &(*(*callback).data.cast::<c::genl_dumpit_info>()).info,
            )
        };
        // SAFETY: As above.
        let (request, action) = unsafe { request::<F>(info) }?;
        match action {
            Action::Dump(list) => list(
                &request,
                &mut Dump {
                    skb,
                    callback,
                    info,
                },
            )?,
            Action::Do(_) => return Err(crate::errno::not_supported()),
        }
        // SAFETY: The buffer is netlink's and valid.
        Ok(unsafe { (*skb).len } as i32)
    })
}

/// # Safety
///
/// `info` and what it points to are valid for `'a`.
unsafe fn request<'a, F: Family>(info: &'a c::genl_info) -> Result<(Request<'a>, &'static Action)> {
    const HEADERS: usize = size_of::<c::nlmsghdr>() + size_of::<c::genlmsghdr>();
    // SAFETY: The contract. Netlink has checked that the message holds both headers and is
    // `nlmsg_len` bytes long.
    let (command, payload, net) = unsafe {
        let message = info.nlhdr.cast::<u8>();
        // CAST: Lossless on 64 bits.
        let len = ((*info.nlhdr).nlmsg_len as usize).saturating_sub(HEADERS);
        let payload = core::slice::from_raw_parts(message.add(HEADERS), len);
        ((*info.genlhdr).cmd, payload, Net::from_raw(info._net.net))
    };
    let extack = info.extack;
    let attributes = Attributes::parse(payload, F::KINDS).map_err(|r| explain(extack, r))?;
    let action = F::COMMANDS
        .iter()
        .find(|c| c.id == command)
        .ok_or_else(crate::errno::not_supported)?;
    Ok((
        Request {
            net,
            attributes,
            extack,
        },
        &action.action,
    ))
}

/// The registered family.
///
/// # Invariants
///
/// `family` is registered; `operations` are what it points to.
pub struct Registration<F: Family> {
    family: Pin<KBox<Opaque<c::genl_family>>>,
    _operations: KVec<c::genl_ops>,
    _family: PhantomData<F>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<F: Family> Send for Registration<F> {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl<F: Family> Sync for Registration<F> {}

impl<F: Family> Registration<F> {
    /// Registers the family.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        let mut operations = KVec::with_capacity(F::COMMANDS.len(), flags::GFP_KERNEL)?;
        for command in F::COMMANDS {
            let mut operation = c::genl_ops {
                cmd: command.id,
                // CAST: A bit of one byte.
                flags: if command.admin {
                    c::GENL_UNS_ADMIN_PERM as u8
                } else {
                    0
                },
                ..Default::default()
            };
            match command.action {
                Action::Do(_) => operation.doit = Some(doit::<F>),
                Action::Dump(_) => operation.dumpit = Some(dumpit::<F>),
            }
            operations
                .push_within_capacity(operation)
                .map_err(|_| ENOMEM)?;
        }
        let mut family = c::genl_family {
            version: u32::from(F::VERSION),
            module: module.as_ptr(),
            ops: operations.as_ptr(),
            // CAST: A handful.
            n_ops: operations.len() as u8,
            resv_start_op: u8::MAX,
            ..Default::default()
        };
        family.set_netnsok(1);
        family.set_parallel_ops(1);
        for (to, from) in family.name.iter_mut().zip(F::NAME.bytes().take(15)) {
            // CAST: A byte is a byte.
            *to = from as ffi::c_char;
        }
        let family = KBox::pin(Opaque::new(family), GFP_KERNEL)?;
        // SAFETY: The family and its operations stay where they are until it is unregistered.
        to_result(unsafe { c::genl_register_family(family.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            family,
            _operations: operations,
            _family: PhantomData,
        })
    }
}

impl<F: Family> Drop for Registration<F> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Returns when no handler of ours runs any more.
        unsafe { c::genl_unregister_family(self.family.get()) };
    }
}
