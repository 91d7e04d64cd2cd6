# SPDX-License-Identifier: GPL-2.0
"""Frames in XDP: what the program costs that the director attaches, beside programs that do alike in BPF alone.

A frame is shown to a program by BPF_PROG_TEST_RUN, which says how long the program ran. Each run gets its frame as the
sender made it, as if it had come by the director's interface. The floor is the same with a program that does nothing.
"""

import functools
import gc
import itertools
import json
import os
import statistics
import struct
import time
from pathlib import Path

from lib import bpf
from lib.ip import Packet
from lib.ip import packed

from .counting import Count
from .flow import Flow
from .flow import Wrong
from .network import CLIENT
from .network import SERVER
from .network import Sender
from .network import mac
from .setups import KINDS
from .setups import SETUPS
from .setups import TCP

_RUNS, _SLICES, _LIVE = 500, 5, 4000
_STALE = 0.6
# Frames that nobody counts on, such as neighbour discovery's.
_STRAYS = 20
_PINS = Path("/sys/fs/bpf/bench")
_LINK = 14
# From where to where: who sends, by what, into which interface, out of which, to whom.
_ENDS = {"request": ("gen", "g0", "l0", "l1", "s0"), "reply": ("sink", "s0", "l1", "l0", "g0")}
# As much as a flow of the program in BPF needs not to be stale, ever.
_FRESH = 1 << 62


@functools.cache
def _pins(name):
    """Where the programs of an object file are pinned; loaded when one is first asked for."""
    pins = _PINS.with_name(f"bench-{name}")
    bpf.load(Path(os.environ["BENCH_BPF"]) / f"{name}.bpf.o", pins)
    return pins


def _program(name, function):
    return bpf.Program.pinned(_pins(name) / function)


def _map(name, what):
    return bpf.Map.pinned(Path(f"{_pins(name)}-maps") / what)


def _link(namespace, interface):
    return json.loads(namespace.run("ip", "-j", "link", "show", "dev", interface).stdout)[0]


