// SPDX-License-Identifier: GPL-2.0

//! Probes at the entry and at the return of kernel functions.
//!
//! A [`Function`] knows a kernel function's prototype and turns registers into arguments; a
//! [`Handler`] is told of its calls. Handlers run wherever the function is called, with preemption off
//! (so they are RCU readers): no sleeping, no user memory. What a handler calls must not be a probed
//! function; `helpers.o` is compiled without calls to ftrace for that reason.
//!
//! A call can be missed: by a full or absent shadow stack, by recursion, and before Linux 7.3 by
//! `kernel.ftrace_enabled=0`, which fails nothing and counts nothing. Handlers must be right when any
//! of their calls does not come. A probe without an exit is a plain ftrace call, the cheaper kind.
//!
//! C header: `include/linux/fprobe.h`.

use core::marker::PhantomData;
use kernel::error::{to_result, VTABLE_DEFAULT_ERROR};
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

use crate::rcu::{self, Guard};

/// The registers of a call, at its entry or at its return.
#[repr(transparent)]
pub struct Registers(Opaque<kernel::bindings::ftrace_regs>);

impl Registers {
    /// # Safety
    ///
    /// `registers` are those an fprobe handler was called with, which runs for all of `'a`.
    unsafe fn from_raw<'a>(registers: *mut kernel::bindings::ftrace_regs) -> &'a Self {
        // SAFETY: The contract; `Registers` is a transparent wrapper.
        unsafe { &*registers.cast() }
    }

    /// The arguments that lie in registers; of use at the entry only.
    #[inline]
    pub(crate) fn arguments(&self) -> [usize; 6] {
        // SAFETY: The registers are valid; the kernel answers zero for an argument on the stack.
        unsafe { c::kn_ftrace_arguments(self.0.get()) }.registers
    }

    /// The argument `n` of those that lie on the stack, counted from zero; of use at the entry only.
    pub(crate) fn stack_argument(&self, n: u32) -> usize {
        // SAFETY: The registers are valid; the kernel answers zero for what is beyond the stack.
        unsafe { c::kn_ftrace_stack_argument(self.0.get(), n) }
    }

    /// What the function returns; of use at the return only.
    pub(crate) fn result(&self) -> usize {
        // SAFETY: The registers are valid.
        unsafe { c::kn_ftrace_return_value(self.0.get()) }
    }
}

/// The prototype of a kernel function.
///
/// # Safety
///
/// `SYMBOL` names a function of the prototype that `arguments` and `output` read.
pub unsafe trait Function: 'static {
    /// The function's name.
    const SYMBOL: &'static CStr;
    /// Its arguments.
    type Arguments<'a>;
    /// What of the arguments `output` needs: at the return they have left the registers.
    type Kept: Copy + 'static;
    /// What the function has done.
    type Output<'a>;

    /// Reads the arguments.
    ///
    /// # Safety
    ///
    /// The registers are those of a call of the function, at its entry.
    unsafe fn arguments(registers: &Registers) -> (Self::Arguments<'_>, Self::Kept);

    /// Reads the result.
    ///
    /// # Safety
    ///
    /// The registers are those of a call of the function, at its return; `kept` is from its entry.
    unsafe fn output(registers: &Registers, kept: Self::Kept) -> Self::Output<'_>;
}

