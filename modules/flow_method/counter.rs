// SPDX-License-Identifier: GPL-2.0

//! What is counted: every reason to drop a packet or to send it on with less than was promised.
//!
//! Where Alibaba's LVS has a counter of the same meaning, it has the same name.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $kind:ident $name:literal,)*) => {
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

            /// Whether it is a reason to drop a packet.
            pub const fn is_drop(self) -> bool {
                match self {
                    $(Counter::$variant => counters!(@ $kind),)*
                }
            }
        }
    };
    (@ drop) => { true };
    (@ note) => { false };
}

counters! {
    /// Packets that went to a real server with the client's address as a TCP option.
    AddToaOk = note c"fullnat_add_toa_ok",
    /// Not so because the packet would have become longer than the way out allows.
    AddToaTooLong = note c"fullnat_add_toa_fail_len",
    /// Not so because the TCP header was full.
    AddToaHeaderFull = note c"fullnat_add_toa_head_full",
    /// Not so because memory was out.
    AddToaNoMemory = note c"fullnat_add_toa_fail_mem",
    /// Options that claimed to be such an address and came from the client: removed.
    ToaForged = note c"fullnat_toa_removed",
    /// Datagrams that went to a real server with the client's address in front.
    AddUoaOk = note c"fullnat_add_uoa_ok",
    /// Not so for want of room: the address went ahead in a packet of its own.
    AddUoaAlone = note c"fullnat_add_uoa_alone",
    /// Not so because memory was out.
    AddUoaNoMemory = note c"fullnat_add_uoa_fail_mem",
    /// Flows that cannot be introduced in the way the service wants: an IP option is for IPv4.
    AddUoaFailProto = note c"fullnat_add_uoa_fail_proto",
    /// Datagrams with IP options that claimed to be such an address and came from the client:
    /// removed.
    UoaForged = note c"fullnat_uoa_removed",
    /// Connections bound to a local address.
    ConnNew = note c"fullnat_conn_new",
    /// Of those, how many had to take a port that the server may remember.
    ConnReused = note c"fullnat_conn_reused",
    /// Connections that began anew on a port the server may remember, while IPVS still had the last
    /// one.
    ConnRebased = note c"fullnat_conn_rebased",
    /// New connections dropped: the module of the forwarding method is not loaded.
    NoMethod = drop c"fullnat_no_method",
    /// New connections dropped: one-packet scheduling leaves nothing to bind to.
    OnePacket = drop c"fullnat_one_packet",
    /// New connections dropped: the service has no local address.
    NoLocalAddress = drop c"fullnat_no_laddr",
    /// New connections dropped: no port left on any local address.
    NoPort = drop c"fullnat_no_port",
    /// New connections dropped: memory was out.
    NoMemory = drop c"fullnat_no_mem",
    /// New connections dropped: the server is an alias that stands for nobody.
    NoAlias = drop c"fullnat_no_alias",
    /// Packets dropped: the service of their connection is gone.
    NoService = drop c"fullnat_no_service",
    /// Packets to a service dropped: they belong to no connection and start none.
    NoConnection = drop c"fullnat_no_conn",
    /// TCP segments to a virtual address dropped that belong to no connection and start none.
    DefenceTcp = drop c"defence_tcp_drop",
    /// Datagrams dropped to a virtual address that serves only TCP.
    DefenceUdp = drop c"defence_udp_drop",
    /// Fragments to a virtual address dropped.
    DefenceFragment = drop c"defence_ip_frag_drop",
    /// Packets dropped: headers truncated or lying.
    Malformed = drop c"fullnat_malformed",
    /// Packets dropped: no route.
    NoRoute = drop c"fullnat_no_route",
    /// Packets dropped and reported to the sender: larger than the way out, not to be fragmented.
    TooBig = drop c"fullnat_too_big",
    /// Packets dropped and reported to the sender: time to live used up.
    TtlExpired = drop c"fullnat_ttl_expired",
    /// Packets dropped: their connection was about to end with its module or namespace.
    Closing = drop c"fullnat_closing",
    /// Resets sent to clients whose established connection has ended by IPVS's timer.
    ResetClient = note c"rst_out_established",
    /// The same, to real servers.
    ResetServer = note c"rst_in_established",
    /// ICMP errors passed on to a client or to a real server.
    IcmpPassed = note c"fullnat_icmp_passed",
    /// ICMP errors dropped: what they quote is malformed.
    IcmpMalformed = drop c"fullnat_icmp_malformed",
    /// ICMP errors dropped: the other family has no such error (RFC 7915).
    IcmpNoEquivalent = drop c"fullnat_icmp_no_equivalent",
}
