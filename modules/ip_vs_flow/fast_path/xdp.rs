// SPDX-License-Identifier: GPL-2.0

//! Frames of flows pass where the driver shows them to an XDP program.
//!
//! The program (`userspace/xdp-loader`) asks [`ip_vs_flow_frame`], by way of `kfunc.c`, and sends what has been
//! translated. What does not pass goes on as it was, and comes by [`ingress`](super::ingress) next: all
//! that takes room or a look at what the NIC says about checksums. In NAPI's softirq.
//!
//! A local sender's frame may have no transport checksum yet, which nothing here tells. Drivers of real
//! NICs never show such frames; veth does, unless the sender's offload is off (`ethtool -K DEV tx off`).
//!
//! Kernel counterpart: `bpf_prog_run_xdp()`, and `nf_flow_offload_inet_hook()`.

use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use kernel_ipvs::Direction;
use kernel_net::next_hop::NextHop;
use kernel_net::rcu;
use kernel_net::xdp::{Context, Frame, Obstacle, Origin};
use nat::shape::{TCP4, TCP6, UDP4, UDP6};
use nat::{ChecksumState, Detour, Headers, Shape, Tuple};
use wire::Ethernet;

use super::ingress::Interface;
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

/// Where a frame has come in, and what is counted there.
type Place<'a> = (&'a Namespace, &'a Interface, Origin<'a>);

/// What the program asks: see `kfunc.c`, the only caller.
#[no_mangle]
extern "C" fn ip_vs_flow_frame(
    namespace: Option<&Namespace>,
    interface: u32,
    origin: Origin<'_>,
    context: Context<'_>,
) -> ffi::c_int {
    let place = namespace.map(|namespace| (namespace, interface));
    place.map_or(0, |place| consider(place, origin, context).unwrap_or(0))
}

/// The device that a frame is to be sent by, translated; zero or `None` for one that is as it was.
///
/// Here is what frames of no flow cost. What is done for others is compiled once for each of the usual
/// shapes, and once more for the rest.
#[inline(always)]
fn consider(
    (namespace, interface): (&Namespace, u32),
    origin: Origin<'_>,
    context: Context<'_>,
) -> Option<ffi::c_int> {
    let guard = context.guard();
    let interface = namespace.fast_path.frames(interface, guard)?;
    if !namespace.scene.tunables.takes_shortcuts() {
        return None;
    }
    let start = context.bytes().get(Ethernet::LEN..);
    Some(match start.and_then(Shape::of) {
        Some(Shape::Udp4) => meet::<UDP4>(namespace, interface, origin, context),
        Some(Shape::Tcp4) => meet::<TCP4>(namespace, interface, origin, context),
        Some(Shape::Udp6) => meet::<UDP6>(namespace, interface, origin, context),
        Some(Shape::Tcp6) => meet::<TCP6>(namespace, interface, origin, context),
        None => pass_other(namespace, interface, origin, context),
    })
}

/// A frame that is of the shape of that length, if it has no tag and is in one piece.
#[inline(always)]
fn meet<const N: usize>(
    namespace: &Namespace,
    interface: &Interface,
    origin: Origin<'_>,
    context: Context<'_>,
) -> ffi::c_int {
    let bytes = context.bytes();
    let start = bytes.get(Ethernet::LEN..).unwrap_or(&[]);
    match (Ethernet::untagged(bytes), Shape::of_len(N)) {
        (Some(family), Some(shape)) if shape.family() == family && !context.has_fragments() => {
            match namespace.flows().may_have_shape(shape, start) {
                true => pass_shape::<N>(namespace, interface, origin, context),
                false => finish(interface, Err(Detour::NoFlow)),
            }
        }
        _ => pass_other(namespace, interface, origin, context),
    }
}

/// Tells the program what has become of a frame, and counts it if it has not passed.
#[inline(always)]
fn finish(interface: &Interface, result: Result<u32, Detour>) -> ffi::c_int {
    let number = result.unwrap_or_else(|detour| {
        interface.leave(detour);
        0
    });
    // CAST: Numbers of devices are positive.
    number as ffi::c_int
}

/// Translates a frame of a flow; or leaves it as it was, and counts why.
#[inline(never)]
fn pass_shape<const N: usize>(
    namespace: &Namespace,
    interface: &Interface,
    origin: Origin<'_>,
    context: Context<'_>,
) -> ffi::c_int {
    let place = (namespace, interface, origin);
    finish(interface, pass_as_shape::<N>(place, context))
}