class Frames:
    """A director that is there, with its flows, once it has XDP at both interfaces."""

    def __init__(self, bench):
        self.bench, self.network = bench, bench.network
        for namespace, interface in ((self.network.gen, "g0"), (self.network.lb, "l0"), (self.network.lb, "l1"),
                                     (self.network.sink, "s0")):
            # As NICs do: who receives redirected frames polls, and checksums come complete.
            namespace.run("ethtool", "-K", interface, "gro", "on", "tx", "off")
        for interface in ("l0", "l1"):
            self.network.lb.run("rsipvsadm", "fastpath", "set", interface, "xdp")
        self.flows = bench.prove()
        for interface in ("l0", "l1"):
            if (hits := self._counted(interface)["xdp_hits"]) < len(self.flows):
                raise Wrong(f"{hits} frames of {len(self.flows)} flows forwarded by XDP at {interface}")

    def close(self):
        """Take the programs off: they hold the module."""
        for interface in ("l0", "l1"):
            self.network.lb.run("rsipvsadm", "fastpath", "set", interface, "ingress")

    def _counted(self, interface):
        rows = json.loads(self.network.lb.run("rsipvsadm", "fastpath", "--json").stdout)["interfaces"]
        return next(row for row in rows if row["interface"] == interface)

    def _ours(self, interface):
        return bpf.Program.numbered(_link(self.network.lb, interface)["xdp"]["prog"]["id"])

    def _frames(self, way):
        return [flow.request() if way == "request" else flow.reply() for flow in self.flows]

    def _refresh(self, way):
        """Have IPVS hear of every flow, so that for half a second no packet takes the long way."""
        near, out = _ENDS[way][:2]
        sender = Sender(getattr(self.network, near), out)
        gc.collect()
        time.sleep(_STALE)
        for frame in self._frames(way):
            sender.send(frame)
        sender.close()

    def _runs(self, program, way, frames):
        index = _link(self.network.lb, _ENDS[way][2])["ifindex"]
        return [bpf.Run(program, frame, index) for frame in frames]

    def _floor(self, way, frames):
        with self.network.lb.entered():
            return _measure(self._runs(_program("frames", "nothing"), way, frames), bpf.PASS)

    def measure(self, way):
        """Count the director's program with frames in one direction, spread over all flows."""
        frames = self._frames(way)
        floor = self._floor(way, frames)
        program = self._ours(_ENDS[way][2])
        runs = self._runs(program, way, frames)
        self._refresh(way)
        with self.network.lb.entered():
            self._check(runs, way)
            total = _measure(runs, bpf.REDIRECT)
        program.close()
        return Count(total, floor)

    def _check(self, runs, way):
        """Fail unless every frame becomes what it must: what each has become."""
        out, end = _ENDS[way][3:]
        become = []
        for run, flow in zip(runs, self.flows, strict=True):
            verdict, frame = run.frame()
            if verdict != bpf.REDIRECT or frame[:12] != mac(end) + mac(out):
                raise Wrong(f"verdict {verdict} on a {way} of {flow}: {frame.hex(' ', 4)}")
            (flow.check_request if way == "request" else flow.check_reply)(frame[_LINK:])
            become.append(frame)
        return become

    def measure_miss(self, flow):
        """Count the director's program with frames that are none of its flows."""
        frames = [flow.request()]
        floor = self._floor("request", frames)
        program = self._ours("l0")
        runs = self._runs(program, "request", frames)
        before = self._counted("l0")
        with self.network.lb.entered():
            if runs[0].frame() != (bpf.PASS, frames[0]):
                raise Wrong(f"a frame of no flow became {runs[0].frame()}")
            total = _measure(runs, bpf.PASS)
        program.close()
        counted = self._counted("l0")
        missed = counted["xdp_misses"] - before["xdp_misses"]
        # The first showed what becomes of one.
        sent = 1 + _RUNS * (_SLICES + 1)
        if not sent <= missed <= sent + _STRAYS or counted["xdp_detours"] != before["xdp_detours"]:
            raise Wrong(f"{missed} frames of {sent} were left as of no flow; before {before}, then {counted}")
        return Count(total, floor)

    def measure_bpf(self, way):
        """Count the same translation written in BPF: of the same frames, to the same bytes."""
        frames = self._frames(way)
        floor = self._floor(way, frames)
        ours = self._ours(_ENDS[way][2])
        runs = self._runs(ours, way, frames)
        self._refresh(way)
        with self.network.lb.entered():
            become = self._check(runs, way)
            self._teach(frames, become, _ENDS[way][3])
            runs = self._runs(_program("nat", "nat"), way, frames)
            if self._check(runs, way) != become:
                raise Wrong("the NAT in BPF makes other bytes of a frame than the director")
            total = _measure(runs, bpf.REDIRECT)
        ours.close()
        return Count(total, floor)

    def _teach(self, frames, become, out):
        """Tell the NAT in BPF of flows."""
        index = _link(self.network.lb, out)["ifindex"]
        flows = _map("nat", "flows")
        for old, new in zip(frames, become, strict=True):
            # Addresses, ports and protocol; the checksums change by the difference.
            before, after = (frame[26:38] + struct.pack("=I", frame[23]) for frame in (old, new))
            addresses = _fold(_words(after[:8]) + _words(bytes(~byte & 255 for byte in before[:8])))
            ports = _words(after[8:12]) + _words(bytes(~byte & 255 for byte in before[8:12]))
            flows.update(before, struct.pack("=16sHHIHHII12sQ", after, addresses, _fold(addresses + ports), index, 1500,
                                             1, 1, 2, new[:12], _FRESH))

    def measure_live(self, _way):
        """Count frames from where they are made to where they are dropped, in XDP all the way. The floor is to drop
        them where they come to the director, so nothing passes there any more afterwards."""
        frames = self._frames("request")
        table = _map("frames", "frames")
        for number, frame in enumerate(frames):
            table.update(struct.pack("=I", number), frame.ljust(64, b"\0"))
        order = struct.pack("=IIIIQ", _link(self.network.gen, "g0")["ifindex"], len(frames), 0, 0, 0)
        self._drop(self.network.sink, "s0")
        before = self._counted("l0")["xdp_hits"]
        self._refresh("request")
        total = self._send(order)
        passed = self._counted("l0")["xdp_hits"] - before
        if passed != _LIVE * (_SLICES + 1):
            raise Wrong(f"{passed} frames forwarded of {_LIVE * (_SLICES + 1)}")
        self.network.lb.run("rsipvsadm", "fastpath", "set", "l0", "ingress")
        self._drop(self.network.lb, "l0")
        return Count(total, self._send(order))

    @staticmethod
    def _drop(namespace, interface):
        namespace.run("ip", "link", "set", "dev", interface, "xdpdrv", "pinned", _pins("frames") / "count_drop")

    def _send(self, order):
        """Send all frames and return what one takes."""
        key, orders = bytes(4), _map("frames", "orders")
        orders.update(key, order)
        program = _program("frames", "send_frame")
        times = []
        with self.network.gen.entered():
            for _ in range(_SLICES + 1):
                start = time.perf_counter_ns()
                program.run_live(60, _LIVE)
                times.append((time.perf_counter_ns() - start) / _LIVE)
        dropped = struct.unpack("=IIIIQ", orders.lookup(key, 24))[4]
        if dropped != _LIVE * len(times):
            raise Wrong(f"{dropped} frames arrived of {_LIVE * len(times)}")
        # The first is for warmth.
        return statistics.median(times[1:])


