// SPDX-License-Identifier: GPL-2.0

//! Frames of flows pass where the driver shows them to an XDP program.
//!
//! The program (`userspace/xdp-loader`) asks [`ip_vs_flow_frame`], by way of `kfunc.c`, and sends what has been
//! translated. What does not pass goes on as it was, and comes by [`ingress`](super::ingress) next: all
//! that takes room or a look at what the NIC says about checksums. In NAPI's softirq, under RCU.
//!
//! A local sender's frame may have no transport checksum yet, which nothing here tells. Drivers of real
//! NICs never show such frames; veth does, unless the sender's offload is off (`ethtool -K DEV tx off`).
//!
//! Kernel counterpart: `bpf_prog_run_xdp()`, and `nf_flow_offload_inet_hook()`.

use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use kernel_ipvs::Direction;
use kernel_net::net::PerNet;
use kernel_net::rcu;
use kernel_net::xdp::{Context, Frame, Way};
use nat::{ChecksumState, Detour, Headers};
use wire::Ethernet;

use super::PLAIN_V4;
use crate::flows::BoundFlow;
use crate::namespace::Namespace;
use crate::shortcut::Passage;
use crate::transit;

unsafe extern "C" {
    /// Tells BPF that programs may call us; in `kfunc.c`. Safe: it takes nothing that could be wrong.
    safe fn ip_vs_flow_register_kfunc() -> ffi::c_int;
}

/// Lets XDP programs call us from now on.
pub(crate) fn register() -> Result {
    to_result(ip_vs_flow_register_kfunc())
}

/// What the program asks: see `kfunc.c`, the only caller.
#[no_mangle]
extern "C" fn ip_vs_flow_frame(context: Context<'_>) -> ffi::c_int {
    match context.frame().and_then(consider) {
        // CAST: Numbers of devices are positive.
        Some(interface) => interface as ffi::c_int,
        None => 0,
    }
}

/// The device that a frame is to be sent by, translated; `None` for one that is as it was.
#[inline(always)]
fn consider(mut frame: Frame<'_>) -> Option<u32> {
    let guard = rcu::read_lock();
    let namespace = Namespace::of_guarded(frame.net(&guard), &guard)?;
    let interface = namespace.fast_path.frames(frame.interface(), &guard)?;
    if !namespace.scene.tunables.takes_shortcuts() {
        return None;
    }
    let result = pass(namespace, &mut frame, &guard);
    interface.count(result.map(|_| ()));
    result.ok()
}

/// Translates a frame of a flow; or leaves it as it was, and says why.
///
/// Compiled in one piece for what nearly all frames of IPv4 begin with, and once more for the rest, so
/// that headers stay in registers.
#[inline(always)]
fn pass(namespace: &Namespace, frame: &mut Frame<'_>, guard: &rcu::Guard) -> Result<u32, Detour> {
    // Asked for first: what is known of bytes is forgotten by a call.
    let whole = frame.len();
    let bytes = frame.linear();
    match (Ethernet::parse_v4(bytes), bytes.get(Ethernet::LEN)) {
        (Some(link), Some(&PLAIN_V4)) => {
            let (start, len) = packet(namespace, bytes, whole, &link)?;
            let headers = Headers::parse_v4(start, len)?;
            pass_with(namespace, (frame, whole), link, headers, guard)
        }
        _ => pass_other(namespace, (frame, whole), guard),
    }
}

#[inline(never)]
fn pass_other(
    namespace: &Namespace,
    (frame, whole): (&mut Frame<'_>, usize),
    guard: &rcu::Guard,
) -> Result<u32, Detour> {
    let bytes = frame.linear();
    let link = Ethernet::parse(bytes).map_err(|_| Detour::NoFlow)?;
    let (start, len) = packet(namespace, bytes, whole, &link)?;
    let headers = Headers::parse(start, len)?;
    pass_with(namespace, (frame, whole), link, headers, guard)
}

/// The first bytes of the packet in a frame, and how many there are in all, if it may belong to a flow.
#[inline(always)]
fn packet<'f>(
    namespace: &Namespace,
    bytes: &'f [u8],
    whole: usize,
    link: &Ethernet,
) -> Result<(&'f [u8], usize), Detour> {
    let start = bytes.get(link.len..).unwrap_or(&[]);
    match namespace.flows().may_have(start) {
        true => Ok((start, whole.saturating_sub(link.len))),
        false => Err(Detour::NoFlow),
    }
}

#[inline(always)]
fn pass_with(
    namespace: &Namespace,
    frame: (&mut Frame<'_>, usize),
    link: Ethernet,
    headers: Headers,
    guard: &rcu::Guard,
) -> Result<u32, Detour> {
    let found = namespace.flows().find(&headers.tuple, guard);
    let (bound, direction) = found.ok_or(Detour::NoFlow)?;
    // Each direction has code of its own, too.
    match direction {
        Direction::Request => pass_as(frame, link, headers, (bound, Direction::Request), guard),
        Direction::Reply => pass_as(frame, link, headers, (bound, Direction::Reply), guard),
    }
}

#[inline(always)]
fn pass_as(
    (frame, whole): (&mut Frame<'_>, usize),
    link: Ethernet,
    mut headers: Headers,
    flow: (&BoundFlow, Direction),
    guard: &rcu::Guard,
) -> Result<u32, Detour> {
    let packet = frame.linear().get(link.len..).unwrap_or(&[]);
    let passage = Passage::of(flow, packet, &headers, guard)?;
    let to = passage.to();
    if headers.tuple.family != to.family {
        return Err(Detour::Family);
    }
    // What is behind the packet fills up a short frame, or is for the stack to take off.
    let end = link.len.saturating_add(headers.total_len);
    let is_filled = whole == end || whole <= Ethernet::MIN_FRAME;
    if link.family != headers.tuple.family || whole < end || !is_filled {
        return Err(Detour::Malformed);
    }
    // CAST: Lossless on 64 bits.
    let fits = || headers.total_len <= passage.hop.mtu() as usize;
    if headers.total_len > transit::SURE_TO_FIT && !fits() {
        return Err(Detour::TooBig);
    }
    let way = way(frame, &link, &passage, guard)?;
    passage.count(headers.total_len, guard)?;
    let bytes = frame.linear();
    let packet = bytes.get_mut(link.len..).unwrap_or(&mut []);
    // It cannot fail, the headers having been read; if it did, the packet would be as it was.
    passage
        .rewrite(&to)
        .apply(packet, &mut headers, ChecksumState::Complete, 1)
        .map_err(|_| Detour::Malformed)?;
    Ethernet::readdress(bytes, way.destination, way.source, way.vlan);
    Ok(way.interface)
}

/// How the frame gets to the receiver as XDP sends it. Frames for other hosts on the link are not ours.
#[inline(always)]
fn way(
    frame: &Frame<'_>,
    link: &Ethernet,
    passage: &Passage<'_>,
    guard: &rcu::Guard,
) -> Result<Way, Detour> {
    if !frame.is_for(&link.destination) {
        return Err(Detour::NoFlow);
    }
    let way = frame.way(passage.hop, guard).ok_or(Detour::NoWay)?;
    match way.vlan.is_some() == link.vlan.is_some() {
        true => Ok(way),
        // There is no room for a tag, and none may be taken off.
        false => Err(Detour::NoWay),
    }
}
