# SPDX-License-Identifier: GPL-2.0
"""Vectors of established connections go both ways, past the IP layer and through it, and come out the same."""

import collections
import dataclasses
import importlib
from pathlib import Path

import pytest

from lib.vectors import network
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Segment
from lib.vectors.three_ways import HOOKS
from lib.vectors.three_ways import INGRESS
from lib.vectors.three_ways import XDP
from lib.vectors.three_ways import ThreeWays

# Reasons that vectors of this kind cannot have, because the fault is not in the packet, or that depend on the hour.
ELSEWHERE = {"no-hop", "no-server", "shared", "family", "state"}
# One family on both sides is what XDP takes; other kinds of service make no difference to it.
SHOWN_TO_XDP = {"tcp4", "tcp6", "udp4", "udp6"}


def established():
    """The vectors of the other files that send segments or datagrams when a connection is there."""
    folder = Path(__file__).parent.parent / "vectors"
    for name in sorted(path.stem for path in folder.glob("*.py") if path.stem != "conftest"):
        module = importlib.import_module(f"vectors.{name}")
        marks = [mark for value in vars(module).values() for mark in getattr(value, "pytestmark", ())]
        for mark in marks:
            if mark.args[:1] == ("vector",):
                yield from filter(is_established, mark.args[1])


def is_established(vector):
    """What is not of this kind goes the long way for its protocol, and is not worth a second way."""
    sent = vector.sent if isinstance(vector.sent, tuple) else (vector.sent,)
    return vector.state in ("open", "known") and all(isinstance(shape, (Segment, Datagram)) for shape in sent)


class WatchedLab(ThreeWays):
    """A lab that also reads what the interfaces count, just before and just behind what a vector sends."""

    way, seen = INGRESS, ()

    def counters(self):
        """Every counter of the director, as ever."""
        self.seen = self.seen[-1:] + (self.counted(self.way),)
        return super().counters()


@dataclasses.dataclass
class Run:
    """A vector's way through the lab."""

    vector: object
    problem: str
    hits: int
    detours: dict
    left_by_xdp: dict

    @property
    def name(self):
        """What it is called in its own file."""
        return f"{self.vector.kind}: {self.vector.sentence}"

    @property
    def packets(self):
        """How many packets are sent."""
        return len(self.vector.sent) if isinstance(self.vector.sent, tuple) else 1


def run(lab, vector, way):
    """Send a vector by one of the three ways; what came of it, and what was counted."""
    lab.seen, lab.way, problem = (), way, ""
    try:
        with lab.going(way):
            lab.check(vector)
    except AssertionError as error:
        problem = str(error)
    moved = collections.Counter()
    if len(lab.seen) == 2:
        before, moved = lab.seen
        moved.subtract(before)
    # The ping behind it that says that all is through.
    moved["detour", "no-flow"] -= way == INGRESS and len(lab.seen) == 2
    reasons = {name[1]: count for name, count in moved.items() if name[0] == "detour" and count}
    left = {name[1]: count for name, count in moved.items() if name[0] == "xdp" and count}
    return Run(vector, problem, moved["xdp hits"] if way == XDP else moved["hits"], reasons, left)


@pytest.fixture(scope="module")
def runs():
    """Every vector as it goes by itself; those that passed the IP layer through it, and by XDP: (run, run, run)."""
    lab = WatchedLab()
    try:
        found = []
        for vector in established():
            on, off, in_xdp = run(lab, vector, INGRESS), None, None
            if on.hits or on.problem:
                off = run(lab, vector, HOOKS)
            if vector.kind in SHOWN_TO_XDP:
                in_xdp = run(lab, vector, XDP)
            found.append((on, off, in_xdp))
        yield found
    finally:
        lab.close()


@pytest.mark.limit(400)
def test_what_comes_out_is_the_same_either_way(runs):
    wrong = [
        f"{one.name} ({way}): {one.problem}" for pair in runs for way, one in zip((INGRESS, HOOKS, XDP), pair)
        if one and one.problem
    ]
    assert not wrong, f"{len(wrong)} of {len(runs)}:\n" + "\n".join(wrong[:10])


def test_hundreds_of_vectors_take_the_fast_path(runs):
    # The others are the first of their connection to bring an address, or have options, and so on.
    took, in_xdp = (len([runs for runs in runs if runs[way] and runs[way].hits]) for way in (0, 2))
    print(f"{took} of {len(runs)} vectors took the fast path, {in_xdp} in XDP")
    assert took >= 250 and in_xdp >= 100


def test_none_takes_it_when_it_is_switched_off(runs):
    assert not [off.name for _, off, _ in runs if off and (off.hits or off.detours)]


def test_each_packet_takes_it_or_has_a_reason(runs):
    odd = [
        (on.name, on.hits, on.detours) for on, *_ in runs
        if on.packets != on.hits + sum(on.detours.values()) or ELSEWHERE & on.detours.keys()
    ]
    assert not odd


def test_xdp_takes_the_same_and_leaves_the_others_for_the_same_reason(runs):
    odd = []
    for on, _, in_xdp in runs:
        # Once in half a second IPVS is to hear of a flow.
        if not in_xdp or "refresh" in on.detours | in_xdp.detours:
            continue
        # Of no flow are most packets that XDP sees: only those behind it are counted.
        reasons = {name: count for name, count in on.detours.items() if name != "no-flow"}
        took, left = in_xdp.hits == on.hits, in_xdp.left_by_xdp == reasons
        # What is behind the end of a packet is for the stack to take off.
        behind = in_xdp.left_by_xdp == {"malformed": on.packets} and "trailer" in vars(on.vector.sent)["fields"]
        if not (took and left or behind):
            odd.append((on.name, on.hits, on.detours, in_xdp.hits, in_xdp.left_by_xdp))
    assert not odd


def test_the_reasons_are_many(runs):
    reasons = collections.Counter()
    for on, *_ in runs:
        reasons.update(on.detours)
    print(dict(reasons))
    named = {"malformed", "scattered", "options", "ttl", "class", "flags", "introduction", "too-big"}
    assert named <= reasons.keys()


def test_both_protocols_all_families_and_both_directions_take_it(runs):
    took = {
        (kind.protocol, kind.near, kind.far, on.vector.way)
        for on, *_ in runs if on.hits for kind in [network.KINDS[on.vector.kind]]
    }
    assert took == {
        (protocol, near, far, way)
        for protocol in (network.TCP, network.UDP) for near in (4, 6) for far in (4, 6) for way in ("request", "reply")
    }
