# SPDX-License-Identifier: GPL-2.0
"""What interfaces of a director count of their fast paths, and traffic that takes them while a test changes things."""

import contextlib
import dataclasses
import json
import struct

from . import netlink
from .topology import VIP
from .waiting import wait_until

SWITCH = "net.ipv4.vs.fullnat_fastpath"
_INTERFACE_GET, _INTERFACE = 11, 7
_NONE = bytes(8)  # An interface without a fast path counts nothing.
_NAME, _MODE, _HITS, _MISSES, _DETOUR, _XDP_HITS, _XDP_DETOUR = 2, 3, 5, 6, 7, 11, 12


@dataclasses.dataclass
class Counts:
    """Packets that came in at an interface: those that passed the IP layer by, and why the others did not."""

    mode: int
    hits: int
    detours: dict
    xdp_hits: int = 0
    xdp_detours: dict = dataclasses.field(default_factory=dict)


class FastPath:
    """The fast paths of a namespace. Asked by netlink, because some tests ask hundreds of times."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.family = netlink.Family(namespace, "IPVS_FLOW")
        self.in_xdp = False  # Whether only packets that XDP forwards count as hits.

    def close(self):
        """Stop."""
        self.family.close()

    def interfaces(self, wanted=lambda name: True):
        """What each interface counts, by its name."""
        answer = self.family.ask(_INTERFACE_GET, dump=True)
        assert not answer.error, answer
        found = {}
        for message in answer.messages:
            rows = list(netlink.pairs(message[_INTERFACE]))
            row = dict(rows)
            if _NAME not in row:
                continue  # What is asked for all of them.
            name = row[_NAME].rstrip(b"\0").decode()
            if not wanted(name):
                continue
            detours, in_xdp = (
                dict(_detour(value) for kind, value in rows if kind == this) for this in (_DETOUR, _XDP_DETOUR)
            )
            detours["no-flow"] = _number(row.get(_MISSES, _NONE))
            found[name] = Counts(
                row[_MODE][0], _number(row.get(_HITS, _NONE)), detours, _number(row.get(_XDP_HITS, _NONE)), in_xdp,
            )
        return found

    def hits(self, *names):
        """Packets that took the fast path, at all interfaces or at some."""
        found = [counts for name, counts in self.interfaces().items() if not names or name in names]
        return sum(counts.xdp_hits if self.in_xdp else counts.hits for counts in found)

    def detours(self):
        """Packets that did not, by the reason."""
        found = {}
        for counts in self.interfaces().values():
            for name, value in counts.detours.items():
                found[name] = found.get(name, 0) + value
        return found

    @contextlib.contextmanager
    def passing(self, count):
        """So many packets take the fast path, but for those of which IPVS is to hear twice a second."""
        hits, refreshed = self.hits(), self.detours().get("refresh", 0)
        yield
        hits, refreshed = self.hits() - hits, self.detours().get("refresh", 0) - refreshed
        assert hits + refreshed == count, f"{hits} packets took the fast path, not {count}; detours: {self.detours()}"
        assert hits * 2 >= count

    @contextlib.contextmanager
    def falling_back(self, reason, count=1):
        """So many packets do not take the fast path for this reason, and none takes it."""
        hits, before = self.hits(), self.detours().get(reason, 0)
        yield
        now = self.detours()
        assert now.get(reason, 0) - before == count, f"{reason}: {before} before, now {now}"
        assert self.hits() == hits

    def grows(self, *names, by=50):
        """Wait until so many more packets have taken the fast path."""
        before = self.hits(*names)
        wait_until(
            lambda: self.hits(*names) >= before + by, f"{by} packets on the fast path of {names or 'any interface'}"
        )

    @contextlib.contextmanager
    def switched_off(self):
        """All packets go the long way."""
        self.namespace.sysctl(SWITCH, 0)
        try:
            yield
        finally:
            self.namespace.sysctl(SWITCH, 1)


def _number(value):
    return struct.unpack("=Q", value)[0]


def _detour(value):
    detour = netlink.parse(value)
    return detour[1].rstrip(b"\0").decode(), _number(detour[2])


class Pulse:
    """Datagrams there and back, one after the other, until the test has seen enough; each answer is checked."""

    def __init__(self, client, *words, port=80, prefix=(), timeout=0.2):
        self.program = client.start(
            *prefix, "traffic", "udp", f"{VIP}:{port}", "--until-eof", "--timeout", timeout, *words
        )

    def end(self):
        """Stop, and return the report."""
        return json.loads(self.program.finish(code=None))


@contextlib.contextmanager
def pulse(topology, path, *names, lost=None):
    """Datagrams of two clients flow on the fast path in the body; of each, at most `lost` may get lost."""
    # Programs of their own: one that waits for an answer in vain does not keep the other from asking.
    # On a busy host, an answer may take long that is not lost.
    timeout = 0.2 if lost is None else 3
    beating = [Pulse(topology.client, "--size", 40 + number, timeout=timeout) for number in range(2)]
    path.grows(*names)
    yield
    for one in beating:
        report = one.end()
        assert report["ok"] > 10 and "not a reply" not in report["errors"], report
        assert lost is None or report["failed"] <= lost, report


@contextlib.contextmanager
def transfer(topology, path, megabytes=30, by=()):
    """Bytes flow both ways on the fast path of a TCP connection in the body; all of them arrive, and unchanged.

    The body may take longer: how many packets come in by some interfaces is looked at in the end.
    """
    size = megabytes * 1_000_000
    before = {name: path.hits(name) for name in by}
    moving = topology.client.start("traffic", "bulk", f"{VIP}:80", "--up", size, "--down", size)
    path.grows()
    yield moving
    report = json.loads(moving.finish(timeout=50))
    assert report["ok"]
    took = {name: path.hits(name) - count for name, count in before.items()}
    assert all(count >= 50 for count in took.values()), took
    assert report["up_hash"] == report["up_hash_server"] != report["down_hash"] == report["down_hash_server"]
