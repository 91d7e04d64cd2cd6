# SPDX-License-Identifier: GPL-2.0
"""A thousand packets through IPVS's hooks, the ingress hook and XDP: the same frames out, and the same reasons."""

import collections
import itertools

import pytest

from lib.packets import ones_sum
from lib.vectors import seeded
from lib.vectors.shapes import place_of
from lib.vectors.three_ways import HOOKS
from lib.vectors.three_ways import INGRESS
from lib.vectors.three_ways import XDP
from lib.vectors.three_ways import ThreeWays
from lib.vectors.three_ways import kinds

COUNT, AT_ONCE = 1000, 40
ENOUGH = 20  # Differences.
# Why XDP leaves packets that ingress takes: another family, a tag more or less, something behind the packet's end.
ONLY_XDP = {"family", "no-way", "malformed"}


def masked(frames):
    """Frames without what the director chooses at random: identifications of the headers that it makes.

    Fragments of IPv6 are put together: the kernel sends them as they came only where they lie in memory as they should.
    """
    pieces = []
    for frame in map(bytearray, frames):
        at = 18 if frame[12:14] == b"\x81\0" else 14
        if frame[at] >> 4 == 4:
            # What fills up a short frame stays in it.
            del frame[at + int.from_bytes(frame[at + 2:at + 4]):]
            assert ones_sum(frame[at:at + (frame[at] & 15) * 4]) == 0xFFFF, frame.hex()
            frame[at + 4:at + 6] = frame[at + 10:at + 12] = b"\0\0"
        elif frame[at + 6] == 44:
            pieces.append(frame[at + 48:])
            if frame[at + 43] & 1:
                continue
            frame[at + 4:at + 6] = b"\0\0"
            frame[at + 42:] = bytes(6) + b"".join(pieces)
            pieces = []
        yield bytes(frame)


class Differential:
    """What has come of all vectors."""

    def __init__(self, lab):
        self.lab = lab
        self.differences = []
        self.hits, self.reasons = collections.Counter(), collections.Counter()
        self.packets = 0

    def run(self, vectors):
        """A few vectors at a time, each three ways."""
        flows = self.lab.open_all(vectors)
        frames = [
            [(place_of(vector.way, sent=True), frame) for frame in vector.frames(flow)]
            for vector, flow in zip(vectors, flows, strict=True)
        ]
        self.compare(vectors, frames)

    def compare(self, vectors, frames, tries=2):
        """The same out, and the same reasons; else find out of which vector."""
        if len(self.differences) > ENOUGH:
            return
        seen, counted = {}, {}
        flat = [pair for each in frames for pair in each]
        for way in (HOOKS, INGRESS, XDP):
            seen[way], counted[way] = self.go(way, flat)
        if len(vectors) > 1 and any(name[-1] == "refresh" for moved in counted.values() for name in moved):
            # A busy host: fewer take less time.
            half = len(vectors) // 2
            self.compare(vectors[:half], frames[:half])
            self.compare(vectors[half:], frames[half:])
            return
        same = seen[HOOKS] == seen[INGRESS] == seen[XDP]
        if same and self.judge(counted):
            return
        if same and tries:
            # A packet may have ended a connection, of which those behind it then knew.
            self.compare(vectors, frames, tries - 1)
        elif len(vectors) == 1:
            outcome = "\n ".join(f"{way}: {show(seen[way])} {counted[way]}" for way in seen)
            self.differences.append(f"{vectors[0]}, {show(flat)}\n {outcome}")
        else:
            where = first_difference(seen) or counted
            self.differences.append(f"{vectors[0].number} to {vectors[-1].number}: {where}; alone:")
            for vector, each in zip(vectors, frames, strict=True):
                self.compare([vector], [each])

    def go(self, way, flat):
        """All of them one way, in a moment in which IPVS does not want to hear of any; what was seen and counted."""
        for _ in range(5):
            before = self.lab.counted(way)
            got = self.lab.all_out(way, flat)
            counted = self.lab.counted(way)
            counted.subtract(before)
            moved = {name: count for name, count in counted.items() if count}
            if not any(name[-1] == "refresh" for name in moved):
                break
        self.packets += len(flat)
        return {place: list(masked(frames)) for place, frames in got.items()}, moved

    def judge(self, counted):
        """The same reasons, but for those that only XDP has."""
        assert not counted[HOOKS]
        ingress, in_xdp = counted[INGRESS], counted[XDP]
        behind = {name: count for name, count in in_xdp.items() if name[0] != "xdp" and name != "xdp hits"}
        surplus = {
            name[1] for name, count in in_xdp.items()
            if name[0] == "xdp" and count > in_xdp.get(("detour", name[1]), 0)
        }
        if ingress != behind or not surplus <= ONLY_XDP:
            return False
        self.hits["ingress"] += ingress.get("hits", 0)
        self.hits["xdp"] += in_xdp.get("xdp hits", 0)
        self.reasons.update({name[1]: count for name, count in ingress.items() if name[0] == "detour"})
        return True


def first_difference(seen):
    """Where lists of frames part."""
    for place in seen[HOOKS]:
        for frames in itertools.zip_longest(*(seen[way][place] for way in seen)):
            if len(set(frames)) > 1:
                return " | ".join(f"{way}: {(frame or b'')[:90].hex(' ', 4)}" for way, frame in zip(seen, frames))
    return ""


def show(frames):
    """Frames by place, in words."""
    if isinstance(frames, dict):
        return " | ".join(f"{place}: " + ", ".join(frame[:90].hex(" ", 4) for frame in each)
                          for place, each in frames.items())
    return ", ".join(frame.data[:90].hex(" ", 4) for _, frame in frames)


@pytest.fixture(scope="module")
def done():
    """All of them."""
    lab = ThreeWays()
    try:
        done = Differential(lab)
        vectors = list(seeded.vectors(COUNT, list(kinds())))
        # What is a number of packets in XDP and one at ingress cannot be counted with the others.
        whole = [vector for vector in vectors if vector.sort is not seeded.super_packet]
        many = [vector for vector in vectors if vector.sort is seeded.super_packet]
        for at in range(0, len(whole), AT_ONCE):
            done.run(whole[at:at + AT_ONCE])
        done.judge = lambda *_: True
        for at in range(0, len(many), AT_ONCE):
            done.run(many[at:at + AT_ONCE])
        yield done
    finally:
        lab.close()


@pytest.mark.limit(300)
def test_the_same_comes_out_for_the_same_reasons(done):
    print(f"{done.packets} frames, {done.hits}, {dict(done.reasons)}")
    assert not done.differences, f"{len(done.differences)}:\n" + "\n".join(done.differences[:5])


def test_there_is_something_of_everything(done):
    assert done.hits["ingress"] > 200 and done.hits["xdp"] > 100
    named = {
        "no-flow", "malformed", "fragment", "protocol", "options", "ttl", "class", "flags", "too-big", "icmp",
    }
    assert named <= done.reasons.keys(), done.reasons
