// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and data a module keeps for each of them.
//!
//! A module has one [`PerNet`] type. A value of it is made for every namespace that exists or comes
//! into being while the module is loaded, and dropped before the namespace, or the module, goes away.
//! Process context.
//!
//! C header: `include/net/net_namespace.h`, `include/net/netns/generic.h`.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::{from_result, to_result};
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

use crate::rcu::Guard;
use crate::skb::Packet;

/// A network namespace.
#[repr(transparent)]
pub struct Net(Opaque<c::net>);

// SAFETY: All that is done with a shared `Net` the kernel allows from any context.
unsafe impl Sync for Net {}

impl Net {
    /// The namespace behind a C pointer.
    ///
    /// # Safety
    ///
    /// `net` is valid for the life time the caller chooses.
    pub unsafe fn from_raw<'a>(net: *mut c::net) -> &'a Self {
        // SAFETY: The contract; `Net` is a transparent wrapper.
        unsafe { &*net.cast() }
    }

    /// The C object.
    pub fn as_ptr(&self) -> *mut c::net {
        self.0.get()
    }
}

/// Data of one namespace.
pub trait PerNet: Send + Sync + Sized + 'static {
    /// Where the module remembers its number.
    fn slot() -> &'static Slot<Self>;

    /// Makes the data of a namespace.
    fn new(net: &Net) -> Result<Pin<KBox<Self>>>;

    /// Stops what comes in: hooks, files. Nobody who was under RCU meanwhile is left when
    /// [`exit`](Self::exit) is called.
    fn pre_exit(&self) {}

    /// Ends what may still refer to the data; it is dropped afterwards.
    fn exit(&self, _net: &Net) {}

    /// The data of `net`.
    #[inline]
    fn of(net: &Net) -> Option<&Self> {
        let id = Self::slot().id();
        if id == 0 {
            return None;
        }
        // SAFETY: A registered number has room for a pointer in every namespace.
        let place = unsafe { c::kn_net_generic(net.as_ptr(), id) }.cast::<*const Self>();
        // SAFETY: The pointer is null, or what `init` stored; `exit` clears it when nobody, by the
        // contract of `PerNet`, uses the namespace any more.
        unsafe { place.as_ref()?.as_ref() }
    }

    /// The same for who has a packet in hand, and is under RCU therefore.
    #[inline]
    fn of_packet<'a>(net: &'a Net, _packet: &Packet<'_>) -> Option<&'a Self> {
        // SAFETY: Packets are handled under RCU.
        unsafe { Self::of_rcu(net) }
    }

    /// The same under RCU.
    #[inline]
    fn of_guarded<'a>(net: &'a Net, _guard: &'a Guard) -> Option<&'a Self> {
        // SAFETY: By the guard.
        unsafe { Self::of_rcu(net) }
    }

    /// The same without a lock.
    ///
    /// # Safety
    ///
    /// The caller is under RCU.
    #[inline]
    unsafe fn of_rcu(net: &Net) -> Option<&Self> {
        let id = Self::slot().id();
        if id == 0 {
            return None;
        }
        // SAFETY: As in `of`, and under RCU.
        let place = unsafe { c::kn_net_generic_rcu(net.as_ptr(), id) }.cast::<*const Self>();
        // SAFETY: As in `of`.
        unsafe { place.as_ref()?.as_ref() }
    }
}

/// The number under which a module's per-namespace data is found: an `unsigned int` of C. One `static` per
/// [`PerNet`].
#[repr(transparent)]
pub struct Slot<T: PerNet> {
    id: UnsafeCell<ffi::c_uint>,
    _data: PhantomData<T>,
}

// SAFETY: The kernel writes the number while the operations are registered, before any reader.
unsafe impl<T: PerNet> Sync for Slot<T> {}

impl<T: PerNet> Slot<T> {
    /// An unregistered slot.
    pub const fn new() -> Self {
        Self {
            id: UnsafeCell::new(0),
            _data: PhantomData,
        }
    }

    #[inline]
    fn id(&self) -> ffi::c_uint {
        // SAFETY: Written only while the operations are registered or unregistered.
        unsafe { self.id.get().read() }
    }
}

impl<T: PerNet> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps the data of all namespaces alive.
///
/// # Invariants
///
/// `operations` are registered.
pub struct Registration<T: PerNet> {
    operations: Pin<KBox<Opaque<c::pernet_operations>>>,
    _data: PhantomData<T>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<T: PerNet> Send for Registration<T> {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl<T: PerNet> Sync for Registration<T> {}

impl<T: PerNet> Registration<T> {
    /// Makes the data of all namespaces.
    pub fn new() -> Result<Self> {
        let operations = c::pernet_operations {
            init: Some(init::<T>),
            pre_exit: Some(pre_exit::<T>),
            exit: Some(exit::<T>),
            id: T::slot().id.get(),
            size: size_of::<*const T>(),
            ..Default::default()
        };
        let operations = KBox::pin(Opaque::new(operations), GFP_KERNEL)?;
        // SAFETY: The operations stay where they are until they are unregistered.
        to_result(unsafe { c::register_pernet_subsys(operations.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            operations,
            _data: PhantomData,
        })
    }
}

impl<T: PerNet> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { c::unregister_pernet_subsys(self.operations.get()) };
    }
}

/// A namespace comes into being, or the module is loaded.
///
/// # Safety
///
/// Called by the kernel while the operations of `T` are registered.
unsafe extern "C" fn init<T: PerNet>(net: *mut c::net) -> ffi::c_int {
    from_result(|| {
        // SAFETY: The kernel passes a valid namespace.
        let net = unsafe { Net::from_raw(net) };
        // SAFETY: The value is not moved until `exit` drops it in place.
        let data = KBox::into_raw(unsafe { Pin::into_inner_unchecked(T::new(net)?) });
        // SAFETY: The namespace has room for a pointer under our number.
        unsafe {
            c::kn_net_generic(net.as_ptr(), T::slot().id())
                .cast::<*mut T>()
                .write(data)
        };
        Ok(0)
    })
}

/// The namespace, or the module, is about to go away. The kernel waits for an RCU grace period after
/// it has called this for all namespaces that go.
///
/// # Safety
///
/// Called by the kernel once per namespace that `init` was called for.
unsafe extern "C" fn pre_exit<T: PerNet>(net: *mut c::net) {
    // SAFETY: The kernel passes a valid namespace.
    if let Some(data) = T::of(unsafe { Net::from_raw(net) }) {
        data.pre_exit();
    }
}

/// The namespace, or the module, goes away.
///
/// # Safety
///
/// Called by the kernel once per namespace that `init` was called for.
unsafe extern "C" fn exit<T: PerNet>(net: *mut c::net) {
    // SAFETY: The kernel passes a valid namespace; the place holds what `init` stored.
    let place = unsafe { c::kn_net_generic(net, T::slot().id()) }.cast::<*mut T>();
    // SAFETY: As above.
    let Some(data) = NonNull::new(unsafe { place.read() }) else {
        return;
    };
    // SAFETY: The data lives until it is dropped below, the namespace longer.
    unsafe { data.as_ref().exit(Net::from_raw(net)) };
    // SAFETY: `exit` has seen to it that nobody uses the data any more; it came from a `KBox`.
    unsafe {
        place.write(core::ptr::null_mut());
        drop(KBox::from_raw(data.as_ptr()));
    }
}
