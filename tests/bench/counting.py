# SPDX-License-Identifier: GPL-2.0
"""Instructions per packet: a set-up is proven to forward rightly, and then its packets are counted.

Under icount a nanosecond of the machine is an instruction, so the clock is the counter. What the generator and the
links cost is counted with the same frames and a director that drops them where they come in: the floor of that row.
"""

import dataclasses
import gc
import statistics
import subprocess
import time

from . import memory
from .flow import ADDRESSES
from .flow import CLIENT_ISN
from .flow import DATA
from .flow import FIRST_PORT
from .flow import PORTS
from .flow import SERVER_ISN
from .flow import Flow
from .flow import Wrong
from .network import CLIENT
from .network import MAC
from .network import Network
from .network import Sender
from .network import Tap
from .setups import KINDS
from .setups import PORT
from .setups import SETUPS
from .setups import TCP

PACKETS = 20000
_SLICES = 5
_WARM = 2000
_SAMPLE = 1000
# Seconds after which the next packet of a flow takes the long way.
_STALE = 0.6
# Packets of the director itself that may be among those counted: neighbour discovery and the like.
_STRAYS = 20
_ENDS = {"request": ("gen", "g0", "l0", "sink", "s0"), "reply": ("sink", "s0", "l1", "gen", "g0")}


@dataclasses.dataclass
class Count:
    """Instructions per packet, or nanoseconds where time is time."""

    total: float
    floor: float
    refresh_share: float | None = None

    @property
    def net(self):
        """What the director costs."""
        return self.total - self.floor


