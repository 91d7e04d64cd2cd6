// SPDX-License-Identifier: GPL-2.0
//! The variables. What nobody says is `-`, as in DPVS's patches for nginx, so that maps written for those fit.
//!
//! nginx asks for a variable at most once per request or session and keeps the value.

use std::ffi::c_int;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ngx::ffi::{
    ngx_connection_t, ngx_http_request_t, ngx_int_t, ngx_pnalloc, ngx_pool_t, ngx_str_t,
    ngx_stream_session_t, ngx_variable_value_t, sockaddr, NGX_ERROR, NGX_OK,
};

use crate::socket::{self, Client};

/// A request of HTTP, or a session of stream.
pub trait Session {
    /// The connection it came by.
    fn connection(&self) -> *mut ngx_connection_t;
    /// Memory that lasts as long as it.
    fn pool(&self) -> *mut ngx_pool_t;
}

impl Session for ngx_http_request_t {
    fn connection(&self) -> *mut ngx_connection_t {
        self.connection
    }

    fn pool(&self) -> *mut ngx_pool_t {
        self.pool
    }
}

impl Session for ngx_stream_session_t {
    fn connection(&self) -> *mut ngx_connection_t {
        self.connection
    }

    fn pool(&self) -> *mut ngx_pool_t {
        // SAFETY: A session has a connection from its beginning to its end.
        unsafe { (*self.connection).pool }
    }
}

/// What a variable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Address,
    Port,
}

/// Whom a variable asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Toa,
    Uoa,
}

/// The variables by name; nginx hands a variable's place in here to its handler.
const ALL: [(&str, Source, Part); 4] = [
    ("toa_remote_addr", Source::Toa, Part::Address),
    ("toa_remote_port", Source::Toa, Part::Port),
    ("uoa_remote_addr", Source::Uoa, Part::Address),
    ("uoa_remote_port", Source::Uoa, Part::Port),
];

/// Makes the variables known: `add` is told a name, and the place that [`get`] wants to hear. `NGX_OK`, or
/// `NGX_ERROR` as soon as `add` returns false.
pub fn add_all(mut add: impl FnMut(&mut ngx_str_t, usize) -> bool) -> ngx_int_t {
    for (place, (name, ..)) in ALL.iter().enumerate() {
        // nginx copies the name.
        let mut name = ngx_str_t {
            len: name.len(),
            data: name.as_ptr().cast_mut(),
        };
        if !add(&mut name, place) {
            return NGX_ERROR as ngx_int_t;
        }
    }
    NGX_OK as ngx_int_t
}

/// nginx's handler of all of them.
///
/// # Safety
///
/// nginx calls it: with a session of the type that the subsystem has, whose connection and pool are valid, and with a
/// place that [`add_all`] has told.
pub unsafe extern "C" fn get<S: Session>(
    session: *mut S,
    value: *mut ngx_variable_value_t,
    place: usize,
) -> ngx_int_t {
    // SAFETY: nginx's processes have one thread, and it waits for us.
    let (session, value) = unsafe { (&*session, &mut *value) };
    let said = ALL.get(place).and_then(|(_, source, part)| {
        // SAFETY: As above.
        let client = unsafe { client(&*session.connection(), *source) }?;
        Some(match part {
            Part::Address => client.address.to_string(),
            Part::Port => client.port.to_string(),
        })
    });
    let text = said.as_deref().unwrap_or("-");
    // SAFETY: The pool is the session's.
    let memory = unsafe { ngx_pnalloc(session.pool(), text.len()) }.cast::<u8>();
    if memory.is_null() {
        return NGX_ERROR as ngx_int_t;
    }
    // SAFETY: So many bytes have just been allocated.
    unsafe { memory.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    value.data = memory;
    // Addresses are short.
    value.set_len(text.len() as u32);
    value.set_valid(1);
    value.set_no_cacheable(0);
    value.set_not_found(0);
    NGX_OK as ngx_int_t
}

/// # Safety
///
/// What the connection points to is valid.
unsafe fn client(connection: &ngx_connection_t, source: Source) -> Option<Client> {
    // A stream of QUIC has no socket of its own.
    // SAFETY: nginx keeps a stream's parent as long as the stream.
    let quic = unsafe { connection.quic.as_ref() };
    let is_datagram = quic.is_some() || connection.type_ == libc::SOCK_DGRAM;
    match source {
        Source::Toa if is_datagram => None,
        Source::Toa => socket::of_connection(connection.fd),
        Source::Uoa if !is_datagram => None,
        Source::Uoa => {
            // SAFETY: As above.
            let connection = unsafe { quic.map_or(connection, |stream| &*stream.parent) };
            // SAFETY: A connection's addresses are as long as their families say.
            let (peer, local) = unsafe {
                (
                    address(connection.sockaddr),
                    address(connection.local_sockaddr),
                )
            };
            socket::of_datagrams(connection.fd, peer?, local?)
        }
    }
}

/// # Safety
///
/// `address` is null, or as long as its family says.
unsafe fn address(address: *const sockaddr) -> Option<SocketAddr> {
    // SAFETY: By the contract.
    let family = unsafe { address.as_ref() }?.sa_family;
    match c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: By the contract.
            let address = unsafe { &*address.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(address.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: By the contract.
            let address = unsafe { &*address.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            Some(SocketAddr::from((ip, u16::from_be(address.sin6_port))))
        }
        _ => None,
    }
}
