// SPDX-License-Identifier: GPL-2.0

//! A forwarding method that is not IPVS's own.
//!
//! Binding puts three pointers into a connection: the method's data into `app_data`, a private
//! `struct ip_vs_app` into `app`, the transmit function into `packet_xmit`. From then on IPVS hands
//! every packet of the client to the method, and when the connection ends, `done_conn` returns the
//! data: the connection's life stays IPVS's business.
//!
//! C counterpart: `ip_vs_bind_xmit()`, `ip_vs_unbind_app()`.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{fence, AtomicI32, Ordering};
use kernel_net::netfilter::Verdict;
use kernel_net::rcu::{self, RcuBox};
use kernel_net::skb::Packet;
use net_bindings as c;

use crate::Conn;

/// A forwarding method.
pub trait Forwarding: Sync + Sized + 'static {
    /// What is bound to a connection.
    type Data: Send + Sync + 'static;

    /// The app that leads back to this method.
    fn app() -> &'static App<Self>;

    /// Sends a packet of the client. Softirq, or process context for local clients; under RCU.
    ///
    /// With `is_error` the packet is an ICMP error about a packet to the client.
    fn transmit(conn: &Conn, data: &Self::Data, packet: Packet<'_>, is_error: bool) -> Verdict;

    /// The connection ends. Readers under RCU may go on using the data; it must be made
    /// unreachable here.
    fn done(conn: &Conn, data: &Self::Data) -> Option<RcuBox<Self::Data>>;
}

/// The private `struct ip_vs_app` of a method; it is on no list of IPVS's.
pub struct App<F: Forwarding> {
    app: UnsafeCell<c::ip_vs_app>,
    _method: PhantomData<F>,
}

// SAFETY: IPVS reads the function pointers and counts atomically; nobody else writes after `init`.
unsafe impl<F: Forwarding> Sync for App<F> {}

impl<F: Forwarding> App<F> {
    /// An app to be put into a `static`.
    pub const fn new() -> Self {
        // SAFETY: Null pointers and zeroes are valid for every field.
        let app = unsafe { core::mem::zeroed() };
        Self {
            app: UnsafeCell::new(app),
            _method: PhantomData,
        }
    }

    fn as_ptr(&self) -> *mut c::ip_vs_app {
        self.app.get()
    }

    /// Fills in what a constant cannot hold. Called once, before any [`Conn::bind`].
    pub fn init(&self) {
        let app = self.as_ptr();
        // SAFETY: Nobody uses the app before it is bound to a connection.
        unsafe {
            // `ip_vs_app_inc_put()` puts the module of the app's app. There is none: connections
            // do not hold the module, it ends them when it is unloaded.
            (*app).app = app;
            (*app).done_conn = Some(done::<F>);
        }
    }
}

impl<F: Forwarding> Default for App<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl Conn {
    /// Whether the connection is bound to the method `F`.
    pub fn is_bound<F: Forwarding>(&self) -> bool {
        // SAFETY: The object is valid; a pointer is read at once.
        let app = unsafe { (&raw const (*self.as_ptr()).app).read_volatile() };
        app == F::app().as_ptr()
    }

    /// Binds the connection to the method `F`, unless another CPU was quicker, and returns the data.
    ///
    /// `make` runs under the connection's lock. The data it returns stays the connection's until
    /// [`Forwarding::done`].
    pub fn bind<'a, F: Forwarding>(
        &self,
        _guard: &'a rcu::Guard,
        make: impl FnOnce() -> Option<&'a F::Data>,
    ) -> Option<&'a F::Data> {
        let (conn, app) = (self.as_ptr(), F::app());
        // SAFETY: The connection is valid, and its lock was initialised with it.
        unsafe { c::kn_spin_lock_bh(&raw mut (*conn).lock) };
        // SAFETY: The fields are written under the lock only, until the connection ends.
        let data = unsafe {
            if (*conn).app == app.as_ptr() {
                (*conn).app_data.cast::<F::Data>().cast_const().as_ref()
            } else if !(*conn).app.is_null() {
                None
            } else {
                let data = make();
                if let Some(data) = data {
                    let users = &raw mut (*app.as_ptr()).usecnt.counter;
                    AtomicI32::from_ptr(users).fetch_add(1, Ordering::Relaxed);
                    (*conn).app_data = core::ptr::from_ref(data).cast_mut().cast();
                    (*conn).app = app.as_ptr();
                    // The method shows IPVS the replies, too.
                    (*conn).flags &= !c::IP_VS_CONN_F_NOOUTPUT;
                    // ORDERING: Release pairs with the check in `transmit`: a CPU that sees the
                    // function but not yet the data drops one packet.
                    fence(Ordering::Release);
                    (&raw mut (*conn).packet_xmit).write_volatile(Some(transmit::<F>));
                }
                data
            }
        };
        // SAFETY: Taken above.
        unsafe { c::kn_spin_unlock_bh(&raw mut (*conn).lock) };
        data
    }
}

/// `cp->packet_xmit`.
///
/// # Safety
///
/// Called by IPVS with a reference to a connection that is bound to `F`, under RCU.
unsafe extern "C" fn transmit<F: Forwarding>(
    skb: *mut c::sk_buff,
    conn: *mut c::ip_vs_conn,
    _protocol: *mut c::ip_vs_protocol,
    header: *mut c::ip_vs_iphdr,
) -> i32 {
    // SAFETY: IPVS passes a valid connection.
    let data = unsafe { (&raw const (*conn).app_data).read_volatile() }.cast::<F::Data>();
    // SAFETY: Null, or the data `bind` stored; `done` clears it first and the rest waits for RCU.
    let verdict = match unsafe { data.cast_const().as_ref() } {
        None => Verdict::Drop,
        Some(data) => {
            // SAFETY: IPVS passes a valid header, connection and packet, the packet at its
            // network header.
            let (header, conn, packet) =
                unsafe { (&*header, Conn::from_raw(conn), Packet::from_raw(skb)) };
            // CAST: One of two flags.
            let is_error = header.hdr_flags & c::IP_VS_HDR_ICMP as i32 != 0;
            F::transmit(conn, data, packet, is_error)
        }
    };
    // CAST: A small number.
    verdict.to_raw() as i32
}

/// `app->done_conn`.
///
/// # Safety
///
/// Called by IPVS once, when nobody can find the connection any more; under RCU.
unsafe extern "C" fn done<F: Forwarding>(_app: *mut c::ip_vs_app, conn: *mut c::ip_vs_conn) -> i32 {
    // SAFETY: IPVS passes a valid connection that is bound to this app.
    unsafe {
        let data = (*conn).app_data.cast::<F::Data>();
        (&raw mut (*conn).app_data).write_volatile(core::ptr::null_mut());
        if let Some(data) = NonNull::new(data) {
            drop(F::done(Conn::from_raw(conn), data.as_ref()));
        }
    }
    0
}
