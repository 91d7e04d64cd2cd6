// SPDX-License-Identifier: GPL-2.0

//! What is counted: every reason to drop a packet or to send it on with less than was promised.
//!
//! Where Alibaba's LVS has a counter of the same meaning, it has the same name.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A counter of one namespace.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            /// All counters, in the order in which they are shown.
            pub const ALL: &[Counter] = &[$(Counter::$variant,)*];

            /// The name user space sees.
            pub const fn name(self) -> &'static core::ffi::CStr {
                match self {
                    $(Counter::$variant => $name,)*
                }
            }
        }
    };
}

counters! {
    /// Packets that went to a real server with the client's address as a TCP option.
    AddToaOk = c"fullnat_add_toa_ok",
    /// Not so because the packet would have become longer than the way out allows.
    AddToaTooLong = c"fullnat_add_toa_fail_len",
    /// Not so because the TCP header was full.
    AddToaHeaderFull = c"fullnat_add_toa_head_full",
    /// Not so because memory was out.
    AddToaNoMemory = c"fullnat_add_toa_fail_mem",
    /// Options that claimed to be such an address and came from the client: removed.
    ToaForged = c"fullnat_toa_removed",
    /// Connections bound to a local address.
    ConnNew = c"fullnat_conn_new",
    /// Of those, how many had to take a port that the server may remember.
    ConnReused = c"fullnat_conn_reused",
    /// New connections dropped: the module of the forwarding method is not loaded.
    NoMethod = c"fullnat_no_method",
    /// New connections dropped: one-packet scheduling leaves nothing to bind to.
    OnePacket = c"fullnat_one_packet",
    /// New connections dropped: the service has no local address.
    NoLocalAddress = c"fullnat_no_laddr",
    /// New connections dropped: no port left on any local address.
    NoPort = c"fullnat_no_port",
    /// New connections dropped: memory was out.
    NoMemory = c"fullnat_no_mem",
    /// Packets to a service dropped: they belong to no connection and start none.
    NoConnection = c"fullnat_no_conn",
    /// Packets dropped: headers truncated or lying.
    Malformed = c"fullnat_malformed",
    /// Packets dropped: no route.
    NoRoute = c"fullnat_no_route",
    /// Packets dropped and reported to the sender: larger than the way out, not to be fragmented.
    TooBig = c"fullnat_too_big",
    /// Packets dropped and reported to the sender: time to live used up.
    TtlExpired = c"fullnat_ttl_expired",
    /// Packets dropped: their connection was about to end with its module or namespace.
    Closing = c"fullnat_closing",
    /// ICMP errors passed on to a client or to a real server.
    IcmpPassed = c"fullnat_icmp_passed",
    /// ICMP errors dropped: what they quote is malformed.
    IcmpMalformed = c"fullnat_icmp_malformed",
}
