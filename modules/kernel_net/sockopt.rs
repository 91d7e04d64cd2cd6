// SPDX-License-Identifier: GPL-2.0

//! Socket options of level `IPPROTO_IP` that a module answers.
//!
//! getsockopt() comes here from IPv4 and IPv6 sockets alike, when no option of IP itself has that
//! number. Process context, without the socket lock.
//!
//! C header: `include/linux/netfilter.h`, `struct nf_sockopt_ops`.

use core::marker::PhantomData;
use kernel::error::{from_result, to_result};
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::uaccess::{UserPtr, UserSlice};
use net_bindings as c;

use crate::sock::Sock;

/// An option that can be read.
pub trait GetOption: 'static {
    /// The option's number.
    const NUMBER: i32;
    /// What it says; the bytes a program gets.
    type Answer: AsRef<[u8]>;

    /// Answers for one socket.
    fn get(sock: &Sock, question: Question) -> Result<Self::Answer>;
}

/// What a program has written into the buffer that it wants the answer in.
pub struct Question {
    user: UserPtr,
    room: usize,
}

impl Question {
    /// The first bytes of the buffer. `EINVAL` if it has not as many.
    pub fn read<const N: usize>(&self) -> Result<[u8; N]> {
        if self.room < N {
            return Err(EINVAL);
        }
        let mut bytes = [0; N];
        UserSlice::new(self.user, N)
            .reader()
            .read_slice(&mut bytes)?;
        Ok(bytes)
    }
}

/// An option, registered as long as this value lives.
///
/// # Invariants
///
/// `operations` are registered.
pub struct Registration<T: GetOption> {
    operations: Pin<KBox<Opaque<c::nf_sockopt_ops>>>,
    _option: PhantomData<fn(T)>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<T: GetOption> Send for Registration<T> {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl<T: GetOption> Sync for Registration<T> {}

impl<T: GetOption> Registration<T> {
    /// Registers the option. `EBUSY` if another module answers it.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        let operations = c::nf_sockopt_ops {
            // CAST: A small number of an enum.
            pf: c::NFPROTO_IPV4 as u8,
            get_optmin: T::NUMBER,
            get_optmax: T::NUMBER.wrapping_add(1),
            get: Some(get::<T>),
            owner: module.as_ptr().cast(),
            ..Default::default()
        };
        let operations = KBox::pin(Opaque::new(operations), GFP_KERNEL)?;
        // SAFETY: The operations stay where they are until they are unregistered.
        to_result(unsafe { c::nf_register_sockopt(operations.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            operations,
            _option: PhantomData,
        })
    }
}

impl<T: GetOption> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. A call that runs holds the module.
        unsafe { c::nf_unregister_sockopt(self.operations.get()) };
    }
}

/// Called by netfilter for a getsockopt() of our number.
///
/// # Safety
///
/// `sock` is a valid socket, `user` and `length` are what the system call was given.
unsafe extern "C" fn get<T: GetOption>(
    sock: *mut kernel::bindings::sock,
    _number: ffi::c_int,
    user: *mut ffi::c_void,
    length: *mut ffi::c_int,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: The kernel passes a pointer to its own copy of the length.
        let room = usize::try_from(unsafe { length.read() }).map_err(|_| EINVAL)?;
        let user = UserPtr::from_ptr(user);
        // SAFETY: The system call holds the socket.
        let answer = T::get(unsafe { Sock::from_raw(sock) }, Question { user, room })?;
        let answer = answer.as_ref();
        if room < answer.len() {
            return Err(EINVAL);
        }
        UserSlice::new(user, answer.len())
            .writer()
            .write_slice(answer)?;
        // CAST: An answer of a few bytes.
        // SAFETY: As above.
        unsafe { length.write(answer.len() as ffi::c_int) };
        Ok(0)
    })
}
