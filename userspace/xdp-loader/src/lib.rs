// SPDX-License-Identifier: GPL-2.0
//! Attaches FullNAT's XDP program to interfaces, and shows what it forwards.
//!
//! The program is a few instructions ([`attach`]): it asks `ip_vs_flow.ko` what becomes of a frame and does it.
//! It is held by a link of BPF that is pinned below [`PINS`]: it outlives the command that made it, and goes
//! with its interface. Frames that it forwards are not seen by tcpdump; [`capture`] shows them.
//!
//! | module | |
//! |---|---|
//! | `attach` | loading, attaching, detaching |
//! | `interface` | what the kernel says about an interface and the program there |
//! | `pins` | the links below [`PINS`] |
//! | `holders` | who keeps the module from being unloaded |
//! | `capture`, `record` | frames as they came and as they left |
//! | `filter` | which of them are wanted |
//! | `pcap` | files of them |
//!
//! libbpf does the loading: the program calls a function of a module, which takes a loader that finds the
//! function in the module's BTF.

#![forbid(unsafe_code)]

mod attach;
mod capture;
mod error;
mod filter;
mod holders;
mod interface;
pub mod pcap;
mod pins;
mod record;

pub use attach::{attach, detach, is_nic, status, Options, Status};
pub use capture::{capture, Event};
pub use error::Error;
pub use filter::{Filter, FilterError};
pub use holders::{holders, Holder};
pub use interface::Mode;
pub use pins::PINS;
pub use record::{Record, Verdict};

/// The module whose function the program calls.
const MODULE: &str = "ip_vs_flow";

/// The program's name, in the object file and in the kernel.
const PROGRAM: &str = "ip_vs_flow_fast";

/// An aligned copy of an object file that build.rs has made: libbpf reads it in place.
macro_rules! object {
    ($name:literal) => {{
        #[repr(align(8))]
        struct Aligned<T: ?Sized>(T);
        const OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
            env!("OUT_DIR"),
            "/",
            $name,
            ".bpf.o"
        )));
        &OBJECT.0
    }};
}
use object;