#[inline(always)]
fn pass_as_shape<const N: usize>(place: Place<'_>, context: Context<'_>) -> Result<u32, Detour> {
    let (guard, frame) = (context.guard(), context.whole());
    let shape = Shape::of_len(N).ok_or(Detour::Scattered)?;
    let bytes = frame.bytes.get_mut(..Ethernet::LEN.saturating_add(N));
    let bytes = bytes.ok_or_else(|| Detour::Scattered.taken())?;
    let link = Ethernet {
        len: Ethernet::LEN,
        vlan: None,
        family: shape.family(),
    };
    let start = bytes.get(link.len..).unwrap_or(&[]);
    // Whatever its length: a packet of more than 64 KiB, which does not say how long it is, is none of ours.
    let headers = Headers::of_shape(shape, start, 0)?;
    let frame = Frame { bytes, ..frame };
    pass_with(place, frame, link, (headers, Some(shape)), guard)
}

/// The same with any other.
#[inline(never)]
fn pass_other(
    namespace: &Namespace,
    interface: &Interface,
    origin: Origin<'_>,
    context: Context<'_>,
) -> ffi::c_int {
    finish(interface, pass_any((namespace, interface, origin), context))
}

#[inline(always)]
fn pass_any(place: Place<'_>, context: Context<'_>) -> Result<u32, Detour> {
    let (guard, frame) = (context.guard(), context.frame());
    let link = Ethernet::parse(frame.bytes).map_err(|_| Detour::NoFlow)?;
    let start = frame.bytes.get(link.len..).unwrap_or(&[]);
    if !place.0.flows().may_have(start) {
        return Err(Detour::NoFlow);
    }
    let headers = Headers::parse(start, frame.len.saturating_sub(link.len))?;
    pass_with(place, frame, link, (headers, None), guard)
}

#[inline(always)]
fn pass_with(
    place: Place<'_>,
    frame: Frame<'_>,
    link: Ethernet,
    (headers, shape): (Headers, Option<Shape>),
    guard: &rcu::Guard,
) -> Result<u32, Detour> {
    let found = place.0.flows().find(&headers.tuple, guard);
    let (bound, direction) = found.ok_or(Detour::NoFlow)?;
    let headers = shape.map_or(headers, |shape| headers.with_shape(shape));
    // Each direction has code of its own, too.
    match direction {
        Direction::Request => {
            let flow = (bound, Direction::Request);
            pass_as(place, frame, link, headers, flow, guard)
        }
        Direction::Reply => {
            let flow = (bound, Direction::Reply);
            pass_as(place, frame, link, headers, flow, guard)
        }
    }
}

#[inline(always)]
fn pass_as(
    (_, interface, origin): Place<'_>,
    mut frame: Frame<'_>,
    link: Ethernet,
    mut headers: Headers,
    flow: (&BoundFlow, Direction),
    guard: &rcu::Guard,
) -> Result<u32, Detour> {
    let packet = frame.bytes.get_mut(link.len..).unwrap_or(&mut []);
    let passage = Passage::of(flow, packet, &headers, guard)?;
    if headers.tuple.family != passage.family() {
        return Err(Detour::Family.taken());
    }
    // What is behind the packet fills up a short frame, or is for the stack to take off.
    let end = link.len.saturating_add(headers.total_len);
    let is_filled = frame.len == end || frame.len <= Ethernet::MIN_FRAME;
    if link.family != headers.tuple.family || frame.len < end || !is_filled {
        return Err(Detour::Malformed.taken());
    }
    // CAST: Lossless on 64 bits.
    let fits = || headers.total_len <= passage.hop.mtu() as usize;
    if headers.total_len > transit::SURE_TO_FIT && !fits() {
        return Err(Detour::TooBig.taken());
    }
    admit(&frame, origin, &link, passage.hop, guard)?;
    passage.count(headers.total_len, interface, guard)?;
    let packet = frame.bytes.get_mut(link.len..).unwrap_or(&mut []);
    // It cannot fail, the headers having been read; if it did, the packet would be as it was.
    let to = Tuple {
        family: headers.tuple.family,
        ..passage.to()
    };
    passage
        .rewrite(&to)
        .apply(packet, &mut headers, ChecksumState::Complete, 1)
        .map_err(|_| Detour::Malformed)?;
    link.retag(frame.bytes, passage.hop.vlan());
    frame.readdress(passage.hop);
    Ok(passage.hop.interface())
}

/// Whether the frame gets to the receiver as XDP sends it.
#[inline(always)]
fn admit(
    frame: &Frame<'_>,
    origin: Origin<'_>,
    link: &Ethernet,
    hop: &NextHop,
    guard: &rcu::Guard,
) -> Result<(), Detour> {
    // There is no room for a tag, and none may be taken off.
    if hop.vlan().is_some() != link.vlan.is_some() {
        return Err(Detour::NoWay.taken());
    }
    let can_leave = frame.can_leave(origin, hop, guard);
    can_leave.map_err(|obstacle| match obstacle {
        Obstacle::Hop => Detour::NoHop,
        // Frames for other hosts on the link are not ours.
        Obstacle::Address => Detour::NoFlow,
        Obstacle::Device => Detour::NoWay,
    })
}
