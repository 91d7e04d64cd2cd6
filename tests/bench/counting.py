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
from .network import MAC
from .network import Network
from .network import Sender
from .network import Tap
from .setups import KINDS
from .setups import PORT
from .setups import TCP

PACKETS = 20000
_SLICES = 5
_WARM = 2000
_SAMPLE = 1000
# Packets of the director itself that may be among those counted: neighbour discovery and the like.
_STRAYS = 20
_ENDS = {"request": ("gen", "g0", "l0", "sink", "s0"), "reply": ("sink", "s0", "l1", "gen", "g0")}


@dataclasses.dataclass
class Count:
    """Instructions per packet, or nanoseconds where time is time."""

    total: float
    floor: float

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
            for _ in range(2):  # The second packet of each direction may go another way than the first.
                request(flow)
                reply(flow)
        for end in (*taps.values(), *senders.values()):
            end.close()
        return flows

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
        total = self._send(sender, frames, getattr(network, far), end)
        sender.close()
        return Count(total, floor)

    def _send(self, sender, frames, namespace, interface):
        send = sender.send
        for frame in _repeat(frames, _WARM):
            send(frame)
        settle()
        burst = _repeat(frames, PACKETS // _SLICES)
        before = self.network.dropped(namespace, interface)
        gc.collect()
        gc.disable()
        times = []
        for _ in range(_SLICES):
            start = time.perf_counter_ns()
            for frame in burst:
                send(frame)
            times.append(time.perf_counter_ns() - start)
        gc.enable()
        arrived = self.network.dropped(namespace, interface) - before
        if not PACKETS <= arrived <= PACKETS + _STRAYS:
            raise Wrong(f"{self.setup.title}, {self.kind.name}: {arrived} of {PACKETS} packets came to {interface}")
        # The median leaves out what the kernel does now and then behind all this.
        return statistics.median(times) / len(burst)

    def close(self):
        """Take the namespaces away, and give the kernel time to end their connections."""
        before = memory.connections()
        self.network.delete()
        end = time.monotonic() + (60 if self.count > 1 else 1)
        while memory.connections() > before - self.count // 2 and time.monotonic() < end:
            time.sleep(1)


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