class Bench:
    """A set-up in namespaces of its own, with flows of one kind through it."""

    def __init__(self, setup, kind, flows=1):
        self.setup, self.kind, self.count = setup, kind, flows
        self.network = Network({kind.near, kind.far})
        setup.prepare(self.network, kind)
        self.memory = None

    def prove(self):
        """Open the flows, and let packets of each in both directions show that all is right with them."""
        taps = {"sink": Tap(self.network.sink, "s0"), "gen": Tap(self.network.gen, "g0")}
        senders = {"gen": Sender(self.network.gen, "g0"), "sink": Sender(self.network.sink, "s0")}

        def request(flow, *words):
            self._pass(senders["gen"], flow.request(*words), taps["sink"], flow.check_request)

        def reply(flow, *words):
            self._pass(senders["sink"], flow.reply(*words), taps["gen"], flow.check_reply)

        step = max(self.count // _SAMPLE, 1)
        flows = [Flow.numbered(self.setup, self.kind, number) for number in range(0, self.count, step)]
        for flow in flows:
            if self.kind.protocol == TCP:
                request(flow, "S", CLIENT_ISN, 0, b"")
                reply(flow, "SA", SERVER_ISN, CLIENT_ISN + 1, b"")
                request(flow, "A", CLIENT_ISN + 1, SERVER_ISN + 1, b"")
                reply(flow, "PA", SERVER_ISN + 1, CLIENT_ISN + 1)
                request(flow, "A", CLIENT_ISN + 1, SERVER_ISN + 1 + len(DATA), b"")
            for _ in range(3):  # The later packets of each direction may go another way than the first.
                request(flow)
                reply(flow)
        for end in (*taps.values(), *senders.values()):
            end.close()
        if self.setup.is_fast:
            for interface in ("l0", "l1"):
                if self.network.passages(interface).hits < len(flows):
                    raise Wrong(f"{self.setup.title}, {self.kind.name}: packets took the long way at "
                                f"{interface}: {self.network.passages(interface)}")
        return flows

    def prove_stranger(self):
        """Let a packet to a foreign address show that it goes its way as the sender made it."""
        sender, tap = Sender(self.network.gen, "g0"), Tap(self.network.sink, "s0")
        flow = Flow(SETUPS["forward"], self.kind, (CLIENT[self.kind.near], 1))
        self._pass(sender, flow.request(), tap, flow.check_request)
        sender.close()
        tap.close()

    def _pass(self, sender, frame, tap, check):
        sender.send(frame)
        end = time.monotonic() + 1
        while not (packets := tap.read()):
            if time.monotonic() > end:
                raise Wrong(f"{self.setup.title}, {self.kind.name}: nothing arrived of {frame[14:].hex(' ', 4)}")
        if len(packets) != 1:
            raise Wrong(f"{len(packets)} packets arrived of one: {packets}")
        check(packets[0])

    def fill(self):
        """Make all flows, by pktgen, and see what memory they take."""
        before = memory.now()
        pktgen(self.network, self.setup.service(self.kind), self.count)
        made = connections(self.network)
        if made != self.count:
            raise Wrong(f"{self.setup.title}: {made} connections of {self.count} packets")
        settle()
        self.memory = memory.now().since(before).each(self.count)

    def measure(self, flows, way):
        """Count packets in one direction, spread over all flows."""
        frames = [flow.request() if way == "request" else flow.reply() for flow in flows]
        near, out, into, far, end = _ENDS[way]
        network = self.network
        sender = Sender(getattr(network, near), out)
        network.drop(network.lb, into)
        floor = self._send(sender, frames, network.lb, into)
        network.pass_on(into)
        fast = into if self.setup.is_fast else None
        total = self._send(sender, frames, getattr(network, far), end, fast)
        sender.close()
        return Count(total, floor, 0.0 if fast else None)

    def measure_refresh(self, flows, way):
        """Count packets of flows of which IPVS is to hear again: the first of each for more than half a second."""
        frames = [flow.request() if way == "request" else flow.reply() for flow in flows]
        near, out, into, far, end = _ENDS[way]
        network = self.network
        sender = Sender(getattr(network, near), out)
        network.drop(network.lb, into)
        floor = self._send(sender, frames, network.lb, into)
        network.pass_on(into)
        arrived, passages = network.dropped(getattr(network, far), end), network.passages(into)
        times = []
        for _ in range(_SLICES + 1):
            self._grow_stale()
            times.append(_time(sender.send, frames))
        arrived = network.dropped(getattr(network, far), end) - arrived
        passages = network.passages(into).since(passages)
        sender.close()
        sent = len(times) * len(frames)
        if not sent <= arrived <= sent + _STRAYS or passages.refreshes != sent:
            raise Wrong(f"{self.setup.title}, {self.kind.name}: {passages}, {arrived} arrived of {sent} to refresh")
        # The first is for warmth.
        return Count(statistics.median(times[1:]) / len(frames), floor, 1.0)

    def measure_miss(self, flow):
        """Count packets that the fast path looks at and leaves: dropped behind it, and for the floor in front of it."""
        frames = [flow.request()]
        network = self.network
        sender = Sender(network.gen, "g0")
        network.drop(network.lb, "l0")
        floor = self._send(sender, frames, network.lb, "l0")
        network.pass_on("l0")
        network.drop_behind("l0")
        before = network.passages("l0")
        total = self._send(sender, frames, network.lb, "l0")
        seen = network.passages("l0").since(before)
        network.pass_on("l0")
        sender.close()
        if not _WARM + PACKETS <= seen.misses <= _WARM + PACKETS + _STRAYS or seen.hits:
            raise Wrong(f"{self.setup.title}: {seen} of {_WARM + PACKETS} packets of no flow")
        return Count(total, floor)

    @staticmethod
    def _grow_stale():
        gc.collect()
        time.sleep(_STALE)

    def _send(self, sender, frames, namespace, interface, fast=None):
        """Send all packets and return what one takes. `fast` is the interface where every one must take the fast path:
        each flow has sent one by the hooks just before, and half a second later all is done."""
        send = sender.send
        for frame in _repeat(frames, _WARM):
            send(frame)
        settle()
        burst = _repeat(frames, PACKETS // _SLICES)
        passages = fast and self.network.passages(fast)
        before = self.network.dropped(namespace, interface)
        if fast:
            self._grow_stale()
            for frame in frames:
                send(frame)
            before += len(frames)
        else:
            gc.collect()
        gc.disable()
        times = []
        for _ in range(_SLICES):
            times.append(_time(send, burst))
        gc.enable()
        arrived = self.network.dropped(namespace, interface) - before
        if not PACKETS <= arrived <= PACKETS + _STRAYS:
            raise Wrong(f"{self.setup.title}, {self.kind.name}: {arrived} of {PACKETS} packets came to {interface}")
        if fast:
            passages = self.network.passages(fast).since(passages)
            if passages.hits < PACKETS or passages.refreshes != len(frames) or passages.others:
                raise Wrong(f"{self.setup.title}, {self.kind.name}: {passages} of {PACKETS} packets to pass")
        # The median leaves out what the kernel does now and then behind all this.
        return statistics.median(times) / len(burst)

    def close(self):
        """Take the namespaces away, and give the kernel time to end their connections."""
        before = memory.connections()
        self.network.delete()
        end = time.monotonic() + (60 if self.count > 1 else 1)
        # All but a few that the slab allocator cannot tell from free: who fills next counts the memory they take.
        while memory.connections() > before - self.count + self.count // 100 and time.monotonic() < end:
            time.sleep(1)


def _time(send, frames):
    start = time.perf_counter_ns()
    for frame in frames:
        send(frame)
    return time.perf_counter_ns() - start


def _repeat(frames, count):
    return (frames * (count // len(frames) + 1))[:count]


def settle():
    """Let the kernel do what it does behind: growing tables, grace periods."""
    time.sleep(0.3)


def connections(network):
    """How many connections IPVS has made in this namespace; it adds up every two seconds."""
    time.sleep(5)
    return int(network.lb.read("/proc/net/ip_vs_stats").splitlines()[2].split()[0], 16)


def pktgen(network, service, count):
    """Send one datagram of each flow; no packet is shared, as real ones are not."""
    first = Flow.numbered(None, KINDS["udp4"], 0).client[0]
    last = Flow.numbered(None, KINDS["udp4"], ADDRESSES - 1).client[0]
    words = (
        "flag !SHARED", f"count {count}", "clone_skb 0", "pkt_size 60", "delay 0", f"dst {service}",
        f"dst_mac {MAC['l0']}", f"src_min {first}", f"src_max {last}", f"udp_src_min {FIRST_PORT}",
        f"udp_src_max {FIRST_PORT + PORTS}", f"udp_dst_min {PORT}", f"udp_dst_max {PORT}",
    )
    lines = ["echo rem_device_all > /proc/net/pktgen/kpktgend_0", "echo add_device g0 > /proc/net/pktgen/kpktgend_0"]
    lines += [f"echo {word} > /proc/net/pktgen/g0" for word in words]
    lines += ["echo start > /proc/net/pktgen/pgctrl", "echo rem_device_all > /proc/net/pktgen/kpktgend_0"]
    with network.gen.entered():
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, timeout=1200)