/// What is done when `F` is called and when it returns.
#[vtable]
pub trait Handler<F: Function>: Send + Sync + 'static {
    /// What the entry hands to the return of the same call.
    type Call: Copy + 'static;

    /// The function is called. `None`: its return is of no interest.
    fn entry(&self, arguments: F::Arguments<'_>, guard: &Guard) -> Option<Self::Call>;

    /// The function returns. A handler without this method is a cheaper probe.
    fn exit(&self, _call: Self::Call, _output: F::Output<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// What lies on the task's shadow stack between entry and return.
///
/// A call may outlive the probe, and the next probe may be allocated at the address the kernel knows
/// the call's by. Only the number tells whether the rest is ours.
#[repr(C)]
struct Carried<K, C> {
    generation: u64,
    kept: K,
    call: C,
}

/// What the kernel knows the address of. The probe comes first, so that handlers find the rest.
#[repr(C)]
struct Inner<H> {
    probe: Opaque<c::fprobe>,
    generation: u64,
    handler: H,
}

/// A probe of the function `F`, registered as long as this value lives.
///
/// # Invariants
///
/// `inner.probe` is registered, with the handlers of these `F` and `H`.
pub struct Fprobe<F: Function, H: Handler<F>> {
    inner: Pin<KBox<Inner<H>>>,
    _function: PhantomData<fn(F)>,
}

// SAFETY: Handlers are `Send` and `Sync`; registration may happen in any thread.
unsafe impl<F: Function, H: Handler<F>> Send for Fprobe<F, H> {}
// SAFETY: As above; a shared reference only reads counters.
unsafe impl<F: Function, H: Handler<F>> Sync for Fprobe<F, H> {}

impl<F: Function, H: Handler<F>> Fprobe<F, H> {
    /// Registers the probe. `ENOENT` if this kernel has no such function. Process context.
    pub fn new(handler: H) -> Result<Self> {
        let size = if H::HAS_EXIT {
            size_of::<Carried<F::Kept, H::Call>>()
        } else {
            0
        };
        const {
            // The kernel's limits: 15 words (FPROBE_DATA_SIZE_BITS), aligned as words are.
            assert!(size_of::<Carried<F::Kept, H::Call>>() <= 15 * size_of::<usize>());
            assert!(align_of::<Carried<F::Kept, H::Call>>() <= align_of::<usize>());
        }
        let probe = c::fprobe {
            entry_handler: Some(entry::<F, H>),
            exit_handler: if H::HAS_EXIT {
                Some(exit::<F, H>)
            } else {
                None
            },
            entry_data_size: size,
            ..Default::default()
        };
        // SAFETY: A function without requirements.
        let generation = unsafe { kernel::bindings::get_random_u64() };
        let inner = Inner {
            probe: Opaque::new(probe),
            generation,
            handler,
        };
        let inner = KBox::pin(inner, GFP_KERNEL)?;
        let mut symbol = F::SYMBOL.as_char_ptr();
        // SAFETY: The probe stays where it is until it is unregistered; one symbol is passed.
        to_result(unsafe { c::register_fprobe_syms(inner.probe.get(), &mut symbol, 1) })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            inner,
            _function: PhantomData,
        })
    }

    /// Calls that the kernel knows it could not tell of; it does not know of all.
    pub fn missed(&self) -> u64 {
        // SAFETY: The probe is valid; the kernel counts without a lock.
        let missed = unsafe { (&raw const (*self.inner.probe.get()).nmissed).read_volatile() };
        // CAST: A word, 64 bits wide.
        missed as u64
    }
}

impl<F: Function, H: Handler<F>> Drop for Fprobe<F, H> {
    fn drop(&mut self) {
        // A call that is under way returns unseen: the kernel no longer finds the probe's address.
        // SAFETY: By the invariant. Returns when no handler runs any more.
        unsafe { c::unregister_fprobe(self.inner.probe.get()) };
    }
}

/// Called by ftrace at the entry of a probed function.
///
/// # Safety
///
/// `probe` is that of an [`Fprobe`] of `F` and `H`, the registers are those of a call of `F`, and
/// `data` has room for what the handler carries.
unsafe extern "C" fn entry<F: Function, H: Handler<F>>(
    probe: *mut c::fprobe,
    _ip: usize,
    _return_ip: usize,
    registers: *mut kernel::bindings::ftrace_regs,
    data: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: The probe is the first field of an `Inner`, which lives as long as it is registered.
    let inner = unsafe { &*probe.cast::<Inner<H>>() };
    // SAFETY: The kernel passes the registers of the entry into `F`.
    let (arguments, kept) = unsafe { F::arguments(Registers::from_raw(registers)) };
    // SAFETY: ftrace calls with preemption off.
    let guard = unsafe { rcu::held() };
    let Some(call) = inner.handler.entry(arguments, guard) else {
        // Not zero: no return trampoline for this call.
        return 1;
    };
    if H::HAS_EXIT {
        let carried = Carried {
            generation: inner.generation,
            kept,
            call,
        };
        // SAFETY: The kernel has reserved `entry_data_size` bytes, aligned as words are.
        unsafe { data.cast::<Carried<F::Kept, H::Call>>().write(carried) };
    }
    0
}

/// Called by ftrace when a probed function returns for whose call [`entry`] returned zero.
///
/// # Safety
///
/// As for [`entry`]; `data` is what an entry has written, not necessarily that of this probe.
unsafe extern "C" fn exit<F: Function, H: Handler<F>>(
    probe: *mut c::fprobe,
    _ip: usize,
    _return_ip: usize,
    registers: *mut kernel::bindings::ftrace_regs,
    data: *mut ffi::c_void,
) {
    // SAFETY: As in `entry`.
    let inner = unsafe { &*probe.cast::<Inner<H>>() };
    // SAFETY: Whoever wrote the data, an `Fprobe` did, and its first word is a generation.
    if unsafe { data.cast::<u64>().read() } != inner.generation {
        return;
    }
    // SAFETY: The generation says that `entry` of this very probe has written it.
    let Carried { kept, call, .. } = unsafe { data.cast::<Carried<F::Kept, H::Call>>().read() };
    // SAFETY: The kernel passes the registers of the return from `F`.
    let output = unsafe { F::output(Registers::from_raw(registers), kept) };
    inner.handler.exit(call, output);
}