def measure_encapsulation(network):
    """Count the balancer of Katran's shape with a segment of a connection it knows; any director will do."""
    kind = KINDS["tcp4"]
    flow = Flow(SETUPS["ipvs"], kind, (CLIENT[4], 1000))
    frame = flow.request()
    address, port = flow.service
    service = packed(address) + struct.pack("!HBB", port, TCP, 0)
    _map("encapsulate", "services").update(service, struct.pack("=II", 0, 1))
    _map("encapsulate", "connections").update(frame[26:38] + struct.pack("=I", TCP), struct.pack("=IIQ", 1, 0, 0))
    _map("encapsulate", "servers").update(struct.pack("=I", 1), packed(SERVER[4]) + bytes(4))
    _map("encapsulate", "routers").update(bytes(4), mac("s0"))
    with network.lb.entered():
        index = _link(network.lb, "l0")["ifindex"]
        floor = _measure([bpf.Run(_program("frames", "nothing"), frame, index)], bpf.PASS)
        run = bpf.Run(_program("encapsulate", "balance"), frame, index)
        verdict, became = run.frame()
        outer = Packet.parse(became[_LINK:])
        if (verdict, became[:6], outer.destination, outer.protocol, outer.payload) != \
                (bpf.TX, mac("s0"), SERVER[4], 4, frame[_LINK:]):
            raise Wrong(f"verdict {verdict} on a segment to encapsulate: {became.hex(' ', 4)}")
        return Count(_measure([run], bpf.TX), floor)


def _measure(runs, verdict):
    """What a run takes: the median of five slices' means, after one for warmth."""
    means = []
    turns = itertools.cycle(runs)
    gc.disable()
    for _ in range(_SLICES + 1):
        taken = 0
        for run in itertools.islice(turns, _RUNS):
            said, time_taken = run()
            if said != verdict:
                raise Wrong(f"the program's verdict is {said}, not {verdict}")
            taken += time_taken
        means.append(taken / _RUNS)
    gc.enable()
    return statistics.median(means[1:])


def _words(data):
    return sum(struct.unpack(f"={len(data) // 2}H", data))


def _fold(number):
    while number >> 16:
        number = (number & 0xffff) + (number >> 16)
    return number
